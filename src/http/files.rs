//! What came in the mail, as files: the whole message and single parts.
//!
//! Nothing here may ever run in our origin. Pictures are shown when our pages ask for them; everything
//! else is a download, under a harmless name and a type that no browser interprets.

use axum::{
    body::Body,
    extract::{Path, Query, State},
    http::{HeaderMap, HeaderValue, StatusCode, header, header::HeaderName},
    response::{IntoResponse, Response},
};
use serde::Deserialize;

use super::{
    Site, assets, body, disposition,
    error::Error,
    range::{self, Wanted},
};
use crate::message::{Encoding, Part};

/// How a file is wanted.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct How {
    /// `?inline`: to be shown in a page, if it is a picture.
    inline: Option<String>,
    /// `?download`: to be saved.
    download: Option<String>,
}

/// `GET /messages/{id}/raw`: the octets as received.
pub(super) async fn raw(
    State(site): State<Site>,
    Path(id): Path<String>,
    Query(how): Query<How>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let id = id.parse().map_err(|_| Error::no_message())?;
    let raw = site.raw(id).await?;
    let (length, etag) = (raw.len(), format!("\"{id}\""));
    if assets::is_known(&headers, &etag) {
        return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, etag)]).into_response());
    }
    // A range of another body than the one that the client knows would be of no use to it.
    let of = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let same = of(header::IF_RANGE).is_none_or(|known| known == etag);
    let (status, range) = match range::wanted(of(header::RANGE).filter(|_| same), length) {
        Wanted::All => (StatusCode::OK, 0..length),
        Wanted::Some(range) => (StatusCode::PARTIAL_CONTENT, range),
        Wanted::None => {
            let whole = [(header::CONTENT_RANGE, format!("bytes */{length}"))];
            let text = "The message has no such octets.";
            return Ok((whole, Error::new(StatusCode::RANGE_NOT_SATISFIABLE, text)).into_response());
        }
    };
    let sent = range.end - range.start;
    let place = format!("bytes {}-{}/{length}", range.start, range.end.saturating_sub(1));
    let mut answer = (status, body::octets(raw, range)).into_response();
    set(&mut answer, header::CONTENT_TYPE, "message/rfc822")?;
    set(&mut answer, header::CONTENT_LENGTH, &sent.to_string())?;
    set(&mut answer, header::ACCEPT_RANGES, "bytes")?;
    set(&mut answer, header::ETAG, &etag)?;
    if status == StatusCode::PARTIAL_CONTENT {
        set(&mut answer, header::CONTENT_RANGE, &place)?;
    }
    if how.download.is_some() {
        set(
            &mut answer,
            header::CONTENT_DISPOSITION,
            &disposition::attachment(&format!("{id}.eml")),
        )?;
    }
    fence(&mut answer)?;
    Ok(answer)
}

/// `GET /messages/{id}/parts/{part}`: the content of a part, decoded.
pub(super) async fn part(
    State(site): State<Site>,
    Path((id, number)): Path<(String, String)>,
    Query(how): Query<How>,
) -> Result<Response, Error> {
    let opened = site.opened(&id).await?;
    let parts = &opened.scanned.outline.parts;
    let found = number.parse::<usize>().ok().and_then(|at| Some((at, parts.get(at)?)));
    let Some((number, part)) = found else { return Err(Error::no_page()) };

    let shown = how.inline.is_some() && is_picture(&part.content_type);
    let mut answer = match part.encoding {
        Encoding::Identity => {
            let length = part.body.end.saturating_sub(part.body.start).to_string();
            let mut answer = Response::new(body::octets(opened.raw.clone(), part.body.clone()));
            set(&mut answer, header::CONTENT_LENGTH, &length)?;
            answer
        }
        Encoding::Base64 | Encoding::QuotedPrintable => {
            Response::<Body>::new(body::content(opened.raw.clone(), part))
        }
    };
    set(&mut answer, header::CONTENT_TYPE, harmless_type(&part.content_type))?;
    let disposition = match shown {
        true => "inline".to_owned(),
        false => disposition::attachment(&name(part, number)),
    };
    set(&mut answer, header::CONTENT_DISPOSITION, &disposition)?;
    if shown {
        // The frame that shows the picture is of another origin than ours, on purpose.
        set(&mut answer, CROSS_ORIGIN_RESOURCE_POLICY, "cross-origin")?;
    }
    fence(&mut answer)?;
    Ok(answer)
}

/// True for pictures made of pixels, which cannot act.
pub(super) fn is_picture(content_type: &str) -> bool {
    matches!(
        content_type,
        "image/png"
            | "image/jpeg"
            | "image/jpg"
            | "image/gif"
            | "image/webp"
            | "image/bmp"
            | "image/avif"
    )
}

/// The type under which a stranger's file leaves us: its own only if no browser acts on it.
fn harmless_type(content_type: &str) -> &str {
    match content_type {
        "image/jpg" => "image/jpeg",
        "text/plain" | "text/csv" | "text/calendar" | "message/rfc822" | "application/zip"
        | "application/json" => content_type,
        _ if is_picture(content_type) => content_type,
        _ => "application/octet-stream",
    }
}

fn name(part: &Part, number: usize) -> String {
    if !part.file_name.is_empty() {
        return part.file_name.clone();
    }
    let ending = match part.content_type.as_str() {
        "text/plain" => "txt",
        "text/html" => "html",
        "text/calendar" => "ics",
        "image/png" => "png",
        "image/jpeg" | "image/jpg" => "jpg",
        "image/gif" => "gif",
        "image/webp" => "webp",
        "application/pdf" => "pdf",
        "application/json" => "json",
        "message/rfc822" => "eml",
        _ => "bin",
    };
    format!("part-{number}.{ending}")
}

/// Even if a browser showed it, it could do nothing. A message never changes, but may be deleted.
fn fence(answer: &mut Response) -> Result<(), Error> {
    set(answer, header::CONTENT_SECURITY_POLICY, "sandbox; default-src 'none'")?;
    set(answer, header::CACHE_CONTROL, "private, max-age=3600")
}

fn set(answer: &mut Response, name: HeaderName, value: &str) -> Result<(), Error> {
    let value = HeaderValue::from_str(value).map_err(|error| Error::internal(error.to_string()))?;
    answer.headers_mut().insert(name, value);
    Ok(())
}

const CROSS_ORIGIN_RESOURCE_POLICY: HeaderName =
    HeaderName::from_static("cross-origin-resource-policy");
