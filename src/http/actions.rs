//! What forms do: mark, star, delete; one message or all that a list shows.

use axum::{
    extract::{Path, Request, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Deserialize;

use super::{Site, body, error::Error, list::Asked};
use crate::store::{Change, Selection};

/// `POST /messages/{id}`
pub(super) async fn one(
    State(site): State<Site>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, Error> {
    let Form { action, .. } = body::form(&site, request).await?;
    let id = site.record(&id).await?.id;
    act(&site, &action, Selection::Ids(vec![id])).await?;
    // An unread message would be read again at once if we went back to its page.
    let stays = matches!(action, Action::Star | Action::Unstar | Action::Read);
    Ok(see_other(if stays { format!("/messages/{id}") } else { "/".to_owned() }))
}

/// `POST /messages`: everything that the list of this search and mailbox shows.
pub(super) async fn many(State(site): State<Site>, request: Request) -> Result<Response, Error> {
    let Form { action, asked } = body::form(&site, request).await?;
    act(&site, &action, asked.selection()?).await?;
    let emptied = matches!(action, Action::Delete) && asked.q.is_empty();
    Ok(see_other(if emptied { "/".to_owned() } else { asked.link("/") }))
}

async fn act(site: &Site, action: &Action, which: Selection) -> Result<(), Error> {
    let change = match action {
        Action::Read => Change::Read(true),
        Action::Unread => Change::Read(false),
        Action::Star => Change::Starred(true),
        Action::Unstar => Change::Starred(false),
        Action::Delete => {
            site.desk.delete(which).await?;
            return Ok(());
        }
    };
    site.desk.change(which, change).await?;
    Ok(())
}

fn see_other(location: String) -> Response {
    (StatusCode::SEE_OTHER, [(header::LOCATION, location)]).into_response()
}

#[derive(Deserialize)]
struct Form {
    action: Action,
    #[serde(flatten)]
    asked: Asked,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Action {
    Read,
    Unread,
    Star,
    Unstar,
    Delete,
}
