//! The nouns: summary, address, part, defect.

/// What a list shows of a message; made once, when the message is taken in.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Summary {
    /// The decoded subject, empty if there is none.
    pub subject: String,
    /// The addresses of From.
    pub from: Vec<Address>,
    /// The addresses of To.
    pub to: Vec<Address>,
    /// The addresses of Cc.
    pub cc: Vec<Address>,
    /// The addresses of a Bcc header, which a client should not send but some do.
    pub bcc: Vec<Address>,
    /// The addresses of Reply-To.
    pub reply_to: Vec<Address>,
    /// The Date header in milliseconds since 1970, if it could be read.
    pub date_ms: Option<i64>,
    /// Message-ID without angle brackets, empty if there is none.
    pub message_id: String,
    /// Size in octets as received.
    pub size: u64,
    /// File names of the attachments (empty string: one without a name). Inline images shown by the
    /// HTML are not attachments.
    pub attachments: Vec<String>,
    /// How many images the HTML shows in its place that came with the message.
    pub inline_images: usize,
    /// The beginning of the readable text in one line, at most [`SNIPPET_CHARS`] characters.
    pub snippet: String,
    /// What is wrong with the message, each kind once.
    pub defects: Vec<Defect>,
}

/// Longest [`Summary::snippet`], in characters.
pub const SNIPPET_CHARS: usize = 250;

/// A mailbox of a header: display name and address, both decoded. Either may be empty.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Address {
    /// The display name.
    pub name: String,
    /// `local-part@domain`, or what stood there instead.
    pub address: String,
}

/// Something about a message that a standard forbids or that could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Defect {
    /// A line feed without carriage return (RFC 5322 §2.3).
    BareLf,
    /// A carriage return without line feed (RFC 5322 §2.3).
    BareCr,
    /// A NUL octet.
    Nul,
    /// A line over 998 octets (RFC 5322 §2.1.1).
    LongLine,
    /// No empty line between header and body, or no header at all.
    NoHeader,
    /// A line in a header that is neither a field nor a continuation, or something before the first.
    MalformedHeader,
    /// More header fields than we read; the rest is only in the source.
    TooManyHeaders,
    /// A header longer than we read.
    LongHeader,
    /// Octets in a header that are no UTF-8, or escapes of ISO-2022.
    RawEightBitHeader,
    /// From is missing (RFC 5322 §3.6).
    NoFrom,
    /// Date is missing or unreadable (RFC 5322 §3.6.1).
    NoDate,
    /// A field that may stand once stands twice (RFC 5322 §3.6).
    DuplicateHeader,
    /// A multipart without boundary parameter (RFC 2046 §5.1.1).
    NoBoundary,
    /// The boundary never appears, or the closing one is missing (RFC 2046 §5.1.1).
    MissingBoundary,
    /// Parts nested deeper than we follow.
    TooDeep,
    /// More parts than we list.
    TooManyParts,
    /// Base64 or quoted-printable that breaks its own rules.
    BadEncoding,
    /// A content-transfer-encoding that we do not know.
    UnknownEncoding,
    /// A charset that we do not know, or octets that it does not have.
    BadCharset,
    /// An encoded-word that could not be decoded (RFC 2047).
    BadEncodedWord,
}

impl Defect {
    /// Every defect, in the order of the list above.
    pub const ALL: [Self; 20] = [
        Self::BareLf,
        Self::BareCr,
        Self::Nul,
        Self::LongLine,
        Self::NoHeader,
        Self::MalformedHeader,
        Self::TooManyHeaders,
        Self::LongHeader,
        Self::RawEightBitHeader,
        Self::NoFrom,
        Self::NoDate,
        Self::DuplicateHeader,
        Self::NoBoundary,
        Self::MissingBoundary,
        Self::TooDeep,
        Self::TooManyParts,
        Self::BadEncoding,
        Self::UnknownEncoding,
        Self::BadCharset,
        Self::BadEncodedWord,
    ];

    /// The stable name that is stored and that the API shows.
    pub const fn name(self) -> &'static str {
        match self {
            Self::BareLf => "bare-lf",
            Self::BareCr => "bare-cr",
            Self::Nul => "nul",
            Self::LongLine => "long-line",
            Self::NoHeader => "no-header",
            Self::MalformedHeader => "malformed-header",
            Self::TooManyHeaders => "too-many-headers",
            Self::LongHeader => "long-header",
            Self::RawEightBitHeader => "raw-8bit-header",
            Self::NoFrom => "no-from",
            Self::NoDate => "no-date",
            Self::DuplicateHeader => "duplicate-header",
            Self::NoBoundary => "no-boundary",
            Self::MissingBoundary => "missing-boundary",
            Self::TooDeep => "too-deep",
            Self::TooManyParts => "too-many-parts",
            Self::BadEncoding => "bad-encoding",
            Self::UnknownEncoding => "unknown-encoding",
            Self::BadCharset => "bad-charset",
            Self::BadEncodedWord => "bad-encoded-word",
        }
    }

    /// The defect of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|defect| defect.name() == name)
    }
}
