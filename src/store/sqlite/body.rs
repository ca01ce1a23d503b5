//! The octets of a body's file, each block proven by its checksum before it is given to anybody.

use std::{
    fs::File,
    io,
    os::unix::fs::FileExt,
    sync::{Mutex, PoisonError},
};

use crc32fast::Hasher;

use crate::store::ReadAt;

/// Checksums of a body that is being written.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    hasher: Hasher,
    /// Octets of the block under way.
    filled: usize,
    /// Of the blocks before it; at the end their own checksum.
    sums: Vec<u8>,
    crc: u32,
}

impl Blocks {
    /// Adds octets of the body.
    pub(super) fn add(&mut self, mut octets: &[u8]) {
        while !octets.is_empty() {
            let (some, rest) = octets.split_at(octets.len().min(BLOCK - self.filled));
            self.hasher.update(some);
            self.filled += some.len();
            if self.filled == BLOCK {
                self.end_block();
            }
            octets = rest;
        }
    }

    /// What stands behind the body.
    pub(super) fn seal(&mut self) -> &[u8] {
        if self.filled > 0 {
            self.end_block();
        }
        self.crc = crc32fast::hash(&self.sums);
        self.sums.extend_from_slice(&self.crc.to_le_bytes());
        &self.sums
    }

    /// The checksum of the checksums, once they are sealed.
    pub(super) fn crc(&self) -> u32 {
        self.crc
    }

    fn end_block(&mut self) {
        let sum = std::mem::take(&mut self.hasher).finalize();
        self.sums.extend_from_slice(&sum.to_le_bytes());
        self.filled = 0;
    }
}

/// A body that can be read from anywhere.
#[derive(Debug)]
pub(super) struct StoredBody {
    file: File,
    size: u64,
    /// One for each block; none in a file that has none.
    sums: Option<Vec<u32>>,
    /// The block that was read last: whoever reads little at a time reads it once.
    last: Mutex<Option<(u64, Vec<u8>)>>,
}

impl StoredBody {
    /// A body of so many octets, whose checksums have this one if there are any.
    pub(super) fn open(file: File, size: u64, crc: Option<u32>) -> io::Result<Self> {
        let length = file.metadata()?.len();
        let blocks = size.div_ceil(BLOCK as u64);
        let expected = size + if crc.is_some() { (blocks + 1) * SUM as u64 } else { 0 };
        if length != expected {
            return Err(damaged(format!("{length} octets instead of {expected}")));
        }
        let sums = crc.map(|crc| read_sums(&file, size, blocks, crc)).transpose()?;
        Ok(Self { file, size, sums, last: Mutex::default() })
    }

    /// Opens a body and finds out whether its own checksums hold, without a record to compare them with.
    pub(super) fn open_sealed(file: File, size: u64) -> io::Result<Self> {
        let mut crc = [0; SUM];
        let at = file.metadata()?.len().saturating_sub(SUM as u64);
        file.read_exact_at(&mut crc, at)?;
        Self::open(file, size, Some(u32::from_le_bytes(crc)))
    }

    /// The checksum of its checksums.
    pub(super) fn crc(&self) -> Option<u32> {
        let octets = |sums: &Vec<u32>| sums.iter().flat_map(|sum| sum.to_le_bytes()).collect();
        self.sums.as_ref().map(octets).map(|octets: Vec<u8>| crc32fast::hash(&octets))
    }

    /// Reads everything; an error if not all of it is as it was received.
    pub(super) fn verify(&self) -> io::Result<()> {
        let mut piece = vec![0; BLOCK];
        let mut at = 0;
        loop {
            match self.read_at(&mut piece, at)? {
                0 => return Ok(()),
                read => at += read as u64,
            }
        }
    }

    /// Fills `buffer` with a block.
    fn block(&self, number: u64, buffer: &mut [u8]) -> io::Result<()> {
        let at = number * BLOCK as u64;
        self.file.read_exact_at(buffer, at)?;
        let sum = self.sums.as_ref().and_then(|sums| sums.get(usize::try_from(number).ok()?));
        match sum {
            Some(sum) if crc32fast::hash(buffer) != *sum => {
                Err(damaged(format!("damaged at octet {at} or in the {} behind", buffer.len())))
            }
            _ => Ok(()),
        }
    }

    /// Copies from `offset` on into the buffer, as much as there is of one block.
    fn copy_block(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let number = offset / BLOCK as u64;
        let begin = number * BLOCK as u64;
        let length = (self.size - begin).min(BLOCK as u64) as usize;
        let skipped = (offset - begin) as usize;
        let taken = (length - skipped).min(buffer.len());
        if taken == length {
            self.block(number, &mut buffer[..taken])?;
            return Ok(taken);
        }
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.as_ref().is_none_or(|(known, _)| *known != number) {
            let mut block = last.take().map(|(_, block)| block).unwrap_or_default();
            block.resize(length, 0);
            self.block(number, &mut block)?;
            *last = Some((number, block));
        }
        if let Some((_, block)) = &*last {
            buffer[..taken].copy_from_slice(&block[skipped..skipped + taken]);
        }
        Ok(taken)
    }
}

