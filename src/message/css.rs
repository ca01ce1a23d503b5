//! Style sheets of messages, with everything taken out that could load or run something.
//!
//! There is no CSS parser here: the text is cut at braces and semicolons, as CSS does it, and a piece
//! with anything suspicious in it is dropped whole. What is left contains no `<`, so it cannot end
//! the element that it is put into, and no backslash, so nothing can be spelt in another way.

use std::borrow::Cow;

use super::html::Filter;

/// A style sheet or the value of a style attribute, with what is remote counted and taken out.
pub(super) fn filter(css: &str, filter: &Filter) -> String {
    let css = without_comments(css);
    let css = with_scheme(&css, filter.options.is_dark);
    let mut out = String::with_capacity(css.len());
    for piece in pieces(&css) {
        let text = piece.strip_suffix(['{', '}', ';']).unwrap_or(piece);
        out.push_str(&harmless(text, filter).unwrap_or_default());
        out.push_str(&piece[text.len()..]);
    }
    out
}

/// A piece as it may stay, none if it may not.
fn harmless<'p>(piece: &'p str, filter: &Filter) -> Option<Cow<'p, str>> {
    // Of the same length, so that places in one are places in the other.
    let lower = piece.to_ascii_lowercase();
    if lower.contains(['\\', '<', '\0']) || SUSPICIOUS.iter().any(|what| lower.contains(what)) {
        return None;
    }
    if let Some(at) = ["@import", "image-set(", "src("].iter().find_map(|what| lower.find(what)) {
        filter.block(first_url(&piece[at..]));
        return None;
    }
    let mut out = Cow::Borrowed("");
    let (mut done, mut rest) = (0, 0);
    while let Some(at) = lower.get(rest..).and_then(|text| text.find("url(")) {
        let start = rest + at + "url(".len();
        let Some((url, length)) = argument(&piece[start..]) else {
            // A browser closes it where the style sheet ends.
            let url = first_url(&piece[start..]);
            if !url.is_empty() {
                filter.block(url);
            }
            return None;
        };
        let allowed = filter.load(url)?;
        rest = start + length;
        if allowed != url {
            out.to_mut().push_str(&piece[done..start]);
            out.to_mut().push_str(&allowed);
            done = rest;
        }
    }
    if done == 0 {
        return Some(Cow::Borrowed(piece));
    }
    out.to_mut().push_str(&piece[done..]);
    Some(out)
}

/// The URL behind `url(` and the octets up to the closing parenthesis, none if it is not closed. There
/// is no backslash in it, so a quote ends where the next one is.
fn argument(text: &str) -> Option<(&str, usize)> {
    let inner = text.trim_start();
    let quote = inner.chars().next().filter(|c| matches!(c, '"' | '\''));
    let (url, after) = match quote {
        Some(quote) => inner[1..].split_once(quote)?,
        None => inner.split_at(inner.find(')')?),
    };
    let after = after.trim_start();
    // A URL that needs quotes is not honest without.
    let is_plain = !url.contains(['(', ')', '"', '\'', '\n']);
    (after.starts_with(')') && is_plain).then(|| (url.trim(), text.len() - after.len()))
}

/// What an `@import` or a function with a plain string would load, for naming it.
fn first_url(text: &str) -> &str {
    let url = text.find("http").or_else(|| text.find("//")).map_or("", |at| &text[at..]);
    url.split(['"', '\'', ')', ';', ' ']).next().unwrap_or_default()
}

/// Media queries for dark or light screens answered, so that a browser's own scheme does not matter.
fn with_scheme(css: &str, is_dark: bool) -> Cow<'_, str> {
    let lower = css.to_ascii_lowercase();
    let mut out = Cow::Borrowed("");
    let mut done = 0;
    for (start, _) in lower.match_indices(SCHEME_QUERY) {
        let value = lower[start + SCHEME_QUERY.len()..].trim_start();
        let Some(value) = value.strip_prefix(':').map(str::trim_start) else { continue };
        let wants_dark = value.starts_with("dark");
        if !wants_dark && !value.starts_with("light") {
            continue;
        }
        let end = lower.len() - value.len() + if wants_dark { "dark" } else { "light" }.len();
        out.to_mut().push_str(&css[done..start]);
        out.to_mut().push_str(if wants_dark == is_dark { "min-width: 0" } else { "max-width: 0" });
        done = end;
    }
    if done == 0 {
        return Cow::Borrowed(css);
    }
    out.to_mut().push_str(&css[done..]);
    out
}

