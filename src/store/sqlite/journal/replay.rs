//! Reading the journal from where the database stopped taking it in.
//!
//! A record counts if its checksums hold and its number is the next one. The first that does not ends
//! its segment: it was being written when the lights went out, and nobody was told 250 for it. Whatever
//! stands in a segment from the first message of the next segment on was refused, and is passed over.

use std::{fs::File, io, os::unix::fs::FileExt, path::Path};

use super::{Facts, Head, Header, Placed, Segments, open_meta};
use crate::store::{
    Error,
    sqlite::{bodies, row},
};

/// Where the journal ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store::sqlite) struct Replayed {
    /// The segment to go on with, and where.
    pub(in crate::store::sqlite) tail: Option<(i64, u64)>,
    /// Of the next message.
    pub(in crate::store::sqlite) next_seq: i64,
    /// Of the next segment.
    pub(in crate::store::sqlite) next_segment: i64,
    /// Messages that were read.
    pub(in crate::store::sqlite) messages: u64,
}

/// Gives `take` every message from `next_seq` on, in order and in pieces. The message stands at or
/// behind `at` in `segment`, or in a later segment.
pub(in crate::store::sqlite) fn replay(
    segments: &Segments,
    identity: i64,
    (segment, at): (i64, u64),
    next_seq: i64,
    mut take: impl FnMut(Vec<Placed>) -> Result<(), Error>,
) -> Result<Replayed, Error> {
    let mut numbers = segments.numbers().map_err(|error| Error::from_io(&error))?;
    numbers.retain(|number| *number >= segment);
    let headers = headers(segments, identity, &numbers)?;
    let next_segment = headers.last().map_or(segment, |last| last.number) + 1;
    let mut end = Replayed { tail: None, next_seq, next_segment, messages: 0 };
    for (place, header) in headers.iter().enumerate() {
        let next = headers.get(place + 1);
        if header.first_seq > end.next_seq {
            return Err(Error::Open(format!(
                "{}: messages {} to {} are missing in front of it",
                segments.path(header.number).display(),
                end.next_seq,
                header.first_seq - 1
            )));
        }
        let file = segments.file(header.number).map_err(|error| Error::from_io(&error))?;
        let mut walk = Walk {
            file: &file,
            segment: header.number,
            at: if header.number == segment {
                at.max(Header::LENGTH as u64)
            } else {
                Header::LENGTH as u64
            },
            seq: if header.number == segment { end.next_seq } else { header.first_seq },
            below: next.map_or(i64::MAX, |next| next.first_seq),
        };
        loop {
            let mut piece = walk.piece().map_err(|error| Error::from_io(&error))?;
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
    Ok(end)
}

/// The headers of these segments. The last may have none, and nothing else: its making was interrupted,
/// and it is made again.
fn headers(segments: &Segments, identity: i64, numbers: &[i64]) -> Result<Vec<Header>, Error> {
    let mut headers = Vec::with_capacity(numbers.len());
    for (place, &number) in numbers.iter().enumerate() {
        let path = segments.path(number);
        match segments.header(number).map_err(|error| Error::from_io(&error))? {
            Some(header) if header.identity == identity => headers.push(header),
            Some(_) => {
                return Err(Error::Open(format!("{}: of another store", path.display())));
            }
            None if place + 1 == numbers.len() && is_begun_only(&path) => {}
            None => return Err(Error::Open(format!("{}: its header is damaged", path.display()))),
        }
    }
    Ok(headers)
}

/// True if nothing was ever written behind the header: that happens only after it is on the disk.
fn is_begun_only(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|file| file.len() <= Header::LENGTH as u64)
}

/// A walk over the records of a segment.
struct Walk<'a> {
    file: &'a File,
    segment: i64,
    at: u64,
    seq: i64,
    below: i64,
}

