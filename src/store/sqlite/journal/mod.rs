//! The journal: what `250` rests on.
//!
//! Messages lie in it whole, in the order of their commits, in files (segments) that only grow. The database
//! can be behind, because whatever it has not taken in durably is read from here again at the next start
//! (`replay`). This is also where the octets stay: the database only knows the place. What makes it longer is
//! `appender`.

mod record;
mod replay;
mod rescue;
mod rest;
mod salvage;
mod segment;

use self::record::seal_meta;
#[cfg(test)]
pub(super) use self::segment::Fault;
pub(super) use self::{
    record::{Origin, RecordHeader, key, open_meta},
    replay::{Replayed, Torn, replay},
    rescue::{Rescue, Rescued, begin_anew},
    salvage::{Of, salvage},
    segment::{SegmentHeader, Segments, Tail},
};
use super::{bodies::BodyName, row};
use crate::{id::MessageId, message::Summary, store::mailbox_key, wire::Envelope};

/// A message that is in the journal.
#[derive(Clone, Debug)]
pub(super) struct JournalEntry {
    pub(super) head: RecordHeader,
    pub(super) facts: Facts,
    pub(super) segment: i64,
    /// Where its record begins.
    pub(super) at: u64,
    /// The body's file, if it has one.
    pub(super) file: Option<BodyName>,
}

/// What the database says of a message besides its place.
#[derive(Clone, Debug, Default)]
pub(super) struct Facts {
    pub(super) received_ms: i64,
    /// 1 for attachments, 2 for images shown in the text, 3 for both.
    pub(super) files: i64,
    /// Mailbox keys, each once.
    pub(super) mailboxes: Vec<String>,
}

/// Adds envelope and summary to a record that has its body, or the name of its file, behind the room for
/// the head; returns the head, which has neither number nor id nor origin yet.
pub(super) fn complete(
    record: &mut Vec<u8>,
    is_file: bool,
    envelope: &Envelope,
    summary: &Summary,
) -> Result<RecordHeader, serde_json::Error> {
    let begin = record.len();
    let held = record.get(RecordHeader::LENGTH..).unwrap_or_default();
    let mut head = RecordHeader {
        seq: 0,
        id: MessageId::from_bytes([0; 12]),
        is_file,
        held: held.len() as u64,
        held_crc: crc32fast::hash(held),
        meta: 0,
        size: summary.size,
        origin: None,
    };
    row::write(record, envelope, summary)?;
    seal_meta(record, begin);
    head.meta = u32::try_from(record.len() - begin).unwrap_or(u32::MAX);
    Ok(head)
}

impl Facts {
    /// The facts of a message.
    pub(super) fn new(envelope: &Envelope, summary: &Summary) -> Self {
        let mut mailboxes: Vec<_> =
            envelope.forward_paths.iter().map(|path| mailbox_key(&path.address)).collect();
        mailboxes.sort_unstable();
        mailboxes.dedup();
        Self {
            received_ms: envelope.received_ms,
            files: i64::from(!summary.attachments.is_empty())
                + 2 * i64::from(summary.inline_images > 0),
            mailboxes,
        }
    }
}

impl JournalEntry {
    /// Where the record ends.
    pub(super) fn end(&self) -> u64 {
        self.at + self.head.record_length()
    }
}

/// Messages in one batch at most, so that a record can say its place in 16 bits.
pub(super) const BATCH_MESSAGES: usize = 1000;
