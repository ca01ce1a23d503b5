//! Totals: of everything, of each mailbox and of each tag. Kept, not counted.
//!
//! What changes is summed up here and added to the documents of the totals a few times a second, all
//! sums in one command, so that taking in a message costs no write of its own for its mailbox. Whoever
//! asks for totals has this instance's sums added first, so he sees what he did; what other instances
//! sum up comes within [`super::maintenance::TICK`]. An instance that dies takes its last sums with it, and a
//! command whose answer got lost may or may not have counted: then the totals are marked as suspect, and
//! the elected instance counts anew in a moment in which nobody adds anything.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use mongodb::bson::{Bson, Document, doc};
use smol::stream::StreamExt as _;

use super::{
    health::{DUPLICATE, Health, failed},
    schema::Collections,
};
use crate::store::{Counts, Error, Mailbox};

/// What has changed and is not added yet.
#[derive(Debug, Default)]
pub(super) struct PendingTotals {
    sums: Mutex<Sums>,
    /// Changes of ours that were added. One adds at a time, so that who asks does not miss what another is
    /// about to add.
    added: tokio::sync::Mutex<i64>,
}

#[derive(Debug, Default)]
struct Sums {
    messages: i64,
    unread: i64,
    bytes: i64,
    /// By the id of the label's document.
    labels: HashMap<String, (i64, i64)>,
    /// Messages were changed or deleted, which an instance that polls cannot see.
    changes: i64,
    /// The totals may be wrong.
    is_dirty: bool,
}

/// A message as it counts.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) read: bool,
    pub(super) size: i64,
    /// Its labels, see [`label`].
    pub(super) labels: Vec<String>,
}

/// Mailboxes and tags are labels of two kinds.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Mailbox,
    Tag,
}

impl Kind {
    const fn prefix(self) -> &'static str {
        match self {
            Self::Mailbox => "m:",
            Self::Tag => "t:",
        }
    }
}

/// The id of the document of a label.
pub(super) fn label(kind: Kind, name: &str) -> String {
    format!("{}{name}", kind.prefix())
}

impl PendingTotals {
    /// Messages came.
    pub(super) fn stored<'a>(&self, entries: impl IntoIterator<Item = &'a Entry>) {
        let mut sums = self.sums();
        entries.into_iter().for_each(|entry| sums.count(entry, 1));
    }

    /// Messages went.
    pub(super) fn deleted<'a>(&self, entries: impl IntoIterator<Item = &'a Entry>) {
        let mut sums = self.sums();
        entries.into_iter().for_each(|entry| sums.count(entry, -1));
        sums.changes += 1;
    }

    /// Messages were marked read, or unread.
    pub(super) fn marked<'a>(&self, entries: impl IntoIterator<Item = &'a Entry>, read: bool) {
        let mut sums = self.sums();
        let more = if read { -1 } else { 1 };
        for entry in entries {
            sums.unread += more;
            for label in &entry.labels {
                sums.labels.entry(label.clone()).or_default().1 += more;
            }
        }
        sums.changes += 1;
    }

    /// Messages got a label, or lost it.
    pub(super) fn labelled<'a>(
        &self,
        entries: impl IntoIterator<Item = &'a Entry>,
        label: &str,
        has_it: bool,
    ) {
        let mut sums = self.sums();
        let more = if has_it { 1 } else { -1 };
        for entry in entries {
            let sum = sums.labels.entry(label.to_owned()).or_default();
            sum.0 += more;
            sum.1 += more * i64::from(!entry.read);
        }
        sums.changes += 1;
    }

    /// Something changed that does not count.
    pub(super) fn touched(&self) {
        self.sums().changes += 1;
    }

    /// Two did the same at the same time, and nobody knows who did which part of it.
    pub(super) fn mark_dirty(&self) {
        self.sums().is_dirty = true;
    }

    /// Adds what is not added yet.
    pub(super) async fn add(&self, there: &Collections, health: &Health) -> Result<(), Error> {
        let mut added = self.added.lock().await;
        let sums = std::mem::take(&mut *self.sums());
        if sums.is_empty() {
            return Ok(());
        }
        let changes = sums.changes;
        let guard = DirtyOnDrop(self);
        match add(there, sums).await {
            Ok(()) => {
                std::mem::forget(guard);
                *added += changes;
                Ok(())
            }
            Err(error) => Err(health.failed(&error)),
        }
    }

    /// Changes that others have added. Asks again if some of ours came between, which would pass for theirs;
    /// to hold the lock meanwhile would let a question that hangs keep us from adding.
    pub(super) async fn changes_of_others(
        &self,
        there: &Collections,
    ) -> mongodb::error::Result<i64> {
        loop {
            let before = *self.added.lock().await;
            let total = totals(there).await?.2.changes;
            if *self.added.lock().await == before {
                return Ok(total - before);
            }
        }
    }

    fn sums(&self) -> MutexGuard<'_, Sums> {
        // Nothing panics while the sums change.
        self.sums.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An addition that failed, or that nobody waited for, may have happened all the same.
