//! A value that cannot be logged by accident.

use std::fmt;

/// Holds a password or token. `Debug` shows nothing of it; the only way in is [`Secret::declassify`].
#[derive(Clone, PartialEq, Eq)]
pub struct Secret<T>(T);

impl<T> Secret<T> {
    /// Wraps a value.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value itself. Each caller must be able to say why it needs it.
    pub const fn declassify(&self) -> &T {
        &self.0
    }
}

impl<T> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}
