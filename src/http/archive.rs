//! All attachments of a message as one zip archive, packed while it is sent.

use std::{collections::VecDeque, io, ops::Range, sync::Arc};

use axum::{
    body::{Body, Bytes},
    extract::Path,
    http::{StatusCode, header},
    response::Response,
};
use smol::stream;

use super::{
    access::Access,
    disposition,
    error::Error,
    files::{self, fence, set},
    strings::STRINGS,
    zip::{self, Zip},
};
use crate::{
    mail::CHUNK,
    message::{Extract, Outline},
    store::Raw,
};

/// `GET /messages/{id}/attachments.zip`
pub(super) async fn attachments(
    context: Access,
    Path(id): Path<String>,
) -> Result<Response, Error> {
    let loaded = context.load(&id).await?;
    let outline = &loaded.scanned.outline;
    let numbers = loaded.letter().attachments;
    let parts: VecDeque<_> =
        numbers.into_iter().filter_map(|number| File::new(outline, number)).collect();
    if parts.is_empty() {
        return Err(Error::no_page());
    }
    let length: u64 = parts.iter().map(|file| file.length).sum();
    if length > zip::MOST_OCTETS {
        let text = STRINGS.errors.zip_too_large;
        return Err(Error::new(StatusCode::UNPROCESSABLE_ENTITY, text));
    }
    let zip = Zip::new(loaded.record.envelope.received_ms);
    let packing = Packing { raw: loaded.raw.clone(), parts, open: None, zip: Some(zip) };
    let body = Body::from_stream(stream::try_unfold(packing, |mut packing| async move {
        let step = smol::unblock(move || packing.step().map(|octets| (octets, packing)));
        let (octets, packing) = step.await?;
        Ok::<_, io::Error>(octets.map(|octets| (Bytes::from(octets), packing)))
    }));
    let mut answer = Response::new(body);
    set(&mut answer, header::CONTENT_TYPE, "application/zip")?;
    let name = disposition::attachment(&format!("attachments-{id}.zip"));
    set(&mut answer, header::CONTENT_DISPOSITION, &name)?;
    fence(&mut answer, &context)?;
    Ok(answer)
}

/// An attachment that is to be packed.
struct File {
    name: String,
    length: u64,
    shrinks: bool,
    content: Extract,
}

impl File {
    fn new(outline: &Outline, number: usize) -> Option<Self> {
        let part = outline.parts.get(number)?;
        Some(Self {
            name: files::name(part, number),
            length: part.content_length,
            shrinks: files::shrinks(&part.content_type),
            content: outline.content(number)?,
        })
    }
}

/// An archive on its way out.
struct Packing {
    raw: Arc<Raw>,
    /// What is still to be packed.
    parts: VecDeque<File>,
    /// What is still to be read of the present one.
    open: Option<(Range<u64>, Extract)>,
    /// None once it is finished.
    zip: Option<Zip>,
}

impl Packing {
    /// The next octets, never none of them; nothing at the end.
    fn step(&mut self) -> io::Result<Option<Vec<u8>>> {
        let Some(zip) = &mut self.zip else { return Ok(None) };
        loop {
            let Some((left, content)) = &mut self.open else {
                let Some(file) = self.parts.pop_front() else {
                    let end = zip.finish();
                    self.zip = None;
                    return Ok(Some(end));
                };
                self.open = Some((file.content.range(), file.content));
                return Ok(Some(zip.begin(&file.name, file.shrinks)));
            };
            let mut decoded = Vec::new();
            if left.is_empty() || content.is_done() {
                content.finish(&mut decoded);
                self.open = None;
                let mut packed = zip.push(&decoded);
                packed.extend(zip.end());
                return Ok(Some(packed));
            }
            let most = usize::try_from(left.end - left.start).unwrap_or(CHUNK).min(CHUNK);
            let mut chunk = vec![0; most];
            let read = self.raw.read_at(&mut chunk, left.start)?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            left.start += read as u64;
            content.push(chunk.get(..read).unwrap_or_default(), &mut decoded);
            let packed = zip.push(&decoded);
            if !packed.is_empty() {
                return Ok(Some(packed));
            }
        }
    }
}
