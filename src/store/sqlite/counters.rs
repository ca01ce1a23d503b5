//! Totals, and how far the journal is taken in: one row, with a checksum, because a place or a number that is
//! wrong here would hide mail, or give the numbers of old mail to new.

use rusqlite::{Connection, params, types::Type};

use super::integers::{signed, unsigned};

/// The single row of `counters`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counters {
    pub(super) identity: i64,
    pub(super) epoch: i64,
    pub(super) next_seq: i64,
    pub(super) last_id: Option<[u8; 12]>,
    /// Up to here the journal is taken in.
    pub(super) segment: i64,
    pub(super) at: u64,
    pub(super) messages: u64,
    pub(super) unread: u64,
    pub(super) bytes: u64,
    pub(super) file_bytes: u64,
}

impl Counters {
    /// Reads them; an error if they are not what was written.
    pub(super) fn load(db: &Connection) -> rusqlite::Result<Self> {
        match Self::read(db)? {
            (counters, true) => Ok(counters),
            _ => Err(unreadable(CountersDamaged)),
        }
    }

    /// Reads them, and whether their checksum holds.
    pub(super) fn read(db: &Connection) -> rusqlite::Result<(Self, bool)> {
        let sql = "SELECT identity, epoch, next_seq, last_id, segment, at, messages, unread, bytes,
                          file_bytes, sum
                   FROM counters";
        db.prepare_cached(sql)?.query_row((), |row| {
            let counters = Self {
                identity: row.get(0)?,
                epoch: row.get(1)?,
                next_seq: row.get(2)?,
                last_id: row.get(3)?,
                segment: row.get(4)?,
                at: unsigned(row, 5)?,
                messages: unsigned(row, 6)?,
                unread: unsigned(row, 7)?,
                bytes: unsigned(row, 8)?,
                file_bytes: unsigned(row, 9)?,
            };
            Ok((counters, row.get::<_, i64>(10)? == counters.sum()))
        })
    }

    /// Writes them.
    pub(super) fn save(&self, db: &Connection) -> rusqlite::Result<()> {
        let sql =
            "UPDATE counters SET identity = ?, epoch = ?, next_seq = ?, last_id = ?, segment = ?,
                   at = ?, messages = ?, unread = ?, bytes = ?, file_bytes = ?, sum = ?";
        db.prepare_cached(sql)?
            .execute(params![
                self.identity,
                self.epoch,
                self.next_seq,
                self.last_id,
                self.segment,
                signed(self.at),
                signed(self.messages),
                signed(self.unread),
                signed(self.bytes),
                signed(self.file_bytes),
                self.sum(),
            ])
            .map(drop)
    }

    /// The checksum over all of them: a place or a number that is wrong here would hide mail, or give the
    /// numbers of old mail to new.
    fn sum(&self) -> i64 {
        let mut hasher = crc32fast::Hasher::new();
        let numbers = [
            self.identity,
            self.epoch,
            self.next_seq,
            self.segment,
            signed(self.at),
            signed(self.messages),
            signed(self.unread),
            signed(self.bytes),
            signed(self.file_bytes),
        ];
        numbers.iter().for_each(|number| hasher.update(&number.to_le_bytes()));
        hasher.update(self.last_id.as_ref().map_or(&[][..], |id| id));
        hasher.finalize().into()
    }
}

/// The single row of `counters` is not what was written.
#[derive(Clone, Copy, Debug)]
pub(super) struct CountersDamaged;

impl std::fmt::Display for CountersDamaged {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("its counters are damaged")
    }
}

impl std::error::Error for CountersDamaged {}

/// A column that does not hold what we wrote into it.
fn unreadable(error: impl std::error::Error + Send + Sync + 'static) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(0, Type::Text, Box::new(error))
}
