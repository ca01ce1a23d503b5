//! Moving the write-ahead log into the database.
//!
//! Only a log that is moved to its end starts again, and a commit into a short log, written over
//! and over, took 0.16 ms where one that makes a long log longer took 0.26 ms: most likely because a sync
//! then has no new file length to write down. So in a quiet moment
//! the writer itself moves it, often and little at a time. While mail never pauses that would keep a whole
//! batch waiting; then a thread moves most of it on a connection of its own, and the writer only the rest,
//! when the log has become long.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rusqlite::Connection;

use super::{Shared, bell::Bell, schema};
use crate::store::Error;

/// The write-ahead log beside the database.
#[derive(Debug)]
pub(super) struct Log {
    path: PathBuf,
    /// Rung when enough was written to be worth a checkpoint.
    pub(super) bell: Bell,
    /// SQLite turns a second checkpoint away; ours wait for each other.
    at_work: Mutex<()>,
}

/// The thread's own things.
pub(super) struct Checkpointer {
    shared: Arc<Shared>,
    db: Connection,
}

impl Log {
    /// The log of this database.
    pub(super) fn new(database: &Path) -> Self {
        let mut path = database.as_os_str().to_owned();
        path.push("-wal");
        Self { path: path.into(), bell: Bell::default(), at_work: Mutex::new(()) }
    }

    /// Ends the log if this is a good moment or it is too long; false if that is left to the thread.
    /// When the log starts again SQLite cuts the file back, so its length tells.
    pub(super) fn end(&self, db: &Connection, quiet: bool) -> bool {
        let length = std::fs::metadata(&self.path).map_or(0, |log| log.len());
        if !quiet && length <= schema::JOURNAL_LIMIT {
            return false;
        }
        // Waiting for the thread would cost more than the rest of the log does, and the next turn comes
        // soon. Unless the thread cannot keep up at all.
        if length > FAR_TOO_LONG || self.at_work.try_lock().is_ok() {
            self.checkpoint(db, false);
        }
        true
    }

    /// Moves what it can of the log into the database; with `truncate` it also gives the file's space
    /// back if nobody is reading. Waits for a checkpoint that is under way, never for readers.
    pub(super) fn checkpoint(&self, db: &Connection, truncate: bool) {
        let _alone = self.at_work.lock().unwrap_or_else(PoisonError::into_inner);
        let how = if truncate { "TRUNCATE" } else { "PASSIVE" };
        let pass = || {
            db.busy_timeout(Duration::ZERO)?;
            let done = db.query_row(&format!("PRAGMA wal_checkpoint({how})"), (), |_| Ok(()));
            db.busy_timeout(schema::BUSY)?;
            done
        };
        if let Err(error) = pass() {
            // What is in the log is safe there; it is moved another time.
            log::warn!("{}: checkpoint failed: {error}", self.path.display());
        }
    }
}

impl Checkpointer {
    pub(super) fn new(shared: Arc<Shared>, database: &Path) -> Result<Self, Error> {
        Ok(Self { shared, db: schema::open_writer(database)? })
    }

    /// Works until the bell is stopped.
    pub(super) fn run(self) {
        while self.shared.log.bell.wait() {
            self.shared.log.checkpoint(&self.db, false);
        }
    }
}

/// Octets of the log at which the writer waits for the thread.
const FAR_TOO_LONG: u64 = 4 * schema::JOURNAL_LIMIT;
