//! A session and the world around it, without sockets and clock; what comes out is a list of events.

// A helper of a test may fail it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{fmt::Write as _, mem, sync::Arc, time::Instant};

use smtpd::{
    message::{Envelope, Parameter},
    smtp::{AuthMode, Options, Peer, Reply, Session, Step, Verdict},
    wire::sasl::Claim,
};

use super::script::Turn;

/// What came out of a session, in order.
#[derive(Debug, PartialEq)]
pub(super) enum Event {
    Line(String),
    Ask(String),
    Envelope(String),
    Body(String),
}

/// A session and the world around it, without sockets and clock.
pub(super) struct Stage {
    pub(super) session: Session,
    now: Instant,
    pub(super) events: Vec<Event>,
    body: Vec<u8>,
    pub(super) closed: bool,
    kept: u64,
    login: Verdict,
    begin: Option<Reply>,
    keep: Option<Reply>,
}

impl Stage {
    pub(super) fn new(settings: &[(String, String)]) -> Self {
        let now = Instant::now();
        let mut stage = Self {
            session: Session::new(Arc::new(options(settings)), Peer::default(), now),
            now,
            events: Vec::new(),
            body: Vec::new(),
            closed: false,
            kept: 0,
            login: Verdict::Accepted,
            begin: None,
            keep: None,
        };
        for (key, value) in settings {
            stage.set(key, value);
        }
        stage.feed(b"");
        stage
    }

    fn set(&mut self, key: &str, value: &str) {
        match (key, value) {
            ("login", "accept") => self.login = Verdict::Accepted,
            ("login", "refuse") => self.login = Verdict::Refused,
            ("login", "unavailable") => self.login = Verdict::Unavailable,
            ("begin", _) => self.begin = reply(value),
            ("keep", _) => self.keep = reply(value),
            _ => {}
        }
    }

    pub(super) fn direct(&mut self, directive: &Turn) {
        match directive {
            Turn::Set(key, value) => {
                assert!(matches!(&**key, "login" | "begin" | "keep"), "{key} is set at the top");
                self.set(key, value);
            }
            Turn::Expire => {
                self.now = self.session.deadline();
                self.session.expire(self.now);
                self.feed(b"");
            }
            Turn::ShutDown => {
                self.session.shut_down();
                self.feed(b"");
            }
            Turn::Say(_) | Turn::Hear(_) => {}
        }
    }

    pub(super) fn feed(&mut self, mut input: &[u8]) {
        while !self.closed {
            let step = self.session.step(&mut input, self.now);
            drain(self.session.output(), &mut self.events);
            match step {
                Step::Read => {
                    assert!(input.is_empty(), "Read means that all is consumed");
                    return;
                }
                Step::Login(claim) => {
                    let Claim::Password(credentials) = claim else { panic!("{claim:?}") };
                    let password = credentials.password.declassify();
                    self.ask(format!("login {} {password}", credentials.user));
                    self.session.login(self.login);
                }
                Step::StartTls
                | Step::Client(_)
                | Step::Nonce
                | Step::Secrets(_)
                | Step::Mail
                | Step::Rcpt
                | Step::Pause(_) => panic!("{step:?} is not asked yet"),
                Step::Begin => {
                    self.ask("begin".into());
                    match &self.begin {
                        Some(reply) => self.session.refuse(reply.clone()),
                        None => self.session.proceed(),
                    }
                }
                Step::Body(run) => {
                    assert!(!run.is_empty());
                    self.body.extend_from_slice(run);
                }
                Step::End => self.end(),
                Step::Abandon => {
                    self.body.clear();
                    self.ask("abandon".into());
                }
                Step::Close => {
                    self.ask("close".into());
                    self.closed = true;
                }
            }
        }
    }

    fn end(&mut self) {
        let envelope = self.session.take_envelope();
        let body = mem::take(&mut self.body);
        let recipients = match envelope.forward_paths.len() {
            1 => "1 recipient".to_owned(),
            many => format!("{many} recipients"),
        };
        self.ask(format!("end {recipients}, {} octets", body.len()));
        self.events.push(Event::Envelope(show(&envelope)));
        self.events.push(Event::Body(body.escape_ascii().to_string()));
        match &self.keep {
            Some(reply) => self.session.refuse(reply.clone()),
            None => {
                self.kept += 1;
                self.session.kept(&self.kept);
            }
        }
    }

    fn ask(&mut self, ask: String) {
        self.events.push(Event::Ask(ask));
    }
}

fn drain(output: &mut Vec<u8>, events: &mut Vec<Event>) {
    let text = String::from_utf8(mem::take(output)).unwrap();
    for line in text.split_inclusive('\n') {
        let line = line.strip_suffix("\r\n").expect("a reply ends with CRLF");
        events.push(Event::Line(line.to_owned()));
    }
}

fn show(envelope: &Envelope) -> String {
    let mut text = format!("<{}> ->", envelope.reverse_path);
    for path in &envelope.forward_paths {
        write!(text, " <{}>", path.address).unwrap();
    }
    for Parameter { keyword, value } in &envelope.parameters {
        write!(text, " {keyword}").unwrap();
        if let Some(value) = value {
            write!(text, "={value}").unwrap();
        }
    }
    let greeting = if envelope.esmtp { "EHLO" } else { "HELO" };
    write!(text, ", {greeting} {}", envelope.helo).unwrap();
    if let Some(user) = &envelope.auth_user {
        write!(text, ", user {user}").unwrap();
    }
    text
}

fn options(settings: &[(String, String)]) -> Options {
    let mut options = Options { name: "mx.test".into(), ..Options::default() };
    for (key, value) in settings {
        match key.as_str() {
            "max_message_size" => options.max_message_size = value.parse().unwrap(),
            "max_recipients" => options.max_recipients = value.parse().unwrap(),
            "max_line" => options.max_line = value.parse().unwrap(),
            "max_errors" => options.max_errors = value.parse().unwrap(),
            "refuse_bare_line_ends" => options.refuse_bare_line_ends = value.parse().unwrap(),
            "auth" => {
                options.auth = match value.as_str() {
                    "off" => AuthMode::Off,
                    "offered" => AuthMode::Offered,
                    "required" => AuthMode::Required,
                    _ => panic!("auth = {value}"),
                }
            }
            "login" | "begin" | "keep" => {}
            _ => panic!("there is no setting {key}"),
        }
    }
    options
}

/// `refuse 452 4.3.1 text`, or `accept`.
fn reply(value: &str) -> Option<Reply> {
    let mut words = value.strip_prefix("refuse ")?.splitn(3, ' ');
    let mut word = || words.next().unwrap().to_owned();
    let (code, enhanced) = (word().parse().unwrap(), &*word().leak());
    Some(Reply::with_text(code, enhanced, word()))
}
