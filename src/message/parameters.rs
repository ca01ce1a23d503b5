//! `type/subtype; name=value` (RFC 2045 §5.1) with the ways to write a value that is not ASCII:
//! RFC 2231, and the RFC 2047 words that most mailers put into quotes instead.
//!
//! Read for what was meant: values without quotes hold spaces and parentheses, semicolons are
//! forgotten, and names are written twice, for old programs and for new ones.

use std::borrow::Cow;

use super::{Defect, charset, defects::Defects, encoded_word::decode_words, text::beginning};

/// A header value with parameters.
#[derive(Debug, Default)]
pub(super) struct Parameters<'a> {
    /// What stands before the first parameter, in lower case, without comments.
    pub(super) value: String,
    list: Vec<Parameter<'a>>,
}

#[derive(Debug)]
struct Parameter<'a> {
    /// In lower case, without what RFC 2231 adds to it.
    name: String,
    section: Section,
    value: Cow<'a, str>,
}

/// What RFC 2231 says of a value by an addition to its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Section {
    /// `name`
    Plain,
    /// `name*`: with charset and language, percent-encoded (§4).
    Extended,
    /// `name*0`, and whether it is percent-encoded (`name*0*`; §3, §4.1).
    Piece(u16, bool),
}

impl Section {
    fn is_same_piece(self, other: Self) -> bool {
        matches!((self, other), (Self::Piece(one, _), Self::Piece(two, _)) if one == two)
    }
}

impl<'a> Parameters<'a> {
    /// Reads an unfolded value.
    pub(super) fn parse(unfolded: &'a str) -> Self {
        let mut reader = Reader { rest: beginning(unfolded, MAX_LENGTH), is_open: false };
        let value = reader.value();
        let mut list = Vec::new();
        while list.len() < MAX_PARAMETERS
            && let Some((name, value)) = reader.parameter()
        {
            let (name, section) = split_name(name);
            list.push(Parameter { name, section, value });
        }
        Self { value, list }
    }

    /// The value of a parameter, octets of its charset decoded (RFC 2231), not its encoded words.
    pub(super) fn get(&self, name: &str) -> Option<Cow<'_, str>> {
        self.find(name, false, &mut Defects::default())
    }

    /// A parameter that people read, such as a file name.
    pub(super) fn text(&self, name: &str, defects: &mut Defects) -> Option<String> {
        self.find(name, true, defects).map(Cow::into_owned)
    }

    /// What RFC 2231 writes goes before what stands there for mailers that do not know it (RFC 6266
    /// §4.3), and of two the first.
    fn find(&self, name: &str, is_text: bool, defects: &mut Defects) -> Option<Cow<'_, str>> {
        let mut all: Vec<_> = self.list.iter().filter(|it| it.name == name).collect();
        // Behind a piece that stands twice nobody knows of which of the two others are.
        let is_twice =
            |at: usize| all[..at].iter().any(|it| it.section.is_same_piece(all[at].section));
        let end = (1..all.len()).find(|&at| is_twice(at)).unwrap_or(all.len());
        let mut place = 0;
        all.retain(|it| {
            place += 1;
            place <= end || !matches!(it.section, Section::Piece(..))
        });
        all.sort_by_key(|it| it.section);
        let of = |section| all.iter().find(|it| it.section == section).map(|it| &*it.value);
        let words = |value: &'_ str, defects: &mut Defects| match is_text {
            true => decode_words(value, defects).into_owned(),
            false => value.to_owned(),
        };
        let plain = of(Section::Plain);
        let pieces = pieces(&all, plain.is_none());
        let (text, clean) = match (of(Section::Extended), plain) {
            (Some(value), _) if value.starts_with("=?") => (words(value, defects), true),
            (Some(value), _) => extended(value),
            (None, _) if pieces.iter().any(|(encoded, _)| *encoded) => joined(&pieces),
            (None, _) if !pieces.is_empty() => {
                let whole: String = pieces.iter().map(|(_, value)| *value).collect();
                (words(&whole, defects), true)
            }
            (None, plain) => return plain.map(|plain| Cow::Owned(words(plain, defects))),
        };
        defects.insert_if(!clean, Defect::BadCharset);
        // What stands there for old programs is better than broken letters.
        match plain.filter(|_| !clean) {
            Some(plain) => Some(Cow::Owned(words(plain, defects))),
            None => Some(Cow::Owned(text)),
        }
    }
}

