//! One POP3 conversation without its socket: what may happen next, and what the world is asked.

use std::{mem, sync::Arc, time::Instant};

use super::{
    Ask, Failure, Maildrop, Options, Step, command,
    content::Stuffer,
    maildrop::{Listing, MOST_OUTPUT},
    reply::say,
};
use crate::wire::{
    Tls,
    line::{LineBuffer, TooLong},
    sasl::{Exchange, Nonce, timestamp},
    session,
};

/// The server's side of one connection.
#[derive(Debug)]
pub struct Session {
    pub(super) options: Arc<Options>,
    pub(super) tls: Option<Box<Tls>>,
    pub(super) state: State,
    /// What an answer led to.
    pub(super) next: Option<Step>,
    pub(super) output: Vec<u8>,
    /// The timestamp of the greeting (RFC 1939 §7); empty if APOP is not offered.
    pub(super) timestamp: Box<str>,
    /// USER was said.
    pub(super) name: Option<String>,
    pub(super) user: Option<String>,
    pub(super) is_utf8: bool,
    pub(super) maildrop: Box<Maildrop>,
    pub(super) stats: Stats,
    lines: LineBuffer,
    is_ending: bool,
    started: Instant,
    pub(super) heard: Instant,
}

/// What may happen next.
#[derive(Debug)]
pub(super) enum State {
    /// A command.
    Command,
    /// The client's next line of an AUTH exchange.
    Auth(Exchange),
    /// The world's answer.
    Asked(Asked),
    /// Lines of a listing, from this message on.
    Listing(Listing, usize),
    /// Nothing.
    Closed,
}

/// What waits for an answer.
#[derive(Debug)]
pub(super) enum Asked {
    Nonce(Exchange),
    ScramKeys(Exchange),
    Login { user: String, is_token: bool },
    Open(String),
    StartTls,
    Retrieve { octets: u64, lines: Option<u64> },
    Sending(Box<Stuffer>),
    Delete,
}

/// What a session counts, for a line in a log.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Messages sent whole.
    pub retrieved: u64,
    /// Octets of messages that were sent, those of TOP as well.
    pub octets: u64,
    /// Messages deleted at the end.
    pub deleted: u64,
    /// Commands that were answered with -ERR.
    pub refused: u64,
    /// Failed logins that nobody was told of.
    pub(super) failed_logins: u64,
    /// Commands refused since the login.
    pub(super) errors: u32,
}

/// Nothing more, or a step to take; or else a failure.
pub(super) type Outcome = Result<Option<Step>, Failure>;

impl Session {
    /// A new conversation; the greeting is in the output already. `nonce` makes its timestamp, where APOP is
    /// offered.
    pub fn new(
        options: Arc<Options>,
        tls: Option<Tls>,
        nonce: Option<Nonce>,
        now: Instant,
    ) -> Self {
        let timestamp = nonce
            .filter(|_| options.apop)
            .map(|nonce| timestamp(&nonce, &options.name).into_boxed_str());
        let mut session = Self {
            options,
            tls: tls.map(Box::new),
            state: State::Command,
            next: None,
            output: Vec::new(),
            timestamp: timestamp.unwrap_or_default(),
            name: None,
            user: None,
            is_utf8: false,
            maildrop: Box::default(),
            stats: Stats::default(),
            lines: LineBuffer::default(),
            is_ending: false,
            started: now,
            heard: now,
        };
        let gap = if session.timestamp.is_empty() { "" } else { " " };
        say(&mut session.output, format_args!("+OK POP3 ready{gap}{}", session.timestamp));
        session
    }

    /// Who has logged in.
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// What was counted so far.
    pub const fn stats(&self) -> &Stats {
        &self.stats
    }

    /// How many logins failed since the last call.
    pub const fn failed_logins(&mut self) -> u64 {
        mem::replace(&mut self.stats.failed_logins, 0)
    }

    /// How the connection is encrypted, if it is.
    pub fn tls(&self) -> Option<&Tls> {
        self.tls.as_deref()
    }
}

impl session::Session for Session {
    type Ask<'a> = Ask;

    /// An ask that was not answered is refused with `[SYS/TEMP]` here.
    fn step(&mut self, input: &mut &[u8], now: Instant) -> Step {
        self.heard = now;
        loop {
            if self.output.len() >= MOST_OUTPUT {
                return Step::Flush;
            }
            let step = match &self.state {
                _ if self.next.is_some() => self.next.take(),
                State::Command | State::Auth(_) => self.line(input),
                &State::Listing(listing, from) => {
                    self.list(listing, from);
                    None
                }
                State::Closed => Some(Step::Close),
                State::Asked(_) => {
                    self.refuse(&Failure::TRY_AGAIN);
                    None
                }
            };
            if let Some(step) = step {
                return step;
            }
        }
    }

    fn output(&mut self) -> &mut Vec<u8> {
        &mut self.output
    }

