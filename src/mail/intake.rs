//! Taking a message in: read as it comes, commit, tell. The order of the lines is the guarantee.

use std::sync::Arc;

use super::Mail;
use crate::{
    bus::Event,
    message::{SNIPPET_CHARS, Scanner},
    store::{Draft, Error, Record},
    wire::Envelope,
};

/// A message on its way in. Dropping it leaves no trace.
pub struct Incoming {
    draft: Box<dyn Draft>,
    scanner: Scanner,
    mail: Mail,
}

impl Mail {
    /// Begins a message.
    pub async fn begin(&self) -> Result<Incoming, Error> {
        let draft = self.0.store.begin().await?;
        let scanner = Scanner::new(TEXT_LIMIT).without_headers();
        Ok(Incoming { draft, scanner, mail: self.clone() })
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
        self.mail.0.bus.publish(Event::New(record.clone()));
        Ok(record)
    }
}

/// Octets of text that the snippet is made of: quoted-printable Cyrillic takes six octets a letter,
/// and HTML often begins with a long style sheet.
const TEXT_LIMIT: usize = 32 * SNIPPET_CHARS;
