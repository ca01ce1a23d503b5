//! nginx's mail proxy asks here who may log in and where SMTP is
//! (<https://nginx.org/en/docs/mail/ngx_mail_auth_http_module.html>).
//!
//! The answer is always 200; what it says stands in its fields. nginx sends a failed client our text,
//! so it never says more than the client may know.
//!
//! Only nginx is answered: on this machine, or in `http.proxies`. To others this would be a way to try
//! passwords, each in the name of another client.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::{Duration, Instant},
};

use axum::{
    extract::{Extension, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode},
    response::{IntoResponse, Response},
};
use data_encoding::HEXLOWER_PERMISSIVE;
use percent_encoding::percent_decode;

use super::{
    HttpContext,
    client_info::ClientInfo,
    error::Error,
    parameters::{Pairs, Parameters, Query},
};
use crate::{
    auth::Mode,
    secret::Secret,
    smtp::{Reply, XClient},
    wire::sasl::{self, Claim, Credentials, Verdict},
};

/// A listener that nginx can speak to: in clear, at an IP address.
#[derive(Clone, Copy, Debug)]
pub struct Upstream {
    /// Where it listens.
    pub address: SocketAddr,
    /// Who may or must log in there.
    pub auth: Mode,
    /// Logins are good over TLS only; here that of the client with nginx.
    pub auth_needs_tls: bool,
}

/// The listeners of a protocol to which nginx may be sent.
#[derive(Clone, Copy, Debug, Default)]
pub struct Upstreams {
    /// The one without the PROXY protocol.
    pub direct: Option<Upstream>,
    /// The one that waits for its header.
    pub proxied: Option<Upstream>,
}

/// What the address of `auth_http` says of this nginx.
#[derive(Default)]
pub(super) struct Wanted {
    /// It is to be sent to the listener that waits for the PROXY protocol, where it says no LOGIN.
    proxy_protocol: bool,
    /// It writes LOGIN of XCLIENT in xtext, as nginx 1.29.2 and later do.
    xtext: bool,
}

impl Wanted {
    fn is_proxied(&self) -> bool {
        self.proxy_protocol
    }

    fn has_xtext(&self) -> bool {
        self.xtext
    }
}

impl Parameters for Wanted {
    fn take(pairs: &mut Pairs) -> Result<Self, Error> {
        Ok(Self { proxy_protocol: pairs.switch("proxy_protocol")?, xtext: pairs.switch("xtext")? })
    }
}

/// `GET /`, where nginx was pointed there.
pub(super) async fn at_root(
    context: State<HttpContext>,
    client: Extension<ClientInfo>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    auth_smtp(context, client, Query(Wanted::default()), headers).await
}

/// `GET /auth-smtp`
pub(super) async fn auth_smtp(
    State(context): State<HttpContext>,
    Extension(client): Extension<ClientInfo>,
    Query(wanted): Query<Wanted>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    if !client.may_be_nginx {
        let text = "Only nginx is answered here, on this machine or in http.proxies.";
        return Err(Error::new(StatusCode::FORBIDDEN, text));
    }
    let protocol = headers.get("auth-protocol").map(HeaderValue::as_bytes).unwrap_or_default();
    let is_pop3 = protocol.eq_ignore_ascii_case(b"pop3");
    let upstreams = if is_pop3 { &context.pop3_upstreams } else { &context.upstreams };
    let upstream = if wanted.is_proxied() { upstreams.proxied } else { upstreams.direct };
    // Whoever leaves out who its client is, is its client.
    let client = named_client(&headers).or(client.address);
    let asked = Question { context: &context, headers: &headers, client, is_pop3, wanted: &wanted };
    Ok(match asked.verdict(upstream).await {
        Ok((upstream, login)) => {
            let server = reachable(upstream.address.ip()).to_string();
            let port = upstream.address.port().to_string();
            let mut answer =
                vec![("auth-status", "OK"), ("auth-server", &*server), ("auth-port", &*port)];
            if login == Login::None {
                // nginx before 1.29.1 still has the name of a login that was refused, and would tell it.
                answer.push(("auth-user", ""));
            }
            fields(&answer)
        }
        Err(Refusal { reply, wait }) => {
            let code = format!("{} {}", reply.code(), reply.enhanced());
            let mut refusal = vec![("auth-status", reply.text()), ("auth-error-code", &*code)];
            // Without Auth-Wait nginx closes the connection instead of letting the client try again.
            let wait = wait.as_secs().max(1).to_string();
            if attempt(&headers) < MOST_ATTEMPTS {
                refusal.push(("auth-wait", &wait));
            }
            fields(&refusal)
        }
    })
}

