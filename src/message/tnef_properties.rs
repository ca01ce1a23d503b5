//! The MAPI properties in a TNEF attribute (MS-OXTNEF §2.1.3.4, MS-OXCDATA §2.11): those that name a file
//! and those that are a body.
//!
//! A list of values, each of a type that says how long it is. What is cut off or of an unknown type ends the
//! list.

use std::ops::Range;

use super::{
    charset::{codepage_name, decode_text},
    text::one_line,
};

/// A body, and where in the attribute its octets are.
pub(super) struct Body {
    pub(super) content_type: &'static str,
    /// None: that of the message.
    pub(super) charset: Option<String>,
    pub(super) place: Range<u64>,
}

/// What is said about a file.
#[derive(Default)]
pub(super) struct File {
    pub(super) name: Option<String>,
    pub(super) content_type: Option<String>,
    pub(super) content_id: Option<String>,
}

/// The bodies among the properties of a message.
pub(super) fn bodies(octets: &[u8]) -> Vec<Body> {
    let all: Vec<_> = Properties::new(octets).collect();
    let codepage = all.iter().find(|it| it.id == INTERNET_CODEPAGE);
    let codepage = codepage.map(|it| codepage_name(number(&octets[it.place.clone()])));
    let body = |it: &Property| {
        let (content_type, charset) = match (it.id, it.kind) {
            (PLAIN, UNICODE) => ("text/plain", Some("utf-16le".to_owned())),
            (PLAIN, STRING) => ("text/plain", None),
            (HTML, UNICODE) => ("text/html", Some("utf-16le".to_owned())),
            (HTML, BINARY | STRING) => ("text/html", codepage.clone()),
            // Of what it was made, its octets tell.
            (RTF, BINARY) => ("text/rtf", None),
            _ => return None,
        };
        // The NUL at its end is no text.
        let nul: &[u8] = if it.kind == UNICODE { &[0, 0] } else { &[0] };
        let is_ended =
            it.id != RTF && octets.get(it.place.clone()).is_some_and(|value| value.ends_with(nul));
        let end = it.place.end - if is_ended { nul.len() } else { 0 };
        let place = it.place.start as u64..end as u64;
        Some(Body { content_type, charset, place }).filter(|body| !body.place.is_empty())
    };
    all.iter().filter_map(body).collect()
}

/// What the properties of a file say.
pub(super) fn file(octets: &[u8]) -> File {
    let mut file = File::default();
    for property in Properties::new(octets) {
        let into = match property.id {
            LONG_NAME => &mut file.name,
            MIME_TYPE => &mut file.content_type,
            CONTENT_ID => &mut file.content_id,
            _ => continue,
        };
        let charset = if property.kind == UNICODE { "utf-16le" } else { "" };
        let (text, _) = decode_text(&octets[property.place], charset);
        let text = one_line(text.trim_end_matches('\0')).into_owned();
        *into = Some(text).filter(|text| !text.is_empty());
    }
    file.content_type = file.content_type.map(|it| it.to_ascii_lowercase());
    file
}

/// One value.
struct Property {
    id: u16,
    kind: u16,
    place: Range<usize>,
}

struct Properties<'a> {
    octets: &'a [u8],
    at: usize,
    left: u32,
}

impl<'a> Properties<'a> {
    fn new(octets: &'a [u8]) -> Self {
        Self { octets, at: 4, left: number(octets.get(..4).unwrap_or_default()) }
    }

    fn word(&mut self, length: usize) -> Option<u32> {
        let word = number(self.octets.get(self.at..self.at.checked_add(length)?)?);
        self.at += length;
        Some(word)
    }

    /// Passes over so many octets, filled up to four.
    fn take(&mut self, length: usize) -> Option<Range<usize>> {
        let place = self.at..self.at.checked_add(length)?;
        self.octets.get(place.clone())?;
        self.at = place.end.checked_next_multiple_of(4)?;
        Some(place)
    }

    fn property(&mut self) -> Option<Property> {
        let (kind, id) = (self.word(2)? as u16, self.word(2)? as u16);
        if id >= FIRST_NAMED {
            self.take(16)?;
            // Named by a number, or by a text.
            if self.word(4)? == 0 {
                self.word(4)?;
            } else {
                let length = self.word(4)? as usize;
                self.take(length)?;
            }
        }
        let single = kind & !MULTIPLE;
        let is_sized = matches!(single, STRING | UNICODE | BINARY | OBJECT);
        let count = if is_sized || kind & MULTIPLE != 0 { self.word(4)? } else { 1 };
        let mut first = None;
        for _ in 0..count {
            let length = match single {
                2 | 3 | 4 | 10 | 11 => 4,
                5 | 6 | 7 | 20 | 64 => 8,
                72 => 16,
                _ if is_sized => self.word(4)? as usize,
                _ => return None,
            };
            let place = self.take(length)?;
            first.get_or_insert(place);
        }
        Some(Property { id, kind: single, place: first.unwrap_or(self.at..self.at) })
    }
}

impl Iterator for Properties<'_> {
    type Item = Property;

    fn next(&mut self) -> Option<Property> {
        self.left = self.left.checked_sub(1)?;
        let found = self.property();
        if found.is_none() {
            self.left = 0;
        }
        found
    }
}

/// A number of up to four octets, the lowest first.
pub(super) fn number(octets: &[u8]) -> u32 {
    octets.iter().take(4).rev().fold(0, |number, &octet| number << 8 | u32::from(octet))
}

// Types (MS-OXCDATA §2.11.1).
const OBJECT: u16 = 0x000d;
const STRING: u16 = 0x001e;
const UNICODE: u16 = 0x001f;
const BINARY: u16 = 0x0102;
const MULTIPLE: u16 = 0x1000;

/// Ids from here on have a name before their value.
const FIRST_NAMED: u16 = 0x8000;

// Properties (MS-OXPROPS).
const PLAIN: u16 = 0x1000;
const RTF: u16 = 0x1009;
const HTML: u16 = 0x1013;
const INTERNET_CODEPAGE: u16 = 0x3fde;
const LONG_NAME: u16 = 0x3707;
const MIME_TYPE: u16 = 0x370e;
const CONTENT_ID: u16 = 0x3712;