    fn deadline(&self) -> Instant {
        let Options { limits, idle_seconds, .. } = &*self.options;
        let silence = if self.user.is_some() { *idle_seconds } else { limits.greeting_seconds };
        let end = session::later(self.started, limits.session_seconds.duration());
        session::later(self.heard, silence.duration()).min(end)
    }

    /// Without a word, and nothing is deleted (RFC 1939 §3).
    fn expire(&mut self, now: Instant) {
        if now >= self.deadline() {
            self.state = State::Closed;
        }
    }

    /// `-ERR [SYS/TEMP]` instead of the next command; nothing is deleted.
    fn shut_down(&mut self) {
        self.is_ending = true;
    }

    fn tls_started(&mut self, tls: Tls) {
        if matches!(self.state, State::Asked(Asked::StartTls)) {
            self.tls = Some(Box::new(tls));
            self.name = None;
            self.state = State::Command;
        }
    }
}

impl Session {
    fn line(&mut self, input: &mut &[u8]) -> Option<Step> {
        if self.is_ending {
            self.fail(&Failure::SHUTTING_DOWN);
            self.state = State::Closed;
            return None;
        }
        let Some(line) = self.lines.next(input, self.options.limits.command_line) else {
            return Some(Step::Read);
        };
        let state = mem::replace(&mut self.state, State::Command);
        let outcome = match (state, &line) {
            (State::Auth(exchange), Ok(line)) => self.exchange(exchange.respond(line)),
            (_, Ok(line)) => self.command(line, input.is_empty()),
            (_, Err(TooLong)) => Err(Failure::LINE_TOO_LONG),
        };
        outcome.unwrap_or_else(|failure| {
            self.reject(&failure);
            None
        })
    }

    fn command(&mut self, line: &[u8], is_last: bool) -> Outcome {
        let text = str::from_utf8(line).ok().filter(|text| !text.contains(char::is_control));
        let (keyword, argument) = command::split(text.ok_or(Failure::BAD_CHARACTERS)?)?;
        match keyword {
            "QUIT" => return self.quit(argument),
            "CAPA" => self.capabilities(argument)?,
            "LANG" => self.language(argument)?,
            "STLS" => return self.stls(argument, is_last),
            _ if self.user.is_some() => return self.transaction(keyword, argument),
            _ => return self.authorization(keyword, argument),
        }
        Ok(None)
    }

    /// The commands of RFC 1939 §5 and §7.
    fn transaction(&mut self, keyword: &str, argument: &str) -> Outcome {
        match keyword {
            "STAT" => {
                command::nothing(argument)?;
                let (count, octets) = self.maildrop.totals();
                self.say(format_args!("+OK {count} {octets}"));
            }
            "LIST" => self.listing(Listing::Sizes, argument)?,
            "UIDL" => self.listing(Listing::Ids, argument)?,
            "RETR" => return self.retrieve(argument, None),
            "TOP" => {
                let (message, lines) = command::two_numbers(argument)?;
                return self.retrieve(message, Some(lines));
            }
            "DELE" => {
                let (index, _) = self.maildrop.find(argument)?;
                self.maildrop.delete(index);
                self.say(format_args!("+OK Message {} marked as deleted", index + 1));
            }
            "RSET" => {
                command::nothing(argument)?;
                self.maildrop.reset();
                self.say(format_args!("+OK Nothing is marked as deleted"));
            }
            "NOOP" => {
                command::nothing(argument)?;
                self.say(format_args!("+OK"));
            }
            _ => return Err(Failure::LOGGED_IN),
        }
        Ok(None)
    }

    fn listing(&mut self, listing: Listing, argument: &str) -> Result<(), Failure> {
        if argument.is_empty() {
            let (count, octets) = self.maildrop.totals();
            self.say(format_args!("+OK {count} messages ({octets} octets)"));
            self.state = State::Listing(listing, 0);
        } else {
            let (index, entry) = self.maildrop.find(argument)?;
            self.say(format_args!("+OK {}", listing.line(index, entry)));
        }
        Ok(())
    }

    fn list(&mut self, listing: Listing, from: usize) {
        self.state = match self.maildrop.list(listing, from, &mut self.output) {
            Some(next) => State::Listing(listing, next),
            None => {
                self.say(format_args!("."));
                State::Command
            }
        };
    }

    fn retrieve(&mut self, message: &str, lines: Option<u64>) -> Outcome {
        let (_, entry) = self.maildrop.find(message)?;
        self.state = State::Asked(Asked::Retrieve { octets: entry.size, lines });
        Ok(Some(Step::Ask(Ask::Retrieve(entry.id))))
    }

    /// Deletes what is marked, if somebody has logged in: the UPDATE state (RFC 1939 §6).
    fn quit(&mut self, argument: &str) -> Outcome {
        command::nothing(argument)?;
        let marked = self.maildrop.marked();
        if !marked.is_empty() {
            self.state = State::Asked(Asked::Delete);
            return Ok(Some(Step::Ask(Ask::Delete(marked))));
        }
        self.say(format_args!("+OK Bye"));
        self.state = State::Closed;
        Ok(None)
    }

