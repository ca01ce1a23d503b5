//! The left column: mailboxes below their domains, and tags, with what is unread in them. They are
//! found as mail arrives; nobody makes them.

use std::collections::BTreeMap;

use askama::Template;
use axum::{http::HeaderMap, response::Response};

use super::{
    access::Access,
    error::Error,
    layout::Layout,
    list_params::ListParams,
    page,
    parameters::{Pairs, Parameters, Query},
    strings::{STRINGS, Strings},
};
use crate::{
    message::search,
    store::{self, Mailbox, mailbox_key},
};

/// `GET /boxes`: the column alone, for a page that is open while mail arrives.
pub(super) async fn sidebar(
    context: Access,
    Query(Here(asked)): Query<Here>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let layout = Layout::new(&context, asked).await?;
    let sidebar = Sidebar::new(&context, &layout.asked).await?;
    page::page(&headers, &SidebarPiece { w: STRINGS, layout: &layout, sidebar: &sidebar }).await
}

/// The list that the page shows.
pub(super) struct Here(ListParams);

impl Parameters for Here {
    fn take(pairs: &mut Pairs) -> Result<Self, Error> {
        let q = pairs.text("q")?.unwrap_or_default();
        let mailbox = pairs.mailbox()?.unwrap_or_default();
        Ok(Self(ListParams { q, mailbox, ..ListParams::default() }))
    }
}

/// What the column lists.
pub(super) struct Sidebar {
    pub(super) domains: Vec<Domain>,
    pub(super) tags: Vec<Link>,
    /// There are more mailboxes than are listed.
    pub(super) has_more: bool,
}

/// A domain and its mailboxes.
pub(super) struct Domain {
    /// All of its mailboxes together.
    pub(super) all: Link,
    pub(super) mailboxes: Vec<Link>,
}

/// A place to go to, with its totals.
pub(super) struct Link {
    /// The mailbox, `@domain` or tag.
    pub(super) name: String,
    /// How it is shown.
    pub(super) short: String,
    pub(super) href: String,
    pub(super) is_current: bool,
    pub(super) messages: u64,
    pub(super) unread: u64,
}

impl Sidebar {
    /// The column beside this list.
    pub(super) async fn new(context: &Access, asked: &ListParams) -> Result<Self, store::Error> {
        let mut mailboxes =
            context.mail.mailboxes(&context.scope, None, MOST_MAILBOXES + 1).await?;
        let has_more = mailboxes.len() > MOST_MAILBOXES;
        mailboxes.truncate(MOST_MAILBOXES);
        let mut tags = context.mail.tags(&context.scope).await?;
        tags.truncate(MOST_TAGS);
        Ok(Self {
            domains: domains(mailboxes, has_more, asked),
            tags: tags.into_iter().map(|tag| Link::tag(tag, asked)).collect(),
            has_more,
        })
    }

    /// The totals of the mailbox that the list is of.
    pub(super) fn current(&self) -> Option<&Link> {
        let links = self.domains.iter().flat_map(|domain| domain.mailboxes.iter());
        links.into_iter().find(|link| link.is_current)
    }
}

/// Mailboxes put below their domains, both sorted by name.
fn domains(mailboxes: Vec<Mailbox>, has_more: bool, asked: &ListParams) -> Vec<Domain> {
    let mut domains = BTreeMap::<String, Vec<Mailbox>>::new();
    for mailbox in mailboxes {
        let domain = search::domain(&mailbox.name);
        domains.entry(domain).or_default().push(mailbox);
    }
    let domain = |(name, mailboxes): (String, Vec<Mailbox>)| Domain {
        // Of mailboxes that are not listed nobody knows the domain, so there is no total of any.
        all: Link::domain(&name, if has_more { &[] } else { &mailboxes }, asked),
        mailboxes: mailboxes.into_iter().map(|it| Link::mailbox(it, asked)).collect(),
    };
    domains.into_iter().map(domain).collect()
}

impl Link {
    fn mailbox(mailbox: Mailbox, asked: &ListParams) -> Self {
        let there = ListParams { mailbox: mailbox.name.clone(), ..ListParams::default() };
        let is_current = mailbox_key(&asked.mailbox) == mailbox.name;
        let local = mailbox.name.rsplit_once('@').map_or("", |(local, _)| local);
        let short = if local.is_empty() { mailbox.name.clone() } else { local.to_owned() };
        Self::new(mailbox, short, &there, is_current)
    }

    /// The totals are those of its mailboxes: a message to two of them counts in both.
    fn domain(name: &str, mailboxes: &[Mailbox], asked: &ListParams) -> Self {
        let all = Mailbox {
            name: format!("@{name}"),
            messages: mailboxes.iter().map(|mailbox| mailbox.messages).sum(),
            unread: mailboxes.iter().map(|mailbox| mailbox.unread).sum(),
        };
        let there = searching(format!("domain:{}", search::quoted(name)));
        let is_current = asked.q == there.q;
        Self::new(all, name.to_owned(), &there, is_current)
    }

    fn tag(tag: Mailbox, asked: &ListParams) -> Self {
        let there = searching(format!("tag:{}", search::quoted(&tag.name)));
        let is_current = asked.q == there.q;
        let short = tag.name.clone();
        Self::new(tag, short, &there, is_current)
    }

    fn new(mailbox: Mailbox, short: String, there: &ListParams, is_current: bool) -> Self {
        let Mailbox { name, messages, unread } = mailbox;
        Self { name, short, href: there.link("/"), is_current, messages, unread }
    }
}

fn searching(q: String) -> ListParams {
    ListParams { q, ..ListParams::default() }
}

#[derive(Template)]
#[template(path = "sidebar.html")]
struct SidebarPiece<'a> {
    w: &'static Strings,
    layout: &'a Layout,
    sidebar: &'a Sidebar,
}

/// Mailboxes in the column; beyond them there is the search.
const MOST_MAILBOXES: usize = 300;

/// Tags in the column.
const MOST_TAGS: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mailboxes_stand_below_their_domains() {
        let mailbox =
            |name: &str, unread| Mailbox { name: name.into(), messages: 2 * unread, unread };
        let all = vec![
            mailbox("\"a@b\"@x.example", 1),
            mailbox("ann@y.example", 2),
            mailbox("bob@x.example", 3),
            mailbox("postmaster", 4),
        ];
        let asked = ListParams { mailbox: "Bob@X.example".into(), ..ListParams::default() };
        let domains = domains(all.clone(), false, &asked);
        let shown: Vec<_> = domains
            .iter()
            .map(|it| (it.all.name.as_str(), it.all.unread, it.mailboxes.len()))
            .collect();
        assert_eq!(shown, [("@", 4, 1), ("@x.example", 4, 2), ("@y.example", 2, 1)]);
        assert_eq!(domains[0].mailboxes[0].short, "postmaster");
        let bob = &domains[1].mailboxes[1];
        assert!(bob.is_current && bob.short == "bob" && bob.href == "/?mailbox=bob%40x%2Eexample");
        assert_eq!(domains[2].all.href, "/?q=domain%3A%22y%2Eexample%22");
        let cut = super::domains(all, true, &asked);
        assert!(cut.iter().all(|it| it.all.unread == 0 && !it.mailboxes.is_empty()));
    }
}
