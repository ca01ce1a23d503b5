//! Where a message leads: the addresses in its HTML and in its text.

use super::{
    html_text::html_to_text,
    spans::{MOST_LINKS, spans},
    tags::tags,
    target::{Base, target},
    text::beginning,
};

/// An address that a reader may follow, with the words that lead there.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Link {
    /// Where a browser goes: absolute, of any scheme but those that run script or lead nowhere.
    pub url: String,
    /// The words of the link in one line; empty for a picture, or an address that stands in text.
    pub text: String,
}

impl Link {
    /// True if its words name another host than the one it leads to, as in mail that lies.
    pub fn is_deceptive(&self) -> bool {
        let (Some(said), Some(meant)) = (host_in_words(&self.text), host(&self.url)) else {
            return false;
        };
        let (said, meant) = (bare(&said), bare(&meant));
        let inside = |inner: &str, outer: &str| {
            inner.strip_suffix(outer).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        };
        !inside(&said, &meant) && !inside(&meant, &said)
    }
}

/// The links of a document, each once, [`MOST_LINKS`] at most.
pub fn links_in_html(html: &str) -> Vec<Link> {
    let mut links = Links::default();
    let base = Base::of(html);
    let mut drawings = 0_usize;
    for tag in tags(html) {
        if tag.is("svg") && !tag.is_empty() {
            drawings = if tag.is_closing { drawings.saturating_sub(1) } else { drawings + 1 };
        }
        if tag.is_closing || !(tag.is("a") || tag.is("area")) {
            continue;
        }
        // In a drawing, as it was written before SVG 2.
        let old = || tag.attribute("xlink:href").filter(|_| drawings > 0);
        let href = tag.attribute("href").or_else(old);
        let Some(url) = href.and_then(|href| target(&href, &base)) else { continue };
        let words = match tag.is("a") {
            true => words(tag.after),
            false => tag.attribute("alt").unwrap_or_default().into_owned(),
        };
        if !links.add(&url, words) {
            break;
        }
    }
    links.found
}

/// The addresses that stand in a text, each once, [`MOST_LINKS`] at most.
pub fn links_in_text(text: &str) -> Vec<Link> {
    let mut links = Links::default();
    for url in spans(text).into_iter().filter_map(|span| span.link) {
        links.add(&url, String::new());
    }
    links.found
}

/// The host of an `http` or `https` URL in lower case, without its port.
pub fn host(url: &str) -> Option<String> {
    let url = url.trim();
    let (scheme, rest) = url.split_once(':')?;
    let is_web = scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https");
    let rest = rest.strip_prefix("//").filter(|_| is_web)?;
    let authority = rest.split(['/', '?', '#', '\\']).next()?;
    let host = authority.rsplit('@').next()?;
    let host = match host.strip_prefix('[') {
        Some(address) => address.split(']').next()?,
        None => host.split(':').next()?,
    };
    (!host.is_empty()).then(|| host.to_ascii_lowercase())
}

#[derive(Default)]
struct Links {
    found: Vec<Link>,
    known: std::collections::HashSet<Link>,
}

impl Links {
    /// False if there is room for no more.
    fn add(&mut self, url: &str, text: String) -> bool {
        let link = Link { url: beginning(url, LONGEST_URL).to_owned(), text };
        if self.known.insert(link.clone()) {
            self.found.push(link);
        }
        self.found.len() < MOST_LINKS
    }
}

/// The words up to the end of a link, in one line; one that is never closed has none.
fn words(after: &str) -> String {
    let near = beginning(after, LONGEST_CONTENT);
    let mut inner = tags(near);
    let Some(end) = inner.find(|tag| tag.is("a")) else { return String::new() };
    let content = &near[..near.len() - end.after.len()];
    let content = &content[..content.rfind('<').unwrap_or(content.len())];
    let text = html_to_text(content);
    let words: Vec<&str> = text.split_whitespace().collect();
    beginning(&words.join(" "), LONGEST_WORDS).to_owned()
}

/// The host that the words of a link name, if they are nothing else than an address.
fn host_in_words(words: &str) -> Option<String> {
    let words = words.trim().trim_end_matches(['/', '.']);
    if let Some(host) = host(words) {
        return Some(host);
    }
    let name = words.split(['/', '?', '#']).next()?.to_ascii_lowercase();
    let (rest, top) = name.rsplit_once('.')?;
    let is_label = |label: &str| {
        !label.is_empty() && label.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-')
    };
    let looks_like_host = (2..=12).contains(&top.len())
        && top.bytes().all(|c| c.is_ascii_alphabetic())
        && rest.split('.').all(is_label)
        // "Node.js" and "report.pdf" are no hosts.
        && (rest.contains('.') || ["com", "org", "net"].contains(&top));
    looks_like_host.then_some(name)
}

fn bare(host: &str) -> String {
    host.strip_prefix("www.").unwrap_or(host).to_owned()
}

/// Longest address told, in octets; browsers and servers take no longer ones either.
const LONGEST_URL: usize = 8_192;

/// How far we look for the end of a link, in octets.
const LONGEST_CONTENT: usize = 16 * 1024;

