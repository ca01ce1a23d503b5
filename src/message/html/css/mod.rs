//! Style sheets of messages, with what could load or run something taken out, and nothing else touched.
//!
//! The tokens are those of CSS Syntax (`cssparser`), so that a name spelt with backslashes is the name
//! that a browser reads. Nothing is written anew: what has to go is cut from the text as it came, or
//! something that loads nothing is put in its place. So selectors, custom properties, queries, layers
//! and nesting stay as they are, and the declaration of a picture that is blocked keeps its colour.

mod colours;
mod edits;
mod rewrite;

use std::borrow::Cow;

pub(super) use self::colours::{Role, dark_page, darkened, of_attribute};
use self::rewrite::Rewriting;
use super::filter::Filter;

/// The text of a style sheet as it may stand in a `style` element.
pub(super) fn sheet<'c>(css: &'c str, filter: &Filter<'_>) -> Cow<'c, str> {
    let rewritten = Rewriting::new(css, filter).of_sheet();
    if !rewritten.contains("</") {
        return rewritten;
    }
    // Nothing may end the element. In a string or a comment the two are the same, and elsewhere a browser
    // understands neither.
    Cow::Owned(rewritten.replace("</", "<\\/"))
}

/// The value of a style attribute, of a media attribute, or of an attribute of SVG that is a property.
pub(super) fn value<'c>(css: &'c str, property: &str, filter: &Filter<'_>) -> Cow<'c, str> {
    let is_plain = || memchr::memchr3(b'(', b'\\', b'@', css.as_bytes()).is_none();
    if !filter.is_forced() && is_plain() && !names_schemes(css) {
        return Cow::Borrowed(css);
    }
    Rewriting::new(css, filter).of_value(property)
}

/// The scheme of colours that is drawn of those that a message names, if it names any (CSS Color Adjust §2).
pub(super) fn scheme<'n>(
    names: impl Iterator<Item = &'n str>,
    filter: &Filter<'_>,
) -> Option<&'static str> {
    let (mut is_light, mut is_dark) = (false, false);
    for name in names {
        is_light |= name.eq_ignore_ascii_case("light");
        is_dark |= name.eq_ignore_ascii_case("dark");
    }
    if is_dark {
        filter.has_dark();
    }
    match (is_light, is_dark) {
        (true, true) => Some(if filter.is_dark() { "dark" } else { "light" }),
        (true, false) => Some("light"),
        (false, true) => Some("dark"),
        (false, false) => None,
    }
}

/// True if something may say which schemes of colours there are.
fn names_schemes(text: &str) -> bool {
    let octets = text.as_bytes();
    memchr::memchr_iter(b'-', octets).any(|at| {
        let around = at.checked_sub(5).and_then(|from| octets.get(from..at + 7));
        around.is_some_and(|it| it.eq_ignore_ascii_case(b"color-scheme"))
    })
}

#[cfg(test)]
mod tests;
