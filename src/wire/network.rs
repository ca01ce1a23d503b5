//! Networks in CIDR notation (RFC 4632 §3.1, RFC 4291 §2.3), for every list of who may do what.
//!
//! The danger is an address that is written in two ways: `::ffff:10.0.0.1` is how a socket for both
//! families shows the IPv4 client 10.0.0.1 (RFC 4291 §2.5.5.2). Both sides are brought to IPv4 here, so
//! that a list of IPv4 networks holds for such clients too. There are no names: a list that the DNS
//! can change is no list.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
    str::FromStr,
};

use serde::{Deserialize, Serialize};

/// An IPv4 or IPv6 network; one address alone is the network of only that address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Network {
    /// Canonical: never an IPv4 address inside IPv6, and no bit set beyond the prefix.
    address: IpAddr,
    /// Bits of the address that count: at most 32 or 128.
    prefix: u8,
}

/// The text is not a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// Not an address, or a prefix that its family does not have.
    Syntax,
    /// Bits beyond the prefix are set, so one of the two is wrong; this is the network it would be.
    HostBits(Network),
}

impl Network {
    /// Reads `10.0.0.0/8`, `2001:db8::/32`, or an address alone.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| Malformed::Syntax)?;
        let bits = width(address);
        let prefix = match prefix {
            None => bits,
            Some(digits) => {
                parse_prefix(digits).filter(|prefix| *prefix <= bits).ok_or(Malformed::Syntax)?
            }
        };
        Self::new(address, prefix)
    }

    fn new(written: IpAddr, prefix: u8) -> Result<Self, Malformed> {
        // `::ffff:10.0.0.0/104` is 10.0.0.0/8; with a shorter prefix it is a network of IPv6.
        let (address, prefix) = match (written.to_canonical(), prefix.checked_sub(MAPPED)) {
            (IpAddr::V4(v4), Some(rest)) if written.is_ipv6() => (IpAddr::V4(v4), rest),
            _ => (written, prefix),
        };
        let network = Self { address: masked(address, prefix), prefix };
        if network.address == address { Ok(network) } else { Err(Malformed::HostBits(network)) }
    }

    /// True if the address belongs to it. An IPv4 address belongs to no IPv6 network, `::/0` neither.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.address.is_ipv4() && masked(address, self.prefix) == self.address
    }
}

/// True if the address belongs to one of the networks.
pub fn any_contains(networks: &[Network], address: IpAddr) -> bool {
    networks.iter().any(|network| network.contains(address))
}

/// Digits alone, without sign or leading zeros.
fn parse_prefix(digits: &str) -> Option<u8> {
    let plain = digits.bytes().all(|octet| octet.is_ascii_digit());
    let plain = plain && (digits == "0" || !digits.starts_with('0'));
    digits.parse().ok().filter(|_| plain)
}

fn masked(address: IpAddr, prefix: u8) -> IpAddr {
    match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(prefix.min(32))).unwrap_or(0);
            IpAddr::V4((u32::from(v4) & mask).into())
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(prefix.min(128))).unwrap_or(0);
            IpAddr::V6(Ipv6Addr::from(u128::from(v6) & mask))
        }
    }
}

const fn width(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax => f.write_str(
                "expected an IP address or a network, such as 192.0.2.1, 10.0.0.0/8 or 2001:db8::/32",
            ),
            Self::HostBits(network) => {
                write!(f, "bits beyond the prefix are set: expected {network} or one address alone")
            }
        }
    }
}

impl std::error::Error for Malformed {}

impl FromStr for Network {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        Self::parse(text)
    }
}

impl TryFrom<String> for Network {
    type Error = Malformed;

    fn try_from(text: String) -> Result<Self, Malformed> {
        Self::parse(&text)
    }
}

impl From<Network> for String {
    fn from(network: Network) -> Self {
        network.to_string()
    }
}

/// Bits before the IPv4 address in `::ffff:0:0/96`.
const MAPPED: u8 = 96;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_has_the_addresses_of_its_prefix() {
        for (network, inside, outside) in [
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.0"),
            ("192.0.2.1", "192.0.2.1", "192.0.2.2"),
            ("192.0.2.128/25", "192.0.2.129", "192.0.2.127"),
            ("0.0.0.0/0", "203.0.113.9", "2001:db8::1"),
            ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::"),
            ("::1", "::1", "::2"),
            ("::/0", "2001:db8::1", "10.0.0.1"),
            ("10.0.0.0/8", "::ffff:10.1.2.3", "::ffff:11.1.2.3"),
            ("::ffff:10.0.0.0/104", "10.9.9.9", "11.0.0.1"),
            ("::ffff:192.0.2.1", "192.0.2.1", "192.0.2.2"),
            ("fe80::/10", "fe80::1", "::ffff:10.0.0.1"),
        ] {
            let network = Network::parse(network).unwrap();
            assert!(network.contains(inside.parse().unwrap()), "{inside} in {network}");
            assert!(!network.contains(outside.parse().unwrap()), "{outside} not in {network}");
            assert_eq!(Network::parse(&network.to_string()), Ok(network));
        }
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in [
            "",
            "/8",
            "10.0.0.0/",
            "10.0.0.0/33",
            "::/129",
            "10.0.0/8",
            "10.0.0.0/8/8",
            "10.0.0.0/+8",
            "10.0.0.0/08",
            " 10.0.0.0/8",
            "10.0.0.0/255.0.0.0",
            "localhost",
            "[::1]",
            "fe80::1%eth0",
            "010.0.0.1",
            "10.0.0.0/256",
        ] {
            assert_eq!(Network::parse(text), Err(Malformed::Syntax), "{text}");
        }
        let error = Network::parse("10.0.0.1/8").unwrap_err();
        assert_eq!(error, Malformed::HostBits(Network::parse("10.0.0.0/8").unwrap()));
        assert!(error.to_string().contains("10.0.0.0/8"), "{error}");
        assert!(Network::parse("2001:db8::1/64").is_err());
    }

    #[test]
    fn every_prefix_of_every_width_is_itself() {
        for prefix in 0..=32_u8 {
            let network =
                Network::new(masked("255.255.255.255".parse().unwrap(), prefix), prefix).unwrap();
            assert!(network.contains("255.255.255.255".parse().unwrap()));
            assert_eq!(network.contains("0.0.0.0".parse().unwrap()), prefix == 0);
        }
        for prefix in 0..=128_u8 {
            let all = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff".parse().unwrap();
            let network = Network::new(masked(all, prefix), prefix).unwrap();
            assert!(network.contains(all));
            assert_eq!(network.contains("::".parse().unwrap()), prefix == 0);
        }
    }
}
