//! What never changes in a message's row, and the checksum over it.
//!
//! SQLite does not notice a bit that falls over inside a row. The octets of a message have checksums of
//! their own, but what is done because of a row (show the record at this place, give back the space between
//! these two, remove this file) would be done to another message. So no place is believed whose checksum
//! does not hold.

use crc32fast::Hasher;
use rusqlite::{Row, Statement, params};

use super::{
    integers::signed,
    journal::{JournalEntry, RecordHeader},
};
use crate::id::MessageId;

/// The columns of `messages` that are written once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fixed {
    pub(super) seq: i64,
    pub(super) id: MessageId,
    pub(super) received_ms: i64,
    /// Octets as received.
    pub(super) size: u64,
    /// As [`Facts::files`](super::journal::Facts::files).
    pub(super) files: i64,
    /// Of the journal.
    pub(super) segment: i64,
    /// Where the record begins in it.
    pub(super) at: u64,
    /// Octets of the body in the record.
    pub(super) held: u64,
    /// Octets of envelope and summary behind it.
    pub(super) meta: u64,
    /// Name of the body's file, if it is not in the record.
    pub(super) file: Option<String>,
}

/// A row that is not what was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Damaged {
    /// SQLite's own name of the row can always be read.
    pub(super) seq: i64,
    /// If it is one.
    pub(super) id: Option<MessageId>,
}

impl Fixed {
    /// What the journal says of a message.
    pub(super) fn new(placed: &JournalEntry) -> Self {
        let head = &placed.head;
        Self {
            seq: head.seq,
            id: head.id,
            received_ms: placed.facts.received_ms,
            size: head.size,
            files: placed.facts.files,
            segment: placed.segment,
            at: placed.at,
            held: head.held,
            meta: head.meta.into(),
            file: placed.file.as_ref().map(|file| file.name.clone()),
        }
    }

    /// Where the record ends.
    pub(super) fn end(&self) -> u64 {
        self.at.saturating_add(RecordHeader::LENGTH as u64).saturating_add(self.held + self.meta)
    }

    /// Reads the first columns of a row: seq, id, received, size, attachment, segment, at, held, meta, file,
    /// sum. Fails only where not even the seq can be read.
    pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Result<Self, Damaged>> {
        let seq = row.get(0)?;
        let id = row.get(1).map(MessageId::from_bytes).ok();
        let whole = Self::columns(row).ok().filter(|(fixed, sum)| fixed.sum() == *sum);
        Ok(whole.map(|(fixed, _)| fixed).ok_or(Damaged { seq, id }))
    }

    /// The same of a row that has no checksum yet.
    pub(super) fn unproven(row: &Row<'_>) -> rusqlite::Result<Self> {
        Self::columns(row).map(|(fixed, _)| fixed)
    }

    fn columns(row: &Row<'_>) -> rusqlite::Result<(Self, i64)> {
        let natural = |column: usize| {
            let number: i64 = row.get(column)?;
            u64::try_from(number)
                .map_err(|_| rusqlite::Error::IntegralValueOutOfRange(column, number))
        };
        let fixed = Self {
            seq: row.get(0)?,
            id: MessageId::from_bytes(row.get(1)?),
            received_ms: row.get(2)?,
            size: natural(3)?,
            files: row.get(4)?,
            segment: row.get(5)?,
            at: natural(6)?,
            held: natural(7)?,
            meta: natural(8)?,
            file: row.get(9)?,
        };
        Ok((fixed, row.get(10)?))
    }

    /// Runs a statement with these columns, the state and the labels.
    pub(super) fn insert(
        &self,
        statement: &mut Statement<'_>,
        state: &str,
        labels: &str,
    ) -> rusqlite::Result<()> {
        let id = self.id.as_bytes().as_slice();
        let values = params![
            self.seq,
            id,
            self.received_ms,
            signed(self.size),
            self.files,
            self.segment,
            signed(self.at),
            signed(self.held),
            signed(self.meta),
            self.file,
            self.sum(),
            state,
            labels,
        ];
        statement.execute(values).map(drop)
    }

    /// The checksum, in the column `sum`.
    pub(super) fn sum(&self) -> i64 {
        let mut hasher = Hasher::new();
        hasher.update(self.id.as_bytes());
        let numbers = [
            self.seq,
            self.received_ms,
            signed(self.size),
            self.files,
            self.segment,
            signed(self.at),
            signed(self.held),
            signed(self.meta),
        ];
        numbers.iter().for_each(|number| hasher.update(&number.to_le_bytes()));
        hasher.update(self.file.as_deref().unwrap_or_default().as_bytes());
        hasher.finalize().into()
    }
}

impl std::fmt::Display for Damaged {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("its row in smtpd.db is damaged")
    }
}
