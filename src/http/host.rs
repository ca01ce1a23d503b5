//! The host that a request names: one of ours, or the request is refused.
//!
//! A name that is not ours may be a DNS name rebound to this machine.

use std::net::IpAddr;

use axum::http::{StatusCode, Version, header, request::Parts, uri::Authority};

use super::{error::Error, strings::STRINGS};

/// The checked authority under which the client reached us: a host that is ours, perhaps with a port.
/// Empty for a client of HTTP/1.0 that named none.
#[derive(Clone, Debug, Default)]
pub(super) struct Host(pub(super) String);

/// The authority of the request (RFC 9112 §3.2), if it is one of ours.
pub(super) fn of(parts: &Parts, public_hosts: &[String]) -> Result<Host, Error> {
    let mut fields = parts.headers.get_all(header::HOST).iter();
    let named = match (parts.uri.authority(), fields.next(), fields.next()) {
        (_, _, Some(_)) => return Err(Error::bad_request("There is more than one Host field.")),
        (Some(authority), ..) => Some(authority.clone()),
        (None, Some(field), None) => Authority::try_from(field.as_bytes()).ok(),
        (None, None, None) if parts.version < Version::HTTP_11 => return Ok(Host::default()),
        (None, None, None) => None,
    };
    let Some(authority) = named.filter(|authority| !authority.as_str().contains('@')) else {
        return Err(Error::bad_request("The Host field is missing or cannot be read."));
    };
    let name = authority.host().trim_end_matches('.').to_ascii_lowercase();
    let address = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    let is_ours = address.is_ok()
        || name == "localhost"
        || name.ends_with(".localhost")
        || public_hosts.iter().any(|ours| ours.trim_end_matches('.').eq_ignore_ascii_case(&name));
    if !is_ours {
        return Err(Error::new(
            StatusCode::MISDIRECTED_REQUEST,
            STRINGS.errors.foreign_host.with(&name),
        ));
    }
    Ok(Host(match authority.port_u16() {
        Some(port) => format!("{name}:{port}"),
        None => name,
    }))
}

/// True for a name that the Host field of a request can have, its port apart: anything else in
/// `http.public_hosts` would never match.
pub fn can_be_host(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    let is_label = |label: &str| {
        let octets = label.as_bytes();
        !octets.is_empty()
            && octets.iter().all(|it| it.is_ascii_alphanumeric() || b"-_".contains(it))
    };
    name.parse::<IpAddr>().is_ok() || name.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_public_host_is_a_name_alone() {
        for good in ["mail.example.org", "Mail.example.", "box", "a_b.xn--mller-kva.example", "::1"]
        {
            assert!(can_be_host(good), "{good}");
        }
        for never in [
            "",
            ".",
            "name:8025",
            "https://name",
            "*.name",
            "[\"name\"]",
            "[::1]",
            "a..b",
            "name..",
            "a b",
            "name/",
            "müller.example",
            "user@name",
        ] {
            assert!(!can_be_host(never), "{never}");
        }
    }
}
