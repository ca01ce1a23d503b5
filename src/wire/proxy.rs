//! The PROXY protocol, versions 1 and 2 (HAProxy's proxy-protocol.txt): a proxy says, before all other
//! octets, who its client is.
//!
//! Whoever may send this header can pretend to be anybody, so it is read only where it was switched on
//! and only from proxies of ours; both are for the caller to see to. Nothing is guessed: where the
//! header is expected, a connection without one is malformed. What is not verified is the checksum
//! that version 2 may carry: TCP has one.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    str::FromStr,
};

/// Who the client is, as the proxy says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The proxy speaks for itself (LOCAL, as health checks do), or does not know (UNKNOWN, UNSPEC):
    /// the address of the connection counts.
    Connection,
    /// The client's address and port.
    Client(SocketAddr),
    /// The client of a Unix socket: it has no address.
    Unix,
}

/// Not a header, or one that is longer than its version allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// Reads the header at the start of what a connection sent: who the client is, and how many octets
/// the header has; none if it is not complete yet. What is wrong is said at the first octet that
/// tells, so that nobody is waited for in vain.
pub fn read(octets: &[u8]) -> Result<Option<(Source, usize)>, Malformed> {
    if begins(octets, V2_SIGNATURE) {
        version_2(octets)
    } else if begins(octets, V1_SIGNATURE) {
        version_1(octets)
    } else {
        Err(Malformed)
    }
}

/// True if the octets begin with all of the signature, or are all of its beginning.
fn begins(octets: &[u8], signature: &[u8]) -> bool {
    octets.iter().zip(signature).all(|(octet, expected)| octet == expected)
}

/// `PROXY TCP4 192.0.2.1 198.51.100.1 56324 25\r\n`
fn version_1(octets: &[u8]) -> Result<Option<(Source, usize)>, Malformed> {
    let Some(end) = octets.iter().position(|octet| *octet == b'\n') else {
        return if octets.len() < V1_LONGEST { Ok(None) } else { Err(Malformed) };
    };
    let length = end + 1;
    let line = octets.get(..length).and_then(|line| line.strip_suffix(b"\r\n"));
    let line = line.filter(|_| length <= V1_LONGEST).ok_or(Malformed)?;
    let text = line.strip_prefix(V1_SIGNATURE).and_then(|rest| str::from_utf8(rest).ok());
    Ok(Some((source_1(text.ok_or(Malformed)?)?, length)))
}

fn source_1(text: &str) -> Result<Source, Malformed> {
    let (family, rest) = text.split_once(' ').unwrap_or((text, ""));
    match family {
        // What stands behind it is to be ignored.
        "UNKNOWN" => Ok(Source::Connection),
        "TCP4" => addresses_1::<Ipv4Addr>(rest),
        "TCP6" => addresses_1::<Ipv6Addr>(rest),
        _ => Err(Malformed),
    }
}

fn addresses_1<A: FromStr + Into<IpAddr>>(text: &str) -> Result<Source, Malformed> {
    let words: Vec<&str> = text.split(' ').collect();
    let [source, destination, source_port, destination_port] = words[..] else {
        return Err(Malformed);
    };
    let (source, destination) = (source.parse::<A>(), destination.parse::<A>());
    let ports = (port(source_port), port(destination_port));
    match (source, destination, ports) {
        (Ok(source), Ok(_), (Some(port), Some(_))) => Ok(client(source.into(), port)),
        _ => Err(Malformed),
    }
}

/// A decimal number without sign or leading zeros.
fn port(text: &str) -> Option<u16> {
    let plain = text == "0" || !text.starts_with(['0', '+']);
    text.parse().ok().filter(|_| plain)
}

/// Signature, version and command, family and protocol, length, addresses, and then TLVs that we have
/// no use for.
fn version_2(octets: &[u8]) -> Result<Option<(Source, usize)>, Malformed> {
    let fixed = octets.get(V2_SIGNATURE.len()..).unwrap_or_default();
    let is_local = match fixed.first() {
        None => return Ok(None),
        Some(0x20) => true,
        Some(0x21) => false,
        Some(_) => return Err(Malformed),
    };
    let family = match fixed.get(1) {
        None => return Ok(None),
        Some(family) => family,
    };
    // A LOCAL header may name any family; it is ignored.
    let least = match (is_local, family) {
        (true, _) | (_, 0x00) => 0,
        (_, 0x11 | 0x12) => 12,
        (_, 0x21 | 0x22) => 36,
        (_, 0x31 | 0x32) => 216,
        _ => return Err(Malformed),
    };
    let Some((&[high, low], rest)) = fixed.get(2..).and_then(<[u8]>::split_first_chunk) else {
        return Ok(None);
    };
    let length = usize::from(u16::from_be_bytes([high, low]));
    if length < least || length > V2_LONGEST {
        return Err(Malformed);
    }
    let Some(block) = rest.get(..length) else { return Ok(None) };
    let source = if is_local { Source::Connection } else { source_2(*family, block)? };
    Ok(Some((source, V2_SIGNATURE.len() + 4 + length)))
}

