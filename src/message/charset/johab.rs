//! Johab (KS X 1001 annex 3, Windows code page 1361): Korean whose syllables are put together from
//! the numbers of their letters. What is no syllable is the Web's EUC-KR in other places.

use encoding_rs::EUC_KR;

/// Decodes; false if something is none of it.
pub(super) fn decode(octets: &[u8]) -> (String, bool) {
    let mut out = String::with_capacity(octets.len() * 2);
    let mut rest = octets;
    while let [first, tail @ ..] = rest {
        let (character, after) = match tail {
            _ if first.is_ascii() => (Some(char::from(*first)), tail),
            [second, after @ ..] => (double(*first, *second), after),
            [] => (None, tail),
        };
        out.push(character.unwrap_or(char::REPLACEMENT_CHARACTER));
        rest = after;
    }
    let clean = !out.contains(char::REPLACEMENT_CHARACTER);
    (out, clean)
}

fn double(first: u8, second: u8) -> Option<char> {
    match first {
        0x84..=0xd3 => syllable(u16::from_be_bytes([first, second])),
        0xd9..=0xde => elsewhere(first - 0xd9, second, 1),
        0xe0..=0xf9 => elsewhere(first - 0xe0, second, 42),
        _ => None,
    }
}

/// Five bits each for the letters at the beginning, in the middle and at the end.
fn syllable(code: u16) -> Option<char> {
    let bits = |shift: u16| u32::from(code >> shift & 0x1f);
    let initial = bits(10).checked_sub(2).filter(|it| *it < 19);
    let medial = match bits(5) {
        it @ 3..=7 => Some(it - 3),
        it @ 10..=15 => Some(it - 5),
        it @ 18..=23 => Some(it - 7),
        it @ 26..=29 => Some(it - 9),
        _ => None,
    };
    let last = match bits(0) {
        it @ 1..=17 => it - 1,
        it @ 19..=29 => it - 2,
        _ => return None,
    };
    match (initial, medial, last) {
        (Some(initial), Some(medial), _) => {
            char::from_u32(0xac00 + (initial * 21 + medial) * 28 + last)
        }
        // Single letters, with the numbers that fill the other places.
        (None, Some(medial), 0) if bits(10) == 1 => char::from_u32(0x314f + medial),
        (Some(initial), None, 0) if bits(5) == 2 => INITIALS.chars().nth(initial as usize),
        (None, None, 1..) if bits(10) == 1 && bits(5) == 2 => FINALS.chars().nth(last as usize - 1),
        _ => None,
    }
}

/// Each octet at the beginning stands for two rows of KS X 1001.
fn elsewhere(pair: u8, second: u8, first_row: u8) -> Option<char> {
    let (row, column) = match second {
        0x31..=0x7e => (0, second - 0x31),
        0x91..=0xa0 => (0, second - 0x91 + 78),
        0xa1..=0xfe => (1, second - 0xa1),
        _ => return None,
    };
    let octets = [0xa0 + first_row + 2 * pair + row, 0xa1 + column];
    let (text, _, wrong) = EUC_KR.decode(&octets);
    text.chars().next().filter(|_| !wrong)
}

const INITIALS: &str = "ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ";
const FINALS: &str = "ㄱㄲㄳㄴㄵㄶㄷㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅄㅅㅆㅇㅈㅊㅋㅌㅍㅎ";

#[cfg(test)]
mod tests {
    use super::decode;

    #[test]
    fn syllables_and_the_rest() {
        let octets = b"\x88\x61\x88\x62\xd3\xbd \xf1\x79\xd9\x31a";
        assert_eq!(decode(octets), ("가각힣 一\u{3000}a".to_owned(), true));
        for wrong in [&b"\xff\xff"[..], b"\x88", b"\x84\x40", b"\xd9\x20"] {
            assert!(!decode(wrong).1, "{}", wrong.escape_ascii());
        }
    }
}
