//! Marks, tags, deleting: in pieces, each of which is looked at, changed, and counted.
//!
//! MongoDB tells how many messages it changed, not which. So a piece is looked at first and what differs
//! from the wish is changed; if fewer changed than differed, another instance was quicker with some, and
//! the totals are counted anew later.

use std::sync::Arc;

use mongodb::bson::{DateTime, Document, doc, oid::ObjectId};
use serde::Deserialize;
use smol::stream::StreamExt as _;

use super::{
    Shared, bodies,
    find::{find, object},
    health::failed,
    plan::{Check, Plan},
    totals::{self, Entry, Kind, label},
};
use crate::{
    id::MessageId,
    message::search::{self, Term, Test},
    store::{Change, Error, Left, RetentionLimits, Selection, tag_key},
};

/// Of a message what is needed to count it.
#[derive(Debug, Deserialize)]
struct Light {
    #[serde(rename = "_id")]
    id: ObjectId,
    #[serde(default)]
    read: bool,
    #[serde(default)]
    size: i64,
    #[serde(default)]
    mailboxes: Vec<String>,
    #[serde(default)]
    tags: Vec<String>,
    file: Option<ObjectId>,
}

impl Light {
    fn id(&self) -> MessageId {
        MessageId::from_bytes(self.id.bytes())
    }

    fn entry(&self) -> Entry {
        let mailboxes = self.mailboxes.iter().map(|name| label(Kind::Mailbox, name));
        let tags = self.tags.iter().map(|name| label(Kind::Tag, name));
        Entry { read: self.read, size: self.size, labels: mailboxes.chain(tags).collect() }
    }
}

/// Ids of matching messages in pieces, newest first; `None` at the end.
pub(super) struct Sweep {
    search: search::Query,
    mailbox: Option<String>,
    before: Option<MessageId>,
}

impl Sweep {
    /// Everything that a selection means that is not given by its ids.
    pub(super) fn new(which: Selection) -> Result<Self, Vec<MessageId>> {
        let (search, mailbox) = match which {
            Selection::Ids(ids) => return Err(ids),
            Selection::Matching(filter) => filter.into_parts(),
            Selection::All => (search::Query::default(), None),
        };
        Ok(Self { search, mailbox, before: None })
    }

    /// Only those that a change would change.
    pub(super) fn that_differ(&mut self, change: &Change) {
        let (negated, test) = match change {
            Change::Read(read) => (true, Test::Read(*read)),
            Change::Starred(starred) => (*starred, Test::Starred),
            Change::Tag(tag) => (true, Test::Tag(tag_key(tag))),
            Change::Untag(tag) => (false, Test::Tag(tag_key(tag))),
        };
        self.search.terms.push(Term { negated, test });
    }

    /// The next piece; empty at the end.
    pub(super) async fn next(&mut self, shared: &Arc<Shared>) -> Result<Vec<MessageId>, Error> {
        let mailbox = self.mailbox.as_deref();
        let plan = Plan::new(&self.search, mailbox);
        let ids = if plan.check == Check::None {
            let mut filter = plan.filter;
            if let Some(before) = self.before {
                filter.insert("_id", doc! { "$lt": object(before) });
            }
            ids(shared, filter).await?
        } else {
            let found = find(shared, &self.search, mailbox, self.before, PIECE).await?;
            found.into_iter().map(|record| record.id).collect()
        };
        self.before = ids.last().copied().or(self.before);
        Ok(ids)
    }
}

async fn ids(shared: &Shared, filter: Document) -> Result<Vec<MessageId>, Error> {
    let find = shared.there.messages.find(filter).sort(doc! { "_id": -1 }).limit(PIECE as i64);
    let find = find.projection(doc! { "_id": 1 }).batch_size(PIECE as u32);
    let mut found = find.await.map_err(|error| failed(&error))?;
    let mut ids = Vec::new();
    while let Some(message) = found.try_next().await.map_err(|error| failed(&error))? {
        ids.extend(message.get_object_id("_id").map(|id| MessageId::from_bytes(id.bytes())));
    }
    Ok(ids)
}

/// Changes a piece; the ids that really changed.
pub(super) async fn change(
    shared: Arc<Shared>,
    ids: Vec<MessageId>,
    change: Change,
) -> Result<Vec<MessageId>, Error> {
    let touch = shared.touch();
    let (differs, update) = match &change {
        Change::Read(read) => {
            (doc! { "read": { "$ne": read } }, doc! { "$set": { "read": read, "touch": touch } })
        }
        Change::Starred(starred) => (
            doc! { "starred": { "$ne": starred } },
            doc! { "$set": { "starred": starred, "touch": touch } },
        ),
        Change::Tag(tag) if tag_key(tag).is_empty() => return Ok(Vec::new()),
        Change::Tag(tag) => (
            doc! { "tags": { "$ne": tag_key(tag) } },
            doc! {
                "$push": { "tags": { "$each": [tag_key(tag)], "$sort": 1 } },
                "$set": { "touch": touch },
            },
        ),
        Change::Untag(tag) => (
            doc! { "tags": tag_key(tag) },
            doc! { "$pull": { "tags": tag_key(tag) }, "$set": { "touch": touch } },
        ),
    };
    let _alone = shared.changing.lock().await;
    let mut filter = these(&ids);
    filter.extend(differs);
    let found = look(&shared, filter.clone(), None).await?;
    if found.is_empty() {
        return Ok(Vec::new());
    }
    let objects: Vec<_> = found.iter().map(|message| message.id).collect();
    filter.insert("_id", doc! { "$in": objects });
    let changed = shared.there.messages.update_many(filter, update).await;
    let changed = changed.map_err(|error| shared.unsure(&error))?;
    if changed.modified_count != found.len() as u64 {
        shared.totals.mark_dirty();
    }
    let entries: Vec<_> = found.iter().map(Light::entry).collect();
    match &change {
        Change::Read(read) => shared.totals.marked(&entries, *read),
        Change::Starred(_) => shared.totals.touched(),
        Change::Tag(tag) | Change::Untag(tag) => {
            let has_it = matches!(change, Change::Tag(_));
            shared.totals.labelled(&entries, &label(Kind::Tag, &tag_key(tag)), has_it);
        }
    }
    Ok(found.iter().map(Light::id).collect())
}

