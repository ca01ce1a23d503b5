//! Where a message leads: the addresses in its HTML and in its text.

use super::{html_text::html_to_text, tags::tags, text::beginning};

/// An address that a reader may follow, with the words that lead there.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Link {
    /// `http`, `https`, `mailto` or `tel`, as given.
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
    for tag in tags(html).filter(|tag| !tag.is_closing && (tag.is("a") || tag.is("area"))) {
        let Some(url) = tag.attribute("href") else { continue };
        let url = url.trim();
        if !is_followed(url) {
            continue;
        }
        let words = match tag.is("a") {
            true => words(tag.after),
            false => tag.attribute("alt").unwrap_or_default().into_owned(),
        };
        if !links.add(url, words) {
            break;
        }
    }
    links.found
}

/// The addresses that stand in a text, each once, [`MOST_LINKS`] at most.
pub fn links_in_text(text: &str) -> Vec<Link> {
    let mut links = Links::default();
    for span in spans(text).into_iter().filter(|span| span.is_link) {
        links.add(span.text, String::new());
    }
    links.found
}

/// A stretch of text: plain, or an address to go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span<'a> {
    /// What stands there.
    pub text: &'a str,
    /// It is an address.
    pub is_link: bool,
}

/// Splits a text so that the addresses in it can be followed, [`MOST_LINKS`] at most.
pub fn spans(text: &str) -> Vec<Span<'_>> {
    let mut spans = Vec::new();
    let (mut done, mut links) = (0, 0);
    for colon in memchr::memchr_iter(b':', text.as_bytes()) {
        let Some(start) = address_start(text, done, colon) else { continue };
        let end = start + address_length(&text[start..]);
        if end <= colon + 3 || links == MOST_LINKS {
            continue;
        }
        if start > done {
            spans.push(Span { text: &text[done..start], is_link: false });
        }
        spans.push(Span { text: &text[start..end], is_link: true });
        (done, links) = (end, links + 1);
    }
    if done < text.len() {
        spans.push(Span { text: &text[done..], is_link: false });
    }
    spans
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

fn is_followed(url: &str) -> bool {
    SCHEMES.iter().any(|scheme| {
        url.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
            && url.as_bytes().get(scheme.len()) == Some(&b':')
    })
}

/// Where the address begins whose scheme ends at this colon, if one does, not before `done`.
fn address_start(text: &str, done: usize, colon: usize) -> Option<usize> {
    let before = text.get(done..colon)?;
    let scheme = ["https", "http", "mailto"].into_iter().find(|scheme| {
        let start = before.len().checked_sub(scheme.len());
        start.and_then(|at| before.get(at..)).is_some_and(|it| it.eq_ignore_ascii_case(scheme))
    })?;
    let start = colon - scheme.len();
    let stands_alone = !text[done..start].ends_with(|c: char| c.is_alphanumeric());
    let slashes = scheme == "mailto" || text[colon + 1..].starts_with("//");
    (stands_alone && slashes).then_some(start)
}

/// The octets of the address at the beginning of a text; the dot of a sentence is not part of it, and
/// neither is a bracket that was opened before it.
fn address_length(text: &str) -> usize {
    let end = text.find(|c: char| c.is_whitespace() || c.is_control() || "<>\"`{}|".contains(c));
    let mut address = &text[..end.unwrap_or(text.len())];
    let count = |c: char| address.chars().filter(|&it| it == c).count();
    // Brackets that were opened before the address, and so end behind it.
    let mut round = count(')').saturating_sub(count('('));
    let mut square = count(']').saturating_sub(count('['));
    while let Some(last) = address.chars().next_back() {
        match last {
            '.' | ',' | ';' | ':' | '!' | '?' | '\'' | '*' | '_' => {}
            ')' if round > 0 => round -= 1,
            ']' if square > 0 => square -= 1,
            _ => break,
        }
        address = &address[..address.len() - 1];
    }
    address.len()
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

const SCHEMES: [&str; 4] = ["http", "https", "mailto", "tel"];

/// Most links told of one text; a list of ten thousand addresses is no letter.
pub const MOST_LINKS: usize = 1_000;

/// Longest address told, in octets; browsers and servers take no longer ones either.
const LONGEST_URL: usize = 8_192;

/// How far we look for the end of a link, in octets.
const LONGEST_CONTENT: usize = 16 * 1024;

/// Longest words of a link, in octets.
const LONGEST_WORDS: usize = 500;

#[cfg(test)]
mod tests {
    use super::*;

    fn in_text(text: &str) -> Vec<String> {
        links_in_text(text).into_iter().map(|link| link.url).collect()
    }

    #[test]
    fn addresses_in_text() {
        let text = "See https://a.example/x?y=1. Or (http://b.example) <HTTPS://c.example/>! mailto:a@b.example";
        assert_eq!(
            in_text(text),
            [
                "https://a.example/x?y=1",
                "http://b.example",
                "HTTPS://c.example/",
                "mailto:a@b.example"
            ]
        );
        assert_eq!(
            in_text("https://e.example/A_(b) [https://f.example/]"),
            ["https://e.example/A_(b)", "https://f.example/"]
        );
        for none in ["javascript:alert(1) ftp://x", "xhttp://y", "http:// x", "http:", "a: b"] {
            assert_eq!(in_text(none), Vec::<String>::new(), "{none}");
        }
        let whole: String = spans(text).into_iter().map(|span| span.text).collect();
        assert_eq!(whole, text);
    }

    #[test]
    fn a_long_text_takes_no_square_of_its_length() {
        let text = "http://a.example/ ".repeat(100_000) + &":".repeat(1_000_000);
        assert_eq!(spans(&text).len(), 2 * MOST_LINKS);
        spans(&format!("http://{}", ")".repeat(1_000_000)));
        links_in_html(&"<a href=http://x/>".repeat(20_000));
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
