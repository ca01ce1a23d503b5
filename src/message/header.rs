//! The header of a message or part: from its octets to fields (RFC 5322 §2.2).

use std::borrow::Cow;

use super::{
    Defect,
    charset::{self, Guess},
    defects::Defects,
    encoded_word::{self, decode_words},
    field::split,
    lead,
    parameters::Parameters,
    text::one_line,
};

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
    /// Lines before the first field that may be passed over, so far.
    pub(super) lead: usize,
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
        (self.line, self.body, self.cut, self.lead) = (0, None, false, 0);
    }
}

/// A field as it stands in the header, unfolded but not decoded.
#[derive(Debug)]
pub(super) struct Field<'a> {
    /// The name as given.
    pub(super) name: &'a str,
    /// The value in one line. Octets over 127 are UTF-8 or, failing that, read as [`fields`] says.
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

/// The fields of a header, and whether some of them are a guess.
#[derive(Debug)]
pub(super) struct Fields<'a> {
    /// In their order, [`MAX_FIELDS`] at most.
    pub(super) list: Vec<Field<'a>>,
    /// Octets of them are no UTF-8, and nothing said what else they are.
    pub(super) is_guess: bool,
}

/// Reads a header. Lines that are no fields are passed over.
///
/// Raw octets are UTF-8 (RFC 6532), failing that in the charset that the header names for its body,
/// failing that in `charset`, which the message names for its text elsewhere, and failing that in the
/// one that they look like.
pub(super) fn fields<'a>(header: &'a [u8], charset: &str, defects: &mut Defects) -> Fields<'a> {
    let mut list = Vec::with_capacity(16);
    let mut raw = Vec::new();
    let has_escapes = memchr::memchr(b'\x1b', header).is_some();
    let (mut rest, indent) = lead::passed_over(header);
    while !rest.is_empty() {
        let (line, after) = rest.split_at(lead::field_length(rest, indent));
        rest = after;
        let Some((name, value)) = split(line.strip_prefix(indent).unwrap_or(line)) else {
            continue;
        };
        if list.len() == MAX_FIELDS {
            defects.insert(Defect::TooManyHeaders);
            break;
        }
        let value = value.trim_ascii();
        let text = match std::str::from_utf8(value) {
            Ok(text) if !(has_escapes && charset::is_raw(value)) => unfold(Cow::Borrowed(text)),
            _ => {
                raw.push((list.len(), encoded_word::quote_raw(value)));
                Cow::Borrowed("")
            }
        };
        list.push(Field { name, value: text });
    }
    let is_guess = !raw.is_empty() && read_raw(&raw, charset, &mut list);
    defects.insert_if(!raw.is_empty(), Defect::RawEightBitHeader);
    Fields { list, is_guess }
}

/// Fills in the values that are no UTF-8; true if they are a guess.
fn read_raw<'a>(raw: &[(usize, Cow<'a, [u8]>)], charset: &str, list: &mut [Field<'a>]) -> bool {
    let own = list
        .iter()
        .find(|field| field.is("Content-Type"))
        .and_then(|field| Parameters::parse(&field.value).get("charset").map(Cow::into_owned));
    let named =
        [own.as_deref().unwrap_or_default(), charset].into_iter().find(|it| charset::tells(it));
    let is_utf_8 = own.as_deref().is_some_and(charset::is_utf_8);
    let mut guess = None;
    for (index, octets) in raw {
        let said =
            named.map(|charset| charset::decode_text(octets, charset)).filter(|(_, clean)| *clean);
        let text = match said {
            Some((text, _)) => text,
            None if octets.is_ascii() && !charset::is_raw(octets) => {
                String::from_utf8_lossy(octets).into_owned()
            }
            None if is_utf_8 && charset::is_mostly_utf_8(octets) => {
                String::from_utf8_lossy(octets).into_owned()
            }
            None => guess
                .get_or_insert_with(|| Guess::of(raw.iter().map(|(_, octets)| &**octets)))
                .decode(octets),
        };
        list[*index].value = Cow::Owned(unfold(Cow::Owned(text)).into_owned());
    }
    guess.is_some()
}

/// Names and values as people read them.
pub(super) fn told(fields: &[Field<'_>], defects: &mut Defects) -> Vec<(String, String)> {
    fields.iter().map(|it| (it.name.to_owned(), it.text(defects).into_owned())).collect()
}

/// Notes what is wrong with the values, as [`told`] does.
pub(super) fn check(fields: &[Field<'_>], defects: &mut Defects) {
    fields.iter().for_each(|field| drop(decode_words(&field.value, defects)));
}

/// The value in one line (RFC 5322 §2.2.3).
fn unfold(text: Cow<'_, str>) -> Cow<'_, str> {
    if memchr::memchr(b'\n', text.as_bytes()).is_none() {
        return text;
    }
    Cow::Owned(text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line)).collect())
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
        let fields = fields(header, "", &mut found);
        let fields: Vec<_> = fields.list.iter().map(|f| (f.name, &*f.value)).collect();
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
    fn raw_octets_by_the_charset_that_is_named() {
        let value = |header: &[u8], charset: &str| {
            let fields = fields(header, charset, &mut Defects::default());
            (fields.list[0].value.clone().into_owned(), fields.is_guess)
        };
        let named = b"A: \xf0\xd2\xc9\xd7\xc5\xd4\nContent-Type: text/plain; charset=koi8-r\n";
        assert_eq!(value(named, "windows-1251"), ("Привет".into(), false));
        assert_eq!(value(b"A: \xf0\xd2\xc9\xd7\xc5\xd4", "koi8-r"), ("Привет".into(), false));
        assert_eq!(
            value(b"A: \xe4\xee\xec\nB: \xcf\xf0\xe8\xe2\xe5\xf2 \xe2\xf1\xe5\xec", "us-ascii"),
            ("дом".into(), true)
        );
        assert_eq!(value(b"A: \x1b$BF|K\\\x1b(B", "iso-2022-jp"), ("日本".into(), false));
        assert_eq!(value(b"A: \x1b$BF|K\\\x1b(B", ""), ("日本".into(), true));
        assert_eq!(value("A: é".as_bytes(), "koi8-r"), ("é".into(), false));
        let cut = b"A: \xc3\xa8\xe8\nContent-Type: text/plain; charset=UTF8\n";
        assert_eq!(value(cut, ""), ("è\u{fffd}".into(), false));
        // Where the charset that is named lacks them, they are in another.
        assert_eq!(value(b"A: caf\xe9", "iso-2022-jp"), ("café".into(), true));
    }

    #[test]
    fn no_control_characters_come_out() {
        let field = Field { name: "A", value: "=?utf-8?Q?a=0D=0AB:_c=00?=".into() };
        assert_eq!(field.text(&mut Defects::default()), "a B: c\u{fffd}");
    }

    #[test]
    fn many_fields_are_cut() {
        let mut defects = Defects::default();
        assert_eq!(fields(&b"a:\n".repeat(5_000), "", &mut defects).list.len(), MAX_FIELDS);
        assert!(defects.contains(Defect::TooManyHeaders));
    }
}
