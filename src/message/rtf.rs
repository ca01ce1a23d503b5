//! Rich text to what it was made of: Outlook wraps the HTML or the text of a message in RTF
//! (MS-OXRTFEX), which is taken out again. Of other rich text the plain text is read.
//!
//! One pass over the octets, without recursion; what is not understood is passed over.

use std::collections::BTreeMap;

use super::charset::{codepage_name, decode_text};

/// True if the rich text was made of HTML, which then is what it says.
pub(super) fn is_html(rtf: &[u8]) -> bool {
    let near = &rtf[..rtf.len().min(NEAR)];
    memchr::memmem::find(near, b"\\fromhtml1").is_some()
}

/// The HTML or the text in it.
pub(super) fn read(rtf: &[u8]) -> String {
    let mut reader = Reader {
        rest: rtf,
        groups: vec![Group { fallbacks: 1, ..Group::default() }],
        codepage: WESTERN,
        ..Reader::default()
    };
    while let [first, rest @ ..] = reader.rest {
        reader.rest = rest;
        match first {
            b'{' => reader.open(),
            b'}' => reader.close(),
            b'\\' => reader.control(),
            b'\r' | b'\n' => {}
            octet => reader.octet(*octet),
        }
    }
    reader.flush();
    reader.out
}

#[derive(Default)]
struct Reader<'a> {
    rest: &'a [u8],
    /// The innermost last; there is always one.
    groups: Vec<Group>,
    /// Groups that are open beyond [`DEEPEST`].
    deeper: usize,
    out: String,
    /// Octets of a code page that wait to be read together, and which it is.
    octets: Vec<u8>,
    read_as: u32,
    /// That of the document, and those of its fonts.
    codepage: u32,
    fonts: BTreeMap<i32, u32>,
    /// The font that is being described.
    font: i32,
    /// The first half of a character outside of the first plane.
    high: Option<u32>,
    /// What stands there for readers that do not know `\u` is to be passed over.
    passed: usize,
}

/// What holds up to the end of a group.
#[derive(Clone, Copy, Default)]
struct Group {
    /// It begins with `\*`: unless its name is known it is nothing for us.
    is_optional: bool,
    /// It says something else than the text.
    is_hidden: bool,
    /// Between `\htmlrtf` and `\htmlrtf0`: what only readers of RTF should see.
    is_for_rtf: bool,
    is_font_table: bool,
    codepage: Option<u32>,
    /// Characters that stand behind each `\u` for old readers.
    fallbacks: usize,
}

