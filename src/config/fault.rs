//! What is wrong with a configuration, told with its place: file, line, key, and what was expected.

use toml::{
    Table,
    de::{DeTable, DeValue},
};

use super::{
    Config, Error,
    keys::{default_table, set, variable_name},
};

/// `file:line: section.key: what was expected`
pub(super) fn in_file(name: &str, text: &str, error: &toml::de::Error) -> Error {
    let message = humane(error);
    let Some(span) = error.span() else { return Error(format!("{name}: {message}")) };
    let line = line_at(text, span.start);
    let Ok(document) = DeTable::parse(text) else {
        let key = key_of_line(text, line).map(|key| (without_secrets(&key, message.clone()), key));
        return Error(match key {
            Some((message, key)) => format!("{name}:{line}: {key}: {message}"),
            None => format!("{name}:{line}: {message}"),
        });
    };
    let keys = keys_at(document.get_ref(), span.start);
    if keys.len() > 1 {
        let key = keys.join(".");
        return Error(format!("{name}:{line}: {key}: {}", without_secrets(&key, message)));
    }
    match culprit(text) {
        Some((key, message)) => of_key(name, text, &key, &without_secrets(&key, message)),
        None => Error(format!("{name}:{line}: {message}")),
    }
}

/// The key of a line in a file that is not TOML, as far as it can be told.
fn key_of_line(text: &str, line: usize) -> Option<String> {
    let lines: Vec<_> = text.lines().take(line).collect();
    let section = lines.iter().rev().find_map(|line| {
        let (section, _) = line.trim().strip_prefix('[')?.split_once(']')?;
        Some(section.trim_start_matches('[').trim())
    });
    let (key, _) = lines.last()?.split_once('=')?;
    Some(format!("{}.{}", section?, key.trim()))
}

/// The names, from the section inwards, of the key in which this octet stands.
fn keys_at(table: &DeTable<'_>, at: usize) -> Vec<String> {
    table.iter().fold(Vec::new(), |found, (key, value)| {
        let span = key.span().start..value.span().end.max(key.span().end);
        let mut within = match value.get_ref() {
            DeValue::Table(table) => keys_at(table, at),
            DeValue::Array(tables) => {
                let tables = tables.iter().filter_map(|it| it.get_ref().as_table());
                tables
                    .map(|table| keys_at(table, at))
                    .find(|keys| !keys.is_empty())
                    .unwrap_or_default()
            }
            _ => Vec::new(),
        };
        if !within.is_empty() || span.contains(&at) {
            within.insert(0, key.get_ref().to_string());
        }
        if within.len() > found.len() { within } else { found }
    })
}

/// The key that is at fault, and why, where the parser points at none: of a section with a part that is
/// declared elsewhere (`serde(flatten)`) it only says where the section begins, so each key is tried without
/// the others.
fn culprit(text: &str) -> Option<(String, String)> {
    let (table, defaults) = (toml::from_str::<Table>(text).ok()?, default_table().ok()?);
    table.iter().find_map(|(section, keys)| {
        let defaults = defaults.get(section)?.as_table()?;
        keys.as_table()?.iter().find_map(|(key, value)| {
            let mut alone = Table::new();
            set(&mut alone, &[section.as_str(), key.as_str()], value.clone());
            let mut message = humane(&alone.try_into::<Config>().err()?);
            if message.starts_with("unknown field") && !message.contains("expected") {
                let known: Vec<_> = defaults.keys().map(|key| format!("`{key}`")).collect();
                message = format!("{message}, expected one of {}", known.join(", "));
            }
            Some((format!("{section}.{key}"), message))
        })
    })
}

/// A message that quotes what stands where passwords should stand quotes a password.
fn without_secrets(key: &str, message: String) -> String {
    let is_secret = SECRET.iter().any(|secret| key.starts_with(secret));
    match (message.split_once('"'), message.rsplit_once('"')) {
        (Some((before, _)), Some((_, after))) if is_secret => format!("{before}***{after}"),
        _ => message,
    }
}

/// The parser's words, with those of programmers put into those of people.
pub(super) fn humane(error: &toml::de::Error) -> String {
    let message = error.message().trim().replace('\n', ", ");
    for number in ["u64", "usize", "u32"] {
        if let Some(what) = message.strip_suffix(&format!("expected {number}")) {
            return format!("{what}expected a whole number, 0 or more");
        }
    }
    message
}

/// Where every key is given that is: the environment counts before the file.
pub(super) fn places(
    name: &str,
    text: &str,
    environment: &[(String, String)],
) -> Result<Vec<(String, String)>, Error> {
    let document = DeTable::parse(text).ok();
    let mut places = Vec::new();
    for (section, keys) in default_table()? {
        for last in keys.as_table().into_iter().flat_map(Table::keys) {
            let key = format!("{section}.{last}");
            let variable = variable_name(&key);
            let in_file = || document.as_ref().and_then(|it| place_of(it.get_ref(), &key));
            let place = match environment.iter().any(|(name, _)| *name == variable) {
                true => Some(format!("environment variable {variable}")),
                false => in_file().map(|at| format!("{name}:{}", line_at(text, at))),
            };
            places.extend(place.map(|place| (key, place)));
        }
    }
    Ok(places)
}

/// The same for a check that has no span: the line is where the key stands, if it does.
pub(super) fn of_key(name: &str, text: &str, key: &str, what: &str) -> Error {
    let document = DeTable::parse(text).ok();
    match document.and_then(|it| place_of(it.get_ref(), key)) {
        Some(at) => Error(format!("{name}:{}: {key}: {what}", line_at(text, at))),
        None if name.is_empty() => Error(format!("{key}: {what}")),
        None => Error(format!("{name}: {key}: {what}")),
    }
}

/// Where a key stands, however its section is written.
fn place_of(document: &DeTable<'_>, key: &str) -> Option<usize> {
    let (mut table, mut place) = (Some(document), None);
    for name in key.split('.') {
        let (key, value) = table?.get_key_value(name)?;
        (table, place) = (value.get_ref().as_table(), Some(key.span().start));
    }
    place
}

/// The number of the line in which this octet stands.
fn line_at(text: &str, at: usize) -> usize {
    text.get(..at).unwrap_or_default().matches('\n').count() + 1
}

/// Keys whose values are not repeated.
const SECRET: [&str; 3] = ["auth.secrets", "auth.tokens", "auth.users"];
