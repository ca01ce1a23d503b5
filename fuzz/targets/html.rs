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
        "style" => check_css(value, remote, out),
        _ => {}
    }
}

fn check_css(css: &str, remote: bool, out: &str) {
    let css = css.to_ascii_lowercase();
    if !remote {
        for bad in ["url(http", "url(\"http", "url('http", "url(//"] {
            // The end of another name is none.
            let is_name = |c: char| c.is_alphanumeric() || "-_\\".contains(c) || !c.is_ascii();
            let before = |at: usize| css[..at].chars().next_back();
            let mut found = css.match_indices(bad).map(|(at, _)| before(at));
            assert!(found.all(|before| before.is_some_and(is_name)), "{bad} in {out}");
        }
    }
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
