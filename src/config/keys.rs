//! Keys: which there are, with their defaults, and the variables that name them.

use toml::{Table, Value};

use super::{Config, Error};

pub(super) fn default_table() -> Result<Table, Error> {
    Table::try_from(Config::default()).map_err(|error| Error(error.to_string()))
}

/// Puts a value where its key belongs.
pub(super) fn set(table: &mut Table, path: &[&str], value: Value) {
    match path {
        [] => {}
        [key] => drop(table.insert((*key).to_owned(), value)),
        [section, rest @ ..] => {
            let entry = table.entry(*section).or_insert_with(|| Value::Table(Table::new()));
            if let Value::Table(section) = entry {
                set(section, rest, value);
            }
        }
    }
}

pub(super) fn variable_name(key: &str) -> String {
    format!("{PREFIX}{}", key.replace('.', "_").to_ascii_uppercase())
}

/// What every variable begins with.
pub(super) const PREFIX: &str = "SMTPD_";
