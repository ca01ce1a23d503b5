//! `[auth]` as it is written.

use std::{collections::BTreeMap, path::PathBuf};

use serde::{Deserialize, Serialize};

use super::{Endpoint, Stored, TokenHash};
use crate::{seconds::Seconds, secret::Secret, wire::sasl::Mechanism};

/// `[auth]`: who may log in by SMTP AUTH and through nginx's auth_http.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// Whether SMTP offers or demands AUTH.
    pub mode: Mode,
    /// The mechanisms to offer; empty for those that every user can use.
    pub mechanisms: Vec<MechanismName>,
    /// Offer EXTERNAL to clients that show a certificate signed by `tls.client_ca`: whom it names is
    /// who logs in. EXTERNAL must be in `mechanisms`, if these are given.
    pub external: bool,
    /// A file of users, `name:hash` a line; read again on SIGHUP. Empty for none.
    pub users_file: PathBuf,
    /// Who is in none of these lists is asked about here; none for nobody.
    #[serde(with = "endpoint_text")]
    pub http_url: Option<Endpoint>,
    /// PEM file with the authorities that an https endpoint must have its certificate from; empty for those
    /// that the system trusts.
    pub http_ca: PathBuf,
    /// Longest wait for the endpoint, in seconds; then 454 4.7.0.
    pub http_seconds: Seconds,
    /// How many passwords are checked at the same time. Each takes 19 MiB and a core for some 50 ms.
    pub checks_at_a_time: usize,
    /// How long the answer to a failed login waits, in seconds; twice as long for each more of the same
    /// client within ten minutes, up to 16 times. 0 is no wait.
    pub failure_seconds: u64,
    /// Most failed logins of one client in ten minutes; then 454 4.7.0 without a look. 0 is no bound.
    pub failures: u32,
    /// Most failed logins of one user on the web in ten minutes, whoever tried; then 429 without a look,
    /// except for clients from which that user logged in before. 0 is no bound.
    pub user_failures: u32,
    /// How many clients, and how many users, that failed are remembered. The one not seen for longest is
    /// forgotten first.
    pub clients_remembered: usize,
    /// User names and what is kept of their passwords, as `smtpd hash-password` prints it.
    pub users: BTreeMap<String, Stored>,
    /// User names and passwords themselves: CRAM-MD5 cannot be checked with less.
    pub secrets: BTreeMap<String, Password>,
    /// User names and bearer tokens for XOAUTH2 and OAUTHBEARER, or `sha256:` and their hashes.
    pub tokens: BTreeMap<String, TokenHash>,
}

/// What a client must or may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// AUTH is not offered.
    Off,
    /// AUTH is offered, any user name and password are good, and the message records the name. Right
    /// for a catcher: a test app with credentials works unchanged.
    #[default]
    AcceptAny,
    /// AUTH is offered; who uses it must be a user.
    Optional,
    /// MAIL is refused before a successful AUTH.
    Required,
}

/// A mechanism by its registered name, in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MechanismName(pub Mechanism);

/// A password that must be known itself. Written out it is `***`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Password(Secret<String>);

impl Default for Options {
    fn default() -> Self {
        Self {
            mode: Mode::default(),
            mechanisms: Vec::new(),
            external: false,
            users_file: PathBuf::new(),
            http_url: None,
            http_ca: PathBuf::new(),
            http_seconds: Seconds::new(5),
            checks_at_a_time: 4,
            failure_seconds: 1,
            failures: 50,
            user_failures: 100,
            clients_remembered: 10_000,
            users: BTreeMap::new(),
            secrets: BTreeMap::new(),
            tokens: BTreeMap::new(),
        }
    }
}

impl Options {
    /// True if there may be somebody who can log in.
    pub fn knows_anybody(&self) -> bool {
        self.knows_passwords() || !self.tokens.is_empty() || self.external
    }

    /// False if there is a list of mechanisms to offer, without this one.
    pub fn lists(&self, mechanism: Mechanism) -> bool {
        self.mechanisms.is_empty() || self.mechanisms.contains(&MechanismName(mechanism))
    }

    /// True if there may be somebody who can log in with a name and a password.
    pub fn knows_passwords(&self) -> bool {
        !self.users.is_empty()
            || !self.secrets.is_empty()
            || !self.users_file.as_os_str().is_empty()
            || self.http_url.is_some()
    }
}

impl Password {
    pub(super) fn declassify(&self) -> &str {
        self.0.declassify()
    }
}

impl TryFrom<String> for Password {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if text.is_empty() { Err("expected a password") } else { Ok(Self(Secret::new(text))) }
    }
}

impl From<Password> for String {
    fn from(_: Password) -> Self {
        "***".to_owned()
    }
}

impl TryFrom<String> for MechanismName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Mechanism::from_name(&text).map(Self).ok_or_else(|| {
            let names: Vec<_> = Mechanism::ALL.iter().map(|mechanism| mechanism.name()).collect();
            format!("expected one of {}", names.join(", "))
        })
    }
}

impl From<MechanismName> for String {
    fn from(MechanismName(mechanism): MechanismName) -> Self {
        mechanism.name().to_owned()
    }
}

/// An address, or an empty string for none.
mod endpoint_text {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    use super::Endpoint;

    pub(super) fn serialize<S: Serializer>(
        endpoint: &Option<Endpoint>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&endpoint.as_ref().map(ToString::to_string).unwrap_or_default())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Endpoint>, D::Error> {
        match String::deserialize(deserializer)?.as_str() {
            "" => Ok(None),
            text => text.parse().map(Some).map_err(D::Error::custom),
        }
    }
}
