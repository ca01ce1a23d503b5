//! What every connection to the database knows: who we are, which version, the settings that durability rests
//! on, and what an error of SQLite means.

use std::{
    ffi::c_int,
    fs::OpenOptions,
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use rusqlite::{Connection, ErrorCode, OpenFlags, config::DbConfig, hooks::Wal};

use crate::store::Error;

pub(super) fn not_ours(path: &dyn std::fmt::Display) -> String {
    format!(
        "{path}: not a database of smtpd; if it was one, `smtpd repair` makes it again from the journal"
    )
}

/// Opens the database for reading. The writer must have opened it before.
pub(super) fn open_reader(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, flags)?;
    db.pragma_update(None, "cache_size", -READER_CACHE_KIB)?;
    configure(&db)?;
    Ok(db)
}

/// Application id, layout version, and how much is in the file.
pub(super) fn header(db: &Connection) -> rusqlite::Result<(i32, i32, i64)> {
    db.query_row(
        "SELECT (SELECT * FROM pragma_application_id), (SELECT * FROM pragma_user_version),
                (SELECT count(*) FROM sqlite_schema)",
        (),
        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
    )
}

/// Moves the log into its database when it is long, as SQLite does by itself; but that would tell nobody if
/// a sync fails at it. The commit before it then ends with an error, although it is done.
pub(super) fn move_when_long(log: &mut Wal, pages: c_int) -> rusqlite::Result<()> {
    if pages < CHECKPOINT_PAGES {
        return Ok(());
    }
    match log.checkpoint() {
        // Anything else, such as a full disk, leaves the log as it is, for another time.
        Err(error) if is_broken_disk(&error) => {
            // What the statement then ends with says less.
            log::error!("the log of a database cannot be moved into it: {error}");
            Err(error)
        }
        _ => Ok(()),
    }
}

/// True if the disk did not do what was asked of it.
pub(super) fn is_broken_disk(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::SystemIoFailure)
}

/// Writes the log of a database once more, octet for octet, and syncs it.
///
/// When a sync fails the system forgets what it was to write, and the next sync succeeds without it. What
/// SQLite then adds to the log would be thought durable, and a power cut would lose it together with the
/// hole before it. So after any failure this comes before the next transaction. Nobody else writes to the
/// log meanwhile, and who reads it reads the same octets.
pub(super) fn write_log_again(database: &Path) -> io::Result<()> {
    let mut path = database.to_owned().into_os_string();
    path.push("-wal");
    let file = match OpenOptions::new().read(true).write(true).open(PathBuf::from(path)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        opened => opened?,
    };
    let mut octets = vec![0; PIECE];
    let mut at = 0;
    loop {
        match file.read_at(&mut octets, at)? {
            0 => return file.sync_data(),
            some => {
                file.write_all_at(&octets[..some], at)?;
                at += some as u64;
            }
        }
    }
}

/// Gives a connection up. The last to close a database would move the log into it, which may be wrong.
pub(super) fn abandon(db: Connection) {
    // If that cannot be set, there is nothing else that could be done.
    let _ = db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
}

/// Whether the next commit is on the disk when it returns, with all before it. What was taken from the
/// journal need not be: after a power cut it is taken from there again.
pub(super) fn set_lasting(db: &Connection, lasting: bool) -> rusqlite::Result<()> {
    let how = if lasting { "PRAGMA synchronous = FULL" } else { "PRAGMA synchronous = NORMAL" };
    db.prepare_cached(how)?.execute(()).map(drop)
}

/// What every connection wants, to the index too.
pub(super) fn configure(db: &Connection) -> rusqlite::Result<()> {
    // Otherwise SQLite looks at the bound values again, and so compiles a statement anew every time it
    // is used, which costs more than running it.
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    db.set_prepared_statement_cache_capacity(STATEMENTS);
    db.busy_timeout(BUSY)
}

/// One clear line about a database that could not be opened.
pub(super) fn describe(path: &Path, error: &rusqlite::Error) -> String {
    let path = path.display();
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => not_ours(&path),
        Some(ErrorCode::DatabaseCorrupt) => {
            format!("{path}: the database is damaged; `smtpd repair` saves what can be saved")
        }
        None if is_unreadable(error) => {
            format!(
                "{path}: the database is damaged: {error}; `smtpd repair` saves what can be saved"
            )
        }
        Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied | ErrorCode::ReadOnly) => {
            format!("{path}: no permission to open or write it")
        }
        Some(ErrorCode::DiskFull) => format!("{path}: the disk is full"),
        _ => format!("{path}: {error}"),
    }
}

/// What a failed statement means to the callers of the store.
pub(super) fn failed(error: &rusqlite::Error) -> Error {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => Error::Full,
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            Error::Damaged(format!("smtpd.db: {error}; `smtpd repair` saves what can be saved"))
        }
        None if is_unreadable(error) => {
            Error::Damaged(format!("smtpd.db: {error}; `smtpd repair` saves what can be saved"))
        }
        _ => Error::Io(error.to_string()),
    }
}

/// True if a column holds what smtpd never wrote into it.
fn is_unreadable(error: &rusqlite::Error) -> bool {
    use rusqlite::Error as E;
    matches!(
        error,
        E::FromSqlConversionFailure(..)
            | E::IntegralValueOutOfRange(..)
            | E::InvalidColumnType(..)
            | E::Utf8Error(..)
            | E::QueryReturnedNoRows
    )
}

/// "smtp" in ASCII: `file` and this program can tell the database from others.
pub(super) const APPLICATION_ID: i32 = 0x736d_7470;
/// Grows when schema.sql changes.
pub(super) const VERSION: i32 = 4;
/// Of each reader.
const READER_CACHE_KIB: i32 = 4 * 1024;
/// Pages in the log at which a commit moves them into the database.
const CHECKPOINT_PAGES: c_int = 2000;
/// Octets of the log that are written again at once.
const PIECE: usize = 256 * 1024;
/// Prepared statements kept per connection: all that there are.
const STATEMENTS: usize = 64;
/// Nobody else writes, but a checkpoint may hold a lock for a moment.
pub(super) const BUSY: std::time::Duration = std::time::Duration::from_secs(5);
