//! `load send`: sessions that stay open, each sending its next message when the last one was answered.

use std::{
    io::{BufRead, BufReader, Write},
    net::TcpStream,
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use crate::{Failed, Options, tell, text};

/// Sends and tells the rate, and the time from the end of data to its 250.
pub(crate) fn send(options: &Options) -> Result<(), Failed> {
    let plan = Plan::new(options)?;
    let begun = Instant::now();
    let times = plan.run(begun, |_, _| ())?;
    tell(times.len(), begun.elapsed(), times);
    Ok(())
}

/// What is to be sent, and which message is next.
pub(crate) struct Plan {
    address: String,
    how: How,
    sessions: usize,
    first: u64,
    end: u64,
    next: AtomicU64,
    /// Of the messages, in turn.
    sizes: Vec<usize>,
    /// Messages a second of all sessions together; 0 for as many as it can be.
    rate: f64,
    /// When no message is begun any more.
    longest: Duration,
}

/// How a message and its commands share packets.
#[derive(Clone, Copy)]
enum How {
    /// Waits for every reply.
    Dialog,
    /// MAIL, RCPT and DATA at once, then the message (RFC 2920).
    Pipelined,
    /// Everything at once (RFC 3030).
    Bdat,
}

impl Plan {
    pub(crate) fn new(options: &Options) -> Result<Self, Failed> {
        let how = match options.text("how").unwrap_or("dialog") {
            "dialog" => How::Dialog,
            "pipelined" => How::Pipelined,
            "bdat" => How::Bdat,
            other => return Err(format!("how={other}?").into()),
        };
        let first = options.number("first", 0)?;
        Ok(Self {
            address: options.text("smtp")?.to_owned(),
            how,
            sessions: options.number("sessions", 50)?,
            first,
            end: first + options.number::<u64>("count", 10_000)?,
            next: AtomicU64::new(first),
            sizes: options.numbers("size", 1024)?,
            rate: options.number("rate", 0.0)?,
            longest: Duration::from_secs_f64(options.number("seconds", 1e9)?),
        })
    }

    /// Sends all; `kept` hears the number of each message at the moment that its 250 is here.
    pub(crate) fn run(
        &self,
        begun: Instant,
        kept: impl Fn(u64, Instant) + Sync,
    ) -> Result<Vec<Duration>, Failed> {
        let sessions = (0..self.sessions).map(|_| Session::open(&self.address));
        let sessions: Vec<_> = sessions.collect::<Result<_, _>>()?;
        thread::scope(|scope| {
            let threads: Vec<_> = sessions
                .into_iter()
                .map(|session| scope.spawn(|| self.session(session, begun, &kept)))
                .collect();
            let mut all = Vec::new();
            for thread in threads {
                all.extend(thread.join().map_err(|_| "a session panicked")??);
            }
            Ok(all)
        })
    }

    fn session(
        &self,
        mut session: Session,
        begun: Instant,
        kept: &impl Fn(u64, Instant),
    ) -> Result<Vec<Duration>, Failed> {
        let (mut times, mut message) = (Vec::new(), Vec::new());
        loop {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            if number >= self.end || begun.elapsed() > self.longest {
                session.say(b"QUIT\r\n", 1)?;
                return Ok(times);
            }
            if self.rate > 0.0 {
                let due = begun + Duration::from_secs_f64((number - self.first) as f64 / self.rate);
                thread::sleep(due.saturating_duration_since(Instant::now()));
            }
            message.clear();
            let place = usize::try_from(number)? % self.sizes.len();
            text::message(number, self.sizes[place], &mut message);
            let sent = session.message(self.how, &text::mailbox(number), &message)?;
            let now = Instant::now();
            kept(number, now);
            times.push(now - sent);
        }
    }
}

/// One connection.
struct Session {
    reader: BufReader<TcpStream>,
    line: Vec<u8>,
}

impl Session {
    fn open(address: &str) -> Result<Self, Failed> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut session = Self { reader: BufReader::new(stream), line: Vec::new() };
        session.replies(1)?;
        session.say(b"EHLO load.example.org\r\n", 1)?;
        Ok(session)
    }

    /// Sends one message and returns when its last octet was about to be written.
    fn message(&mut self, how: How, to: &str, message: &[u8]) -> Result<Instant, Failed> {
        let mail = "MAIL FROM:<sender@example.org>\r\n";
        let rcpt = format!("RCPT TO:<{to}>\r\n");
        match how {
            How::Dialog => {
                self.say(mail.as_bytes(), 1)?;
                self.say(rcpt.as_bytes(), 1)?;
                self.say(b"DATA\r\n", 1)?;
            }
            How::Pipelined => self.say(format!("{mail}{rcpt}DATA\r\n").as_bytes(), 3)?,
            How::Bdat => {
                let mut all = format!("{mail}{rcpt}BDAT {} LAST\r\n", message.len()).into_bytes();
                all.extend_from_slice(message);
                let sent = Instant::now();
                self.say(&all, 3)?;
                return Ok(sent);
            }
        }
        // No line of ours begins with a dot.
        let all = [message, b".\r\n".as_slice()].concat();
        let sent = Instant::now();
        self.say(&all, 1)?;
        Ok(sent)
    }

    fn say(&mut self, octets: &[u8], replies: usize) -> Result<(), Failed> {
        self.reader.get_mut().write_all(octets)?;
        self.replies(replies)
    }

    /// Reads so many replies; one that refuses ends the program.
    fn replies(&mut self, count: usize) -> Result<(), Failed> {
        let mut seen = 0;
        while seen < count {
            self.line.clear();
            self.reader.read_until(b'\n', &mut self.line)?;
            match (self.line.first(), self.line.get(3)) {
                (Some(b'2' | b'3'), Some(b'-')) => {}
                (Some(b'2' | b'3'), _) => seen += 1,
                _ => return Err(format!("refused: {}", self.line.escape_ascii()).into()),
            }
        }
        Ok(())
    }
}

/// Longest wait for a reply.
const PATIENCE: Duration = Duration::from_secs(60);
