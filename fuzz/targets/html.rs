//! HTML of a message: what comes out runs nothing and loads nothing, and cleaning it again changes
//! nothing of weight.

use std::sync::Arc;

use smtpd::message::html::{Options, Reference, sanitise};

/// The octets are HTML.
pub fn run(octets: &[u8]) {
    let html = String::from_utf8_lossy(octets);
    for remote in [false, true] {
        let out = clean(&html, remote);
        check(&out, remote);
        // Entities and attributes find their place once; from then on nothing moves.
        let again = clean(&out, remote);
        check(&again, remote);
        assert!(clean(&again, remote).len() <= again.len().max(out.len()), "{out}\n{again}");
    }
}

fn clean(html: &str, remote: bool) -> String {
    let part = |reference: Reference<'_>| {
        let known = [Reference::ContentId("logo"), Reference::Location("logo.png")];
        known.contains(&reference).then(|| "/parts/2".to_owned())
    };
    sanitise(html, &Options { remote, is_dark: false, part: Arc::new(part) }).html
}

/// Reads the output as the strict language that the writer speaks: `<`, `>` and quotes stand only where
/// markup does. Anything else is a finding.
fn check(out: &str, remote: bool) {
    let mut rest = out;
    if let Some(style) = rest.strip_prefix("<style>") {
        let (css, after) = style.split_once("</style>").expect("a style that ends");
        assert!(!css.contains('<'), "{out}");
        check_css(css, remote, out);
        rest = after;
    }
    while let Some((_, markup)) = rest.split_once('<') {
        let (name, mut attributes) = word(markup.strip_prefix('/').unwrap_or(markup));
        assert!(!name.is_empty() && !ACTIVE.contains(&name), "<{name}> in {out}");
        loop {
            if let Some(after) = attributes.strip_prefix('>') {
                rest = after;
                break;
            }
            let (attribute, after) = word(attributes.strip_prefix(' ').expect(out));
            let quoted = after.strip_prefix("=\"").expect(out);
            let (value, after) = quoted.split_once('"').expect(out);
            check_attribute(attribute, value, remote, out);
            attributes = after;
        }
    }
}

fn word(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '-')).unwrap_or(text.len());
    text.split_at(end)
}

fn check_attribute(name: &str, value: &str, remote: bool, out: &str) {
    assert!(!name.starts_with("on") && !FORBIDDEN.contains(&name), "{name} in {out}");
    let url = value.trim().to_ascii_lowercase();
    let begins = |starts: &[&str]| starts.iter().any(|start| url.starts_with(start));
    match name {
        "href" => assert!(begins(&["http:", "https:", "mailto:", "tel:", "#", "/parts/"]), "{out}"),
        "src" | "background" => {
            let is_remote = remote && begins(&["http:", "https:"]);
            assert!(is_remote || begins(&["data:image/", "/parts/"]), "{out}");
            assert!(!url.starts_with("data:image/svg"), "{out}");
        }
        "srcset" => assert!(remote, "{out}"),
        "style" => check_css(value, remote, out),
        _ => {}
    }
}

fn check_css(css: &str, remote: bool, out: &str) {
    let css = css.to_ascii_lowercase();
    for bad in ["@import", "expression(", "javascript:", "-moz-binding", "\\", "</"] {
        assert!(!css.contains(bad), "{bad} in {out}");
    }
    if !remote {
        for bad in ["url(http", "url(\"http", "url('http", "url(//", "url( http", "image-set("] {
            assert!(!css.contains(bad), "{bad} in {out}");
        }
    }
}

/// Elements that run, load, or change how the rest is read.
const ACTIVE: [&str; 24] = [
    "script", "style", "iframe", "frame", "frameset", "object", "embed", "applet", "svg", "math",
    "link", "meta", "base", "form", "input", "button", "textarea", "select", "title", "noscript",
    "template", "video", "audio", "xmp",
];

const FORBIDDEN: [&str; 8] =
    ["srcdoc", "action", "formaction", "ping", "poster", "data", "lowsrc", "xlink"];
