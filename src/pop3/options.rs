//! What a session is told to be.

use crate::{
    limits,
    seconds::Seconds,
    wire::{sasl::Mechanism, session::StartTls},
};

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
    /// The bounds of a session: `greeting_seconds` is the longest silence before the login.
    pub limits: limits::Options,
    /// Longest silence after it; RFC 1939 §3 asks for 10 minutes at least.
    pub idle_seconds: Seconds,
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
            limits: limits::Options::default(),
            idle_seconds: Seconds::new(600),
        }
    }
}
