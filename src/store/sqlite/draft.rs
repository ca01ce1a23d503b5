//! A message on its way in: in memory while it is small, then a file.

use std::sync::{Arc, atomic::Ordering};

use super::{
    Shared,
    appender::{Entry, Journal},
    bodies::BodyFile,
    journal::RecordHeader,
    read::uid,
};
use crate::{
    id::MessageId,
    message::Summary,
    store::{BoxFuture, Draft, Error, Record},
    wire::Envelope,
};

/// A draft of the SQLite store. Dropping it drops its file, which removes it.
pub(super) struct SqliteDraft {
    shared: Arc<Shared>,
    journal: Journal,
    /// Room for the head of a record, and what is not in the file yet.
    buffer: Vec<u8>,
    place: Place,
    _counted: Counted,
}

enum Place {
    Memory,
    File(BodyFile),
    /// A write failed or was given up half way: nobody knows what the file holds.
    Lost,
}

/// Counts a draft in [`Shared::drafts`] while it lives.
struct Counted(Arc<Shared>);

impl Counted {
    fn new(shared: &Arc<Shared>) -> Self {
        shared.drafts.fetch_add(1, Ordering::Relaxed);
        Self(shared.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.drafts.fetch_sub(1, Ordering::Relaxed);
    }
}

impl SqliteDraft {
    pub(super) fn new(shared: Arc<Shared>, journal: Journal) -> Self {
        let counted = Counted::new(&shared);
        Self { shared, journal, buffer: Vec::new(), place: Place::Memory, _counted: counted }
    }

    /// Moves the buffer into the file, which is begun if need be. Not on the executor: a disk that is
    /// slow must only slow this client.
    async fn spill(&mut self) -> Result<(), Error> {
        let buffer = std::mem::take(&mut self.buffer);
        let bodies = self.shared.bodies.clone();
        let begun = match std::mem::replace(&mut self.place, Place::Lost) {
            Place::Memory => None,
            Place::File(file) => Some(file),
            Place::Lost => return Err(Error::Io("an earlier write failed".into())),
        };
        let written = smol::unblock(move || {
            let mut file = begun.map_or_else(|| bodies.create(), Ok)?;
            file.write(buffer.get(RecordHeader::LENGTH..).unwrap_or_default())?;
            Ok((file, buffer))
        });
        let (file, mut buffer) = written.await.map_err(|error| Error::from_io(&error))?;
        buffer.truncate(RecordHeader::LENGTH);
        self.buffer = buffer;
        self.place = Place::File(file);
        Ok(())
    }

    async fn finish(
        mut self,
        id: Option<MessageId>,
        envelope: Envelope,
        mut summary: Summary,
    ) -> Result<Record, Error> {
        if !matches!(self.place, Place::Memory) {
            self.spill().await?;
        }
        let mut record = self.buffer;
        record.resize(record.len().max(RecordHeader::LENGTH), 0);
        summary.size = (record.len() - RecordHeader::LENGTH) as u64;
        let mut in_file = None;
        if let Place::File(file) = self.place {
            summary.size = file.length();
            // The file is on the disk before the record that names it.
            let finished = smol::unblock(move || file.finish()).await;
            let file = finished.map_err(|error| Error::from_io(&error))?;
            file.body_name().write(&mut record);
            in_file = Some(file);
        }
        let entry = Entry::new(record, in_file, &envelope, &summary);
        let entry = entry.map_err(|error| Error::Io(error.to_string()))?;
        let (id, seq) = self.journal.store(entry, id).await?;
        Ok(Record::fresh(id, uid(seq), envelope, summary))
    }
}

impl Draft for SqliteDraft {
    fn write<'a>(&'a mut self, chunk: &'a [u8]) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            let limit = match self.place {
                Place::Memory => self.shared.inline_limit,
                Place::File(_) | Place::Lost => BUFFER,
            };
            if self.buffer.capacity() == 0 {
                self.buffer.reserve(RecordHeader::LENGTH + chunk.len() + REST_OF_RECORD);
            }
            self.buffer.resize(self.buffer.len().max(RecordHeader::LENGTH), 0);
            // A piece that does not fit goes to the file together with what came before it.
            let fits = self.buffer.len() - RecordHeader::LENGTH + chunk.len() <= limit;
            self.buffer.extend_from_slice(chunk);
            if fits { Ok(()) } else { self.spill().await }
        })
    }

    fn commit(
        self: Box<Self>,
        envelope: Envelope,
        summary: Summary,
    ) -> BoxFuture<'static, Arc<Record>> {
        Box::pin(async move { self.finish(None, envelope, summary).await.map(Arc::new) })
    }

    fn restore(
        self: Box<Self>,
        id: MessageId,
        envelope: Envelope,
        summary: Summary,
    ) -> BoxFuture<'static, Arc<Record>> {
        Box::pin(async move { self.finish(Some(id), envelope, summary).await.map(Arc::new) })
    }
}

/// Octets of a record besides head and body, mostly: envelope and summary.
const REST_OF_RECORD: usize = 1024;

/// Octets collected before they are written to the file at once.
const BUFFER: usize = 256 * 1024;