/// The pieces of a value in their order, up to the first that is missing. Some begin to count with 1.
fn pieces<'p>(all: &[&'p Parameter<'_>], may_count_from_one: bool) -> Vec<(bool, &'p str)> {
    let mut pieces = Vec::new();
    let mut next = None;
    for parameter in all {
        let Section::Piece(number, encoded) = parameter.section else { continue };
        let first = if may_count_from_one { number.min(1) } else { 0 };
        if number == next.unwrap_or(first) {
            pieces.push((encoded, &*parameter.value));
            next = Some(number + 1);
        }
    }
    pieces
}

/// Octets of neighbouring pieces that are percent-encoded belong together: a character may be split
/// between them. The charset stands in the first piece of all.
fn joined(pieces: &[(bool, &str)]) -> (String, bool) {
    let (mut out, mut clean) = (String::new(), true);
    let mut octets: Vec<u8> = Vec::new();
    let (charset, first) = match pieces.first() {
        Some((true, value)) => split_charset(value),
        _ => ("", ""),
    };
    for (at, (encoded, value)) in pieces.iter().enumerate() {
        if *encoded {
            let value = if at == 0 { first } else { value };
            octets.extend(percent_encoding::percent_decode_str(value));
        } else {
            clean &= finish(&mut octets, charset, &mut out);
            out.push_str(value);
        }
    }
    clean &= finish(&mut octets, charset, &mut out);
    (out, clean)
}

/// `charset'language'percent-encoded`
fn extended(value: &str) -> (String, bool) {
    joined(&[(true, value)])
}

fn finish(octets: &mut Vec<u8>, charset: &str, out: &mut String) -> bool {
    if octets.is_empty() {
        return true;
    }
    // Without a charset it is UTF-8, as everywhere else in a header.
    let charset = match charset {
        "" if std::str::from_utf8(octets).is_ok() => "utf-8",
        charset => charset,
    };
    let (text, clean) = charset::decode_text(octets, charset);
    out.push_str(&text);
    octets.clear();
    clean
}

/// Charset, and what is encoded in it. Some forget the language with its quote, some both.
fn split_charset(value: &str) -> (&str, &str) {
    match value.split_once('\'') {
        Some((charset, rest)) => match rest.split_once('\'') {
            Some((_, encoded)) => (charset, encoded),
            None if charset::tells(charset) || charset.eq_ignore_ascii_case("utf-8") => {
                (charset, rest)
            }
            None => ("", value),
        },
        None => ("", value),
    }
}

/// `NAME*0*` to `name` and what is behind it.
fn split_name(name: &str) -> (String, Section) {
    let lower = name.to_ascii_lowercase();
    let Some((base, behind)) = lower.split_once('*') else {
        return (lower, Section::Plain);
    };
    let (digits, encoded) = behind.strip_suffix('*').map_or((behind, false), |it| (it, true));
    // A number has no zero before it (RFC 2231 §3), and is nothing but digits.
    let is_number = digits == "0" || digits.starts_with(|c: char| ('1'..='9').contains(&c));
    match digits.parse() {
        Ok(number) if is_number => (base.to_owned(), Section::Piece(number, encoded)),
        _ if behind.is_empty() => (base.to_owned(), Section::Extended),
        _ => (lower, Section::Plain),
    }
}

struct Reader<'a> {
    rest: &'a str,
    /// A parenthesis was never closed: others are not looked for, or time would grow with the square.
    is_open: bool,
}

