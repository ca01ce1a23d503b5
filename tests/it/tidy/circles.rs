//! No circle among the children of a module: siblings that use each other are one thing in two files.
//!
//! In every folder of `src/` each child, with all that is below it, is one node; an edge is a path in its
//! code (tests left out) that leads into a sibling, by `super::`, by `crate::`, or through a name that a
//! module above re-exports or imports. What a parent defines itself is free for its children to use.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use super::{
    paths::{Name, modules, visited},
    sources,
};

/// `(from, to)` in a folder, with the places: `file -> file: what`.
type Edges = BTreeMap<(String, String), BTreeSet<String>>;

#[test]
fn siblings_do_not_use_each_other_in_a_circle() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let sources: Vec<(String, String)> = sources()
        .into_iter()
        .map(|(path, text)| (path.strip_prefix(root).unwrap().to_str().unwrap().to_owned(), text))
        .collect();
    let (uses, circles) = circles(&sources);
    assert!(uses > 1_000, "only {uses} uses found: the reader of this test is broken");
    assert!(circles.is_empty(), "siblings use each other in a circle:\n{circles}");
}

/// The uses among siblings in these files, and those that close a circle, line by line.
fn circles(sources: &[(String, String)]) -> (usize, String) {
    let modules = modules(sources);
    let mut folders: BTreeMap<Name, Edges> = BTreeMap::new();
    let mut uses = 0;
    for (name, module) in &modules {
        for path in &module.paths {
            for target in visited(&modules, name, path) {
                let common = name.iter().zip(&target).take_while(|(a, b)| a == b).count();
                if common == name.len() || common == target.len() {
                    continue;
                }
                uses += 1;
                let edge = (name[common].clone(), target[common].clone());
                let place =
                    format!("{} -> {}: {}", module.file, modules[&target].file, path.join("::"));
                let edges = folders.entry(name[..common].to_vec()).or_default();
                edges.entry(edge).or_default().insert(place);
            }
        }
    }
    let mut circles = String::new();
    for (folder, edges) in &folders {
        circles.push_str(&circle(&folder.join("/"), edges));
    }
    (uses, circles)
}

/// The uses that close circles in a folder, line by line.
fn circle(folder: &str, edges: &Edges) -> String {
    let mut lines = String::new();
    for ((from, to), places) in edges {
        if !reaches(edges, to, from) {
            continue;
        }
        lines.push_str(&format!("src/{folder}: {from} -> {to}\n"));
        for place in places {
            lines.push_str(&format!("    {place}\n"));
        }
    }
    lines
}

/// True if a way leads from one child to another.
fn reaches(edges: &Edges, from: &str, to: &str) -> bool {
    let (mut found, mut next) = (BTreeSet::from([from]), vec![from]);
    while let Some(at) = next.pop() {
        for (_, target) in edges.keys().filter(|(source, _)| source == at) {
            if found.insert(target) {
                next.push(target);
            }
        }
    }
    found.contains(to)
}

#[track_caller]
fn check(files: &[(&str, &str)], expected: &[&str]) {
    let files = [&[("src/lib.rs", "mod m;")], files].concat();
    let sources: Vec<_> =
        files.iter().map(|(file, text)| ((*file).to_owned(), (*text).to_owned())).collect();
    let found = circles(&sources).1;
    let lines: Vec<_> = found.lines().filter(|line| !line.starts_with(' ')).collect();
    assert_eq!(lines, expected, "{found}");
}

#[test]
fn a_circle_is_found_however_it_is_written() {
    let circle = ["src/m: a -> b", "src/m: b -> a"];
    let parent = "mod a; mod b; use self::b::{Helper, X as Y}; pub use a::*;";
    for b in ["use super::a::Item;", "use crate::m::{self, a};", "fn f() { crate::m::a::g(1) }"] {
        for a in ["pub struct Item; use super::Y;", "pub fn g() { super::Helper::new() }"] {
            let b = format!("pub struct Helper; pub struct X; {b}");
            check(&[("src/m.rs", parent), ("src/m/a.rs", a), ("src/m/b.rs", &b)], &circle);
        }
    }
    // A child with all that is below it is one, and so is what a parent gives on by a star.
    let below = [("src/m/mod.rs", parent), ("src/m/a/c.rs", "use crate::m::b::X;")];
    let star = ("src/m/b.rs", "pub struct X; use super::Item;");
    check(&[&below[..], &[("src/m/a.rs", "mod c; pub enum Item {}"), star]].concat(), &circle);
}

#[test]
fn what_is_no_circle_is_none() {
    let parent = "mod a; mod b; pub struct Own; use std::fmt; const A: fn() = a::f;";
    let a = "use super::{Own, fmt}; /// super::b::g\npub fn f() { \"super::b::g\"; r#\"super::b\"#; '\"'; }
        #[cfg(test)] mod tests { use super::super::b::g; } pub fn h<'a>(_: &'a super::Own) {}";
    let b = "use super::{Own, a}; pub fn g() { a::f() }";
    check(&[("src/m.rs", parent), ("src/m/a.rs", a), ("src/m/b.rs", b)], &[]);
    let tests = ("src/m/a/tests.rs", "use crate::m::b::g;");
    check(&[("src/m.rs", parent), ("src/m/a.rs", a), ("src/m/b.rs", b), tests], &[]);
}
