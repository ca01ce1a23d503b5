//! Whether to look for the peer's answer for a moment before sleeping.
//!
//! To fall asleep and be woken takes longer than a peer on the same machine takes to answer. Looking
//! costs a processor while it lasts, so it is for a peer that is alone, and only while it pays: each time
//! that it does not, it is left out for longer.

use std::time::Duration;

/// How it went with one peer.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct BusyPoll {
    /// Times in a row that it was in vain, up to a bound.
    misses: u8,
    /// So many times it is left out.
    rest: u16,
}

impl BusyPoll {
    /// True if it is worth a try this time.
    pub(super) fn is_due(&mut self) -> bool {
        let is_due = self.rest == 0;
        self.rest = self.rest.saturating_sub(1);
        is_due
    }

    /// The peer answered in time.
    pub(super) fn paid(&mut self) {
        *self = Self::default();
    }

    /// It did not.
    pub(super) fn missed(&mut self) {
        self.misses = (self.misses + 1).min(DOUBLINGS);
        self.rest = (1 << self.misses) - 1;
    }
}

/// How long it lasts: somewhat longer than a program on the same machine takes to wake up and answer.
pub(super) const MOMENT: Duration = Duration::from_micros(100);

/// In vain so often, it is left out 255 times of 256.
const DOUBLINGS: u8 = 8;

#[cfg(test)]
mod tests {
    use super::*;

    fn tries(poll: &mut BusyPoll, of: usize) -> usize {
        (0..of)
            .filter(|_| {
                let is_due = poll.is_due();
                if is_due {
                    poll.missed();
                }
                is_due
            })
            .count()
    }

    #[test]
    fn what_is_in_vain_is_done_less_and_less() {
        let mut poll = BusyPoll::default();
        assert_eq!(tries(&mut poll, 10), 3);
        assert!(tries(&mut poll, 10_000) < 50);
    }

    #[test]
    fn once_it_pays_it_is_done_each_time() {
        let mut poll = BusyPoll::default();
        tries(&mut poll, 1_000);
        while !poll.is_due() {}
        poll.paid();
        for _ in 0..10 {
            assert!(poll.is_due());
            poll.paid();
        }
    }
}
