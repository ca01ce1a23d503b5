//! Character references of HTML (`&amp;`, `&#252;`), as browsers read them (HTML §13.2.5.72 and on).

use std::borrow::Cow;

use html5ever::data::{C1_REPLACEMENTS, NAMED_ENTITIES};

/// Where a reference stands: in the value of an attribute an old name, one that needs no semicolon,
/// counts only if no letter, digit or equals sign follows, so that `?a=1&copy=2` is an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Text,
    Attribute,
}

/// What a reference stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reference {
    /// The character.
    pub(super) first: char,
    /// A few names stand for two.
    pub(super) second: Option<char>,
    /// Octets behind the ampersand.
    pub(super) length: usize,
}

/// The reference behind an ampersand, if it is one.
pub(super) fn reference(rest: &str, place: Place) -> Option<Reference> {
    match rest.strip_prefix('#') {
        Some(number) => numeric(rest, number),
        None => named(rest, place),
    }
}

/// A value with its references undone.
pub(super) fn unescape(text: &str, place: Place) -> Cow<'_, str> {
    if memchr::memchr(b'&', text.as_bytes()).is_none() {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        out.push_str(before);
        match reference(after, place) {
            Some(found) => {
                out.push(found.first);
                out.extend(found.second);
                rest = &after[found.length..];
            }
            None => {
                out.push('&');
                rest = after;
            }
        }
    }
    out.push_str(rest);
    Cow::Owned(out)
}

fn numeric(rest: &str, number: &str) -> Option<Reference> {
    let (behind, radix) = match number.strip_prefix(['x', 'X']) {
        Some(behind) => (behind, 16),
        None => (number, 10),
    };
    let length = behind.bytes().take_while(|it| char::from(*it).is_digit(radix)).count();
    let digits = behind.get(..length).filter(|it| !it.is_empty())?;
    // What overflows is no character.
    let code = u32::from_str_radix(digits, radix).unwrap_or(u32::MAX);
    let end = rest.len() - behind.len() + length;
    let first = match code {
        0 => char::REPLACEMENT_CHARACTER,
        // The C1 numbers mean windows-1252.
        128..=159 => C1_REPLACEMENTS[code as usize - 128].or(char::from_u32(code))?,
        code => char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER),
    };
    Some(Reference { first, second: None, length: end + usize::from(rest[end..].starts_with(';')) })
}

/// The longest name that is one.
fn named(rest: &str, place: Place) -> Option<Reference> {
    let letters = rest.bytes().take(MAX_NAME).take_while(u8::is_ascii_alphanumeric).count();
    let whole = letters + usize::from(rest[letters..].starts_with(';'));
    let found = |length: usize| {
        let (first, second) = NAMED_ENTITIES.get(&rest[..length]).filter(|it| it.0 != 0)?;
        let second = char::from_u32(*second).filter(|it| *it != '\0');
        Some(Reference { first: char::from_u32(*first)?, second, length })
    };
    // Names that need no semicolon are short.
    let lengths = std::iter::once(whole).chain((2..=letters.min(LONGEST_OLD)).rev());
    let reference = lengths.into_iter().find_map(found)?;
    let next = rest.as_bytes().get(reference.length);
    let is_old = !rest[..reference.length].ends_with(';');
    let goes_on = next.is_some_and(|it| *it == b'=' || it.is_ascii_alphanumeric());
    (place == Place::Text || !is_old || !goes_on).then_some(reference)
}

/// Longest name, in letters (`CounterClockwiseContourIntegral`), and of those without a semicolon
/// (`Ccedil`, `frac12`).
const MAX_NAME: usize = 32;
const LONGEST_OLD: usize = 6;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_text() {
        for (text, expected) in [
            ("&lt;b&gt; &amp;amp; &eacute;&#233;&#xe9;&#150;", "<b> &amp; ééé–"),
            (
                "caf&eacute &unknown; AT&T &#; &#x110000; &#0;",
                "café &unknown; AT&T &#; \u{fffd} \u{fffd}",
            ),
            ("&Scaron; &alpha; &check; &micro;g &rarr; &nGt; &acE;", "Š α ✓ µg → ≫⃒ ∾̳"),
            ("&notit; &notin; &ampx", "¬it; ∉ &x"),
            ("&CounterClockwiseContourIntegral;&", "∳&"),
            ("&#99999999999999999999;", "\u{fffd}"),
        ] {
            assert_eq!(unescape(text, Place::Text), expected, "{text}");
        }
    }

    #[test]
    fn in_attributes() {
        for (text, expected) in [
            ("?id=1&copy=2&reg=eu&sect=3", "?id=1&copy=2&reg=eu&sect=3"),
            ("?a&amp;b&lt;c&notit&copy", "?a&b<c&notit©"),
            ("?a&copy;=1&para-x", "?a©=1¶-x"),
        ] {
            assert_eq!(unescape(text, Place::Attribute), expected, "{text}");
        }
    }
}
