//! Makes messages durable, those that wait together in one insert.
//!
//! One batch is on its way at a time, in a few inserts side by side, and lists leave out what of it is in
//! already until all of it is. So ids become visible in their order: whoever pages through what this
//! instance stored never finds a message below one that he has seen.
//!
//! Ids are chosen before the insert. When the answer gets lost the same documents are sent again, and a
//! duplicate key means that the first time counted; it is believed when a majority has it. If nothing
//! is known when the client cannot be kept waiting any longer, he hears 451 and will send the message
//! again, so the first one must not appear, not even when the insert arrives an hour late on a machine
//! that was frozen: before anything else is stored its place is taken by a document that says that it is
//! gone.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use futures_channel::oneshot;
use mongodb::{
    bson::{Bson, DateTime, Document, RawDocumentBuf, doc, oid::ObjectId},
    error::{Error as DriverError, ErrorKind, IndexedWriteError},
    options::ReadConcern,
};
use smol::{
    channel::{Receiver, Sender},
    stream::StreamExt as _,
};
use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};

use super::{
    Shared,
    bodies::Upload,
    health::{DUPLICATE, OUT_OF_DISK_SPACE},
    row,
    schema::Topology,
    totals::Entry,
};
use crate::{
    id::{IdSource, MessageId},
    store::Error,
};

/// A message that waits.
pub(super) struct Job {
    /// As [`row::New::to_document`] makes it.
    pub(super) document: Vec<u8>,
    pub(super) entry: Entry,
    /// The body, if it is not in the document.
    pub(super) upload: Option<Upload>,
    /// The id that it has already, in a migration.
    pub(super) id: Option<MessageId>,
    pub(super) answer: oneshot::Sender<Result<MessageId, Error>>,
}

/// Where messages wait.
#[derive(Clone)]
pub(super) struct Queue(Sender<Job>);

impl Queue {
    pub(super) fn new() -> (Self, Receiver<Job>) {
        let (sender, receiver) = smol::channel::bounded(QUEUE);
        (Self(sender), receiver)
    }

    /// Stores a document; its id. Who stops waiting before it is sent has stored nothing.
    pub(super) async fn store(
        &self,
        document: Vec<u8>,
        entry: Entry,
        upload: Option<Upload>,
        id: Option<MessageId>,
    ) -> Result<MessageId, Error> {
        let (answer, answered) = oneshot::channel();
        let job = Job { document, entry, upload, id, answer };
        self.0.send(job).await.map_err(|_| Error::Closed)?;
        answered.await.unwrap_or(Err(Error::Closed))
    }

    /// Takes no more; what waits is still stored.
    pub(super) fn close(&self) {
        self.0.close();
    }
}

/// Ids of messages of which nobody knows whether they are stored, and which must not be.
#[derive(Debug, Default)]
pub(super) struct Doubtful(Mutex<Vec<MessageId>>);

/// How far our own messages are stored.
#[derive(Debug, Default)]
pub(super) struct Stored(Mutex<Reached>);

#[derive(Debug, Default)]
struct Reached {
    /// The highest id that is stored.
    last: Option<MessageId>,
    /// Up to here it is known of each id whether it is stored.
    settled: Option<MessageId>,
    /// A batch is on its way.
    is_under_way: bool,
}

impl Stored {
    /// Which messages of ours are on their way: not to be shown yet.
    pub(super) fn beyond(&self, me: ObjectId) -> Document {
        let mut on_their_way = doc! { "by": me };
        if let Some(last) = self.reached().last {
            on_their_way.insert("_id", doc! { "$gt": ObjectId::from_bytes(*last.as_bytes()) });
        }
        on_their_way
    }

    /// The end of the order that can be gone through without missing anything.
    pub(super) fn settled(&self) -> Option<MessageId> {
        self.reached().settled
    }

    fn begin(&self) {
        self.reached().is_under_way = true;
    }

    /// Of a batch all up to this one are stored, or some of them, and others are still in doubt.
    fn reach(&self, id: Option<MessageId>, is_settled: bool) {
        let mut reached = self.reached();
        reached.last = reached.last.max(id);
        if is_settled {
            reached.is_under_way = false;
            reached.settled = reached.last;
        }
    }

