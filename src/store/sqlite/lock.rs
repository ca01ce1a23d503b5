//! One smtpd a folder.
//!
//! The folder itself is locked: a file in it can be removed, and the next smtpd would make another and lock
//! that. Builds before layout 3 locked a file called `lock`; where there is one it is locked, too, so that
//! the old and the new are not at work together.

use std::{
    fs::{File, TryLockError},
    io,
    path::Path,
};

use crate::store::Error;

/// A folder that is this process's own.
#[derive(Debug)]
pub(super) struct Lock(Vec<File>);

impl Lock {
    /// Takes the folder for this process.
    pub(super) fn take(folder: &Path) -> Result<Self, Error> {
        let told = |error: &dyn std::fmt::Display| {
            Error::Open(format!("{}: cannot be locked: {error}", folder.display()))
        };
        let mut files = vec![File::open(folder).map_err(|error| told(&error))?];
        match File::open(folder.join(OLD_LOCK)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            opened => files.push(opened.map_err(|error| told(&error))?),
        }
        for file in &files {
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    return Err(Error::Open(format!(
                        "{}: in use by another smtpd",
                        folder.display()
                    )));
                }
                Err(TryLockError::Error(error)) => return Err(told(&error)),
            }
        }
        Ok(Self(files))
    }

    /// Lets the folder go.
    pub(super) fn release(&self) -> io::Result<()> {
        self.0.iter().try_for_each(File::unlock)
    }
}

/// What builds before layout 3 locked.
const OLD_LOCK: &str = "lock";
