//! The header of a message or part: from its octets to fields (RFC 5322 §2.2).

use std::borrow::Cow;

use super::{Defect, charset, defects::Defects, encoded_word::decode_words};

/// The header that is being read.
#[derive(Debug, Default)]
pub(super) struct Buffer {
    pub(super) octets: Vec<u8>,
    /// Where the present line begins in `octets`.
    pub(super) line: usize,
    /// Where lines begin that are no fields, if no field followed them: perhaps the body, with the
    /// empty line before it forgotten.
    pub(super) body: Option<usize>,
    /// Octets were dropped.
    pub(super) cut: bool,
}

impl Buffer {
    pub(super) fn keep(&mut self, piece: &[u8]) {
        // It comes line by line.
        if self.octets.capacity() == 0 {
            self.octets.reserve(USUAL_LENGTH);
        }
        let room = MAX_HEADER - self.octets.len();
        self.cut |= piece.len() > room;
        self.octets.extend_from_slice(&piece[..piece.len().min(room)]);
        if self.cut {
            // Lines are missing: what the buffer holds does not reach to the body.
            self.body = None;
        }
    }

    pub(super) fn clear(&mut self) {
        self.octets.clear();
        (self.line, self.body, self.cut) = (0, None, false);
    }
}

/// A field as it stands in the header, unfolded but not decoded.
#[derive(Debug)]
pub(super) struct Field<'a> {
    /// The name as given.
    pub(super) name: &'a str,
    /// The value in one line. Octets over 127 are UTF-8 or, failing that, taken as windows-1252.
    pub(super) value: Cow<'a, str>,
}

impl Field<'_> {
    /// True if this is the field's name; case does not matter (RFC 5322 §1.2.2).
    pub(super) fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }

    /// The value as people read it.
    pub(super) fn text(&self, defects: &mut Defects) -> Cow<'_, str> {
        match decode_words(&self.value, defects) {
            Cow::Borrowed(value) => one_line(value),
            Cow::Owned(value) => Cow::Owned(one_line(&value).into_owned()),
        }
    }
}

/// The fields of a header, [`MAX_FIELDS`] at most. Lines that are none are passed over.
pub(super) fn fields<'a>(header: &'a [u8], defects: &mut Defects) -> Vec<Field<'a>> {
    let mut fields = Vec::with_capacity(16);
    let mut rest = header;
    while !rest.is_empty() {
        let (line, after) = rest.split_at(field_length(rest));
        rest = after;
        let Some((name, value)) = split(line) else {
            continue;
        };
        if fields.len() == MAX_FIELDS {
            defects.insert(Defect::TooManyHeaders);
            break;
        }
        fields.push(Field { name, value: unfold(value, defects) });
    }
    fields
}

/// True if a line begins a field: `name:` of printable ASCII (RFC 5322 §2.2), perhaps with white
/// space before the colon (§4.5).
pub(super) fn is_field(line: &[u8]) -> bool {
    split(line).is_some()
}

/// The line before each message of an mbox file, which some programs send along.
pub(super) fn is_mbox_line(line: &[u8]) -> bool {
    line.starts_with(b"From ") || line.starts_with(b">From ")
}

fn split(line: &[u8]) -> Option<(&str, &[u8])> {
    let colon = memchr::memchr(b':', line)?;
    let (name, value) = line.split_at(colon);
    let name = name.trim_ascii_end();
    let printable = !name.is_empty() && name.iter().all(u8::is_ascii_graphic);
    let name = std::str::from_utf8(name).ok().filter(|_| printable)?;
    Some((name, &value[1..]))
}

/// Octets up to the line that does not begin with white space.
fn field_length(rest: &[u8]) -> usize {
    memchr::memchr_iter(b'\n', rest)
        .map(|at| at + 1)
        .find(|&end| !matches!(rest.get(end), Some(b' ' | b'\t')))
        .unwrap_or(rest.len())
}

/// The value in one line (RFC 5322 §2.2.3), in UTF-8.
fn unfold<'a>(value: &'a [u8], defects: &mut Defects) -> Cow<'a, str> {
    let value = value.trim_ascii();
    let text = match std::str::from_utf8(value) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => {
            defects.insert(Defect::RawEightBitHeader);
            Cow::Owned(charset::guess(value))
        }
    };
    if memchr::memchr(b'\n', value).is_none() {
        return text;
    }
    Cow::Owned(text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line)).collect())
}

/// Text without control characters, which an encoded word can smuggle in: tabs and line ends become
/// one space, others U+FFFD.
pub(super) fn one_line(text: &str) -> Cow<'_, str> {
    let text = text.trim();
    if !text.contains(char::is_control) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\t' | '\r' | '\n' if out.ends_with(' ') => {}
            '\t' | '\r' | '\n' => out.push(' '),
            c if c.is_control() => out.push(char::REPLACEMENT_CHARACTER),
            c => out.push(c),
        }
    }
    Cow::Owned(out)
}

/// Octets of a header for which there is room at first.
const USUAL_LENGTH: usize = 2 * 1024;

/// Longest header read, in octets; mail servers commonly refuse longer ones.
pub(super) const MAX_HEADER: usize = 256 * 1024;

/// Most fields read of one header; mail that passed many relays and filters has 100.
const MAX_FIELDS: usize = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(header: &[u8], expected: &[(&str, &str)], defects: &[Defect]) {
        let mut found = Defects::default();
        let fields = fields(header, &mut found);
        let fields: Vec<_> = fields.iter().map(|f| (f.name, &*f.value)).collect();
        assert_eq!(fields, expected, "{}", header.escape_ascii());
        assert_eq!(found.into_vec(), defects, "{}", header.escape_ascii());
    }

    #[test]
    fn unfolds() {
        check(b"A: b\r\nC:d\r\n\r\n", &[("A", "b"), ("C", "d")], &[]);
        check(b"A: b\r\n\tc\r\n  d\r\nE: f\n g\n", &[("A", "b\tc  d"), ("E", "f g")], &[]);
        check(b"A:\r\n b\r\n", &[("A", "b")], &[]);
        check(b"A : b", &[("A", "b")], &[]);
    }

    #[test]
    fn passes_over_what_is_no_field() {
        check(b"nothing\r\nA: b\r\nA b: c\r\n: d\r\n", &[("A", "b")], &[]);
    }

    #[test]
    fn octets_over_127() {
        check("A: é".as_bytes(), &[("A", "é")], &[]);
        check(b"A: caf\xe9", &[("A", "café")], &[Defect::RawEightBitHeader]);
    }

    #[test]
    fn no_control_characters_come_out() {
        let field = Field { name: "A", value: "=?utf-8?Q?a=0D=0AB:_c=00?=".into() };
        assert_eq!(field.text(&mut Defects::default()), "a B: c\u{fffd}");
    }

    #[test]
    fn many_fields_are_cut() {
        let mut defects = Defects::default();
        assert_eq!(fields(&b"a:\n".repeat(5_000), &mut defects).len(), MAX_FIELDS);
        assert!(defects.contains(Defect::TooManyHeaders));
    }
}
