//! SASL as the mail protocols use it (RFC 4422, RFC 4954): machines without I/O.
//!
//! PLAIN (RFC 4616), LOGIN, which no RFC defines but every client speaks, CRAM-MD5, SCRAM-SHA-256,
//! OAUTHBEARER, XOAUTH2 and EXTERNAL. A machine takes the lines of the client in base64 and ends with
//! a [`Claim`]; whether that is good is not known here. SCRAM alone checks its proof itself, with keys
//! that it is given. What nobody may guess is asked for, too: there is no randomness here.

mod cram;
mod gs2;
mod oauth;
mod scram;

use std::borrow::Cow;

use data_encoding::BASE64;

pub use self::{
    cram::{apop, challenge as timestamp, cram_md5},
    scram::ScramKeys,
};
use crate::secret::Secret;

/// A user name and a password that somebody claims.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// The authentication identity (RFC 4616 authcid).
    pub user: String,
    /// The password.
    pub password: Secret<String>,
}

/// What came of a login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The claim is good.
    Accepted,
    /// It is not.
    Refused,
    /// This cannot be said now.
    Unavailable,
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
    /// APOP (RFC 1939 §7).
    Apop {
        /// The user.
        user: String,
        /// That of the greeting.
        timestamp: String,
        /// MD5 of the timestamp and the password.
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
            | Self::CramMd5 { user, .. }
            | Self::Apop { user, .. } => user,
            Self::External { authzid } => authzid,
        }
    }

    /// The user name, where a certificate may say it: EXTERNAL without an identity is whoever that names.
    pub fn user_or<'a>(&'a self, certified: Option<&'a str>) -> &'a str {
        match self {
            Self::External { authzid } if authzid.is_empty() => certified.unwrap_or_default(),
            other => other.user(),
        }
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

/// Octets that nobody can guess, new for each exchange.
pub type Nonce = [u8; 18];

/// The server's half of an exchange.
#[derive(Debug, PartialEq, Eq)]
pub struct Exchange {
    mechanism: Mechanism,
    awaiting: Awaiting,
}

#[derive(Debug, PartialEq, Eq)]
enum Awaiting {
    /// The only message of the client, or its first.
    Message,
    LoginPassword {
        user: String,
    },
    CramNonce,
    CramAnswer {
        challenge: String,
    },
    ScramKeys(Box<scram::First>),
    ScramNonce(Box<(scram::First, ScramKeys)>),
    ScramProof(Box<scram::Asked>),
    /// SCRAM: the client has seen our signature.
    ScramConsent {
        user: String,
    },
    /// The client has seen why its token was refused.
    Resignation,
}

/// Where an exchange stands after the client's words.
#[derive(Debug, PartialEq, Eq)]
pub enum Progress {
    /// Send this challenge, in base64 already, and give the answer to [`Exchange::respond`].
    Challenge(Cow<'static, str>, Exchange),
    /// Give random octets to [`Exchange::nonce`].
    Nonce(Exchange),
    /// Give the keys of this user to [`Exchange::keys`].
    Secrets(String, Exchange),
    /// The client has said all: is it true?
    Claimed(Claim),
    /// The client has proved to be this user.
    Proven(String),
    /// It ended without a claim.
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
    /// An initial response, where the server speaks first (RFC 4954 §4).
    NoInitial,
    /// The proof is wrong, or the token was refused.
    Refused,
}

impl Mechanism {
    /// All that we know, the strongest first.
    pub const ALL: [Self; 7] = [
        Self::External,
        Self::ScramSha256,
        Self::OauthBearer,
        Self::Xoauth2,
        Self::CramMd5,
        Self::Plain,
        Self::Login,
    ];

    /// As it is registered.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::Login => "LOGIN",
            Self::CramMd5 => "CRAM-MD5",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::Xoauth2 => "XOAUTH2",
            Self::OauthBearer => "OAUTHBEARER",
            Self::External => "EXTERNAL",
        }
    }

    /// The mechanism of that name, in any case.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| name.eq_ignore_ascii_case(it.name()))
    }
}

impl Exchange {
    /// Begins, with the client's initial response if it came along; `=` is an empty one (RFC 4954 §4).
    pub fn begin(mechanism: Mechanism, initial: Option<&str>) -> Progress {
        if mechanism == Mechanism::CramMd5 {
            return match initial {
                Some(_) => Progress::Failed(Fault::NoInitial),
                None => Progress::Nonce(Self { mechanism, awaiting: Awaiting::CramNonce }),
            };
        }
        let exchange = Self { mechanism, awaiting: Awaiting::Message };
        match initial {
            Some("=") => exchange.message(""),
            Some(response) => match decode(response.as_bytes()) {
                Ok(message) => exchange.message(&message),
                Err(fault) => Progress::Failed(fault),
            },
            // Username:
            None if mechanism == Mechanism::Login => exchange.challenge("VXNlcm5hbWU6"),
            None => exchange.challenge(""),
        }
    }

