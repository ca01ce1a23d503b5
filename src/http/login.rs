//! The pages for logging in and out.

use std::time::Instant;

use askama::Template;
use axum::{
    extract::{Extension, Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};

use super::{
    HttpContext, LoginMode, authn, body,
    client_info::ClientInfo,
    error::Error,
    host::Host,
    page,
    parameters::{Pairs, Parameters, Query},
    session,
    strings::{STRINGS, Strings},
};
use crate::{secret::Secret, wire::sasl::Credentials};

/// Where to go after the login.
pub(super) struct LoginParams {
    to: String,
}

impl Parameters for LoginParams {
    fn take(pairs: &mut Pairs) -> Result<Self, Error> {
        Ok(Self { to: pairs.text("to")?.unwrap_or_default() })
    }
}

/// `GET /login`
pub(super) async fn form(
    State(context): State<HttpContext>,
    Query(LoginParams { to }): Query<LoginParams>,
    Extension(host): Extension<Host>,
    Extension(client): Extension<ClientInfo>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let is_off = context.options.login == LoginMode::Off;
    if is_off || authn::session_of(&context, &headers, &host, &client).is_some() {
        return Ok(see_other(local(&to)));
    }
    page::page(&headers, &LoginPage { w: STRINGS, user: "", to: &to, problem: None }).await
}

/// `POST /login`
pub(super) async fn log_in(
    State(context): State<HttpContext>,
    Extension(host): Extension<Host>,
    Extension(client): Extension<ClientInfo>,
    headers: HeaderMap,
    request: Request,
) -> Result<Response, Error> {
    if context.options.login == LoginMode::Off {
        return Err(Error::no_page());
    }
    let Form { user, password, to } = body::form(&context, request).await?;
    let credentials = Credentials { user: user.clone(), password: Secret::new(password) };
    let version = match authn::log_in(&context, &client, credentials).await {
        Ok(version) => version,
        Err(error) => {
            let problem = Some(&*error.external);
            let template = LoginPage { w: STRINGS, user: &user, to: &to, problem };
            let mut answer = page::page(&headers, &template).await?;
            *answer.status_mut() = error.status;
            return Ok(answer);
        }
    };
    // A session that was there is given up: the cookie of before is worth nothing after.
    if let Some(key) = authn::session_of(&context, &headers, &host, &client) {
        context.sessions().end(&key);
    }
    let began = context.sessions().begin(user.clone(), version, Instant::now());
    let token = began.map_err(Error::internal)?;
    log::info!(user:% = user; "logged in");
    let cookie =
        session::set_cookie(&token, &host, client.is_secure, context.options.session_seconds.get());
    with_cookie(see_other(local(&to)), &cookie)
}

/// `POST /logout`: the session ends here, whatever the browser keeps.
pub(super) async fn log_out(
    State(context): State<HttpContext>,
    Extension(host): Extension<Host>,
    Extension(client): Extension<ClientInfo>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    if let Some(key) = authn::session_of(&context, &headers, &host, &client) {
        context.sessions().end(&key);
    }
    let nothing = Secret::new(String::new());
    let cookie = session::set_cookie(&nothing, &host, client.is_secure, 0);
    with_cookie(see_other("/login"), &cookie)
}

fn with_cookie(mut answer: Response, cookie: &str) -> Result<Response, Error> {
    let value =
        HeaderValue::from_str(cookie).map_err(|error| Error::internal(error.to_string()))?;
    answer.headers_mut().insert(header::SET_COOKIE, value);
    Ok(answer)
}

fn see_other(to: &str) -> Response {
    (StatusCode::SEE_OTHER, [(header::LOCATION, to)]).into_response()
}

/// The path, if it is one of ours: `//evil.example` and `/\evil.example` are other hosts for a browser.
fn local(to: &str) -> &str {
    let rest = to.strip_prefix('/').unwrap_or("/");
    let leaves = rest.starts_with('/') || !to.bytes().all(|octet| octet.is_ascii_graphic());
    let is_loop = ["login", "logout"].contains(&rest.split('?').next().unwrap_or_default());
    if leaves || is_loop || to.contains('\\') { "/" } else { to }
}

struct Form {
    user: String,
    password: String,
    to: String,
}

/// Whoever fills in nothing hears that this is nobody's password.
impl Parameters for Form {
    fn take(pairs: &mut Pairs) -> Result<Self, Error> {
        let unread = || Error::bad_request(STRINGS.errors.bad_form);
        Ok(Self {
            user: pairs.written("user")?.ok_or_else(unread)?,
            password: pairs.written("password")?.ok_or_else(unread)?,
            to: pairs.shown("to")?,
        })
    }
}

#[derive(Template)]
#[template(path = "login.html")]
struct LoginPage<'a> {
    w: &'static Strings,
    user: &'a str,
    to: &'a str,
    problem: Option<&'a str>,
}

#[cfg(test)]
mod tests {
    use super::local;

    #[test]
    fn after_the_login_one_stays_here() {
        for ours in ["/", "/messages/01?x=1", "/?q=from%3Aann", "/a//b", "/logins"] {
            assert_eq!(local(ours), ours);
        }
        for other in [
            "",
            "//evil.example",
            "/\\evil.example",
            "https://evil.example",
            "javascript:alert(1)",
            "/a\r\nX: y",
            "/\tx",
            "/ä",
            "evil",
            "/login?to=/",
            "/logout",
        ] {
            assert_eq!(local(other), "/", "{other}");
        }
    }
}
