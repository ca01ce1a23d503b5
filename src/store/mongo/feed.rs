//! What other instances do, as it happens.
//!
//! A replica set tells by a change stream: new messages without their bodies, ids of those changed and
//! deleted. Our own are left out, because who did them here has told already. When the stream breaks it
//! goes on from its last token; when the set has forgotten that one, or there is too much to tell, it is
//! told that something was missed, and browsers look again. The same is told when the first stream opens:
//! a page may have been drawn before it, and what others did in between stands in no stream. A standalone
//! mongod has no change streams and is asked every second.

use std::{
    collections::{HashSet, VecDeque},
    convert::Infallible,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use mongodb::{
    bson::{DateTime, Document, deserialize_from_document, doc, oid::ObjectId},
    change_stream::event::ResumeToken,
    options::ReadConcern,
};
use smol::{
    channel::{Receiver, Sender},
    stream::StreamExt as _,
};
use tokio::time::sleep;

use super::{Shared, find, health, row::Found, schema::Topology};
use crate::{id::MessageId, store::RemoteChange};

/// Where remote changes go, and what of our own must not come back as one.
#[derive(Debug)]
pub(super) struct Feed {
    sender: Sender<RemoteChange>,
    receiver: Mutex<Option<Receiver<RemoteChange>>>,
    deleted: Mutex<Recent>,
    pace: Mutex<Pace>,
}

/// How much is told.
#[derive(Debug)]
struct Pace {
    since: Instant,
    changes: usize,
    /// Something was left out, which is told when there is room again.
    behind: bool,
}

impl Feed {
    pub(super) fn new() -> Self {
        let (sender, receiver) = smol::channel::bounded(WAITING);
        let pace = Mutex::new(Pace { since: Instant::now(), changes: 0, behind: false });
        Self { sender, receiver: Mutex::new(Some(receiver)), deleted: Mutex::default(), pace }
    }

    /// The end at which they come out, for the one who asks first.
    pub(super) fn take(&self) -> Option<Receiver<RemoteChange>> {
        self.receiver.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// We are about to delete these.
    pub(super) fn deleted_here(&self, ids: impl IntoIterator<Item = MessageId>) {
        let mut deleted = self.deleted.lock().unwrap_or_else(PoisonError::into_inner);
        for id in ids {
            deleted.add(id);
        }
    }

    /// Something happened that nobody tells.
    pub(super) fn missed(&self) {
        self.tell(RemoteChange::Missed);
    }

    /// Tells that something was left out, once there is room.
    pub(super) fn catch_up(&self) {
        let mut pace = self.pace();
        if pace.behind && self.sender.is_empty() {
            pace.behind = self.sender.try_send(RemoteChange::Missed).is_err();
        }
    }

    /// Nobody waits for who falls far behind, and changes of a great many messages are not told one by
    /// one.
    fn tell(&self, change: RemoteChange) {
        let mut pace = self.pace();
        if matches!(change, RemoteChange::Changed(_) | RemoteChange::Deleted(_)) {
            if pace.since.elapsed() > Duration::from_secs(1) {
                (pace.since, pace.changes) = (Instant::now(), 0);
            }
            pace.changes += 1;
        }
        pace.behind |= pace.changes > CHANGES_A_SECOND || self.sender.try_send(change).is_err();
    }

    fn pace(&self) -> MutexGuard<'_, Pace> {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_ours(&self, id: MessageId) -> bool {
        self.deleted.lock().unwrap_or_else(PoisonError::into_inner).ids.contains(&id)
    }

    /// Nobody listens, so nobody need look.
    fn is_heard(&self) -> bool {
        self.receiver.lock().unwrap_or_else(PoisonError::into_inner).is_none()
    }
}

/// The last ids, as many as are remembered.
#[derive(Debug, Default)]
struct Recent {
    ids: HashSet<MessageId>,
    order: VecDeque<MessageId>,
}

impl Recent {
    /// True if it is new.
    fn add(&mut self, id: MessageId) -> bool {
        let new = self.ids.insert(id);
        if new {
            self.order.push_back(id);
            if self.order.len() > REMEMBERED
                && let Some(oldest) = self.order.pop_front()
            {
                self.ids.remove(&oldest);
            }
        }
        new
    }
}

/// Tells remote changes until the runtime ends.
pub(super) async fn run(shared: Arc<Shared>) {
    while !shared.feed.is_heard() || shared.topology.get().is_none() {
        sleep(Duration::from_millis(100)).await;
    }
    match shared.topology() {
        Topology::Replicated => watch(&shared).await,
        Topology::Standalone => {
            log::info!(
                "MongoDB is a standalone mongod, without change streams: what other instances do is \
                 asked every second"
            );
            poll(&shared).await;
        }
    }
}

async fn watch(shared: &Arc<Shared>) {
    let mut token = None;
    loop {
        let Err(error) = stream(shared, &mut token).await;
        if health::code(&error).is_some_and(|code| FORGOTTEN.contains(&code)) {
            log::warn!("the change stream cannot go on where it was: {}", error.kind);
            token = None;
        } else {
            log::debug!("the change stream broke: {}", error.kind);
        }
        sleep(PAUSE).await;
    }
}

/// Tells what comes until the stream breaks, and first that there is a gap before it, if it does not go on
/// from a token.
async fn stream(
    shared: &Arc<Shared>,
    token: &mut Option<ResumeToken>,
) -> mongodb::error::Result<Infallible> {
    let gap = token.is_none();
    let watch = shared.there.messages.watch().pipeline(pipeline(shared.me));
    let watch = watch.max_await_time(AWAIT).read_concern(ReadConcern::majority());
    let mut stream = watch.resume_after(token.clone()).await?.with_type::<Document>();
    if gap {
        shared.feed.missed();
    }
    loop {
        if let Some(event) = stream.next_if_any().await? {
            tell(shared, event);
        }
        *token = stream.resume_token();
    }
}

fn pipeline(me: ObjectId) -> Vec<Document> {
    let touched_by_us = format!("^{}", me.to_hex());
    let mut fields = doc! { "operationType": 1, "documentKey": 1 };
    for (name, value) in find::of_record() {
        let value = if name == "words" { continue } else { value };
        fields.insert(format!("fullDocument.{name}"), value);
    }
    fields.insert("fullDocument._id", 1);
    vec![
        doc! { "$match": {
            "operationType": { "$in": ["insert", "update", "replace", "delete", "drop", "rename",
                "dropDatabase", "invalidate"] },
            "fullDocument.by": { "$ne": me },
            "updateDescription.updatedFields.touch": { "$not": { "$regex": touched_by_us } },
        } },
        doc! { "$project": fields },
    ]
}

/// Tells what happened.
fn tell(shared: &Shared, mut event: Document) {
    let key = event.get_document("documentKey").and_then(|key| key.get_object_id("_id"));
    let id = key.ok().map(|id| MessageId::from_bytes(id.bytes()));
    match (event.get_str("operationType").unwrap_or_default(), id) {
        ("insert", _) => {
            let document = event.remove("fullDocument");
            let document = document.and_then(|it| it.as_document().cloned());
            match document.map(deserialize_from_document::<Found>) {
                Some(Ok(found)) => {
                    shared.feed.tell(RemoteChange::New(Arc::new(found.into_record())))
                }
                // What is left of a message that is gone has nothing of a message.
                Some(Err(error)) => log::debug!("change stream: {error}"),
                None => {}
            }
        }
        ("update", Some(id)) => shared.feed.tell(RemoteChange::Changed(vec![id])),
        ("delete", Some(id)) if shared.feed.is_ours(id) => {}
        ("delete" | "replace", Some(id)) => shared.feed.tell(RemoteChange::Deleted(vec![id])),
        _ => shared.feed.missed(),
    }
}

/// Looks every second for what came, and whether something else changed.
async fn poll(shared: &Arc<Shared>) {
    let mut seen = Recent::default();
    let mut changes = None;
    loop {
        sleep(POLL).await;
        if shared.health.is_away() {
            continue;
        }
        if let Err(error) = poll_once(shared, &mut seen, &mut changes).await {
            log::debug!("asking for remote changes: {error}");
        }
    }
}

async fn poll_once(
    shared: &Arc<Shared>,
    seen: &mut Recent,
    changes: &mut Option<i64>,
) -> mongodb::error::Result<()> {
    // Ids of two instances interleave within their clocks' difference and a commit's time.
    let from = DateTime::now().timestamp_millis() / 1_000 - OVERLAP_SECONDS;
    let mut lowest = [0; 12];
    lowest[..4].copy_from_slice(&u32::try_from(from).unwrap_or(0).to_be_bytes());
    let filter = doc! {
        "_id": { "$gt": ObjectId::from_bytes(lowest) }, "by": { "$ne": shared.me },
        "state": { "$exists": true },
    };
    let messages = shared.there.messages.clone_with_type::<Found>();
    let newest = messages.find(filter).sort(doc! { "_id": -1 }).limit(REMEMBERED as i64);
    let mut found = newest.projection(find::of_record()).await?;
    let mut fresh = Vec::new();
    while let Some(message) = found.try_next().await? {
        if seen.add(message.id()) {
            fresh.push(message.into_record());
        }
    }
    let known = changes.is_some();
    let total = shared.totals.changes_of_others(&shared.there).await?;
    // Nobody knows what others did before we looked for the first time.
    if changes.replace(total) != Some(total) {
        shared.feed.missed();
    }
    if known {
        for record in fresh.into_iter().rev() {
            shared.feed.tell(RemoteChange::New(Arc::new(record)));
        }
    }
    Ok(())
}

/// Changes and deletions told in a second; if there are more, looking again is cheaper.
const CHANGES_A_SECOND: usize = 200;
/// Remote changes that wait to be taken.
const WAITING: usize = 4_096;
/// Ids of our own, and of others, that are remembered.
const REMEMBERED: usize = 10_000;
/// Longest wait of the server for something to tell.
const AWAIT: Duration = Duration::from_secs(5);
/// Between two attempts to open the stream.
const PAUSE: Duration = Duration::from_secs(1);
/// Between two questions to a standalone.
const POLL: Duration = Duration::from_secs(1);
/// How far ids of different instances may be out of order.
const OVERLAP_SECONDS: i64 = 60;
/// ChangeStreamFatalError, ChangeStreamHistoryLost, CappedPositionLost, InvalidResumeToken: no token helps.
const FORGOTTEN: [i32; 4] = [280, 286, 136, 260];
