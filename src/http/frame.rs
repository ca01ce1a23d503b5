//! The HTML of a message, in a page of its own that is shown in a frame.
//!
//! Three fences, each enough alone: the HTML is sanitised, the frame is sandboxed into an origin that
//! is not ours, and the policy of its page lets it load nothing but our inline images.

use std::{collections::HashMap, sync::Arc, time::Instant};

use axum::{
    extract::{Extension, Path},
    http::{HeaderMap, HeaderName, HeaderValue, header},
    response::Response,
};

use super::{
    access::{Access, ShownMessage},
    error::Error,
    files,
    host::Host,
    kept::Source,
    leaves,
    media::Viewer,
    page,
    parameters::{Pairs, Parameters, Query},
};
use crate::{
    mail::{self, Excerpt},
    message::{
        Part, Tracker,
        html::{self, Reference, Sanitised, Scheme},
        trackers,
    },
};

/// How HTML is to be shown. Part of the addresses of pages, so that every state has one.
#[derive(Clone, Debug, Default)]
pub(super) struct Look {
    /// `remote=1`: images may be loaded from elsewhere, which tells the sender that it was read.
    pub(super) remote: bool,
    /// `scheme=dark`: as on a dark screen; `scheme=forced`: dark, whatever the message says.
    pub(super) scheme: Scheme,
    /// `width=375`: one of [`WIDTHS`], or none for as much as there is.
    pub(super) width: Option<&'static str>,
}

/// HTML ready to be shown, and what is to be said about it.
#[derive(Clone)]
pub(super) struct Rendered {
    pub(super) sanitised: Sanitised,
    pub(super) trackers: Vec<Tracker>,
    /// There was more of it than we show.
    pub(super) is_cut: bool,
}

/// `GET /messages/{id}/frame`
pub(super) async fn whole(
    site: Access,
    Path(id): Path<String>,
    Query(look): Query<Look>,
    Extension(host): Extension<Host>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let loaded = site.load_prefix(&id).await?;
    let rendered = leaves::rendered(&loaded, &loaded.letter(), &look).await?;
    answer(rendered, &look, &host, &headers).await
}

/// `GET /messages/{id}/parts/{part}/frame`: the same for any part that is HTML, or a message with HTML.
pub(super) async fn part(
    site: Access,
    Path((id, number)): Path<(String, String)>,
    Query(look): Query<Look>,
    Extension(host): Extension<Host>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let loaded = site.load_prefix_with(&id, &number).await?;
    let (number, part) = loaded.part(&number)?;
    let rendered = match Viewer::of(part) {
        Viewer::Html => rendered(&loaded, number, &look).await?,
        Viewer::Letter => {
            let letter = loaded.scanned.outline.letter(Some(number));
            leaves::rendered(&loaded, &letter, &look).await?
        }
        _ => return Err(Error::no_page()),
    };
    answer(rendered, &look, &host, &headers).await
}

async fn answer(
    Rendered { sanitised, .. }: Rendered,
    look: &Look,
    host: &Host,
    headers: &HeaderMap,
) -> Result<Response, Error> {
    let page = sanitised.document(HEAD);
    let mut answer = page::answer(headers, "text/html; charset=utf-8", page).await;
    fence(&mut answer, &policy(host, look.remote, ""))?;
    Ok(answer)
}

/// The sanitised HTML of a part, and what it would have done.
pub(super) async fn rendered(
    loaded: &ShownMessage,
    number: usize,
    look: &Look,
) -> Result<Rendered, Error> {
    let parts = &loaded.scanned.outline.parts;
    let part = parts.get(number).ok_or_else(Error::no_page)?;
    let source = Source::new(&loaded.scanned, number, look);
    if let Some(rendered) = loaded.kept.find(&source, Instant::now()) {
        return Ok(rendered);
    }
    let Excerpt { text, is_cut } = loaded.text_of(number).await?;
    let pictures = Pictures::new(loaded, part);
    let location = pictures.base.clone();
    let find = move |reference: Reference<'_>| pictures.find(reference);
    let Look { remote, scheme, .. } = *look;
    let options = html::Options { remote, scheme, part: Arc::new(find), location };
    let record = &loaded.record;
    let to = record.summary.to.iter().chain(&record.summary.cc).map(|to| to.address.clone());
    let recipients: Vec<String> =
        record.envelope.forward_paths.iter().map(|path| path.address.clone()).chain(to).collect();
    let render = move || {
        let recipients: Vec<&str> = recipients.iter().map(String::as_str).collect();
        let sanitised = html::sanitise(&text, &options);
        Rendered { sanitised, trackers: trackers(&text, &recipients), is_cut }
    };
    let rendered = mail::spawn_bounded(render).await;
    loaded.kept.keep(source, &rendered, Instant::now());
    Ok(rendered)
}