impl Reader<'_> {
    fn group(&mut self) -> Group {
        self.groups.last().copied().unwrap_or_default()
    }

    fn set(&mut self, change: impl FnOnce(&mut Group)) {
        if let Some(group) = self.groups.last_mut().filter(|_| self.deeper == 0) {
            change(group);
        }
    }

    fn open(&mut self) {
        self.passed = 0;
        if self.groups.len() > DEEPEST {
            self.deeper += 1;
        } else {
            let group = Group { is_optional: false, ..self.group() };
            self.groups.push(group);
        }
    }

    fn close(&mut self) {
        self.passed = 0;
        if self.deeper > 0 {
            self.deeper -= 1;
        } else if self.groups.len() > 1 {
            self.groups.pop();
        }
    }

    /// What stands behind a backslash.
    fn control(&mut self) {
        let [sign, rest @ ..] = self.rest else { return };
        if sign.is_ascii_alphabetic() {
            return self.word();
        }
        self.rest = rest;
        match sign {
            b'\'' => {
                let digits = rest.get(..2).and_then(|it| std::str::from_utf8(it).ok());
                if let Some(octet) = digits.and_then(|it| u8::from_str_radix(it, 16).ok()) {
                    self.rest = &rest[2..];
                    self.octet(octet);
                }
            }
            b'*' => self.set(|group| group.is_optional = true),
            b'~' => self.say("\u{a0}"),
            b'_' => self.say("\u{2011}"),
            b'\r' | b'\n' => self.say("\r\n"),
            b'{' | b'}' | b'\\' => self.octet(*sign),
            _ => {}
        }
    }

    /// A word of letters, perhaps a number, and one space that ends it.
    fn word(&mut self) {
        let length = self.rest.iter().take_while(|c| c.is_ascii_alphabetic()).count();
        let (word, rest) = self.rest.split_at(length);
        let sign = usize::from(rest.first() == Some(&b'-'));
        let digits = rest[sign..].iter().take(10).take_while(|c| c.is_ascii_digit()).count();
        let (number, rest) = rest.split_at(if digits > 0 { sign + digits } else { 0 });
        self.rest = rest.strip_prefix(b" ").unwrap_or(rest);
        let number = std::str::from_utf8(number).ok().and_then(|it| it.parse::<i32>().ok());
        self.act(word, number);
    }

    fn act(&mut self, word: &[u8], number: Option<i32>) {
        let group = self.group();
        let is_unknown = group.is_optional && word != b"htmltag";
        if is_unknown || HIDDEN.contains(&word) {
            self.set(|group| (group.is_hidden, group.is_optional) = (true, false));
        }
        match (word, number) {
            (b"htmltag", _) => self.set(|group| group.is_optional = false),
            (b"htmlrtf", on) => self.set(|group| group.is_for_rtf = on != Some(0)),
            (b"fonttbl", _) => self.set(|group| group.is_font_table = true),
            (b"ansicpg", Some(page)) => self.codepage = page.unsigned_abs(),
            (b"f", Some(font)) if group.is_font_table => self.font = font,
            (b"fcharset", Some(charset))
                if group.is_font_table && self.fonts.len() < MOST_FONTS =>
            {
                if let Some((_, page)) = CHARSETS.iter().find(|(known, _)| *known == charset) {
                    self.fonts.insert(self.font, *page);
                }
            }
            (b"f", Some(font)) => {
                let page = self.fonts.get(&font).copied();
                self.set(|group| group.codepage = page);
            }
            (b"uc", Some(count)) => {
                self.set(|group| group.fallbacks = usize::try_from(count).unwrap_or(0));
            }
            (b"u", Some(code)) => self.unicode(code, group.fallbacks),
            (b"bin", Some(length)) => {
                let length = usize::try_from(length).unwrap_or(0).min(self.rest.len());
                self.rest = &self.rest[length..];
            }
            _ => {
                if let Some((_, text)) = WORDS.iter().find(|(known, _)| *known == word) {
                    self.say(text);
                }
            }
        }
    }

    fn unicode(&mut self, code: i32, fallbacks: usize) {
        // Written as a signed number of 16 bits.
        let code = u32::from(code as u16);
        let character = match (self.high.take(), code) {
            (_, 0xd800..0xdc00) => {
                self.high = Some(code);
                None
            }
            (Some(high), 0xdc00..0xe000) => {
                char::from_u32(0x10000 + ((high - 0xd800) << 10) + (code - 0xdc00))
            }
            _ => char::from_u32(code),
        };
        if let Some(character) = character {
            self.say(character.encode_utf8(&mut [0; 4]));
        }
        self.passed = fallbacks;
    }

    /// An octet of the text.
    fn octet(&mut self, octet: u8) {
        if self.passed > 0 {
            self.passed -= 1;
        } else if self.is_seen() {
            let page = self.group().codepage.unwrap_or(self.codepage);
            if page != self.read_as {
                self.flush();
                self.read_as = page;
            }
            self.octets.push(octet);
        }
    }

    fn say(&mut self, text: &str) {
        if self.is_seen() {
            self.flush();
            self.out.push_str(text);
        }
    }

    fn is_seen(&mut self) -> bool {
        let group = self.group();
        !group.is_hidden && !group.is_for_rtf
    }

    fn flush(&mut self) {
        if !self.octets.is_empty() {
            self.out.push_str(&decode_text(&self.octets, &codepage_name(self.read_as)).0);
            self.octets.clear();
        }
    }
}

