//! How a message stands in the journal: a head, its octets, and what was said and seen of it.
//!
//! ```text
//! | head, 64 octets | body, exactly as received | meta: JSON, CRC-32 |
//! ```
//!
//! The head comes first so that a body can be collected behind the room for it and written without
//! being copied once more. Each of the three parts has a checksum of its own, because each is read alone.
//! A large body stands in a file instead, and the record's body is that file's name and checksum
//! ([`bodies`](super::super::bodies)). Numbers are little-endian.
//!
//! A head also says how many messages of its batch stand in front of it. A batch is written only after the
//! one before it was synced, so a record proves that every message before its batch was acknowledged. And it
//! names its store by a key that no sender knows, so that octets of a mail are never taken for a record.
//! Records of layout 1 (`smtpd\0m1`) say neither.

use crate::id::MessageId;

/// The fixed part of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store::sqlite) struct RecordHeader {
    /// The number of the message in the order of commits.
    pub(in crate::store::sqlite) seq: i64,
    /// Its name.
    pub(in crate::store::sqlite) id: MessageId,
    /// The body is the name of a file.
    pub(in crate::store::sqlite) is_file: bool,
    /// Octets of the body in the record.
    pub(in crate::store::sqlite) held: u64,
    /// CRC-32 of these.
    pub(in crate::store::sqlite) held_crc: u32,
    /// Octets of meta, its checksum included.
    pub(in crate::store::sqlite) meta: u32,
    /// Octets of the message as received.
    pub(in crate::store::sqlite) size: u64,
    /// What layout 1 does not say.
    pub(in crate::store::sqlite) origin: Option<Origin>,
}

/// Where a record comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store::sqlite) struct Origin {
    /// Of the store: [`key`].
    pub(in crate::store::sqlite) key: u32,
    /// Messages of the same batch that stand in front of it.
    pub(in crate::store::sqlite) batch_index: u16,
}

/// The key of a store's records. The identity is random and shown to nobody.
pub(in crate::store::sqlite) fn key(identity: i64) -> u32 {
    let [a, b, c, d, e, f, g, h] = identity.to_le_bytes();
    u32::from_le_bytes([a ^ e, b ^ f, c ^ g, d ^ h])
}

/// Whose records are read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Whose {
    /// Of the store.
    pub(super) key: u32,
    /// They are of layout 1.
    pub(super) is_old: bool,
}

impl Whose {
    pub(super) fn has(&self, head: &RecordHeader) -> bool {
        head.belongs_to(self.key) && head.origin.is_none() == self.is_old
    }
}

impl RecordHeader {
    /// Octets of a head.
    pub(in crate::store::sqlite) const LENGTH: usize = 64;

    /// False for a record of another store, or octets of a mail made to look like one. Layout 1 cannot tell.
    pub(in crate::store::sqlite) fn belongs_to(&self, key: u32) -> bool {
        self.origin.is_none_or(|origin| origin.key == key)
    }

    /// The first message of its batch: all before it were acknowledged. Layout 1 does not know.
    pub(in crate::store::sqlite) fn batch_first(&self) -> Option<i64> {
        self.origin.map(|origin| self.seq - i64::from(origin.batch_index))
    }

    /// Octets of the whole record.
    pub(in crate::store::sqlite) fn record_length(&self) -> u64 {
        Self::LENGTH as u64 + self.held + u64::from(self.meta)
    }

    /// As it is written.
    pub(in crate::store::sqlite) fn octets(&self) -> [u8; Self::LENGTH] {
        let mut octets = [0; Self::LENGTH];
        octets[..8].copy_from_slice(&MAGIC[usize::from(self.origin.is_some())]);
        octets[12] = u8::from(self.is_file);
        if let Some(Origin { key, batch_index }) = self.origin {
            octets[14..16].copy_from_slice(&batch_index.to_le_bytes());
            octets[52..56].copy_from_slice(&key.to_le_bytes());
        }
        octets[16..24].copy_from_slice(&self.seq.to_le_bytes());
        octets[24..36].copy_from_slice(self.id.as_bytes());
        octets[36..40].copy_from_slice(&self.held_crc.to_le_bytes());
        octets[40..48].copy_from_slice(&self.held.to_le_bytes());
        octets[48..52].copy_from_slice(&self.meta.to_le_bytes());
        octets[56..64].copy_from_slice(&self.size.to_le_bytes());
        let crc = crc32fast::hash(&octets[12..]);
        octets[8..12].copy_from_slice(&crc.to_le_bytes());
        octets
    }

