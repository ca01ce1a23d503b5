//! Files that stand in a text as lines of uuencode or yEnc, found while the text streams by.
//!
//! They become parts of that text, so that they can be saved like any attachment. Of a text that is encoded
//! itself the content is looked through ([`InContent`]); a block that has no end, or is none after all,
//! stays text.

use std::ops::Range;

use super::{
    Encoding, Part,
    decode::Decoder,
    line_codes::{self, Code},
    text::one_line,
};

/// Looks for blocks in the leaf that is being read.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    is_watching: bool,
    open: Option<Open>,
    found: Vec<Part>,
}

/// A block whose end was not seen yet.
#[derive(Debug)]
struct Open {
    code: Code,
    name: String,
    start: u64,
    decoder: Decoder,
    length: u64,
}

impl Blocks {
    /// A leaf begins.
    pub(super) fn begin(&mut self, part: &Part) {
        let is_text = part.content_type == "text/plain" && part.encoding == Encoding::Identity;
        self.is_watching = is_text && !part.is_attachment;
        self.open = None;
    }

    /// True if a line with this first octet is to be looked at.
    pub(super) fn wants(&self, first: u8) -> bool {
        self.is_watching && (self.open.is_some() || matches!(first, b'b' | b'='))
    }

    /// A line that begins at this place, with its end, or the beginning of one of this length.
    pub(super) fn line(&mut self, line: &[u8], length: u64, start: u64) {
        if !self.is_watching {
            return;
        }
        if length > LONGEST_LINE {
            self.open = None;
            return;
        }
        let content = line.strip_suffix(b"\n").unwrap_or(line);
        let content = content.strip_suffix(b"\r").unwrap_or(content);
        let Some(open) = &mut self.open else {
            self.open = line_codes::begin(content)
                .filter(|_| self.found.len() < MOST_BLOCKS)
                .map(|(code, name)| Open::new(code, name, start, line));
            return;
        };
        let mut decoded = Vec::new();
        open.decoder.push(line, &mut decoded);
        let is_clean = open.decoder.is_clean();
        open.length += decoded.len() as u64;
        if !is_clean {
            // Prose that began like a block.
            self.open = None;
        } else if line_codes::ends(content, open.code)
            && let Some(open) = self.open.take()
        {
            self.found.push(open.into_part(start + content.len() as u64));
        }
    }

    /// The leaf has ended here: the files in it.
    pub(super) fn end(&mut self, end: u64) -> Vec<Part> {
        self.is_watching = false;
        self.open = None;
        let mut found = std::mem::take(&mut self.found);
        found.retain(|part| part.body.end <= end);
        found
    }
}

/// Looks for blocks in content that comes in pieces of any size; places are counted in the content.
#[derive(Debug)]
pub(super) struct InContent {
    blocks: Blocks,
    /// Where the present line begins, how long it is so far, and its beginning.
    start: u64,
    length: u64,
    line: Vec<u8>,
}

impl InContent {
    /// For a leaf of plain text that is encoded.
    pub(super) fn of(part: &Part) -> Option<Self> {
        let is_encoded = matches!(part.encoding, Encoding::Base64 | Encoding::QuotedPrintable);
        let blocks = Blocks { is_watching: true, ..Blocks::default() };
        (is_encoded && part.content_type == "text/plain" && !part.is_attachment).then(|| Self {
            blocks,
            start: 0,
            length: 0,
            line: Vec::new(),
        })
    }

    /// The next octets.
    pub(super) fn push(&mut self, octets: &[u8]) {
        let mut done = 0;
        for feed in memchr::memchr_iter(b'\n', octets) {
            let piece = &octets[done..=feed];
            done = feed + 1;
            if self.length > 0 {
                self.keep(piece);
                self.end_line();
            } else {
                self.whole(piece, piece.len() as u64);
            }
        }
        self.keep(&octets[done..]);
    }

    /// There are no more: the files that were found.
    pub(super) fn finish(mut self) -> Vec<Part> {
        self.end_line();
        self.blocks.end(self.start)
    }

    fn keep(&mut self, piece: &[u8]) {
        // One octet more than a line of a block has, so that a longer one is known.
        let room = (LONGEST_LINE as usize + 1).saturating_sub(self.line.len());
        self.line.extend_from_slice(&piece[..piece.len().min(room)]);
        self.length += piece.len() as u64;
    }

    fn end_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        self.whole(&line, self.length);
        self.length = 0;
        self.line = line;
        self.line.clear();
    }

    fn whole(&mut self, line: &[u8], length: u64) {
        if line.first().is_some_and(|first| self.blocks.wants(*first)) {
            self.blocks.line(line, length, self.start);
        }
        self.start += length;
    }
}

impl Open {
    fn new(code: Code, name: &[u8], start: u64, line: &[u8]) -> Self {
        let mut decoder = Decoder::new(encoding(code));
        decoder.push(line, &mut Vec::new());
        let name = one_line(&String::from_utf8_lossy(name)).into_owned();
        Self { code, name, start, decoder, length: 0 }
    }

    fn into_part(self, end: u64) -> Part {
        Part {
            header: self.start..self.start,
            body: Range { start: self.start, end },
            content_length: self.length,
            content_type: "application/octet-stream".to_owned(),
            encoding: encoding(self.code),
            is_attachment: true,
            file_name: self.name,
            ..Part::default()
        }
    }
}

fn encoding(code: Code) -> Encoding {
    match code {
        Code::Uuencode => Encoding::Uuencode,
        Code::Yenc => Encoding::Yenc,
    }
}

/// Longest line of a block, in octets.
const LONGEST_LINE: u64 = 998;

/// Most files in one text.
const MOST_BLOCKS: usize = 100;
