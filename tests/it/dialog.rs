//! SMTP conversations as data: each file of tests/dialogs/smtp is played four ways.
//!
//! In step as it stands in the file, all at once, octet by octet and in random pieces, and over TCP.
//! What is said and asked must be the same each time. A line of a file is one of
//!
//! ```text
//! # a comment
//! ! max_recipients = 2    how the server is set; later in a file: from here on (login, begin, keep)
//! ! expire                the deadline passes      ! shut down     the server wants to end
//! C: EHLO a               the client says this line, with CRLF
//! C< .\r\x00              the client says this, unescaped, without CRLF
//! S: 250 2.0.0 Ok         exactly this line is answered
//! S~ 250 2.0.0            a line that begins so
//! S+ 250                  a reply of any number of lines with this code
//! A: begin                the session asks this: begin, login USER PASSWORD, abandon, close,
//!                         or end N recipients, M octets; after end there may follow
//! E: <a> -> <b> SIZE=1    the envelope, and
//! B: text\r\n             the content
//! ```

// A helper of a test may fail it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{
    fmt::Write as _,
    fs,
    io::{self, BufRead, BufReader, Read, Write},
    mem,
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use smtpd::{
    message::{Envelope, Parameter},
    smtp::{AuthMode, Options, Reply, Session, Step, Verdict},
};

/// A conversation and what it needs of the server.
pub(crate) struct Script {
    /// The file's name, for messages.
    pub(crate) name: String,
    /// `! key = value` before the first turn.
    pub(crate) settings: Vec<(String, String)>,
    turns: Vec<Turn>,
}

enum Turn {
    Say(Vec<u8>),
    Hear(Expected),
    Set(String, String),
    Expire,
    ShutDown,
}

#[derive(Debug)]
enum Expected {
    Line(String),
    Prefix(String),
    Reply(String),
    Ask(String),
    Envelope(String),
    Body(String),
}

/// What came out of a session, in order.
#[derive(Debug, PartialEq)]
enum Event {
    Line(String),
    Ask(String),
    Envelope(String),
    Body(String),
}

/// How the client's words are cut.
#[derive(Clone, Copy, Debug)]
enum Pace {
    Whole,
    Octets,
    Random(u64),
}

#[test]
fn dialogs_in_step() {
    for script in scripts() {
        let mut stage = Stage::new(&script.settings);
        let mut cursor = 0;
        let mut after_hearing = true;
        for turn in &script.turns {
            if let Turn::Hear(expected) = turn {
                script.check(expected, &stage.events, &mut cursor, &"in step");
            } else if mem::take(&mut after_hearing) {
                script.check_end(&stage.events, cursor, &"in step");
            }
            after_hearing |= matches!(turn, Turn::Hear(_));
            match turn {
                Turn::Say(words) => stage.feed(words),
                Turn::Hear(_) => {}
                other => stage.direct(other),
            }
        }
        script.check_end(&stage.events, cursor, &"in step");
    }
}

#[test]
fn dialogs_cut_anywhere() {
    for script in scripts() {
        let random = (1..=20).map(Pace::Random);
        for pace in [Pace::Whole, Pace::Octets].into_iter().chain(random) {
            let events = script.play(pace);
            let mut cursor = 0;
            for turn in &script.turns {
                if let Turn::Hear(expected) = turn {
                    script.check(expected, &events, &mut cursor, &pace);
                }
            }
            script.check_end(&events, cursor, &pace);
        }
    }
}

#[test]
fn dialogs_over_tcp() {
    for script in scripts().into_iter().filter(Script::is_portable) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let settings = script.settings.clone();
        let server = std::thread::spawn(move || serve(&listener, &settings));
        play_tcp(&script, address).unwrap_or_else(|error| panic!("{}: {error}", script.name));
        server.join().unwrap().unwrap();
    }
}

