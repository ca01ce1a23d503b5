//! What forms do: mark, star, tag, delete; one message, those that are picked, or all that a list
//! shows.

use axum::{
    extract::{Path, Request, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;

use super::{Site, body, error::Error, list::Asked, status::json, words::WORDS};
use crate::{
    id::MessageId,
    store::{Change, Selection, tag_key},
};

/// `POST /messages/{id}`
pub(super) async fn one(
    State(site): State<Site>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, Error> {
    let form = Form::new(body::form(&site, request).await?)?;
    let id = site.record(&id).await?.id;
    act(&site, &form.action, Selection::Ids(vec![id])).await?;
    // An unread message would be read again at once if we went back to its page.
    let leaves = matches!(form.action, Action::Delete | Action::Change(Change::Read(false)));
    Ok(see_other(if leaves { "/".to_owned() } else { format!("/messages/{id}") }))
}

/// `POST /messages`: those that are picked, or everything that the list of this search and mailbox
/// shows. A script that asks for JSON is told how many it were.
pub(super) async fn many(
    State(site): State<Site>,
    headers: HeaderMap,
    request: Request,
) -> Result<Response, Error> {
    let form = Form::new(body::form(&site, request).await?)?;
    let which = match form.ids {
        Some(ids) => Selection::Ids(ids),
        None => form.asked.selection()?,
    };
    let whole = !matches!(which, Selection::Ids(_));
    let changed = act(&site, &form.action, which).await?;
    let accepts = headers.get(header::ACCEPT).is_some_and(|it| it == "application/json");
    if accepts {
        return json(&headers, &Changed { changed }).await;
    }
    let emptied = whole && matches!(form.action, Action::Delete) && form.asked.q.is_empty();
    Ok(see_other(if emptied { "/".to_owned() } else { form.asked.link("/") }))
}

/// Returns how many messages are different now.
async fn act(site: &Site, action: &Action, which: Selection) -> Result<u64, Error> {
    Ok(match action {
        Action::Delete => site.desk.delete(which).await?,
        Action::Change(change) => {
            check_tags(site, std::slice::from_ref(change)).await?;
            site.desk.change(which, change.clone()).await? as u64
        }
    })
}

/// Tags are for people to read, and each is a row beside every list: refuses one that is too long, and
/// a new one where there are enough.
pub(super) async fn check_tags(site: &Site, changes: &[Change]) -> Result<(), Error> {
    let wanted = changes.iter().filter_map(|change| match change {
        Change::Tag(tag) => Some(tag_key(tag)),
        _ => None,
    });
    let wanted: Vec<_> = wanted.collect();
    if wanted.is_empty() {
        return Ok(());
    }
    if wanted.iter().any(|tag| tag.chars().count() > LONGEST_TAG) {
        return Err(Error::bad_request(WORDS.errors.tag_too_long));
    }
    let known = site.store.tags().await?;
    let is_new = |tag: &&String| known.iter().all(|it| it.name != **tag);
    if known.len() + wanted.iter().filter(is_new).count() > MOST_TAGS {
        return Err(Error::bad_request(WORDS.errors.too_many_tags.with(&MOST_TAGS.to_string())));
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
    asked: Asked,
}

enum Action {
    Change(Change),
    Delete,
}

impl Form {
    /// Reads the fields; a name may stand more than once.
    fn new(fields: Vec<(String, String)>) -> Result<Self, Error> {
        let mut asked = Asked::default();
        let (mut action, mut tag, mut only) = (String::new(), String::new(), false);
        let (mut ids, mut one) = (Vec::new(), None);
        for (name, value) in fields {
            match name.as_str() {
                "action" => action = value,
                // The button of a row: it says what to do and with which, whatever else is picked.
                "one" => {
                    let (what, id) = value.split_once(' ').unwrap_or_default();
                    one = Some((what.to_owned(), parse(id)?));
                }
                "id" => ids.push(parse(&value)?),
                "ids" => {
                    let named = value.split(',').filter(|id| !id.is_empty());
                    ids.extend(named.map(parse).collect::<Result<Vec<_>, _>>()?);
                }
                "only" => only = value == "picked",
                "tag" => tag = value,
                "q" => asked.q = value,
                "mailbox" => asked.mailbox = value,
                "before" => asked.before = value,
                _ => {}
            }
        }
        if let Some((what, id)) = one {
            (action, ids) = (what, vec![id]);
        }
        let action = Action::new(&action, tag)?;
        Ok(Self { action, ids: (only || !ids.is_empty()).then_some(ids), asked })
    }
}

impl Action {
    fn new(name: &str, tag: String) -> Result<Self, Error> {
        Ok(Self::Change(match name {
            "read" => Change::Read(true),
            "unread" => Change::Read(false),
            "star" => Change::Starred(true),
            "unstar" => Change::Starred(false),
            "tag" | "untag" if tag_key(&tag).is_empty() => {
                return Err(Error::bad_request(WORDS.errors.tag_nameless));
            }
            "tag" => Change::Tag(tag),
            "untag" => Change::Untag(tag),
            "delete" => return Ok(Self::Delete),
            _ => return Err(Error::bad_request(WORDS.errors.bad_form)),
        }))
    }
}

fn parse(id: &str) -> Result<MessageId, Error> {
    id.parse().map_err(|_| Error::bad_request(WORDS.errors.no_id))
}

/// Most tags of all messages together, and characters of each.
const MOST_TAGS: usize = 200;
const LONGEST_TAG: usize = 100;
