//! One SMTP conversation without its socket: what may happen next, and what the world is asked.
//!
//! Everything that changes the state of a session is here, in `answers` (what the world may answer),
//! in `commands` (what each command does) and in `content` (what comes between commands). The order of
//! events does not depend on how the stream was cut, and nothing is kept between two calls except a
//! partial line, an envelope under way and replies that were not written yet.
//!
//! Commands may end with LF alone, because people type them into `nc` and a command line cannot hide
//! a message. The end of a body may not: there CRLF.CRLF alone counts, so what follows a body is
//! never read as commands when the sender meant it as text.

use std::{
    mem,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    Ask, Log, MayName, Options, Peer, Refusal, Reply, Step, Verb,
    log::SessionStats,
    state::{Client, Pause, State, Transaction},
};
use crate::wire::{
    Envelope, Tls,
    line::{LineBuffer, TooLong},
    session,
};

/// The server's side of one connection.
#[derive(Debug)]
pub struct Session {
    pub(super) options: Arc<Options>,
    pub(super) tls: Option<Box<Tls>>,
    pub(super) may_name: MayName,
    /// XCLIENT was said: what comes next may be the words of the client itself.
    pub(super) said_xclient: bool,
    pub(super) is_trusted: bool,
    pub(super) state: State,
    pub(super) output: Vec<u8>,
    pub(super) client: Option<Client>,
    pub(super) auth_user: Option<String>,
    pub(super) transaction: Option<Box<Transaction>>,
    pub(super) stats: SessionStats,
    /// The world must hear [`Ask::Abandon`] before anything else.
    pub(super) must_abandon: bool,
    /// And this one next.
    pub(super) pause: Option<Pause>,
    /// Transactions so far.
    pub(super) mails: u32,
    /// Our 5yz answers to commands since the last message was kept.
    pub(super) errors: u32,
    lines: LineBuffer,
    ending: bool,
    started: Instant,
    heard: Instant,
}

impl Session {
    /// A new conversation; the greeting is in the output already.
    pub fn new(options: Arc<Options>, peer: Peer, now: Instant) -> Self {
        let Peer { tls, may_name, is_trusted } = peer;
        let delayed = !is_trusted && options.strictness.greeting_delay_seconds > 0;
        let mut session = Self {
            options,
            tls: tls.map(Box::new),
            may_name,
            said_xclient: false,
            is_trusted,
            state: State::Command,
            output: Vec::new(),
            client: None,
            auth_user: None,
            transaction: None,
            stats: SessionStats::default(),
            must_abandon: false,
            pause: delayed.then_some(Pause::Greeting),
            mails: 0,
            errors: 0,
            lines: LineBuffer::default(),
            ending: false,
            started: now,
            heard: now,
        };
        session.greet();
        session
    }

    /// What is worth logging.
    pub fn log(&self) -> Log<'_> {
        Log {
            helo: self.client.as_ref().map(|client| client.helo.as_str()),
            auth_user: self.auth_user.as_deref(),
            messages_kept: self.stats.messages_kept,
            messages_refused: self.stats.messages_refused,
            octets: self.stats.octets,
            refused: self.stats.refused,
            logins_failed: self.stats.logins_failed,
            last_refusal: self.stats.last_refusal(),
        }
    }

    /// What was refused since the last call; of a flood of refusals the first ones and the last.
    pub fn refusals(&mut self) -> &[Refusal] {
        self.stats.tell()
    }

    /// The envelope under way, from MAIL on.
    pub fn envelope(&self) -> Option<&Envelope> {
        self.transaction.as_ref().map(|transaction| &transaction.envelope)
    }

    /// How the connection is encrypted, if it is.
    pub fn tls(&self) -> Option<&Tls> {
        self.tls.as_deref()
    }
}

impl session::Session for Session {
    type Ask<'a> = Ask<'a>;

