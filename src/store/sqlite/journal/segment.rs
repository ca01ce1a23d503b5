//! The files of the journal. Only here does the journal touch the disk, and here tests make it fail.
//!
//! A segment begins with a header that says which store it belongs to, which number it has, which message
//! comes first in it, and from which number on messages in the segments before it were refused; records
//! follow without gaps. What is behind the last record is nothing, or zeros, or what was being written when
//! the lights went out. That is never cut off: nobody can be sure that it is no mail.

use std::{
    collections::VecDeque,
    fs::{self, File},
    io::{self, IoSlice},
    os::unix::fs::{FileExt, MetadataExt},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use rustix::fs::FallocateFlags;

use super::super::private;
use crate::store::Error;

/// The folder of segments.
#[derive(Debug)]
pub(in crate::store::sqlite) struct Segments {
    folder: PathBuf,
    /// Open for reading, the one used last at the end.
    open: Mutex<VecDeque<(i64, Arc<File>)>>,
    /// What tests make the disk do.
    #[cfg(test)]
    pub(in crate::store::sqlite) faults: Arc<Faults>,
}

/// What the header of a segment says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::store::sqlite) struct SegmentHeader {
    /// Of the store.
    pub(in crate::store::sqlite) identity: i64,
    /// Of the segment.
    pub(in crate::store::sqlite) number: i64,
    /// Of the first message in it.
    pub(in crate::store::sqlite) first_seq: i64,
    /// Messages of earlier segments count below this number only: from it on they were refused.
    pub(in crate::store::sqlite) kept_below: i64,
    /// `smtpd repair` wrote it: its messages are older than those before it, and stand in any order.
    pub(in crate::store::sqlite) is_rescued: bool,
    /// It and all its records are of layout 1. It is not gone on with.
    pub(in crate::store::sqlite) is_old: bool,
}

/// A segment that is written.
#[derive(Debug)]
pub(in crate::store::sqlite) struct Tail {
    file: File,
    pub(in crate::store::sqlite) number: i64,
    /// Where the next record goes.
    pub(in crate::store::sqlite) end: u64,
    /// Up to here the file has blocks, and behind `end` they are zeros.
    ahead: u64,
    zeros: Vec<u8>,
    #[cfg(test)]
    faults: Arc<Faults>,
}

impl Segments {
    /// Segments in this folder; makes it if it is missing.
    pub(in crate::store::sqlite) fn open(folder: PathBuf) -> io::Result<Self> {
        super::super::make_folder(&folder)?;
        Ok(Self {
            folder,
            open: Mutex::default(),
            #[cfg(test)]
            faults: Arc::default(),
        })
    }

    /// The folder.
    pub(in crate::store::sqlite) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The path of a segment.
    pub(in crate::store::sqlite) fn path(&self, number: i64) -> PathBuf {
        self.folder.join(format!("{number:012}{SUFFIX}"))
    }

    /// The numbers of all segments there are, in order.
    pub(in crate::store::sqlite) fn numbers(&self) -> io::Result<Vec<i64>> {
        let mut numbers = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let name = entry?.file_name();
            let number = name.to_str().and_then(|name| name.strip_suffix(SUFFIX));
            numbers.extend(number.and_then(|number| number.parse::<i64>().ok()));
        }
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// Begins a segment: durable, with its name, when this returns.
    pub(in crate::store::sqlite) fn create(&self, header: SegmentHeader) -> io::Result<Tail> {
        #[cfg(test)]
        self.faults.strike(Fault::Create)?;
        let path = self.path(header.number);
        let file = private().read(true).write(true).open(&path)?;
        if file.metadata()?.len() > SegmentHeader::LENGTH as u64 {
            return Err(io::Error::new(
                io::ErrorKind::AlreadyExists,
                format!("{} holds something already", path.display()),
            ));
        }
        file.write_all_at(&header.octets(), 0)?;
        file.sync_all()?;
        File::open(&self.folder)?.sync_all()?;
        Ok(self.tail(file, header.number, SegmentHeader::LENGTH as u64))
    }

