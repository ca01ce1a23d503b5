//! The first wall: walks the tree of a message and writes what of it is only seen.
//!
//! Elements and attributes are taken from the lists in `known`; what loads goes through `filter`, style
//! through `css`. Deep trees need no stack but a list.

use std::collections::BTreeSet;

use html5ever::{Attribute, LocalName, QualName, interface::QuirksMode, local_name, ns};

use super::{
    drawing,
    filter::{Filter, Taken},
    head, known,
    tree::{Data, Id, Tree, value},
    write::escaped,
};

/// Writes the body of a message.
pub(super) struct Walk<'t, 'f, 'o> {
    pub(super) tree: &'t Tree,
    pub(super) filter: &'f Filter<'o>,
    pub(super) out: String,
    pub(super) spoken: Spoken,
    /// A picture is not there, and its place has to be kept.
    pub(super) has_missing: bool,
    steps: Vec<Step>,
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
        Self { tree, filter, out, spoken, has_missing: false, steps: Vec::new(), menus: 0 }
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
            Data::Text(text) => escaped(text, &mut self.out),
            Data::Unseen => {}
            // In a drawing or a formula HTML is where parsers disagree.
            Data::Element(name, _) if name.ns == ns!(html) && self.tree.is_in_foreign(id) => {}
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
            _ => self.fate_in_html(local, attributes),
        }
    }

    fn fate_in_html(&mut self, local: &str, attributes: &[Attribute]) -> Fate {
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
            _ if known::HTML.contains(&local) => Fate::Stays,
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
        self.out.push_str(&sheet.tag);
        // In a drawing a style sheet is text like any other.
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

    pub(super) fn put(&mut self, name: &str, value: &str) {
        self.out.push(' ');
        self.out.push_str(name);
        self.out.push_str("=\"");
        escaped(value, &mut self.out);
        self.out.push('"');
    }
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

/// Elements that have nothing in them.
const VOID: [&str; 11] =
    ["area", "basefont", "br", "col", "hr", "img", "input", "link", "source", "track", "wbr"];
