//! Templates to answers: compressed when the browser takes it, and errors as pages.

use std::io::Write;

use askama::Template;
use axum::{
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use flate2::{Compression, write::GzEncoder};
use serde::Serialize;

use super::{
    error::Error,
    strings::{STRINGS, Strings},
};

/// A page from a template.
pub(super) async fn page(
    headers: &HeaderMap,
    template: &(impl Template + Sync),
) -> Result<Response, Error> {
    let html = template.render().map_err(|error| Error::internal(error.to_string()))?;
    Ok(answer(headers, "text/html; charset=utf-8", html).await)
}

/// An answer in JSON.
pub(super) async fn json(
    headers: &HeaderMap,
    value: &(impl Serialize + Sync),
) -> Result<Response, Error> {
    let text = serde_json::to_string(value).map_err(|error| Error::internal(error.to_string()))?;
    Ok(answer(headers, "application/json", text + "\n").await)
}

/// A text that we made, compressed if the client takes that.
pub(super) async fn answer(
    headers: &HeaderMap,
    content_type: &'static str,
    text: String,
) -> Response {
    let text_length = text.len();
    let mut answer = if accepts_gzip(headers) && text_length > WORTH_COMPRESSING {
        let encoding = [(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"))];
        let compress = move || gzip(text.as_bytes(), Compression::fast());
        let is_long = text_length > WORTH_STEPPING_ASIDE;
        let zipped = if is_long { smol::unblock(compress).await } else { compress() };
        (encoding, zipped).into_response()
    } else {
        text.into_response()
    };
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    answer.headers_mut().insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    answer
}

/// True if the client prefers a page to plain text.
pub(super) fn wants_page(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    accept.is_some_and(|accept| accept.contains("text/html"))
}

/// Makes a page of an error for a browser.
pub(super) fn finish(mut answer: Response, wants_page: bool) -> Response {
    let Some(error) = answer.extensions_mut().remove::<Error>() else { return answer };
    let status = error.status;
    let template = ErrorPage { w: STRINGS, status, text: &error.external };
    if let (true, Ok(html)) = (wants_page, template.render()) {
        // The headers of the answer stay (Allow of a 405), only the body changes.
        let (mut head, _) = answer.into_parts();
        head.headers.remove(header::CONTENT_LENGTH);
        let html_type = HeaderValue::from_static("text/html; charset=utf-8");
        head.headers.insert(header::CONTENT_TYPE, html_type);
        return Response::from_parts(head, html.into());
    }
    answer
}

/// Octets compressed in the gzip format.
pub(super) fn gzip(octets: &[u8], level: Compression) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), level);
    // Writing to memory cannot fail; if it did, the browser would see a cut page.
    let _ = encoder.write_all(octets);
    encoder.finish().unwrap_or_default()
}

/// True if the client takes gzip (RFC 9110 §12.5.3).
pub(super) fn accepts_gzip(headers: &HeaderMap) -> bool {
    let codings = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|v| v.to_str().ok());
    codings.flat_map(|value| value.split(',')).any(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
        let refused = weight.trim().strip_prefix("q=").and_then(|q| q.trim().parse::<f32>().ok());
        name.trim().eq_ignore_ascii_case("gzip") && refused != Some(0.0)
    })
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage<'a> {
    w: &'static Strings,
    status: StatusCode,
    text: &'a str,
}

/// Texts up to this many octets fit into a packet or two anyway.
const WORTH_COMPRESSING: usize = 1400;

/// Compressing more octets than this takes milliseconds, in which others should not wait.
const WORTH_STEPPING_ASIDE: usize = 128 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_only_when_wanted() {
        let accepts = |value: &'static str| {
            let field = (header::ACCEPT_ENCODING, HeaderValue::from_static(value));
            accepts_gzip(&HeaderMap::from_iter([field]))
        };
        assert!(accepts("gzip, deflate, br"));
        assert!(accepts("br;q=1.0, GZIP;q=0.5"));
        assert!(!accepts("gzip;q=0"));
        assert!(!accepts("br, identity"));
        assert!(!accepts_gzip(&HeaderMap::new()));
    }
}
