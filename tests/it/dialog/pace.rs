//! How the client's words are cut, and whether what came out is what a script expects.

use std::{fmt::Debug, mem};

use super::{
    script::{Expected, Script, Turn},
    stage::{Event, Play},
};

/// How the client's words are cut.
#[derive(Clone, Copy, Debug)]
pub(super) enum Pace {
    Whole,
    Octets,
    Random(u64),
}

impl Script {
    /// Says all that stands between two directives in one go, cut as `pace` wants it; returns the
    /// stage after the last word.
    pub(super) fn play<S: Play>(&self, pace: Pace) -> S {
        let mut stage = S::new(&self.settings);
        let mut words = Vec::new();
        for turn in &self.turns {
            match turn {
                Turn::Say(more) => words.extend_from_slice(more),
                Turn::Hear(_) => {}
                directive => {
                    pace.cut(&mem::take(&mut words), |piece| stage.feed(piece));
                    stage.direct(directive);
                }
            }
        }
        pace.cut(&words, |piece| stage.feed(piece));
        stage
    }

    pub(super) fn check(
        &self,
        expected: &Expected,
        events: &[Event],
        cursor: &mut usize,
        pace: &dyn Debug,
    ) {
        let wrong = |heard: Option<&Event>| -> ! {
            panic!("{}, {pace:?}: expected {expected:?}, heard {heard:?} in {events:#?}", self.name)
        };
        loop {
            let event = events.get(*cursor).unwrap_or_else(|| wrong(None));
            *cursor += 1;
            let matches = match (expected, event) {
                (Expected::Line(line), Event::Line(heard)) => line == heard,
                (Expected::Prefix(start), Event::Line(heard)) => heard.starts_with(start.as_str()),
                (Expected::Reply(code), Event::Line(heard)) => {
                    if heard.starts_with(&format!("{code}-")) {
                        continue;
                    }
                    heard.starts_with(&format!("{code} "))
                }
                (Expected::Ask(ask), Event::Ask(heard)) => ask == heard,
                (Expected::Envelope(envelope), Event::Envelope(heard)) => envelope == heard,
                (Expected::Body(body), Event::Body(heard)) => body == heard,
                // A script need not tell the envelope and the content of each message.
                (_, Event::Envelope(_) | Event::Body(_)) => continue,
                _ => false,
            };
            if matches {
                return;
            }
            wrong(Some(event));
        }
    }

    pub(super) fn check_end(&self, events: &[Event], cursor: usize, pace: &dyn Debug) {
        let more: Vec<_> = events[cursor..]
            .iter()
            .filter(|event| !matches!(event, Event::Envelope(_) | Event::Body(_)))
            .collect();
        assert!(more.is_empty(), "{}, {pace:?}: {more:?} was not expected here", self.name);
    }
}

impl Pace {
    fn cut(self, words: &[u8], mut feed: impl FnMut(&[u8])) {
        match self {
            Self::Whole => feed(words),
            Self::Octets => words.chunks(1).for_each(feed),
            Self::Random(seed) => {
                let mut random = Random(seed);
                let mut rest = words;
                while !rest.is_empty() {
                    // Small pieces and large ones.
                    let most = if random.below(2) == 0 { 4 } else { 100 };
                    let (piece, after) = rest.split_at((1 + random.below(most)).min(rest.len()));
                    feed(piece);
                    rest = after;
                }
            }
        }
    }
}

/// xorshift64: the same on every machine.
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % bound
    }
}
