//! How the server is, for probes and scripts. The page for people is in `status_page`.

use axum::{
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::Response,
};
use serde::Serialize;

use super::{
    access::Access, error::Error, page, parameters::Query, refusals::RefusalFilter, row,
    status_page, strings::STRINGS,
};
use crate::{log, metrics, panics};

/// `GET /readyz`: 200 if a message could be taken and read now.
pub(super) async fn ready(context: Access) -> Result<&'static str, Error> {
    if context.shutdown.has_begun() {
        let text = STRINGS.errors.closing;
        return Err(Error::new(StatusCode::SERVICE_UNAVAILABLE, text));
    }
    // A store that has stopped taking mail still tells what it has.
    context.mail.begin().await?;
    context.mail.counts(&context.scope).await?;
    Ok("ready\n")
}

/// `GET /status`: a page for who wants pages, the most important numbers in JSON for others.
pub(super) async fn brief(
    context: Access,
    Query(find): Query<RefusalFilter>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let mut answer = match page::wants_page(&headers) {
        true => status_page::page(&context, find, &headers).await?,
        false => page::json(&headers, &Brief::new(&context).await?).await?,
    };
    let varies = HeaderValue::from_static("Accept, Accept-Encoding");
    answer.headers_mut().insert(header::VARY, varies);
    Ok(answer)
}

/// `GET /status/detail`
pub(super) async fn detail(context: Access, headers: HeaderMap) -> Result<Response, Error> {
    let metrics = &context.metrics;
    let detail = Detail {
        brief: Brief::new(&context).await?,
        smtp_connections: metrics.smtp.accepted.value(),
        smtp_connections_now: metrics.smtp.now(),
        smtp_connections_refused: metrics.smtp.refused.value(),
        pop3_connections: metrics.pop3.accepted.value(),
        pop3_connections_now: metrics.pop3.now(),
        pop3_connections_refused: metrics.pop3.refused.value(),
        messages_received: metrics.messages_received.value(),
        bytes_received: metrics.bytes_received.value(),
        messages_refused: metrics.messages_refused.value(),
        bytes_refused: metrics.bytes_refused.value(),
        messages_dropped: metrics.messages_dropped.value(),
        commands_refused: metrics.commands_refused.value(),
        logins_failed: metrics.logins_failed.value(),
        refusals: context.refusals.total(),
        http_requests: metrics.http_requests.value(),
        http_connections_now: metrics.http_connections_now.value(),
        http_connections_refused: metrics.http_connections_refused.value(),
        websockets_now: metrics.websockets_now.value(),
        events: context.mail.next_event() - 1,
        log_lines_dropped: log::dropped(),
        received_by_minute: metrics.received_lately.last(row::now_ms()).to_vec(),
        refused_by_minute: metrics.refused_lately.last(row::now_ms()).to_vec(),
        listeners: metrics.listeners().iter().map(|listener| Listener::new(listener)).collect(),
    };
    page::json(&headers, &detail).await
}

/// What a glance needs.
#[derive(Serialize)]
struct Brief {
    version: &'static str,
    uptime_seconds: u64,
    messages: u64,
    unread: u64,
    /// Octets of all messages as received.
    bytes: u64,
    /// Octets that the store takes on disk.
    disk_bytes: u64,
    /// Messages that the search index has still to take in.
    index_lag: u64,
    /// Times that our own code was wrong; the log says where.
    panics: u64,
}

impl Brief {
    async fn new(context: &Access) -> Result<Self, Error> {
        let counts = context.mail.counts(&context.scope).await?;
        Ok(Self {
            version: context.version,
            uptime_seconds: context.started.elapsed().as_secs(),
            messages: counts.messages,
            unread: counts.unread,
            bytes: counts.bytes,
            disk_bytes: counts.disk_bytes,
            index_lag: counts.index_lag,
            panics: panics::total(),
        })
    }
}

/// Everything that is counted, since the process started.
#[derive(Serialize)]
struct Detail {
    #[serde(flatten)]
    brief: Brief,
    smtp_connections: u64,
    smtp_connections_now: u64,
    smtp_connections_refused: u64,
    pop3_connections: u64,
    pop3_connections_now: u64,
    pop3_connections_refused: u64,
    messages_received: u64,
    bytes_received: u64,
    messages_refused: u64,
    bytes_refused: u64,
    messages_dropped: u64,
    commands_refused: u64,
    logins_failed: u64,
    /// All that `/api/refusals` ever showed.
    refusals: u64,
    http_requests: u64,
    http_connections_now: u64,
    http_connections_refused: u64,
    websockets_now: u64,
    events: u64,
    /// Lines of the log that nobody read in time.
    log_lines_dropped: u64,
    /// The last two hours, the minute under way last.
    received_by_minute: Vec<u32>,
    refused_by_minute: Vec<u32>,
    listeners: Vec<Listener>,
}

/// Where connections come in.
#[derive(Serialize)]
struct Listener {
    address: String,
    connections: u64,
    connections_now: u64,
}

impl Listener {
    fn new(listener: &metrics::Listener) -> Self {
        Self {
            address: listener.address.clone(),
            connections: listener.connections.value(),
            connections_now: listener.connections_now.value(),
        }
    }
}
