//! Bodies: small forms on their way in, with a bound and a time-out of ours (hyper has none), and
//! messages of any size on their way out, a chunk at a time.

use std::{io, ops::Range, sync::Arc, time::Duration};

use axum::{
    body::{Body, Bytes},
    extract::Request,
    http::StatusCode,
};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Body as _;
use smol::{Timer, future::FutureExt, stream};

use super::{
    HttpContext,
    error::Error,
    parameters::{self, Parameters},
    row,
    strings::STRINGS,
};
use crate::{mail::CHUNK, message::Extract, store::Raw};

/// The fields of a form that a page of ours sent.
pub(super) async fn form<T: Parameters>(
    context: &HttpContext,
    request: Request,
) -> Result<T, Error> {
    parameters::read(&collect(context, request).await?)
}

/// A whole body, if it is small enough and comes soon enough.
pub(super) async fn collect(context: &HttpContext, request: Request) -> Result<Bytes, Error> {
    let limit = context.options.max_body;
    let too_long = || {
        let text = STRINGS.errors.too_long.with(&row::octets(limit as u64));
        Error::new(StatusCode::PAYLOAD_TOO_LARGE, text)
    };
    // Who announces too much need not send it first.
    if request.body().size_hint().lower() > limit as u64 {
        return Err(too_long());
    }
    let patience = Duration::from_secs(context.options.body_seconds);
    let whole = async { Some(Limited::new(request.into_body(), limit).collect().await) };
    let too_late = async {
        Timer::after(patience).await;
        None
    };
    match whole.or(too_late).await {
        Some(Ok(whole)) => Ok(whole.to_bytes()),
        Some(Err(error)) if error.is::<LengthLimitError>() => Err(too_long()),
        Some(Err(_)) => Err(Error::bad_request(STRINGS.errors.ended_early)),
        None => Err(Error::new(StatusCode::REQUEST_TIMEOUT, STRINGS.errors.too_slow)),
    }
}

/// These octets of a message as a body. The next chunk is read when the last one is taken.
pub(super) fn octets(raw: Arc<Raw>, range: Range<u64>) -> Body {
    Body::from_stream(stream::try_unfold(range, move |mut left| {
        let raw = raw.clone();
        async move { Ok::<_, io::Error>(next(raw, &mut left).await?.map(|chunk| (chunk, left))) }
    }))
}

/// These octets of the content of a part, decoded, as a body. What stands before them is decoded and
/// dropped, for no encoding tells where its octets are.
pub(super) fn content(raw: Arc<Raw>, content: Extract, wanted: Range<u64>) -> Body {
    let left = content.range();
    if content.is_identity() {
        let place = |at: u64| left.start.saturating_add(at).min(left.end);
        return octets(raw, place(wanted.start)..place(wanted.end));
    }
    let start = Content { left, decoder: Some(content), wanted };
    Body::from_stream(stream::try_unfold(start, move |mut content| {
        let raw = raw.clone();
        async move { Ok::<_, io::Error>(content.next(raw).await?.map(|chunk| (chunk, content))) }
    }))
}

/// Content on its way out.
struct Content {
    /// Octets still to be read.
    left: Range<u64>,
    /// None when all is read.
    decoder: Option<Extract>,
    /// What is still to be sent, counted from where the decoder is.
    wanted: Range<u64>,
}

impl Content {
    async fn next(&mut self, raw: Arc<Raw>) -> io::Result<Option<Bytes>> {
        // A chunk may decode to nothing that is wanted, and an empty frame would be pointless.
        while !self.wanted.is_empty() {
            let Some(decoder) = &mut self.decoder else { break };
            let mut decoded = Vec::new();
            match next(raw.clone(), &mut self.left).await? {
                Some(chunk) => decoder.push(&chunk, &mut decoded),
                None => {
                    decoder.finish(&mut decoded);
                    self.decoder = None;
                }
            }
            let length = decoded.len() as u64;
            let place = |at: u64| usize::try_from(at.min(length)).unwrap_or(decoded.len());
            let part = place(self.wanted.start)..place(self.wanted.end);
            let back = |at: u64| at.saturating_sub(length);
            self.wanted = back(self.wanted.start)..back(self.wanted.end);
            if !part.is_empty() {
                return Ok(Some(Bytes::from(decoded).slice(part)));
            }
        }
        Ok(None)
    }
}

/// The next chunk of what is left, which then is less; none at its end.
async fn next(raw: Arc<Raw>, left: &mut Range<u64>) -> io::Result<Option<Bytes>> {
    if left.is_empty() {
        return Ok(None);
    }
    let most = usize::try_from(left.end - left.start).unwrap_or(CHUNK).min(CHUNK);
    let start = left.start;
    // What lies in memory needs no thread that may block.
    let may_block = !matches!(*raw, Raw::Inline(_));
    let read = move || {
        let mut chunk = vec![0; most];
        let read = raw.read_at(&mut chunk, start)?;
        chunk.truncate(read);
        io::Result::Ok(chunk)
    };
    let chunk = if may_block { smol::unblock(read).await? } else { read()? };
    if chunk.is_empty() {
        // A promised length cannot be kept: break off, so that the client does not take it for whole.
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    left.start += chunk.len() as u64;
    Ok(Some(chunk.into()))
}
