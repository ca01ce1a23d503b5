//! The compression in which Outlook keeps the rich text of a message (MS-OXRTFCP): LZ77 with a dictionary of
//! 4 KB that begins with words every RTF has.
//!
//! Bounded and linear. What is broken or cut off ends the text; its checksum is not asked, for half a text
//! is better than none.

/// The rich text in the value of PidTagRtfCompressed, as far as it can be read.
pub(super) fn decompress(value: &[u8]) -> Vec<u8> {
    let Some((head, content)) = value.split_at_checked(HEAD) else { return Vec::new() };
    match head.get(8..12) {
        Some(b"LZFu") => expand(content),
        Some(b"MELA") => content.to_vec(),
        _ => Vec::new(),
    }
}

fn expand(content: &[u8]) -> Vec<u8> {
    let mut dictionary = [b' '; SIZE];
    dictionary[..BEGINNING.len()].copy_from_slice(BEGINNING);
    let mut at = BEGINNING.len();
    let mut out = Vec::new();
    let mut rest = content.iter().copied();
    while let Some(control) = rest.next() {
        for bit in 0..8 {
            if out.len() > LONGEST {
                return out;
            }
            let Some(first) = rest.next() else { return out };
            if control >> bit & 1 == 0 {
                dictionary[at] = first;
                at = (at + 1) % SIZE;
                out.push(first);
                continue;
            }
            // Twelve bits of place, four of length.
            let Some(second) = rest.next() else { return out };
            let word = usize::from(first) << 8 | usize::from(second);
            let (place, length) = (word >> 4, (word & 15) + 2);
            if place == at {
                return out;
            }
            for step in 0..length {
                let octet = dictionary[(place + step) % SIZE];
                dictionary[at] = octet;
                at = (at + 1) % SIZE;
                out.push(octet);
            }
        }
    }
    out
}

/// Sizes, kind and checksum.
const HEAD: usize = 16;

/// Octets of the dictionary.
const SIZE: usize = 4096;

/// Longest text that is made of it, in octets.
const LONGEST: usize = 8 * 1024 * 1024;

/// What the dictionary begins with (MS-OXRTFCP §2.1.2.1).
const BEGINNING: &[u8; 207] = b"{\\rtf1\\ansi\\mac\\deff0\\deftab720{\\fonttbl;}{\\f0\\fnil \\froman \\fswiss \
\\fmodern \\fscript \\fdecor MS Sans SerifSymbolArialTimes New RomanCourier{\\colortbl\\red0\\green0\\blue0\
\r\n\\par \\pard\\plain\\f0\\fs20\\b\\i\\u\\tab\\tx";

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of MS-OXRTFCP §4.
    const HELLO: &[u8] = b"\x2d\0\0\0\x2b\0\0\0LZFu\xf1\xc5\xc7\xa7\x03\0\x0a\0rcpg125B2\x0a\xf3 hel\x09\0 bw\x05\xb0ld}\x0a\x80\x0f\xa0";
    const AGAIN: &[u8] = b"\x1a\0\0\0\x1c\0\0\0LZFu\xe2\xd4KQA\0\x04 WXYZ\x0dn}\x01\x0e\xb0";

    #[test]
    fn the_examples() {
        let hello: &[u8] = b"{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n";
        assert_eq!(decompress(HELLO), hello);
        assert_eq!(decompress(AGAIN), b"{\\rtf1 WXYZWXYZWXYZWXYZWXYZ}");
        assert_eq!(decompress(b"\x0f\0\0\0\x03\0\0\0MELA\0\0\0\0{a}"), b"{a}");
    }

    #[test]
    fn what_is_cut_or_hostile() {
        for end in 0..HELLO.len() {
            assert!(decompress(&HELLO[..end]).len() <= 45, "{end}");
        }
        let hostile = [&HELLO[..16], &[0xff].repeat(3_000_000)].concat();
        assert!(decompress(&hostile).len() <= LONGEST + 17);
        assert_eq!(decompress(&[0xff; 100]), b"");
    }
}
