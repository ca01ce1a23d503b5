//! uuencode (POSIX) and yEnc (yEnc draft 1.3), the encodings of files that are made of lines in a text.
//!
//! Older than MIME, or beside it: files that stand so in a text are found by `blocks`, and some mailers name
//! them as a transfer encoding.

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Code {
    Uuencode,
    Yenc,
}

/// Decodes one file, from its first line to its last; what stands around it is passed over.
#[derive(Clone, Debug)]
pub(super) struct LineDecoder {
    code: Code,
    place: Place,
    /// The beginning of a line that came in pieces.
    line: Vec<u8>,
    /// The present line is so long that a piece of it is decoded already.
    is_torn: bool,
    /// yEnc: the last octet announced that the next one is shifted.
    escaped: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Before,
    Inside,
    Behind,
}

impl LineDecoder {
    pub(super) fn new(code: Code) -> Self {
        Self { code, place: Place::Before, line: Vec::new(), is_torn: false, escaped: false }
    }

    /// Decodes the next octets; false if they break a rule.
    pub(super) fn push(&mut self, octets: &[u8], out: &mut Vec<u8>) -> bool {
        let mut clean = true;
        for piece in octets.split_inclusive(|&octet| octet == b'\n') {
            for part in piece.chunks(LONGEST_LINE) {
                self.line.extend_from_slice(part);
                if part.ends_with(b"\n") {
                    clean &= self.line_ends(out);
                    self.is_torn = false;
                } else if self.line.len() >= LONGEST_LINE {
                    clean &= self.line_ends(out);
                    self.is_torn = true;
                }
            }
        }
        clean
    }

    /// There are no more; false if the file had no end.
    pub(super) fn finish(&mut self, out: &mut Vec<u8>) -> bool {
        let clean = self.line.is_empty() || self.line_ends(out);
        clean && self.place == Place::Behind
    }

    fn line_ends(&mut self, out: &mut Vec<u8>) -> bool {
        let line = std::mem::take(&mut self.line);
        let content = line.strip_suffix(b"\n").unwrap_or(&line);
        let content = content.strip_suffix(b"\r").unwrap_or(content);
        let clean = match (self.place, self.code) {
            (Place::Before, code) => {
                if begin(content).is_some_and(|(found, _)| found == code) {
                    self.place = Place::Inside;
                }
                true
            }
            (Place::Behind, _) => true,
            (Place::Inside, code) if !self.is_torn && ends(content, code) => {
                self.place = Place::Behind;
                true
            }
            (Place::Inside, Code::Uuencode) => uu_line(content, out).is_some(),
            (Place::Inside, Code::Yenc) => {
                if self.is_torn || !content.starts_with(b"=ypart ") {
                    self.yenc_line(content, out);
                }
                true
            }
        };
        self.line = line;
        self.line.clear();
        clean
    }

    fn yenc_line(&mut self, line: &[u8], out: &mut Vec<u8>) {
        for &octet in line {
            match octet {
                b'=' if !self.escaped => self.escaped = true,
                _ => {
                    let shift = if std::mem::take(&mut self.escaped) { 42 + 64 } else { 42 };
                    out.push(octet.wrapping_sub(shift));
                }
            }
        }
    }
}

/// What the first line of a file says: how it is encoded and its name.
pub(super) fn begin(line: &[u8]) -> Option<(Code, &[u8])> {
    if let Some(rest) = line.strip_prefix(b"=ybegin ") {
        let at = memchr::memmem::find(rest, b"name=")?;
        return Some((Code::Yenc, rest.get(at + 5..)?.trim_ascii()));
    }
    let rest = line.strip_prefix(b"begin ")?;
    let space = memchr::memchr(b' ', rest)?;
    let (mode, name) = rest.split_at(space);
    let is_mode = matches!(mode.len(), 3 | 4) && mode.iter().all(|c| matches!(c, b'0'..=b'7'));
    let name = name.trim_ascii();
    (is_mode && !name.is_empty()).then_some((Code::Uuencode, name))
}

/// True for the last line of a file.
pub(super) fn ends(line: &[u8], code: Code) -> bool {
    match code {
        Code::Uuencode => line.trim_ascii_end() == b"end",
        Code::Yenc => line.starts_with(b"=yend"),
    }
}

