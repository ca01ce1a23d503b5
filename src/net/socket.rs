//! A connected socket, TCP or Unix, as the rest of `net` uses it: it never blocks, and tells when it is
//! ready.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, TcpStream},
    os::unix::net::UnixStream,
    task::{Context, Poll},
};

use smol::Async;

/// A connected stream socket. Reading and writing `&Socket` never blocks.
#[derive(Debug)]
pub enum Socket {
    /// TCP over IPv4 or IPv6.
    Tcp(Async<TcpStream>),
    /// A Unix stream socket.
    Unix(Async<UnixStream>),
}

impl Socket {
    /// Takes over an accepted TCP socket.
    pub fn tcp(stream: Async<TcpStream>) -> Self {
        // Replies are written whole, so waiting to fill a segment only adds delay.
        let _ = stream.get_ref().set_nodelay(true);
        Self::Tcp(stream)
    }

    /// Waits until there is something to read.
    pub(super) async fn readable(&self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.readable().await,
            Self::Unix(stream) => stream.readable().await,
        }
    }

    /// Waits until something can be written.
    pub(super) async fn writable(&self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.writable().await,
            Self::Unix(stream) => stream.writable().await,
        }
    }

    /// Ready when there is something to read.
    pub(super) fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(stream) => stream.poll_readable(cx),
            Self::Unix(stream) => stream.poll_readable(cx),
        }
    }

    /// Ready when something can be written.
    pub(super) fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(stream) => stream.poll_writable(cx),
            Self::Unix(stream) => stream.poll_writable(cx),
        }
    }

    /// Says that nothing more will be written.
    pub(super) fn end_writing(&self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.get_ref().shutdown(Shutdown::Write),
            Self::Unix(stream) => stream.get_ref().shutdown(Shutdown::Write),
        }
    }
}

impl Read for &Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Socket::Tcp(stream) => stream.get_ref().read(buffer),
            Socket::Unix(stream) => stream.get_ref().read(buffer),
        }
    }
}

impl Write for &Socket {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        match self {
            Socket::Tcp(stream) => stream.get_ref().write(octets),
            Socket::Unix(stream) => stream.get_ref().write(octets),
        }
    }

    fn write_vectored(&mut self, octets: &[io::IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Socket::Tcp(stream) => stream.get_ref().write_vectored(octets),
            Socket::Unix(stream) => stream.get_ref().write_vectored(octets),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
