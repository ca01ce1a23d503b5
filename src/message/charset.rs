//! From octets to text, by the name of their charset or by what they look like.
//!
//! The Web's decoders (encoding_rs) do nearly all; in the folder are the names and the charsets that
//! only mail has. Where a name is missing, unknown or a lie, the text is a guess, and is told to be one.

mod iso2022;
mod johab;
mod labels;
mod pages;

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};

use self::{
    iso2022::Set,
    labels::{Charset, find},
};

/// Decodes octets said to be in `charset`; false if the charset is unknown or lacks some of them.
///
/// Where the name does not help, the text is a guess. An empty name means US-ASCII (RFC 2045 §5.2).
pub fn decode_text(octets: &[u8], charset: &str) -> (String, bool) {
    if charset.is_empty() {
        return ascii(octets);
    }
    match find(charset) {
        Some(charset) => decode(octets, charset),
        None => (guess(octets), false),
    }
}

fn decode(octets: &[u8], charset: Charset) -> (String, bool) {
    match charset {
        Charset::Ascii => ascii(octets),
        Charset::Web(encoding) => web(octets, encoding),
        Charset::Utf7 => {
            let (text, wrong) = charset::UTF_7.decode_with_bom_removal(octets);
            (text.into_owned(), !wrong)
        }
        Charset::Utf16 => web(octets, if is_little(octets, 2) { UTF_16LE } else { UTF_16BE }),
        Charset::Utf32(is_big) => utf_32(octets, is_big.unwrap_or_else(|| !is_little(octets, 4))),
        Charset::Iso2022(shifted) => iso2022::decode(octets, shifted),
        Charset::Hz => iso2022::decode_hz(octets),
        Charset::Johab => johab::decode(octets),
        Charset::Page(page) => pages::decode(octets, page),
    }
}

fn ascii(octets: &[u8]) -> (String, bool) {
    let clean = octets.is_ascii() && !iso2022::is_likely(octets);
    match std::str::from_utf8(octets) {
        Ok(text) if clean => (text.to_owned(), true),
        _ => (guess(octets), false),
    }
}

fn web(octets: &[u8], encoding: &'static Encoding) -> (String, bool) {
    let (text, _, wrong) = encoding.decode(octets);
    (text.into_owned(), !wrong)
}

/// Where no mark tells the order of octets, the zeros do, of which text has many; big-endian is the
/// standard's choice (RFC 2781 §4.3).
fn is_little(octets: &[u8], width: usize) -> bool {
    if octets.starts_with(b"\xff\xfe") {
        return true;
    }
    let zeros =
        |place: usize| octets.iter().skip(place).step_by(width).filter(|&&it| it == 0).count();
    !octets.starts_with(b"\xfe\xff") && zeros(width - 1) > zeros(0)
}

fn utf_32(octets: &[u8], is_big: bool) -> (String, bool) {
    let characters = octets.chunks(4).map(|chunk| {
        let code = <[u8; 4]>::try_from(chunk).ok()?;
        char::from_u32(if is_big { u32::from_be_bytes(code) } else { u32::from_le_bytes(code) })
    });
    let text: String = characters.map(|it| it.unwrap_or(char::REPLACEMENT_CHARACTER)).collect();
    let clean = !text.contains(char::REPLACEMENT_CHARACTER);
    (text.trim_start_matches('\u{feff}').to_owned(), clean)
}

/// True for a charset that we know and that says something of octets over 127 or of escapes: one by
/// which the raw octets of a header can be read.
pub(super) fn tells(charset: &str) -> bool {
    match find(charset) {
        None | Some(Charset::Ascii | Charset::Utf7 | Charset::Utf16 | Charset::Utf32(_)) => false,
        Some(Charset::Web(encoding)) => encoding.is_ascii_compatible() && encoding != UTF_8,
        Some(Charset::Page(page)) => page.chars().nth(128).is_none(),
        Some(Charset::Iso2022(_) | Charset::Hz | Charset::Johab) => true,
    }
}