/// Decodes a line of uuencode: its length, then groups of four. Spaces at its end may be lost. None if it
/// is none.
pub(super) fn uu_line(line: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let value =
        |octet: u8| (b' '..=b'`').contains(&octet).then_some(octet.wrapping_sub(b' ') & 0x3f);
    let Some((&first, rest)) = line.split_first() else { return Some(()) };
    let mut left = usize::from(value(first)?);
    let needed = left.div_ceil(3) * 4;
    // One more is the checksum of some encoders.
    if rest.len() > needed + 1 && !rest.get(needed..)?.trim_ascii().is_empty() {
        return None;
    }
    let mut octets = rest.iter().copied().chain(std::iter::repeat(b' ')).take(needed);
    while left > 0 {
        let mut group = 0_u32;
        for _ in 0..4 {
            group = group << 6 | u32::from(value(octets.next()?)?);
        }
        let [_, three @ ..] = group.to_be_bytes();
        let take = left.min(3);
        out.extend_from_slice(three.get(..take)?);
        left -= take;
    }
    Some(())
}

/// Octets of a line that are kept until it ends. Lines of uuencode have 62, those of yEnc 130 or 256.
const LONGEST_LINE: usize = 4_096;

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(code: Code, input: &[u8], expected: &[u8], clean: bool) {
        let halves = (0..=input.len()).map(|at| vec![&input[..at], &input[at..]]);
        for pieces in halves.chain([input.chunks(1).collect()]) {
            let mut decoder = LineDecoder::new(code);
            let (mut out, mut is_clean) = (Vec::new(), true);
            for piece in pieces {
                is_clean &= decoder.push(piece, &mut out);
            }
            is_clean &= decoder.finish(&mut out);
            assert_eq!(
                (out.escape_ascii().to_string(), is_clean),
                (expected.escape_ascii().to_string(), clean)
            );
        }
    }

    #[test]
    fn uuencode() {
        let cat = b"begin 644 cat.txt\r\n#0V%T\r\n`\r\nend\r\nmore";
        check(Code::Uuencode, cat, b"Cat", true);
        check(Code::Uuencode, b"begin 644 a\n#0V%T\n#0V%T\n \nend\n", b"CatCat", true);
        check(Code::Uuencode, b"begin 0755 a\n!80  \nend", b"a", true);
        check(Code::Uuencode, b"begin 644 a\n!80\nend", b"a", true);
        check(Code::Uuencode, b"begin 644 a\n#0V%T\n", b"Cat", false);
        check(Code::Uuencode, b"begin 644 a\nno such line\nend\n", b"", false);
        check(Code::Uuencode, b"begin again\n#0V%T\nend\n", b"", false);
    }

    #[test]
    fn yenc() {
        let file =
            b"=ybegin line=128 size=4 name=a b.bin\r\n\x8b\x8c=\x40=\x7d\r\n=yend size=4\r\n";
        check(Code::Yenc, file, &[0x61, 0x62, 0xd6, 0x13], true);
        let part =
            b"=ybegin part=1 line=128 size=2 name=a\n=ypart begin=1 end=2\n\x8b\x8c\n=yend\n";
        check(Code::Yenc, part, b"ab", true);
        check(Code::Yenc, b"=ybegin line=128 size=2 name=a\n\x8b", b"a", false);
        let long = [&b"=ybegin line=1 size=1 name=a\n"[..], &[b'k'; 10_000], b"\n=yend\n"].concat();
        check_once(&long, &[b'A'; 10_000]);
    }

    fn check_once(input: &[u8], expected: &[u8]) {
        for length in [1, 7, 100_000] {
            let mut decoder = LineDecoder::new(Code::Yenc);
            let mut out = Vec::new();
            input.chunks(length).for_each(|piece| assert!(decoder.push(piece, &mut out)));
            assert!(decoder.finish(&mut out));
            assert_eq!(out, expected);
        }
    }

    #[test]
    fn first_lines() {
        assert_eq!(begin(b"begin 644 a b.txt"), Some((Code::Uuencode, &b"a b.txt"[..])));
        assert_eq!(begin(b"=ybegin line=128 size=1 name= x "), Some((Code::Yenc, &b"x"[..])));
        for none in
            [&b"begin 644"[..], b"begin 64 a", b"begin 648 a", b"begin the day", b"=ybegin x"]
        {
            assert_eq!(begin(none), None, "{}", none.escape_ascii());
        }
    }
}
