//! PURE: `[limits]`, the bounds of what a stranger can make grow, as sessions and servers are given them.

use serde::{Deserialize, Serialize};

use crate::seconds::Seconds;

/// Each bound has a named answer, given beside it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// Largest message, in octets. A larger one is read to its end and refused: 552 5.3.4. The
    /// default is that of smtpd's predecessor.
    pub message_size: u64,
    /// Most recipients of one message; more are answered 452 4.5.3. RFC 5321 §4.5.3.1.8 asks for 100.
    pub recipients: usize,
    /// Most messages of one session; then 421 4.5.3. 0 is no bound.
    pub messages: u32,
    /// Longest command line, in octets with CRLF; a longer one is answered 500 5.5.2. RFC 5321
    /// §4.5.3.1.4 asks for 512, RFC 4954 §4 finds 12,288 enough for AUTH.
    pub command_line: usize,
    /// Most SMTP connections at a time; one more is answered 421 4.7.0.
    pub connections: usize,
    /// Longest silence of a client before its first EHLO or HELO, in seconds; then 421 4.4.2.
    pub greeting_seconds: Seconds,
    /// Longest silence between commands, in seconds; then 421 4.4.2. RFC 5321 §4.5.3.2.7 asks for 5
    /// minutes.
    pub idle_seconds: Seconds,
    /// Longest silence in the middle of a message, in seconds; then 421 4.4.2.
    pub data_seconds: Seconds,
    /// Longest SMTP session, in seconds; then 421 4.4.2, so that a client that sends an octet a
    /// minute does not stay for ever.
    pub session_seconds: Seconds,
    /// Most refused commands in a session; then 421 4.7.0.
    pub errors: u32,
    /// Most HTTP connections at a time; one more is closed at once.
    pub http_connections: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            message_size: 20_480_000,
            recipients: 100,
            messages: 0,
            command_line: 12_288 + 2,
            connections: 500,
            greeting_seconds: Seconds::new(300),
            idle_seconds: Seconds::new(300),
            data_seconds: Seconds::new(300),
            session_seconds: Seconds::new(3_600),
            errors: 50,
            http_connections: 1_000,
        }
    }
}