    /// Goes on with a segment behind its last record, where there is nothing but zeros.
    pub(in crate::store::sqlite) fn resume(&self, number: i64, end: u64) -> io::Result<Tail> {
        let file = fs::OpenOptions::new().read(true).write(true).open(self.path(number))?;
        let ahead = file.metadata()?.len();
        Ok(Tail { ahead: ahead.max(end), ..self.tail(file, number, end) })
    }

    fn tail(&self, file: File, number: i64, end: u64) -> Tail {
        Tail {
            file,
            number,
            end,
            ahead: end,
            zeros: Vec::new(),
            #[cfg(test)]
            faults: self.faults.clone(),
        }
    }

    /// The header of a segment; none if it has none that is whole.
    pub(in crate::store::sqlite) fn header(
        &self,
        number: i64,
    ) -> io::Result<Option<SegmentHeader>> {
        let mut octets = [0; SegmentHeader::LENGTH];
        let file = File::open(self.path(number))?;
        match file.read_exact_at(&mut octets, 0) {
            Ok(()) => Ok(SegmentHeader::read(&octets).filter(|header| header.number == number)),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Writes a header in place of a damaged one.
    pub(in crate::store::sqlite) fn write_header(&self, header: SegmentHeader) -> io::Result<()> {
        let file = fs::OpenOptions::new().write(true).open(self.path(header.number))?;
        file.write_all_at(&header.octets(), 0)?;
        file.sync_all()
    }

    /// A segment for reading.
    pub(in crate::store::sqlite) fn file(&self, number: i64) -> io::Result<Arc<File>> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = open.iter().position(|(known, _)| *known == number)
            && let Some(entry) = open.remove(place)
        {
            let file = entry.1.clone();
            open.push_back(entry);
            return Ok(file);
        }
        let file = Arc::new(File::open(self.path(number))?);
        if open.len() >= OPEN_AT_MOST {
            open.pop_front();
        }
        open.push_back((number, file.clone()));
        Ok(file)
    }

    /// Gives back the blocks of a stretch of a segment in which nothing is wanted any more. A file system
    /// that cannot do that gives them back with the segment.
    pub(in crate::store::sqlite) fn punch(&self, number: i64, from: u64, to: u64) {
        let hole = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        let path = self.path(number);
        let punched = fs::OpenOptions::new().write(true).open(&path).and_then(|file| {
            Ok(rustix::fs::fallocate(&file, hole, from, to.saturating_sub(from))?)
        });
        match punched {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) if error.kind() == io::ErrorKind::Unsupported => {}
            Err(error) => log::warn!("{}: cannot give back space: {error}", path.display()),
            Ok(()) => {}
        }
    }

    /// Removes a segment. A failure is logged: the next start tries again.
    pub(in crate::store::sqlite) fn remove(&self, number: i64) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|(known, _)| *known != number);
        drop(open);
        let path = self.path(number);
        if let Err(error) = fs::remove_file(&path)
            && error.kind() != io::ErrorKind::NotFound
        {
            log::warn!("{}: cannot be removed: {error}", path.display());
        }
    }

    /// An error if less is free on the disk than mail needs. A disk that does not say has room.
    pub(in crate::store::sqlite) fn check_room(&self) -> Result<(), Error> {
        let free = rustix::fs::statvfs(&self.folder)
            .map_or(u64::MAX, |disk| disk.f_bavail.saturating_mul(disk.f_frsize));
        if free >= LOW_WATER { Ok(()) } else { Err(Error::Full) }
    }

    /// Octets that all segments take on the disk, holes not counted.
    pub(in crate::store::sqlite) fn disk_bytes(&self) -> u64 {
        let Ok(entries) = fs::read_dir(&self.folder) else { return 0 };
        entries.flatten().flat_map(|entry| entry.metadata()).map(|data| data.blocks() * 512).sum()
    }
}

impl SegmentHeader {
    /// Octets of a header.
    pub(in crate::store::sqlite) const LENGTH: usize = 64;

    fn octets(&self) -> [u8; Self::LENGTH] {
        let mut octets = [0; Self::LENGTH];
        octets[..8].copy_from_slice(&MAGIC);
        octets[12] = u8::from(self.is_rescued);
        octets[16..24].copy_from_slice(&self.identity.to_le_bytes());
        octets[24..32].copy_from_slice(&self.number.to_le_bytes());
        octets[32..40].copy_from_slice(&self.first_seq.to_le_bytes());
        octets[40..48].copy_from_slice(&self.kept_below.to_le_bytes());
        let crc = crc32fast::hash(&octets[12..]);
        octets[8..12].copy_from_slice(&crc.to_le_bytes());
        octets
    }

