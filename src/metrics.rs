//! Counters that all front ends share and that /status shows.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

/// A number that goes up and down.
#[derive(Debug, Default)]
pub struct Gauge(AtomicU64);

/// Counts one up while it lives.
#[derive(Debug)]
pub struct Held<'a>(&'a Gauge);

/// How often something happened in each of the last [`MINUTES`] minutes. Its size never changes.
///
/// Each place holds the number of its minute (32 bits) and the count in it (32 bits), so that a place
/// whose minute is long gone needs nobody to clear it.
#[derive(Debug)]
pub struct Minutes([AtomicU64; MINUTES]);

/// The connections of one listener.
#[derive(Debug)]
pub struct Listener {
    /// Where it is, such as `smtp://127.0.0.1:25000`.
    pub address: String,
    /// Connections accepted, refused ones included.
    pub connections: Counter,
    /// Connections open now.
    pub connections_now: Gauge,
}

/// The connections of a protocol: counted, and bounded by permits.
#[derive(Debug, Default)]
pub struct Connections {
    /// Accepted, refused ones included.
    pub accepted: Counter,
    /// Refused because there were too many, or by the policy.
    pub refused: Counter,
    held: Gauge,
    limit: AtomicU64,
}

/// Everything that is counted, since the process started.
#[derive(Debug, Default)]
pub struct Metrics {
    /// SMTP connections.
    pub smtp: Arc<Connections>,
    /// POP3 connections.
    pub pop3: Arc<Connections>,
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
    /// Messages answered with 250, by the minute.
    pub received_lately: Minutes,
    /// What was refused, by the minute: all that the list of refusals ever showed.
    pub refused_lately: Minutes,
    /// HTTP requests.
    pub http_requests: Counter,
    /// HTTP connections open now.
    pub http_connections_now: Gauge,
    /// HTTP connections closed at once because there were too many.
    pub http_connections_refused: Counter,
    /// Websockets open now.
    pub websockets_now: Gauge,
    listeners: Mutex<Vec<Arc<Listener>>>,
}

impl Metrics {
    /// A listener was opened: returns where its connections are counted.
    pub fn count_listener(&self, address: String) -> Arc<Listener> {
        let (connections, connections_now) = (Counter::default(), Gauge::default());
        let listener = Arc::new(Listener { address, connections, connections_now });
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner).push(listener.clone());
        listener
    }

    /// All listeners, in the order in which they were opened.
    pub fn listeners(&self) -> Vec<Arc<Listener>> {
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Connections {
    /// Sets how many there may be at a time.
    pub fn bound(&self, limit: u64) {
        self.limit.store(limit, Ordering::Relaxed);
    }

    /// Counts a connection in, and lets it be open while the permit lives; none if there are too many.
    pub fn permit(&self) -> Option<Held<'_>> {
        self.accepted.add(1);
        let permit = self.held.hold();
        let is_permitted = self.held.value() <= self.limit.load(Ordering::Relaxed);
        if !is_permitted {
            self.refused.add(1);
        }
        is_permitted.then_some(permit)
    }

    /// Open now.
    pub fn now(&self) -> u64 {
        self.held.value()
    }
}

impl Minutes {
    /// One more at this moment, in milliseconds since 1970.
    pub fn add(&self, at_ms: i64) {
        let minute = minute(at_ms);
        let Some(place) = self.0.get(minute as usize % MINUTES) else { return };
        let _ = place.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |held| {
            let count = if held >> 32 == u64::from(minute) { held as u32 } else { 0 };
            Some(u64::from(minute) << 32 | u64::from(count.saturating_add(1)))
        });
    }

    /// The counts of the last minutes, the one under way last.
    pub fn last(&self, now_ms: i64) -> [u32; MINUTES] {
        let now = minute(now_ms);
        std::array::from_fn(|at| {
            let minute = now.wrapping_sub((MINUTES - 1 - at) as u32);
            let held = self.0.get(minute as usize % MINUTES).map(|it| it.load(Ordering::Relaxed));
            held.filter(|held| held >> 32 == u64::from(minute)).map_or(0, |held| held as u32)
        })
    }
}

impl Default for Minutes {
    fn default() -> Self {
        Self(std::array::from_fn(|_| AtomicU64::default()))
    }
}

/// The number of a minute since 1970; enough for eight thousand years.
fn minute(at_ms: i64) -> u32 {
    u32::try_from(at_ms / 60_000).unwrap_or_default()
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

/// How many minutes are remembered.
pub const MINUTES: usize = 120;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_minutes_are_counted_and_older_ones_forgotten() {
        let (minutes, start) = (Minutes::default(), 1_770_000_000_000);
        let at = |minute: i64| start + minute * 60_000;
        for (minute, times) in [(0, 3), (1, 1), (119, 2)] {
            (0..times).for_each(|_| minutes.add(at(minute)));
        }
        let last = minutes.last(at(119));
        assert_eq!((last[0], last[1], last[2], last[119]), (3, 1, 0, 2));
        // A place is used again only when its minute comes round; until then it counts for nothing.
        let last = minutes.last(at(120));
        assert_eq!((last[0], last[118], last[119]), (1, 2, 0));
        minutes.add(at(120));
        assert_eq!(minutes.last(at(120))[119], 1);
        assert_eq!(minutes.last(at(10_000)), [0; MINUTES]);
        // A clock that is set back finds nothing, and does no harm.
        assert_eq!(minutes.last(at(-500)), [0; MINUTES]);
        minutes.add(i64::MIN);
    }

    #[test]
    fn many_threads_lose_no_count() {
        let minutes = Minutes::default();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..1_000).for_each(|_| minutes.add(0)));
            }
        });
        assert_eq!(minutes.last(0)[MINUTES - 1], 4_000);
    }
}
