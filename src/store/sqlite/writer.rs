//! The one thread that writes.
//!
//! It takes everything that is queued, does it in one transaction, and answers all at once: one sync
//! of the log is paid by all who wait for it. A lone caller waits for nobody; in a crowd the
//! thread waits a moment for more. If anything in a batch fails, nothing of the batch is stored and all are told the same.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    sync::{Arc, atomic::Ordering},
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use futures_channel::oneshot;
use rusqlite::Connection;
use smol::channel::{Receiver, Sender};

use super::{
    Shared,
    bodies::BodyFile,
    schema::{self, failed},
    tx::{Counters, Tx},
};
use crate::{id::IdSource, store::Error};

/// Asks the writer thread.
#[derive(Clone)]
pub(super) struct Writer {
    queue: Sender<Box<dyn Job>>,
}

/// Something to do inside a transaction, and somebody who waits for it.
pub(super) trait Job: Send {
    /// What it adds to a transaction, in octets, roughly.
    fn weight(&self) -> usize;
    /// Does it, unless nobody waits any more.
    fn run(&mut self, tx: &mut Tx<'_>) -> rusqlite::Result<()>;
    /// Tells how it ended.
    fn answer(self: Box<Self>, ended: Result<(), Error>);
}

/// The thread's own things.
pub(super) struct Thread {
    shared: Arc<Shared>,
    queue: Receiver<Box<dyn Job>>,
    path: PathBuf,
    /// None after a failure, until it could be opened again.
    db: Option<Connection>,
    ids: IdSource,
    /// Octets written to the log since the last checkpoint, roughly.
    logged: usize,
    /// Pages were freed: give them back when there is nothing else to do.
    vacuum: bool,
    /// Names of body files whose commit failed, so that nobody knows whether a row names them.
    doubtful: Vec<String>,
}

impl Writer {
    /// A writer and its thread's things; the thread is not started yet.
    pub(super) fn new(
        shared: Arc<Shared>,
        path: PathBuf,
        db: Connection,
        ids: IdSource,
    ) -> (Self, Thread) {
        let (sender, queue) = smol::channel::bounded(QUEUE);
        let thread = Thread {
            shared,
            queue,
            path,
            db: Some(db),
            ids,
            logged: 0,
            vacuum: true,
            doubtful: Vec::new(),
        };
        (Self { queue: sender }, thread)
    }

