//! What makes the journal longer.
//!
//! One thread appends messages, whole, and syncs them once for all who wait; then they are answered. So a sync
//! of one file, of octets that lie side by side, is all that a message waits for, and its octets are written
//! once. The database hears of them a moment later.
//!
//! If anything of a batch fails, nothing of it is stored, all of it are told the same, and the next one
//! goes into a new segment, because nobody knows what the old one holds behind its last good record. If
//! that one cannot be made either, no mail is begun until it can: the thread tries again by itself.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::Ordering},
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use futures_channel::oneshot;
use smol::{
    Timer,
    channel::{Receiver, Sender},
    future,
};

use super::{
    Shared,
    bodies::BodyFile,
    journal::{
        BATCH_MESSAGES, Facts, JournalEntry, Origin, RecordHeader, Replayed, SegmentHeader, Tail,
        complete, key,
    },
    writer::Writer,
};
use crate::{
    id::{IdSource, MessageId},
    message::Summary,
    store::Error,
    wire::Envelope,
};

/// Has the journal's thread store messages.
#[derive(Clone)]
pub(super) struct Journal {
    queue: Sender<Commit>,
    trouble: WriteStatus,
}

/// Why nothing can be stored now, if nothing can.
#[derive(Clone, Default)]
struct WriteStatus(Arc<Mutex<Option<Error>>>);

/// A message that is complete and waits to be stored.
pub(super) struct Entry {
    /// Room for the head, the body or the name of its file, meta.
    record: Vec<u8>,
    head: RecordHeader,
    facts: Facts,
    file: Option<BodyFile>,
}

/// A message and who waits for it.
pub(super) struct Commit {
    entry: Entry,
    /// That of another store, in a migration.
    id: Option<MessageId>,
    reply: oneshot::Sender<Result<(MessageId, i64), Error>>,
}

/// The thread's own things.
pub(super) struct Thread {
    queue: Receiver<Commit>,
    appender: Appender,
}

/// The end of the journal, and how it grows.
struct Appender {
    shared: Arc<Shared>,
    writer: Writer,
    ids: IdSource,
    /// What the records of this store are known by.
    key: u32,
    next_seq: i64,
    /// Numbers from here to `next_seq` were given to messages that were refused.
    kept_below: i64,
    next_segment: i64,
    /// None at the beginning and after a failure.
    tail: Option<Tail>,
    trouble: WriteStatus,
}

impl Journal {
    /// A journal that goes on where the last one ended, and its thread's things; the thread is not
    /// started yet.
    pub(super) fn new(
        shared: Arc<Shared>,
        writer: Writer,
        ids: IdSource,
        end: &Replayed,
    ) -> std::io::Result<(Self, Thread)> {
        let (sender, queue) = smol::channel::bounded(QUEUE);
        let tail = match end.tail {
            Some((number, at)) => Some(shared.segments.resume(number, at)?),
            None => None,
        };
        let (next_seq, next_segment) = (end.next_seq, end.next_segment);
        let trouble = WriteStatus::default();
        let key = key(shared.counters().identity);
        let appender = Appender {
            shared,
            writer,
            ids,
            key,
            next_seq,
            kept_below: next_seq,
            next_segment,
            tail,
            trouble: trouble.clone(),
        };
        Ok((Self { queue: sender, trouble }, Thread { queue, appender }))
    }

    /// Stores a message, under this id if it has one already, and waits until it is durable.
    pub(super) async fn store(
        &self,
        entry: Entry,
        id: Option<MessageId>,
    ) -> Result<(MessageId, i64), Error> {
        let (reply, answer) = oneshot::channel();
        let commit = Commit { entry, id, reply };
        self.queue.send(commit).await.map_err(|_| Error::Closed)?;
        // A reply dropped without an answer: the thread ended first.
        answer.await.unwrap_or(Err(Error::Closed))
    }

