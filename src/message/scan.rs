//! Reads a message as it comes in, chunk by chunk.
//!
//! One pass over the lines. Inside a body only a line that begins with `--` can mean something, so a
//! large attachment costs little more than finding its line ends. What is kept is bounded by the
//! constants at the bottom, however large or hostile the message is, and nothing here recurses
//! deeper than [`MAX_DEPTH`].

mod encoding_check;
mod head;
mod inner;
mod inside;

use self::{
    encoding_check::{Checked, EncodingCheck},
    inner::Inner,
};
use super::{
    Defect, Encoding, Outline, Part, Summary, blocks::Blocks, captures::Captures, defects::Defects,
    header::Buffer, readable, summary, unread::Unread,
};

/// Takes the octets of a message in pieces of any size and tells what it is.
#[derive(Debug)]
pub struct Scanner {
    outline: Outline,
    summary: Summary,
    defects: Defects,
    captures: Captures,
    check: EncodingCheck,
    blocks: Blocks,
    ends: LineEnds,
    /// The multiparts and enclosed messages that the present octet stands in, outermost first.
    open: Vec<Container>,
    mode: Mode,
    header: Buffer,
    /// Lines of the header that were looked at for a delimiter.
    tried: u8,
    line: Line,
    wants: Wants,
    /// Octets of headers read so far.
    headers_kept: usize,
    unread: Unread,
    above: Above,
}

/// What of the fields is asked for besides the structure.
#[derive(Clone, Copy, Debug)]
struct Wants {
    headers: bool,
    summary: bool,
}

/// Where an encoded message stands whose content a scanner of its own reads: the bounds are for all of the
/// message that was sent.
#[derive(Clone, Copy, Debug, Default)]
struct Above {
    parts: usize,
    depth: usize,
    /// Encoded messages around this one, itself included; 0 for the message that was sent.
    encoded: usize,
}

/// What a whole message is.
#[derive(Clone, Debug, Default)]
pub struct Scanned {
    /// What lists show.
    pub summary: Summary,
    /// Where each part is.
    pub outline: Outline,
    /// The readable text ([`Letter::plain`](super::Letter::plain), or [`Letter::rich`](super::Letter::rich)
    /// if that says nothing), up to the limit given.
    pub text: String,
    /// What else is there to be read, for searches: the HTML beside that text, and the texts of enclosed
    /// messages, each with words in it. The limit is for all of them and `text` together.
    pub other_texts: Vec<String>,
    /// There is more to be read than the limit let through.
    pub is_cut: bool,
}

impl Scanned {
    /// All that is there to be read.
    pub fn texts(&self) -> impl Iterator<Item = &str> + Clone {
        std::iter::once(&self.text).chain(&self.other_texts).map(String::as_str)
    }
}

/// What the present line belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// The header of the last part.
    Header,
    /// The body of the last part, which is a leaf.
    Leaf,
    /// Nobody's: a preamble, an epilogue, or a part too many.
    Skip,
}

/// A part that holds others.
#[derive(Debug)]
struct Container {
    part: usize,
    /// None for an enclosed message.
    boundary: Option<Box<[u8]>>,
    /// The closing delimiter was seen; what follows is epilogue.
    closed: bool,
}

/// The line that is being read.
#[derive(Debug, Default)]
struct Line {
    /// Its place in the message.
    start: u64,
    /// Octets of it so far.
    length: u64,
    /// The beginning of a line that came in pieces.
    head: Vec<u8>,
    /// The last octet of the piece before.
    last: u8,
    /// Length of the line end before this line: it belongs to a delimiter (RFC 2046 §5.1.1).
    end_before: u64,
}

/// Counts that tell at the end whether every CR and LF stood in a CRLF.
#[derive(Debug, Default)]
struct LineEnds {
    carriage_returns: u64,
    pairs: u64,
}

