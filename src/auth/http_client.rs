//! Somebody else's word on a login: one HTTP request with Basic authorization (RFC 7617), of which only
//! the status counts. 2xx is yes, 401 and 403 are no, everything else and a time-out say nothing (454).
//!
//! Each request has a connection of its own, and nothing is cached: whoever is shut out must be out at once.

use std::{
    error::Error as _,
    io,
    time::{Duration, Instant},
};

use data_encoding::BASE64;
use http_body_util::Empty;
use hyper::{
    Request,
    body::Bytes,
    client::conn::http1,
    header::{AUTHORIZATION, CONNECTION, HOST, HeaderValue, USER_AGENT},
    http,
};
use smol::{Timer, future};
use smol_hyper::rt::FuturesIo;

use super::{Endpoint, Options};
use crate::{
    net::{self, tls::Connector},
    secret::Secret,
    wire::sasl::{Credentials, Verdict},
};

/// Asks `auth.http_url`.
#[derive(Debug)]
pub(super) struct HttpClient {
    endpoint: Endpoint,
    /// There if, and only if, the endpoint is reached over TLS.
    connector: Option<Connector>,
    wait: Duration,
}

impl HttpClient {
    /// None if there is nobody to ask. Reads the authorities for https; the error is one line for people.
    pub(super) fn new(options: &Options) -> Result<Option<Self>, String> {
        let Some(endpoint) = options.http_url.clone() else { return Ok(None) };
        let connector = endpoint
            .is_https()
            .then(|| Connector::new("auth.http_ca", &options.http_ca))
            .transpose()
            .map_err(|error| error.to_string())?;
        Ok(Some(Self { endpoint, connector, wait: options.http_seconds.duration() }))
    }

    /// Asks whether these credentials are good.
    pub(super) async fn ask(&self, credentials: &Credentials) -> Verdict {
        // Basic separates by a colon, so a name with one could pass for another with another password.
        if credentials.user.contains(':') {
            return Verdict::Refused;
        }
        let deadline = Instant::now() + self.wait;
        let late = async {
            Timer::at(deadline).await;
            Err(io::ErrorKind::TimedOut.into())
        };
        match future::or(self.status(credentials, deadline), late).await {
            Ok(200..=299) => Verdict::Accepted,
            Ok(401 | 403) => Verdict::Refused,
            Ok(status) => {
                log::warn!(url:% = self.endpoint, status; "auth.http_url answered neither yes nor no");
                Verdict::Unavailable
            }
            Err(error) => {
                log::warn!(url:% = self.endpoint, error:% = error; "auth.http_url did not answer");
                Verdict::Unavailable
            }
        }
    }

    async fn status(&self, credentials: &Credentials, deadline: Instant) -> io::Result<u16> {
        let request = request(&self.endpoint, credentials).map_err(io::Error::other)?;
        let (host, port) = (self.endpoint.host(), self.endpoint.port());
        let stream = net::connect(host, port, self.connector.as_ref(), deadline).await?;
        let (mut sender, connection) = http1::Builder::new()
            .max_buf_size(MAX_HEADER)
            .handshake(FuturesIo::new(stream))
            .await
            .map_err(reason)?;
        let answer = async { sender.send_request(request).await.map_err(reason) };
        // What the connection ends with, the sender hears as well.
        let connection = async {
            let _ = connection.await;
            future::pending().await
        };
        Ok(future::or(answer, connection).await?.status().as_u16())
    }
}

fn request(endpoint: &Endpoint, credentials: &Credentials) -> http::Result<Request<Empty<Bytes>>> {
    Request::get(endpoint.target())
        .header(HOST, endpoint.authority())
        .header(AUTHORIZATION, basic(credentials)?)
        .header(USER_AGENT, "smtpd")
        .header(CONNECTION, "close")
        .body(Empty::new())
}

/// `Basic` and the credentials, in memory that is wiped when the last who holds the value lets it go.
fn basic(Credentials { user, password }: &Credentials) -> http::Result<HeaderValue> {
    // Each has its length from the start: what a string leaves behind when it grows is not wiped.
    let pair = Secret::new([user, ":", password.declassify()].concat());
    let pair = pair.declassify().as_bytes();
    let mut text = String::with_capacity(BASIC.len() + BASE64.encode_len(pair.len()));
    text.push_str(BASIC);
    BASE64.encode_append(pair, &mut text);
    let mut value = HeaderValue::from_maybe_shared(Bytes::from_owner(Wiped(Secret::new(text))))?;
    value.set_sensitive(true);
    Ok(value)
}

struct Wiped(Secret<String>);

impl AsRef<[u8]> for Wiped {
    fn as_ref(&self) -> &[u8] {
        self.0.declassify().as_bytes()
    }
}

/// What hyper says, and why, which it leaves to its source.
fn reason(error: hyper::Error) -> io::Error {
    match error.source() {
        Some(source) => io::Error::other(format!("{error}: {source}")),
        None => io::Error::other(error),
    }
}

const BASIC: &str = "Basic ";

/// Longest header of an answer in octets, which also holds what came of its body.
const MAX_HEADER: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_a_few_fields_and_shows_no_password() {
        let endpoint: Endpoint = "http://[::1]:81/a?b=c".parse().unwrap();
        let password = Secret::new("open sesame".to_owned());
        let credentials = Credentials { user: "Aladdin".into(), password };
        let request = request(&endpoint, &credentials).unwrap();
        assert_eq!((request.uri(), request.method().as_str()), (&"/a?b=c".parse().unwrap(), "GET"));
        let headers = request.headers();
        assert_eq!(headers[HOST], "[::1]:81");
        // The credentials are the example of RFC 7617 §2.
        assert_eq!(headers[AUTHORIZATION], "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        assert!(!format!("{request:?}").contains("QWxh"), "{request:?}");
    }
}
