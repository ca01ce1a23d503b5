//! Tells whether a body keeps the rules of its Content-Transfer-Encoding, and how long its content
//! is, while it streams by.

use super::{Encoding, decode::Decoder};

/// Decodes the body that is being read, for its faults and its length only.
#[derive(Debug, Default)]
pub(super) struct EncodingCheck {
    /// None for a body that is not encoded.
    state: Option<State>,
    /// The state before a line that may turn out to be a delimiter.
    before: Option<State>,
    /// Room for what is decoded and not wanted.
    waste: Vec<u8>,
}

#[derive(Clone, Debug)]
struct State {
    decoder: Decoder,
    /// Octets decoded.
    length: u64,
    /// A line end that belongs to the delimiter behind it, if one follows (RFC 2046 §5.1.1).
    held: &'static [u8],
}

impl EncodingCheck {
    /// A body in this encoding begins.
    pub(super) fn begin(&mut self, encoding: Encoding) {
        let state = || State { decoder: Decoder::new(encoding), length: 0, held: b"" };
        self.state = (encoding != Encoding::Identity).then(state);
        self.before = None;
    }

    /// The next octets of the body, all of one line, or whole lines none of which can be a delimiter;
    /// `first` at the beginning of a line.
    pub(super) fn push(&mut self, piece: &[u8], first: bool) {
        if first {
            self.before = None;
        }
        if let Some(state) = &mut self.state {
            if first && piece.starts_with(b"-") {
                self.before = Some(state.clone());
            }
            state.push(piece, &mut self.waste);
        }
    }

    /// The last line was a delimiter and no part of the body, and so is the line end before it.
    pub(super) fn undo_line(&mut self) {
        if let Some(before) = self.before.take() {
            self.state = Some(State { held: b"", ..before });
        }
    }

    /// The body has ended: whether it kept the rules, and the octets of its content if it was encoded.
    pub(super) fn end(&mut self) -> (bool, Option<u64>) {
        let Some(mut state) = self.state.take() else { return (true, None) };
        state.decode(state.held, &mut self.waste);
        let clean = state.decoder.finish(&mut self.waste);
        let length = state.length + self.waste.len() as u64;
        self.waste.clear();
        (clean, Some(length))
    }
}

impl State {
    fn push(&mut self, piece: &[u8], waste: &mut Vec<u8>) {
        if self.held == b"\r" && piece == b"\n" {
            // A line end that came in two pieces.
            self.held = b"\r\n";
            return;
        }
        self.decode(self.held, waste);
        let (content, end): (_, &'static [u8]) = match piece {
            [content @ .., b'\r', b'\n'] => (content, b"\r\n"),
            [content @ .., b'\n'] => (content, b"\n"),
            [content @ .., b'\r'] => (content, b"\r"),
            content => (content, b""),
        };
        self.decode(content, waste);
        self.held = end;
    }

    fn decode(&mut self, octets: &[u8], waste: &mut Vec<u8>) {
        self.decoder.push(octets, waste);
        self.length += waste.len() as u64;
        waste.clear();
    }
}
