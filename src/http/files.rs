//! What came in the mail, as files: the whole message and single parts.
//!
//! Nothing here may ever run in our origin. Pictures, PDF and text are shown when our pages ask for
//! them, in a sandbox; everything else is a download, under a harmless name and a type that no browser
//! interprets.

use axum::{
    body::Body,
    extract::Path,
    http::{HeaderMap, HeaderValue, StatusCode, header, header::HeaderName},
    response::{IntoResponse, Response},
};

use super::{
    LoginMode,
    access::{Access, ShownMessage, message_id},
    assets, body, disposition,
    error::Error,
    media::{self, Viewer},
    parameters::{Pairs, Parameters, Query},
    range::{self, Wanted},
};
use crate::message::Part;

pub(super) use super::media::shrinks;

/// How a message is wanted.
pub(super) struct Whole {
    /// `?download`: to be saved.
    download: bool,
}

impl Parameters for Whole {
    fn take(pairs: &mut Pairs) -> Result<Self, Error> {
        Ok(Self { download: pairs.flag("download")? })
    }
}

/// How a part is wanted.
pub(super) struct Piece {
    /// `?inline`: to be shown in a page, if a browser can do that safely.
    inline: bool,
}

impl Parameters for Piece {
    fn take(pairs: &mut Pairs) -> Result<Self, Error> {
        // A part is saved unless it is shown, and `authn` has looked at the signature.
        pairs.flag("download")?;
        pairs.text("pass")?;
        Ok(Self { inline: pairs.flag("inline")? })
    }
}

/// `GET /messages/{id}/raw`: the octets as received.
pub(super) async fn raw(
    context: Access,
    Path(id): Path<String>,
    Query(how): Query<Whole>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let id = message_id(&id)?;
    let raw = context.raw(id).await?;
    let length = raw.len();
    let mut answer =
        ranged(&headers, &format!("\"{id}\""), length, |range| body::octets(raw, range))?;
    set(&mut answer, header::CONTENT_TYPE, "message/rfc822")?;
    if how.download {
        let name = disposition::attachment(&format!("{id}.eml"));
        set(&mut answer, header::CONTENT_DISPOSITION, &name)?;
    }
    fence(&mut answer, &context)?;
    Ok(answer)
}

/// `GET /messages/{id}/parts/{part}`: the content of a part, decoded.
pub(super) async fn part(
    context: Access,
    Path((id, number)): Path<(String, String)>,
    Query(how): Query<Piece>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let loaded = context.load(&id).await?;
    let (number, part) = loaded.part(&number)?;
    let etag = format!("\"{}-{number}\"", loaded.record.id);
    let content = loaded.scanned.outline.content(number).ok_or_else(Error::no_page)?;
    let mut answer = ranged(&headers, &etag, part.content_length, |range| {
        body::content(loaded.raw.clone(), content, range)
    })?;
    let viewer = match if how.inline { Viewer::of(part) } else { Viewer::None } {
        // Whatever page asks for it.
        Viewer::Pdf if !loaded.is_quiet_pdf(number).await? => Viewer::None,
        viewer => viewer,
    };
    set(&mut answer, header::CONTENT_TYPE, served_type(part, viewer))?;
    let disposition = match viewer {
        // An image element shows SVG all the same, and nothing else may: only there it cannot act.
        Viewer::Picture if !media::is_picture(media::media_type(part)) => None,
        Viewer::Picture | Viewer::Pdf => Some("inline".to_owned()),
        _ => None,
    };
    let disposition = disposition.unwrap_or_else(|| disposition::attachment(&name(part, number)));
    set(&mut answer, header::CONTENT_DISPOSITION, &disposition)?;
    if viewer == Viewer::Picture {
        // The frame that shows the picture is of another origin than ours, on purpose.
        set(&mut answer, CROSS_ORIGIN_RESOURCE_POLICY, "cross-origin")?;
    }
    fence(&mut answer, &context)?;
    if viewer == Viewer::Pdf {
        // Our page may frame it; the browser's viewer runs elsewhere, and the sandbox holds for it.
        let policy = "sandbox; default-src 'none'; frame-ancestors 'self'";
        set(&mut answer, header::CONTENT_SECURITY_POLICY, policy)?;
        set(&mut answer, header::X_FRAME_OPTIONS, "SAMEORIGIN")?;
    }
    Ok(answer)
}

