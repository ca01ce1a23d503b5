//! What is kept of a password: an argon2 hash in PHC form, or SCRAM keys in the form of RFC 5803.

use argon2::{
    Argon2, PasswordHash,
    password_hash::{PasswordHasher, PasswordVerifier},
};
use data_encoding::BASE64;
use serde::{Deserialize, Serialize};

use super::{SALT, SCRAM_ITERATIONS, is_same};
use crate::{secret::Secret, wire::sasl::ScramKeys};

/// Something to check a password against, and seen to be so when it was read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Stored {
    /// `$argon2id$v=19$…`: slow and large by design, and of no use to SCRAM.
    Argon2(String),
    /// `SCRAM-SHA-256$iterations:salt$StoredKey:ServerKey`
    Scram(ScramKeys),
}

impl Stored {
    /// The argon2 hash of a new password.
    pub fn argon2(password: &Secret<String>) -> Result<Self, String> {
        Argon2::default()
            .hash_password(password.declassify().as_bytes())
            .map(|hash| Self::Argon2(hash.to_string()))
            .map_err(|error| error.to_string())
    }

    /// The SCRAM keys of a new password.
    pub fn scram(password: &Secret<String>) -> Result<Self, String> {
        let mut salt = [0; SALT];
        getrandom::fill(&mut salt).map_err(|error| format!("no random numbers: {error}"))?;
        Ok(Self::Scram(ScramKeys::derive(password.declassify(), &salt, SCRAM_ITERATIONS)))
    }

    /// A hash of no known password, which costs as much as a real one: what an unknown user is checked
    /// against, so that the time of the answer tells nothing.
    pub(super) fn decoy() -> Self {
        Self::Argon2(DECOY.to_owned())
    }

    /// True if it was made from this password. Takes tens of milliseconds.
    pub(super) fn is_of(&self, password: &str) -> bool {
        match self {
            Self::Argon2(text) => PasswordHash::new(text).is_ok_and(|hash| {
                Argon2::default().verify_password(password.as_bytes(), &hash).is_ok()
            }),
            Self::Scram(keys) => {
                let derived = ScramKeys::derive(password, &keys.salt, keys.iterations);
                is_same(&derived.stored_key, &keys.stored_key)
            }
        }
    }

    /// True if SCRAM can use it.
    pub(super) const fn is_scram(&self) -> bool {
        matches!(self, Self::Scram(_))
    }
}

/// `authPassword = scheme "$" authInfo "$" authValue` (RFC 5803 §2)
fn read_scram(text: &str) -> Option<ScramKeys> {
    let (info, value) = text.strip_prefix(SCHEME)?.strip_prefix('$')?.split_once('$')?;
    let (iterations, salt) = info.split_once(':')?;
    let (stored_key, server_key) = value.split_once(':')?;
    let octets = |text: &str| BASE64.decode(text.as_bytes()).ok();
    let key = |text: &str| octets(text)?.try_into().ok();
    let keys = ScramKeys {
        salt: octets(salt)?,
        iterations: iterations.parse().ok()?,
        stored_key: key(stored_key)?,
        server_key: key(server_key)?,
    };
    (!keys.salt.is_empty() && ITERATIONS.contains(&keys.iterations)).then_some(keys)
}

impl TryFrom<String> for Stored {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if let Some(keys) = read_scram(&text) {
            return Ok(Self::Scram(keys));
        }
        match PasswordHash::new(&text) {
            Ok(hash) if hash.algorithm.as_str().starts_with("argon2") => Ok(Self::Argon2(text)),
            _ => Err("expected an argon2 hash or SCRAM keys, as `smtpd hash-password` prints them"),
        }
    }
}

impl From<Stored> for String {
    fn from(stored: Stored) -> Self {
        match stored {
            Stored::Argon2(text) => text,
            Stored::Scram(ScramKeys { salt, iterations, stored_key, server_key }) => format!(
                "{SCHEME}${iterations}:{}${}:{}",
                BASE64.encode(&salt),
                BASE64.encode(&stored_key),
                BASE64.encode(&server_key),
            ),
        }
    }
}

const SCHEME: &str = "SCRAM-SHA-256";

/// Iterations that are taken: at least what RFC 7677 §4 asks for, and not so many that one login keeps
/// a core busy for a minute.
const ITERATIONS: std::ops::RangeInclusive<u32> = 4_096..=1_000_000;

const DECOY: &str = "$argon2id$v=19$m=19456,t=2,p=1$c210cGQtZHVtbXktc2FsdA$\
    Wm9tZXRoaW5nIHRoYXQgaXMgbm90IGEgaGFzaCBhdCBhbGw";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_decoy_costs_as_much_as_a_real_hash() {
        let real = String::from(Stored::argon2(&Secret::new("x".into())).unwrap());
        let head = |text: &str| text.rsplitn(3, '$').last().map(str::to_owned);
        assert_eq!(head(DECOY), head(&real));
        assert!(PasswordHash::new(DECOY).is_ok());
        assert!(!Stored::decoy().is_of("x") && !Stored::decoy().is_of(""));
    }

    /// The password, salt and iterations of RFC 7677 §3; the keys were computed with Python's hashlib.
    #[test]
    fn scram_keys_are_read_and_written() {
        let text = "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$\
            WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";
        let stored = Stored::try_from(text.to_owned()).unwrap();
        assert!(stored.is_scram());
        assert!(stored.is_of("pencil") && !stored.is_of("Pencil"));
        assert_eq!(String::from(stored), text);
    }

    #[test]
    fn what_can_check_no_password_is_refused() {
        for text in [
            "",
            "geheim",
            "$2b$12$abcdefghijklmnopqrstuv",
            "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$AAAA:AAAA",
            "SCRAM-SHA-256$1:W22ZaJ0SNY7soEsUEjb6gQ==$\
             WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=",
            "SCRAM-SHA-1$4096:W22ZaJ0SNY7soEsUEjb6gQ==$\
             WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=",
        ] {
            assert!(Stored::try_from(text.to_owned()).is_err(), "{text}");
        }
    }
}
