//! Message ids: BSON ObjectIds, in every store.
//!
//! Twelve bytes, written as 24 hex digits: seconds since 1970 (4), random per process (5), a counter
//! (3). A URL therefore keeps its meaning when a user moves from the embedded store to MongoDB, and
//! ids sort by the time they were made. The clock is an argument: this file never asks for it.

use std::{fmt, str::FromStr};

/// The name of a stored message. Orders by age.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId([u8; 12]);

impl MessageId {
    /// An id from its twelve bytes, as a store keeps them.
    pub const fn from_bytes(bytes: [u8; 12]) -> Self {
        Self(bytes)
    }

    /// The twelve bytes, for a store to keep.
    pub const fn as_bytes(&self) -> &[u8; 12] {
        &self.0
    }

    /// The second since 1970 in which the id was made.
    pub fn unix_seconds(&self) -> u32 {
        let [a, b, c, d, ..] = self.0;
        u32::from_be_bytes([a, b, c, d])
    }

    /// The next id in byte order. Used to stay above everything that is stored already.
    fn successor(self) -> Self {
        let mut bytes = self.0;
        for byte in bytes.iter_mut().rev() {
            let (sum, carry) = byte.overflowing_add(1);
            *byte = sum;
            if !carry {
                break;
            }
        }
        Self(bytes)
    }
}

/// Makes ids that only ever grow, even if the clock steps back.
#[derive(Debug)]
pub struct IdSource {
    last: MessageId,
    process: [u8; 5],
}

impl IdSource {
    /// A source whose ids are all above `last`, the newest id stored so far, if there is one.
    /// `process` should be random, so that two instances never make the same id.
    pub fn new(process: [u8; 5], last: Option<MessageId>) -> Self {
        Self { last: last.unwrap_or(MessageId([0; 12])), process }
    }

    /// A new id, greater than all before it.
    pub fn next(&mut self, unix_seconds: u64) -> MessageId {
        // ObjectIds count seconds in 32 bits, unsigned: good until 2106.
        let seconds = u32::try_from(unix_seconds).unwrap_or(u32::MAX);
        let mut bytes = [0; 12];
        bytes[..4].copy_from_slice(&seconds.to_be_bytes());
        bytes[4..9].copy_from_slice(&self.process);
        let fresh = MessageId(bytes);
        // Within a second the counter runs on; 2^24 ids a second are more than any disk takes, and a
        // carry out of the counter would still only make the id larger.
        self.last = fresh.max(self.last.successor());
        self.last
    }
}

impl IdSource {
    /// Takes an id from elsewhere for the next one; false if it would not be above all before it.
    pub fn adopt(&mut self, id: MessageId) -> bool {
        let grows = id > self.last;
        if grows {
            self.last = id;
        }
        grows
    }
}

/// The text was not 24 hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAnId;

impl FromStr for MessageId {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Self, NotAnId> {
        let mut bytes = [0; 12];
        let decoded =
            data_encoding::HEXLOWER_PERMISSIVE.decode(text.as_bytes()).map_err(|_| NotAnId)?;
        if decoded.len() != bytes.len() {
            return Err(NotAnId);
        }
        bytes.copy_from_slice(&decoded);
        Ok(Self(bytes))
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Every message is named some three times on its way in.
        let mut digits = [0; 24];
        data_encoding::HEXLOWER.encode_mut(&self.0, &mut digits);
        f.write_str(std::str::from_utf8(&digits).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for NotAnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a message id is 24 hexadecimal digits")
    }
}

impl std::error::Error for NotAnId {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_back() {
        let id = IdSource::new([1, 2, 3, 4, 5], None).next(0x6553_f100);
        assert_eq!(id.to_string(), "6553f1000102030405000000");
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(id.unix_seconds(), 0x6553_f100);
        for wrong in ["", "6553", "6553f10001020304050000zz", "6553f100010203040500000000"] {
            assert_eq!(wrong.parse::<MessageId>(), Err(NotAnId), "{wrong}");
        }
    }

    #[test]
    fn ids_grow_even_when_the_clock_steps_back() {
        let mut ids = IdSource::new([9; 5], None);
        let made: Vec<_> = [5, 5, 5, 4, 0, 6].into_iter().map(|at| ids.next(at)).collect();
        assert!(made.is_sorted_by(|a, b| a < b), "{made:?}");
    }

    #[test]
    fn a_restart_stays_above_what_is_stored() {
        let stored = IdSource::new([255; 5], None).next(100);
        assert!(IdSource::new([0; 5], Some(stored)).next(100) > stored);
    }
}
