//! A stream that does not wait for ever for its peer.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use smol::{
    Timer,
    future::Future,
    io::{AsyncRead, AsyncWrite},
};
use smol_hyper::rt::FuturesIo;

use super::Options;
use crate::net::Stream;

/// The stream under the protocol, as the websocket gets it back.
pub(super) type Io = FuturesIo<TimeoutStream>;

/// A stream that fails when its peer takes nothing for too long, or takes an answer so slowly that it
/// is not done in time, instead of waiting for ever.
pub(super) struct TimeoutStream {
    stream: Stream,
    patience: Duration,
    stalled: Option<Timer>,
    /// Longest time from the first octet of an answer to its last.
    longest_answer: Duration,
    /// Since when we have been writing without hearing anything.
    answering: Option<Instant>,
}

impl AsyncRead for TimeoutStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let read = ready!(Pin::new(&mut self.stream).poll_read(cx, buffer));
        // What the peer says now asks for the next answer. Whoever pipelines gets no more out of it than
        // the buffer for headers holds: during an answer no more than that is read.
        self.answering = None;
        Poll::Ready(read)
    }
}

impl AsyncWrite for TimeoutStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_patiently(cx, |stream, cx| stream.poll_write(cx, octets))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        octets: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_patiently(cx, |stream, cx| stream.poll_write_vectored(cx, octets))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_close(cx)
    }
}

impl TimeoutStream {
    pub(super) fn new(stream: Stream, options: &Options) -> Self {
        Self {
            stream,
            patience: Duration::from_secs(options.write_seconds),
            stalled: None,
            longest_answer: Duration::from_secs(options.answer_seconds),
            answering: None,
        }
    }

    fn poll_patiently(
        &mut self,
        cx: &mut Context<'_>,
        write: impl FnOnce(Pin<&mut Stream>, &mut Context<'_>) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        let began = *self.answering.get_or_insert_with(Instant::now);
        if began.elapsed() > self.longest_answer {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        if let Poll::Ready(written) = write(Pin::new(&mut self.stream), cx) {
            self.stalled = None;
            return Poll::Ready(written);
        }
        let patience = self.patience;
        let timer = self.stalled.get_or_insert_with(|| Timer::after(patience));
        ready!(Pin::new(timer).poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}