    /// A step that was not answered is answered `451 4.3.0` here.
    fn step<'a>(&mut self, input: &mut &'a [u8], now: Instant) -> Step<'a> {
        self.heard = now;
        loop {
            if mem::take(&mut self.must_abandon) {
                return Step::Ask(Ask::Abandon);
            }
            match self.pause.take() {
                Some(Pause::Greeting) => {
                    let seconds = self.options.strictness.greeting_delay_seconds;
                    return Step::Ask(Ask::Greeting(Duration::from_secs(seconds)));
                }
                Some(Pause::Error) => {
                    return Step::Pause(Duration::from_secs(
                        self.options.strictness.tarpit_seconds,
                    ));
                }
                None => {}
            }
            if self.output.len() >= MOST_OUTPUT {
                return Step::Flush;
            }
            let step = match self.state {
                State::Command | State::Auth(_) => self.line(input),
                State::Body(_) => self.body(input),
                State::Chunk(_) => self.chunk(input),
                State::Discard { .. } => self.discard(input),
                State::NeedsNonce(_) => self.ask_nonce(),
                State::Closed => Some(Step::Close),
                State::StartTls
                | State::Xclient(_)
                | State::Nonce(_)
                | State::ScramKeys(_)
                | State::Login { .. }
                | State::Mail
                | State::Rcpt
                | State::Begin(_)
                | State::End { .. } => {
                    self.refuse(Reply::LOCAL_ERROR);
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
        let limits = &self.options.limits;
        let silence = match self.state {
            State::Body(_) | State::Chunk(_) | State::Discard { .. } => limits.data_seconds,
            _ if self.client.is_none() => limits.greeting_seconds,
            _ => limits.idle_seconds,
        };
        let end = session::later(self.started, limits.session_seconds.duration());
        session::later(self.heard, silence.duration()).min(end)
    }

    /// `421 4.4.2`, and [`Ask::Abandon`] if a message is under way.
    fn expire(&mut self, now: Instant) {
        if now >= self.deadline() {
            self.close(&Reply::TIMEOUT);
        }
    }

    /// `421 4.3.2` instead of the next command. A message whose DATA or first BDAT was said is finished
    /// first.
    fn shut_down(&mut self) {
        self.ending = true;
    }

    fn tls_started(&mut self, tls: Tls) {
        if matches!(self.state, State::StartTls) {
            self.tls = Some(Box::new(tls));
            self.client = None;
            self.auth_user = None;
            self.reset();
        }
    }
}

impl Session {
    fn line<'a>(&mut self, input: &mut &'a [u8]) -> Option<Step<'a>> {
        if self.ending && !self.draft_is_open() {
            self.close(&Reply::SHUTTING_DOWN);
            return None;
        }
        let Some(line) = self.lines.next(input, self.options.limits.command_line) else {
            return Some(Step::Read);
        };
        let state = mem::replace(&mut self.state, State::Command);
        let (verb, outcome) = match (state, &line) {
            (State::Auth(exchange), Ok(line)) => {
                (Some(Verb::Auth), self.exchange(exchange.respond(line)))
            }
            (State::Auth(_), Err(TooLong)) => (Some(Verb::Auth), Err(Reply::AUTH_LINE_TOO_LONG)),
            (_, Ok(line)) => self.command(line, input.is_empty()),
            (_, Err(TooLong)) => (None, Err(Reply::LINE_TOO_LONG)),
        };
        outcome.unwrap_or_else(|refusal| {
            self.reject(verb, refusal);
            None
        })
    }

    fn ask_nonce<'a>(&mut self) -> Option<Step<'a>> {
        if let State::NeedsNonce(exchange) = mem::replace(&mut self.state, State::Command) {
            self.state = State::Nonce(exchange);
        }
        Some(Step::Ask(Ask::Nonce))
    }

    /// Writes the greeting (RFC 5321 §4.2).
    pub(super) fn greet(&mut self) {
        let protocol = if self.options.lmtp { " LMTP ready\r\n" } else { " ESMTP ready\r\n" };
        self.output.reserve(self.options.name.len() + protocol.len() + 4);
        self.output.extend_from_slice(b"220 ");
        super::reply::write_clean(&self.options.name, &mut self.output);
        self.output.extend_from_slice(protocol.as_bytes());
    }

    /// Back to where MAIL may be said; a message that came in part is dropped.
    pub(super) fn reset(&mut self) {
        self.must_abandon |= self.draft_is_open();
        self.transaction = None;
        self.state = State::Command;
    }

    /// Refuses a command, and ends a session that is refused too much.
    pub(super) fn reject(&mut self, verb: Option<Verb>, reply: Reply) {
        self.object_each(verb, reply, 1);
    }

    /// The same, said so often: LMTP answers for each recipient.
    pub(super) fn object_each(&mut self, verb: Option<Verb>, reply: Reply, times: usize) {
        self.stats.refusal(verb, &reply);
        for _ in 0..times {
            reply.write(&mut self.output);
        }
        self.errors = self.errors.saturating_add(u32::from(reply.code() >= 500));
        self.slow_down(reply.code());
        if reply.code() == 421 {
            self.reset();
            self.state = State::Closed;
        } else if self.errors >= self.options.limits.errors {
            self.close(&Reply::TOO_MANY_ERRORS);
        }
    }

    /// Whoever errs much waits. (How long a failed login takes is for the world to say, which sees all
    /// sessions of a client.)
    fn slow_down(&mut self, code: u16) {
        let errs = code >= 500 && self.errors > self.options.strictness.tarpit_after;
        if errs && !self.is_trusted && self.options.strictness.tarpit_seconds > 0 {
            self.pause = Some(Pause::Error);
        }
    }

    pub(super) fn close(&mut self, reply: &Reply) {
        if matches!(self.state, State::Closed) {
            return;
        }
        self.stats.messages_refused += u64::from(self.draft_is_open());
        self.stats.refusal(None, reply);
        reply.write(&mut self.output);
        self.reset();
        self.state = State::Closed;
    }

    /// The world keeps a part of a message.
    fn draft_is_open(&self) -> bool {
        match &self.state {
            State::Body(body) => !body.abandoned,
            State::Begin(_) | State::End { .. } => true,
            _ => self.transaction.as_ref().is_some_and(|it| it.chunks.is_some()),
        }
    }
}

