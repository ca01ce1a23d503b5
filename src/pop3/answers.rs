//! What the world answers to the questions of a session. Each answer does nothing if nobody waits for it.

use std::{mem, time::Instant};

use super::{
    Failure, Maildrop, Session,
    content::Stuffer,
    session::{Asked, State},
};
use crate::wire::sasl::{Exchange, Nonce, Progress, ScramKeys, Verdict};

impl Session {
    /// Answers [`Ask::Nonce`](super::Ask::Nonce) with octets that nobody can guess.
    pub fn nonce(&mut self, nonce: Nonce) {
        match mem::replace(&mut self.state, State::Command) {
            State::Asked(Asked::Nonce(exchange)) => {
                let progress = exchange.nonce(nonce, &self.options.name);
                self.go_on(progress);
            }
            other => self.state = other,
        }
    }

    /// Answers [`Ask::ScramKeys`](super::Ask::ScramKeys); none if there is no such user.
    pub fn scram_keys(&mut self, keys: Option<ScramKeys>) {
        match mem::replace(&mut self.state, State::Command) {
            State::Asked(Asked::ScramKeys(exchange)) => self.go_on(exchange.keys(keys)),
            other => self.state = other,
        }
    }

    /// Answers [`Ask::Login`](super::Ask::Login).
    pub fn login(&mut self, verdict: Verdict) {
        let State::Asked(Asked::Login { user, is_token }) = &mut self.state else { return };
        let (user, is_token) = (mem::take(user), *is_token);
        self.state = State::Command;
        match verdict {
            Verdict::Accepted => self.next = Some(self.open_for(user)),
            Verdict::Refused if is_token => self.go_on(Exchange::token_refused()),
            Verdict::Refused => {
                self.stats.failed_logins += 1;
                self.reject(&Failure::LOGIN_FAILED);
            }
            Verdict::Unavailable => self.fail(&Failure::TRY_AGAIN),
        }
    }

    /// Answers [`Ask::Open`](super::Ask::Open): the user is in.
    pub fn open(&mut self, maildrop: Maildrop) {
        let State::Asked(Asked::Open(user)) = &mut self.state else { return };
        self.user = Some(mem::take(user));
        self.name = None;
        self.state = State::Command;
        self.stats.errors = 0;
        let (count, octets) = maildrop.totals();
        *self.maildrop = maildrop;
        self.say(format_args!("+OK Maildrop has {count} messages ({octets} octets)"));
    }

    /// Answers [`Ask::Retrieve`](super::Ask::Retrieve): the message is there.
    pub fn begin_message(&mut self) {
        let State::Asked(Asked::Retrieve { octets, lines }) = self.state else { return };
        match lines {
            Some(_) => self.say(format_args!("+OK Top of message follows")),
            None => self.say(format_args!("+OK {octets} octets")),
        }
        self.state = State::Asked(Asked::Sending(Box::new(Stuffer::new(lines))));
    }

    /// The next octets of the message, as they are stored; false if no more are wanted. Who takes them is
    /// not silent: the client's time begins anew with each call.
    pub fn content(&mut self, octets: &[u8], now: Instant) -> bool {
        let State::Asked(Asked::Sending(stuffer)) = &mut self.state else { return false };
        self.heard = now;
        let before = self.output.len();
        stuffer.push(octets, &mut self.output);
        self.stats.octets += (self.output.len() - before) as u64;
        !stuffer.is_done()
    }

    /// There are no more.
    pub fn end_message(&mut self) {
        let State::Asked(Asked::Sending(stuffer)) = &mut self.state else { return };
        self.stats.retrieved += u64::from(!stuffer.is_done());
        stuffer.finish(&mut self.output);
        self.state = State::Command;
        self.say(format_args!("."));
    }

    /// Answers [`Ask::Delete`](super::Ask::Delete): so many messages are gone, durably.
    pub fn deleted(&mut self, count: u64) {
        if matches!(self.state, State::Asked(Asked::Delete)) {
            self.stats.deleted = count;
            self.say(format_args!("+OK {count} messages deleted, bye"));
            self.state = State::Closed;
        }
    }

    /// Answers any question that waits with a failure. A message that breaks off ends the connection: its
    /// beginning is sent, and there is no other way to say that its end will not come.
    pub fn refuse(&mut self, failure: &Failure) {
        match mem::replace(&mut self.state, State::Command) {
            State::Asked(Asked::Sending(_) | Asked::StartTls) => self.state = State::Closed,
            State::Asked(Asked::Delete) => {
                self.fail(failure);
                self.state = State::Closed;
            }
            State::Asked(_) => self.fail(failure),
            other => self.state = other,
        }
    }

    /// Goes on with an exchange after an answer.
    fn go_on(&mut self, progress: Progress) {
        match self.exchange(progress) {
            Ok(next) => self.next = next,
            Err(failure) => self.reject(&failure),
        }
    }
}
