//! Content-Transfer-Encoding undone, octet by octet (RFC 2045 §6).
//!
//! Streaming, so that a part of a 1 GB message is downloaded in little memory, and forgiving: what
//! breaks the rules is passed over or passed on, and noted.

use super::{
    Encoding,
    line_codes::{Code, LineDecoder},
    lzfu, rtf,
};

/// Decodes a body that comes in pieces. However it is split, the output is the same.
#[derive(Clone, Debug)]
pub struct Decoder {
    state: State,
    clean: bool,
}

#[derive(Clone, Debug)]
enum State {
    Identity,
    Base64(Base64),
    QuotedPrintable(QuotedPrintable),
    Lines(LineDecoder),
    /// The whole of it, because the first octets say how to read it.
    CompressedRtf(Vec<u8>),
}

impl Decoder {
    /// A decoder for a body in this encoding.
    pub fn new(encoding: Encoding) -> Self {
        let state = match encoding {
            Encoding::Identity => State::Identity,
            Encoding::Base64 => State::Base64(Base64::default()),
            Encoding::QuotedPrintable => State::QuotedPrintable(QuotedPrintable::default()),
            Encoding::Uuencode => State::Lines(LineDecoder::new(Code::Uuencode)),
            Encoding::Yenc => State::Lines(LineDecoder::new(Code::Yenc)),
            Encoding::CompressedRtf => State::CompressedRtf(Vec::new()),
        };
        Self { state, clean: true }
    }

    /// Decodes the next octets and appends what is ready to `out`.
    pub fn push(&mut self, input: &[u8], out: &mut Vec<u8>) {
        self.clean &= match &mut self.state {
            State::Identity => {
                out.extend_from_slice(input);
                true
            }
            State::Base64(base64) => base64.push(input, out),
            State::QuotedPrintable(quoted) => quoted.push(input, out),
            State::Lines(lines) => lines.push(input, out),
            State::CompressedRtf(all) => {
                let room = MAX_RTF.saturating_sub(all.len());
                all.extend_from_slice(&input[..input.len().min(room)]);
                true
            }
        };
    }

    /// There is no more input: appends what was held back. True if the body kept all the rules.
    pub fn finish(&mut self, out: &mut Vec<u8>) -> bool {
        self.clean &= match &mut self.state {
            State::Identity => true,
            State::Base64(base64) => base64.flush(out),
            State::QuotedPrintable(quoted) => quoted.finish(out),
            State::Lines(lines) => lines.finish(out),
            State::CompressedRtf(all) => {
                let all = std::mem::take(all);
                out.extend_from_slice(rtf::read(&lzfu::decompress(&all)).as_bytes());
                true
            }
        };
        self.clean
    }

    /// True if what comes out is what goes in.
    pub fn is_identity(&self) -> bool {
        matches!(self.state, State::Identity)
    }

    /// True while no rule was broken.
    pub fn is_clean(&self) -> bool {
        self.clean
    }
}

/// All of a body at once, and whether it kept the rules.
pub fn decode(input: &[u8], encoding: Encoding) -> (Vec<u8>, bool) {
    let mut decoder = Decoder::new(encoding);
    let mut out = Vec::with_capacity(input.len());
    decoder.push(input, &mut out);
    let clean = decoder.finish(&mut out);
    (out, clean)
}

/// Base64 (RFC 2045 §6.8): up to three digits that wait for the fourth.
#[derive(Clone, Debug, Default)]
struct Base64 {
    bits: u32,
    digits: u8,
    /// A pad was seen: nothing but pads and white space should follow.
    padded: bool,
    /// What follows all the same, up to the end of its line.
    behind: Vec<u8>,
    /// That was no base64: a footer in clear, of a list or a virus scanner. Nothing is read any more.
    over: bool,
    /// Pads that the last quantum still wants.
    wanted: u8,
}

impl Base64 {
    fn push(&mut self, mut input: &[u8], out: &mut Vec<u8>) -> bool {
        let mut clean = true;
        loop {
            if self.digits == 0 && !self.padded {
                input = whole_quanta(input, out);
            }
            let Some((&octet, rest)) = input.split_first() else { return clean };
            input = rest;
            let value = BASE64_VALUES[usize::from(octet)];
            if self.padded {
                clean &= self.behind(octet, out);
            } else if value < 64 {
                self.bits = self.bits << 6 | u32::from(value);
                self.digits += 1;
                if self.digits == 4 {
                    let [_, quantum @ ..] = self.bits.to_be_bytes();
                    out.extend_from_slice(&quantum);
                    (self.bits, self.digits) = (0, 0);
                }
            } else if octet == b'=' {
                clean &= self.pad(out);
            } else {
                clean &= octet.is_ascii_whitespace();
            }
        }
    }

