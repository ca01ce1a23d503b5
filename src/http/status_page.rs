//! The status page: how the server is, and why a mail did not arrive.
//!
//! All of it is drawn here, so that it can be read without scripts; the script fetches the page again
//! and takes over what changed.

use std::time::Duration;

use askama::Template;
use axum::{http::HeaderMap, response::Response};

use super::{
    HttpContext,
    access::Access,
    chart::Chart,
    error::Error,
    layout::Layout,
    list_params::ListParams,
    page,
    refusals::RefusalFilter,
    row::{self, When},
    strings::{STRINGS, Strings, grouped},
};
use crate::{metrics::Listener, refusals, store};

/// The page for this search among the refusals.
pub(super) async fn page(
    context: &Access,
    find: RefusalFilter,
    headers: &HeaderMap,
) -> Result<Response, Error> {
    let layout = Layout::new(context, ListParams::default()).await?;
    let (w, metrics, now_ms) = (STRINGS, &context.metrics, row::now_ms());
    let received = metrics.received_lately.last(now_ms);
    let refused = metrics.refused_lately.last(now_ms);
    let found = find.among(context);
    let template = StatusPage {
        w,
        facts: facts(context, &layout),
        chart: Chart::new(&received, &refused, now_ms),
        chart_says: [
            w.status.received.of(received.iter().map(|it| u64::from(*it)).sum::<u64>()),
            w.status.refused.of(refused.iter().map(|it| u64::from(*it)).sum::<u64>()),
        ],
        listeners: metrics.listeners().iter().map(|listener| ListenerRow::new(listener)).collect(),
        limits: limits(context),
        replies: context.refusals.by_reply().into_iter().take(REPLIES).map(Reply::new).collect(),
        refusals: found.iter().take(REFUSALS).map(RefusalRow::new).collect(),
        found: found.len() as u64,
        refusals_total: context.refusals.total(),
        find: find.find,
        layout: &layout,
    };
    page::page(headers, &template).await
}

#[derive(Template)]
#[template(path = "status.html")]
struct StatusPage<'a> {
    w: &'static Strings,
    layout: &'a Layout,
    facts: Vec<Fact>,
    chart: Chart,
    /// What the chart shows, in words.
    chart_says: [String; 2],
    listeners: Vec<ListenerRow>,
    limits: Vec<Limit>,
    replies: Vec<Reply>,
    refusals: Vec<RefusalRow>,
    /// How many match.
    found: u64,
    refusals_total: u64,
    find: String,
}

/// A number with a name.
struct Fact {
    /// For the script.
    id: &'static str,
    name: &'static str,
    value: String,
    /// What more there is to say.
    note: String,
}

struct ListenerRow {
    address: String,
    now: String,
    total: String,
}

/// A bound, and how near we are.
struct Limit {
    id: &'static str,
    name: &'static str,
    key: &'static str,
    now: String,
    most: String,
    reached: u64,
}

/// What was said, how often, and what can be done.
struct Reply {
    text: String,
    count: String,
    hint: &'static str,
}

struct RefusalRow {
    at: When,
    client: String,
    command: &'static str,
    text: String,
    sender: Option<String>,
    recipient: Option<String>,
    hint: &'static str,
}

