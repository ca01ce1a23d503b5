//! The address of somebody else who knows users, as it is written in the configuration.

use std::{cell::Cell, fmt, str::FromStr};

use url::{Position, Url};

/// `http://host[:port]/path?query`, or the same with https.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint(Url);

impl Endpoint {
    /// True if it is reached over TLS.
    pub fn is_https(&self) -> bool {
        self.0.scheme() == "https"
    }

    /// The name or address to connect to: IPv6 without its brackets.
    pub(super) fn host(&self) -> &str {
        self.0.host_str().unwrap_or_default().trim_matches(['[', ']'])
    }

    pub(super) fn port(&self) -> u16 {
        self.0.port_or_known_default().unwrap_or_default()
    }

    /// Host and port, for the Host field.
    pub(super) fn authority(&self) -> &str {
        &self.0[Position::BeforeHost..Position::AfterPort]
    }

    /// Path and query.
    pub(super) fn target(&self) -> &str {
        &self.0[Position::BeforePath..Position::AfterQuery]
    }
}

impl FromStr for Endpoint {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const EXPECTED: &str =
            "expected an address such as http://127.0.0.1:8080/auth or https://auth.example/check";
        let is_odd = Cell::new(false);
        // The crate puts up with what browsers put up with: a line end, a backslash, a name with a password.
        let url = Url::options()
            .syntax_violation_callback(Some(&|_| is_odd.set(true)))
            .parse(text)
            .map_err(|_| EXPECTED)?;
        let is_ours = ["http", "https"].contains(&url.scheme()) && url.fragment().is_none();
        if is_ours && !is_odd.get() { Ok(Self(url)) } else { Err(EXPECTED) }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_a_host_a_port_and_a_target() {
        for (text, host, port, target) in [
            ("http://127.0.0.1:8080/auth", "127.0.0.1", 8080, "/auth"),
            ("http://auth.example", "auth.example", 80, "/"),
            ("http://auth_1?x=1", "auth_1", 80, "/?x=1"),
            ("http://[::1]:81/a?b=c/d", "::1", 81, "/a?b=c/d"),
            ("http://[::1]/", "::1", 80, "/"),
            ("https://auth.example/", "auth.example", 443, "/"),
            ("https://auth.example:444/", "auth.example", 444, "/"),
        ] {
            let endpoint = Endpoint::from_str(text).unwrap();
            let found = (endpoint.host(), endpoint.port(), endpoint.target());
            assert_eq!(found, (host, port, target), "{text}");
            assert_eq!(endpoint.is_https(), text.starts_with("https"), "{text}");
            assert_eq!(endpoint.to_string().parse(), Ok(endpoint));
        }
        for text in [
            "ftp://auth.example/",
            "auth.example",
            "auth.example:80",
            "http:auth.example",
            "http://",
            "http://:80/",
            "http://a:b/",
            "http://u:p@host/",
            "http://u@host/",
            "http://::1/",
            "http://a b/",
            "http://a/\r\nX: y",
            "http://a/b c",
            "http:\\\\a/",
            "http://a:99999/",
            "http://a/#x",
        ] {
            assert!(Endpoint::from_str(text).is_err(), "{text}");
        }
    }
}
