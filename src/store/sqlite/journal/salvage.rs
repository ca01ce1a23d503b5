//! Finding what is whole in a damaged segment.
//!
//! Where [`replay`](super::replay()) stops at the first octet that is wrong, this looks for the next head
//! whose checksums hold. Only `smtpd repair` does that. Records of layout 1 name no store, so inside a
//! damaged stretch, octets of a mail that somebody made to look like a record could be taken for one: they
//! must stand in order, and what is inside a record is not looked through.

use std::{fs, io};

use memchr::memmem;

use super::{
    Facts, JournalEntry, RecordHeader, SegmentHeader, Segments, open_meta, record::MAGIC_BEGIN,
};
use crate::store::sqlite::{bodies::BodyName, row};

/// What was found in a segment.
#[derive(Debug, Default)]
pub(in crate::store::sqlite) struct Found {
    /// Messages that are whole, in order.
    pub(in crate::store::sqlite) placed: Vec<JournalEntry>,
    /// Heads that hold, of records that do not: with their place, and the octets of the record.
    pub(in crate::store::sqlite) broken: Vec<(RecordHeader, u64)>,
    /// From where to where there is something that could not be read.
    pub(in crate::store::sqlite) unread: Vec<(u64, u64)>,
}

/// Which records belong to a segment, as far as that is known.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::store::sqlite) struct Of {
    /// Of the store.
    pub(in crate::store::sqlite) key: Option<u32>,
    /// They are of layout 1, or not.
    pub(in crate::store::sqlite) is_old: Option<bool>,
    /// From this number on messages were refused.
    pub(in crate::store::sqlite) below: i64,
}

impl Of {
    fn has(&self, head: &RecordHeader) -> bool {
        self.key.is_none_or(|key| head.belongs_to(key))
            && self.is_old.is_none_or(|is_old| head.origin.is_none() == is_old)
            && head.seq < self.below
    }
}

/// All messages of a segment that are whole. Reads the segment into memory.
pub(in crate::store::sqlite) fn salvage(
    segments: &Segments,
    number: i64,
    of: Of,
) -> io::Result<Found> {
    let octets = fs::read(segments.path(number))?;
    let begin = SegmentHeader::LENGTH;
    let mut search = Search { octets: &octets, segment: number, of, end: begin, due: begin };
    let mut found = Found::default();
    let mut at = search.end;
    while let Some(rest) = octets.get(at..) {
        let Some(skipped) = memmem::find(rest, MAGIC_BEGIN) else { break };
        at += skipped;
        at = search.look(at, &mut found);
    }
    search.pass_over(octets.len(), &mut found);
    Ok(found)
}

struct Search<'a> {
    octets: &'a [u8],
    segment: i64,
    of: Of,
    /// Of the last record that is whole.
    end: usize,
    /// Here a record begins, if there is one.
    due: usize,
}

impl Search<'_> {
    /// Looks at what may be a head; returns where to go on.
    fn look(&mut self, at: usize, found: &mut Found) -> usize {
        let head = self.octets[at..].first_chunk().and_then(RecordHeader::read);
        let Some(head) = head.filter(|head| self.of.has(head)) else { return at + 1 };
        let last = found.placed.last().map(|last| last.head);
        let is_next = last.is_none_or(|last| head.seq > last.seq && head.id > last.id);
        // Layout 1 cannot tell a record from what a mail holds, but for the order.
        if head.origin.is_none() && !is_next {
            return at + 1;
        }
        if let Some(placed) = self.whole(at, head) {
            self.pass_over(at, found);
            self.end = usize::try_from(placed.end()).unwrap_or(usize::MAX);
            self.due = self.end;
            found.placed.push(placed);
            return self.end;
        }
        found.broken.push((head, at as u64));
        if at != self.due {
            return at + 1;
        }
        // Its head says how far it goes, and nothing inside it is a record.
        self.due = self.record_end(at, &head).unwrap_or(at + 1);
        self.due
    }

    /// Notes what lies between the last message and this place, unless it is nothing but zeros.
    fn pass_over(&self, to: usize, found: &mut Found) {
        let between = self.octets.get(self.end..to).unwrap_or_default();
        let first = between.iter().position(|octet| *octet != 0);
        let last = between.iter().rposition(|octet| *octet != 0);
        if let (Some(first), Some(last)) = (first, last) {
            found.unread.push(((self.end + first) as u64, (self.end + last + 1) as u64));
        }
    }

    /// Where a record ends, if all of it is there.
    fn record_end(&self, at: usize, head: &RecordHeader) -> Option<usize> {
        let end = at.checked_add(usize::try_from(head.record_length()).ok()?)?;
        (end <= self.octets.len()).then_some(end)
    }

    /// The record of a head, if all its checksums hold.
    fn whole(&self, at: usize, head: RecordHeader) -> Option<JournalEntry> {
        let rest = self.octets.get(at..self.record_end(at, &head)?)?.get(RecordHeader::LENGTH..)?;
        let (held, meta) = rest.split_at_checked(usize::try_from(head.held).ok()?)?;
        if crc32fast::hash(held) != head.held_crc {
            return None;
        }
        let (envelope, summary) = row::read(open_meta(meta)?).ok()?;
        let file = if head.is_file { Some(BodyName::read(held)?) } else { None };
        let facts = Facts::new(&envelope, &summary);
        Some(JournalEntry { head, facts, segment: self.segment, at: at as u64, file })
    }
}
