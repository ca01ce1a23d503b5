//! Where messages stay: the [`Store`] trait and its words.
//!
//! A store knows nothing of SMTP sessions, browsers or JSON. Every backend passes the same
//! conformance suite (`tests/it/store.rs`), which is the definition of this trait where its words
//! leave a doubt.

mod annexes;
mod kept;
mod matching;
mod memory;
#[cfg(feature = "mongodb")]
mod mongo;
mod open;
mod options;
mod order;
mod query;
mod record;
mod sqlite;

pub use self::{
    annexes::{LARGEST_ANNOTATION, LARGEST_NOTE, Note},
    open::{backup, check, open, open_existing, repair},
    options::*,
    order::{Batch, Cursor},
    query::{
        Change, Counts, Filter, Left, Mailbox, Page, Query, RetentionLimits, Selection,
        mailbox_key, tag_key,
    },
    record::{Raw, ReadAt, Record, State},
};

use std::{collections::BTreeMap, fmt, io, pin::Pin, sync::Arc};

use crate::{id::MessageId, message::Summary, wire::Envelope};

/// The future of an answer, boxed so that a store can be chosen at run time.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send + 'a>>;

/// A place for messages.
pub trait Store: Send + Sync {
    /// Begins a message. Nothing is visible until [`Draft::commit`]; dropping the draft leaves no trace.
    fn begin(&self) -> BoxFuture<'_, Box<dyn Draft>>;

    /// One message, without its body.
    fn get(&self, id: MessageId) -> BoxFuture<'_, Option<Record>>;

    /// Those of these messages that there are, in this order, with one question.
    fn get_all(&self, ids: Vec<MessageId>) -> BoxFuture<'_, Vec<Record>> {
        Box::pin(async move {
            let mut records = Vec::new();
            for id in ids {
                records.extend(self.get(id).await?);
            }
            Ok(records)
        })
    }

    /// The bytes of one message, exactly as received.
    fn raw(&self, id: MessageId) -> BoxFuture<'_, Option<Raw>>;

    /// A page of messages, newest first.
    fn list(&self, query: Query) -> BoxFuture<'_, Page>;

    /// How many messages [`Self::list`] would find, without reading them where that can be helped. All, those of
    /// a mailbox and those of a tag are not counted, for that is kept; other counts take as long as the search,
    /// which `limit` bounds.
    fn count(&self, query: Query) -> BoxFuture<'_, u64>;

    /// Messages in the order of commits, oldest first, behind a place in it or from its beginning on, at most
    /// `limit`. Who goes on from [`Batch::next`] each time sees every message once, but those that are deleted
    /// by then. A store that several instances share has an order for each (docs/mongodb.md), and messages that
    /// were restored there are in none.
    fn after(&self, cursor: Option<Cursor>, limit: usize) -> BoxFuture<'_, Batch>;

    /// The place behind all that is committed now.
    fn end(&self) -> BoxFuture<'_, Cursor>;

    /// Marks or tags; returns the ids that really changed.
    fn change(&self, which: Selection, change: Change) -> BoxFuture<'_, Vec<MessageId>>;

    /// Writes down what was learnt of a message after it was stored, such as a verdict or how a delivery went: a
    /// small text under a name, in place of what that name had; none removes it. To write the same again changes
    /// nothing. Returns whether anything is different now, which for an unknown message it is not.
    fn annotate(&self, id: MessageId, name: String, value: Option<String>) -> BoxFuture<'_, bool>;

    /// What was learnt of a message. Lists leave it out, because they rarely need it and would pay for it.
    fn annotations(&self, id: MessageId) -> BoxFuture<'_, BTreeMap<String, String>>;

    /// Deletes and gives the space back; returns how many were deleted.
    fn delete(&self, which: Selection) -> BoxFuture<'_, u64>;

    /// Takes these messages out of a mailbox; those that are in no other any more are deleted. Who is not
    /// in it, and unknown ids, are passed over. What the envelope says stays as it was said.
    fn leave(&self, ids: Vec<MessageId>, mailbox: String) -> BoxFuture<'_, Left>;

    /// Deletes the oldest messages until all bounds hold; returns how many were deleted.
    fn prune(&self, keep: RetentionLimits) -> BoxFuture<'_, u64>;

    /// Totals. Kept, not counted: this is cheap at any size.
    fn counts(&self) -> BoxFuture<'_, Counts>;

    /// Recipient mailboxes that have messages, sorted by name, those after `after` if given, at most
    /// `limit`.
    fn mailboxes(&self, after: Option<String>, limit: usize) -> BoxFuture<'_, Vec<Mailbox>>;

    /// Tags in use, sorted by name.
    fn tags(&self) -> BoxFuture<'_, Vec<Mailbox>>;

    /// Keeps a small value by a key, durably and in place of what the key had; none removes it. Notes belong to no
    /// message: they stay when all mail is deleted.
    fn set_note(&self, key: String, value: Option<Vec<u8>>) -> BoxFuture<'_, ()>;

    /// The value of a key.
    fn note(&self, key: String) -> BoxFuture<'_, Option<Vec<u8>>>;

    /// Notes whose keys begin like this, sorted by key, those after `after` if given, at most `limit`.
    fn notes(
        &self,
        prefix: String,
        after: Option<String>,
        limit: usize,
    ) -> BoxFuture<'_, Vec<Note>>;

    /// What others do to the messages of this store from now on; none where nobody else can. What was
    /// done through this store itself is not told again. To be asked for once.
    fn remote_changes(&self) -> Option<smol::channel::Receiver<RemoteChange>> {
        None
    }

    /// Finishes what is under way and closes. Afterwards everything answers [`Error::Closed`].
    fn close(&self) -> BoxFuture<'_, ()>;
}

