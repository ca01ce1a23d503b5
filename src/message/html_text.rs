//! HTML reduced to its words, for search and for the snippet of a list.
//!
//! One pass, no tree: it only has to find what a person would read, whatever the markup. It is not
//! meant for display; that is the sanitiser's work.

use super::references::{Place, reference};

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
            let found = if c == '&' { reference(rest, Place::Text) } else { None };
            match found {
                Some(found) => {
                    rest = &rest[found.length..];
                    match found.first {
                        // Spaces of a width: whoever searches types another.
                        '\u{a0}' | '\u{2002}' | '\u{2003}' | '\u{2009}' => self.space = true,
                        first => self.character(first),
                    }
                    found.second.into_iter().for_each(|second| self.push(second));
                }
                None => self.character(c),
            }
        }
    }

    fn character(&mut self, c: char) {
        match c {
            ' ' | '\t' | '\r' | '\n' | '\u{c}' => self.space = true,
            c => self.push(c),
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
    fn character_references() {
        check("&lt;b&gt; &amp;amp; &eacute;&#233;&#xe9;&#150;", "<b> &amp; ééé–");
        check("&Scaron;koda &alpha;lpha &check;", "Škoda αlpha ✓");
    }
}