impl Walk<'_> {
    /// The next records; none at the end.
    fn piece(&mut self) -> io::Result<Vec<Placed>> {
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

    fn next(&self) -> io::Result<Option<Placed>> {
        let mut octets = [0; Head::LENGTH];
        if self.seq >= self.below || !read(self.file, &mut octets, self.at)? {
            return Ok(None);
        }
        let Some(head) = Head::read(&octets).filter(|head| head.seq == self.seq) else {
            return Ok(None);
        };
        // The checksum of the head holds, so these are lengths that we wrote.
        let mut rest = vec![0; (head.record_length() as usize).saturating_sub(Head::LENGTH)];
        if !read(self.file, &mut rest, self.at + Head::LENGTH as u64)? {
            return Ok(None);
        }
        let (held, meta) = rest.split_at((head.held as usize).min(rest.len()));
        if crc32fast::hash(held) != head.held_crc {
            return Ok(None);
        }
        let Some(json) = open_meta(meta) else { return Ok(None) };
        let (envelope, summary) = row::read(json).map_err(io::Error::other)?;
        let file = if head.is_file { bodies::name(held) } else { None };
        if head.is_file && file.is_none() {
            return Ok(None);
        }
        let facts = Facts::new(&envelope, &summary);
        Ok(Some(Placed { head, facts, segment: self.segment, at: self.at, file }))
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
        super::{record::seal_meta, segment::Tail},
        *,
    };
    use crate::{
        id::MessageId,
        message::{Envelope, Summary},
    };

    fn record(seq: i64, body: &[u8]) -> Vec<u8> {
        let mut meta = Vec::new();
        row::write(&mut meta, &Envelope::default(), &Summary::default()).unwrap();
        seal_meta(&mut meta, 0);
        let head = Head {
            seq,
            id: MessageId::from_bytes([seq as u8; 12]),
            is_file: false,
            held: body.len() as u64,
            held_crc: crc32fast::hash(body),
            meta: meta.len() as u32,
            size: body.len() as u64,
        };
        [&head.octets(), body, &meta].concat()
    }

    fn segment(segments: &Segments, number: i64, first_seq: i64) -> Tail {
        segments.create(Header { identity: 1, number, first_seq }).unwrap()
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
        let mut ends = vec![(1, Header::LENGTH as u64)];
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
                assert_eq!(
                    (seen, found.tail),
                    (vec![1, 2], Some((1, whole_until))),
                    "{cut} {rest:?}"
                );
            }
        }
        for changed in whole_until as usize..end {
            // Three octets of a head mean nothing, but are checked all the same.
            let mut octets = whole.clone();
            octets[changed] ^= 0x10;
            fs::write(&path, &octets).unwrap();
            assert_eq!(seqs(&segments, from, 1).unwrap().0, [1, 2], "{changed}");
        }
    }

    #[test]
    fn what_was_refused_before_a_new_segment_stays_refused() {
        let folder = tempfile::tempdir().unwrap();
        let segments = open(folder.path());
        append(&mut segment(&segments, 1, 1), 1..6);
        // The sync of 4 and 5 failed, although they are there.
        append(&mut segment(&segments, 2, 4), 4..7);
        let mut from = Vec::new();
        let end = replay(&segments, 1, (0, 0), 1, |piece| {
            from.extend(piece.iter().map(|one| (one.segment, one.head.seq)));
            Ok(())
        });
        assert_eq!(from, [(1, 1), (1, 2), (1, 3), (2, 4), (2, 5), (2, 6)]);
        assert_eq!(end.unwrap().next_seq, 7);
    }

    #[test]
    fn a_leftover_of_the_same_length_behind_the_end_is_cut_off() {
        let folder = tempfile::tempdir().unwrap();
        let segments = open(folder.path());
        let mut tail = segment(&segments, 1, 1);
        append(&mut tail, 1..2);
        let end = tail.end;
        append(&mut tail, 2..4);
        // The record of 2 was torn, that of 3 reached the disk: neither was acknowledged.
        let path = segments.path(1);
        let mut octets = fs::read(&path).unwrap();
        octets[end as usize + 70] ^= 1;
        fs::write(&path, octets).unwrap();
        let (seen, found) = seqs(&segments, (0, 0), 1).unwrap();
        assert_eq!((seen, found.tail), (vec![1], Some((1, end))));
        append(&mut segments.resume(1, end).unwrap(), 2..3);
        assert_eq!(seqs(&segments, (0, 0), 1).unwrap().0, [1, 2]);
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
        assert_eq!(why(&segments), format!("{shown}: messages 3 to 4 are missing in front of it"));
        fs::write(segments.path(3), "").unwrap();
        fs::write(segments.path(2), "").unwrap();
        assert_eq!(why(&segments), format!("{shown}: its header is damaged"));
        segments.create(Header { identity: 2, number: 2, first_seq: 3 }).unwrap();
        assert_eq!(why(&segments), format!("{shown}: of another store"));
        // A segment whose making was interrupted is none, but a damaged one is not thrown away.
        fs::remove_file(segments.path(2)).unwrap();
        fs::write(segments.path(3), [0; 65]).unwrap();
        assert!(why(&segments).ends_with("3.journal: its header is damaged"));
        fs::write(segments.path(3), [0; 64]).unwrap();
        assert_eq!(seqs(&segments, (0, 0), 1).unwrap().1.next_segment, 2);
    }
}
