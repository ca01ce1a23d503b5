//! What each command does: first whether it may be said now, then what it says, then doing it.

use super::{
    Ask, AuthMode, MayName, Reply, Session, Step, Verb,
    capabilities::Capabilities,
    command, parameters,
    state::{Chunk, Client, State, Transaction},
    xclient,
};
use crate::wire::{Envelope, ForwardPath};

/// Nothing more to do, or a step to take; or else a refusal.
pub(super) type Outcome<'a> = Result<Option<Step<'a>>, Reply>;

impl Session {
    /// Obeys a line, and says which command it was, if that could be read. `is_last`: nothing stands
    /// behind it in the input.
    pub(super) fn command<'a>(
        &mut self,
        line: &[u8],
        is_last: bool,
    ) -> (Option<Verb>, Outcome<'a>) {
        let text = str::from_utf8(line).ok().filter(|text| !text.contains(char::is_control));
        let Some(text) = text else {
            return (None, Err(Reply::BAD_CHARACTERS));
        };
        let (verb, argument) = Verb::split(text);
        // A proxy hands the connection over to its client after XCLIENT, who must not say it again.
        if self.said_xclient && verb != Verb::Xclient {
            self.may_name = MayName::Nobody;
        }
        let outcome = match verb {
            Verb::Starttls => self.starttls(argument, is_last),
            // Its chunk is to be dropped first, so it checks this itself.
            Verb::Bdat => self.bdat(argument),
            _ if self.capabilities().needs_starttls() && !may_precede_tls(verb) => {
                Err(Reply::TLS_REQUIRED)
            }
            _ => self.execute(verb, argument),
        };
        (Some(verb), outcome)
    }

    fn execute<'a>(&mut self, verb: Verb, argument: &str) -> Outcome<'a> {
        match verb {
            Verb::Ehlo | Verb::Helo | Verb::Lhlo => self.hello(verb, argument)?,
            Verb::Mail => return self.mail(argument),
            Verb::Rcpt => return self.rcpt(argument),
            Verb::Data => return self.data(argument),
            Verb::Rset => {
                without(argument)?;
                self.reset();
                self.say(&Reply::OK);
            }
            Verb::Noop => self.say(&Reply::OK),
            Verb::Quit => {
                without(argument)?;
                self.reset();
                self.state = State::Closed;
                self.say(&Reply::BYE);
            }
            Verb::Help => {
                let help = self.capabilities().help();
                self.say(&help);
            }
            Verb::Vrfy => {
                self.is_permitted()?;
                if argument.is_empty() {
                    return Err(Reply::ARGUMENT_MISSING);
                }
                self.say(&Reply::CANNOT_VERIFY);
            }
            Verb::Auth => return self.auth(argument),
            Verb::Xclient => return self.xclient(argument),
            Verb::Http => {
                self.reset();
                self.state = State::Closed;
                return Err(Reply::NOT_HTTP);
            }
            Verb::Expn | Verb::Starttls | Verb::Bdat => return Err(Reply::NOT_IMPLEMENTED),
            Verb::Unknown => return Err(Reply::UNKNOWN_COMMAND),
        }
        Ok(None)
    }

    /// EHLO and HELO begin anew, but who logged in stays so (RFC 5321 §4.1.4, RFC 4954 §4). Any
    /// argument will do: what clients put here is wrong more often than right, and §4.1.4 forbids to
    /// refuse mail because of it.
    fn hello(&mut self, verb: Verb, argument: &str) -> Result<(), Reply> {
        match (self.options.lmtp, verb) {
            (true, Verb::Ehlo | Verb::Helo) => return Err(Reply::THIS_IS_LMTP),
            (false, Verb::Lhlo) => return Err(Reply::THIS_IS_SMTP),
            _ => {}
        }
        if argument.is_empty() || argument.len() > MAX_HELO {
            return Err(Reply::BAD_HELO);
        }
        self.reset();
        let esmtp = verb != Verb::Helo;
        self.client = Some(Client { helo: argument.to_owned(), esmtp });
        if esmtp {
            let mut output = std::mem::take(&mut self.output);
            self.capabilities().write(&mut output);
            self.output = output;
        } else {
            self.output.extend_from_slice(b"250 ");
            super::reply::write_clean(&self.options.name, &mut self.output);
            self.output.extend_from_slice(b"\r\n");
        }
        Ok(())
    }

    /// What stands behind STARTTLS was sent before there was TLS, and perhaps by somebody else: to
    /// obey it afterwards would be the command injection of RFC 3207 §6.
    fn starttls<'a>(&mut self, argument: &str, is_last: bool) -> Outcome<'a> {
        if self.tls.is_some() {
            return Err(Reply::TLS_TWICE);
        }
        if !self.capabilities().starttls() {
            return Err(Reply::NOT_IMPLEMENTED);
        }
        without(argument)?;
        if self.transaction.is_some() {
            return Err(Reply::TLS_IN_TRANSACTION);
        }
        if !is_last {
            self.state = State::Closed;
            return Err(Reply::TLS_INJECTION);
        }
        self.say(&Reply::READY_FOR_TLS);
        self.state = State::StartTls;
        Ok(Some(Step::StartTls))
    }

    /// An address that is not ASCII is recorded also without SMTPUTF8: RFC 6531 §3.5 would refuse it
    /// (553 5.6.7), but here nothing is sent on, and people should see what their program did.
    fn mail<'a>(&mut self, argument: &str) -> Outcome<'a> {
        let client = self.client.as_ref().ok_or_else(|| self.hello_first())?;
        self.is_permitted()?;
        if self.transaction.is_some() {
            return Err(Reply::NESTED_MAIL);
        }
        let strict = self.options.strictness.strict_addresses;
        let (reverse_path, parameters) = command::mail(argument, strict)?;
        if !client.esmtp && !parameters.trim().is_empty() {
            return Err(Reply::UNKNOWN_PARAMETER);
        }
        let parameters = parameters::mail(parameters, self.capabilities())?;
        let smtputf8 = parameters.iter().any(|it| it.keyword == "SMTPUTF8");
        if strict && !smtputf8 && !reverse_path.as_str().is_ascii() {
            return Err(Reply::NEEDS_SMTPUTF8);
        }
        if self.options.limits.messages > 0 && self.mails >= self.options.limits.messages {
            return Err(Reply::TOO_MANY_MESSAGES);
        }
        let envelope = Envelope {
            reverse_path: reverse_path.as_str().to_owned(),
            parameters,
            helo: client.helo.clone(),
            esmtp: client.esmtp,
            auth_user: self.auth_user.clone(),
            tls: self.tls.as_deref().cloned(),
            ..Envelope::default()
        };
        self.mails = self.mails.saturating_add(1);
        self.transaction = Some(Box::new(Transaction { envelope, ..Transaction::default() }));
        Ok(self.permit(State::Mail, Step::Ask(Ask::Mail), &Reply::SENDER_OK))
    }

    fn rcpt<'a>(&mut self, argument: &str) -> Outcome<'a> {
        let strict = self.options.strictness.strict_addresses;
        let transaction = self.transaction.as_mut().ok_or(Reply::MAIL_FIRST)?;
        if transaction.chunks.is_some() {
            return Err(Reply::RCPT_AMID_BDAT);
        }
        // Until it is accepted it counts as refused; that matters only while there is no other.
        transaction.recipients_refused = true;
        let (mailbox, parameters) = command::rcpt(argument, strict)?;
        let parameters = parameters::rcpt(parameters, self.options.extensions.dsn)?;
        let address = mailbox.as_str().to_owned();
        if strict && !address.is_ascii() && !transaction.has("SMTPUTF8", None) {
            return Err(Reply::NEEDS_SMTPUTF8);
        }
        if transaction.envelope.forward_paths.len() >= self.options.limits.recipients {
            return Err(Reply::TOO_MANY_RECIPIENTS);
        }
        transaction.envelope.forward_paths.push(ForwardPath { address, parameters });
        Ok(self.permit(State::Rcpt, Step::Ask(Ask::Rcpt), &Reply::RECIPIENT_OK))
    }

    /// Asks whether an address may stand, if anybody is to be asked.
    fn permit<'a>(&mut self, state: State, step: Step<'a>, reply: &Reply) -> Option<Step<'a>> {
        if self.options.ask_policy {
            self.state = state;
            return Some(step);
        }
        self.say(reply);
        None
    }

    fn data<'a>(&mut self, argument: &str) -> Outcome<'a> {
        without(argument)?;
        let transaction = self.has_recipients()?;
        if transaction.chunks.is_some() {
            return Err(Reply::DATA_AMID_BDAT);
        }
        if transaction.is_binary() {
            return Err(Reply::BINARY_NEEDS_BDAT);
        }
        self.state = State::Begin(None);
        Ok(Some(Step::Ask(Ask::Begin)))
    }

    /// The chunk comes whatever we think of it, because clients do not wait for an answer before they
    /// send it (RFC 3030 §2). If its size cannot be read, nobody knows where the next command begins.
    fn bdat<'a>(&mut self, argument: &str) -> Outcome<'a> {
        let chunk = command::bdat(argument).inspect_err(|_| {
            self.reset();
            self.state = State::Closed;
        })?;
        match self.may_take(chunk) {
            Err(reply) => {
                // Too large for one message is too large for all of it.
                if reply == Reply::TOO_LARGE {
                    self.stats.messages_refused += 1;
                    self.drop_chunk(chunk, reply);
                } else {
                    let answer = Box::new((reply, 1));
                    self.state = State::Discard { left: chunk.left, answer };
                }
                Ok(None)
            }
            Ok(true) => {
                self.state = State::Begin(Some(chunk));
                Ok(Some(Step::Ask(Ask::Begin)))
            }
            Ok(false) => {
                self.state = State::Chunk(chunk);
                Ok(None)
            }
        }
    }

    /// Whether a chunk is welcome, and is the first of its message.
    fn may_take(&self, chunk: Chunk) -> Result<bool, Reply> {
        if self.capabilities().needs_starttls() {
            return Err(Reply::TLS_REQUIRED);
        }
        if !self.options.extensions.chunking
            || self.client.as_ref().is_some_and(|client| !client.esmtp)
        {
            return Err(Reply::NOT_IMPLEMENTED);
        }
        let transaction = self.has_recipients()?;
        let before = transaction.chunks.as_ref().map_or(0, |content| content.size);
        if before.saturating_add(chunk.size) > self.options.limits.message_size {
            return Err(Reply::TOO_LARGE);
        }
        Ok(transaction.chunks.is_none())
    }

    /// A client that pipelines says DATA although no recipient was accepted (RFC 2920 §3.1).
    fn has_recipients(&self) -> Result<&Transaction, Reply> {
        let transaction = self.transaction.as_deref().ok_or(Reply::MAIL_FIRST)?;
        match (transaction.envelope.forward_paths.is_empty(), transaction.recipients_refused) {
            (false, _) => Ok(transaction),
            (true, false) => Err(Reply::RCPT_FIRST),
            (true, true) if self.options.lmtp => Err(Reply::NO_VALID_RECIPIENTS_LMTP),
            (true, true) => Err(Reply::NO_VALID_RECIPIENTS),
        }
    }

    fn xclient<'a>(&mut self, argument: &str) -> Outcome<'a> {
        if self.may_name == MayName::Nobody {
            return Err(Reply::NO_XCLIENT);
        }
        if self.transaction.is_some() {
            return Err(Reply::XCLIENT_IN_TRANSACTION);
        }
        let xclient = xclient::read(argument)?;
        if self.may_name == MayName::Itself && xclient.login.is_some() {
            return Err(Reply::NO_XCLIENT_LOGIN);
        }
        self.state = State::Xclient(Box::new(xclient.clone()));
        Ok(Some(Step::Ask(Ask::Xclient(xclient))))
    }

    /// Whether a command may be said that wants authentication when it is required (RFC 4954 §6).
    fn is_permitted(&self) -> Result<(), Reply> {
        match (self.options.auth, &self.auth_user) {
            (AuthMode::Required, None) if !self.is_trusted => Err(Reply::AUTH_REQUIRED),
            _ => Ok(()),
        }
    }

    pub(super) fn hello_first(&self) -> Reply {
        if self.options.lmtp { Reply::LHLO_FIRST } else { Reply::HELO_FIRST }
    }

    pub(super) fn capabilities(&self) -> Capabilities<'_> {
        let may_xclient = self.may_name == MayName::Anybody;
        Capabilities { options: &self.options, tls: self.tls(), may_xclient }
    }

    fn say(&mut self, reply: &Reply) {
        reply.write(&mut self.output);
    }
}

/// RFC 3207 §4 names NOOP, EHLO, STARTTLS and QUIT. A proxy of ours says XCLIENT first, and what is no
/// command at all is told so.
const fn may_precede_tls(verb: Verb) -> bool {
    matches!(
        verb,
        Verb::Ehlo
            | Verb::Helo
            | Verb::Lhlo
            | Verb::Noop
            | Verb::Quit
            | Verb::Xclient
            | Verb::Http
            | Verb::Unknown
    )
}

/// A command without an argument refuses one (RFC 5321 §4.1.1).
const fn without(argument: &str) -> Result<(), Reply> {
    if argument.is_empty() { Ok(()) } else { Err(Reply::NO_ARGUMENTS) }
}

/// Longest argument of HELO and EHLO, in octets: a domain (RFC 5321 §4.5.3.1.2).
const MAX_HELO: usize = 255;
