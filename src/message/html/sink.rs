//! What the parser of the HTML standard builds a document with: nodes put in, moved and taken away.
//!
//! The parser asks for this as a trait whose methods take `&self`, so the list is in a cell. Comments are
//! kept as nodes, for text on their two sides is two texts.

use std::{
    borrow::Cow,
    cell::{Cell, RefCell},
};

use html5ever::{
    Attribute, LocalName, Namespace, QualName,
    interface::{ElemName, ElementFlags, NodeOrText, QuirksMode, TreeSink},
    tendril::StrTendril,
};

use super::tree::{DOCUMENT, Data, Id, NONE, Node, Tree};

/// A document that is being read.
pub(super) struct Sink {
    nodes: RefCell<Vec<Node>>,
    mode: Cell<QuirksMode>,
    heard: Cell<usize>,
    deepest: Cell<u32>,
    asked: Cell<u64>,
    moved: Cell<u64>,
}

/// The name of an element. The parser keeps it while it changes the tree, so it cannot be lent.
#[derive(Debug)]
pub(super) struct Name(QualName);

impl Sink {
    /// For a document of so many octets.
    pub(super) fn of(octets: usize) -> Self {
        let mut nodes = Vec::with_capacity(octets / USUAL + 1);
        nodes.push(Node::new(Data::Unseen));
        let nodes = RefCell::new(nodes);
        let mode = Cell::new(QuirksMode::NoQuirks);
        let (heard, deepest, asked, moved) = Default::default();
        Self { nodes, mode, heard, deepest, asked, moved }
    }

    /// Nodes so far.
    pub(super) fn len(&self) -> usize {
        self.nodes.borrow().len()
    }

    /// How often the parser has said something of the document: while it reads one tag, it says nothing.
    pub(super) fn heard(&self) -> usize {
        self.heard.get()
    }

    /// How deep elements have stood in one another, when they were put there.
    pub(super) fn deepest(&self) -> u32 {
        self.deepest.get()
    }

    /// How often the parser has looked what an element is: so it looks through all that are open.
    pub(super) fn asked(&self) -> u64 {
        self.asked.get()
    }

    /// How many nodes went from one element to another, each time that they did.
    pub(super) fn moved(&self) -> u64 {
        self.moved.get()
    }

    fn add(&self, data: Data) -> Id {
        self.heard.set(self.heard.get() + 1);
        let mut nodes = self.nodes.borrow_mut();
        let id = Id::try_from(nodes.len()).unwrap_or(NONE);
        nodes.push(Node::new(data));
        id
    }

    /// Puts a node into a parent, before a sibling or at the end.
    fn insert(&self, parent: Id, before: Id, child: Id) {
        self.remove_from_parent(&child);
        let nodes = &mut *self.nodes.borrow_mut();
        let previous = behind(nodes, parent, before);
        let depth = at(nodes, parent).depth + 1;
        self.deepest.set(self.deepest.get().max(depth));
        let node = at(nodes, child);
        (node.parent, node.previous, node.next) = (parent, previous, before);
        node.depth = depth;
        match previous {
            NONE => at(nodes, parent).first = child,
            previous => at(nodes, previous).next = child,
        }
        match before {
            NONE => at(nodes, parent).last = child,
            before => at(nodes, before).previous = child,
        }
    }

    /// The same of a node or of text; text beside text is one.
    fn put(&self, parent: Id, before: Id, child: NodeOrText<Id>) {
        self.heard.set(self.heard.get() + 1);
        match child {
            NodeOrText::AppendNode(child) => self.insert(parent, before, child),
            NodeOrText::AppendText(text) => {
                if let Some(text) = self.join(parent, before, text) {
                    let child = self.add(Data::Text(text));
                    self.insert(parent, before, child);
                }
            }
        }
    }

    /// Adds text to the text before that place; gives it back if there is none.
    fn join(&self, parent: Id, before: Id, text: StrTendril) -> Option<StrTendril> {
        let nodes = &mut *self.nodes.borrow_mut();
        let previous = behind(nodes, parent, before);
        match nodes.get_mut(previous as usize).map(|node| &mut node.data) {
            Some(Data::Text(known)) => {
                known.push_tendril(&text);
                None
            }
            _ => Some(text),
        }
    }

