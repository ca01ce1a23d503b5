//! Charsets of seven bits that change their meaning by escapes: the ISO-2022 family as mail writes it
//! (RFC 1468, 1554, 1557, 1922, 2237; cp50220 to cp50222), and HZ (RFC 1843).
//!
//! Kinder than the Web's ISO-2022-JP: two escapes may stand side by side, as mailers leave them where
//! they fold, and any of the family's sets may be called up whatever the label was. What a set does
//! not have is U+FFFD and never another character.

use encoding_rs::{EUC_JP, EUC_KR, Encoding, GBK, ISO_8859_7, WINDOWS_1252};

/// A set of characters that an escape calls up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Set {
    Ascii,
    /// The other half of JIS X 0201: ASCII with a yen sign and an overline.
    Roman,
    /// JIS X 0201 katakana, one octet.
    Kana,
    Jis0208,
    Jis0212,
    /// The plane of JIS X 0213 that continues JIS X 0208; of it only what that has.
    Jis0213,
    Gb2312,
    Ksc5601,
    Latin1,
    Greek,
    /// A set that we do not have.
    Unknown,
}

/// True if there is an escape in it that begins characters of two octets.
pub(super) fn is_likely(octets: &[u8]) -> bool {
    memchr::memchr_iter(0x1b, octets).any(|at| octets.get(at + 1) == Some(&b'$'))
}

/// Decodes; false if something of it could not be. `shifted` is what SO calls up where no escape says
/// so.
pub(super) fn decode(octets: &[u8], shifted: Set) -> (String, bool) {
    let mut reader =
        Reader { out: Output::default(), g0: Set::Ascii, g1: shifted, g2: Set::Unknown };
    let mut rest = octets;
    let mut is_shifted = false;
    while let [first, tail @ ..] = rest {
        rest = tail;
        match first {
            0x1b => rest = reader.escape(tail),
            0x0e => is_shifted = true,
            0x0f => is_shifted = false,
            b'\r' | b'\n' => {
                // A line ends in ASCII as far as SO is concerned (RFC 1557).
                is_shifted = false;
                reader.out.put(Set::Ascii, &[*first]);
            }
            0x00..=0x20 | 0x7f => reader.out.put(Set::Ascii, &[*first]),
            // Half-width kana in eight bits, as cp50220 has them.
            0xa1..=0xdf => reader.out.put(Set::Kana, &[first & 0x7f]),
            0x80.. => reader.out.fail(),
            _ => {
                let set = if is_shifted { reader.g1 } else { reader.g0 };
                rest = reader.character(set, *first, tail);
            }
        }
    }
    reader.out.finish()
}

struct Reader {
    out: Output,
    g0: Set,
    /// What SO shifts to.
    g1: Set,
    /// What one character behind ESC N is of.
    g2: Set,
}

impl Reader {
    fn character<'a>(&mut self, set: Set, first: u8, tail: &'a [u8]) -> &'a [u8] {
        if matches!(set, Set::Ascii | Set::Roman | Set::Kana) {
            self.out.put(set, &[first]);
            return tail;
        }
        match tail {
            [second @ 0x21..=0x7e, rest @ ..] => {
                self.out.put(set, &[first, *second]);
                rest
            }
            _ => {
                self.out.fail();
                tail
            }
        }
    }

    /// What stands behind ESC; one that we do not know is passed over with its octet.
    fn escape<'a>(&mut self, tail: &'a [u8]) -> &'a [u8] {
        match tail {
            [b'(', set, rest @ ..] => {
                self.g0 = match set {
                    b'I' => Set::Kana,
                    b'B' => Set::Ascii,
                    // H is an old mistake for J.
                    b'J' | b'H' => Set::Roman,
                    _ => Set::Unknown,
                };
                rest
            }
            [b'$', b'(', set, rest @ ..] => {
                self.g0 = double(*set);
                rest
            }
            [b'$', b')', set, rest @ ..] => {
                self.g1 = double(*set);
                rest
            }
            // The second and third plane of CNS 11643.
            [b'$', b'*' | b'+', _, rest @ ..] => rest,
            [b'$', set, rest @ ..] => {
                self.g0 = double(*set);
                rest
            }
            [b'.', set, rest @ ..] => {
                self.g2 = match set {
                    b'A' => Set::Latin1,
                    b'F' => Set::Greek,
                    _ => Set::Unknown,
                };
                rest
            }
            [b'N', octet, rest @ ..] => {
                self.out.put(self.g2, &[*octet]);
                rest
            }
            // JIS X 0208 of 1990 announces itself so.
            [b'&', b'@', rest @ ..] => rest,
            _ => {
                self.out.fail();
                tail
            }
        }
    }
}

/// The set of two octets that an escape ends with.
fn double(octet: u8) -> Set {
    match octet {
        b'@' | b'B' => Set::Jis0208,
        b'D' => Set::Jis0212,
        b'O' | b'Q' => Set::Jis0213,
        b'A' => Set::Gb2312,
        b'C' => Set::Ksc5601,
        _ => Set::Unknown,
    }
}

