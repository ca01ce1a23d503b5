//! What goes on beside the messages: adding up totals, finding out whether MongoDB is back, and, for the
//! one instance that is elected, sweeping up and counting anew.
//!
//! The lease is a document with an end; who holds it makes it longer, and when it has ended anyone may
//! take it. All times are the server's, so that clocks that differ elect nobody twice.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use mongodb::bson::{DateTime, doc, oid::ObjectId};
use tokio::time::{sleep, timeout};

use super::{
    Shared, bodies, commit,
    health::{DUPLICATE, code},
    schema::{Collections, NEVER, instance},
    totals,
};
use crate::store::{Error, RetentionLimits};

/// Tends until the runtime ends.
pub(super) async fn run(shared: Arc<Shared>) {
    loop {
        sleep(TICK).await;
        shared.feed.catch_up();
        if shared.health.is_away() {
            reconnect(&shared).await;
        } else {
            let _ = shared.add_up().await;
        }
    }
}

/// Does now and then what may take long, until the runtime ends.
pub(super) async fn run_periodic(shared: Arc<Shared>) {
    loop {
        if !shared.health.is_away()
            && let Ok(Err(error)) = timeout(PERIODIC_BOUND, periodic(&shared)).await
        {
            shared.health.failed(&error);
            log::debug!("chores: {}", error.kind);
        }
        sleep(PERIOD).await;
    }
}

/// Asks whether it is back. Nothing is stored before all is made good that was left in doubt.
async fn reconnect(shared: &Shared) {
    let again = async {
        if shared.topology.get().is_none() {
            let found = shared.there.set_up(shared.indexed).await.map_err(|e| e.to_string())?;
            let _ = shared.topology.set(found);
        }
        // A primary that lost its majority still answers, but does not write this.
        let seen = seen(&shared.there, shared.me).await;
        seen.map_err(|error| error.to_string())?;
        commit::resolve(shared).await
    };
    match timeout(RECONNECT_BOUND, again).await {
        Ok(Ok(())) => shared.health.came_back(),
        Ok(Err(why)) => shared.health.went(&why),
        Err(_late) => {}
    }
}

async fn periodic(shared: &Arc<Shared>) -> mongodb::error::Result<()> {
    seen(&shared.there, shared.me).await?;
    let stats = shared.there.db.run_command(doc! { "dbStats": 1 }).await?;
    let total = match stats.get("totalSize") {
        Some(mongodb::bson::Bson::Double(octets)) => *octets as u64,
        Some(mongodb::bson::Bson::Int64(octets)) => u64::try_from(*octets).unwrap_or(0),
        Some(mongodb::bson::Bson::Int32(octets)) => u64::try_from(*octets).unwrap_or(0),
        _ => 0,
    };
    shared.disk_bytes.store(total, Ordering::Relaxed);
    if !acquire_lease(&shared.there, shared.me).await? {
        return Ok(());
    }
    forget_the_dead(&shared.there).await?;
    bodies::sweep(&shared.there, DateTime::now()).await?;
    let drift = drift(shared).await?;
    let drifted = drift.is_some_and(|drift| drift != shared.drift.load(Ordering::Relaxed));
    if drifted || totals::totals(&shared.there).await?.1 {
        let _alone = shared.changing.lock().await;
        if totals::recount(&shared.there).await? {
            log::info!("totals counted anew");
            // What still differs is no drift: documents that are no messages, and the server's own error.
            let rest = self::drift(shared).await?.unwrap_or(0);
            shared.drift.store(rest, Ordering::Relaxed);
        } else {
            log::debug!("totals are counted anew in a quieter moment");
        }
    }
    Ok(())
}

/// How many documents there are more than messages in the totals; none if somebody is adding. The server
/// knows its number without counting. It differs when the server deleted by itself.
async fn drift(shared: &Shared) -> mongodb::error::Result<Option<i64>> {
    let there = &shared.there;
    let (before, _, flushes) = totals::totals(there).await?;
    let documents = there.messages.estimated_document_count().await?;
    // Whoever has something to add to what was seen adds it meanwhile.
    sleep(totals::ADDED_WITHIN).await;
    if totals::totals(there).await?.2 != flushes {
        return Ok(None);
    }
    let signed = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    Ok(Some(signed(documents) - signed(before.messages)))
}

