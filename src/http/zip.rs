//! A zip archive written as it goes (PKWARE APPNOTE 6.3), so that the attachments of a message of any
//! size are packed in little memory.
//!
//! Sizes and checksums are not known before the content has gone by, so they follow it (§4.3.9). All
//! is deflated: only so can a reader that streams tell where an entry ends. No zip64: `MOST_OCTETS`.

use std::{collections::HashSet, io::Write};

use flate2::{Compression, Crc, write::DeflateEncoder};

use super::disposition;

/// Most octets of all content together: offsets in an archive have 32 bits. What deflate adds to
/// content that does not shrink, and the headers, fit into the rest.
pub(super) const MOST_OCTETS: u64 = (u32::MAX as u64) / 100 * 99;

/// An archive in the making. Every call returns the octets to send.
pub(super) struct Zip {
    entries: Vec<Entry>,
    names: HashSet<String>,
    /// Octets written so far.
    offset: u64,
    /// MS-DOS time and date of all entries.
    modified: (u16, u16),
    open: Option<Open>,
}

struct Entry {
    name: String,
    crc: u32,
    packed: u64,
    content: u64,
    offset: u64,
}

struct Open {
    name: String,
    offset: u64,
    crc: Crc,
    packed: u64,
    encoder: DeflateEncoder<Vec<u8>>,
}

impl Zip {
    /// An archive whose entries bear this time, in milliseconds since 1970.
    pub(super) fn new(modified_ms: i64) -> Self {
        let modified = dos_time(modified_ms);
        Self { entries: Vec::new(), names: HashSet::new(), offset: 0, modified, open: None }
    }

    /// Begins an entry. The name is made harmless, and different from those before it.
    pub(super) fn begin(&mut self, name: &str, shrinks: bool) -> Vec<u8> {
        let name = self.free_name(&disposition::safe_name(name));
        let mut out = Vec::with_capacity(LOCAL_HEADER + name.len());
        out.extend_from_slice(b"PK\x03\x04");
        self.common(&mut out, 0, 0, 0, &name);
        out.extend_from_slice(name.as_bytes());
        let level = if shrinks { Compression::fast() } else { Compression::none() };
        let encoder = DeflateEncoder::new(Vec::new(), level);
        self.open = Some(Open { name, offset: self.offset, crc: Crc::new(), packed: 0, encoder });
        self.offset += out.len() as u64;
        out
    }

    /// The next octets of the entry's content.
    pub(super) fn push(&mut self, content: &[u8]) -> Vec<u8> {
        let Some(open) = &mut self.open else { return Vec::new() };
        open.crc.update(content);
        // Writing to memory cannot fail.
        let _ = open.encoder.write_all(content);
        let out = std::mem::take(open.encoder.get_mut());
        open.packed += out.len() as u64;
        self.offset += out.len() as u64;
        out
    }

    /// The entry ends.
    pub(super) fn end(&mut self) -> Vec<u8> {
        let Some(mut open) = self.open.take() else { return Vec::new() };
        let mut out = open.encoder.finish().unwrap_or_default();
        open.packed += out.len() as u64;
        let Open { name, offset, crc, packed, .. } = open;
        let content = u64::from(crc.amount());
        let entry = Entry { name, crc: crc.sum(), packed, content, offset };
        out.extend_from_slice(b"PK\x07\x08");
        out.extend_from_slice(&entry.crc.to_le_bytes());
        out.extend_from_slice(&short(entry.packed));
        out.extend_from_slice(&short(entry.content));
        self.offset += out.len() as u64;
        self.entries.push(entry);
        out
    }

    /// The archive ends with its central directory (§4.3.12, §4.3.16).
    pub(super) fn finish(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        for entry in &self.entries {
            out.extend_from_slice(b"PK\x01\x02");
            out.extend_from_slice(&MADE_BY.to_le_bytes());
            self.common(&mut out, entry.crc, entry.packed, entry.content, &entry.name);
            // No comment, disk 0, no attributes: a plain file.
            out.extend_from_slice(&[0; 10]);
            out.extend_from_slice(&short(entry.offset));
            out.extend_from_slice(entry.name.as_bytes());
        }
        let (size, count) = (out.len() as u64, (self.entries.len() as u16).to_le_bytes());
        out.extend_from_slice(b"PK\x05\x06\0\0\0\0");
        out.extend_from_slice(&[count, count].concat());
        out.extend_from_slice(&short(size));
        out.extend_from_slice(&short(self.offset));
        out.extend_from_slice(&[0; 2]);
        out
    }

