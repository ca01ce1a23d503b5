//! The attributes of a message: which are seen, and what they may load or lead to.

use std::borrow::Cow;

use html5ever::{Attribute, LocalName, QualName, interface::QuirksMode, ns};

use super::{
    css::{self, Role},
    drawing,
    filter::{Link, Taken, is_seen, scheme},
    known,
    tree::value,
    walk::Walk,
};

impl Walk<'_, '_, '_> {
    /// Writes an attribute, if it is seen.
    pub(super) fn attribute(&mut self, element: &QualName, it: &Attribute, all: &[Attribute]) {
        let name = &*it.name.local;
        if name.starts_with("on") {
            return self.filter.take(Taken::Handler);
        }
        if element.ns == ns!(html) {
            self.of_html(&element.local, &it.name.local, &it.value, all);
        } else {
            self.of_drawing(&element.local, it);
        }
    }

    fn of_html(&mut self, element: &LocalName, atom: &LocalName, value: &str, all: &[Attribute]) {
        let name = &**atom;
        match (name, &**element) {
            ("href", "a" | "area") => self.link(value),
            ("src", "input") if is_picture_button(all) => self.loaded("src", value),
            ("background", _) => self.loaded(name, value),
            ("poster", "video") => self.loaded(name, value),
            ("srcset", "source") => {
                let candidates = self.candidates(value);
                self.put(name, &candidates);
            }
            ("style", _) => self.style_attribute(value),
            ("media", _) => {
                let media = css::value(value, "media", self.filter);
                self.put(name, &media);
            }
            ("action" | "formaction", _) => self.filter.take(Taken::Form),
            ("bgcolor" | "color" | "text" | "link" | "alink" | "vlink", _) => {
                self.colour(name, value);
            }
            (
                "href" | "src" | "srcset" | "poster" | "target" | "rel" | "method"
                | "accept-charset",
                _,
            ) => {}
            _ if known::is_attribute(atom) || is_for_rules(name) => self.put(name, value),
            _ => {}
        }
    }

    /// Of SVG and MathML: many attributes are properties, and may have a URL in them.
    fn of_drawing(&mut self, element: &LocalName, it: &Attribute) {
        let name = &*it.name.local;
        let is_link = name == "href" && (it.name.ns == ns!() || it.name.ns == ns!(xlink));
        match (&**element, name) {
            ("a", "href") if is_link => self.link(&it.value),
            ("image", "href") if is_link => self.loaded("href", &it.value),
            // Only what is in the drawing itself may be used.
            (_, "href") if is_link && it.value.trim().starts_with('#') => {
                self.put("href", it.value.trim());
            }
            (_, "href" | "target") => {}
            (_, "style") => self.style_attribute(&it.value),
            _ if it.name.ns == ns!()
                && (drawing::DRAWING.contains(&name) || is_for_rules(name)) =>
            {
                let seen = css::value(&it.value, name, self.filter);
                self.put(name, &seen);
            }
            _ => {}
        }
    }

    fn style_attribute(&mut self, value: &str) {
        let style = css::value(value, "", self.filter);
        self.put("style", &style);
    }

    fn loaded(&mut self, name: &str, url: &str) {
        if let Some(url) = self.filter.load(url) {
            self.put(name, &url);
        }
    }

    /// A link opens a page of its own, which learns nothing of ours. One to a place in the message goes there.
    fn link(&mut self, url: &str) {
        match self.filter.link(url) {
            Link::Out(url) => {
                self.spoken.schemes.extend(scheme(&url));
                self.put("href", &url);
                self.out.push_str(" target=\"_blank\" rel=\"noopener noreferrer\"");
            }
            Link::Within(place) => self.put("href", place),
            // It still looks like a link.
            Link::Nowhere | Link::Acting => self.put("href", NOWHERE),
        }
    }

    fn colour(&mut self, name: &str, value: &str) {
        let role = if name == "bgcolor" { Role::Ground } else { Role::Ink };
        match css::of_attribute(value).filter(|_| self.filter.is_forced()) {
            Some(colour) => self.put(name, &css::darkened(colour, role)),
            None => self.put(name, value),
        }
    }

    /// A picture. One that is not loaded keeps its place.
    pub(super) fn image(&mut self, attributes: &[Attribute]) {
        let element = QualName::new(None, ns!(html), "img".into());
        let src = value(attributes, "src");
        let shown = src.and_then(|src| self.filter.load(src)).map(Cow::into_owned);
        let set = value(attributes, "srcset").map(|set| self.candidates(set)).unwrap_or_default();
        let is_missing = shown.is_none() && set.is_empty() && src.is_some();
        for attribute in attributes {
            self.attribute(&element, attribute, attributes);
        }
        if let Some(url) = shown {
            self.put("src", &url);
        }
        if !set.is_empty() {
            self.put("srcset", &set);
        }
        if is_missing {
            self.missing(attributes);
        }
    }

    /// The place of a picture that is not there. Its words stand in it as the sender styled them; a
    /// browser gives them the size of the picture (rule [`MISSING`]), but in quirks mode only if it has
    /// both: else it makes a square of it.
    fn missing(&mut self, attributes: &[Attribute]) {
        if self.filter.is_remote() {
            // Nobody keeps it out: it is as missing as it would be in a browser.
            return self.put("src", "data:,");
        }
        self.has_missing = true;
        self.out.push_str(" data-smtpd-missing=\"\"");
        let size = |name| value(attributes, name).and_then(pixels);
        let (width, height) = (size("width"), size("height"));
        let has_words = value(attributes, "alt").is_some_and(|alt| !alt.trim().is_empty());
        self.strips += 1;
        let is_quirky = self.tree.mode == QuirksMode::Quirks && self.strips <= MOST_STRIPS;
        if is_quirky && (width.is_none() || height.is_none()) && (has_words || width.is_some()) {
            let (width, height) = (width.unwrap_or(120), height.unwrap_or(24));
            let words = value(attributes, "alt").unwrap_or_default();
            let words =
                percent_encoding::utf8_percent_encode(words, percent_encoding::NON_ALPHANUMERIC);
            self.put("src", &format!(
                "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' width='{width}' height='{height}'%3E\
                 %3Ctext y='16' font-size='13' font-family='sans-serif' fill='gray'%3E{words}%3C/text%3E%3C/svg%3E"
            ));
        } else if !has_words && value(attributes, "alt").is_none() {
            self.put("src", "data:,");
        }
    }

    /// What may be loaded of a set of pictures (HTML §4.8.4.3.1).
    pub(super) fn candidates(&self, set: &str) -> String {
        let mut out = String::new();
        let mut rest = set;
        loop {
            rest = rest.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == ',');
            let end = rest.find(|c: char| c.is_ascii_whitespace()).unwrap_or(rest.len());
            let (url, after) = rest.split_at(end);
            if url.is_empty() {
                return out;
            }
            let (url, after) = match url.strip_suffix(',') {
                Some(url) => (url.trim_end_matches(','), after),
                None => (url, after),
            };
            let (descriptor, after) = match rest[..end].ends_with(',') {
                true => ("", after),
                false => after.split_once(',').unwrap_or((after, "")),
            };
            rest = after;
            let is_data = scheme(url).as_deref() == Some("data");
            // The picture itself is in src, and counted there.
            let allowed = match self.filter.is_remote() || (is_data && is_seen(url)) {
                true => self.filter.load(url),
                false => None,
            };
            if let Some(url) = allowed {
                let separator = if out.is_empty() { "" } else { ", " };
                out.push_str(separator);
                out.push_str(&url.replace(|c: char| c.is_ascii_whitespace(), "%20"));
                let descriptor = descriptor.trim();
                if !descriptor.is_empty() {
                    out.push(' ');
                    out.push_str(descriptor);
                }
            }
        }
    }
}