/// True for a name of UTF-8.
pub(super) fn is_utf_8(charset: &str) -> bool {
    find(charset) == Some(Charset::Web(UTF_8))
}

/// True for octets of which at least as many are characters of UTF-8 as are none: where it is said to
/// be UTF-8 some of it was lost.
pub(super) fn is_mostly_utf_8(octets: &[u8]) -> bool {
    let (mut right, mut wrong) = (0, 0);
    for chunk in octets.utf8_chunks() {
        right += chunk.valid().chars().filter(|c| !c.is_ascii()).count();
        wrong += usize::from(!chunk.invalid().is_empty());
    }
    right > 0 && wrong <= right
}

/// True for charsets whose octets mean something else after an escape sequence: pieces of such text
/// must be decoded one by one.
pub(super) fn is_stateful(charset: &str) -> bool {
    matches!(find(charset), Some(Charset::Iso2022(_) | Charset::Hz | Charset::Utf7))
}

/// True for octets that are no text of today: neither UTF-8 nor free of escapes between charsets.
pub(super) fn is_raw(octets: &[u8]) -> bool {
    std::str::from_utf8(octets).is_err() || iso2022::is_likely(octets)
}

/// The likeliest text.
pub(super) fn guess(octets: &[u8]) -> String {
    Guess::of([octets]).decode(octets)
}

/// What octets of one source look like.
#[derive(Clone, Copy, Debug)]
pub(super) enum Guess {
    Utf8,
    Iso2022,
    Web(&'static Encoding),
}

impl Guess {
    /// The charset that all of them may be in: the more octets, the better the guess.
    pub(super) fn of<'a>(all: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut detector = None;
        let (mut left, mut escapes, mut right, mut wrong) = (MOST_GUESSED, false, 0, 0);
        let mut high = 0;
        for octets in all {
            escapes |= iso2022::is_likely(octets);
            high += octets.iter().filter(|it| !it.is_ascii()).count();
            for chunk in octets.utf8_chunks() {
                right += chunk.valid().chars().filter(|c| !c.is_ascii()).count();
                wrong += usize::from(!chunk.invalid().is_empty());
            }
            if wrong > 0 && left > 0 {
                let some = &octets[..octets.len().min(left)];
                left -= some.len();
                detector
                    .get_or_insert_with(|| EncodingDetector::new(Iso2022JpDetection::Deny))
                    .feed(some, false);
            }
        }
        match detector {
            // A few broken characters, as where a text was cut.
            _ if wrong * 2 <= right && !escapes => Self::Utf8,
            None if escapes => Self::Iso2022,
            None => Self::Utf8,
            // Of an accent or two a detector makes any language.
            Some(_) if high < FEW => Self::Web(WINDOWS_1252),
            Some(mut detector) => {
                detector.feed(b"", true);
                Self::Web(detector.guess(None, Utf8Detection::Deny))
            }
        }
    }

    /// The text in that charset.
    pub(super) fn decode(self, octets: &[u8]) -> String {
        match self {
            Self::Utf8 => String::from_utf8_lossy(octets).trim_start_matches('\u{feff}').to_owned(),
            Self::Iso2022 => iso2022::decode(octets, Set::Kana).0,
            Self::Web(encoding) => encoding.decode_without_bom_handling(octets).0.into_owned(),
        }
    }
}

/// What mail calls a Windows code page.
pub(super) fn codepage_name(codepage: u32) -> String {
    match codepage {
        0 => String::new(),
        65001 => "utf-8".to_owned(),
        1200 => "utf-16le".to_owned(),
        20127 => "us-ascii".to_owned(),
        932 => "shift_jis".to_owned(),
        936 => "gbk".to_owned(),
        949 => "euc-kr".to_owned(),
        950 => "big5".to_owned(),
        20866 => "koi8-r".to_owned(),
        28591..=28606 => format!("iso-8859-{}", codepage - 28590),
        1250..=1258 => format!("windows-{codepage}"),
        other => format!("cp{other}"),
    }
}

/// Octets over 127 that are too few for the detector.
const FEW: usize = 4;

