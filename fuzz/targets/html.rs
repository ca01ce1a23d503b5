//! HTML of a message: what comes out runs nothing and loads nothing, and neither does what comes out when
//! that is cleaned again.

use std::sync::Arc;

use smtpd::message::html::{Options, Reference, Scheme, sanitise};

/// The octets are HTML.
pub fn run(octets: &[u8]) {
    let html = String::from_utf8_lossy(octets);
    for (remote, scheme) in [(false, Scheme::Light), (true, Scheme::Dark), (false, Scheme::Forced)]
    {
        let out = clean(&html, remote, scheme);
        check(&out, remote);
        check(&clean(&out, remote, scheme), remote);
    }
}

fn clean(html: &str, remote: bool, scheme: Scheme) -> String {
    let part = |reference: Reference<'_>| {
        let known = [Reference::ContentId("logo"), Reference::Location("logo.png")];
        known.contains(&reference).then(|| "/parts/2".to_owned())
    };
    let location = String::new();
    sanitise(html, &Options { remote, scheme, part: Arc::new(part), location }).document("")
}

/// Reads the output as the strict language that the writer speaks: `<`, `>` and quotes stand only where
/// markup does, but for style sheets, which end where they say so. Anything else is a finding.
fn check(out: &str, remote: bool) {
    let mut rest = out;
    let mut drawings = 0_usize;
    while let Some((_, markup)) = rest.split_once('<') {
        if let Some(doctype) = markup.strip_prefix("!DOCTYPE html") {
            rest = doctype.split_once('>').expect(out).1;
            continue;
        }
        let (name, mut attributes) = word(markup.strip_prefix('/').unwrap_or(markup));
        assert!(!name.is_empty() && !ACTIVE.contains(&name), "<{name}> in {out}");
        match (name, markup.starts_with('/')) {
            ("svg", false) => drawings += 1,
            ("svg", true) => drawings -= 1,
            _ => {}
        }
        loop {
            if let Some(after) = attributes.strip_prefix('>') {
                rest = after;
                break;
            }
            let (attribute, after) = word(attributes.strip_prefix(' ').expect(out));
            let quoted = after.strip_prefix("=\"").expect(out);
            let (value, after) = quoted.split_once('"').expect(out);
            check_attribute(name, attribute, value, remote, out);
            attributes = after;
        }
        // In a drawing its text is escaped as any other.
        if name == "style" && !markup.starts_with('/') && drawings == 0 {
            let (css, after) = rest.split_once("</style>").expect("a style that ends");
            assert!(!css.contains("</"), "{out}");
            check_css(css, remote, out);
            rest = after;
        }
    }
}

fn word(text: &str) -> (&str, &str) {
    let end = text.find([' ', '>', '=', '"', '/']).unwrap_or(text.len());
    text.split_at(end)
}

fn check_attribute(element: &str, name: &str, value: &str, remote: bool, out: &str) {
    assert!(!name.starts_with("on") && !FORBIDDEN.contains(&name), "{name} in {out}");
    let url = value.trim().to_ascii_lowercase();
    let begins = |starts: &[&str]| starts.iter().any(|start| url.starts_with(start));
    let is_remote = remote && begins(&["http:", "https:"]);
    match name {
        "href" if matches!(element, "a" | "area") => {
            assert!(!begins(&["javascript:", "vbscript:", "data:", "blob:", "file:"]), "{out}");
        }
        "href" | "src" | "poster" | "background" | "xlink:href" => {
            let quiet = [
                "data:image/",
                "data:,",
                "data:;",
                "data:font/",
                "data:application/",
                "/parts/",
                "#",
            ];
            assert!(is_remote || begins(&quiet), "{name}={value} in {out}");
        }
        "srcset" => assert!(remote || begins(&["data:"]), "{out}"),
        "method" => assert_eq!(value, "dialog", "{out}"),
        // A quote in it begins a string, in which nothing loads.
        "style" => check_css(&unescaped(value), remote, out),
        _ => {}
    }
}

/// The value of an attribute as a browser reads what the writer escaped.
fn unescaped(value: &str) -> String {
    let pairs =
        [("&quot;", "\""), ("&lt;", "<"), ("&gt;", ">"), ("&nbsp;", "\u{a0}"), ("&amp;", "&")];
    pairs.iter().fold(value.to_owned(), |text, (escaped, plain)| text.replace(escaped, plain))
}

fn check_css(css: &str, remote: bool, out: &str) {
    let css = css.to_ascii_lowercase();
    if remote {
        return;
    }
    let (mut rest, mut before) = (css.as_str(), ' ');
    while let Some(c) = rest.chars().next() {
        let is_name = before.is_alphanumeric() || "-_\\".contains(before) || !before.is_ascii();
        let after = &rest[c.len_utf8()..];
        before = c;
        // The end of another name is none, and in strings and comments nothing is.
        rest = match c {
            'u' if !is_name && rest.starts_with("url(") => {
                let url = rest[4..].trim_start();
                let named = url.trim_start_matches(['"', '\'']);
                assert!(!named.starts_with("http") && !named.starts_with("//"), "{url} in {out}");
                let is_quoted = url.len() > named.len();
                before = '(';
                if is_quoted { url } else { behind(url, ')') }
            }
            '"' | '\'' => behind(after, c),
            '/' if after.starts_with('*') => after.split_once("*/").map_or("", |(_, rest)| rest),
            '\\' => after.get(after.chars().next().map_or(0, char::len_utf8)..).unwrap_or_default(),
            _ => after,
        };
    }
}

/// What stands behind the end of a string or of a URL without quotes. A line's end ends a string, too.
fn behind(text: &str, end: char) -> &str {
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => drop(chars.next()),
            _ if c == end => return &text[at + 1..],
            '\n' | '\r' | '\x0c' if end != ')' => return &text[at..],
            _ => {}
        }
    }
    ""
}

/// Elements that run, load, or change how the rest is read.
const ACTIVE: [&str; 18] = [
    "script",
    "iframe",
    "frame",
    "frameset",
    "object",
    "embed",
    "applet",
    "base",
    "noscript",
    "template",
    "xmp",
    "plaintext",
    "animate",
    "set",
    "foreignObject",
    "annotation-xml",
    "track",
    "param",
];

const FORBIDDEN: [&str; 8] =
    ["srcdoc", "action", "formaction", "ping", "data", "lowsrc", "http-equiv", "is"];
