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

/// The messages in the order of their numbers, oldest first, and whether each is marked as deleted.
#[derive(Debug, Default)]
pub struct Maildrop(Vec<(Entry, bool)>);

impl Maildrop {
    /// With these messages.
    pub fn new(entries: Vec<Entry>) -> Self {
        Self(entries.into_iter().map(|entry| (entry, false)).collect())
    }

    /// The message of this number, unless it is marked as deleted.
    pub(super) fn find(&self, text: &str) -> Result<(usize, Entry), Failure> {
        if text.is_empty() {
            return Err(Failure::NEEDS_NUMBER);
        }
        let index = usize::try_from(number(text)?).ok().and_then(|number| number.checked_sub(1));
        match index.and_then(|index| Some((index, self.0.get(index)?))) {
            Some((_, (_, true))) => Err(Failure::IS_DELETED),
            Some((index, (entry, false))) => Ok((index, *entry)),
            None => Err(Failure::NO_MESSAGE),
        }
    }

    /// Marks a message.
    pub(super) fn delete(&mut self, index: usize) {
        self.0.get_mut(index).into_iter().for_each(|(_, is_deleted)| *is_deleted = true);
    }

    /// Takes all marks away.
    pub(super) fn reset(&mut self) {
        self.0.iter_mut().for_each(|(_, is_deleted)| *is_deleted = false);
    }

    /// The messages that are marked.
    pub(super) fn marked(&self) -> Vec<MessageId> {
        let marked = self.0.iter().filter(|(_, is_deleted)| *is_deleted);
        marked.map(|(entry, _)| entry.id).collect()
    }

    /// How many messages there are that are not marked, and their octets.
    pub(super) fn totals(&self) -> (usize, u64) {
        let left = self.0.iter().filter(|(_, is_deleted)| !is_deleted);
        left.fold((0, 0), |(count, octets), (entry, _)| (count + 1, octets + entry.size))
    }

    /// Appends lines from the message at `from` on until there are many; returns where to go on, or none at
    /// the end.
    pub(super) fn list(&self, what: Listing, from: usize, output: &mut Vec<u8>) -> Option<usize> {
        for (index, (entry, is_deleted)) in self.0.iter().enumerate().skip(from) {
            if output.len() >= MOST_OUTPUT {
                return Some(index);
            }
            if !is_deleted {
                say(output, format_args!("{}", what.line(index, *entry)));
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
    /// The line of one message.
    pub(super) fn line(self, index: usize, Entry { id, size }: Entry) -> String {
        match self {
            Self::Sizes => format!("{} {size}", index + 1),
            Self::Ids => format!("{} {id}", index + 1),
        }
    }
}

/// Octets of a listing that are enough to be written before more are made.
pub(super) const MOST_OUTPUT: usize = 16 * 1024;
