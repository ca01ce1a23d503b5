//! Logins with a name and a password at listeners that are not SMTP: attempts counted by client and by
//! user, and something by which to see later that the user is still the same.

use std::{
    net::IpAddr,
    time::{Duration, Instant},
};

use super::{Auth, Mode, UserKey, locked, token};
use crate::wire::sasl::{Claim, Credentials, Verdict};

/// What is kept of a user's password, as a hash: another one when the password changes. Whoever logged
/// in is let go when it is not what it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CredentialVersion([u8; 32]);

/// Why a login failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denied {
    /// Wrong name or wrong password; the answer is to wait so long.
    Refused(Duration),
    /// There were so many failures that this one was not looked at.
    TooMany,
    /// It cannot be said now.
    Unavailable,
}

impl Auth {
    /// Checks a name and a password, whatever `auth.mode` lets SMTP clients do.
    pub async fn log_in(
        &self,
        client: Option<IpAddr>,
        credentials: Credentials,
    ) -> Result<CredentialVersion, Denied> {
        let user = credentials.user.clone();
        let key = self.user_key(&user);
        let attempt = locked(&self.failures).attempt(client, key, Instant::now());
        let wait = attempt.ok_or(Denied::TooMany)?;
        let verdict = self.check(Mode::Required, Claim::Password(credentials), None).await;
        if verdict != Verdict::Refused {
            locked(&self.failures).take_back(client, key);
        }
        match verdict {
            Verdict::Accepted => {
                locked(&self.failures).remember(client, key);
                // A user who was removed in this very moment is refused.
                self.credential_version(&user).ok_or(Denied::Refused(wait))
            }
            Verdict::Refused => Err(Denied::Refused(wait)),
            Verdict::Unavailable => Err(Denied::Unavailable),
        }
    }

    /// The version of a user's credentials now; none for a user that is unknown. The endpoint would have to
    /// be asked each time, so the version of a user that it knows never changes.
    pub fn credential_version(&self, user: &str) -> Option<CredentialVersion> {
        let hash = |what: &str, kept: &str| {
            Some(CredentialVersion(token::sha256(&[&self.decoy, what.as_bytes(), kept.as_bytes()])))
        };
        if let Some(secret) = self.options.secrets.get(user) {
            return hash("secret", secret.declassify());
        }
        match self.stored(user) {
            Some(stored) => hash("stored", &String::from(stored)),
            None => self.options.http_url.is_some().then(|| hash("endpoint", ""))?,
        }
    }

    fn user_key(&self, user: &str) -> UserKey {
        self.made_up(&format!("user {user}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    fn auth(text: &str) -> Auth {
        Auth::new(toml::from_str(text).unwrap()).unwrap()
    }

    fn log_in(
        auth: &Auth,
        client: u8,
        user: &str,
        password: &str,
    ) -> Result<CredentialVersion, Denied> {
        let password = Secret::new(password.to_owned());
        let client = Some(IpAddr::from([192, 0, 2, client]));
        smol::block_on(auth.log_in(client, Credentials { user: user.into(), password }))
    }

    #[test]
    fn who_logs_in_is_a_user_also_where_smtp_takes_anybody() {
        let auth = auth("mode = 'accept-any'\nsecrets = { ann = 'geheim' }");
        assert_eq!(log_in(&auth, 1, "ann", "geheim").ok(), auth.credential_version("ann"));
        let refused = Err(Denied::Refused(Duration::from_secs(1)));
        assert_eq!(log_in(&auth, 1, "ann", "falsch"), refused);
        assert_eq!(log_in(&auth, 2, "bob", "geheim"), refused);
        assert_eq!(auth.credential_version("bob"), None);
    }

    #[test]
    fn after_so_many_failures_nothing_is_looked_at() {
        let auth = auth("failures = 2\nsecrets = { ann = 'geheim' }");
        for _ in 0..2 {
            assert!(matches!(log_in(&auth, 1, "ann", "falsch"), Err(Denied::Refused(_))));
        }
        assert_eq!(log_in(&auth, 1, "ann", "geheim"), Err(Denied::TooMany));
        assert!(log_in(&auth, 2, "ann", "geheim").is_ok());
    }

    #[test]
    fn a_new_password_is_another_standing() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let write = |password: &str| {
            let keys = crate::auth::Stored::scram(&Secret::new(password.to_owned())).unwrap();
            std::fs::write(file.path(), format!("ann:{}\n", String::from(keys))).unwrap();
        };
        write("old");
        let auth = auth(&format!("users_file = '{}'", file.path().display()));
        let old = log_in(&auth, 1, "ann", "old").unwrap();
        auth.reload().unwrap();
        assert_eq!(auth.credential_version("ann"), Some(old));
        write("new");
        auth.reload().unwrap();
        assert!(auth.credential_version("ann").is_some_and(|new| new != old));
        std::fs::write(file.path(), "").unwrap();
        auth.reload().unwrap();
        assert_eq!(auth.credential_version("ann"), None);
    }
}
