//! The page of one message, with its tabs, and the page of one of its parts.

mod facts;
mod panel;
mod pieces;
mod print;

use askama::Template;
use axum::{
    extract::{Extension, Path},
    http::{HeaderMap, Method},
    response::Response,
};

use self::{
    facts::{Group, People},
    panel::{Panel, PartBody, TextLeaf, shown_at_most},
    pieces::Attached,
};
pub(super) use self::{panel::links, print::print};
use super::{
    access::{Access, ShownMessage},
    admission::Who,
    error::Error,
    frame::Look,
    list::{Asked, Shell},
    page,
    parameters::{Pairs, Parameters, Query},
    row::{Row, When, octets},
    words::{WORDS, Words, message},
};
use crate::{
    message::{Code, Defect, Protection, codes, protections},
    store::{self, Change, Record, Selection},
};

/// What a tab shows of the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tab {
    Html,
    Markup,
    Text,
    Headers,
    Source,
    Parts,
    Links,
}

/// How to show it.
pub(super) struct How {
    look: Look,
    /// `page=2` of the source.
    page: String,
    /// `raw=1`: the header as it came.
    raw: bool,
    /// `whole=1`: a message too large to be read for a page is read all the same.
    whole: bool,
    /// Only header fields in which this stands.
    filter: String,
}

impl Parameters for How {
    fn take(pairs: &mut Pairs) -> Result<Self, Error> {
        Ok(Self {
            look: Look::take(pairs)?,
            page: pairs.text("page")?.unwrap_or_default(),
            raw: pairs.one("raw")?,
            whole: pairs.one("whole")?,
            filter: pairs.shown("filter")?,
        })
    }
}

/// `GET /messages/{id}` and its tabs.
pub(super) async fn show(
    site: Access,
    Path(id): Path<String>,
    Query(how): Query<How>,
    Extension(who): Extension<Who>,
    method: Method,
    headers: HeaderMap,
    tab: Option<Tab>,
) -> Result<Response, Error> {
    let mut loaded = if how.whole { site.load(&id).await? } else { site.load_prefix(&id).await? };
    // A browser that fetches ahead, or a probe with HEAD, is nobody reading.
    let is_reading = method == Method::GET && !is_prefetch(&headers);
    if !loaded.record.read && is_reading && who.may_change() {
        site.mail
            .change(&site.scope, Selection::Ids(vec![loaded.record.id]), Change::Read(true))
            .await?;
        loaded.mark_read();
    }
    let has_html = loaded.letter().html(&loaded.scanned.outline).is_some();
    let tab = tab.unwrap_or(if has_html { Tab::Html } else { Tab::Text });
    let panel = Panel::new(&loaded, tab, &how).await?;
    answer(&site, &loaded, tab, panel, &headers).await
}

/// `GET /messages/{id}/parts/{part}/view`
pub(super) async fn show_part(
    site: Access,
    Path((id, number)): Path<(String, String)>,
    Query(how): Query<How>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let loaded = site.load_prefix_with(&id, &number).await?;
    let (number, _) = loaded.part(&number)?;
    let panel = Panel::part(&loaded, number, &how).await?;
    answer(&site, &loaded, Tab::Parts, panel, &headers).await
}

async fn answer(
    site: &Access,
    loaded: &ShownMessage,
    tab: Tab,
    panel: Panel,
    headers: &HeaderMap,
) -> Result<Response, Error> {
    let shell = Shell::new(site, Asked::default()).await?;
    let record = &loaded.record;
    let message = MessagePage {
        w: WORDS,
        m: &WORDS.message,
        shell: &shell,
        row: Row::new(record),
        people: facts::people(record),
        facts: facts::groups(record),
        sent: record.summary.date_ms.map(When::new),
        codes: found_codes(loaded),
        protections: protections(&loaded.scanned.outline, &loaded.scanned.text),
        defects: &record.summary.defects,
        attached: Attached::new(loaded, None),
        older: older(site, record).await?,
        has_html: loaded.letter().html(&loaded.scanned.outline).is_some(),
        read: loaded.read.map(octets),
        tab,
        panel,
    };
    page::page(headers, &message).await
}

#[derive(Template)]
#[template(path = "message.html")]
struct MessagePage<'a> {
    w: &'static Words,
    m: &'static message::Words,
    shell: &'a Shell,
    row: Row,
    people: Vec<People<'a>>,
    facts: [Group; 3],
    sent: Option<When>,
    codes: Vec<Code>,
    protections: Vec<Protection>,
    defects: &'a [Defect],
    attached: Attached,
    /// The id of the next older message.
    older: Option<String>,
    has_html: bool,
    /// How much of the message the page knows, if it is not all.
    read: Option<String>,
    tab: Tab,
    panel: Panel,
}

/// The one-time codes of a message: in its subject and its texts.
pub(super) fn found_codes(loaded: &ShownMessage) -> Vec<Code> {
    let subject = loaded.record.summary.subject.as_str();
    codes(std::iter::once(subject).chain(loaded.scanned.texts()))
}

async fn older(site: &Access, record: &Record) -> Result<Option<String>, Error> {
    let query = store::Query { before: Some(record.id), limit: 1, ..store::Query::default() };
    Ok(site
        .mail
        .list(&site.scope, query)
        .await?
        .records
        .first()
        .map(|record| record.id.to_string()))
}

/// True for a request that a browser makes before anybody asked (Sec-Purpose, older: Purpose).
fn is_prefetch(headers: &HeaderMap) -> bool {
    let of = |name| headers.get(name).and_then(|value| value.to_str().ok());
    [of("sec-purpose"), of("purpose")].into_iter().flatten().any(|it| it.contains("prefetch"))
}
