//! Where the address of a link leads, as a browser reads it (URL standard §4.4).

use std::borrow::Cow;

use ammonia::Url;

use super::tags::tags;

/// What relative addresses of a document are relative to.
#[derive(Debug)]
pub(super) struct Base(Option<Url>);

impl Base {
    /// That of the first `<base>` with an address; a message has none of its own.
    pub(super) fn of(html: &str) -> Self {
        let mut bases = tags(html).filter(|tag| tag.is("base") && !tag.is_closing);
        let href = bases.find_map(|tag| tag.attribute("href"));
        let url = href.and_then(|href| Url::parse(href.trim()).ok());
        Self(url.filter(|url| matches!(url.scheme(), "http" | "https")))
    }
}

/// The address that a browser would open, if it would one.
pub(super) fn target(href: &str, base: &Base) -> Option<String> {
    // A browser takes these out before it reads; a space inside it encodes.
    let is_edge = |c: char| c.is_ascii_control() || c == ' ';
    let url: String =
        href.trim_matches(is_edge).chars().filter(|c| !"\t\r\n".contains(*c)).collect();
    match scheme(&url) {
        Some(scheme) if is_followed(scheme) => Some(opened(&url, base)),
        Some(_) => None,
        None if url.is_empty() || url.starts_with('#') => None,
        None => base.0.as_ref()?.join(&url).ok().map(String::from),
    }
}

/// An absolute address as a browser opens it: with `//` behind `https:`, whatever slashes stand there.
/// What is written so already stays to the letter.
fn opened(url: &str, base: &Base) -> String {
    let is_regular = |rest: &str| {
        rest.strip_prefix("//").is_some_and(|it| !it.starts_with(['/', '\\']))
            && !has_backslash(rest)
    };
    let read = match url.split_once(':') {
        Some((scheme, rest)) if is_web(scheme) && !is_regular(rest) => match &base.0 {
            Some(base) => base.join(url).ok(),
            None => Url::parse(url).ok(),
        },
        _ => None,
    };
    read.map_or_else(|| url.replace(' ', "%20"), String::from)
}

/// True if a backslash stands where a browser takes it for a slash.
fn has_backslash(rest: &str) -> bool {
    rest.split(['?', '#']).next().is_some_and(|path| path.contains('\\'))
}

/// True for the schemes of the Web, whose slashes a browser mends.
fn is_web(scheme: &str) -> bool {
    ["https", "http"].iter().any(|it| scheme.eq_ignore_ascii_case(it))
}

/// The address that stands in a text, as a browser opens it.
pub(super) fn in_text(url: &str) -> Cow<'_, str> {
    match has_backslash(url) || url.contains(":///") {
        true => Cow::Owned(opened(url, &Base(None))),
        false => Cow::Borrowed(url),
    }
}

/// The scheme of an absolute address (RFC 3986 §3.1).
fn scheme(url: &str) -> Option<&str> {
    let (scheme, _) = url.split_once(':')?;
    is_scheme(scheme).then_some(scheme)
}

/// True for the name of a scheme.
pub(super) fn is_scheme(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.len() <= LONGEST_SCHEME
        && name.bytes().all(|c| c.is_ascii_alphanumeric() || b"+-.".contains(&c))
}

/// True for a scheme that leads somewhere: those of the Web, of mail, and of the programs that a
/// sender may have (`myapp:`). False for those that run script or show what the message brings, and
/// those that mean something inside of it or of the reader's machine.
pub(super) fn is_followed(scheme: &str) -> bool {
    !NOT_FOLLOWED.iter().any(|it| scheme.eq_ignore_ascii_case(it))
}

const NOT_FOLLOWED: [&str; 16] = [
    "javascript",
    "vbscript",
    "livescript",
    "mocha",
    "data",
    "blob",
    "filesystem",
    "about",
    "view-source",
    "jar",
    "chrome",
    "resource",
    "file",
    "cid",
    "mid",
    "ws",
];

/// Longest scheme, in octets; names of programs (`com.example.shop.app`) are the longest.
const LONGEST_SCHEME: usize = 80;
