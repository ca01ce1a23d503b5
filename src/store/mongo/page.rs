//! A page of a list.

use std::sync::Arc;

use super::{Shared, count::page_bound, find::find};
use crate::store::{Error, Page, Query};

/// The messages of a query, newest first.
pub(super) async fn page(shared: Arc<Shared>, query: Query) -> Result<Page, Error> {
    let limit = query.limit.saturating_add(1);
    let Some(before) = page_bound(&shared, &query).await? else {
        return Ok(Page { records: Vec::new(), more: false });
    };
    let mailbox = query.mailbox.as_deref();
    let mut records = find(&shared, &query.search, mailbox, before, limit).await?;
    let more = records.len() > query.limit;
    records.truncate(query.limit);
    Ok(Page { records, more })
}
