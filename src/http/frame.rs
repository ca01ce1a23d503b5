//! The HTML of a message, in a page of its own that is shown in a frame.
//!
//! Three fences, each enough alone: the HTML is sanitised, the frame is sandboxed into an origin that
//! is not ours, and the policy of its page lets it load nothing but our inline images.

use std::sync::Arc;

use axum::{
    extract::{Extension, Path, Query, State},
    http::{HeaderMap, HeaderValue, header},
    response::Response,
};

use super::{Site, error::Error, files, guard::Host, message::How, page, view, view::Opened};
use crate::message::html::{self, Sanitised};

/// `GET /messages/{id}/frame`
pub(super) async fn frame(
    State(site): State<Site>,
    Path(id): Path<String>,
    Query(how): Query<How>,
    Extension(host): Extension<Host>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let opened = site.opened(&id).await?;
    let Some(sanitised) = rendered(&opened, &how).await? else { return Err(Error::no_page()) };
    let page = format!("{HEAD}{}", sanitised.html);
    let mut answer = page::answer(&headers, "text/html; charset=utf-8", page).await;
    let fields = answer.headers_mut();
    let policy = policy(&host, how.remote == "1");
    let policy =
        HeaderValue::from_str(&policy).map_err(|error| Error::internal(error.to_string()))?;
    fields.insert(header::CONTENT_SECURITY_POLICY, policy);
    fields.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("SAMEORIGIN"));
    fields.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    Ok(answer)
}

/// The sanitised HTML body of a message, if it has one.
pub(super) async fn rendered(opened: &Opened, how: &How) -> Result<Option<Sanitised>, Error> {
    let Some(part) = opened.scanned.outline.html() else { return Ok(None) };
    let text = opened.text_of(part).await?.text;
    let (id, scanned, remote) = (opened.record.id, opened.scanned.clone(), how.remote == "1");
    let passes = opened.passes.clone();
    let picture = move |content_id: &str| {
        let number = scanned.outline.by_content_id(content_id)?;
        let part = scanned.outline.parts.get(number)?;
        let path = format!("/messages/{id}/parts/{number}");
        // The frame's origin is nobody's, so its pictures come without the cookie of a session.
        let pass = passes.as_ref().map(|passes| passes.stamp(&path)).unwrap_or_default();
        files::is_picture(&part.content_type).then(|| format!("{path}?inline{pass}"))
    };
    let options = html::Options { remote, content_id: Arc::new(picture) };
    let sanitise = move || html::sanitise(&text, &options);
    Ok(Some(view::aside(sanitise).await))
}

/// Our origin is named, because `'self'` matches nothing in a sandboxed page. Both schemes are, for
/// behind a TLS proxy we do not know which one the browser sees.
fn policy(Host(host): &Host, remote: bool) -> String {
    let ours =
        if host.is_empty() { String::new() } else { format!("http://{host} https://{host} ") };
    let elsewhere = if remote { " http: https:" } else { "" };
    format!(
        "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; \
         style-src 'unsafe-inline'; img-src {ours}data:{elsewhere}; font-src data:{elsewhere}; \
         form-action 'none'; base-uri 'none'; frame-ancestors 'self' {ours}"
    )
}

/// Mail is written for white paper. Links open elsewhere, and tell nobody where they were.
const HEAD: &str = "<!doctype html><html lang=\"\"><meta charset=\"utf-8\">\
    <meta name=\"viewport\" content=\"width=device-width\"><meta name=\"referrer\" content=\"no-referrer\">\
    <title>Message</title><style>html{color-scheme:light;background:#fff;color:#111}\
    body{margin:16px;font:15px/1.5 system-ui,sans-serif;overflow-wrap:break-word}\
    img{max-width:100%;height:auto}</style><body>";
