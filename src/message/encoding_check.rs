//! Tells whether a body keeps the rules of its Content-Transfer-Encoding, while it streams by.

use super::{Encoding, decode::Decoder};

/// Decodes the body that is being read, for its faults only.
#[derive(Debug, Default)]
pub(super) struct EncodingCheck {
    /// None for a body that is not encoded.
    decoder: Option<Decoder>,
    /// The decoder before a line that may turn out to be a delimiter.
    before: Option<Decoder>,
    /// Room for what is decoded and not wanted.
    waste: Vec<u8>,
}

impl EncodingCheck {
    /// A body in this encoding begins.
    pub(super) fn begin(&mut self, encoding: Encoding) {
        self.decoder = (encoding != Encoding::Identity).then(|| Decoder::new(encoding));
        self.before = None;
    }

    /// The next octets of the body; `first` at the beginning of a line.
    pub(super) fn push(&mut self, piece: &[u8], first: bool) {
        if first {
            self.before = None;
        }
        // Once broken is enough.
        if let Some(decoder) = self.decoder.as_mut().filter(|decoder| decoder.is_clean()) {
            if first && piece.starts_with(b"-") {
                self.before = Some(decoder.clone());
            }
            decoder.push(piece, &mut self.waste);
            self.waste.clear();
        }
    }

    /// The last line was a delimiter and no part of the body.
    pub(super) fn undo_line(&mut self) {
        if let Some(before) = self.before.take() {
            self.decoder = Some(before);
        }
    }

    /// The body has ended. True if it kept the rules.
    pub(super) fn end(&mut self) -> bool {
        let decoder = self.decoder.take();
        let clean = decoder.is_none_or(|mut decoder| decoder.finish(&mut self.waste));
        self.waste.clear();
        clean
    }
}
