//! The HTML of a part made safe, with its own pictures in their places.

use std::{collections::HashMap, sync::Arc, time::Instant};

use super::{
    access::ShownMessage,
    error::Error,
    files,
    kept::{Rendered, Source},
    media::Viewer,
    render_params::RenderParams,
};
use crate::{
    mail::{self, Excerpt},
    message::{
        Part,
        html::{self, Reference},
        trackers,
    },
};

/// The sanitised HTML of a part, and what it would have done.
pub(super) async fn rendered(
    loaded: &ShownMessage,
    number: usize,
    look: &RenderParams,
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
    let RenderParams { remote, scheme, .. } = *look;
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
}
