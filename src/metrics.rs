//! Counters that all doors share and that /status shows.

use std::sync::atomic::{AtomicU64, Ordering};

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

/// A number that goes up and down.
#[derive(Debug, Default)]
pub struct Gauge(AtomicU64);

/// Counts one up while it lives.
#[derive(Debug)]
pub struct Held<'a>(&'a Gauge);

/// Everything that is counted, since the process started.
#[derive(Debug, Default)]
pub struct Metrics {
    /// SMTP connections accepted, refused ones included.
    pub smtp_connections: Counter,
    /// SMTP connections open now.
    pub smtp_connections_now: Gauge,
    /// SMTP connections refused because there were too many.
    pub smtp_connections_refused: Counter,
    /// Messages answered with 250.
    pub messages_received: Counter,
    /// Octets of these.
    pub bytes_received: Counter,
    /// Messages refused after their data: too large, or the store failed.
    pub messages_refused: Counter,
    /// Octets of content that was not kept: refused, dropped or broken off. Counted when a connection
    /// ends.
    pub bytes_refused: Counter,
    /// Messages answered with 250 and not kept, because the policy says so.
    pub messages_dropped: Counter,
    /// Commands answered with a 4xx or 5xx code.
    pub commands_refused: Counter,
    /// Failed logins by SMTP or by nginx's auth_http.
    pub logins_failed: Counter,
    /// HTTP requests.
    pub http_requests: Counter,
    /// HTTP connections open now.
    pub http_connections_now: Gauge,
    /// Websockets open now.
    pub websockets_now: Gauge,
}

impl Counter {
    /// Adds to it.
    pub fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    /// What it stands at.
    pub fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Gauge {
    /// Counts one up until the guard is dropped.
    pub fn hold(&self) -> Held<'_> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Held(self)
    }

    /// What it stands at.
    pub fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}
