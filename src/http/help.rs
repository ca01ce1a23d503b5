//! The operators of the search and the keys, for those who cannot open the card of the list.

use askama::Template;
use axum::{http::HeaderMap, response::Response};

use super::{
    access::Access,
    error::Error,
    layout::Layout,
    list_params::ListParams,
    page,
    strings::{STRINGS, Strings},
};

/// `GET /help`
pub(super) async fn help(context: Access, headers: HeaderMap) -> Result<Response, Error> {
    let layout = Layout::new(&context, ListParams::default()).await?;
    page::page(&headers, &HelpPage { w: STRINGS, layout: &layout }).await
}

#[derive(Template)]
#[template(path = "help.html")]
struct HelpPage<'a> {
    w: &'static Strings,
    layout: &'a Layout,
}
