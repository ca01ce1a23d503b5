//! The head of a message: its style sheets, each in an element of its own, and how it is to be drawn.

use std::borrow::Cow;

use html5ever::{Attribute, local_name, ns};

use super::{
    css,
    filter::{Filter, Taken},
    tree::{Data, Id, Tree, value},
    write::escaped,
};

/// A style sheet, ready to be written.
pub(super) struct Sheet {
    pub(super) tag: String,
    pub(super) css: String,
}

/// Writes what of a head is seen.
pub(super) fn write(tree: &Tree, head: Id, filter: &Filter<'_>, out: &mut String) {
    let mut rest: Vec<Id> = tree.children_backwards(head).collect();
    while let Some(id) = rest.pop() {
        let Data::Element(name, attributes) = tree.data(id) else { continue };
        match &*name.local {
            // Without scripts its content is part of the head.
            "noscript" => rest.extend(tree.children_backwards(id)),
            "style" => {
                if let Some(sheet) = sheet(&tree.text(id), attributes, filter) {
                    out.push_str(&sheet.tag);
                    out.push_str(&sheet.css);
                    out.push_str("</style>");
                }
            }
            "link" => link(attributes, filter, out),
            "meta" => meta(attributes, filter, out),
            "script" => filter.take(Taken::Script),
            _ => {}
        }
    }
}

/// Where relative addresses begin: the first such element of the document counts.
pub(super) fn base(tree: &Tree) -> &str {
    let mut bases = tree
        .elements()
        .filter(|(name, _)| name.ns == ns!(html) && name.local == local_name!("base"));
    bases.find_map(|(_, attributes)| value(attributes, "href")).unwrap_or_default()
}

/// A style sheet in the document, none if it is in another language.
pub(super) fn sheet(text: &str, attributes: &[Attribute], filter: &Filter<'_>) -> Option<Sheet> {
    let kind = value(attributes, "type").unwrap_or_default();
    if !kind.is_empty() && !kind.eq_ignore_ascii_case("text/css") {
        return None;
    }
    let css = css::sheet(text, filter).into_owned();
    let mut tag = "<style".to_owned();
    chosen(attributes, filter, &mut tag);
    tag.push('>');
    Some(Sheet { tag, css })
}

/// A style sheet elsewhere. Nothing else that a link can bring is seen.
pub(super) fn link(attributes: &[Attribute], filter: &Filter<'_>, out: &mut String) {
    let rel = value(attributes, "rel").unwrap_or_default().to_ascii_lowercase();
    let words = || rel.split_ascii_whitespace();
    let is_sheet = words().any(|word| word == "stylesheet")
        && !words().any(|word| word == "alternate")
        && value(attributes, "disabled").is_none();
    if !is_sheet {
        return filter.take(Taken::Resource);
    }
    if let Some(url) = value(attributes, "href").and_then(|url| filter.sheet(url)) {
        out.push_str("<link rel=\"stylesheet\" href=\"");
        escaped(&url, out);
        out.push('"');
        chosen(attributes, filter, out);
        out.push('>');
    }
}

/// What a `meta` element would order, if anything.
pub(super) fn order(attributes: &[Attribute]) -> Option<Taken> {
    let order = value(attributes, "http-equiv")?.to_ascii_lowercase();
    let is_plain = matches!(
        order.as_str(),
        "content-type" | "x-ua-compatible" | "content-language" | "content-style-type"
    );
    (!is_plain).then_some(Taken::Order)
}

fn meta(attributes: &[Attribute], filter: &Filter<'_>, out: &mut String) {
    order(attributes).into_iter().for_each(|what| filter.take(what));
    let name = value(attributes, "name").unwrap_or_default().to_ascii_lowercase();
    let content = value(attributes, "content").unwrap_or_default();
    let content: Cow<'_, str> = match name.as_str() {
        "viewport" => content.into(),
        "color-scheme" => match css::scheme(content.split_ascii_whitespace(), filter) {
            Some(scheme) => scheme.into(),
            None => return,
        },
        _ => return,
    };
    out.push_str("<meta name=\"");
    out.push_str(&name);
    out.push_str("\" content=\"");
    escaped(&content, out);
    out.push_str("\">");
}

/// When a style sheet counts.
fn chosen(attributes: &[Attribute], filter: &Filter<'_>, out: &mut String) {
    for name in ["media", "title"] {
        let Some(given) = value(attributes, name) else { continue };
        let given = match name {
            "media" => css::value(given, "media", filter),
            _ => given.into(),
        };
        out.push(' ');
        out.push_str(name);
        out.push_str("=\"");
        escaped(&given, out);
        out.push('"');
    }
}
