//! Keeps other sites' pages out, and ours in.
//!
//! A name that is not ours may be a DNS name rebound to this machine, hence the Host check (`host`); another
//! site's form or websocket carries its Origin, hence the Origin check. Programs that are no browsers
//! send no Origin and may pass, unless they show the cookie of a session, which is a browser's.
//!
//! There are no CSRF tokens. Every browser since 2020 says with a POST or a websocket where it comes
//! from, and a session's request that does not say so is refused (`authn`), so a token would only
//! prove the same again, in every form.
//!
//! There is no HSTS either: it holds for all ports of a name, and on localhost or a shared host would
//! break what other programs serve there in clear.

use axum::{
    extract::{Request, State},
    http::{
        HeaderMap, HeaderValue, Method, StatusCode,
        header::{self, HeaderName},
        request::Parts,
    },
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::{
    HttpContext, authn,
    client_info::{ClientInfo, Peer, acts},
    error::Error,
    host::{self, Host},
    page, parameters,
    strings::STRINGS,
};
use crate::panics::{self, Panicked};

/// Checks a request, lets it through, and gives the answer the headers that every answer has.
pub(super) async fn guard(
    State(context): State<HttpContext>,
    request: Request,
    next: Next,
) -> Response {
    context.metrics.http_requests.add(1);
    let (mut parts, body) = request.into_parts();
    let wants_page = page::wants_page(&parts.headers);
    let (host, answer) = match check(&parts, &context.options.public_hosts) {
        Ok(host) => match admit(&context, &mut parts, &host).await {
            Ok(()) => {
                let answer = match parameters::check(&parts) {
                    Ok(()) => run(next, Request::from_parts(parts, body)).await,
                    Err(error) => error.into_response(),
                };
                (host, answer)
            }
            Err(answer) => (host, answer),
        },
        Err(error) => (Host::default(), error.into_response()),
    };
    let mut answer = page::finish(answer, wants_page);
    harden(&mut answer, &host);
    answer
}

/// Sees who asks, and leaves for the handlers what was found.
async fn admit(context: &HttpContext, parts: &mut Parts, host: &Host) -> Result<(), Response> {
    let Some(peer) = parts.extensions.get::<Peer>().copied() else {
        return Err(Error::internal("a request without a connection").into_response());
    };
    let client = ClientInfo::new(peer, &parts.headers, &context.options.proxies);
    let principal = authn::admit(context, parts, host, &client).await?;
    parts.extensions.insert(host.clone());
    parts.extensions.insert(client);
    parts.extensions.insert(principal);
    Ok(())
}

/// The answer to who speaks in clear where TLS is spoken: the same address with https, or what is wrong.
/// Nothing but the address is looked at; a form that came this way was seen by others.
pub(super) fn to_https(parts: Parts, public_hosts: &[String]) -> Response {
    let is_looking = matches!(parts.method, Method::GET | Method::HEAD);
    let found = host::of(&parts, public_hosts).and_then(|host| {
        let text = STRINGS.errors.only_https;
        let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
        match is_looking && !host.0.is_empty() && path.starts_with('/') {
            true => Ok(format!("https://{}{path}", host.0)),
            false => Err(Error::bad_request(text)),
        }
    });
    let mut answer = match found {
        // Not for ever: the switch may be off tomorrow.
        Ok(to) => (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, to)]).into_response(),
        Err(error) => page::finish(error.into_response(), page::wants_page(&parts.headers)),
    };
    let close = HeaderValue::from_static("close");
    answer.headers_mut().insert(header::CONNECTION, close);
    harden(&mut answer, &Host::default());
    answer
}

/// A handler that panics has answered, too.
async fn run(next: Next, request: Request) -> Response {
    panics::catch(next.run(request)).await.unwrap_or_else(|Panicked| Error::bug().into_response())
}

/// Refuses names that are not ours and requests that another site's page made.
fn check(parts: &Parts, public_hosts: &[String]) -> Result<Host, Error> {
    let host = host::of(parts, public_hosts)?;
    if acts(parts) && !is_ours(&parts.headers, &host) {
        return Err(Error::new(StatusCode::FORBIDDEN, STRINGS.errors.foreign_page));
    }
    Ok(host)
}