    /// Takes the client's line, without its line end.
    pub fn respond(self, line: &[u8]) -> Progress {
        match self.awaiting {
            // Whatever the client says: its token was refused before.
            Awaiting::Resignation => Progress::Failed(Fault::Refused),
            _ if line == b"*" => Progress::Failed(Fault::Cancelled),
            _ => match decode(line) {
                Ok(message) => self.message(&message),
                Err(fault) => Progress::Failed(fault),
            },
        }
    }

    /// Answers [`Progress::Nonce`]; `name` is that of the server.
    pub fn nonce(self, nonce: Nonce, name: &str) -> Progress {
        let (text, awaiting) = match self.awaiting {
            Awaiting::CramNonce => {
                let challenge = cram::challenge(&nonce, name);
                (challenge.clone(), Awaiting::CramAnswer { challenge })
            }
            Awaiting::ScramNonce(known) => {
                let (first, keys) = *known;
                let (question, asked) = first.ask(keys, &nonce);
                (question, Awaiting::ScramProof(Box::new(asked)))
            }
            _ => return Progress::Failed(Fault::Malformed),
        };
        Self { awaiting, ..self }.challenge(BASE64.encode(text.as_bytes()))
    }

    /// Answers [`Progress::Secrets`]; no keys mean that there is no such user.
    pub fn keys(self, keys: Option<ScramKeys>) -> Progress {
        match (self.awaiting, keys) {
            (Awaiting::ScramKeys(first), Some(keys)) => Progress::Nonce(Self {
                mechanism: self.mechanism,
                awaiting: Awaiting::ScramNonce(Box::new((*first, keys))),
            }),
            _ => Progress::Failed(Fault::Refused),
        }
    }

    /// After the claim to a token was refused: the client is told why, and whatever it answers to that
    /// ends the exchange (RFC 7628 §3.2.3).
    pub fn token_refused() -> Progress {
        Self { mechanism: Mechanism::OauthBearer, awaiting: Awaiting::Resignation }
            .challenge(oauth::REFUSAL)
    }

    fn message(self, message: &str) -> Progress {
        let mechanism = self.mechanism;
        let claim = match (self.awaiting, mechanism) {
            (Awaiting::Message, Mechanism::Plain) => plain(message),
            (Awaiting::Message, Mechanism::Xoauth2) => oauth::xoauth2(message),
            (Awaiting::Message, Mechanism::OauthBearer) => oauth::oauthbearer(message),
            (Awaiting::Message, Mechanism::External) => external(message),
            (Awaiting::Message, Mechanism::Login) if !message.is_empty() => {
                let awaiting = Awaiting::LoginPassword { user: message.to_owned() };
                // Password:
                return Self { mechanism, awaiting }.challenge("UGFzc3dvcmQ6");
            }
            (Awaiting::LoginPassword { user }, _) => Ok(password(&user, message)),
            (Awaiting::CramAnswer { challenge }, _) => cram::claim(challenge, message),
            (Awaiting::Message, Mechanism::ScramSha256) => match scram::First::read(message) {
                Ok(first) if !is_name(&first.user) => Err(Fault::Malformed),
                Ok(first) => {
                    let user = first.user.clone();
                    let awaiting = Awaiting::ScramKeys(Box::new(first));
                    return Progress::Secrets(user, Self { mechanism, awaiting });
                }
                Err(fault) => Err(fault),
            },
            (Awaiting::ScramProof(asked), _) => match asked.check(message) {
                Ok(signature) => {
                    let awaiting = Awaiting::ScramConsent { user: asked.user };
                    let signature = BASE64.encode(signature.as_bytes());
                    return Self { mechanism, awaiting }.challenge(signature);
                }
                Err(fault) => Err(fault),
            },
            (Awaiting::ScramConsent { user }, _) if message.is_empty() => {
                return Progress::Proven(user);
            }
            _ => Err(Fault::Malformed),
        };
        match claim {
            Ok(claim) if is_name(claim.user()) => Progress::Claimed(claim),
            Ok(_) => Progress::Failed(Fault::Malformed),
            Err(fault) => Progress::Failed(fault),
        }
    }

    fn challenge(self, text: impl Into<Cow<'static, str>>) -> Progress {
        Progress::Challenge(text.into(), self)
    }
}

/// Whether this may be the name of a user.
///
/// Control characters are no part of a name (RFC 4013 §2.3), and where any name is good it is kept and
/// shown.
pub fn is_name(user: &str) -> bool {
    !user.contains(char::is_control)
}

fn password(user: &str, password: &str) -> Claim {
    let password = Secret::new(password.to_owned());
    Claim::Password(Credentials { user: user.to_owned(), password })
}

/// The message is the authzid, or nothing (RFC 4422 appendix A.1).
fn external(message: &str) -> Result<Claim, Fault> {
    if message.contains('\0') {
        return Err(Fault::Malformed);
    }
    Ok(Claim::External { authzid: message.to_owned() })
}

/// `message = [authzid] UTF8NUL authcid UTF8NUL passwd` (RFC 4616 §2). An empty password is let
/// through: whoever checks it will refuse it, and whoever accepts any wants no surprises.
fn plain(message: &str) -> Result<Claim, Fault> {
    let mut fields = message.split('\0');
    let (Some(authzid), Some(user), Some(secret), None) =
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
    Ok(password(user, secret))
}

