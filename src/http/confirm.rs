//! The question before many messages are deleted.

use askama::Template;
use axum::{
    extract::{Query, State},
    http::HeaderMap,
    response::Response,
};

use super::{
    Site,
    error::Error,
    list::{Asked, Shell},
    page,
    words::{WORDS, Words},
};

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

#[derive(Template)]
#[template(path = "confirm.html")]
struct ConfirmPage<'a> {
    w: &'static Words,
    shell: &'a Shell,
}
