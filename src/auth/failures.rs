//! Failed logins by client, so that guessing is slow on one connection and on many.

use std::{
    net::IpAddr,
    time::{Duration, Instant},
};

use super::Options;
use crate::clients::Remembered;

/// Who failed lately.
#[derive(Debug)]
pub(super) struct Failures {
    clients: Remembered<Failed>,
    first: Duration,
    most: u32,
}

/// Failures of one client; they count together as long as none is older than [`MEMORY`].
#[derive(Debug, Default)]
struct Failed {
    count: u32,
    since: Option<Instant>,
}

impl Failures {
    pub(super) fn new(options: &Options) -> Self {
        Self {
            clients: Remembered::new(options.clients_remembered),
            first: Duration::from_secs(options.failure_seconds),
            most: options.failures,
        }
    }

    /// One more; returns how long its answer is to wait.
    pub(super) fn add(&mut self, client: IpAddr, now: Instant) -> Duration {
        let failed = self.clients.entry(client);
        if !failed.is_recent(now) {
            *failed = Failed { count: 0, since: Some(now) };
        }
        failed.count = failed.count.saturating_add(1);
        self.first.saturating_mul(2_u32.pow((failed.count - 1).min(DOUBLINGS)))
    }

    /// True if there were so many that no more are looked at for now.
    pub(super) fn is_blocked(&self, client: IpAddr, now: Instant) -> bool {
        self.most > 0
            && self
                .clients
                .find(client)
                .is_some_and(|failed| failed.is_recent(now) && failed.count >= self.most)
    }
}

impl Failed {
    fn is_recent(&self, now: Instant) -> bool {
        self.since.is_some_and(|since| now.saturating_duration_since(since) < MEMORY)
    }
}

/// How long failures are held against a client.
const MEMORY: Duration = Duration::from_secs(600);

/// A wait grows to 16 times the first.
const DOUBLINGS: u32 = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_waits_longer_until_they_are_forgotten() {
        let options = Options { failures: 6, ..Options::default() };
        let (mut failures, start) = (Failures::new(&options), Instant::now());
        let client: IpAddr = "192.0.2.1".parse().unwrap();
        for seconds in [1, 2, 4, 8, 16, 16, 16] {
            assert_eq!(
                failures.is_blocked(client, start),
                failures.clients.entry(client).count >= 6
            );
            assert_eq!(failures.add(client, start), Duration::from_secs(seconds));
        }
        assert!(failures.is_blocked("::ffff:192.0.2.1".parse().unwrap(), start));
        assert!(!failures.is_blocked("192.0.2.2".parse().unwrap(), start));
        assert_eq!(failures.add("192.0.2.2".parse().unwrap(), start), Duration::from_secs(1));
        let later = start + MEMORY;
        assert!(!failures.is_blocked(client, later));
        assert_eq!(failures.add(client, later), Duration::from_secs(1));
    }

    #[test]
    fn zeros_are_no_wait_and_no_bound() {
        let options = Options { failures: 0, failure_seconds: 0, ..Options::default() };
        let (mut failures, now) = (Failures::new(&options), Instant::now());
        let client: IpAddr = "2001:db8::1".parse().unwrap();
        assert!((0..1000).all(|_| failures.add(client, now) == Duration::ZERO));
        assert!(!failures.is_blocked(client, now));
    }
}
