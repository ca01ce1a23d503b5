//! The thread that moves the log into the database while mail comes in.
//!
//! SQLite would do it inside a commit, and everybody in that batch would wait for it. A passive
//! checkpoint on a connection of its own waits for nobody and stops nobody. But while mail never pauses
//! it never quite catches up, and only a log that is moved to its end starts again; so once the log is
//! really large, the writer does the little that is left between two transactions.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use rusqlite::Connection;

use super::{Shared, bell::Bell, schema};
use crate::store::Error;

/// What the writer and the thread know of the log.
#[derive(Debug, Default)]
pub(super) struct Log {
    /// Rung when enough was written to be worth a checkpoint.
    pub(super) bell: Bell,
    /// Pages in the log when it was last looked at.
    pages: AtomicI64,
}

/// The thread's own things.
pub(super) struct Checkpointer {
    shared: Arc<Shared>,
    db: Connection,
}

impl Log {
    /// True if the log grew so large that the writer must end it.
    pub(super) fn is_too_large(&self) -> bool {
        self.pages.load(Ordering::Relaxed) > PAGES_MOST
    }

    /// Moves what it can of the log into the database; with `truncate` it also gives the file's space
    /// back if nobody is reading. Never waits for readers.
    pub(super) fn checkpoint(&self, db: &Connection, truncate: bool) {
        let how = if truncate { "TRUNCATE" } else { "PASSIVE" };
        let pass = || -> rusqlite::Result<(i64, i64)> {
            db.busy_timeout(Duration::ZERO)?;
            let sql = format!("PRAGMA wal_checkpoint({how})");
            let seen = db.query_row(&sql, (), |row| Ok((row.get(1)?, row.get(2)?)));
            db.busy_timeout(schema::BUSY)?;
            seen
        };
        match pass() {
            // All is moved: the next transaction starts the log again.
            Ok((pages, moved)) if pages == moved => self.pages.store(0, Ordering::Relaxed),
            Ok((pages, _)) => self.pages.store(pages, Ordering::Relaxed),
            // What is in the log is safe there; it is moved another time.
            Err(error) => log::warn!("checkpoint failed: {error}"),
        }
    }
}

impl Checkpointer {
    pub(super) fn new(shared: Arc<Shared>, database: &PathBuf) -> Result<Self, Error> {
        Ok(Self { shared, db: schema::open_writer(database)? })
    }

    /// Works until the bell is stopped.
    pub(super) fn run(self) {
        while self.shared.log.bell.wait() {
            self.shared.log.checkpoint(&self.db, false);
        }
    }
}

/// The log is ended by the writer once it has so many pages: 64 MB.
const PAGES_MOST: i64 = 64 * 1024 * 1024 / schema::PAGE_SIZE as i64;
