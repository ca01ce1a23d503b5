//! What is asked of a read-only connection about single messages and labels. Searching is in `find`.

use std::{io, path::Path};

use rusqlite::{Connection, OptionalExtension, params};

use super::{
    bodies::Bodies,
    row,
    schema::{self, failed},
    tx::{Kind, unreadable, unsigned},
};
use crate::{
    id::MessageId,
    message::search::Document,
    store::{Error, Mailbox, Raw, Record, State, matching},
};

/// A read-only connection, and one to the full-text index if it was needed already.
pub(super) struct Reader {
    pub(super) db: Connection,
    pub(super) index: Option<super::index::Searcher>,
}

/// A body, or where it is.
enum Stored {
    Inline(Vec<u8>),
    File(String, u64),
}

/// An opened body, or the name of its file and why that cannot be opened.
type Opened = Result<Raw, (String, io::Error)>;

impl Reader {
    pub(super) fn open(database: &Path) -> rusqlite::Result<Self> {
        Ok(Self { db: schema::open_reader(database)?, index: None })
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
        let sql = "SELECT id, read, starred, tagged, state, envelope, summary
                   FROM messages JOIN contents USING (seq) WHERE seq = ?";
        let found = self.one(sql, params![seq], |row| {
            let state = State::from_name(row.get_ref(4)?.as_str()?).unwrap_or_default();
            let record = Record {
                id: MessageId::from_bytes(row.get(0)?),
                envelope: row::envelope(row.get_ref(5)?.as_str()?).map_err(unreadable)?,
                summary: row::summary(row.get_ref(6)?.as_str()?).map_err(unreadable)?,
                read: row.get(1)?,
                starred: row.get(2)?,
                tags: Vec::new(),
                state,
            };
            Ok((record, row.get(3)?))
        })?;
        Ok(match found {
            Some((record, true)) => Some(Record { tags: self.tags_of(seq)?, ..record }),
            Some((record, false)) => Some(record),
            None => None,
        })
    }

    /// The octets of a message.
    pub(super) fn raw(&self, seq: i64, bodies: &Bodies) -> Result<Option<Raw>, Error> {
        let told = |(name, error): (String, io::Error)| Error::Io(format!("body {name}: {error}"));
        self.body(seq, bodies)?.transpose().map_err(told)
    }

    /// The octets of a message, or the name of its file and why that cannot be opened.
    fn body(&self, seq: i64, bodies: &Bodies) -> Result<Option<Opened>, Error> {
        Ok(match self.stored(seq)? {
            None => None,
            Some(Stored::Inline(raw)) => Some(Ok(Raw::Inline(raw.into()))),
            Some(Stored::File(name, size)) => match bodies.read(&name) {
                Ok(file) => Some(Ok(Raw::File(file, size))),
                // Deleted since we looked; a file that is missing while its row stands is a fault.
                Err(_) if self.stored(seq)?.is_none() => None,
                Err(error) => Some(Err((name, error))),
            },
        })
    }

    /// The words of a message; none if it is gone.
    pub(super) fn document(
        &self,
        seq: i64,
        record: &Record,
        bodies: &Bodies,
    ) -> Result<Option<Document>, Error> {
        let raw = match self.body(seq, bodies)? {
            None => return Ok(None),
            Some(Ok(raw)) => raw,
            // It will not come back, and one lost file must not end every search and the index.
            Some(Err((name, error))) if error.kind() == io::ErrorKind::NotFound => {
                log::error!("body {name} is missing: its text cannot be searched");
                Raw::Inline(Default::default())
            }
            Some(Err((name, error))) => return Err(Error::Io(format!("body {name}: {error}"))),
        };
        matching::document(record, |scanner| matching::scan(&raw, scanner)).map(Some)
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

    fn stored(&self, seq: i64) -> Result<Option<Stored>, Error> {
        let sql = "SELECT file, size, raw FROM messages JOIN contents USING (seq) WHERE seq = ?";
        self.one(sql, params![seq], |row| {
            Ok(match row.get::<_, Option<String>>(0)? {
                Some(file) => Stored::File(file, unsigned(row, 1)?),
                None => Stored::Inline(row.get(2)?),
            })
        })
    }
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
