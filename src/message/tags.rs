//! The tags of an HTML document, one after another, for those who want to know what it mentions.
//!
//! No tree is built and nothing is judged: what is shown goes through `html`. Here a link or a picture
//! is only found and named, in one pass whatever the markup.

use std::borrow::Cow;

use super::{
    html_text::{behind, behind_element, behind_tag},
    references::{Place, unescape},
};

/// A tag as it stands in the document.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tag<'a> {
    /// As given; compare without regard to case.
    pub(super) name: &'a str,
    /// True for `</name>`.
    pub(super) is_closing: bool,
    /// What stands between name and `>`.
    attributes: &'a str,
    /// What follows it in the document.
    pub(super) after: &'a str,
}

impl<'a> Tag<'a> {
    /// True if this is the tag's name.
    pub(super) fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }

    /// True for `<name/>`, which is an element by itself in drawings.
    pub(super) fn is_empty(&self) -> bool {
        self.attributes.ends_with('/')
    }

    /// The attributes with their values, names as given, character references undone.
    pub(super) fn attributes(&self) -> impl Iterator<Item = (&'a str, Cow<'a, str>)> {
        let mut rest = self.attributes;
        std::iter::from_fn(move || {
            rest = rest.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == '/');
            let first = rest.chars().next().map_or(0, char::len_utf8);
            // An equals sign may begin a name (HTML §13.2.5.32), so that there is always progress.
            let end =
                rest[first..].find(|c: char| c.is_ascii_whitespace() || matches!(c, '=' | '/'));
            let (name, after) = rest.split_at(end.map_or(rest.len(), |end| first + end));
            if name.is_empty() {
                return None;
            }
            let Some(value) = after.trim_start().strip_prefix('=') else {
                rest = after;
                return Some((name, Cow::Borrowed("")));
            };
            let value = value.trim_start();
            let (value, after) = match value.as_bytes().first() {
                Some(b'"') => value[1..].split_once('"').unwrap_or((&value[1..], "")),
                Some(b'\'') => value[1..].split_once('\'').unwrap_or((&value[1..], "")),
                _ => value.split_at(value.find(char::is_whitespace).unwrap_or(value.len())),
            };
            rest = after;
            Some((name, unescape(value, Place::Attribute)))
        })
    }

    /// The value of the first attribute of this name, given in lower case.
    pub(super) fn attribute(&self, name: &str) -> Option<Cow<'a, str>> {
        self.attributes()
            .find(|(given, _)| given.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }
}

/// Every tag of a document, but for those in comments and in elements that are read as text.
pub(super) fn tags(html: &str) -> impl Iterator<Item = Tag<'_>> {
    let mut rest = html;
    std::iter::from_fn(move || {
        loop {
            let at = memchr::memchr(b'<', rest.as_bytes())?;
            let from = &rest[at..];
            match from.as_bytes() {
                [_, b'!', b'-', b'-', ..] => rest = behind(&from[4..], "-->"),
                [_, b'!' | b'?', ..] => rest = behind(from, ">"),
                [_, b'/' | b'a'..=b'z' | b'A'..=b'Z', ..] => {
                    let tag = read(from);
                    rest = match TEXT_ELEMENTS.iter().find(|name| tag.is(name) && !tag.is_closing) {
                        Some(name) => behind_element(tag.after, name),
                        None => tag.after,
                    };
                    return Some(tag);
                }
                _ => rest = &from[1..],
            }
        }
    })
}

/// The tag at the beginning of `from`.
fn read(from: &str) -> Tag<'_> {
    let is_closing = from.starts_with("</");
    let start = 1 + usize::from(is_closing);
    let body = &from[start..];
    let length = body.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(body.len());
    let (name, body) = body.split_at(length);
    let after = behind_tag(body);
    let attributes = &body[..body.len() - after.len()];
    Tag { name, is_closing, attributes: attributes.strip_suffix('>').unwrap_or(attributes), after }
}

/// Elements whose content is no markup.
const TEXT_ELEMENTS: [&str; 7] =
    ["style", "script", "title", "textarea", "xmp", "iframe", "noembed"];

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(html: &str, expected: &[(&str, &[(&str, &str)])]) {
        let found: Vec<_> = tags(html)
            .map(|tag| {
                let all: Vec<_> =
                    tag.attributes().map(|(name, value)| (name, value.into_owned())).collect();
                (tag.name, all)
            })
            .collect();
        let expected: Vec<_> = expected
            .iter()
            .map(|(tag, all)| (*tag, all.iter().map(|(n, v)| (*n, (*v).to_owned())).collect()))
            .collect::<Vec<(_, Vec<_>)>>();
        assert_eq!(found, expected, "{html}");
    }

    #[test]
    fn attributes_in_every_form() {
        check("<a href=x>y</a>", &[("a", &[("href", "x")]), ("a", &[])]);
        check(
            "<img src = \"a > b\" ALT='&lt;x&#62;'/>",
            &[("img", &[("src", "a > b"), ("ALT", "<x>")])],
        );
        check("<p hidden/=x a>", &[("p", &[("hidden", ""), ("=x", ""), ("a", "")])]);
        check("<br/><p", &[("br", &[]), ("p", &[])]);
        check("<a href=\"never closed", &[("a", &[("href", "never closed")])]);
    }

    #[test]
    fn what_is_no_tag() {
        check(
            "<!-- <a> --><style><a></style>1 < 2<?x?><b>",
            &[("style", &[]), ("style", &[]), ("b", &[])],
        );
    }
}
