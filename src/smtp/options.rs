//! What a session may be told to be: every bound has a name, a unit and a reason.

use std::time::Duration;

/// What a session may be told to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The host name in the greeting and in the answer to EHLO.
    pub name: String,
    /// Largest message, in octets as RFC 1870 §5 counts them: CRLFs too, doubled dots once.
    pub max_message_size: u64,
    /// Most recipients of one message. RFC 5321 §4.5.3.1.8 asks for at least 100.
    pub max_recipients: usize,
    /// Longest command line in octets with CRLF. RFC 5321 §4.5.3.1.4 asks for 512; RFC 4954 §4 finds
    /// 12 288 enough for AUTH.
    pub max_line: usize,
    /// So many of our 5yz answers without a message kept in between end the session. 4yz answers do
    /// not count: a client that was told of too many recipients has done nothing wrong.
    pub max_errors: u32,
    /// Longest silence of the peer (RFC 5321 §4.5.3.2.7 asks for at least 5 minutes).
    pub idle: Duration,
    /// Longest session, so that nobody holds a connection with an octet every few minutes.
    pub total: Duration,
    /// Whether AUTH is offered.
    pub auth: AuthMode,
    /// Refuse messages with a bare CR or LF. Off, because a catcher should show what a program sends;
    /// they are kept as they are, and never end a message.
    pub refuse_bare_line_ends: bool,
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
            max_message_size: 50 << 20,
            max_recipients: 1000,
            max_line: 12_288 + 2,
            max_errors: 50,
            idle: Duration::from_secs(300),
            total: Duration::from_secs(6 * 3600),
            auth: AuthMode::default(),
            refuse_bare_line_ends: false,
        }
    }
}
