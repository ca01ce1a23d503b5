//! How many messages match, and where a page begins that passes some over.

use std::sync::Arc;

use mongodb::bson::doc;
use smol::stream::StreamExt as _;

use super::{
    READ_BOUND, Shared,
    find::{filter, find},
    health::failed,
    plan::{Check, Plan},
    totals::{self, Kind},
};
use crate::{
    id::MessageId,
    store::{
        Error, Query,
        kept::{Kept, Of},
    },
};

/// How many messages a page would have.
pub(super) async fn count(shared: Arc<Shared>, query: Query) -> Result<u64, Error> {
    if let Some(kept) = Kept::new(&query) {
        shared.add_up().await?;
        let totals = match &kept.of {
            Of::All => {
                let totals = totals::totals(&shared.there).await.map_err(|error| failed(&error))?;
                (totals.0.messages, totals.0.unread)
            }
            Of::Mailbox(name) => totals::of_label(&shared.there, Kind::Mailbox, name).await?,
            Of::Tag(name) => totals::of_label(&shared.there, Kind::Tag, name).await?,
        };
        return Ok(query.of(kept.count(totals.0, totals.1)));
    }
    if query.limit == 0 {
        return Ok(0);
    }
    let plan = Plan::new(&query.search, query.mailbox.as_deref());
    if plan.check == Check::None {
        let number = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        let messages = &shared.there.messages;
        let count = messages.count_documents(filter(&shared, &plan, query.before));
        let count = count.skip(number(query.skip)).max_time(READ_BOUND);
        // The server counts with signed numbers.
        let count = match i32::try_from(query.limit) {
            Ok(_) => count.limit(number(query.limit)),
            Err(_) => count,
        };
        return count.await.map_err(|error| failed(&error));
    }
    let Some(before) = pass_over(&shared, &query, query.skip, query.before).await?.1 else {
        return Ok(0);
    };
    Ok(pass_over(&shared, &query, query.limit, before).await?.0 as u64)
}

/// The message below which a page begins, if it is not all; nothing if there is nothing left to be on it.
pub(super) async fn page_bound(
    shared: &Arc<Shared>,
    query: &Query,
) -> Result<Option<Option<MessageId>>, Error> {
    let plan = Plan::new(&query.search, query.mailbox.as_deref());
    if query.skip == 0 || plan.check != Check::None {
        return Ok(pass_over(shared, query, query.skip, query.before).await?.1);
    }
    let behind = shared.there.messages.find(filter(shared, &plan, query.before));
    let behind = behind.sort(doc! { "_id": -1 }).projection(doc! { "_id": 1 });
    let behind = behind.skip(query.skip as u64 - 1).limit(1).max_time(READ_BOUND);
    let mut found = behind.await.map_err(|error| failed(&error))?;
    let last = found.try_next().await.map_err(|error| failed(&error))?;
    let id = last.and_then(|last| last.get_object_id("_id").ok());
    Ok(id.map(|id| Some(MessageId::from_bytes(id.bytes()))))
}

/// Goes past so many matches that each have to be read, in pieces. Returns how many there were, and the message
/// behind which to go on unless they were fewer.
async fn pass_over(
    shared: &Arc<Shared>,
    query: &Query,
    most: usize,
    mut before: Option<MessageId>,
) -> Result<(usize, Option<Option<MessageId>>), Error> {
    let mut passed = 0;
    while passed < most {
        let piece = PIECE.min(most - passed);
        let mailbox = query.mailbox.as_deref();
        let found = find(shared, &query.search, mailbox, before, piece).await?;
        let Some(last) = found.last() else { return Ok((passed, None)) };
        passed += found.len();
        before = Some(last.id);
    }
    Ok((passed, Some(before)))
}

/// Matches that are held at a time.
const PIECE: usize = 1_000;