struct DirtyOnDrop<'a>(&'a PendingTotals);

impl Drop for DirtyOnDrop<'_> {
    fn drop(&mut self) {
        self.0.mark_dirty();
    }
}

impl Sums {
    fn count(&mut self, entry: &Entry, times: i64) {
        let unread = if entry.read { 0 } else { times };
        self.messages += times;
        self.unread += unread;
        self.bytes += times * entry.size;
        for label in &entry.labels {
            let sum = self.labels.entry(label.clone()).or_default();
            sum.0 += times;
            sum.1 += unread;
        }
    }

    fn is_empty(&self) -> bool {
        let Self { messages, unread, bytes, labels, changes, is_dirty } = self;
        [messages, unread, bytes, changes] == [&0; 4] && labels.is_empty() && !is_dirty
    }
}

async fn add(there: &Collections, sums: Sums) -> mongodb::error::Result<()> {
    let mut update = doc! { "$inc": {
        "messages": sums.messages, "unread": sums.unread, "bytes": sums.bytes, "flushes": 1_i64,
        "changes": sums.changes,
    } };
    if sums.is_dirty {
        update.insert("$set", doc! { "suspect": true });
    }
    // First, so that who counts anew notices that labels are about to change.
    there.meta.update_one(doc! { "_id": "totals" }, update).upsert(true).await?;
    let fewer: Vec<_> =
        sums.labels.iter().filter(|(_, sum)| sum.0 < 0).map(|(label, _)| label.clone()).collect();
    let updates: Vec<_> = sums
        .labels
        .into_iter()
        .filter(|(_, sum)| *sum != (0, 0))
        .map(|(label, (messages, unread))| {
            let inc = doc! { "$inc": { "messages": messages, "unread": unread } };
            doc! { "q": { "_id": label }, "u": inc, "upsert": true }
        })
        .collect();
    for piece in updates.chunks(UPDATES) {
        // Two upserts of one label may collide, and the second is then to be done again.
        let mut left = piece.to_vec();
        while !left.is_empty() {
            let command = doc! {
                "update": there.labels.name(), "updates": left.clone(), "ordered": false,
                "writeConcern": { "w": "majority", "wtimeout": 4_000 },
            };
            let answer = there.db.run_command(command).await?;
            left = collided(&answer, left)?;
        }
    }
    for piece in fewer.chunks(UPDATES) {
        let empty = doc! { "_id": { "$in": piece }, "messages": 0 };
        there.labels.delete_many(empty).await?;
    }
    Ok(())
}

/// Those of the updates that collided with another and were not done.
fn collided(answer: &Document, updates: Vec<Document>) -> mongodb::error::Result<Vec<Document>> {
    if answer.contains_key("writeConcernError") {
        return Err(mongodb::error::Error::custom("totals: no majority in time".to_owned()));
    }
    let Ok(errors) = answer.get_array("writeErrors") else { return Ok(Vec::new()) };
    let mut again = Vec::new();
    for error in errors.iter().filter_map(Bson::as_document) {
        let index = error.get_i32("index").ok().and_then(|index| usize::try_from(index).ok());
        match (error.get_i32("code"), index.and_then(|index| updates.get(index))) {
            (Ok(DUPLICATE), Some(update)) => again.push(update.clone()),
            _ => return Err(mongodb::error::Error::custom(format!("totals: {error}"))),
        }
    }
    Ok(again)
}

/// The totals of everything, and whether they are suspect.
pub(super) async fn totals(there: &Collections) -> mongodb::error::Result<(Counts, bool, Totals)> {
    let found = there.meta.find_one(doc! { "_id": "totals" }).await?.unwrap_or_default();
    let signed = |name| found.get_i64(name).unwrap_or(0);
    let number = |name| u64::try_from(signed(name)).unwrap_or(0);
    let counts = Counts {
        messages: number("messages"),
        unread: number("unread"),
        bytes: number("bytes"),
        ..Counts::default()
    };
    let is_dirty = found.get_bool("suspect").unwrap_or(false);
    Ok((counts, is_dirty, Totals { flushes: signed("flushes"), changes: signed("changes") }))
}

/// How often something was added, and how many changes were among it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Totals {
    pub(super) flushes: i64,
    pub(super) changes: i64,
}