#[test]
fn soup_never_panics_and_is_the_same_however_it_is_cut() {
    for seed in 1..=2000 {
        let mut random = Random(seed);
        let length = 1 + random.below(60);
        let soup: Vec<u8> = (0..length)
            .flat_map(|_| INGREDIENTS[random.below(INGREDIENTS.len())])
            .copied()
            .collect();
        let settings = [
            ("max_line", "64"),
            ("max_message_size", "40"),
            ("max_recipients", "3"),
            ("max_errors", if seed % 4 == 0 { "5" } else { "1000" }),
            ("auth", if seed % 8 == 0 { "required" } else { "offered" }),
            ("refuse_bare_line_ends", if seed % 2 == 0 { "true" } else { "false" }),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()));
        let turns = vec![Turn::Say(soup)];
        let script = Script { name: format!("soup {seed}"), settings: settings.into(), turns };
        let whole = script.play(Pace::Whole);
        for pace in [Pace::Octets, Pace::Random(seed), Pace::Random(seed + 9999)] {
            assert_eq!(script.play(pace), whole, "{}, {pace:?}", script.name);
        }
    }
}

/// Plays a script over TCP against a server that is set as it wants, and returns an error that says
/// where it went wrong. The script must be [portable](Script::is_portable).
pub(crate) fn play_tcp(script: &Script, address: SocketAddr) -> io::Result<()> {
    let mut writer = TcpStream::connect(address)?;
    writer.set_read_timeout(Some(Duration::from_secs(10)))?;
    writer.set_nodelay(true)?;
    let mut reader = BufReader::new(writer.try_clone()?);
    let mut read = || -> io::Result<String> {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        Ok(line)
    };
    for turn in &script.turns {
        let (good, heard, expected) = match turn {
            Turn::Say(words) => {
                writer.write_all(words)?;
                continue;
            }
            Turn::Hear(expected @ Expected::Ask(ask)) if ask == "close" => {
                let line = read()?;
                (line.is_empty(), line, expected)
            }
            Turn::Hear(expected @ Expected::Line(line)) => {
                let heard = read()?;
                (heard.strip_suffix("\r\n") == Some(line), heard, expected)
            }
            Turn::Hear(expected @ Expected::Prefix(start)) => {
                let heard = read()?;
                (heard.starts_with(start.as_str()) && heard.ends_with("\r\n"), heard, expected)
            }
            Turn::Hear(expected @ Expected::Reply(code)) => {
                let mut heard = read()?;
                while heard.starts_with(&format!("{code}-")) {
                    heard = read()?;
                }
                (heard.starts_with(&format!("{code} ")), heard, expected)
            }
            Turn::Hear(_) | Turn::Set(..) | Turn::Expire | Turn::ShutDown => continue,
        };
        if !good {
            return Err(io::Error::other(format!("expected {expected:?}, heard {heard:?}")));
        }
    }
    Ok(())
}

/// All scripts of tests/dialogs/smtp, by name.
pub(crate) fn scripts() -> Vec<Script> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dialogs/smtp");
    let mut files: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 40, "the dialogs are gone");
    files
        .iter()
        .map(|file| {
            let name = file.file_stem().unwrap().to_string_lossy();
            Script::parse(&name, &fs::read_to_string(file).unwrap())
        })
        .collect()
}

impl Script {
    /// Reads a script; panics with its name and line if it is none.
    pub(crate) fn parse(name: &str, text: &str) -> Self {
        let mut script = Self { name: name.to_owned(), settings: Vec::new(), turns: Vec::new() };
        for (number, line) in text.lines().enumerate() {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (mark, rest) = line.split_once(' ').unwrap_or((line, ""));
            let turn = match mark {
                "C:" => Turn::Say(format!("{rest}\r\n").into_bytes()),
                "C<" => Turn::Say(unescape(rest)),
                "S:" => Turn::Hear(Expected::Line(rest.to_owned())),
                "S~" => Turn::Hear(Expected::Prefix(rest.to_owned())),
                "S+" => Turn::Hear(Expected::Reply(rest.to_owned())),
                "A:" => Turn::Hear(Expected::Ask(rest.to_owned())),
                "E:" => Turn::Hear(Expected::Envelope(rest.to_owned())),
                "B:" => Turn::Hear(Expected::Body(unescape(rest).escape_ascii().to_string())),
                "!" if rest == "expire" => Turn::Expire,
                "!" if rest == "shut down" => Turn::ShutDown,
                "!" if rest.contains(" = ") => {
                    let (key, value) = rest.split_once(" = ").unwrap();
                    if script.turns.is_empty() {
                        script.settings.push((key.to_owned(), value.to_owned()));
                        continue;
                    }
                    Turn::Set(key.to_owned(), value.to_owned())
                }
                _ => panic!("{name}, line {}: {line:?} is none of C S A E B !", number + 1),
            };
            script.turns.push(turn);
        }
        script
    }

