//! The durable store: SQLite in a folder.
//!
//! ```text
//!  Draft ──► journal ──► journal/ ─────────────┐ octets
//!    │      (thread,    (what 250 rests on)    ▼
//!    │    group commit)     │               readers ──► list, get, raw
//!    │                      ▼                  ▲
//!    │                   writer ──► smtpd.db ──┤ places, marks, totals
//!    └─► bodies/        (thread)               │
//!      (large ones)     indexer ──► index.db ──┘ words up to the cursor
//!                       (thread)   (can be rebuilt)
//! ```
//!
//! `journal` stores messages durably and for good; `schema.sql` says what is known of them besides, `tx`
//! changes that, and `writer` is the thread that does; `read` and `find` look at it, `index` and `indexer`
//! keep the full-text index, `bodies` keeps large bodies.

mod bell;
mod bodies;
mod care;
mod draft;
mod find;
mod index;
mod indexer;
mod journal;
mod plan;
mod pool;
mod read;
mod reserve;
mod row;
mod schema;
mod tx;
mod writer;

pub(super) use self::care::{backup, check, repair};

use std::{
    collections::HashSet,
    fs::{self, File, TryLockError},
    io,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
    time::Instant,
};

use rusqlite::Connection;

use self::{
    bodies::Bodies,
    draft::SqliteDraft,
    index::Index,
    indexer::Indexer,
    journal::{Journal, Replayed, Segments, replay},
    pool::Pool,
    read::Reader,
    reserve::Reserve,
    schema::failed,
    tx::{Counters, Kind, Tx},
    writer::Writer,
};
use super::{
    Change, Counts, Draft, Error, Keep, Later, MAX_INLINE_LIMIT, Mailbox, Options, Page, Query,
    Raw, Record, Selection, Store, mailbox_key,
};
use crate::{
    id::{IdSource, MessageId},
    message::search::{self, Term, Test},
};

/// A store in a folder.
pub(super) struct Sqlite {
    shared: Arc<Shared>,
    journal: Journal,
    writer: Writer,
    readers: Arc<Pool>,
    indexer: Mutex<Option<JoinHandle<()>>>,
    storing: Mutex<Option<JoinHandle<()>>>,
    writing: Mutex<Option<JoinHandle<()>>>,
    closed: AtomicBool,
}

/// What all parts know.
struct Shared {
    folder: PathBuf,
    segments: Segments,
    bodies: Bodies,
    index: Index,
    /// The full-text index is wanted.
    indexed: bool,
    inline_limit: usize,
    /// Messages on their way in.
    drafts: AtomicUsize,
    /// Room to delete in when the disk is full.
    reserve: Reserve,
    /// As last committed.
    counters: Mutex<Counters>,
    /// Held until the store is closed: a second process must not write here.
    lock: File,
}

