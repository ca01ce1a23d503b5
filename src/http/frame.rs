//! The HTML of a message, in a page of its own that is shown in a frame.
//!
//! Three fences, each enough alone: the HTML is sanitised, the frame is sandboxed into an origin that
//! is not ours, and the policy of its page lets it load nothing but our inline images.

use axum::{
    extract::{Extension, Path},
    http::{HeaderMap, HeaderName, HeaderValue, header},
    response::Response,
};

use super::{
    access::Access, error::Error, host::Host, kept::Rendered, leaves, media::Viewer, page,
    parameters::Query, render, render_params::RenderParams,
};

/// `GET /messages/{id}/frame`
pub(super) async fn whole(
    context: Access,
    Path(id): Path<String>,
    Query(look): Query<RenderParams>,
    Extension(host): Extension<Host>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let loaded = context.load_prefix(&id).await?;
    let rendered = leaves::rendered(&loaded, &loaded.letter(), &look).await?;
    answer(rendered, &look, &host, &headers).await
}

/// `GET /messages/{id}/parts/{part}/frame`: the same for any part that is HTML, or a message with HTML.
pub(super) async fn part(
    context: Access,
    Path((id, number)): Path<(String, String)>,
    Query(look): Query<RenderParams>,
    Extension(host): Extension<Host>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let loaded = context.load_prefix_with(&id, &number).await?;
    let (number, part) = loaded.part(&number)?;
    let rendered = match Viewer::of(part) {
        Viewer::Html => render::rendered(&loaded, number, &look).await?,
        Viewer::Letter => {
            let letter = loaded.scanned.outline.letter(Some(number));
            leaves::rendered(&loaded, &letter, &look).await?
        }
        _ => return Err(Error::no_page()),
    };
    answer(rendered, &look, &host, &headers).await
}

async fn answer(
    Rendered { sanitised, .. }: Rendered,
    look: &RenderParams,
    host: &Host,
    headers: &HeaderMap,
) -> Result<Response, Error> {
    let page = sanitised.document(HEAD);
    let mut answer = page::answer(headers, "text/html; charset=utf-8", page).await;
    fence(&mut answer, &policy(host, look.remote, ""))?;
    Ok(answer)
}

/// Gives a page of mail its policy, and keeps everybody else from framing it.
pub(super) fn fence(answer: &mut Response, policy: &str) -> Result<(), Error> {
    let policy =
        HeaderValue::from_str(policy).map_err(|error| Error::internal(error.to_string()))?;
    let fields = answer.headers_mut();
    fields.insert(header::CONTENT_SECURITY_POLICY, policy);
    fields.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("SAMEORIGIN"));
    fields.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    // Even the name of a host that a link leads to tells that somebody looks.
    let prefetch = HeaderName::from_static("x-dns-prefetch-control");
    fields.insert(prefetch, HeaderValue::from_static("off"));
    Ok(())
}

/// Our origin is named, because `'self'` matches nothing in a sandboxed page. Both schemes are, for
/// behind a TLS proxy we do not know which one the browser sees. `more` goes into the sandbox, and
/// behind a semicolon into the policy.
pub(super) fn policy(Host(host): &Host, remote: bool, more: &str) -> String {
    let ours =
        if host.is_empty() { String::new() } else { format!("http://{host} https://{host} ") };
    let elsewhere = if remote { " http: https:" } else { "" };
    format!(
        "sandbox allow-popups allow-popups-to-escape-sandbox{more}; default-src 'none'; \
         style-src 'unsafe-inline'{elsewhere}; img-src {ours}data:{elsewhere}; font-src data:{elsewhere}; \
         form-action 'none'; base-uri 'none'; frame-ancestors 'self' {ours}"
    )
}

/// What the head of a page of mail needs of ours: links tell nobody where they were. Nothing of it is
/// seen, for a browser's own rules are what mail begins with.
pub(super) const HEAD: &str = "<meta charset=\"utf-8\"><meta name=\"referrer\" content=\"no-referrer\">\
    <title>Message</title>";
