//! `/api/messages`: the list and its messages as JSON, for tests and scripts.
//!
//! Its shapes live here and nowhere else. `/api/v1` is kept free for programs that speak another
//! catcher's dialect.

use axum::{
    extract::{Path, Query, Request, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};

use super::{Site, body, error::Error, list::Asked, message, row::When, status::json};
use crate::{
    id::{MessageId, NotAnId},
    message::{Address, Defect, Parameter},
    store::{self, Change, Record, Selection},
};

/// `GET /api/messages?q=&mailbox=&before=&limit=`
pub(super) async fn list(
    State(site): State<Site>,
    Query(asked): Query<Asked>,
    Query(paging): Query<Paging>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let limit = paging.limit.unwrap_or(FEW).clamp(1, MANY);
    let page = site.store.list(asked.query(limit)?).await?;
    let next = page.records.last().filter(|_| page.more).map(|record| record.id.to_string());
    json(&headers, &List { messages: page.records.iter().map(Message::new).collect(), next }).await
}

/// `DELETE /api/messages`: those named in the body as `{"ids": […]}`, or those that `q` and `mailbox`
/// match, or all.
pub(super) async fn delete_many(
    State(site): State<Site>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
    request: Request,
) -> Result<Response, Error> {
    let octets = body::collect(&site, request).await?;
    let which = if octets.is_empty() {
        asked.selection()?
    } else {
        let Ids { ids } = parse(&octets)?;
        let ids = ids.iter().map(|id| id.parse::<MessageId>());
        let bad = |error: NotAnId| Error::bad_request(error.to_string());
        Selection::Ids(ids.collect::<Result<_, _>>().map_err(bad)?)
    };
    json(&headers, &Deleted { deleted: site.desk.delete(which).await? }).await
}

/// `GET /api/messages/{id}`. Reading by a program does not mark it read.
pub(super) async fn one(
    State(site): State<Site>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    json(&headers, &Message::new(&site.record(&id).await?)).await
}

/// `PATCH /api/messages/{id}`: what the body names is set, the rest stays.
pub(super) async fn patch(
    State(site): State<Site>,
    Path(id): Path<String>,
    headers: HeaderMap,
    request: Request,
) -> Result<Response, Error> {
    let patch: Patch = parse(&body::collect(&site, request).await?)?;
    let record = site.record(&id).await?;
    for change in patch.changes(&record) {
        site.desk.change(Selection::Ids(vec![record.id]), change).await?;
    }
    json(&headers, &Message::new(&site.record(&id).await?)).await
}

/// `DELETE /api/messages/{id}`
pub(super) async fn delete(
    State(site): State<Site>,
    Path(id): Path<String>,
) -> Result<Response, Error> {
    let id = id.parse().map_err(|_| Error::no_message())?;
    match site.desk.delete(Selection::Ids(vec![id])).await? {
        0 => Err(Error::no_message()),
        _ => Ok(StatusCode::NO_CONTENT.into_response()),
    }
}

/// How much of a list.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Paging {
    limit: Option<usize>,
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

#[derive(Serialize)]
struct Message<'a> {
    id: String,
    read: bool,
    starred: bool,
    tags: &'a [String],
    state: &'static str,
    /// RFC 3339.
    received: String,
    envelope: Envelope<'a>,
    subject: &'a str,
    from: Vec<Person<'a>>,
    to: Vec<Person<'a>>,
    cc: Vec<Person<'a>>,
    bcc: Vec<Person<'a>>,
    reply_to: Vec<Person<'a>>,
    date: Option<String>,
    message_id: &'a str,
    /// Octets.
    size: u64,
    attachments: &'a [String],
    snippet: &'a str,
    defects: Vec<&'static str>,
}

#[derive(Serialize)]
struct Envelope<'a> {
    reverse_path: &'a str,
    parameters: Vec<String>,
    forward_paths: Vec<ForwardPath<'a>>,
    helo: &'a str,
    esmtp: bool,
    client: Option<String>,
    tls: Option<Tls<'a>>,
    auth_user: Option<&'a str>,
}

#[derive(Serialize)]
struct Tls<'a> {
    version: &'a str,
    cipher: &'a str,
    server_name: &'a str,
    client_certificate: Option<&'a str>,
}

impl<'a> Tls<'a> {
    fn new(tls: &'a crate::message::Tls) -> Self {
        let crate::message::Tls { version, cipher, server_name, client_certificate } = tls;
        Self { version, cipher, server_name, client_certificate: client_certificate.as_deref() }
    }
}

#[derive(Serialize)]
struct ForwardPath<'a> {
    address: &'a str,
    parameters: Vec<String>,
}

#[derive(Serialize)]
struct Person<'a> {
    name: &'a str,
    address: &'a str,
}

impl<'a> Message<'a> {
    fn new(record: &'a Record) -> Self {
        let store::Record { envelope, summary, .. } = record;
        Self {
            id: record.id.to_string(),
            read: record.read,
            starred: record.starred,
            tags: &record.tags,
            state: record.state.name(),
            received: When::new(envelope.received_ms).machine,
            envelope: Envelope::new(envelope),
            subject: &summary.subject,
            from: people(&summary.from),
            to: people(&summary.to),
            cc: people(&summary.cc),
            bcc: people(&summary.bcc),
            reply_to: people(&summary.reply_to),
            date: summary.date_ms.map(|at| When::new(at).machine).filter(|at| !at.is_empty()),
            message_id: &summary.message_id,
            size: summary.size,
            attachments: &summary.attachments,
            snippet: &summary.snippet,
            defects: summary.defects.iter().copied().map(Defect::name).collect(),
        }
    }
}

impl<'a> Envelope<'a> {
    fn new(envelope: &'a crate::message::Envelope) -> Self {
        let parameters =
            |all: &[Parameter]| -> Vec<String> { all.iter().map(message::parameter).collect() };
        let forward_path = |path: &'a crate::message::ForwardPath| ForwardPath {
            address: &path.address,
            parameters: parameters(&path.parameters),
        };
        Self {
            reverse_path: &envelope.reverse_path,
            parameters: parameters(&envelope.parameters),
            forward_paths: envelope.forward_paths.iter().map(forward_path).collect(),
            helo: &envelope.helo,
            esmtp: envelope.esmtp,
            client: envelope.client.map(|client| client.to_string()),
            tls: envelope.tls.as_ref().map(Tls::new),
            auth_user: envelope.auth_user.as_deref(),
        }
    }
}

fn people(addresses: &[Address]) -> Vec<Person<'_>> {
    addresses.iter().map(|it| Person { name: &it.name, address: &it.address }).collect()
}

fn parse<'a, T: Deserialize<'a>>(octets: &'a [u8]) -> Result<T, Error> {
    serde_json::from_slice(octets)
        .map_err(|error| Error::bad_request(format!("The JSON cannot be read: {error}.")))
}

/// Messages in an answer if no limit is given, and at most.
const FEW: usize = 50;
const MANY: usize = 500;