    /// Has `work` done in a transaction and waits until that is durable.
    pub(super) async fn ask<T: Send + 'static>(
        &self,
        weight: usize,
        work: impl FnOnce(&mut Tx<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, Error> {
        let (reply, answer) = oneshot::channel();
        let job = Ask { weight, work: Some(work), done: None, reply };
        self.queue.send(Box::new(job)).await.map_err(|_| Error::Closed)?;
        // A reply dropped without an answer: the thread ended first.
        answer.await.unwrap_or(Err(Error::Closed))
    }

    /// Takes no more; what is queued is still done.
    pub(super) fn close(&self) {
        self.queue.close();
    }

    /// True if somebody waits for the writer now.
    pub(super) fn is_busy(&self) -> bool {
        !self.queue.is_empty()
    }
}

struct Ask<F, T> {
    weight: usize,
    work: Option<F>,
    done: Option<T>,
    reply: oneshot::Sender<Result<T, Error>>,
}

impl<F, T> Job for Ask<F, T>
where
    F: FnOnce(&mut Tx<'_>) -> rusqlite::Result<T> + Send,
    T: Send,
{
    fn weight(&self) -> usize {
        self.weight
    }

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

impl Thread {
    /// Works until the queue is closed and empty.
    pub(super) fn run(mut self) {
        let _drain = Drain(self.queue.clone());
        while let Some(first) = self.next() {
            let mut batch = vec![first];
            self.gather(&mut batch);
            let ended = self.commit(&mut batch);
            for job in batch {
                job.answer(ended.clone());
            }
            self.shared.index.bell.ring();
        }
        if let Some(db) = self.db.take() {
            self.shared.log.checkpoint(&db, true);
        }
    }

    /// Waits for a job and keeps house meanwhile.
    fn next(&mut self) -> Option<Box<dyn Job>> {
        loop {
            self.tend_log();
            match self.queue.try_recv() {
                Ok(job) => return Some(job),
                Err(_) if self.vacuum => self.vacuum = self.vacuum_step(),
                Err(_) => return self.queue.recv_blocking().ok(),
            }
        }
    }

    /// Takes what else is queued.
    fn gather(&self, batch: &mut Vec<Box<dyn Job>>) {
        self.wait_for_company();
        let mut weight: usize = batch.iter().map(|job| job.weight()).sum();
        while batch.len() < BATCH_JOBS && weight < BATCH_WEIGHT {
            let Ok(job) = self.queue.try_recv() else { return };
            weight += job.weight();
            batch.push(job);
        }
    }

    /// While most of those who send have not come to the end of their message yet, and some come every
    /// moment, waits for them: fewer, larger commits serve a crowd faster. A few wait for nobody.
    fn wait_for_company(&self) {
        for _ in 0..MOMENTS {
            let drafts = self.shared.drafts.load(Ordering::Relaxed);
            let queued = self.queue.len();
            if drafts < CROWD || queued * 2 >= drafts {
                return;
            }
            thread::sleep(MOMENT);
            if self.queue.len() == queued {
                return;
            }
        }
    }

    /// Does a batch in one transaction. When this returns Ok, it is on the disk.
    fn commit(&mut self, batch: &mut [Box<dyn Job>]) -> Result<(), Error> {
        let weight: usize = batch.iter().map(|job| job.weight()).sum();
        self.logged += weight + BATCH_COST;
        let ended = catch_unwind(AssertUnwindSafe(|| self.transact(batch)));
        match ended {
            Ok(Ok(mut committed)) => {
                committed.doomed.append(&mut self.unclaimed());
                *self.shared.counters() = committed.counters;
                committed.arrived.into_iter().for_each(BodyFile::keep);
                self.vacuum |= committed.freed;
                // After the commit: a row never names a file that is gone. Not on this thread: giving
                // back a large file's blocks takes a while.
                if !committed.doomed.is_empty() {
                    let bodies = self.shared.bodies.clone();
                    let remove =
                        move || committed.doomed.iter().for_each(|name| bodies.remove(name));
                    smol::unblock(remove).detach();
                }
                Ok(())
            }
            Ok(Err(error)) => {
                log::error!("{}: {error}", self.path.display());
                self.recover(matches!(error, Error::Io(_)));
                Err(error)
            }
            Err(_panic) => {
                self.recover(true);
                Err(Error::Io("the writer stumbled".into()))
            }
        }
    }

    fn transact(&mut self, batch: &mut [Box<dyn Job>]) -> Result<Committed, Error> {
        if self.db.is_none() {
            let db = schema::open_writer(&self.path).map_err(|e| Error::Io(e.to_string()))?;
            // Only the database knows how the failed transaction ended.
            *self.shared.counters() = Counters::load(&db).map_err(|error| failed(&error))?;
            self.db = Some(db);
        }
        let Some(db) = &self.db else { return Err(Error::Closed) };
        let before = *self.shared.counters();
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let mut tx = Tx {
            db,
            counters: before,
            ids: &mut self.ids,
            unix_seconds: seconds,
            index: self.shared.indexed,
            arrived: Vec::new(),
            doomed: Vec::new(),
        };
        let mut work = || {
            db.prepare_cached("BEGIN IMMEDIATE")?.execute(())?;
            batch.iter_mut().try_for_each(|job| job.run(&mut tx))?;
            if tx.counters != before {
                tx.counters.save(db)?;
            }
            Ok(())
        };
        work().map_err(|error: rusqlite::Error| failed(&error))?;
        let commit = || db.prepare_cached("COMMIT")?.execute(());
        if let Err(error) = commit() {
            // It may have reached the disk all the same, and then its rows need their files.
            for file in tx.arrived {
                self.doubtful.push(file.name().to_owned());
                file.keep();
            }
            return Err(failed(&error));
        }
        let freed = tx.counters.messages < before.messages;
        Ok(Committed { counters: tx.counters, arrived: tx.arrived, doomed: tx.doomed, freed })
    }

    /// Body files of failed commits that no row names, asked for after a commit that did not fail: that
    /// one stands in the log where the failed one stood, so now the database knows. Without a commit
    /// the next start removes them.
    fn unclaimed(&mut self) -> Vec<String> {
        let Some(db) = self.db.as_ref().filter(|_| !self.doubtful.is_empty()) else {
            return Vec::new();
        };
        let sql = "SELECT EXISTS (SELECT 1 FROM messages WHERE file = ?)";
        let is_named = |name: &String| db.query_row(sql, [name], |row| row.get::<_, bool>(0));
        let names = std::mem::take(&mut self.doubtful);
        names.into_iter().filter(|name| is_named(name).is_ok_and(|named| !named)).collect()
    }

    /// Goes back to what is committed. After a failed disk the connection is opened anew: what SQLite
    /// has cached may not be what is on the disk.
    fn recover(&mut self, reopen: bool) {
        if let Some(db) = &self.db {
            let rolled_back = db.is_autocommit() || db.execute_batch("ROLLBACK").is_ok();
            if reopen || !rolled_back {
                self.db = None;
            }
        }
    }

    /// Has the log moved into the database now and then.
    fn tend_log(&mut self) {
        if self.logged < LOG_ENOUGH {
            return;
        }
        self.logged = 0;
        let quiet = self.queue.is_empty();
        if !self.db.as_ref().is_some_and(|db| self.shared.log.end(db, quiet)) {
            self.shared.log.bell.ring();
        }
    }

    /// Gives back some free pages; true if there may be more. Bounded, so that mail does not wait.
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
                self.shared.log.checkpoint(db, true);
            }
            Ok(left > 0 && left < free)
        };
        step().unwrap_or_else(|error| {
            log::warn!("{}: cannot give back space: {error}", self.path.display());
            false
        })
    }
}

struct Committed {
    counters: Counters,
    arrived: Vec<BodyFile>,
    doomed: Vec<String>,
    freed: bool,
}

/// However the thread ends, nobody who waits for it is left waiting.
struct Drain(Receiver<Box<dyn Job>>);

impl Drop for Drain {
    fn drop(&mut self) {
        self.0.close();
        while let Ok(job) = self.0.try_recv() {
            job.answer(Err(Error::Closed));
        }
    }
}

/// Jobs that wait at most; whoever comes then waits to be let in.
const QUEUE: usize = 256;
/// Jobs in one transaction at most.
const BATCH_JOBS: usize = 1000;
/// So many senders at once are a crowd.
const CROWD: usize = 8;
/// A moment is a fraction of what a sync of the log takes,
const MOMENT: Duration = Duration::from_micros(100);
/// and so many of them are as long as one.
const MOMENTS: usize = 4;
/// Octets in one transaction at most, roughly: bounds how long the first waits for the last.
const BATCH_WEIGHT: usize = 16 * 1024 * 1024;
/// What a transaction adds to the log besides its jobs' octets: the pages at the edges of the tables.
const BATCH_COST: usize = 24 * 1024;
/// A checkpoint is worth its syncs after so many octets.
const LOG_ENOUGH: usize = 4 * 1024 * 1024;
/// Pages given back in one step.
const VACUUM_PAGES: u32 = 500;
/// Free pages that stay for the next messages.
const VACUUM_SLACK: i64 = 64;

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use smol::future::block_on;