impl Shared {
    fn counters(&self) -> MutexGuard<'_, Counters> {
        self.counters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sqlite {
    /// Opens the folder, clears away what a crash left, and starts the threads.
    pub(super) fn open(options: &Options) -> Result<Self, Error> {
        let folder = options.path.clone();
        let cannot = |path: &Path, error: &dyn std::fmt::Display| {
            Error::Open(format!("{}: {error}", path.display()))
        };
        if options.inline_limit > MAX_INLINE_LIMIT {
            return Err(Error::Open(format!("inline_limit: at most {MAX_INLINE_LIMIT} octets")));
        }
        make_folder(&folder).map_err(|error| cannot(&folder, &error))?;
        let lock = lock(&folder)?;
        let database = folder.join(DATABASE);
        let segments = folder.join(JOURNAL);
        let segments = Segments::open(segments.clone()).map_err(|e| cannot(&segments, &e))?;
        if !database.exists() && !segments.numbers().map_err(|e| cannot(&folder, &e))?.is_empty() {
            let why = "missing, but there is a journal: `smtpd repair` makes it again";
            return Err(cannot(&database, &why));
        }
        make_private(&database).map_err(|error| cannot(&database, &error))?;
        // What a kill left in it may rest on a sync that had failed.
        schema::write_log_again(&database).map_err(|error| cannot(&database, &error))?;
        let db = schema::open_writer(&database)?;
        let damaged = |error| Error::Open(schema::describe(&database, &error));
        let mut counters = Counters::load(&db).map_err(damaged)?;
        let bodies = folder.join(BODIES);
        let bodies = Bodies::open(bodies.clone()).map_err(|error| cannot(&bodies, &error))?;
        let reserve = Reserve::open(folder.join(RESERVE));
        let end = catch_up(&segments, &db, &mut counters, options.index)?;
        clear_leftovers(&db, &bodies, &segments, &counters).map_err(|e| cannot(&folder, &e))?;
        let shared = Arc::new(Shared {
            index: Index::new(folder.join(INDEX)),
            folder,
            segments,
            bodies,
            indexed: options.index,
            inline_limit: options.inline_limit,
            drafts: AtomicUsize::new(0),
            reserve,
            counters: Mutex::new(counters),
            lock,
        });
        Self::start(shared, database, db, &end, options.readers)
    }

    fn start(
        shared: Arc<Shared>,
        database: PathBuf,
        db: Connection,
        end: &Replayed,
        readers: usize,
    ) -> Result<Self, Error> {
        let counters = *shared.counters();
        let mut process = [0; 5];
        getrandom::fill(&mut process).map_err(|error| Error::Open(error.to_string()))?;
        let ids = IdSource::new(process, counters.last_id.map(MessageId::from_bytes));
        let cannot = |error: rusqlite::Error| Error::Open(schema::describe(&database, &error));
        let mut indexer = None;
        let (writer, writing) = Writer::new(shared.clone(), database.clone(), db);
        let journal = Journal::new(shared.clone(), writer.clone(), ids, end);
        let (journal, storing) = journal.map_err(|error| {
            Error::Open(format!("{}: {error}", shared.segments.folder().display()))
        })?;
        if shared.indexed {
            let path = shared.folder.join(INDEX);
            let index = shared.index.open(counters.identity, counters.epoch);
            let work = Indexer {
                shared: shared.clone(),
                writer: writer.clone(),
                reader: Reader::open(&database, shared.clone()).map_err(cannot)?,
                index: index.map_err(|e| Error::Open(schema::describe(&path, &e)))?,
                reached_at: 0,
                tidied: Instant::now(),
                is_untidy: false,
            };
            indexer = Some(spawn("store-index", move || work.run())?);
        } else {
            shared.index.remove();
        }
        Ok(Self {
            storing: Mutex::new(Some(spawn("store-journal", move || storing.run())?)),
            writing: Mutex::new(Some(spawn("store-write", move || writing.run())?)),
            readers: Arc::new(Pool::new(shared.clone(), database, readers)),
            indexer: Mutex::new(indexer),
            closed: AtomicBool::new(false),
            shared,
            journal,
            writer,
        })
    }

    /// Lets `question` look at the database, off the executor.
    async fn look<T: Send + 'static>(
        &self,
        question: impl FnOnce(&mut Reader, &Shared) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        self.check_open()?;
        self.writer.settle().await?;
        let shared = self.shared.clone();
        self.readers.ask(move |reader| question(reader, &shared)).await
    }

