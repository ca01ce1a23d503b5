//! Environment variables in place of keys: `SMTPD_<SECTION>_<KEY>`, which wins over the file.

use toml::{Table, Value};

use super::{
    CONFIG_VARIABLE, Config, Error,
    fault::humane,
    keys::{PREFIX, default_table, set, variable_name},
};

/// Puts the environment's values over those of the file.
pub(super) fn override_from(
    environment: &[(String, String)],
    table: &mut Table,
) -> Result<Vec<String>, Error> {
    let defaults = default_table()?;
    let mut warnings = Vec::new();
    for (variable, text) in environment {
        if !variable.starts_with(PREFIX) || variable == CONFIG_VARIABLE {
            continue;
        }
        let Some((path, default)) = find(&defaults, variable) else {
            // Container platforms set variables such as SMTPD_PORT for a service of that name, so an
            // unknown one cannot be an error.
            warnings.push(format!("environment variable {variable} names no key and is ignored"));
            continue;
        };
        let value = typed(text, default);
        let mut alone = Table::new();
        set(&mut alone, &path, value.clone());
        alone.try_into::<Config>().map_err(|error| {
            Error(format!("environment variable {variable}: {}", humane(&error)))
        })?;
        set(table, &path, value);
    }
    Ok(warnings)
}

/// The key that a variable names, with the sections that it stands in, and its default.
fn find<'a>(defaults: &'a Table, variable: &str) -> Option<(Vec<&'a str>, &'a Value)> {
    fn within<'a>(
        table: &'a Table,
        path: &[&'a str],
        variable: &str,
    ) -> Option<(Vec<&'a str>, &'a Value)> {
        table.iter().find_map(|(key, default)| {
            let path = [path, &[key.as_str()]].concat();
            match default.as_table() {
                // A section, or one inside it. A table that is empty is for people to fill.
                Some(keys) if path.len() == 1 || !keys.is_empty() => within(keys, &path, variable),
                _ => (variable_name(&path.join(".")) == variable).then_some((path, default)),
            }
        })
    }
    within(defaults, &[], variable)
}

/// A variable's text as a value of the type that the default has. What does not fit stays a string,
/// and reading it says what was expected.
fn typed(text: &str, default: &Value) -> Value {
    let string = || Value::String(text.to_owned());
    match default {
        Value::Integer(_) => {
            text.replace('_', "").parse().map_or_else(|_| string(), Value::Integer)
        }
        Value::Boolean(_) => text.parse().map_or_else(|_| string(), Value::Boolean),
        // As in the file, or with commas alone.
        Value::Array(_) if ["[\"", "['"].iter().any(|it| text.trim_start().starts_with(it)) => {
            let list = toml::from_str::<Table>(&format!("list = {text}")).ok();
            list.and_then(|mut list| list.remove("list")).unwrap_or_else(string)
        }
        Value::Array(_) => Value::Array(
            text.split(',')
                .map(str::trim)
                .filter(|item| !item.is_empty())
                .map(|item| Value::String(item.to_owned()))
                .collect(),
        ),
        // `ann=$argon2id$… bob=$argon2id$…`: hashes hold commas and equals signs, but no spaces.
        Value::Table(_) => Value::Table(
            text.split_whitespace()
                .filter_map(|pair| pair.split_once('='))
                .map(|(name, value)| (name.to_owned(), Value::String(value.to_owned())))
                .collect(),
        ),
        _ => string(),
    }
}
