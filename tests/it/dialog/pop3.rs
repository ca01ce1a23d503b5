//! A POP3 session and a world with three messages around it, without sockets and clock.

use std::{mem, sync::Arc, time::Instant};

use smtpd::{
    id::MessageId,
    pop3::{Ask, Entry, Failure, Maildrop, Options, Session, Step, sent_size},
    wire::{
        Tls,
        sasl::{Mechanism, ScramKeys, Verdict},
        session::{Session as _, StartTls},
    },
};

use super::{
    script::Turn,
    stage::{Event, Play, drain, set, show_claim, tls},
};

/// A session and the world around it.
pub(super) struct Stage {
    session: Session,
    now: Instant,
    events: Vec<Event>,
    closed: bool,
    login: Verdict,
    /// Another client deleted this message.
    gone: Option<usize>,
    /// This one breaks off behind its first line.
    broken: Option<usize>,
    opens: bool,
    deletes: bool,
    /// What SCRAM is checked with; none if nobody is known.
    password: Option<String>,
}

impl Play for Stage {
    fn new(settings: &[(String, String)]) -> Self {
        let now = Instant::now();
        let (options, tls) = options(settings);
        let mut stage = Self {
            session: Session::new(Arc::new(options), tls, Some([0; 18]), now),
            now,
            events: Vec::new(),
            closed: false,
            login: Verdict::Accepted,
            gone: None,
            broken: None,
            opens: true,
            deletes: true,
            password: None,
        };
        settings.iter().for_each(|(key, value)| stage.set(key, value));
        stage.feed(b"");
        stage
    }

    fn direct(&mut self, directive: &Turn) {
        match directive {
            Turn::Set(key, value) => self.set(key, value),
            Turn::Expire => {
                self.now = self.session.deadline();
                self.session.expire(self.now);
                self.feed(b"");
            }
            Turn::ShutDown => {
                self.session.shut_down();
                self.feed(b"");
            }
            Turn::Say(_) | Turn::Hear(_) | Turn::Wait => {}
        }
    }

    fn feed(&mut self, mut input: &[u8]) {
        while !self.closed {
            let step = self.session.step(&mut input, self.now);
            drain(self.session.output(), &mut self.events);
            match step {
                Step::Flush => {}
                Step::Read => {
                    assert!(input.is_empty(), "Read means that all is consumed");
                    return;
                }
                Step::Pause(_) => panic!("nobody has to wait"),
                Step::StartTls => {
                    assert!(input.is_empty(), "nothing stands behind STLS");
                    self.ask("starttls".into());
                    self.session.tls_started(tls("TLSv1.3"));
                }
                Step::Close => {
                    self.ask("close".into());
                    self.closed = true;
                }
                Step::Ask(ask) => self.answer(ask),
            }
        }
    }

    fn events(&mut self) -> &mut Vec<Event> {
        &mut self.events
    }

    fn is_closed(&self) -> bool {
        self.closed
    }
}

impl Stage {
    fn set(&mut self, key: &str, value: &str) {
        match (key, value) {
            ("login", "accept") => self.login = Verdict::Accepted,
            ("login", "refuse") => self.login = Verdict::Refused,
            ("login", "unavailable") => self.login = Verdict::Unavailable,
            ("gone", _) => self.gone = value.parse().ok(),
            ("broken", _) => self.broken = value.parse().ok(),
            ("opens", _) => self.opens = value.parse().unwrap(),
            ("deletes", _) => self.deletes = value.parse().unwrap(),
            ("password", _) => self.password = Some(value.to_owned()),
            _ => assert!(OPTIONS.contains(&key), "there is no setting {key}"),
        }
    }

    fn answer(&mut self, ask: Ask) {
        match ask {
            Ask::Nonce => {
                self.ask("nonce".into());
                self.session.nonce([0; 18]);
            }
            Ask::ScramKeys(user) => {
                self.ask(format!("secrets {user}"));
                let keys = self.password.as_deref();
                self.session.scram_keys(keys.map(|it| ScramKeys::derive(it, b"salt", 64)));
            }
            Ask::Login(claim) => {
                self.ask(show_claim(&claim));
                self.session.login(self.login);
            }
            Ask::Open(user) => {
                self.ask(format!("open {user}"));
                match self.opens {
                    true => self.session.open(maildrop()),
                    false => self.session.refuse(&Failure::TRY_AGAIN),
                }
            }
            Ask::Retrieve(id) => self.send(id),
            Ask::Delete(ids) => {
                let numbers: Vec<_> = ids.iter().map(|id| number(*id).to_string()).collect();
                self.ask(format!("delete {}", numbers.join(" ")));
                match self.deletes {
                    true => self.session.deleted(ids.len() as u64),
                    false => self.session.refuse(&Failure::TRY_AGAIN),
                }
            }
        }
    }