    /// True if it can be played against a server whose clock and settings stay as they are.
    pub(crate) fn is_portable(&self) -> bool {
        self.turns.iter().all(|turn| matches!(turn, Turn::Say(_) | Turn::Hear(_)))
    }

    /// Says all that stands between two directives in one go, cut as `pace` wants it.
    fn play(&self, pace: Pace) -> Vec<Event> {
        let mut stage = Stage::new(&self.settings);
        let mut words = Vec::new();
        for turn in &self.turns {
            match turn {
                Turn::Say(more) => words.extend_from_slice(more),
                Turn::Hear(_) => {}
                directive => {
                    pace.cut(&mem::take(&mut words), |piece| stage.feed(piece));
                    stage.direct(directive);
                }
            }
        }
        pace.cut(&words, |piece| stage.feed(piece));
        stage.events
    }

    fn check(
        &self,
        expected: &Expected,
        events: &[Event],
        cursor: &mut usize,
        pace: &dyn std::fmt::Debug,
    ) {
        let wrong = |heard: Option<&Event>| -> ! {
            panic!("{}, {pace:?}: expected {expected:?}, heard {heard:?} in {events:#?}", self.name)
        };
        loop {
            let event = events.get(*cursor).unwrap_or_else(|| wrong(None));
            *cursor += 1;
            let matches = match (expected, event) {
                (Expected::Line(line), Event::Line(heard)) => line == heard,
                (Expected::Prefix(start), Event::Line(heard)) => heard.starts_with(start.as_str()),
                (Expected::Reply(code), Event::Line(heard)) => {
                    if heard.starts_with(&format!("{code}-")) {
                        continue;
                    }
                    heard.starts_with(&format!("{code} "))
                }
                (Expected::Ask(ask), Event::Ask(heard)) => ask == heard,
                (Expected::Envelope(envelope), Event::Envelope(heard)) => envelope == heard,
                (Expected::Body(body), Event::Body(heard)) => body == heard,
                // A script need not tell the envelope and the content of each message.
                (_, Event::Envelope(_) | Event::Body(_)) => continue,
                _ => false,
            };
            if matches {
                return;
            }
            wrong(Some(event));
        }
    }

    fn check_end(&self, events: &[Event], cursor: usize, pace: &dyn std::fmt::Debug) {
        let more: Vec<_> = events[cursor..]
            .iter()
            .filter(|event| !matches!(event, Event::Envelope(_) | Event::Body(_)))
            .collect();
        assert!(more.is_empty(), "{}, {pace:?}: {more:?} was not expected here", self.name);
    }
}

/// A session and the world around it, without sockets and clock.
struct Stage {
    session: Session,
    now: Instant,
    events: Vec<Event>,
    body: Vec<u8>,
    closed: bool,
    kept: u64,
    login: Verdict,
    begin: Option<Reply>,
    keep: Option<Reply>,
}

