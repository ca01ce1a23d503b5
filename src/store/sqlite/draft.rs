//! A message on its way in: in memory while it is small, then a file.

use std::{
    io,
    sync::{Arc, atomic::Ordering},
};

use super::{
    Shared,
    bodies::BodyFile,
    row,
    tx::{Body, New},
    writer::Writer,
};
use crate::{
    message::{Envelope, Summary},
    store::{Draft, Error, Later, Record, mailbox_key},
};

/// A draft of the SQLite store. Dropping it drops its file, which removes it.
pub(super) struct SqliteDraft {
    shared: Arc<Shared>,
    writer: Writer,
    /// What is not in the file yet.
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
    pub(super) fn new(shared: Arc<Shared>, writer: Writer) -> Self {
        let counted = Counted::new(&shared);
        Self { shared, writer, buffer: Vec::new(), place: Place::Memory, _counted: counted }
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
            file.write(&buffer)?;
            Ok((file, buffer))
        });
        let (file, mut buffer) = written.await.map_err(|error| failed(&error))?;
        buffer.clear();
        self.buffer = buffer;
        self.place = Place::File(file);
        Ok(())
    }

    async fn finish(mut self, envelope: Envelope, mut summary: Summary) -> Result<Record, Error> {
        if !matches!(self.place, Place::Memory) {
            self.spill().await?;
        }
        let (body, size) = match self.place {
            Place::File(file) => {
                let size = file.length();
                // The file is on the disk before the row that names it.
                let synced = smol::unblock(move || file.sync().map(|()| file)).await;
                (Body::File(synced.map_err(|error| failed(&error))?), size)
            }
            _ => {
                let size = self.buffer.len() as u64;
                (Body::Inline(self.buffer), size)
            }
        };
        summary.size = size;
        let unwritable = |error: serde_json::Error| Error::Io(error.to_string());
        let mut mailboxes: Vec<_> =
            envelope.forward_paths.iter().map(|path| mailbox_key(&path.address)).collect();
        mailboxes.sort_unstable();
        mailboxes.dedup();
        let new = New {
            received_ms: envelope.received_ms,
            size,
            attachment: row::files(&summary),
            envelope: row::envelope_text(&envelope).map_err(unwritable)?,
            summary: row::summary_text(&summary).map_err(unwritable)?,
            mailboxes,
            body,
        };
        let id = self.writer.ask(new.weight(), move |tx| tx.insert(new)).await?;
        Ok(Record::fresh(id, envelope, summary))
    }
}

impl Draft for SqliteDraft {
    fn write<'a>(&'a mut self, chunk: &'a [u8]) -> Later<'a, ()> {
        Box::pin(async move {
            let limit = match self.place {
                Place::Memory => self.shared.inline_limit,
                Place::File(_) | Place::Lost => BUFFER,
            };
            // A piece that does not fit goes to the file together with what came before it.
            let fits = self.buffer.len() + chunk.len() <= limit;
            self.buffer.extend_from_slice(chunk);
            if fits { Ok(()) } else { self.spill().await }
        })
    }

    fn commit(
        self: Box<Self>,
        envelope: Envelope,
        summary: Summary,
    ) -> Later<'static, Arc<Record>> {
        Box::pin(async move { self.finish(envelope, summary).await.map(Arc::new) })
    }
}

impl New {
    fn weight(&self) -> usize {
        let body = match &self.body {
            Body::Inline(raw) => raw.len(),
            Body::File(_) => 0,
        };
        body + self.envelope.len() + self.summary.len() + 256
    }
}

fn failed(error: &io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Error::Full,
        _ => Error::Io(error.to_string()),
    }
}

/// Octets collected before they are written to the file at once.
const BUFFER: usize = 256 * 1024;
