//! nginx's mail proxy asks here who may log in and where SMTP is
//! (<https://nginx.org/en/docs/mail/ngx_mail_auth_http_module.html>).
//!
//! The answer is always 200; what it says stands in its fields. nginx sends a failed client our text,
//! so it never says more than the client may know.
//!
//! Only nginx is answered: on this machine, or in `http.proxies`. To others this would be a way to try
//! passwords, each in the name of another client.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    time::{Duration, Instant},
};

use axum::{
    extract::{Extension, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode},
    response::{IntoResponse, Response},
};
use data_encoding::HEXLOWER_PERMISSIVE;
use percent_encoding::percent_decode_str;

use super::{
    Site,
    error::Error,
    guard::Host,
    list::{self, Asked},
    parameters::{Pairs, Parameters, Query},
    visitor::Visitor,
};
use crate::{
    auth::Mode,
    secret::Secret,
    smtp::Verdict,
    wire::sasl::{Claim, Credentials},
};

/// `GET /`: nginx may be pointed at the root; whoever else comes wants the list.
pub(super) async fn or_list(
    State(site): State<Site>,
    host: Extension<Host>,
    visitor: Extension<Visitor>,
    asked: Query<Asked>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    if is_asked(&headers, &visitor) {
        return auth_smtp(State(site), visitor, Query(Wanted::default()), headers).await;
    }
    list::list(State(site), host, asked, headers).await
}

/// True if it is nginx that asks at the root.
pub(super) fn is_asked(headers: &HeaderMap, visitor: &Visitor) -> bool {
    let asks = ["auth-method", "auth-protocol"].iter().all(|name| headers.contains_key(*name));
    asks && visitor.may_be_nginx
}

/// Which door nginx is to be sent to.
#[derive(Default)]
pub(super) struct Wanted {
    /// `on`: the one that waits for the PROXY protocol.
    proxy_protocol: String,
}

impl Parameters for Wanted {
    fn take(pairs: &mut Pairs) -> Result<Self, Error> {
        Ok(Self { proxy_protocol: pairs.text("proxy_protocol")?.unwrap_or_default() })
    }
}

/// `GET /auth-smtp`
pub(super) async fn auth_smtp(
    State(site): State<Site>,
    Extension(visitor): Extension<Visitor>,
    Query(wanted): Query<Wanted>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    if !visitor.may_be_nginx {
        let text = "Only nginx is answered here, on this machine or in http.proxies.";
        return Err(Error::new(StatusCode::FORBIDDEN, text));
    }
    let door = if wanted.proxy_protocol == "on" { site.smtp_proxied } else { site.smtp };
    Ok(match verdict(&site, &headers, &visitor).await {
        Ok(()) => {
            let server = reachable(door.ip()).to_string();
            let port = door.port().to_string();
            fields(&[("auth-status", "OK"), ("auth-server", &server), ("auth-port", &port)])
        }
        Err(Refusal { text, code, wait }) => {
            let mut refusal = vec![("auth-status", text), ("auth-error-code", code)];
            // Without Auth-Wait nginx closes the connection instead of letting the client try again.
            let wait = wait.as_secs().max(1).to_string();
            if attempt(&headers) < MOST_ATTEMPTS {
                refusal.push(("auth-wait", &wait));
            }
            fields(&refusal)
        }
    })
}

struct Refusal {
    text: &'static str,
    code: &'static str,
    /// How long nginx is to wait before the client hears it.
    wait: Duration,
}

impl Refusal {
    const fn new(code: &'static str, text: &'static str) -> Self {
        Self { text, code, wait: Duration::ZERO }
    }
}

async fn verdict(site: &Site, headers: &HeaderMap, visitor: &Visitor) -> Result<(), Refusal> {
    let field = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !field("auth-protocol").eq_ignore_ascii_case("smtp") {
        return Err(Refusal::new("535 5.7.8", "Only SMTP is served here"));
    }
    // Whoever leaves out who its client is, is its client.
    let client = client(headers).or(visitor.client);
    match field("auth-method").to_ascii_lowercase().as_str() {
        "none" if site.auth.mode() != Mode::Required => Ok(()),
        "none" => Err(Refusal::new("530 5.7.0", "Authentication required")),
        "plain" | "login" => {
            let user = decoded(field("auth-user"));
            let password = Secret::new(decoded(field("auth-pass")));
            let claim = Claim::Password(Credentials { user, password });
            login(site, client, claim).await
        }
        // nginx made the challenge, and hands on the digest in hexadecimal.
        "cram-md5" => {
            let digest = HEXLOWER_PERMISSIVE.decode(field("auth-pass").as_bytes()).ok();
            let Some(digest) = digest.and_then(|octets| octets.try_into().ok()) else {
                return Err(Refusal::new("501 5.5.2", "Cannot decode authentication response"));
            };
            let user = decoded(field("auth-user"));
            let challenge = decoded(field("auth-salt"));
            login(site, client, Claim::CramMd5 { user, challenge, digest }).await
        }
        _ => Err(Refusal::new("504 5.5.4", "Use AUTH PLAIN, LOGIN or CRAM-MD5")),
    }
}

async fn login(site: &Site, client: Option<IpAddr>, claim: Claim) -> Result<(), Refusal> {
    let put_off = Refusal::new("454 4.7.0", "Temporary authentication failure");
    if site.auth.is_blocked(client, Instant::now()) {
        return Err(put_off);
    }
    match site.auth.check(site.auth.mode(), claim, None).await {
        Verdict::Accepted => Ok(()),
        Verdict::Unavailable => Err(put_off),
        Verdict::Refused => {
            site.metrics.logins_failed.add(1);
            let wait = site.auth.failed(client, Instant::now());
            Err(Refusal { wait, ..Refusal::new("535 5.7.8", "Invalid login or password") })
        }
    }
}

/// Who logs in at nginx.
fn client(headers: &HeaderMap) -> Option<IpAddr> {
    headers.get("client-ip")?.to_str().ok()?.parse().ok()
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