impl<'a> Reader<'a> {
    /// The word in front. What is a parameter already is none, for the type was forgotten.
    fn value(&mut self) -> String {
        self.blank();
        let end = self.rest.find(|c: char| c.is_whitespace() || ";,(".contains(c));
        let (word, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        if word.contains('=') {
            return String::new();
        }
        self.rest = rest;
        word.trim_matches('"').to_ascii_lowercase()
    }

    fn parameter(&mut self) -> Option<(&'a str, Cow<'a, str>)> {
        loop {
            self.blank();
            self.rest = self.rest.trim_start_matches([';', ',']);
            if self.rest.is_empty() {
                return None;
            }
            let before = self.rest.len();
            self.blank();
            let is_end = |c: char| c.is_whitespace() || ";=,\"(".contains(c);
            let end = self.rest.find(is_end).unwrap_or(self.rest.len());
            let (name, rest) = self.rest.split_at(end);
            self.rest = rest;
            self.blank();
            match self.rest.strip_prefix('=') {
                Some(rest) if !name.is_empty() => {
                    self.rest = rest;
                    let value = self.given(name);
                    return Some((name, value));
                }
                // A word without a value; a sign that begins nothing must not stop us.
                _ if self.rest.len() == before => {
                    self.rest = &self.rest[self.rest.chars().next().map_or(0, char::len_utf8)..];
                }
                _ => {}
            }
        }
    }

    /// White space and comments.
    fn blank(&mut self) {
        loop {
            self.rest = self.rest.trim_start();
            if self.is_open || !self.rest.starts_with('(') {
                return;
            }
            let length = comment_length(self.rest);
            self.is_open = length.is_none();
            self.rest = &self.rest[length.unwrap_or_default()..];
        }
    }

    /// What stands behind the equals sign.
    fn given(&mut self, name: &str) -> Cow<'a, str> {
        self.rest = self.rest.trim_start();
        if !self.rest.starts_with(['"', '(']) || (is_name(name) && !self.rest.starts_with('"')) {
            return Cow::Borrowed(self.bare(is_name(name)));
        }
        self.blank();
        if !self.rest.starts_with('"') {
            return Cow::Borrowed(self.bare(is_name(name)));
        }
        let mut value = self.quoted();
        // What joins a quoted string belongs to it: quotes inside were not escaped.
        while !self.rest.is_empty()
            && !self.rest.starts_with(|c: char| c.is_whitespace() || ";,(".contains(c))
        {
            value += match self.rest.starts_with('"') {
                true => self.quoted(),
                false => {
                    let end = self.rest.find(|c: char| c.is_whitespace() || ";\"".contains(c));
                    let (bare, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
                    self.rest = rest;
                    Cow::Borrowed(bare)
                }
            };
        }
        value
    }

    /// A value without quotes. That of a file goes up to the semicolon, with its spaces and
    /// parentheses; others are tokens, and what is behind white space is a comment or was parted by
    /// a semicolon once.
    fn bare(&mut self, is_name: bool) -> &'a str {
        let mut is_word = true;
        let end = self.rest.char_indices().find(|&(at, c)| {
            let ends_word =
                c.is_whitespace() && std::mem::replace(&mut is_word, !c.is_whitespace());
            is_word |= !c.is_whitespace();
            c == ';' || (ends_word && (!is_name || begins_parameter(&self.rest[at..])))
        });
        let (value, rest) = self.rest.split_at(end.map_or(self.rest.len(), |(at, _)| at));
        self.rest = rest;
        value.trim_end().trim_end_matches(',')
    }

    /// A quoted string (RFC 5322 §3.2.4). One that never ends goes up to the next semicolon.
    fn quoted(&mut self) -> Cow<'a, str> {
        let inside = &self.rest[1..];
        let is_path = is_windows_path(inside);
        let mut out: Option<String> = None;
        let (mut done, mut chars) = (0, inside.char_indices());
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => {
                    self.rest = &inside[at + 1..];
                    return piece(out, &inside[done..at]);
                }
                '\\' if !is_path || inside[at + 1..].starts_with(['"', '\\']) => {
                    out.get_or_insert_default().push_str(&inside[done..at]);
                    done = at + 1;
                    chars.next();
                }
                _ => {}
            }
        }
        let end = inside.find(';').unwrap_or(inside.len());
        self.rest = &inside[end..];
        let before = out.filter(|_| done <= end);
        let value = inside[if before.is_some() { done } else { 0 }..end].trim_end();
        piece(before, value.strip_suffix('\\').filter(|_| !is_path).unwrap_or(value))
    }
}

