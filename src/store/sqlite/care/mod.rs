//! Looking after a folder: `smtpd check`, `smtpd backup`, `smtpd repair`.
//!
//! Checking and backing up go on beside a running smtpd and change nothing of its folder. Repairing needs
//! the folder for itself.

mod backup;
mod check;
mod repair;

pub(in crate::store) use self::{backup::backup, check::check, repair::repair};

use std::path::Path;

use rusqlite::Connection;

use super::{
    BODIES, DATABASE, JOURNAL,
    bodies::Bodies,
    journal::{Head, Segments, open_meta},
    schema::{self, failed},
    tx::unsigned,
};
use crate::{id::MessageId, store::Error};

/// A folder and its database.
struct Folder {
    db: Connection,
    segments: Segments,
    bodies: Bodies,
}

/// Where a message stands, as its row says.
struct Row {
    seq: i64,
    id: MessageId,
    segment: i64,
    at: u64,
    held: u64,
    meta: u64,
    size: u64,
    file: Option<String>,
}

impl Folder {
    /// The parts of a folder around a database that is open already.
    fn around(db: Connection, folder: &Path) -> Result<Self, Error> {
        let cannot = |error: std::io::Error| Error::Open(format!("{}: {error}", folder.display()));
        Ok(Self {
            db,
            segments: Segments::open(folder.join(JOURNAL)).map_err(cannot)?,
            bodies: Bodies::open(folder.join(BODIES)).map_err(cannot)?,
        })
    }

    /// Opens a folder for looking at it only.
    fn look(folder: &Path) -> Result<Self, Error> {
        let database = folder.join(DATABASE);
        if !database.is_file() {
            return Err(Error::Open(format!("{}: no such file", database.display())));
        }
        schema::check_version(&database)?;
        let db = schema::open_reader(&database)
            .map_err(|error| Error::Open(schema::describe(&database, &error)))?;
        Self::around(db, folder)
    }

    /// Rows behind a seq, in order, some at a time; none at the end.
    fn rows(&self, behind: i64) -> Result<Vec<Row>, Error> {
        let sql = "SELECT seq, id, segment, at, held, meta, size, file FROM messages
                   WHERE seq > ? ORDER BY seq LIMIT ?";
        let read = || -> rusqlite::Result<Vec<Row>> {
            let mut statement = self.db.prepare_cached(sql)?;
            let rows = statement.query_map([behind, PIECE], |row| {
                Ok(Row {
                    seq: row.get(0)?,
                    id: MessageId::from_bytes(row.get(1)?),
                    segment: row.get(2)?,
                    at: unsigned(row, 3)?,
                    held: unsigned(row, 4)?,
                    meta: unsigned(row, 5)?,
                    size: unsigned(row, 6)?,
                    file: row.get(7)?,
                })
            })?;
            rows.collect()
        };
        read().map_err(|error| failed(&error))
    }

    /// True if the message is still there.
    fn has(&self, seq: i64) -> Result<bool, Error> {
        let sql = "SELECT EXISTS (SELECT 1 FROM messages WHERE seq = ?)";
        let ask = || self.db.prepare_cached(sql)?.query_row([seq], |row| row.get(0));
        ask().map_err(|error: rusqlite::Error| failed(&error))
    }

    /// What is wrong with the octets of a message; nothing if they are as they were received.
    fn fault(&self, row: &Row) -> Option<String> {
        self.read(row).err()
    }

    fn read(&self, row: &Row) -> Result<(), String> {
        use std::os::unix::fs::FileExt as _;
        let said = |error: std::io::Error| {
            format!("{}: {error}", self.segments.path(row.segment).display())
        };
        let damaged = || {
            let path = self.segments.path(row.segment);
            format!("{}: damaged at octet {}", path.display(), row.at)
        };
        let segment = self.segments.file(row.segment).map_err(said)?;
        let length = Head::LENGTH as u64 + row.held + row.meta;
        let mut record = vec![0; usize::try_from(length).map_err(|_| damaged())?];
        segment.read_exact_at(&mut record, row.at).map_err(said)?;
        let head = record.first_chunk().and_then(Head::read).ok_or_else(damaged)?;
        let is_it = (head.seq, head.id, head.held, u64::from(head.meta), head.size)
            == (row.seq, row.id, row.held, row.meta, row.size);
        let body_end = Head::LENGTH + usize::try_from(row.held).map_err(|_| damaged())?;
        let held = record.get(Head::LENGTH..body_end).ok_or_else(damaged)?;
        let meta = record.get(body_end..).and_then(open_meta);
        if !is_it || meta.is_none() || crc32fast::hash(held) != head.held_crc {
            return Err(damaged());
        }
        let Some(name) = &row.file else { return Ok(()) };
        let file = self.bodies.read(name).and_then(|file| file.metadata());
        match file {
            Ok(file) if file.len() == row.size => Ok(()),
            Ok(file) => Err(format!("body {name}: {} octets instead of {}", file.len(), row.size)),
            Err(error) => Err(format!("body {name}: {error}")),
        }
    }
}

/// Rows read at a time.
const PIECE: i64 = 500;
