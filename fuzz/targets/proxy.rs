//! The header of the PROXY protocol: what is said of it at some octet stays true with every further
//! one, and what a proxy writes is read.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use smtpd::wire::proxy::{Source, read};

/// The octets as a header; and their front as an address that a proxy tells.
pub fn run(octets: &[u8]) {
    let mut first = None;
    for length in 0..=octets.len().min(5_000) {
        let verdict = read(&octets[..length]);
        if let Ok(Some((_, taken))) = verdict {
            assert!(taken <= length, "{taken} octets of {length}");
        }
        match first {
            None if verdict == Ok(None) => {
                let longest = if octets.starts_with(b"PROXY ") { 107 } else { 4_200 };
                assert!(length < longest, "it waits for ever");
            }
            None => first = Some(verdict),
            Some(known) => assert_eq!(verdict, known, "at octet {length}"),
        }
    }
    if let Some((&address, rest)) = octets.split_first_chunk::<16>()
        && let Some((&port, _)) = rest.split_first_chunk::<2>()
    {
        round(Ipv6Addr::from(address).into(), u16::from_be_bytes(port));
        let [a, b, c, d, ..] = address;
        round(Ipv4Addr::new(a, b, c, d).into(), u16::from_be_bytes(port));
    }
}

fn round(ip: IpAddr, port: u16) {
    let (family, name, address) = match ip {
        IpAddr::V4(ip) => (0x11, "TCP4", ip.octets().to_vec()),
        IpAddr::V6(ip) => (0x21, "TCP6", ip.octets().to_vec()),
    };
    let expected = Source::Client(SocketAddr::new(ip.to_canonical(), port));
    let line = format!("PROXY {name} {ip} {ip} {port} 25\r\n");
    assert_eq!(read(line.as_bytes()), Ok(Some((expected, line.len()))));
    let length = (2 * address.len() + 4) as u16;
    let binary = [
        b"\r\n\r\n\0\r\nQUIT\n\x21".as_slice(),
        &[family],
        &length.to_be_bytes(),
        &address,
        &address,
        &port.to_be_bytes(),
        &[0, 25],
    ]
    .concat();
    assert_eq!(read(&binary), Ok(Some((expected, binary.len()))));
}
