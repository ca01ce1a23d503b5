//! The list of messages: as a page, and as rows alone for a page that is open already.

use askama::Template;
use axum::{
    extract::Extension,
    http::{HeaderMap, StatusCode},
    response::Response,
};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::{
    LoginMode,
    access::Access,
    boxes::Boxes,
    error::Error,
    guard::Host,
    page,
    parameters::{Pairs, Parameters, Query},
    row::Row,
    words::{WORDS, Words},
};
use crate::{
    message::search::{self, SearchError, Test},
    store::{self, Counts, Page, mailbox_key},
};

/// What a list is asked for, as it stands in the address.
#[derive(Clone, Debug, Default)]
pub(super) struct Asked {
    /// A search.
    pub(super) q: String,
    /// A recipient.
    pub(super) mailbox: String,
    /// Only older messages than this one.
    pub(super) before: String,
    /// The message that is open beside the list, and perhaps its tab: `{id}` or `{id}/headers`.
    pub(super) open: String,
}

/// What stands around every page.
pub(super) struct Shell {
    pub(super) asked: Asked,
    pub(super) counts: Counts,
    pub(super) epoch: String,
    /// The number of the last event that the page has seen.
    pub(super) seen: u64,
    pub(super) version: &'static str,
    /// There is a login, so one can log out.
    pub(super) asks_who: bool,
}

/// `GET /`
pub(super) async fn list(
    site: Access,
    Extension(host): Extension<Host>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    // The event number is taken first: an event between here and the list is then told twice, and
    // the script knows the row already. The other order could lose one.
    let shell = Shell::new(&site, asked).await?;
    let asked = &shell.asked;
    let (found, trouble) = match asked.filter() {
        Ok(_) => (site.mail.list(&site.scope, asked.query(PAGE_ROWS)?).await?, None),
        Err(error) => (NOTHING, Some(Trouble::new(&asked.q, error))),
    };
    let older = found.records.last().filter(|_| found.more).map(|last| {
        let before = last.id.to_string();
        Asked { before, ..asked.whole() }.link("/")
    });
    let boxes = Boxes::new(&site, asked).await?;
    let list = ListPage {
        w: WORDS,
        rows: found.records.iter().map(Row::new).collect(),
        blank: Row::default(),
        older,
        boxes: &boxes,
        hits: asked.hits(),
        smtp: smtp_address(&site, &host),
        smtp_port: site.smtp.port(),
        shell: &shell,
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
    site: Access,
    Query(wanted): Query<Wanted>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let found = match wanted {
        Wanted::Of(asked) => site.mail.list(&site.scope, asked.query(PAGE_ROWS)?).await?,
        Wanted::Named(ids) => {
            let mut records = Vec::new();
            for id in ids.split(',').take(MOST_NAMED) {
                let id = id.parse().map_err(|_| Error::bad_request(WORDS.errors.no_id))?;
                records.extend(site.mail.get(&site.scope, id).await?);
            }
            Page { records, more: false }
        }
    };
    let rows: Vec<_> = found.records.iter().map(Row::new).collect();
    page::page(&headers, &RowsPiece { w: WORDS, rows, more: found.more }).await
}

/// Which rows.
pub(super) enum Wanted {
    /// Those of a list.
    Of(Asked),
    /// These: ids with commas between them.
    Named(String),
}

impl Parameters for Wanted {
    fn take(pairs: &mut Pairs) -> Result<Self, Error> {
        let asked = Asked::take_whole(pairs)?;
        match pairs.text("ids")? {
            None => Ok(Self::Of(asked)),
            Some(ids) if asked.link("").is_empty() => Ok(Self::Named(ids)),
            Some(_) => Err(Error::bad_request(WORDS.errors.ids_and_more)),
        }
    }
}

/// As the list's own address has it: the form of the search sends its fields also when they are empty.
impl Parameters for Asked {
    fn take(pairs: &mut Pairs) -> Result<Self, Error> {
        Ok(Self {
            q: pairs.shown("q")?,
            mailbox: pairs.shown_mailbox()?,
            before: pairs.text("before")?.unwrap_or_default(),
            open: pairs.text("open")?.unwrap_or_default(),
        })
    }
}

impl Asked {
    /// As programs ask for a list: what they name says something.
    pub(super) fn take_whole(pairs: &mut Pairs) -> Result<Self, Error> {
        Ok(Self {
            q: pairs.text("q")?.unwrap_or_default(),
            mailbox: pairs.mailbox()?.unwrap_or_default(),
            before: pairs.text("before")?.unwrap_or_default(),
            open: String::new(),
        })
    }

    /// A page of it.
    pub(super) fn query(&self, limit: usize) -> Result<store::Query, Error> {
        let filter = self.filter().map_err(|error| Error::bad_request(error.to_string()));
        let (search, mailbox) = filter?;
        let before = match self.before.as_str() {
            "" => None,
            id => Some(id.parse().map_err(|_| Error::bad_request(WORDS.errors.no_id))?),
        };
        Ok(store::Query { search, mailbox, before, skip: 0, limit })
    }

    /// The address that shows it, below this path.
    pub(super) fn link(&self, path: &str) -> String {
        let Self { q, mailbox, before, open } = self;
        address(path, &[("q", q), ("mailbox", mailbox), ("before", before), ("open", open)])
    }

    /// The address of the question before all that it shows is deleted.
    pub(super) fn delete_link(&self) -> String {
        let all = if self.q.is_empty() && self.mailbox.is_empty() { "1" } else { "" };
        address("/delete", &[("q", &self.q), ("mailbox", &self.mailbox), ("all", all)])
    }

    /// The same list from its newest message on.
    pub(super) fn whole(&self) -> Self {
        Self { q: self.q.clone(), mailbox: self.mailbox.clone(), ..Self::default() }
    }

    /// The same list without the search.
    fn everything(&self) -> Self {
        Self { q: String::new(), ..self.whole() }
    }

    fn filter(&self) -> Result<(search::Query, Option<String>), SearchError> {
        let mailbox = Some(mailbox_key(&self.mailbox)).filter(|mailbox| !mailbox.is_empty());
        let search = match self.q.as_str() {
            "" => search::Query::default(),
            q => search::Query::parse(q)?,
        };
        Ok((search, mailbox))
    }

    /// How a script keeps this list up to date: by adding rows, or by asking for them.
    fn live(&self) -> &'static str {
        if self.q.is_empty() { "rows" } else { "search" }
    }

    /// The words that are looked for, so that a script can mark them in the rows; one that is the
    /// beginning of others ends with an asterisk.
    fn hits(&self) -> String {
        let mut hits = Vec::new();
        for term in search::Query::parse(&self.q).unwrap_or_default().terms {
            if let (Test::Words { words, prefix, .. }, false) = (term.test, term.negated) {
                let last = words.len();
                let ended = |(at, word)| if prefix && at + 1 == last { word + "*" } else { word };
                hits.extend(words.into_iter().enumerate().map(ended));
            }
        }
        hits.join(" ")
    }
}

