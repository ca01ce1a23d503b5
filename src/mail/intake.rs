//! Taking a message in: read as it comes, commit, tell. The order of the lines is the guarantee.

use std::sync::Arc;

use crate::{
    bus::{Bus, Event},
    message::{SNIPPET_CHARS, Scanner},
    store::{Draft, Error, Record, Store},
    wire::Envelope,
};

/// Where doors bring messages.
#[derive(Clone)]
pub struct Intake {
    store: Arc<dyn Store>,
    bus: Arc<Bus>,
}

/// A message on its way in. Dropping it leaves no trace.
pub struct Incoming {
    draft: Box<dyn Draft>,
    scanner: Scanner,
    bus: Arc<Bus>,
}

impl Intake {
    /// An intake into this store.
    pub fn new(store: Arc<dyn Store>, bus: Arc<Bus>) -> Self {
        Self { store, bus }
    }

    /// Begins a message.
    pub async fn begin(&self) -> Result<Incoming, Error> {
        let draft = self.store.begin().await?;
        Ok(Incoming {
            draft,
            scanner: Scanner::new(TEXT_LIMIT).without_headers(),
            bus: self.bus.clone(),
        })
    }
}

impl Incoming {
    /// The next octets of the body.
    pub async fn write(&mut self, octets: &[u8]) -> Result<(), Error> {
        self.scanner.push(octets);
        self.draft.write(octets).await
    }

    /// Keeps the message: when this returns `Ok`, it is on the disk and may be answered 250.
    pub async fn keep(self, envelope: Envelope) -> Result<Arc<Record>, Error> {
        let summary = self.scanner.finish().summary;
        let record = self.draft.commit(envelope, summary).await?;
        self.bus.publish(Event::New(record.clone()));
        Ok(record)
    }
}

/// Octets of text that the snippet is made of: quoted-printable Cyrillic takes six octets a letter,
/// and HTML often begins with a long style sheet.
const TEXT_LIMIT: usize = 32 * SNIPPET_CHARS;
