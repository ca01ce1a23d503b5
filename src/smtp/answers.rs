//! What the world answers to the steps of a session. Each answer does nothing if nobody waits for it.

use std::{fmt, mem};

use super::{
    Reply, Session, Verb,
    reply::append,
    state::{Body, Client, Content, State},
};
use crate::wire::{
    Envelope,
    sasl::{Exchange, Nonce, Progress, ScramKeys, Verdict},
};

/// Answers to steps. Each does nothing if its step is not waiting.
impl Session {
    /// Answers [`Ask::Xclient`](super::Ask::Xclient): the session begins anew with that client.
    pub fn adopt(&mut self, is_trusted: bool) {
        let State::Xclient(xclient) = &mut self.state else { return };
        let xclient = mem::take(&mut **xclient);
        self.reset();
        self.is_trusted = is_trusted;
        self.said_xclient = true;
        self.auth_user = xclient.login;
        let esmtp = xclient.esmtp.unwrap_or(true);
        self.client = xclient.helo.map(|helo| Client { helo, esmtp });
        self.greet();
    }

    /// Answers [`Ask::Nonce`](super::Ask::Nonce) with octets that nobody can guess.
    pub fn nonce(&mut self, nonce: Nonce) {
        let state = mem::replace(&mut self.state, State::Command);
        match state {
            State::Nonce(exchange) => {
                let progress = exchange.nonce(nonce, &self.options.name);
                self.go_on(progress);
            }
            other => self.state = other,
        }
    }

    /// Answers [`Ask::ScramKeys`](super::Ask::ScramKeys); none if there is no such user. Whoever wants to hide which users
    /// there are gives keys that nobody has, with always the same salt for the same user.
    pub fn secrets(&mut self, keys: Option<ScramKeys>) {
        let state = mem::replace(&mut self.state, State::Command);
        match state {
            State::ScramKeys(exchange) => self.go_on(exchange.keys(keys)),
            other => self.state = other,
        }
    }

    /// Answers [`Ask::Login`](super::Ask::Login).
    pub fn login(&mut self, verdict: Verdict) {
        let State::Login { user, is_token } = &mut self.state else { return };
        let (user, is_token) = (mem::take(user), *is_token);
        self.state = State::Command;
        match verdict {
            Verdict::Accepted => self.logged_in(user),
            Verdict::Refused if is_token => self.go_on(Exchange::token_refused()),
            Verdict::Refused => self.login_failed(),
            Verdict::Unavailable => self.reject(Some(Verb::Auth), Reply::AUTH_UNAVAILABLE),
        }
    }

    /// Answers [`Ask::Mail`](super::Ask::Mail) and [`Ask::Rcpt`](super::Ask::Rcpt): the address may stand.
    pub fn accept(&mut self) {
        let reply = match self.state {
            State::Mail => Reply::SENDER_OK,
            State::Rcpt => Reply::RECIPIENT_OK,
            _ => return,
        };
        self.state = State::Command;
        reply.write(&mut self.output);
    }

    /// Answers [`Ask::Begin`](super::Ask::Begin): the message may come.
    pub fn proceed(&mut self) {
        let State::Begin(chunk) = &mut self.state else { return };
        self.state = match (chunk.take(), &mut self.transaction) {
            (Some(chunk), Some(transaction)) => {
                transaction.chunks = Some(Content::default());
                State::Chunk(chunk)
            }
            _ => {
                Reply::GO_AHEAD.write(&mut self.output);
                State::Body(Body::default())
            }
        };
    }

    /// At [`Ask::End`](super::Ask::End): the envelope of the complete message. Its `client` and `received_ms` are for
    /// the caller to fill in.
    pub fn take_envelope(&mut self) -> Envelope {
        match (&self.state, &mut self.transaction) {
            (State::End { .. }, Some(transaction)) => mem::take(&mut transaction.envelope),
            _ => Envelope::default(),
        }
    }

    /// Answers [`Ask::End`](super::Ask::End): the message is kept under this name, which must fit in a line. LMTP
    /// hears it for each recipient (RFC 2033 §4.2).
    pub fn kept(&mut self, id: &dyn fmt::Display) {
        if let State::End { answers } = self.state {
            self.transaction = None;
            self.state = State::Command;
            self.errors = 0;
            self.stats.messages_kept += 1;
            for _ in 0..answers {
                append(&mut self.output, format_args!("250 2.0.0 Ok: queued as {id}\r\n"));
            }
        }
    }

    /// Answers any step that waits with a refusal. A message is then not kept, and its transaction is
    /// over. `421` closes the session.
    pub fn refuse(&mut self, reply: Reply) {
        match mem::replace(&mut self.state, State::Command) {
            State::Mail => {
                self.transaction = None;
                self.reject(Some(Verb::Mail), reply);
            }
            State::Rcpt => {
                if let Some(transaction) = &mut self.transaction {
                    transaction.envelope.forward_paths.pop();
                    transaction.recipients_refused = true;
                }
                self.reject(Some(Verb::Rcpt), reply);
            }
            State::Xclient(_) => self.reject(Some(Verb::Xclient), reply),
            State::Nonce(_) | State::ScramKeys(_) | State::Login { .. } => {
                self.reject_each(Verb::Auth, &reply, 1);
            }
            State::Begin(Some(chunk)) if reply.code() != 421 => {
                self.stats.messages_refused += 1;
                self.drop_chunk(chunk, reply);
            }
            State::Begin(_) => {
                self.stats.messages_refused += 1;
                self.transaction = None;
                self.reject_each(Verb::Data, &reply, 1);
            }
            State::End { answers } => {
                self.stats.messages_refused += 1;
                self.transaction = None;
                self.reject_each(Verb::Data, &reply, answers);
            }
            // There is nobody who could read it.
            State::StartTls => self.state = State::Closed,
            other => self.state = other,
        }
    }

    /// The peer sent octets before the greeting was written, which is then taken back: `554 5.5.1`,
    /// then [`Step::Close`](super::Step::Close). Does nothing where nobody has to wait for the greeting.
    pub fn talked_early(&mut self) {
        if !self.is_trusted && self.options.strictness.greeting_delay_seconds > 0 {
            self.output.clear();
            self.close(&Reply::TALKED_EARLY);
        }
    }
}

impl Session {
    pub(super) fn logged_in(&mut self, user: String) {
        self.auth_user = Some(user);
        Reply::AUTHENTICATED.write(&mut self.output);
    }

    fn login_failed(&mut self) {
        self.stats.logins_failed += 1;
        self.reject(Some(Verb::Auth), Reply::AUTH_REFUSED);
    }

    /// Goes on with an exchange after an answer. No answer leads to a step at once.
    fn go_on(&mut self, progress: Progress) {
        if let Err(refusal) = self.exchange(progress) {
            self.reject(Some(Verb::Auth), refusal);
        }
    }

    /// The world's refusal; it does not count as an error of the client.
    fn reject_each(&mut self, verb: Verb, reply: &Reply, times: usize) {
        self.stats.refusal(Some(verb), reply);
        for _ in 0..times {
            reply.write(&mut self.output);
        }
        if reply.code() == 421 {
            self.state = State::Closed;
        }
    }
}
