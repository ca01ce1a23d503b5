//! What is wrong with a configuration, told with its place: file, line, key, and what was expected.

use toml::Table;

use super::{
    Config, Error,
    keys::{default_table, set, variable_name},
};

/// `file:line: section.key: what was expected`
pub(super) fn in_file(name: &str, text: &str, error: &toml::de::Error) -> Error {
    let message = humane(error);
    let Some(span) = error.span() else { return Error(format!("{name}: {message}")) };
    let before = text.get(..span.start).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    let rest = text.get(span.start..).unwrap_or_default();
    let begins_line = before.is_empty() || before.ends_with('\n');
    let is_section = begins_line && rest.starts_with('[') && !rest.starts_with("[[");
    if let Some((key, message)) = culprit(text).filter(|_| is_section) {
        return of_key(name, text, &key, &message);
    }
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

/// The key that is at fault, and why. Of a section with a part that is declared elsewhere (`serde(flatten)`) the
/// parser only says where it begins, so each of its keys is tried without the others.
fn culprit(text: &str) -> Option<(String, String)> {
    let (table, defaults) = (toml::from_str::<Table>(text).ok()?, default_table().ok()?);
    table.iter().find_map(|(section, keys)| {
        keys.as_table()?.iter().find_map(|(key, value)| {
            let mut alone = Table::new();
            set(&mut alone, &[section.as_str(), key.as_str()], value.clone());
            let mut message = humane(&alone.try_into::<Config>().err()?);
            if message.starts_with("unknown field") && !message.contains("expected") {
                let known = defaults.get(section)?.as_table()?.keys();
                let known: Vec<_> = known.map(|key| format!("`{key}`")).collect();
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
    let mut places = Vec::new();
    for (section, keys) in default_table()? {
        for last in keys.as_table().into_iter().flat_map(Table::keys) {
            let key = format!("{section}.{last}");
            let variable = variable_name(&key);
            let place = match environment.iter().any(|(name, _)| *name == variable) {
                true => Some(format!("environment variable {variable}")),
                false => line_of(text, &key).map(|line| format!("{name}:{line}")),
            };
            places.extend(place.map(|place| (key, place)));
        }
    }
    Ok(places)
}

/// The same for a check that has no span: the line is where the key stands, if it does.
pub(super) fn of_key(name: &str, text: &str, key: &str, what: &str) -> Error {
    match line_of(text, key) {
        Some(line) => Error(format!("{name}:{line}: {key}: {what}")),
        None if name.is_empty() => Error(format!("{key}: {what}")),
        None => Error(format!("{name}: {key}: {what}")),
    }
}

/// The number of the line in which a key stands.
fn line_of(text: &str, key: &str) -> Option<usize> {
    let (section, last) = key.split_once('.').unwrap_or(("", key));
    let mut inside = false;
    let at = text.lines().position(|line| {
        if let Some(rest) = line.trim().strip_prefix('[') {
            inside = rest.split(']').next().is_some_and(|name| name.trim() == section);
        }
        inside && line.split_once('=').is_some_and(|(key, _)| key.trim() == last)
    })?;
    Some(at + 1)
}

/// Keys whose values are not repeated.
const SECRET: [&str; 3] = ["auth.secrets", "auth.tokens", "auth.users"];
