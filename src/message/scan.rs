//! Reads a message as it comes in, chunk by chunk.

use super::{Outline, Summary};

/// Takes the octets of a message in pieces of any size and tells what it is.
#[derive(Debug)]
pub struct Scanner {
    size: u64,
}

/// What a whole message is.
#[derive(Clone, Debug, Default)]
pub struct Scanned {
    /// What lists show.
    pub summary: Summary,
    /// Where each part is.
    pub outline: Outline,
    /// The readable text (of text/plain, else of text/html), up to the limit given.
    pub text: String,
}

impl Scanner {
    /// A scanner that keeps at most `text_limit` octets of readable text.
    pub fn new(_text_limit: usize) -> Self {
        Self { size: 0 }
    }

    /// The next octets.
    pub fn push(&mut self, octets: &[u8]) {
        self.size += octets.len() as u64;
    }

    /// There are no more.
    pub fn finish(self) -> Scanned {
        let summary = Summary { size: self.size, ..Summary::default() };
        Scanned { summary, ..Scanned::default() }
    }
}
