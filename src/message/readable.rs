//! The readable texts of a message, collected while they stream by.
//!
//! Only beginnings are kept. The first body of each rank has room of its own, so that the text shown
//! does not depend on what else there is; all further ones share as much again.

use super::{Defect, Outline, Part, charset, decode, defects::Defects, text};

/// The bodies that a person would read.
#[derive(Debug)]
pub(super) struct Captures {
    limit: usize,
    /// Octets that bodies which are not the first of their rank may still take, all together.
    room: usize,
    bodies: Vec<Capture>,
    /// The last body is being read.
    active: bool,
}

/// The beginning of a body, still encoded.
#[derive(Debug)]
struct Capture {
    part: usize,
    rank: usize,
    /// The first of its rank.
    first: bool,
    octets: Vec<u8>,
}

impl Captures {
    /// Keeps at most `limit` octets of each first body, and of all others together.
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, room: limit, bodies: Vec::new(), active: false }
    }

    /// The body of the leaf at `index` begins, or the preamble of a multipart.
    pub(super) fn begin(&mut self, outline: &Outline, index: usize) {
        self.active = false;
        let Some(rank) = rank(outline, index) else { return };
        let first = self.bodies.iter().all(|body| body.rank != rank);
        if first || (is_searched(rank) && self.room > 0) {
            self.bodies.push(Capture { part: index, rank, first, octets: Vec::new() });
            self.active = true;
        }
    }

    /// The next octets of the body.
    pub(super) fn keep(&mut self, piece: &[u8]) {
        if let Some(body) = self.bodies.last_mut().filter(|_| self.active) {
            let room = if body.first { self.limit - body.octets.len() } else { self.room };
            let piece = &piece[..piece.len().min(room)];
            // It comes line by line. Of bodies that are not the first of their rank there may be thousands.
            if body.first && body.octets.capacity() == 0 {
                body.octets.reserve(USUAL_LENGTH);
            }
            body.octets.extend_from_slice(piece);
            self.room -= if body.first { 0 } else { piece.len() };
        }
    }

    /// The body has ended, or octets of it are missing from here on.
    pub(super) fn end(&mut self) {
        self.active = false;
    }

    /// The text to show, which is the best of the first bodies that says anything, and all others that
    /// a search looks at; at most the limit in octets, all together.
    pub(super) fn texts(
        mut self,
        outline: &Outline,
        defects: &mut Defects,
    ) -> (String, Vec<String>) {
        self.bodies.sort_by_key(|body| (!body.first, body.rank));
        let (mut shown, mut others) = (String::new(), Vec::new());
        let mut left = self.limit;
        for body in self.bodies {
            let Some(part) = outline.parts.get(body.part) else {
                continue;
            };
            let (rank, first) = (body.rank, body.first);
            // Each is read, so that the defects of all are found.
            let mut text = body.read(part, defects);
            text.truncate(text::beginning(&text, left).len());
            let there = !part.is_multipart() || outline.parts.len() == 1;
            if !there || text.trim().is_empty() {
                continue;
            }
            if first && shown.is_empty() {
                left -= text.len();
                shown = text;
            } else if is_searched(rank) {
                left -= text.len();
                others.push(text);
            }
        }
        (shown, others)
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

/// How good a text the body of a part makes, 0 being the best; none for what is not read.
fn rank(outline: &Outline, index: usize) -> Option<usize> {
    let part = outline.parts.get(index)?;
    if part.is_multipart() {
        return (index == 0).then_some(PREAMBLE);
    }
    let enclosed = outline.is_enclosed(index);
    // A file that an enclosed message brings is no attachment of the message itself, nor its text.
    let file = enclosed && !part.file_name.is_empty();
    if !part.is_text() || part.is_attachment || file || outline.is_attachment(index) {
        return None;
    }
    let rank = match part.content_type.as_str() {
        "text/plain" => PLAIN,
        "text/html" => HTML,
        _ => OTHER,
    };
    Some(if enclosed { rank + ENCLOSED } else { rank })
}

/// Other types are read only where nothing better is there: a calendar or AMP says again, in markup,
/// what the text beside it says.
fn is_searched(rank: usize) -> bool {
    [PLAIN, HTML, ENCLOSED + PLAIN, ENCLOSED + HTML].contains(&rank)
}

/// Octets of a body for which there is room at first.
const USUAL_LENGTH: usize = 2 * 1024;

const PLAIN: usize = 0;
const HTML: usize = 1;
const OTHER: usize = 2;

/// Added for the texts of enclosed messages.
const ENCLOSED: usize = 3;

/// The preamble is all there is if the boundary never appears.
const PREAMBLE: usize = 6;

/// The beginning of a text in one line, at most [`super::SNIPPET_CHARS`] characters. Leaves out the
/// invisible padding with which newsletters push the rest of their text out of such a line.
pub(super) fn snippet(text: &str) -> String {
    let mut out = String::with_capacity(super::SNIPPET_CHARS);
    let (mut left, mut space, mut rest) = (super::SNIPPET_CHARS, false, text);
    while let Some(c) = rest.chars().next() {
        // Most texts are words in ASCII, which are taken as they are.
        let plain = rest.bytes().take_while(u8::is_ascii_graphic).count();
        let (piece, after) = rest.split_at(plain.max(c.len_utf8()));
        rest = after;
        if c.is_whitespace() || c.is_control() || is_blank(c) {
            space = true;
            continue;
        }
        let is_alone = space || out.is_empty();
        if is_invisible(c) || (c == ZERO_WIDTH_JOINER && is_alone) {
            continue;
        }
        if std::mem::take(&mut space) && !out.is_empty() {
            if left == 1 {
                break;
            }
            out.push(' ');
            left -= 1;
        }
        let count = plain.clamp(1, left);
        out.push_str(if plain > count { &piece[..count] } else { piece });
        left -= count;
        if left == 0 {
            break;
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
        assert_eq!(snippet(&"word ".repeat(1_000)).chars().count(), 249);
        assert_eq!(snippet(&"x".repeat(1_000)), "x".repeat(250));
    }
}
