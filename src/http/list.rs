//! The list of messages, and the question before many are deleted.

use askama::Template;
use axum::{
    extract::{Extension, Query, State},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

use super::{
    Site,
    error::Error,
    guard::Host,
    page,
    row::Row,
    words::{WORDS, Words},
};
use crate::{
    message::search::{self, SearchError},
    store::{self, Counts, Mailbox, Page, Selection, mailbox_key},
};

/// What a list is asked for, as it stands in the address.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    /// A search.
    pub(super) q: String,
    /// A recipient.
    pub(super) mailbox: String,
    /// Only older messages than this one.
    pub(super) before: String,
}

/// What stands around every page.
pub(super) struct Shell {
    pub(super) asked: Asked,
    pub(super) counts: Counts,
    pub(super) epoch: String,
    /// The number of the last event that the page has seen.
    pub(super) seen: u64,
    pub(super) version: &'static str,
}

/// `GET /`
pub(super) async fn list(
    State(site): State<Site>,
    Extension(host): Extension<Host>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    // The event number is taken first: an event between here and the list is then told twice, and
    // the script knows the row already. The other order could lose one.
    let shell = Shell::new(&site, asked).await?;
    let asked = &shell.asked;
    let (found, problem) = match asked.filter() {
        Ok(_) => (site.store.list(asked.query(PAGE_ROWS)?).await?, None),
        Err(problem) => (Page { records: Vec::new(), more: false }, Some(problem.to_string())),
    };
    let older = found.records.last().filter(|_| found.more).map(|last| {
        let before = last.id.to_string();
        Asked { before, ..asked.clone() }.link("/")
    });
    let mailboxes = site.store.mailboxes(None, MAILBOXES + 1).await?;
    let list = ListPage {
        w: WORDS,
        rows: found.records.iter().map(Row::new).collect(),
        blank: Row::default(),
        older,
        has_more_mailboxes: mailboxes.len() > MAILBOXES,
        mailboxes: mailboxes.into_iter().take(MAILBOXES).map(|it| Link::new(it, asked)).collect(),
        smtp: smtp_address(&site, &host),
        smtp_port: site.smtp.port(),
        shell: &shell,
        problem,
    };
    let mut answer = page::page(&headers, &list).await?;
    if list.problem.is_some() {
        *answer.status_mut() = StatusCode::BAD_REQUEST;
    }
    Ok(answer)
}

/// `GET /delete`: asks before everything that a list shows is deleted.
pub(super) async fn confirm(
    State(site): State<Site>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    // What cannot be searched for cannot be deleted either, so say it before the question.
    asked.selection()?;
    let shell = Shell::new(&site, asked).await?;
    page::page(&headers, &ConfirmPage { w: WORDS, shell: &shell }).await
}

impl Asked {
    /// The messages that this is about.
    pub(super) fn selection(&self) -> Result<Selection, Error> {
        match self.filter() {
            Ok((search, None)) if search.is_empty() => Ok(Selection::All),
            Ok((search, mailbox)) => Ok(Selection::Matching(search, mailbox)),
            Err(problem) => Err(Error::bad_request(problem.to_string())),
        }
    }

    /// A page of them.
    pub(super) fn query(&self, limit: usize) -> Result<store::Query, Error> {
        let filter = self.filter().map_err(|problem| Error::bad_request(problem.to_string()));
        let (search, mailbox) = filter?;
        let before = match self.before.as_str() {
            "" => None,
            id => Some(id.parse().map_err(|_| Error::bad_request("`before` is no message id."))?),
        };
        Ok(store::Query { search, mailbox, before, limit })
    }

    /// The address that shows it, below this path.
    pub(super) fn link(&self, path: &str) -> String {
        let mut link = path.to_owned();
        let pairs = [("q", &self.q), ("mailbox", &self.mailbox), ("before", &self.before)];
        for (name, value) in pairs.into_iter().filter(|(_, value)| !value.is_empty()) {
            let mark = if link.contains('?') { '&' } else { '?' };
            let value = utf8_percent_encode(value, NON_ALPHANUMERIC);
            link.push_str(&format!("{mark}{name}={value}"));
        }
        link
    }

    fn filter(&self) -> Result<(search::Query, Option<String>), SearchError> {
        let mailbox = Some(mailbox_key(&self.mailbox)).filter(|mailbox| !mailbox.is_empty());
        Ok((search::Query::parse(&self.q)?, mailbox))
    }

    /// How a script keeps this list up to date: by adding rows, or by saying that there is news.
    fn live(&self) -> &'static str {
        if self.q.trim().is_empty() && self.before.is_empty() { "rows" } else { "hint" }
    }
}

impl Shell {
    /// The address of the first page of the same list.
    fn newest(&self) -> String {
        Asked { before: String::new(), ..self.asked.clone() }.link("/")
    }

    /// What stands around a page about this.
    pub(super) async fn new(site: &Site, asked: Asked) -> Result<Self, Error> {
        let seen = site.bus.next_number() - 1;
        let counts = site.store.counts().await?;
        Ok(Self { asked, counts, epoch: site.epoch.clone(), seen, version: site.version })
    }
}

#[derive(Template)]
#[template(path = "list.html")]
struct ListPage<'a> {
    w: &'static Words,
    shell: &'a Shell,
    /// Why the search means nothing.
    problem: Option<String>,
    rows: Vec<Row>,
    blank: Row,
    older: Option<String>,
    mailboxes: Vec<Link>,
    has_more_mailboxes: bool,
    /// Host to send mail to, and the same with its port.
    smtp: (String, String),
    smtp_port: u16,
}

#[derive(Template)]
#[template(path = "confirm.html")]
struct ConfirmPage<'a> {
    w: &'static Words,
    shell: &'a Shell,
}

/// A mailbox in the left column.
struct Link {
    mailbox: Mailbox,
    href: String,
    is_current: bool,
}

impl Link {
    fn new(mailbox: Mailbox, asked: &Asked) -> Self {
        let here = Asked { mailbox: mailbox.name.clone(), ..Asked::default() };
        let is_current = mailbox_key(&asked.mailbox) == mailbox.name;
        Self { mailbox, href: here.link("/"), is_current }
    }
}

/// Where to send mail, as seen from the browser: the host alone, and with its port.
fn smtp_address(site: &Site, Host(host): &Host) -> (String, String) {
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

/// Mailboxes in the left column.
const MAILBOXES: usize = 100;
