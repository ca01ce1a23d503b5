//! Keeps house: file headers, the import table of ARCHITECTURE.md, purity, the changelog; and in `circles`,
//! that files beside each other do not use each other in a circle.

mod circles;
mod paths;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// Modules without sockets, files or clock.
const PURE: [&str; 10] =
    ["wire", "message", "smtp", "pop3", "id", "secret", "limits", "policy", "clients", "refusals"];

fn sources() -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                found.push((path, text));
            }
        }
    }
    assert!(found.len() > 20, "only {} sources found", found.len());
    found
}

/// The top-level module that a file belongs to.
fn module(path: &Path) -> String {
    let inner = path.strip_prefix(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).unwrap();
    let first = inner.components().next().unwrap().as_os_str().to_str().unwrap();
    first.trim_end_matches(".rs").to_owned()
}

/// The table "Who may use whom" of ARCHITECTURE.md, the lowest row first: a module may use only lower rows,
/// and its own.
fn rows() -> Vec<Vec<String>> {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("ARCHITECTURE.md"));
    let mut rows = BTreeMap::new();
    for line in text.unwrap().lines() {
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        if let [_, number, modules, ..] = cells[..]
            && let Ok(number) = number.parse::<usize>()
        {
            let modules = modules.split(',').map(|name| name.trim().to_owned());
            assert!(rows.insert(number, modules.collect()).is_none(), "row {number} stands twice");
        }
    }
    assert!(rows.keys().copied().eq(0..rows.len()) && rows.len() > 5, "the table is gone");
    rows.into_values().collect()
}

fn row(rows: &[Vec<String>], module: &str) -> usize {
    if module == "lib" {
        return rows.len() - 1;
    }
    rows.iter()
        .position(|row| row.iter().any(|it| it == module))
        .unwrap_or_else(|| panic!("module {module} stands in no row of ARCHITECTURE.md"))
}

/// The modules that `use crate::…` and paths name, tests left out.
fn used(text: &str) -> Vec<String> {
    let code = text.split("#[cfg(test)]").next().unwrap_or_default();
    let mut names = Vec::new();
    for rest in code.split("crate::").skip(1) {
        match rest.strip_prefix('{') {
            None => names.push(identifier(rest)),
            Some(group) => {
                let mut depth = 0;
                let mut at_start = true;
                for (position, character) in group.char_indices() {
                    match character {
                        '{' => depth += 1,
                        '}' if depth == 0 => break,
                        '}' => depth -= 1,
                        ',' if depth == 0 => at_start = true,
                        c if c.is_alphabetic() && at_start => {
                            names.push(identifier(&group[position..]));
                            at_start = false;
                        }
                        _ => {}
                    }
                }
            }
        }
    }
    names.retain(|name| name.chars().next().is_some_and(char::is_lowercase));
    names
}

fn identifier(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

#[test]
fn every_file_says_why_it_is_a_file() {
    for (path, text) in sources() {
        assert!(text.starts_with("//! "), "{} lacks its //! line", path.display());
    }
}

#[test]
fn modules_use_only_lower_rows() {
    let (rows, mut seen) = (rows(), 0);
    for (path, text) in sources() {
        let own = module(&path);
        let own_row = row(&rows, &own);
        for other in used(&text) {
            seen += 1;
            assert!(
                other == own || row(&rows, &other) < own_row || own_row == rows.len() - 1,
                "{}: {own} may not use {other}",
                path.display()
            );
        }
    }
    assert!(seen > 50, "only {seen} uses found: the reader of this test is broken");
}

#[test]
fn pure_modules_have_no_sockets_files_or_clock() {
    for (path, text) in sources() {
        if !PURE.contains(&module(&path).as_str()) {
            continue;
        }
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        for word in [
            "std::fs",
            "std::io",
            "TcpStream",
            "smol::",
            "Instant::now",
            "SystemTime::now",
            "std::thread",
            "std::process",
            "std::env",
            "async fn",
        ] {
            assert!(!code.contains(word), "{}: {word} in a pure module", path.display());
        }
    }
}

/// The order of the store and the event, and who may see what, stand in `mail`; a front end with a store or a bus of
/// its own would go around them.
#[test]
fn front_ends_reach_the_store_through_mail_only() {
    let mut seen = 0;
    for (path, text) in sources() {
        if !["http", "smtp_server", "pop3_server", "retention"].contains(&module(&path).as_str()) {
            continue;
        }
        seen += 1;
        for word in ["dyn Store", "Bus>", "Bus::"] {
            assert!(!text.contains(word), "{}: {word} in a front end", path.display());
        }
    }
    assert!(seen > 20, "only {seen} files of front ends found");
}

/// What a login may see is decided in one place, so that a handler cannot decide otherwise.
#[test]
fn http_says_once_whose_mail_it_shows() {
    let sources = sources();
    let web = sources.iter().filter(|(path, _)| module(path) == "http");
    let scopes: usize = web.map(|(_, text)| text.matches("Scope::All").count()).sum();
    assert_eq!(scopes, 1, "Principal::scope is the place");
}

#[test]
fn the_version_has_one_heading_in_the_changelog() {
    let text =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("CHANGELOG.md")).unwrap();
    let heading = format!("## {}", env!("CARGO_PKG_VERSION"));
    assert_eq!(text.lines().filter(|line| line.starts_with(&heading)).count(), 1);
}

/// Words of our own that have become the field's: a name that means nothing to a reader of RFCs is looked up
/// at every line.
#[test]
fn old_names_stay_away() {
    let forbidden = [
        "Talk",
        "Rooms",
        "Guest",
        "Tally",
        "Alarm",
        "Linger",
        "Offer",
        "say_no",
        "obey",
        "Desk",
        "Intake",
        "Opened",
        "Unsure",
        "glanced",
        "News",
        "Shell",
        "Boxes",
        "Passes",
        "Standing",
        "Who",
        "Look",
        "Patient",
        "Switch",
        "Remembered",
        "keep_going",
        "Site",
        "App",
        "admission",
    ];
    for (path, text) in sources() {
        let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        for (number, line) in code.enumerate() {
            let names = line.split(|c: char| !c.is_alphanumeric() && c != '_');
            for name in names {
                assert!(!forbidden.contains(&name), "{}:{number}: {name}: {line}", path.display());
            }
        }
    }
}
