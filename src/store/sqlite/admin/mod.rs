//! Looking after a folder: `smtpd check`, `smtpd backup`, `smtpd repair`.
//!
//! Checking and backing up go on beside a running smtpd and change nothing of its folder. Repairing needs
//! the folder for itself.

mod backup;
mod check;
mod old;
mod repair;
mod replace;
mod rescue;

pub(in crate::store) use self::{backup::backup, check::check, repair::repair};

use std::path::Path;

use rusqlite::Connection;

use super::{
    BODIES, DATABASE, JOURNAL,
    bodies::{Bodies, BodyName},
    fixed::{Damaged, Fixed},
    intact,
    journal::{Facts, RecordHeader, Segments, open_meta},
    leave::left,
    open, row,
    schema::{self, failed},
    tx::{Kind, labels},
    workshop,
};
use crate::{id::MessageId, store::Error};

/// Refuses a folder in which nothing is that a store has: a name that is mistyped must not look like a store
/// that is empty, nor become one.
pub(in crate::store) fn expect_store(folder: &Path) -> Result<(), Error> {
    let has = |name| folder.join(name).exists();
    if has(DATABASE) || has(JOURNAL) || has(BODIES) || workshop::is_begun(folder) {
        return Ok(());
    }
    let folder = folder.display();
    Err(Error::Open(format!("{folder}: no store is there: neither {DATABASE} nor {JOURNAL}/")))
}

/// A folder and its database.
struct Folder {
    db: Connection,
    segments: Segments,
    bodies: Bodies,
}

/// A row of the database.
struct Row {
    seq: i64,
    fixed: Result<Fixed, Damaged>,
    /// None if they cannot be read.
    labels: Option<Vec<i64>>,
}

impl Row {
    /// What to call the message.
    fn name(&self) -> String {
        let id = match &self.fixed {
            Ok(fixed) => Some(fixed.id),
            Err(damaged) => damaged.id,
        };
        id.map_or_else(|| format!("message number {}", self.seq), |id| format!("message {id}"))
    }

