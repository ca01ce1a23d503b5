//! Messages in the order in which one instance took them in.
//!
//! Ids of several instances interleave, so a cursor over all of them would miss what comes in below it. Those of
//! one instance become durable in their order. What another instance took in can be read here once that one is
//! gone: of one that lives nobody else knows how far its order is complete.

use std::sync::Arc;

use mongodb::bson::{Document, doc, oid::ObjectId};
use smol::stream::StreamExt as _;

use super::{
    Shared,
    find::{object, of_record},
    health::failed,
    maintenance::DEAD_AFTER_MS,
    row::Found,
    schema::instance,
};
use crate::{
    id::MessageId,
    store::{Batch, Cursor, Error},
};

/// Behind a message, or where one might be, in the order of an instance.
#[derive(Clone, Copy)]
struct Place {
    by: ObjectId,
    id: MessageId,
}

impl Place {
    fn read(cursor: &Cursor) -> Result<Self, Error> {
        let (by, id) = cursor.parts()?;
        let by = ObjectId::parse_str(by).map_err(|_| cursor.foreign())?;
        Ok(Self { by, id: id.parse().map_err(|_| cursor.foreign())? })
    }

    fn cursor(self) -> Cursor {
        Cursor::new(&self.by.to_hex(), self.id)
    }
}

/// Messages behind a place, oldest first. One call looks at [`LOOKED_AT`] messages at most, whoever took them in.
pub(super) async fn after(
    shared: Arc<Shared>,
    cursor: Option<Cursor>,
    limit: usize,
) -> Result<Batch, Error> {
    let mut place = match &cursor {
        None => Place { by: shared.me, id: LOWEST },
        Some(cursor) => Place::read(cursor)?,
    };
    let is_own = place.by == shared.me;
    let upper = match is_own {
        true => shared.stored.settled(),
        false if lives(&shared, place.by).await? => None,
        false => Some(HIGHEST),
    };
    // Nothing is complete yet.
    let Some(upper) = upper.filter(|upper| *upper > place.id) else {
        return Ok(Batch { records: Vec::new(), next: Some(place.cursor()), more: false });
    };
    let horizon = horizon(&shared, place.id).await?.filter(|horizon| *horizon < upper);
    let range = doc! { "$gt": object(place.id), "$lte": object(horizon.unwrap_or(upper)) };
    let filter = doc! { "_id": range, "by": place.by, "state": { "$exists": true } };
    let ask = i64::try_from(limit.saturating_add(1)).unwrap_or(i64::MAX);
    let messages = shared.there.messages.clone_with_type::<Found>();
    let found = messages.find(filter).sort(doc! { "_id": 1 }).projection(of_record()).limit(ask);
    let mut found = found.await.map_err(|error| failed(&error))?;
    let mut records = Vec::new();
    while let Some(message) = found.try_next().await.map_err(|error| failed(&error))? {
        records.push(message.into_record());
    }
    let is_full = records.len() > limit;
    records.truncate(limit);
    place.id = match (records.last(), horizon) {
        (Some(last), _) if is_full => last.id,
        (_, Some(horizon)) if !is_full => horizon,
        (last, _) => last.map_or(place.id, |last| last.id),
    };
    let more = is_full || horizon.is_some();
    let next = (is_own || more).then(|| place.cursor());
    Ok(Batch { records, next, more })
}

/// The place behind all that this instance has stored.
pub(super) fn end(shared: &Shared) -> Cursor {
    Place { by: shared.me, id: shared.stored.settled().unwrap_or(LOWEST) }.cursor()
}

/// True of an instance that was seen lately. One that is not seen any more stores nothing.
async fn lives(shared: &Shared, by: ObjectId) -> Result<bool, Error> {
    let lately = doc! { "$gte": ["$seen", { "$subtract": ["$$NOW", DEAD_AFTER_MS] }] };
    let filter = doc! { "_id": instance(by), "$expr": lately };
    let found = shared.there.meta.find_one(filter).await;
    found.map(|found| found.is_some()).map_err(|error| failed(&error))
}

/// The last of so many messages behind an id, if there are as many; the index alone tells.
async fn horizon(shared: &Shared, above: MessageId) -> Result<Option<MessageId>, Error> {
    let messages = shared.there.messages.clone_with_type::<Document>();
    let find = messages.find(doc! { "_id": { "$gt": object(above) } }).sort(doc! { "_id": 1 });
    let find = find.projection(doc! { "_id": 1 }).skip(LOOKED_AT - 1).limit(1);
    let mut found = find.await.map_err(|error| failed(&error))?;
    let last = found.try_next().await.map_err(|error| failed(&error))?;
    let id = last.and_then(|last| last.get_object_id("_id").ok());
    Ok(id.map(|id| MessageId::from_bytes(id.bytes())))
}

/// Messages that one call looks at.
const LOOKED_AT: u64 = 10_000;
const LOWEST: MessageId = MessageId::from_bytes([0; 12]);
const HIGHEST: MessageId = MessageId::from_bytes([255; 12]);