    fn read(octets: &[u8; Self::LENGTH]) -> Option<Self> {
        let number =
            |at: usize| i64::from_le_bytes(std::array::from_fn(|index| octets[at + index]));
        let crc = u32::from_le_bytes(std::array::from_fn(|index| octets[8 + index]));
        let is_old = octets[..8] == MAGIC_1;
        let is_whole = (is_old || octets[..8] == MAGIC) && crc32fast::hash(&octets[12..]) == crc;
        is_whole.then(|| Self {
            identity: number(16),
            number: number(24),
            first_seq: number(32),
            // Layout 1 gave the numbers of what was refused to what came next.
            kept_below: if is_old { number(32) } else { number(40) },
            is_rescued: octets[12] != 0,
            is_old,
        })
    }
}

impl Tail {
    /// Writes records behind the last one and makes them durable. After a failure nobody knows what the
    /// file holds behind `end`: go on in another segment.
    pub(in crate::store::sqlite) fn append<'a>(
        &mut self,
        records: impl Iterator<Item = &'a [u8]>,
    ) -> io::Result<()> {
        #[cfg(test)]
        self.faults.strike(Fault::Write)?;
        let mut slices = records.map(IoSlice::new).collect::<Vec<_>>();
        let length: u64 = slices.iter().map(|slice| slice.len() as u64).sum();
        let end = self.end + length;
        // Writing over zeros costs a sync less than making the file longer does (86 us and 127 us here),
        // because then no new length is written down. Large batches do not feel the difference.
        let mut ahead = self.ahead.max(end);
        if end > self.ahead && length < AHEAD as u64 / 4 {
            self.zeros.resize(AHEAD, 0);
            slices.push(IoSlice::new(&self.zeros));
            ahead = end + AHEAD as u64;
        }
        match write_all_at(&self.file, &mut slices, self.end, end) {
            Ok(()) => self.ahead = ahead,
            // The last free octets of a disk are for mail, not for zeros.
            Err((error, true)) => log::debug!("{}: no zeros ahead: {error}", self.number),
            Err((error, false)) => return Err(error),
        }
        #[cfg(test)]
        self.faults.strike(Fault::Sync)?;
        self.file.sync_data()?;
        self.end = end;
        Ok(())
    }

    /// Cuts off what a failed append may have left, as well as it goes: all of it is told that it failed.
    pub(in crate::store::sqlite) fn give_up(self) {
        if let Err(error) = self.file.set_len(self.end) {
            log::warn!("journal segment {}: cannot be cut back: {error}", self.number);
        }
    }
}

/// Writes all octets; an error comes with whether everything up to `needed` is written.
fn write_all_at(
    file: &File,
    mut slices: &mut [IoSlice<'_>],
    mut at: u64,
    needed: u64,
) -> Result<(), (io::Error, bool)> {
    while !slices.is_empty() {
        let some = &slices[..slices.len().min(SLICES)];
        match rustix::io::pwritev(file, some, at) {
            Ok(0) => return Err((io::ErrorKind::WriteZero.into(), at >= needed)),
            Ok(written) => {
                at += written as u64;
                IoSlice::advance_slices(&mut slices, written);
            }
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err((error.into(), at >= needed)),
        }
    }
    Ok(())
}

/// What tests let fail, once each, in this order.
#[cfg(test)]
#[derive(Debug, Default)]
pub(in crate::store::sqlite) struct Faults {
    next: Mutex<VecDeque<(Fault, io::ErrorKind)>>,
    syncs: std::sync::atomic::AtomicUsize,
}

/// Where the disk can fail.
#[cfg(test)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store::sqlite) enum Fault {
    Create,
    Write,
    Sync,
}

#[cfg(test)]
impl Faults {
    /// Lets the next such call fail.
    pub(in crate::store::sqlite) fn expect(&self, fault: Fault, error: io::ErrorKind) {
        self.next.lock().unwrap().push_back((fault, error));
    }

