//! The one-line replies (RFC 1939 §3) and their codes (RFC 2449 §8, RFC 3206).

use std::fmt::Write as _;

/// `-ERR`, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure {
    /// A code that programs understand, such as `SYS/TEMP`; empty for none.
    code: &'static str,
    text: &'static str,
}

impl Failure {
    /// A failure whose text says it all.
    pub const fn new(text: &'static str) -> Self {
        Self::with_code("", text)
    }

    /// A failure with a response code.
    pub const fn with_code(code: &'static str, text: &'static str) -> Self {
        Self { code, text }
    }

    /// Appends the line.
    pub(super) fn write(&self, output: &mut Vec<u8>) {
        output.extend_from_slice(b"-ERR ");
        if !self.code.is_empty() {
            output.extend_from_slice(format!("[{}] ", self.code).as_bytes());
        }
        output.extend_from_slice(self.text.as_bytes());
        output.extend_from_slice(b"\r\n");
    }

    /// The claim is not true, or is looked at no more (RFC 3206 §4).
    pub(super) const LOGIN_FAILED: Self = Self::with_code("AUTH", "Authentication failed");
    /// Nothing can be said of it now.
    pub const TRY_AGAIN: Self = Self::with_code("SYS/TEMP", "Temporary failure, try again later");
    /// What is stored cannot be read, and will not be.
    pub const DAMAGED: Self = Self::with_code("SYS/PERM", "The message is damaged");
    /// Another client deleted it meanwhile.
    pub const GONE: Self = Self::new("The message was deleted by another client");
    pub(super) const SHUTTING_DOWN: Self = Self::with_code("SYS/TEMP", "Service shutting down");
    pub(super) const TOO_MANY_ERRORS: Self = Self::new("Too many errors, closing connection");
    pub(super) const LINE_TOO_LONG: Self = Self::new("Line too long");
    pub(super) const BAD_CHARACTERS: Self = Self::new("Control characters or invalid UTF-8");
    pub(super) const UNKNOWN: Self = Self::new("Unknown command");
    pub(super) const LOG_IN_FIRST: Self = Self::new("Log in first");
    pub(super) const LOGGED_IN: Self = Self::new("Already logged in");
    pub(super) const NO_ARGUMENT: Self = Self::new("This command takes no argument");
    pub(super) const NEEDS_NAME: Self = Self::new("A user name is missing");
    pub(super) const BAD_NAME: Self = Self::new("Not a user name");
    pub(super) const USER_FIRST: Self = Self::new("Say USER first");
    pub(super) const NEEDS_NUMBER: Self = Self::new("A message number is missing");
    pub(super) const NEEDS_LINES: Self = Self::new("Say a message number and a number of lines");
    pub(super) const NOT_A_NUMBER: Self = Self::new("Not a number");
    pub(super) const NO_MESSAGE: Self = Self::new("No such message");
    pub(super) const IS_DELETED: Self = Self::new("The message is marked as deleted");
    pub(super) const NEEDS_TLS: Self = Self::new("Say STLS first");
    pub(super) const TLS_TWICE: Self = Self::new("TLS is in use already");
    pub(super) const TLS_INJECTION: Self = Self::new("Commands behind STLS, closing connection");
    pub(super) const TLS_AFTER_UTF8: Self = Self::new("STLS comes before UTF8");
    pub(super) const NOT_OFFERED: Self = Self::new("Not offered here");
    pub(super) const APOP_MALFORMED: Self = Self::new("Say a name and 32 hexadecimal digits");
    pub(super) const CANCELLED: Self = Self::new("Authentication cancelled");
    pub(super) const MALFORMED: Self = Self::new("Not what the mechanism asks for");
    pub(super) const NO_LANGUAGE: Self = Self::new("There is no such language, only en");
}

/// Appends a line as it is.
pub(super) fn say(output: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    let mut line = String::new();
    // Writing to a string cannot fail.
    let _ = line.write_fmt(text);
    output.extend_from_slice(line.as_bytes());
    output.extend_from_slice(b"\r\n");
}
