//! The maildrop as it was at the login, and what the client means to delete of it (RFC 1939 §5).

use super::{Failure, command::number, reply::say};
use crate::id::MessageId;

/// A message of a maildrop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What UIDL calls it.
    pub id: MessageId,
    /// Octets as they are sent ([`sent_size`](super::sent_size)).
    pub size: u64,
}

/// The messages in the order of their numbers, oldest first.
#[derive(Debug, Default)]
pub struct Maildrop {
    entries: Vec<Entry>,
    /// Which of them are marked as deleted, in order.
    deleted: Vec<bool>,
}

impl Maildrop {
    /// With these messages.
    pub fn new(entries: Vec<Entry>) -> Self {
        let deleted = vec![false; entries.len()];
        Self { entries, deleted }
    }

    /// The message of this number, unless it is marked as deleted.
    pub(super) fn find(&self, text: &str) -> Result<(usize, Entry), Failure> {
        if text.is_empty() {
            return Err(Failure::NEEDS_NUMBER);
        }
        let index = usize::try_from(number(text)?).ok().and_then(|number| number.checked_sub(1));
        let index = index.ok_or(Failure::NO_MESSAGE)?;
        match (self.entries.get(index), self.deleted.get(index)) {
            (Some(_), Some(true)) => Err(Failure::IS_DELETED),
            (Some(entry), _) => Ok((index, *entry)),
            (None, _) => Err(Failure::NO_MESSAGE),
        }
    }

    /// Marks a message.
    pub(super) fn delete(&mut self, index: usize) {
        if let Some(deleted) = self.deleted.get_mut(index) {
            *deleted = true;
        }
    }

    /// Takes all marks away.
    pub(super) fn reset(&mut self) {
        self.deleted.fill(false);
    }

    /// The messages that are marked.
    pub(super) fn marked(&self) -> Vec<MessageId> {
        let marked = self.entries.iter().zip(&self.deleted).filter(|(_, deleted)| **deleted);
        marked.map(|(entry, _)| entry.id).collect()
    }

    /// How many messages there are that are not marked, and their octets.
    pub(super) fn totals(&self) -> (usize, u64) {
        let left = self.entries.iter().zip(&self.deleted).filter(|(_, deleted)| !**deleted);
        left.fold((0, 0), |(count, octets), (entry, _)| (count + 1, octets + entry.size))
    }

    /// Appends lines from the message at `from` on until there are many; returns where to go on, or none at
    /// the end.
    pub(super) fn list(&self, what: Listing, from: usize, output: &mut Vec<u8>) -> Option<usize> {
        for (index, entry) in self.entries.iter().enumerate().skip(from) {
            if output.len() >= MOST_OUTPUT {
                return Some(index);
            }
            if self.deleted.get(index) == Some(&false) {
                let number = index + 1;
                match what {
                    Listing::Sizes => say(output, format_args!("{number} {}", entry.size)),
                    Listing::Ids => say(output, format_args!("{number} {}", entry.id)),
                }
            }
        }
        None
    }
}

/// What is listed of each message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Listing {
    /// LIST
    Sizes,
    /// UIDL
    Ids,
}

impl Listing {
    /// The same of one message.
    pub(super) fn one(self, index: usize, entry: Entry, output: &mut Vec<u8>) {
        match self {
            Self::Sizes => say(output, format_args!("+OK {} {}", index + 1, entry.size)),
            Self::Ids => say(output, format_args!("+OK {} {}", index + 1, entry.id)),
        }
    }
}

/// Octets of a listing that are enough to be written before more are made.
pub(super) const MOST_OUTPUT: usize = 16 * 1024;
