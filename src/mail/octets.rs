//! Octets of a stored message, read and decoded where blocking is allowed, a few messages at a time.

use std::{io, ops::Range, sync::Arc};

use smol::lock::Semaphore;

use super::Error;
use crate::{message::Extract, store::Raw};

/// Does something with the octets of a message where it may take its time.
pub(super) async fn blocking<T: Send + 'static>(
    raw: &Arc<Raw>,
    work: impl FnOnce(&Raw) -> io::Result<T> + Send + 'static,
) -> Result<T, Error> {
    let raw = raw.clone();
    let done = spawn_bounded(move || work(&raw)).await;
    done.map_err(|error| Error::Io(error.to_string()))
}

/// Does what takes time and memory where blocking is allowed, a few at a time: what waits for its turn
/// holds nothing yet.
pub async fn spawn_bounded<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let _turn = TURNS.acquire().await;
    smol::unblock(work).await
}

/// What is extracted from a message, up to so many octets, and whether there are more.
pub(super) fn extracted(
    raw: &Raw,
    mut content: Extract,
    most: usize,
) -> io::Result<(Vec<u8>, bool)> {
    let Range { start: mut offset, end } = content.range();
    let (mut octets, mut chunk) = (Vec::new(), vec![0; CHUNK]);
    while offset < end && octets.len() <= most && !content.is_done() {
        let left = usize::try_from(end - offset).unwrap_or(CHUNK).min(CHUNK);
        let read = raw.read_at(chunk.get_mut(..left).unwrap_or_default(), offset)?;
        if read == 0 {
            break;
        }
        content.push(chunk.get(..read).unwrap_or_default(), &mut octets);
        offset += read as u64;
    }
    let is_cut = offset < end && !content.is_done();
    content.finish(&mut octets);
    let is_cut = is_cut || octets.len() > most;
    octets.truncate(most);
    Ok((octets, is_cut))
}

/// Where the first line begins that begins at or behind this place; the place itself if the line there
/// is too long for anybody to read in one piece.
pub(super) fn line_start(raw: &Raw, place: u64) -> io::Result<u64> {
    if place == 0 || place >= raw.len() {
        return Ok(place.min(raw.len()));
    }
    let near = read_range(raw, place - 1..(place + LONGEST_LINE).min(raw.len()))?;
    let line_end = near.iter().position(|&octet| octet == b'\n');
    Ok(line_end.map_or(place, |at| place + at as u64))
}

pub(super) fn read_range(raw: &Raw, range: Range<u64>) -> io::Result<Vec<u8>> {
    let length = usize::try_from(range.end.saturating_sub(range.start)).unwrap_or_default();
    let mut octets = vec![0; length];
    let (mut offset, mut room) = (range.start, octets.as_mut_slice());
    while !room.is_empty() {
        match raw.read_at(room, offset)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => {
                offset += read as u64;
                room = room.get_mut(read..).unwrap_or_default();
            }
        }
    }
    Ok(octets)
}

/// Octets read at a time.
pub const CHUNK: usize = 64 * 1024;

/// Longest line that is not cut between two pages of the source, in octets: twice what a line may be
/// (RFC 5322 §2.1.1).
const LONGEST_LINE: u64 = 2_000;

/// How many messages are read or rendered at the same time: each may take some 50 MB for a moment.
const MOST_AT_WORK: usize = 8;
static TURNS: Semaphore = Semaphore::new(MOST_AT_WORK);

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicUsize, Ordering},
        thread::sleep,
        time::Duration,
    };

    use super::*;

    #[test]
    fn a_crowd_of_readers_waits_for_its_turn() {
        static NOW: AtomicUsize = AtomicUsize::new(0);
        static MOST: AtomicUsize = AtomicUsize::new(0);
        let work = || {
            MOST.fetch_max(NOW.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            sleep(Duration::from_millis(5));
            NOW.fetch_sub(1, Ordering::SeqCst);
        };
        let readers: Vec<_> =
            (0..10 * MOST_AT_WORK).map(|_| smol::spawn(spawn_bounded(work))).collect();
        smol::block_on(async {
            for reader in readers {
                reader.await;
            }
        });
        assert_eq!(MOST.load(Ordering::SeqCst), MOST_AT_WORK);
    }
}
