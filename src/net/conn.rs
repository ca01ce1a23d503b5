//! A connection that never waits longer than it was told to, in clear or over TLS.
//!
//! The one place that moves octets between a socket and a session.

use std::{
    io::{self, Read as _, Write as _},
    sync::Arc,
    time::{Duration, Instant},
};

use rustls::ServerConfig;
use smol::future;

use super::{
    Buffer, DeadlineTimer, Socket,
    tls::{self, Progress},
};
use crate::wire::Tls;

/// A connection with deadlines.
#[derive(Debug)]
pub struct Conn {
    socket: Socket,
    tls: Option<Box<tls::Session>>,
    /// Octets that were read and given back.
    unread: Vec<u8>,
    timer: DeadlineTimer,
    /// Reads in a row that did not have to wait.
    unwaited: u32,
    /// The last thing done was to write: the peer has hardly had the time to answer.
    has_spoken: bool,
}

/// What came of waiting for octets.
#[derive(Debug)]
pub enum Received {
    /// So many octets stand at the start of the buffer; the buffer is given back when dropped.
    Octets(Buffer, usize),
    /// The peer will send no more.
    Eof,
    /// The deadline has passed.
    TimedOut,
}

impl Conn {
    /// Takes over a connected socket.
    pub fn new(socket: Socket) -> Self {
        Self {
            socket,
            tls: None,
            unread: Vec::new(),
            timer: DeadlineTimer::default(),
            unwaited: 0,
            has_spoken: false,
        }
    }

    /// Waits for octets until the deadline. Holds no buffer while it waits. A peer that never pauses is
    /// held to the deadline too, and lets others have their turn now and then.
    pub async fn receive(&mut self, deadline: Instant) -> io::Result<Received> {
        if self.unwaited >= MOST_UNWAITED {
            self.unwaited = 0;
            // Before the read, so that nothing is lost if nobody waits for us any more.
            future::yield_now().await;
        }
        self.unwaited += 1;
        if Instant::now() >= deadline {
            return Ok(Received::TimedOut);
        }
        let has_spoken = std::mem::take(&mut self.has_spoken) && self.unread.is_empty();
        // A read that finds nothing is saved where there is hardly anything yet; over TLS there may be
        // octets that no socket tells of.
        if has_spoken && self.tls.is_none() && !self.wait(Direction::Readable, deadline).await? {
            return Ok(Received::TimedOut);
        }
        loop {
            if let Some(received) = self.receive_now()? {
                return Ok(received);
            }
            self.unwaited = 0;
            if !self.wait(Direction::Readable, deadline).await? {
                return Ok(Received::TimedOut);
            }
        }
    }

