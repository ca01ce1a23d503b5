//! The last refusals, for whoever asks why a mail did not arrive.
//!
//! A ring with a fixed number of places: a stranger can push others out, but never make it grow. Holds
//! of what a client said only addresses that could be read as such, which are bounded: what stands in
//! a command that was not understood may be a password.

use std::{
    collections::{BTreeMap, VecDeque},
    net::SocketAddr,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

/// Something that a client was refused, or a message that it only believes to be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
    /// Who; none on a Unix socket.
    pub client: Option<SocketAddr>,
    /// The verb of the command, `connect` for a connection, `?` for what could not be read.
    pub command: &'static str,
    /// The code that the client heard.
    pub code: u16,
    /// The whole reply, its code and enhanced code too.
    pub text: String,
    /// The reverse-path under way, empty for `<>`; none outside of a transaction.
    pub sender: Option<String>,
    /// The forward-path that was refused, if it was one.
    pub recipient: Option<String>,
}

/// Keeps the newest.
#[derive(Debug, Default)]
pub struct Refusals {
    ring: Mutex<VecDeque<Refusal>>,
    by_reply: Mutex<BTreeMap<String, u64>>,
    total: AtomicU64,
}

impl Refusals {
    /// Keeps one, and forgets the oldest if there is no place.
    pub fn push(&self, refusal: Refusal) {
        self.total.fetch_add(1, Ordering::Relaxed);
        self.count(&refusal.text);
        let mut ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        if ring.len() >= PLACES {
            ring.pop_front();
        }
        ring.push_back(refusal);
    }

    /// What is kept, newest first.
    pub fn newest(&self) -> Vec<Refusal> {
        let ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        ring.iter().rev().cloned().collect()
    }

    /// How many there were of each reply since the process started, the most frequent first. Replies are
    /// our own words, so there are only so many.
    pub fn by_reply(&self) -> Vec<(String, u64)> {
        let counts = self.by_reply.lock().unwrap_or_else(PoisonError::into_inner);
        let mut counts: Vec<_> =
            counts.iter().map(|(text, count)| (text.clone(), *count)).collect();
        counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        counts
    }

    fn count(&self, text: &str) {
        let mut counts = self.by_reply.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(text) {
            *count += 1;
        } else if counts.len() < REPLIES {
            counts.insert(text.to_owned(), 1);
        }
    }

    /// How many there were since the process started.
    pub fn total(&self) -> u64 {
        self.total.load(Ordering::Relaxed)
    }
}

/// Places in the ring: with the longest addresses about 200 KB.
const PLACES: usize = 200;

/// Different replies that are counted; there are about a hundred.
const REPLIES: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_so_many_replies_are_counted() {
        let refusals = Refusals::default();
        for number in 0..1_000 {
            refusals.count(&format!("550 {number}"));
            refusals.count("550 0");
        }
        assert_eq!(refusals.by_reply().len(), REPLIES);
        assert_eq!(refusals.by_reply()[0], ("550 0".to_owned(), 1_001));
    }

    #[test]
    fn the_newest_are_kept_and_all_are_counted() {
        let refusals = Refusals::default();
        for at_ms in 0..1_000 {
            refusals.push(Refusal {
                at_ms,
                client: None,
                command: "RCPT",
                code: 550,
                text: "550 5.7.1 Relay access denied".into(),
                sender: None,
                recipient: None,
            });
        }
        let kept: Vec<i64> = refusals.newest().iter().map(|refusal| refusal.at_ms).collect();
        assert_eq!(kept, (800..1_000).rev().collect::<Vec<_>>());
        assert_eq!(refusals.total(), 1_000);
        assert_eq!(refusals.by_reply(), [("550 5.7.1 Relay access denied".to_owned(), 1_000)]);
    }
}
