//! Bounds of the small values that are kept beside the mail: annotations of a message, and notes by key.

use super::Error;

/// A small value that is kept by key, apart from messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// What it is found by.
    pub key: String,
    /// Its octets.
    pub value: Vec<u8>,
}

/// An error if a note cannot be kept.
pub(super) fn check_note(key: &str, value: Option<&[u8]>) -> Result<(), Error> {
    check("note", key, value.map_or(0, <[u8]>::len), LARGEST_NOTE)
}

/// An error if an annotation cannot be kept.
pub(super) fn check_annotation(name: &str, value: Option<&str>) -> Result<(), Error> {
    check("annotation", name, value.map_or(0, str::len), LARGEST_ANNOTATION)
}

fn check(what: &str, name: &str, length: usize, most: usize) -> Result<(), Error> {
    if name.is_empty() || name.len() > LONGEST_NAME {
        return Err(Error::Invalid(format!("{what}: a name has 1 to {LONGEST_NAME} octets")));
    }
    if length > most {
        return Err(Error::Invalid(format!("{what} {name}: at most {most} octets")));
    }
    Ok(())
}

/// Octets of the name of an annotation, and of the key of a note.
const LONGEST_NAME: usize = 200;
/// Octets of an annotation: a verdict with its reasons, the replies to a delivery.
pub const LARGEST_ANNOTATION: usize = 64 * 1024;
/// Octets of a note: some ten thousand messages that wait to be tried again, with the reasons.
pub const LARGEST_NOTE: usize = 4 * 1024 * 1024;