    /// An octet behind a pad. Some encode each piece of a file by itself, pads and all, so a line that is
    /// base64 is read on.
    fn behind(&mut self, octet: u8, out: &mut Vec<u8>) -> bool {
        match octet {
            _ if self.over => octet.is_ascii_whitespace(),
            b'=' if self.behind.is_empty() => self.pad(out),
            b'\r' | b'\n' => self.line_behind(out),
            b' ' | b'\t' if self.behind.is_empty() => true,
            _ if self.behind.len() == LONGEST_BEHIND => {
                self.over = true;
                false
            }
            _ => {
                self.behind.push(octet);
                false
            }
        }
    }

    fn line_behind(&mut self, out: &mut Vec<u8>) -> bool {
        let line = std::mem::take(&mut self.behind);
        let text = line.trim_ascii_end();
        if text.is_empty() {
            return true;
        }
        let digits = text.strip_suffix(b"==").or(text.strip_suffix(b"=")).unwrap_or(text);
        let is_digit = |&octet: &u8| BASE64_VALUES[usize::from(octet)] < 64;
        self.over = !text.len().is_multiple_of(4) || !digits.iter().all(is_digit);
        if !self.over {
            (self.padded, self.wanted) = (false, 0);
            self.push(text, out);
        }
        false
    }

    fn pad(&mut self, out: &mut Vec<u8>) -> bool {
        if self.digits == 0 {
            let expected = self.wanted > 0;
            self.wanted = self.wanted.saturating_sub(1);
            return expected;
        }
        let clean = self.digits >= 2 && !self.padded;
        self.wanted = 3_u8.saturating_sub(self.digits);
        self.drain(out);
        self.padded = true;
        clean
    }

    /// At the end: a quantum without its pads is broken but readable.
    fn flush(&mut self, out: &mut Vec<u8>) -> bool {
        let clean = self.line_behind(out) && self.digits == 0 && self.wanted == 0;
        self.drain(out);
        self.wanted = 0;
        clean
    }

    fn drain(&mut self, out: &mut Vec<u8>) {
        match self.digits {
            2 => out.push((self.bits >> 4) as u8),
            3 => out.extend_from_slice(&[(self.bits >> 10) as u8, (self.bits >> 2) as u8]),
            _ => {}
        }
        (self.bits, self.digits) = (0, 0);
    }
}

/// Decodes what stands in front in fours, as nearly all of a line does; the rest.
fn whole_quanta<'a>(input: &'a [u8], out: &mut Vec<u8>) -> &'a [u8] {
    let mut done = 0;
    for quantum in input.chunks_exact(4) {
        let [a, b, c, d] = [0, 1, 2, 3].map(|at| BASE64_VALUES[usize::from(quantum[at])]);
        // What is no digit has a bit beyond six.
        if (a | b | c | d) > 63 {
            break;
        }
        out.extend_from_slice(&[a << 2 | b >> 4, b << 4 | c >> 2, c << 6 | d]);
        done += 4;
    }
    &input[done..]
}

/// Quoted-printable (RFC 2045 §6.7).
#[derive(Clone, Debug, Default)]
struct QuotedPrintable {
    at: Place,
    /// White space that is deleted if the line ends behind it, as a relay may have added it.
    spaces: Vec<u8>,
}

#[derive(Clone, Copy, Debug, Default)]
enum Place {
    #[default]
    Text,
    /// Behind `=`.
    Equals,
    /// Behind `=` and white space: a soft line break if the line ends here.
    EqualsSpace,
    /// Behind `=` CR.
    EqualsCr,
    /// Behind `=` and one digit, which is kept.
    Digit(u8),
}

impl QuotedPrintable {
    fn push(&mut self, input: &[u8], out: &mut Vec<u8>) -> bool {
        let mut clean = true;
        for &octet in input {
            clean &= self.octet(octet, out);
        }
        clean
    }

    fn octet(&mut self, octet: u8, out: &mut Vec<u8>) -> bool {
        let at = std::mem::take(&mut self.at);
        match (at, octet) {
            (Place::Text, _) => self.text(octet, out),
            (Place::Equals, b'\r') | (Place::EqualsSpace, b'\r') => {
                self.at = Place::EqualsCr;
                true
            }
            (Place::Equals | Place::EqualsSpace | Place::EqualsCr, b'\n') => true,
            (Place::Equals | Place::EqualsSpace, b' ' | b'\t') => {
                self.at = Place::EqualsSpace;
                true
            }
            (Place::Equals, digit) if digit.is_ascii_hexdigit() => {
                self.at = Place::Digit(digit);
                true
            }
            (Place::Digit(high), low) if low.is_ascii_hexdigit() => {
                out.push(hex_value(high) << 4 | hex_value(low));
                true
            }
            (Place::Digit(high), _) => {
                out.extend_from_slice(&[b'=', high]);
                self.text(octet, out);
                false
            }
            (Place::EqualsCr, _) => {
                // A lone CR ended the line: still a soft break.
                self.text(octet, out);
                false
            }
            (Place::Equals | Place::EqualsSpace, _) => {
                out.push(b'=');
                self.text(octet, out);
                false
            }
        }
    }