    use super::*;
    use crate::{
        message::{Envelope, Summary},
        store::{Options, Store, sqlite::Sqlite},
    };

    fn open(folder: &tempfile::TempDir) -> Sqlite {
        let path = folder.path().to_owned();
        Sqlite::open(&Options { path, inline_limit: 100, ..Options::default() }).unwrap()
    }

    async fn put(store: &Sqlite, length: usize) -> Result<(), Error> {
        let mut draft = store.begin().await?;
        draft.write(&vec![b'x'; length]).await?;
        draft.commit(Envelope::default(), Summary::default()).await.map(drop)
    }

    fn bodies(store: &Sqlite) -> usize {
        std::fs::read_dir(store.shared.folder.join("bodies")).unwrap().count()
    }

    fn messages(store: &Sqlite) -> u64 {
        block_on(store.counts()).unwrap().messages
    }

    /// Keeps the writer busy until the sender is used or dropped, so that what is asked meanwhile
    /// becomes one batch.
    fn hold(store: &Sqlite) -> mpsc::Sender<()> {
        let (release, held) = mpsc::channel();
        let (started, begun) = mpsc::channel();
        let writer = store.writer.clone();
        std::thread::spawn(move || {
            block_on(writer.ask(1, move |_| {
                started.send(()).unwrap();
                let _ = held.recv();
                Ok(())
            }))
        });
        begun.recv().unwrap();
        release
    }