impl ReadAt for StoredBody {
    fn length(&self) -> u64 {
        self.size
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() && offset + (filled as u64) < self.size {
            filled += self.copy_block(offset + filled as u64, &mut buffer[filled..])?;
        }
        Ok(filled)
    }
}

fn read_sums(file: &File, size: u64, blocks: u64, crc: u32) -> io::Result<Vec<u32>> {
    let mut octets = vec![0; usize::try_from((blocks + 1) * SUM as u64).map_err(io::Error::other)?];
    file.read_exact_at(&mut octets, size)?;
    let (sums, _) = octets.as_chunks::<SUM>();
    let (_, sums) = sums.split_last().ok_or_else(|| damaged("no checksums".into()))?;
    if crc32fast::hash(sums.as_flattened()) != crc {
        return Err(damaged("its checksums are damaged".into()));
    }
    Ok(sums.iter().map(|sum| u32::from_le_bytes(*sum)).collect())
}

fn damaged(what: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// Octets that have one checksum: those who stream a body read as many at once.
const BLOCK: usize = 64 * 1024;
/// Octets of a checksum.
const SUM: usize = 4;

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn octets(length: usize) -> Vec<u8> {
        (0..length).map(|at| (at * at / 7) as u8).collect()
    }

    fn written(body: &[u8], pieces: usize) -> (File, u32) {
        let mut file = tempfile::tempfile().unwrap();
        let mut blocks = Blocks::default();
        for piece in body.chunks(pieces) {
            file.write_all(piece).unwrap();
            blocks.add(piece);
        }
        file.write_all(blocks.seal()).unwrap();
        (file, blocks.crc())
    }

    #[test]
    fn every_length_is_read_from_every_place() {
        for length in [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK + 17] {
            let body = octets(length);
            let (file, crc) = written(&body, 1000);
            let stored = StoredBody::open(file, length as u64, Some(crc)).unwrap();
            stored.verify().unwrap();
            assert_eq!(stored.crc(), Some(crc));
            for (from, wanted) in [(0, length + 9), (1, 10), (length / 2, BLOCK), (length, 1)] {
                let mut buffer = vec![0; wanted];
                let read = stored.read_at(&mut buffer, from as u64).unwrap();
                let expected = &body[from.min(length)..(from + wanted).min(length)];
                assert!(buffer[..read] == *expected, "{length} {from}");
            }
        }
    }

    #[test]
    fn no_octet_of_a_changed_block_is_given() {
        let body = octets(2 * BLOCK + 5);
        let (file, crc) = written(&body, BLOCK);
        for at in [0, BLOCK - 1, BLOCK, 2 * BLOCK + 4] {
            let mut one = [0];
            file.read_exact_at(&mut one, at as u64).unwrap();
            file.write_all_at(&[one[0] ^ 4], at as u64).unwrap();
            let again = file.try_clone().unwrap();
            let stored = StoredBody::open(again, body.len() as u64, Some(crc)).unwrap();
            let read = stored.read_at(&mut [0; 1], at as u64);
            assert_eq!(read.unwrap_err().kind(), io::ErrorKind::InvalidData, "{at}");
            assert!(stored.verify().is_err());
            let elsewhere = if at < BLOCK { BLOCK } else { 0 };
            assert_eq!(stored.read_at(&mut [0; 1], elsewhere as u64).unwrap(), 1);
            file.write_all_at(&one, at as u64).unwrap();
        }
        // The checksums themselves, a file that is too short, and the checksum of another file.
        let open = |size: u64, crc: u32| {
            StoredBody::open(file.try_clone().unwrap(), size, Some(crc)).map(drop)
        };
        let size = body.len() as u64;
        assert!(
            open(size, crc).is_ok() && open(size, crc ^ 1).is_err() && open(size - 1, crc).is_err()
        );
        file.write_all_at(&[!0], size + 1).unwrap();
        assert!(open(size, crc).is_err());
    }

    #[test]
    fn a_file_of_layout_1_has_no_checksums() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"octets").unwrap();
        let stored = StoredBody::open(file.try_clone().unwrap(), 6, None).unwrap();
        let mut buffer = [0; 9];
        assert_eq!(stored.read_at(&mut buffer, 2).unwrap(), 4);
        assert!(StoredBody::open(file, 7, None).is_err() && stored.crc().is_none());
    }
}
