//! Searching: newest first, stopping as soon as a page is full. MongoDB finds what its indexes can tell
//! (see `plan`); what only the message can tell is asked of each in turn.

use std::{collections::HashMap, sync::Arc};

use mongodb::bson::{Document, doc, oid::ObjectId};
use smol::stream::StreamExt as _;

use super::{
    Shared, bodies,
    health::failed,
    plan::{Check, Plan},
    row::Found,
};
use crate::{
    id::MessageId,
    message::search,
    store::{Error, Raw, Record, matching},
};

/// Messages that match, newest first, at most `limit`.
pub(super) async fn find(
    shared: &Arc<Shared>,
    search: &search::Query,
    mailbox: Option<&str>,
    before: Option<MessageId>,
    limit: usize,
) -> Result<Vec<Record>, Error> {
    let plan = Plan::new(search, mailbox);
    let reads_each = plan.check == Check::Each && plan.reads_body;
    let projection = if reads_each { with_octets() } else { of_record() };
    let messages = shared.there.messages.clone_with_type::<Found>();
    let mut find = messages
        .find(filter(shared, &plan, before))
        .sort(doc! { "_id": -1 })
        .projection(projection)
        .max_time(super::READ_BOUND);
    if plan.check == Check::None {
        find = find.limit(i64::try_from(limit).unwrap_or(i64::MAX));
    }
    // With their bodies they are large; without a first page is one answer.
    find = find.batch_size(if reads_each { FEW } else { limit.clamp(1, MANY) as u32 });
    let mut found = find.await.map_err(|error| failed(&error))?;
    let mut records = Vec::new();
    while records.len() < limit
        && let Some(message) = found.try_next().await.map_err(|error| failed(&error))?
    {
        records.extend(check(shared, search, &plan, message).await?);
    }
    Ok(records)
}

/// What the server looks for.
pub(super) fn filter(shared: &Shared, plan: &Plan, before: Option<MessageId>) -> Document {
    let mut filter = plan.filter.clone();
    if let Some(before) = before {
        filter.insert("_id", doc! { "$lt": object(before) });
    }
    filter.insert("$nor", [shared.stored.beyond(shared.me)]);
    filter
}

/// The message if it really matches.
async fn check(
    shared: &Arc<Shared>,
    search: &search::Query,
    plan: &Plan,
    mut message: Found,
) -> Result<Option<Record>, Error> {
    let asked = match plan.check {
        Check::None => false,
        Check::Cut => message.is_cut(),
        Check::Each => true,
    };
    if !asked {
        return Ok(Some(message.into_record()));
    }
    let raw = match body(shared, plan, &mut message).await {
        // Deleted meanwhile.
        Ok(None) => return Ok(None),
        Ok(Some(raw)) => Ok(raw),
        Err(Error::Damaged(why)) => Err(why),
        Err(error) => return Err(error),
    };
    let (search, record) = (search.clone(), message.into_record());
    // Off the driver's thread: reading a message takes its time.
    smol::unblock(move || {
        let scan = |scanner: &mut _| {
            let raw = raw.map_err(Error::Damaged)?;
            matching::scan(&raw, scanner).map_err(|error| Error::from_io(&error))
        };
        let document = match matching::document(&record, search.asks_for_signs(), scan) {
            // It will not come back, and one lost body must not end every search.
            Err(Error::Damaged(why)) => {
                log::error!("message {}: its text cannot be searched: {why}", record.id);
                matching::bodiless(&record, search.asks_for_signs())
            }
            document => document?,
        };
        Ok(matching::holds(&search, &record, &document).then_some(record))
    })
    .await
}

/// What the check reads of a message; none if it is gone.
async fn body(
    shared: &Arc<Shared>,
    plan: &Plan,
    message: &mut Found,
) -> Result<Option<Raw>, Error> {
    if !plan.reads_body {
        // Its record has all that is asked for.
        return Ok(Some(Raw::Inline(Default::default())));
    }
    match message.take_raw()? {
        Some(raw) => Ok(Some(raw)),
        None => raw(shared, message.id()).await,
    }
}

