//! The first wall: walks the tree of a message and writes what of it is only seen.
//!
//! Elements and attributes are taken from the lists in `known`; what loads goes through `filter`, style
//! through `css`. Deep trees need no stack but a list.

use std::collections::BTreeSet;

use html5ever::{Attribute, LocalName, QualName, interface::QuirksMode, local_name, ns};

use super::{
    drawing,
    effort::MOST_DEPTH,
    filter::{Filter, Taken},
    head, known,
    tree::{Data, Id, Tree, value},
    write::escaped,
};
use crate::message::text;

/// Writes the body of a message.
pub(super) struct Walk<'t, 'f, 'o> {
    pub(super) tree: &'t Tree,
    pub(super) filter: &'f Filter<'o>,
    pub(super) out: String,
    pub(super) spoken: Spoken,
    /// A picture is not there, and its place has to be kept.
    pub(super) has_missing: bool,
    /// Pictures that are not there.
    pub(super) strips: usize,
    steps: Vec<Step>,
    /// How many elements are open.
    depth: u32,
    /// How many elements of a menu are open: only its choices are seen.
    menus: usize,
}

/// What was written that is in no list, for the second wall.
#[derive(Default)]
pub(super) struct Spoken {
    /// Names of elements that no browser gives a meaning to: they have a hyphen or a colon.
    pub(super) elements: BTreeSet<String>,
    /// Schemes of links.
    pub(super) schemes: BTreeSet<String>,
}

enum Step {
    Enter(Id),
    Leave(LocalName),
}

/// What becomes of an element.
enum Fate {
    Stays,
    /// It is written under another name.
    As(&'static str),
    /// What is in it stays.
    Opens,
    Goes(Option<Taken>),
}

impl<'t, 'f, 'o> Walk<'t, 'f, 'o> {
    pub(super) fn new(tree: &'t Tree, filter: &'f Filter<'o>) -> Self {
        let (out, spoken) = (String::new(), Spoken::default());
        Self {
            tree,
            filter,
            out,
            spoken,
            has_missing: false,
            strips: 0,
            depth: 0,
            steps: Vec::new(),
            menus: 0,
        }
    }

    /// Writes an element under a name of ours, with its attributes and what is in it.
    pub(super) fn element_as(&mut self, name: &'static str, id: Option<Id>) {
        self.out.push('<');
        self.out.push_str(name);
        if let Some(id) = id
            && let Data::Element(own, attributes) = self.tree.data(id)
        {
            self.attributes(own, attributes);
        }
        self.out.push('>');
        if name == super::BODY {
            id.into_iter().for_each(|id| self.content(id));
        }
        self.close(name);
    }

    fn content(&mut self, id: Id) {
        self.steps.extend(self.tree.children_backwards(id).map(Step::Enter));
        while let Some(step) = self.steps.pop() {
            match step {
                Step::Enter(id) => self.enter(id),
                Step::Leave(name) => {
                    self.depth -= 1;
                    self.menus -= usize::from(name == local_name!("select"));
                    self.close(&name);
                }
            }
        }
    }

    fn close(&mut self, name: &str) {
        self.out.push_str("</");
        self.out.push_str(name);
        self.out.push('>');
    }

    fn enter(&mut self, id: Id) {
        match self.tree.data(id) {
            Data::Text(text) => self.text(id, text),
            Data::Unseen => {}
            // In a drawing or a formula HTML is where parsers disagree.
            Data::Element(name, _) if name.ns == ns!(html) && self.tree.is_in_foreign(id) => {}
            // Elements that were moved together may stand deeper than the parser was told.
            Data::Element(..) if self.depth >= MOST_DEPTH => {}
            Data::Element(name, attributes) => match self.fate(name, attributes) {
                Fate::Goes(taken) => taken.into_iter().for_each(|what| self.filter.take(what)),
                Fate::Opens => {
                    self.steps.extend(self.tree.children_backwards(id).map(Step::Enter));
                }
                Fate::Stays => self.open(id, name, attributes, name.local.clone()),
                Fate::As(other) => self.open(id, name, attributes, LocalName::from(other)),
            },
        }
    }

    /// Long text is cut by comments, which the second wall takes out: for each sign that it escapes, it
    /// looks through all of a text. Where a comment would be seen, the text ends.
    fn text(&mut self, id: Id, text: &str) {
        let mut rest = text;
        while rest.len() > LONG {
            let piece = text::beginning(rest, LONG);
            escaped(piece, &mut self.out);
            if self.tree.is_in(id, &local_name!("textarea")) {
                return;
            }
            self.out.push_str("<!---->");
            rest = &rest[piece.len()..];
        }
        escaped(rest, &mut self.out);
    }

    fn fate(&mut self, name: &QualName, attributes: &[Attribute]) -> Fate {
        let local = &*name.local;
        match name.ns {
            ns!(svg) => foreign(local, drawing::SVG),
            ns!(mathml) => foreign(local, drawing::MATH),
            _ if self.menus > 0 => match local {
                "option" | "optgroup" | "hr" => Fate::Stays,
                local if known::GONE.contains(&local) || local == "style" => Fate::Goes(None),
                _ => Fate::Opens,
            },
            _ => self.fate_in_html(&name.local, attributes),
        }
    }

