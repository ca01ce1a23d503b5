//! A socket, in clear or over TLS, as those who poll want it: hyper and the websocket.

use std::{
    io::{self, Read as _, Write as _},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Instant,
};

use rustls::ServerConfig;
use smol::io::{AsyncRead, AsyncWrite};

use super::{Conn, Received, Socket, tls};

/// A stream of octets over a socket.
#[derive(Debug)]
pub struct Stream {
    socket: Socket,
    tls: Option<Box<tls::Session>>,
    /// Octets that were read already.
    unread: Vec<u8>,
}

impl Stream {
    /// A stream in clear.
    pub fn clear(socket: Socket) -> Self {
        Self { socket, tls: None, unread: Vec::new() }
    }

    /// A stream over TLS, after its handshake, which fails with `TimedOut` at the deadline. If the
    /// client begins with a letter, it does not speak TLS, and the stream is in clear: somebody may want
    /// to tell it so.
    pub async fn encrypted(
        socket: Socket,
        config: Arc<ServerConfig>,
        deadline: Instant,
    ) -> io::Result<Self> {
        let mut conn = Conn::new(socket);
        let starts_with_letter = match conn.receive(deadline).await? {
            Received::Octets(octets, count) => {
                let octets = octets.get(..count).unwrap_or_default();
                conn.unread(octets);
                // A record of TLS begins with 22, its content type (RFC 8446 §5.1).
                octets.first().is_some_and(u8::is_ascii_alphabetic)
            }
            Received::Eof => return Err(io::ErrorKind::UnexpectedEof.into()),
            Received::TimedOut => return Err(io::ErrorKind::TimedOut.into()),
        };
        if !starts_with_letter {
            conn.start_tls(config, deadline).await?;
        }
        Ok(conn.into())
    }

    /// True if it is over TLS.
    pub fn is_encrypted(&self) -> bool {
        self.tls.is_some()
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if !self.unread.is_empty() {
            let count = self.unread.as_slice().read(buffer)?;
            self.unread.drain(..count);
            self.unread.shrink_to_fit();
            return Ok(count);
        }
        match &mut self.tls {
            None => (&self.socket).read(buffer),
            Some(tls) => tls.read(&self.socket, buffer),
        }
    }

    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        match &mut self.tls {
            None => (&self.socket).write(octets),
            Some(tls) => tls.write(&self.socket, octets),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.tls.as_mut().map_or(Ok(()), |tls| tls.flush(&self.socket))
    }

    /// Tries until it works, fails, or the socket is not ready.
    fn poll<T>(
        &mut self,
        cx: &mut Context<'_>,
        wait: fn(&Socket, &mut Context<'_>) -> Poll<io::Result<()>>,
        mut attempt: impl FnMut(&mut Self) -> io::Result<T>,
    ) -> Poll<io::Result<T>> {
        loop {
            match attempt(self) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    ready!(wait(&self.socket, cx))?;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                done => return Poll::Ready(done),
            }
        }
    }
}

impl From<Conn> for Stream {
    fn from(conn: Conn) -> Self {
        let (socket, tls, unread) = conn.into_parts();
        Self { socket, tls, unread }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        self.poll(cx, Socket::poll_readable, |stream| stream.read(buffer))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll(cx, Socket::poll_writable, |stream| stream.write(octets))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        octets: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.tls.is_none() {
            return self
                .poll(cx, Socket::poll_writable, |stream| (&stream.socket).write_vectored(octets));
        }
        let first = octets.iter().find(|octets| !octets.is_empty()).map_or(&[][..], |first| first);
        self.poll_write(cx, first)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll(cx, Socket::poll_writable, Self::flush)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(tls) = &mut self.tls {
            tls.close();
        }
        ready!(self.as_mut().poll_flush(cx))?;
        Poll::Ready(self.socket.end_writing())
    }
}