    /// A batch ended in doubt.
    fn give_up(&self) {
        self.reached().is_under_way = false;
    }

    /// Nothing is in doubt any more that was.
    fn resolve(&self) {
        let mut reached = self.reached();
        if !reached.is_under_way {
            reached.settled = reached.last;
        }
    }

    fn reached(&self) -> MutexGuard<'_, Reached> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Stores what waits, until the queue is closed and empty.
pub(super) async fn run(shared: Arc<Shared>, queue: Receiver<Job>, mut ids: IdSource) {
    while let Ok(first) = queue.recv().await {
        let mut weight = first.document.len();
        let mut jobs = vec![first];
        while jobs.len() < BATCH && weight < BATCH_OCTETS {
            let Ok(job) = queue.try_recv() else { break };
            weight += job.document.len();
            jobs.push(job);
        }
        jobs.retain(|job| !job.answer.is_canceled());
        if let Err(error) = shared.health.check() {
            jobs.into_iter().for_each(|job| job.tell(Err(error.clone())));
            continue;
        }
        store(&shared, jobs, &mut ids).await;
    }
}

impl Job {
    fn tell(self, result: Result<MessageId, Error>) {
        let _ = self.answer.send(result);
    }
}

/// A job that is on its way.
struct Sent {
    job: Job,
    id: MessageId,
    document: RawDocumentBuf,
}

/// How an attempt ended for one message.
enum Fate {
    Stored,
    Failed(Error),
    /// It is there already: our own, unless somebody else made the same id.
    There,
    Unknown,
}

async fn store(shared: &Arc<Shared>, jobs: Vec<Job>, ids: &mut IdSource) {
    let end = Instant::now() + BOUND;
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let mut waiting: Vec<Sent> = Vec::new();
    for mut job in jobs {
        let id = job.id.unwrap_or_else(|| ids.next(seconds));
        match row::with_id(std::mem::take(&mut job.document), id) {
            Ok(document) => waiting.push(Sent { job, id, document }),
            Err(error) => job.tell(Err(error)),
        }
    }
    shared.stored.begin();
    let mut why = String::from("no answer in time");
    while !waiting.is_empty() {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return give_up(shared, waiting, &why);
        }
        let mut fates = Vec::new();
        for lane in insert(shared, waiting, left.min(ATTEMPT)).await {
            why = lane.why.unwrap_or(why);
            fates.extend(lane.sent.into_iter().zip(lane.fates));
        }
        let settled = settle(shared, fates);
        waiting = settled.unknown;
        if !settled.there.is_empty() {
            let rest = confirm(shared, settled.there, waiting.is_empty(), end).await;
            waiting.extend(rest);
        }
        if !waiting.is_empty() {
            log::debug!(messages = waiting.len(); "storing again: {why}");
            sleep(PAUSE).await;
        }
    }
}

/// An attempt with a part of a batch.
struct Lane {
    sent: Vec<Sent>,
    fates: Vec<Fate>,
    why: Option<String>,
}

/// Sends a batch, in a few inserts side by side: mongod does one insert on one core, and the keys of the
/// words are what it has to do.
async fn insert(shared: &Arc<Shared>, batch: Vec<Sent>, patience: Duration) -> Vec<Lane> {
    let size = batch.len().div_ceil(LANES);
    let mut batch = batch.into_iter().peekable();
    let mut lanes = JoinSet::new();
    while batch.peek().is_some() {
        let sent: Vec<_> = batch.by_ref().take(size).collect();
        lanes.spawn(attempt(shared.clone(), sent, patience));
    }
    lanes.join_all().await
}

async fn attempt(shared: Arc<Shared>, sent: Vec<Sent>, patience: Duration) -> Lane {
    let documents: Vec<_> = sent.iter().map(|sent| &sent.document).collect();
    let messages = shared.there.messages.clone_with_type::<RawDocumentBuf>();
    let insert = messages.insert_many(documents).ordered(false);
    let (fates, why) = match timeout(patience, async { insert.await }).await {
        Ok(Ok(_)) => (sent.iter().map(|_| Fate::Stored).collect(), None),
        Ok(Err(error)) => (fates(&error, sent.len()), Some(error.kind.to_string())),
        Err(_late) => (sent.iter().map(|_| Fate::Unknown).collect(), None),
    };
    Lane { sent, fates, why }
}