impl Scanner {
    /// A scanner that tells at most `text_limit` octets of readable text.
    pub fn new(text_limit: usize) -> Self {
        Self {
            outline: Outline { parts: vec![Part::default()] },
            summary: Summary::default(),
            defects: Defects::default(),
            captures: Captures::new(text_limit),
            check: EncodingCheck::default(),
            blocks: Blocks::default(),
            ends: LineEnds::default(),
            open: Vec::new(),
            mode: Mode::Header,
            header: Buffer::default(),
            tried: 0,
            line: Line::default(),
            wants: Wants { headers: true, summary: true },
            headers_kept: 0,
            unread: Unread::default(),
            above: Above::default(),
        }
    }

    /// Leaves the headers of the parts out of the outline, for whoever takes a message in: they are most
    /// of what a small one costs.
    #[must_use]
    pub fn without_headers(mut self) -> Self {
        self.wants.headers = false;
        self
    }

    /// Tells the texts alone, for whoever has the summary already.
    #[must_use]
    pub fn of_texts(text_limit: usize) -> Self {
        Self { wants: Wants { headers: false, summary: false }, ..Self::new(text_limit) }
    }

    /// The next octets.
    pub fn push(&mut self, octets: &[u8]) {
        self.ends.carriage_returns += memchr::memchr_iter(b'\r', octets).count() as u64;
        if !self.defects.contains(Defect::Nul) {
            self.defects.insert_if(memchr::memchr(0, octets).is_some(), Defect::Nul);
        }
        let mut rest = octets;
        loop {
            if self.mode != Mode::Header && self.line.length == 0 {
                rest = &rest[self.body_lines(rest)..];
            }
            if rest.is_empty() {
                return;
            }
            let end = memchr::memchr(b'\n', rest).map(|at| at + 1);
            let (piece, after) = rest.split_at(end.unwrap_or(rest.len()));
            self.piece(piece, end.is_some());
            rest = after;
        }
    }

    /// There are no more.
    pub fn finish(mut self) -> Scanned {
        let size = self.close();
        self.defects.insert_if(self.ends.carriage_returns > self.ends.pairs, Defect::BareCr);

        self.unread.read(&mut self.outline, &mut self.summary, &mut self.defects);
        let (letter, enclosed) = self.outline.letters();
        let (text, other_texts, is_cut) =
            self.captures.texts(&self.outline, &letter, &enclosed, &mut self.defects);
        let file_name = |&index: &usize| self.outline.parts[index].file_name.clone();
        let mut summary = Summary {
            size,
            attachments: letter.attachments.iter().map(file_name).collect(),
            inline_images: letter.inline_images.len(),
            snippet: readable::snippet(&text),
            defects: self.defects.into_vec(),
            ..self.summary
        };
        summary::bound(&mut summary);
        Scanned { summary, outline: self.outline, text, other_texts, is_cut }
    }

    /// All parts end; returns the octets that there were.
    fn close(&mut self) -> u64 {
        if self.line.length > 0 {
            let head = std::mem::take(&mut self.line.head);
            let long = self.content_length(0) > MAX_LINE;
            self.defects.insert_if(long, Defect::LongLine);
            self.whole_line(&head);
            self.line.start += self.line.length;
            self.line.length = 0;
        }
        let size = self.line.start;
        self.end_part(size);
        self.close_down_to(0, size);
        size
    }

    /// Takes the whole lines of a body up to the first that may be a delimiter as one piece, because one by
    /// one most of the time would go into what they have in common; returns their length.
    fn body_lines(&mut self, octets: &[u8]) -> usize {
        let (mut length, mut is_long) = (0, false);
        let (mut lines, mut pairs, mut last) = (0, 0, 0);
        for end in memchr::memchr_iter(b'\n', octets) {
            let line = &octets[length..=end];
            if line.starts_with(b"--") {
                break;
            }
            if self.blocks.wants(line[0]) {
                self.blocks.line(line, line.len() as u64, self.line.start + length as u64);
            }
            last = if line.ends_with(b"\r\n") { 2 } else { 1 };
            is_long |= line.len() as u64 - last > MAX_LINE;
            lines += 1;
            pairs += last - 1;
            length = end + 1;
        }
        if length > 0 {
            self.ends.pairs += pairs;
            self.defects.insert_if(pairs < lines, Defect::BareLf);
            self.defects.insert_if(is_long, Defect::LongLine);
            self.line.length = length as u64;
            self.keep(&octets[..length]);
            self.line.start += self.line.length;
            self.line.length = 0;
            self.line.end_before = last;
        }
        length
    }