    /// Reads what was written; none if these octets are no head, or a damaged one.
    pub(in crate::store::sqlite) fn read(octets: &[u8; Self::LENGTH]) -> Option<Self> {
        let crc = u32::from_le_bytes(part(octets, 8));
        let layout = MAGIC.iter().position(|magic| octets[..8] == *magic)?;
        if crc32fast::hash(&octets[12..]) != crc {
            return None;
        }
        let origin = Origin {
            key: u32::from_le_bytes(part(octets, 52)),
            batch_index: u16::from_le_bytes(part(octets, 14)),
        };
        Some(Self {
            seq: i64::from_le_bytes(part(octets, 16)),
            id: MessageId::from_bytes(part(octets, 24)),
            is_file: octets[12] != 0,
            held: u64::from_le_bytes(part(octets, 40)),
            held_crc: u32::from_le_bytes(part(octets, 36)),
            meta: u32::from_le_bytes(part(octets, 48)),
            size: u64::from_le_bytes(part(octets, 56)),
            origin: (layout > 0).then_some(origin),
        })
    }
}

/// Ends meta with its checksum.
pub(in crate::store::sqlite) fn seal_meta(record: &mut Vec<u8>, begin: usize) {
    let crc = crc32fast::hash(record.get(begin..).unwrap_or_default());
    record.extend_from_slice(&crc.to_le_bytes());
}

/// The JSON of meta, if its checksum holds.
pub(in crate::store::sqlite) fn open_meta(meta: &[u8]) -> Option<&[u8]> {
    let (json, crc) = meta.split_last_chunk::<4>()?;
    (crc32fast::hash(json) == u32::from_le_bytes(*crc)).then_some(json)
}

/// `N` octets at a place that exists: all places here are constants within [`RecordHeader::LENGTH`].
fn part<const N: usize>(octets: &[u8; RecordHeader::LENGTH], at: usize) -> [u8; N] {
    std::array::from_fn(|index| octets[at + index])
}

/// Begins every record, by layout. The zero that no text has guards against text taken for a head.
const MAGIC: [[u8; 8]; 2] = [*b"smtpd\0m1", *b"smtpd\0m2"];
/// What all layouts begin with.
pub(super) const MAGIC_BEGIN: &[u8] = b"smtpd\0m";

#[cfg(test)]
mod tests {
    use super::*;

    fn head() -> RecordHeader {
        RecordHeader {
            seq: 7,
            id: MessageId::from_bytes(*b"twelve bytes"),
            is_file: true,
            held: 1 << 40,
            held_crc: 0xdead_beef,
            meta: 17,
            size: u64::MAX,
            origin: Some(Origin { key: 0x0102_0304, batch_index: 999 }),
        }
    }

    #[test]
    fn a_head_comes_back() {
        let old = RecordHeader { origin: None, ..head() };
        for head in [head(), old] {
            assert_eq!(RecordHeader::read(&head.octets()), Some(head));
        }
        assert!(head().belongs_to(0x0102_0304) && !head().belongs_to(5) && old.belongs_to(5));
        assert_eq!((head().batch_first(), old.batch_first()), (Some(7 - 999), None));
        assert_eq!(head().record_length(), 64 + (1 << 40) + 17);
    }

    #[test]
    fn every_changed_bit_is_noticed() {
        let whole = head().octets();
        for bit in 0..RecordHeader::LENGTH * 8 {
            let mut changed = whole;
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(RecordHeader::read(&changed), None, "bit {bit}");
        }
        assert_eq!(RecordHeader::read(&[0; RecordHeader::LENGTH]), None);
    }

    #[test]
    fn meta_is_sealed() {
        let mut record = b"head and body".to_vec();
        let begin = record.len();
        record.extend_from_slice(b"{}");
        seal_meta(&mut record, begin);
        assert_eq!(open_meta(&record[begin..]), Some(&b"{}"[..]));
        record[begin] ^= 1;
        assert_eq!(open_meta(&record[begin..]), None);
        assert_eq!(open_meta(b"abc"), None);
    }
}