impl Parameters for Look {
    fn take(pairs: &mut Pairs) -> Result<Self, Error> {
        Ok(Self {
            remote: pairs.one("remote")?,
            scheme: pairs
                .choice("scheme", &SCHEMES.map(scheme_name))?
                .map_or_else(Scheme::default, scheme),
            width: pairs.choice("width", &[&WIDTHS[..], &OLD_WIDTHS].concat())?.and_then(width),
        })
    }
}

impl Look {
    /// What a query says of these looks, but for the defaults.
    pub(super) fn pairs(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        let scheme = Some(scheme_name(self.scheme));
        let pairs = [
            ("remote", self.remote.then_some("1")),
            ("scheme", scheme.filter(|_| self.scheme != Scheme::Light)),
            ("width", self.width),
        ];
        pairs.into_iter().filter_map(|(name, value)| Some((name, value?)))
    }

    /// The query of the address of a frame that looks so; the width is none of its business.
    pub(super) fn frame_query(&self) -> String {
        query(self.pairs().filter(|(name, _)| *name != "width"))
    }

    /// The query of a page that shows it so.
    pub(super) fn page_query(&self) -> String {
        query(self.pairs())
    }
}

fn query(pairs: impl Iterator<Item = (&'static str, &'static str)>) -> String {
    let mut query = String::new();
    for (name, value) in pairs {
        let mark = if query.is_empty() { '?' } else { '&' };
        query.push_str(&format!("{mark}{name}={value}"));
    }
    query
}

/// The scheme of this name; light for any other.
pub(super) fn scheme(name: &str) -> Scheme {
    SCHEMES.into_iter().find(|known| scheme_name(*known) == name).unwrap_or_default()
}

/// What a scheme is called in addresses.
pub(super) const fn scheme_name(scheme: Scheme) -> &'static str {
    match scheme {
        Scheme::Light => "light",
        Scheme::Dark => "dark",
        Scheme::Forced => "forced",
    }
}

/// The width of this name; none for any other.
pub(super) fn width(name: &str) -> Option<&'static str> {
    let name = match name {
        "phone" => "375",
        "tablet" => "768",
        name => name,
    };
    WIDTHS.into_iter().find(|known| *known == name)
}

const SCHEMES: [Scheme; 3] = [Scheme::Light, Scheme::Dark, Scheme::Forced];

/// The words of earlier links.
const OLD_WIDTHS: [&str; 2] = ["phone", "tablet"];

/// Widths of windows that designers ask for: phones from small to large, tablets upright and on their side.
pub(super) const WIDTHS: [&str; 6] = ["320", "375", "414", "600", "768", "1024"];

/// The pictures among the parts, by what HTML calls them.
struct Pictures {
    by_id: HashMap<String, String>,
    /// By Content-Location, as given and as an absolute address (RFC 2557 §5).
    by_location: HashMap<String, String>,
    /// The Content-Location of the HTML itself.
    base: String,
}

impl Pictures {
    fn new(loaded: &ShownMessage, html: &Part) -> Self {
        let location =
            |part: &Part| part.header_value("Content-Location").map(str::trim).map(str::to_owned);
        let mut pictures = Self {
            by_id: HashMap::new(),
            by_location: HashMap::new(),
            base: location(html).unwrap_or_default(),
        };
        for (number, part) in loaded.scanned.outline.parts.iter().enumerate() {
            if Viewer::of(part) != Viewer::Picture {
                continue;
            }
            let url = files::picture(loaded, number);
            if let Some(location) = location(part) {
                let absolute = join(&pictures.base, &location);
                pictures.by_location.entry(absolute).or_insert_with(|| url.clone());
                pictures.by_location.entry(location).or_insert_with(|| url.clone());
            }
            if !part.content_id.is_empty() {
                pictures.by_id.entry(part.content_id.clone()).or_insert(url);
            }
        }
        pictures
    }

