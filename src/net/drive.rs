//! The driver of every conversation: octets from the socket into the session, replies out again, and the
//! session's questions to the front end that answers them.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    time::{Duration, Instant},
};

use smol::{Timer, future};

use super::{Conn, Received, tls::Certificates};
use crate::{
    shutdown::Shutdown,
    wire::{
        Tls,
        session::{Session, Step},
    },
};

/// A front end: it answers what the sessions of its protocol ask.
pub trait Handler<S: Session> {
    /// Answers a question by a method of the session. An error ends the connection.
    fn answer<'a, 'input: 'a>(
        &'a mut self,
        session: &'a mut S,
        conn: &'a mut Conn,
        ask: S::Ask<'input>,
    ) -> Answer<'a>;

    /// Output is about to be written, or input to be waited for: notes what was refused, and says how long
    /// the peer is to wait for it.
    fn before_write(&mut self, session: &mut S) -> Duration;
}

/// An answer on its way. Boxed, because every connection has room for the largest of its waits, and most of
/// its life it waits for octets.
pub type Answer<'a> = Pin<Box<dyn Future<Output = io::Result<()>> + Send + 'a>>;

/// What the conversations of a server have in common.
pub struct Driver<'a> {
    /// What TLS begins with; none if it is not offered.
    pub certificates: Option<&'a Arc<Certificates>>,
    /// When to end.
    pub shutdown: &'a Shutdown,
}

/// How a conversation ended.
#[derive(Debug)]
pub enum End {
    /// The session said its last word.
    Closed,
    /// The peer went away without it.
    Gone,
    /// The TLS handshake failed. Whoever was told to begin expects nothing in clear any more.
    NoTls(io::Error),
    /// The socket failed, or the peer did not read its replies.
    Broken(io::Error),
}

impl From<io::Error> for End {
    fn from(error: io::Error) -> Self {
        Self::Broken(error)
    }
}

impl Driver<'_> {
    /// Leads a conversation to its end.
    pub async fn run<S: Session, H: Handler<S>>(
        &self,
        session: &mut S,
        conn: &mut Conn,
        handler: &mut H,
    ) -> End {
        match self.converse(session, conn, handler).await {
            Ok(end) | Err(end) => end,
        }
    }

    async fn converse<S: Session, H: Handler<S>>(
        &self,
        session: &mut S,
        conn: &mut Conn,
        handler: &mut H,
    ) -> Result<End, End> {
        let mut ending = std::pin::pin!(self.shutdown.begun());
        let mut is_ending = false;
        if self.consume(session, conn, handler, &[]).await? {
            return Ok(End::Closed);
        }
        loop {
            self.flush(session, conn, handler).await?;
            let deadline = session.deadline();
            let received = async { Some(conn.receive(deadline).await) };
            let ended = async {
                if is_ending {
                    return future::pending().await;
                }
                ending.as_mut().await;
                None
            };
            let (buffer, count) = match future::or(received, ended).await {
                Some(received) => match received? {
                    Received::Octets(buffer, count) => (Some(buffer), count),
                    Received::Eof => return Ok(End::Gone),
                    Received::TimedOut => {
                        session.expire(Instant::now());
                        (None, 0)
                    }
                },
                None => {
                    is_ending = true;
                    session.shut_down();
                    (None, 0)
                }
            };
            let input = buffer.as_ref().map_or(&[][..], |buffer| &buffer[..count]);
            if self.consume(session, conn, handler, input).await? {
                return Ok(End::Closed);
            }
        }
    }

    /// Lets the session take in all of `input`; true if it said its last word, which is then written.
    async fn consume<S: Session, H: Handler<S>>(
        &self,
        session: &mut S,
        conn: &mut Conn,
        handler: &mut H,
        mut input: &[u8],
    ) -> Result<bool, End> {
        loop {
            match session.step(&mut input, Instant::now()) {
                Step::Read => return Ok(false),
                Step::Flush => self.flush(session, conn, handler).await?,
                Step::Ask(ask) => handler.answer(session, conn, ask).await?,
                Step::Pause(duration) => pause(duration, self.shutdown).await,
                Step::StartTls => {
                    self.flush(session, conn, handler).await?;
                    // Boxed, like all that few do at a time: idle connections stay small.
                    let tls = Box::pin(self.start_tls(conn)).await;
                    session.tls_started(tls.map_err(End::NoTls)?);
                }
                Step::Close => {
                    self.flush(session, conn, handler).await?;
                    return Ok(true);
                }
            }
        }
    }

    async fn start_tls(&self, conn: &mut Conn) -> io::Result<Tls> {
        let certificates = self.certificates.ok_or(io::ErrorKind::NotFound)?;
        let deadline = Instant::now() + certificates.patience();
        conn.start_tls(certificates.current(), deadline).await
    }

    async fn flush<S: Session, H: Handler<S>>(
        &self,
        session: &mut S,
        conn: &mut Conn,
        handler: &mut H,
    ) -> io::Result<()> {
        let wait = handler.before_write(session);
        if !wait.is_zero() {
            pause(wait, self.shutdown).await;
        }
        write(session, conn).await
    }
}

/// Waits without reading, so that the peer's octets pile up on its own side; but not beyond the end of the
/// service.
pub async fn pause(duration: Duration, shutdown: &Shutdown) {
    let over = async {
        Timer::after(duration).await;
    };
    future::or(over, shutdown.begun()).await;
}

/// Writes the output of a session, by its deadline.
pub async fn write<S: Session>(session: &mut S, conn: &mut Conn) -> io::Result<()> {
    let output = session.output();
    if output.is_empty() {
        return Ok(());
    }
    let mut output = std::mem::take(output);
    let result = conn.send(&output, session.deadline()).await;
    // The buffer goes back for the next reply, unless it grew: idle sessions stay small.
    if output.capacity() <= KEPT_OUTPUT {
        output.clear();
        *session.output() = output;
    }
    result
}

/// Octets of output buffer that an idle session may keep.
const KEPT_OUTPUT: usize = 512;
