//! What is asked of a read-only connection about single messages and labels. Searching is in `find`.

use std::{fs::File, io, os::unix::fs::FileExt, path::Path, sync::Arc};

use rusqlite::{Connection, OptionalExtension, params};

use super::{
    Shared,
    journal::{Head, open_meta},
    row,
    schema::{self, failed},
    tx::{Kind, unsigned},
};
use crate::{
    id::MessageId,
    message::{Envelope, Summary, search::Document},
    store::{Error, Mailbox, Raw, Record, State, matching},
};

/// A read-only connection, and one to the full-text index if it was needed already.
pub(super) struct Reader {
    pub(super) db: Connection,
    pub(super) index: Option<super::index::Searcher>,
    shared: Arc<Shared>,
}

/// What the database knows of a message: all but what was said and seen of it.
pub(super) struct Row {
    pub(super) seq: i64,
    place: Place,
    record: Record,
    is_tagged: bool,
}

/// Where a message stands.
#[derive(Clone)]
struct Place {
    segment: i64,
    at: u64,
    held: u64,
    meta: u64,
    file: Option<(String, u64)>,
}

impl Reader {
    pub(super) fn open(database: &Path, shared: Arc<Shared>) -> rusqlite::Result<Self> {
        Ok(Self { db: schema::open_reader(database)?, index: None, shared })
    }

