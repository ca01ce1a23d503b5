//! Our own files: a stylesheet, two scripts, an icon. They are part of the program.

use std::sync::LazyLock;

use axum::{
    extract::{Path, RawQuery},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use flate2::Compression;

use super::{error::Error, page};

/// `GET /static/{name}`
pub(super) async fn asset(
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let asset = find(&name).ok_or_else(Error::no_page)?;
    Ok(asset.answer(&headers, query.as_deref()))
}

/// `GET /favicon.ico`, which browsers ask for without being told.
pub(super) async fn favicon(headers: HeaderMap) -> Result<Response, Error> {
    find("favicon.svg").map(|icon| icon.answer(&headers, None)).ok_or_else(Error::no_page)
}

/// The address of a file of ours, different for each content, so that it may be kept for ever.
pub(super) fn url(name: &str) -> String {
    match find(name) {
        Some(asset) => format!("/static/{name}?v={}", asset.version),
        None => format!("/static/{name}"),
    }
}

struct Asset {
    name: &'static str,
    content_type: &'static str,
    plain: &'static [u8],
    gzip: Vec<u8>,
    version: String,
}

impl Asset {
    fn new(name: &'static str, content_type: &'static str, plain: &'static [u8]) -> Self {
        let gzip = page::gzip(plain, Compression::best());
        Self { name, content_type, plain, gzip, version: format!("{:016x}", hash(plain)) }
    }

    fn answer(&self, headers: &HeaderMap, query: Option<&str>) -> Response {
        let is_this_version =
            query.and_then(|query| query.strip_prefix("v=")) == Some(&self.version);
        let cache =
            if is_this_version { "public, max-age=31536000, immutable" } else { "no-cache" };
        let etag = format!("\"{}\"", self.version);
        let common = [
            (header::ETAG, etag.as_str()),
            (header::CACHE_CONTROL, cache),
            (header::VARY, "Accept-Encoding"),
        ];
        if is_known(headers, &etag) {
            return (StatusCode::NOT_MODIFIED, common).into_response();
        }
        let content_type = [(header::CONTENT_TYPE, self.content_type)];
        if page::accepts_gzip(headers) {
            let encoding = [(header::CONTENT_ENCODING, "gzip")];
            return (common, content_type, encoding, self.gzip.clone()).into_response();
        }
        (common, content_type, self.plain).into_response()
    }
}

/// True if the client has the body with this ETag already (RFC 9110 §13.1.2).
pub(super) fn is_known(headers: &HeaderMap, etag: &str) -> bool {
    let known = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|it| it.to_str().ok());
    known.flat_map(|list| list.split(',')).any(|known| {
        let known = known.trim();
        known == "*" || known.strip_prefix("W/").unwrap_or(known) == etag
    })
}

fn find(name: &str) -> Option<&'static Asset> {
    ASSETS.iter().find(|asset| asset.name == name)
}

/// FNV-1a: enough to tell versions of our own files apart.
fn hash(octets: &[u8]) -> u64 {
    octets.iter().fold(0xcbf2_9ce4_8422_2325, |hash, octet| {
        (hash ^ u64::from(*octet)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// One stylesheet for the browser, one file per part of the page for us.
const STYLE: &str = concat!(
    include_str!("../../static/style.css"),
    include_str!("../../static/message.css"),
    include_str!("../../static/status.css"),
);

/// Compressed once, when the first page is asked for.
static ASSETS: LazyLock<[Asset; 5]> = LazyLock::new(|| {
    let script = "text/javascript; charset=utf-8";
    [
        Asset::new("style.css", "text/css; charset=utf-8", STYLE.as_bytes()),
        Asset::new("page.js", script, include_bytes!("../../static/page.js")),
        Asset::new("message.js", script, include_bytes!("../../static/message.js")),
        Asset::new("live.js", script, include_bytes!("../../static/live.js")),
        Asset::new("favicon.svg", "image/svg+xml", include_bytes!("../../static/favicon.svg")),
    ]
});
