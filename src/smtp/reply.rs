//! Replies: a code, an enhanced code (RFC 2034, RFC 3463) and a text, on one line.
//!
//! The usual ones are constants, written without allocating. A text from elsewhere, such as the
//! message of a store, cannot break out of its line. The greeting and the answers to EHLO and HELP
//! have no enhanced code or several lines; `session` and `commands` write these themselves.

use std::{borrow::Cow, fmt, io::Write as _};

/// What the server answers to a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    code: u16,
    enhanced: &'static str,
    text: Cow<'static, str>,
}

impl Reply {
    /// A reply with a fixed text. The code has three digits; the enhanced code is like `4.3.1`, or
    /// empty where RFC 2034 §4 wants none.
    pub const fn new(code: u16, enhanced: &'static str, text: &'static str) -> Self {
        Self { code, enhanced, text: Cow::Borrowed(text) }
    }

    /// A reply with a text made for the occasion. Keep it short: a line has at most 512 octets
    /// (RFC 5321 §4.5.3.1.5).
    pub const fn with_text(code: u16, enhanced: &'static str, text: String) -> Self {
        Self { code, enhanced, text: Cow::Owned(text) }
    }

    /// The code of three digits (RFC 5321 §4.2.1).
    pub const fn code(&self) -> u16 {
        self.code
    }

    /// The enhanced code; empty where there is none.
    pub const fn enhanced(&self) -> &'static str {
        self.enhanced
    }

    /// The text behind the codes.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// True if it says that something was not done: 4yz or 5yz.
    pub const fn is_refusal(&self) -> bool {
        self.code >= 400
    }

    /// Appends the line with its CRLF.
    pub(super) fn write(&self, output: &mut Vec<u8>) {
        for unit in [100, 10, 1] {
            output.push(b'0' + u8::try_from(self.code / unit % 10).unwrap_or_default());
        }
        output.push(b' ');
        if !self.enhanced.is_empty() {
            output.extend_from_slice(self.enhanced.as_bytes());
            output.push(b' ');
        }
        match &self.text {
            Cow::Borrowed(text) => output.extend_from_slice(text.as_bytes()),
            Cow::Owned(text) => write_clean(text, output),
        }
        output.extend_from_slice(b"\r\n");
    }
}

/// `334 SP challenge` (RFC 4954 §4)
pub(super) const fn challenge(text: Cow<'static, str>) -> Reply {
    Reply { code: 334, enhanced: "", text }
}

/// Appends the text as it is.
pub(super) fn append(output: &mut Vec<u8>, text: fmt::Arguments<'_>) {
    // Writing to a vector cannot fail.
    let _ = output.write_fmt(text);
}

/// Appends the text without what could begin another line.
pub(super) fn write_clean(text: &str, output: &mut Vec<u8>) {
    output.extend(text.bytes().map(|octet| if octet.is_ascii_control() { b' ' } else { octet }));
}

/// As it is written, without the line end.
impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let gap = if self.enhanced.is_empty() { "" } else { " " };
        write!(f, "{:03}{gap}{} {}", self.code, self.enhanced, self.text)
    }
}

/// For the driver to refuse with.
impl Reply {
    /// The message is not kept now: something here failed.
    pub const LOCAL_ERROR: Self = Self::new(451, "4.3.0", "Local error, try again later");
    /// The client's network may not connect.
    pub const CLIENT_REJECTED: Self =
        Self::new(554, "5.7.1", "Client host rejected: access denied");
    /// XCLIENT names somebody whom this peer may not name.
    pub const NO_XCLIENT: Self = Self::new(550, "5.7.1", "XCLIENT not permitted from here");
    /// There is no room for the message now.
    pub const INSUFFICIENT_STORAGE: Self =
        Self::new(452, "4.3.1", "Insufficient system storage, try again later");
    /// The server ends. Said by the driver, this closes the connection too.
    pub const SHUTTING_DOWN: Self = Self::new(421, "4.3.2", "Service shutting down");
}

