//! The second wall: `ammonia` reads what the first one wrote as if nobody had looked at it, and writes it
//! again from lists of what is allowed.
//!
//! It shares the lists of names with the first wall, and nothing else: its parser sees text, not our
//! tree, so that what was forgotten or misunderstood there is caught here.

use std::{
    borrow::Cow,
    collections::{BTreeSet, HashMap, HashSet},
    sync::LazyLock,
};

use ammonia::{Builder, UrlRelative};

use super::{attributes::NOWHERE, drawing, filter::scheme, known, walk::Spoken};

/// The markup, with everything that acts taken out.
pub(super) fn cleaned(markup: &str, spoken: &Spoken, remote: bool) -> String {
    let is_usual = spoken.elements.is_empty()
        && spoken.schemes.iter().all(|scheme| USUAL.contains(&scheme.as_str()));
    let cleaned = match (is_usual, remote) {
        (true, false) => CLOSED.clean(markup),
        (true, true) => OPEN.clean(markup),
        (false, remote) => wall(spoken, remote).clean(markup),
    };
    let mut out = Vec::with_capacity(markup.len() + markup.len() / 8);
    // Writing to memory cannot fail, and what is written is made of strings.
    let _ = cleaned.write_to(&mut out);
    String::from_utf8(out).unwrap_or_default()
}

/// What is allowed of a message that has spoken of these.
fn wall<'s>(spoken: &'s Spoken, remote: bool) -> Builder<'s> {
    let mut elements: HashSet<&str> = ELEMENTS.clone();
    elements.extend(spoken.elements.iter().map(String::as_str));
    let mut schemes: HashSet<&str> = HashSet::from(USUAL);
    schemes.extend(spoken.schemes.iter().map(String::as_str));
    let mut builder = Builder::empty();
    builder
        .tags(elements)
        .clean_content_tags(GONE.clone())
        .generic_attributes(ATTRIBUTES.clone())
        .generic_attribute_prefixes(HashSet::from(known::PREFIXES))
        .tag_attributes(HashMap::new())
        .url_schemes(schemes)
        .url_relative(UrlRelative::PassThrough)
        .link_rel(None)
        .attribute_filter(move |element, name, value| {
            is_seen(element, name, value, remote).then_some(Cow::Borrowed(value))
        });
    builder
}

/// True for a value that only shows.
fn is_seen(element: &str, name: &str, value: &str, remote: bool) -> bool {
    let is_url = matches!(name, "href" | "src" | "poster" | "background");
    let scheme = if is_url { scheme(value.trim()) } else { None };
    let is_web = matches!(scheme.as_deref(), Some("http" | "https"));
    let is_ours = value.starts_with('/') && !value.starts_with("//");
    match name {
        "href" if matches!(element, "a" | "area") => {
            scheme.as_deref().is_some_and(|it| !RUNS.contains(&it))
                || is_ours
                || value.starts_with('#')
                || value == NOWHERE
        }
        "href" if element == "link" => remote && is_web,
        _ if is_url => {
            let is_data = scheme.as_deref() == Some("data") && super::filter::is_seen(value);
            is_ours || is_data || (remote && is_web) || value.starts_with('#')
        }
        "target" => value == "_blank",
        "rel" => matches!(value, "noopener noreferrer" | "stylesheet"),
        "method" => value == "dialog",
        // Whatever runs is a function, or in one.
        "style" if value.contains('(') => {
            let style = value.to_ascii_lowercase();
            !["expression(", "javascript:", "-moz-binding"].iter().any(|it| style.contains(it))
        }
        name => !name.starts_with("on"),
    }
}

/// Schemes that are in any message. What they may be in, `is_seen` says.
const USUAL: [&str; 5] = ["http", "https", "data", "mailto", "tel"];

/// The wall of nearly all messages, without and with content from elsewhere: they speak of nothing else.
static CLOSED: LazyLock<Builder<'static>> = LazyLock::new(|| wall(&NOTHING, false));
static OPEN: LazyLock<Builder<'static>> = LazyLock::new(|| wall(&NOTHING, true));
static NOTHING: Spoken = Spoken { elements: BTreeSet::new(), schemes: BTreeSet::new() };

const RUNS: [&str; 5] = ["javascript", "vbscript", "data", "blob", "file"];

static ELEMENTS: LazyLock<HashSet<&'static str>> = LazyLock::new(|| {
    let ours = [super::ROOT, super::BODY, super::PARAGRAPH];
    [known::HTML, drawing::SVG, drawing::MATH, &ours].concat().into_iter().collect()
});

static ATTRIBUTES: LazyLock<HashSet<&'static str>> =
    LazyLock::new(|| [known::ATTRIBUTES, drawing::DRAWING].concat().into_iter().collect());

static GONE: LazyLock<HashSet<&'static str>> = LazyLock::new(|| {
    let foreign = ["foreignObject", "desc", "annotation-xml", "annotation", "noscript"];
    [known::GONE, &foreign].concat().into_iter().collect()
});
