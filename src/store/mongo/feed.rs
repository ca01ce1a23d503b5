//! What other instances do, as it happens.
//!
//! A replica set tells by a change stream: new messages without their bodies, ids of those changed and
//! deleted. Our own are left out, because who did them here has told already. When the stream breaks it
//! goes on from its last token; when the set has forgotten that one, or there is too much to tell, it is
//! told that something was missed, and browsers look again. A standalone mongod has no change streams and
//! is asked every second.

use std::{
    collections::{HashSet, VecDeque},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use mongodb::{
    bson::{DateTime, Document, deserialize_from_document, doc, oid::ObjectId},
    change_stream::event::ResumeToken,
};
use smol::{
    channel::{Receiver, Sender, TrySendError},
    stream::StreamExt as _,
};
use tokio::time::sleep;

use super::{Shared, find, health, ledger, row::Found, schema::Topology};
use crate::{id::MessageId, store::News};

/// Where news go, and what of our own must not come back as news.
#[derive(Debug)]
pub(super) struct Feed {
    news: Sender<News>,
    receiver: Mutex<Option<Receiver<News>>>,
    deleted: Mutex<Recent>,
}

impl Feed {
    pub(super) fn new() -> Self {
        let (news, receiver) = smol::channel::bounded(WAITING);
        Self { news, receiver: Mutex::new(Some(receiver)), deleted: Mutex::default() }
    }

    /// The end at which news come out, for the one who asks first.
    pub(super) fn take(&self) -> Option<Receiver<News>> {
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
        self.tell(News::Missed);
    }

    /// Who falls far behind is told so once; nobody waits for him.
    fn tell(&self, news: News) {
        if let Err(TrySendError::Full(_)) = self.news.try_send(news) {
            let _ = self.news.force_send(News::Missed);
        }
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

/// Tells news until the runtime ends.
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
    let mut token: Option<ResumeToken> = None;
    loop {
        if let Err(error) = stream(shared, &mut token).await {
            if health::code(&error).is_some_and(|code| FORGOTTEN.contains(&code)) {
                log::warn!("the change stream cannot go on where it was: {error}");
                token = None;
            } else {
                log::debug!("the change stream broke: {error}");
            }
        }
        if token.is_none() {
            shared.feed.missed();
        }
        sleep(PAUSE).await;
    }
}

async fn stream(
    shared: &Arc<Shared>,
    token: &mut Option<ResumeToken>,
) -> mongodb::error::Result<()> {
    let watch = shared.there.messages.watch().pipeline(pipeline(shared.me));
    let watch = watch.max_await_time(Duration::from_secs(5));
    let mut stream = watch.resume_after(token.clone()).await?.with_type::<Document>();
    loop {
        let mut events: Vec<Document> = Vec::new();
        // All that there is at this moment, so that much at once is told in few words.
        if let Some(event) = stream.next_if_any().await? {
            events.push(event);
        }
        *token = stream.resume_token();
        tell(shared, events);
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
fn tell(shared: &Shared, events: Vec<Document>) {
    for mut event in events {
        let key = event.get_document("documentKey").and_then(|key| key.get_object_id("_id"));
        let id = key.ok().map(|id| MessageId::from_bytes(id.bytes()));
        match (event.get_str("operationType").unwrap_or_default(), id) {
            ("insert", _) => {
                let document = event.remove("fullDocument");
                let document = document.and_then(|it| it.as_document().cloned());
                match document.map(deserialize_from_document::<Found>) {
                    Some(Ok(found)) => shared.feed.tell(News::New(Arc::new(found.into_record()))),
                    // What is left of a message that is gone has nothing of a message.
                    Some(Err(error)) => log::debug!("change stream: {error}"),
                    None => {}
                }
            }
            ("update", Some(id)) => shared.feed.tell(News::Changed(vec![id])),
            ("delete", Some(id)) if shared.feed.is_ours(id) => {}
            ("delete" | "replace", Some(id)) => shared.feed.tell(News::Deleted(vec![id])),
            _ => shared.feed.missed(),
        }
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
            log::debug!("asking for news: {error}");
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
    let total = ledger::totals(&shared.there).await?.2.changes - shared.own_changes();
    if changes.replace(total).is_some_and(|before| before != total) {
        shared.feed.missed();
    }
    if known {
        for record in fresh.into_iter().rev() {
            shared.feed.tell(News::New(Arc::new(record)));
        }
    }
    Ok(())
}

/// News that wait to be taken.
const WAITING: usize = 4_096;
/// Ids of our own, and of others, that are remembered.
const REMEMBERED: usize = 10_000;
/// Between two attempts to open the stream.
const PAUSE: Duration = Duration::from_secs(1);
/// Between two questions to a standalone.
const POLL: Duration = Duration::from_secs(1);
/// How far ids of different instances may be out of order.
const OVERLAP_SECONDS: i64 = 60;
/// ChangeStreamFatalError, ChangeStreamHistoryLost, CappedPositionLost, InvalidResumeToken: no token helps.
const FORGOTTEN: [i32; 4] = [280, 286, 136, 260];
