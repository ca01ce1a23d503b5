//! Reads the paths out of the code of all files, and where each of them leads.
//!
//! A reader of Rust that knows just enough: what a file defines, imports and names, with comments, texts and
//! tests left out.

use std::collections::{BTreeMap, BTreeSet};

/// A module, by its path from the crate: `["http", "guard"]`.
pub(super) type Name = Vec<String>;

/// What one file says of itself and of others.
#[derive(Default)]
pub(super) struct Module {
    /// From the manifest's folder.
    pub(super) file: String,
    /// What it defines.
    items: BTreeSet<String>,
    /// What it imports or re-exports, under which name, from where.
    imports: BTreeMap<String, Name>,
    /// Those of them that others may use.
    reexports: BTreeSet<String>,
    /// What it imports with `*`.
    globs: Vec<Name>,
    /// Every path in its code, those of its imports among them.
    pub(super) paths: Vec<Name>,
}

pub(super) type Modules = BTreeMap<Name, Module>;

/// The modules of these files, tests left out.
pub(super) fn modules(sources: &[(String, String)]) -> Modules {
    let mut modules = Modules::new();
    for (file, text) in sources {
        let inner = file.trim_start_matches("src/").trim_end_matches(".rs");
        let mut name: Name = inner.split('/').map(str::to_owned).collect();
        match name.last().unwrap().as_str() {
            "main" | "tests" => continue,
            "mod" | "lib" => drop(name.pop()),
            _ => {}
        }
        let mut module = Module { file: file.clone(), ..Module::default() };
        read(&without_tests(tokens(text)), &mut module);
        modules.insert(name, module);
    }
    modules
}

/// The modules that a path, written in a module, leads through and to.
pub(super) fn visited(modules: &Modules, from: &[String], path: &[String]) -> Vec<Name> {
    let mut found = Vec::new();
    follow(modules, from, path, 16, &mut found);
    found
}

/// Goes along a path from a module; true if it led to something of ours.
fn follow(
    modules: &Modules,
    from: &[String],
    path: &[String],
    hops: usize,
    found: &mut Vec<Name>,
) -> bool {
    let mut at = from.to_vec();
    for (index, segment) in path.iter().enumerate() {
        match segment.as_str() {
            "crate" => at.clear(),
            "self" => {}
            "super" => drop(at.pop()),
            name => {
                let child: Name = at.iter().cloned().chain([name.to_owned()]).collect();
                let Some(module) = modules.get(&at).filter(|_| hops > 0) else { return false };
                if modules.contains_key(&child) {
                    at = child;
                } else if module.items.contains(name) {
                    found.push(at);
                    return true;
                } else if let Some(import) = module.imports.get(name) {
                    let rest = [import, &path[index + 1..]].concat();
                    found.push(at.clone());
                    return follow(modules, &at, &rest, hops - 1, found);
                } else {
                    // Through a `*`, or it is a crate, or what a macro made.
                    let glob = module.globs.iter().find(|it| exports(modules, &at, it, name));
                    return glob.is_some_and(|glob| {
                        let rest = [glob, &path[index..]].concat();
                        follow(modules, &at, &rest, hops - 1, found)
                    });
                }
            }
        }
        found.push(at.clone());
    }
    true
}

/// True if the module that a path leads to, from another, gives this name to those who import `*` of it.
fn exports(modules: &Modules, from: &[String], path: &[String], name: &str) -> bool {
    let Some(target) = visited(modules, from, path).pop() else { return false };
    let module = &modules[&target];
    module.items.contains(name) || module.reexports.contains(name)
}

/// Takes the items, the imports and the paths out of the code of a file.
fn read(tokens: &[String], module: &mut Module) {
    let (mut at, mut depth) = (0, 0);
    while at < tokens.len() {
        let next = tokens.get(at + 1).map_or("", String::as_str);
        match tokens[at].as_str() {
            "{" => depth += 1,
            "}" => depth -= 1,
            "use" => {
                let before: BTreeSet<_> = module.imports.keys().cloned().collect();
                let is_public = at > 0 && matches!(tokens[at - 1].as_str(), "pub" | ")");
                at = tree(tokens, at + 1, &[], module);
                if is_public {
                    let new = module.imports.keys().filter(|name| !before.contains(*name));
                    module.reexports.extend(new.cloned());
                }
                continue;
            }
            "fn" | "struct" | "enum" | "trait" | "type" | "const" | "static" | "macro_rules"
                if depth == 0 =>
            {
                let name = if next == "!" { &tokens[at + 2] } else { next };
                module.items.insert(name.to_owned());
            }
            name if next == "::" && is_name(name) => {
                let mut path = vec![name.to_owned()];
                while tokens.get(at + 1).is_some_and(|it| it == "::")
                    && tokens.get(at + 2).is_some_and(|it| is_name(it))
                {
                    path.push(tokens[at + 2].clone());
                    at += 2;
                }
                module.paths.push(path);
            }
            _ => {}
        }
        at += 1;
    }
}

