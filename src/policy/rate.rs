//! How much a client may do in a minute, and how many connections it has.
//!
//! Rates are token buckets: a bucket holds a minute's worth and fills evenly. Each is kept as the one
//! moment at which it is full again. A client that is forgotten because there are too many begins again
//! with full buckets; whoever has addresses enough to cause that has as many buckets anyway.

use std::{
    collections::HashMap,
    net::IpAddr,
    time::{Duration, Instant},
};

use crate::clients::{BoundedCache, client};

/// Buckets of the clients seen lately.
#[derive(Debug)]
pub(super) struct Rates(BoundedCache<Buckets>);

#[derive(Debug, Default)]
struct Buckets {
    connections: Bucket,
    messages: Bucket,
    recipients: Bucket,
}

/// When it is full again; none: it is full.
#[derive(Clone, Copy, Debug, Default)]
struct Bucket(Option<Instant>);

/// Open connections by client. Whoever has none is not in it, so it is as bounded as connections are.
#[derive(Debug, Default)]
pub(super) struct Connections(HashMap<IpAddr, u32>);

impl Rates {
    pub(super) fn new(clients: usize) -> Self {
        Self(BoundedCache::new(clients))
    }

    /// True if the client may open one more connection; `per_minute` is at least 1.
    pub(super) fn connection(&mut self, address: IpAddr, per_minute: u32, now: Instant) -> bool {
        self.0.entry(address).connections.take(per_minute, now)
    }

    /// The same for a message.
    pub(super) fn message(&mut self, address: IpAddr, per_minute: u32, now: Instant) -> bool {
        self.0.entry(address).messages.take(per_minute, now)
    }

    /// The same for a recipient.
    pub(super) fn recipient(&mut self, address: IpAddr, per_minute: u32, now: Instant) -> bool {
        self.0.entry(address).recipients.take(per_minute, now)
    }
}

impl Bucket {
    /// Takes one out, if there is one.
    fn take(&mut self, per_minute: u32, now: Instant) -> bool {
        let full_at = self.0.map_or(now, |at| at.max(now)) + MINUTE / per_minute;
        // A refused one takes nothing: who goes on too fast gets exactly the rate.
        if full_at.saturating_duration_since(now) > MINUTE {
            return false;
        }
        self.0 = Some(full_at);
        true
    }
}

impl Connections {
    /// Counts one in, unless the client has so many already.
    pub(super) fn enter(&mut self, address: IpAddr, most: u32) -> bool {
        let open = self.0.entry(client(address)).or_default();
        if *open >= most {
            return false;
        }
        *open += 1;
        true
    }

    /// Counts one out.
    pub(super) fn leave(&mut self, address: IpAddr) {
        let client = client(address);
        if let Some(open) = self.0.get_mut(&client) {
            *open -= 1;
            if *open == 0 {
                self.0.remove(&client);
            }
        }
    }
}

const MINUTE: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    fn address(number: u32) -> IpAddr {
        IpAddr::V4(number.into())
    }

    #[test]
    fn a_minutes_worth_at_once_and_then_the_rate() {
        let (mut bucket, start) = (Bucket::default(), Instant::now());
        let taken = |bucket: &mut Bucket, after: Duration| bucket.take(6, start + after);
        for _ in 0..6 {
            assert!(taken(&mut bucket, Duration::ZERO));
        }
        assert!(!taken(&mut bucket, Duration::ZERO));
        assert!(!taken(&mut bucket, Duration::from_millis(9_999)));
        assert!(taken(&mut bucket, Duration::from_secs(10)));
        assert!(!taken(&mut bucket, Duration::from_secs(10)));
        for _ in 0..6 {
            assert!(taken(&mut bucket, Duration::from_secs(3600)));
        }
        assert!(!taken(&mut bucket, Duration::from_secs(3600)));
    }

    #[test]
    fn rates_that_do_not_divide_a_minute_are_kept_to_the_one() {
        for per_minute in [1, 7, 59, 61, 1_000, 1_000_000] {
            let (mut bucket, now) = (Bucket::default(), Instant::now());
            let taken = (0..2_000_000).take_while(|_| bucket.take(per_minute, now)).count();
            assert_eq!(u32::try_from(taken).unwrap(), per_minute);
        }
    }

    #[test]
    fn kinds_and_clients_have_buckets_of_their_own() {
        let (mut rates, now) = (Rates::new(10), Instant::now());
        assert!(rates.message(address(1), 1, now));
        assert!(!rates.message(address(1), 1, now));
        assert!(rates.recipient(address(1), 1, now));
        assert!(rates.connection(address(1), 1, now));
        assert!(rates.message(address(2), 1, now));
    }

    #[test]
    fn who_is_forgotten_has_a_full_bucket_again() {
        let (mut rates, now) = (Rates::new(2), Instant::now());
        assert!(rates.message(address(1), 1, now));
        assert!(!rates.message(address(1), 1, now));
        assert!(rates.message(address(2), 1, now) && rates.message(address(3), 1, now));
        assert!(rates.message(address(1), 1, now));
    }

    #[test]
    fn connections_are_counted_in_and_out() {
        let mut connections = Connections::default();
        assert!(connections.enter(address(1), 2) && connections.enter(address(1), 2));
        assert!(!connections.enter(address(1), 2));
        assert!(connections.enter(address(2), 2));
        connections.leave(address(1));
        assert!(connections.enter(address(1), 2));
        for number in [1, 1, 2, 2, 3] {
            connections.leave(address(number));
        }
        assert!(connections.0.is_empty());
    }
}