fn decode(line: &[u8]) -> Result<String, Fault> {
    let octets = BASE64.decode(line).map_err(|_| Fault::Base64)?;
    String::from_utf8(octets).map_err(|_| Fault::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn done(user: &str, secret: &str) -> Progress {
        Progress::Claimed(password(user, secret))
    }

    /// The exchange behind a challenge.
    fn asked(progress: Progress, text: &str) -> Exchange {
        match progress {
            Progress::Challenge(challenge, exchange) if challenge == text => exchange,
            other => panic!("not the challenge {text:?}: {other:?}"),
        }
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
            let exchange = asked(Exchange::begin(Mechanism::Plain, None), "");
            assert_eq!(exchange.respond(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn login_asks_for_user_and_password() {
        let user = asked(Exchange::begin(Mechanism::Login, None), "VXNlcm5hbWU6");
        let password = asked(user.respond(b"YW5u"), "UGFzc3dvcmQ6");
        assert_eq!(password.respond(b"Z2VoZWlt"), done("ann", "geheim"));
        asked(Exchange::begin(Mechanism::Login, Some("YW5u")), "UGFzc3dvcmQ6");
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
            let exchange = asked(Exchange::begin(Mechanism::Plain, None), "");
            assert_eq!(exchange.respond(line), Progress::Failed(fault));
        }
    }

    #[test]
    fn mechanisms_have_names_in_any_case() {
        assert_eq!(Mechanism::from_name("plain"), Some(Mechanism::Plain));
        assert_eq!(Mechanism::from_name("Login"), Some(Mechanism::Login));
        assert_eq!(Mechanism::from_name("SCRAM-SHA-256-PLUS"), None);
        for mechanism in Mechanism::ALL {
            assert_eq!(Mechanism::from_name(mechanism.name()), Some(mechanism));
        }
    }

    #[test]
    fn debug_shows_no_password() {
        assert!(!format!("{:?}", done("ann", "geheim")).contains("geheim"));
    }

    #[test]
    fn cram_asks_for_a_nonce_and_takes_no_initial_response() {
        let with_initial = Exchange::begin(Mechanism::CramMd5, Some("YW5u"));
        assert_eq!(with_initial, Progress::Failed(Fault::NoInitial));
        let Progress::Nonce(exchange) = Exchange::begin(Mechanism::CramMd5, None) else {
            panic!("no nonce was asked for");
        };
        let challenge = "<AAAAAAAAAAAAAAAAAAAAAAAA@mx.test>";
        let exchange =
            asked(exchange.nonce([0; 18], "mx.test"), &BASE64.encode(challenge.as_bytes()));
        let digest = cram_md5("geheim", challenge);
        let answer = format!("ann {}", data_encoding::HEXLOWER.encode(&digest));
        let claim = Claim::CramMd5 { user: "ann".into(), challenge: challenge.into(), digest };
        let answer = BASE64.encode(answer.as_bytes());
        assert_eq!(exchange.respond(answer.as_bytes()), Progress::Claimed(claim));
    }

    #[test]
    fn scram_is_secrets_nonce_proof_and_consent() {
        let first = BASE64.encode(b"n,,n=ann,r=abc");
        let begin = || match Exchange::begin(Mechanism::ScramSha256, Some(&first)) {
            Progress::Secrets(user, exchange) if user == "ann" => exchange,
            other => panic!("{other:?}"),
        };
        assert_eq!(begin().keys(None), Progress::Failed(Fault::Refused));
        let keys = ScramKeys::derive("geheim", b"salt", 1);
        let Progress::Nonce(exchange) = begin().keys(Some(keys)) else { panic!("no nonce") };
        let question = "r=abcAAAAAAAAAAAAAAAAAAAAAAAA,s=c2FsdA==,i=1";
        let exchange =
            asked(exchange.nonce([0; 18], "mx.test"), &BASE64.encode(question.as_bytes()));
        let wrong = BASE64.encode(&[0; 32]);
        let answer = format!("c=biws,r=abcAAAAAAAAAAAAAAAAAAAAAAAA,p={wrong}");
        let answer = BASE64.encode(answer.as_bytes());
        assert_eq!(exchange.respond(answer.as_bytes()), Progress::Failed(Fault::Refused));
    }

    #[test]
    fn a_refused_token_is_told_why_before_it_is_refused() {
        for line in [&b""[..], b"*", b"AQ==", b"\xff"] {
            let exchange = asked(Exchange::token_refused(), oauth::REFUSAL);
            assert_eq!(exchange.respond(line), Progress::Failed(Fault::Refused));
        }
    }

    #[test]
    fn external_takes_an_identity_or_none() {
        for (initial, authzid) in [("=", ""), ("YW5u", "ann")] {
            let claim = Claim::External { authzid: authzid.into() };
            let progress = Exchange::begin(Mechanism::External, Some(initial));
            assert_eq!(progress, Progress::Claimed(claim));
        }
        let nul = Exchange::begin(Mechanism::External, Some("AA=="));
        assert_eq!(nul, Progress::Failed(Fault::Malformed));
    }
}
