//! One SMTP conversation without its socket: what may happen next, and what the world is asked.
//!
//! Everything that changes the state of a session is here and in `obey`, which says what each command
//! does. The order of events does not depend on how the stream was cut, and nothing is kept between
//! two calls except a partial line, an envelope under way and replies that were not written yet.
//!
//! Commands may end with LF alone, because people type them into `nc` and a command line cannot hide
//! a message. The end of a body may not: there CRLF.CRLF alone counts, so what follows a body is
//! never read as commands when the sender meant it as text.

use std::{
    fmt,
    io::Write as _,
    mem,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    Log, Options, Peer, Refusal, Reply, Verb, XClient,
    data::{LineEnds, Piece, Unstuffer},
    log::Tally,
};
use crate::{
    message::{Envelope, Tls},
    wire::{
        line::{LineBuffer, TooLong},
        sasl::{Claim, Exchange, ScramKeys},
    },
};

/// The server's side of one connection.
#[derive(Debug)]
pub struct Session {
    pub(super) options: Arc<Options>,
    pub(super) tls: Option<Box<Tls>>,
    pub(super) may_xclient: bool,
    pub(super) is_trusted: bool,
    pub(super) state: State,
    pub(super) output: Vec<u8>,
    pub(super) client: Option<Client>,
    pub(super) auth_user: Option<String>,
    pub(super) transaction: Option<Box<Transaction>>,
    pub(super) tally: Tally,
    lines: LineBuffer,
    /// Our 5yz answers to commands since the last message was kept.
    errors: u32,
    ending: bool,
    started: Instant,
    heard: Instant,
}

/// What a session wants of the world.
#[derive(Debug, PartialEq, Eq)]
pub enum Step<'a> {
    /// All input is consumed: write the output, read more.
    Read,
    /// `220 2.0.0 Ready to start TLS` is in the output: write it, do the handshake, and answer with
    /// [`Session::tls_started`]. There is no input behind the command, or the session would have ended.
    StartTls,
    /// The client is somebody else (XCLIENT): answer with [`Session::adopt`] or [`Session::refuse`].
    Client(XClient),
    /// An AUTH exchange needs octets that nobody can guess: answer with [`Session::nonce`] or
    /// [`Session::refuse`].
    Nonce,
    /// SCRAM needs what is kept of this user's password: answer with [`Session::secrets`] or
    /// [`Session::refuse`].
    Secrets(String),
    /// Somebody wants to log in: answer with [`Session::login`].
    Login(Claim),
    /// MAIL gave a reverse-path, which [`Session::envelope`] shows: answer with [`Session::accept`] or
    /// [`Session::refuse`]. Asked only with `ask_policy`.
    Mail,
    /// RCPT gave a forward-path, the last one of [`Session::envelope`]: answer with
    /// [`Session::accept`] or [`Session::refuse`], which drops it. Asked only with `ask_policy`.
    Rcpt,
    /// Wait so long, without reading, before the output is written. Nothing is to be answered. Comes
    /// first of all before the greeting: if octets of the peer wait after it, call
    /// [`Session::talked_early`].
    Pause(Duration),
    /// A message is about to come: answer with [`Session::proceed`] or [`Session::refuse`].
    Begin,
    /// Content of the message, never empty, as it is to be kept.
    Body(&'a [u8]),
    /// The message is complete: take the envelope, keep the message durably, and answer with
    /// [`Session::kept`] or [`Session::refuse`].
    End,
    /// The message under way will not be kept: drop what there is of it. Nothing is to be answered.
    Abandon,
    /// Write the output, then close.
    Close,
}

/// What came of a login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The credentials are good.
    Accepted,
    /// They are not.
    Refused,
    /// This cannot be said now.
    Unavailable,
}

/// What may happen next.
#[derive(Debug)]
pub(super) enum State {
    /// A command.
    Command,
    /// The client's next line of an AUTH exchange.
    Auth(Exchange),
    /// [`Step::Login`] waits for its answer.
    Login { user: String },
    /// [`Step::StartTls`] waits for its answer.
    StartTls,
    /// [`Step::Begin`] waits for its answer.
    Begin,
    /// Content.
    Body(Body),
    /// [`Step::End`] waits for its answer.
    End,
    /// The world must hear [`Step::Abandon`] before the end.
    Abandoning,
    /// Nothing.
    Closed,
}

/// Who said HELO or EHLO.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) helo: String,
    pub(super) esmtp: bool,
}

