//! The words in which a store is asked: what to list, what to change, and the totals in its answers.

use super::Record;
use crate::{id::MessageId, message::search};

/// What a page should hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// What the messages must match; an empty search matches all.
    pub search: search::Query,
    /// Only messages with this forward-path, compared as [`mailbox_key`] does.
    pub mailbox: Option<String>,
    /// Only messages older than this one, which need not exist any more.
    pub before: Option<MessageId>,
    /// So many of the newest are passed over. That takes as long as to count them: a page is found more quickly
    /// by `before`.
    pub skip: usize,
    /// At most this many.
    pub limit: usize,
}

impl Query {
    /// How many messages a page has, of so many that match.
    pub(super) fn of(&self, matching: u64) -> u64 {
        let rest = matching.saturating_sub(u64::try_from(self.skip).unwrap_or(u64::MAX));
        rest.min(u64::try_from(self.limit).unwrap_or(u64::MAX))
    }
}

/// Part of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Newest first.
    pub records: Vec<Record>,
    /// True if older ones follow; the last record's id is then the key of the next page.
    pub more: bool,
}

/// Which messages to change or delete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// These; unknown ids are passed over.
    Ids(Vec<MessageId>),
    /// Every message that matches.
    Matching(Filter),
    /// All.
    All,
}

/// What messages must match that are changed or deleted: a search, a mailbox, or both. It cannot be made
/// of nothing, so that only [`Selection::All`] means all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    search: search::Query,
    mailbox: Option<String>,
}

impl Filter {
    /// Messages that match a search, in this mailbox if one is given; none if neither says anything.
    pub fn new(search: search::Query, mailbox: Option<String>) -> Option<Self> {
        let mailbox = mailbox.filter(|mailbox| !mailbox_key(mailbox).is_empty());
        let says_something = !search.is_empty() || mailbox.is_some();
        says_something.then_some(Self { search, mailbox })
    }

    /// All messages received before this time, in milliseconds since 1970.
    pub fn received_before_ms(time_ms: i64) -> Self {
        let search = search::Query::default();
        Self { search, mailbox: None }.received_before(time_ms)
    }

    /// Of these messages those received before this time, in milliseconds since 1970.
    #[must_use]
    pub fn received_before(mut self, time_ms: i64) -> Self {
        let test = search::Test::Before(time_ms);
        self.search.terms.push(search::Term { negated: false, test });
        self
    }

    /// The search, which is empty if only the mailbox counts, and the mailbox.
    pub fn into_parts(self) -> (search::Query, Option<String>) {
        (self.search, self.mailbox)
    }
}

/// What to do with a selection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Read or unread.
    Read(bool),
    /// Starred or not.
    Starred(bool),
    /// Add this tag.
    Tag(String),
    /// Take this tag away.
    Untag(String),
}

/// Messages that left a mailbox.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Left {
    /// They are in others still.
    pub ids: Vec<MessageId>,
    /// They were in no other, and are deleted.
    pub deleted: Vec<MessageId>,
}

/// What retention keeps at most; `None` is no bound. Age is that of each message. While all together break
/// another bound, the one that was committed first goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct RetentionLimits {
    /// Received at or after this time, in milliseconds since 1970.
    pub received_from_ms: Option<i64>,
    /// This many messages.
    pub messages: Option<u64>,
    /// This many octets of message bodies.
    pub bytes: Option<u64>,
}

/// Totals of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Counts {
    /// Messages stored.
    pub messages: u64,
    /// Of these, not read.
    pub unread: u64,
    /// Octets of all bodies as received.
    pub bytes: u64,
    /// Octets that the store takes on disk; 0 in memory.
    pub disk_bytes: u64,
    /// Messages that the full-text index has not taken in yet. Searches see them all the same.
    pub index_lag: u64,
}

/// A mailbox or tag with its totals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mailbox {
    /// The address in the form of [`mailbox_key`], or the tag.
    pub name: String,
    /// Messages in it.
    pub messages: u64,
    /// Of these, not read.
    pub unread: u64,
}

/// The form in which forward-paths are compared: lower case, without a trailing dot of the domain.
/// Local parts may differ by case (RFC 5321 §2.4), but nobody who looks for a mail remembers which.
pub fn mailbox_key(forward_path: &str) -> String {
    forward_path.trim().trim_end_matches('.').to_lowercase()
}

/// The form in which tags are kept and compared: lower case, without white space around them. The
/// empty tag is none: adding it changes nothing.
pub fn tag_key(tag: &str) -> String {
    tag.trim().to_lowercase()
}
