//! The octets of a message a piece at a time, for those who send it on as it is.

use std::{io, sync::Arc};

use super::{CHUNK, Mail, Scope};
use crate::{
    id::MessageId,
    store::{Error, Raw},
};

/// A message that is read a piece at a time.
pub struct Pieces {
    raw: Arc<Raw>,
    offset: u64,
    piece: Vec<u8>,
}

impl Mail {
    /// The octets of a message, exactly as received; none if it is gone.
    pub async fn pieces(&self, scope: &Scope, id: MessageId) -> Result<Option<Pieces>, Error> {
        let raw = self.raw(scope, id).await?;
        Ok(raw.map(|raw| Pieces { raw, offset: 0, piece: Vec::new() }))
    }
}

impl Pieces {
    /// The next piece; none at the end.
    pub async fn next(&mut self) -> io::Result<Option<&[u8]>> {
        let (raw, offset) = (self.raw.clone(), self.offset);
        let mut piece = std::mem::take(&mut self.piece);
        piece.resize(usize::try_from(raw.len() - offset).unwrap_or(CHUNK).min(CHUNK), 0);
        let read = move || {
            let count = raw.read_at(&mut piece, offset);
            count.map(|count| (piece, count))
        };
        let (piece, count) = match *self.raw {
            Raw::Inline(_) => read()?,
            Raw::File(..) | Raw::Pieces(_) => smol::unblock(read).await?,
        };
        self.piece = piece;
        self.offset += count as u64;
        Ok(self.piece.get(..count).filter(|piece| !piece.is_empty()))
    }
}