    fn find(&self, reference: Reference<'_>) -> Option<String> {
        match reference {
            Reference::ContentId(id) => self.by_id.get(id).cloned(),
            Reference::Location(_) if self.by_location.is_empty() => None,
            Reference::Location(location) => self
                .by_location
                .get(location)
                .or_else(|| self.by_location.get(&join(&self.base, location)))
                .cloned(),
        }
    }
}

/// A relative address made absolute, as far as mail needs it: no `..` is resolved.
fn join(base: &str, location: &str) -> String {
    let (Some((scheme, rest)), false) = (base.split_once("://"), location.contains("://")) else {
        return location.to_owned();
    };
    let host = rest.split('/').next().unwrap_or_default();
    if let Some(path) = location.strip_prefix('/') {
        return format!("{scheme}://{host}/{path}");
    }
    let folder = rest.rsplit_once('/').map_or(host, |(folder, _)| folder);
    format!("{scheme}://{folder}/{location}")
}

/// Gives a page of mail its policy, and keeps everybody else from framing it.
pub(super) fn fence(answer: &mut Response, policy: &str) -> Result<(), Error> {
    let policy =
        HeaderValue::from_str(policy).map_err(|error| Error::internal(error.to_string()))?;
    let fields = answer.headers_mut();
    fields.insert(header::CONTENT_SECURITY_POLICY, policy);
    fields.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("SAMEORIGIN"));
    fields.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    // Even the name of a host that a link leads to tells that somebody looks.
    let prefetch = HeaderName::from_static("x-dns-prefetch-control");
    fields.insert(prefetch, HeaderValue::from_static("off"));
    Ok(())
}

/// Our origin is named, because `'self'` matches nothing in a sandboxed page. Both schemes are, for
/// behind a TLS proxy we do not know which one the browser sees. `more` goes into the sandbox, and
/// behind a semicolon into the policy.
pub(super) fn policy(Host(host): &Host, remote: bool, more: &str) -> String {
    let ours =
        if host.is_empty() { String::new() } else { format!("http://{host} https://{host} ") };
    let elsewhere = if remote { " http: https:" } else { "" };
    format!(
        "sandbox allow-popups allow-popups-to-escape-sandbox{more}; default-src 'none'; \
         style-src 'unsafe-inline'{elsewhere}; img-src {ours}data:{elsewhere}; font-src data:{elsewhere}; \
         form-action 'none'; base-uri 'none'; frame-ancestors 'self' {ours}"
    )
}

/// What the head of a page of mail needs of ours: links tell nobody where they were. Nothing of it is
/// seen, for a browser's own rules are what mail begins with.
pub(super) const HEAD: &str = "<meta charset=\"utf-8\"><meta name=\"referrer\" content=\"no-referrer\">\
    <title>Message</title>";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations() {
        for (base, location, expected) in [
            ("", "a.png", "a.png"),
            ("http://a.example/x/page.html", "a.png", "http://a.example/x/a.png"),
            ("http://a.example/x/page.html", "/a.png", "http://a.example/a.png"),
            ("http://a.example", "a.png", "http://a.example/a.png"),
            ("http://a.example/", "http://b.example/a.png", "http://b.example/a.png"),
            ("page.html", "a.png", "a.png"),
        ] {
            assert_eq!(join(base, location), expected);
        }
    }

    #[test]
    fn every_look_has_an_address() {
        let look = |remote, name: &str, pixels: &str| Look {
            remote,
            scheme: scheme(name),
            width: width(pixels),
        };
        assert_eq!(look(false, "light", "full").page_query(), "");
        assert_eq!(look(true, "dark", "414").frame_query(), "?remote=1&scheme=dark");
        assert_eq!(look(false, "forced", "414").page_query(), "?scheme=forced&width=414");
        assert_eq!((width("phone"), width("99999")), (Some("375"), None));
    }
}
