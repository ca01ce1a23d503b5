//! `smtpd check` of a store in MongoDB: is everything that was acknowledged there, octet for octet?
//!
//! It looks beside any number of instances and is none of them: nothing is made, and nothing is changed.
//! What is deleted while it looks is no fault.

use std::sync::Arc;

use mongodb::bson::{Document, deserialize_from_document, doc, oid::ObjectId};
use smol::stream::StreamExt as _;

use super::{bodies, find, health::failed, row::Found, runtime::Runtime, schema::Collections};
use crate::store::{CheckReport, Error, Options};

/// Looks at everything. An error means that it could not look at all. Blocks.
pub(in crate::store) fn check(options: &Options) -> Result<CheckReport, Error> {
    let runtime = Runtime::start()?;
    let there = options.mongodb.clone();
    let checked = smol::block_on(runtime.ask(async move {
        let there = Arc::new(Collections::new(&there).await?);
        there.look().await?;
        all(&there).await
    }));
    runtime.stop();
    checked
}

async fn all(there: &Collections) -> Result<CheckReport, Error> {
    let told = |error: mongodb::error::Error| failed(&error);
    let mut checked = CheckReport::default();
    let filter = doc! { "state": { "$exists": true } };
    let find = there.messages.find(filter).projection(find::with_octets()).sort(doc! { "_id": 1 });
    let mut found = find.batch_size(FEW).await.map_err(told)?;
    while let Some(document) = found.try_next().await.map_err(told)? {
        let id = document.get_object_id("_id").map(ObjectId::to_hex).unwrap_or_default();
        let fault = match deserialize_from_document::<Found>(document) {
            Ok(message) => {
                checked.messages += 1;
                checked.bytes += message.size();
                fault(there, message).await.map_err(told)?
            }
            Err(error) => Some(format!("it cannot be read: {error}")),
        };
        if let Some(fault) = fault
            && is_there(there, &id).await.map_err(told)?
        {
            checked.tell(format!("message {id}: {fault}"));
        }
    }
    Ok(checked)
}

/// What is wrong with the octets of a message; nothing if they are as they were received.
async fn fault(there: &Collections, message: Found) -> mongodb::error::Result<Option<String>> {
    if message.has_raw() {
        return Ok(message.raw_fault());
    }
    let Some(file) = message.file else { return Ok(Some("it has no body".into())) };
    let (length, crc) = bodies::sum(there, file, message.size()).await?;
    Ok(message.fault(length, crc).map(|fault| format!("body {file}: {fault}")))
}

/// True if the message is still there.
async fn is_there(there: &Collections, id: &str) -> mongodb::error::Result<bool> {
    let Ok(id) = ObjectId::parse_str(id) else { return Ok(true) };
    let found: Option<Document> = there.messages.find_one(doc! { "_id": id }).await?;
    Ok(found.is_some())
}

/// Messages that come in one answer of the server, with those bodies that stand in them.
const FEW: u32 = 16;
