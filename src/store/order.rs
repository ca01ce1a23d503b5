//! The order of commits, for readers that must see each message once and may be behind: a place in it that can be
//! kept, and what comes behind that place.

use std::fmt;

use super::{Error, Record};

/// A place in an order of commits. Its text may be kept, and means something to the store that made it only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor(String);

/// Messages in the order of commits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Oldest first. They may be fewer than were asked for although more follow.
    pub records: Vec<Record>,
    /// Where to go on; none where nothing will ever follow, because the order is that of an instance that ended.
    pub next: Option<Cursor>,
    /// More are there already.
    pub more: bool,
}

impl Cursor {
    /// A place in the order of a store, or of an instance, of this name.
    pub(super) fn new(order: &str, place: impl fmt::Display) -> Self {
        Self(format!("{order}.{place}"))
    }

    /// The name of the order, and the place in it.
    pub(super) fn parts(&self) -> Result<(&str, &str), Error> {
        self.0.split_once('.').ok_or_else(|| self.foreign())
    }

    /// It is not of the store that is asked.
    pub(super) fn foreign(&self) -> Error {
        Error::Invalid(format!("cursor {}: of another store", self.0))
    }
}

impl From<String> for Cursor {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