/// This instance lives.
pub(super) async fn seen(there: &Collections, me: ObjectId) -> mongodb::error::Result<()> {
    let now = vec![doc! { "$set": { "seen": "$$NOW" } }];
    there.meta.update_one(doc! { "_id": instance(me) }, now).upsert(true).await.map(drop)
}

/// Those that were not seen for a while ended without a word, and with sums that nobody knows.
async fn forget_the_dead(there: &Collections) -> mongodb::error::Result<()> {
    let long_ago = doc! { "$lt": ["$seen", { "$subtract": ["$$NOW", DEAD_AFTER_MS] }] };
    let filter = doc! { "_id": { "$regex": "^instance:" }, "$expr": long_ago };
    if there.meta.count_documents(filter.clone()).await? > 0 {
        let mark_dirty = doc! { "$set": { "suspect": true } };
        there.meta.update_one(doc! { "_id": "totals" }, mark_dirty).await?;
        there.meta.delete_many(filter).await?;
    }
    Ok(())
}

/// True if this instance is the elected one, from now on for [`LEASE_MS`].
pub(super) async fn acquire_lease(
    there: &Collections,
    me: ObjectId,
) -> mongodb::error::Result<bool> {
    let free = doc! { "$expr": { "$lt": ["$until", "$$NOW"] } };
    let filter = doc! { "_id": "lease", "$or": [{ "holder": me }, free] };
    let until = doc! { "$add": ["$$NOW", LEASE_MS] };
    let take = vec![doc! { "$set": { "holder": me, "until": until } }];
    if there.meta.update_one(filter.clone(), take.clone()).await?.matched_count == 1 {
        return Ok(true);
    }
    let first = doc! { "_id": "lease", "holder": me, "until": DateTime::from_millis(0) };
    match there.meta.insert_one(first).await {
        Ok(_) => Ok(there.meta.update_one(filter, take).await?.matched_count == 1),
        // It is there, and somebody else holds it.
        Err(error) if code(&error) == Some(DUPLICATE) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Has the server itself delete what is too old, an hour after the elected instance should have done it:
/// in order, with its totals and its body. So old mail goes even when no smtpd is running.
pub(super) async fn expire(shared: &Shared, keep: &RetentionLimits) -> Result<(), Error> {
    let now = DateTime::now().timestamp_millis();
    let age =
        keep.received_from_ms.map(|from| now.saturating_sub(from).max(0) / 1_000 + LATE_SECONDS);
    let age = age.unwrap_or(i64::MAX).min(NEVER.as_secs() as i64);
    // The age that is asked for comes out of a clock and varies by a second.
    let before = shared.expires.load(Ordering::Relaxed);
    if (before - age).abs() < 60 {
        return Ok(());
    }
    let command = doc! {
        "collMod": shared.there.messages.name(),
        "index": { "keyPattern": { "received": 1 }, "expireAfterSeconds": age },
    };
    let changed = shared.there.db.run_command(command).await;
    changed.map_err(|error| shared.health.failed(&error))?;
    shared.expires.store(age, Ordering::Relaxed);
    Ok(())
}

/// Ends without leaving anything to others.
pub(super) async fn deregister(shared: &Arc<Shared>) -> Result<(), Error> {
    shared.add_up().await?;
    let there = &shared.there;
    let both = async {
        there.meta.delete_one(doc! { "_id": instance(shared.me) }).await?;
        there.meta.delete_one(doc! { "_id": "lease", "holder": shared.me }).await
    };
    both.await.map(drop).map_err(|error| shared.health.failed(&error))
}

/// How often totals are added up, and how often it is asked whether MongoDB is back.
pub(super) const TICK: Duration = Duration::from_millis(250);
/// How often the rest is done,
const PERIOD: Duration = Duration::from_secs(10);
/// and how long it takes at most.
const PERIODIC_BOUND: Duration = Duration::from_secs(300);
/// Longest look whether it is back.
const RECONNECT_BOUND: Duration = Duration::from_secs(5);
/// How long the elected instance is elected without a word.
const LEASE_MS: i64 = 45_000;
/// An instance that was not seen for so long has ended.
pub(super) const DEAD_AFTER_MS: i64 = 60_000;
/// How long after the elected instance the server deletes.
const LATE_SECONDS: i64 = 3_600;
