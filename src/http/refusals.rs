//! `/api/refusals`: why a mail did not arrive.

use axum::{extract::State, http::HeaderMap, response::Response};
use serde::Serialize;

use super::{Site, error::Error, row::When, status::json};
use crate::refusals;

/// `GET /api/refusals`: the last ones, newest first.
pub(super) async fn newest(
    State(site): State<Site>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let newest = site.refusals.newest();
    let list =
        List { total: site.refusals.total(), refusals: newest.iter().map(Refusal::new).collect() };
    json(&headers, &list).await
}

#[derive(Serialize)]
struct List<'a> {
    /// All since the process started; only the last ones are kept.
    total: u64,
    refusals: Vec<Refusal<'a>>,
}

#[derive(Serialize)]
struct Refusal<'a> {
    /// RFC 3339.
    time: String,
    client: Option<String>,
    command: &'a str,
    code: u16,
    text: &'a str,
    sender: Option<&'a str>,
    recipient: Option<&'a str>,
}

impl<'a> Refusal<'a> {
    fn new(refusal: &'a refusals::Refusal) -> Self {
        Self {
            time: When::new(refusal.at_ms).machine,
            client: refusal.client.map(|client| client.to_string()),
            command: refusal.command,
            code: refusal.code,
            text: &refusal.text,
            sender: refusal.sender.as_deref(),
            recipient: refusal.recipient.as_deref(),
        }
    }
}