/// Longest words of a link, in octets.
const LONGEST_WORDS: usize = 500;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_document_takes_no_square_of_its_length() {
        links_in_html(&"<a href=http://x/>".repeat(20_000));
        links_in_html(&"<base>".repeat(100_000));
    }

    #[test]
    fn links_of_a_document() {
        let html = "<a href='https://a.example/?x=1&amp;y=2'>Read <b>it</b></a> <a href=#top>no</a>
            <a href=javascript:x>no</a> <a href='//b.example'>no</a> <!-- <a href=http://c.example>no</a> -->
            <a href=' mailto:a@b.example '><img src=x></a><a href='https://a.example/?x=1&amp;y=2'>Read it</a>
            <area href=http://d.example alt=map><a href=http://e.example>open";
        let found: Vec<_> =
            links_in_html(html).into_iter().map(|link| (link.url, link.text)).collect();
        let pair = |url: &str, text: &str| (url.to_owned(), text.to_owned());
        assert_eq!(
            found,
            [
                pair("https://a.example/?x=1&y=2", "Read it"),
                pair("mailto:a@b.example", ""),
                pair("http://d.example", "map"),
                pair("http://e.example", ""),
            ]
        );
    }

    #[test]
    fn what_a_browser_opens() {
        let urls = |html: &str| -> Vec<String> {
            links_in_html(html).into_iter().map(|link| link.url).collect()
        };
        let base = "<base href='https://shop.example/a/'><base href=https://evil.example>";
        for (html, url) in [
            (format!("{base}<a href=/confirm/1>x</a>"), "https://shop.example/confirm/1"),
            (format!("{base}<a href=b?c#d>x</a>"), "https://shop.example/a/b?c#d"),
            (format!("{base}<a href=//c.example/d>x</a>"), "https://c.example/d"),
            (
                "<a href='myapp://verify?token=abc&tenantId=public'>x</a>".into(),
                "myapp://verify?token=abc&tenantId=public",
            ),
            ("<a href=' https://a.example/x\n y\tz '>x</a>".into(), "https://a.example/x%20yz"),
            (
                "<a href='https://x.example/?id=1&copy=2&reg=eu'>x</a>".into(),
                "https://x.example/?id=1&copy=2&reg=eu",
            ),
            (
                "<a href='com.example.app:/callback?code=1'>x</a>".into(),
                "com.example.app:/callback?code=1",
            ),
            ("<a href='sms:+49123'>x</a>".into(), "sms:+49123"),
            ("<a href='https:x.example/y'>x</a>".into(), "https://x.example/y"),
            ("<a href='https://x.example\\y'>x</a>".into(), "https://x.example/y"),
            ("<a href='HTTPS:/\\x.example/y'>x</a>".into(), "https://x.example/y"),
            ("<a href='https:////x.example/y?a\\b'>x</a>".into(), "https://x.example/y?a\\b"),
            (format!("{base}<a href='https:b'>x</a>"), "https://shop.example/a/b"),
            (format!("{base}<a href='http:b.example'>x</a>"), "http://b.example/"),
            (format!("{base}<a href='\\\\b.example\\c'>x</a>"), "https://b.example/c"),
            (
                "<svg><a xlink:href='https://a.example/'><text>x</text></a></svg>".into(),
                "https://a.example/",
            ),
            (
                "<svg><a href='https://a.example/' xlink:href='https://b.example/'/></svg>".into(),
                "https://a.example/",
            ),
        ] {
            assert_eq!(urls(&html), [url], "{html}");
        }
        for html in [
            "<a href='java\nscript:alert(1)'>x</a>",
            "<a href='&#1;javascript:alert(1)'>x</a>",
            "<a href='VBScript:x'>x</a>",
            "<a href='data:text/html,x'>x</a>",
            "<a href=relative>x</a>",
            "<base href=/a><a href=b>x</a>",
            "<base href='javascript:a'><a href=b>x</a>",
            "<a href='cid:x'>x</a>",
            "<a href='file:///etc'>x</a>",
            "<a href=''>x</a>",
            "<a href=':x'>x</a>",
            "<svg/><a xlink:href='https://a.example/'>x</a>",
            "<svg></svg><a xlink:href='https://a.example/'>x</a>",
        ] {
            assert_eq!(urls(html), [""; 0], "{html}");
        }
    }

    #[test]
    fn words_that_lie() {
        let lies =
            |text: &str, url: &str| Link { url: url.into(), text: text.into() }.is_deceptive();
        assert!(lies("https://bank.example/login", "https://evil.example/"));
        assert!(lies("www.bank.com", "https://bank.com.evil.example/"));
        assert!(lies("bank.com", "https://bank.com@evil.example/"));
        for (text, url) in [
            ("Click here", "https://a.example/"),
            ("www.a.example", "https://a.example/x"),
            ("https://a.example", "https://click.a.example/track"),
            ("Node.js", "https://a.example/"),
            ("", "https://a.example/"),
            ("bank.com", "mailto:a@b.example"),
        ] {
            assert!(!lies(text, url), "{text}");
        }
    }

    #[test]
    fn hosts() {
        for (url, expected) in [
            ("http://A.example:8025/x", Some("a.example")),
            ("https://u:p@a.example?x", Some("a.example")),
            ("https://[::1]:80/", Some("::1")),
            ("https://evil.example\\@a.example/", Some("evil.example")),
            ("mailto:a@b", None),
            ("http:///x", None),
        ] {
            assert_eq!(host(url).as_deref(), expected, "{url}");
        }
    }
}