/// Reads a tree of `use` from here to its end, and returns where that is.
fn tree(tokens: &[String], mut at: usize, before: &[String], module: &mut Module) -> usize {
    let mut path = before.to_vec();
    while at < tokens.len() {
        match tokens[at].as_str() {
            "::" => {}
            "{" => {
                while !matches!(tokens[at].as_str(), "}" | ";") {
                    at = tree(tokens, at + 1, &path, module);
                }
                return at + 1;
            }
            "," | "}" | ";" => break,
            "*" => {
                module.paths.push(path.clone());
                module.globs.push(path);
                return at + 1;
            }
            "as" => {
                module.imports.insert(tokens[at + 1].clone(), path.clone());
                module.paths.push(path);
                return at + 2;
            }
            "self" if !path.is_empty() => {}
            name => path.push(name.to_owned()),
        }
        at += 1;
    }
    if path.len() > before.len() || tokens[at - 1] == "self" {
        module.imports.insert(path.last().unwrap().clone(), path.clone());
        module.paths.push(path);
    }
    at
}

/// Leaves out what is compiled for tests only.
fn without_tests(tokens: Vec<String>) -> Vec<String> {
    let mark = ["#", "[", "cfg", "(", "test", ")", "]"];
    let (mut kept, mut at) = (Vec::new(), 0);
    while at < tokens.len() {
        if !tokens[at..].iter().take(mark.len()).eq(mark) {
            kept.push(tokens[at].clone());
            at += 1;
            continue;
        }
        let mut depth = 0;
        at += mark.len();
        while at < tokens.len() {
            at += 1;
            match tokens[at - 1].as_str() {
                "{" => depth += 1,
                "}" if depth == 1 => break,
                "}" => depth -= 1,
                ";" if depth == 0 => break,
                _ => {}
            }
        }
    }
    kept
}

fn is_name(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// Names, `::` and single characters, without comments, texts and characters in quotes.
fn tokens(text: &str) -> Vec<String> {
    let (mut tokens, mut rest) = (Vec::new(), text);
    while let Some(first) = rest.chars().next() {
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if let Some(length) = quoted(rest) {
            length
        } else if is_name(rest) {
            let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            tokens.push(rest[..end].to_owned());
            end
        } else {
            let length = if rest.starts_with("::") { 2 } else { first.len_utf8() };
            if !first.is_whitespace() {
                tokens.push(rest[..length].to_owned());
            }
            length
        };
        rest = &rest[length..];
    }
    tokens
}

/// How long the text or character in quotes is that begins here.
fn quoted(rest: &str) -> Option<usize> {
    let bare = rest.trim_start_matches(['b', 'r']);
    let prefix = rest.len() - bare.len();
    let hashes = bare.len() - bare.trim_start_matches('#').len();
    if prefix <= 2 && rest[..prefix].ends_with('r') && bare[hashes..].starts_with('"') {
        let end = format!("\"{}", "#".repeat(hashes));
        let begin = prefix + hashes + 1;
        return Some(begin + rest[begin..].find(&end)? + end.len());
    }
    let mark = bare.chars().next().filter(|c| matches!(c, '"' | '\'') && prefix <= 1)?;
    let inner = &bare[1..];
    // A lifetime or a label has no second quote.
    if mark == '\'' && !inner.starts_with('\\') && inner.chars().nth(1) != Some('\'') {
        return None;
    }
    let mut is_escaped = false;
    for (position, c) in inner.char_indices() {
        if c == mark && !is_escaped && (mark == '"' || position > 0) {
            return Some(prefix + 1 + position + 1);
        }
        is_escaped = c == '\\' && !is_escaped;
    }
    None
}