/// An address below this path with those of the parameters that say something.
pub(super) fn address(path: &str, parameters: &[(&str, &str)]) -> String {
    let mut address = path.to_owned();
    for (name, value) in parameters.iter().filter(|(_, value)| !value.is_empty()) {
        let mark = if address.contains('?') { '&' } else { '?' };
        let value = utf8_percent_encode(value, NON_ALPHANUMERIC);
        address.push_str(&format!("{mark}{name}={value}"));
    }
    address
}

impl Shell {
    /// What stands around a page about this.
    pub(super) async fn new(site: &Access, asked: Asked) -> Result<Self, Error> {
        let seen = site.mail.next_event() - 1;
        let counts = site.mail.counts(&site.scope).await?;
        let asks_who = site.options.login != LoginMode::Off;
        Ok(Self { asked, counts, epoch: site.epoch.clone(), seen, version: site.version, asks_who })
    }
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
        Self { why: WORDS.shell.problem(&error.problem), before, here, after }
    }
}

#[derive(Template)]
#[template(path = "list.html")]
struct ListPage<'a> {
    w: &'static Words,
    shell: &'a Shell,
    /// Why the search means nothing.
    trouble: Option<Trouble>,
    rows: Vec<Row>,
    blank: Row,
    older: Option<String>,
    boxes: &'a Boxes,
    /// See [`Asked::hits`].
    hits: String,
    /// Host to send mail to, and the same with its port.
    smtp: (String, String),
    smtp_port: u16,
}

#[derive(Template)]
#[template(path = "rows.html")]
struct RowsPiece {
    w: &'static Words,
    rows: Vec<Row>,
    /// Older ones follow.
    more: bool,
}

/// Where to send mail, as seen from the browser: the host alone, and with its port.
fn smtp_address(site: &Access, Host(host): &Host) -> (String, String) {
    let port = site.smtp.port();
    if !site.smtp.ip().is_unspecified() {
        return (site.smtp.ip().to_string(), site.smtp.to_string());
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
        let hits = |q: &str| Asked { q: q.into(), ..Asked::default() }.hits();
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
