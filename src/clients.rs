//! What is remembered about clients: memory with a bound, whoever they are.
//!
//! A client is an IPv4 address, or a /64 of IPv6, because that is what one customer gets and addresses
//! in it cost nothing.

use std::{
    collections::HashMap,
    hash::Hash,
    net::{IpAddr, Ipv6Addr},
};

/// A table, by client if nothing else is said, that forgets who was not seen for longest.
///
/// It has two generations of half its size. Who is seen moves to the younger; when that is full it
/// becomes the older, and the older one is forgotten. Somebody with addresses enough to push others out
/// could do so with any table; nobody is refused because of strangers.
#[derive(Debug)]
pub struct BoundedCache<V, K = IpAddr> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
    /// Entries in each of the two.
    half: usize,
}

impl<V: Default, K: Copy + Eq + Hash> BoundedCache<V, K> {
    /// A table for at most so many, at least two.
    pub fn new(most: usize) -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), half: (most / 2).max(1) }
    }

    /// What is remembered of this one, which is now the one seen last.
    pub fn entry_of(&mut self, key: K) -> &mut V {
        if !self.young.contains_key(&key) {
            let value = self.old.remove(&key).unwrap_or_default();
            if self.young.len() >= self.half {
                self.old = std::mem::take(&mut self.young);
            }
            self.young.insert(key, value);
        }
        self.young.entry(key).or_default()
    }
}

impl<V: Default> BoundedCache<V> {
    /// What is remembered of the client at this address, which is now the one seen last.
    pub fn entry(&mut self, address: IpAddr) -> &mut V {
        self.entry_of(client(address))
    }

    /// What is remembered of the client, without making it the one seen last.
    pub fn find(&self, address: IpAddr) -> Option<&V> {
        let client = client(address);
        self.young.get(&client).or_else(|| self.old.get(&client))
    }

    /// Forgets the client.
    pub fn forget(&mut self, address: IpAddr) {
        let client = client(address);
        self.young.remove(&client);
        self.old.remove(&client);
    }
}

/// Which client an address is: itself, or its /64.
pub fn client(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_bounded_and_forgets_who_was_not_seen_for_longest() {
        let address = |number: u32| IpAddr::V4(number.into());
        let mut seen = BoundedCache::<u32>::new(100);
        for number in 0..10_000 {
            // The busy client is seen between all others and is never forgotten.
            *seen.entry(address(u32::MAX)) += 1;
            *seen.entry(address(number)) += 1;
            assert!(seen.young.len() + seen.old.len() <= 100);
        }
        assert_eq!(*seen.entry(address(u32::MAX)), 10_000);
        assert_eq!(seen.find(address(0)), None);
        assert_eq!(seen.find(address(9_999)), Some(&1));
        seen.forget(address(9_999));
        assert_eq!(seen.find(address(9_999)), None);
        let mut tiny = BoundedCache::<u32>::new(0);
        *tiny.entry(address(1)) += 1;
        assert_eq!(*tiny.entry(address(1)), 1);
    }

    #[test]
    fn a_client_is_an_ipv4_address_or_a_64_of_ipv6() {
        for (address, expected) in [
            ("192.0.2.1", "192.0.2.1"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ] {
            assert_eq!(client(address.parse().unwrap()), expected.parse::<IpAddr>().unwrap());
        }
    }
}
