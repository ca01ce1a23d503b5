//! What each command does: first whether it may be said now, then what it says, then doing it.

use super::{
    AuthMode, Reply, Verb, command, parameters,
    session::{Client, Session, State, Step, Transaction},
};
use crate::{
    message::{Envelope, ForwardPath},
    wire::sasl::{Claim, Exchange, Fault, Mechanism, Progress},
};

/// Nothing more to do, or a step to take; or else a refusal.
type Outcome<'a> = Result<Option<Step<'a>>, Reply>;

impl Session {
    /// Obeys a line, and says which command it was, if that could be read.
    pub(super) fn command<'a>(&mut self, line: &[u8]) -> (Option<Verb>, Outcome<'a>) {
        let text = str::from_utf8(line).ok().filter(|text| !text.contains(char::is_control));
        let Some(text) = text else {
            return (None, Err(Reply::BAD_CHARACTERS));
        };
        let (verb, argument) = Verb::split(text);
        (Some(verb), self.obey(verb, argument))
    }

    fn obey<'a>(&mut self, verb: Verb, argument: &str) -> Outcome<'a> {
        match verb {
            Verb::Ehlo => self.hello(argument, true)?,
            Verb::Helo => self.hello(argument, false)?,
            Verb::Mail => self.mail(argument)?,
            Verb::Rcpt => self.rcpt(argument)?,
            Verb::Data => return self.data(argument),
            Verb::Rset => {
                without(argument)?;
                self.reset();
                self.say(&Reply::OK);
            }
            Verb::Noop => self.say(&Reply::OK),
            Verb::Quit => {
                without(argument)?;
                self.state = State::Closed;
                self.say(&Reply::BYE);
            }
            Verb::Help => self.say(&HELP),
            Verb::Vrfy => {
                self.is_permitted()?;
                if argument.is_empty() {
                    return Err(Reply::ARGUMENT_MISSING);
                }
                self.say(&Reply::CANNOT_VERIFY);
            }
            Verb::Auth => return self.auth(argument),
            Verb::Expn | Verb::Starttls => return Err(Reply::NOT_IMPLEMENTED),
            Verb::Http => return Err(Reply::NOT_HTTP),
            Verb::Unknown => return Err(Reply::UNKNOWN_COMMAND),
        }
        Ok(None)
    }

    /// EHLO and HELO begin anew, but who logged in stays so (RFC 5321 §4.1.4, RFC 4954 §4). Any
    /// argument will do: what clients put here is wrong more often than right, and §4.1.4 forbids to
    /// refuse mail because of it.
    fn hello(&mut self, argument: &str, esmtp: bool) -> Result<(), Reply> {
        if argument.is_empty() || argument.len() > MAX_HELO {
            return Err(Reply::BAD_HELO);
        }
        self.reset();
        self.client = Some(Client { helo: argument.to_owned(), esmtp });
        let Self { options, output, .. } = self;
        output.extend_from_slice(if esmtp { b"250-" } else { b"250 " });
        super::reply::write_clean(&options.name, output);
        output.extend_from_slice(b"\r\n");
        if esmtp {
            output.extend_from_slice(b"250-PIPELINING\r\n250-SIZE ");
            output.extend_from_slice(options.max_message_size.to_string().as_bytes());
            output.extend_from_slice(b"\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n");
            output.extend_from_slice(b"250-ENHANCEDSTATUSCODES\r\n");
            if options.auth != AuthMode::Off {
                output.extend_from_slice(b"250-AUTH PLAIN LOGIN\r\n");
            }
            output.extend_from_slice(b"250 HELP\r\n");
        }
        Ok(())
    }

    /// An address that is not ASCII is recorded also without SMTPUTF8: RFC 6531 §3.5 would refuse it
    /// (553 5.6.7), but here nothing is sent on, and people should see what their program did.
    fn mail(&mut self, argument: &str) -> Result<(), Reply> {
        let client = self.client.as_ref().ok_or(Reply::HELO_FIRST)?;
        self.is_permitted()?;
        if self.transaction.is_some() {
            return Err(Reply::NESTED_MAIL);
        }
        let (reverse_path, parameters) = command::mail(argument)?;
        if !client.esmtp && !parameters.trim().is_empty() {
            return Err(Reply::UNKNOWN_PARAMETER);
        }
        let envelope = Envelope {
            reverse_path: reverse_path.as_str().to_owned(),
            parameters: parameters::mail(parameters, self.options.max_message_size)?,
            helo: client.helo.clone(),
            esmtp: client.esmtp,
            auth_user: self.auth_user.clone(),
            tls: self.tls.as_deref().cloned(),
            ..Envelope::default()
        };
        self.transaction = Some(Box::new(Transaction { envelope, recipients_refused: false }));
        self.say(&Reply::SENDER_OK);
        Ok(())
    }

    fn rcpt(&mut self, argument: &str) -> Result<(), Reply> {
        let max_recipients = self.options.max_recipients;
        let transaction = self.transaction.as_mut().ok_or(Reply::MAIL_FIRST)?;
        // Until it is accepted it counts as refused; that matters only while there is no other.
        transaction.recipients_refused = true;
        let (mailbox, parameters) = command::rcpt(argument)?;
        let parameters = parameters::rcpt(parameters)?;
        if transaction.envelope.forward_paths.len() >= max_recipients {
            return Err(Reply::TOO_MANY_RECIPIENTS);
        }
        let address = mailbox.as_str().to_owned();
        transaction.envelope.forward_paths.push(ForwardPath { address, parameters });
        self.say(&Reply::RECIPIENT_OK);
        Ok(())
    }

    fn data<'a>(&mut self, argument: &str) -> Outcome<'a> {
        without(argument)?;
        let transaction = self.transaction.as_ref().ok_or(Reply::MAIL_FIRST)?;
        if transaction.envelope.forward_paths.is_empty() {
            // A client that pipelines says DATA although no recipient was accepted (RFC 2920 §3.1).
            return Err(match transaction.recipients_refused {
                true => Reply::NO_VALID_RECIPIENTS,
                false => Reply::RCPT_FIRST,
            });
        }
        self.state = State::Begin;
        Ok(Some(Step::Begin))
    }

    fn auth<'a>(&mut self, argument: &str) -> Outcome<'a> {
        if self.options.auth == AuthMode::Off {
            return Err(Reply::NOT_IMPLEMENTED);
        }
        if !self.client.as_ref().is_some_and(|client| client.esmtp) {
            return Err(Reply::AUTH_AFTER_EHLO);
        }
        if self.auth_user.is_some() {
            return Err(Reply::AUTH_TWICE);
        }
        if self.transaction.is_some() {
            return Err(Reply::AUTH_IN_TRANSACTION);
        }
        let (mechanism, initial) = command::auth(argument)?;
        let mechanism = Mechanism::from_name(mechanism).ok_or(Reply::UNKNOWN_MECHANISM)?;
        self.exchange(Exchange::begin(mechanism, initial))
    }

    /// Goes on with an AUTH exchange (RFC 4954 §4).
    pub(super) fn exchange<'a>(&mut self, progress: Progress) -> Outcome<'a> {
        match progress {
            Progress::Challenge(text, exchange) => {
                self.say(&Reply::new(334, "", text));
                self.state = State::Auth(exchange);
                Ok(None)
            }
            Progress::Done(credentials) => {
                self.state = State::Login { user: credentials.user.clone() };
                Ok(Some(Step::Login(Claim::Password(credentials))))
            }
            Progress::Failed(Fault::Cancelled) => Err(Reply::AUTH_CANCELLED),
            Progress::Failed(Fault::Base64 | Fault::Malformed) => Err(Reply::AUTH_MALFORMED),
            Progress::Failed(Fault::Authzid) => {
                self.tally.logins_failed += 1;
                Err(Reply::AUTH_REFUSED)
            }
        }
    }

    /// Whether a command may be said that wants authentication when it is required (RFC 4954 §6).
    fn is_permitted(&self) -> Result<(), Reply> {
        match (self.options.auth, &self.auth_user) {
            (AuthMode::Required, None) => Err(Reply::AUTH_REQUIRED),
            _ => Ok(()),
        }
    }

    fn say(&mut self, reply: &Reply) {
        reply.write(&mut self.output);
    }
}

/// A command without an argument refuses one (RFC 5321 §4.1.1).
const fn without(argument: &str) -> Result<(), Reply> {
    if argument.is_empty() { Ok(()) } else { Err(Reply::NO_ARGUMENTS) }
}

const HELP: Reply =
    Reply::new(214, "2.0.0", "Commands: EHLO HELO MAIL RCPT DATA RSET NOOP QUIT HELP VRFY AUTH");

/// Longest argument of HELO and EHLO, in octets: a domain (RFC 5321 §4.5.3.1.2).
const MAX_HELO: usize = 255;