/// Octets looked at for a guess: more tell nothing new.
const MOST_GUESSED: usize = 32 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_as_mail_writes_them() {
        for (octets, charset, text) in [
            (&b"caf\xc3\xa9"[..], "utf8", "café"),
            (b"caf\xe9", "ISO-8859-1", "café"),
            (b"caf\xe9", "\"latin1\"", "café"),
            (b"\xf9\xec\xe5\xed", "iso-8859-8-i", "שלום"),
            (b"\xf9\xec\xe5\xed", "windows1255", "שלום"),
            (b"\xc7\xd1\xb1\xdb", "ks_c_5601-1987", "한글"),
            (b"\xc4\xe3\xba\xc3", "GB18030-2022", "你好"),
            (b"\xa4\xe9", "big5-hkscs:2016", "日"),
            (b"\xc6\xfc", "euc-jis-2004", "日"),
            (b"\x93\xfa", "shift_jis_2004", "日"),
            (b"\x93\xfa\x96{", "cp932", "日本"),
            (b"\xf0\xd2\xc9\xd7\xc5\xd4", "koi8-r", "Привет"),
            (b"\x1b$BF|K\\\x1b(B", "iso-2022-jp", "日本"),
            (b"\x1b$BF|K\\\x1b(B", "cp50221", "日本"),
            (b"\x1b$)C\x0e>H3g\x0f", "iso-2022-kr", "안녕"),
            (b"~{Dc:C~}", "hz-gb-2312", "你好"),
            (b"+ZeVnLA-", "utf-7", "日本"),
            (b"caf\x82", "cp850", "café"),
            (b"\x85\x81\x6f\x50", "ibm037", "ea?&"),
            (b"\xd0\x65\x8b\x69", "johab", "한글"),
            (b"\0\0\0G\0\0\0\xfc", "utf-32be", "Gü"),
            (b"\xff\xfe\0\0G\0\0\0", "utf-32", "G"),
            (b"G\0\xfc\0", "utf-16", "Gü"),
            (b"\0G\0\xfc", "utf-16", "Gü"),
            (b"\xfe\xff\0G", "utf-16", "G"),
        ] {
            assert_eq!(decode_text(octets, charset), (text.to_owned(), true), "{charset}");
        }
    }

    #[test]
    fn unknown_or_wrong_names_fall_back() {
        for (octets, charset, text) in [
            (&b"caf\xe9"[..], "cp-8500", "café"),
            (b"plain \xe9", "x-user-defined", "plain é"),
            ("café".as_bytes(), "x-unknown", "café"),
            ("café".as_bytes(), "", "café"),
            (b"caf\xe9", "utf-8", "caf\u{fffd}"),
            (b"\x1b$BF|K\\\x1b(B", "", "日本"),
            (b"\x1b$BF|K\\\x1b(B", "us-ascii", "日本"),
        ] {
            assert_eq!(decode_text(octets, charset), (text.to_owned(), false), "{charset}");
        }
        assert_eq!(decode_text(b"plain", ""), ("plain".to_owned(), true));
    }

    #[test]
    fn guesses() {
        for (octets, text) in [
            (&b"\xcf\xf0\xe8\xe2\xe5\xf2, \xea\xe0\xea \xe4\xe5\xeb\xe0?"[..], "Привет, как дела?"),
            (b"\xf0\xd2\xc9\xd7\xc5\xd4, \xcb\xc1\xcb \xc4\xc5\xcc\xc1?", "Привет, как дела?"),
            (b"\x82\xb1\x82\xf1\x82\xc9\x82\xbf\x82\xcd", "こんにちは"),
            (b"\xc4\xe3\xba\xc3\xa3\xac\xca\xc0\xbd\xe7", "你好，世界"),
            (b"na\xefve caf\xe9", "naïve café"),
            (
                "Grüße aus München, schöne".as_bytes().split_last().unwrap().1,
                "Grüße aus München, schön",
            ),
            (b"Gr\xc3\xbc\xc3\x9fe \xc3", "Grüße \u{fffd}"),
        ] {
            assert_eq!(guess(octets), text, "{}", octets.escape_ascii());
        }
    }
}
