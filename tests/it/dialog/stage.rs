//! A session and the world around it, without sockets and clock; what comes out is a list of events.

use std::{fmt::Write as _, mem, sync::Arc, time::Instant};

use serde::{Serialize, de::DeserializeOwned};
use smtpd::{
    smtp::{Ask, AuthMode, MayName, Options, Peer, Reply, Session, StartTls, Step, XClient},
    wire::{
        Envelope, Parameter, Tls,
        sasl::{Claim, Credentials, Mechanism, ScramKeys, Verdict, apop, cram_md5},
        session::Session as _,
    },
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

/// A session of some protocol with the world around it.
pub(super) trait Play {
    /// As a script's settings say.
    fn new(settings: &[(String, String)]) -> Self;
    /// The client says something.
    fn feed(&mut self, input: &[u8]);
    /// Something else happens.
    fn direct(&mut self, directive: &Turn);
    /// What came out.
    fn events(&mut self) -> &mut Vec<Event>;
    /// The session said its last word.
    fn is_closed(&self) -> bool;
}

/// An SMTP session and the world around it, without sockets and clock.
pub(super) struct Stage {
    pub(super) session: Session,
    now: Instant,
    pub(super) events: Vec<Event>,
    body: Vec<u8>,
    closed: bool,
    kept: u64,
    login: Verdict,
    begin: Option<Reply>,
    keep: Option<Reply>,
    mail: Option<Reply>,
    rcpt: Option<Reply>,
    client: Option<Reply>,
    /// What SCRAM is checked with; none if nobody is known.
    password: Option<String>,
}

impl Play for Stage {
    fn new(settings: &[(String, String)]) -> Self {
        let now = Instant::now();
        let mut stage = Self {
            session: Session::new(Arc::new(options(settings)), peer(settings), now),
            now,
            events: Vec::new(),
            body: Vec::new(),
            closed: false,
            kept: 0,
            login: Verdict::Accepted,
            begin: None,
            keep: None,
            mail: None,
            rcpt: None,
            client: None,
            password: None,
        };
        for (key, value) in settings {
            stage.set(key, value);
        }
        stage.feed(b"");
        stage
    }

    fn direct(&mut self, directive: &Turn) {
        match directive {
            Turn::Set(key, value) => {
                assert!(ANSWERS.contains(&&**key), "{key} is set at the top");
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
            Turn::Say(_) | Turn::Hear(_) | Turn::Wait => {}
        }
    }

    fn feed(&mut self, mut input: &[u8]) {
        while !self.closed {
            let step = self.session.step(&mut input, self.now);
            drain(self.session.output(), &mut self.events);
            match step {
                // The output was taken above.
                Step::Flush => {}
                Step::Read => {
                    assert!(input.is_empty(), "Read means that all is consumed");
                    return;
                }
                Step::Ask(Ask::Login(claim)) => {
                    self.ask(show_claim(&claim));
                    self.session.login(self.login);
                }
                Step::Ask(Ask::Begin) => {
                    self.ask("begin".into());
                    match &self.begin {
                        Some(reply) => self.session.refuse(reply.clone()),
                        None => self.session.proceed(),
                    }
                }
                Step::StartTls => {
                    assert!(input.is_empty(), "nothing stands behind STARTTLS");
                    self.ask("starttls".into());
                    self.session.tls_started(tls("TLSv1.3"));
                }
                Step::Ask(Ask::Mail) => {
                    let envelope = self.session.envelope().expect("MAIL made an envelope");
                    let ask = format!("mail <{}>", envelope.reverse_path);
                    self.permit(ask, self.mail.clone());
                }
                Step::Ask(Ask::Rcpt) => {
                    let envelope = self.session.envelope().expect("MAIL made an envelope");
                    let last = envelope.forward_paths.last().expect("RCPT gave a recipient");
                    let ask = format!("rcpt <{}>", last.address);
                    self.permit(ask, self.rcpt.clone());
                }
                Step::Ask(Ask::Nonce) => {
                    self.ask("nonce".into());
                    self.session.nonce([0; 18]);
                }
                Step::Ask(Ask::ScramKeys(user)) => {
                    self.ask(format!("secrets {user}"));
                    let keys = self.password.as_deref();
                    self.session.secrets(keys.map(|it| ScramKeys::derive(it, b"salt", 64)));
                }
                Step::Ask(Ask::Xclient(client)) => {
                    self.ask(format!("client {}", show_client(&client)));
                    match &self.client {
                        Some(reply) => self.session.refuse(reply.clone()),
                        None => self.session.adopt(false),
                    }
                }
                Step::Pause(duration) | Step::Ask(Ask::Greeting(duration)) => {
                    self.ask(format!("pause {duration:?}"))
                }
                Step::Ask(Ask::Body(run)) => {
                    assert!(!run.is_empty());
                    self.body.extend_from_slice(run);
                }
                Step::Ask(Ask::End) => self.end(),
                Step::Ask(Ask::Abandon) => {
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
            ("begin", _) => self.begin = reply(value),
            ("keep", _) => self.keep = reply(value),
            ("mail", _) => self.mail = reply(value),
            ("rcpt", _) => self.rcpt = reply(value),
            ("client", _) => self.client = reply(value),
            ("password", _) => self.password = Some(value.to_owned()),
            _ => {}
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

    fn permit(&mut self, ask: String, refusal: Option<Reply>) {
        self.ask(ask);
        match refusal {
            Some(reply) => self.session.refuse(reply),
            None => self.session.accept(),
        }
    }

    fn ask(&mut self, ask: String) {
        self.events.push(Event::Ask(ask));
    }
}

pub(super) fn drain(output: &mut Vec<u8>, events: &mut Vec<Event>) {
    let text = String::from_utf8(mem::take(output)).unwrap();
    for line in text.split_inclusive('\n') {
        let line = line.strip_suffix("\r\n").expect("a reply ends with CRLF");
        events.push(Event::Line(line.to_owned()));
    }
}

fn show(envelope: &Envelope) -> String {
    let mut text = format!("<{}> ->", envelope.reverse_path);
    for path in &envelope.forward_paths {
        write!(text, " <{}>{}", path.address, show_parameters(&path.parameters)).unwrap();
    }
    text += &show_parameters(&envelope.parameters);
    let greeting = if envelope.esmtp { "EHLO" } else { "HELO" };
    write!(text, ", {greeting} {}", envelope.helo).unwrap();
    if let Some(user) = &envelope.auth_user {
        write!(text, ", user {user}").unwrap();
    }
    if let Some(tls) = &envelope.tls {
        write!(text, ", {}", tls.version).unwrap();
    }
    text
}

fn show_parameters(parameters: &[Parameter]) -> String {
    let mut text = String::new();
    for Parameter { keyword, value } in parameters {
        write!(text, " {keyword}").unwrap();
        if let Some(value) = value {
            write!(text, "={value}").unwrap();
        }
    }
    text
}

pub(super) fn show_claim(claim: &Claim) -> String {
    match claim {
        Claim::Password(Credentials { user, password }) => {
            format!("login {user} {}", password.declassify())
        }
        Claim::Token { user, token } => format!("token <{user}> {}", token.declassify()),
        Claim::CramMd5 { user, challenge, digest } => {
            let is_known = cram_md5("geheim", challenge) == *digest;
            format!("cram {user} {}", if is_known { "knows it" } else { "does not know it" })
        }
        Claim::Apop { user, timestamp, digest } => {
            let is_known = apop("geheim", timestamp) == *digest;
            format!("apop {user} {}", if is_known { "knows it" } else { "does not know it" })
        }
        Claim::External { authzid } => format!("external <{authzid}>"),
    }
}

/// What is known of the client, in the order of the attributes.
fn show_client(client: &XClient) -> String {
    let XClient { address, port, name, helo, login, esmtp, .. } = client;
    let mut known = Vec::new();
    known.extend(address.map(|it| it.to_string()));
    known.extend(port.map(|it| it.to_string()));
    known.extend([name, helo, login].into_iter().flatten().cloned());
    known.extend(esmtp.map(|it| if it { "ESMTP" } else { "SMTP" }.to_owned()));
    known.extend(client.destination_address.map(|it| it.to_string()));
    known.extend(client.destination_port.map(|it| it.to_string()));
    known.join(" ")
}

fn peer(settings: &[(String, String)]) -> Peer {
    let mut peer = Peer::default();
    for (key, value) in settings {
        match key.as_str() {
            "tls" => peer.tls = Some(tls(value)),
            "certificate" => {
                let client_certificate = Some(value.clone());
                peer.tls = Some(Tls { client_certificate, ..tls("TLSv1.3") });
            }
            "may_xclient" => {
                peer.may_name = match value.as_str() {
                    "true" => MayName::Anybody,
                    "itself" => MayName::Itself,
                    "false" => MayName::Nobody,
                    _ => panic!("may_xclient = {value}"),
                }
            }
            "is_trusted" => peer.is_trusted = value.parse().unwrap(),
            _ => {}
        }
    }
    peer
}

pub(super) fn tls(version: &str) -> Tls {
    Tls { version: version.into(), ..Tls::default() }
}

fn options(settings: &[(String, String)]) -> Options {
    let mut options = Options { name: "mx.test".into(), ..Options::default() };
    for (key, value) in settings {
        match key.as_str() {
            "auth" => {
                options.auth = match value.as_str() {
                    "off" => AuthMode::Off,
                    "offered" => AuthMode::Offered,
                    "required" => AuthMode::Required,
                    _ => panic!("auth = {value}"),
                }
            }
            "auth_needs_tls" => options.auth_needs_tls = value.parse().unwrap(),
            "mechanisms" => {
                let mechanism = |name| Mechanism::from_name(name).expect("a mechanism");
                options.auth_mechanisms = value.split(' ').map(mechanism).collect();
            }
            "starttls" => {
                options.starttls = match value.as_str() {
                    "off" => StartTls::Off,
                    "offered" => StartTls::Offered,
                    "required" => StartTls::Required,
                    _ => panic!("starttls = {value}"),
                }
            }
            "lmtp" => options.lmtp = value.parse().unwrap(),
            "ask_policy" => options.ask_policy = value.parse().unwrap(),
            "tls" | "certificate" | "may_xclient" | "is_trusted" | "whole" => {}
            _ => assert!(
                is_configured(&mut options, key, value) || ANSWERS.contains(&&**key),
                "there is no setting {key}"
            ),
        }
    }
    options
}

/// Sets what has the name of a key of the configuration; false if that is none.
fn is_configured(options: &mut Options, key: &str, value: &str) -> bool {
    set(&mut options.limits, key, value)
        || set(&mut options.extensions, key, value)
        || set(&mut options.strictness, key, value)
}

/// Sets the field of this name; false if there is none.
pub(super) fn set<T: Serialize + DeserializeOwned>(
    options: &mut T,
    key: &str,
    value: &str,
) -> bool {
    let mut table = toml::Table::try_from(&*options).unwrap();
    let Some(field) = table.get_mut(key) else { return false };
    *field = match field {
        toml::Value::Boolean(_) => toml::Value::Boolean(value.parse().unwrap()),
        _ => toml::Value::Integer(value.parse().unwrap()),
    };
    *options = table.try_into().unwrap();
    true
}

/// `refuse 452 4.3.1 text`, or `accept`.
fn reply(value: &str) -> Option<Reply> {
    let mut words = value.strip_prefix("refuse ")?.splitn(3, ' ');
    let mut word = || words.next().unwrap().to_owned();
    let (code, enhanced) = (word().parse().unwrap(), &*word().leak());
    Some(Reply::with_text(code, enhanced, word()))
}

/// What the world answers, which may change in the middle of a dialog.
const ANSWERS: [&str; 7] = ["login", "begin", "keep", "mail", "rcpt", "client", "password"];