/// Something that another instance did.
#[derive(Clone, Debug)]
pub enum RemoteChange {
    /// It stored a message.
    New(Arc<Record>),
    /// It deleted these.
    Deleted(Vec<MessageId>),
    /// It marked or tagged these.
    Changed(Vec<MessageId>),
    /// Some of it was missed, or it was too much to tell.
    Missed,
}

/// A message on its way in.
pub trait Draft: Send {
    /// Adds a piece of the body. A slow disk makes this wait: that is the back-pressure.
    fn write<'a>(&'a mut self, chunk: &'a [u8]) -> BoxFuture<'a, ()>;

    /// Stores the message with its envelope, durably, and returns the id that the store gave it. Ids
    /// grow in the order of commits, so a page key never skips a message. The octets written are
    /// counted, and the count replaces [`Summary::size`].
    fn commit(
        self: Box<Self>,
        envelope: Envelope,
        summary: Summary,
    ) -> BoxFuture<'static, Arc<Record>>;

    /// The same under the id that the message has in another store. The id must not be taken; where ids
    /// are the order of commits it must be above all that are. For migrations.
    fn restore(
        self: Box<Self>,
        id: MessageId,
        envelope: Envelope,
        summary: Summary,
    ) -> BoxFuture<'static, Arc<Record>>;
}

/// What was found when a folder was looked after.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckReport {
    /// Messages that were looked at.
    pub messages: u64,
    /// Their octets.
    pub bytes: u64,
    /// What is wrong, a line each; the first thousand.
    pub faults: Vec<String>,
    /// How many faults there are.
    pub fault_count: u64,
}

impl CheckReport {
    fn tell(&mut self, fault: String) {
        self.fault_count += 1;
        if self.faults.len() < MOST_FAULTS {
            self.faults.push(fault);
        }
    }
}

/// Faults that are told at most.
const MOST_FAULTS: usize = 1000;

/// Why a store could not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// No room: the disk or a quota is full. Trying later may help.
    Full,
    /// The disk or the database failed. Trying later may help.
    Io(String),
    /// What was stored is not what is there now. Trying later will not help; `smtpd check` says more.
    Damaged(String),
    /// It was asked for what cannot be, and this is why. Trying later will not help.
    Invalid(String),
    /// It is shutting down.
    Closed,
    /// It cannot be opened, and this is why: another version, not a database, no permission.
    Open(String),
}

impl Error {
    /// What a failed disk means to the callers of the store.
    fn from_io(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full,
            io::ErrorKind::InvalidData => Self::Damaged(error.to_string()),
            _ => Self::Io(error.to_string()),
        }
    }

    /// A store that must not go on as it is: that would hide mail.
    fn needs_repair(path: &std::path::Path, what: &str) -> Self {
        let path = path.display();
        Self::Open(format!("{path}: {what}; `smtpd repair` saves what can be saved"))
    }
}

impl Error {
    /// A message cannot be restored under its id.
    fn not_above(id: MessageId) -> Self {
        Self::Io(format!("message {id} is not newer than all that are stored"))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => f.write_str("no space left for the store"),
            Self::Io(what) => write!(f, "the store failed: {what}"),
            Self::Damaged(what) => write!(f, "the store is damaged: {what}"),
            Self::Closed => f.write_str("the store is closed"),
            Self::Open(what) | Self::Invalid(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for Error {}
