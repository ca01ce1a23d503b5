//! Tells whether a body keeps the rules of its Content-Transfer-Encoding, and how long its content
//! is, while it streams by; and hands the content to whatever reads in it.

use super::inner::Inner;
use crate::message::{Encoding, decode::Decoder};

/// Decodes the body that is being read.
#[derive(Debug, Default)]
pub(super) struct EncodingCheck {
    /// None for a body that is not encoded and in which nothing is read.
    state: Option<State>,
    /// The state before a line that may turn out to be a delimiter.
    before: Option<State>,
    /// What such a line decodes to, and what nobody reads.
    pending: Vec<u8>,
    inner: Option<Inner>,
}

#[derive(Clone, Debug)]
struct State {
    decoder: Decoder,
    /// Octets decoded.
    length: u64,
    /// A line end that belongs to the delimiter behind it, if one follows (RFC 2046 §5.1.1).
    held: &'static [u8],
}

/// What is known of a body at its end.
pub(super) struct Checked {
    /// It kept the rules.
    pub(super) clean: bool,
    /// The octets of its content, if it was decoded.
    pub(super) length: Option<u64>,
    /// What has read all of them.
    pub(super) inner: Option<Inner>,
}

impl EncodingCheck {
    /// A body in this encoding begins.
    pub(super) fn begin(&mut self, encoding: Encoding, inner: Option<Inner>) {
        let state = || State { decoder: Decoder::new(encoding), length: 0, held: b"" };
        self.state = (encoding != Encoding::Identity || inner.is_some()).then(state);
        (self.before, self.inner) = (None, inner);
    }

    /// The next octets of the body, all of one line, or whole lines none of which can be a delimiter;
    /// `first` at the beginning of a line.
    pub(super) fn push(&mut self, piece: &[u8], first: bool) {
        if first {
            self.before = None;
        }
        if self.before.is_none() {
            self.pass_on();
        }
        let Some(state) = &mut self.state else { return };
        if first && piece.starts_with(b"-") {
            self.before = Some(state.clone());
        }
        state.push(piece, &mut self.pending);
        // What is longer than a delimiter is none, so what is held back has a bound.
        if self.before.is_none() || self.pending.len() > MOST_HELD {
            self.pass_on();
        }
    }

    /// The last line was a delimiter and no part of the body, and so is the line end before it.
    pub(super) fn undo_line(&mut self) {
        if let Some(before) = self.before.take() {
            self.state = Some(State { held: b"", ..before });
            self.pending.clear();
        }
    }

    /// The line end before the present line is no part of the body.
    pub(super) fn drop_line_end(&mut self) {
        if let Some(state) = &mut self.state {
            state.held = b"";
        }
    }

    /// The body has ended.
    pub(super) fn end(&mut self) -> Checked {
        let Some(mut state) = self.state.take() else {
            return Checked { clean: true, length: None, inner: None };
        };
        state.decode(state.held, &mut self.pending);
        let before = self.pending.len();
        let clean = state.decoder.finish(&mut self.pending);
        let length = state.length + (self.pending.len() - before) as u64;
        self.pass_on();
        Checked { clean, length: Some(length), inner: self.inner.take() }
    }

    fn pass_on(&mut self) {
        if let Some(inner) = &mut self.inner {
            inner.push(&self.pending);
        }
        self.pending.clear();
    }
}

impl State {
    fn push(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        if self.held == b"\r" && piece == b"\n" {
            // A line end that came in two pieces.
            self.held = b"\r\n";
            return;
        }
        self.decode(self.held, out);
        let (content, end): (_, &'static [u8]) = match piece {
            [content @ .., b'\r', b'\n'] => (content, b"\r\n"),
            [content @ .., b'\n'] => (content, b"\n"),
            [content @ .., b'\r'] => (content, b"\r"),
            content => (content, b""),
        };
        self.decode(content, out);
        self.held = end;
    }

    fn decode(&mut self, octets: &[u8], out: &mut Vec<u8>) {
        let before = out.len();
        self.decoder.push(octets, out);
        self.length += (out.len() - before) as u64;
    }
}

/// Octets of content held back because their line may be a delimiter: more than any delimiter has, and the
/// line end before it.
const MOST_HELD: usize = 2_000;
