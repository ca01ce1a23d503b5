//! What happens before the conversation: the header of the PROXY protocol, the policy's word about the client,
//! and the TLS handshake.

use std::{
    fmt, io,
    net::{IpAddr, SocketAddr},
    time::{Duration, Instant},
};

use super::{Server, TlsMode};
use crate::{
    net::{Conn, Received, tls::Certificates},
    policy::{ClientPermit, Rejection},
    wire::{
        Tls,
        network::{self, Network},
        proxy::{self, Source},
    },
};

/// A client that may begin its conversation.
#[derive(Debug)]
pub struct Arrived {
    /// Who it is, by the PROXY protocol where that is spoken; none on a Unix socket.
    pub client: Option<SocketAddr>,
    /// The connection comes from a proxy of ours.
    pub is_proxy: bool,
    /// The policy counts the client while this lives.
    pub permit: ClientPermit,
    /// How the connection is encrypted, where TLS comes first.
    pub tls: Option<Tls>,
}

/// Why a connection ended before its conversation began.
#[derive(Debug)]
pub(super) enum Refusal {
    /// Only proxies of ours may connect here.
    NotAProxy,
    /// The policy does not want this client, which is to hear why.
    Policy(Option<SocketAddr>, Rejection),
    /// What came was no header of the PROXY protocol.
    NoHeader,
    /// It did not come in time.
    Late,
    /// The peer went away, as scanners and health checks do.
    Gone,
    /// Our own code was wrong.
    Panicked,
    /// The service ends before anything was said.
    Ending,
    /// The socket failed.
    Io(io::Error),
}

impl Server {
    /// What comes before the first word: who the client is, and TLS where it comes first.
    pub(super) async fn arrive(
        &self,
        conn: &mut Conn,
        peer: Option<SocketAddr>,
    ) -> Result<Arrived, Refusal> {
        let is_proxy = is_proxy(&self.proxies, peer.map(|peer| peer.ip()));
        let mut client = peer;
        if self.proxy {
            if !is_proxy {
                return Err(Refusal::NotAProxy);
            }
            client = proxied_client(conn, peer).await?;
        }
        let ip = client.map(|client| client.ip());
        let policy = &self.context.policy;
        // A proxy speaks for itself before XCLIENT, and when it asks how we are.
        let permit = match is_proxy && client == peer {
            true => policy.proxy(ip),
            false => {
                let permit = policy.connect(ip, Instant::now());
                permit.map_err(|rejection| Refusal::Policy(client, rejection))?
            }
        };
        let mut tls = None;
        if self.tls == TlsMode::Implicit {
            let certificates = self.context.certificates.as_deref();
            tls = Some(encrypt(conn, certificates).await.map_err(Refusal::Io)?);
        }
        Ok(Arrived { client, is_proxy, permit, tls })
    }
}

/// True for the proxies of the configuration, and for Unix sockets, where the file system says who may
/// connect.
fn is_proxy(proxies: &[Network], peer: Option<IpAddr>) -> bool {
    peer.is_none_or(|ip| network::any_contains(proxies, ip))
}

/// Reads the header of the PROXY protocol and returns the client it names. Octets behind the header
/// are left for whoever receives next.
async fn proxied_client(
    conn: &mut Conn,
    peer: Option<SocketAddr>,
) -> Result<Option<SocketAddr>, Refusal> {
    let deadline = Instant::now() + PROXY_HEADER;
    let mut held = Vec::new();
    loop {
        let (buffer, count) = match conn.receive(deadline).await {
            Ok(Received::Octets(buffer, count)) => (buffer, count),
            Ok(Received::Eof) => return Err(Refusal::Gone),
            Ok(Received::TimedOut) => return Err(Refusal::Late),
            Err(error) => return Err(Refusal::Io(error)),
        };
        // A header is some hundred octets, and what is behind it stops at the buffer's end.
        held.extend_from_slice(buffer.get(..count).unwrap_or_default());
        match proxy::read(&held) {
            Ok(None) => {}
            Err(proxy::Malformed) => return Err(Refusal::NoHeader),
            Ok(Some((source, length))) => {
                conn.unread(held.get(length..).unwrap_or_default());
                return Ok(match source {
                    Source::Connection => peer,
                    Source::Client(client) => Some(client),
                    Source::Unix => None,
                });
            }
        }
    }
}

/// Does the TLS handshake in the time that the configuration gives it.
async fn encrypt(conn: &mut Conn, certificates: Option<&Certificates>) -> io::Result<Tls> {
    let certificates = certificates.ok_or(io::ErrorKind::NotFound)?;
    let deadline = Instant::now() + certificates.patience();
    conn.start_tls(certificates.current(), deadline).await
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAProxy => f.write_str("its address is not among the proxies"),
            Self::Policy(..) => f.write_str("the policy rejects it"),
            Self::NoHeader => f.write_str("no header of the PROXY protocol"),
            Self::Late => f.write_str("no header of the PROXY protocol in time"),
            Self::Gone => f.write_str("it went away before its first word"),
            Self::Panicked => f.write_str("it panicked"),
            Self::Ending => f.write_str("the service ends"),
            Self::Io(error) => error.fmt(f),
        }
    }
}

/// The header comes with the first segment; this is enough for one that was lost.
const PROXY_HEADER: Duration = Duration::from_secs(5);
