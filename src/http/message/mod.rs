//! The page of one message, with its tabs, and the page of one of its parts.

mod facts;
mod links;
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
pub(super) use self::{links::links, print::print};
use super::{
    access::{Access, ShownMessage},
    authn::Principal,
    error::Error,
    layout::Layout,
    list_params::ListParams,
    page,
    parameters::{Pairs, Parameters, Query},
    render_params::RenderParams,
    row::{Row, When, octets},
    strings::{STRINGS, Strings, message},
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
pub(super) struct ViewParams {
    look: RenderParams,
    /// `page=2` of the source.
    page: String,
    /// `raw=1`: the header as it came.
    raw: bool,
    /// `whole=1`: a message too large to be read for a page is read all the same.
    whole: bool,
    /// Only header fields in which this stands.
    filter: String,
}

impl Parameters for ViewParams {
    fn take(pairs: &mut Pairs) -> Result<Self, Error> {
        Ok(Self {
            look: RenderParams::take(pairs)?,
            page: pairs.text("page")?.unwrap_or_default(),
            raw: pairs.one("raw")?,
            whole: pairs.one("whole")?,
            filter: pairs.shown("filter")?,
        })
    }
}

/// `GET /messages/{id}` and its tabs.
pub(super) async fn show(
    context: Access,
    Path(id): Path<String>,
    Query(how): Query<ViewParams>,
    Extension(principal): Extension<Principal>,
    method: Method,
    headers: HeaderMap,
    tab: Option<Tab>,
) -> Result<Response, Error> {
    let mut loaded =
        if how.whole { context.load(&id).await? } else { context.load_prefix(&id).await? };
    // A browser that fetches ahead, or a probe with HEAD, is nobody reading.
    let is_reading = method == Method::GET && !is_prefetch(&headers);
    if !loaded.record.read && is_reading && principal.may_change() {
        context
            .mail
            .change(&context.scope, Selection::Ids(vec![loaded.record.id]), Change::Read(true))
            .await?;
        loaded.mark_read();
    }
    let has_html = loaded.letter().html(&loaded.scanned.outline).is_some();
    let tab = tab.unwrap_or(if has_html { Tab::Html } else { Tab::Text });
    let panel = Panel::new(&loaded, tab, &how).await?;
    answer(&context, &loaded, tab, panel, &headers).await
}

/// `GET /messages/{id}/parts/{part}/view`
pub(super) async fn show_part(
    context: Access,
    Path((id, number)): Path<(String, String)>,
    Query(how): Query<ViewParams>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let loaded = context.load_prefix_with(&id, &number).await?;
    let (number, _) = loaded.part(&number)?;
    let panel = Panel::part(&loaded, number, &how).await?;
    answer(&context, &loaded, Tab::Parts, panel, &headers).await
}

async fn answer(
    context: &Access,
    loaded: &ShownMessage,
    tab: Tab,
    panel: Panel,
    headers: &HeaderMap,
) -> Result<Response, Error> {
    let layout = Layout::new(context, ListParams::default()).await?;
    let record = &loaded.record;
    let message = MessagePage {
        w: STRINGS,
        m: &STRINGS.message,
        layout: &layout,
        row: Row::new(record),
        people: facts::people(record),
        facts: facts::groups(record),
        sent: record.summary.date_ms.map(When::new),
        codes: found_codes(loaded),
        protections: protections(&loaded.scanned.outline, &loaded.scanned.text),
        defects: &record.summary.defects,
        attached: Attached::new(loaded, None),
        older: older(context, record).await?,
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
    w: &'static Strings,
    m: &'static message::Strings,
    layout: &'a Layout,
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

async fn older(context: &Access, record: &Record) -> Result<Option<String>, Error> {
    let query = store::Query { before: Some(record.id), limit: 1, ..store::Query::default() };
    Ok(context
        .mail
        .list(&context.scope, query)
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