/// True for the names that are for style sheets and for those who cannot see, but for our own.
fn is_for_rules(name: &str) -> bool {
    known::PREFIXES.iter().any(|prefix| name.starts_with(prefix))
        && !name.starts_with("data-smtpd")
        && name.bytes().all(|c| c.is_ascii_alphanumeric() || b"-_:.".contains(&c))
}

fn is_picture_button(attributes: &[Attribute]) -> bool {
    value(attributes, "type").is_some_and(|kind| kind.eq_ignore_ascii_case("image"))
}

/// A length in pixels, none of one in percent (HTML §2.3.4.4).
fn pixels(value: &str) -> Option<u32> {
    let value = value.trim();
    let end = value.find(|c: char| !c.is_ascii_digit()).unwrap_or(value.len());
    let (digits, unit) = value.split_at(end);
    digits.parse().ok().filter(|&pixels| pixels <= 10_000 && !unit.starts_with('%'))
}

/// A place that is not there: a link to it does nothing.
pub(super) const NOWHERE: &str = "#smtpd-nowhere";

/// The rule for pictures that are not there, weaker than any other.
pub(super) const MISSING: &str = ":where(img[data-smtpd-missing]){display:inline-block;overflow:hidden;\
    outline:1px dashed rgba(128,128,128,.6);outline-offset:-1px}";

/// Most pictures drawn in place of missing ones. Each is some 300 octets, for 20 of the sender's.
const MOST_STRIPS: usize = 2_000;
