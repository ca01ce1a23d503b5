//! A stored message: what is known of it, and its octets.

use std::{fmt, io, num::NonZeroU64, sync::Arc};

use crate::{id::MessageId, message::Summary, wire::Envelope};

/// A stored message without its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its name.
    pub id: MessageId,
    /// Its number in the order of commits, above those of all that were committed before it and never given to
    /// another. None where several instances store at the same time. IMAP's UIDs have 32 bits: where a store has
    /// given more numbers in its life, an IMAP server has to count anew, and say so by another UIDVALIDITY.
    pub uid: Option<NonZeroU64>,
    /// What SMTP said.
    pub envelope: Envelope,
    /// What lists show.
    pub summary: Summary,
    /// Somebody opened it.
    pub read: bool,
    /// Somebody starred it.
    pub starred: bool,
    /// Its tags, sorted.
    pub tags: Vec<String>,
    /// Mailboxes that it left, in the form of [`super::mailbox_key`], sorted; the envelope has them still.
    pub left: Vec<String>,
    /// Where it stands in its life.
    pub state: State,
}

impl Record {
    /// A message that was stored just now: nobody has seen it.
    pub(super) fn fresh(
        id: MessageId,
        uid: Option<NonZeroU64>,
        envelope: Envelope,
        summary: Summary,
    ) -> Self {
        Self {
            id,
            uid,
            envelope,
            summary,
            read: false,
            starred: false,
            tags: Vec::new(),
            left: Vec::new(),
            state: State::Received,
        }
    }
}

/// The life of a message. More states come with delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum State {
    /// Taken in and stored.
    #[default]
    Received,
}

impl State {
    /// The stable name that is stored and shown.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Received => "RECEIVED",
        }
    }

    /// The state of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Received].into_iter().find(|state| state.name() == name)
    }
}

/// The bytes of a message: in memory when it is small, an open file or something like it when it is
/// large. They stay readable even if the message is deleted meanwhile.
#[derive(Debug)]
pub enum Raw {
    /// All of it.
    Inline(Arc<[u8]>),
    /// A file of this length.
    File(std::fs::File, u64),
    /// Read a piece at a time, from a file whose checksums are compared, or from another machine.
    Pieces(Arc<dyn ReadAt>),
}

/// Octets that can be read from anywhere.
pub trait ReadAt: fmt::Debug + Send + Sync {
    /// How many there are.
    fn length(&self) -> u64;

    /// As [`Raw::read_at`]; blocks.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
}

impl Raw {
    /// Length in octets.
    pub fn len(&self) -> u64 {
        match self {
            Self::Inline(bytes) => bytes.len() as u64,
            Self::File(_, length) => *length,
            Self::Pieces(octets) => octets.length(),
        }
    }

    /// True for a message of no octets.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Reads into `buffer` from `offset`, as much as there is; 0 at the end. Blocks unless all of it is
    /// in memory: call it where blocking is allowed.
    pub fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        match self {
            Self::Inline(bytes) => {
                let start = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
                let taken = (bytes.len() - start).min(buffer.len());
                buffer[..taken].copy_from_slice(&bytes[start..start + taken]);
                Ok(taken)
            }
            Self::File(file, _) => std::os::unix::fs::FileExt::read_at(file, buffer, offset),
            Self::Pieces(octets) => octets.read_at(buffer, offset),
        }
    }
}
