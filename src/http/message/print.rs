//! A message on paper: its head and its HTML or text in one page, which asks to be printed.
//!
//! A frame prints only what of it is in view, so the page itself is fenced as a frame is: sanitised
//! HTML, an opaque origin, nothing loaded. It may run exactly one script, ours, known by its hash.

use std::sync::LazyLock;

use askama::Template;
use axum::{
    extract::{Extension, Path, State},
    http::HeaderMap,
    response::Response,
};
use data_encoding::BASE64;
use sha2::{Digest, Sha256};

use super::{
    Attached,
    facts::{self, People},
    panel::shown_at_most,
};
use crate::http::{
    Site,
    error::Error,
    frame::{self, HEAD, LIGHT, Look, STYLE},
    guard::Host,
    leaves, page,
    parameters::Query,
    row::{Row, When, octets},
    words::{WORDS, message},
};

/// `GET /messages/{id}/print`
pub(in crate::http) async fn print(
    State(site): State<Site>,
    Path(id): Path<String>,
    Query(look): Query<Look>,
    Extension(host): Extension<Host>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let opened = site.glanced(&id).await?;
    let letter = opened.letter();
    let look = Look { scheme: String::new(), ..look };
    let (mut body, mut text, mut is_cut) = (None, String::new(), false);
    if letter.html(&opened.scanned.outline).is_some() {
        let rendered = leaves::rendered(&opened, &letter, &look).await?;
        (body, is_cut) = (Some(rendered.sanitised.html), rendered.is_cut);
    } else if let Some(excerpt) = leaves::plain(&opened, &letter).await? {
        (text, is_cut) = (excerpt.text, excerpt.is_cut);
    }
    let record = &opened.record;
    let paper = Paper {
        m: &WORDS.message,
        row: Row::new(record),
        people: facts::people(record),
        sent: record.summary.date_ms.map(When::new),
        attached: Attached::new(&opened, None),
        read: opened.read.map(octets),
        body,
        text,
        is_cut,
    };
    let paper = paper.render().map_err(|error| Error::internal(error.to_string()))?;
    // Last, so that nothing before it can be in its way; a style sheet of the mail comes after ours.
    let html =
        format!("{HEAD}<style>{LIGHT}{STYLE}{PAPER}</style><body>{paper}<script>{SCRIPT}</script>");
    let mut answer = page::answer(&headers, "text/html; charset=utf-8", html).await;
    let more = format!(" allow-modals allow-scripts; script-src '{}'", *SCRIPT_HASH);
    frame::fence(&mut answer, &frame::policy(&host, look.is_remote(), &more))?;
    Ok(answer)
}

#[derive(Template)]
#[template(path = "print.html")]
struct Paper<'a> {
    m: &'static message::Words,
    row: Row,
    people: Vec<People<'a>>,
    sent: Option<When>,
    attached: Attached,
    /// See `MessagePage`.
    read: Option<String>,
    body: Option<String>,
    text: String,
    /// There is more of the body or text than is printed.
    is_cut: bool,
}

/// Pictures that are still to come are waited for.
const SCRIPT: &str = "addEventListener('load',()=>print())";

static SCRIPT_HASH: LazyLock<String> =
    LazyLock::new(|| format!("sha256-{}", BASE64.encode(&Sha256::digest(SCRIPT))));

const PAPER: &str = ".smtpd-head{margin-bottom:20px;padding-bottom:12px;border-bottom:1px solid #999;font:13px/1.5 system-ui,sans-serif}\
    .smtpd-head h1{margin:0 0 8px;font-size:20px}.smtpd-head th{padding:1px 14px 1px 0;color:#555;font-weight:400;text-align:left;vertical-align:top}\
    .smtpd-head td{overflow-wrap:anywhere}.smtpd-text{white-space:pre-wrap;overflow-wrap:anywhere;font:13px/1.6 ui-monospace,monospace}";
