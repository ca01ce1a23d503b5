//! Why the service cannot show a message.

use crate::store;

/// Why there is nothing to show of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// The store says why.
    Store(store::Error),
    /// It has no such part.
    NoPart,
    /// Its octets cannot be read, and why.
    Io(String),
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        Self::Store(error)
    }
}