/// True for `C:\temp` and `\\\\server`, as an old browser gave the name of a file: their backslashes
/// escape nothing.
fn is_windows_path(value: &str) -> bool {
    let is_drive = value.starts_with(|c: char| c.is_ascii_alphabetic());
    (is_drive && value[1..].starts_with(":\\")) || value.starts_with("\\\\")
}

fn piece(before: Option<String>, last: &str) -> Cow<'_, str> {
    match before {
        Some(before) => Cow::Owned(before + last),
        None => Cow::Borrowed(last),
    }
}

/// Parameters that name files, and so hold what people type.
fn is_name(name: &str) -> bool {
    let base = name.split('*').next().unwrap_or_default();
    base.eq_ignore_ascii_case("name") || base.eq_ignore_ascii_case("filename")
}

/// True for white space and `word=`.
fn begins_parameter(rest: &str) -> bool {
    let word = rest.trim_start();
    let end = word.find(|c: char| !c.is_ascii_alphanumeric() && !"-*".contains(c));
    matches!(end, Some(1..=40)) && end.is_some_and(|end| word[end..].starts_with('='))
}

/// The octets of the comment that begins here, if it ends; comments nest.
fn comment_length(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    let mut octets = text.bytes().enumerate();
    while let Some((at, octet)) = octets.next() {
        match octet {
            b'\\' => drop(octets.next()),
            b'(' => depth += 1,
            b')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return Some(at + 1);
        }
    }
    // Never closed: all of it, unless a parameter could be in it.
    (!text.contains(';')).then_some(text.len())
}

/// Longest value we read, in octets. A file name of 255 characters, percent-encoded and in
/// continuations, takes under 3,000.
const MAX_LENGTH: usize = 8_000;

