//! One connection from its first octet to its end, websocket included.
//!
//! Nothing is spawned: when a request turned the connection into a websocket, the same task goes on
//! with it, so whoever counts connections counts these too.

use std::{
    io,
    net::SocketAddr,
    pin::{Pin, pin},
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use hyper::{Request, body::Incoming, server::conn::http1, service::service_fn};
use smol::{
    Timer,
    future::{Future, FutureExt},
    io::{AsyncRead, AsyncWrite},
};
use smol_hyper::rt::{FuturesIo, SmolTimer};
use tower_service::Service;

use super::{Options, Web, guard, live, visitor::Peer};
use crate::net::{Socket, Stream, tls::Certificates};

/// Serves one connection to its end. When shutdown begins, the answer under way is finished, an idle
/// connection is closed at once, and a websocket says goodbye.
pub async fn serve_connection(
    socket: Socket,
    peer: Option<SocketAddr>,
    certificates: Option<&Certificates>,
    web: &Web,
) {
    let site = &web.site;
    let _open = site.metrics.http_connections_now.hold();
    let visitor = Peer { address: peer.map(|peer| peer.ip()), is_tls: certificates.is_some() };
    let peer = peer.map_or_else(|| "unix".to_owned(), |peer| peer.to_string());
    let stream = match certificates {
        None => Stream::clear(socket),
        Some(certificates) => {
            let deadline = Instant::now() + certificates.patience();
            match Stream::encrypted(socket, certificates.current(), deadline).await {
                Ok(stream) => stream,
                Err(error) => {
                    log::debug!("{peer}: TLS handshake: {error}");
                    return;
                }
            }
        }
    };
    let speaks_clear_to_tls = certificates.is_some() && !stream.is_encrypted();
    let io = FuturesIo::new(Patient::new(stream, &site.options));

    let switch = Switch::default();
    let service = service_fn(|mut request: Request<Incoming>| {
        request.extensions_mut().insert(switch.clone());
        request.extensions_mut().insert(visitor);
        async move {
            if speaks_clear_to_tls {
                return Ok(guard::to_https(request.into_parts().0, &site.options.public_hosts));
            }
            web.router.clone().call(request).await
        }
    });
    let mut connection = pin!(
        http1::Builder::new()
            .timer(SmolTimer::new())
            .header_read_timeout(Duration::from_secs(site.options.header_seconds))
            .max_headers(MAX_HEADERS)
            .max_buf_size(MAX_HEADER)
            .serve_connection(io, service)
            .with_upgrades()
    );
    let shutdown = async {
        site.shutdown.begun().await;
        None
    };
    let ended = match async { Some(connection.as_mut().await) }.or(shutdown).await {
        Some(ended) => ended,
        None => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    match ended {
        Ok(()) => {}
        Err(error) => log::debug!("{peer}: {error}"),
    }
    if let Some(request) = switch.take() {
        live::serve(request, site, &peer).await;
    }
}

/// The stream under the protocol, as the websocket gets it back.
pub(super) type Io = FuturesIo<Patient>;

/// Where a handler leaves the wish to go on as a websocket.
#[derive(Clone, Default)]
pub(super) struct Switch(Arc<Mutex<Option<live::Request>>>);

impl Switch {
    /// Asks for the connection once the answer is sent.
    pub(super) fn ask(&self, request: live::Request) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(request);
    }

    fn take(&self) -> Option<live::Request> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// A stream that fails when its peer takes nothing for too long, or takes an answer so slowly that it
/// is not done in time, instead of waiting for ever.
pub(super) struct Patient {
    stream: Stream,
    patience: Duration,
    stalled: Option<Timer>,
    /// Longest time from the first octet of an answer to its last.
    longest_answer: Duration,
    /// Since when we have been writing without hearing anything.
    answering: Option<Instant>,
}

impl AsyncRead for Patient {
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

impl AsyncWrite for Patient {
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

impl Patient {
    fn new(stream: Stream, options: &Options) -> Self {
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

/// Most header fields in a request; browsers send about twenty.
const MAX_HEADERS: usize = 64;

/// Longest request header in octets; 8 KB is the least that hyper takes, and a long search fits.
const MAX_HEADER: usize = 16 * 1024;
