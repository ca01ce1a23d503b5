//! What a session may be told to be: every bound has a name, a unit and a reason.

use std::time::Duration;

use crate::wire::{Tls, sasl::Mechanism, session::StartTls};

/// What the sessions of a listener may be told to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The host name in the greeting and in the answer to EHLO.
    pub name: String,
    /// Speak LMTP (RFC 2033): LHLO instead of EHLO, and after a message one reply per recipient.
    pub lmtp: bool,

    /// Largest message, in octets as RFC 1870 §5 counts them: CRLFs too, doubled dots once.
    pub max_message_size: u64,
    /// Most recipients of one message. RFC 5321 §4.5.3.1.8 asks for at least 100.
    pub max_recipients: usize,
    /// Most transactions of one session; 0 is no bound.
    pub max_messages: u32,
    /// Longest command line in octets with CRLF. RFC 5321 §4.5.3.1.4 asks for 512; RFC 4954 §4 finds
    /// 12 288 enough for AUTH.
    pub max_line: usize,
    /// So many of our 5yz answers without a message kept in between end the session. 4yz answers do
    /// not count: a client that was told of too many recipients has done nothing wrong.
    pub max_errors: u32,

    /// Longest silence before the first EHLO or HELO. A shorter wait than later frees the places that
    /// scanners take.
    pub greeting_idle: Duration,
    /// Longest silence between commands (RFC 5321 §4.5.3.2.7 asks for at least 5 minutes).
    pub command_idle: Duration,
    /// Longest silence in the middle of a message (RFC 5321 §4.5.3.2.5 gives clients 3 minutes for a
    /// block).
    pub data_idle: Duration,
    /// Longest session, so that nobody holds a connection with an octet every few minutes.
    pub total: Duration,

    /// Wait so long before the greeting, and send away who cannot wait for it; zero is off.
    pub greeting_delay: Duration,
    /// From so many errors on (counted as for `max_errors`) each further one is answered late.
    pub tarpit_after: u32,
    /// How late; zero is off.
    pub tarpit: Duration,

    /// Whether STARTTLS is offered.
    pub starttls: StartTls,
    /// Whether AUTH is offered.
    pub auth: AuthMode,
    /// The mechanisms of AUTH, in the order in which they are told.
    pub auth_mechanisms: Vec<Mechanism>,
    /// Capabilities AUTH over TLS only.
    pub auth_needs_tls: bool,

    /// Capabilities CHUNKING and BINARYMIME (RFC 3030).
    pub chunking: bool,
    /// Capabilities DSN (RFC 3461): the parameters are kept, no notification is ever sent.
    pub dsn: bool,
    /// Capabilities REQUIRETLS (RFC 8689), over TLS only.
    pub requiretls: bool,
    /// Capabilities LIMITS (RFC 9422): tells `max_recipients` and `max_messages`.
    pub limits: bool,
    /// Capabilities MT-PRIORITY (RFC 6710): kept, no message is sent sooner.
    pub mt_priority: bool,
    /// Capabilities DELIVERBY (RFC 2852): kept, no message has to be delivered.
    pub deliverby: bool,
    /// Capabilities FUTURERELEASE (RFC 4865): kept, no message is held.
    pub futurerelease: bool,

    /// Refuse addresses that RFC 5321 §4.1.2 does not have. Off, because a catcher should show what a
    /// program sends.
    pub strict_addresses: bool,
    /// Refuse messages with a bare CR or LF. Off, because a catcher should show what a program sends;
    /// they are kept as they are, and never end a message.
    pub refuse_bare_line_ends: bool,
    /// Ask [`Ask::Mail`](super::Ask::Mail) and [`Ask::Rcpt`](super::Ask::Rcpt). Off where there is
    /// no policy, so that it costs nothing.
    pub ask_policy: bool,
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
            max_message_size: 50 << 20,
            max_recipients: 1000,
            max_messages: 0,
            max_line: 12_288 + 2,
            max_errors: 50,
            greeting_idle: Duration::from_secs(300),
            command_idle: Duration::from_secs(300),
            data_idle: Duration::from_secs(300),
            total: Duration::from_secs(6 * 3600),
            greeting_delay: Duration::ZERO,
            tarpit_after: 5,
            tarpit: Duration::ZERO,
            starttls: StartTls::default(),
            auth: AuthMode::default(),
            auth_mechanisms: vec![Mechanism::Plain, Mechanism::Login],
            auth_needs_tls: false,
            chunking: true,
            dsn: true,
            requiretls: true,
            limits: true,
            mt_priority: false,
            deliverby: false,
            futurerelease: false,
            strict_addresses: false,
            refuse_bare_line_ends: false,
            ask_policy: false,
        }
    }
}