/// Whether the client that nginx asks about logged in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Login {
    None,
    Good,
}

struct Refusal {
    reply: Reply,
    /// How long nginx is to wait before the client hears it.
    wait: Duration,
}

impl From<Reply> for Refusal {
    fn from(reply: Reply) -> Self {
        Self { reply, wait: Duration::ZERO }
    }
}

/// What nginx asks.
struct Question<'a> {
    context: &'a HttpContext,
    headers: &'a HeaderMap,
    client: Option<IpAddr>,
    is_pop3: bool,
    wanted: &'a Wanted,
}

impl Question<'_> {
    /// Where nginx is to go, and whether as somebody.
    async fn verdict(&self, upstream: Option<Upstream>) -> Result<(Upstream, Login), Refusal> {
        let protocol = self.octets("auth-protocol");
        if !self.is_pop3 && !protocol.eq_ignore_ascii_case(b"smtp") {
            return Err(UNKNOWN_PROTOCOL.into());
        }
        let Some(upstream) = upstream else {
            let name = if self.is_pop3 { "POP3" } else { "SMTP" };
            log::error!(
                "nginx asked for a listener for {name} that it can speak to: there is none"
            );
            return Err(NO_UPSTREAM.into());
        };
        let policy = &self.context.policy;
        // SMTP would not hear its password either.
        if self.client.is_some_and(|client| policy.turns_away(client)) {
            return Err(Reply::CLIENT_REJECTED.into());
        }
        let method = self.octets("auth-method").to_ascii_lowercase();
        match (&*method, upstream.auth) {
            (b"none", Mode::Required) if !policy.trusts(self.client) => Err(LOGIN_REQUIRED.into()),
            (b"none", _) => Ok((upstream, Login::None)),
            (_, Mode::Off) => Err(NO_LOGIN.into()),
            _ if upstream.auth_needs_tls && self.octets("auth-ssl") != b"on" => {
                Err(NEEDS_TLS.into())
            }
            (b"plain" | b"login", mode) => {
                let user = self.user()?;
                let password = Secret::new(self.text("auth-pass")?);
                self.login(mode, Claim::Password(Credentials { user, password })).await?;
                Ok((upstream, Login::Good))
            }
            // nginx logs in itself by USER and PASS, and would want the password from us.
            (b"apop" | b"cram-md5", _) if self.is_pop3 => Err(USER_AND_PASS.into()),
            // Behind the PROXY protocol nginx logs in itself (proxy_smtp_auth), and has no password
            // then; it would want it from us.
            (b"cram-md5", _) if self.wanted.is_proxied() => Err(PASSWORDS_ONLY.into()),
            // nginx made the challenge, and hands on the digest in hexadecimal.
            (b"cram-md5", mode) => {
                let (user, challenge) = (self.user()?, self.text("auth-salt")?);
                let digest = HEXLOWER_PERMISSIVE.decode(self.octets("auth-pass")).ok();
                let digest = digest.and_then(|octets| octets.try_into().ok()).ok_or(MALFORMED)?;
                self.login(mode, Claim::CramMd5 { user, challenge, digest }).await?;
                Ok((upstream, Login::Good))
            }
            _ => Err(UNKNOWN_METHOD.into()),
        }
    }

    async fn login(&self, mode: Mode, claim: Claim) -> Result<(), Refusal> {
        let (auth, metrics) = (&self.context.auth, &self.context.metrics);
        let user = claim.user().to_owned();
        if auth.is_blocked(self.client, Instant::now()) {
            return Err(PUT_OFF.into());
        }
        match auth.check(mode, claim, None).await {
            Verdict::Accepted => Ok(()),
            Verdict::Unavailable => Err(PUT_OFF.into()),
            Verdict::Refused => {
                // As at the SMTP listeners, for those who look for guessers in the log.
                let client = self.client.map_or("unix".to_owned(), |client| client.to_string());
                log::warn!(client:% = client, user:% = user; "login refused");
                metrics.logins_failed.add(1);
                let wait = auth.failed(self.client, Instant::now());
                Err(Refusal { reply: REFUSED, wait })
            }
        }
    }

    /// The name, if it is one, and if it comes to SMTP as it is.
    ///
    /// nginx says it again by XCLIENT. Before 1.29.2 it did so as it is: behind a space another
    /// attribute would begin, behind a line end another command, and `+41` would be read as `A`. Other
    /// characters come through in either way of writing, those beyond ASCII too.
    fn user(&self) -> Result<String, Refusal> {
        let user = self.text("auth-user")?;
        if user.is_empty() || !sasl::is_name(&user) {
            return Err(NO_NAME.into());
        }
        // Behind the PROXY protocol it is said by AUTH, in base64, and by POP3 on a line of its own.
        if self.wanted.is_proxied() || self.is_pop3 {
            return Ok(user);
        }
        if user.len() > XClient::LONGEST {
            return Err(LONG_NAME.into());
        }
        if XClient::is_unknown(&user) {
            return Err(NOBODYS_NAME.into());
        }
        if !self.wanted.has_xtext() && user.contains([' ', '+']) {
            return Err(NOT_CARRIED.into());
        }
        Ok(user)
    }

    /// A field in which nginx wrote `%25` for `%`, and likewise control characters and spaces.
    fn text(&self, name: &str) -> Result<String, Refusal> {
        let octets = percent_decode(self.octets(name)).collect();
        String::from_utf8(octets).map_err(|_| MALFORMED.into())
    }

    fn octets(&self, name: &str) -> &[u8] {
        self.headers.get(name).map(HeaderValue::as_bytes).unwrap_or_default()
    }
}

