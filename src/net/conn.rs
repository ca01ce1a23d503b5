//! A connection that never waits longer than it was told to.
//!
//! The one place that moves octets between a socket and a session.

use std::{
    io::{self, Read as _, Write as _},
    net::{Shutdown, TcpStream},
    time::{Duration, Instant},
};

use smol::{Async, Timer, future};

use super::Buffer;

/// A TCP connection with deadlines.
#[derive(Debug)]
pub struct Conn {
    stream: Async<TcpStream>,
    /// Kept across waits: a deadline that only moves away costs nothing, because a timer that goes
    /// off early is simply set again.
    timer: Timer,
    timer_at: Option<Instant>,
    /// Reads in a row that did not have to wait.
    unwaited: u32,
}

/// What came of waiting for octets.
#[derive(Debug)]
pub enum Received {
    /// So many octets stand at the start of the buffer; the buffer is given back when dropped.
    Octets(Buffer, usize),
    /// The peer will send no more.
    End,
    /// The deadline has passed.
    Late,
}

impl Conn {
    /// Takes over an accepted socket.
    pub fn new(stream: Async<TcpStream>) -> Self {
        // Replies are written whole, so waiting to fill a segment only adds delay.
        let _ = stream.get_ref().set_nodelay(true);
        Self { stream, timer: Timer::never(), timer_at: None, unwaited: 0 }
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
            return Ok(Received::Late);
        }
        loop {
            let mut buffer = Buffer::lend();
            match self.stream.get_ref().read(&mut buffer) {
                Ok(0) => return Ok(Received::End),
                Ok(count) => return Ok(Received::Octets(buffer, count)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => drop(buffer),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            }
            self.unwaited = 0;
            if !self.wait(Direction::Readable, deadline).await? {
                return Ok(Received::Late);
            }
        }
    }

    /// Writes everything, or fails with `TimedOut` at the deadline: a peer that never reads its
    /// replies does not keep us.
    pub async fn send(&mut self, mut octets: &[u8], deadline: Instant) -> io::Result<()> {
        while !octets.is_empty() {
            match self.stream.get_ref().write(octets) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => octets = &octets[count..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if !self.wait(Direction::Writable, deadline).await? {
                        return Err(io::ErrorKind::TimedOut.into());
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Ends the connection so that the peer can still read what was written last: closing a socket
    /// with unread octets in it would send a reset, and the reply could be lost.
    pub async fn finish(mut self) {
        let _ = self.stream.get_ref().shutdown(Shutdown::Write);
        let mut discarded = 0;
        // Whoever said nothing more is let go at once.
        let mut buffer = Buffer::lend();
        match self.stream.get_ref().read(&mut buffer) {
            Ok(count) if count > 0 => discarded += count,
            _ => return,
        }
        drop(buffer);
        let deadline = Instant::now() + LINGER;
        while discarded < LINGER_OCTETS {
            match self.receive(deadline).await {
                Ok(Received::Octets(_, count)) => discarded += count,
                _ => return,
            }
        }
    }

    /// True when the socket is ready, false at the deadline.
    async fn wait(&mut self, direction: Direction, deadline: Instant) -> io::Result<bool> {
        loop {
            if self.timer_at.is_none_or(|at| at > deadline) {
                self.timer.set_at(deadline);
                self.timer_at = Some(deadline);
            }
            let ready = async {
                match direction {
                    Direction::Readable => self.stream.readable().await.map(|()| true),
                    Direction::Writable => self.stream.writable().await.map(|()| true),
                }
            };
            let timer = &mut self.timer;
            let late = async {
                timer.await;
                Ok(false)
            };
            if future::or(ready, late).await? {
                return Ok(true);
            }
            self.timer_at = None;
            if Instant::now() >= deadline {
                return Ok(false);
            }
        }
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