    /// What the local header and the central directory have in common (§4.3.7, §4.3.12).
    fn common(&self, out: &mut Vec<u8>, crc: u32, packed: u64, content: u64, name: &str) {
        for field in [NEEDED, FLAGS, DEFLATED, self.modified.0, self.modified.1] {
            out.extend_from_slice(&field.to_le_bytes());
        }
        out.extend_from_slice(&crc.to_le_bytes());
        out.extend_from_slice(&short(packed));
        out.extend_from_slice(&short(content));
        out.extend_from_slice(&(name.len() as u16).to_le_bytes());
        out.extend_from_slice(&[0; 2]);
    }

    /// `a.txt`, `a (2).txt`, … Case does not tell names apart where archives are unpacked.
    fn free_name(&mut self, name: &str) -> String {
        let (stem, ending) = match name.rsplit_once('.') {
            Some((stem, ending)) if !stem.is_empty() => (stem, format!(".{ending}")),
            _ => (name, String::new()),
        };
        let mut number = self.names.len() + 1;
        let mut free = name.to_owned();
        let mut tried = 1;
        while !self.names.insert(free.to_lowercase()) {
            // A few low numbers look best; past them, one that is surely free.
            tried += 1;
            let next = if tried < 100 { tried } else { number };
            number += 1;
            free = format!("{stem} ({next}){ending}");
        }
        free
    }
}

/// The low 32 bits; `MOST_OCTETS` keeps them all.
fn short(number: u64) -> [u8; 4] {
    u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes()
}

/// MS-DOS time and date (§4.4.6), which begin in 1980 and count two seconds.
fn dos_time(unix_ms: i64) -> (u16, u16) {
    let Ok(at) = time::OffsetDateTime::from_unix_timestamp(unix_ms.div_euclid(1000)) else {
        return (0, EARLIEST);
    };
    let (year, month, day) = at.to_calendar_date();
    let Some(year) = u16::try_from(year).ok().and_then(|year| year.checked_sub(1980)) else {
        return (0, EARLIEST);
    };
    let (hour, minute, second) = at.to_hms();
    let time = u16::from(hour) << 11 | u16::from(minute) << 5 | (u16::from(second) / 2);
    (time, year.min(127) << 9 | u16::from(u8::from(month)) << 5 | u16::from(day))
}

/// 1980-01-01.
const EARLIEST: u16 = 1 << 5 | 1;

/// Version needed to extract: 2.0, for deflate (§4.4.3). Made by the same, on no system in particular.
const NEEDED: u16 = 20;
const MADE_BY: u16 = 20;

/// Sizes follow the content (bit 3), and names are in UTF-8 (bit 11; §4.4.4).
const FLAGS: u16 = 1 << 3 | 1 << 11;

const DEFLATED: u16 = 8;

/// Octets of a local header without its name.
const LOCAL_HEADER: usize = 30;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_harmless_and_different() {
        let mut zip = Zip::new(0);
        let mut name = |given: &str| {
            zip.begin(given, true);
            zip.end();
            zip.entries.last().unwrap().name.clone()
        };
        assert_eq!(name("../../etc/passwd"), "passwd");
        assert_eq!(name("/etc/PASSWD"), "PASSWD (2)");
        assert_eq!(name("a.txt"), "a.txt");
        assert_eq!(name("b\\A.TXT"), "A (2).TXT");
        assert_eq!(name("a (2).txt"), "a (2) (2).txt");
        let many: HashSet<String> = (0..1_000).map(|_| name("x.tar.gz").to_lowercase()).collect();
        assert_eq!(many.len(), 1_000);
    }

    #[test]
    fn times() {
        assert_eq!(dos_time(0), (0, EARLIEST));
        assert_eq!(dos_time(i64::MAX), (0, EARLIEST));
        // 2026-02-02 02:40:00 UTC
        assert_eq!(dos_time(1_770_000_000_123), (2 << 11 | 40 << 5, 46 << 9 | 2 << 5 | 2));
    }
}
