//! Where messages stay: the [`Store`] trait and its words.
//!
//! A store knows nothing of SMTP sessions, browsers or JSON. Every backend passes the same
//! conformance suite (`tests/it/store.rs`), which is the definition of this trait where its words
//! leave a doubt.

mod matching;
mod memory;
#[cfg(feature = "mongodb")]
mod mongo;
mod options;
mod sqlite;

pub use options::*;

use std::{fmt, io, pin::Pin, sync::Arc};

use crate::{
    id::MessageId,
    message::{Summary, search},
    wire::Envelope,
};

/// The future of an answer, boxed so that a store can be chosen at run time.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send + 'a>>;

/// A place for messages.
pub trait Store: Send + Sync {
    /// Begins a message. Nothing is visible until [`Draft::commit`]; dropping the draft leaves no trace.
    fn begin(&self) -> BoxFuture<'_, Box<dyn Draft>>;

    /// One message, without its body.
    fn get(&self, id: MessageId) -> BoxFuture<'_, Option<Record>>;

    /// The bytes of one message, exactly as received.
    fn raw(&self, id: MessageId) -> BoxFuture<'_, Option<Raw>>;

    /// A page of messages, newest first.
    fn list(&self, query: Query) -> BoxFuture<'_, Page>;

    /// Marks or tags; returns the ids that really changed.
    fn change(&self, which: Selection, change: Change) -> BoxFuture<'_, Vec<MessageId>>;

    /// Deletes and gives the space back; returns how many were deleted.
    fn delete(&self, which: Selection) -> BoxFuture<'_, u64>;

    /// Takes these messages out of a mailbox; those that are in no other any more are deleted. Who is not
    /// in it, and unknown ids, are passed over. What the envelope says stays as it was said.
    fn leave(&self, ids: Vec<MessageId>, mailbox: String) -> BoxFuture<'_, Left>;

    /// Deletes the oldest messages until all bounds hold; returns how many were deleted.
    fn prune(&self, keep: Keep) -> BoxFuture<'_, u64>;

    /// Totals. Kept, not counted: this is cheap at any size.
    fn counts(&self) -> BoxFuture<'_, Counts>;

    /// Recipient mailboxes that have messages, sorted by name, those after `after` if given, at most
    /// `limit`.
    fn mailboxes(&self, after: Option<String>, limit: usize) -> BoxFuture<'_, Vec<Mailbox>>;

    /// Tags in use, sorted by name.
    fn tags(&self) -> BoxFuture<'_, Vec<Mailbox>>;

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

/// A stored message without its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its name.
    pub id: MessageId,
    /// What SMTP said.
    pub envelope: Envelope,
    /// What lists show.
    pub summary: Summary,
    /// Somebody opened it.
    pub read: bool,
    /// Somebody starred it.
    pub starred: bool,
    /// Its tags, sorted.
    pub tags: Vec<String>,
    /// Where it stands in its life.
    pub state: State,
}

impl Record {
    /// A message that was stored just now: nobody has seen it.
    fn fresh(id: MessageId, envelope: Envelope, summary: Summary) -> Self {
        Self {
            id,
            envelope,
            summary,
            read: false,
            starred: false,
            tags: Vec::new(),
            state: State::Received,
        }
    }
}

/// The life of a message. More states come with delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum State {
    /// Taken in and stored.
    #[default]
    Received,
}

impl State {
    /// The stable name that is stored and shown.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Received => "RECEIVED",
        }
    }

    /// The state of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Received].into_iter().find(|state| state.name() == name)
    }
}

/// The bytes of a message: in memory when it is small, an open file or something like it when it is
/// large. They stay readable even if the message is deleted meanwhile.
#[derive(Debug)]
pub enum Raw {
    /// All of it.
    Inline(Arc<[u8]>),
    /// A file of this length.
    File(std::fs::File, u64),
    /// Read a piece at a time, from a file whose checksums are compared, or from another machine.
    Pieces(Arc<dyn ReadAt>),
}

/// Octets that can be read from anywhere.
pub trait ReadAt: fmt::Debug + Send + Sync {
    /// How many there are.
    fn length(&self) -> u64;

    /// As [`Raw::read_at`]; blocks.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
}

impl Raw {
    /// Length in octets.
    pub fn len(&self) -> u64 {
        match self {
            Self::Inline(bytes) => bytes.len() as u64,
            Self::File(_, length) => *length,
            Self::Pieces(octets) => octets.length(),
        }
    }

    /// True for a message of no octets.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Reads into `buffer` from `offset`, as much as there is; 0 at the end. Blocks unless all of it is
    /// in memory: call it where blocking is allowed.
    pub fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        match self {
            Self::Inline(bytes) => {
                let start = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
                let taken = (bytes.len() - start).min(buffer.len());
                buffer[..taken].copy_from_slice(&bytes[start..start + taken]);
                Ok(taken)
            }
            Self::File(file, _) => std::os::unix::fs::FileExt::read_at(file, buffer, offset),
            Self::Pieces(octets) => octets.read_at(buffer, offset),
        }
    }
}

/// What a page should hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// What the messages must match; an empty search matches all.
    pub search: search::Query,
    /// Only messages with this forward-path, compared as [`mailbox_key`] does.
    pub mailbox: Option<String>,
    /// Only messages older than this one, which need not exist any more.
    pub before: Option<MessageId>,
    /// At most this many.
    pub limit: usize,
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
pub struct Keep {
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

/// What was found when a folder was looked after.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// Messages that were looked at.
    pub messages: u64,
    /// Their octets.
    pub bytes: u64,
    /// What is wrong, a line each; the first thousand.
    pub faults: Vec<String>,
    /// How many faults there are.
    pub fault_count: u64,
}

impl Checked {
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
            Self::Open(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for Error {}
