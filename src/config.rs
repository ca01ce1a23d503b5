//! The configuration: TOML as written, environment variables over it, into a checked [`Config`].
//!
//! Each module owns its options; a section bears its name. Every key has a default, every key can be
//! overridden by `SMTPD_<SECTION>_<KEY>`, and an unknown key is an error: a typing mistake must not
//! silently mean the default.

mod environment;
mod fault;
mod keys;
mod rules;

use std::{fmt, path::Path};

use serde::{Deserialize, Serialize};
use toml::Table;

use self::{
    environment::override_from,
    fault::{humane, in_file, of_key, places},
    keys::variable_name,
};
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

    /// True if a listener speaks TLS and needs a certificate.
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

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Error {}

/// Names the configuration file, as `--config` does.
pub const CONFIG_VARIABLE: &str = "SMTPD_CONFIG";
