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
    if let Some((key, message)) = culprit(text, span.start) {
        return of_key(name, text, &key, &without_secrets(&key, message));
    }
    let line = line_at(text, span.start);
    let before = text.get(..span.start).unwrap_or_default();
    let section = before.lines().rev().find_map(|line| {
        let name = line.trim().strip_prefix('[').and_then(|rest| rest.split_once(']'));
        name.map(|(name, _)| name.trim_start_matches('['))
    });
    let key = text.lines().nth(line - 1).and_then(|line| line.split_once('=')).map(|(key, _)| key);
    match (section, key) {
        (Some(section), Some(key)) => {
            let key = format!("{}.{}", section.trim(), key.trim());
            let message = without_secrets(&key, message);
            Error(format!("{name}:{line}: {key}: {message}"))
        }
        _ => Error(format!("{name}:{line}: {message}")),
    }
}

/// The key that is at fault, and why, where the parser points at none. Of a section with a part that is
/// declared elsewhere (`serde(flatten)`) it only says where the section begins, so each key is tried without
/// the others.
fn culprit(text: &str, at: usize) -> Option<(String, String)> {
    let document = DeTable::parse(text).ok()?;
    let sections = || document.get_ref().iter().map(|(_, section)| section.get_ref());
    let mut entries = sections().filter_map(DeValue::as_table).flatten();
    if entries.any(|(key, value)| (key.span().start..value.span().end).contains(&at)) {
        return None;
    }
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
