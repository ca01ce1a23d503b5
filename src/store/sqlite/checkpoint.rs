//! The thread that moves the log into the database while mail comes in.
//!
//! SQLite would do it inside a commit, and everybody in that batch would wait for it. A passive
//! checkpoint on a connection of its own waits for nobody and stops nobody. But while mail never pauses
//! it never quite catches up, and only a log that is moved to its end starts again; so once the log is
//! really large, the writer does the little that is left between two transactions.

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

    /// True if the log grew so large that the writer must end it. When it starts again, SQLite cuts the
    /// file back, so its length tells.
    pub(super) fn is_too_large(&self) -> bool {
        std::fs::metadata(&self.path).is_ok_and(|log| log.len() > MOST)
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

/// The log is ended by the writer once it has so many octets.
const MOST: u64 = 64 * 1024 * 1024;
