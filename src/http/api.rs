//! `/api/messages`: the list and its messages as JSON, for tests and scripts.
//!
//! What they look like is in `mail::json`. `/api/v1` is kept free for programs that speak another
//! catcher's dialect.

use std::time::{Duration, Instant};

use axum::{
    extract::{Path, Request},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use smol::{Timer, future::FutureExt as _};

use super::{
    access::{Access, message_id},
    actions::check_tags,
    body,
    error::Error,
    leaves,
    list_params::ListParams,
    message, page,
    parameters::{Pairs, Parameters, Query},
    strings::STRINGS,
    which::Which,
};
use crate::{
    id::{MessageId, NotAnId},
    mail::json::{Message, Whole},
    store::{self, Change, Page, Record, Selection},
};

/// `GET /api/messages?q=&mailbox=&before=&limit=&wait=`
///
/// With `wait`, an empty answer is held back so many seconds for the first message that matches: a
/// test asks once instead of again and again.
pub(super) async fn list(
    context: Access,
    Query(asked): Query<ApiListParams>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let page = found(&context, asked.list.query(asked.limit)?, Instant::now() + asked.wait).await?;
    let next = page.records.last().filter(|_| page.more).map(|record| record.id.to_string());
    page::json(&headers, &List { messages: page.records.iter().map(Message::new).collect(), next })
        .await
}

/// `DELETE /api/messages`: those named in the body as `{"ids": […]}`, those that `q` and `mailbox`
/// match, or with `all=1` all.
pub(super) async fn delete_many(
    context: Access,
    Query(which): Query<Which>,
    headers: HeaderMap,
    request: Request,
) -> Result<Response, Error> {
    let octets = body::collect(&context, request).await?;
    let which = if octets.is_empty() {
        which.selection()?
    } else if which.all || !which.is_silent() {
        return Err(Error::bad_request(STRINGS.errors.ids_and_more));
    } else {
        let Ids { ids } = parse(&octets)?;
        let ids = ids.iter().map(|id| id.parse::<MessageId>());
        let bad = |error: NotAnId| Error::bad_request(error.to_string());
        Selection::Ids(ids.collect::<Result<_, _>>().map_err(bad)?)
    };
    page::json(&headers, &Deleted { deleted: context.mail.delete(&context.scope, which).await? })
        .await
}

/// `GET /api/messages/{id}`, with its fields, texts and parts. Reading by a program does not mark it
/// read.
pub(super) async fn one(
    context: Access,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let loaded = context.load(&id).await?;
    let letter = loaded.letter();
    let mut whole = Whole::new(&loaded, &letter);
    whole.text = leaves::plain(&loaded, &letter).await?.map(|excerpt| excerpt.text);
    whole.html = leaves::html(&loaded, &letter).await?.map(|excerpt| excerpt.text);
    whole.add_links(message::links(&loaded).await?);
    whole.add_codes(message::found_codes(&loaded));
    page::json(&headers, &whole).await
}

/// `PATCH /api/messages/{id}`: what the body names is set, the rest stays.
pub(super) async fn patch(
    context: Access,
    Path(id): Path<String>,
    headers: HeaderMap,
    request: Request,
) -> Result<Response, Error> {
    let patch: Patch = parse(&body::collect(&context, request).await?)?;
    if matches!(patch, Patch { read: None, starred: None, tags: None }) {
        return Err(Error::bad_request(STRINGS.errors.no_change));
    }
    let record = context.record(&id).await?;
    let changes = patch.changes(&record);
    check_tags(&context, &changes).await?;
    for change in changes {
        context.mail.change(&context.scope, Selection::Ids(vec![record.id]), change).await?;
    }
    page::json(&headers, &Message::new(&context.record(&id).await?)).await
}

/// `DELETE /api/messages/{id}`
pub(super) async fn delete(context: Access, Path(id): Path<String>) -> Result<Response, Error> {
    let id = message_id(&id)?;
    match context.mail.delete(&context.scope, Selection::Ids(vec![id])).await? {
        0 => Err(Error::no_message()),
        _ => Ok(StatusCode::NO_CONTENT.into_response()),
    }
}

/// Which list, how much of it, and how long to wait for the first of it.
pub(super) struct ApiListParams {
    list: ListParams,
    limit: usize,
    wait: Duration,
}

impl Parameters for ApiListParams {
    fn take(pairs: &mut Pairs) -> Result<Self, Error> {
        let list = ListParams::take_whole(pairs)?;
        let limit = pairs.number("limit", 1)?.map_or(FEW, |limit| limit.min(MANY as u64) as usize);
        let wait = pairs.number("wait", 0)?.unwrap_or(0).min(LONGEST_WAIT);
        Ok(Self { list, limit, wait: Duration::from_secs(wait) })
    }
}

/// A page, waiting for its first message until the deadline while it is empty.
async fn found(context: &Access, query: store::Query, deadline: Instant) -> Result<Page, Error> {
    // Subscribed before looking, so that what comes in between is heard.
    let mut events = context.mail.watch(&context.scope, None);
    loop {
        let page = context.mail.list(&context.scope, query.clone()).await?;
        if !page.records.is_empty() || Instant::now() >= deadline {
            return Ok(page);
        }
        let happened = async {
            events.next(EVENTS_AT_ONCE).await;
            true
        };
        let over = async {
            Timer::at(deadline).await;
            false
        };
        let ended = async {
            context.shutdown.begun().await;
            false
        };
        if !happened.or(over).or(ended).await {
            return Ok(page);
        }
    }
}

#[derive(Serialize)]
struct List<'a> {
    messages: Vec<Message<'a>>,
    /// The value of `before` for the next page.
    next: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Ids {
    ids: Vec<String>,
}

#[derive(Serialize)]
struct Deleted {
    deleted: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Patch {
    read: Option<bool>,
    starred: Option<bool>,
    tags: Option<Vec<String>>,
}

impl Patch {
    /// What has to change; `tags` names all that the message is to have.
    fn changes(self, record: &Record) -> Vec<Change> {
        let tags = self.tags.as_ref();
        let gone = |tag: &&String| tags.is_some_and(|tags| !tags.contains(tag));
        let gone = record.tags.iter().filter(gone).cloned().map(Change::Untag);
        let wanted = tags.into_iter().flatten().filter(|tag| !record.tags.contains(tag));
        let marks = self.read.map(Change::Read).into_iter();
        let marks = marks.chain(self.starred.map(Change::Starred));
        marks.chain(gone).chain(wanted.cloned().map(Change::Tag)).collect()
    }
}

fn parse<'a, T: Deserialize<'a>>(octets: &'a [u8]) -> Result<T, Error> {
    // An array would be taken for the values of the fields in their order.
    if octets.trim_ascii_start().first() != Some(&b'{') {
        return Err(Error::bad_request(STRINGS.errors.no_object));
    }
    serde_json::from_slice(octets)
        .map_err(|error| Error::bad_request(format!("The JSON cannot be read: {error}.")))
}

/// Messages in an answer if no limit is given, and at most.
const FEW: usize = 50;
const MANY: usize = 500;

/// Longest wait in seconds, below the minute after which proxies give up a silent connection.
const LONGEST_WAIT: u64 = 55;

/// Events taken off the bus at once; here only that they came matters.
const EVENTS_AT_ONCE: usize = 1_000;

#[cfg(test)]
mod tests {
    use super::{super::parameters::read, *};

    #[test]
    fn nobody_waits_for_ever() {
        let wait = |query: &str| read::<ApiListParams>(query.as_bytes()).unwrap().wait.as_secs();
        assert_eq!((wait(""), wait("wait=7"), wait("wait=9999")), (0, 7, LONGEST_WAIT));
    }
}
