//! A message on its way in: in memory while it is small, then in GridFS.

use std::sync::Arc;

use super::{
    Shared,
    bodies::{PIECE, Upload},
    commit::Queue,
    row::{self, Body, New},
    totals::{Entry, Kind, label},
    words,
};
use crate::{
    id::MessageId,
    message::{Scanner, Summary},
    store::{BoxFuture, Draft, Error, Record, matching},
    wire::Envelope,
};

/// A draft of the MongoDB store. Dropping it drops its upload, which removes it.
pub(super) struct MongoDraft {
    shared: Arc<Shared>,
    queue: Queue,
    /// The parts and words of the document are read as the octets go by.
    scanner: Scanner,
    /// What is not in the bucket yet.
    buffer: Vec<u8>,
    place: Place,
}

enum Place {
    Memory,
    Bucket(Upload),
    /// A write failed or was given up half way: nobody knows what the bucket holds.
    Lost,
}

impl MongoDraft {
    pub(super) fn new(shared: Arc<Shared>, queue: Queue) -> Self {
        let text = if shared.indexed { matching::TEXT_LIMIT } else { 0 };
        let scanner = Scanner::new(text);
        Self { shared, queue, scanner, buffer: Vec::new(), place: Place::Memory }
    }

    /// Moves the buffer into the bucket, all of it at the end.
    async fn spill(&mut self, all: bool) -> Result<(), Error> {
        let mut upload = match std::mem::replace(&mut self.place, Place::Lost) {
            Place::Memory => Upload::begin(&self.shared).await?,
            Place::Bucket(upload) => upload,
            Place::Lost => return Err(Error::Io("an earlier write failed".into())),
        };
        upload.write(&mut self.buffer, all).await?;
        self.place = Place::Bucket(upload);
        Ok(())
    }

    async fn finish(
        mut self,
        envelope: Envelope,
        mut summary: Summary,
        id: Option<MessageId>,
    ) -> Result<Record, Error> {
        if !matches!(self.place, Place::Memory) {
            self.spill(true).await?;
        }
        let (body, crc, upload) = match self.place {
            Place::Bucket(upload) => {
                upload.finish().await?;
                summary.size = upload.length();
                (Body::File(upload.id()), upload.crc(), Some(upload))
            }
            _ => {
                summary.size = self.buffer.len() as u64;
                let crc = crc32fast::hash(&self.buffer);
                (Body::Inline(self.buffer), crc, None)
            }
        };
        let scanned = self.scanner.finish();
        let searched =
            self.shared.indexed.then(|| matching::scanned(&envelope, &summary, &scanned, false));
        let document = New {
            envelope: &envelope,
            summary: &summary,
            outline: &scanned.outline,
            words: searched.as_ref().map(words::distinct),
            body,
            crc,
            by: self.shared.me,
        }
        .to_document()?;
        let entry = entry(&envelope, &summary);
        let stored = self.queue.store(document, entry, upload, id).await?;
        Ok(Record::fresh(stored, None, envelope, summary))
    }
}

fn entry(envelope: &Envelope, summary: &Summary) -> Entry {
    let mailboxes = row::mailboxes(envelope).into_iter().map(|name| label(Kind::Mailbox, &name));
    let size = i64::try_from(summary.size).unwrap_or(i64::MAX);
    Entry { read: false, size, labels: mailboxes.collect() }
}

impl Draft for MongoDraft {
    fn write<'a>(&'a mut self, chunk: &'a [u8]) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            self.scanner.push(chunk);
            self.buffer.extend_from_slice(chunk);
            let full = match self.place {
                Place::Memory => self.buffer.len() > self.shared.inline_limit,
                Place::Bucket(_) | Place::Lost => self.buffer.len() >= PIECE,
            };
            if full { self.spill(false).await } else { Ok(()) }
        })
    }

    fn commit(
        self: Box<Self>,
        envelope: Envelope,
        summary: Summary,
    ) -> BoxFuture<'static, Arc<Record>> {
        Box::pin(async move { self.finish(envelope, summary, None).await.map(Arc::new) })
    }

    fn restore(
        self: Box<Self>,
        id: MessageId,
        envelope: Envelope,
        summary: Summary,
    ) -> BoxFuture<'static, Arc<Record>> {
        Box::pin(async move { self.finish(envelope, summary, Some(id)).await.map(Arc::new) })
    }
}
