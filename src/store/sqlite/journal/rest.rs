//! What stands behind the last record that can be read: nothing, a batch that was being written when the
//! lights went out, or acknowledged mail behind a damaged record.
//!
//! The disk keeps the sectors of a batch that was not synced in any order, so whole records behind a torn
//! one prove nothing. But a batch begins only when the one before it is synced: a record whose batch begins
//! behind the message that cannot be read proves that this message was acknowledged.

use std::{fs::File, io, os::unix::fs::FileExt};

use memchr::memmem;

use super::{
    BATCH_MESSAGES, RecordHeader,
    record::{MAGIC_BEGIN, Whose},
};
use crate::id::MessageId;

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rest {
    /// Nothing but zeros.
    Empty,
    /// Nobody was told 250 for any of it, as far as can be known.
    Torn {
        /// Behind all numbers in it.
        next_seq: i64,
        /// The newest id in it.
        last_id: Option<MessageId>,
    },
    /// Message `seq`, at least, was acknowledged after the one that cannot be read.
    Acknowledged { seq: i64 },
}

/// Looks at a segment from `at` on, where message `seq` should stand and does not.
pub(super) fn rest(file: &File, at: u64, whose: Whose, seq: i64) -> io::Result<Rest> {
    let octets = read_all(file, at)?;
    if octets.iter().all(|octet| *octet == 0) {
        return Ok(Rest::Empty);
    }
    let mut last: Option<RecordHeader> = None;
    for place in memmem::find_iter(&octets, MAGIC_BEGIN) {
        let head = octets[place..].first_chunk().and_then(RecordHeader::read);
        let Some(head) = head.filter(|head| whose.has(head)) else { continue };
        if head.batch_first().is_some_and(|first| first > seq) {
            return Ok(Rest::Acknowledged { seq: head.seq });
        }
        // A head of layout 1 may be octets of a mail.
        let is_of_batch = (seq..seq + BATCH_MESSAGES as i64).contains(&head.seq);
        if is_of_batch && last.is_none_or(|last| head.seq > last.seq) {
            last = Some(head);
        }
    }
    Ok(Rest::Torn {
        next_seq: last.map_or(seq, |last| last.seq) + 1,
        last_id: last.map(|last| last.id),
    })
}

/// A segment has a bound, so this has one.
fn read_all(file: &File, at: u64) -> io::Result<Vec<u8>> {
    let length = file.metadata()?.len().saturating_sub(at);
    let mut octets = vec![0; usize::try_from(length).map_err(io::Error::other)?];
    file.read_exact_at(&mut octets, at)?;
    Ok(octets)
}