    /// Until the guard is dropped, the disk takes its time.
    pub(in crate::store::sqlite) fn hold(&self) -> impl Sized + use<'_> {
        self.next.lock().unwrap()
    }

    /// How many syncs there were.
    pub(in crate::store::sqlite) fn syncs(&self) -> usize {
        self.syncs.load(std::sync::atomic::Ordering::SeqCst)
    }

    fn strike(&self, fault: Fault) -> io::Result<()> {
        let mut faults = self.next.lock().unwrap();
        if fault == Fault::Sync {
            self.syncs.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        }
        match faults.front() {
            Some((wanted, _)) if *wanted == fault => {
                Err(faults.pop_front().map_or(io::ErrorKind::Other, |(_, error)| error).into())
            }
            _ => Ok(()),
        }
    }
}

const MAGIC: [u8; 8] = *b"smtpd\0j2";
/// Of layout 1.
const MAGIC_1: [u8; 8] = *b"smtpd\0j1";
const SUFFIX: &str = ".journal";
/// Octets of zeros that are written ahead of small records.
const AHEAD: usize = 256 * 1024;
/// Free octets of the disk below which no mail is taken: the database takes in what waits for it with
/// room to spare.
const LOW_WATER: u64 = 8 * 1024 * 1024;
/// Slices that the kernel takes in one call (UIO_MAXIOV).
const SLICES: usize = 1024;
/// Segments open for reading at most.
const OPEN_AT_MOST: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    fn segments(folder: &tempfile::TempDir) -> Segments {
        Segments::open(folder.path().join("journal")).unwrap()
    }

    #[test]
    fn what_was_appended_stands_behind_the_header() {
        let folder = tempfile::tempdir().unwrap();
        let segments = segments(&folder);
        let header = SegmentHeader {
            identity: -5,
            number: 3,
            first_seq: 9,
            kept_below: 8,
            is_rescued: true,
            is_old: false,
        };
        let mut tail = segments.create(header).unwrap();
        let many = vec![&b"ab"[..]; 3000];
        tail.append(many.iter().copied()).unwrap();
        tail.append([&b"end"[..]].into_iter()).unwrap();
        assert_eq!(tail.end, 64 + 6003);
        assert_eq!(segments.header(3).unwrap(), Some(header));
        assert_eq!(segments.numbers().unwrap(), [3]);
        let mut octets = vec![0; 6003 + 1];
        segments.file(3).unwrap().read_exact_at(&mut octets, 64).unwrap();
        assert!(octets[..6000] == *b"ab".repeat(3000) && octets[6000..] == *b"end\0");
        // What stands behind the place from which it goes on is not cut off.
        let length = fs::metadata(segments.path(3)).unwrap().len();
        let resumed = segments.resume(3, tail.end).unwrap();
        assert_eq!((resumed.end, resumed.ahead), (tail.end, length));
        assert_eq!(fs::metadata(segments.path(3)).unwrap().len(), length);
        // Nor is a segment begun over another.
        assert!(segments.create(header).is_err());
    }

    #[test]
    fn a_hole_gives_its_blocks_back() {
        let folder = tempfile::tempdir().unwrap();
        let segments = segments(&folder);
        let mut tail =
            segments.create(SegmentHeader { number: 1, ..SegmentHeader::default() }).unwrap();
        tail.append([&vec![b'x'; 1 << 20][..]].into_iter()).unwrap();
        let before = segments.disk_bytes();
        segments.punch(1, 64, tail.end);
        let after = segments.disk_bytes();
        assert!(before >= 1 << 20 && after <= 8192, "{before} {after}");
        segments.remove(1);
        assert_eq!(segments.disk_bytes(), 0);
        // Gone already: nothing to do, nothing to say.
        segments.punch(1, 64, 128);
        segments.remove(1);
    }

    #[test]
    fn no_header_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let segments = segments(&folder);
        fs::write(segments.path(1), "").unwrap();
        fs::write(segments.path(2), [0; 4096]).unwrap();
        assert_eq!(segments.header(1).unwrap(), None);
        assert_eq!(segments.header(2).unwrap(), None);
        assert!(segments.header(3).is_err());
    }
}