    /// Why no message can be stored now, if none can.
    pub(super) fn trouble(&self) -> Option<Error> {
        if self.queue.is_closed() { Some(Error::Closed) } else { self.trouble.get() }
    }

    /// Takes no more; what is queued is still done.
    pub(super) fn close(&self) {
        self.queue.close();
    }
}

impl WriteStatus {
    fn get(&self) -> Option<Error> {
        self.lock().clone()
    }

    /// Says how it is; returns how it was.
    fn set(&self, trouble: Option<Error>) -> Option<Error> {
        std::mem::replace(&mut *self.lock(), trouble)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Error>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    /// A message whose body, or the name of its file, stands in `record` behind the room for the head.
    pub(super) fn new(
        mut record: Vec<u8>,
        file: Option<BodyFile>,
        envelope: &Envelope,
        summary: &Summary,
    ) -> Result<Self, serde_json::Error> {
        let head = complete(&mut record, file.is_some(), envelope, summary)?;
        Ok(Self { record, head, facts: Facts::new(envelope, summary), file })
    }
}

impl Thread {
    /// Works until the queue is closed and empty.
    pub(super) fn run(mut self) {
        let _drain = Drain(self.queue.clone());
        while let Some(first) = self.next() {
            let mut batch = vec![first];
            self.gather(&mut batch);
            self.appender.commit(batch);
        }
    }

    /// The next who wants something stored; none at the end. While something is wrong, looks now and then
    /// whether it is over.
    fn next(&mut self) -> Option<Commit> {
        while self.appender.trouble.get().is_some() {
            let next = async { Some(self.queue.recv().await) };
            let look = async {
                Timer::after(RETRY).await;
                None
            };
            match future::block_on(future::or(next, look)) {
                Some(received) => return received.ok(),
                None => self.appender.probe(),
            }
        }
        self.queue.recv_blocking().ok()
    }

    /// Takes what else is queued.
    fn gather(&self, batch: &mut Vec<Commit>) {
        self.wait_for_company();
        let mut weight: usize = batch.iter().map(|commit| commit.entry.record.len()).sum();
        while batch.len() < BATCH_MESSAGES && weight < BATCH_OCTETS {
            let Ok(commit) = self.queue.try_recv() else { return };
            weight += commit.entry.record.len();
            batch.push(commit);
        }
    }

