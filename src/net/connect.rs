//! Connections that we make ourselves, in clear or over TLS.

use std::{io, net::TcpStream, time::Instant};

use smol::{Async, net::resolve};

use super::{Conn, Socket, Stream, tls::Connector};

/// Connects to the first address of this name, or of these digits, that takes us, and does the TLS handshake
/// if there is a connector: the certificate must be one of `host`. The handshake fails with `TimedOut` at
/// the deadline.
pub async fn connect(
    host: &str,
    port: u16,
    connector: Option<&Connector>,
    deadline: Instant,
) -> io::Result<Stream> {
    let socket = reach(host, port).await?;
    let Some(connector) = connector else { return Ok(Stream::clear(socket)) };
    let mut conn = Conn::new(socket);
    conn.connect_tls(connector, host, deadline).await?;
    Ok(conn.into())
}

async fn reach(host: &str, port: u16) -> io::Result<Socket> {
    let mut failed = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in resolve((host, port)).await? {
        match Async::<TcpStream>::connect(address).await {
            Ok(stream) => return Ok(Socket::tcp(stream)),
            Err(error) => failed = error,
        }
    }
    Err(failed)
}
