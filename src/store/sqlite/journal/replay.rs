//! Reading the journal from where the database stopped taking it in.
//!
//! A record counts if its checksums hold and its number is the next one. What stands in a segment from the
//! number on from which the next one says that messages were refused is passed over. Anything else that is
//! no record ends the reading. Where it can only be what was being written when the lights went out, the
//! journal goes on in a new segment, with numbers behind it. Where acknowledged mail stands behind it, or
//! should stand there, that mail would be hidden, so this is an error.

use std::{fs::File, io, os::unix::fs::FileExt, path::Path};

use super::{
    Facts, JournalEntry, RecordHeader, SegmentHeader, Segments, open_meta,
    record::{Whose, key},
    rest::{Rest, rest},
};
use crate::{
    id::MessageId,
    store::{
        Error,
        sqlite::{bodies::BodyName, row},
    },
};

/// Where the journal ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store::sqlite) struct Replayed {
    /// The segment to go on with, and where; none if a new one must be begun.
    pub(in crate::store::sqlite) tail: Option<(i64, u64)>,
    /// Of the next message.
    pub(in crate::store::sqlite) next_seq: i64,
    /// Of the next segment.
    pub(in crate::store::sqlite) next_segment: i64,
    /// Messages that were read.
    pub(in crate::store::sqlite) messages: u64,
    /// What stands behind the last message and was not acknowledged, if anything does.
    pub(in crate::store::sqlite) torn: Option<Torn>,
}

/// A batch that was being written when the lights went out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store::sqlite) struct Torn {
    pub(in crate::store::sqlite) segment: i64,
    /// Where it begins.
    pub(in crate::store::sqlite) at: u64,
    /// The newest id in it that can be read.
    pub(in crate::store::sqlite) last_id: Option<MessageId>,
}

/// Gives `take` every message from `next_seq` on, in order and in pieces. The message stands at or
/// behind `at` in `segment`, or in a later segment.
pub(in crate::store::sqlite) fn replay(
    segments: &Segments,
    identity: i64,
    from: (i64, u64),
    next_seq: i64,
    mut take: impl FnMut(Vec<JournalEntry>) -> Result<(), Error>,
) -> Result<Replayed, Error> {
    let told = |error: io::Error| Error::from_io(&error);
    let mut numbers = segments.numbers().map_err(told)?;
    numbers.retain(|number| *number >= from.0);
    let headers = headers(segments, identity, &numbers)?;
    reaches(segments, &headers, from)?;
    let next_segment = headers.last().map_or(from.0, |last| last.number) + 1;
    let mut end = Replayed { tail: None, next_seq, next_segment, messages: 0, torn: None };
    for (place, header) in headers.iter().enumerate() {
        if header.kept_below > end.next_seq {
            return Err(end.missing_before(segments, header));
        }
        let is_first = header.number == from.0;
        end.next_seq = if is_first { end.next_seq } else { end.next_seq.max(header.first_seq) };
        let file = segments.file(header.number).map_err(told)?;
        let mut walk = Walk {
            file: &file,
            segment: header.number,
            whose: Whose { key: key(identity), is_old: header.is_old },
            at: if is_first {
                from.1.max(SegmentHeader::LENGTH as u64)
            } else {
                SegmentHeader::LENGTH as u64
            },
            seq: if is_first { end.next_seq } else { header.first_seq },
            below: headers.get(place + 1).map_or(i64::MAX, |next| next.kept_below),
        };
        loop {
            let mut piece = walk.piece().map_err(told)?;
            if piece.is_empty() {
                break;
            }
            piece.retain(|placed| placed.head.seq >= end.next_seq);
            end.messages += piece.len() as u64;
            take(piece)?;
        }
        end.next_seq = end.next_seq.max(walk.seq);
        end.tail = Some((header.number, walk.at));
    }
    if let Some(last) = headers.last() {
        end.pass_over_torn(segments, Whose { key: key(identity), is_old: last.is_old })?;
        if last.is_old {
            end.tail = None;
        }
    }
    Ok(end)
}