fn facts(context: &HttpContext, layout: &Layout) -> Vec<Fact> {
    let (w, counts, metrics) = (&STRINGS.status, &layout.counts, &context.metrics);
    let kind = match context.store_kind {
        store::Kind::Sqlite => w.sqlite,
        store::Kind::Memory => w.memory,
        store::Kind::Mongodb => w.mongodb,
    };
    let lag = if counts.index_lag == 0 {
        w.index_current.to_owned()
    } else {
        w.index_behind.of(counts.index_lag)
    };
    let on_disk = match counts.disk_bytes {
        0 => String::new(),
        octets => w.on_disk.with(&row::octets(octets)),
    };
    let fact = |id, name, value, note| Fact { id, name, value, note };
    vec![
        fact("stored", w.stored, grouped(counts.messages), STRINGS.layout.unread.of(counts.unread)),
        fact("size", w.size, row::octets(counts.bytes), on_disk),
        fact("store", w.store, kind.to_owned(), String::new()),
        fact("index", w.index, lag, String::new()),
        fact(
            "taken",
            w.taken,
            grouped(metrics.messages_received.value()),
            row::octets(metrics.bytes_received.value()),
        ),
        fact(
            "not-taken",
            w.not_taken,
            grouped(metrics.messages_refused.value()),
            w.dropped.of(metrics.messages_dropped.value()),
        ),
        fact("logins", w.logins_failed, grouped(metrics.logins_failed.value()), String::new()),
        fact("uptime", w.uptime, uptime(context.started.elapsed()), context.version.to_owned()),
    ]
}

fn limits(context: &HttpContext) -> Vec<Limit> {
    let (w, metrics, limits) = (&STRINGS.status, &context.metrics, &context.limits);
    let limit = |id, name, key, now: u64, most: u64, reached| Limit {
        id,
        name,
        key,
        now: grouped(now),
        most: grouped(most),
        reached,
    };
    vec![
        limit(
            "limit-smtp",
            w.smtp_connections,
            "limits.connections",
            metrics.smtp.now(),
            limits.connections as u64,
            metrics.smtp.refused.value(),
        ),
        limit(
            "limit-http",
            w.http_connections,
            "limits.http_connections",
            metrics.http_connections_now.value(),
            limits.http_connections as u64,
            metrics.http_connections_refused.value(),
        ),
        limit(
            "limit-pages",
            w.open_pages,
            "",
            metrics.websockets_now.value(),
            limits.http_connections as u64,
            0,
        ),
    ]
}

/// The two largest units: `3 days 4 hours`.
fn uptime(since: Duration) -> String {
    let (w, seconds) = (&STRINGS.status, since.as_secs());
    let units = [
        (seconds / 86_400, w.days),
        (seconds / 3_600 % 24, w.hours),
        (seconds / 60 % 60, w.minutes),
        (seconds % 60, w.seconds),
    ];
    let largest = units.iter().position(|(count, _)| *count > 0).unwrap_or(units.len() - 1);
    let shown = units.iter().skip(largest).take(2);
    shown.map(|(count, unit)| unit.of(*count)).collect::<Vec<_>>().join(" ")
}

impl ListenerRow {
    fn new(listener: &Listener) -> Self {
        Self {
            address: listener.address.clone(),
            now: grouped(listener.connections_now.value()),
            total: grouped(listener.connections.value()),
        }
    }
}

impl Reply {
    fn new((text, count): (String, u64)) -> Self {
        Self { hint: STRINGS.status.hint(&text), count: grouped(count), text }
    }
}

impl RefusalRow {
    fn new(refusal: &refusals::Refusal) -> Self {
        let unix = || STRINGS.status.unix_socket.to_owned();
        Self {
            at: When::new(refusal.at_ms),
            client: refusal.client.map_or_else(unix, |client| client.ip().to_string()),
            command: refusal.command,
            text: refusal.text.clone(),
            sender: refusal.sender.clone(),
            recipient: refusal.recipient.clone(),
            hint: STRINGS.status.hint(&refusal.text),
        }
    }
}

/// Most refusals on the page; the API has all that are kept.
const REFUSALS: usize = 100;

/// Most replies in the table of how often what was said.
const REPLIES: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uptimes_are_short() {
        let shown = [0, 59, 60, 3_661, 90_000, 8_640_000].map(|it| uptime(Duration::from_secs(it)));
        assert_eq!(
            shown,
            [
                "0 seconds",
                "59 seconds",
                "1 minute 0 seconds",
                "1 hour 1 minute",
                "1 day 1 hour",
                "100 days 0 hours"
            ]
        );
    }
}