    /// What stands behind STLS was sent before there was TLS, and perhaps by somebody else.
    fn stls(&mut self, argument: &str, is_last: bool) -> Outcome {
        command::nothing(argument)?;
        let refusals = [
            (self.tls.is_some(), Failure::TLS_TWICE),
            (!self.offers_stls(), Failure::NOT_OFFERED),
            (self.user.is_some(), Failure::LOGGED_IN),
            // RFC 6856 §2.1
            (self.is_utf8, Failure::TLS_AFTER_UTF8),
        ];
        if let Some((_, failure)) = refusals.into_iter().find(|(holds, _)| *holds) {
            return Err(failure);
        }
        if !is_last {
            self.state = State::Closed;
            return Err(Failure::TLS_INJECTION);
        }
        self.say(format_args!("+OK Begin TLS negotiation"));
        self.state = State::Asked(Asked::StartTls);
        Ok(Some(Step::StartTls))
    }

    pub(super) fn say(&mut self, text: std::fmt::Arguments<'_>) {
        say(&mut self.output, text);
    }

    /// Refuses a command, and ends a session that is refused too much.
    pub(super) fn reject(&mut self, failure: &Failure) {
        self.fail(failure);
        self.stats.errors = self.stats.errors.saturating_add(1);
        if self.stats.errors >= self.options.limits.errors && !matches!(self.state, State::Closed) {
            self.fail(&Failure::TOO_MANY_ERRORS);
            self.state = State::Closed;
        }
    }

    /// The world's failure, which is no error of the client.
    pub(super) fn fail(&mut self, failure: &Failure) {
        self.stats.refused += 1;
        failure.write(&mut self.output);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{id::MessageId, pop3::Entry, wire::session::Session as _};

    fn session() -> (Session, Instant) {
        let now = Instant::now();
        (Session::new(Arc::new(Options::default()), None, None, now), now)
    }

    #[test]
    fn an_idle_session_is_small() {
        let (mut session, now) = session();
        session.output().clear();
        assert_eq!(session.step(&mut &b"CAPA\r\n"[..], now), Step::Read);
        assert!(size_of::<Session>() <= 400, "{}", size_of::<Session>());
    }

    #[test]
    fn silence_ends_a_session_sooner_before_the_login() {
        let (mut session, now) = session();
        assert_eq!(session.deadline(), now + session.options.limits.greeting_seconds.duration());
        session.user = Some("ann".into());
        assert_eq!(session.deadline(), now + session.options.idle_seconds.duration());
        session.output().clear();
        session.expire(now + session.options.idle_seconds.duration() - Duration::from_secs(1));
        assert_eq!(session.step(&mut &b""[..], now), Step::Read);
        session.expire(now + session.options.idle_seconds.duration());
        assert_eq!(session.step(&mut &b""[..], now), Step::Close);
        assert!(session.output().is_empty(), "without a word");
    }

    #[test]
    fn a_long_listing_does_not_gather() {
        let (mut session, now) = session();
        session.user = Some("ann".into());
        let entry = |number: u32| {
            let mut octets = [0; 12];
            octets[..4].copy_from_slice(&number.to_be_bytes());
            Entry { id: MessageId::from_bytes(octets), size: 1 }
        };
        *session.maildrop = Maildrop::new((0..10_000).map(entry).collect());
        let (mut input, mut lines) = (&b"UIDL\r\n"[..], 0);
        loop {
            let step = session.step(&mut input, now);
            let output = mem::take(session.output());
            assert!(output.len() < 2 * MOST_OUTPUT);
            lines += output.iter().filter(|octet| **octet == b'\n').count();
            if step != Step::Flush {
                assert_eq!(step, Step::Read);
                break;
            }
        }
        // The greeting, the first line, and the dot.
        assert_eq!(lines, 10_003);
    }

    /// Else a message that takes longer than the silence would be cut off however fast it goes.
    #[test]
    fn a_client_that_takes_a_message_is_not_silent() {
        let (mut session, now) = session();
        session.user = Some("ann".into());
        session.state = State::Asked(Asked::Retrieve { octets: 4, lines: None });
        session.begin_message();
        let later = now + Duration::from_secs(300);
        assert!(session.content(b"ab", later));
        assert_eq!(session.deadline(), later + session.options.idle_seconds.duration());
    }

    #[test]
    fn answers_that_nobody_asked_for_change_nothing() {
        let (mut session, now) = session();
        session.output().clear();
        session.nonce([0; 18]);
        session.scram_keys(None);
        session.login(crate::wire::sasl::Verdict::Accepted);
        session.open(Maildrop::default());
        session.begin_message();
        assert!(!session.content(b"x", now));
        session.end_message();
        session.deleted(1);
        session.tls_started(Tls::default());
        session.refuse(&Failure::TRY_AGAIN);
        assert_eq!(session.step(&mut &b""[..], now), Step::Read);
        assert!(session.output().is_empty());
        assert_eq!(*session.stats(), Stats::default());
    }
}