impl Replayed {
    fn missing_before(&self, segments: &Segments, header: &SegmentHeader) -> Error {
        let (from, to) = (self.next_seq, header.kept_below - 1);
        Error::needs_repair(
            &segments.path(header.number),
            &format!("messages {from} to {to} are missing in front of it, or damaged"),
        )
    }

    /// Looks at what stands behind the last message.
    fn pass_over_torn(&mut self, segments: &Segments, whose: Whose) -> Result<(), Error> {
        let Some((segment, at)) = self.tail else { return Ok(()) };
        let file = segments.file(segment).map_err(|error| Error::from_io(&error))?;
        match rest(&file, at, whose, self.next_seq).map_err(|error| Error::from_io(&error))? {
            Rest::Empty => Ok(()),
            Rest::Torn { next_seq, last_id } => {
                self.torn = Some(Torn { segment, at, last_id });
                (self.next_seq, self.tail) = (next_seq, None);
                Ok(())
            }
            Rest::Acknowledged { seq } => Err(Error::needs_repair(
                &segments.path(segment),
                &format!(
                    "message {} is damaged at octet {at}, and message {seq} stands behind it",
                    self.next_seq
                ),
            )),
        }
    }
}

/// The headers of these segments. The last may have none, and nothing else: its making was interrupted,
/// and it is made again.
fn headers(
    segments: &Segments,
    identity: i64,
    numbers: &[i64],
) -> Result<Vec<SegmentHeader>, Error> {
    let mut headers = Vec::with_capacity(numbers.len());
    for (place, &number) in numbers.iter().enumerate() {
        let path = segments.path(number);
        match segments.header(number).map_err(|error| Error::from_io(&error))? {
            Some(header) if header.identity == identity => headers.push(header),
            Some(_) => {
                let what = "it and smtpd.db are of different stores";
                return Err(Error::needs_repair(&path, what));
            }
            None if place + 1 == numbers.len() && is_begun_only(&path) => {}
            None => return Err(Error::needs_repair(&path, "its header is damaged")),
        }
    }
    Ok(headers)
}

/// An error unless the journal reaches to where the database knows it.
fn reaches(
    segments: &Segments,
    headers: &[SegmentHeader],
    (segment, at): (i64, u64),
) -> Result<(), Error> {
    if segment == 0 {
        return Ok(());
    }
    let path = segments.path(segment);
    let length = match headers.first() {
        Some(first) if first.number == segment => std::fs::metadata(&path).map(|file| file.len()),
        // It was given back, and the next one shows whether anything is missing between them.
        Some(_) => return Ok(()),
        None if at <= SegmentHeader::LENGTH as u64 => return Ok(()),
        None => return Err(Error::needs_repair(&path, "missing")),
    };
    match length.map_err(|error| Error::from_io(&error))? {
        length if length < at => {
            Err(Error::needs_repair(&path, &format!("it ends at octet {length} instead of {at}")))
        }
        _ => Ok(()),
    }
}

/// True if nothing was ever written behind the header: that happens only after it is on the disk.
fn is_begun_only(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|file| file.len() <= SegmentHeader::LENGTH as u64)
}

/// A walk over the records of a segment.
struct Walk<'a> {
    file: &'a File,
    segment: i64,
    whose: Whose,
    at: u64,
    seq: i64,
    below: i64,
}