    #[test]
    fn a_job_that_panics_is_answered_and_the_writer_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let store = open(&folder);
        let panicked = block_on(store.writer.ask::<()>(1, |_| panic!("on purpose")));
        assert!(matches!(panicked, Err(Error::Io(_))), "{panicked:?}");
        assert_eq!(block_on(put(&store, 10)), Ok(()));
        assert_eq!(messages(&store), 1);
    }

    #[test]
    fn a_batch_is_stored_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let store = open(&folder);
        let release = hold(&store);
        let (small, large, wrong) = block_on(async {
            let wrong = async {
                while store.writer.queue.len() < 2 {
                    smol::future::yield_now().await;
                }
                let wrong =
                    store.writer.ask(1, |tx| tx.db.execute("INSERT INTO nowhere VALUES (1)", ()));
                smol::pin!(wrong);
                let _ = smol::future::poll_once(&mut wrong).await;
                drop(release);
                wrong.await
            };
            let puts = smol::future::zip(put(&store, 10), put(&store, 1000));
            let ((small, large), wrong) = smol::future::zip(puts, wrong).await;
            (small, large, wrong)
        });
        assert!(matches!(&wrong, Err(Error::Io(why)) if why.contains("nowhere")), "{wrong:?}");
        assert_eq!(small, Err(wrong.clone().unwrap_err()));
        assert_eq!(large, Err(wrong.unwrap_err()));
        assert_eq!(messages(&store), 0);
        while bodies(&store) > 0 {
            std::thread::yield_now();
        }
        assert_eq!(block_on(put(&store, 1000)), Ok(()));
        assert_eq!((messages(&store), bodies(&store)), (1, 1));
    }

    #[test]
    fn a_commit_that_fails_leaves_no_body_behind() {
        let folder = tempfile::tempdir().unwrap();
        let store = open(&folder);
        let sql = "CREATE TABLE parents (id INTEGER PRIMARY KEY);
                   CREATE TABLE children (id REFERENCES parents DEFERRABLE INITIALLY DEFERRED)";
        block_on(store.writer.ask(1, move |tx| tx.db.execute_batch(sql))).unwrap();
        let release = hold(&store);
        let (put_there, wrong) = block_on(async {
            // Only the COMMIT finds that something is wrong.
            let wrong =
                store.writer.ask(1, |tx| tx.db.execute("INSERT INTO children VALUES (7)", ()));
            let release = async {
                while store.writer.queue.len() < 2 {
                    smol::future::yield_now().await;
                }
                drop(release);
            };
            let both = smol::future::zip(put(&store, 1000), wrong);
            smol::future::zip(both, release).await.0
        });
        assert!(matches!(put_there, Err(Error::Io(_))), "{put_there:?}");
        assert!(wrong.is_err());
        assert_eq!((messages(&store), bodies(&store)), (0, 1));
        assert_eq!(block_on(put(&store, 1000)), Ok(()));
        for _ in 0..1000 {
            if bodies(&store) == 1 {
                break;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        assert_eq!((messages(&store), bodies(&store)), (1, 1));
    }

    #[test]
    fn a_commit_that_nobody_waits_for_any_more_stores_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let store = open(&folder);
        let release = hold(&store);
        block_on(async {
            let mut given_up = Box::pin(put(&store, 10));
            while store.writer.queue.is_empty() {
                let _ = smol::future::poll_once(&mut given_up).await;
            }
            drop(given_up);
            drop(release);
            put(&store, 20).await.unwrap();
        });
        assert_eq!(block_on(store.counts()).unwrap().bytes, 20);
    }

    #[test]
    fn a_full_disk_is_told_and_is_over_when_there_is_room() {
        let folder = tempfile::tempdir().unwrap();
        let store = open(&folder);
        let bound = |pages: u32| {
            let sql = format!("PRAGMA max_page_count = {pages}");
            let set = move |tx: &mut Tx<'_>| tx.db.query_row(&sql, (), |_| Ok(()));
            block_on(store.writer.ask(1, set)).unwrap();
        };
        bound(40);
        let mut stored = 0;
        while let Ok(()) = block_on(put(&store, 100)) {
            stored += 1;
            assert!(stored < 10_000, "it never gets full");
        }
        assert_eq!(block_on(put(&store, 100)), Err(Error::Full));
        assert_eq!(messages(&store), stored);
        bound(1_000_000);
        assert_eq!(block_on(put(&store, 100)), Ok(()));
        assert_eq!(messages(&store), stored + 1);
    }

    #[test]
    fn the_log_does_not_grow_for_ever() {
        let folder = tempfile::tempdir().unwrap();
        let store = open(&folder);
        let log = folder.path().join("smtpd.db-wal");
        // Each round writes more than makes a checkpoint worth its while.
        let blob = "INSERT OR REPLACE INTO contents VALUES (-1, '', '', zeroblob(6000000))";
        let rounds = 60;
        for _ in 0..rounds {
            block_on(store.writer.ask(6_000_000, |tx| tx.db.execute(blob, ()))).unwrap();
        }
        let length = std::fs::metadata(log).unwrap().len();
        assert!(length < 6_000_000 * rounds / 3, "{length}");
    }
}
