//! TNEF (MS-OXTNEF), the `winmail.dat` in which Outlook sends a message that its receiver cannot read:
//! where its body and its files stand.
//!
//! A stream of attributes, each with its length, so it is read while it streams by and little is kept. The
//! files and the bodies are pieces of the stream as they are; each becomes a part whose place is counted
//! in the content of the part that holds it. What is not understood is passed over. Compressed RTF is read
//! where nothing else says what it says.

use std::ops::Range;

use super::{
    Encoding, Part,
    charset::{codepage_name, decode_text},
    decode::decode,
    lzfu, rtf,
    text::one_line,
    tnef_properties::{self, number},
};

/// Reads the content of a winmail.dat in pieces of any size.
#[derive(Debug, Default)]
pub(super) struct Tnef {
    /// Octets read so far.
    at: u64,
    /// The head of the stream or of an attribute, as far as it is there.
    head: Vec<u8>,
    /// The attribute that is being read.
    attribute: Option<Attribute>,
    is_tnef: bool,
    /// Nothing more can be understood.
    is_over: bool,
    /// The file that is being described.
    file: Option<Part>,
    codepage: u32,
    found: Vec<Found>,
    /// The body in compressed RTF.
    rich: Option<Found>,
}

/// A part in the stream, and the beginning of its content if it is a body.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) part: Part,
    pub(super) text: Vec<u8>,
}

#[derive(Debug)]
struct Attribute {
    id: u32,
    start: u64,
    /// Octets of it still to come, its checksum included.
    left: u64,
    /// The beginning of its value, for those of which we know how to read it.
    value: Vec<u8>,
}

impl Tnef {
    /// The next octets.
    pub(super) fn push(&mut self, mut octets: &[u8]) {
        while !octets.is_empty() && !self.is_over {
            let taken = match &mut self.attribute {
                Some(attribute) => attribute.take(octets),
                None => {
                    let wanted = if self.is_tnef { ATTRIBUTE_HEAD } else { STREAM_HEAD };
                    let taken = octets.len().min(wanted - self.head.len());
                    self.head.extend_from_slice(&octets[..taken]);
                    taken
                }
            };
            self.at += taken as u64;
            octets = &octets[taken..];
            match self.attribute.take_if(|attribute| attribute.left == 0) {
                Some(attribute) => self.read(&attribute),
                None if self.attribute.is_none() => self.begin(),
                None => {}
            }
        }
    }

    /// There are no more: the parts that were found.
    pub(super) fn finish(mut self) -> Vec<Found> {
        self.end_file();
        if let Some(rich) = self.rich.take() {
            let says_it = |it: &Found| {
                let kind = it.part.content_type.as_str();
                !it.part.is_attachment && (kind == "text/html" || kind == rich.part.content_type)
            };
            if !self.found.iter().any(says_it) {
                let bodies = self.found.iter().take_while(|it| !it.part.is_attachment).count();
                self.found.insert(bodies, rich);
            }
        }
        self.found
    }

    /// A head may be complete.
    fn begin(&mut self) {
        if !self.is_tnef && self.head.len() == STREAM_HEAD {
            self.is_tnef = self.head.starts_with(&SIGNATURE);
            self.is_over = !self.is_tnef;
            self.head.clear();
        } else if self.is_tnef && self.head.len() == ATTRIBUTE_HEAD {
            let word = |at: usize| number(self.head.get(at..at + 4).unwrap_or_default());
            let (id, length) = (word(1), u64::from(word(5)));
            self.is_over = !matches!(self.head.first(), Some(1 | 2));
            let value = Vec::new();
            self.attribute = Some(Attribute { id, start: self.at, left: length + CHECKSUM, value });
            self.head.clear();
        }
    }

    fn read(&mut self, attribute: &Attribute) {
        let end = self.at - CHECKSUM;
        let text = || {
            let until = attribute.value.split(|&octet| octet == 0).next().unwrap_or_default();
            one_line(&decode_text(until, &codepage_name(self.codepage)).0).into_owned()
        };
        match attribute.id {
            OEM_CODEPAGE => self.codepage = number(attribute.value.get(..4).unwrap_or_default()),
            BODY => {
                // The NUL at its end is no text.
                let whole = 0..end - attribute.start - u64::from(attribute.value.ends_with(&[0]));
                self.add_body("text/plain", codepage_name(self.codepage), attribute, whole);
            }
            MESSAGE_PROPERTIES => {
                for body in tnef_properties::bodies(&attribute.value) {
                    if body.content_type == "text/rtf" {
                        self.rich = rich(attribute, body.place);
                        continue;
                    }
                    let charset = body.charset.unwrap_or_else(|| codepage_name(self.codepage));
                    self.add_body(body.content_type, charset, attribute, body.place);
                }
            }
            RENDERING => {
                self.end_file();
                self.file = Some(Part::default());
            }
            TITLE => {
                let name = text();
                if let Some(file) = self.file.as_mut().filter(|file| file.file_name.is_empty()) {
                    file.file_name = name;
                }
            }
            DATA => {
                if let Some(file) = &mut self.file {
                    file.body = attribute.start..end;
                }
            }
            FILE_PROPERTIES => {
                let about = tnef_properties::file(&attribute.value);
                if let Some(file) = &mut self.file {
                    // The long name; that of the attribute may be one of eight and three characters.
                    file.file_name =
                        about.name.unwrap_or_else(|| std::mem::take(&mut file.file_name));
                    file.content_type = about.content_type.unwrap_or_default();
                    file.content_id = about.content_id.unwrap_or_default();
                }
            }
            _ => {}
        }
    }