impl Walk<'_> {
    /// The next records; none at the end.
    fn piece(&mut self) -> io::Result<Vec<JournalEntry>> {
        let (mut piece, mut octets) = (Vec::new(), 0);
        while piece.len() < PIECE && octets < PIECE_OCTETS {
            let Some(placed) = self.next()? else { break };
            octets += placed.head.record_length();
            self.at = placed.end();
            self.seq += 1;
            piece.push(placed);
        }
        Ok(piece)
    }

    fn next(&self) -> io::Result<Option<JournalEntry>> {
        let mut octets = [0; RecordHeader::LENGTH];
        if self.seq >= self.below || !read(self.file, &mut octets, self.at)? {
            return Ok(None);
        }
        let is_next = |head: &RecordHeader| head.seq == self.seq && self.whose.has(head);
        let Some(head) = RecordHeader::read(&octets).filter(is_next) else { return Ok(None) };
        // The checksum of the head holds, so these are lengths that we wrote.
        let mut rest =
            vec![0; (head.record_length() as usize).saturating_sub(RecordHeader::LENGTH)];
        if !read(self.file, &mut rest, self.at + RecordHeader::LENGTH as u64)? {
            return Ok(None);
        }
        let (held, meta) = rest.split_at((head.held as usize).min(rest.len()));
        if crc32fast::hash(held) != head.held_crc {
            return Ok(None);
        }
        let Some(json) = open_meta(meta) else { return Ok(None) };
        let (envelope, summary) = row::read(json).map_err(io::Error::other)?;
        let file = if head.is_file { BodyName::read(held) } else { None };
        if head.is_file && file.is_none() {
            return Ok(None);
        }
        let facts = Facts::new(&envelope, &summary);
        Ok(Some(JournalEntry { head, facts, segment: self.segment, at: self.at, file }))
    }
}

