//! Where the address of a link leads, as a browser reads it (URL standard §4.4).

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
        Some(scheme) => is_followed(scheme).then(|| url.replace(' ', "%20")),
        None if url.is_empty() || url.starts_with('#') => None,
        None => base.0.as_ref()?.join(&url).ok().map(String::from),
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