    fn parent(&self, id: Id) -> Id {
        at(&mut self.nodes.borrow_mut(), id).parent
    }
}

impl TreeSink for Sink {
    type Handle = Id;
    type Output = Tree;
    type ElemName<'a> = Name;

    fn finish(self) -> Tree {
        Tree { nodes: self.nodes.into_inner(), mode: self.mode.get() }
    }

    fn parse_error(&self, _: Cow<'static, str>) {}

    fn get_document(&self) -> Id {
        DOCUMENT
    }

    fn elem_name<'a>(&'a self, target: &'a Id) -> Name {
        self.asked.set(self.asked.get() + 1);
        match &at(&mut self.nodes.borrow_mut(), *target).data {
            Data::Element(name, _) => Name(name.clone()),
            _ => Name(QualName::new(None, Namespace::default(), LocalName::default())),
        }
    }

    fn create_element(&self, name: QualName, attributes: Vec<Attribute>, _: ElementFlags) -> Id {
        self.add(Data::Element(name, attributes))
    }

    fn create_comment(&self, _: StrTendril) -> Id {
        self.add(Data::Unseen)
    }

    fn create_pi(&self, _: StrTendril, _: StrTendril) -> Id {
        self.add(Data::Unseen)
    }

    fn append(&self, parent: &Id, child: NodeOrText<Id>) {
        self.put(*parent, NONE, child);
    }

    fn append_based_on_parent_node(&self, element: &Id, previous: &Id, child: NodeOrText<Id>) {
        match self.parent(*element) {
            NONE => self.put(*previous, NONE, child),
            parent => self.put(parent, *element, child),
        }
    }

    fn append_doctype_to_document(&self, _: StrTendril, _: StrTendril, _: StrTendril) {}

    /// What is in a template stays in it: nothing of that is seen.
    fn get_template_contents(&self, target: &Id) -> Id {
        *target
    }

    fn same_node(&self, one: &Id, other: &Id) -> bool {
        one == other
    }

    fn set_quirks_mode(&self, mode: QuirksMode) {
        self.mode.set(mode);
    }

    fn append_before_sibling(&self, sibling: &Id, child: NodeOrText<Id>) {
        match self.parent(*sibling) {
            NONE => {}
            parent => self.put(parent, *sibling, child),
        }
    }

    fn add_attrs_if_missing(&self, target: &Id, more: Vec<Attribute>) {
        if let Data::Element(_, known) = &mut at(&mut self.nodes.borrow_mut(), *target).data {
            for attribute in more {
                let is_new = known.iter().all(|it| it.name != attribute.name);
                if is_new && known.len() < MOST_ADDED {
                    known.push(attribute);
                }
            }
        }
    }

    fn remove_from_parent(&self, target: &Id) {
        let nodes = &mut *self.nodes.borrow_mut();
        let node = at(nodes, *target);
        let (parent, previous, next) = (node.parent, node.previous, node.next);
        if parent == NONE {
            return;
        }
        (node.parent, node.previous, node.next) = (NONE, NONE, NONE);
        match previous {
            NONE => at(nodes, parent).first = next,
            previous => at(nodes, previous).next = next,
        }
        match next {
            NONE => at(nodes, parent).last = previous,
            next => at(nodes, next).previous = previous,
        }
    }

    fn reparent_children(&self, node: &Id, new_parent: &Id) {
        loop {
            let first = at(&mut self.nodes.borrow_mut(), *node).first;
            if first == NONE {
                return;
            }
            self.insert(*new_parent, NONE, first);
            self.moved.set(self.moved.get() + 1);
        }
    }
}

impl ElemName for Name {
    fn ns(&self) -> &Namespace {
        &self.0.ns
    }

    fn local_name(&self) -> &LocalName {
        &self.0.local
    }
}

/// The node before a place.
fn behind(nodes: &mut [Node], parent: Id, before: Id) -> Id {
    match before {
        NONE => at(nodes, parent).last,
        before => at(nodes, before).previous,
    }
}

/// A node of ours: the parser knows only numbers that it got from here.
fn at(nodes: &mut [Node], id: Id) -> &mut Node {
    &mut nodes[id as usize]
}

/// Octets of mail for each node, as a rule: a list that has to grow is copied.
const USUAL: usize = 32;

/// Most attributes that `html` and `body` have, however often their tags come.
const MOST_ADDED: usize = 500;
