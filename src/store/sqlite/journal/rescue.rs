//! A segment for messages whose own record is damaged, written by `smtpd repair`.

use std::io;

use super::{
    Facts, JournalEntry, RecordHeader, SegmentHeader, Segments, complete, record::Origin,
    segment::Tail,
};
use crate::{id::MessageId, message::Summary, store::sqlite::bodies::BodyName, wire::Envelope};

/// The segment.
pub(in crate::store::sqlite) struct Rescue {
    tail: Tail,
    key: u32,
}

/// A message to be written again.
pub(in crate::store::sqlite) struct Rescued {
    pub(in crate::store::sqlite) seq: i64,
    pub(in crate::store::sqlite) id: MessageId,
    pub(in crate::store::sqlite) envelope: Envelope,
    pub(in crate::store::sqlite) summary: Summary,
    /// The body, if it is in no file.
    pub(in crate::store::sqlite) body: Vec<u8>,
    pub(in crate::store::sqlite) file: Option<BodyName>,
}

impl Rescue {
    /// Begins the segment of this header.
    pub(in crate::store::sqlite) fn begin(
        segments: &Segments,
        header: SegmentHeader,
        key: u32,
    ) -> io::Result<Self> {
        Ok(Self { tail: segments.create(header)?, key })
    }

    /// Writes a message; it is on the disk when this returns.
    pub(in crate::store::sqlite) fn add(&mut self, message: &Rescued) -> io::Result<JournalEntry> {
        let mut record = vec![0; RecordHeader::LENGTH];
        match &message.file {
            Some(file) => file.write(&mut record),
            None => record.extend_from_slice(&message.body),
        }
        let (envelope, summary) = (&message.envelope, &message.summary);
        let mut head = complete(&mut record, message.file.is_some(), envelope, summary)?;
        (head.seq, head.id) = (message.seq, message.id);
        head.origin = Some(Origin { key: self.key, batch_index: 0 });
        record[..RecordHeader::LENGTH].copy_from_slice(&head.octets());
        let at = self.tail.end;
        self.tail.append([record.as_slice()].into_iter())?;
        let facts = Facts::new(envelope, summary);
        Ok(JournalEntry { head, facts, segment: self.tail.number, at, file: message.file.clone() })
    }
}

/// Begins an empty segment, in which mail goes on.
pub(in crate::store::sqlite) fn begin_anew(
    segments: &Segments,
    header: SegmentHeader,
) -> io::Result<()> {
    segments.create(header).map(drop)
}
