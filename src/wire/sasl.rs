//! SASL as the mail protocols use it (RFC 4422, RFC 4954): machines without I/O.

use crate::secret::Secret;

/// A user name and a password that somebody claims.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// The authentication identity (RFC 4616 authcid).
    pub user: String,
    /// The password.
    pub password: Secret<String>,
}
