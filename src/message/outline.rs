//! The MIME structure of a message: its parts in order, each with the place of its octets.

use std::ops::Range;

/// The parts of a message in the order of their octets, part 0 being the message itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outline {
    /// A parent always stands before its children. Never empty once scanned.
    pub parts: Vec<Part>,
}

impl Outline {
    /// The parts that a list shows as attachments: what the sender calls one, what has a file name,
    /// and what is no text. Enclosed messages are attachments, their inner parts are not, and neither
    /// are images that the HTML shows in its place.
    pub fn attachments(&self) -> impl Iterator<Item = &Part> {
        (0..self.parts.len())
            .filter(|&index| self.is_attachment(index))
            .map(|index| &self.parts[index])
    }

    /// True if the part at `index` counts as an attachment, see [`Self::attachments`].
    pub fn is_attachment(&self, index: usize) -> bool {
        !self.is_enclosed(index) && self.is_attached(index)
    }

    /// The same for a part of an enclosed message.
    fn is_attached(&self, index: usize) -> bool {
        let Some(part) = self.parts.get(index).filter(|part| !part.is_multipart()) else {
            return false;
        };
        // The message itself is not attached to anything, unless it is nothing but a file.
        let named = !part.file_name.is_empty() && (index != 0 || !part.is_text());
        part.is_attachment || ((named || !part.is_text()) && !self.is_inline_image(index))
    }

    /// True if the part belongs to an enclosed message and not to the message itself.
    pub fn is_enclosed(&self, index: usize) -> bool {
        self.ancestors(index).any(Part::is_message)
    }

    /// True for an image that the HTML beside it shows by its Content-ID (RFC 2387, RFC 2392) or its
    /// Content-Location (RFC 2557).
    pub fn is_inline_image(&self, index: usize) -> bool {
        self.parts.get(index).is_some_and(|part| {
            part.content_type.starts_with("image/")
                && (!part.content_id.is_empty() || part.header_value("Content-Location").is_some())
                && !part.is_attachment
        }) && self.ancestors(index).any(|part| part.content_type == "multipart/related")
    }

    /// How many images the HTML of the message itself shows by their Content-ID.
    pub fn inline_images(&self) -> usize {
        let is_shown = |&index: &usize| self.is_inline_image(index) && !self.is_enclosed(index);
        (0..self.parts.len()).filter(is_shown).count()
    }

    /// The part to show as plain text: the first of the message itself that is not attached.
    pub fn plain_text(&self) -> Option<&Part> {
        self.body_of_type("text/plain")
    }

    /// The part to show as HTML: the first of the message itself that is not attached.
    pub fn html(&self) -> Option<&Part> {
        self.body_of_type("text/html")
    }

    fn body_of_type(&self, content_type: &str) -> Option<&Part> {
        self.parts.iter().enumerate().find_map(|(index, part)| {
            let shown = part.content_type == content_type
                && !self.is_attachment(index)
                && !self.is_enclosed(index);
            shown.then_some(part)
        })
    }

    /// What to show of the message itself, or of the one that the part at `enclosing` encloses.
    pub fn letter(&self, enclosing: Option<usize>) -> Letter {
        let mut letter = Letter::default();
        for (index, part) in self.parts.iter().enumerate() {
            if self.nearest_message(index) != enclosing {
                continue;
            }
            let body = match part.content_type.as_str() {
                "text/html" => &mut letter.html,
                "text/plain" => &mut letter.text,
                _ => &mut None,
            };
            if self.is_attached(index) {
                letter.attachments.push(index);
            } else if body.is_none() {
                *body = Some(index);
            }
        }
        letter
    }

    /// The part that encloses the message which the one at `index` belongs to, if one does.
    fn nearest_message(&self, index: usize) -> Option<usize> {
        let parent = |&index: &usize| self.parts.get(index).and_then(|part| part.parent);
        let mut above = std::iter::successors(parent(&index), parent);
        above.find(|&index| self.parts.get(index).is_some_and(Part::is_message))
    }

    /// The parts that hold the one at `index`, innermost first.
    fn ancestors(&self, index: usize) -> impl Iterator<Item = &Part> {
        let parent = |part: &Part| part.parent.and_then(|parent| self.parts.get(parent));
        std::iter::successors(self.parts.get(index).and_then(parent), move |part| parent(part))
    }
}

/// What there is to show of a message, as places in its outline.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Letter {
    /// The HTML: the first that is not attached.
    pub html: Option<usize>,
    /// The plain text, likewise.
    pub text: Option<usize>,
    /// See [`Outline::attachments`].
    pub attachments: Vec<usize>,
}

impl Part {
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
