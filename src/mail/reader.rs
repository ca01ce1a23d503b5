//! From the octets of a stored message to what a page can show of them, always bounded.
//!
//! Reading a file, scanning it and decoding parts happen where blocking is allowed.

use std::{
    collections::VecDeque,
    io,
    ops::Range,
    sync::{Arc, Mutex, PoisonError},
};

use smol::lock::Semaphore;

use super::{Mail, Scope};
use crate::{
    id::MessageId,
    message::{Extract, Letter, Part, Scanned, Scanner, is_pdf_without_script},
    store::{self, Raw, Record},
};

/// A message with its octets and what they say.
pub struct LoadedMessage {
    /// What the store knows of it.
    pub record: Record,
    /// Its octets as they came.
    pub raw: Arc<Raw>,
    /// What was found in them.
    pub scanned: Arc<Scanned>,
    /// How many octets were read for that, if the message has more.
    pub read: Option<u64>,
}

/// Why there is nothing to show of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// The store says why.
    Store(store::Error),
    /// It has no such part.
    NoPart,
    /// Its octets cannot be read, and why.
    Io(String),
}

/// A text that is cut if there is too much of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Excerpt {
    /// As much of it as there is room for.
    pub text: String,
    /// There was more.
    pub is_cut: bool,
}

/// The scans of the messages that were loaded last, so that the tabs and images of one message do not
/// read it again and again.
#[derive(Default)]
pub(super) struct ScanCache(Mutex<VecDeque<Scan>>);

/// What was found in so many octets of a message, from its first on.
#[derive(Clone)]
struct Scan {
    id: MessageId,
    scanned: Arc<Scanned>,
    read: u64,
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        Self::Store(error)
    }
}

impl Mail {
    /// A message with everything in it.
    pub async fn load(&self, scope: &Scope, id: MessageId) -> Result<Option<LoadedMessage>, Error> {
        self.load_up_to(scope, id, u64::MAX).await
    }

    /// A message with what there is in its first `MOST_READ` octets, which is all of almost any: a
    /// page has to come soon.
    pub async fn load_prefix(
        &self,
        scope: &Scope,
        id: MessageId,
    ) -> Result<Option<LoadedMessage>, Error> {
        self.load_up_to(scope, id, MOST_READ).await
    }

    async fn load_up_to(
        &self,
        scope: &Scope,
        id: MessageId,
        most: u64,
    ) -> Result<Option<LoadedMessage>, Error> {
        let Some(record) = self.get(scope, id).await? else { return Ok(None) };
        let Some(raw) = self.0.store.raw(id).await? else { return Ok(None) };
        self.0.scans.load(record, Arc::new(raw), most).await.map(Some)
    }
}

impl LoadedMessage {
    /// What to show of the message itself.
    pub fn letter(&self) -> Letter {
        self.scanned.outline.letter(None)
    }

    /// The text of a part in its charset.
    pub async fn text_of(&self, number: usize) -> Result<Excerpt, Error> {
        let outline = &self.scanned.outline;
        let content = outline.content(number).ok_or(Error::NoPart)?;
        let scanned = self.scanned.clone();
        blocking(&self.raw, move |raw| {
            let (octets, is_cut) = extracted(raw, content, MOST_SHOWN)?;
            let (text, _) = scanned.outline.text(number, &octets);
            Ok(Excerpt { text, is_cut })
        })
        .await
    }

    /// True if a PDF is small enough to be looked through, and has no script.
    pub async fn is_quiet_pdf(&self, number: usize) -> Result<bool, Error> {
        let outline = &self.scanned.outline;
        let part = outline.parts.get(number).ok_or(Error::NoPart)?;
        if part.content_length > LARGEST_PDF {
            return Ok(false);
        }
        let content = outline.content(number).ok_or(Error::NoPart)?;
        blocking(&self.raw, move |raw| {
            let (octets, is_cut) = extracted(raw, content, LARGEST_PDF as usize)?;
            Ok(!is_cut && is_pdf_without_script(&octets))
        })
        .await
    }

    /// True if nobody read as far as to the end of this part.
    pub fn is_open(&self, part: &Part) -> bool {
        self.read.is_some() && part.within.is_none() && part.body.end >= self.raw.len()
    }

    /// The header of a part as it came, as text.
    pub async fn header_of(&self, number: usize) -> Result<Excerpt, Error> {
        let header = self.scanned.outline.header(number).ok_or(Error::NoPart)?;
        blocking(&self.raw, move |raw| {
            let (octets, is_cut) = extracted(raw, header, MOST_SHOWN)?;
            let text = String::from_utf8_lossy(&octets).into_owned();
            Ok(Excerpt { text, is_cut })
        })
        .await
    }

    /// A page of the message as it came, as text: the lines that begin in it. Pages are numbered from 1;
    /// past the last one there is none.
    pub async fn source(&self, page: u64) -> Result<Option<String>, Error> {
        let start = page.saturating_sub(1).saturating_mul(SOURCE_PAGE);
        if page > self.source_pages() {
            return Ok(None);
        }
        blocking(&self.raw, move |raw| {
            let range = line_start(raw, start)?..line_start(raw, start + SOURCE_PAGE)?;
            let octets = read_range(raw, range)?;
            Ok(Some(String::from_utf8_lossy(&octets).into_owned()))
        })
        .await
    }