/// What a session says by itself.
impl Reply {
    pub(super) const OK: Self = Self::new(250, "2.0.0", "Ok");
    pub(super) const SENDER_OK: Self = Self::new(250, "2.1.0", "Ok");
    pub(super) const RECIPIENT_OK: Self = Self::new(250, "2.1.5", "Ok");
    pub(super) const BYE: Self = Self::new(221, "2.0.0", "Bye");
    pub(super) const CANNOT_VERIFY: Self =
        Self::new(252, "2.5.0", "Cannot VRFY user, but will accept the message");
    pub(super) const GO_AHEAD: Self = Self::new(354, "", "End data with <CR><LF>.<CR><LF>");
    pub(super) const AUTHENTICATED: Self = Self::new(235, "2.7.0", "Authentication successful");

    pub(super) const READY_FOR_TLS: Self = Self::new(220, "2.0.0", "Ready to start TLS");

    pub(super) const TIMEOUT: Self = Self::new(421, "4.4.2", "Timeout, closing connection");
    pub(super) const TOO_MANY_ERRORS: Self =
        Self::new(421, "4.7.0", "Too many errors, closing connection");
    pub(super) const TOO_MANY_MESSAGES: Self =
        Self::new(421, "4.5.3", "Too many messages in this session");
    pub(super) const TOO_MANY_RECIPIENTS: Self = Self::new(452, "4.5.3", "Too many recipients");
    pub(super) const AUTH_UNAVAILABLE: Self =
        Self::new(454, "4.7.0", "Temporary authentication failure");

    pub(super) const LINE_TOO_LONG: Self = Self::new(500, "5.5.2", "Line too long");
    pub(super) const AUTH_LINE_TOO_LONG: Self =
        Self::new(500, "5.5.6", "Authentication exchange line is too long");
    pub(super) const BAD_CHARACTERS: Self =
        Self::new(500, "5.5.2", "Command contains control characters or is not UTF-8");
    pub(super) const UNKNOWN_COMMAND: Self = Self::new(500, "5.5.2", "Command not recognized");
    pub(super) const NO_ARGUMENTS: Self = Self::new(501, "5.5.4", "Command takes no arguments");
    pub(super) const ARGUMENT_MISSING: Self = Self::new(501, "5.5.4", "Command needs an argument");
    pub(super) const BAD_HELO: Self = Self::new(501, "5.5.4", "Host name missing or too long");
    pub(super) const MAIL_SYNTAX: Self = Self::new(501, "5.5.4", "Syntax: MAIL FROM:<address>");
    pub(super) const RCPT_SYNTAX: Self = Self::new(501, "5.5.4", "Syntax: RCPT TO:<address>");
    pub(super) const AUTH_SYNTAX: Self =
        Self::new(501, "5.5.4", "Syntax: AUTH mechanism [initial-response]");
    pub(super) const BDAT_SYNTAX: Self =
        Self::new(501, "5.5.4", "Syntax: BDAT size [LAST], closing connection");
    pub(super) const XCLIENT_SYNTAX: Self = Self::new(501, "5.5.4", "Bad XCLIENT attribute");
    pub(super) const XCLIENT_TWICE: Self = Self::new(501, "5.5.4", "XCLIENT attribute given twice");
    pub(super) const BAD_SENDER: Self = Self::new(501, "5.1.7", "Bad sender address syntax");
    pub(super) const BAD_RECIPIENT: Self = Self::new(501, "5.1.3", "Bad recipient address syntax");
    pub(super) const BAD_PARAMETER: Self = Self::new(501, "5.5.4", "Bad parameter value");
    pub(super) const DUPLICATE_PARAMETER: Self = Self::new(501, "5.5.4", "Parameter given twice");
    pub(super) const UNKNOWN_PARAMETER: Self =
        Self::new(555, "5.5.4", "Parameter not recognized or not implemented");
    pub(super) const NOT_IMPLEMENTED: Self = Self::new(502, "5.5.1", "Command not implemented");

    pub(super) const THIS_IS_LMTP: Self = Self::new(500, "5.5.1", "This is LMTP: send LHLO");
    pub(super) const THIS_IS_SMTP: Self = Self::new(500, "5.5.1", "This is SMTP: send EHLO");