    fn send(&mut self, id: MessageId) {
        let number = number(id);
        self.ask(format!("retrieve {number}"));
        if self.gone == Some(number) {
            return self.session.refuse(&Failure::GONE);
        }
        self.session.begin_message();
        let message = MESSAGES[number - 1].as_bytes();
        if self.broken == Some(number) {
            self.session.content(&message[..14], self.now);
            return self.session.refuse(&Failure::DAMAGED);
        }
        for piece in message.chunks(5) {
            if !self.session.content(piece, self.now) {
                break;
            }
        }
        self.session.end_message();
    }

    fn ask(&mut self, ask: String) {
        drain(self.session.output(), &mut self.events);
        self.events.push(Event::Ask(ask));
    }
}

fn maildrop() -> Maildrop {
    let entries = MESSAGES.iter().zip(1..).map(|(message, number)| {
        let (size, last) = sent_size((0, 0), message.as_bytes());
        let id = MessageId::from_bytes([number; 12]);
        Entry { id, size: size + if last == b'\n' { 0 } else { 2 } }
    });
    Maildrop::new(entries.collect())
}

fn number(id: MessageId) -> usize {
    id.as_bytes()[0].into()
}

fn options(settings: &[(String, String)]) -> (Options, Option<Tls>) {
    let mut options = Options { name: "mx.test".into(), ..Options::default() };
    let mut with_tls = None;
    for (key, value) in settings {
        match key.as_str() {
            "apop" => options.apop = value.parse().unwrap(),
            "mechanisms" => {
                let names = value.split(' ').filter(|name| !name.is_empty());
                let mechanism = |name| Mechanism::from_name(name).expect("a mechanism");
                options.mechanisms = names.map(mechanism).collect();
            }
            "stls" => {
                options.stls = match value.as_str() {
                    "off" => StartTls::Off,
                    "offered" => StartTls::Offered,
                    "required" => StartTls::Required,
                    _ => panic!("stls = {value}"),
                }
            }
            "login_needs_tls" => options.login_needs_tls = value.parse().unwrap(),
            "is_kept" => options.is_kept = value.parse().unwrap(),
            "tls" => with_tls = Some(tls(value)),
            "certificate" => {
                let client_certificate = Some(value.clone());
                with_tls = Some(Tls { client_certificate, ..tls("TLSv1.3") });
            }
            _ => drop(set(&mut options.limits, key, value)),
        }
    }
    (options, with_tls)
}

/// What is said of the server at the top of a file.
const OPTIONS: [&str; 10] = [
    "apop",
    "mechanisms",
    "stls",
    "login_needs_tls",
    "is_kept",
    "command_line",
    "errors",
    "tls",
    "certificate",
    "whole",
];

/// The maildrop: an ordinary message, one with dots and without a last line end, and one whose lines end
/// with LF.
const MESSAGES: [&str; 3] = [
    "Subject: one\r\n\r\nHello\r\nthere\r\n",
    "Subject: two\r\n\r\n.\r\n..two\r\nend",
    "Subject: three\n\nlone\n.\n",
];

#[test]
fn a_session_that_is_dropped_deletes_nothing() {
    let mut stage = <Stage as Play>::new(&[]);
    stage.feed(b"USER ann\r\nPASS x\r\nDELE 1\r\n");
    let asked = mem::take(stage.events());
    drop(stage);
    let deletes = |event: &Event| matches!(event, Event::Ask(ask) if ask.starts_with("delete"));
    assert!(!asked.iter().any(deletes), "{asked:?}");
    assert!(
        asked
            .iter()
            .any(|event| matches!(event, Event::Line(line) if line.starts_with("+OK Message 1")))
    );
}
