//! Opening the database for writing: made if it is missing, brought up to this layout if it is older, and
//! refused if it is not ours.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::{
    counters::Counters,
    intact,
    journal::Segments,
    schema::{
        APPLICATION_ID, VERSION, configure, describe, header, move_when_long, not_ours, set_lasting,
    },
    upgrade,
};
use crate::store::Error;

/// Opens the database for writing; makes it if it is missing.
pub(super) fn open_writer(path: &Path) -> Result<Connection, Error> {
    let cannot = |error| Error::Open(describe(path, &error));
    intact::expect_all_pages(path)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut db = Connection::open_with_flags(path, flags).map_err(cannot)?;
    match header(&db).map_err(cannot)? {
        (APPLICATION_ID, VERSION, _) => {}
        (0, 0, 0) => create(&mut db).map_err(cannot)?,
        other => return Err(foreign(path, &db, other)),
    }
    intact::expect_schema(path, &db)?;
    configure_writer(&mut db).map_err(cannot)?;
    Ok(db)
}

/// Brings a database of an earlier build to this layout, if it is one: before anything else is done with it.
pub(super) fn upgrade(path: &Path, segments: &Segments) -> Result<(), Error> {
    let cannot = |error| Error::Open(describe(path, &error));
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut db = match Connection::open_with_flags(path, flags) {
        Ok(db) if path.is_file() => db,
        // There is none yet; or it is told when it is opened.
        _ => return Ok(()),
    };
    match header(&db) {
        Ok((APPLICATION_ID, VERSION_2, _)) if noted_layout(&db).is_none() => {
            upgrade::from_layout_2(&mut db, segments).map_err(cannot)
        }
        Ok((APPLICATION_ID, VERSION_3, _)) if noted_layout(&db) == Some(VERSION_3) => {
            upgrade::from_layout_3(&mut db).map_err(cannot)
        }
        _ => Ok(()),
    }
}

/// An error if the file is no database of this version, or a damaged one; it is looked at and not changed.
pub(super) fn check_version(path: &Path) -> Result<(), Error> {
    let cannot = |error| Error::Open(describe(path, &error));
    intact::expect_all_pages(path)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, flags).map_err(cannot)?;
    match header(&db).map_err(cannot)? {
        (APPLICATION_ID, VERSION, _) => intact::expect_schema(path, &db),
        other => Err(foreign(path, &db, other)),
    }
}

/// An error if a later version of smtpd made the database: this one must not make an old one of it.
pub(super) fn refuse_newer(path: &Path) -> Result<(), Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    // What is damaged or missing is made again.
    let Ok(db) = Connection::open_with_flags(path, flags) else { return Ok(()) };
    match header(&db) {
        Ok(header @ (APPLICATION_ID, version, _))
            if version > VERSION && noted_layout(&db) != Some(VERSION) =>
        {
            Err(foreign(path, &db, header))
        }
        _ => Ok(()),
    }
}

/// The layout as the notes say it, if they do.
fn noted_layout(db: &Connection) -> Option<i32> {
    db.query_row("SELECT value FROM notes WHERE name = 'layout'", (), |row| row.get(0)).ok()
}

fn foreign(path: &Path, db: &Connection, header: (i32, i32, i64)) -> Error {
    if noted_layout(db) == Some(VERSION) {
        return Error::needs_repair(
            path,
            "the database is damaged: its header is that of another layout",
        );
    }
    let path = path.display();
    Error::Open(match header {
        (APPLICATION_ID, version, _) => format!(
            "{path}: made by another version of smtpd (layout {version}, this one knows {VERSION})"
        ),
        _ => not_ours(&path),
    })
}

fn create(db: &mut Connection) -> rusqlite::Result<()> {
    // Both are fixed by the first page that is written.
    db.pragma_update(None, "page_size", PAGE_SIZE)?;
    db.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    db.pragma_update(None, "journal_mode", "WAL")?;
    let all = db.transaction()?;
    all.execute_batch(include_str!("schema.sql"))?;
    all.execute("INSERT INTO counters VALUES (1, 0, 0, 1, NULL, 0, 0, 0, 0, 0, 0, 0)", ())?;
    let identity = all.query_row("SELECT random()", (), |row| row.get(0))?;
    Counters { identity, next_seq: 1, ..Counters::default() }.save(&all)?;
    all.pragma_update(None, "application_id", APPLICATION_ID)?;
    all.pragma_update(None, "user_version", VERSION)?;
    all.commit()
}

fn configure_writer(db: &mut Connection) -> rusqlite::Result<()> {
    db.pragma_update(None, "journal_mode", "WAL")?;
    set_lasting(db, false)?;
    db.pragma_update(None, "cache_size", -WRITER_CACHE_KIB)?;
    db.wal_hook(Some(move_when_long))?;
    db.pragma_update(None, "journal_size_limit", JOURNAL_LIMIT)?;
    configure(db)
}

/// Of the builds before 0.1.0, which are brought to this one.
const VERSION_2: i32 = 2;
const VERSION_3: i32 = 3;
/// Octets.
const PAGE_SIZE: i32 = 4096;
/// Of the writer: it touches the newest pages and the labels in use.
const WRITER_CACHE_KIB: i32 = 16 * 1024;
/// The log is cut back to this many octets when it starts again.
const JOURNAL_LIMIT: i64 = 16 * 1024 * 1024;
