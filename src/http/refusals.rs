//! Why a mail did not arrive: `/api/refusals`, and the same list on the status page.

use axum::{extract::State, http::HeaderMap, response::Response};
use serde::Serialize;

use super::{
    HttpContext,
    error::Error,
    page,
    parameters::{Pairs, Parameters, Query},
    row::When,
};
use crate::refusals;

/// Which refusals are wanted.
#[derive(Clone, Debug, Default)]
pub(super) struct RefusalFilter {
    /// Those in which this text stands, in any case; empty for all.
    pub(super) find: String,
}

/// As the form on the status page sends it.
impl Parameters for RefusalFilter {
    fn take(pairs: &mut Pairs) -> Result<Self, Error> {
        Ok(Self { find: pairs.shown("find")? })
    }
}

impl RefusalFilter {
    /// Those of the last ones that are wanted, newest first.
    pub(super) fn among(&self, context: &HttpContext) -> Vec<refusals::Refusal> {
        let wanted = self.find.trim().to_lowercase();
        let has = |text: &str| text.to_lowercase().contains(&wanted);
        let mut newest = context.refusals.newest();
        newest.retain(|refusal| {
            wanted.is_empty()
                || has(&refusal.text)
                || has(refusal.command)
                || refusal.client.is_some_and(|client| has(&client.to_string()))
                || refusal.sender.as_deref().is_some_and(has)
                || refusal.recipient.as_deref().is_some_and(has)
        });
        newest
    }
}

/// `GET /api/refusals`: the last ones, newest first.
pub(super) async fn newest(
    State(context): State<HttpContext>,
    Query(Stated(find)): Query<Stated>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let newest = find.among(&context);
    let list = List {
        total: context.refusals.total(),
        refusals: newest.iter().map(Refusal::new).collect(),
    };
    page::json(&headers, &list).await
}

/// The same as programs ask for it: what they name says something.
pub(super) struct Stated(RefusalFilter);

impl Parameters for Stated {
    fn take(pairs: &mut Pairs) -> Result<Self, Error> {
        Ok(Self(RefusalFilter { find: pairs.text("find")?.unwrap_or_default() }))
    }
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
