//! What was learnt of a message after it was stored: small texts by name, in its document.
//!
//! They stand in an array, because a name may have dots. One is exchanged in one update, so that several
//! instances may write at the same time.

use std::{collections::BTreeMap, sync::Arc};

use mongodb::bson::{Document, doc};
use serde::Deserialize;

use super::{Shared, find::object, health::failed};
use crate::{id::MessageId, store::Error};

/// Of a message what was learnt of it.
#[derive(Default, Deserialize)]
struct Annotated {
    #[serde(default)]
    annotations: Vec<Annotation>,
}

#[derive(Deserialize)]
struct Annotation {
    name: String,
    value: String,
}

/// Sets or removes one; true if that made a difference.
pub(super) async fn set(
    shared: Arc<Shared>,
    id: MessageId,
    name: String,
    value: Option<String>,
) -> Result<bool, Error> {
    let all = doc! { "$ifNull": ["$annotations", []] };
    // What looks like an expression is a text all the same.
    let is_other = doc! { "$ne": ["$$it.name", { "$literal": &name }] };
    let others = doc! { "$filter": { "input": all, "as": "it", "cond": is_other } };
    let mut filter = doc! { "_id": object(id), "state": { "$exists": true } };
    let annotations = match &value {
        Some(value) => {
            let same = doc! { "$elemMatch": { "name": &name, "value": value } };
            filter.insert("annotations", doc! { "$not": same });
            let this = doc! { "name": { "$literal": &name }, "value": { "$literal": value } };
            doc! { "$concatArrays": [others, [this]] }
        }
        None => {
            filter.insert("annotations.name", &name);
            others
        }
    };
    let touch = doc! { "$literal": shared.touch() };
    let update = vec![doc! { "$set": { "annotations": annotations, "touch": touch } }];
    let updated = shared.there.messages.update_one(filter, update).await;
    let is_changed = updated.map_err(|error| shared.health.failed(&error))?.modified_count == 1;
    if is_changed {
        shared.totals.touched();
    }
    Ok(is_changed)
}

/// All that a message has; none if there is no such message.
pub(super) async fn of(
    shared: Arc<Shared>,
    id: MessageId,
) -> Result<BTreeMap<String, String>, Error> {
    let filter: Document = doc! { "_id": object(id), "state": { "$exists": true } };
    let messages = shared.there.messages.clone_with_type::<Annotated>();
    let found = messages.find_one(filter).projection(doc! { "annotations": 1 }).await;
    let found = found.map_err(|error| failed(&error))?.unwrap_or_default();
    Ok(found.annotations.into_iter().map(|it| (it.name, it.value)).collect())
}