    /// Looks at the database as it is now until the guard is dropped. Many small questions then cost
    /// one lock; but keep it short, for the log cannot start again meanwhile.
    pub(super) fn moment(&self) -> Result<Moment<'_>, Error> {
        let begin = || self.db.prepare_cached("BEGIN")?.execute(());
        begin().map_err(|error| failed(&error))?;
        Ok(Moment(&self.db))
    }

    /// The seq of a message.
    pub(super) fn seq(&self, id: MessageId) -> Result<Option<i64>, Error> {
        let sql = "SELECT seq FROM messages WHERE id = ?";
        self.one(sql, params![id.as_bytes()], |row| row.get(0))
    }

    /// The lowest seq that is not older than this id, whether the id is stored or not.
    pub(super) fn seq_bound(&self, before: MessageId) -> Result<i64, Error> {
        let sql = "SELECT seq FROM messages WHERE id < ? ORDER BY id DESC LIMIT 1";
        let older: Option<i64> = self.one(sql, params![before.as_bytes()], |row| row.get(0))?;
        Ok(older.map_or(0, |seq| seq + 1))
    }

    /// A message without its body.
    pub(super) fn record(&self, seq: i64) -> Result<Option<Record>, Error> {
        let Some(row) = self.row(seq)? else { return Ok(None) };
        self.fill(row)
    }

    /// What the database knows of a message.
    pub(super) fn row(&self, seq: i64) -> Result<Option<Row>, Error> {
        self.one(&format!("{ROW} WHERE seq = ?"), [seq], Row::read)
    }

    /// The same of those above a seq, the lowest first.
    pub(super) fn rows_above(&self, seq: i64, limit: i64) -> Result<Vec<Row>, Error> {
        let sql = format!("{ROW} WHERE seq > ? ORDER BY seq LIMIT ?");
        self.all(&sql, [seq, limit], Row::read)
    }

    /// The message of a row; none if it is gone.
    fn fill(&self, row: Row) -> Result<Option<Record>, Error> {
        let Row { seq, place, mut record, is_tagged } = row;
        match self.meta(&place) {
            Ok((envelope, summary)) => (record.envelope, record.summary) = (envelope, summary),
            Err(_) if self.place(seq)?.is_none() => return Ok(None),
            Err(error) => {
                // One damaged message must not hide the others beside it.
                log::error!("message {}: {error}", record.id);
                record.summary.subject = format!("(damaged: {error})");
            }
        }
        if is_tagged {
            record.tags = self.tags_of(seq)?;
        }
        Ok(Some(record))
    }

    /// The octets of a message.
    pub(super) fn raw(&self, seq: i64) -> Result<Option<Raw>, Error> {
        let Some(place) = self.place(seq)? else { return Ok(None) };
        match self.body(seq, &place) {
            Ok(raw) => Ok(Some(raw)),
            // Deleted since we looked; a body that is missing while its row stands is a fault.
            Err(_) if self.place(seq)?.is_none() => Ok(None),
            Err(error) => Err(Error::Io(error.to_string())),
        }
    }

    /// A message and its words, and its signs if they are asked for; none if it is gone.
    pub(super) fn document(
        &self,
        row: Row,
        signs: bool,
    ) -> Result<Option<(Record, Document)>, Error> {
        let (seq, place) = (row.seq, row.place.clone());
        let Some(record) = self.fill(row)? else { return Ok(None) };
        let raw = match self.body(seq, &place) {
            Ok(raw) => raw,
            Err(_) if self.place(seq)?.is_none() => return Ok(None),
            // It will not come back, and one lost body must not end every search and the index.
            Err(error) if is_lost(&error) => {
                log::error!("message {}: its text cannot be searched: {error}", record.id);
                Raw::Inline(Default::default())
            }
            Err(error) => return Err(Error::Io(error.to_string())),
        };
        let scan = |scanner: &mut _| matching::scan(&raw, scanner);
        let document = matching::document(&record, signs, scan)?;
        Ok(Some((record, document)))
    }

    fn place(&self, seq: i64) -> Result<Option<Place>, Error> {
        let sql = "SELECT segment, at, held, meta, file, size FROM messages WHERE seq = ?";
        self.one(sql, params![seq], Place::read)
    }

    /// What was said and seen of a message.
    fn meta(&self, place: &Place) -> io::Result<(Envelope, Summary)> {
        let segment = self.segment(place)?;
        let mut meta = vec![0; usize::try_from(place.meta).map_err(io::Error::other)?];
        segment.read_exact_at(&mut meta, place.at + Head::LENGTH as u64 + place.held)?;
        let json = open_meta(&meta).ok_or_else(|| place.damaged())?;
        row::read(json).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    }

    fn body(&self, seq: i64, place: &Place) -> io::Result<Raw> {
        if let Some((name, size)) = &place.file {
            let named =
                |error: io::Error| io::Error::new(error.kind(), format!("body {name}: {error}"));
            return Ok(Raw::File(self.shared.bodies.read(name).map_err(named)?, *size));
        }
        let segment = self.segment(place)?;
        let held = usize::try_from(place.held).map_err(io::Error::other)?;
        let mut octets = vec![0; Head::LENGTH + held];
        segment.read_exact_at(&mut octets, place.at)?;
        let (head, body) = octets.split_first_chunk().ok_or_else(|| place.damaged())?;
        let is_it = |head: &Head| {
            (head.seq, head.held) == (seq, place.held) && crc32fast::hash(body) == head.held_crc
        };
        Head::read(head).filter(is_it).ok_or_else(|| place.damaged())?;
        Ok(Raw::Inline(body.into()))
    }

    fn segment(&self, place: &Place) -> io::Result<Arc<File>> {
        self.shared.segments.file(place.segment).map_err(|error| {
            let path = self.shared.segments.path(place.segment);
            io::Error::new(error.kind(), format!("{}: {error}", path.display()))
        })
    }

    /// Mailboxes or tags, sorted by name.
    pub(super) fn labels(
        &self,
        kind: Kind,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Mailbox>, Error> {
        let sql = "SELECT name, messages, unread FROM labels
                   WHERE kind = ? AND (name > ?2 OR ?2 IS NULL) ORDER BY name LIMIT ?3";
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.all(sql, params![kind as i64, after, limit], |row| {
            Ok(Mailbox {
                name: row.get(0)?,
                messages: unsigned(row, 1)?,
                unread: unsigned(row, 2)?,
            })
        })
    }

    /// The number of a label, if it is in use.
    pub(super) fn label(&self, kind: Kind, name: &str) -> Result<Option<i64>, Error> {
        let sql = "SELECT label FROM labels WHERE kind = ? AND name = ?";
        self.one(sql, params![kind as i64, name], |row| row.get(0))
    }

    /// At most one row.
    pub(super) fn one<T>(
        &self,
        sql: &str,
        values: impl rusqlite::Params,
        read: impl FnOnce(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, Error> {
        let ask = || self.db.prepare_cached(sql)?.query_row(values, read).optional();
        ask().map_err(|error| failed(&error))
    }

    /// All rows.
    pub(super) fn all<T>(
        &self,
        sql: &str,
        values: impl rusqlite::Params,
        read: impl FnMut(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, Error> {
        let ask = || -> rusqlite::Result<Vec<T>> {
            self.db.prepare_cached(sql)?.query_map(values, read)?.collect()
        };
        ask().map_err(|error| failed(&error))
    }

    fn tags_of(&self, seq: i64) -> Result<Vec<String>, Error> {
        let sql = "SELECT labels.name FROM messages, json_each(messages.labels) AS has
                   JOIN labels ON labels.label = has.value
                   WHERE messages.seq = ? AND labels.kind = ? ORDER BY labels.name";
        self.all(sql, params![seq, Kind::Tag as i64], |row| row.get(0))
    }
}

impl Row {
    /// From the columns of [`ROW`].
    fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Self> {
        let record = Record {
            id: MessageId::from_bytes(row.get(6)?),
            envelope: Envelope::default(),
            summary: Summary { size: unsigned(row, 5)?, ..Summary::default() },
            read: row.get(7)?,
            starred: row.get(8)?,
            tags: Vec::new(),
            state: State::from_name(row.get_ref(10)?.as_str()?).unwrap_or_default(),
        };
        Ok(Self { seq: row.get(11)?, place: Place::read(row)?, record, is_tagged: row.get(9)? })
    }
}

impl Place {
    /// From the first columns of a row: segment, at, held, meta, file, size.
    fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Self> {
        let size = unsigned(row, 5)?;
        Ok(Self {
            segment: row.get(0)?,
            at: unsigned(row, 1)?,
            held: unsigned(row, 2)?,
            meta: unsigned(row, 3)?,
            file: row.get::<_, Option<String>>(4)?.map(|name| (name, size)),
        })
    }

    fn damaged(&self) -> io::Error {
        let what = format!("segment {} of the journal is damaged at {}", self.segment, self.at);
        io::Error::new(io::ErrorKind::InvalidData, what)
    }
}

/// True if reading again will not help.
fn is_lost(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidData, NotFound, UnexpectedEof};
    matches!(error.kind(), InvalidData | NotFound | UnexpectedEof)
}

/// An open read transaction.
pub(super) struct Moment<'a>(&'a Connection);

impl Drop for Moment<'_> {
    fn drop(&mut self) {
        let end = || self.0.prepare_cached("ROLLBACK")?.execute(());
        // A connection that cannot even end a transaction will fail the next question, and is replaced.
        let _ = end();
    }
}

const ROW: &str =
    "SELECT segment, at, held, meta, file, size, id, read, starred, tagged, state, seq
                   FROM messages";
