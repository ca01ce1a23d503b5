//! What decides about every address in a message, and remembers what it kept out.

use std::{
    borrow::Cow,
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
};

use url::Url;

use super::{Options, Reference, Scheme};
use crate::message::{host, text};

/// What a message may load and lead to, under the options of a view.
pub(super) struct Filter<'o> {
    options: &'o Options,
    /// What relative addresses are relative to, if the message says so.
    base: Option<Url>,
    seen: RefCell<Seen>,
}

/// What was met with on the way.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) blocked: usize,
    pub(super) hosts: BTreeSet<String>,
    pub(super) has_dark: bool,
    pub(super) taken: BTreeMap<Taken, usize>,
}

/// What was taken out of a message because it acts, rather than being seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Taken {
    /// A script.
    Script,
    /// An attribute that is script.
    Handler,
    /// A page in the page.
    Frame,
    /// What a plug-in or a component would show.
    Plugin,
    /// Where a form would be sent.
    Form,
    /// A redirection, or another order to the browser.
    Order,
    /// A link to something that is no style sheet.
    Resource,
    /// Sound or film.
    Media,
    /// An address whose scheme runs something.
    Address,
}

/// Where a link leads.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Link<'v> {
    /// To another page.
    Out(Cow<'v, str>),
    /// To a place in this one.
    Within(&'v str),
    /// Nowhere: it is relative, and nothing says to what.
    Nowhere,
    /// It would run something.
    Acting,
}

impl<'o> Filter<'o> {
    pub(super) fn new(options: &'o Options, base: &str) -> Self {
        let absolute = |url: &str| Url::parse(url.trim()).ok().filter(is_web);
        // The element counts, else the place that the part says it was at (RFC 2557 §5).
        let base = absolute(base).or_else(|| absolute(&options.location));
        Self { options, base, seen: RefCell::default() }
    }

    pub(super) fn is_dark(&self) -> bool {
        self.options.scheme != Scheme::Light
    }

    pub(super) fn is_forced(&self) -> bool {
        self.options.scheme == Scheme::Forced
    }

    pub(super) fn is_remote(&self) -> bool {
        self.options.remote
    }

    /// The message says how it is to look on a dark screen.
    pub(super) fn has_dark(&self) {
        self.seen.borrow_mut().has_dark = true;
    }

    pub(super) fn take(&self, what: Taken) {
        *self.seen.borrow_mut().taken.entry(what).or_default() += 1;
    }

    #[cfg(test)]
    pub(super) fn blocked_count(&self) -> usize {
        self.seen.borrow().blocked
    }

    pub(super) fn into_seen(self) -> Seen {
        self.seen.into_inner()
    }

    /// The address under which something is to be loaded for being seen, if it may be.
    pub(super) fn load<'v>(&self, url: &'v str) -> Option<Cow<'v, str>> {
        let trimmed = url.trim();
        match scheme(trimmed).as_deref() {
            Some("cid") => self.content_id(trimmed).map(Cow::Owned),
            Some("data") => is_seen(trimmed).then_some(Cow::Borrowed(url)),
            Some("http" | "https") => self.remote(Cow::Borrowed(trimmed)),
            Some(_) => {
                self.take(Taken::Address);
                None
            }
            None => self.part(Reference::Location(trimmed)).map(Cow::Owned).or_else(|| {
                let absolute = self.joined(trimmed)?;
                self.remote(Cow::Owned(absolute))
            }),
        }
    }

    /// The address of a style sheet, which may load more of the kind that it is allowed itself.
    pub(super) fn sheet(&self, url: &str) -> Option<String> {
        let trimmed = url.trim();
        match scheme(trimmed).as_deref() {
            Some("http" | "https") => self.remote(Cow::Borrowed(trimmed)).map(Cow::into_owned),
            Some(_) => None,
            None => {
                self.joined(trimmed).and_then(|url| self.remote(url.into()).map(Cow::into_owned))
            }
        }
    }

    /// Where a link leads that somebody may follow.
    pub(super) fn link<'v>(&self, value: &'v str) -> Link<'v> {
        let trimmed = value.trim_matches(|c: char| c <= ' ');
        if trimmed.starts_with('#') {
            return Link::Within(trimmed);
        }
        // A browser passes over these wherever they stand (URL §4.4).
        let bare: Cow<'_, str> = match trimmed.contains(['\t', '\n', '\r']) {
            true => trimmed.replace(['\t', '\n', '\r'], "").into(),
            false => trimmed.into(),
        };
        match scheme(&bare).as_deref() {
            Some("cid") => {
                self.content_id(&bare).map_or(Link::Nowhere, |url| Link::Out(url.into()))
            }
            Some(scheme) if ACTING.contains(&scheme) => {
                self.take(Taken::Address);
                Link::Acting
            }
            // A template that nobody has filled in: no browser follows it, and it looks like a link.
            Some(_) if Url::parse(&bare).is_err() => Link::Nowhere,
            Some(_) => Link::Out(bare),
            None => self.joined(&bare).map_or(Link::Nowhere, |url| Link::Out(url.into())),
        }
    }

    /// A load from the web: of a part that stands for it, or from there if that is allowed.
    fn remote<'v>(&self, url: Cow<'v, str>) -> Option<Cow<'v, str>> {
        if let Some(part) = self.part(Reference::Location(&url)) {
            return Some(Cow::Owned(part));
        }
        if self.options.remote {
            return Some(url);
        }
        let mut seen = self.seen.borrow_mut();
        seen.blocked += 1;
        if let Some(host) = host(&url).filter(|_| seen.hosts.len() < MOST_HOSTS) {
            seen.hosts.insert(text::beginning(&host, LONGEST_HOST).to_owned());
        }
        None
    }

    /// A relative address made absolute. Without a base only `//host/path` leads anywhere.
    fn joined(&self, url: &str) -> Option<String> {
        if let Some(base) = &self.base {
            return base.join(url).ok().filter(is_web).map(String::from);
        }
        let is_absolute = url.starts_with(['/', '\\']) && url[1..].starts_with(['/', '\\']);
        is_absolute.then(|| format!("https://{}", &url[2..]))
    }

    /// The URL of a part named by a `cid:` URL (RFC 2392 §2), where the id is percent-encoded.
    fn content_id(&self, url: &str) -> Option<String> {
        let (_, id) = url.split_once(':')?;
        let id = id.trim_matches(['<', '>']);
        // Some write the octets of the id as they are, percent signs and all.
        self.part(Reference::ContentId(id)).or_else(|| {
            let id = percent_encoding::percent_decode_str(id).decode_utf8_lossy();
            self.part(Reference::ContentId(id.trim_matches(['<', '>'])))
        })
    }

    fn part(&self, reference: Reference<'_>) -> Option<String> {
        (self.options.part)(reference)
    }
}

