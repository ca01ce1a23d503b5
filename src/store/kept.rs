//! Which counts a store keeps: of all messages, of a mailbox, of a tag, and of what of these is read or not.

use super::{Query, mailbox_key, tag_key};
use crate::message::search::Test;

/// A query whose count is kept.
pub(super) struct Kept {
    pub(super) of: Of,
    is_read: Option<bool>,
}

/// Messages whose totals are kept.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Of {
    All,
    /// In the form of [`mailbox_key`].
    Mailbox(String),
    /// In the form of [`tag_key`].
    Tag(String),
}

impl Kept {
    /// None if the messages have to be counted.
    pub(super) fn new(query: &Query) -> Option<Self> {
        let mut of = match &query.mailbox {
            Some(mailbox) => Of::Mailbox(mailbox_key(mailbox)),
            None => Of::All,
        };
        let mut is_read = None;
        for term in &query.search.terms {
            match &term.test {
                Test::Read(read) if is_read.is_none() => is_read = Some(*read != term.negated),
                Test::Tag(tag) if !term.negated && of == Of::All => of = Of::Tag(tag_key(tag)),
                _ => return None,
            }
        }
        query.before.is_none().then_some(Self { of, is_read })
    }

    /// The count, of totals.
    pub(super) fn count(&self, messages: u64, unread: u64) -> u64 {
        match self.is_read {
            None => messages,
            Some(true) => messages.saturating_sub(unread),
            Some(false) => unread,
        }
    }
}