/// Comments become a space; one that never ends takes the rest with it, as in a browser.
fn without_comments(css: &str) -> String {
    let mut out = String::with_capacity(css.len());
    let mut rest = css;
    while let Some((before, comment)) = rest.split_once("/*") {
        out.push_str(before);
        out.push(' ');
        rest = comment.split_once("*/").map_or("", |(_, after)| after);
    }
    out.push_str(rest);
    // HTML comments around a style sheet are from before browsers knew the element.
    out.replace("<!--", " ").replace("-->", " ")
}

/// Cuts behind every brace and semicolon that stands in no string and no parentheses.
fn pieces(css: &str) -> impl Iterator<Item = &str> {
    let mut quote = None;
    let mut depth = 0_usize;
    css.split_inclusive(move |c: char| {
        match (quote, c) {
            // A string ends at the end of its line (CSS Syntax §4.3.5).
            (Some(_), '\n') => quote = None,
            (Some(open), c) if open == c => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(c),
            (None, '(') => depth += 1,
            (None, ')') => depth = depth.saturating_sub(1),
            (None, '{' | '}' | ';') => return depth == 0,
            (None, _) => {}
        }
        false
    })
}

const SCHEME_QUERY: &str = "prefers-color-scheme";

/// What old browsers ran as script, what reaches outside of the style sheet, and functions that take
/// a URL as a plain string.
const SUSPICIOUS: [&str; 14] = [
    "expression",
    "javascript:",
    "vbscript:",
    "behavior",
    "behaviour",
    "-moz-binding",
    "@charset",
    "@namespace",
    "@document",
    "@-moz-document",
    "image(",
    "element(",
    "paint(",
    "cross-fade(",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(css: &str, expected: &str, blocked: usize) {
        let (filter, css) = (Filter::for_tests(false, false), css);
        assert_eq!(super::filter(css, &filter), expected, "{css}");
        assert_eq!(filter.blocked_count(), blocked, "{css}");
    }

    #[test]
    fn honest_css_stays() {
        for css in [
            "p { color: red; margin: 0 }",
            "@media (max-width: 600px) { .a > b { width: 100% !important } }",
            "a::before { content: \"; } {\" }",
            "background: url(data:image/png;base64,AAAA)",
        ] {
            check(css, css, 0);
        }
    }

    #[test]
    fn nothing_is_loaded() {
        check("p { background: url(http://x.example/a.png); color: red }", "p {; color: red }", 1);
        check("background:URL( '//x.example/' )", "", 1);
        check("@import 'http://x.example/a.css'; p {}", "; p {}", 1);
        check("@font-face { src: url(//x.example/f) }", "@font-face {}", 1);
        check("background: image-set('http://x.example/' 1x)", "", 1);
        check("a { b: u\\72l(http://x.example/) }", "a {}", 0);
        check("a { b: u/**/rl(http://x.example/) }", "a { b: u rl(http://x.example/) }", 0);
        check("a: url(http://x.example/;b:c", "", 1);
        check("background: url(data:image/svg+xml,x)", "", 0);
        check("background: url(cid:x)", "", 0);
    }

    #[test]
    fn nothing_gets_out() {
        check("p { } </style><script>", "p { }", 0);
        check("a: expression(alert(1)); b: c", "; b: c", 0);
        check("/* never closed", " ", 0);
        check("<!-- p { color: red } -->", "  p { color: red }  ", 0);
        check("a<!<!----!--", "", 0);
    }

    #[test]
    fn remote_loads_may_be_allowed() {
        let allowing = Filter::for_tests(true, false);
        let css = "p { background: url(\"https://x.example/a.png\") }";
        assert_eq!(filter(css, &allowing), css);
        assert_eq!(filter("@import 'http://x.example/'", &allowing), "");
        assert_eq!(allowing.blocked_count(), 1);
    }

    #[test]
    fn parts_of_the_message_are_shown() {
        check(
            "a { b: url(cid:known) c; d: URL( 'cid:known' ) }",
            "a { b: url(/part) c; d: URL(/part) }",
            0,
        );
        check("b: url(\"cid:known\"), url(http://x.example/)", "", 1);
        check("b: url(cid:known", "", 0);
    }

    #[test]
    fn dark_and_light() {
        let css = "@media (prefers-color-scheme:dark){a{b:c}} @media (Prefers-Color-Scheme : light) {d{e:f}}";
        assert_eq!(
            filter(css, &Filter::for_tests(false, true)),
            "@media (min-width: 0){a{b:c}} @media (max-width: 0) {d{e:f}}"
        );
        assert_eq!(
            filter(css, &Filter::for_tests(false, false)),
            "@media (max-width: 0){a{b:c}} @media (min-width: 0) {d{e:f}}"
        );
    }
}