    /// While most of those who send have not come to the end of their message yet, and some come every
    /// moment, waits for them: fewer, larger syncs serve a crowd faster. A few wait for nobody.
    fn wait_for_company(&self) {
        for _ in 0..MOMENTS {
            let drafts = self.appender.shared.drafts.load(Ordering::Relaxed);
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
}

impl Appender {
    /// Stores a batch and answers all who still wait for it.
    fn commit(&mut self, mut batch: Vec<Commit>) {
        batch.retain(|commit| !commit.reply.is_canceled());
        if batch.is_empty() {
            return;
        }
        match catch_unwind(AssertUnwindSafe(|| self.store(&mut batch))) {
            Ok(Ok(placed)) => self.answer(batch, placed),
            Ok(Err(error)) => {
                log::error!("{}: {error}", self.shared.segments.folder().display());
                self.probe();
                refuse(batch, &error);
            }
            Err(_panic) => refuse(batch, &Error::Io("the journal stumbled".into())),
        }
    }

    /// Finds out whether the next batch could be stored, so that no body is asked for in vain, and
    /// `/readyz` tells the truth.
    fn probe(&mut self) {
        let ready = self.check_room().and_then(|()| {
            self.tail = Some(self.take_tail().map_err(|error| Error::from_io(&error))?);
            Ok(())
        });
        let was = self.trouble.set(ready.clone().err());
        let folder = self.shared.segments.folder().display();
        match (was, ready) {
            (None, Err(error)) => log::error!("{folder}: no mail is taken: {error}"),
            (Some(_), Ok(())) => log::warn!("{folder}: mail is taken again"),
            _ => {}
        }
    }

    /// The database must have room for what is in the journal, and the reserve is for deleting.
    fn check_room(&self) -> Result<(), Error> {
        match self.shared.reserve.lack() {
            Some(why) => Err(why),
            None => self.shared.segments.check_room(),
        }
    }

    /// Appends a batch. When this returns `Ok`, it is on the disk.
    fn store(&mut self, batch: &mut [Commit]) -> Result<Vec<JournalEntry>, Error> {
        self.writer.wait_for_room()?;
        self.check_room()?;
        if batch.iter().any(|commit| commit.entry.file.is_some()) {
            self.shared.bodies.sync().map_err(|error| Error::from_io(&error))?;
        }
        for id in batch.iter().filter_map(|commit| commit.id) {
            if !self.ids.adopt(id) {
                return Err(Error::not_above(id));
            }
        }
        let mut tail = self.take_tail().map_err(|error| Error::from_io(&error))?;
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let (mut seq, mut at) = (self.next_seq, tail.end);
        let mut placed = Vec::with_capacity(batch.len());
        for (batch_index, Commit { entry, id, .. }) in (0..).zip(batch.iter_mut()) {
            entry.head.seq = seq;
            entry.head.origin = Some(Origin { key: self.key, batch_index });
            entry.head.id = id.unwrap_or_else(|| self.ids.next(seconds));
            if let Some(room) = entry.record.first_chunk_mut() {
                *room = entry.head.octets();
            }
            let one = JournalEntry {
                head: entry.head,
                facts: std::mem::take(&mut entry.facts),
                segment: tail.number,
                at,
                file: entry.file.as_ref().map(BodyFile::body_name),
            };
            (seq, at) = (seq + 1, one.end());
            placed.push(one);
        }
        match tail.append(batch.iter().map(|commit| commit.entry.record.as_slice())) {
            Ok(()) => {
                (self.next_seq, self.kept_below) = (seq, seq);
                self.tail = Some(tail);
                self.trouble.set(None);
                Ok(placed)
            }
            Err(error) => {
                tail.give_up();
                // Nobody knows what the disk has of these: their numbers are not given again.
                self.next_seq = seq;
                Err(Error::from_io(&error))
            }
        }
    }

    /// The segment to go on with, out of `self` until all went well.
    fn take_tail(&mut self) -> std::io::Result<Tail> {
        if let Some(tail) = self.tail.take()
            && tail.end < SEGMENT_OCTETS
        {
            return Ok(tail);
        }
        let number = self.next_segment;
        let header = SegmentHeader {
            identity: self.shared.counters().identity,
            number,
            first_seq: self.next_seq,
            kept_below: self.kept_below,
            ..SegmentHeader::default()
        };
        let tail = self.shared.segments.create(header)?;
        self.next_segment += 1;
        Ok(tail)
    }

    /// The database hears of them first, so that whoever was answered finds the message.
    fn answer(&self, batch: Vec<Commit>, placed: Vec<JournalEntry>) {
        let names: Vec<_> = placed.iter().map(|one| (one.head.id, one.head.seq)).collect();
        let is_due = self.writer.enqueue(placed);
        for (commit, name) in batch.into_iter().zip(names) {
            if let Some(file) = commit.entry.file {
                file.keep();
            }
            // Who went away does not want to know.
            let _ = commit.reply.send(Ok(name));
        }
        if is_due {
            self.writer.wake();
        }
    }
}

fn refuse(batch: Vec<Commit>, error: &Error) {
    for commit in batch {
        let _ = commit.reply.send(Err(error.clone()));
    }
}

/// However the thread ends, nobody who waits for it is left waiting.
struct Drain(Receiver<Commit>);

impl Drop for Drain {
    fn drop(&mut self) {
        self.0.close();
        while let Ok(commit) = self.0.try_recv() {
            let _ = commit.reply.send(Err(Error::Closed));
        }
    }
}

/// Messages that wait at most; whoever comes then waits to be let in.
const QUEUE: usize = 256;
/// Octets in one batch at most, roughly: bounds how long the first waits for the last.
const BATCH_OCTETS: usize = 16 * 1024 * 1024;
/// Between two looks whether messages can be stored again.
const RETRY: Duration = Duration::from_secs(1);
/// A segment of so many octets gets no more records.
const SEGMENT_OCTETS: u64 = 64 * 1024 * 1024;
/// So many senders at once are a crowd.
const CROWD: usize = 8;
/// A moment is a fraction of what a sync takes,
const MOMENT: Duration = Duration::from_micros(100);
/// and so many of them are as long as one.
const MOMENTS: usize = 4;

#[cfg(test)]
mod tests {
    use std::{fs, io::ErrorKind, path::Path};

    use smol::future::block_on;

    use super::*;
    use crate::store::{
        Options, Query, Store,
        sqlite::{Sqlite, journal::Fault},
    };

    fn open(folder: &Path) -> Sqlite {
        let options = Options { path: folder.to_owned(), inline_limit: 100, ..Options::default() };
        Sqlite::open(&options).unwrap()
    }

    async fn put(store: &Sqlite, length: usize) -> Result<(), Error> {
        let mut draft = store.begin().await?;
        draft.write(&vec![b'x'; length]).await?;
        draft.commit(Envelope::default(), Summary::default()).await.map(drop)
    }

    /// Sizes of all messages, oldest first, each read back whole.
    fn sizes(store: &Sqlite) -> Vec<u64> {
        let everything = Query { limit: 9999, ..Query::default() };
        let page = block_on(store.list(everything)).unwrap();
        let mut sizes = Vec::new();
        for record in page.records.iter().rev() {
            let raw = block_on(store.raw(record.id)).unwrap().unwrap();
            let mut octets = vec![0; raw.len() as usize + 1];
            let read = raw.read_at(&mut octets, 0).unwrap();
            assert!(octets[..read].iter().all(|octet| *octet == b'x'));
            assert_eq!(read as u64, record.summary.size);
            sizes.push(record.summary.size);
        }
        sizes
    }

    fn bodies(folder: &Path) -> usize {
        fs::read_dir(folder.join("bodies")).unwrap().count()
    }

    fn no_more_bodies_than(most: usize, folder: &Path) {
        for _ in 0..1000 {
            if bodies(folder) <= most {
                return;
            }
            thread::sleep(Duration::from_millis(5));
        }
        panic!("{} body files are left", bodies(folder));
    }

    /// A copy of the folder as it is now, like a kill would leave it.
    fn copy(from: &Path, to: &Path) {
        fs::create_dir_all(to).unwrap();
        for entry in fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            let target = to.join(entry.file_name());
            match entry.file_type().unwrap().is_dir() {
                true => copy(&entry.path(), &target),
                false => drop(fs::copy(entry.path(), target).unwrap()),
            }
        }
    }

    #[test]
    fn what_could_not_be_written_or_synced_is_refused_and_forgotten() {
        let cases = [
            (Fault::Write, ErrorKind::StorageFull),
            (Fault::Write, ErrorKind::Other),
            (Fault::Sync, ErrorKind::Other),
        ];
        for (fault, error) in cases {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path();
            let store = open(path);
            block_on(put(&store, 1)).unwrap();
            for length in [2, 2000] {
                store.shared.segments.faults.expect(fault, error);
                let refused = block_on(put(&store, length)).unwrap_err();
                assert_eq!(refused == Error::Full, error == ErrorKind::StorageFull, "{refused}");
            }
            block_on(put(&store, 3)).unwrap();
            block_on(put(&store, 3000)).unwrap();
            let expected = [1, 3, 3000];
            assert_eq!(sizes(&store), expected, "{fault:?}");
            no_more_bodies_than(1, path);
            // The same after a crash, and after a start that finds the journal only.
            let other = tempfile::tempdir().unwrap();
            copy(path, other.path());
            assert_eq!(sizes(&open(other.path())), expected, "{fault:?}");
            block_on(store.close()).unwrap();
            assert_eq!(sizes(&open(path)), expected, "{fault:?}");
        }
    }

    #[test]
    fn while_no_segment_can_be_made_no_mail_is_begun_and_that_ends_by_itself() {
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path());
        block_on(put(&store, 1)).unwrap();
        let faults = &store.shared.segments.faults;
        faults.expect(Fault::Sync, ErrorKind::Other);
        (0..2).for_each(|_| faults.expect(Fault::Create, ErrorKind::StorageFull));
        assert!(matches!(block_on(put(&store, 2)), Err(Error::Io(_))));
        // No body is asked for in vain, and /readyz says it.
        assert_eq!(block_on(store.begin()).err(), Some(Error::Full));
        assert_eq!(sizes(&store), [1]);
        let until = std::time::Instant::now() + Duration::from_secs(30);
        while store.journal.trouble().is_some() {
            assert!(std::time::Instant::now() < until);
            thread::sleep(Duration::from_millis(10));
        }
        block_on(put(&store, 3)).unwrap();
        assert_eq!(sizes(&store), [1, 3]);
    }

