//! The tree of a document, as the parser of the HTML standard builds it.
//!
//! Nodes lie in one list and know each other by number, so that neither deep nor long markup needs the
//! stack, and the list says when it grows too long.

use std::iter;

use html5ever::{
    Attribute, LocalName, QualName, interface::QuirksMode, local_name, ns, tendril::StrTendril,
};

/// A document.
pub(super) struct Tree {
    pub(super) nodes: Vec<Node>,
    /// How a browser lays it out, which is the doctype's doing.
    pub(super) mode: QuirksMode,
}

/// The number of a node.
pub(super) type Id = u32;

/// A node and its kin; [`NONE`] where there is none.
pub(super) struct Node {
    pub(super) parent: Id,
    pub(super) previous: Id,
    pub(super) next: Id,
    pub(super) first: Id,
    pub(super) last: Id,
    /// How deep it was when it was put there.
    pub(super) depth: u32,
    pub(super) data: Data,
}

impl Node {
    /// A node that stands nowhere yet.
    pub(super) fn new(data: Data) -> Self {
        let (parent, previous, next) = (NONE, NONE, NONE);
        Self { parent, previous, next, first: NONE, last: NONE, depth: 0, data }
    }
}

/// What a node is.
pub(super) enum Data {
    Element(QualName, Vec<Attribute>),
    Text(StrTendril),
    /// The document, a comment, the content of a template: nothing of it is seen.
    Unseen,
}

impl Tree {
    pub(super) fn data(&self, id: Id) -> &Data {
        self.nodes.get(id as usize).map_or(&Data::Unseen, |node| &node.data)
    }

    pub(super) fn children(&self, id: Id) -> impl Iterator<Item = Id> {
        iter::successors(self.link(id, |node| node.first), |&id| self.link(id, |node| node.next))
    }

    /// The last child, and the one before another: for those who put children on a stack.
    pub(super) fn children_backwards(&self, id: Id) -> impl Iterator<Item = Id> {
        iter::successors(self.link(id, |node| node.last), |&id| self.link(id, |node| node.previous))
    }

    /// The first child of this name that is an element of HTML.
    pub(super) fn child(&self, of: Id, name: &LocalName) -> Option<Id> {
        self.children(of).find(|&id| {
            matches!(self.data(id), Data::Element(found, _) if found.ns == ns!(html) && found.local == *name)
        })
    }

    /// True for what stands directly in an element that is none of HTML.
    pub(super) fn is_in_foreign(&self, id: Id) -> bool {
        let parent = self.link(id, |node| node.parent).map(|parent| self.data(parent));
        matches!(parent, Some(Data::Element(name, _)) if name.ns != ns!(html))
    }

    /// The element that is the document.
    pub(super) fn root(&self) -> Option<Id> {
        self.child(DOCUMENT, &local_name!("html"))
    }

    /// All elements, in the order in which they were made.
    pub(super) fn elements(&self) -> impl Iterator<Item = (&QualName, &[Attribute])> {
        self.nodes.iter().filter_map(|node| match &node.data {
            Data::Element(name, attributes) => Some((name, attributes.as_slice())),
            _ => None,
        })
    }

    /// True for what stands directly in an element of this name.
    pub(super) fn is_in(&self, id: Id, name: &LocalName) -> bool {
        let parent = self.link(id, |node| node.parent).map(|parent| self.data(parent));
        matches!(parent, Some(Data::Element(found, _)) if found.local == *name)
    }

    /// The text directly in an element.
    pub(super) fn text(&self, id: Id) -> String {
        let texts = self.children(id).filter_map(|id| match self.data(id) {
            Data::Text(text) => Some(&**text),
            _ => None,
        });
        texts.collect()
    }

    fn link(&self, id: Id, of: fn(&Node) -> Id) -> Option<Id> {
        self.nodes.get(id as usize).map(of).filter(|&id| id != NONE)
    }
}

/// The value of an attribute.
pub(super) fn value<'a>(attributes: &'a [Attribute], name: &str) -> Option<&'a str> {
    let found = attributes.iter().find(|it| it.name.ns == ns!() && *it.name.local == *name);
    found.map(|it| &*it.value)
}

/// No node.
pub(super) const NONE: Id = Id::MAX;

/// The document itself, which is there first.
pub(super) const DOCUMENT: Id = 0;