    /// Walks everything that matches, newest first, in pieces; `work` gets the seqs of each.
    async fn sweep<T: Send + 'static, W>(
        &self,
        search: search::Query,
        mailbox: Option<String>,
        mut gather: impl FnMut(T) + Send,
        work: impl Fn(Vec<i64>) -> W + Send,
    ) -> Result<(), Error>
    where
        W: FnOnce(&mut Tx<'_>) -> rusqlite::Result<T> + Send + 'static,
    {
        let mut below = i64::MAX;
        loop {
            let (search, mailbox) = (search.clone(), mailbox.clone());
            let find = move |reader: &mut Reader, shared: &Shared| {
                reader.find(shared, &search, mailbox.as_deref(), below, PIECE)
            };
            let seqs = self.look(find).await?;
            let Some(&last) = seqs.last() else { return Ok(()) };
            below = last;
            gather(self.writer.ask(work(seqs)).await?);
        }
    }

    fn check_open(&self) -> Result<(), Error> {
        if self.closed.load(Ordering::SeqCst) { Err(Error::Closed) } else { Ok(()) }
    }

    /// Takes no message while the room that deleting needs is given up.
    async fn check_room(&self) -> Result<(), Error> {
        if self.shared.reserve.is_kept() {
            return Ok(());
        }
        let shared = self.shared.clone();
        if smol::unblock(move || shared.reserve.keep()).await { Ok(()) } else { Err(Error::Full) }
    }

    /// Gives up the reserve if the disk was too full for deleting; true if it is worth another try.
    async fn make_room(&self, ended: &Result<(), Error>) -> bool {
        let shared = self.shared.clone();
        matches!(ended, Err(Error::Full)) && smol::unblock(move || shared.reserve.give()).await
    }

    async fn prune_all(&self, keep: Keep, deleted: &mut u64) -> Result<(), Error> {
        self.check_open()?;
        loop {
            let work = move |tx: &mut Tx<'_>| tx.prune(&keep, PIECE);
            match self.writer.ask(work).await? {
                0 => return Ok(()),
                more => *deleted += more,
            }
        }
    }

    async fn change_all(&self, which: Selection, change: Change) -> Result<Vec<MessageId>, Error> {
        self.check_open()?;
        let mut changed = Vec::new();
        let (mut search, mailbox) = match which {
            Selection::Ids(ids) => {
                for piece in ids.chunks(PIECE) {
                    let (piece, change) = (piece.to_vec(), change.clone());
                    let work = move |tx: &mut Tx<'_>| {
                        let seqs = tx.seqs(&piece)?;
                        tx.change(&seqs, &change)
                    };
                    changed.extend(self.writer.ask(work).await?);
                }
                return Ok(changed);
            }
            Selection::Matching(filter) => filter.into_parts(),
            Selection::All => (search::Query::default(), None),
        };
        // Who is as wanted already need not be visited.
        search.terms.push(differs(&change));
        let work = |seqs: Vec<i64>| {
            let change = change.clone();
            move |tx: &mut Tx<'_>| tx.change(&seqs, &change)
        };
        self.sweep(search, mailbox, |ids: Vec<_>| changed.extend(ids), work).await?;
        Ok(changed)
    }

    async fn delete_all(&self, which: Selection, deleted: &mut u64) -> Result<(), Error> {
        self.check_open()?;
        match which {
            Selection::All => {
                *deleted += self.writer.ask(|tx| tx.delete_all()).await?;
            }
            Selection::Ids(ids) => {
                for piece in ids.chunks(PIECE) {
                    let piece = piece.to_vec();
                    let work = move |tx: &mut Tx<'_>| {
                        let seqs = tx.seqs(&piece)?;
                        tx.delete(&seqs)
                    };
                    *deleted += self.writer.ask(work).await?;
                }
            }
            Selection::Matching(filter) => {
                let (search, mailbox) = filter.into_parts();
                let work = |seqs: Vec<i64>| move |tx: &mut Tx<'_>| tx.delete(&seqs);
                self.sweep(search, mailbox, |more: u64| *deleted += more, work).await?;
            }
        }
        Ok(())
    }

    async fn finish(&self) -> Result<(), Error> {
        if self.closed.swap(true, Ordering::SeqCst) {
            return Err(Error::Closed);
        }
        // Readers first: the last to close a database writes its log back, and they cannot. The indexer
        // asks the writer, so it ends before the writer does.
        self.readers.close();
        self.shared.index.bell.stop();
        join(&self.indexer).await;
        self.journal.close();
        join(&self.storing).await;
        self.writer.close();
        join(&self.writing).await;
        // Nothing of this store touches the database any more.
        self.shared.lock.unlock().map_err(|error| Error::Io(error.to_string()))
    }
}