impl Stage {
    fn new(settings: &[(String, String)]) -> Self {
        let now = Instant::now();
        let mut stage = Self {
            session: Session::new(Arc::new(options(settings)), now),
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

    fn direct(&mut self, directive: &Turn) {
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

    fn feed(&mut self, mut input: &[u8]) {
        while !self.closed {
            let step = self.session.step(&mut input, self.now);
            drain(self.session.output(), &mut self.events);
            match step {
                Step::Read => {
                    assert!(input.is_empty(), "Read means that all is consumed");
                    return;
                }
                Step::Login(credentials) => {
                    let password = credentials.password.declassify();
                    self.ask(format!("login {} {password}", credentials.user));
                    self.session.login(self.login);
                }
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

/// One connection over a blocking socket: the smallest driver there can be.
fn serve(listener: &TcpListener, settings: &[(String, String)]) -> io::Result<()> {
    let (mut stream, _) = listener.accept()?;
    stream.set_nodelay(true)?;
    let mut stage = Stage::new(settings);
    let mut buffer = [0; 4096];
    loop {
        for event in mem::take(&mut stage.events) {
            if let Event::Line(line) = event {
                stream.write_all(format!("{line}\r\n").as_bytes())?;
            }
        }
        if stage.closed {
            stream.shutdown(Shutdown::Write)?;
            // What is left unread would reset the connection, and the last reply with it.
            return io::copy(&mut stream, &mut io::sink()).map(drop);
        }
        match stream.read(&mut buffer)? {
            0 => return Ok(()),
            length => stage.feed(&buffer[..length]),
        }
    }
}

impl Pace {
    fn cut(self, words: &[u8], mut feed: impl FnMut(&[u8])) {
        match self {
            Self::Whole => feed(words),
            Self::Octets => words.chunks(1).for_each(feed),
            Self::Random(seed) => {
                let mut random = Random(seed);
                let mut rest = words;
                while !rest.is_empty() {
                    // Small pieces and large ones.
                    let most = if random.below(2) == 0 { 4 } else { 100 };
                    let (piece, after) = rest.split_at((1 + random.below(most)).min(rest.len()));
                    feed(piece);
                    rest = after;
                }
            }
        }
    }
}

/// xorshift64: the same on every machine.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % bound
    }
}

fn unescape(text: &str) -> Vec<u8> {
    let mut octets = Vec::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            octets.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            continue;
        }
        octets.push(match chars.next() {
            Some('r') => b'\r',
            Some('n') => b'\n',
            Some('0') => 0,
            Some('\\') => b'\\',
            Some('x') => {
                let digits: String = chars.by_ref().take(2).collect();
                u8::from_str_radix(&digits, 16).unwrap()
            }
            other => panic!("unknown escape {other:?} in {text}"),
        });
    }
    octets
}

/// What soup is made of: words of SMTP, whole and in shreds.
const INGREDIENTS: [&[u8]; 48] = [
    b"EHLO a\r\n",
    b"EHLO a\r\n",
    b"HELO a\n",
    b"MAIL FROM:<a@b>\r\n",
    b"MAIL FROM:<a@b>\r\n",
    b"MAIL FROM:<> SIZE=10\r\n",
    b"MAIL FROM:<a@b> SIZE=1000\r\n",
    b"RCPT TO:<c@d>\r\n",
    b"RCPT TO:<c@d>\r\n",
    b"RCPT TO:<c@d>\r\n",
    b"RCPT TO:<\"x y\"@[IPv6:::1]>\r\n",
    b"RCPT TO:<>\r\n",
    b"DATA\r\n",
    b"DATA\r\n",
    b"DATA\r\n",
    b".\r\n",
    b".\r\n",
    b"\r\n.\r\n",
    b"\r\n.\r\n",
    b"Subject: x\r\n\r\n",
    b"..\r\n",
    b"\n.\n",
    b"\r.\r",
    b"\n.\r\n",
    b"\r\n.\n",
    b"\r\n.\r\r\n",
    b"\r",
    b"\n",
    b".",
    b"\r\n",
    b"\0",
    b"\xff",
    "ä".as_bytes(),
    b"a longer run of text without an end to fill a line with, and more",
    b"AUTH PLAIN AGFubgBw\r\n",
    b"AUTH LOGIN\r\n",
    b"YW5u\r\n",
    b"*\r\n",
    b"=\r\n",
    b"RSET\r\n",
    b"NOOP x\r\n",
    b"VRFY a\r\n",
    b"HELP\r\n",
    b"EXPN a\r\n",
    b" ",
    b"<",
    b"MAIL",
    b"FROM:",
];
