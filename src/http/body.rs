//! Bodies: small forms on their way in, with a bound and a time-out of ours (hyper has none), and
//! messages of any size on their way out, a chunk at a time.

use std::{io, ops::Range, sync::Arc, time::Duration};

use axum::{
    body::{Body, Bytes},
    extract::{Query, Request},
    http::{StatusCode, Uri},
};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Body as _;
use serde::de::DeserializeOwned;
use smol::{Timer, future::FutureExt, stream};

use super::{Site, error::Error, view::CHUNK};
use crate::{
    message::{Part, decode::Decoder},
    store::Raw,
};

/// The fields of a form that a page of ours sent.
pub(super) async fn form<T: DeserializeOwned>(site: &Site, request: Request) -> Result<T, Error> {
    let octets = collect(site, request).await?;
    let text = str::from_utf8(&octets).ok();
    // A form has the syntax of a query (WHATWG URL §5), so the reader of queries reads it.
    let uri = text.and_then(|text| Uri::try_from(format!("/?{text}")).ok());
    let query = uri.and_then(|uri| Query::<T>::try_from_uri(&uri).ok());
    query.map(|Query(form)| form).ok_or_else(|| Error::bad_request("The form cannot be read."))
}

/// A whole body, if it is small enough and comes soon enough.
pub(super) async fn collect(site: &Site, request: Request) -> Result<Bytes, Error> {
    let limit = site.options.max_body;
    let too_long = || {
        let text = format!("The request is longer than {limit} octets.");
        Error::new(StatusCode::PAYLOAD_TOO_LARGE, text)
    };
    // Who announces too much need not send it first.
    if request.body().size_hint().lower() > limit as u64 {
        return Err(too_long());
    }
    let patience = Duration::from_secs(site.options.body_seconds);
    let whole = async { Some(Limited::new(request.into_body(), limit).collect().await) };
    let too_late = async {
        Timer::after(patience).await;
        None
    };
    match whole.or(too_late).await {
        Some(Ok(whole)) => Ok(whole.to_bytes()),
        Some(Err(error)) if error.is::<LengthLimitError>() => Err(too_long()),
        Some(Err(_)) => Err(Error::bad_request("The request ended early.")),
        None => Err(Error::new(StatusCode::REQUEST_TIMEOUT, "The request took too long.")),
    }
}

/// These octets of a message as a body. The next chunk is read when the last one is taken.
pub(super) fn octets(raw: Arc<Raw>, range: Range<u64>) -> Body {
    Body::from_stream(stream::try_unfold(range, move |mut left| {
        let raw = raw.clone();
        async move { Ok::<_, io::Error>(next(raw, &mut left).await?.map(|chunk| (chunk, left))) }
    }))
}

/// The decoded content of a part as a body.
pub(super) fn content(raw: Arc<Raw>, part: &Part) -> Body {
    let start = (part.body.clone(), Some(Decoder::new(part.encoding)));
    Body::from_stream(stream::try_unfold(start, move |(mut left, decoder)| {
        let raw = raw.clone();
        async move {
            let Some(mut decoder) = decoder else { return Ok::<_, io::Error>(None) };
            let mut decoded = Vec::new();
            // A chunk may decode to nothing yet, and an empty frame would be pointless.
            while decoded.is_empty() {
                let Some(chunk) = next(raw.clone(), &mut left).await? else {
                    decoder.finish(&mut decoded);
                    return Ok(Some((Bytes::from(decoded), (left, None))));
                };
                decoder.push(&chunk, &mut decoded);
            }
            Ok(Some((Bytes::from(decoded), (left, Some(decoder)))))
        }
    }))
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