/// A body of this length, or the range of it that is asked for (RFC 9110 §14.2), or word that the
/// client has it already.
fn ranged(
    headers: &HeaderMap,
    etag: &str,
    length: u64,
    body: impl FnOnce(std::ops::Range<u64>) -> Body,
) -> Result<Response, Error> {
    if assets::is_known(headers, etag) {
        return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, etag)]).into_response());
    }
    let of = |name| headers.get(name).and_then(|value| value.to_str().ok());
    // A range of another body than the one that the client knows would be of no use to it.
    let same = of(header::IF_RANGE).is_none_or(|known| known == etag);
    let (status, range) = match range::wanted(of(header::RANGE).filter(|_| same), length) {
        Wanted::All => (StatusCode::OK, 0..length),
        Wanted::Some(range) => (StatusCode::PARTIAL_CONTENT, range),
        Wanted::None => {
            let text = "There are no such octets.";
            let mut answer = Error::new(StatusCode::RANGE_NOT_SATISFIABLE, text).into_response();
            set(&mut answer, header::CONTENT_RANGE, &format!("bytes */{length}"))?;
            return Ok(answer);
        }
    };
    let sent = range.end - range.start;
    let place = format!("bytes {}-{}/{length}", range.start, range.end.saturating_sub(1));
    let mut answer = (status, body(range)).into_response();
    set(&mut answer, header::CONTENT_LENGTH, &sent.to_string())?;
    set(&mut answer, header::ACCEPT_RANGES, "bytes")?;
    set(&mut answer, header::ETAG, etag)?;
    if status == StatusCode::PARTIAL_CONTENT {
        set(&mut answer, header::CONTENT_RANGE, &place)?;
    }
    Ok(answer)
}

/// The type under which a stranger's file leaves us: its own only if no browser acts on it as it is
/// wanted.
fn served_type(part: &Part, viewer: Viewer) -> &str {
    let media = media::media_type(part);
    match media {
        "text/plain" | "text/csv" | "text/calendar" | "message/rfc822" | "application/zip"
        | "application/json" => media,
        _ if media::is_picture(media) || viewer == Viewer::Picture => media,
        "application/pdf" if viewer == Viewer::Pdf => media,
        _ => "application/octet-stream",
    }
}

/// Where the content of a part is to be had.
pub(super) fn path(loaded: &ShownMessage, number: usize) -> String {
    format!("/messages/{}/parts/{number}", loaded.record.id)
}

/// The same for a picture in a frame, whose origin is nobody's: it comes without the cookie of a session.
pub(super) fn picture(loaded: &ShownMessage, number: usize) -> String {
    let path = path(loaded, number);
    let stamp = loaded.signed_urls.as_ref().map(|signed_urls| signed_urls.stamp(&path));
    format!("{path}?inline{}", stamp.unwrap_or_default())
}

/// The name of a part as a file.
pub(super) fn name(part: &Part, number: usize) -> String {
    match part.file_name.as_str() {
        "" => format!("part-{number}.{}", media::ending(media::media_type(part))),
        name => name.to_owned(),
    }
}

/// Even if a browser showed it, it could do nothing. A message never changes, but may be deleted, so it is
/// kept for an hour; where people log in, a browser asks each time whether it may still show what it
/// kept (RFC 9111 §5.2.2.4), because who comes after the logout may not.
pub(super) fn fence(answer: &mut Response, context: &Access) -> Result<(), Error> {
    set(answer, header::CONTENT_SECURITY_POLICY, "sandbox; default-src 'none'")?;
    let cache = match context.options.login {
        LoginMode::Off => "private, max-age=3600",
        LoginMode::Required => "private, no-cache",
    };
    set(answer, header::CACHE_CONTROL, cache)
}

pub(super) fn set(answer: &mut Response, name: HeaderName, value: &str) -> Result<(), Error> {
    let value = HeaderValue::from_str(value).map_err(|error| Error::internal(error.to_string()))?;
    answer.headers_mut().insert(name, value);
    Ok(())
}

const CROSS_ORIGIN_RESOURCE_POLICY: HeaderName =
    HeaderName::from_static("cross-origin-resource-policy");
