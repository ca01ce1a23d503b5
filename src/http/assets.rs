//! Our own files: a stylesheet, scripts, icons. They are part of the program.
//!
//! Their address names the version of all of them together, so that browsers keep them for ever and
//! a script that imports its neighbour by a relative path gets the one of the same version.

use std::sync::LazyLock;

use axum::{
    extract::Path,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use flate2::Compression;

use super::{error::Error, page};

/// `GET /static/{version}/{name}`
pub(super) async fn versioned(
    Path((version, name)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    // An open page may ask for what was its version; `.` and `..` never were one.
    let is_version = version.bytes().all(|octet| octet.is_ascii_hexdigit());
    let asset = find(&name).filter(|_| is_version).ok_or_else(Error::no_page)?;
    Ok(asset.answer(&headers, version == *VERSION))
}

/// `GET /static/{name}`: whichever version this is.
pub(super) async fn asset(Path(name): Path<String>, headers: HeaderMap) -> Result<Response, Error> {
    let asset = find(&name).ok_or_else(Error::no_page)?;
    Ok(asset.answer(&headers, false))
}

/// `GET /favicon.ico`, which browsers ask for without being told.
pub(super) async fn favicon(headers: HeaderMap) -> Result<Response, Error> {
    find("favicon.svg").map(|icon| icon.answer(&headers, false)).ok_or_else(Error::no_page)
}

/// The address of a file of ours, different for each version, so that it may be kept for ever.
pub(super) fn url(name: &str) -> String {
    format!("/static/{}/{name}", *VERSION)
}

struct Asset {
    name: &'static str,
    content_type: &'static str,
    plain: &'static [u8],
    gzip: Vec<u8>,
    hash: u64,
}

impl Asset {
    fn new(name: &'static str, content_type: &'static str, plain: &'static [u8]) -> Self {
        let gzip = page::gzip(plain, Compression::best());
        Self { name, content_type, plain, gzip, hash: hash(plain) }
    }

    fn answer(&self, headers: &HeaderMap, is_this_version: bool) -> Response {
        let cache =
            if is_this_version { "public, max-age=31536000, immutable" } else { "no-cache" };
        let etag = format!("\"{:016x}\"", self.hash);
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

/// A script of `static/`.
macro_rules! script {
    ($name:literal) => {
        Asset::new(
            $name,
            "text/javascript; charset=utf-8",
            include_bytes!(concat!("../../static/", $name)),
        )
    };
}

/// Compressed once, when the first page is asked for.
static ASSETS: LazyLock<Vec<Asset>> = LazyLock::new(|| {
    let icon = "image/svg+xml";
    vec![
        Asset::new("style.css", "text/css; charset=utf-8", STYLE.as_bytes()),
        script!("theme.js"),
        script!("page.js"),
        script!("words.js"),
        script!("pace.js"),
        script!("times.js"),
        script!("rows.js"),
        script!("list.js"),
        script!("window.js"),
        script!("news.js"),
        script!("place.js"),
        script!("pick.js"),
        script!("pane.js"),
        script!("message.js"),
        script!("live.js"),
        script!("boxes.js"),
        script!("alerts.js"),
        script!("search.js"),
        script!("suggest.js"),
        script!("palette.js"),
        script!("keys.js"),
        script!("status.js"),
        Asset::new("favicon.svg", icon, include_bytes!("../../static/favicon.svg")),
        Asset::new("favicon-unread.svg", icon, include_bytes!("../../static/favicon-unread.svg")),
    ]
});

/// The scripts that `page.js` imports, so that a browser need not find out one after the other.
pub(super) const MODULES: [&str; 18] = [
    "words.js",
    "pace.js",
    "times.js",
    "rows.js",
    "list.js",
    "window.js",
    "news.js",
    "place.js",
    "pick.js",
    "pane.js",
    "message.js",
    "live.js",
    "boxes.js",
    "alerts.js",
    "search.js",
    "suggest.js",
    "palette.js",
    "keys.js",
];

/// Of all files together.
static VERSION: LazyLock<String> = LazyLock::new(|| {
    let all: Vec<u8> = ASSETS.iter().flat_map(|asset| asset.hash.to_be_bytes()).collect();
    format!("{:016x}", hash(&all))
});
