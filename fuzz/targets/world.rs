//! The world around an SMTP session: it answers what the session asks, writes down everything that
//! came out, and checks what holds for every session.

use std::{sync::Arc, time::Instant};

use smtpd::{
    limits,
    smtp::{
        Ask, AuthMode, Extensions, MayName, Options, Peer, Reply, Session, StartTls, Step,
        Strictness, XClient,
    },
    wire::{
        Envelope, Tls,
        sasl::{Mechanism, ScramKeys, Verdict},
        session::Session as _,
    },
};

/// What the server and those it asks are like; one octet of the input says it.
#[derive(Clone, Copy)]
pub struct Settings(pub u8);

impl Settings {
    fn has(self, bit: u8) -> bool {
        self.0 & (1 << bit) != 0
    }

    /// STARTTLS is required: the one thing for which it matters how the stream is cut.
    pub fn starttls(self) -> bool {
        self.has(3)
    }

    fn options(self) -> Options {
        Options {
            name: "mx.test".into(),
            lmtp: self.has(0),
            ask_policy: self.has(2),
            starttls: if self.starttls() { StartTls::Required } else { StartTls::Off },
            auth: if self.has(7) { AuthMode::Required } else { AuthMode::Offered },
            auth_mechanisms: Mechanism::ALL.to_vec(),
            strictness: Strictness {
                strict_addresses: self.has(6),
                refuse_bare_line_ends: self.has(1),
                ..Strictness::default()
            },
            extensions: Extensions {
                mt_priority: true,
                deliverby: true,
                futurerelease: true,
                ..Extensions::default()
            },
            limits: limits::Options {
                command_line: 400,
                message_size: MOST_OCTETS as u64,
                recipients: 3,
                errors: 20,
                ..limits::Options::default()
            },
            ..Options::default()
        }
    }
}

/// A session and all that came out of it.
pub struct World {
    pub session: Session,
    settings: Settings,
    now: Instant,
    pub closed: bool,
    /// Replies as written, and what the session asked in between.
    pub transcript: Vec<u8>,
    /// Replies alone.
    pub replies: Vec<u8>,
    body: Vec<u8>,
    /// The messages that were complete.
    pub messages: Vec<(Envelope, Vec<u8>)>,
    pub clients: Vec<XClient>,
    encrypted: bool,
}

impl World {
    pub fn new(settings: Settings) -> Self {
        Self::with(settings, settings.options())
    }

    /// The same with options of one's own.
    pub fn with(settings: Settings, options: Options) -> Self {
        let now = Instant::now();
        let may_name = if settings.has(4) { MayName::Anybody } else { MayName::Nobody };
        let peer = Peer { tls: None, may_name, is_trusted: settings.has(5) };
        let mut world = Self {
            session: Session::new(Arc::new(options), peer, now),
            settings,
            now,
            closed: false,
            transcript: Vec::new(),
            replies: Vec::new(),
            body: Vec::new(),
            messages: Vec::new(),
            clients: Vec::new(),
            encrypted: false,
        };
        world.feed(b"");
        world
    }

    /// The octets that a peer sends at once.
    pub fn feed(&mut self, mut input: &[u8]) {
        while !self.closed {
            let step = self.session.step(&mut input, self.now);
            self.replies.extend_from_slice(self.session.output());
            self.transcript.append(self.session.output());
            match step {
                Step::Read => {
                    assert!(input.is_empty(), "octets were left unread");
                    return;
                }
                Step::Flush => {}
                Step::Close => self.closed = true,
                Step::Ask(Ask::Body(run)) => {
                    assert!(!run.is_empty(), "an empty run");
                    self.body.extend_from_slice(run);
                    assert!(self.body.len() <= MOST_OCTETS, "more octets than allowed");
                }
                Step::Ask(Ask::Begin) => self.begin(),
                Step::Ask(Ask::End) => self.end(),
                Step::Ask(Ask::Abandon) => {
                    self.body.clear();
                    self.note(b"[abandon]");
                }
                Step::Ask(Ask::Login(claim)) => {
                    self.note(format!("[login {:?}]", claim.user()).as_bytes());
                    let good = !claim.user().starts_with('x');
                    self.session.login(if good { Verdict::Accepted } else { Verdict::Refused });
                }
                Step::Ask(Ask::Mail) | Step::Ask(Ask::Rcpt) => {
                    self.check_envelope();
                    self.session.accept();
                }
                Step::StartTls => {
                    assert!(input.is_empty(), "octets behind STARTTLS");
                    self.encrypted = true;
                    self.session.tls_started(Tls { version: "TLSv1.3".into(), ..Tls::default() });
                }
                Step::Ask(Ask::Nonce) => self.session.nonce([7; 18]),
                Step::Ask(Ask::ScramKeys(user)) => {
                    let keys = (user != "nobody").then(|| ScramKeys::derive("pencil", b"salt", 1));
                    self.session.secrets(keys);
                }
                Step::Ask(Ask::Xclient(client)) => {
                    assert!(self.settings.has(4), "XCLIENT of somebody who may not");
                    self.clients.push(client);
                    self.session.adopt(false);
                }
                Step::Pause(duration) | Step::Ask(Ask::Greeting(duration)) => {
                    self.note(format!("[pause {duration:?}]").as_bytes())
                }
            }
        }
    }

    fn begin(&mut self) {
        assert!(self.encrypted || !self.settings.starttls(), "mail before TLS");
        self.check_envelope();
        self.body.clear();
        self.note(b"[begin]");
        self.session.proceed();
    }

    fn end(&mut self) {
        let envelope = self.session.take_envelope();
        assert!(!envelope.forward_paths.is_empty(), "a message for nobody");
        let body = std::mem::take(&mut self.body);
        self.note(format!("[end {envelope:?}]").as_bytes());
        self.transcript.extend_from_slice(&body);
        self.messages.push((envelope, body));
        if self.settings.has(6) {
            self.session.refuse(Reply::INSUFFICIENT_STORAGE);
        } else {
            self.session.kept(&self.messages.len());
        }
    }

    /// No address can break out of a log line or a page.
    fn check_envelope(&self) {
        let envelope = self.session.envelope().expect("an envelope");
        let paths = envelope.forward_paths.iter().map(|path| &path.address);
        for address in paths.chain([&envelope.reverse_path, &envelope.helo]) {
            assert!(!address.contains(char::is_control), "{address:?}");
        }
        assert!(envelope.forward_paths.len() <= 3, "more recipients than allowed");
    }

    fn note(&mut self, text: &[u8]) {
        self.transcript.extend_from_slice(text);
    }

    /// What holds for the replies of every session; returns their number.
    pub fn check_replies(&self) -> usize {
        let text = std::str::from_utf8(&self.replies).expect("a reply is UTF-8");
        assert!(text.is_empty() || text.ends_with("\r\n"), "{text:?}");
        let mut count = 0;
        for line in text.split_terminator("\r\n") {
            let (code, rest) = line.split_at_checked(3).expect("a reply has a code");
            assert!(code.bytes().all(|digit| digit.is_ascii_digit()), "{line:?}");
            assert!(rest.is_empty() || rest.starts_with([' ', '-']), "{line:?}");
            assert!(!line.contains(char::is_control), "{line:?}");
            assert!(line.len() <= 510 || code == "334", "a line of {}: {line:?}", line.len());
            count += usize::from(!rest.starts_with('-'));
        }
        count
    }
}

/// Most octets of a message here.
pub const MOST_OCTETS: usize = 1 << 20;