    pub(super) const HELO_FIRST: Self = Self::new(503, "5.5.1", "Send EHLO first");
    pub(super) const NESTED_MAIL: Self = Self::new(503, "5.5.1", "Nested MAIL command");
    pub(super) const LHLO_FIRST: Self = Self::new(503, "5.5.1", "Send LHLO first");
    pub(super) const MAIL_FIRST: Self = Self::new(503, "5.5.1", "Send MAIL first");
    pub(super) const RCPT_FIRST: Self = Self::new(503, "5.5.1", "Send RCPT first");
    pub(super) const NO_VALID_RECIPIENTS: Self = Self::new(554, "5.5.1", "No valid recipients");
    pub(super) const NO_VALID_RECIPIENTS_LMTP: Self =
        Self::new(503, "5.5.1", "No valid recipients");
    pub(super) const DATA_AMID_BDAT: Self =
        Self::new(503, "5.5.1", "DATA not permitted after BDAT");
    pub(super) const RCPT_AMID_BDAT: Self =
        Self::new(503, "5.5.1", "RCPT not permitted after BDAT");
    pub(super) const BINARY_NEEDS_BDAT: Self =
        Self::new(503, "5.5.1", "BODY=BINARYMIME needs BDAT");
    pub(super) const TLS_TWICE: Self = Self::new(503, "5.5.1", "TLS already active");
    pub(super) const TLS_IN_TRANSACTION: Self =
        Self::new(503, "5.5.1", "STARTTLS not permitted during a mail transaction");
    pub(super) const TLS_INJECTION: Self =
        Self::new(554, "5.5.1", "Octets behind STARTTLS, closing connection");
    pub(super) const XCLIENT_IN_TRANSACTION: Self =
        Self::new(503, "5.5.1", "XCLIENT not permitted during a mail transaction");
    pub(super) const NO_XCLIENT_LOGIN: Self =
        Self::new(550, "5.7.1", "XCLIENT LOGIN not permitted behind the PROXY protocol");
    pub(super) const NEEDS_SMTPUTF8: Self =
        Self::new(553, "5.6.7", "Non-ASCII address without SMTPUTF8");
    pub(super) const TOO_LARGE: Self =
        Self::new(552, "5.3.4", "Message is larger than the maximum size");
    pub(super) const BARE_LINE_ENDS: Self =
        Self::new(550, "5.6.0", "Message contains a bare CR or LF");
    pub(super) const TALKED_EARLY: Self = Self::new(554, "5.5.1", "You talked before the greeting");
    pub(super) const NOT_HTTP: Self = Self::new(554, "5.5.1", "This is SMTP, not HTTP");

    pub(super) const TLS_REQUIRED: Self =
        Self::new(530, "5.7.0", "Must issue a STARTTLS command first");
    pub(super) const AUTH_NEEDS_TLS: Self =
        Self::new(538, "5.7.11", "Encryption required for authentication");
    pub(super) const AUTH_REQUIRED: Self = Self::new(530, "5.7.0", "Authentication required");
    pub(super) const AUTH_TWICE: Self = Self::new(503, "5.5.1", "Already authenticated");
    pub(super) const AUTH_IN_TRANSACTION: Self =
        Self::new(503, "5.5.1", "AUTH not permitted during a mail transaction");
    pub(super) const UNKNOWN_MECHANISM: Self =
        Self::new(504, "5.5.4", "Authentication mechanism not supported");
    pub(super) const AUTH_NO_INITIAL: Self =
        Self::new(501, "5.5.4", "Mechanism takes no initial response");
    pub(super) const AUTH_CANCELLED: Self = Self::new(501, "5.7.0", "Authentication cancelled");
    pub(super) const AUTH_MALFORMED: Self =
        Self::new(501, "5.5.2", "Cannot decode authentication response");
    pub(super) const AUTH_REFUSED: Self =
        Self::new(535, "5.7.8", "Authentication credentials invalid");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(reply: &Reply) -> String {
        let mut output = Vec::new();
        reply.write(&mut output);
        String::from_utf8(output).unwrap()
    }

    #[test]
    fn a_reply_is_one_line() {
        assert_eq!(written(&Reply::SENDER_OK), "250 2.1.0 Ok\r\n");
        assert_eq!(written(&Reply::GO_AHEAD), "354 End data with <CR><LF>.<CR><LF>\r\n");
        let nasty = Reply::with_text(451, "4.3.0", "no\r\n250 2.0.0 Ok\0ä".into());
        assert_eq!(written(&nasty), "451 4.3.0 no  250 2.0.0 Ok ä\r\n");
    }

    #[test]
    fn the_log_shows_what_was_written() {
        assert_eq!(Reply::SENDER_OK.to_string(), "250 2.1.0 Ok");
        assert_eq!(Reply::GO_AHEAD.to_string(), "354 End data with <CR><LF>.<CR><LF>");
    }
}
