//! SASL as the mail protocols use it (RFC 4422, RFC 4954): machines without I/O.
//!
//! PLAIN (RFC 4616) and LOGIN, which no RFC defines but every client speaks. A machine takes the
//! lines of the client in base64 and ends with [`Credentials`]; whether these are good is not known
//! here.

use std::fmt;

use data_encoding::BASE64;

use crate::secret::Secret;

/// A user name and a password that somebody claims.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// The authentication identity (RFC 4616 authcid).
    pub user: String,
    /// The password.
    pub password: Secret<String>,
}

/// Who somebody claims to be, and what is to prove it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// PLAIN or LOGIN.
    Password(Credentials),
    /// XOAUTH2 or OAUTHBEARER.
    Token {
        /// The user; empty if only the token says it.
        user: String,
        /// The bearer token (RFC 6750).
        token: Secret<String>,
    },
    /// CRAM-MD5 (RFC 2195).
    CramMd5 {
        /// The user.
        user: String,
        /// What we sent.
        challenge: String,
        /// HMAC-MD5 of the challenge under the password.
        digest: [u8; 16],
    },
    /// EXTERNAL (RFC 4422 appendix A): the certificate of the TLS client is the proof.
    External {
        /// Who it wants to be; empty for whoever the certificate names.
        authzid: String,
    },
}

impl Claim {
    /// The user name, which may be empty where something else names the user.
    pub fn user(&self) -> &str {
        match self {
            Self::Password(Credentials { user, .. })
            | Self::Token { user, .. }
            | Self::CramMd5 { user, .. } => user,
            Self::External { authzid } => authzid,
        }
    }
}

/// What a server keeps of a password for SCRAM-SHA-256 (RFC 5802 §3, RFC 7677).
#[derive(Clone, PartialEq, Eq)]
pub struct ScramKeys {
    /// The salt, decoded.
    pub salt: Vec<u8>,
    /// How often the password was hashed; RFC 7677 §4 asks for at least 4096.
    pub iterations: u32,
    /// `H(ClientKey)`
    pub stored_key: [u8; 32],
    /// `HMAC(SaltedPassword, "Server Key")`
    pub server_key: [u8; 32],
}

/// Shows no key: with them somebody could pretend to be the server.
impl fmt::Debug for ScramKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ScramKeys({} iterations)", self.iterations)
    }
}

/// How a client proves who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mechanism {
    /// One message: authzid NUL authcid NUL passwd (RFC 4616 §2).
    Plain,
    /// Asked for the user name, then for the password.
    Login,
    /// The password as the key of a digest of our challenge (RFC 2195).
    CramMd5,
    /// Both sides prove that they know the password (RFC 7677).
    ScramSha256,
    /// A bearer token, as Google and Microsoft defined it before there was an RFC.
    Xoauth2,
    /// A bearer token (RFC 7628).
    OauthBearer,
    /// The certificate of the TLS client (RFC 4422 appendix A).
    External,
}

/// The server's half of an exchange that waits for the client's next line.
#[derive(Debug, PartialEq, Eq)]
pub struct Exchange(Awaiting);

#[derive(Debug, PartialEq, Eq)]
enum Awaiting {
    PlainMessage,
    LoginUser,
    LoginPassword { user: String },
}

/// Where an exchange stands after the client's words.
#[derive(Debug, PartialEq, Eq)]
pub enum Progress {
    /// Send this challenge, in base64 already, and give the answer to the exchange.
    Challenge(&'static str, Exchange),
    /// The client has said all.
    Done(Credentials),
    /// It ended without credentials.
    Failed(Fault),
}

/// Why an exchange ended without credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The client sent `*` (RFC 4954 §4).
    Cancelled,
    /// Not base64 (RFC 4648 §4, with padding).
    Base64,
    /// Base64, but not the message that the mechanism wants.
    Malformed,
    /// The client wants to act as somebody else, which nobody may here.
    Authzid,
}

impl Mechanism {
    /// The mechanism of that name, in any case.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            _ if name.eq_ignore_ascii_case("PLAIN") => Some(Self::Plain),
            _ if name.eq_ignore_ascii_case("LOGIN") => Some(Self::Login),
            _ => None,
        }
    }
}

impl Exchange {
    /// Begins, with the client's initial response if it came along; `=` is an empty one (RFC 4954 §4).
    pub fn begin(mechanism: Mechanism, initial: Option<&str>) -> Progress {
        let exchange = Self(match mechanism {
            Mechanism::Plain => Awaiting::PlainMessage,
            Mechanism::Login => Awaiting::LoginUser,
            // Not offered yet, and no name leads here.
            _ => return Progress::Failed(Fault::Malformed),
        });
        match initial {
            Some("=") => exchange.message(""),
            Some(response) => match decode(response.as_bytes()) {
                Ok(message) => exchange.message(&message),
                Err(fault) => Progress::Failed(fault),
            },
            None => Progress::Challenge(exchange.challenge(), exchange),
        }
    }

    /// Takes the client's line, without its line end.
    pub fn respond(self, line: &[u8]) -> Progress {
        if line == b"*" {
            return Progress::Failed(Fault::Cancelled);
        }
        match decode(line) {
            Ok(message) => self.message(&message),
            Err(fault) => Progress::Failed(fault),
        }
    }

