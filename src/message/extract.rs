//! From the octets of a message to the content of one part, through every encoding that it stands in.
//!
//! A part of a message that is itself encoded (an `.eml` in base64) has its place in what that decodes
//! to, not in the message. So a part is read through a chain of decoders, of which each passes on only
//! the octets in which the next one stands. All of it streams.

use std::ops::Range;

use super::{Encoding, Outline, Part, decode::Decoder};

impl Outline {
    /// How to read the content of the part at `index`.
    pub fn content(&self, index: usize) -> Option<Extract> {
        let part = self.parts.get(index)?;
        Some(self.extract(part, part.body.clone(), part.content_encoding()))
    }

    /// How to read its header as it came.
    pub fn header(&self, index: usize) -> Option<Extract> {
        let part = self.parts.get(index)?;
        Some(self.extract(part, part.header.clone(), Encoding::Identity))
    }

    fn extract(&self, part: &Part, place: Range<u64>, encoding: Encoding) -> Extract {
        let last = Stage { decoder: Decoder::new(encoding), left: 0..u64::MAX, is_over: false };
        let mut extract = Extract { range: place, stages: vec![last] };
        let mut within = part.within;
        // What a part stands in stands before it, so this ends.
        while let Some(holder) = within.and_then(|index| self.parts.get(index)) {
            let place = std::mem::replace(&mut extract.range, holder.body.clone());
            let decoder = Decoder::new(holder.content_encoding());
            extract.stages.insert(0, Stage { decoder, left: place, is_over: false });
            within = holder.within.filter(|&next| Some(next) < within);
        }
        extract
    }
}

/// Reads one part. However its octets are split, the output is the same.
#[derive(Clone, Debug)]
pub struct Extract {
    range: Range<u64>,
    /// Outermost first.
    stages: Vec<Stage>,
}

/// One encoding, and which octets of what it decodes to are wanted.
#[derive(Clone, Debug)]
struct Stage {
    decoder: Decoder,
    /// Counted from where the decoder is.
    left: Range<u64>,
    is_over: bool,
}

impl Extract {
    /// The octets of the message that are to be pushed.
    pub fn range(&self) -> Range<u64> {
        self.range.clone()
    }

    /// True if those octets are the content as they are.
    pub fn is_identity(&self) -> bool {
        matches!(self.stages.as_slice(), [only] if only.decoder.is_identity())
    }

    /// True once no octet that comes can add anything.
    pub fn is_done(&self) -> bool {
        self.stages.iter().any(|stage| stage.left.is_empty())
    }

    /// Reads the next octets and appends what is ready to `out`.
    pub fn push(&mut self, octets: &[u8], out: &mut Vec<u8>) {
        through(&mut self.stages, octets, out);
    }

    /// There are no more: appends what was held back.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        for index in 0..self.stages.len() {
            let (before, after) = self.stages.split_at_mut(index + 1);
            let Some(stage) = before.last_mut().filter(|stage| !stage.is_over) else { continue };
            let mut decoded = Vec::new();
            stage.decoder.finish(&mut decoded);
            stage.is_over = true;
            let decoded = stage.wanted(&decoded);
            through(after, decoded, out);
        }
    }
}

fn through(stages: &mut [Stage], octets: &[u8], out: &mut Vec<u8>) {
    match stages {
        [] => out.extend_from_slice(octets),
        // Nothing is cut out of what the last one decodes to.
        [last] => last.decoder.push(octets, out),
        [first, rest @ ..] => {
            let mut decoded = Vec::new();
            first.decoder.push(octets, &mut decoded);
            through(rest, first.wanted(&decoded), out);
        }
    }
}

impl Stage {
    fn wanted<'a>(&mut self, decoded: &'a [u8]) -> &'a [u8] {
        let length = decoded.len() as u64;
        let place = |at: u64| usize::try_from(at.min(length)).unwrap_or(decoded.len());
        let wanted = place(self.left.start)..place(self.left.end);
        self.left = self.left.start.saturating_sub(length)..self.left.end.saturating_sub(length);
        decoded.get(wanted).unwrap_or_default()
    }
}
