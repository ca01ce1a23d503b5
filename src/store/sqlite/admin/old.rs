//! What a database tells that may be damaged: which messages were not deleted, and their marks.

use std::{collections::HashSet, path::Path};

use rusqlite::{Connection, OptionalExtension};

use super::super::{
    annotations,
    counters::Counters,
    fixed::{Damaged, Fixed},
    intact,
    journal::{JournalEntry, Segments},
    leave::left,
    notes, open,
    tx::labels,
};
use crate::{
    id::MessageId,
    store::{Change, Note},
};

/// The database that is to be replaced.
#[derive(Default)]
pub(super) struct Old {
    db: Option<Connection>,
    /// If they are what was written.
    pub(super) counters: Option<Counters>,
    /// The random name of the store, right or wrong.
    pub(super) identity: Option<i64>,
    /// Every message that was not deleted has a row.
    pub(super) is_complete: bool,
    /// Ids of rows that are damaged.
    damaged: HashSet<MessageId>,
}

/// What is known of a message besides its record.
pub(super) struct OldRow {
    pub(super) seq: i64,
    pub(super) fixed: Result<Fixed, Damaged>,
    pub(super) mailboxes: Vec<String>,
    /// What people had done to it.
    pub(super) marks: Vec<Change>,
    /// Mailboxes that it has left.
    pub(super) left: Vec<String>,
    /// What was learnt of it, by name.
    pub(super) annotations: Vec<(String, String)>,
}

impl Old {
    /// Opens it, if it can be opened at all.
    pub(super) fn open(path: &Path, segments: &Segments) -> Self {
        // What stops it is told of each message later.
        let _ = open::upgrade(path, segments);
        // One whose header is wrong may still be asked.
        let mended = || {
            let db = Connection::open(path).ok()?;
            // A schema of which not even the names are whole is left as it is.
            let _ = intact::mend_schema(&db);
            Some(db)
        };
        let open = || open::open_writer(path).ok().or_else(mended);
        let db = path.is_file().then(open).flatten();
        let read = db.as_ref().and_then(|db| Counters::read(db).ok());
        let counters = read.filter(|(_, is_whole)| *is_whole).map(|(counters, _)| counters);
        let identity = read.map(|(counters, _)| counters.identity);
        let mut it = Self { db, counters, identity, is_complete: false, damaged: HashSet::new() };
        it.is_complete = it.scan().unwrap_or(false);
        it
    }

    /// True if all rows can be read and are as many as they should be; notes those that are damaged.
    fn scan(&mut self) -> rusqlite::Result<bool> {
        let (Some(db), Some(counters)) = (&self.db, &self.counters) else { return Ok(false) };
        let sql = "SELECT seq, id, received, size, attachment, segment, at, held, meta, file, sum
                   FROM messages ORDER BY seq";
        let mut statement = db.prepare(sql)?;
        let (mut count, mut last) = (0, i64::MIN);
        for row in statement.query_map((), |row| Ok((row.get::<_, i64>(0)?, Fixed::read(row)?)))? {
            let (seq, fixed) = row?;
            // Octets of a page that is gone can look like rows, as many as there should be.
            if seq <= last {
                return Ok(false);
            }
            (count, last) = (count + 1, seq);
            if let Err(Damaged { id: Some(id), .. }) = fixed {
                self.damaged.insert(id);
            }
        }
        Ok(count == counters.messages)
    }

    /// Whether a message of the journal was not deleted, as far as can be known.
    pub(super) fn has(&self, placed: &JournalEntry) -> bool {
        !self.is_complete
            || self.counters.is_some_and(|counters| placed.head.seq >= counters.next_seq)
            || self.damaged.contains(&placed.head.id)
            || self.row(placed.head.seq).is_some()
    }

    /// The notes that are kept apart from messages; of a damaged one its key. None at all if they cannot be read.
    pub(super) fn notes(&self) -> Option<Vec<Result<Note, String>>> {
        self.db.as_ref().and_then(|db| notes::all(db).ok())
    }

    /// The row of a message.
    pub(super) fn row(&self, seq: i64) -> Option<OldRow> {
        let db = self.db.as_ref()?;
        let sql = format!("{ROW} WHERE seq = ?");
        let read = |row: &rusqlite::Row<'_>| OldRow::read(db, row);
        db.prepare_cached(&sql).ok()?.query_row([seq], read).optional().ok()?
    }

    /// All rows from a seq to another that can be read: where some cannot, each is asked for alone.
    pub(super) fn rows(&self, from: i64, to: i64) -> Vec<OldRow> {
        let Some(db) = &self.db else { return Vec::new() };
        let all = || -> rusqlite::Result<Vec<OldRow>> {
            let sql = format!("{ROW} WHERE seq BETWEEN ? AND ? ORDER BY seq");
            let mut statement = db.prepare_cached(&sql)?;
            statement.query_map([from, to], |row| OldRow::read(db, row))?.collect()
        };
        all().unwrap_or_else(|_| (from..=to).filter_map(|seq| self.row(seq)).collect())
    }

    /// The last row that there is, if that can be found out.
    pub(super) fn last_seq(&self) -> Option<i64> {
        let db = self.db.as_ref()?;
        db.query_row("SELECT max(seq) FROM messages", (), |row| row.get(0)).ok().flatten()
    }
}

impl OldRow {
    fn read(db: &Connection, row: &rusqlite::Row<'_>) -> rusqlite::Result<Self> {
        let fixed = Fixed::read(row)?;
        let mut marks = Vec::new();
        if row.get(11).unwrap_or_default() {
            marks.push(Change::Read(true));
        }
        if row.get(12).unwrap_or_default() {
            marks.push(Change::Starred(true));
        }
        let mut mailboxes = Vec::new();
        for label in row.get_ref(13)?.as_str().ok().and_then(labels).unwrap_or_default() {
            let sql = "SELECT kind, name FROM labels WHERE label = ?";
            let named = db
                .prepare_cached(sql)?
                .query_row([label], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?)));
            match named {
                Ok((0, name)) => mailboxes.push(name),
                Ok((_, name)) => marks.push(Change::Tag(name)),
                Err(_damaged) => {}
            }
        }
        let seq = row.get(0)?;
        let left = left(db, seq).unwrap_or_default();
        let annotations = annotations::whole(db, seq).unwrap_or_default();
        Ok(Self { seq, fixed, mailboxes, marks, left, annotations })
    }
}

const ROW: &str = "SELECT seq, id, received, size, attachment, segment, at, held, meta, file, sum,
                          read, starred, labels
                   FROM messages";
