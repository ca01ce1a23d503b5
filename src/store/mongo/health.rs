//! Whether MongoDB answers. While it is known not to, nobody waits to find out again.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use mongodb::error::{Error as DriverError, ErrorKind, WriteFailure};

use crate::store::Error;

/// What is known.
#[derive(Debug, Default)]
pub(super) struct Health {
    away: AtomicBool,
    why: Mutex<String>,
}

impl Health {
    /// Fails at once while MongoDB is away.
    pub(super) fn check(&self) -> Result<(), Error> {
        if !self.is_away() {
            return Ok(());
        }
        let why = self.why.lock().unwrap_or_else(PoisonError::into_inner);
        Err(Error::Io(format!("MongoDB is away: {why}")))
    }

    /// True while it does not answer.
    pub(super) fn is_away(&self) -> bool {
        self.away.load(Ordering::SeqCst)
    }

    /// It did not answer; told once.
    pub(super) fn went(&self, why: &str) {
        why.clone_into(&mut self.why.lock().unwrap_or_else(PoisonError::into_inner));
        if !self.away.swap(true, Ordering::SeqCst) {
            log::warn!("MongoDB is away, mail is answered 451 until it is back: {why}");
        }
    }

    /// It answers again.
    pub(super) fn came_back(&self) {
        if self.away.swap(false, Ordering::SeqCst) {
            log::info!("MongoDB is back");
        }
    }

    /// What a question came to that was not answered as hoped.
    pub(super) fn failed(&self, error: &DriverError) -> Error {
        if is_away(error) {
            self.went(&error.kind.to_string());
        }
        failed(error)
    }

    /// The same for one that was not answered in time.
    pub(super) fn late(&self) -> Error {
        self.went("no answer in time");
        Error::Io("MongoDB did not answer in time".into())
    }
}

/// The store's word for an error of the driver.
pub(super) fn failed(error: &DriverError) -> Error {
    match code(error) {
        Some(OUT_OF_DISK_SPACE) => Error::Full,
        _ => Error::Io(error.kind.to_string()),
    }
}

/// True if there is nobody to answer: no server, no primary, no connection.
fn is_away(error: &DriverError) -> bool {
    matches!(
        *error.kind,
        ErrorKind::ServerSelection { .. }
            | ErrorKind::Io(_)
            | ErrorKind::ConnectionPoolCleared { .. }
            | ErrorKind::DnsResolve { .. }
    ) || code(error).is_some_and(|code| NOT_PRIMARY.contains(&code))
}

/// The server's number for what happened.
pub(super) fn code(error: &DriverError) -> Option<i32> {
    match &*error.kind {
        ErrorKind::Command(error) => Some(error.code),
        ErrorKind::Write(WriteFailure::WriteError(error)) => Some(error.code),
        ErrorKind::Write(WriteFailure::WriteConcernError(error)) => Some(error.code),
        _ => None,
    }
}

/// OutOfDiskSpace.
pub(super) const OUT_OF_DISK_SPACE: i32 = 14031;
/// DuplicateKey.
pub(super) const DUPLICATE: i32 = 11000;
/// InterruptedAtShutdown, PrimarySteppedDown, ShutdownInProgress, NotWritablePrimary,
/// InterruptedDueToReplStateChange, NotPrimaryNoSecondaryOk, NotPrimaryOrSecondary.
const NOT_PRIMARY: [i32; 7] = [11600, 189, 91, 10107, 11602, 13435, 13436];