impl Store for Sqlite {
    fn begin(&self) -> Later<'_, Box<dyn Draft>> {
        Box::pin(async {
            self.check_open()?;
            self.check_room().await?;
            self.journal.trouble().or_else(|| self.writer.trouble()).map_or(Ok(()), Err)?;
            let draft = SqliteDraft::new(self.shared.clone(), self.journal.clone());
            Ok(Box::new(draft) as Box<dyn Draft>)
        })
    }

    fn get(&self, id: MessageId) -> Later<'_, Option<Record>> {
        Box::pin(self.look(move |reader, _| match reader.seq(id)? {
            Some(seq) => reader.record(seq),
            None => Ok(None),
        }))
    }

    fn raw(&self, id: MessageId) -> Later<'_, Option<Raw>> {
        Box::pin(self.look(move |reader, _| match reader.seq(id)? {
            Some(seq) => reader.raw(seq),
            None => Ok(None),
        }))
    }

    fn list(&self, query: Query) -> Later<'_, Page> {
        Box::pin(self.look(move |reader, shared| reader.page(shared, &query)))
    }

    fn change(&self, which: Selection, change: Change) -> Later<'_, Vec<MessageId>> {
        Box::pin(self.change_all(which, change))
    }

    fn delete(&self, which: Selection) -> Later<'_, u64> {
        Box::pin(async move {
            let mut deleted = 0;
            let mut ended = self.delete_all(which.clone(), &mut deleted).await;
            if self.make_room(&ended).await {
                ended = self.delete_all(which, &mut deleted).await;
            }
            ended.map(|()| deleted)
        })
    }

    fn prune(&self, keep: Keep) -> Later<'_, u64> {
        Box::pin(async move {
            let mut deleted = 0;
            let mut ended = self.prune_all(keep, &mut deleted).await;
            if self.make_room(&ended).await {
                ended = self.prune_all(keep, &mut deleted).await;
            }
            ended.map(|()| deleted)
        })
    }

    fn counts(&self) -> Later<'_, Counts> {
        Box::pin(async {
            self.check_open()?;
            self.writer.settle().await?;
            let counters = *self.shared.counters();
            let behind = counters.next_seq - 1 - self.shared.index.cursor();
            let behind = u64::try_from(behind).unwrap_or(0).min(counters.messages);
            let shared = self.shared.clone();
            let sum = move || database_bytes(&shared.folder) + shared.segments.disk_bytes();
            let files = smol::unblock(sum).await;
            Ok(Counts {
                messages: counters.messages,
                unread: counters.unread,
                bytes: counters.bytes,
                disk_bytes: files + counters.file_bytes,
                index_lag: if self.shared.indexed { behind } else { 0 },
            })
        })
    }

    fn mailboxes(&self, after: Option<String>, limit: usize) -> Later<'_, Vec<Mailbox>> {
        let after = after.map(|name| mailbox_key(&name));
        Box::pin(self.look(move |reader, _| reader.labels(Kind::Mailbox, after.as_deref(), limit)))
    }

    fn tags(&self) -> Later<'_, Vec<Mailbox>> {
        Box::pin(self.look(|reader, _| reader.labels(Kind::Tag, None, usize::MAX)))
    }

    fn close(&self) -> Later<'_, ()> {
        Box::pin(self.finish())
    }
}

impl Drop for Sqlite {
    fn drop(&mut self) {
        // Without close() nothing is lost: the threads end by themselves.
        self.shared.index.bell.stop();
        self.readers.close();
        self.journal.close();
        self.writer.close();
    }
}

/// What a message must be so that the change makes a difference.
fn differs(change: &Change) -> Term {
    let (negated, test) = match change {
        Change::Read(read) => (false, Test::Read(!read)),
        Change::Starred(starred) => (*starred, Test::Starred),
        Change::Tag(tag) => (true, Test::Tag(super::tag_key(tag))),
        Change::Untag(tag) => (false, Test::Tag(super::tag_key(tag))),
    };
    Term { negated, test }
}

/// Takes the folder for this process.
fn lock(folder: &Path) -> Result<File, Error> {
    let path = folder.join(LOCK);
    let told = |error: &dyn std::fmt::Display| Error::Open(format!("{}: {error}", path.display()));
    let file = private().write(true).open(&path).map_err(|error| told(&error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            Err(Error::Open(format!("{}: in use by another smtpd", folder.display())))
        }
        Err(TryLockError::Error(error)) => Err(told(&error)),
    }
}