/// What was said since MAIL.
#[derive(Debug)]
pub(super) struct Transaction {
    pub(super) envelope: Envelope,
    /// At least one RCPT was refused.
    pub(super) recipients_refused: bool,
}

/// A body under way.
#[derive(Debug, Default)]
pub(super) struct Body {
    unstuffer: Unstuffer,
    line_ends: LineEnds,
    size: u64,
    /// It is only read to its end, to be refused there.
    abandoned: bool,
}

impl Session {
    /// A new conversation; the greeting is in the output already.
    pub fn new(options: Arc<Options>, peer: Peer, now: Instant) -> Self {
        let mut output = Vec::with_capacity(options.name.len() + GREETING.len() + 4);
        output.extend_from_slice(b"220 ");
        super::reply::write_clean(&options.name, &mut output);
        output.extend_from_slice(GREETING);
        Self {
            options,
            tls: peer.tls.map(Box::new),
            may_xclient: peer.may_xclient,
            is_trusted: peer.is_trusted,
            state: State::Command,
            output,
            client: None,
            auth_user: None,
            transaction: None,
            tally: Tally::default(),
            lines: LineBuffer::default(),
            errors: 0,
            ending: false,
            started: now,
            heard: now,
        }
    }

    /// Takes what it can of the input, advances `input` past that, and says what it wants next.
    ///
    /// Call it again with the rest of the input after every step but [`Step::Read`] and
    /// [`Step::Close`]. The peer's time to be silent begins anew with each call. A step that was not
    /// answered is answered `451 4.3.0` here.
    pub fn step<'a>(&mut self, input: &mut &'a [u8], now: Instant) -> Step<'a> {
        self.heard = now;
        loop {
            let step = match self.state {
                State::Command | State::Auth(_) => self.line(input),
                State::Body(_) => self.body(input),
                State::Login { .. } | State::StartTls | State::Begin | State::End => {
                    self.refuse(Reply::LOCAL_ERROR);
                    None
                }
                State::Abandoning => {
                    self.state = State::Closed;
                    Some(Step::Abandon)
                }
                State::Closed => Some(Step::Close),
            };
            if let Some(step) = step {
                return step;
            }
        }
    }

    /// Replies that were not written yet. Write and clear them when a step is [`Step::Read`] or
    /// [`Step::Close`], and before anything that takes long. Taking the vector away leaves an idle
    /// session without heap memory for it.
    pub const fn output(&mut self) -> &mut Vec<u8> {
        &mut self.output
    }

    /// When to call [`Self::expire`], unless a step is waiting for its answer.
    pub fn deadline(&self) -> Instant {
        let Options { greeting_idle, command_idle, data_idle, total, .. } = *self.options;
        let idle = match self.state {
            State::Body(_) => data_idle,
            _ if self.client.is_none() => greeting_idle,
            _ => command_idle,
        };
        later(self.heard, idle).min(later(self.started, total))
    }

    /// The deadline has passed: `421 4.4.2`, then [`Step::Abandon`] if a message is under way, then
    /// [`Step::Close`]. Does nothing before the deadline.
    pub fn expire(&mut self, now: Instant) {
        if now >= self.deadline() {
            self.close(&Reply::TIMEOUT);
        }
    }

    /// The server ends: `421 4.3.2` and [`Step::Close`] instead of the next command. A message whose
    /// DATA was said is finished first. Call [`Self::step`] afterwards, even without input.
    pub const fn shut_down(&mut self) {
        self.ending = true;
    }

    /// What is worth logging.
    pub fn log(&self) -> Log<'_> {
        Log {
            helo: self.client.as_ref().map(|client| client.helo.as_str()),
            auth_user: self.auth_user.as_deref(),
            messages_kept: self.tally.messages_kept,
            messages_refused: self.tally.messages_refused,
            refused: self.tally.refused,
            logins_failed: self.tally.logins_failed,
            last_refusal: self.tally.last_refusal(),
        }
    }

    /// What was refused since the last call; of a flood of refusals the first ones and the last.
    pub fn refusals(&mut self) -> &[Refusal] {
        self.tally.tell()
    }

    /// How the connection is encrypted; none if it is not.
    pub fn tls(&self) -> Option<&Tls> {
        self.tls.as_deref()
    }

    /// The envelope under way, from MAIL on.
    pub fn envelope(&self) -> Option<&Envelope> {
        self.transaction.as_ref().map(|transaction| &transaction.envelope)
    }
}