/// Fills the buffer; false if the file ends first.
fn read(file: &File, buffer: &mut [u8], at: u64) -> io::Result<bool> {
    match file.read_exact_at(buffer, at) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

/// Messages given at once at most,
const PIECE: usize = 500;
/// and octets of their records.
const PIECE_OCTETS: u64 = 16 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{
        super::{
            record::{Origin, seal_meta},
            segment::Tail,
        },
        *,
    };
    use crate::{id::MessageId, message::Summary, wire::Envelope};

    fn record(seq: i64, body: &[u8]) -> Vec<u8> {
        record_of(seq, body, 0)
    }

    fn record_of(seq: i64, body: &[u8], batch_index: u16) -> Vec<u8> {
        let mut meta = Vec::new();
        row::write(&mut meta, &Envelope::default(), &Summary::default()).unwrap();
        seal_meta(&mut meta, 0);
        let head = RecordHeader {
            seq,
            id: MessageId::from_bytes([seq as u8; 12]),
            is_file: false,
            held: body.len() as u64,
            held_crc: crc32fast::hash(body),
            meta: meta.len() as u32,
            size: body.len() as u64,
            origin: Some(Origin { key: key(1), batch_index }),
        };
        [&head.octets(), body, &meta].concat()
    }

    fn segment(segments: &Segments, number: i64, first_seq: i64) -> Tail {
        let kept_below = first_seq;
        let header = SegmentHeader {
            identity: 1,
            number,
            first_seq,
            kept_below,
            ..SegmentHeader::default()
        };
        segments.create(header).unwrap()
    }

    fn append(tail: &mut Tail, seqs: std::ops::Range<i64>) {
        for seq in seqs {
            tail.append([&record(seq, b"body")[..]].into_iter()).unwrap();
        }
    }

    fn seqs(
        segments: &Segments,
        from: (i64, u64),
        next: i64,
    ) -> Result<(Vec<i64>, Replayed), Error> {
        let mut seqs = Vec::new();
        let end = replay(segments, 1, from, next, |piece| {
            seqs.extend(piece.iter().map(|placed| placed.head.seq));
            Ok(())
        })?;
        assert_eq!(end.messages, seqs.len() as u64);
        Ok((seqs, end))
    }

    fn open(folder: &Path) -> Segments {
        Segments::open(folder.to_owned()).unwrap()
    }

    #[test]
    fn it_goes_on_from_any_place_over_all_segments() {
        let folder = tempfile::tempdir().unwrap();
        let segments = open(folder.path());
        let mut ends = vec![(1, SegmentHeader::LENGTH as u64)];
        for number in 1..4 {
            let mut tail = segment(&segments, number, number * 10);
            for seq in number * 10..number * 10 + 10 {
                append(&mut tail, seq..seq + 1);
                ends.push((number, tail.end));
            }
        }
        for (done, from) in ends.iter().enumerate() {
            let next = 10 + done as i64;
            let (seen, end) = seqs(&segments, *from, next).unwrap();
            assert_eq!(seen, (next..40).collect::<Vec<_>>());
            assert_eq!((end.next_seq, end.next_segment), (40, 4));
            assert_eq!(end.tail, ends.last().copied());
        }
        // Nothing was ever taken in, or all of the first segments is deleted.
        assert_eq!(seqs(&segments, (0, 0), 10).unwrap().0.len(), 30);
        fs::remove_file(segments.path(1)).unwrap();
        assert_eq!(seqs(&segments, *ends.get(10).unwrap(), 20).unwrap().0.len(), 20);
        assert_eq!(seqs(&open(&folder.path().join("new")), (0, 0), 1).unwrap().1.next_segment, 1);
    }

    #[test]
    fn a_record_that_is_torn_anywhere_or_changed_anywhere_is_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let segments = open(folder.path());
        let mut tail = segment(&segments, 1, 1);
        append(&mut tail, 1..3);
        let whole_until = tail.end;
        append(&mut tail, 3..4);
        let end = tail.end as usize;
        let path = segments.path(1);
        let whole = fs::read(&path).unwrap();
        let from = (0, 0);
        assert_eq!(seqs(&segments, from, 1).unwrap().0, [1, 2, 3]);
        for cut in whole_until as usize..end {
            for rest in [None, Some(0), Some(0xff)] {
                let mut torn = whole[..cut].to_vec();
                if let Some(rest) = rest {
                    torn.resize(end, rest);
                    if torn == whole[..end] {
                        continue;
                    }
                }
                fs::write(&path, &torn).unwrap();
                let (seen, found) = seqs(&segments, from, 1).unwrap();
                assert_eq!(seen, [1, 2], "{cut} {rest:?}");
                let is_empty = torn[whole_until as usize..].iter().all(|octet| *octet == 0);
                let tail = is_empty.then_some((1, whole_until));
                assert_eq!((found.tail, found.next_seq), (tail, if is_empty { 3 } else { 4 }));
                assert_eq!(found.torn.map(|torn| torn.at), (!is_empty).then_some(whole_until));
            }
        }
        for changed in whole_until as usize..end {
            // Three octets of a head mean nothing, but are checked all the same.
            let mut octets = whole.clone();
            octets[changed] ^= 0x10;
            fs::write(&path, &octets).unwrap();
            let (seen, found) = seqs(&segments, from, 1).unwrap();
            assert_eq!((seen, found.tail, found.next_seq), (vec![1, 2], None, 4), "{changed}");
        }
    }

    #[test]
    fn what_was_refused_before_a_new_segment_stays_refused() {
        let folder = tempfile::tempdir().unwrap();
        let segments = open(folder.path());
        append(&mut segment(&segments, 1, 1), 1..6);
        // The sync of 4 and 5 failed, although they are there: their numbers are not given again.
        let (first_seq, kept_below) = (6, 4);
        let header = SegmentHeader {
            identity: 1,
            number: 2,
            first_seq,
            kept_below,
            ..SegmentHeader::default()
        };
        append(&mut segments.create(header).unwrap(), 6..9);
        let mut from = Vec::new();
        let end = replay(&segments, 1, (0, 0), 1, |piece| {
            from.extend(piece.iter().map(|one| (one.segment, one.head.seq)));
            Ok(())
        });
        assert_eq!(from, [(1, 1), (1, 2), (1, 3), (2, 6), (2, 7), (2, 8)]);
        assert_eq!(end.unwrap().next_seq, 9);
    }

    /// A segment of message 1, and of 2 to 4, of which 2 is damaged; where 2 begins.
    fn damaged(segments: &Segments, batch: [u16; 3]) -> u64 {
        let mut tail = segment(segments, 1, 1);
        append(&mut tail, 1..2);
        let end = tail.end;
        for (seq, batch_index) in (2..).zip(batch) {
            tail.append([&record_of(seq, b"body", batch_index)[..]].into_iter()).unwrap();
        }
        let path = segments.path(1);
        let mut octets = fs::read(&path).unwrap();
        octets[end as usize + 70] ^= 1;
        fs::write(&path, octets).unwrap();
        end
    }

    #[test]
    fn what_was_being_written_is_left_there_and_its_numbers_are_not_given_again() {
        let folder = tempfile::tempdir().unwrap();
        let segments = open(folder.path());
        // The record of 2 was torn, those behind it reached the disk: none was acknowledged.
        let end = damaged(&segments, [0, 1, 2]);
        let length = fs::metadata(segments.path(1)).unwrap().len();
        let (seen, found) = seqs(&segments, (0, 0), 1).unwrap();
        let torn = Torn { segment: 1, at: end, last_id: Some(MessageId::from_bytes([4; 12])) };
        assert_eq!((seen, found.tail, found.torn), (vec![1], None, Some(torn)));
        assert_eq!((found.next_seq, found.next_segment), (5, 2));
        append(&mut segment(&segments, 2, 5), 5..7);
        assert_eq!(seqs(&segments, (1, end), 5).unwrap().0, [5, 6]);
        assert_eq!(fs::metadata(segments.path(1)).unwrap().len(), length);
    }

    #[test]
    fn acknowledged_mail_behind_a_damaged_record_is_not_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let segments = open(folder.path());
        // 4 is of a batch that was begun after 2 and 3 had been synced.
        let end = damaged(&segments, [0, 1, 0]) as usize;
        let why = seqs(&segments, (0, 0), 1).unwrap_err().to_string();
        assert!(why.contains("message 2 is damaged") && why.contains("smtpd repair"), "{why}");
        // Octets of a mail that are made to look like such a record prove nothing.
        let path = segments.path(1);
        let mut octets = fs::read(&path).unwrap();
        let last = end + 2 * record(4, b"body").len();
        let head = RecordHeader::read(octets[last..].first_chunk().unwrap()).unwrap();
        let origin = Some(Origin { key: 77, batch_index: 0 });
        octets[last..last + RecordHeader::LENGTH]
            .copy_from_slice(&RecordHeader { origin, ..head }.octets());
        fs::write(&path, octets).unwrap();
        assert_eq!(seqs(&segments, (0, 0), 1).unwrap().0, [1]);
    }

    #[test]
    fn a_journal_that_ends_before_the_database_is_not_gone_on_with() {
        let folder = tempfile::tempdir().unwrap();
        let segments = open(folder.path());
        let mut tail = segment(&segments, 1, 1);
        append(&mut tail, 1..4);
        let why = |from| seqs(&segments, from, 4).unwrap_err().to_string();
        assert!(why((1, tail.end + 300_000)).contains("it ends at octet"));
        fs::remove_file(segments.path(1)).unwrap();
        assert!(why((1, tail.end)).contains("1.journal: missing"));
    }

    #[test]
    fn what_is_missing_or_foreign_is_named() {
        let why = |segments: &Segments| match seqs(segments, (0, 0), 1) {
            Err(Error::Open(why)) => why,
            other => panic!("{other:?}"),
        };
        let folder = tempfile::tempdir().unwrap();
        let segments = open(folder.path());
        append(&mut segment(&segments, 1, 1), 1..3);
        append(&mut segment(&segments, 2, 5), 5..6);
        let shown = segments.path(2).display().to_string();
        let repair = "; `smtpd repair` saves what can be saved";
        assert_eq!(
            why(&segments),
            format!("{shown}: messages 3 to 4 are missing in front of it, or damaged{repair}")
        );
        fs::write(segments.path(3), "").unwrap();
        fs::write(segments.path(2), "").unwrap();
        assert_eq!(why(&segments), format!("{shown}: its header is damaged{repair}"));
        let header =
            SegmentHeader { identity: 2, number: 2, first_seq: 3, ..SegmentHeader::default() };
        segments.create(header).unwrap();
        assert_eq!(
            why(&segments),
            format!("{shown}: it and smtpd.db are of different stores{repair}")
        );
        // A segment whose making was interrupted is none, but a damaged one is not thrown away.
        fs::remove_file(segments.path(2)).unwrap();
        fs::write(segments.path(3), [0; 65]).unwrap();
        assert!(why(&segments).ends_with(&format!("3.journal: its header is damaged{repair}")));
        fs::write(segments.path(3), [0; 64]).unwrap();
        assert_eq!(seqs(&segments, (0, 0), 1).unwrap().1.next_segment, 2);
    }
}