/// Takes in what the database has not, or not durably, because the lights went out.
fn catch_up(
    segments: &Segments,
    db: &Connection,
    counters: &mut Counters,
    index: bool,
) -> Result<Replayed, Error> {
    let begun = Instant::now();
    let from = (counters.segment, counters.at);
    let (identity, next_seq) = (counters.identity, counters.next_seq);
    let end = replay(segments, identity, from, next_seq, |placed| {
        let before = *counters;
        let take_in = || {
            let mut tx = Tx::begin(db, before, index)?;
            tx.take_in(&placed)?;
            tx.commit(&before)
        };
        *counters = take_in().map_err(|error| failed(&error))?.0;
        Ok(())
    })?;
    if end.messages > 0 {
        let took = begun.elapsed().as_millis() as u64;
        log::info!(messages:% = end.messages, ms:% = took; "took in from the journal what the last run left");
    }
    Ok(end)
}

/// Bodies and segments without a row: their mail was never answered with 250, or is deleted.
fn clear_leftovers(
    db: &Connection,
    bodies: &Bodies,
    segments: &Segments,
    counters: &Counters,
) -> io::Result<()> {
    let files = || -> rusqlite::Result<HashSet<String>> {
        let mut statement = db.prepare("SELECT file FROM messages WHERE file IS NOT NULL")?;
        statement.query_map((), |row| row.get(0))?.collect()
    };
    let removed = bodies.remove_leftovers(&files().map_err(io::Error::other)?)?;
    if removed > 0 {
        log::info!("removed {removed} body files without a message");
    }
    let in_use = || -> rusqlite::Result<HashSet<i64>> {
        let mut statement = db.prepare("SELECT segment FROM segments")?;
        statement.query_map((), |row| row.get(0))?.collect()
    };
    let in_use = in_use().map_err(io::Error::other)?;
    for number in segments.numbers()? {
        if number < counters.segment && !in_use.contains(&number) {
            segments.remove(number);
        }
    }
    Ok(())
}

fn database_bytes(folder: &Path) -> u64 {
    let ends = ["", "-wal", "-shm"];
    let names =
        [DATABASE, INDEX].into_iter().flat_map(|name| ends.map(|end| format!("{name}{end}")));
    names.filter_map(|name| fs::metadata(folder.join(name)).ok()).map(|data| data.len()).sum()
}

/// Makes a folder that only its owner may look into, with those above it, and makes their names
/// durable; an existing one stays as it is.
fn make_folder(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let new = path.ancestors().take_while(|folder| !folder.as_os_str().is_empty());
    let new = new.take_while(|folder| !folder.is_dir()).collect::<Vec<_>>();
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    for folder in new {
        // A name stands in the folder above.
        match folder.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => File::open(parent)?.sync_all()?,
            _ => File::open(".")?.sync_all()?,
        }
    }
    Ok(())
}

/// Makes a file that only its owner may read, if it is missing. SQLite gives its logs the same mode.
fn make_private(path: &Path) -> io::Result<()> {
    private().append(true).open(path).map(drop)
}

fn private() -> fs::OpenOptions {
    let mut options = fs::OpenOptions::new();
    options.create(true).mode(0o600);
    options
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, Error> {
    let spawned = thread::Builder::new().name(name.into()).spawn(work);
    spawned.map_err(|error| Error::Open(format!("thread {name}: {error}")))
}

async fn join(handle: &Mutex<Option<JoinHandle<()>>>) {
    let handle = handle.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(handle) = handle {
        // A thread that panicked is a thread that has ended.
        let _ = smol::unblock(move || handle.join()).await;
    }
}

/// The messages.
const DATABASE: &str = "smtpd.db";
/// The full-text index.
const INDEX: &str = "index.db";
/// The folder of the journal.
const JOURNAL: &str = "journal";
/// The folder of large bodies.
const BODIES: &str = "bodies";
/// Locked while a process uses the folder.
const LOCK: &str = "lock";
/// Room for deleting.
const RESERVE: &str = "reserve";
/// Messages that are changed or deleted in one transaction, so that mail never waits long.
const PIECE: usize = 500;
