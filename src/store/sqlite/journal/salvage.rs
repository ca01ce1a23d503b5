//! Finding what is whole in a damaged segment.
//!
//! Where [`replay`](super::replay()) stops at the first octet that is wrong, this looks for the next head
//! whose checksums hold. Only `smtpd repair` does that: inside a damaged stretch, octets of a mail that
//! somebody made to look like a record could be taken for one, and show a mail that nobody sent so.

use std::{fs, io};

use memchr::memmem;

use super::{Facts, Head, Header, Placed, Segments, open_meta, record::MAGIC};
use crate::{
    id::MessageId,
    store::sqlite::{bodies, row},
};

/// What was found in a segment.
#[derive(Debug, Default)]
pub(in crate::store::sqlite) struct Found {
    /// Messages that are whole, in order.
    pub(in crate::store::sqlite) placed: Vec<Placed>,
    /// Where the last of them ends.
    pub(in crate::store::sqlite) end: u64,
    /// From where to where there is something that could not be read.
    pub(in crate::store::sqlite) unread: Vec<(u64, u64)>,
}

/// All messages of a segment from `from` on that are whole, numbered from `first_seq` on and below `below`,
/// with ids that grow from `last_id` on. Reads the segment into memory.
pub(in crate::store::sqlite) fn salvage(
    segments: &Segments,
    number: i64,
    from: u64,
    first_seq: i64,
    below: i64,
    mut last_id: Option<MessageId>,
) -> io::Result<Found> {
    let octets = fs::read(segments.path(number))?;
    let mut at = usize::try_from(from.max(Header::LENGTH as u64)).unwrap_or(usize::MAX);
    let mut found = Found { end: at as u64, ..Found::default() };
    let mut next_seq = first_seq;
    // Here a record begins, if there is one.
    let mut due = at;
    while let Some(rest) = octets.get(at..) {
        let Some(skipped) = memmem::find(rest, &MAGIC) else { break };
        at += skipped;
        let is_next = |one: &Placed| {
            (next_seq..below).contains(&one.head.seq)
                && last_id.is_none_or(|last| one.head.id > last)
        };
        match whole(&octets, at).filter(is_next) {
            Some(one) => {
                let placed = Placed { segment: number, ..one };
                found.pass_over(&octets, placed.at);
                next_seq = placed.head.seq + 1;
                last_id = Some(placed.head.id);
                found.end = placed.end();
                at = usize::try_from(found.end).unwrap_or(usize::MAX);
                due = at;
                found.placed.push(placed);
            }
            // Its head says how far it goes, and nothing inside it is a record.
            None if at == due => {
                at = end(&octets, at).unwrap_or(at + 1);
                due = at;
            }
            None => at += 1,
        }
    }
    found.pass_over(&octets, octets.len() as u64);
    Ok(found)
}

impl Found {
    /// Notes what lies between the last message and this place, unless it is nothing but zeros.
    fn pass_over(&mut self, octets: &[u8], to: u64) {
        let [from, until] = [self.end, to].map(|at| usize::try_from(at).unwrap_or(usize::MAX));
        let between = octets.get(from..until).unwrap_or_default();
        if let Some(last) = between.iter().rposition(|octet| *octet != 0) {
            self.unread.push((self.end, self.end + last as u64 + 1));
        }
    }
}

/// Where the record at a place ends, if its head holds and all of it is there.
fn end(octets: &[u8], at: usize) -> Option<usize> {
    let head = Head::read(octets.get(at..)?.first_chunk()?)?;
    let end = at.checked_add(usize::try_from(head.record_length()).ok()?)?;
    (end <= octets.len()).then_some(end)
}

/// The record at a place, if all its checksums hold.
fn whole(octets: &[u8], at: usize) -> Option<Placed> {
    let head = Head::read(octets.get(at..)?.first_chunk()?)?;
    let rest = octets.get(at..end(octets, at)?)?.get(Head::LENGTH..)?;
    let (held, meta) = rest.split_at_checked(usize::try_from(head.held).ok()?)?;
    if crc32fast::hash(held) != head.held_crc {
        return None;
    }
    let (envelope, summary) = row::read(open_meta(meta)?).ok()?;
    let file = if head.is_file { Some(bodies::name(held)?) } else { None };
    let facts = Facts::new(&envelope, &summary);
    Some(Placed { head, facts, segment: 0, at: at as u64, file })
}