    /// A line or a piece of one; `ended` if it is the last and has the line feed.
    fn piece(&mut self, piece: &[u8], ended: bool) {
        let whole = ended && self.line.length == 0;
        if !whole {
            let room = MAX_HEAD - self.line.head.len();
            self.line.head.extend_from_slice(&piece[..piece.len().min(room)]);
        }
        self.line.length += piece.len() as u64;
        self.keep(piece);
        if !ended {
            self.line.last = piece.last().copied().unwrap_or_default();
            return;
        }
        let before = match piece {
            [.., before, _] => *before,
            _ if whole => 0,
            _ => self.line.last,
        };
        let end = 1 + u64::from(before == b'\r');
        self.ends.pairs += end - 1;
        self.defects.insert_if(end == 1, Defect::BareLf);
        self.defects.insert_if(self.content_length(end) > MAX_LINE, Defect::LongLine);
        if whole {
            self.whole_line(piece);
        } else {
            let mut head = std::mem::take(&mut self.line.head);
            self.whole_line(&head);
            head.clear();
            self.line.head = head;
        }
        self.line.start += self.line.length;
        self.line.length = 0;
        self.line.end_before = end;
    }

    fn content_length(&self, line_end: u64) -> u64 {
        self.line.length.saturating_sub(line_end)
    }

    /// Puts octets where their part wants them, before it is known whether their line is a delimiter.
    fn keep(&mut self, piece: &[u8]) {
        match self.mode {
            Mode::Header => self.header.keep(piece),
            Mode::Leaf => {
                self.captures.keep(piece);
                self.check.push(piece, self.line.length == piece.len() as u64);
            }
            // Only a preamble, in case there is nothing else.
            Mode::Skip => self.captures.keep(piece),
        }
    }

    /// A line is complete. `line` is all of it, or its beginning if it is longer than any line that
    /// means something.
    fn whole_line(&mut self, line: &[u8]) {
        // As much as is kept of a line that comes in pieces: the split must not matter.
        let line = &line[..line.len().min(MAX_HEAD)];
        if line.starts_with(b"--")
            && let Some((container, closing)) = self.delimiter(line)
        {
            self.delimit(container, closing);
        } else if self.mode == Mode::Header {
            self.header_line(line);
        } else {
            self.blocks.line(line, self.line.length, self.line.start);
        }
    }

    /// Which open multipart a line delimits, innermost first, and whether it closes it.
    fn delimiter(&self, line: &[u8]) -> Option<(usize, bool)> {
        if self.line.length > line.len() as u64 {
            return None;
        }
        // A relay may have added white space (RFC 2046 §5.1.1).
        let text = line[2..].trim_ascii_end();
        self.open.iter().enumerate().rev().filter(|(_, open)| !open.closed).find_map(
            |(index, open)| match text.strip_prefix(open.boundary.as_deref()?)? {
                b"" => Some((index, false)),
                b"--" => Some((index, true)),
                _ => None,
            },
        )
    }

    /// The present line is a delimiter of `container`: it ends all that is inside.
    fn delimit(&mut self, container: usize, closing: bool) {
        let end = self.line.start.saturating_sub(self.line.end_before);
        self.check.undo_line();
        self.captures.end();
        self.end_part(end);
        self.close_down_to(container + 1, end);
        let Some(open) = self.open.last_mut() else {
            return;
        };
        open.closed = closing;
        let parent = open.part;
        if closing {
            self.mode = Mode::Skip;
        } else {
            self.begin_part(parent, self.line.start + self.line.length);
        }
    }

