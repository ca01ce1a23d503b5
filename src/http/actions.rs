//! What forms do: mark, star, tag, delete; one message, those that are picked, or all that a list
//! shows.

use axum::{
    extract::{Path, Request},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;

use super::{
    access::Access,
    body,
    error::Error,
    list_params::ListParams,
    page,
    parameters::{Pairs, Parameters},
    strings::STRINGS,
    which::Which,
};
use crate::{
    id::MessageId,
    message::search::{self, Term, Test},
    store::{self, Change, Filter, Selection, tag_key},
};

/// `POST /messages/{id}`
pub(super) async fn one(
    context: Access,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, Error> {
    let action: Action = body::form(&context, request).await?;
    let id = context.record(&id).await?.id;
    act(&context, &action, Selection::Ids(vec![id])).await?;
    // An unread message would be read again at once if we went back to its page.
    let leaves = matches!(action, Action::Delete | Action::Change(Change::Read(false)));
    Ok(see_other(if leaves { "/".to_owned() } else { format!("/messages/{id}") }))
}

/// `POST /messages`: those that are picked, or everything that the list of this search and mailbox
/// shows. A script that asks for JSON is told how many it were.
pub(super) async fn many(
    context: Access,
    headers: HeaderMap,
    request: Request,
) -> Result<Response, Error> {
    let Form { action, ids, which, before, until } = body::form(&context, request).await?;
    let are_picked = ids.is_some();
    let selection = match ids {
        Some(_) if which.all => return Err(Error::bad_request(STRINGS.errors.ids_and_more)),
        // The search is then only the way back.
        Some(ids) => Selection::Ids(ids),
        // A list from there on is no selection, and must not become all that the search finds.
        None if !before.is_empty() => {
            return Err(Error::bad_request(STRINGS.errors.before_and_more));
        }
        None => as_asked(&context, which.selection()?, until).await?,
    };
    let changed = act(&context, &action, selection).await?;
    let accepts = headers.get(header::ACCEPT).is_some_and(|it| it == "application/json");
    if accepts {
        return page::json(&headers, &Changed { changed }).await;
    }
    let emptied = !are_picked && matches!(action, Action::Delete) && which.q.is_empty();
    let Which { q, mailbox, .. } = which;
    let list = ListParams { q, mailbox, before, ..ListParams::default() };
    Ok(see_other(if emptied { "/".to_owned() } else { list.link("/") }))
}

/// Leaves out what came after the question whether to delete was asked.
async fn as_asked(
    context: &Access,
    which: Selection,
    until_ms: Option<i64>,
) -> Result<Selection, Error> {
    let Some(until_ms) = until_ms else { return Ok(which) };
    Ok(match which {
        Selection::Matching(filter) => Selection::Matching(filter.received_before(until_ms)),
        // To delete all is quicker than to delete each, and the same if nothing came.
        Selection::All if !has_come_since(context, until_ms).await? => Selection::All,
        Selection::All => Selection::Matching(Filter::received_before_ms(until_ms)),
        Selection::Ids(ids) => Selection::Ids(ids),
    })
}

async fn has_come_since(context: &Access, since_ms: i64) -> Result<bool, Error> {
    let term = Term { negated: false, test: Test::After(since_ms) };
    let search = search::Query { terms: vec![term] };
    let query = store::Query { search, limit: 1, ..store::Query::default() };
    Ok(!context.mail.list(&context.scope, query).await?.records.is_empty())
}

/// Returns how many messages are different now.
async fn act(context: &Access, action: &Action, which: Selection) -> Result<u64, Error> {
    Ok(match action {
        Action::Delete => context.mail.delete(&context.scope, which).await?,
        Action::Change(change) => {
            check_tags(context, std::slice::from_ref(change)).await?;
            context.mail.change(&context.scope, which, change.clone()).await? as u64
        }
    })
}

/// Tags are for people to read, and each is a row beside every list: refuses one that is too long, and
/// a new one where there are enough.
pub(super) async fn check_tags(context: &Access, changes: &[Change]) -> Result<(), Error> {
    let wanted = changes.iter().filter_map(|change| match change {
        Change::Tag(tag) => Some(tag_key(tag)),
        _ => None,
    });
    let wanted: Vec<_> = wanted.collect();
    if wanted.is_empty() {
        return Ok(());
    }
    if wanted.iter().any(String::is_empty) {
        return Err(Error::bad_request(STRINGS.errors.tag_nameless));
    }
    if wanted.iter().any(|tag| tag.chars().count() > LONGEST_TAG) {
        return Err(Error::bad_request(STRINGS.errors.tag_too_long));
    }
    let known = context.mail.tags(&context.scope).await?;
    let is_new = |tag: &&String| known.iter().all(|it| it.name != **tag);
    if known.len() + wanted.iter().filter(is_new).count() > MOST_TAGS {
        return Err(Error::bad_request(STRINGS.errors.too_many_tags.with(&MOST_TAGS.to_string())));
    }
    Ok(())
}

fn see_other(location: String) -> Response {
    (StatusCode::SEE_OTHER, [(header::LOCATION, location)]).into_response()
}

#[derive(Serialize)]
struct Changed {
    changed: u64,
}

/// What a form asks for.
struct Form {
    action: Action,
    /// The picked messages, which may be none; or else the whole list.
    ids: Option<Vec<MessageId>>,
    which: Which,
    before: String,
    /// When the question was asked that this answers, in milliseconds since 1970.
    until: Option<i64>,
}

impl Parameters for Form {
    fn take(pairs: &mut Pairs) -> Result<Self, Error> {
        let named = pairs.every("id")?;
        let joined = pairs.text("ids")?.unwrap_or_default();
        let joined = joined.split(',').filter(|_| !joined.is_empty());
        let ids = named.iter().map(String::as_str).chain(joined).map(parse);
        let mut ids = ids.collect::<Result<Vec<_>, _>>()?;
        let only = match pairs.text("only")?.as_deref() {
            None => false,
            Some("picked") => true,
            Some(_) => return Err(Error::bad_request(STRINGS.errors.bad_form)),
        };
        // The button of a row: it says what to do and with which, whatever else is picked.
        let action = match pairs.text("one")? {
            None => Action::take(pairs)?,
            Some(one) => {
                let (what, id) = one.split_once(' ').unwrap_or_default();
                ids = vec![parse(id)?];
                Action::new(what, pairs)?
            }
        };
        let which = Which::take(pairs)?;
        let before = pairs.text("before")?.unwrap_or_default();
        if !before.is_empty() {
            parse(&before)?;
        }
        let until = pairs.number("until", 1)?.map(|ms| i64::try_from(ms).unwrap_or(i64::MAX));
        let ids = (only || !ids.is_empty()).then_some(ids);
        Ok(Self { action, ids, which, before, until })
    }
}

enum Action {
    Change(Change),
    Delete,
}

impl Parameters for Action {
    fn take(pairs: &mut Pairs) -> Result<Self, Error> {
        let name = pairs.text("action")?.unwrap_or_default();
        Self::new(&name, pairs)
    }
}

impl Action {
    fn new(name: &str, pairs: &mut Pairs) -> Result<Self, Error> {
        // The field stands beside all buttons, and only two of them need it.
        let tag = pairs.written("tag")?.unwrap_or_default();
        Ok(Self::Change(match name {
            "read" => Change::Read(true),
            "unread" => Change::Read(false),
            "star" => Change::Starred(true),
            "unstar" => Change::Starred(false),
            "tag" | "untag" if tag_key(&tag).is_empty() => {
                return Err(Error::bad_request(STRINGS.errors.tag_nameless));
            }
            "tag" => Change::Tag(tag),
            "untag" => Change::Untag(tag),
            "delete" => return Ok(Self::Delete),
            _ => return Err(Error::bad_request(STRINGS.errors.bad_form)),
        }))
    }
}

fn parse(id: &str) -> Result<MessageId, Error> {
    id.parse().map_err(|_| Error::bad_request(STRINGS.errors.no_id))
}

/// Most tags of all messages together, and characters of each.
const MOST_TAGS: usize = 200;
const LONGEST_TAG: usize = 100;
