//! `load watch` and `load frames`: somebody who has the list open, over the websocket (RFC 6455).

use std::{
    collections::HashMap,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    sync::{Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use crate::{Failed, Options, send::Plan, tell, text::MARK};

/// Reads all that comes, until it is killed or the server hangs up.
pub(crate) fn watch(options: &Options) -> Result<(), Failed> {
    let mut feed = Feed::open(options.text("http")?)?;
    while feed.frame()?.is_some() {}
    Ok(())
}

/// Tells the time from each 250 to the frame that shows the message. One that is shown before its
/// sender heard the 250 counts as 0.
pub(crate) fn frames(options: &Options) -> Result<(), Failed> {
    let plan = Plan::new(options)?;
    let count = options.number("count", 10_000_usize)?;
    let mut feed = Feed::open(options.text("http")?)?;
    // Its first frame, so that nothing is sent before it listens.
    feed.frame()?;
    let kept = Mutex::new(HashMap::new());
    let begun = Instant::now();
    let (shown, taken) = thread::scope(|scope| {
        let watcher = scope.spawn(|| feed.shown(count));
        plan.run(begun, |number, now| {
            kept.lock().unwrap_or_else(PoisonError::into_inner).insert(number, now);
        })?;
        let taken = begun.elapsed();
        Ok::<_, Failed>((watcher.join().map_err(|_| "the watcher panicked")??, taken))
    })?;
    let kept = kept.into_inner().unwrap_or_else(PoisonError::into_inner);
    let times = shown.iter().filter_map(|(number, at)| {
        kept.get(number).map(|kept| at.saturating_duration_since(*kept))
    });
    tell(count, taken, times.collect());
    Ok(())
}

/// A websocket.
struct Feed {
    reader: BufReader<TcpStream>,
    payload: Vec<u8>,
}

impl Feed {
    fn open(address: &str) -> Result<Self, Failed> {
        let mut stream = TcpStream::connect(address)?;
        write!(
            stream,
            "GET /ws HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n"
        )?;
        let mut reader = BufReader::with_capacity(1 << 16, stream);
        let mut line = String::new();
        reader.read_line(&mut line)?;
        if !line.contains(" 101 ") {
            return Err(format!("no websocket: {line}").into());
        }
        while line != "\r\n" {
            line.clear();
            reader.read_line(&mut line)?;
        }
        Ok(Self { reader, payload: Vec::new() })
    }

    /// The next frame's text; none at the end. Pings are answered on the way.
    fn frame(&mut self) -> Result<Option<&[u8]>, Failed> {
        loop {
            let mut head = [0; 2];
            if self.reader.read_exact(&mut head).is_err() {
                return Ok(None);
            }
            let [opcode, length] = head;
            let length = match length & 0x7F {
                126 => u64::from(u16::from_be_bytes(self.octets()?)),
                127 => u64::from_be_bytes(self.octets()?),
                short => u64::from(short),
            };
            self.payload.resize(usize::try_from(length)?, 0);
            self.reader.read_exact(&mut self.payload)?;
            match opcode & 0xF {
                CLOSE => return Ok(None),
                // A pong without payload, masked with zeros.
                PING => self.reader.get_mut().write_all(&[0x80 | PONG, 0x80, 0, 0, 0, 0])?,
                _ => return Ok(Some(&self.payload)),
            }
        }
    }

    fn octets<const COUNT: usize>(&mut self) -> Result<[u8; COUNT], Failed> {
        let mut octets = [0; COUNT];
        self.reader.read_exact(&mut octets)?;
        Ok(octets)
    }

    /// When each of so many messages was first seen, by its number.
    fn shown(&mut self, count: usize) -> Result<HashMap<u64, Instant>, Failed> {
        let mut shown = HashMap::with_capacity(count);
        self.reader.get_mut().set_read_timeout(Some(PATIENCE))?;
        while shown.len() < count {
            let Some(text) = self.frame()? else {
                return Err(format!("only {} of {count} messages were shown", shown.len()).into());
            };
            let now = Instant::now();
            let text = String::from_utf8_lossy(text);
            for rest in text.split(MARK).skip(1) {
                let digits = rest.split(|it: char| !it.is_ascii_digit()).next().unwrap_or_default();
                if let Ok(number) = digits.parse() {
                    shown.entry(number).or_insert(now);
                }
            }
        }
        Ok(shown)
    }
}

/// Longest silence of a feed that is to tell something.
const PATIENCE: Duration = Duration::from_secs(20);

const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;