    fn fate_in_html(&mut self, name: &LocalName, attributes: &[Attribute]) -> Fate {
        let local = &**name;
        match local {
            "script" => Fate::Goes(Some(Taken::Script)),
            "iframe" | "frame" | "frameset" => Fate::Goes(Some(Taken::Frame)),
            "embed" | "applet" => Fate::Goes(Some(Taken::Plugin)),
            "bgsound" => Fate::Goes(Some(Taken::Media)),
            "meta" => Fate::Goes(head::order(attributes)),
            "object" => {
                self.filter.take(Taken::Plugin);
                Fate::Opens
            }
            "noscript" => Fate::Opens,
            "xmp" | "plaintext" => Fate::As("pre"),
            "amp-img" => Fate::As("img"),
            "p" if self.tree.mode == QuirksMode::Quirks => Fate::As(super::PARAGRAPH),
            _ if known::GONE.contains(&local) => Fate::Goes(None),
            _ if known::is_element(name) => Fate::Stays,
            _ if is_nobodys(local) => {
                self.spoken.elements.insert(local.to_owned());
                Fate::Stays
            }
            _ => Fate::As("span"),
        }
    }

    fn open(&mut self, id: Id, name: &QualName, attributes: &[Attribute], written: LocalName) {
        let is_html = name.ns == ns!(html);
        match &*written {
            "style" => return self.style(id, attributes, is_html),
            "link" => return head::link(attributes, self.filter, &mut self.out),
            "source" if !self.is_choice(attributes) => return,
            _ => {}
        }
        self.out.push('<');
        self.out.push_str(&written);
        match &*written {
            "img" => self.image(attributes),
            _ => self.attributes(name, attributes),
        }
        self.out.push('>');
        if is_html && VOID.contains(&&*written) {
            return;
        }
        self.menus += usize::from(written == local_name!("select"));
        self.depth += 1;
        self.steps.push(Step::Leave(written.clone()));
        match &*written {
            "video" | "audio" if is_html => self.filter.take(Taken::Media),
            _ => self.steps.extend(self.tree.children_backwards(id).map(Step::Enter)),
        }
        self.keep_first_line(id, &written);
    }

    /// A line end right behind these tags is not counted (HTML §13.1.2.5), and two parsers will read it.
    fn keep_first_line(&mut self, id: Id, written: &str) {
        let first = self.tree.children(id).next();
        if matches!(written, "pre" | "textarea" | "listing")
            && let Some(Data::Text(text)) = first.map(|first| self.tree.data(first))
            && text.starts_with('\n')
        {
            self.out.push_str("\n\n");
        }
    }

    fn style(&mut self, id: Id, attributes: &[Attribute], is_html: bool) {
        let Some(sheet) = head::sheet(&self.tree.text(id), attributes, self.filter) else {
            return;
        };
        // In a drawing a style sheet is text like any other.
        if !is_html && is_slow(&sheet.css) {
            return;
        }
        self.out.push_str(&sheet.tag);
        if is_html {
            self.out.push_str(&sheet.css);
        } else {
            escaped(&sheet.css, &mut self.out);
        }
        self.close("style");
    }

    /// True for a source of a picture that there is something to be had from.
    fn is_choice(&self, attributes: &[Attribute]) -> bool {
        value(attributes, "srcset").is_some_and(|set| !self.candidates(set).is_empty())
    }

    /// Writes all attributes that are seen.
    pub(super) fn attributes(&mut self, name: &QualName, attributes: &[Attribute]) {
        for attribute in attributes {
            self.attribute(name, attribute, attributes);
        }
        match &*name.local {
            // Sent nowhere, whatever the browser thinks of it (HTML §4.10.21.3, step 9).
            "form" if name.ns == ns!(html) => self.put("method", "dialog"),
            _ => {}
        }
    }

    /// Writes an attribute, unless the second wall would take too long for it ([`Self::text`]).
    pub(super) fn put(&mut self, name: &str, value: &str) {
        if is_slow(value) {
            return;
        }
        self.out.push(' ');
        self.out.push_str(name);
        self.out.push_str("=\"");
        escaped(value, &mut self.out);
        self.out.push('"');
    }
}

/// True for what the second wall would take too long to escape.
fn is_slow(text: &str) -> bool {
    let escapes = || text.bytes().filter(|octet| matches!(octet, b'&' | 0xC2)).count();
    text.len() > LONG && text.len() * escapes() > MOST_ESCAPED
}

fn foreign(local: &str, seen: &[&str]) -> Fate {
    match local {
        "script" => Fate::Goes(Some(Taken::Script)),
        local if seen.contains(&local) => Fate::Stays,
        _ => Fate::Goes(None),
    }
}

/// True for names that no browser gives a meaning to, and never will: those of components, which are
/// nothing without script, and those of XML.
fn is_nobodys(local: &str) -> bool {
    local.contains(['-', ':'])
        && !local.starts_with("smtpd-")
        && !RESERVED.contains(&local)
        && local.starts_with(|c: char| c.is_ascii_lowercase())
        && local
            .bytes()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || b"-:.".contains(&c))
}

/// Names with a hyphen that SVG and MathML had first (HTML §4.13.2).
const RESERVED: [&str; 8] = [
    "annotation-xml",
    "color-profile",
    "font-face",
    "font-face-src",
    "font-face-uri",
    "font-face-format",
    "font-face-name",
    "missing-glyph",
];

/// Octets of text that are looked through for each sign to be escaped, and how many may be in all for
/// one value.
const LONG: usize = 4 * 1024;
const MOST_ESCAPED: usize = 100_000_000;

/// Elements that have nothing in them.
const VOID: [&str; 11] =
    ["area", "basefont", "br", "col", "hr", "img", "input", "link", "source", "track", "wbr"];
