//! Charset names as mail writes them, to text.
//!
//! The web's table (encoding_rs) knows nearly all; here are the names that only mail uses, and what
//! to do when a name is missing, unknown or a lie.

use encoding_rs::{Encoding, WINDOWS_1252};

use super::utf7;

/// Decodes octets said to be in `charset`; false if the charset is unknown or lacks some of them.
///
/// Where the name does not help, valid UTF-8 is taken as UTF-8 and anything else as windows-1252,
/// which has a character for every octet. An empty name means US-ASCII (RFC 2045 §5.2).
pub fn decode_text(octets: &[u8], charset: &str) -> (String, bool) {
    let label = charset.trim().trim_matches(['"', '\'']).to_ascii_lowercase();
    match label.as_str() {
        "" | "us-ascii" | "ascii" | "ansi_x3.4-1968" => {
            let ascii = octets.is_ascii();
            (guess(octets), ascii)
        }
        "utf-7" | "utf7" | "unicode-1-1-utf-7" | "x-unicode-2-0-utf-7" => utf7::decode(octets),
        name => match Encoding::for_label_no_replacement(alias(name).as_bytes()) {
            Some(encoding) => {
                let (text, _, wrong) = encoding.decode(octets);
                (text.into_owned(), !wrong)
            }
            None => (guess(octets), false),
        },
    }
}

/// True for charsets whose octets mean something else after an escape sequence: pieces of such text
/// must be decoded one by one.
pub(super) fn is_stateful(charset: &str) -> bool {
    let is = |name: &str| charset.get(..name.len()).is_some_and(|s| s.eq_ignore_ascii_case(name));
    is("iso-2022-") || is("utf-7") || is("utf7") || is("unicode-1-1-utf-7")
}

/// UTF-8 if it is that, else windows-1252.
pub(super) fn guess(octets: &[u8]) -> String {
    match std::str::from_utf8(octets) {
        Ok(text) => text.trim_start_matches('\u{feff}').to_owned(),
        Err(_) => WINDOWS_1252.decode_without_bom_handling(octets).0.into_owned(),
    }
}

/// Names of Windows code pages that mail has and the web has not.
fn alias(name: &str) -> &str {
    match name {
        "cp932" | "ms932" | "cp943" | "x-ms-cp932" => "shift_jis",
        "cp936" | "ms936" => "gbk",
        "cp949" | "ms949" | "uhc" => "euc-kr",
        "cp950" | "ms950" => "big5",
        "utf_8" | "utf-8-sig" | "utf8mb4" => "utf-8",
        "iso8859_1" | "iso_8859_1" | "iso-latin-1" => "iso-8859-1",
        "koi8r" => "koi8-r",
        "cp20127" => "us-ascii",
        name => match name.strip_prefix("windows").or_else(|| name.strip_prefix("cp-")) {
            Some("1250" | "-cp1250") => "windows-1250",
            Some("1251" | "-cp1251") => "windows-1251",
            Some("1252" | "-cp1252") => "windows-1252",
            _ => name,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::decode_text;

    #[test]
    fn names_as_mail_writes_them() {
        for (octets, charset, text) in [
            (&b"caf\xc3\xa9"[..], "utf8", "café"),
            (b"caf\xe9", "ISO-8859-1", "café"),
            (b"caf\xe9", "\"latin1\"", "café"),
            (b"\xf9\xec\xe5\xed", "iso-8859-8-i", "שלום"),
            (b"\xc7\xd1\xb1\xdb", "ks_c_5601-1987", "한글"),
            (b"\x93\xfa\x96{", "cp932", "日本"),
            (b"\xf0\xd2\xc9\xd7\xc5\xd4", "koi8-r", "Привет"),
            (b"\x1b$BF|K\\\x1b(B", "iso-2022-jp", "日本"),
            (b"+ZeVnLA-", "utf-7", "日本"),
        ] {
            assert_eq!(decode_text(octets, charset), (text.to_owned(), true), "{charset}");
        }
    }

    #[test]
    fn unknown_or_wrong_names_fall_back() {
        assert_eq!(decode_text(b"caf\xe9", "cp-850"), ("café".to_owned(), false));
        assert_eq!(decode_text("café".as_bytes(), "x-unknown"), ("café".to_owned(), false));
        assert_eq!(decode_text("café".as_bytes(), ""), ("café".to_owned(), false));
        assert_eq!(decode_text(b"caf\xe9", "utf-8"), ("caf\u{fffd}".to_owned(), false));
        assert_eq!(decode_text(b"plain", ""), ("plain".to_owned(), true));
    }
}
