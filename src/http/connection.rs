//! One connection from its first octet to its end, websocket included.
//!
//! Nothing is spawned: when a request turned the connection into a websocket, the same task goes on
//! with it, so whoever counts connections counts these too.

use std::{
    io,
    net::SocketAddr,
    pin::pin,
    time::{Duration, Instant},
};

use hyper::{Request, body::Incoming, server::conn::http1, service::service_fn};
use smol::future::FutureExt;
use smol_hyper::rt::{FuturesIo, SmolTimer};
use tower_service::Service;

use super::{
    HttpServer, client_info::Peer, guard, live, timeout_stream::TimeoutStream, upgrade::UpgradeSlot,
};
use crate::net::{Socket, Stream, tls::Certificates};

/// Serves one connection to its end. When shutdown begins, the answer under way is finished, an idle
/// connection is closed at once, and a websocket says goodbye.
pub async fn serve_connection(
    socket: Socket,
    peer: Option<SocketAddr>,
    certificates: Option<&Certificates>,
    server: &HttpServer,
) {
    let context = &server.context;
    let _open = context.metrics.http_connections_now.hold();
    let peer_info = Peer { address: peer.map(|peer| peer.ip()), is_tls: certificates.is_some() };
    let peer = peer.map_or_else(|| "unix".to_owned(), |peer| peer.to_string());
    let stream = match open(socket, certificates).await {
        Ok(stream) => stream,
        Err(error) => {
            log::debug!("{peer}: TLS handshake: {error}");
            return;
        }
    };
    let speaks_clear_to_tls = certificates.is_some() && !stream.is_encrypted();
    let io = FuturesIo::new(TimeoutStream::new(stream, &context.options));

    let slot = UpgradeSlot::default();
    let service = service_fn(|mut request: Request<Incoming>| {
        request.extensions_mut().insert(slot.clone());
        request.extensions_mut().insert(peer_info);
        async move {
            if speaks_clear_to_tls {
                return Ok(guard::to_https(request.into_parts().0, &context.options.public_hosts));
            }
            server.router.clone().call(request).await
        }
    });
    let mut connection = pin!(
        http1::Builder::new()
            .timer(SmolTimer::new())
            .header_read_timeout(Duration::from_secs(context.options.header_seconds))
            .max_headers(MAX_HEADERS)
            .max_buf_size(MAX_HEADER)
            .serve_connection(io, service)
            .with_upgrades()
    );
    let shutdown = async {
        context.shutdown.begun().await;
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
    if let Some(request) = slot.take() {
        live::serve(request, context, &peer).await;
    }
}

/// The stream over a socket, after its handshake where there is to be one.
async fn open(socket: Socket, certificates: Option<&Certificates>) -> io::Result<Stream> {
    let Some(certificates) = certificates else { return Ok(Stream::clear(socket)) };
    let deadline = Instant::now() + certificates.patience();
    Stream::encrypted(socket, certificates.current(), deadline).await
}

/// Most header fields in a request; browsers send about twenty.
const MAX_HEADERS: usize = 64;

/// Longest request header in octets; 8 KB is the least that hyper takes, and a long search fits.
const MAX_HEADER: usize = 16 * 1024;
