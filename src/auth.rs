//! Who may log in: users of the configuration with argon2 hashes, or anybody.

use std::collections::BTreeMap;

use argon2::{
    Argon2, PasswordHash,
    password_hash::{PasswordHasher, PasswordVerifier},
};
use serde::{Deserialize, Serialize};

use crate::{secret::Secret, wire::sasl::Credentials};

/// `[auth]`: who may log in by SMTP AUTH and through nginx's auth_http.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// Whether SMTP offers or demands AUTH.
    pub mode: Mode,
    /// User names and their argon2 hashes, as `smtpd hash-password` prints them.
    pub users: BTreeMap<String, PasswordText>,
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

/// An argon2 hash in PHC form, checked when the configuration is read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PasswordText(String);

/// Checks credentials.
#[derive(Debug)]
pub struct Auth {
    options: Options,
}

impl Auth {
    /// A checker for these users.
    pub fn new(options: Options) -> Self {
        Self { options }
    }

    /// Whether SMTP offers or demands AUTH.
    pub fn mode(&self) -> Mode {
        self.options.mode
    }

    /// True if the credentials are good. Takes as long for an unknown user as for a wrong password.
    /// argon2 takes tens of milliseconds and memory by design, so this runs off the executor.
    pub async fn verify(&self, credentials: Credentials) -> bool {
        if self.options.mode == Mode::AcceptAny {
            return true;
        }
        let known = self.options.users.get(&credentials.user).cloned();
        smol::unblock(move || {
            let is_known = known.is_some();
            let hash = known.map_or_else(|| DUMMY_HASH.to_owned(), |PasswordText(hash)| hash);
            matches(&hash, credentials.password.declassify()) && is_known
        })
        .await
    }
}

/// The hash of a password in the form that the configuration takes.
pub fn hash_password(password: &Secret<String>) -> Result<String, String> {
    Argon2::default()
        .hash_password(password.declassify().as_bytes())
        .map(|hash| hash.to_string())
        .map_err(|error| error.to_string())
}

fn matches(hash: &str, password: &str) -> bool {
    PasswordHash::new(hash)
        .is_ok_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
}

impl TryFrom<String> for PasswordText {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match PasswordHash::new(&text) {
            Ok(hash) if hash.algorithm.as_str().starts_with("argon2") => Ok(Self(text)),
            _ => Err("expected an argon2 hash as `smtpd hash-password` prints it".into()),
        }
    }
}

impl From<PasswordText> for String {
    fn from(PasswordText(text): PasswordText) -> Self {
        text
    }
}

/// What an unknown user is checked against, so that the time of the answer tells nothing.
const DUMMY_HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1$c210cGQtZHVtbXktc2FsdA$\
    Wm9tZXRoaW5nIHRoYXQgaXMgbm90IGEgaGFzaCBhdCBhbGw";

#[cfg(test)]
mod tests {
    use super::*;

    fn credentials(user: &str, password: &str) -> Credentials {
        Credentials { user: user.into(), password: Secret::new(password.into()) }
    }

    #[test]
    fn users_are_checked_and_others_refused() {
        let hash = hash_password(&Secret::new("geheim".into())).unwrap_or_default();
        let users = BTreeMap::from([("ann".to_owned(), PasswordText(hash))]);
        let auth = Auth::new(Options { mode: Mode::Required, users });
        let verify = |user, password| smol::block_on(auth.verify(credentials(user, password)));
        assert!(verify("ann", "geheim"));
        assert!(!verify("ann", "Geheim"));
        assert!(!verify("bob", "geheim"));
    }

    #[test]
    fn the_dummy_hash_costs_as_much_as_a_real_one() {
        let real = hash_password(&Secret::new("x".into())).unwrap_or_default();
        let head = |text: &str| text.rsplitn(3, '$').last().map(str::to_owned);
        assert_eq!(head(DUMMY_HASH), head(&real));
        assert!(PasswordHash::new(DUMMY_HASH).is_ok());
    }

    #[test]
    fn accept_any_accepts_any() {
        let auth = Auth::new(Options::default());
        assert!(smol::block_on(auth.verify(credentials("who", "ever"))));
    }

    #[test]
    fn debug_shows_no_password() {
        assert!(!format!("{:?}", credentials("ann", "geheim")).contains("geheim"));
    }
}