/// What an error says of each message.
fn fates(error: &DriverError, count: usize) -> Vec<Fate> {
    let mut fates: Vec<Fate> = Vec::new();
    if let ErrorKind::InsertMany(error) = &*error.kind {
        let known = error.write_concern_error.is_none();
        fates.resize_with(count, || if known { Fate::Stored } else { Fate::Unknown });
        for error in error.write_errors.iter().flatten() {
            if let Some(fate) = fates.get_mut(error.index) {
                *fate = self::fate(error);
            }
        }
    } else {
        fates.resize_with(count, || Fate::Unknown);
    }
    fates
}

fn fate(error: &IndexedWriteError) -> Fate {
    match error.code {
        DUPLICATE => Fate::There,
        OUT_OF_DISK_SPACE => Fate::Failed(Error::Full),
        code if REFUSED.contains(&code) => {
            Fate::Failed(Error::Io(format!("MongoDB refused it: {}", error.message)))
        }
        _ => Fate::Unknown,
    }
}

#[derive(Default)]
struct Settled {
    unknown: Vec<Sent>,
    there: Vec<Sent>,
}

/// Answers those whose fate is known.
fn settle(shared: &Shared, fates: Vec<(Sent, Fate)>) -> Settled {
    let mut settled = Settled::default();
    let mut stored = Vec::new();
    for (sent, fate) in fates {
        match fate {
            Fate::Stored => stored.push(sent),
            Fate::Failed(error) => sent.job.tell(Err(error)),
            Fate::There => settled.there.push(sent),
            Fate::Unknown => settled.unknown.push(sent),
        }
    }
    let is_settled = settled.unknown.is_empty() && settled.there.is_empty();
    tell_stored(shared, stored, is_settled);
    settled
}

fn tell_stored(shared: &Shared, stored: Vec<Sent>, is_settled: bool) {
    shared.stored.reach(stored.iter().map(|sent| sent.id).max(), is_settled);
    // First, so that who hears of his message finds it counted.
    shared.totals.stored(stored.iter().map(|sent| &sent.job.entry));
    for mut sent in stored {
        if let Some(upload) = sent.job.upload.take() {
            upload.keep();
        }
        if sent.job.answer.is_canceled() {
            // Its session ended too late to stop it, and now nobody else tells that it is here.
            shared.feed.missed();
        }
        sent.job.tell(Ok(sent.id));
    }
}

/// Those that a majority has are stored; the others are returned. `is_last` if nothing else of the batch is in
/// doubt.
async fn confirm(shared: &Arc<Shared>, there: Vec<Sent>, is_last: bool, end: Instant) -> Vec<Sent> {
    let left = end.saturating_duration_since(Instant::now());
    let ids: Vec<_> = there.iter().map(|sent| sent.id).collect();
    let found = match timeout(left.min(ATTEMPT), ours(shared, &ids)).await {
        Ok(Ok(found)) => found,
        Ok(Err(error)) => {
            log::debug!("confirming what is stored: {error}");
            Vec::new()
        }
        Err(_late) => Vec::new(),
    };
    let (stored, rest): (Vec<_>, Vec<_>) =
        there.into_iter().partition(|sent| found.contains(&sent.id));
    tell_stored(shared, stored, is_last && rest.is_empty());
    rest
}

/// Which of these are stored by us, durably.
async fn ours(shared: &Shared, ids: &[MessageId]) -> mongodb::error::Result<Vec<MessageId>> {
    let objects: Vec<_> = ids.iter().map(|id| ObjectId::from_bytes(*id.as_bytes())).collect();
    let filter = doc! { "_id": { "$in": objects }, "by": shared.me };
    let find = shared.there.messages.find(filter).projection(doc! { "_id": 1 });
    let mut found = match shared.topology() {
        Topology::Replicated => find.read_concern(ReadConcern::majority()).await?,
        Topology::Standalone => {
            // A write that is in the journal has all before it there, too.
            let this = doc! { "_id": super::schema::instance(shared.me) };
            let update = doc! { "$set": { "confirmed": DateTime::now() } };
            shared.there.meta.update_one(this, update).await?;
            find.await?
        }
    };
    let mut ours = Vec::new();
    while let Some(message) = found.try_next().await? {
        ours.extend(message.get_object_id("_id").map(|id| MessageId::from_bytes(id.bytes())));
    }
    Ok(ours)
}

