//! Encoded words, `=?charset?Q?text?=` (RFC 2047), wherever mailers put them.
//!
//! Kinder than the RFC: words may stand inside quotes and beside letters, contain spaces, and break a
//! character between two of them. What can not be decoded stays as it is, and is noted.

use std::borrow::Cow;

use super::{Defect, Encoding, charset, decode, defects::Defects};

/// Decodes every encoded word of an unfolded header value.
pub(super) fn decode_words<'a>(value: &'a str, defects: &mut Defects) -> Cow<'a, str> {
    // Most values have no equals sign, which is found sooner than two characters are.
    let octets = value.as_bytes();
    if !memchr::memchr_iter(b'=', octets).any(|at| octets.get(at + 1) == Some(&b'?')) {
        return Cow::Borrowed(value);
    }
    let mut out = String::with_capacity(value.len());
    let mut run = Run::default();
    let mut rest = value;
    while let Some(at) = rest.find("=?") {
        let (before, from) = rest.split_at(at);
        let Some(word) = Word::parse(from) else {
            run.flush(&mut out, defects);
            // What merely looks like one is text; "=?" alone is not worth a remark.
            out.push_str(&rest[..at + 2]);
            rest = &from[2..];
            continue;
        };
        // White space between two encoded words is not shown (RFC 2047 §6.2).
        if run.is_empty() || !before.trim().is_empty() {
            run.flush(&mut out, defects);
            out.push_str(before);
        }
        match word.octets(defects) {
            // Letters that are there already need no decoding.
            Some(_) if !word.base64 && !word.text.is_ascii() => {
                for piece in word.text.split_inclusive(|c: char| !c.is_ascii()) {
                    let ascii = piece.trim_end_matches(|c: char| !c.is_ascii());
                    let (octets, _) = q_decode(ascii);
                    run.add(word.charset, &octets, &mut out, defects);
                    run.flush(&mut out, defects);
                    out.push_str(&piece[ascii.len()..]);
                }
                run.open = true;
            }
            Some(octets) => run.add(word.charset, &octets, &mut out, defects),
            None => {
                run.flush(&mut out, defects);
                out.push_str(&from[..word.length]);
            }
        }
        rest = &from[word.length..];
    }
    run.flush(&mut out, defects);
    out.push_str(rest);
    Cow::Owned(out)
}

/// The length of the encoded word at the beginning of `text`, if there is one.
pub(super) fn word_length(text: &str) -> Option<usize> {
    Word::parse(text).map(|word| word.length)
}

/// Raw octets inside of `Q` words as such a word should have written them, if they are no UTF-8: the
/// word says what charset they are in, whatever the rest of the field is.
pub(super) fn quote_raw(value: &[u8]) -> Cow<'_, [u8]> {
    if value.is_ascii() {
        return Cow::Borrowed(value);
    }
    let mut out = Vec::with_capacity(value.len() + 32);
    let (mut rest, mut left) = (value, MAX_QUOTED);
    while let Some(at) = memchr::memmem::find(rest, b"=?").filter(|_| left > 0) {
        let (before, from) = rest.split_at(at);
        left -= 1;
        out.extend_from_slice(before);
        // Octet for octet a character, so that places are the same.
        let near: String =
            from.iter().take(MAX_CHARSET + MAX_WORD).map(|&it| char::from(it)).collect();
        let length = Word::parse(&near)
            .filter(|word| !word.base64)
            .map(|word| near[..word.length].chars().count());
        let (word, after) = from.split_at(length.unwrap_or(2));
        if std::str::from_utf8(word).is_ok() {
            out.extend_from_slice(word);
        } else {
            for &octet in word {
                match octet {
                    0x80.. => out.extend_from_slice(format!("={octet:02X}").as_bytes()),
                    _ => out.push(octet),
                }
            }
        }
        rest = after;
    }
    out.extend_from_slice(rest);
    Cow::Owned(out)
}

struct Word<'a> {
    charset: &'a str,
    base64: bool,
    text: &'a str,
    /// Octets from `=?` to `?=`.
    length: usize,
}

impl<'a> Word<'a> {
    fn parse(from: &'a str) -> Option<Self> {
        let (charset, rest) = from.strip_prefix("=?")?.split_once('?')?;
        if charset.is_empty()
            || charset.len() > MAX_CHARSET
            || charset.contains(char::is_whitespace)
        {
            return None;
        }
        let base64 = match rest.as_bytes() {
            [b'B' | b'b', b'?', ..] => true,
            [b'Q' | b'q', b'?', ..] => false,
            _ => return None,
        };
        let start = charset.len() + 5;
        let text = &from[start..];
        let mut end = text.find('?')?;
        // A bare question mark in the text is against the rules but happens. We look for the end only
        // so far, or many beginnings without an end would cost a square of time.
        while !text[end..].starts_with("?=") {
            end += 1 + text.as_bytes()[end + 1..].iter().position(|&octet| octet == b'?')?;
            if end > MAX_WORD {
                return None;
            }
        }
        // The RFC 2231 language behind the charset is of no use to us.
        let charset = charset.split('*').next().unwrap_or_default();
        Some(Self { charset, base64, text: &text[..end], length: start + end + 2 })
    }

