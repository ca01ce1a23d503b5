//! What a session offers, and the answer to EHLO that tells it (RFC 5321 §4.1.1.1).
//!
//! Whether a command or a parameter is taken is decided by the same words, so that what is not told
//! does not work, and what is told does.

use super::{AuthMode, Options, Reply, StartTls, reply::append};
use crate::wire::{Tls, sasl::Mechanism};

/// The extensions of a session as it stands.
#[derive(Clone, Copy)]
pub(super) struct Capabilities<'a> {
    pub(super) options: &'a Options,
    pub(super) tls: Option<&'a Tls>,
    pub(super) may_xclient: bool,
}

impl Capabilities<'_> {
    pub(super) fn starttls(self) -> bool {
        self.options.starttls != StartTls::Off && self.tls.is_none()
    }

    /// Nothing but the way to TLS is open (RFC 3207 §4).
    pub(super) fn needs_starttls(self) -> bool {
        self.options.starttls == StartTls::Required && self.tls.is_none()
    }

    pub(super) fn requiretls(self) -> bool {
        self.options.extensions.requiretls && self.tls.is_some()
    }

    pub(super) fn mechanism(self, mechanism: Mechanism) -> bool {
        self.mechanisms().any(|it| it == mechanism)
    }

    /// AUTH is there, but not without TLS.
    pub(super) fn auth_needs_tls(self) -> bool {
        self.options.auth_needs_tls && self.tls.is_none()
    }

    fn mechanisms(self) -> impl Iterator<Item = Mechanism> {
        let has_certificate = self.tls.is_some_and(|tls| tls.client_certificate.is_some());
        let may_auth =
            self.options.auth != AuthMode::Off && !self.auth_needs_tls() && !self.needs_starttls();
        self.options
            .auth_mechanisms
            .iter()
            .copied()
            .filter(move |&it| may_auth && (it != Mechanism::External || has_certificate))
    }

    /// The answer to HELP: the commands that can be said here.
    pub(super) fn help(self) -> Reply {
        let commands = [
            ("EHLO", !self.options.lmtp),
            ("HELO", !self.options.lmtp),
            ("LHLO", self.options.lmtp),
            ("MAIL", true),
            ("RCPT", true),
            ("DATA", true),
            ("BDAT", self.options.extensions.chunking),
            ("RSET", true),
            ("NOOP", true),
            ("QUIT", true),
            ("HELP", true),
            ("VRFY", true),
            ("AUTH", self.mechanisms().next().is_some()),
            ("STARTTLS", self.starttls()),
            ("XCLIENT", self.may_xclient),
        ];
        let offered = commands.into_iter().filter(|(_, is_offered)| *is_offered);
        let names: Vec<_> = offered.map(|(name, _)| name).collect();
        Reply::with_text(214, "2.0.0", format!("Commands: {}", names.join(" ")))
    }

    /// Appends the answer to EHLO or LHLO.
    pub(super) fn write(self, output: &mut Vec<u8>) {
        let options = self.options;
        output.extend_from_slice(b"250-");
        super::reply::write_clean(&options.name, output);
        let size = options.limits.message_size;
        append(output, format_args!("\r\n250-PIPELINING\r\n250-SIZE {size}\r\n"));
        output.extend_from_slice(b"250-8BITMIME\r\n250-SMTPUTF8\r\n250-ENHANCEDSTATUSCODES\r\n");
        if self.mechanisms().next().is_some() {
            output.extend_from_slice(b"250-AUTH");
            for mechanism in self.mechanisms() {
                output.push(b' ');
                output.extend_from_slice(mechanism.name().as_bytes());
            }
            output.extend_from_slice(b"\r\n");
        }
        if options.extensions.limits {
            output.extend_from_slice(b"250-LIMITS");
            if options.limits.messages > 0 {
                append(output, format_args!(" MAILMAX={}", options.limits.messages));
            }
            append(output, format_args!(" RCPTMAX={}\r\n", options.limits.recipients));
        }
        let switched: [(bool, &[u8]); 8] = [
            (self.starttls(), b"250-STARTTLS\r\n"),
            (options.extensions.dsn, b"250-DSN\r\n"),
            (options.extensions.chunking, b"250-CHUNKING\r\n250-BINARYMIME\r\n"),
            (self.requiretls(), b"250-REQUIRETLS\r\n"),
            (options.extensions.mt_priority, b"250-MT-PRIORITY\r\n"),
            (options.extensions.deliverby, b"250-DELIVERBY\r\n"),
            // The longest that the syntax can say (RFC 4865 §4): nothing is held here.
            (
                options.extensions.futurerelease,
                b"250-FUTURERELEASE 999999999 9999-12-31T23:59:59Z\r\n",
            ),
            (
                self.may_xclient,
                b"250-XCLIENT NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT\r\n",
            ),
        ];
        for (_, line) in switched.iter().filter(|(is_on, _)| *is_on) {
            output.extend_from_slice(line);
        }
        output.extend_from_slice(b"250 HELP\r\n");
    }
}
