//! Failed logins by client and by user, so that guessing is slow on one connection, on many, and from
//! many addresses.

use std::{
    net::IpAddr,
    time::{Duration, Instant},
};

use super::Options;
use crate::clients::BoundedCache;

/// Who failed lately.
#[derive(Debug)]
pub(super) struct Failures {
    clients: BoundedCache<Failed>,
    users: BoundedCache<Failed, UserKey>,
    first: Duration,
    most: u32,
    most_of_user: u32,
}

/// The hash of a user's name, which a stranger may make as long as they like.
pub(super) type UserKey = [u8; 32];

/// Failures of one client or user; they count together as long as none is older than [`MEMORY`].
#[derive(Debug, Default)]
struct Failed {
    count: u32,
    since: Option<Instant>,
    /// Of a client: who logged in from there.
    knows: Option<UserKey>,
}

impl Failures {
    pub(super) fn new(options: &Options) -> Self {
        Self {
            clients: BoundedCache::new(options.clients_remembered),
            users: BoundedCache::new(options.clients_remembered),
            first: Duration::from_secs(options.failure_seconds),
            most: options.failures,
            most_of_user: options.user_failures,
        }
    }

    /// One more; returns how long its answer is to wait.
    pub(super) fn add(&mut self, client: IpAddr, now: Instant) -> Duration {
        let count = self.clients.entry(client).add(now);
        self.first.saturating_mul(2_u32.pow((count - 1).min(DOUBLINGS)))
    }

    /// True if there were so many that no more are looked at for now.
    pub(super) fn is_blocked(&self, client: IpAddr, now: Instant) -> bool {
        self.most > 0
            && self
                .clients
                .find(client)
                .is_some_and(|failed| failed.is_recent(now) && failed.count >= self.most)
    }

    /// Counts an attempt as failed before it is looked at, so that a thousand at the same time are
    /// a thousand; returns how long to wait if it does fail, or none if it is not to be looked at.
    ///
    /// Strangers cannot shut a user out of a client from which the user logged in before.
    pub(super) fn attempt(
        &mut self,
        client: Option<IpAddr>,
        user: UserKey,
        now: Instant,
    ) -> Option<Duration> {
        let known = client.and_then(|client| self.clients.find(client)?.knows);
        let of_user = self.users.entry_of(user);
        let is_full = self.most_of_user > 0 && of_user.recent(now) >= self.most_of_user;
        if is_full && known != Some(user) {
            return None;
        }
        if client.is_some_and(|client| self.is_blocked(client, now)) {
            return None;
        }
        self.users.entry_of(user).add(now);
        Some(client.map_or(self.first, |client| self.add(client, now)))
    }

    /// Takes an attempt back: it was none.
    pub(super) fn take_back(&mut self, client: Option<IpAddr>, user: UserKey) {
        let of_user = self.users.entry_of(user);
        of_user.count = of_user.count.saturating_sub(1);
        if let Some(client) = client {
            let of_client = self.clients.entry(client);
            of_client.count = of_client.count.saturating_sub(1);
        }
    }

    /// Somebody logged in.
    pub(super) fn remember(&mut self, client: Option<IpAddr>, user: UserKey) {
        if let Some(client) = client {
            self.clients.entry(client).knows = Some(user);
        }
    }
}

impl Failed {
    /// One more; returns how many there are now.
    fn add(&mut self, now: Instant) -> u32 {
        if !self.is_recent(now) {
            (self.count, self.since) = (0, Some(now));
        }
        self.count = self.count.saturating_add(1);
        self.count
    }

    fn recent(&self, now: Instant) -> u32 {
        if self.is_recent(now) { self.count } else { 0 }
    }

    fn is_recent(&self, now: Instant) -> bool {
        self.since.is_some_and(|since| now.saturating_duration_since(since) < MEMORY)
    }
}

/// How long failures are held against a client or user.
pub(super) const MEMORY: Duration = Duration::from_secs(600);

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
        let options =
            Options { failures: 0, user_failures: 0, failure_seconds: 0, ..Options::default() };
        let (mut failures, now) = (Failures::new(&options), Instant::now());
        let client: IpAddr = "2001:db8::1".parse().unwrap();
        assert!((0..1000).all(|_| failures.add(client, now) == Duration::ZERO));
        assert!(!failures.is_blocked(client, now));
        assert_eq!(failures.attempt(Some(client), [0; 32], now), Some(Duration::ZERO));
    }

    #[test]
    fn a_user_is_guessed_from_many_addresses_only_so_often() {
        let options = Options { user_failures: 5, ..Options::default() };
        let (mut failures, start) = (Failures::new(&options), Instant::now());
        let (ann, bob) = ([1; 32], [2; 32]);
        let address = |number: u8| Some(IpAddr::from([192, 0, 2, number]));
        // Who logs in is not held to what was counted for the attempt.
        for _ in 0..100 {
            assert_eq!(failures.attempt(address(0), ann, start), Some(Duration::from_secs(1)));
            failures.take_back(address(0), ann);
            failures.remember(address(0), ann);
        }
        for number in 1..=5 {
            assert!(failures.attempt(address(number), ann, start).is_some());
        }
        assert_eq!(failures.attempt(address(6), ann, start), None);
        assert_eq!(failures.attempt(None, ann, start), None, "nor on a Unix socket");
        assert!(failures.attempt(address(0), ann, start).is_some(), "where ann was before");
        assert!(failures.attempt(address(6), bob, start).is_some(), "somebody else");
        assert!(failures.attempt(address(6), ann, start + MEMORY).is_some(), "forgotten");
    }

    #[test]
    fn many_at_the_same_time_are_many() {
        let options = Options { failures: 3, ..Options::default() };
        let (mut failures, now) = (Failures::new(&options), Instant::now());
        let client = Some(IpAddr::from([192, 0, 2, 1]));
        let looked_at = (0..10_u8).filter(|it| failures.attempt(client, [*it; 32], now).is_some());
        assert_eq!(looked_at.count(), 3);
    }
}
