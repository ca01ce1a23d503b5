//! A message on paper: its head and its HTML or text in one page, which asks to be printed.
//!
//! A frame prints only what of it is in view, so the page itself is fenced as a frame is: sanitised
//! HTML, an opaque origin, nothing loaded. It may run exactly one script, ours, known by its hash.

use std::sync::LazyLock;

use askama::Template;
use axum::{
    extract::{Extension, Path},
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
    access::Access,
    error::Error,
    frame::{self, HEAD},
    host::Host,
    leaves, page,
    parameters::Query,
    render_params::RenderParams,
    row::{Row, When, octets},
    strings::{STRINGS, message},
};

/// `GET /messages/{id}/print`
pub(in crate::http) async fn print(
    context: Access,
    Path(id): Path<String>,
    Query(look): Query<RenderParams>,
    Extension(host): Extension<Host>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let loaded = context.load_prefix(&id).await?;
    let letter = loaded.letter();
    let look = RenderParams { scheme: Default::default(), ..look };
    let (mut mail, mut text, mut is_cut) = (None, String::new(), false);
    if letter.html(&loaded.scanned.outline).is_some() {
        let rendered = leaves::rendered(&loaded, &letter, &look).await?;
        (mail, is_cut) = (Some(rendered.sanitised), rendered.is_cut);
    } else if let Some(excerpt) = leaves::plain(&loaded, &letter).await? {
        (text, is_cut) = (excerpt.text, excerpt.is_cut);
    }
    let record = &loaded.record;
    let paper = Paper {
        m: &STRINGS.message,
        row: Row::new(record),
        people: facts::people(record),
        sent: record.summary.date_ms.map(When::new),
        attached: Attached::new(&loaded, None),
        read: loaded.read.map(octets),
        text: mail.is_none().then_some(text),
        style: PAPER,
        is_cut,
    };
    let paper = paper.render().map_err(|error| Error::internal(error.to_string()))?;
    let mut page = mail.unwrap_or_default();
    // Ours comes last, so that nothing before it can be in its way.
    page.html = format!("{paper}{}<script>{SCRIPT}</script>", page.html);
    let mut answer = page::answer(&headers, "text/html; charset=utf-8", page.document(HEAD)).await;
    let more = format!(" allow-modals allow-scripts; script-src '{}'", *SCRIPT_HASH);
    frame::fence(&mut answer, &frame::policy(&host, look.remote, &more))?;
    Ok(answer)
}

#[derive(Template)]
#[template(path = "print.html")]
struct Paper<'a> {
    m: &'static message::Strings,
    row: Row,
    people: Vec<People<'a>>,
    sent: Option<When>,
    attached: Attached,
    /// See `MessagePage`.
    read: Option<String>,
    /// The text, where there is no HTML.
    text: Option<String>,
    style: &'static str,
    /// There is more of the body or text than is printed.
    is_cut: bool,
}

/// Pictures that are still to come are waited for.
const SCRIPT: &str = "addEventListener('load',()=>print())";

static SCRIPT_HASH: LazyLock<String> =
    LazyLock::new(|| format!("sha256-{}", BASE64.encode(&Sha256::digest(SCRIPT))));

/// For our head alone: it stands in a shadow tree, where no style of the mail's reaches, and from where
/// none of ours reaches the mail.
const PAPER: &str = ":host{color:#111;font:13px/1.5 system-ui,sans-serif}\
    header{margin-bottom:20px;padding-bottom:12px;border-bottom:1px solid #999}\
    h1{margin:0 0 8px;font-size:20px}th{padding:1px 14px 1px 0;color:#555;font-weight:400;text-align:left;vertical-align:top}\
    td{overflow-wrap:anywhere}pre{white-space:pre-wrap;overflow-wrap:anywhere;font:13px/1.6 ui-monospace,monospace}";