/// Most parameters we read; a message may have 1,000 parts.
const MAX_PARAMETERS: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn name(value: &str) -> String {
        Parameters::parse(value).text("name", &mut Defects::default()).unwrap_or_default()
    }

    #[test]
    fn names_in_every_spelling() {
        assert_eq!(name("x/y; name=a.txt"), "a.txt");
        assert_eq!(name("x/y; NAME = \"a; b.txt\""), "a; b.txt");
        assert_eq!(name(r#"x/y; name="a \"b\".txt""#), "a \"b\".txt");
        assert_eq!(name(r#"x/y; name="C:\temp\a.txt""#), r"C:\temp\a.txt");
        assert_eq!(name("x/y; name*=utf-8'en'na%C3%AFve.txt"), "naïve.txt");
        assert_eq!(name("x/y; name*=ISO-8859-1''na%EFve.txt"), "naïve.txt");
        assert_eq!(name("x/y; name*0=one; name*1=\" two\"; name*2=.txt"), "one two.txt");
        assert_eq!(name("x/y; name*0*=utf-8''a%C3; name*1*=%A9; name*2=.txt"), "aé.txt");
        assert_eq!(name("x/y; name=\"=?utf-8?Q?na=C3=AFve.txt?=\""), "naïve.txt");
        assert_eq!(name("x/y; name*=nowhere''na%EFve.txt"), "naïve.txt");
        assert_eq!(name("x/y; name*=cp850''na%8Bve.txt"), "naïve.txt");
        assert_eq!(name("x/y; name=plain.txt; name*=utf-8''na%C3%AFve.txt"), "naïve.txt");
        assert_eq!(name("x/y; name=\"never closed.txt"), "never closed.txt");
    }

    #[test]
    fn names_as_programs_write_them() {
        for (value, expected) in [
            ("x/y; name=Invoice (1).pdf", "Invoice (1).pdf"),
            ("x/y; name=(1).pdf; size=1", "(1).pdf"),
            ("x/y; name=a b.pdf charset=utf-8", "a b.pdf"),
            ("x/y; name*=report.pdf", "report.pdf"),
            ("x/y; name*=Ann's%20report.pdf", "Ann's report.pdf"),
            ("x/y; name*=utf-8'na%C3%AFve.txt", "naïve.txt"),
            ("x/y; name*=''na%C3%AFve.txt", "naïve.txt"),
            ("x/y; name*=\"UTF-8''na%C3%AFve.txt\"", "naïve.txt"),
            ("x/y; name*=UTF-16''%FE%FF%00a%00.%00b", "a.b"),
            ("x/y; name*=\"=?utf-8?Q?na=C3=AFve.txt?=\"", "naïve.txt"),
            ("x/y; name*1=b.txt; name*0=a", "ab.txt"),
            ("x/y; name*1=a; name*2=b.txt", "ab.txt"),
            ("x/y; name*0=a; name*2=c; name*0=z", "a"),
            ("x/y; name*0=a; name*01=b; name*+1=c", "a"),
            ("x/y; name*0=a; name*1=b; name*0=z; name*2=evil", "ab"),
            ("x/y; name=old; name*0=a; name*1=b", "ab"),
            ("x/y; name=old; name*1=a; name*2=b", "old"),
            ("x/y; name*0=UTF-8''a; name*1*=%20UTF-8''%20b", "UTF-8''a UTF-8'' b"),
            ("x/y; name=old.txt; name*=utf-8''n%E9w.txt", "old.txt"),
            ("x/y; name=\"a\\b.txt\"", "ab.txt"),
            ("x/y; name*0=\"a%20\"; name*1*=b%20c.txt", "a%20b c.txt"),
            ("x/y; name=old.txt; name*0*=utf-8''n%C3%A9; name*1=w.txt", "néw.txt"),
            ("x/y; name*0=\"=?utf-8?Q?na=C3\"; name*1=\"=AFve.txt?=\"", "naïve.txt"),
            ("x/y; name=first.txt; name=second.txt", "first.txt"),
            ("x/y; name=\"My \"best\" file.pdf\"; a=b", "My best file.pdf"),
            ("x/y; name=\"a.txt\" junk; b=c", "a.txt"),
            ("x/y; name=\"a.txt; size=1", "a.txt"),
            ("x/y;; ;=x; name = a.txt;", "a.txt"),
        ] {
            assert_eq!(name(value), expected, "{value}");
        }
    }

    #[test]
    fn tokens() {
        let get = |value: &str, name: &str| {
            Parameters::parse(value).get(name).unwrap_or_default().into_owned()
        };
        for (value, expected) in [
            ("text/plain; charset=us-ascii (Plain text)", "us-ascii"),
            ("text/plain; charset=(a) \"utf-8\"", "utf-8"),
            ("text/plain; charset = \"koi8-r\" Content-Transfer-Encoding: 8bit", "koi8-r"),
            ("text/html, charset=utf-8", "utf-8"),
            ("text/plain charset=utf-8 format=flowed", "utf-8"),
            ("text/plain; charset=utf-8, format=flowed", "utf-8"),
            ("charset=utf-8", "utf-8"),
            ("text/plain; charset*=us-ascii'en'utf-8", "utf-8"),
            ("text/plain; charset=utf-8; charset=latin1", "utf-8"),
        ] {
            assert_eq!(get(value, "charset"), expected, "{value}");
        }
        assert_eq!(get("a/b; boundary=Boundary_(ID_abc)", "boundary"), "Boundary_(ID_abc)");
        assert_eq!(get("a/b boundary=\"x\"", "boundary"), "x");
        assert_eq!(get("a/b; boundary*0=x; boundary*1=y", "boundary"), "xy");
    }

    #[test]
    fn types() {
        for value in [
            "Text/HTML",
            "text/html;",
            " text/html (a; comment); a=b",
            "text/html a=b",
            "(x)text/html",
            "text/html,a",
            "\"text/html\"",
        ] {
            assert_eq!(Parameters::parse(value).value, "text/html", "{value}");
        }
        assert_eq!(Parameters::parse("").value, "");
        let many = format!("a/b{}", "; x=".repeat(1_000) + ";name=y");
        let many = Parameters::parse(&many);
        assert_eq!((many.value.as_str(), many.get("name")), ("a/b", None));
        assert_eq!(Parameters::parse(&"(".repeat(1_000_000)).value, "");
        for hostile in ["(;", "=", "\"", "a=\"", ",(", "x=(;", "\\"] {
            Parameters::parse(&hostile.repeat(100_000));
        }
    }
}