fn source_2(family: u8, block: &[u8]) -> Result<Source, Malformed> {
    match family >> 4 {
        0 => Ok(Source::Connection),
        1 => addresses_2::<4>(block),
        2 => addresses_2::<16>(block),
        _ => Ok(Source::Unix),
    }
}

/// Source, destination, source port, destination port.
fn addresses_2<const N: usize>(block: &[u8]) -> Result<Source, Malformed>
where
    [u8; N]: Into<IpAddr>,
{
    let source: &[u8; N] = block.first_chunk().ok_or(Malformed)?;
    let ports = block.get(2 * N..).and_then(<[u8]>::first_chunk);
    let port = u16::from_be_bytes(*ports.ok_or(Malformed)?);
    Ok(client((*source).into(), port))
}

/// A proxy that listens for both families writes IPv4 clients as ::ffff:192.0.2.1.
fn client(ip: IpAddr, port: u16) -> Source {
    Source::Client(SocketAddr::new(ip.to_canonical(), port))
}

const V1_SIGNATURE: &[u8] = b"PROXY ";

/// Octets of the longest line that version 1 can have, CRLF included.
const V1_LONGEST: usize = 107;

const V2_SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// Most octets behind the length of version 2. The longest addresses take 216, and the TLVs that
/// proxies send (names, TLS facts, ids) some hundreds.
const V2_LONGEST: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    fn v2(command: u8, family: u8, block: &[u8]) -> Vec<u8> {
        let length = (block.len() as u16).to_be_bytes();
        [V2_SIGNATURE, &[command, family], &length, block].concat()
    }

    fn source(text: &str) -> Source {
        Source::Client(text.parse().unwrap())
    }

    const IPV4: [u8; 12] = [192, 0, 2, 1, 198, 51, 100, 1, 0xdc, 0x04, 0, 25];

    fn ipv6(ip: &str) -> Vec<u8> {
        let ip: Ipv6Addr = ip.parse().unwrap();
        [&ip.octets()[..], &Ipv6Addr::LOCALHOST.octets(), &[0xdc, 0x04, 0, 25]].concat()
    }

    /// Whole, with mail behind it, and cut at every octet.
    fn good(header: &[u8], expected: Source) {
        let shown = header.escape_ascii();
        assert_eq!(read(header), Ok(Some((expected, header.len()))), "{shown}");
        let more = [header, b"EHLO x\r\n"].concat();
        assert_eq!(read(&more), Ok(Some((expected, header.len()))), "{shown}");
        for cut in 0..header.len() {
            assert_eq!(read(&header[..cut]), Ok(None), "{shown} cut at {cut}");
        }
    }

    #[test]
    fn version_1_is_read() {
        let long = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
        let table = [
            ("TCP4 192.0.2.1 198.51.100.1 56324 25", source("192.0.2.1:56324")),
            ("TCP4 255.255.255.255 255.255.255.255 65535 65535", source("255.255.255.255:65535")),
            ("TCP4 0.0.0.0 0.0.0.0 0 0", source("0.0.0.0:0")),
            ("TCP6 2001:db8::1 ::1 56324 25", source("[2001:db8::1]:56324")),
            ("TCP6 ::ffff:192.0.2.1 ::1 56324 25", source("192.0.2.1:56324")),
            ("UNKNOWN", Source::Connection),
            ("UNKNOWN anything at all", Source::Connection),
            (&format!("UNKNOWN {long} {long} 65535 65535"), Source::Connection),
            (&format!("TCP6 {long} {long} 65535 65535"), source(&format!("[{long}]:65535"))),
        ];
        for (text, expected) in table {
            good(format!("PROXY {text}\r\n").as_bytes(), expected);
        }
    }

    #[test]
    fn version_2_is_read() {
        let unix = [0; 216];
        let tlvs = [&IPV4[..], &[0x04, 0, 3, 1, 2, 3], &[0x02, 0, 1, b'x']].concat();
        let table: [(u8, u8, &[u8], Source); 13] = [
            (0x21, 0x11, &IPV4, source("192.0.2.1:56324")),
            (0x21, 0x12, &IPV4, source("192.0.2.1:56324")),
            (0x21, 0x11, &tlvs, source("192.0.2.1:56324")),
            (0x21, 0x21, &ipv6("2001:db8::1"), source("[2001:db8::1]:56324")),
            (0x21, 0x22, &ipv6("2001:db8::1"), source("[2001:db8::1]:56324")),
            (0x21, 0x21, &ipv6("::ffff:192.0.2.1"), source("192.0.2.1:56324")),
            (0x21, 0x31, &unix, Source::Unix),
            (0x21, 0x32, &unix, Source::Unix),
            (0x21, 0x00, &[], Source::Connection),
            (0x21, 0x00, &[0; 4096], Source::Connection),
            (0x20, 0x00, &[], Source::Connection),
            (0x20, 0x11, &IPV4, Source::Connection),
            (0x20, 0xff, &[1, 2], Source::Connection),
        ];
        for (command, family, block, expected) in table {
            good(&v2(command, family, block), expected);
        }
    }

    #[test]
    fn version_1_malformed_is_refused() {
        for text in [
            "TCP4",
            "TCP4 ",
            "TCP5 192.0.2.1 198.51.100.1 1 2",
            "TCP4 192.0.2.1 198.51.100.1 1",
            "TCP4 192.0.2.1 198.51.100.1 1 2 3",
            "TCP4 192.0.2.1  198.51.100.1 1 2",
            "TCP4 192.0.2.1 198.51.100.1 1 2 ",
            "TCP4 192.0.2.1 198.51.100.1 1 65536",
            "TCP4 192.0.2.1 198.51.100.1 01 2",
            "TCP4 192.0.2.1 198.51.100.1 +1 2",
            "TCP4 192.0.2.1 198.51.100.1 -1 2",
            "TCP4 192.0.2.256 198.51.100.1 1 2",
            "TCP4 192.0.2.01 198.51.100.1 1 2",
            "TCP4 ::1 ::1 1 2",
            "TCP6 192.0.2.1 198.51.100.1 1 2",
            "TCP6 [::1] ::1 1 2",
            "UDP4 192.0.2.1 198.51.100.1 1 2",
            "tcp4 192.0.2.1 198.51.100.1 1 2",
            "TCP4 192.0.2.1 198.51.100.1 1 2\r",
            "",
        ] {
            assert_eq!(read(format!("PROXY {text}\r\n").as_bytes()), Err(Malformed), "{text:?}");
        }
        assert_eq!(read(b"PROXY UNKNOWN\n"), Err(Malformed), "LF alone");
        assert_eq!(read(b"proxy UNKNOWN\r\n"), Err(Malformed));
        assert_eq!(read(b"EHLO x\r\n"), Err(Malformed));
        assert_eq!(read(b"PROXX"), Err(Malformed), "before the line ends");
        assert_eq!(read(b"PROXY TCP4 \xff\r\n"), Err(Malformed));
    }

    #[test]
    fn over_long_headers_are_refused() {
        let line = |length: usize| format!("PROXY UNKNOWN {}\r\n", "x".repeat(length - 16));
        good(line(107).as_bytes(), Source::Connection);
        assert_eq!(read(line(108).as_bytes()), Err(Malformed));
        assert_eq!(read(&line(200).as_bytes()[..107]), Err(Malformed), "not waited for");
        assert_eq!(read(&v2(0x21, 0x00, &[0; 4097])[..16]), Err(Malformed), "not waited for");
    }

    #[test]
    fn version_2_malformed_is_refused_at_once() {
        let table: [(u8, u8, &[u8]); 12] = [
            (0x11, 0x11, &IPV4),
            (0x22, 0x11, &IPV4),
            (0x2f, 0x11, &IPV4),
            (0x31, 0x11, &IPV4),
            (0x21, 0x10, &IPV4),
            (0x21, 0x13, &IPV4),
            (0x21, 0x01, &IPV4),
            (0x21, 0x41, &IPV4),
            (0x21, 0x11, &IPV4[..11]),
            (0x21, 0x21, &IPV4),
            (0x21, 0x31, &[0; 215]),
            (0x21, 0x11, &[]),
        ];
        for (command, family, block) in table {
            let header = v2(command, family, block);
            assert_eq!(read(&header), Err(Malformed), "{command:#x} {family:#x}");
            assert_eq!(read(&header[..16]), Err(Malformed), "{command:#x} {family:#x} cut");
        }
        for at in 0..12 {
            let mut header = v2(0x21, 0x11, &IPV4);
            header[at] ^= 0x20;
            assert_eq!(read(&header), Err(Malformed), "signature at {at}");
            assert_eq!(read(&header[..=at]), Err(Malformed), "signature cut after {at}");
        }
    }

    #[test]
    fn damage_is_never_a_panic() {
        let mut whole = v2(0x21, 0x21, &ipv6("::1"));
        for at in 0..whole.len() {
            for value in 0..=255 {
                let before = std::mem::replace(&mut whole[at], value);
                let _ = read(&whole);
                whole[at] = before;
            }
        }
    }
}