/// Groups that hold no text.
const HIDDEN: [&[u8]; 14] = [
    b"fonttbl",
    b"colortbl",
    b"stylesheet",
    b"info",
    b"pict",
    b"object",
    b"header",
    b"footer",
    b"headerl",
    b"headerr",
    b"footerl",
    b"footerr",
    b"listtable",
    b"fldinst",
];

/// Words that stand for text.
const WORDS: [(&[u8], &str); 16] = [
    (b"par", "\r\n"),
    (b"line", "\r\n"),
    (b"sect", "\r\n"),
    (b"page", "\r\n"),
    (b"row", "\r\n"),
    (b"tab", "\t"),
    (b"cell", "\t"),
    (b"lquote", "\u{2018}"),
    (b"rquote", "\u{2019}"),
    (b"ldblquote", "\u{201c}"),
    (b"rdblquote", "\u{201d}"),
    (b"bullet", "\u{2022}"),
    (b"endash", "\u{2013}"),
    (b"emdash", "\u{2014}"),
    (b"enspace", "\u{2002}"),
    (b"emspace", "\u{2003}"),
];

/// Code pages by the charset of a font.
const CHARSETS: [(i32, u32); 15] = [
    (77, 10000),
    (128, 932),
    (129, 949),
    (130, 1361),
    (134, 936),
    (136, 950),
    (161, 1253),
    (162, 1254),
    (163, 1258),
    (177, 1255),
    (178, 1256),
    (186, 1257),
    (204, 1251),
    (222, 874),
    (238, 1250),
];

const WESTERN: u32 = 1252;

/// Where the word stands that says what it was made of: among the first ten (MS-OXRTFEX §2.1.3.1).
const NEAR: usize = 200;

/// Groups inside one another whose properties are told apart.
const DEEPEST: usize = 200;

/// Most fonts of a document.
const MOST_FONTS: usize = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn html_is_taken_out() {
        let rtf = br"{\rtf1\ansi\ansicpg1252\fromhtml1 \deff0{\fonttbl{\f0\fswiss Arial;}}
{\*\generator x;}{\*\htmltag19 <html>}{\*\htmltag64 <p class=\'22a\'22>}\htmlrtf {\htmlrtf0 \'e9t\'e9 \u8364?
{\*\htmltag84 &amp;}\{x\}\htmlrtf }\htmlrtf0 {\*\mhtmltag64 <p>}\htmlrtf\par\htmlrtf0{\*\htmltag72 </p>\par }}";
        assert!(is_html(rtf));
        assert_eq!(read(rtf), "<html><p class=\"a\">été €&amp;{x}</p>\r\n");
    }

    #[test]
    fn text_of_every_code_page() {
        for (rtf, text) in [
            (r"{\rtf1\ansi\fromtext \fs20 Hello\par World\tab !}", "Hello\r\nWorld\t!"),
            (r"{\rtf1\ansi\ansicpg1251 \'cf\'f0\'e8}", "При"),
            (r"{\rtf1{\fonttbl{\f1\fnil\fcharset128 MS Gothic;}}a{\f1\'93\'fa\'96{}b}c}", "a日肪c"),
            (r"{\rtf1{\fonttbl{\f1\fnil\fcharset128 MS Gothic;}}a{\f1\'93\'fa}\'e9}", "a日é"),
            (r"{\rtf1\uc2 \u-10179\'81\'82\u-8704\'81\'82x}", "😀x"),
            (r"{\rtf1 {\*\unknown no}{\pict 00ff}yes{\info no}\bin3 xyz!}", "yes!"),
        ] {
            assert_eq!(read(rtf.as_bytes()), text, "{rtf}");
        }
    }

    #[test]
    fn what_is_hostile() {
        for hostile in [
            "{",
            "}",
            "\\",
            "\\'",
            "\\u-1 ",
            "{\\*",
            "\\uc99999 \\u1 x",
            "{\\f1",
            "\\bin9999999999 ",
        ] {
            read(hostile.repeat(100_000).as_bytes());
        }
        assert_eq!(read(format!("{}a{}b", "{".repeat(1_000), "}".repeat(1_000)).as_bytes()), "ab");
    }
}
