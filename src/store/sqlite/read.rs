//! What is asked of a read-only connection about single messages and labels. Searching is in `find`.

use std::{fs::File, io, num::NonZeroU64, os::unix::fs::FileExt, path::Path, sync::Arc};

use rusqlite::{Connection, OptionalExtension, params};

use super::{
    Shared,
    bodies::BodyName,
    fixed::{Damaged, Fixed},
    intact,
    integers::unsigned,
    journal::{RecordHeader, open_meta},
    leave::left,
    row,
    schema::{self, failed},
    tx::Kind,
};
use crate::{
    id::MessageId,
    message::{
        Scanner, Summary,
        search::{Document, Field},
    },
    store::{Error, Mailbox, Raw, Record, State, matching},
    wire::Envelope,
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
    fixed: Result<Fixed, Damaged>,
    record: Record,
    is_tagged: bool,
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
        let known = self.one(sql, params![id.as_bytes()], |row| row.get(0))?;
        Ok(known.or_else(|| seq_of_unnamed(id)))
    }

    /// The lowest seq that is not older than this id, whether the id is stored or not.
    pub(super) fn seq_bound(&self, before: MessageId) -> Result<i64, Error> {
        // In a damaged database ids may not grow with seq; a page must all the same begin behind the last.
        if let Some(seq) = self.seq(before)? {
            return Ok(seq);
        }
        let sql = "SELECT seq FROM messages WHERE id < ? ORDER BY id DESC LIMIT 1";
        let older: Option<i64> = self.one(sql, params![before.as_bytes()], |row| row.get(0))?;
        Ok(older.map_or(0, |seq| seq + 1))
    }

    /// A message without its body.
    pub(super) fn record(&self, seq: i64) -> Result<Option<Record>, Error> {
        let Some(row) = self.row(seq)? else { return Ok(None) };
        Ok(self.fill(row)?.map(|(record, _)| record))
    }

    /// What the database knows of a message.
    pub(super) fn row(&self, seq: i64) -> Result<Option<Row>, Error> {
        self.one(&format!("{ROW} WHERE seq = ?"), [seq], Row::read)
    }

    /// The same of those above a seq, the lowest first.
    pub(super) fn rows_above(&self, seq: i64, limit: i64) -> Result<Vec<Row>, Error> {
        let sql = format!("{ROW} WHERE seq > ? ORDER BY seq LIMIT ?");
        let rows = self.all(&sql, [seq, limit], Row::read)?;
        let is_ordered = intact::grow(seq, rows.iter().map(|row| row.seq));
        if is_ordered { Ok(rows) } else { Err(intact::out_of_order()) }
    }

    /// The message of a row, and whether all that was said of it could be read; none if it is gone.
    pub(super) fn fill(&self, row: Row) -> Result<Option<(Record, bool)>, Error> {
        let Row { seq, fixed, mut record, is_tagged } = row;
        let mut is_whole = true;
        match fixed.as_ref().map_err(Damaged::error).and_then(|fixed| self.meta(fixed)) {
            Ok((envelope, summary)) => (record.envelope, record.summary) = (envelope, summary),
            Err(_) if !self.is_there(seq)? => return Ok(None),
            Err(error) => {
                // One damaged message must not hide the others beside it.
                log::error!("message {}: {error}; see `smtpd check`", record.id);
                record.summary.subject = format!("(damaged: {error})");
                is_whole = false;
            }
        }
        if is_tagged {
            record.tags = self.tags_of(seq)?;
        }
        record.left = left(&self.db, seq).map_err(|error| failed(&error))?;
        Ok(Some((record, is_whole)))
    }

    /// The message of that id without its body.
    pub(super) fn record_of(&self, id: MessageId) -> Result<Option<Record>, Error> {
        let Some(seq) = self.seq(id)? else { return Ok(None) };
        match self.record(seq)? {
            Some(record) if record.id != id => Err(another(id, record.id)),
            found => Ok(found),
        }
    }

    /// The octets of a message.
    pub(super) fn raw(&self, id: MessageId) -> Result<Option<Raw>, Error> {
        let Some(row) = self.seq(id)?.map(|seq| self.row(seq)).transpose()?.flatten() else {
            return Ok(None);
        };
        if row.record.id != id {
            return Err(another(id, row.record.id));
        }
        match row.fixed.map_err(|damaged| damaged.error()).and_then(|fixed| self.body(&fixed)) {
            Ok(raw) => Ok(Some(raw)),
            // Deleted since we looked; a body that is missing while its row stands is a fault.
            Err(_) if !self.is_there(row.seq)? => Ok(None),
            Err(error) if is_lost(&error) => Err(Error::Damaged(format!("message {id}: {error}"))),
            Err(error) => Err(Error::Io(error.to_string())),
        }
    }

    /// A message and its words, and its signs if they are asked for; none if it is gone.
    pub(super) fn document(
        &self,
        row: Row,
        signs: bool,
    ) -> Result<Option<(Record, Document)>, Error> {
        let (seq, fixed) = (row.seq, row.fixed.clone());
        let Some((record, is_whole)) = self.fill(row)? else { return Ok(None) };
        let read = |scanner: &mut Scanner| {
            let raw = fixed.map_err(|damaged| damaged.error()).and_then(|fixed| self.body(&fixed));
            matching::scan(&raw?, scanner)
        };
        let mut document = match matching::document(&record, signs, read) {
            Ok(document) => document,
            Err(_) if !self.is_there(seq)? => return Ok(None),
            // It will not come back, and one lost body must not end every search and the index.
            Err(error) if is_lost(&error) => {
                log::error!("message {}: its text cannot be searched: {error}", record.id);
                matching::bodiless(&record, signs)
            }
            Err(error) => return Err(Error::from_io(&error)),
        };
        if !is_whole {
            document.mark_cut(&Field::ALL);
        }
        Ok(Some((record, document)))
    }

    fn is_there(&self, seq: i64) -> Result<bool, Error> {
        let sql = "SELECT 1 FROM messages WHERE seq = ?";
        Ok(self.one(sql, [seq], |_| Ok(()))?.is_some())
    }

    /// What was said and seen of a message.
    fn meta(&self, fixed: &Fixed) -> io::Result<(Envelope, Summary)> {
        let segment = self.segment(fixed)?;
        let mut meta = vec![0; usize::try_from(fixed.meta).map_err(io::Error::other)?];
        segment.read_exact_at(&mut meta, fixed.at + RecordHeader::LENGTH as u64 + fixed.held)?;
        let json = open_meta(&meta).ok_or_else(|| damaged_record(fixed))?;
        row::read(json).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    }

    fn body(&self, fixed: &Fixed) -> io::Result<Raw> {
        let segment = self.segment(fixed)?;
        let held = usize::try_from(fixed.held).map_err(io::Error::other)?;
        let mut octets = vec![0; RecordHeader::LENGTH + held];
        segment.read_exact_at(&mut octets, fixed.at)?;
        let (head, body) = octets.split_first_chunk().ok_or_else(|| damaged_record(fixed))?;
        let is_it = |head: &RecordHeader| {
            (head.seq, head.id, head.held) == (fixed.seq, fixed.id, fixed.held)
                && crc32fast::hash(body) == head.held_crc
        };
        let head = RecordHeader::read(head).filter(is_it).ok_or_else(|| damaged_record(fixed))?;
        if !head.is_file {
            return Ok(Raw::Inline(body.into()));
        }
        let name = BodyName::read(body).ok_or_else(|| damaged_record(fixed))?;
        Ok(Raw::Pieces(Arc::new(self.shared.bodies.read(&name, fixed.size)?)))
    }

    fn segment(&self, fixed: &Fixed) -> io::Result<Arc<File>> {
        self.shared.segments.file(fixed.segment).map_err(|error| {
            let path = self.shared.segments.path(fixed.segment);
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
        let (seq, fixed) = (row.get(0)?, Fixed::read(row)?);
        let id = match &fixed {
            Ok(fixed) => Some(fixed.id),
            Err(damaged) => damaged.id,
        };
        let size = fixed.as_ref().map_or(0, |fixed| fixed.size);
        // What cannot be read of a damaged row is as if nobody had seen the message yet.
        let state = row.get_ref(14)?.as_str().ok().and_then(State::from_name);
        let record = Record {
            id: id.unwrap_or_else(|| unnamed(seq)),
            uid: uid(seq),
            envelope: Envelope::default(),
            summary: Summary { size, ..Summary::default() },
            read: row.get(11).unwrap_or_default(),
            starred: row.get(12).unwrap_or_default(),
            tags: Vec::new(),
            left: Vec::new(),
            state: state.unwrap_or_default(),
        };
        let is_tagged = row.get(13).unwrap_or_default();
        Ok(Self { seq, fixed, record, is_tagged })
    }
}

/// The number of a message as others see it.
pub(super) fn uid(seq: i64) -> Option<NonZeroU64> {
    u64::try_from(seq).ok().and_then(NonZeroU64::new)
}

impl Damaged {
    fn error(&self) -> io::Error {
        io::Error::new(io::ErrorKind::InvalidData, self.to_string())
    }
}

/// What a message is called whose id cannot be read: by its seq, behind four zeros, for no id begins with the
/// first second of 1970.
fn unnamed(seq: i64) -> MessageId {
    let mut octets = [0; 12];
    octets[4..].copy_from_slice(&seq.to_be_bytes());
    MessageId::from_bytes(octets)
}

fn seq_of_unnamed(id: MessageId) -> Option<i64> {
    let (zeros, seq) = id.as_bytes().split_last_chunk()?;
    (zeros == [0; 4]).then(|| i64::from_be_bytes(*seq))
}

fn damaged_record(fixed: &Fixed) -> io::Error {
    let what = format!("segment {} of the journal is damaged at octet {}", fixed.segment, fixed.at);
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// The database led from one id to the message of another.
fn another(asked: MessageId, found: MessageId) -> Error {
    Error::Damaged(format!("message {asked}: smtpd.db takes it for message {found}"))
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

const ROW: &str = "SELECT seq, id, received, size, attachment, segment, at, held, meta, file, sum,
                          read, starred, tagged, state
                   FROM messages";