/// Answers to steps. Each does nothing if its step is not waiting.
impl Session {
    /// Answers [`Step::Login`].
    pub fn login(&mut self, verdict: Verdict) {
        let State::Login { user } = &mut self.state else { return };
        let user = mem::take(user);
        self.state = State::Command;
        match verdict {
            Verdict::Accepted => {
                self.auth_user = Some(user);
                Reply::AUTHENTICATED.write(&mut self.output);
            }
            Verdict::Refused => {
                self.tally.logins_failed += 1;
                self.object(Some(Verb::Auth), Reply::AUTH_REFUSED);
            }
            Verdict::Unavailable => self.object(Some(Verb::Auth), Reply::AUTH_UNAVAILABLE),
        }
    }

    /// Answers [`Step::StartTls`]: the handshake is done. Everything learnt before is forgotten.
    pub fn tls_started(&mut self, tls: Tls) {
        if matches!(self.state, State::StartTls) {
            self.tls = Some(Box::new(tls));
            self.client = None;
            self.auth_user = None;
            self.reset();
        }
    }

    /// Answers [`Step::Client`]: the session goes on with that client, from the greeting on.
    pub const fn adopt(&mut self, is_trusted: bool) {
        self.is_trusted = is_trusted;
    }

    /// Answers [`Step::Nonce`] with random octets.
    pub const fn nonce(&mut self, _octets: [u8; 18]) {}

    /// Answers [`Step::Secrets`]; none if there is no such user. Whoever wants to hide which users
    /// there are gives keys that nobody has, always the same for the same user.
    pub fn secrets(&mut self, _keys: Option<ScramKeys>) {}

    /// Answers [`Step::Mail`] and [`Step::Rcpt`]: they may stand.
    pub const fn accept(&mut self) {}

    /// The peer sent octets before the greeting was written, which is then taken back: `554 5.5.1`,
    /// then [`Step::Close`].
    pub fn talked_early(&mut self) {
        self.output.clear();
        self.close(&Reply::TALKED_EARLY);
    }

    /// Answers [`Step::Begin`]: the message may come.
    pub fn proceed(&mut self) {
        if matches!(self.state, State::Begin) {
            Reply::GO_AHEAD.write(&mut self.output);
            self.state = State::Body(Body::default());
        }
    }

    /// At [`Step::End`]: the envelope of the complete message. Its `client` and `received_ms` are for
    /// the caller to fill in.
    pub fn take_envelope(&mut self) -> Envelope {
        match (&self.state, &mut self.transaction) {
            (State::End, Some(transaction)) => mem::take(&mut transaction.envelope),
            _ => Envelope::default(),
        }
    }

    /// Answers [`Step::End`]: the message is kept under this name, which must fit in a line.
    pub fn kept(&mut self, id: &dyn fmt::Display) {
        if matches!(self.state, State::End) {
            self.reset();
            self.errors = 0;
            self.tally.messages_kept += 1;
            // Writing to a vector cannot fail.
            let _ = write!(self.output, "250 2.0.0 Ok: queued as {id}\r\n");
        }
    }

    /// Answers any step that waits with a refusal. A message is then not kept, and its transaction is
    /// over. `421` closes the session.
    pub fn refuse(&mut self, reply: Reply) {
        let verb = match self.state {
            State::Login { .. } => Verb::Auth,
            State::Begin | State::End => Verb::Data,
            _ => return,
        };
        if verb == Verb::Data {
            self.tally.messages_refused += 1;
            self.transaction = None;
        }
        self.state = if reply.code() == 421 { State::Closed } else { State::Command };
        self.tally.refusal(Some(verb), &reply);
        reply.write(&mut self.output);
    }
}

