//! Somebody else's word on a login: one HTTP request with Basic authorization (RFC 7617), of which only
//! the status counts. 2xx is yes, 401 and 403 are no, everything else and a time-out say nothing (454).
//!
//! The request is HTTP/1.0 and the connection is closed after it, so that of the answer only the first
//! line has to be read. There is no https here: the password crosses this wire, so the endpoint belongs
//! on this machine or behind a tunnel. Nothing is cached: whoever is shut out must be out at once.

use std::{fmt, io, str::FromStr, time::Duration};

use data_encoding::BASE64;
use smol::{
    Timer, future,
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::{
    secret::Secret,
    wire::sasl::{Credentials, Verdict},
};

/// `http://host[:port]/path?query`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// As it stands in the address: for the Host field.
    authority: String,
    /// The same without the brackets of IPv6: for connecting.
    host: String,
    port: u16,
    /// Path and query.
    target: String,
}

impl Endpoint {
    /// Asks whether these credentials are good.
    pub(super) async fn ask(&self, credentials: &Credentials, wait: Duration) -> Verdict {
        // Basic separates by a colon, so a name with one could pass for another with another password.
        if credentials.user.contains(':') {
            return Verdict::Refused;
        }
        let asked = self.status(self.request(credentials));
        let late = async {
            Timer::after(wait).await;
            Err(io::ErrorKind::TimedOut.into())
        };
        match future::or(asked, late).await {
            Ok(200..=299) => Verdict::Accepted,
            Ok(401 | 403) => Verdict::Refused,
            Ok(status) => {
                log::warn!(url:% = self, status; "auth.http_url answered neither yes nor no");
                Verdict::Unavailable
            }
            Err(error) => {
                log::warn!(url:% = self, error:% = error; "auth.http_url did not answer");
                Verdict::Unavailable
            }
        }
    }

    fn request(&self, credentials: &Credentials) -> Secret<String> {
        let Credentials { user, password } = credentials;
        let basic = BASE64.encode(format!("{user}:{}", password.declassify()).as_bytes());
        let Self { authority, target, .. } = self;
        Secret::new(format!(
            "GET {target} HTTP/1.0\r\nHost: {authority}\r\nAuthorization: Basic {basic}\r\n\
             User-Agent: smtpd\r\nConnection: close\r\n\r\n"
        ))
    }

    async fn status(&self, request: Secret<String>) -> io::Result<u16> {
        let mut stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
        stream.write_all(request.declassify().as_bytes()).await?;
        let mut line = [0; STATUS_LINE];
        let mut read = 0;
        while let Some(room) = line.get_mut(read..).filter(|room| !room.is_empty()) {
            match stream.read(room).await? {
                0 => break,
                count => read += count,
            }
        }
        status(&line).ok_or_else(|| io::Error::other("not an HTTP status line"))
    }
}

/// `HTTP-version SP status-code SP` (RFC 9112 §4)
fn status(line: &[u8; STATUS_LINE]) -> Option<u16> {
    let line = str::from_utf8(line).ok()?;
    let digits = line.strip_prefix("HTTP/1.0 ").or_else(|| line.strip_prefix("HTTP/1.1 "))?;
    if !digits.bytes().all(|octet| octet.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok().filter(|status| (100..600).contains(status))
}

impl FromStr for Endpoint {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const EXPECTED: &str = "expected an address such as http://127.0.0.1:8080/auth";
        let rest = text.strip_prefix("http://").ok_or(EXPECTED)?;
        let is_plain = |c: char| c.is_ascii_graphic() && !matches!(c, '#' | '"' | '<' | '>' | '\\');
        let at = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at(at);
        let (host, port) = match authority.rsplit_once(':') {
            // The colons of an IPv6 address stand in brackets.
            Some((host, port)) if !port.ends_with(']') => {
                (host, port.parse().map_err(|_| EXPECTED)?)
            }
            _ => (authority, 80),
        };
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        if bare.is_empty() || bare.contains(['@', '[', ']']) || !rest.chars().all(is_plain) {
            return Err(EXPECTED);
        }
        if bare == host && host.contains(':') {
            return Err(EXPECTED);
        }
        let target = if target.starts_with('/') { target.to_owned() } else { format!("/{target}") };
        Ok(Self { authority: authority.to_owned(), host: bare.to_owned(), port, target })
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}{}", self.authority, self.target)
    }
}

/// Octets up to the end of the status code.
const STATUS_LINE: usize = "HTTP/1.1 200".len();

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_a_host_a_port_and_a_target() {
        for (text, host, port, target) in [
            ("http://127.0.0.1:8080/auth", "127.0.0.1", 8080, "/auth"),
            ("http://auth.example", "auth.example", 80, "/"),
            ("http://auth.example?x=1", "auth.example", 80, "/?x=1"),
            ("http://[::1]:81/a?b=c/d", "::1", 81, "/a?b=c/d"),
            ("http://[::1]/", "::1", 80, "/"),
        ] {
            let endpoint = Endpoint::from_str(text).unwrap();
            let found = (&*endpoint.host, endpoint.port, &*endpoint.target);
            assert_eq!(found, (host, port, target), "{text}");
            assert_eq!(endpoint.to_string().parse(), Ok(endpoint));
        }
        for text in [
            "https://auth.example/",
            "auth.example",
            "http://",
            "http://:80/",
            "http://a:b/",
            "http://u:p@host/",
            "http://::1/",
            "http://a b/",
            "http://a/\r\nX: y",
            "http://a:99999/",
            "http://a/#x",
        ] {
            assert!(Endpoint::from_str(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_request_is_a_few_lines() {
        let endpoint = Endpoint::from_str("http://[::1]:81/a").unwrap();
        let password = Secret::new("open sesame".to_owned());
        let request = endpoint.request(&Credentials { user: "Aladdin".into(), password });
        // The credentials are the example of RFC 7617 §2.
        assert_eq!(
            request.declassify(),
            "GET /a HTTP/1.0\r\nHost: [::1]:81\r\n\
             Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n\
             User-Agent: smtpd\r\nConnection: close\r\n\r\n"
        );
    }

    #[test]
    fn only_a_status_line_is_one() {
        for (line, expected) in [
            (b"HTTP/1.1 200", Some(200)),
            (b"HTTP/1.0 401", Some(401)),
            (b"HTTP/1.1 +20", None),
            (b"HTTP/1.1 999", None),
            (b"HTTP/2.0 200", None),
            (b"220 mail.exa", None),
            (b"HTTP/1.1 20\0", None),
        ] {
            assert_eq!(status(line), expected);
        }
    }
}