    fn message(self, message: &str) -> Progress {
        match self.0 {
            Awaiting::PlainMessage => plain(message).map_or_else(Progress::Failed, Progress::Done),
            Awaiting::LoginUser if message.is_empty() => Progress::Failed(Fault::Malformed),
            Awaiting::LoginUser => {
                let next = Self(Awaiting::LoginPassword { user: message.to_owned() });
                Progress::Challenge(next.challenge(), next)
            }
            Awaiting::LoginPassword { user } => {
                Progress::Done(Credentials { user, password: Secret::new(message.to_owned()) })
            }
        }
    }

    fn challenge(&self) -> &'static str {
        match self.0 {
            Awaiting::PlainMessage => "",
            Awaiting::LoginUser => "VXNlcm5hbWU6", // Username:
            Awaiting::LoginPassword { .. } => "UGFzc3dvcmQ6", // Password:
        }
    }
}

/// `message = [authzid] UTF8NUL authcid UTF8NUL passwd` (RFC 4616 §2). An empty password is let
/// through: whoever checks it will refuse it, and whoever accepts any wants no surprises.
fn plain(message: &str) -> Result<Credentials, Fault> {
    let mut fields = message.split('\0');
    let (Some(authzid), Some(user), Some(password), None) =
        (fields.next(), fields.next(), fields.next(), fields.next())
    else {
        return Err(Fault::Malformed);
    };
    if user.is_empty() {
        return Err(Fault::Malformed);
    }
    if !authzid.is_empty() && authzid != user {
        return Err(Fault::Authzid);
    }
    Ok(Credentials { user: user.to_owned(), password: Secret::new(password.to_owned()) })
}

fn decode(line: &[u8]) -> Result<String, Fault> {
    let octets = BASE64.decode(line).map_err(|_| Fault::Base64)?;
    String::from_utf8(octets).map_err(|_| Fault::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn done(user: &str, password: &str) -> Progress {
        let password = Secret::new(password.to_owned());
        Progress::Done(Credentials { user: user.to_owned(), password })
    }

    #[test]
    fn plain_is_exactly_three_fields() {
        let table: [(&[u8], Progress); 11] = [
            (b"\0ann\0geheim", done("ann", "geheim")),
            (b"ann\0ann\0geheim", done("ann", "geheim")),
            ("\0änn\0geheim mit ß".as_bytes(), done("änn", "geheim mit ß")),
            (b"\0ann\0", done("ann", "")),
            (b"bob\0ann\0geheim", Progress::Failed(Fault::Authzid)),
            (b"\0\0geheim", Progress::Failed(Fault::Malformed)),
            (b"ann\0geheim", Progress::Failed(Fault::Malformed)),
            (b"\0ann\0geheim\0", Progress::Failed(Fault::Malformed)),
            (b"\0\0\0\0", Progress::Failed(Fault::Malformed)),
            (b"", Progress::Failed(Fault::Malformed)),
            (b"\0ann\0\xff", Progress::Failed(Fault::Malformed)),
        ];
        for (message, expected) in table {
            let text = BASE64.encode(message);
            let initial = if text.is_empty() { "=" } else { &text };
            assert_eq!(Exchange::begin(Mechanism::Plain, Some(initial)), expected, "{text}");
            let Progress::Challenge("", exchange) = Exchange::begin(Mechanism::Plain, None) else {
                panic!("no empty challenge");
            };
            assert_eq!(exchange.respond(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn login_asks_for_user_and_password() {
        let Progress::Challenge("VXNlcm5hbWU6", user) = Exchange::begin(Mechanism::Login, None)
        else {
            panic!("no question for the user");
        };
        let Progress::Challenge("UGFzc3dvcmQ6", password) = user.respond(b"YW5u") else {
            panic!("no question for the password");
        };
        assert_eq!(password.respond(b"Z2VoZWlt"), done("ann", "geheim"));
        let asked = Exchange::begin(Mechanism::Login, Some("YW5u"));
        assert!(matches!(asked, Progress::Challenge("UGFzc3dvcmQ6", _)), "{asked:?}");
        let nobody = Exchange::begin(Mechanism::Login, Some("="));
        assert_eq!(nobody, Progress::Failed(Fault::Malformed));
    }

    #[test]
    fn what_is_not_base64_ends_the_exchange() {
        for (line, fault) in [
            (&b"*"[..], Fault::Cancelled),
            (b"**", Fault::Base64),
            (b"AGFubgBn=", Fault::Base64),
            (b"AGFub gBn", Fault::Base64),
            (b"YQ", Fault::Base64),
            (b"\0\xff", Fault::Base64),
        ] {
            let Progress::Challenge(_, exchange) = Exchange::begin(Mechanism::Plain, None) else {
                panic!("no challenge");
            };
            assert_eq!(exchange.respond(line), Progress::Failed(fault));
        }
    }

    #[test]
    fn mechanisms_have_names_in_any_case() {
        assert_eq!(Mechanism::from_name("plain"), Some(Mechanism::Plain));
        assert_eq!(Mechanism::from_name("Login"), Some(Mechanism::Login));
        assert_eq!(Mechanism::from_name("CRAM-MD5"), None);
    }

    #[test]
    fn debug_shows_no_password() {
        assert!(!format!("{:?}", done("ann", "geheim")).contains("geheim"));
    }
}
