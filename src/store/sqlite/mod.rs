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
//! `start` opens a folder as a crash or worse left it. `journal` stores messages durably and for good;
//! `schema.sql` says what is known of them besides, `tx` changes that, and `writer` is the thread that does;
//! `read` and `find` look at it, `index` and `indexer` keep the full-text index, `bodies` keeps large bodies.
//! `admin` is `smtpd check`, `backup` and `repair`.

mod admin;
mod after;
mod annotations;
mod appender;
mod ballast;
mod bodies;
mod body;
mod calls;
mod count;
mod counters;
mod draft;
mod find;
mod fixed;
mod index;
mod indexer;
mod intact;
mod integers;
mod journal;
mod leave;
mod lock;
mod notes;
mod notify;
mod open;
mod plan;
mod pool;
mod read;
mod row;
mod schema;
mod sealed;
mod start;
mod tx;
mod upgrade;
mod workshop;
mod writer;

pub(super) use self::admin::{backup, check, expect_store, repair};

use std::{
    fs::{self, File},
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
    appender::Journal,
    ballast::BallastFile,
    bodies::Bodies,
    counters::Counters,
    index::Index,
    indexer::Indexer,
    journal::{Replayed, Segments},
    lock::Lock,
    pool::Pool,
    read::Reader,
    start::Begun,
    tx::Tx,
    writer::Writer,
};
use super::{Error, MAX_INLINE_LIMIT, Options};
use crate::{
    id::{IdSource, MessageId},
    message::search,
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
    reserve: BallastFile,
    /// As last committed.
    counters: Mutex<Counters>,
    /// Held until the store is closed: a second process must not write here.
    lock: Lock,
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
        let lock = Lock::take(&folder)?;
        let Begun { database, db, segments, bodies, counters, end } =
            start::begin(&folder, options.index)?;
        let reserve = BallastFile::open(folder.join(RESERVE));
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
        self.writer.catch_up().await?;
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
            // A client hears it before it sends its message, and `/readyz` before anybody is refused.
            return self.shared.segments.check_room();
        }
        let shared = self.shared.clone();
        smol::unblock(move || shared.reserve.keep()).await
    }

    /// Gives up the reserve if the disk was too full for deleting; true if it is worth another try.
    async fn make_room(&self, ended: &Result<(), Error>) -> bool {
        let shared = self.shared.clone();
        matches!(ended, Err(Error::Full)) && smol::unblock(move || shared.reserve.give()).await
    }

    async fn finish(&self) -> Result<(), Error> {
        if self.closed.swap(true, Ordering::SeqCst) {
            return Err(Error::Closed);
        }
        // Readers first: the last to close a database writes its log back, and they cannot. The indexer
        // asks the writer, so it ends before the writer does.
        self.readers.close();
        self.shared.index.notify.stop();
        join(&self.indexer).await;
        self.journal.close();
        join(&self.storing).await;
        self.writer.close();
        join(&self.writing).await;
        // Nothing of this store touches the database any more.
        self.shared.lock.release().map_err(|error| Error::Io(error.to_string()))
    }
}

impl Drop for Sqlite {
    fn drop(&mut self) {
        // Without close() nothing is lost: the threads end by themselves.
        self.shared.index.notify.stop();
        self.readers.close();
        self.journal.close();
        self.writer.close();
    }
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
/// The folder of files that no message has any more, and that may be mail: smtpd deletes none of them.
const LOST_AND_FOUND: &str = "lost+found";
/// Room for deleting.
const RESERVE: &str = "reserve";
/// Messages that are changed or deleted in one transaction, so that mail never waits long.
const PIECE: usize = 500;