    fn text(&mut self, octet: u8, out: &mut Vec<u8>) -> bool {
        match octet {
            b' ' | b'\t' => {
                if self.spaces.len() >= MAX_SPACES {
                    out.append(&mut self.spaces);
                }
                self.spaces.push(octet);
            }
            b'\r' | b'\n' => {
                self.spaces.clear();
                out.push(octet);
            }
            _ => {
                out.append(&mut self.spaces);
                if octet == b'=' {
                    self.at = Place::Equals;
                } else {
                    out.push(octet);
                }
            }
        }
        octet.is_ascii()
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> bool {
        out.append(&mut self.spaces);
        match std::mem::take(&mut self.at) {
            Place::Digit(high) => {
                out.extend_from_slice(&[b'=', high]);
                false
            }
            // A body may end with a soft break whose line end belongs to the boundary.
            _ => true,
        }
    }
}

/// The value of a hexadecimal digit, 0 for anything else.
pub(super) fn hex_value(digit: u8) -> u8 {
    char::from(digit).to_digit(16).unwrap_or(0) as u8
}

/// White space at the end of a line that we hold back, in octets: a line has no more (RFC 5322
/// §2.1.1), so nothing is lost and memory is bounded.
const MAX_SPACES: usize = 998;

/// Most octets of compressed rich text read: as many as are kept of a winmail.dat's properties.
const MAX_RTF: usize = 1024 * 1024;

/// Longest line behind a pad that is read on, in octets (RFC 5322 §2.1.1).
const LONGEST_BEHIND: usize = 998;

const BASE64_VALUES: [u8; 256] = {
    let mut values = [u8::MAX; 256];
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut value = 0;
    while value < alphabet.len() {
        values[alphabet[value] as usize] = value as u8;
        value += 1;
    }
    values
};

#[cfg(test)]
mod tests {
    use super::*;

    /// Decodes whole, octet by octet and in two pieces at every place: all must agree.
    fn check(encoding: Encoding, input: &[u8], expected: &[u8], clean: bool) {
        let splits = (0..=input.len()).map(|at| vec![&input[..at], &input[at..]]);
        for pieces in splits.chain([input.chunks(1).collect()]) {
            let mut decoder = Decoder::new(encoding);
            let mut out = Vec::new();
            for piece in pieces {
                decoder.push(piece, &mut out);
            }
            assert_eq!(decoder.finish(&mut out), clean, "{}", input.escape_ascii());
            assert_eq!(out, expected, "{}", input.escape_ascii());
        }
    }

    #[test]
    fn base64() {
        for (input, expected, clean) in [
            ("", "", true),
            ("aGVsbG8=", "hello", true),
            ("aGVs\r\nbG8=\r\n", "hello", true),
            ("aGVsbG8", "hello", false),
            ("aGVs!bG8=", "hello", false),
            ("aGVsbG8=aGVsbG8=", "hellohello", false),
            ("aA==", "h", true),
            ("aGVsbG8=\r\naGVs\r\nbG8=\r\n", "hellohello", false),
            ("aGVsbG8=\r\n\r\n____\r\nlist\r\n", "hello", false),
            ("aGVsbG8=\nThe list", "hello", false),
            ("aGVsbG8=\naGVsbG8= \n-- \naGVs", "hellohello", false),
            ("aGVsbG8= \t\r\n", "hello", true),
            ("aA=", "h", false),
            ("aA", "h", false),
            ("a", "", false),
            ("====", "", false),
        ] {
            check(Encoding::Base64, input.as_bytes(), expected.as_bytes(), clean);
        }
    }

    #[test]
    fn quoted_printable() {
        for (input, expected, clean) in [
            ("a=3Db", "a=b", true),
            ("a=3db", "a=b", true),
            ("soft=\r\nbreak", "softbreak", true),
            ("soft= \t\r\nbreak", "softbreak", true),
            ("soft=\nbreak", "softbreak", true),
            ("trailing  \r\nspace", "trailing\r\nspace", true),
            ("two  words", "two  words", true),
            ("bad=zz", "bad=zz", false),
            ("bad=4z", "bad=4z", false),
            ("bad==41", "bad=A", false),
            ("end=", "end", true),
            ("end=4", "end=4", false),
        ] {
            check(Encoding::QuotedPrintable, input.as_bytes(), expected.as_bytes(), clean);
        }
        check(Encoding::QuotedPrintable, b"caf\xe9", b"caf\xe9", false);
    }

    #[test]
    fn identity() {
        check(Encoding::Identity, b"=41\0\xff\r\n", b"=41\0\xff\r\n", true);
    }

    #[test]
    fn endless_white_space_is_not_held_back() {
        let mut decoder = Decoder::new(Encoding::QuotedPrintable);
        let mut out = Vec::new();
        decoder.push(&[b' '; 10_000], &mut out);
        assert!(out.len() >= 10_000 - MAX_SPACES);
    }
}
