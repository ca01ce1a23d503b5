//! The one-line replies (RFC 1939 §3) and their codes (RFC 2449 §8, RFC 3206).

use std::fmt::Write as _;

/// `-ERR`, and why: perhaps a code that programs understand, then a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure(&'static str);

impl Failure {
    /// Appends the line.
    pub(super) fn write(&self, output: &mut Vec<u8>) {
        say(output, format_args!("-ERR {}", self.0));
    }

    /// The claim is not true, or is looked at no more (RFC 3206 §4).
    pub(super) const LOGIN_FAILED: Self = Self("[AUTH] Authentication failed");
    /// Nothing can be said of it now.
    pub const TRY_AGAIN: Self = Self("[SYS/TEMP] Temporary failure, try again later");
    /// What is stored cannot be read, and will not be.
    pub const DAMAGED: Self = Self("[SYS/PERM] The message is damaged");
    /// Another client deleted it meanwhile.
    pub const GONE: Self = Self("The message was deleted by another client");
    pub(super) const SHUTTING_DOWN: Self = Self("[SYS/TEMP] Service shutting down");
    pub(super) const TOO_MANY_ERRORS: Self = Self("Too many errors, closing connection");
    pub(super) const LINE_TOO_LONG: Self = Self("Line too long");
    pub(super) const BAD_CHARACTERS: Self = Self("Control characters or invalid UTF-8");
    pub(super) const UNKNOWN: Self = Self("Unknown command");
    pub(super) const LOG_IN_FIRST: Self = Self("Log in first");
    pub(super) const LOGGED_IN: Self = Self("Already logged in");
    pub(super) const NO_ARGUMENT: Self = Self("This command takes no argument");
    pub(super) const NEEDS_NAME: Self = Self("A user name is missing");
    pub(super) const BAD_NAME: Self = Self("Not a user name");
    pub(super) const USER_FIRST: Self = Self("Say USER first");
    pub(super) const NEEDS_NUMBER: Self = Self("A message number is missing");
    pub(super) const NEEDS_LINES: Self = Self("Say a message number and a number of lines");
    pub(super) const NOT_A_NUMBER: Self = Self("Not a number");
    pub(super) const NO_MESSAGE: Self = Self("No such message");
    pub(super) const IS_DELETED: Self = Self("The message is marked as deleted");
    pub(super) const NEEDS_TLS: Self = Self("Say STLS first");
    pub(super) const TLS_TWICE: Self = Self("TLS is in use already");
    pub(super) const TLS_INJECTION: Self = Self("Commands behind STLS, closing connection");
    pub(super) const TLS_AFTER_UTF8: Self = Self("STLS comes before UTF8");
    pub(super) const NOT_OFFERED: Self = Self("Not offered here");
    pub(super) const APOP_MALFORMED: Self = Self("Say a name and 32 hexadecimal digits");
    pub(super) const CANCELLED: Self = Self("Authentication cancelled");
    pub(super) const MALFORMED: Self = Self("Not what the mechanism asks for");
    pub(super) const NO_LANGUAGE: Self = Self("There is no such language, only en");
}

/// Appends a line as it is.
pub(super) fn say(output: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    let mut line = String::new();
    // Writing to a string cannot fail.
    let _ = line.write_fmt(text);
    output.extend_from_slice(line.as_bytes());
    output.extend_from_slice(b"\r\n");
}
