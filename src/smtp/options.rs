//! What a session may be told to be. What people configure of it has the names of the configuration's keys.

use serde::{Deserialize, Serialize};

use crate::{
    limits,
    wire::{Tls, sasl::Mechanism, session::StartTls},
};

/// What the sessions of a listener may be told to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The host name in the greeting and in the answer to EHLO.
    pub name: String,
    /// Speak LMTP (RFC 2033): LHLO instead of EHLO, and after a message one reply per recipient.
    pub lmtp: bool,
    /// The bounds of a session.
    pub limits: limits::Options,
    /// What is offered.
    pub extensions: Extensions,
    /// What is asked of clients beyond what is needed to understand them.
    pub strictness: Strictness,
    /// Whether STARTTLS is offered.
    pub starttls: StartTls,
    /// Whether AUTH is offered.
    pub auth: AuthMode,
    /// The mechanisms of AUTH, in the order in which they are told.
    pub auth_mechanisms: Vec<Mechanism>,
    /// Offer AUTH over TLS only.
    pub auth_needs_tls: bool,
    /// Ask [`Ask::Mail`](super::Ask::Mail) and [`Ask::Rcpt`](super::Ask::Rcpt). Off where there is
    /// no policy, so that it costs nothing.
    pub ask_policy: bool,
}

/// The extensions that can be switched, keys of `[smtp]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Extensions {
    /// Offer CHUNKING and BINARYMIME (RFC 3030).
    pub chunking: bool,
    /// Offer DSN (RFC 3461): the parameters are kept, no notification is sent.
    pub dsn: bool,
    /// Offer REQUIRETLS (RFC 8689), over TLS only.
    pub requiretls: bool,
    /// Offer LIMITS (RFC 9422): tells `limits.recipients` and `limits.messages`.
    pub limits: bool,
    /// Offer MT-PRIORITY (RFC 6710): kept with the message, none is sent sooner.
    pub mt_priority: bool,
    /// Offer DELIVERBY (RFC 2852): kept with the message, which need not be delivered.
    pub deliverby: bool,
    /// Offer FUTURERELEASE (RFC 4865): kept with the message, which is not held.
    pub futurerelease: bool,
}

/// What a client is refused or slowed down for, keys of `[smtp]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Strictness {
    /// Refuse addresses that RFC 5321 §4.1.2 does not have (501 5.1.7, 501 5.1.3), and those that are not
    /// ASCII without SMTPUTF8 (553 5.6.7). Off, because a catcher should show what a program sends.
    pub strict_addresses: bool,
    /// Greet so many seconds late, and send away who talks before that (554 5.5.1); 0 is off.
    pub greeting_delay_seconds: u64,
    /// From so many errors on (counted as for `limits.errors`) each further one is answered late.
    pub tarpit_after: u32,
    /// How late, in seconds; 0 is off.
    pub tarpit_seconds: u64,
    /// Refuse messages with a bare CR or LF in their body (550 5.6.0). Off: they are kept as they
    /// are and marked. Either way only CRLF.CRLF ends a body.
    pub refuse_bare_line_ends: bool,
}

/// What a session must know of its peer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Peer {
    /// The connection is encrypted from its first octet on.
    pub tls: Option<Tls>,
    /// Whom the peer may name by XCLIENT.
    pub may_name: MayName,
    /// The peer is one of ours: no AUTH is demanded of it, and it is not slowed down.
    pub is_trusted: bool,
}

/// Whom a peer may name as the client by XCLIENT.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MayName {
    /// Nobody.
    #[default]
    Nobody,
    /// Whom the PROXY protocol named already, and no login: perhaps the client itself speaks. nginx says
    /// both. It is not told that it may.
    Itself,
    /// Anybody, because it is a proxy of ours.
    Anybody,
}

/// Whether AUTH is offered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AuthMode {
    /// No.
    #[default]
    Off,
    /// Yes.
    Offered,
    /// Yes, and MAIL is refused before it (RFC 4954 §6).
    Required,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            name: "localhost".into(),
            lmtp: false,
            limits: limits::Options::default(),
            extensions: Extensions::default(),
            strictness: Strictness::default(),
            starttls: StartTls::default(),
            auth: AuthMode::default(),
            auth_mechanisms: vec![Mechanism::Plain, Mechanism::Login],
            auth_needs_tls: false,
            ask_policy: false,
        }
    }
}

impl Default for Extensions {
    fn default() -> Self {
        Self {
            chunking: true,
            dsn: true,
            requiretls: true,
            limits: true,
            mt_priority: false,
            deliverby: false,
            futurerelease: false,
        }
    }
}

impl Default for Strictness {
    fn default() -> Self {
        Self {
            strict_addresses: false,
            greeting_delay_seconds: 0,
            tarpit_after: 5,
            tarpit_seconds: 0,
            refuse_bare_line_ends: false,
        }
    }
}
