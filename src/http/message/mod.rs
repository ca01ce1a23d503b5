//! The page of one message, with its tabs, and the page of one of its parts.

mod facts;
mod panel;
mod pieces;
mod print;

use askama::Template;
use axum::{
    extract::{Extension, Path, State},
    http::{HeaderMap, Method},
    response::Response,
};

pub(super) use self::{facts::parameter, panel::links, print::print};
use self::{
    facts::{Group, People},
    panel::{Panel, PartBody, TextLeaf, shown_at_most},
    pieces::Attached,
};
use super::{
    Site,
    admission::Who,
    error::Error,
    frame::Look,
    list::{Asked, Shell},
    page,
    parameters::{Pairs, Parameters, Query},
    row::{Row, When, octets},
    view::Opened,
    words::{WORDS, Words, message},
};
use crate::{
    message::{Code, Defect, Protection, codes, protections, search},
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
    State(site): State<Site>,
    Path(id): Path<String>,
    Query(how): Query<How>,
    Extension(who): Extension<Who>,
    method: Method,
    headers: HeaderMap,
    tab: Option<Tab>,
) -> Result<Response, Error> {
    let mut opened = if how.whole { site.opened(&id).await? } else { site.glanced(&id).await? };
    // A browser that fetches ahead, or a probe with HEAD, is nobody reading.
    let is_reading = method == Method::GET && !is_prefetch(&headers);
    if !opened.record.read && is_reading && who.may_change() {
        site.desk.change(Selection::Ids(vec![opened.record.id]), Change::Read(true)).await?;
        opened.record.read = true;
    }
    let has_html = opened.letter().html(&opened.scanned.outline).is_some();
    let tab = tab.unwrap_or(if has_html { Tab::Html } else { Tab::Text });
    let panel = Panel::new(&opened, tab, &how).await?;
    answer(&site, &opened, tab, panel, &headers).await
}

/// `GET /messages/{id}/parts/{part}/view`
pub(super) async fn show_part(
    State(site): State<Site>,
    Path((id, number)): Path<(String, String)>,
    Query(how): Query<How>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let opened = site.glanced_at(&id, &number).await?;
    let (number, _) = opened.part(&number)?;
    let panel = Panel::part(&opened, number, &how).await?;
    answer(&site, &opened, Tab::Parts, panel, &headers).await
}

async fn answer(
    site: &Site,
    opened: &Opened,
    tab: Tab,
    panel: Panel,
    headers: &HeaderMap,
) -> Result<Response, Error> {
    let shell = Shell::new(site, Asked::default()).await?;
    let record = &opened.record;
    let message = MessagePage {
        w: WORDS,
        m: &WORDS.message,
        shell: &shell,
        row: Row::new(record),
        people: facts::people(record),
        facts: facts::groups(record),
        sent: record.summary.date_ms.map(When::new),
        codes: found_codes(opened),
        protections: protections(&opened.scanned.outline, &opened.scanned.text),
        defects: &record.summary.defects,
        attached: Attached::new(opened, None),
        older: older(site, record).await?,
        has_html: opened.letter().html(&opened.scanned.outline).is_some(),
        read: opened.read.map(octets),
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
pub(super) fn found_codes(opened: &Opened) -> Vec<Code> {
    let subject = opened.record.summary.subject.as_str();
    codes(std::iter::once(subject).chain(opened.scanned.texts()))
}

async fn older(site: &Site, record: &Record) -> Result<Option<String>, Error> {
    let search = search::Query::default();
    let query = store::Query { search, mailbox: None, before: Some(record.id), limit: 1 };
    Ok(site.store.list(query).await?.records.first().map(|record| record.id.to_string()))
}

/// True for a request that a browser makes before anybody asked (Sec-Purpose, older: Purpose).
fn is_prefetch(headers: &HeaderMap) -> bool {
    let of = |name| headers.get(name).and_then(|value| value.to_str().ok());
    [of("sec-purpose"), of("purpose")].into_iter().flatten().any(|it| it.contains("prefetch"))
}
