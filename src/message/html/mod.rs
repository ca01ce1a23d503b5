//! HTML of a message made safe to show, and otherwise left as it was sent.
//!
//! The document is read once, by the parser of the HTML standard, and its tree is written again without
//! what acts (`walk`, the first wall); `ammonia` reads that once more (`second`). The page shows it in a
//! sandboxed frame without scripts, under a policy that loads nothing: each of these holds alone. What
//! would tell the sender that the message was opened is taken out and counted (`filter`).

mod attributes;
mod css;
mod drawing;
mod effort;
mod filter;
mod head;
mod known;
mod parse;
mod second;
mod sink;
mod tree;
mod walk;
mod write;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use html5ever::{interface::QuirksMode, local_name};

pub use self::filter::{MOST_HOSTS, Taken};
use self::{filter::Filter, parse::parse, walk::Walk};
use super::text;

/// How it is to be shown.
#[derive(Clone)]
pub struct Options {
    /// Load images, style sheets and fonts from elsewhere.
    pub remote: bool,
    /// The colours of the screen.
    pub scheme: Scheme,
    /// The URL under which a part of the message is to be had, if there is one.
    pub part: Arc<FindPart>,
    /// Where the HTML says that it was (Content-Location); may be empty.
    pub location: String,
}

impl Default for Options {
    /// Nothing from elsewhere, a light screen, and no other parts.
    fn default() -> Self {
        let part = Arc::new(|_: Reference<'_>| None);
        Self { remote: false, scheme: Scheme::Light, part, location: String::new() }
    }
}

/// The colours of a reader's screen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scheme {
    /// Light, as mail is written.
    #[default]
    Light,
    /// Dark, as far as the message says how it looks then.
    Dark,
    /// Dark in any case, as programs do it that do not ask the sender. A simulation of ours.
    Forced,
}

/// Tells the URL for a part that the HTML refers to.
pub type FindPart = dyn Fn(Reference<'_>) -> Option<String> + Send + Sync;

/// How HTML refers to another part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reference<'a> {
    /// By its Content-ID, without angle brackets (RFC 2392).
    ContentId(&'a str),
    /// By its Content-Location, as given (RFC 2557).
    Location(&'a str),
}

/// A document that is safe to show.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sanitised {
    /// What a document of this mode begins with; empty in quirks mode.
    pub doctype: &'static str,
    /// The attributes of `html`, each behind a space.
    pub root: String,
    /// What stands in `head`.
    pub head: String,
    /// The attributes of `body`, each behind a space.
    pub body: String,
    /// What stands in `body`.
    pub html: String,
    /// Loads from elsewhere that were taken out.
    pub blocked_remote: usize,
    /// Their hosts, the first [`MOST_HOSTS`] of them.
    pub blocked_hosts: BTreeSet<String>,
    /// What else was taken out, and how often.
    pub taken: BTreeMap<Taken, usize>,
    /// The message says how it looks on a dark screen.
    pub has_dark: bool,
    /// The markup was too tangled to be read, so this is its text.
    pub is_text: bool,
}

impl Sanitised {
    /// The whole document; `head` is what else its head needs, before anything of the sender's.
    pub fn document(&self, head: &str) -> String {
        let Self { doctype, root, head: own, body, html, .. } = self;
        format!("{doctype}<html{root}><head>{head}{own}</head><body{body}>{html}</body></html>")
    }
}

/// Makes the HTML of a message safe to show.
///
/// Markup that is too tangled to be read in reasonable time comes out as its plain text.
pub fn sanitise(html: &str, options: &Options) -> Sanitised {
    let Some(tree) = parse(html) else { return as_text(html) };
    let filter = Filter::new(options, head::base(&tree));
    let root = tree.root();
    let body = root.and_then(|root| tree.child(root, &local_name!("body")));
    if root.is_some_and(|root| tree.child(root, &local_name!("frameset")).is_some()) {
        filter.take(Taken::Frame);
    }
    let mut walk = Walk::new(&tree, &filter);
    walk.element_as(ROOT, root);
    walk.element_as(BODY, body);
    let mut head = String::new();
    // Our own come first, and are weaker than any other.
    if walk.has_missing {
        head.push_str(&format!("<style>{}</style>", attributes::MISSING));
    }
    if options.scheme == Scheme::Forced {
        head.push_str(&format!("<style>{}</style>", css::dark_page()));
    }
    if let Some(own) = root.and_then(|root| tree.child(root, &local_name!("head"))) {
        head::write(&tree, own, &filter, &mut head);
    }
    let cleaned = second::cleaned(&walk.out, &walk.spoken, options.remote);
    let doctype = match tree.mode {
        QuirksMode::NoQuirks => "<!DOCTYPE html>",
        QuirksMode::LimitedQuirks => {
            "<!DOCTYPE html PUBLIC \"-//W3C//DTD XHTML 1.0 Transitional//EN\" \
             \"http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd\">"
        }
        QuirksMode::Quirks => "",
    };
    let seen = filter.into_seen();
    Sanitised {
        doctype,
        head,
        blocked_remote: seen.blocked,
        blocked_hosts: seen.hosts,
        taken: seen.taken,
        has_dark: seen.has_dark,
        ..parted(&cleaned, tree.mode == QuirksMode::Quirks)
    }
}

/// The two elements that the second wall wrote: the root's and the body's.
fn parted(cleaned: &str, is_quirky: bool) -> Sanitised {
    let between = format!("></{ROOT}><{BODY}");
    let parts = cleaned.split_once(&between).and_then(|(root, rest)| {
        let root = root.strip_prefix(&format!("<{ROOT}"))?;
        // Angle brackets of values are written as references.
        let (body, html) = rest.split_once('>')?;
        Some((root, body, html.strip_suffix(&format!("</{BODY}>"))?))
    });
    let (root, body, html) = parts.unwrap_or(("", "", cleaned));
    let html = match is_quirky && html.contains(PARAGRAPH) {
        true => {
            html.replace(&format!("<{PARAGRAPH}"), "<p").replace(&format!("</{PARAGRAPH}"), "</p")
        }
        false => html.to_owned(),
    };
    Sanitised { root: root.to_owned(), body: body.to_owned(), html, ..Sanitised::default() }
}

fn as_text(html: &str) -> Sanitised {
    let mut escaped = String::from("<pre style=\"white-space:pre-wrap\">");
    write::escaped(&text::html_to_text(html), &mut escaped);
    let html = escaped + "</pre>";
    Sanitised { doctype: "<!DOCTYPE html>", html, is_text: true, ..Sanitised::default() }
}

/// Names under which the second wall sees elements that it would read by the rules of another place: it
/// reads a piece of a body, and never in quirks mode, where a table may stand in a paragraph.
const ROOT: &str = "smtpd-root";
const BODY: &str = "smtpd-body";
const PARAGRAPH: &str = "smtpd-p";

#[cfg(test)]
mod tests;