/// The octets of a message.
pub(super) async fn raw(shared: &Arc<Shared>, id: MessageId) -> Result<Option<Raw>, Error> {
    let Some(mut message) = one(shared, id, with_octets()).await? else { return Ok(None) };
    if let Some(raw) = message.take_raw()? {
        return Ok(Some(raw));
    }
    Ok(Some(match message.file {
        Some(file) => bodies::read(shared, file, message.size(), message.crc()),
        None => return Err(Error::Damaged(format!("message {id}: it has no body"))),
    }))
}

/// A message without its body.
pub(super) async fn get(shared: Arc<Shared>, id: MessageId) -> Result<Option<Record>, Error> {
    Ok(one(&shared, id, of_record()).await?.map(Found::into_record))
}

/// Those of these messages that there are, in this order.
pub(super) async fn get_all(
    shared: Arc<Shared>,
    ids: Vec<MessageId>,
) -> Result<Vec<Record>, Error> {
    let objects: Vec<_> = ids.iter().map(|&id| object(id)).collect();
    let filter = doc! { "_id": { "$in": objects }, "state": { "$exists": true } };
    let messages = shared.there.messages.clone_with_type::<Found>();
    let mut found = messages.find(filter).projection(of_record()).await.map_err(|e| failed(&e))?;
    let mut records = HashMap::new();
    while let Some(one) = found.try_next().await.map_err(|error| failed(&error))? {
        let record = one.into_record();
        records.insert(record.id, record);
    }
    Ok(ids.iter().filter_map(|id| records.get(id).cloned()).collect())
}

async fn one(shared: &Shared, id: MessageId, projection: Document) -> Result<Option<Found>, Error> {
    let filter = doc! { "_id": object(id), "state": { "$exists": true } };
    let messages = shared.there.messages.clone_with_type::<Found>();
    let found = messages.find_one(filter).projection(projection).await;
    let found = found.map_err(|error| failed(&error))?;
    asked_for(id, found)
}

/// What was found, if it is what was asked for: an index that is damaged leads to somebody else's message.
fn asked_for(id: MessageId, found: Option<Found>) -> Result<Option<Found>, Error> {
    match found {
        Some(other) if other.id() != id => {
            let other = other.id();
            Err(Error::Damaged(format!("message {id}: message {other} stands in its place")))
        }
        found => Ok(found),
    }
}

/// The fields that make a record, and where its body is.
pub(super) fn of_record() -> Document {
    doc! {
        "received": 1, "size": 1, "state": 1, "read": 1, "starred": 1, "tags": 1, "mailboxes": 1,
        "envelope": 1, "summary": 1, "file": 1, "words": { "$slice": 1 },
    }
}

/// The same, and what the octets must be, with those that stand in the document.
pub(super) fn with_octets() -> Document {
    let mut fields = of_record();
    fields.extend(doc! { "raw": 1, "crc": 1 });
    fields
}

/// An id as the driver has it.
pub(super) fn object(id: MessageId) -> ObjectId {
    ObjectId::from_bytes(*id.as_bytes())
}

/// Messages that come in one answer of the server, with their bodies and without.
const FEW: u32 = 16;
const MANY: usize = 1_000;

#[cfg(test)]
mod tests {
    use mongodb::bson::{DateTime, deserialize_from_document};

    use super::*;

    #[test]
    fn who_is_found_for_another_is_not_shown() {
        let [ann, bob] = [*b"a twelve oct", *b"b twelve oct"].map(MessageId::from_bytes);
        let of_ann = doc! { "_id": object(ann), "received": DateTime::from_millis(0) };
        let found = || Some(deserialize_from_document::<Found>(of_ann.clone()).unwrap());
        assert_eq!(asked_for(ann, found()).unwrap().unwrap().id(), ann);
        assert!(asked_for(bob, found()).unwrap_err().to_string().contains("damaged"));
        assert!(asked_for(bob, None).unwrap().is_none());
    }
}
