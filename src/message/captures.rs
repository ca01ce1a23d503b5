//! The readable texts of a message, collected while they stream by.
//!
//! Only beginnings are kept, of whatever the walk over the whole message may choose to show
//! ([`super::Letter`]). The first body of each kind has room of its own, so that the text shown does not
//! depend on what else there is; all further ones share as much again.

use super::{Defect, Encoding, Letter, Outline, Part, decode, defects::Defects, text};

/// The bodies that a person would read.
#[derive(Debug)]
pub(super) struct Captures {
    limit: usize,
    /// Octets that bodies which are not the first of their kind may still take, all together.
    room: usize,
    /// In the order of their parts.
    bodies: Vec<Capture>,
    /// The kinds of which there was one.
    seen: [bool; KINDS],
    /// The last body is being read.
    active: bool,
    /// There is more to be read than was kept.
    cut: bool,
}

/// The beginning of a body, still encoded.
#[derive(Debug)]
struct Capture {
    part: usize,
    /// The first of its kind.
    first: bool,
    octets: Vec<u8>,
}

impl Captures {
    /// Keeps at most `limit` octets of each first body, and of all others together.
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            room: limit,
            bodies: Vec::new(),
            seen: [false; KINDS],
            active: false,
            cut: false,
        }
    }

    /// The body of the leaf at `index` begins, or the preamble of a multipart.
    pub(super) fn begin(&mut self, outline: &Outline, index: usize) {
        self.active = false;
        let Some(kind) = kind(outline, index) else { return };
        let first = !std::mem::replace(&mut self.seen[kind], true);
        let is_wanted = first || kind % ENCLOSED < OTHER;
        if is_wanted && (first || self.room > 0) {
            self.bodies.push(Capture { part: index, first, octets: Vec::new() });
            self.active = true;
        }
        self.cut |= is_wanted && !self.active;
    }

    /// The next octets of the body.
    pub(super) fn keep(&mut self, piece: &[u8]) {
        if let Some(body) = self.bodies.last_mut().filter(|_| self.active) {
            let room = if body.first { self.limit - body.octets.len() } else { self.room };
            self.cut |= piece.len() > room;
            let piece = &piece[..piece.len().min(room)];
            // It comes line by line. Of bodies that are not the first of their kind there may be thousands.
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

    /// Octets that the bodies of an encoded message may take.
    pub(super) fn room(&self) -> usize {
        self.room
    }

    /// Takes in the beginning of a body that was found in another part.
    pub(super) fn add(&mut self, part: usize, mut octets: Vec<u8>) {
        if self.bodies.last().is_none_or(|last| last.part < part) {
            self.cut |= octets.len() > self.room;
            octets.truncate(self.room);
            self.room -= octets.len();
            self.bodies.push(Capture { part, first: false, octets });
        }
    }

    /// Takes in what was read of an encoded message, whose first part is the one at `first`.
    pub(super) fn take_in(&mut self, inner: Self, first: usize) {
        let length: usize = inner.bodies.iter().map(|body| body.octets.len()).sum();
        self.room = self.room.saturating_sub(length);
        self.cut |= inner.cut;
        let bodies = inner.bodies.into_iter();
        self.bodies.extend(bodies.map(|body| Capture { part: body.part + first, ..body }));
    }

    /// The text to show, and all others that a search looks at; at most the limit in octets, all together,
    /// and whether that was too little.
    pub(super) fn texts(
        self,
        outline: &Outline,
        letter: &Letter,
        enclosed: &[Letter],
        defects: &mut Defects,
    ) -> (String, Vec<String>, bool) {
        let mut texts =
            Texts { found: Vec::with_capacity(self.bodies.len()), left: self.limit, cut: self.cut };
        for body in self.bodies {
            // Each is read, so that the defects of all are found.
            if let Some(part) = outline.parts.get(body.part) {
                texts.found.push((body.part, body.read(outline, part, defects)));
            }
        }
        let mut shown = String::new();
        for leaves in [&letter.plain, &letter.rich] {
            if shown.trim().is_empty() {
                shown.clear();
                leaves.iter().for_each(|&leaf| texts.join(leaf, &mut shown));
            }
        }
        let others = std::iter::once(letter).chain(enclosed);
        let others = others.flat_map(|letter| letter.rich.iter().chain(&letter.plain));
        let others = others.filter_map(|&leaf| texts.take(leaf)).collect();
        (shown, others, texts.cut)
    }
}

/// The texts of the bodies that were not asked for yet, by part.
struct Texts {
    found: Vec<(usize, String)>,
    /// Octets that may still be told.
    left: usize,
    /// They were not enough.
    cut: bool,
}

impl Texts {
    /// The text of a leaf that says anything, once.
    fn take(&mut self, leaf: usize) -> Option<String> {
        let at = self.found.binary_search_by_key(&leaf, |(part, _)| *part).ok()?;
        let mut text = std::mem::take(&mut self.found.get_mut(at)?.1);
        let whole = text.len();
        text.truncate(text::beginning(&text, self.left).len());
        self.cut |= text.len() < whole;
        self.left -= text.len();
        Some(text).filter(|text| !text.trim().is_empty())
    }

    fn join(&mut self, leaf: usize, shown: &mut String) {
        match self.take(leaf) {
            Some(text) if shown.is_empty() => *shown = text,
            Some(text) => {
                if !shown.ends_with('\n') && self.left > 0 {
                    shown.push('\n');
                    self.left -= 1;
                }
                shown.push_str(&text);
            }
            None => {}
        }
    }
}

impl Capture {
    fn read(mut self, outline: &Outline, part: &Part, defects: &mut Defects) -> String {
        let length = usize::try_from(part.body.end - part.body.start).unwrap_or(usize::MAX);
        // The last line taken in was perhaps the delimiter.
        self.octets.truncate(length);
        let cut = self.octets.len() < length;
        let mut decoder = decode::Decoder::new(part.content_encoding());
        let mut octets = Vec::with_capacity(self.octets.len());
        decoder.push(&self.octets, &mut octets);
        if cut && part.encoding != Encoding::CompressedRtf {
            // Half a character at the end would look like a defect.
            let whole_lines = memchr::memrchr(b'\n', &octets).map_or(octets.len(), |at| at + 1);
            octets.truncate(whole_lines);
        } else {
            decoder.finish(&mut octets);
        }
        let (text, clean) = outline.text(self.part, &octets);
        defects.insert_if(!clean && !cut, Defect::BadCharset);
        if part.is_html() { text::html_to_text(&text) } else { text }
    }
}

/// Which kind of text a part may be; none for what no walk shows.
fn kind(outline: &Outline, index: usize) -> Option<usize> {
    let part = outline.parts.get(index)?;
    let kind = match part.content_type.as_str() {
        _ if part.is_attachment => return None,
        "text/plain" => PLAIN,
        _ if part.is_html() => HTML,
        _ if part.is_text() => OTHER,
        _ if part.is_multipart() => PREAMBLE,
        _ => return None,
    };
    Some(if outline.is_enclosed(index) { kind + ENCLOSED } else { kind })
}

/// Octets of a body for which there is room at first.
const USUAL_LENGTH: usize = 2 * 1024;

const PLAIN: usize = 0;
const HTML: usize = 1;

/// Shown only where nothing better is there, so the first is enough.
const OTHER: usize = 2;

/// The preamble is all there is if the boundary never appears.
const PREAMBLE: usize = 3;

/// Added for the texts of enclosed messages.
const ENCLOSED: usize = 4;
const KINDS: usize = 2 * ENCLOSED;