    fn add_body(&mut self, content_type: &str, charset: String, of: &Attribute, place: Range<u64>) {
        // Twice the same form says the same.
        self.found.retain(|it| it.part.is_attachment || it.part.content_type != content_type);
        let at = |octet: u64| usize::try_from(octet).unwrap_or(usize::MAX).min(of.value.len());
        let text = of.value.get(at(place.start)..at(place.end)).unwrap_or_default().to_vec();
        let body = of.start + place.start..of.start + place.end;
        let content_type = content_type.to_owned();
        self.add(Part { content_type, charset, body, ..Part::default() }, text);
    }

    fn end_file(&mut self) {
        if let Some(mut file) = self.file.take().filter(|file| file.body.end > 0) {
            if !file.content_type.contains('/') {
                file.content_type = "application/octet-stream".to_owned();
            }
            file.is_attachment = true;
            self.add(file, Vec::new());
        }
    }

    fn add(&mut self, part: Part, text: Vec<u8>) {
        if self.found.len() < MOST_FOUND && part.body.start <= part.body.end {
            let start = part.body.start;
            let content_length = part.body.end - start;
            let part = Part { header: start..start, content_length, ..part };
            self.found.push(Found { part, text });
        }
    }
}

/// The body that compressed rich text was made of.
fn rich(of: &Attribute, place: Range<u64>) -> Option<Found> {
    let at = |octet: u64| usize::try_from(octet).unwrap_or(usize::MAX).min(of.value.len());
    let text = of.value.get(at(place.start)..at(place.end))?.to_vec();
    let is_html = rtf::is_html(&lzfu::decompress(&text));
    let (content, _) = decode(&text, Encoding::CompressedRtf);
    let part = Part {
        content_type: if is_html { "text/html" } else { "text/plain" }.to_owned(),
        charset: "utf-8".to_owned(),
        encoding: Encoding::CompressedRtf,
        header: of.start + place.start..of.start + place.start,
        body: of.start + place.start..of.start + place.end,
        content_length: content.len() as u64,
        ..Part::default()
    };
    (!content.is_empty()).then_some(Found { part, text })
}

impl Attribute {
    /// Takes what belongs to it, and keeps what can be read of it.
    fn take(&mut self, octets: &[u8]) -> usize {
        let taken = usize::try_from(self.left).unwrap_or(octets.len()).min(octets.len());
        if let Some((_, most)) = KEPT.iter().find(|(id, _)| *id == self.id) {
            let value = usize::try_from(self.left.saturating_sub(CHECKSUM)).unwrap_or(taken);
            let room = most.saturating_sub(self.value.len()).min(value).min(taken);
            self.value.extend_from_slice(&octets[..room]);
        }
        self.left -= taken as u64;
        taken
    }
}

/// 0x223E9F78 (MS-OXTNEF §2.1.3.1), and the octets of the head with the key behind it.
const SIGNATURE: [u8; 4] = [0x78, 0x9f, 0x3e, 0x22];
const STREAM_HEAD: usize = 6;

/// Level, id and length of an attribute; behind its value comes a checksum.
const ATTRIBUTE_HEAD: usize = 9;
const CHECKSUM: u64 = 2;

// Attributes (MS-OXTNEF §2.1.3.2).
const OEM_CODEPAGE: u32 = 0x0006_9007;
const BODY: u32 = 0x0002_800c;
const MESSAGE_PROPERTIES: u32 = 0x0006_9003;
const RENDERING: u32 = 0x0006_9002;
const TITLE: u32 = 0x0001_8010;
const DATA: u32 = 0x0006_800f;
const FILE_PROPERTIES: u32 = 0x0006_9005;

/// Those whose value is read, and how many octets of it are kept for that. Properties of a message hold its
/// HTML.
const KEPT: [(u32, usize); 5] = [
    (OEM_CODEPAGE, 8),
    (TITLE, 1_000),
    (BODY, 64 * 1024),
    (MESSAGE_PROPERTIES, 1024 * 1024),
    (FILE_PROPERTIES, 64 * 1024),
];

