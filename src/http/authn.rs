//! Who may in where `http.login` is "required": sessions, names with passwords, tokens, signed URLs.
//!
//! A page is answered with the way to the login, everything else with 401. What proves nothing about a
//! person (health checks, our own stylesheet, nginx's question) stays open. The list of what is open is
//! a list of routes: an address that nobody thought of is closed.

use std::time::{Duration, Instant};

use axum::{
    extract::MatchedPath,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use data_encoding::BASE64;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use smol::Timer;

use super::{
    HttpContext, LoginMode,
    client_info::{self, ClientInfo},
    error::Error,
    host::Host,
    page,
    session::{self, Key},
    strings::STRINGS,
    tokens::{self, Scope},
};
use crate::{
    auth::{CredentialVersion, Denied},
    mail,
    secret::Secret,
    wire::sasl::Credentials,
};

/// Who was let in.
#[derive(Clone, Debug)]
pub(super) enum Principal {
    /// Whoever it is: nobody was asked.
    Anybody,
    /// A browser whose user logged in.
    Session(Key),
    /// A program that named a user and the password.
    User(String, CredentialVersion),
    /// A program with a token.
    Program(Scope),
}

impl Principal {
    /// False for who may only look: not even that somebody looked is then kept.
    pub(super) fn may_change(&self) -> bool {
        !matches!(self, Self::Program(Scope::Read))
    }

    /// Whose mail it is shown, and may change: all of it, for no user has a mailbox of its own yet.
    pub(super) fn scope(&self) -> mail::Scope {
        mail::Scope::All
    }
}

/// Who asks, or what they are answered instead.
pub(super) async fn admit(
    context: &HttpContext,
    parts: &Parts,
    host: &Host,
    client: &ClientInfo,
) -> Result<Principal, Response> {
    if context.options.login == LoginMode::Off || is_open(parts, client) {
        return Ok(Principal::Anybody);
    }
    if let Some(field) = parts.headers.get(header::AUTHORIZATION) {
        let principal =
            by_field(context, field, client).await.map_err(IntoResponse::into_response)?;
        let may = principal.may_change() || !client_info::changes(&parts.method);
        return if may { Ok(principal) } else { Err(forbidden(READ_ONLY)) };
    }
    if let Some(key) = session_of(context, &parts.headers, host, client) {
        let may = client_info::names_its_page(&parts.headers) || !client_info::acts(parts);
        return if may { Ok(Principal::Session(key)) } else { Err(forbidden(NO_ORIGIN)) };
    }
    if context.signed_urls().is_good(&parts.method, &parts.uri) {
        return Ok(Principal::Anybody);
    }
    Err(ask(parts))
}

/// The session that this request's cookie names, if it goes on.
pub(super) fn session_of(
    context: &HttpContext,
    headers: &HeaderMap,
    host: &Host,
    client: &ClientInfo,
) -> Option<Key> {
    let token = session::cookie(headers, host, client.is_secure)?;
    let key = context.sessions().key(&token);
    goes_on(context, &key, true).then_some(key)
}

/// Checks a name and a password, says so in the log, and lets a failure wait.
pub(super) async fn log_in(
    context: &HttpContext,
    client: &ClientInfo,
    credentials: Credentials,
) -> Result<CredentialVersion, Error> {
    let address = client.address.map_or_else(|| "unix".to_owned(), |address| address.to_string());
    let user = credentials.user.clone();
    let denied = match context.auth.log_in(client.address, credentials).await {
        Ok(version) => return Ok(version),
        Err(denied) => denied,
    };
    // A name that is nobody's may be a password in the wrong field.
    let user =
        if context.auth.credential_version(&user).is_some() { user } else { "unknown".to_owned() };
    match denied {
        Denied::Refused(wait) => {
            context.metrics.logins_failed.add(1);
            log::warn!(client:% = address, user:% = user; "web login refused");
            Timer::after(wait).await;
            Err(Error::new(StatusCode::UNAUTHORIZED, STRINGS.login.refused))
        }
        Denied::TooMany => {
            log::warn!(client:% = address, user:% = user; "web login not looked at: too many failed");
            Err(Error::new(StatusCode::TOO_MANY_REQUESTS, STRINGS.login.too_many))
        }
        Denied::Unavailable => {
            Err(Error::new(StatusCode::SERVICE_UNAVAILABLE, STRINGS.login.unavailable))
        }
    }
}

impl HttpContext {
    /// True as long as whoever was let in may stay: a live feed outlives its request.
    pub(super) fn still_admits(&self, principal: &Principal) -> bool {
        match principal {
            Principal::Anybody | Principal::Program(_) => true,
            Principal::User(user, version) => self.auth.credential_version(user) == Some(*version),
            Principal::Session(key) => goes_on(self, key, false),
        }
    }
}

/// A session whose user is gone or has another password ends here.
fn goes_on(context: &HttpContext, key: &Key, is_used: bool) -> bool {
    let Some(session) = context.sessions().find(key, Instant::now(), is_used) else { return false };
    let is_same = context.auth.credential_version(&session.user) == Some(session.version);
    if !is_same {
        context.sessions().end(key);
        log::info!(user:% = session.user; "session ended: its user is gone or has changed");
    }
    is_same
}

/// What anybody may ask for.
fn is_open(parts: &Parts, client: &ClientInfo) -> bool {
    let route = parts.extensions.get::<MatchedPath>().map(MatchedPath::as_str);
    match route {
        Some("/") => client.is_nginx_asking(&parts.headers),
        Some(route) => OPEN.contains(&route),
        None => false,
    }
}

/// `Authorization` (RFC 7617, RFC 6750). Basic is taken when it comes, as from `curl -u`, but never
/// asked for: a browser would put its own box over our page.
async fn by_field(
    context: &HttpContext,
    field: &HeaderValue,
    client: &ClientInfo,
) -> Result<Principal, Error> {
    let wrong = || Error::new(StatusCode::UNAUTHORIZED, "These credentials cannot be read.");
    let (scheme, value) =
        field.to_str().ok().and_then(|it| it.split_once(' ')).ok_or_else(wrong)?;
    let value = value.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        let token = Secret::new(value.to_owned());
        if let Some((_, scope)) = tokens::find(&context.options, &token) {
            return Ok(Principal::Program(scope));
        }
        // Tokens are not counted, for nobody guesses one and a forgotten script would shut its whole
        // machine out; but who tries is not to try fast.
        context.metrics.logins_failed.add(1);
        Timer::after(WRONG_TOKEN).await;
        return Err(Error::new(StatusCode::UNAUTHORIZED, "There is no such token."));
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return Err(wrong());
    }
    let octets = BASE64.decode(value.as_bytes()).map_err(|_| wrong())?;
    let text = String::from_utf8(octets).map_err(|_| wrong())?;
    let (user, password) = text.split_once(':').ok_or_else(wrong)?;
    let password = Secret::new(password.to_owned());
    let version = log_in(context, client, Credentials { user: user.to_owned(), password }).await?;
    Ok(Principal::User(user.to_owned(), version))
}