/// Takes a piece out of a mailbox, and deletes what is in no other any more.
pub(super) async fn leave(
    shared: Arc<Shared>,
    ids: Vec<MessageId>,
    mailbox: String,
) -> Result<Left, Error> {
    let _alone = shared.changing.lock().await;
    let mut filter = these(&ids);
    filter.insert("mailboxes", &mailbox);
    let found = look(&shared, filter.clone(), None).await?;
    let (last, others): (Vec<_>, Vec<_>) =
        found.into_iter().partition(|message| message.mailboxes.len() == 1);
    let left = Left {
        ids: others.iter().map(Light::id).collect(),
        deleted: last.iter().map(Light::id).collect(),
    };
    if !others.is_empty() {
        let objects: Vec<_> = others.iter().map(|message| message.id).collect();
        filter.insert("_id", doc! { "$in": objects });
        let update = doc! {
            "$pull": { "mailboxes": &mailbox },
            "$set": { "touch": shared.touch() },
        };
        let changed = shared.there.messages.update_many(filter, update).await;
        let changed = changed.map_err(|error| shared.unsure(&error))?;
        if changed.modified_count != others.len() as u64 {
            shared.totals.mark_dirty();
        }
        let entries: Vec<_> = others.iter().map(Light::entry).collect();
        shared.totals.labelled(&entries, &label(Kind::Mailbox, &mailbox), false);
    }
    remove(&shared, last).await?;
    Ok(left)
}

/// Deletes a piece; how many were deleted.
pub(super) async fn delete(shared: Arc<Shared>, ids: Vec<MessageId>) -> Result<u64, Error> {
    let _alone = shared.changing.lock().await;
    let found = look(&shared, these(&ids), None).await?;
    remove(&shared, found).await
}

/// Deletes the oldest messages while they break a bound, at most a piece; how many were deleted.
pub(super) async fn prune(shared: Arc<Shared>, keep: RetentionLimits) -> Result<u64, Error> {
    let _alone = shared.changing.lock().await;
    shared.add_up().await?;
    let totals = totals::totals(&shared.there).await.map_err(|error| failed(&error))?;
    let (mut messages, mut bytes) = (totals.0.messages, totals.0.bytes);
    let stored = doc! { "state": { "$exists": true } };
    // Each by its own age: one that came while the clock was wrong must not keep what came after it.
    if let Some(from) = keep.received_from_ms {
        let mut old = stored.clone();
        old.insert("received", doc! { "$lt": DateTime::from_millis(from) });
        let old = look(&shared, old, Some(PIECE as i64)).await?;
        if !old.is_empty() {
            return remove(&shared, old).await;
        }
    }
    let mut oldest = look(&shared, stored, Some(PIECE as i64)).await?;
    let end = oldest.iter().position(|message| {
        let breaks = keep.messages.is_some_and(|most| messages > most)
            || keep.bytes.is_some_and(|most| bytes > most);
        messages = messages.saturating_sub(1);
        bytes = bytes.saturating_sub(u64::try_from(message.size).unwrap_or(0));
        !breaks
    });
    oldest.truncate(end.unwrap_or(oldest.len()));
    remove(&shared, oldest).await
}

async fn remove(shared: &Arc<Shared>, found: Vec<Light>) -> Result<u64, Error> {
    if found.is_empty() {
        return Ok(0);
    }
    let ids: Vec<_> = found.iter().map(|message| message.id).collect();
    shared.feed.deleted_here(found.iter().map(Light::id));
    let which = doc! { "_id": { "$in": ids } };
    let deleted = shared.there.messages.delete_many(which).await;
    let deleted = deleted.map_err(|error| shared.unsure(&error))?.deleted_count;
    if deleted != found.len() as u64 {
        shared.totals.mark_dirty();
    }
    let entries: Vec<_> = found.iter().map(Light::entry).collect();
    shared.totals.deleted(&entries);
    let files: Vec<_> = found.iter().filter_map(|message| message.file).collect();
    if !files.is_empty()
        && let Err(error) = bodies::doom(&shared.there, &files).await
    {
        log::warn!("large bodies of deleted messages are removed later: {error}");
    }
    Ok(deleted)
}

fn these(ids: &[MessageId]) -> Document {
    let ids: Vec<_> = ids.iter().map(|id| object(*id)).collect();
    doc! { "_id": { "$in": ids }, "state": { "$exists": true } }
}

/// Messages as they count, oldest first.
async fn look(shared: &Shared, filter: Document, limit: Option<i64>) -> Result<Vec<Light>, Error> {
    let projection = doc! { "read": 1, "size": 1, "mailboxes": 1, "tags": 1, "file": 1 };
    let messages = shared.there.messages.clone_with_type::<Light>();
    let mut find = messages.find(filter).projection(projection).sort(doc! { "_id": 1 });
    find = find.batch_size(PIECE as u32);
    if let Some(limit) = limit {
        find = find.limit(limit);
    }
    let mut found = find.await.map_err(|error| failed(&error))?;
    let mut list = Vec::new();
    while let Some(message) = found.try_next().await.map_err(|error| failed(&error))? {
        list.push(message);
    }
    Ok(list)
}

/// Messages that are changed together.
pub(super) const PIECE: usize = 1_000;