    #[test]
    fn nothing_is_begun_when_a_thread_of_the_store_has_ended() {
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path());
        store.journal.close();
        assert_eq!(block_on(store.begin()).err(), Some(Error::Closed));
        let other = open(&folder.path().join("other"));
        other.writer.close();
        let until = std::time::Instant::now() + Duration::from_secs(30);
        while block_on(other.begin()).is_ok() {
            assert!(std::time::Instant::now() < until);
        }
        assert_eq!(block_on(other.begin()).err(), Some(Error::Closed));
    }

    #[test]
    fn a_commit_that_nobody_waits_for_any_more_stores_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path());
        block_on(async {
            let slow_disk = store.shared.segments.faults.hold();
            let mut first = Box::pin(put(&store, 1));
            let mut given_up = Box::pin(put(&store, 2));
            let _ = smol::future::poll_once(&mut first).await;
            while !store.journal.queue.is_empty() {
                thread::yield_now();
            }
            while store.journal.queue.is_empty() {
                let _ = smol::future::poll_once(&mut given_up).await;
            }
            drop(given_up);
            drop(slow_disk);
            first.await.unwrap();
            put(&store, 3).await.unwrap();
        });
        assert_eq!(sizes(&store), [1, 3]);
    }

    #[test]
    fn a_crowd_on_one_thread_shares_a_sync() {
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path());
        block_on(put(&store, 1)).unwrap();
        let executor = smol::LocalExecutor::new();
        let puts: Vec<_> = (2..20).map(|length| executor.spawn(put(&store, length))).collect();
        block_on(executor.run(async {
            for put in puts {
                put.await.unwrap();
            }
        }));
        assert_eq!(sizes(&store).len(), 19);
        let syncs = store.shared.segments.faults.syncs();
        assert!(syncs <= 6, "{syncs}");
    }

    #[test]
    fn all_who_wait_share_a_sync() {
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path());
        block_on(put(&store, 1)).unwrap();
        let slow_disk = store.shared.segments.faults.hold();
        thread::scope(|scope| {
            let puts: Vec<_> = (2..20)
                .map(|length| {
                    scope.spawn({
                        let store = &store;
                        move || block_on(put(store, length))
                    })
                })
                .collect();
            // All are on their way, and the first few are being written.
            while store.shared.drafts.load(Ordering::SeqCst) < 18 {
                thread::yield_now();
            }
            thread::sleep(Duration::from_millis(50));
            drop(slow_disk);
            for put in puts {
                put.join().unwrap().unwrap();
            }
        });
        assert_eq!(sizes(&store).len(), 19);
        assert!(
            store.shared.segments.faults.syncs() <= 4,
            "{}",
            store.shared.segments.faults.syncs()
        );
    }
}