/// The way to the login for who looks at pages, 401 for scripts and programs.
fn ask(parts: &Parts) -> Response {
    let mode = parts.headers.get("sec-fetch-mode");
    let navigates = mode.is_none_or(|mode| mode == "navigate");
    if !page::wants_page(&parts.headers) || !navigates {
        let text =
            "Log in first: with a token (Authorization: Bearer …), or with a name and a password.";
        return Error::new(StatusCode::UNAUTHORIZED, text).into_response();
    }
    // What was sent is lost, and sending it again by itself is not for us to decide.
    let is_get = parts.method == Method::GET;
    let here = parts.uri.path_and_query().filter(|_| is_get).map_or("/", |it| it.as_str());
    let to = match here {
        "/" => "/login".to_owned(),
        here => format!("/login?to={}", utf8_percent_encode(here, NON_ALPHANUMERIC)),
    };
    (StatusCode::SEE_OTHER, [(header::LOCATION, to)]).into_response()
}

fn forbidden(text: &'static str) -> Response {
    Error::new(StatusCode::FORBIDDEN, text).into_response()
}

/// The routes that ask nobody who they are.
const OPEN: [&str; 9] = [
    "/login",
    "/logout",
    "/livez",
    "/readyz",
    "/ping",
    // Answers only nginx.
    "/auth-smtp",
    "/static/{name}",
    "/static/{version}/{name}",
    "/favicon.ico",
];

/// How long the answer to a wrong token waits.
const WRONG_TOKEN: Duration = Duration::from_secs(1);

const READ_ONLY: &str = "This token is for reading only.";

const NO_ORIGIN: &str = "With a session, a request that changes something must say which page it \
    comes from (Origin). Programs use a token.";