/// HZ: `~{` begins and `~}` ends GB 2312, `~~` is a tilde.
pub(super) fn decode_hz(octets: &[u8]) -> (String, bool) {
    let mut out = Output::default();
    let mut is_double = false;
    let mut rest = octets;
    while let [first, tail @ ..] = rest {
        rest = tail;
        match (first, tail) {
            (b'~', [b'{', after @ ..]) => (is_double, rest) = (true, after),
            (b'~', [b'}', after @ ..]) => (is_double, rest) = (false, after),
            (b'~', [b'~', after @ ..]) if !is_double => {
                out.put(Set::Ascii, b"~");
                rest = after;
            }
            // A line that goes on.
            (b'~', [b'\n', after @ ..] | [b'\r', b'\n', after @ ..]) => rest = after,
            (b'\n', _) => {
                is_double = false;
                out.put(Set::Ascii, b"\n");
            }
            (0x21..=0x7e, [second @ 0x21..=0x7e, after @ ..]) if is_double => {
                out.put(Set::Gb2312, &[*first, *second]);
                rest = after;
            }
            (0x80.., _) => out.fail(),
            (0x21.., _) if is_double => out.fail(),
            _ => out.put(Set::Ascii, &[*first]),
        }
    }
    out.finish()
}

/// Text in the making: characters of one set are gathered, and given to the Web's decoder of the
/// same set in eight bits.
#[derive(Default)]
struct Output {
    text: String,
    octets: Vec<u8>,
    encoding: Option<&'static Encoding>,
    failed: bool,
}

impl Output {
    /// A character of a set, in seven bits.
    fn put(&mut self, set: Set, character: &[u8]) {
        let (prefix, encoding): (&[u8], _) = match set {
            Set::Roman if character == b"\\" => return self.say('¥'),
            Set::Roman if character == b"~" => return self.say('‾'),
            Set::Ascii | Set::Roman => (b"", WINDOWS_1252),
            Set::Kana => (b"\x8e", EUC_JP),
            Set::Jis0208 => (b"", EUC_JP),
            Set::Jis0212 => (b"\x8f", EUC_JP),
            // Its other rows have other characters than vendors had put there.
            Set::Jis0213 if matches!(character, [0x21..=0x28 | 0x2d | 0x30..=0x73, _]) => {
                (b"", EUC_JP)
            }
            Set::Gb2312 => (b"", GBK),
            Set::Ksc5601 => (b"", EUC_KR),
            Set::Latin1 => (b"", WINDOWS_1252),
            Set::Greek => (b"", ISO_8859_7),
            Set::Jis0213 | Set::Unknown => return self.fail(),
        };
        if self.encoding != Some(encoding) {
            self.flush();
            self.encoding = Some(encoding);
        }
        let high = if matches!(set, Set::Ascii | Set::Roman) { 0 } else { 0x80 };
        self.octets.extend_from_slice(prefix);
        self.octets.extend(character.iter().map(|octet| octet | high));
    }

    fn fail(&mut self) {
        self.failed = true;
        self.say(char::REPLACEMENT_CHARACTER);
    }

    fn say(&mut self, character: char) {
        self.flush();
        self.text.push(character);
    }

    fn flush(&mut self) {
        if let Some(encoding) = self.encoding {
            let (text, wrong) = encoding.decode_without_bom_handling(&self.octets);
            self.failed |= wrong;
            self.text.push_str(&text);
            self.octets.clear();
        }
    }

    fn finish(mut self) -> (String, bool) {
        self.flush();
        (self.text, !self.failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_member_of_the_family() {
        for (octets, text) in [
            (&b"\x1b$BF|K\\\x1b(B!"[..], "日本!"),
            (b"\x1b$B\x1b$BF|\x1b(B\x1b(B", "日"),
            (b"\x1b$@F|\x1b(J\\a~\x1b(B~", "日¥a‾~"),
            (b"\x1b$B-!\x1b(I1\x1b(B", "①ｱ"),
            (b"\x1b$(D0!\x1b(B", "丂"),
            (b"\x1b$ADc\x1b$(C>H\x1b(B", "你안"),
            (b"\x1b.A\x1bNi\x1b.F\x1bNa", "éα"),
            (b"\x1b$)C\x0e>H3g\x0f ok", "안녕 ok"),
            (b"\x1b$)C\x0e>H\n>H", "안\n>H"),
            (b"\x1b$)A\x0eDc:C\x0f", "你好"),
            (b"\x1b$(QF|K\\\x1b(B", "日本"),
            (b"\xb1", "ｱ"),
        ] {
            let shown = octets.escape_ascii();
            assert_eq!(decode(octets, Set::Ksc5601), (text.to_owned(), true), "{shown}");
        }
    }

    #[test]
    fn what_is_not_there_is_marked() {
        for octets in
            [&b"\x1b$(Pab\x1b(B"[..], b"\x1b$B\x7fF", b"\x1b$BF\n", b"\xff", b"\x1bx", b"\x1b"]
        {
            assert!(!decode(octets, Set::Kana).1, "{}", octets.escape_ascii());
        }
    }

    #[test]
    fn hz() {
        for (octets, text) in [
            (&b"~{Dc:C~} ~~ x"[..], "你好 ~ x"),
            (b"one ~\ntwo", "one two"),
            (b"~{Dc\nabc", "你\nabc"),
        ] {
            let shown = octets.escape_ascii();
            assert_eq!(decode_hz(octets), (text.to_owned(), true), "{shown}");
        }
        assert!(!decode_hz(b"~{D").1 && !decode_hz(b"\xc4\xe3").1);
    }
}
