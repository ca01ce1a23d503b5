//! nginx's mail proxy asks here who may log in and where SMTP is
//! (<https://nginx.org/en/docs/mail/ngx_mail_auth_http_module.html>).
//!
//! The answer is always 200; what it says stands in its fields. nginx sends a failed client our text,
//! so it never says more than the client may know.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use axum::{
    extract::{Extension, Query, State},
    http::{HeaderMap, HeaderName, HeaderValue},
    response::{IntoResponse, Response},
};
use percent_encoding::percent_decode_str;
use serde::Deserialize;

use super::{
    Site,
    error::Error,
    guard::Host,
    list::{self, Asked},
};
use crate::{auth::Mode, secret::Secret, wire::sasl::Credentials};

/// `GET /`: nginx may be pointed at the root; whoever else comes wants the list.
pub(super) async fn or_list(
    State(site): State<Site>,
    host: Extension<Host>,
    asked: Query<Asked>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    if headers.contains_key("auth-method") && headers.contains_key("auth-protocol") {
        return Ok(auth_smtp(State(site), Query(Wanted::default()), headers).await);
    }
    list::list(State(site), host, asked, headers).await
}

/// Which door nginx is to be sent to.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Wanted {
    /// `on`: the one that waits for the PROXY protocol.
    proxy_protocol: String,
}

/// `GET /auth-smtp`
pub(super) async fn auth_smtp(
    State(site): State<Site>,
    Query(wanted): Query<Wanted>,
    headers: HeaderMap,
) -> Response {
    let door = if wanted.proxy_protocol == "on" { site.smtp_proxied } else { site.smtp };
    match verdict(&site, &headers).await {
        Ok(()) => {
            let server = reachable(door.ip()).to_string();
            let port = door.port().to_string();
            fields(&[("auth-status", "OK"), ("auth-server", &server), ("auth-port", &port)])
        }
        Err(Refusal { text, code }) => {
            let mut refusal = vec![("auth-status", text), ("auth-error-code", code)];
            // Without Auth-Wait nginx closes the connection instead of letting the client try again.
            if attempt(&headers) < MOST_ATTEMPTS {
                refusal.push(("auth-wait", "3"));
            }
            fields(&refusal)
        }
    }
}

struct Refusal {
    text: &'static str,
    code: &'static str,
}

async fn verdict(site: &Site, headers: &HeaderMap) -> Result<(), Refusal> {
    let field = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !field("auth-protocol").eq_ignore_ascii_case("smtp") {
        return Err(Refusal { text: "Only SMTP is served here", code: "535 5.7.8" });
    }
    match field("auth-method").to_ascii_lowercase().as_str() {
        "none" if site.auth.mode() != Mode::Required => Ok(()),
        "none" => Err(Refusal { text: "Authentication required", code: "530 5.7.0" }),
        "plain" | "login" => {
            let user = decoded(field("auth-user"));
            let password = Secret::new(decoded(field("auth-pass")));
            if site.auth.verify(Credentials { user, password }).await {
                return Ok(());
            }
            site.metrics.logins_failed.add(1);
            Err(Refusal { text: "Invalid login or password", code: "535 5.7.8" })
        }
        // Only who knows the password itself could check CRAM-MD5; we keep hashes.
        _ => Err(Refusal { text: "Use AUTH PLAIN or LOGIN", code: "504 5.5.4" }),
    }
}

/// nginx writes `%25` for `%` and likewise for control characters and spaces.
fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

fn attempt(headers: &HeaderMap) -> u32 {
    let text = headers.get("auth-login-attempt").and_then(|value| value.to_str().ok());
    text.and_then(|text| text.trim().parse().ok()).unwrap_or(1)
}

/// The address at which nginx, on this machine, finds what listens on this one.
fn reachable(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(v4) if v4.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(v6) if v6.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    }
}

fn fields(pairs: &[(&'static str, &str)]) -> Response {
    let mut answer = ().into_response();
    for (name, value) in pairs {
        if let Ok(value) = HeaderValue::from_str(value) {
            answer.headers_mut().insert(HeaderName::from_static(name), value);
        }
    }
    answer
}

/// After so many failed logins on one connection nginx is told to close it.
const MOST_ATTEMPTS: u32 = 3;