    fn begin_part(&mut self, parent: usize, start: u64) {
        if self.above.parts + self.outline.parts.len() >= MAX_PARTS {
            self.defects.insert(Defect::TooManyParts);
            self.mode = Mode::Skip;
            return;
        }
        let depth = self.outline.parts[parent].depth + 1;
        self.outline.parts.push(Part {
            parent: Some(parent),
            depth,
            header: start..start,
            body: start..start,
            ..Part::default()
        });
        self.header.clear();
        self.tried = 0;
        self.mode = Mode::Header;
    }

    /// The last part ends at `end`, unless it holds others.
    fn end_part(&mut self, end: u64) {
        // An enclosed message begins its own header, so there may be two to end.
        while self.mode == Mode::Header {
            // The present line is the delimiter, or nothing at the end of the message.
            let length =
                if self.line.length > 0 { self.header.line } else { self.header.octets.len() };
            self.header.octets.truncate(length);
            let length = self.header.body.unwrap_or(length);
            self.end_header(length, self.line.start);
            if end < self.line.start {
                // What was taken for a header is a body, whose last line end is the delimiter's.
                self.check.drop_line_end();
            }
        }
        if self.mode == Mode::Leaf {
            let Checked { clean, length, inner } = self.check.end();
            self.captures.end();
            let part = self.last_part();
            part.body.end = end.max(part.body.start);
            part.content_length = length.unwrap_or(part.body.end - part.body.start);
            self.defects.insert_if(!clean, Defect::BadEncoding);
            self.mode = Mode::Skip;
            let blocks = self.blocks.end(end);
            match inner {
                Some(Inner::Message(inner)) => self.take_in(*inner),
                Some(Inner::Tnef(tnef)) => self.open_tnef(tnef.finish()),
                Some(Inner::Text(text)) => self.add_files(text.finish(), true),
                None => self.add_files(blocks, false),
            }
        }
    }

    /// Closes open containers until only `keep` are left.
    fn close_down_to(&mut self, keep: usize, end: u64) {
        while self.open.len() > keep
            && let Some(container) = self.open.pop()
        {
            let missing = container.boundary.is_some() && !container.closed;
            self.defects.insert_if(missing, Defect::MissingBoundary);
            let part = &mut self.outline.parts[container.part];
            part.body.end = end.max(part.body.start);
            part.content_length = part.body.end - part.body.start;
        }
    }

    fn last_part(&mut self) -> &mut Part {
        // There is always the message itself.
        let last = self.outline.parts.len() - 1;
        &mut self.outline.parts[last]
    }

    fn begin_body(&mut self, index: usize, boundary: Option<String>) {
        let part = &mut self.outline.parts[index];
        let multipart = part.is_multipart();
        let boundary = boundary.filter(|text| (1..=MAX_BOUNDARY).contains(&text.len()));
        if multipart && boundary.is_none() {
            self.defects.insert(Defect::NoBoundary);
            part.content_type = "text/plain".to_owned();
        }
        let message = part.is_message() && part.encoding == Encoding::Identity;
        let holds_others = message || (multipart && boundary.is_some());
        if holds_others && self.above.depth + self.open.len() >= MAX_DEPTH {
            self.defects.insert(Defect::TooDeep);
        } else if holds_others {
            let boundary = boundary.filter(|_| multipart).map(|text| text.into_bytes().into());
            let start = part.body.start;
            self.open.push(Container { part: index, boundary, closed: false });
            self.mode = Mode::Skip;
            if message {
                self.begin_part(index, start);
            } else {
                self.captures.begin(&self.outline, index);
            }
            return;
        }
        self.mode = Mode::Leaf;
        let part = &self.outline.parts[index];
        let inner = Inner::of(part, self);
        let left = part.is_message() && inner.is_none() && part.encoding != Encoding::Identity;
        let encoding = part.content_encoding();
        self.defects.insert_if(left, Defect::TooDeep);
        self.blocks.begin(&self.outline.parts[index]);
        self.check.begin(encoding, inner);
        self.captures.begin(&self.outline, index);
    }
}