fn is_web(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https")
}

/// The scheme in lower case (RFC 3986 §3.1), none of a relative address.
pub(super) fn scheme(url: &str) -> Option<String> {
    let (scheme, _) = url.split_once(':')?;
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|c| c.is_ascii_alphanumeric() || b"+-.".contains(&c));
    is_scheme.then(|| scheme.to_ascii_lowercase())
}

/// True for a data URL of something that is seen. A picture runs no script and loads nothing, whatever
/// its format (HTML, "img": images are documents without scripting).
pub(super) fn is_seen(url: &str) -> bool {
    let beginning = text::beginning(url, 48).to_ascii_lowercase();
    let Some((_, kind)) = beginning.split_once(':') else { return false };
    let kind = kind.split([';', ',']).next().unwrap_or_default().trim();
    kind.is_empty()
        || kind.starts_with("image/")
        || kind.starts_with("font/")
        || (kind.starts_with("application/") && kind.contains("font"))
        || kind == "application/octet-stream"
}

/// Schemes of links that run something, or show what is no business of a sender. All others are for
/// whoever has registered them: apps have links of their own.
const ACTING: [&str; 19] = [
    "javascript",
    "vbscript",
    "livescript",
    "mocha",
    "data",
    "blob",
    "file",
    "filesystem",
    "about",
    "view-source",
    "jar",
    "mk",
    "ms-its",
    "ms-msdt",
    "search-ms",
    "chrome",
    "chrome-extension",
    "moz-extension",
    "resource",
];

/// Hosts named of one message, and how much of a name, in octets.
pub const MOST_HOSTS: usize = 20;
const LONGEST_HOST: usize = 253;
