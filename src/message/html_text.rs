//! HTML reduced to its words, for search and for the snippet of a list.
//!
//! One pass, no tree: it only has to find what a person would read, whatever the markup. It is not
//! meant for display; that is the sanitiser's work.

use std::borrow::Cow;

/// The readable text of an HTML document or fragment.
pub fn html_to_text(html: &str) -> String {
    let mut out = Text::default();
    let mut rest = html;
    while let Some(at) = memchr::memchr(b'<', rest.as_bytes()) {
        let (text, from) = rest.split_at(at);
        out.text(text);
        rest = match from.as_bytes() {
            [b'<', b'!', b'-', b'-', ..] => behind(&from[4..], "-->"),
            [b'<', b'!' | b'?', ..] => behind(from, ">"),
            [b'<', b'/' | b'a'..=b'z' | b'A'..=b'Z', ..] => out.tag(from),
            _ => {
                out.text("<");
                &from[1..]
            }
        };
    }
    out.text(rest);
    out.finished.truncate(out.finished.trim_end().len());
    out.finished
}

/// Text in the making: white space is written only when more follows.
#[derive(Default)]
struct Text {
    finished: String,
    space: bool,
    line_ends: usize,
}

impl Text {
    fn text(&mut self, text: &str) {
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            rest = &rest[c.len_utf8()..];
            let c = match c {
                '&' => match entity(rest) {
                    Some((c, length)) => {
                        rest = &rest[length..];
                        c
                    }
                    None => c,
                },
                c => c,
            };
            match c {
                ' ' | '\t' | '\r' | '\n' | '\u{c}' => self.space = true,
                c => self.push(c),
            }
        }
    }

    fn push(&mut self, c: char) {
        if !self.finished.is_empty() {
            match (self.line_ends, self.space) {
                (0, true) => self.finished.push(' '),
                (ends, _) => self.finished.extend(std::iter::repeat_n('\n', ends)),
            }
        }
        (self.line_ends, self.space) = (0, false);
        self.finished.push(c);
    }

    /// Takes a tag at the beginning of `from` and what must not be read with it; returns the rest.
    fn tag<'a>(&mut self, from: &'a str) -> &'a str {
        let closing = from.starts_with("</");
        let start = 1 + usize::from(closing);
        let end = from[start..]
            .find(|c: char| !c.is_ascii_alphanumeric())
            .map_or(from.len(), |length| start + length);
        let name = from[start..end].to_ascii_lowercase();
        let rest = behind_tag(&from[end..]);
        match name.as_str() {
            "br" => self.line_ends = (self.line_ends + 1).min(2),
            "p" | "h1" | "h2" | "h3" | "h4" | "h5" | "h6" | "blockquote" | "table" | "ul"
            | "ol" | "hr" | "pre" => self.line_ends = 2,
            "div" | "tr" | "li" | "dt" | "dd" | "section" | "article" | "header" | "footer"
            | "center" | "body" | "address" | "form" | "fieldset" | "option" => {
                self.line_ends = self.line_ends.max(1);
            }
            "td" | "th" => self.space = true,
            // Content that no one reads.
            "style" | "script" | "title" | "noscript" | "template" | "textarea" | "select"
                if !closing =>
            {
                return behind_element(rest, &name);
            }
            _ => {}
        }
        rest
    }
}

/// What follows the first `end`; nothing if it never comes, as in a browser.
pub(super) fn behind<'a>(text: &'a str, end: &str) -> &'a str {
    text.split_once(end).map_or("", |(_, after)| after)
}

/// What follows the `>` of a tag; one inside quotes does not end it.
pub(super) fn behind_tag(from: &str) -> &str {
    let mut quote = None;
    let mut before = b' ';
    for (at, &octet) in from.as_bytes().iter().enumerate() {
        match (quote, octet) {
            (None, b'>') => return &from[at + 1..],
            // Only behind an equals sign does a quote open a value.
            (None, b'"' | b'\'') if before == b'=' => quote = Some(octet),
            (Some(open), _) if open == octet => quote = None,
            _ => {}
        }
        if !octet.is_ascii_whitespace() {
            before = octet;
        }
    }
    ""
}

/// What follows `</name`, whose own `>` the caller's next step passes over.
pub(super) fn behind_element<'a>(from: &'a str, name: &str) -> &'a str {
    let octets = from.as_bytes();
    memchr::memmem::find_iter(octets, b"</")
        .find(|at| {
            let end = at + 2 + name.len();
            octets.get(at + 2..end).is_some_and(|tag| tag.eq_ignore_ascii_case(name.as_bytes()))
        })
        .map_or("", |at| &from[at..])
}

