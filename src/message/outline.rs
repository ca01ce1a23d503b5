//! The MIME structure of a message: its parts in order, each with the place of its octets.

use std::ops::Range;

use super::{charset::decode_text, html_charset, pictures, text::unflow};

/// The parts of a message in the order of their octets, part 0 being the message itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outline {
    /// A parent always stands before its children. Never empty once scanned.
    pub parts: Vec<Part>,
}

impl Outline {
    /// The text of the leaf at `index` from its content, without the files that stand in it as blocks;
    /// false if its charset is unknown or lacks some of the octets.
    pub fn text(&self, index: usize, content: &[u8]) -> (String, bool) {
        let Some(part) = self.parts.get(index) else { return (String::new(), true) };
        let blocks = self.parts.iter().skip(index + 1);
        let blocks: Vec<_> = blocks.take_while(|block| block.parent == Some(index)).collect();
        if blocks.is_empty() {
            return part.text(content);
        }
        let (mut rest, mut at) = (Vec::with_capacity(content.len()), 0);
        // Their places are counted in the content of an encoded text, else in what holds both.
        let start = if blocks[0].within == part.within { part.body.start } else { 0 };
        let place = |octet: u64| {
            let place = usize::try_from(octet.saturating_sub(start));
            place.unwrap_or(content.len()).min(content.len())
        };
        for block in blocks {
            rest.extend_from_slice(content.get(at..place(block.body.start)).unwrap_or_default());
            at = place(block.body.end).max(at);
        }
        rest.extend_from_slice(content.get(at..).unwrap_or_default());
        part.text(&rest)
    }

    /// True if the part belongs to an enclosed message and not to the message itself.
    pub fn is_enclosed(&self, index: usize) -> bool {
        let parent = |part: &Part| part.parent.and_then(|parent| self.parts.get(parent));
        let above = self.parts.get(index).and_then(parent);
        std::iter::successors(above, |part| parent(part)).any(Part::is_message)
    }
}

impl Part {
    /// The text of a part from the octets of its content, as HTML if it is that; false if the charset is
    /// unknown or lacks some of them.
    fn text(&self, octets: &[u8]) -> (String, bool) {
        let charset = html_charset::of(&self.charset, self.is_html(), octets);
        let (text, clean) = decode_text(octets, &charset);
        (self.flowed.map(|flowed| unflow(&text, flowed.delete_space)).unwrap_or(text), clean)
    }

    /// True for `text/*`.
    pub fn is_text(&self) -> bool {
        self.content_type.starts_with("text/")
    }

    /// True for `multipart/*`.
    pub fn is_multipart(&self) -> bool {
        self.content_type.starts_with("multipart/")
    }

    /// True for a part that is a message with its own header (RFC 2046 §5.2.1, RFC 6532 §3.7).
    pub fn is_message(&self) -> bool {
        matches!(self.content_type.as_str(), "message/rfc822" | "message/global")
    }

    /// True for HTML, also in its form as XML.
    pub fn is_html(&self) -> bool {
        matches!(self.content_type.as_str(), "text/html" | "application/xhtml+xml")
    }

    /// The type of a picture that every browser shows, by its present name.
    pub fn picture_type(&self) -> Option<&'static str> {
        pictures::known(&self.content_type)
    }

    /// True if HTML beside it can refer to it (RFC 2392, RFC 2557).
    pub fn is_referred_to(&self) -> bool {
        !self.content_id.is_empty() || self.header_value("Content-Location").is_some()
    }

    /// The encoding to undo for its content. A multipart is never encoded (RFC 2045 §6.4): what holds
    /// others is its octets.
    pub fn content_encoding(&self) -> Encoding {
        if self.is_multipart() { Encoding::Identity } else { self.encoding }
    }

    /// The first field of this name, its value decoded.
    pub fn header_value(&self, name: &str) -> Option<&str> {
        let field = self.headers.iter().find(|(given, _)| given.eq_ignore_ascii_case(name));
        field.map(|(_, value)| value.as_str())
    }
}

/// One part: a leaf with content, a multipart, or an enclosed message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// Index of the part that holds this one; none for part 0.
    pub parent: Option<usize>,
    /// The part in whose content, decoded, the places of this one are counted; none where they are counted
    /// in the message itself.
    pub within: Option<usize>,
    /// 0 for the message itself.
    pub depth: usize,
    /// The octets of its header, with the empty line.
    pub header: Range<u64>,
    /// The octets of its body, still encoded, without the line end that belongs to the boundary.
    pub body: Range<u64>,
    /// The octets of its content, decoded; those of its body for a part that holds others.
    pub content_length: u64,
    /// `type/subtype` in lower case; the default of RFC 2045 §5.2 where none is given.
    pub content_type: String,
    /// The charset parameter in lower case, empty if there is none.
    pub charset: String,
    /// Content-Transfer-Encoding.
    pub encoding: Encoding,
    /// True for `Content-Disposition: attachment`.
    pub is_attachment: bool,
    /// The decoded file name (RFC 2231, RFC 2047, `name` parameter), as given; empty if there is none.
    pub file_name: String,
    /// Content-ID without angle brackets, empty if there is none.
    pub content_id: String,
    /// The Content-ID of the root of a multipart/related (RFC 2387 §3.2), empty if it is the first part.
    pub start: String,
    /// `format=flowed` (RFC 3676) and its `delsp=yes`.
    pub flowed: Option<Flowed>,
    /// The fields of the header: name as given, value unfolded and decoded.
    pub headers: Vec<(String, String)>,
}

/// `format=flowed` with or without `delsp=yes` (RFC 3676 §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flowed {
    /// The space before a soft line break is to be deleted.
    pub delete_space: bool,
}

/// Content-Transfer-Encoding (RFC 2045 §6).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encoding {
    /// 7bit, 8bit, binary, and what we do not know.
    #[default]
    Identity,
    /// base64.
    Base64,
    /// quoted-printable.
    QuotedPrintable,
    /// uuencode, as a block in a text or as some mailers name it, `x-uuencode`.
    Uuencode,
    /// yEnc, likewise.
    Yenc,
    /// Compressed rich text, read as the HTML or the text that it was made of.
    CompressedRtf,
}
