//! The MIME structure of a message: its parts in order, each with the place of its octets.

use std::ops::Range;

/// The parts of a message in the order of their octets, part 0 being the message itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outline {
    /// A parent always stands before its children. Never empty once scanned.
    pub parts: Vec<Part>,
}

/// One part: a leaf with content, a multipart, or an enclosed message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// Index of the part that holds this one; none for part 0.
    pub parent: Option<usize>,
    /// 0 for the message itself.
    pub depth: usize,
    /// The octets of its header, with the empty line.
    pub header: Range<u64>,
    /// The octets of its body, still encoded, without the line end that belongs to the boundary.
    pub body: Range<u64>,
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
}
