//! The readable text of a message, collected while it streams by.
//!
//! Only the beginning of a few bodies is kept: the first text/plain and the first text/html, and in
//! case the message has neither, some other text or that of an enclosed message.

use super::{Defect, Outline, Part, charset, decode, defects::Defects, text};

/// The bodies from which the readable text will be chosen, best first.
#[derive(Debug)]
pub(super) struct Captures {
    limit: usize,
    slots: [Option<Capture>; RANKS],
    /// The slot of the body that is being read.
    active: Option<usize>,
}

/// The beginning of a body, still encoded.
#[derive(Debug, Default)]
struct Capture {
    part: usize,
    octets: Vec<u8>,
}

impl Captures {
    /// Keeps at most `limit` octets of each body.
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, slots: Default::default(), active: None }
    }

    /// The body of the leaf at `index` begins, or the preamble of a multipart.
    pub(super) fn begin(&mut self, outline: &Outline, index: usize) {
        self.active = rank(outline, index).filter(|&rank| self.slots[rank].is_none());
        if let Some(rank) = self.active {
            self.slots[rank] = Some(Capture { part: index, octets: Vec::new() });
        }
    }

    /// The next octets of the body.
    pub(super) fn keep(&mut self, piece: &[u8]) {
        if let Some(capture) = self.active.and_then(|rank| self.slots[rank].as_mut()) {
            let room = self.limit - capture.octets.len();
            capture.octets.extend_from_slice(&piece[..piece.len().min(room)]);
        }
    }

    /// The body has ended, or octets of it are missing from here on.
    pub(super) fn end(&mut self) {
        self.active = None;
    }

    /// The first of the bodies that says anything, as text of at most the limit in octets.
    pub(super) fn text(self, outline: &Outline, defects: &mut Defects) -> String {
        let mut best = String::new();
        for capture in self.slots.into_iter().flatten() {
            let Some(part) = outline.parts.get(capture.part) else {
                continue;
            };
            // Each is read, so that the defects of all are found.
            let text = capture.read(part, defects);
            let shown = !part.is_multipart() || outline.parts.len() == 1;
            if shown && best.is_empty() && !text.trim().is_empty() {
                best = text;
            }
        }
        best.truncate(text::beginning(&best, self.limit).len());
        best
    }
}

impl Capture {
    fn read(mut self, part: &Part, defects: &mut Defects) -> String {
        let length = usize::try_from(part.body.end - part.body.start).unwrap_or(usize::MAX);
        // The last line taken in was perhaps the delimiter.
        self.octets.truncate(length);
        let cut = self.octets.len() < length;
        let mut decoder = decode::Decoder::new(part.encoding);
        let mut octets = Vec::with_capacity(self.octets.len());
        decoder.push(&self.octets, &mut octets);
        if cut {
            // Half a character at the end would look like a defect.
            let whole_lines = memchr::memrchr(b'\n', &octets).map_or(octets.len(), |at| at + 1);
            octets.truncate(whole_lines);
        } else {
            decoder.finish(&mut octets);
        }
        let (decoded, clean) = charset::decode_text(&octets, &part.charset);
        defects.insert_if(!clean && !cut, Defect::BadCharset);
        match part.flowed {
            _ if part.content_type == "text/html" => text::html_to_text(&decoded),
            Some(flowed) => text::unflow(&decoded, flowed),
            None => decoded,
        }
    }
}

/// Which slot a leaf would fill, if any.
fn rank(outline: &Outline, index: usize) -> Option<usize> {
    let part = outline.parts.get(index)?;
    if part.is_multipart() {
        return (index == 0).then_some(PREAMBLE);
    }
    if !part.is_text() || outline.is_attachment(index) || part.is_attachment {
        return None;
    }
    let rank = match part.content_type.as_str() {
        "text/plain" => 0,
        "text/html" => 1,
        _ => 2,
    };
    Some(if outline.is_enclosed(index) { rank + 3 } else { rank })
}

/// Text/plain, text/html and other text, of the message itself and of those enclosed; last the
/// preamble, which is all there is if the boundary never appears.
const RANKS: usize = 7;

const PREAMBLE: usize = 6;

/// The beginning of a text in one line, at most [`super::SNIPPET_CHARS`] characters. Leaves out the
/// invisible padding with which newsletters push the rest of their text out of such a line.
pub(super) fn snippet(text: &str) -> String {
    let mut out = String::with_capacity(super::SNIPPET_CHARS);
    let mut count = 0;
    let mut space = false;
    for c in text.chars() {
        if c.is_whitespace() || c.is_control() || is_blank(c) {
            space = true;
        } else if !is_invisible(c) {
            let joiner = c == ZERO_WIDTH_JOINER;
            if joiner && (space || out.is_empty()) {
                continue;
            }
            let length = 1 + usize::from(space && !out.is_empty());
            if count + length > super::SNIPPET_CHARS {
                break;
            }
            if length == 2 {
                out.push(' ');
            }
            out.push(c);
            count += length;
            space = false;
        }
    }
    out
}

/// Characters that show nothing but count as letters.
fn is_blank(c: char) -> bool {
    matches!(c, '\u{2800}' | '\u{3164}' | '\u{115f}' | '\u{1160}' | '\u{ffa0}')
}

/// Characters that take no room.
fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180e}'
            | '\u{200b}' | '\u{200c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
    )
}

/// Holds the pieces of an emoji together, so it stays inside words.
const ZERO_WIDTH_JOINER: char = '\u{200d}';

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_without_padding() {
        assert_eq!(snippet("  Hello,\r\n\r\n\tworld \n"), "Hello, world");
        assert_eq!(
            snippet("Sale!\u{200c}\u{a0}\u{200c}\u{a0}\u{200d} \u{34f}\u{ad}Now"),
            "Sale! Now"
        );
        assert_eq!(snippet("👩\u{200d}💻 at work"), "👩\u{200d}💻 at work");
        assert_eq!(snippet("\u{200c}\u{a0}"), "");
        assert_eq!(snippet(&"é ".repeat(1_000)).chars().count(), 249);
    }
}