/// Mailboxes or tags, sorted by name.
pub(super) async fn labels(
    there: &Collections,
    kind: Kind,
    after: Option<String>,
    limit: usize,
) -> Result<Vec<Mailbox>, Error> {
    if limit == 0 {
        return Ok(Vec::new());
    }
    let prefix = kind.prefix();
    let mut range = doc! { "$lt": format!("{prefix}\u{10ffff}") };
    match after {
        Some(name) => range.insert("$gt", label(kind, &name)),
        None => range.insert("$gte", prefix),
    };
    let filter = doc! { "_id": range, "messages": { "$gt": 0 } };
    let found = there
        .labels
        .find(filter)
        .sort(doc! { "_id": 1 })
        .limit(i64::try_from(limit).unwrap_or(i64::MAX))
        .await;
    let mut found = found.map_err(|error| failed(&error))?;
    let mut list = Vec::new();
    while let Some(document) = found.try_next().await.map_err(|error| failed(&error))? {
        let number = |name| u64::try_from(document.get_i64(name).unwrap_or(0)).unwrap_or(0);
        let name = document.get_str("_id").ok().and_then(|id| id.strip_prefix(prefix));
        list.push(Mailbox {
            name: name.unwrap_or_default().to_owned(),
            messages: number("messages"),
            unread: number("unread"),
        });
    }
    Ok(list)
}

/// Messages of a label, and how many of them are not read.
pub(super) async fn of_label(
    there: &Collections,
    kind: Kind,
    name: &str,
) -> Result<(u64, u64), Error> {
    let found = there.labels.find_one(doc! { "_id": label(kind, name) }).await;
    let found = found.map_err(|error| failed(&error))?.unwrap_or_default();
    let number = |name| u64::try_from(found.get_i64(name).unwrap_or(0)).unwrap_or(0);
    Ok((number("messages"), number("unread")))
}

/// Counts everything anew; false if somebody added something meanwhile, so that it was for nothing.
pub(super) async fn recount(there: &Collections) -> mongodb::error::Result<bool> {
    // Whatever happens from here on, it is begun again unless it comes to its end.
    let mark_dirty = doc! { "$set": { "suspect": true } };
    there.meta.update_one(doc! { "_id": "totals" }, mark_dirty).await?;
    let (_, _, Totals { flushes, .. }) = totals(there).await?;
    let stored = doc! { "$match": { "state": { "$exists": true } } };
    let unread = doc! { "$sum": { "$cond": ["$read", 0_i64, 1_i64] } };
    let all = doc! { "$group": {
        "_id": null, "messages": { "$sum": 1_i64 }, "unread": unread.clone(),
        "bytes": { "$sum": "$size" },
    } };
    let mut sums = there.messages.aggregate([stored.clone(), all]).await?;
    let sums = sums.try_next().await?.unwrap_or_default();
    let count = mongodb::bson::oid::ObjectId::new();
    let prefixed = |kind: Kind, list: &str| {
        let field = doc! { "$ifNull": [format!("${list}"), []] };
        let name = doc! { "$concat": [kind.prefix(), "$$name"] };
        doc! { "$map": { "input": field, "as": "name", "in": name } }
    };
    let names = doc! { "$concatArrays": [
        prefixed(Kind::Mailbox, "mailboxes"), prefixed(Kind::Tag, "tags"),
    ] };
    let labels = [
        stored,
        doc! { "$project": { "read": 1, "label": names } },
        doc! { "$unwind": "$label" },
        doc! { "$group": { "_id": "$label", "messages": { "$sum": 1_i64 }, "unread": unread } },
        doc! { "$set": { "count": count } },
        doc! { "$merge": { "into": there.labels.name(), "whenMatched": "replace" } },
    ];
    let mut written = there.messages.aggregate(labels).allow_disk_use(true).await?;
    while written.try_next().await?.is_some() {}
    // A message may have been counted here whose sums some instance still has to add: then it does so
    // before this is over, and this was for nothing.
    tokio::time::sleep(ADDED_WITHIN).await;
    if totals(there).await?.2.flushes != flushes {
        return Ok(false);
    }
    there.labels.delete_many(doc! { "count": { "$ne": count } }).await?;
    let number = |name| match sums.get(name) {
        Some(Bson::Int32(number)) => i64::from(*number),
        Some(Bson::Int64(number)) => *number,
        _ => 0,
    };
    let right = doc! {
        "$set": {
            "messages": number("messages"), "unread": number("unread"), "bytes": number("bytes"),
        },
        "$unset": { "suspect": "" },
    };
    // If somebody added something in the last moment, the totals stay suspect.
    let set = there.meta.update_one(doc! { "_id": "totals", "flushes": flushes }, right).await?;
    Ok(set.matched_count == 1)
}

/// Sums are added within this time, by instances that live: some [`super::maintenance::TICK`]s.
pub(super) const ADDED_WITHIN: Duration = Duration::from_millis(1_500);
/// Updates in one command.
const UPDATES: usize = 1_000;