fn give_up(shared: &Shared, waiting: Vec<Sent>, why: &str) {
    shared
        .doubtful
        .0
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .extend(waiting.iter().map(|sent| sent.id));
    shared.stored.give_up();
    // While it is away nothing is stored, so the doubtful stay few.
    shared.health.went(why);
    let error = Error::Io(format!("MongoDB did not store it in time: {why}"));
    waiting.into_iter().for_each(|sent| sent.job.tell(Err(error.clone())));
}

/// Takes the places of the doubtful. Only then may anything else be stored.
pub(super) async fn resolve(shared: &Shared) -> Result<(), String> {
    loop {
        let piece: Vec<_> = {
            let doubtful = shared.doubtful.0.lock().unwrap_or_else(PoisonError::into_inner);
            doubtful.iter().take(BATCH).copied().collect()
        };
        if piece.is_empty() {
            shared.stored.resolve();
            return Ok(());
        }
        let updates: Vec<_> = piece.iter().map(|id| gone(*id)).collect();
        let command = doc! {
            "update": shared.there.messages.name(), "updates": updates, "ordered": false,
            "writeConcern": { "w": "majority", "j": true, "wtimeout": 4_000 },
        };
        let answer = shared.there.db.run_command(command).await;
        let answer = answer.map_err(|error| error.to_string())?;
        for name in ["writeErrors", "writeConcernError"] {
            if let Some(error) = answer.get(name) {
                return Err(error.to_string());
            }
        }
        log::info!(messages = piece.len(); "what was answered 451 is not stored");
        let mut doubtful = shared.doubtful.0.lock().unwrap_or_else(PoisonError::into_inner);
        doubtful.retain(|id| !piece.contains(id));
    }
}

/// Whatever comes under this id later finds it taken.
fn gone(id: MessageId) -> Document {
    let id = ObjectId::from_bytes(*id.as_bytes());
    let stub = Bson::DateTime(DateTime::now());
    doc! { "q": { "_id": id }, "u": { "gone": stub }, "upsert": true }
}

/// Messages that wait at most; whoever comes then waits to be let in.
const QUEUE: usize = 1_000;
/// Messages in one batch at most: a slow server must be able to answer within an attempt.
const BATCH: usize = 256;
/// Inserts side by side.
const LANES: usize = 4;
/// Octets in one batch at most, roughly; a message of the protocol has 48 MB.
const BATCH_OCTETS: usize = 8 * 1024 * 1024;
/// Longest time until a client is answered one way or the other, once it is his turn.
const BOUND: Duration = Duration::from_secs(9);
/// Longest time for one attempt.
const ATTEMPT: Duration = Duration::from_secs(5);
/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(100);
/// BadValue, InvalidBSON, Unauthorized, DocumentValidationFailure, BSONObjectTooLarge: it will not do
/// another time either.
const REFUSED: [i32; 5] = [2, 22, 13, 121, 10334];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_commits_ends_in_front_of_what_is_in_doubt() {
        let id = |last: u8| Some(MessageId::from_bytes([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last]));
        let stored = Stored::default();
        stored.begin();
        stored.reach(id(5), false);
        assert_eq!(stored.settled(), None);
        // It was about something else that MongoDB was asked whether it is back.
        stored.resolve();
        assert_eq!(stored.settled(), None);
        stored.reach(id(3), true);
        assert_eq!(stored.settled(), id(5));
        stored.begin();
        stored.reach(id(9), false);
        stored.give_up();
        assert_eq!(stored.settled(), id(5));
        stored.resolve();
        assert_eq!(stored.settled(), id(9));
    }
}