/// Most bodies and files of one winmail.dat.
const MOST_FOUND: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    fn attribute(level: u8, id: u32, value: &[u8]) -> Vec<u8> {
        let length = (value.len() as u32).to_le_bytes();
        [&[level][..], &id.to_le_bytes(), &length, value, &[0, 0]].concat()
    }

    fn property(kind: u16, id: u16, value: &[u8]) -> Vec<u8> {
        let pad = vec![0; value.len().next_multiple_of(4) - value.len()];
        let head = [kind.to_le_bytes(), id.to_le_bytes()].concat();
        [
            head,
            1_u32.to_le_bytes().into(),
            (value.len() as u32).to_le_bytes().into(),
            value.into(),
            pad,
        ]
        .concat()
    }

    fn winmail() -> Vec<u8> {
        let html = property(0x0102, 0x1013, b"<p>caf\xe9</p>");
        let page = [&[3, 0, 0xde, 0x3f][..], &1252_u32.to_le_bytes()].concat();
        let message = [&2_u32.to_le_bytes()[..], &page, &html].concat();
        let name: Vec<u8> = "größe.pdf\0".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let file = [&1_u32.to_le_bytes()[..], &property(0x1f, 0x3707, &name)].concat();
        [
            &[0x78, 0x9f, 0x3e, 0x22, 1, 0][..],
            &attribute(1, OEM_CODEPAGE, &[0xe4, 4, 0, 0, 0, 0, 0, 0]),
            &attribute(1, BODY, b"caf\xe9\0"),
            &attribute(1, MESSAGE_PROPERTIES, &message),
            &attribute(2, RENDERING, &[0; 14]),
            &attribute(2, TITLE, b"GROESSE~1.PDF\0"),
            &attribute(2, DATA, b"%PDF-1.4"),
            &attribute(2, FILE_PROPERTIES, &file),
            &attribute(2, RENDERING, &[0; 14]),
            &attribute(2, TITLE, b"a.txt\0"),
            &attribute(2, DATA, b"hello"),
        ]
        .concat()
    }

    fn read(octets: &[u8], length: usize) -> Vec<Found> {
        let mut tnef = Tnef::default();
        octets.chunks(length).for_each(|piece| tnef.push(piece));
        tnef.finish()
    }

    #[test]
    fn bodies_and_files() {
        let octets = winmail();
        for length in [1, 7, octets.len()] {
            let found: Vec<_> = read(&octets, length)
                .into_iter()
                .map(|Found { part, .. }| {
                    let content = &octets[part.body.start as usize..part.body.end as usize];
                    (
                        part.content_type,
                        part.charset,
                        part.file_name,
                        content.escape_ascii().to_string(),
                    )
                })
                .collect();
            let it = |kind: &str, charset: &str, name: &str, content: &str| {
                (kind.to_owned(), charset.to_owned(), name.to_owned(), content.to_owned())
            };
            let file = "application/octet-stream";
            assert_eq!(
                found,
                [
                    it("text/plain", "windows-1252", "", "caf\\xe9"),
                    it("text/html", "windows-1252", "", "<p>caf\\xe9</p>"),
                    it(file, "", "größe.pdf", "%PDF-1.4"),
                    it(file, "", "a.txt", "hello"),
                ]
            );
        }
    }

    #[test]
    fn rich_text_where_nothing_else_is() {
        let html = br"{\rtf1\ansi\fromhtml1 {\*\htmltag64 <p>}Hi{\*\htmltag72 </p>}}";
        let raw = [&[0; 8][..], b"MELA", &[0; 4], html].concat();
        let message = [&1_u32.to_le_bytes()[..], &property(0x0102, 0x1009, &raw)].concat();
        let stream = |body: &[u8]| {
            let head: &[u8] = &[0x78, 0x9f, 0x3e, 0x22, 1, 0];
            [head, body, &attribute(1, MESSAGE_PROPERTIES, &message)].concat()
        };
        let kinds = |octets: &[u8]| -> Vec<_> {
            read(octets, 7).into_iter().map(|it| it.part.content_type).collect()
        };
        assert_eq!(kinds(&stream(b"")), ["text/html"]);
        assert_eq!(kinds(&stream(&attribute(1, BODY, b"Hi\0"))), ["text/plain", "text/html"]);
        let part = read(&stream(b""), 1).remove(0).part;
        let octets = stream(b"");
        let body = &octets[part.body.start as usize..part.body.end as usize];
        assert_eq!(decode(body, part.encoding).0, b"<p>Hi</p>");
        // HTML that is there is better than what was made of it.
        let both = [
            &2_u32.to_le_bytes()[..],
            &property(0x0102, 0x1013, b"<p>Hi</p>"),
            &property(0x0102, 0x1009, &raw),
        ];
        let both = attribute(1, MESSAGE_PROPERTIES, &both.concat());
        let octets = [&[0x78, 0x9f, 0x3e, 0x22, 1, 0], both.as_slice()].concat();
        assert_eq!(read(&octets, 9).remove(0).part.encoding, Encoding::Identity);
        assert_eq!(kinds(&octets).len(), 1);
    }

    #[test]
    fn what_is_cut_or_hostile() {
        let octets = winmail();
        for end in 0..octets.len() {
            assert!(read(&octets[..end], 1_000).len() <= 4);
        }
        assert_eq!(read(b"not a winmail.dat", 3).len(), 0);
        let mut long = octets[..6].to_vec();
        long.extend([1, 3, 0x90, 6, 0, 0xff, 0xff, 0xff, 0xff]);
        long.extend([0xff; 10_000]);
        assert_eq!(read(&long, 10).len(), 0);
    }
}
