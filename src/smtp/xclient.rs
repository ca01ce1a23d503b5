//! XCLIENT: a proxy of ours says who its client is (Postfix's XCLIENT_README).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{Reply, parameters};

/// What the proxy said. An attribute that it left out or that it does not know either
/// (`[UNAVAILABLE]`, `[TEMPUNAVAIL]`) is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct XClient {
    /// ADDR: the client's address.
    pub address: Option<IpAddr>,
    /// PORT: the client's port.
    pub port: Option<u16>,
    /// NAME: the client's host name.
    pub name: Option<String>,
    /// HELO: what the client said to the proxy. The session knows it already.
    pub helo: Option<String>,
    /// LOGIN: who the client is to the proxy. The session takes it for a successful AUTH.
    pub login: Option<String>,
    /// PROTO: true for ESMTP, false for SMTP.
    pub esmtp: Option<bool>,
    /// DESTADDR: the address that the client connected to.
    pub destination_address: Option<IpAddr>,
    /// DESTPORT: the port that the client connected to.
    pub destination_port: Option<u16>,
}

impl XClient {
    /// Longest value, in octets: a host name (RFC 5321 §4.5.3.1.2).
    pub const LONGEST: usize = 255;

    /// True for the values by which a proxy says that it does not know either.
    pub fn is_unknown(value: &str) -> bool {
        ["[UNAVAILABLE]", "[TEMPUNAVAIL]"].iter().any(|it| value.eq_ignore_ascii_case(it))
    }
}

/// `xclient-command = XCLIENT 1*( SP attribute-name "=" attribute-value )`, the values in xtext.
///
/// An attribute that stands there twice is refused, whatever it says. Proxies say each once, so the
/// other one comes from their client: nginx before 1.29.2 writes the user name as it is, and the name
/// `x ADDR=192.0.2.1` would make the client anybody that it likes to be.
pub(super) fn read(argument: &str) -> Result<XClient, Reply> {
    let mut xclient = XClient::default();
    let mut names = Vec::new();
    for word in argument.split(' ').filter(|word| !word.is_empty()) {
        let (name, value) = word.split_once('=').ok_or(Reply::XCLIENT_SYNTAX)?;
        let name = name.to_ascii_uppercase();
        set(&mut xclient, &name, value).ok_or(Reply::XCLIENT_SYNTAX)?;
        if names.contains(&name) {
            return Err(Reply::XCLIENT_TWICE);
        }
        names.push(name);
    }
    if names.is_empty() { Err(Reply::XCLIENT_SYNTAX) } else { Ok(xclient) }
}

/// None if the attribute cannot be read.
fn set(xclient: &mut XClient, name: &str, value: &str) -> Option<()> {
    let value = if XClient::is_unknown(value) { None } else { Some(text(value)?) };
    match name {
        "NAME" => xclient.name = value,
        "HELO" => xclient.helo = value,
        "LOGIN" => xclient.login = value,
        "ADDR" => xclient.address = all(value, address)?,
        "DESTADDR" => xclient.destination_address = all(value, address)?,
        "PORT" => xclient.port = all(value, |it| it.parse().ok())?,
        "DESTPORT" => xclient.destination_port = all(value, |it| it.parse().ok())?,
        "PROTO" => xclient.esmtp = all(value, protocol)?,
        _ => return None,
    }
    Some(())
}

/// An attribute that is known must be readable.
fn all<T>(value: Option<String>, read: impl Fn(&str) -> Option<T>) -> Option<Option<T>> {
    value.map_or(Some(None), |value| read(&value).map(Some))
}

fn text(value: &str) -> Option<String> {
    let text = parameters::from_xtext(value)?;
    let is_good =
        !text.is_empty() && text.len() <= XClient::LONGEST && !text.contains(char::is_control);
    is_good.then_some(text)
}

/// An IPv6 address has the prefix `IPV6:`.
fn address(text: &str) -> Option<IpAddr> {
    match text.split_at_checked(5) {
        Some((prefix, rest)) if prefix.eq_ignore_ascii_case("IPV6:") => {
            rest.parse::<Ipv6Addr>().ok().map(IpAddr::V6)
        }
        _ => text.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
    }
}

fn protocol(text: &str) -> Option<bool> {
    match text.to_ascii_uppercase().as_str() {
        "ESMTP" => Some(true),
        "SMTP" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_attributes() {
        let read = read(
            "NAME=spike.porcupine.org addr=168.100.189.2 PORT=1234 PROTO=ESMTP HELO=a+20b \
             LOGIN=ann+40a.example DESTADDR=IPV6:2001:db8::1 DESTPORT=25",
        );
        let expected = XClient {
            address: "168.100.189.2".parse().ok(),
            port: Some(1234),
            name: Some("spike.porcupine.org".into()),
            helo: Some("a b".into()),
            login: Some("ann@a.example".into()),
            esmtp: Some(true),
            destination_address: "2001:db8::1".parse().ok(),
            destination_port: Some(25),
        };
        assert_eq!(read, Ok(expected));
    }

    #[test]
    fn xclient_values_are_bounded() {
        let name = |length| read(&format!("NAME={}", "x".repeat(length)));
        assert!(name(XClient::LONGEST).is_ok() && name(XClient::LONGEST + 1).is_err());
    }

    #[test]
    fn what_the_proxy_does_not_know() {
        let read = read("NAME=[UNAVAILABLE] ADDR=[tempunavail] LOGIN=[UNAVAILABLE] PROTO=SMTP");
        assert_eq!(read, Ok(XClient { esmtp: Some(false), ..XClient::default() }));
    }

    #[test]
    fn what_is_said_twice_was_not_said_by_the_proxy() {
        for argument in [
            "ADDR=192.0.2.1 LOGIN=x ADDR=10.9.9.9 NAME=[UNAVAILABLE]",
            "ADDR=192.0.2.1 addr=192.0.2.1",
            "ADDR=[UNAVAILABLE] ADDR=192.0.2.1",
            "ADDR=192.0.2.1 ADDR=[UNAVAILABLE]",
            "LOGIN=x LOGIN=y",
            "PORT=1 ADDR=192.0.2.1 PORT=1",
        ] {
            assert_eq!(read(argument), Err(Reply::XCLIENT_TWICE), "{argument}");
        }
    }

    #[test]
    fn what_cannot_be_read() {
        for argument in [
            "",
            "ADDR",
            "ADDR=",
            "ADDR=1.2.3",
            "ADDR=2001:db8::1",
            "ADDR=IPV6:1.2.3.4",
            "ADDR=IPV6:",
            "PORT=65536",
            "PORT=-1",
            "PROTO=HTTP",
            "NAME=",
            "NAME=a+0D+0Ab",
            "NAME=a+zz",
            "NAME=a+C3",
            "COLOUR=red",
            "NAME=a ADDR=x",
        ] {
            assert_eq!(read(argument), Err(Reply::XCLIENT_SYNTAX), "{argument}");
        }
        assert_eq!(read(&format!("NAME={}", "a".repeat(256))), Err(Reply::XCLIENT_SYNTAX));
    }
}
