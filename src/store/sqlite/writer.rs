//! The one thread that changes the database.
//!
//! It takes in what the journal has stored, many messages in one transaction, and does what is asked of
//! it: marks, tags, deletions. Nobody who sends mail waits for it. What it takes in need not be durable,
//! for the journal is; what else it changes is on the disk when it answers. Whoever looks at the database
//! asks it first to take in what is there already ([`Writer::settle`]).

use std::{
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use futures_channel::oneshot;
use rusqlite::Connection;

use super::{
    Shared,
    counters::Counters,
    journal::JournalEntry,
    open,
    schema::{self, failed},
    tx::{PendingDeletes, Tx},
};
use crate::store::Error;

/// Asks the writer thread.
#[derive(Clone)]
pub(super) struct Writer {
    inbox: Arc<Inbox>,
}

/// What waits for the thread.
#[derive(Default)]
struct Inbox {
    state: Mutex<Waiting>,
    /// For the thread: there is something to do.
    work: Condvar,
    /// For the journal: there is room again.
    room: Condvar,
    /// Messages were handed over and are not taken in yet.
    is_behind: AtomicBool,
}

#[derive(Default)]
struct Waiting {
    /// Each has a caller who waits for it, so there are never more than callers.
    jobs: VecDeque<Box<dyn Job>>,
    /// In the order of seq; at most [`MOST_PLACED`] and a batch of the journal.
    placed: Vec<JournalEntry>,
    /// When the oldest of these came.
    since: Option<Instant>,
    /// Why the last attempt to take messages in failed.
    trouble: Option<Error>,
    /// No more jobs, no more messages.
    closed: bool,
}

/// Something to do inside a transaction, and somebody who waits for it.
trait Job: Send {
    /// Does it, unless nobody waits any more.
    fn run(&mut self, tx: &mut Tx<'_>) -> rusqlite::Result<()>;
    /// Tells how it ended.
    fn answer(self: Box<Self>, ended: Result<(), Error>);
}

/// The thread's own things.
pub(super) struct Thread {
    shared: Arc<Shared>,
    inbox: Arc<Inbox>,
    path: PathBuf,
    /// None after a failure, until it could be opened again.
    db: Option<Connection>,
    /// Pages were freed: give them back when there is nothing else to do.
    vacuum: bool,
}

impl Writer {
    /// A writer and its thread's things; the thread is not started yet.
    pub(super) fn new(shared: Arc<Shared>, path: PathBuf, db: Connection) -> (Self, Thread) {
        let inbox = Arc::<Inbox>::default();
        let thread = Thread { shared, inbox: inbox.clone(), path, db: Some(db), vacuum: true };
        (Self { inbox }, thread)
    }

    /// Has `work` done in a transaction and waits until that is durable.
    pub(super) async fn ask<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Tx<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, Error> {
        let (reply, answer) = oneshot::channel();
        let job = Ask { work: Some(work), done: None, reply };
        {
            let mut waiting = self.inbox.waiting();
            if waiting.closed {
                return Err(Error::Closed);
            }
            waiting.jobs.push_back(Box::new(job));
            self.inbox.work.notify_one();
        }
        // A reply dropped without an answer: the thread ended first.
        answer.await.unwrap_or(Err(Error::Closed))
    }

    /// Waits until the database knows all messages that were stored before. If it cannot take them in
    /// now, what it knows is what there is to see.
    pub(super) async fn catch_up(&self) -> Result<(), Error> {
        if !self.inbox.is_behind.load(Ordering::SeqCst) {
            return Ok(());
        }
        match self.ask(|_| Ok(())).await {
            Err(Error::Closed) => Err(Error::Closed),
            _ => Ok(()),
        }
    }

    /// Messages that are in the journal now; from here on whoever asks for them waits for the database to
    /// know them. True if it must be woken for that ([`Self::wake`]), which can wait until those who sent
    /// them are answered.
    #[must_use]
    pub(super) fn enqueue(&self, mut placed: Vec<JournalEntry>) -> bool {
        let mut waiting = self.inbox.waiting();
        let before = waiting.placed.len();
        waiting.placed.append(&mut placed);
        waiting.since.get_or_insert_with(Instant::now);
        self.inbox.is_behind.store(true, Ordering::SeqCst);
        // Otherwise it is awake already, or will wake up by itself.
        before == 0 || (before < ENOUGH && waiting.placed.len() >= ENOUGH)
    }

    /// Wakes the thread.
    pub(super) fn wake(&self) {
        self.inbox.work.notify_one();
    }

    /// Waits until more may be handed over; an error if the database cannot take it in.
    pub(super) fn wait_for_room(&self) -> Result<(), Error> {
        let until = Instant::now() + PATIENCE;
        let mut waiting = self.inbox.waiting();
        loop {
            if let Some(trouble) = &waiting.trouble {
                return Err(trouble.clone());
            }
            if waiting.placed.len() < MOST_PLACED {
                return Ok(());
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Error::Io("the database does not keep up".into()));
            }
            let waited = self.inbox.room.wait_timeout(waiting, left);
            waiting = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Why messages cannot be taken in now, if they cannot.
    pub(super) fn trouble(&self) -> Option<Error> {
        self.inbox.waiting().trouble.clone()
    }

    /// Takes no more; what is there is still done.
    pub(super) fn close(&self) {
        self.inbox.waiting().closed = true;
        self.inbox.work.notify_one();
    }

    /// True if somebody waits for the writer now, or mail is coming in.
    pub(super) fn is_busy(&self) -> bool {
        let waiting = self.inbox.waiting();
        !waiting.jobs.is_empty() || !waiting.placed.is_empty()
    }
}

impl Inbox {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Ask<F, T> {
    work: Option<F>,
    done: Option<T>,
    reply: oneshot::Sender<Result<T, Error>>,
}

impl<F, T> Job for Ask<F, T>
where
    F: FnOnce(&mut Tx<'_>) -> rusqlite::Result<T> + Send,
    T: Send,
{
    fn run(&mut self, tx: &mut Tx<'_>) -> rusqlite::Result<()> {
        if let Some(work) = self.work.take()
            && !self.reply.is_canceled()
        {
            self.done = Some(work(tx)?);
        }
        Ok(())
    }

    fn answer(self: Box<Self>, ended: Result<(), Error>) {
        let Self { done, reply, .. } = *self;
        // Who went away does not want to know.
        let _ = reply.send(ended.and_then(|()| done.ok_or(Error::Closed)));
    }
}

/// What to do next.
enum Work {
    /// Messages to take in, then jobs.
    Do(Vec<JournalEntry>, Vec<Box<dyn Job>>),
    /// Nothing: a good moment to keep house.
    Idle,
    End,
}

impl Thread {
    /// Works until the inbox is closed and empty.
    pub(super) fn run(mut self) {
        let _drain = Drain(self.inbox.clone());
        loop {
            match self.next() {
                Work::Do(placed, jobs) => {
                    self.apply(placed);
                    self.serve(jobs);
                    self.shared.index.notify.notify();
                }
                Work::Idle => self.vacuum = self.vacuum_step(),
                Work::End => break,
            }
        }
        if let Some(db) = self.db.take()
            && let Err(error) = checkpoint(&db, "TRUNCATE")
        {
            // The next start takes it from the log.
            log::warn!("{}: the log stays: {error}", self.path.display());
            schema::abandon(db);
        }
    }

    /// Waits for something to do. A message alone waits a moment for company, a job for nobody.
    fn next(&self) -> Work {
        let mut waiting = self.inbox.waiting();
        loop {
            let patience = if waiting.trouble.is_some() { RETRY } else { GATHER };
            let waited = waiting.since.map(|since| since.elapsed());
            let is_due = !waiting.jobs.is_empty()
                || waited.is_some_and(|waited| waited >= patience || waiting.closed)
                || (waiting.placed.len() >= ENOUGH && waiting.trouble.is_none());
            if is_due {
                waiting.since = None;
                let some = waiting.jobs.len().min(MOST_JOBS);
                let jobs = waiting.jobs.drain(..some).collect();
                return Work::Do(std::mem::take(&mut waiting.placed), jobs);
            }
            let Some(waited) = waited else {
                if self.vacuum {
                    return Work::Idle;
                }
                if waiting.closed {
                    return Work::End;
                }
                waiting = self.inbox.work.wait(waiting).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let rest = patience.saturating_sub(waited);
            let woken = self.inbox.work.wait_timeout(waiting, rest);
            waiting = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Takes messages in. If that fails they stay, no more mail is taken, and it is tried again.
    fn apply(&mut self, mut placed: Vec<JournalEntry>) {
        if placed.is_empty() {
            return;
        }
        let mut ended = self.commit(false, |tx| tx.apply(&placed));
        // A full disk has many faces, and this is the last thing that can be done about it.
        if ended.is_err() && self.shared.reserve.give() {
            ended = self.commit(false, |tx| tx.apply(&placed));
        }
        // A failed commit may have reached the disk all the same; only the database knows.
        if ended.is_err() && self.open().is_ok() {
            let next_seq = self.shared.counters().next_seq;
            placed.retain(|one| one.head.seq >= next_seq);
        }
        let mut waiting = self.inbox.waiting();
        if ended.is_err() {
            placed.append(&mut waiting.placed);
            waiting.placed = placed;
            waiting.since = (!waiting.placed.is_empty()).then(Instant::now);
            if waiting.closed {
                // The next start finds them in the journal.
                waiting.placed.clear();
                waiting.since = None;
            }
        }
        waiting.trouble = ended.err().filter(|_| !waiting.placed.is_empty());
        if waiting.placed.is_empty() {
            self.inbox.is_behind.store(false, Ordering::SeqCst);
        }
        self.inbox.room.notify_all();
    }

    /// Does jobs in one transaction and answers them.
    fn serve(&mut self, mut jobs: Vec<Box<dyn Job>>) {
        if jobs.is_empty() {
            return;
        }
        let ended = self.commit(true, |tx| jobs.iter_mut().try_for_each(|job| job.run(tx)));
        for job in jobs {
            job.answer(ended.clone());
        }
    }

    /// Does something in one transaction, which is on the disk when this returns if it is to be lasting.
    fn commit(
        &mut self,
        lasting: bool,
        work: impl FnOnce(&mut Tx<'_>) -> rusqlite::Result<()>,
    ) -> Result<(), Error> {
        let ended = catch_unwind(AssertUnwindSafe(|| self.transact(lasting, work)));
        let error = match ended {
            Ok(Ok(doomed)) => {
                // After the commit: a row never names what is gone.
                self.give_back(doomed);
                return Ok(());
            }
            Ok(Err(error)) => error,
            Err(_panic) => Error::Io("the writer stumbled".into()),
        };
        log::error!("{}: {error}", self.path.display());
        self.recover(matches!(error, Error::Io(_)));
        Err(error)
    }

    fn transact(
        &mut self,
        lasting: bool,
        work: impl FnOnce(&mut Tx<'_>) -> rusqlite::Result<()>,
    ) -> Result<PendingDeletes, Error> {
        self.open()?;
        let Some(db) = &self.db else { return Err(Error::Closed) };
        let before = *self.shared.counters();
        let transact = || {
            schema::set_lasting(db, lasting)?;
            let mut tx = Tx::begin(db, before, self.shared.indexed)?;
            work(&mut tx)?;
            tx.commit(&before)
        };
        let (counters, doomed) = transact().map_err(|error| failed(&error))?;
        *self.shared.counters() = counters;
        self.vacuum |= counters.messages < before.messages;
        Ok(doomed)
    }

    /// Opens the database again if it was given up, once its log is certainly on the disk. Only it knows how
    /// a failed transaction ended.
    fn open(&mut self) -> Result<(), Error> {
        if self.db.is_none() {
            schema::write_log_again(&self.path).map_err(|error| Error::from_io(&error))?;
            let db = open::open_writer(&self.path).map_err(|e| Error::Io(e.to_string()))?;
            *self.shared.counters() = Counters::load(&db).map_err(|error| failed(&error))?;
            self.db = Some(db);
        }
        Ok(())
    }

    /// Goes back to what is committed. After a failed disk the connection is opened anew: what SQLite
    /// has cached may not be what is on the disk.
    fn recover(&mut self, reopen: bool) {
        if let Some(db) = &self.db {
            let rolled_back = db.is_autocommit() || db.execute_batch("ROLLBACK").is_ok();
            if reopen || !rolled_back {
                self.give_up();
            }
        }
    }

    fn give_up(&mut self) {
        if let Some(db) = self.db.take() {
            schema::abandon(db);
        }
    }

    /// Not on this thread: giving back the blocks of a large file takes a while.
    fn give_back(&self, doomed: PendingDeletes) {
        if doomed.is_empty() {
            return;
        }
        let shared = self.shared.clone();
        let work = move || {
            doomed.files.iter().for_each(|name| shared.bodies.remove(name));
            doomed.segments.iter().for_each(|number| shared.segments.remove(*number));
            for (segment, from, to) in doomed.stretches() {
                shared.segments.punch(segment, from, to);
            }
        };
        smol::unblock(work).detach();
    }

    /// Gives back some free pages; true if there may be more. Bounded, so that nobody waits long.
    fn vacuum_step(&mut self) -> bool {
        let Some(db) = &self.db else { return false };
        let empty = self.shared.counters().messages == 0;
        let step = || -> rusqlite::Result<bool> {
            let free: i64 = db.query_row("PRAGMA freelist_count", (), |row| row.get(0))?;
            if free == 0 || (free < VACUUM_SLACK && !empty) {
                return Ok(false);
            }
            if empty {
                // There is next to nothing to copy.
                db.execute_batch("VACUUM")?;
            } else {
                let sql = format!("PRAGMA incremental_vacuum({VACUUM_PAGES})");
                // Each step of the statement frees one page.
                let mut statement = db.prepare(&sql)?;
                let mut rows = statement.query(())?;
                while rows.next()?.is_some() {}
            }
            let left: i64 = db.query_row("PRAGMA freelist_count", (), |row| row.get(0))?;
            if left < VACUUM_SLACK {
                // The file shrinks when the log is written back.
                checkpoint(db, "TRUNCATE")?;
            }
            Ok(left > 0 && left < free)
        };
        step().unwrap_or_else(|error| {
            log::warn!("{}: cannot give back space: {error}", self.path.display());
            if schema::is_broken_disk(&error) {
                self.give_up();
            }
            false
        })
    }
}

/// Moves what it can of the log into the database. Waits for no reader.
fn checkpoint(db: &Connection, how: &str) -> rusqlite::Result<()> {
    db.busy_timeout(Duration::ZERO)?;
    let done = db.query_row(&format!("PRAGMA wal_checkpoint({how})"), (), |_| Ok(()));
    db.busy_timeout(schema::BUSY)?;
    done
}

/// However the thread ends, nobody who waits for it is left waiting.
struct Drain(Arc<Inbox>);

impl Drop for Drain {
    fn drop(&mut self) {
        let mut waiting = self.0.waiting();
        waiting.closed = true;
        waiting.trouble = Some(Error::Closed);
        let jobs = std::mem::take(&mut waiting.jobs);
        drop(waiting);
        self.0.room.notify_all();
        jobs.into_iter().for_each(|job| job.answer(Err(Error::Closed)));
    }
}

/// So many messages are taken in at once without waiting for more,
const ENOUGH: usize = 500;
/// and fewer after so long.
const GATHER: Duration = Duration::from_millis(25);
/// Messages that may wait to be taken in; the journal then waits,
const MOST_PLACED: usize = 4000;
/// so long at most.
const PATIENCE: Duration = Duration::from_secs(10);
/// Between two attempts to take in what could not be.
const RETRY: Duration = Duration::from_secs(1);
/// Jobs in one transaction at most.
const MOST_JOBS: usize = 256;
/// Pages given back in one step.
const VACUUM_PAGES: u32 = 500;
/// Free pages that stay for the next messages.
const VACUUM_SLACK: i64 = 64;
#[cfg(test)]
mod tests {
    use smol::future::block_on;

    use super::*;
    use crate::{
        message::Summary,
        store::{Options, Store, sqlite::Sqlite},
        wire::Envelope,
    };

    fn open(folder: &tempfile::TempDir) -> Sqlite {
        let path = folder.path().to_owned();
        Sqlite::open(&Options { path, ..Options::default() }).unwrap()
    }

    async fn put(store: &Sqlite) -> Result<(), Error> {
        let mut draft = store.begin().await?;
        draft.write(b"some octets").await?;
        draft.commit(Envelope::default(), Summary::default()).await.map(drop)
    }

    fn messages(store: &Sqlite) -> u64 {
        block_on(store.counts()).unwrap().messages
    }

    /// Lets the database have so many pages at most.
    fn bound(store: &Sqlite, pages: u32) {
        let sql = format!("PRAGMA max_page_count = {pages}");
        let set = move |tx: &mut Tx<'_>| tx.db.query_row(&sql, (), |_| Ok(()));
        block_on(store.writer.ask(set)).unwrap();
    }

    #[test]
    fn a_job_that_panics_is_answered_and_the_writer_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let store = open(&folder);
        let panicked = block_on(store.writer.ask::<()>(|_| panic!("on purpose")));
        assert!(matches!(panicked, Err(Error::Io(_))), "{panicked:?}");
        assert_eq!(block_on(put(&store)), Ok(()));
        assert_eq!(messages(&store), 1);
    }

    #[test]
    fn a_job_that_fails_takes_no_message_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let store = open(&folder);
        let (put, failed) = block_on(smol::future::zip(
            put(&store),
            store.writer.ask(|tx| tx.db.execute("INSERT INTO nowhere VALUES (1)", ())),
        ));
        assert_eq!(put, Ok(()));
        assert!(matches!(&failed, Err(Error::Io(why)) if why.contains("nowhere")), "{failed:?}");
        assert_eq!(messages(&store), 1);
    }

    #[test]
    fn what_was_acknowledged_outlives_a_database_that_cannot_take_it_in() {
        let folder = tempfile::tempdir().unwrap();
        let store = open(&folder);
        bound(&store, 40);
        let mut acknowledged = 0;
        let refused = loop {
            match block_on(put(&store)) {
                Ok(()) => acknowledged += 1,
                Err(error) => break error,
            }
            assert!(acknowledged < 100_000, "it never gets full");
        };
        assert_eq!(refused, Error::Full);
        // No body is asked for in vain, and /readyz says it.
        assert_eq!(block_on(store.begin()).err(), Some(Error::Full));
        // Looking goes on, at what could be taken in.
        assert!(messages(&store) < acknowledged);
        bound(&store, 1_000_000);
        assert_eq!(messages(&store), acknowledged);
        let mut again = Err(Error::Full);
        for _ in 0..500 {
            again = block_on(put(&store));
            if again.is_ok() {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        assert_eq!(again, Ok(()));
        assert_eq!(messages(&store), acknowledged + 1);
    }

    #[test]
    fn what_could_not_be_taken_in_is_there_after_the_next_start() {
        let folder = tempfile::tempdir().unwrap();
        let store = open(&folder);
        bound(&store, 40);
        let mut acknowledged = 0;
        while block_on(put(&store)).is_ok() {
            acknowledged += 1;
        }
        block_on(store.close()).unwrap();
        drop(store);
        let store = open(&folder);
        assert_eq!(messages(&store), acknowledged);
    }

    #[test]
    fn whoever_looks_sees_what_was_stored_before() {
        let folder = tempfile::tempdir().unwrap();
        let store = open(&folder);
        for number in 1..200 {
            block_on(put(&store)).unwrap();
            assert_eq!(messages(&store), number);
        }
    }

    #[test]
    fn the_log_does_not_grow_for_ever() {
        let folder = tempfile::tempdir().unwrap();
        let store = open(&folder);
        let log = folder.path().join("smtpd.db-wal");
        // Each round writes more than makes a checkpoint worth its while.
        let blob = "INSERT OR REPLACE INTO tombstones VALUES (-1)";
        let fill = "CREATE TABLE IF NOT EXISTS filler (one INTEGER PRIMARY KEY, octets BLOB);
                    INSERT OR REPLACE INTO filler VALUES (1, zeroblob(9000000))";
        let rounds = 40;
        for _ in 0..rounds {
            block_on(store.writer.ask(|tx| tx.db.execute_batch(fill))).unwrap();
            block_on(store.writer.ask(|tx| tx.db.execute(blob, ()))).unwrap();
        }
        let length = std::fs::metadata(log).unwrap().len();
        assert!(length < 9_000_000 * rounds / 3, "{length}");
    }
}
