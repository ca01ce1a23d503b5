//! Small values by key, apart from messages: documents of `meta`.

use mongodb::bson::{Binary, Document, doc, spec::BinarySubtype};
use smol::stream::StreamExt as _;

use super::{
    health::{DUPLICATE, code, failed},
    schema::Collections,
};
use crate::store::{Error, Note};

/// Sets or removes one.
pub(super) async fn set(
    there: &Collections,
    key: &str,
    value: Option<Vec<u8>>,
) -> mongodb::error::Result<()> {
    let this = doc! { "_id": name(key) };
    let Some(bytes) = value else { return there.meta.delete_one(this).await.map(drop) };
    let set = doc! { "$set": { "value": Binary { subtype: BinarySubtype::Generic, bytes } } };
    let set = || there.meta.update_one(this.clone(), set.clone()).upsert(true);
    match set().await {
        // Another instance made it in the same moment; now it is there.
        Err(error) if code(&error) == Some(DUPLICATE) => set().await.map(drop),
        done => done.map(drop),
    }
}

/// The value of a key.
pub(super) async fn get(there: &Collections, key: &str) -> Result<Option<Vec<u8>>, Error> {
    let found = there.meta.find_one(doc! { "_id": name(key) }).await;
    let found = found.map_err(|error| failed(&error))?;
    found.map(note).transpose().map(|note| note.map(|note| note.value))
}

/// Those whose keys begin like this, in their order.
pub(super) async fn list(
    there: &Collections,
    prefix: &str,
    after: Option<&str>,
    limit: usize,
) -> Result<Vec<Note>, Error> {
    let mut from = doc! { "$gte": name(prefix) };
    if let Some(after) = after {
        from.insert("$gt", name(after));
    }
    let found = there.meta.find(doc! { "_id": from }).sort(doc! { "_id": 1 });
    let mut found = found.await.map_err(|error| failed(&error))?;
    let mut notes = Vec::new();
    while notes.len() < limit
        && let Some(document) = found.try_next().await.map_err(|error| failed(&error))?
        && document.get_str("_id").is_ok_and(|id| id.starts_with(&name(prefix)))
    {
        notes.push(note(document)?);
    }
    Ok(notes)
}

fn note(mut document: Document) -> Result<Note, Error> {
    let id = document.get_str("_id").unwrap_or_default();
    let key = id.strip_prefix(PREFIX).unwrap_or_default().to_owned();
    match document.remove("value") {
        Some(mongodb::bson::Bson::Binary(value)) => Ok(Note { key, value: value.bytes }),
        _ => Err(Error::Damaged(format!("note {key}: its value is no binary"))),
    }
}

/// The id of the document of a key.
fn name(key: &str) -> String {
    format!("{PREFIX}{key}")
}

const PREFIX: &str = "note:";