/// Longest line without its end, in octets (RFC 5322 §2.1.1).
const MAX_LINE: u64 = 998;

/// Most lines of a header that are looked at for a delimiter of its own, because each reads it again.
const MAX_TRIED: u8 = 8;

/// What is kept of the beginning of a line that comes in pieces, in octets: more than any delimiter
/// has, white space included, and enough to tell a field by its colon.
const MAX_HEAD: usize = 1_000;

/// Longest boundary, in octets. RFC 2046 §5.1.1 allows 70; some mailers do not count.
const MAX_BOUNDARY: usize = 256;

/// Most multiparts and enclosed messages inside one another. Honest mail has under 10; what is
/// nested deeper is shown as a leaf.
const MAX_DEPTH: usize = 50;

/// Most parts listed. Digests of a mailing list have 100.
const MAX_PARTS: usize = 1_000;

/// Octets of all headers together of which the outline keeps the fields: bounds its memory when each
/// of 1,000 parts brings a long header.
const MAX_HEADERS_KEPT: usize = 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::header::MAX_HEADER;

    /// Scans whole, octet by octet and in halves: all must agree.
    fn scan(octets: &[u8]) -> Scanned {
        let scanned = in_pieces([octets]);
        for pieces in [octets.chunks(1), octets.chunks(octets.len() / 2 + 1)] {
            let again = in_pieces(pieces);
            assert_eq!(again.outline, scanned.outline);
            assert_eq!(again.summary, scanned.summary);
            assert_eq!(again.text, scanned.text);
            assert_eq!(again.other_texts, scanned.other_texts);
        }
        scanned
    }

    fn in_pieces<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Scanned {
        let mut scanner = Scanner::new(1_000);
        pieces.into_iter().for_each(|piece| scanner.push(piece));
        scanner.finish()
    }

    /// The types of the parts with their bodies.
    #[track_caller]
    fn check(octets: &str, parts: &[(&str, &str)], defects: &[Defect]) {
        let scanned = scan(octets.as_bytes());
        let body = |part: &Part| &octets[part.body.start as usize..part.body.end as usize];
        let found: Vec<_> = scanned
            .outline
            .parts
            .iter()
            .map(|part| (part.content_type.as_str(), body(part)))
            .filter(|(kind, _)| !kind.starts_with("multipart/"))
            .collect();
        assert_eq!(found, parts, "{octets}");
        let header = [Defect::NoFrom, Defect::NoDate];
        let found: Vec<_> =
            scanned.summary.defects.into_iter().filter(|it| !header.contains(it)).collect();
        assert_eq!(found, defects, "{octets}");
    }

    #[test]
    fn a_leaf() {
        check("A: b\r\n\r\nHello\r\n", &[("text/plain", "Hello\r\n")], &[]);
        check("A: b\r\n", &[("text/plain", "")], &[]);
        check("", &[("text/plain", "")], &[Defect::NoHeader]);
        check("\r\nHello", &[("text/plain", "Hello")], &[Defect::NoHeader]);
    }

    #[test]
    fn a_header_that_is_none() {
        check("Hello\r\nA: b\r\n", &[("text/plain", "Hello\r\nA: b\r\n")], &[Defect::NoHeader]);
        check(
            "A: b\r\nno colon\r\nC: d\r\n\r\nHello",
            &[("text/plain", "Hello")],
            &[Defect::MalformedHeader],
        );
        check(
            "A: b\r\nHello\r\nyou\r\n\r\nthere",
            &[("text/plain", "Hello\r\nyou\r\n\r\nthere")],
            &[Defect::NoHeader],
        );
        check(
            "Content-Type: multipart/mixed; boundary=b\r\nlost\r\n--b\r\n\r\n1\r\n--b--",
            &[("text/plain", "1")],
            &[Defect::NoHeader],
        );
    }

    const MIXED: &str = "Content-Type: multipart/mixed; boundary=\"b\"\r\n\r\n";

    #[test]
    fn delimiters() {
        let parts = [("text/plain", "1"), ("text/html", "2\r\n")];
        let html = "Content-Type: text/html\r\n\r\n2\r\n";
        check(
            &format!("{MIXED}pre\r\n--b\r\n\r\n1\r\n--b \t\r\n{html}\r\n--b--\r\nend"),
            &parts,
            &[],
        );
        check(&format!("{MIXED}--b\r\n\r\n1\r\n--b\r\n{html}\r\n--b--"), &parts, &[]);
        check(&format!("{MIXED}--b\r\n\r\n1\r\n--b\r\n{html}"), &parts, &[Defect::MissingBoundary]);
        check(
            &format!("{MIXED}--b\r\n\r\n--bc\r\n-- b\r\n--b--c\r\n--b--\r\n"),
            &[("text/plain", "--bc\r\n-- b\r\n--b--c")],
            &[],
        );
        check(&format!("{MIXED}--b\r\n--b\r\n\r\n--b--"), &[("text/plain", ""); 2], &[]);
        check(&format!("{MIXED}nothing"), &[], &[Defect::MissingBoundary]);
    }

    #[test]
    fn an_outer_delimiter_ends_what_is_inside() {
        let inner = "Content-Type: multipart/mixed; boundary=bb\r\n\r\n--bb\r\n\r\n1";
        check(
            &format!("{MIXED}--b\r\n{inner}\r\n--b\r\n\r\n2\r\n--b--\r\n"),
            &[("text/plain", "1"), ("text/plain", "2")],
            &[Defect::MissingBoundary],
        );
    }

    #[test]
    fn enclosed_messages() {
        let message = "Content-Type: message/rfc822\r\n\r\nSubject: x\r\n\r\n1\r\n";
        check(
            &format!("{MIXED}--b\r\n{message}\r\n--b--\r\n"),
            &[("message/rfc822", "Subject: x\r\n\r\n1\r\n"), ("text/plain", "1\r\n")],
            &[],
        );
        check(
            "Content-Type: multipart/digest; boundary=b\r\n\r\n--b\r\n\r\nA: b\r\n\r\n1\r\n--b--",
            &[("message/rfc822", "A: b\r\n\r\n1"), ("text/plain", "1")],
            &[],
        );
    }

    #[test]
    fn bounds() {
        let nested = "Content-Type: message/rfc822\r\n\r\n".repeat(10_000);
        let scanned = scan(nested.as_bytes());
        assert_eq!(scanned.outline.parts.len(), MAX_DEPTH + 1);
        assert!(scanned.summary.defects.contains(&Defect::TooDeep));

        let scanned = scan(format!("{MIXED}{}", "--b\r\n".repeat(10_000)).as_bytes());
        assert_eq!(scanned.outline.parts.len(), MAX_PARTS);
        assert!(scanned.summary.defects.contains(&Defect::TooManyParts));

        let scanned = scan(format!("A: {}", "b".repeat(2 * MAX_HEADER)).as_bytes());
        assert_eq!(scanned.outline.parts[0].headers[0].1.len(), MAX_HEADER - 3);
        assert!(scanned.summary.defects.contains(&Defect::LongHeader));
        assert!(scanned.summary.defects.contains(&Defect::LongLine));

        let scanned = scan(&vec![b'b'; 2 * MAX_HEADER]);
        assert_eq!(scanned.text, "b".repeat(1_000));
    }

    #[test]
    fn octets_that_should_not_be() {
        for (body, defect) in [
            ("a\nb", Some(Defect::BareLf)),
            ("a\rb", Some(Defect::BareCr)),
            ("a\r", Some(Defect::BareCr)),
            ("a\r\r\n", Some(Defect::BareCr)),
            ("a\0", Some(Defect::Nul)),
            (&"a".repeat(999), Some(Defect::LongLine)),
            (&("a".repeat(998) + "\r\n"), None),
        ] {
            let message = format!("A: b\r\n\r\n{body}");
            check(&message, &[("text/plain", body)], defect.as_slice());
        }
    }
}