    fn octets(&self, defects: &mut Defects) -> Option<Vec<u8>> {
        if !self.base64 {
            let (octets, clean) = q_decode(self.text);
            defects.insert_if(!clean, Defect::BadEncodedWord);
            return Some(octets);
        }
        let (octets, clean) = decode::decode(self.text.as_bytes(), Encoding::Base64);
        defects.insert_if(!clean, Defect::BadEncodedWord);
        // With white space in it, and broken, it is no word that somebody meant.
        let is_meant = clean || !self.text.contains(char::is_whitespace);
        (clean || (is_meant && !octets.is_empty())).then_some(octets)
    }
}

/// The "Q" encoding (RFC 2047 §4.2): like quoted-printable, with `_` for a space.
fn q_decode(text: &str) -> (Vec<u8>, bool) {
    let mut out = Vec::with_capacity(text.len());
    let mut clean = true;
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        match (first, tail) {
            (b'_', _) => out.push(b' '),
            (b'=', [high, low, after @ ..])
                if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
            {
                out.push(decode::hex_value(*high) << 4 | decode::hex_value(*low));
                rest = after;
            }
            (&octet, _) => {
                clean &= octet != b'=';
                out.push(octet);
            }
        }
    }
    (out, clean)
}

/// Octets of neighbouring words in one charset: a character may be split between them.
#[derive(Default)]
struct Run<'a> {
    charset: &'a str,
    octets: Vec<u8>,
    /// True behind a word, even an empty one.
    open: bool,
}

impl<'a> Run<'a> {
    fn is_empty(&self) -> bool {
        !self.open
    }

    fn add(&mut self, charset: &'a str, octets: &[u8], out: &mut String, defects: &mut Defects) {
        if !self.charset.eq_ignore_ascii_case(charset) || charset::is_stateful(charset) {
            self.flush(out, defects);
        }
        self.charset = charset;
        self.octets.extend_from_slice(octets);
        self.open = true;
    }

    fn flush(&mut self, out: &mut String, defects: &mut Defects) {
        if !self.octets.is_empty() {
            let (text, clean) = charset::decode_text(&self.octets, self.charset);
            defects.insert_if(!clean, Defect::BadCharset);
            out.push_str(&text);
            self.octets.clear();
        }
        self.open = false;
    }
}

/// Longest charset name with language, in octets; an encoded word has 75 in all (RFC 2047 §2).
const MAX_CHARSET: usize = 75;

/// How far we look for the end of a word with question marks in it, in octets: some mailers put a
/// whole subject into one word, which 1,000 octets hold.
const MAX_WORD: usize = 1_000;

/// Most places of one value looked at for a word with raw octets: each costs as much as the longest.
const MAX_QUOTED: usize = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(value: &str, text: &str, expected: &[Defect]) {
        let mut defects = Defects::default();
        assert_eq!(decode_words(value, &mut defects), text, "{value}");
        assert_eq!(defects.into_vec(), expected, "{value}");
    }

    #[test]
    fn good_words() {
        check("plain", "plain", &[]);
        check("=?utf-8?q?caf=C3=A9_au_lait?= now", "café au lait now", &[]);
        check("a =?utf-8?Q?b?= =?utf-8?Q?c?=  =?iso-8859-1?Q?=E9?= d", "a bcé d", &[]);
        check("=?utf-8*en?B?aGVsbG8=?=", "hello", &[]);
        check("=?utf-8?Q??= x", " x", &[]);
        check("=?ISO-2022-JP?B?GyRCRnwbKEI=?= =?ISO-2022-JP?B?GyRCS1wbKEI=?=", "日本", &[]);
    }

    #[test]
    fn a_character_split_between_words() {
        check("=?utf-8?Q?caf=C3?= =?UTF-8?B?qQ==?=", "café", &[]);
    }

    #[test]
    fn raw_octets_in_words() {
        check("=?iso-8859-1?Q?caf=E9_für?= x", "café für x", &[]);
        for (value, quoted) in [
            (&b"=?iso-8859-1?Q?Fr\xf6sche?= \xf6"[..], &b"=?iso-8859-1?Q?Fr=F6sche?= \xf6"[..]),
            ("=?iso-8859-1?Q?ö?= =?".as_bytes(), "=?iso-8859-1?Q?ö?= =?".as_bytes()),
            (b"=?\xf6?= =?a?B?\xf6?=", b"=?\xf6?= =?a?B?\xf6?="),
        ] {
            assert_eq!(quote_raw(value), quoted, "{}", value.escape_ascii());
        }
    }

    #[test]
    fn broken_words() {
        check("=?utf-8?Q?what??=", "what?", &[]);
        check("=?utf-8?Q?two words?=", "two words", &[]);
        check("=?utf-8?X?abc?=", "=?utf-8?X?abc?=", &[]);
        check("=?utf-8?Q?never ends", "=?utf-8?Q?never ends", &[]);
        check("=?utf-8?B?aGVsbG8?=", "hello", &[Defect::BadEncodedWord]);
        check("=?utf-8?B?!?=", "=?utf-8?B?!?=", &[Defect::BadEncodedWord]);
        check("=?utf-8?B?aGV sbG8?=", "=?utf-8?B?aGV sbG8?=", &[Defect::BadEncodedWord]);
        check("=?utf-8?Q?100=?=", "100=", &[Defect::BadEncodedWord]);
        check("=?nowhere?Q?caf=E9?=", "café", &[Defect::BadCharset]);
        check("=? =?=?=??=", "=? =?=?=??=", &[]);
    }
}
