//! The list of messages: as a page, and as rows alone for a page that is open already.

use askama::Template;
use axum::{
    extract::Extension,
    http::{HeaderMap, StatusCode},
    response::Response,
};

use super::{
    access::Access,
    error::Error,
    host::Host,
    layout::Layout,
    list_params::ListParams,
    page,
    parameters::{Pairs, Parameters, Query},
    row::Row,
    sidebar::Sidebar,
    strings::{STRINGS, Strings},
};
use crate::{
    message::search::{self, SearchError, Test},
    store::Page,
};

/// `GET /`
pub(super) async fn list(
    context: Access,
    Extension(host): Extension<Host>,
    Query(asked): Query<ListParams>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    // The event number is taken first: an event between here and the list is then told twice, and
    // the script knows the row already. The other order could lose one.
    let layout = Layout::new(&context, asked).await?;
    let asked = &layout.asked;
    let (found, hits, trouble) = match asked.search() {
        Ok(search) => {
            let hits = hits(&search);
            let query = asked.query_of(search, PAGE_ROWS)?;
            (context.mail.list(&context.scope, query).await?, hits, None)
        }
        Err(error) => (NOTHING, String::new(), Some(Trouble::new(&asked.q, error))),
    };
    let older = found.records.last().filter(|_| found.more).map(|last| {
        let before = last.id.to_string();
        ListParams { before, ..asked.whole() }.link("/")
    });
    let sidebar = Sidebar::new(&context, asked).await?;
    let list = ListPage {
        w: STRINGS,
        rows: found.records.iter().map(Row::new).collect(),
        blank: Row::default(),
        older,
        sidebar: &sidebar,
        hits,
        smtp: smtp_address(&context, &host),
        smtp_port: context.smtp.port(),
        layout: &layout,
        trouble,
    };
    let mut answer = page::page(&headers, &list).await?;
    if list.trouble.is_some() {
        *answer.status_mut() = StatusCode::BAD_REQUEST;
    }
    Ok(answer)
}

/// `GET /rows`: a piece of a list, or the messages of these ids as a list shows them now.
pub(super) async fn rows(
    context: Access,
    Query(wanted): Query<Wanted>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let found = match wanted {
        Wanted::Of(asked) => context.mail.list(&context.scope, asked.query(PAGE_ROWS)?).await?,
        Wanted::Named(ids) => {
            let ids = ids.split(',').take(MOST_NAMED).map(str::parse).collect::<Result<_, _>>();
            let ids = ids.map_err(|_| Error::bad_request(STRINGS.errors.no_id))?;
            Page { records: context.mail.get_all(&context.scope, ids).await?, more: false }
        }
    };
    let rows: Vec<_> = found.records.iter().map(Row::new).collect();
    page::page(&headers, &RowsPiece { w: STRINGS, rows, more: found.more }).await
}

/// Which rows.
pub(super) enum Wanted {
    /// Those of a list.
    Of(ListParams),
    /// These: ids with commas between them.
    Named(String),
}

impl Parameters for Wanted {
    fn take(pairs: &mut Pairs) -> Result<Self, Error> {
        let asked = ListParams::take_whole(pairs)?;
        match pairs.text("ids")? {
            None => Ok(Self::Of(asked)),
            Some(ids) if asked.link("").is_empty() => Ok(Self::Named(ids)),
            Some(_) => Err(Error::bad_request(STRINGS.errors.ids_and_more)),
        }
    }
}

/// The words that are looked for, so that a script can mark them in the rows; one that is the beginning of
/// others ends with an asterisk.
fn hits(search: &search::Query) -> String {
    let mut hits = Vec::new();
    for term in &search.terms {
        if let (Test::Words { words, prefix, .. }, false) = (&term.test, term.negated) {
            hits.extend(words.iter().cloned());
            if let (Some(last), true) = (hits.last_mut(), *prefix) {
                last.push('*');
            }
        }
    }
    hits.join(" ")
}

/// A search that cannot be understood: why, and the search taken apart around the trouble.
struct Trouble {
    why: String,
    before: String,
    here: String,
    after: String,
}

impl Trouble {
    fn new(q: &str, error: SearchError) -> Self {
        let start = q.char_indices().nth(error.position).map_or(q.len(), |(start, _)| start);
        let (before, rest) = q.split_at(start);
        let (here, after) = rest.split_at(rest.find(char::is_whitespace).unwrap_or(rest.len()));
        let [before, here, after] = [before, here, after].map(str::to_owned);
        Self { why: STRINGS.layout.problem(&error.problem), before, here, after }
    }
}

#[derive(Template)]
#[template(path = "list.html")]
struct ListPage<'a> {
    w: &'static Strings,
    layout: &'a Layout,
    /// Why the search means nothing.
    trouble: Option<Trouble>,
    rows: Vec<Row>,
    blank: Row,
    older: Option<String>,
    sidebar: &'a Sidebar,
    /// See [`hits`].
    hits: String,
    /// Host to send mail to, and the same with its port.
    smtp: (String, String),
    smtp_port: u16,
}

#[derive(Template)]
#[template(path = "rows.html")]
struct RowsPiece {
    w: &'static Strings,
    rows: Vec<Row>,
    /// Older ones follow.
    more: bool,
}

/// Where to send mail, as seen from the browser: the host alone, and with its port.
fn smtp_address(context: &Access, Host(host): &Host) -> (String, String) {
    let port = context.smtp.port();
    if !context.smtp.ip().is_unspecified() {
        return (context.smtp.ip().to_string(), context.smtp.to_string());
    }
    // Bound to every address: the one that the browser uses is among them.
    let is_port = |tail: &str| tail.bytes().all(|byte| byte.is_ascii_digit());
    let name = match host.rsplit_once(':') {
        Some((name, tail)) if is_port(tail) => name,
        _ => host,
    };
    (name.trim_start_matches('[').trim_end_matches(']').to_owned(), format!("{name}:{port}"))
}

/// Messages on a page.
const PAGE_ROWS: usize = 50;

/// Most rows that are asked for by their ids at once.
const MOST_NAMED: usize = 100;

const NOTHING: Page = Page { records: Vec::new(), more: false };

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hits_are_what_is_looked_for() {
        let hits = |q: &str| hits(&search::Query::parse(q).unwrap_or_default());
        assert_eq!(hits("from:Ann -spam \"weekly rep\"* is:read"), "ann weekly rep*");
        assert_eq!(hits("larger:elephant"), "");
    }

    #[test]
    fn trouble_is_shown_where_it_is() {
        let q = "é is:green x";
        let trouble = Trouble::new(q, search::Query::parse(q).unwrap_err());
        assert_eq!(
            [trouble.before, trouble.here, trouble.after],
            ["é ", "is:green", " x"].map(str::to_owned)
        );
    }
}