impl Session {
    fn line<'a>(&mut self, input: &mut &'a [u8]) -> Option<Step<'a>> {
        if self.ending {
            self.close(&Reply::SHUTTING_DOWN);
            return None;
        }
        let Some(line) = self.lines.next(input, self.options.max_line) else {
            return Some(Step::Read);
        };
        let state = mem::replace(&mut self.state, State::Command);
        let (verb, outcome) = match (state, &line) {
            (State::Auth(exchange), Ok(line)) => {
                (Some(Verb::Auth), self.exchange(exchange.respond(line)))
            }
            (State::Auth(_), Err(TooLong)) => (Some(Verb::Auth), Err(Reply::AUTH_LINE_TOO_LONG)),
            (_, Ok(line)) => self.command(line),
            (_, Err(TooLong)) => (None, Err(Reply::LINE_TOO_LONG)),
        };
        outcome.unwrap_or_else(|refusal| {
            self.object(verb, refusal);
            None
        })
    }

    fn body<'a>(&mut self, input: &mut &'a [u8]) -> Option<Step<'a>> {
        let State::Body(body) = &mut self.state else { return None };
        let Options { max_message_size, refuse_bare_line_ends, .. } = *self.options;
        match body.unstuffer.next(input) {
            Piece::More => Some(Step::Read),
            Piece::Run(run) => {
                body.size = body.size.saturating_add(run.len() as u64);
                let bad = body.size > max_message_size
                    || (refuse_bare_line_ends && body.line_ends.is_bare(run));
                match (bad, body.abandoned) {
                    (false, false) => Some(Step::Body(run)),
                    (true, false) => {
                        body.abandoned = true;
                        Some(Step::Abandon)
                    }
                    (_, true) => None,
                }
            }
            Piece::End if body.abandoned => {
                // The size goes first, so that the answer does not depend on which was seen first.
                let too_large = body.size > max_message_size;
                self.reset();
                self.tally.messages_refused += 1;
                let reply = if too_large { Reply::TOO_LARGE } else { Reply::BARE_LINE_ENDS };
                self.object(Some(Verb::Data), reply);
                None
            }
            Piece::End => {
                self.state = State::End;
                Some(Step::End)
            }
        }
    }

    /// Back to where MAIL may be said.
    pub(super) fn reset(&mut self) {
        self.transaction = None;
        self.state = State::Command;
    }

    /// Refuses a command, and ends a session that is refused too much.
    fn object(&mut self, verb: Option<Verb>, reply: Reply) {
        self.tally.refusal(verb, &reply);
        reply.write(&mut self.output);
        self.errors = self.errors.saturating_add(u32::from(reply.code() >= 500));
        if verb == Some(Verb::Http) {
            self.state = State::Closed;
        } else if self.errors >= self.options.max_errors {
            self.close(&Reply::TOO_MANY_ERRORS);
        }
    }

    fn close(&mut self, reply: &Reply) {
        let draft_is_open = match &self.state {
            State::Closed | State::Abandoning => return,
            State::Body(body) => !body.abandoned,
            State::Begin | State::End => true,
            State::Command | State::Auth(_) | State::Login { .. } | State::StartTls => false,
        };
        self.tally.messages_refused += u64::from(draft_is_open);
        self.tally.refusal(None, reply);
        reply.write(&mut self.output);
        self.transaction = None;
        self.state = if draft_is_open { State::Abandoning } else { State::Closed };
    }
}

/// So much later; a wait that no clock can show is ten years.
fn later(from: Instant, wait: Duration) -> Instant {
    const TEN_YEARS: Duration = Duration::from_secs(10 * 365 * 24 * 3600);
    from.checked_add(wait).unwrap_or_else(|| from + TEN_YEARS)
}

const GREETING: &[u8] = b" ESMTP ready\r\n";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::smtp::AuthMode;

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
                Step::Login(_) => session.login(Verdict::Accepted),
                Step::Begin => session.proceed(),
                Step::End => session.kept(&"1"),
                Step::Body(_) | Step::Abandon => {}
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
        let total = Duration::from_secs(1000);
        let (mut session, start) = session(Options { total, ..Options::default() });
        talk(&mut session, start + Duration::from_secs(900), "NOOP\r\n");
        assert_eq!(session.deadline(), start + total);
    }

    #[test]
    fn a_wait_beyond_all_clocks_is_no_panic() {
        let (session, start) = session(Options {
            greeting_idle: Duration::MAX,
            total: Duration::MAX,
            ..Options::default()
        });
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
            assert!(matches!(step, Step::Begin | Step::Login(_)), "{asked}");
            assert_eq!(session.step(&mut input, now), Step::Read);
            assert!(session.output().ends_with(b"\r\n451 4.3.0 Local error, try again later\r\n"));
            assert!(session.envelope().is_none());
        }
        let (mut session, now) = session(Options::default());
        let mut input = TRANSACTION.as_bytes();
        assert_eq!(session.step(&mut input, now), Step::Begin);
        session.proceed();
        assert_eq!(session.step(&mut input, now), Step::Body(b"x\r\n"));
        assert_eq!(session.step(&mut input, now), Step::End);
        assert_eq!(session.step(&mut input, now), Step::Read);
        assert!(session.output().ends_with(b"\r\n451 4.3.0 Local error, try again later\r\n"));
    }

    #[test]
    fn answers_that_nobody_asked_for_change_nothing() {
        let (mut session, now) = session(Options::default());
        session.output().clear();
        session.login(Verdict::Accepted);
        session.proceed();
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
        assert_eq!(session.step(&mut input, now), Step::Begin);
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
