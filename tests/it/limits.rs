//! Everything that a stranger can make grow: docs/limits.md is complete and true, and bounds hold.

// A helper of a test may fail it.
#![allow(clippy::unwrap_used, clippy::panic)]

mod reached;

use std::fs;

use smtpd::config::Config;

use crate::harness::file;

/// A row of docs/limits.md.
struct Row {
    what: String,
    bound: String,
    default: String,
    tests: Vec<String>,
}

fn rows() -> Vec<Row> {
    let text = fs::read_to_string(file("docs/limits.md")).unwrap();
    let cells =
        |line: &str| line.trim_matches('|').split('|').map(str::trim).map(str::to_owned).collect();
    let lines = text.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| what |"));
    lines
        .map(|line| {
            let cells: Vec<String> = cells(line);
            let [what, bound, default, _, tests] =
                cells.try_into().unwrap_or_else(|_| panic!("{line}"));
            Row { what, bound, default, tests: quoted(&tests) }
        })
        .collect()
}

/// What stands between backticks.
fn quoted(text: &str) -> Vec<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// All Rust of these folders.
fn code(folders: &[&str]) -> Vec<(String, String)> {
    let (mut found, mut walk) = (Vec::new(), folders.iter().map(|it| file(it)).collect::<Vec<_>>());
    while let Some(path) = walk.pop() {
        if path.is_dir() {
            walk.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.extension().is_some_and(|it| it == "rs") {
            let name = path.strip_prefix(file("")).unwrap().to_str().unwrap().to_owned();
            found.push((name, fs::read_to_string(path).unwrap()));
        }
    }
    found
}

/// The value of `const NAME: type = value;`, where that is a number, a product, or so many seconds.
fn constant(source: &str, name: &str) -> Option<u64> {
    let (_, rest) = source.split_once(&format!("const {name}: "))?;
    let (_, value) = rest.split_once(';')?.0.split_once('=')?;
    let value = value.trim().trim_start_matches("Duration::from_secs(").trim_end_matches(')');
    let number = |text: &str| text.trim().replace('_', "").parse::<u64>().ok();
    if let Some((one, shift)) = value.split_once("<<") {
        return Some(number(one)? << number(shift)?);
    }
    value.split('*').map(number).product()
}

#[test]
fn the_documentation_of_bounds_is_true() {
    let defaults = toml::Table::try_from(Config::default()).unwrap();
    let all = code(&["src", "tests/it"]);
    let rows = rows();
    let mut wrong = Vec::new();
    for Row { what, bound, default, tests } in &rows {
        let bound = quoted(bound);
        let found = match bound.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            [file, name] => all
                .iter()
                .find(|(path, _)| *path == format!("src/{file}"))
                .and_then(|(_, source)| constant(source, name)),
            [key] if key.contains('.') => key.split_once('.').and_then(|(section, key)| {
                u64::try_from(defaults.get(section)?.get(key)?.as_integer()?).ok()
            }),
            // Not ours, or not a number.
            _ => None,
        };
        let found = found.map_or("-".to_owned(), |number| number.to_string());
        if default.split(' ').next() != Some(&found) {
            wrong.push(format!("{what}: it is {found}, not {default}"));
        }
        let is_there =
            |test: &String| all.iter().any(|(_, text)| text.contains(&format!("fn {test}()")));
        if tests.is_empty() || !tests.iter().all(is_there) {
            wrong.push(format!("{what}: there is no test {tests:?}"));
        }
    }
    assert!(rows.len() > 80, "only {} rows", rows.len());
    assert!(wrong.is_empty(), "docs/limits.md is wrong:\n{}", wrong.join("\n"));
}

#[test]
fn every_bound_in_the_code_is_documented() {
    let documented: Vec<_> = rows().iter().map(|row| quoted(&row.bound)).collect();
    let mut seen = 0;
    for (path, text) in code(&["src"]) {
        let path = path.strip_prefix("src/").unwrap();
        // The store speaks for itself: what it bounds is work, not what strangers can make grow.
        if path.starts_with("store/sqlite") {
            continue;
        }
        for rest in text.split("const ").skip(1) {
            let name: String =
                rest.chars().take_while(|c| c.is_ascii_uppercase() || *c == '_').collect();
            let is_bound =
                ["MAX_", "MOST_", "LONGEST", "DEEPEST"].iter().any(|it| name.starts_with(it))
                    || name.ends_with("_KEPT");
            if is_bound && rest.contains(':') {
                seen += 1;
                let row = [path.to_owned(), name.clone()];
                assert!(
                    documented.iter().any(|it| *it == row),
                    "docs/limits.md lacks {name} of {path}"
                );
            }
        }
    }
    assert!(seen > 50, "only {seen} bounds found");
}

/// Documents that say which test holds a promise name tests that exist.
#[test]
fn tests_that_hold_a_promise_exist() {
    let all = code(&["src", "tests/it"]);
    for name in ["SECURITY.md", "docs/proof.md"] {
        let text = fs::read_to_string(file(name)).unwrap();
        // They stand in the second column.
        let column = |line: &str| line.split('|').nth(2).map(quoted).unwrap_or_default();
        let tests = text.lines().filter(|line| line.starts_with('|')).flat_map(column);
        let tests: Vec<_> = tests.filter(|it| !it.contains(['/', ' ', '='])).collect();
        assert!(tests.len() > 20, "only {} tests in {name}", tests.len());
        for test in tests {
            // A name may be cut short.
            let is_there = all.iter().any(|(_, text)| text.contains(&format!("fn {test}")));
            assert!(is_there, "{name}: there is no test {test}");
        }
    }
}