/// Who logs in at nginx.
fn named_client(headers: &HeaderMap) -> Option<IpAddr> {
    headers.get("client-ip")?.to_str().ok()?.parse().ok()
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

const UNKNOWN_PROTOCOL: Reply = Reply::new(535, "5.7.8", "Only SMTP and POP3 are served here");
const NO_UPSTREAM: Reply = Reply::new(451, "4.3.5", "There is no listener in clear for nginx");
const USER_AND_PASS: Reply = Reply::new(504, "5.5.4", "Use USER and PASS");
const LOGIN_REQUIRED: Reply = Reply::new(530, "5.7.0", "Authentication required");
const NO_LOGIN: Reply = Reply::new(502, "5.5.1", "Logins are not offered");
const NEEDS_TLS: Reply = Reply::new(538, "5.7.11", "Encryption required for authentication");
const MALFORMED: Reply = Reply::new(501, "5.5.2", "Cannot decode authentication response");
const NO_NAME: Reply = Reply::new(501, "5.5.2", "User name is empty or has control characters");
const LONG_NAME: Reply = Reply::new(501, "5.5.2", "User name is too long");
const NOBODYS_NAME: Reply = Reply::new(501, "5.5.2", "User name is one that means nobody");
const NOT_CARRIED: Reply =
    Reply::new(501, "5.5.2", "User name has a space or a +, which this nginx cannot hand on");
const PASSWORDS_ONLY: Reply = Reply::new(504, "5.5.4", "Use AUTH PLAIN or LOGIN");
const UNKNOWN_METHOD: Reply = Reply::new(504, "5.5.4", "Use AUTH PLAIN, LOGIN or CRAM-MD5");
const REFUSED: Reply = Reply::new(535, "5.7.8", "Invalid login or password");
const PUT_OFF: Reply = Reply::new(454, "4.7.0", "Temporary authentication failure");