/// True unless a browser says that another site's page made the request.
fn is_ours(headers: &HeaderMap, host: &Host) -> bool {
    if let Some(site) = headers.get("sec-fetch-site") {
        return site == "same-origin" || site == "none";
    }
    let Some(origin) = headers.get(header::ORIGIN) else { return true };
    let Some((scheme, authority)) = origin.to_str().ok().and_then(|text| text.split_once("://"))
    else {
        return false; // `null`: an opaque origin, such as the frame in which mail is shown
    };
    // The scheme is not compared: behind a TLS proxy we do not know ours. The default port is left
    // out of both, or a proxy's Host would not match.
    let default_port = if scheme == "https" { ":443" } else { ":80" };
    let bare = |text: &str| text.strip_suffix(default_port).unwrap_or(text).to_ascii_lowercase();
    bare(authority) == bare(&host.0)
}

/// The headers of every answer; a handler that set one of them keeps its own.
fn harden(answer: &mut Response, host: &Host) {
    let policy = page_policy(host);
    // Basic is taken, too, but asking for it would make a browser put its own box over our page.
    let needed = match answer.status() {
        StatusCode::UNAUTHORIZED => Some((header::WWW_AUTHENTICATE, "Bearer realm=\"smtpd\"")),
        StatusCode::TOO_MANY_REQUESTS => Some((header::RETRY_AFTER, "600")),
        _ => None,
    };
    let headers = answer.headers_mut();
    let fixed: [(HeaderName, &str); 7] = [
        (header::CONTENT_SECURITY_POLICY, &policy),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        // Not `no-referrer`: with it, browsers send `Origin: null` with our own forms.
        (header::REFERRER_POLICY, "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    for (name, value) in fixed.into_iter().chain(needed) {
        if let (false, Ok(value)) = (headers.contains_key(&name), HeaderValue::from_str(value)) {
            headers.insert(name, value);
        }
    }
}

/// What our own pages may load: our own files, and the live feed, which older browsers do not count
/// as `'self'`.
fn page_policy(Host(host): &Host) -> String {
    let feed = if host.is_empty() { String::new() } else { format!(" ws://{host} wss://{host}") };
    format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
         connect-src 'self'{feed}; frame-src 'self'; form-action 'self'; base-uri 'none'; \
         frame-ancestors 'none'"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(headers: &[(&str, &str)]) -> Result<String, u16> {
        let mut request = axum::http::Request::builder().method("POST").uri("/");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let public = ["mail.example".to_owned(), "dot.example.".to_owned()];
        check(&parts, &public).map(|host| host.0).map_err(|error| error.status.as_u16())
    }

    #[test]
    fn only_our_names_pass() {
        for ours in [
            "127.0.0.1",
            "127.0.0.1:8",
            "[::1]:8",
            "localhost:10025",
            "Mail.Example.",
            "dot.example",
            "a.localhost",
        ] {
            assert!(verdict(&[("host", ours)]).is_ok(), "{ours}");
        }
        for foreign in
            ["evil.example", "127.0.0.1.evil.example:10025", "mail.example.evil", "localhost.evil"]
        {
            assert_eq!(verdict(&[("host", foreign)]), Err(421), "{foreign}");
        }
        for broken in ["", "a b", "user@127.0.0.1", "x:y:z"] {
            assert_eq!(verdict(&[("host", broken)]), Err(400), "{broken}");
        }
        assert_eq!(verdict(&[]), Err(400));
        assert_eq!(verdict(&[("host", "localhost"), ("host", "localhost")]), Err(400));
    }

    #[test]
    fn only_our_pages_may_change_things() {
        let from = |name, value| verdict(&[("host", "mail.example:8025"), (name, value)]);
        assert!(from("origin", "http://mail.example:8025").is_ok());
        assert!(from("sec-fetch-site", "same-origin").is_ok());
        assert!(from("sec-fetch-site", "none").is_ok());
        for other in
            ["http://evil.example", "http://mail.example:9", "null", "mail.example:8025", ""]
        {
            assert_eq!(from("origin", other), Err(403), "{other}");
        }
        for other in ["cross-site", "same-site"] {
            assert_eq!(from("sec-fetch-site", other), Err(403), "{other}");
        }
    }

    #[test]
    fn a_proxy_may_leave_out_the_default_port() {
        let from = |host, origin| verdict(&[("host", host), ("origin", origin)]);
        assert!(from("mail.example", "https://mail.example").is_ok());
        assert!(from("mail.example:443", "https://mail.example").is_ok());
        assert_eq!(from("mail.example:443", "http://mail.example:444"), Err(403));
    }
}