    /// How many pages of source there are, at least one.
    pub fn source_pages(&self) -> u64 {
        self.raw.len().div_ceil(SOURCE_PAGE).max(1)
    }
}

impl ScanCache {
    /// A message with what there is in its first `most` octets, or further on if that is known already.
    async fn load(&self, record: Record, raw: Arc<Raw>, most: u64) -> Result<LoadedMessage, Error> {
        let wanted = raw.len().min(most);
        let scan = match self.find(record.id, wanted) {
            Some(scan) => scan,
            None => {
                let scanned = Arc::new(blocking(&raw, move |raw| scan(raw, wanted)).await?);
                let scan = Scan { id: record.id, scanned, read: wanted };
                self.keep(scan.clone());
                scan
            }
        };
        let read = (scan.read < raw.len()).then_some(scan.read);
        Ok(LoadedMessage { record, raw, scanned: scan.scanned, read })
    }

    /// A scan of this message that went at least as far as that.
    fn find(&self, id: MessageId, wanted: u64) -> Option<Scan> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().find(|scan| scan.id == id && scan.read >= wanted).cloned()
    }

    fn keep(&self, scan: Scan) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|known| known.id != scan.id || known.read > scan.read);
        kept.push_front(scan);
        kept.truncate(SCANS_KEPT);
    }
}

/// Does something with the octets of a message where it may take its time.
async fn blocking<T: Send + 'static>(
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

/// Reads so many octets of a message, a chunk at a time. A part that goes on behind them is taken to
/// reach to the end of the message, with the length of what was read of it.
fn scan(raw: &Raw, wanted: u64) -> io::Result<Scanned> {
    let mut scanner = Scanner::new(MOST_TEXT_KEPT);
    let mut chunk = vec![0; CHUNK];
    let mut offset = 0;
    while offset < wanted {
        let left = usize::try_from(wanted - offset).unwrap_or(CHUNK).min(CHUNK);
        match raw.read_at(chunk.get_mut(..left).unwrap_or_default(), offset)? {
            0 => break,
            read => {
                scanner.push(chunk.get(..read).unwrap_or_default());
                offset += read as u64;
            }
        }
    }
    let mut scanned = scanner.finish();
    for part in &mut scanned.outline.parts {
        if part.within.is_none() && part.body.end == offset {
            part.body.end = raw.len().max(offset);
        }
    }
    Ok(scanned)
}

/// What is extracted from a message, up to so many octets, and whether there are more.
fn extracted(raw: &Raw, mut content: Extract, most: usize) -> io::Result<(Vec<u8>, bool)> {
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
fn line_start(raw: &Raw, place: u64) -> io::Result<u64> {
    if place == 0 || place >= raw.len() {
        return Ok(place.min(raw.len()));
    }
    let near = read_range(raw, place - 1..(place + LONGEST_LINE).min(raw.len()))?;
    let line_end = near.iter().position(|&octet| octet == b'\n');
    Ok(line_end.map_or(place, |at| place + at as u64))
}

fn read_range(raw: &Raw, range: Range<u64>) -> io::Result<Vec<u8>> {
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

/// Most octets of a message that are read before its page is shown: some 0.25 s of reading. Who wants to
/// know what comes behind them says so.
const MOST_READ: u64 = 128_000_000;

/// Octets read at a time.
pub const CHUNK: usize = 64 * 1024;

/// Most octets of one part, decoded, that a page shows. A browser still scrolls it.
pub const MOST_SHOWN: usize = 2 * 1024 * 1024;

/// Largest PDF that is looked through before it is shown, in octets.
const LARGEST_PDF: u64 = 32 * 1024 * 1024;

/// Octets on one page of the source: a browser draws it at once, and a phone as well.
const SOURCE_PAGE: u64 = 256 * 1024;

/// Longest line that is not cut between two pages of the source, in octets: twice what a line may be
/// (RFC 5322 §2.1.1).
const LONGEST_LINE: u64 = 2_000;

/// Octets of readable text kept with a scan, in which codes are looked for.
const MOST_TEXT_KEPT: usize = 64 * 1024;

/// Scans kept: a handful of people reading a message each.
const SCANS_KEPT: usize = 16;

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
    fn few_scans_are_kept() {
        let scans = ScanCache::default();
        for number in 0..100 {
            scans.keep(scan_of(number, 10));
        }
        assert_eq!(scans.0.lock().unwrap().len(), SCANS_KEPT);
        assert!(scans.find(MessageId::from_bytes([99; 12]), 10).is_some());
        assert!(scans.find(MessageId::from_bytes([0; 12]), 10).is_none());
    }

    #[test]
    fn a_scan_that_went_further_replaces_the_other() {
        let scans = ScanCache::default();
        let id = scan_of(1, 0).id;
        scans.keep(scan_of(1, 10));
        assert!(scans.find(id, 11).is_none());
        scans.keep(scan_of(1, 20));
        assert_eq!(scans.find(id, 5).map(|scan| scan.read), Some(20));
        assert_eq!(scans.0.lock().unwrap().len(), 1);
    }

    fn scan_of(number: u8, read: u64) -> Scan {
        let id = MessageId::from_bytes([number; 12]);
        Scan { id, scanned: Arc::new(Scanner::new(0).finish()), read }
    }

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