    /// What there is to receive, if there is anything.
    fn receive_now(&mut self) -> io::Result<Option<Received>> {
        let mut buffer = Buffer::lend();
        loop {
            match self.read(&mut buffer) {
                Ok(0) => return Ok(Some(Received::Eof)),
                Ok(count) => return Ok(Some(Received::Octets(buffer, count))),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// True if the peer has said something that was not received yet. Does not wait.
    pub fn has_heard(&mut self) -> io::Result<bool> {
        let mut buffer = Buffer::lend();
        match self.read(&mut buffer) {
            Ok(count) => {
                self.unread(&buffer[..count]);
                Ok(count > 0)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Gives octets back: they are received again, before all others.
    pub fn unread(&mut self, octets: &[u8]) {
        self.unread.splice(..0, octets.iter().copied());
    }

    /// Writes everything, or fails with `TimedOut` at the deadline: a peer that never reads its
    /// replies does not keep us.
    pub async fn send(&mut self, mut octets: &[u8], deadline: Instant) -> io::Result<()> {
        self.has_spoken = true;
        loop {
            let written = match (&mut self.tls, octets) {
                (None, []) => return Ok(()),
                (None, octets) => (&self.socket).write(octets),
                (Some(tls), []) => match tls.flush(&self.socket) {
                    Ok(()) => return Ok(()),
                    Err(error) => Err(error),
                },
                (Some(tls), octets) => tls.write(&self.socket, octets),
            };
            match written {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => octets = octets.get(count..).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if !self.wait(Direction::Writable, deadline).await? {
                        return Err(io::ErrorKind::TimedOut.into());
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Does the TLS handshake, or fails with `TimedOut` at the deadline; from then on all octets are
    /// encrypted. Octets that were given back with [`Self::unread`] are the beginning of it.
    pub async fn start_tls(
        &mut self,
        config: Arc<ServerConfig>,
        deadline: Instant,
    ) -> io::Result<Tls> {
        let mut session = Box::new(tls::Session::accept(config)?);
        session.feed(&std::mem::take(&mut self.unread))?;
        self.shake_hands(session, deadline).await
    }

    /// The same from the client's end: the certificate must be one of this name or address.
    pub(super) async fn connect_tls(
        &mut self,
        connector: &tls::Connector,
        name: &str,
        deadline: Instant,
    ) -> io::Result<Tls> {
        let session = Box::new(tls::Session::connect(connector, name)?);
        self.shake_hands(session, deadline).await
    }

    async fn shake_hands(
        &mut self,
        mut session: Box<tls::Session>,
        deadline: Instant,
    ) -> io::Result<Tls> {
        loop {
            let direction = match session.handshake(&self.socket)? {
                Progress::Done => break,
                Progress::WantsRead => Direction::Readable,
                Progress::WantsWrite => Direction::Writable,
            };
            if !self.wait(direction, deadline).await? {
                return Err(io::ErrorKind::TimedOut.into());
            }
        }
        let facts = session.facts();
        self.tls = Some(session);
        Ok(facts)
    }

    /// Ends the connection so that the peer can still read what was written last: closing a socket
    /// with unread octets in it would send a reset, and the reply could be lost.
    pub async fn finish(mut self) {
        let deadline = Instant::now() + LINGER;
        if let Some(tls) = &mut self.tls {
            tls.close();
            let _ = self.send(&[], deadline).await;
            // What still comes is read away as it is: nobody needs it decrypted.
            self.tls = None;
        }
        self.unread = Vec::new();
        // Whoever said nothing more is let go at once.
        let mut buffer = Buffer::lend();
        let mut discarded = match (&self.socket).read(&mut buffer) {
            Ok(count) if count > 0 => count,
            _ => return,
        };
        drop(buffer);
        let _ = self.socket.end_writing();
        while discarded < LINGER_OCTETS {
            match self.receive(deadline).await {
                Ok(Received::Octets(_, count)) => discarded += count,
                _ => return,
            }
        }
    }

    /// The socket, its encryption, and what was read and given back.
    pub(super) fn into_parts(self) -> (Socket, Option<Box<tls::Session>>, Vec<u8>) {
        (self.socket, self.tls, self.unread)
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if !self.unread.is_empty() {
            let count = (&self.unread[..]).read(buffer)?;
            self.unread.drain(..count);
            self.unread.shrink_to_fit();
            return Ok(count);
        }
        match &mut self.tls {
            None => (&self.socket).read(buffer),
            Some(tls) => tls.read(&self.socket, buffer),
        }
    }

    /// True when the socket is ready, false at the deadline.
    async fn wait(&mut self, direction: Direction, deadline: Instant) -> io::Result<bool> {
        let ready = async {
            match direction {
                Direction::Readable => self.socket.readable().await.map(|()| true),
                Direction::Writable => self.socket.writable().await.map(|()| true),
            }
        };
        let late = async {
            self.timer.at(deadline).await;
            Ok(false)
        };
        future::or(ready, late).await
    }
}

#[derive(Clone, Copy)]
enum Direction {
    Readable,
    Writable,
}

/// Buffers taken in without a wait until others have their turn: what a peer's socket buffer holds at
/// once costs no turn, and a flood of commands holds a thread for some milliseconds.
const MOST_UNWAITED: u32 = 4;

/// How long a peer that is still sending may do so after our last word.
const LINGER: Duration = Duration::from_secs(2);

/// How much of it is read away.
const LINGER_OCTETS: usize = 1 << 20;
