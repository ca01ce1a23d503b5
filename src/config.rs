//! The configuration: TOML as written, environment variables over it, into a checked [`Config`].
//!
//! Each module owns its options; a section bears its name. Every key has a default, every key can be
//! overridden by `SMTPD_<SECTION>_<KEY>`, and an unknown key is an error: a typing mistake must not
//! silently mean the default.

mod rules;

use std::{fmt, path::Path};

use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use crate::{
    auth,
    frontend::TlsMode,
    http, limits, log, net, policy, pop3_server, process, retention,
    smtp_server::{self, listeners::Listener},
    store,
};

/// Everything that can be configured.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// `[smtp]`
    pub smtp: smtp_server::Options,
    /// `[pop3]`
    pub pop3: pop3_server::Options,
    /// `[tls]`
    pub tls: net::tls::Options,
    /// `[http]`
    pub http: http::Options,
    /// `[store]`
    pub store: store::Options,
    /// `[auth]`
    pub auth: auth::Options,
    /// `[policy]`
    pub policy: policy::Options,
    /// `[limits]`
    pub limits: limits::Options,
    /// `[retention]`
    pub retention: retention::Options,
    /// `[log]`
    pub log: log::Options,
    /// `[server]`
    pub server: process::Options,
}

/// A configuration and what was odd about it.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// What to run with.
    pub config: Config,
    /// Things that were passed over, a line each.
    pub warnings: Vec<String>,
    /// Where each key was given, for what turns out later.
    places: Vec<(String, String)>,
}

impl Loaded {
    /// A fault that begins with its key, behind the place where that was given.
    pub fn placed(&self, fault: &str) -> Error {
        let of_key = |(key, _): &&(String, String)| {
            fault.strip_prefix(key.as_str()).is_some_and(|rest| rest.starts_with(':'))
        };
        Error(match self.places.iter().find(of_key) {
            Some((_, place)) => format!("{place}: {fault}"),
            None => fault.to_owned(),
        })
    }
}

/// A configuration that cannot be used: where, and what was expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error(String);

impl Config {
    /// Reads the file, if one is given, and the environment over it.
    pub fn load(
        path: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Loaded, Error> {
        let (name, text) = match path {
            None => (String::new(), String::new()),
            Some(path) => {
                let name = path.display().to_string();
                let text = std::fs::read_to_string(path)
                    .map_err(|error| Error(format!("{name}: cannot read it: {error}")))?;
                (name, text)
            }
        };
        Self::from_text(&name, &text, environment)
    }

    /// The configuration of this text; `name` is the file it came from, for errors.
    pub fn from_text(
        name: &str,
        text: &str,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Loaded, Error> {
        toml::from_str::<Self>(text).map_err(|error| in_file(name, text, &error))?;
        let mut table =
            toml::from_str::<Table>(text).map_err(|error| in_file(name, text, &error))?;
        let environment: Vec<_> = environment.into_iter().collect();
        let warnings = override_from(&environment, &mut table)?;
        let config = table
            .try_into::<Self>()
            .map_err(|error| Error(format!("environment: {}", humane(&error))))?;
        // Only together do they have to make sense: users may come from the one, the mode from the other.
        config.check().map_err(|(key, what)| {
            let variable = variable_name(key);
            match environment.iter().any(|(name, _)| *name == variable) {
                true => Error(format!("environment variable {variable}: {what}")),
                false => of_key(name, text, key, what),
            }
        })?;
        Ok(Loaded { config, warnings, places: places(name, text, &environment)? })
    }

    /// True if a door speaks TLS and needs a certificate.
    pub fn speaks_tls(&self) -> bool {
        self.http.tls == http::TlsMode::On
            || self.smtp_listeners().iter().any(|listener| listener.tls != TlsMode::Off)
            || self.pop3_listeners().iter().any(|listener| listener.tls != TlsMode::Off)
    }

    /// Where SMTP listens.
    pub fn smtp_listeners(&self) -> Vec<Listener> {
        self.smtp.listeners(self.auth.mode)
    }

    /// Where POP3 listens.
    pub fn pop3_listeners(&self) -> Vec<pop3_server::Listener> {
        let is_shown = self.http.login == http::LoginMode::Off;
        self.pop3.listeners(self.auth.mode, is_shown)
    }
}

/// Puts the environment's values over those of the file.
fn override_from(
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

fn default_table() -> Result<Table, Error> {
    Table::try_from(Config::default()).map_err(|error| Error(error.to_string()))
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

/// Puts a value where its key belongs.
fn set(table: &mut Table, path: &[&str], value: Value) {
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

fn variable_name(key: &str) -> String {
    format!("{PREFIX}{}", key.replace('.', "_").to_ascii_uppercase())
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

/// `file:line: section.key: what was expected`
fn in_file(name: &str, text: &str, error: &toml::de::Error) -> Error {
    let message = humane(error);
    let Some(span) = error.span() else { return Error(format!("{name}: {message}")) };
    let before = text.get(..span.start).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
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

/// A message that quotes what stands where passwords should stand quotes a password.
fn without_secrets(key: &str, message: String) -> String {
    let is_secret = SECRET.iter().any(|secret| key.starts_with(secret));
    match (message.split_once('"'), message.rsplit_once('"')) {
        (Some((before, _)), Some((_, after))) if is_secret => format!("{before}***{after}"),
        _ => message,
    }
}

/// The parser's words, with those of programmers put into those of people.
fn humane(error: &toml::de::Error) -> String {
    let message = error.message().trim().replace('\n', ", ");
    for number in ["u64", "usize", "u32"] {
        if let Some(what) = message.strip_suffix(&format!("expected {number}")) {
            return format!("{what}expected a whole number, 0 or more");
        }
    }
    message
}

/// Where every key is given that is: the environment counts before the file.
fn places(
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
fn of_key(name: &str, text: &str, key: &str, what: &str) -> Error {
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

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Error {}

/// Keys whose values are not repeated.
const SECRET: [&str; 3] = ["auth.secrets", "auth.tokens", "auth.users"];

/// What every variable begins with.
const PREFIX: &str = "SMTPD_";

/// Names the configuration file, as `--config` does.
pub const CONFIG_VARIABLE: &str = "SMTPD_CONFIG";
