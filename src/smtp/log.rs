//! What is worth a line in the log when a connection ends.
//!
//! Holds nothing that a client said except the argument of HELO and a user name that was accepted:
//! passwords reach other commands than AUTH when a client is confused, so of a refused command only
//! the verb is kept.

use super::{Reply, Verb};

/// A session so far.
#[derive(Clone, Copy, Debug)]
pub struct Log<'a> {
    /// The argument of the last HELO or EHLO.
    pub helo: Option<&'a str>,
    /// The user name of a successful AUTH.
    pub auth_user: Option<&'a str>,
    /// Messages answered with 250.
    pub messages_kept: u64,
    /// Messages refused after their DATA was begun, by the session or by the driver.
    pub messages_refused: u64,
    /// Octets of content that came, whatever became of it.
    pub octets: u64,
    /// Everything that was answered with a 4yz or 5yz code, messages included.
    pub refused: u64,
    /// Of these, failed logins (535).
    pub logins_failed: u64,
    /// The newest refusal.
    pub last_refusal: Option<&'a Refusal>,
}

/// An answer of 4yz or 5yz, and to what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The command that was refused, without its arguments; none if it could not be read, or if the
    /// session ended by itself.
    pub verb: Option<Verb>,
    /// The answer.
    pub reply: Reply,
}

/// What a session counts.
#[derive(Debug, Default)]
pub(super) struct SessionStats {
    pub(super) messages_kept: u64,
    pub(super) messages_refused: u64,
    pub(super) octets: u64,
    pub(super) refused: u64,
    pub(super) logins_failed: u64,
    refusals: Vec<Refusal>,
    /// How many of these, the last ones, nobody was told of.
    untold: usize,
}

impl SessionStats {
    pub(super) fn refusal(&mut self, verb: Option<Verb>, reply: &Reply) {
        self.refused += 1;
        if self.untold == 0 {
            self.refusals.clear();
        }
        if self.untold == MOST_UNTOLD {
            // The first ones say why, the last one how it ended.
            self.refusals.pop();
            self.untold -= 1;
        }
        self.refusals.push(Refusal { verb, reply: reply.clone() });
        self.untold += 1;
    }

    pub(super) fn last_refusal(&self) -> Option<&Refusal> {
        self.refusals.last()
    }

    /// The refusals since the last call.
    pub(super) fn tell(&mut self) -> &[Refusal] {
        let told = self.refusals.len() - std::mem::take(&mut self.untold);
        self.refusals.get(told..).unwrap_or_default()
    }
}

/// Refusals kept of one batch of commands, so that a flood of them takes no memory.
const MOST_UNTOLD: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_refusals_is_noted_in_a_few() {
        let mut stats = SessionStats::default();
        for number in 0..1_000 {
            let reply = if number == 999 { Reply::TIMEOUT } else { Reply::LOCAL_ERROR };
            stats.refusal(None, &reply);
        }
        assert_eq!((stats.refused, stats.tell().len()), (1_000, MOST_UNTOLD));
        assert_eq!(stats.last_refusal().map(|it| &it.reply), Some(&Reply::TIMEOUT));
        assert_eq!(stats.tell().len(), 0);
    }
}
