//! What a session is told to be, and what it tells at its end.

use std::time::Duration;

use crate::wire::{sasl::Mechanism, session::StartTls};

/// How a session behaves.
#[derive(Clone, Debug)]
pub struct Options {
    /// The name in the greeting.
    pub name: String,
    /// Offer APOP; the greeting of a session that was given a nonce then has a timestamp.
    pub apop: bool,
    /// The mechanisms that AUTH offers. With PLAIN or LOGIN among them, USER and PASS are offered, too.
    pub mechanisms: Vec<Mechanism>,
    /// Whether STLS is offered.
    pub stls: StartTls,
    /// Logins are refused without TLS.
    pub login_needs_tls: bool,
    /// Messages stay until somebody deletes them (`EXPIRE NEVER`, RFC 2449 §6.7).
    pub is_kept: bool,
    /// Longest line of a client, in octets with its line end.
    pub max_line: usize,
    /// Most refused commands; then the session ends.
    pub max_errors: u32,
    /// Longest silence before the login.
    pub login_idle: Duration,
    /// Longest silence after it; RFC 1939 §3 asks for 10 minutes at least.
    pub idle: Duration,
    /// Longest session.
    pub total: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            name: "localhost".into(),
            apop: false,
            mechanisms: vec![Mechanism::Plain],
            stls: StartTls::Off,
            login_needs_tls: false,
            is_kept: true,
            max_line: 12_290,
            max_errors: 50,
            login_idle: Duration::from_secs(60),
            idle: Duration::from_secs(600),
            total: Duration::from_secs(3_600),
        }
    }
}

/// A session so far, for a line in a log. Holds nothing that a client said but a user name that was accepted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Log<'a> {
    /// Who logged in.
    pub user: Option<&'a str>,
    /// Messages sent whole.
    pub retrieved: u64,
    /// Octets of messages that were sent, those of TOP as well.
    pub octets: u64,
    /// Messages deleted at the end.
    pub deleted: u64,
    /// Commands that were answered with -ERR.
    pub refused: u64,
}
