//! What was found in the messages that were looked at last, so that nobody reads them again for each picture.

use std::{
    collections::VecDeque,
    io,
    sync::{Arc, Mutex, PoisonError},
};

use super::{
    Error,
    octets::{CHUNK, blocking},
};
use crate::{
    id::MessageId,
    message::{Scanned, Scanner},
    store::Raw,
};

/// The scans of the messages that were loaded last, so that the tabs and images of one message do not
/// read it again and again.
#[derive(Default)]
pub(super) struct ScanCache(Mutex<VecDeque<Scan>>);

/// What was found in so many octets of a message, from its first on.
#[derive(Clone)]
pub(super) struct Scan {
    id: MessageId,
    pub(super) scanned: Arc<Scanned>,
    /// How many octets that were.
    pub(super) read: u64,
}

impl ScanCache {
    /// What was found in the first `most` octets of a message, or in more of them if that is known already.
    pub(super) async fn scan(
        &self,
        id: MessageId,
        raw: &Arc<Raw>,
        most: u64,
    ) -> Result<Scan, Error> {
        let wanted = raw.len().min(most);
        if let Some(scan) = self.find(id, wanted) {
            return Ok(scan);
        }
        let scanned = Arc::new(blocking(raw, move |raw| scan(raw, wanted)).await?);
        let scan = Scan { id, scanned, read: wanted };
        self.keep(scan.clone());
        Ok(scan)
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

/// Octets of readable text kept with a scan, in which codes are looked for.
const MOST_TEXT_KEPT: usize = 64 * 1024;

/// Scans kept: a handful of people reading a message each.
const SCANS_KEPT: usize = 16;

#[cfg(test)]
mod tests {
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
}
