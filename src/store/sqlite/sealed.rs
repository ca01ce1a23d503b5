//! Small values with a checksum, because SQLite notices no bit that falls over: a wrong one in a cursor would
//! hide mail from its reader.
//!
//! They share tables with values of our own, which have names without the sign.

use rusqlite::{Row, types::ValueRef};

/// What a name of others begins with in the database.
pub(super) const SIGN: char = '+';

/// The name as it stands in the database.
pub(super) fn signed_name(name: &str) -> String {
    format!("{SIGN}{name}")
}

/// A value with the checksum over it and over what it belongs to.
pub(super) fn seal(owner: i64, name: &str, value: &[u8]) -> Vec<u8> {
    let sum = sum(owner, name, value).to_be_bytes();
    [&sum, value].concat()
}

/// The value; none if it is not what was sealed.
fn open(owner: i64, name: &str, sealed: &[u8]) -> Option<Vec<u8>> {
    let (sum, value) = sealed.split_first_chunk()?;
    (u32::from_be_bytes(*sum) == self::sum(owner, name, value)).then(|| value.to_vec())
}

fn sum(owner: i64, name: &str, value: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&owner.to_le_bytes());
    hasher.update(&(name.len() as u64).to_le_bytes());
    hasher.update(name.as_bytes());
    hasher.update(value);
    hasher.finalize()
}

/// A name and its value from two columns of a row. The name is what can be read of it; no value if it is damaged.
pub(super) fn read(
    row: &Row<'_>,
    owner: i64,
    column: usize,
) -> rusqlite::Result<(String, Option<Vec<u8>>)> {
    let text = |value: ValueRef<'_>| match value {
        ValueRef::Text(octets) | ValueRef::Blob(octets) => {
            String::from_utf8_lossy(octets).into_owned()
        }
        _ => String::new(),
    };
    let signed = text(row.get_ref(column)?);
    let name = signed.strip_prefix(SIGN).unwrap_or(&signed).to_owned();
    let sealed = row.get_ref(column + 1)?;
    let value = sealed.as_bytes().ok().and_then(|sealed| open(owner, &name, sealed));
    Ok((name, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_bit_is_noticed_wherever_it_is() {
        let sealed = seal(7, "spf", b"pass");
        assert_eq!(open(7, "spf", &sealed).as_deref(), Some(&b"pass"[..]));
        for bit in 0..sealed.len() * 8 {
            let mut wrong = sealed.clone();
            wrong[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(open(7, "spf", &wrong), None, "bit {bit}");
        }
        assert_eq!(open(8, "spf", &sealed), None);
        assert_eq!(open(7, "dkim", &sealed), None);
        assert_eq!(open(7, "spf", &sealed[..3]), None);
    }
}