    fn size(&self) -> u64 {
        self.fixed.as_ref().map_or(0, |fixed| fixed.size)
    }
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
            return Err(Error::needs_repair(&database, "no such file"));
        }
        open::check_version(&database)?;
        let db = schema::open_reader(&database)
            .map_err(|error| Error::Open(schema::describe(&database, &error)))?;
        Self::around(db, folder)
    }

    /// Rows behind a seq, in order, some at a time; none at the end.
    fn rows(&self, behind: i64) -> Result<Vec<Row>, Error> {
        let sql =
            "SELECT seq, id, received, size, attachment, segment, at, held, meta, file, sum, labels
                   FROM messages WHERE seq > ? ORDER BY seq LIMIT ?";
        let read = || -> rusqlite::Result<Vec<Row>> {
            let mut statement = self.db.prepare_cached(sql)?;
            let rows = statement.query_map([behind, PIECE], |row| {
                let labels = row.get_ref(11)?.as_str().ok().and_then(labels);
                Ok(Row { seq: row.get(0)?, fixed: Fixed::read(row)?, labels })
            })?;
            rows.collect()
        };
        let rows = read().map_err(|error| failed(&error))?;
        let is_ordered = intact::grow(behind, rows.iter().map(|row| row.seq));
        if is_ordered { Ok(rows) } else { Err(intact::out_of_order()) }
    }

    /// True if the message is still there.
    fn has(&self, seq: i64) -> Result<bool, Error> {
        let sql = "SELECT EXISTS (SELECT 1 FROM messages WHERE seq = ?)";
        let ask = || self.db.prepare_cached(sql)?.query_row([seq], |row| row.get(0));
        ask().map_err(|error: rusqlite::Error| failed(&error))
    }

    /// What is wrong with a message; nothing if its octets are as they were received, and its row says
    /// of them what its record says.
    fn fault(&self, row: &Row) -> Option<String> {
        self.compare(row).err()
    }

    fn compare(&self, row: &Row) -> Result<(), String> {
        let fixed = row.fixed.as_ref().map_err(Damaged::to_string)?;
        let facts = self.read(fixed)?;
        let says = |what: &str| format!("smtpd.db: {what} of it are not those of its record");
        if (facts.received_ms, facts.files) != (fixed.received_ms, fixed.files) {
            return Err(says("the facts"));
        }
        let labels = row.labels.as_ref().ok_or("smtpd.db: the labels of it cannot be read")?;
        let mut mailboxes = self.mailboxes(labels).map_err(|error| error.to_string())?;
        if mailboxes != facts.mailboxes {
            mailboxes.extend(left(&self.db, fixed.seq).map_err(|error| error.to_string())?);
            mailboxes.sort_unstable();
            if mailboxes != facts.mailboxes {
                return Err(says("the mailboxes"));
            }
        }
        match self.seq(fixed.id).map_err(|error| error.to_string())? {
            Some(seq) if seq == fixed.seq => Ok(()),
            _ => Err("smtpd.db: it cannot be found by its id".into()),
        }
    }

    fn seq(&self, id: MessageId) -> rusqlite::Result<Option<i64>> {
        use rusqlite::OptionalExtension as _;
        let sql = "SELECT seq FROM messages WHERE id = ?";
        self.db.prepare_cached(sql)?.query_row([id.as_bytes()], |row| row.get(0)).optional()
    }

    /// The names of those labels that are mailboxes, sorted.
    fn mailboxes(&self, labels: &[i64]) -> rusqlite::Result<Vec<String>> {
        let mut statement =
            self.db.prepare_cached("SELECT name FROM labels WHERE label = ? AND kind = ?")?;
        let mut names = Vec::with_capacity(labels.len());
        for label in labels {
            let rows = statement.query_map((label, Kind::Mailbox as i64), |row| row.get(0))?;
            names.extend(rows.collect::<rusqlite::Result<Vec<String>>>()?);
        }
        names.sort_unstable();
        Ok(names)
    }

    /// Reads all octets of a message; what its record says of it.
    fn read(&self, fixed: &Fixed) -> Result<Facts, String> {
        let path = self.segments.path(fixed.segment);
        let damaged = || format!("{}: damaged at octet {}", path.display(), fixed.at);
        let record = self.record(fixed).map_err(|error| format!("{}: {error}", path.display()))?;
        let head = record.first_chunk().and_then(RecordHeader::read).ok_or_else(damaged)?;
        let is_it = (head.seq, head.id, head.held, u64::from(head.meta), head.size)
            == (fixed.seq, fixed.id, fixed.held, fixed.meta, fixed.size);
        let body_end = RecordHeader::LENGTH + usize::try_from(fixed.held).map_err(|_| damaged())?;
        let held = record.get(RecordHeader::LENGTH..body_end).ok_or_else(damaged)?;
        if !is_it || crc32fast::hash(held) != head.held_crc {
            return Err(damaged());
        }
        let meta = record.get(body_end..).and_then(open_meta).ok_or_else(damaged)?;
        let (envelope, summary) = row::read(meta).map_err(|error| error.to_string())?;
        if head.is_file {
            let name = BodyName::read(held).ok_or_else(damaged)?;
            if fixed.file.as_ref() != Some(&name.name) {
                return Err("smtpd.db: it names another body".into());
            }
            let body = self.bodies.read(&name, fixed.size).map_err(|error| error.to_string())?;
            body.verify().map_err(|error| format!("body {}: {error}", name.name))?;
        }
        Ok(Facts::new(&envelope, &summary))
    }

    /// The octets of a record, right or wrong.
    fn record(&self, fixed: &Fixed) -> std::io::Result<Vec<u8>> {
        use std::os::unix::fs::FileExt as _;
        let segment = self.segments.file(fixed.segment)?;
        let length = fixed.end().saturating_sub(fixed.at);
        // A length that is wrong must not take all memory.
        if segment.metadata()?.len() < fixed.end() {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        let mut record = vec![0; usize::try_from(length).map_err(std::io::Error::other)?];
        segment.read_exact_at(&mut record, fixed.at)?;
        Ok(record)
    }
}

/// Rows read at a time.
const PIECE: i64 = 500;