/// Octets of replies that are enough to be written before more are made. A buffer of EHLO, 8 octets
/// each, would be answered by 2 MB.
const MOST_OUTPUT: usize = 4 * 1024;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        limits,
        seconds::Seconds,
        smtp::{AuthMode, Strictness},
        wire::{sasl::Verdict, session::Session as _},
    };

    fn session(options: Options) -> (Session, Instant) {
        let now = Instant::now();
        (Session::new(Arc::new(options), Peer::default(), now), now)
    }

    /// Feeds all and returns the output; the steps in between are answered kindly.
    fn talk(session: &mut Session, now: Instant, text: &str) -> String {
        let mut input = text.as_bytes();
        loop {
            match session.step(&mut input, now) {
                Step::Read | Step::Close => break,
                Step::Ask(Ask::Login(_)) => session.login(Verdict::Accepted),
                Step::Ask(Ask::Begin) => session.proceed(),
                Step::Ask(Ask::End) => session.kept(&"1"),
                Step::Ask(Ask::Body(_)) | Step::Ask(Ask::Abandon) => {}
                other => panic!("{other:?} was not to be asked"),
            }
        }
        String::from_utf8(mem::take(session.output())).unwrap()
    }

    const TRANSACTION: &str = "EHLO a\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\nx\r\n.\r\n";

    #[test]
    fn an_idle_session_is_small() {
        let (mut session, now) = session(Options::default());
        talk(&mut session, now, TRANSACTION);
        assert!(size_of::<Session>() <= 352, "{}", size_of::<Session>());
        assert_eq!(session.output.capacity(), 0);
        assert!(session.transaction.is_none());
        assert_eq!(session.client.as_ref().map(|client| client.helo.capacity()), Some(1));
    }

    #[test]
    fn silence_ends_a_session() {
        let (mut session, start) = session(Options::default());
        assert_eq!(session.deadline(), start + Duration::from_secs(300));
        let heard = start + Duration::from_secs(200);
        talk(&mut session, heard, "NOOP\r\n");
        assert_eq!(session.deadline(), heard + Duration::from_secs(300));
        session.expire(start + Duration::from_secs(499));
        assert!(session.output().is_empty());
        session.expire(start + Duration::from_secs(500));
        let said = talk(&mut session, start + Duration::from_secs(500), "NOOP\r\n");
        assert_eq!(said, "421 4.4.2 Timeout, closing connection\r\n");
    }

    #[test]
    fn a_session_has_an_end_even_if_it_is_never_silent() {
        let limits = limits::Options { session_seconds: Seconds::new(1000), ..Default::default() };
        let (mut session, start) = session(Options { limits, ..Options::default() });
        talk(&mut session, start + Duration::from_secs(900), "NOOP\r\n");
        assert_eq!(session.deadline(), start + Duration::from_secs(1000));
    }

    #[test]
    fn a_wait_beyond_all_clocks_is_no_panic() {
        let limits = limits::Options {
            greeting_seconds: Seconds::new(u64::MAX),
            session_seconds: Seconds::new(u64::MAX),
            ..Default::default()
        };
        let (session, start) = session(Options { limits, ..Options::default() });
        assert!(session.deadline() > start + Duration::from_secs(3600));
    }

    #[test]
    fn a_step_without_an_answer_is_answered_here() {
        for (asked, text) in [
            ("begin", "EHLO a\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n"),
            ("login", "EHLO a\r\nAUTH PLAIN AGEAYg==\r\n"),
        ] {
            let auth = AuthMode::Offered;
            let (mut session, now) = session(Options { auth, ..Options::default() });
            let mut input = text.as_bytes();
            let step = session.step(&mut input, now);
            assert!(matches!(step, Step::Ask(Ask::Begin) | Step::Ask(Ask::Login(_))), "{asked}");
            assert_eq!(session.step(&mut input, now), Step::Read);
            assert!(session.output().ends_with(b"\r\n451 4.3.0 Local error, try again later\r\n"));
            assert!(session.envelope().is_none());
        }
        let (mut session, now) = session(Options::default());
        let mut input = TRANSACTION.as_bytes();
        assert_eq!(session.step(&mut input, now), Step::Ask(Ask::Begin));
        session.proceed();
        assert_eq!(session.step(&mut input, now), Step::Ask(Ask::Body(b"x\r\n")));
        assert_eq!(session.step(&mut input, now), Step::Ask(Ask::End));
        assert_eq!(session.step(&mut input, now), Step::Read);
        assert!(session.output().ends_with(b"\r\n451 4.3.0 Local error, try again later\r\n"));
    }

    #[test]
    fn who_talks_before_the_greeting_is_sent_away() {
        let strictness = Strictness { greeting_delay_seconds: 5, ..Strictness::default() };
        let (mut session, now) = session(Options { strictness, ..Options::default() });
        let delay = Duration::from_secs(5);
        assert_eq!(session.step(&mut &b""[..], now), Step::Ask(Ask::Greeting(delay)));
        session.talked_early();
        let said = talk(&mut session, now, "EHLO a\r\n");
        assert_eq!(said, "554 5.5.1 You talked before the greeting\r\n");
        // Where nobody has to wait, the first words may come at any time.
        let (mut session, now) = self::session(Options::default());
        session.talked_early();
        assert!(talk(&mut session, now, "HELO a\r\n").ends_with(" ready\r\n250 localhost\r\n"));
    }

    #[test]
    fn replies_do_not_gather_without_bound() {
        let (mut session, now) = session(Options::default());
        let flood = "EHLO a\r\n".repeat(8_000);
        let (mut input, mut written) = (flood.as_bytes(), 0);
        while session.step(&mut input, now) == Step::Flush {
            assert!(session.output().len() < 2 * MOST_OUTPUT);
            written += std::mem::take(session.output()).len();
        }
        assert!(input.is_empty());
        assert!(written > 20 * flood.len());
    }

    #[test]
    fn each_phase_has_its_silence() {
        let [greeting_seconds, idle_seconds, data_seconds] = [1, 2, 3].map(Seconds::new);
        let limits = limits::Options {
            greeting_seconds,
            idle_seconds,
            data_seconds,
            ..limits::Options::default()
        };
        let (mut session, now) = session(Options { limits, ..Options::default() });
        let [greeting_idle, command_idle, data_idle] = [1, 2, 3].map(Duration::from_secs);
        assert_eq!(session.deadline(), now + greeting_idle);
        talk(&mut session, now, "EHLO a\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n");
        assert_eq!(session.deadline(), now + command_idle);
        talk(&mut session, now, "BDAT 10\r\nabc");
        assert_eq!(session.deadline(), now + data_idle);
        talk(&mut session, now, "defghij");
        assert_eq!(session.deadline(), now + command_idle);
        talk(&mut session, now, "BDAT 10000000000\r\n");
        assert_eq!(session.deadline(), now + data_idle, "a chunk that is dropped");
    }

    #[test]
    fn chunks_are_borrowed_from_the_input() {
        let (mut session, now) = session(Options::default());
        talk(&mut session, now, "EHLO a\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n");
        let text = b"BDAT 6 LAST\r\n\r\n.\r\n.QUIT\r\n";
        let mut input = &text[..];
        assert_eq!(session.step(&mut input, now), Step::Ask(Ask::Begin));
        session.proceed();
        let Step::Ask(Ask::Body(run)) = session.step(&mut input, now) else { panic!("no content") };
        assert_eq!((run, run.as_ptr()), (&b"\r\n.\r\n."[..], text[13..].as_ptr()));
        assert_eq!(session.step(&mut input, now), Step::Ask(Ask::End));
    }

    #[test]
    fn answers_that_nobody_asked_for_change_nothing() {
        let (mut session, now) = session(Options::default());
        session.output().clear();
        session.login(Verdict::Accepted);
        session.proceed();
        session.accept();
        session.adopt(true);
        session.nonce([0; 18]);
        session.secrets(None);
        session.tls_started(Tls::default());
        session.kept(&"1");
        session.refuse(Reply::LOCAL_ERROR);
        assert_eq!(talk(&mut session, now, ""), "");
        assert_eq!((session.log().messages_kept, session.log().refused), (0, 0));
        talk(&mut session, now, "EHLO a\r\nMAIL FROM:<a@b>\r\n");
        assert_eq!(session.take_envelope(), Envelope::default());
        assert_eq!(session.envelope().map(|envelope| &*envelope.reverse_path), Some("a@b"));
    }

    #[test]
    fn shutting_down_waits_for_the_message_and_not_for_the_next() {
        let (mut session, now) = session(Options::default());
        let mut input = TRANSACTION.as_bytes();
        assert_eq!(session.step(&mut input, now), Step::Ask(Ask::Begin));
        session.shut_down();
        session.proceed();
        let said = talk(&mut session, now, "x\r\n.\r\nMAIL FROM:<a@b>\r\n");
        assert!(
            said.ends_with("250 2.0.0 Ok: queued as 1\r\n421 4.3.2 Service shutting down\r\n"),
            "{said}"
        );
    }

    #[test]
    fn the_log_tells_what_happened_and_no_secret() {
        let auth = AuthMode::Offered;
        let (mut session, now) = session(Options { auth, ..Options::default() });
        talk(&mut session, now, TRANSACTION);
        talk(&mut session, now, "AUTH PLAIN AGFubgBnZWhlaW0=\r\nAUTH PLAIN AGFubgBnZWhlaW0=\r\n");
        let shown = format!("{session:?}");
        assert!(!shown.contains("geheim") && !shown.contains("AGFubgBnZWhlaW0"), "{shown}");
        let log = session.log();
        assert_eq!((log.helo, log.auth_user), (Some("a"), Some("ann")));
        assert_eq!((log.messages_kept, log.messages_refused, log.refused), (1, 0, 1));
        let refusal = log.last_refusal.unwrap();
        assert_eq!(refusal.verb.map(Verb::name), Some("AUTH"));
        assert_eq!(refusal.reply.to_string(), "503 5.5.1 Already authenticated");
    }
}