/// A value with its character references undone.
pub(super) fn unescape(text: &str) -> Cow<'_, str> {
    if memchr::memchr(b'&', text.as_bytes()).is_none() {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        out.push_str(before);
        let (c, length) = entity(after).unwrap_or(('&', 0));
        out.push(c);
        rest = &after[length..];
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// The character of an entity whose ampersand stands before `rest`, and the octets it takes.
fn entity(rest: &str) -> Option<(char, usize)> {
    let body = super::text::beginning(rest, MAX_ENTITY);
    if let Some(number) = body.strip_prefix('#') {
        let (digits, radix) = match number.strip_prefix(['x', 'X']) {
            Some(digits) => (digits, 16),
            None => (number, 10),
        };
        let length = digits.find(|c: char| !c.is_digit(radix)).unwrap_or(digits.len());
        let code = u32::from_str_radix(&digits[..length], radix).ok()?;
        let end = body.len() - digits.len() + length;
        let c = match code {
            0 => char::REPLACEMENT_CHARACTER,
            // The C1 numbers mean windows-1252, as in a browser.
            128..=159 => super::charset::guess(&[code as u8]).chars().next()?,
            code => char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER),
        };
        return Some((c, end + usize::from(rest[end..].starts_with(';'))));
    }
    let length = body.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(body.len());
    let name = &body[..length];
    let (_, c) = ENTITIES.iter().find(|(known, _)| *known == name)?;
    Some((*c, length + usize::from(rest[length..].starts_with(';'))))
}

/// Longest entity we read, in octets behind the ampersand.
const MAX_ENTITY: usize = 12;

/// The named entities that mail uses; others stay as they are written.
const ENTITIES: [(&str, char); 74] = [
    ("nbsp", ' '),
    ("amp", '&'),
    ("lt", '<'),
    ("gt", '>'),
    ("quot", '"'),
    ("apos", '\''),
    ("zwnj", '\u{200c}'),
    ("zwj", '\u{200d}'),
    ("shy", '\u{ad}'),
    ("ensp", ' '),
    ("emsp", ' '),
    ("thinsp", ' '),
    ("ndash", '–'),
    ("mdash", '—'),
    ("lsquo", '‘'),
    ("rsquo", '’'),
    ("sbquo", '‚'),
    ("ldquo", '“'),
    ("rdquo", '”'),
    ("bdquo", '„'),
    ("laquo", '«'),
    ("raquo", '»'),
    ("hellip", '…'),
    ("bull", '•'),
    ("middot", '·'),
    ("copy", '©'),
    ("reg", '®'),
    ("trade", '™'),
    ("euro", '€'),
    ("pound", '£'),
    ("yen", '¥'),
    ("cent", '¢'),
    ("sect", '§'),
    ("para", '¶'),
    ("deg", '°'),
    ("plusmn", '±'),
    ("times", '×'),
    ("frac12", '½'),
    ("rarr", '→'),
    ("larr", '←'),
    ("iexcl", '¡'),
    ("iquest", '¿'),
    ("auml", 'ä'),
    ("ouml", 'ö'),
    ("uuml", 'ü'),
    ("Auml", 'Ä'),
    ("Ouml", 'Ö'),
    ("Uuml", 'Ü'),
    ("szlig", 'ß'),
    ("agrave", 'à'),
    ("aacute", 'á'),
    ("acirc", 'â'),
    ("atilde", 'ã'),
    ("aring", 'å'),
    ("aelig", 'æ'),
    ("ccedil", 'ç'),
    ("egrave", 'è'),
    ("eacute", 'é'),
    ("ecirc", 'ê'),
    ("euml", 'ë'),
    ("iacute", 'í'),
    ("icirc", 'î'),
    ("iuml", 'ï'),
    ("ntilde", 'ñ'),
    ("oacute", 'ó'),
    ("ocirc", 'ô'),
    ("otilde", 'õ'),
    ("oslash", 'ø'),
    ("ugrave", 'ù'),
    ("uacute", 'ú'),
    ("ucirc", 'û'),
    ("Eacute", 'É'),
    ("Aring", 'Å'),
    ("Oslash", 'Ø'),
];

#[cfg(test)]
mod tests {
    use super::html_to_text;

    #[track_caller]
    fn check(html: &str, text: &str) {
        assert_eq!(html_to_text(html), text, "{html}");
    }

    #[test]
    fn what_a_person_reads() {
        check("<p>Hello <b>big</b>\n world</p><p>Bye</p>", "Hello big world\n\nBye");
        check("a<br>b<br/>c", "a\nb\nc");
        check("<table><tr><td>a</td><td>b</td></tr><tr><td>c</table>", "a b\nc");
        check("<head><title>No</title><style>p{}</style></head><body>Yes", "Yes");
        check("<script>if (a < b) {}</script >ok", "ok");
        check("<!-- <p>no --> yes <![if x]>too<![endif]>", "yes too");
        check("<a title='a > b' href=x>link</a>", "link");
        check("1 < 2 and 3 > 2 <", "1 < 2 and 3 > 2 <");
        check("<style>never closed", "");
        check("<p title=\"never closed", "");
    }

    #[test]
    fn entities() {
        check("&lt;b&gt; &amp;amp; &eacute;&#233;&#xe9;&#150;", "<b> &amp; ééé–");
        check("caf&eacute &unknown; AT&T &#; &#x110000;", "café &unknown; AT&T &#; \u{fffd}");
    }
}
