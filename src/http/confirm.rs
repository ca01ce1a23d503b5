//! The question before many messages are deleted.

use std::time::{SystemTime, UNIX_EPOCH};

use askama::Template;
use axum::{http::HeaderMap, response::Response};

use super::{
    access::Access,
    error::Error,
    layout::Layout,
    list_params::ListParams,
    page,
    parameters::Query,
    strings::{STRINGS, Strings, grouped},
    which::Which,
};
use crate::store::{self, Selection};

/// `GET /delete`: asks before everything that a list shows is deleted, and says how many messages that
/// are.
pub(super) async fn confirm(
    context: Access,
    Query(which): Query<Which>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let until_ms = now.as_millis();
    // What cannot be searched for cannot be deleted either, so say it before the question.
    let selection = which.selection()?;
    let asked =
        ListParams { q: which.q.clone(), mailbox: which.mailbox.clone(), ..ListParams::default() };
    let layout = Layout::new(&context, asked).await?;
    let count = match selection {
        Selection::Matching(filter) => {
            let (search, mailbox) = filter.into_parts();
            let limit = MOST_COUNTED as usize;
            let query = store::Query { search, mailbox, limit, ..store::Query::default() };
            context.mail.count(&context.scope, query).await?
        }
        Selection::All | Selection::Ids(_) => layout.counts.messages,
    };
    let strings = &STRINGS.layout;
    let messages = match count {
        MOST_COUNTED.. => strings.more_than.with(&grouped(MOST_COUNTED)),
        count => strings.messages.of(count),
    };
    let page =
        ConfirmPage { w: STRINGS, layout: &layout, which: &which, count, messages, until_ms };
    page::page(&headers, &page).await
}

#[derive(Template)]
#[template(path = "confirm.html")]
struct ConfirmPage<'a> {
    w: &'static Strings,
    layout: &'a Layout,
    which: &'a Which,
    /// How many messages will be deleted.
    count: u64,
    /// The same in words.
    messages: String,
    /// What comes later was not in the question, and is not deleted by the answer.
    until_ms: u128,
}

/// So many matches are counted: a page has to come soon, and beyond that the number frightens enough.
const MOST_COUNTED: u64 = 100_000;
