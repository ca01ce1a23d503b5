//! One encrypted connection over a socket that does not block.
//!
//! `WouldBlock` means what it means on the socket itself, so that whoever waits for a clear socket can
//! wait for this one.

use std::{
    io::{self, Read as _, Write as _},
    sync::Arc,
};

use rustls::{
    CipherSuite, ClientConnection, Connection, ProtocolVersion, ServerConfig, ServerConnection,
};
use rustls_pki_types::ServerName;

use super::{Connector, client};
use crate::{net::Socket, wire::Tls};

/// Our half of one TLS connection.
#[derive(Debug)]
pub(in crate::net) struct Session {
    rustls: Connection,
    /// The peer broke the protocol: what came before may be read, nothing after.
    broken: bool,
}

/// What a handshake waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::net) enum Progress {
    Done,
    WantsRead,
    WantsWrite,
}

impl Session {
    /// A session with a client, before its handshake.
    pub(in crate::net) fn accept(config: Arc<ServerConfig>) -> io::Result<Self> {
        let rustls = ServerConnection::new(config).map_err(io::Error::other)?;
        Ok(Self { rustls: rustls.into(), broken: false })
    }

    /// A session with the server of this name or address, before its handshake.
    pub(in crate::net) fn connect(connector: &Connector, name: &str) -> io::Result<Self> {
        let name = ServerName::try_from(name.to_owned()).map_err(io::Error::other)?;
        let rustls = ClientConnection::new(connector.config(), name).map_err(io::Error::other)?;
        Ok(Self { rustls: rustls.into(), broken: false })
    }

    /// Takes octets of the handshake that were read already.
    pub(in crate::net) fn feed(&mut self, mut octets: &[u8]) -> io::Result<()> {
        while !octets.is_empty() {
            self.rustls.read_tls(&mut octets)?;
            self.process()?;
        }
        Ok(())
    }

    /// Goes on with the handshake as far as the socket allows.
    pub(in crate::net) fn handshake(&mut self, mut socket: &Socket) -> io::Result<Progress> {
        loop {
            match self.flush(socket) {
                Ok(()) if !self.rustls.is_handshaking() => return Ok(Progress::Done),
                Ok(()) => {}
                Err(error) if blocks(&error) => return Ok(Progress::WantsWrite),
                Err(error) => return Err(error),
            }
            match self.rustls.read_tls(&mut socket) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(_) => {}
                Err(error) if blocks(&error) => return Ok(Progress::WantsRead),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            }
            if let Err(error) = self.process() {
                // The alert tells the peer why.
                let _ = self.flush(socket);
                return Err(error);
            }
        }
    }

    /// Reads what was decrypted; 0 at the end. An end without close_notify (RFC 8446 §6.1) is an end
    /// too: what it could cut off, a message or a command, is incomplete then and is not kept.
    pub(in crate::net) fn read(
        &mut self,
        mut socket: &Socket,
        into: &mut [u8],
    ) -> io::Result<usize> {
        let mut taken = 0;
        while let Some(room) = into.get_mut(taken..).filter(|room| !room.is_empty()) {
            match self.rustls.reader().read(room) {
                Ok(0) => return Ok(taken),
                Ok(count) => {
                    taken += count;
                    continue;
                }
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(taken),
                Err(error) if !blocks(&error) => return Err(error),
                Err(_) => {}
            }
            let more = if self.broken { Err(broken()) } else { self.rustls.read_tls(&mut socket) };
            let more = more.and_then(|_| self.process());
            // Answers to a key update, or the alert after a broken record.
            let _ = self.flush(socket);
            match more {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) if taken > 0 => return Ok(taken),
                Err(error) => return Err(error),
            }
        }
        Ok(taken)
    }

    /// Encrypts what there is room for. What the socket did not take yet is kept: [`Self::flush`].
    pub(in crate::net) fn write(&mut self, socket: &Socket, octets: &[u8]) -> io::Result<usize> {
        self.flush(socket)?;
        let count = self.rustls.writer().write(octets)?;
        match self.flush(socket) {
            Err(error) if !blocks(&error) => Err(error),
            _ => Ok(count),
        }
    }

    /// Writes what is encrypted already.
    pub(in crate::net) fn flush(&mut self, mut socket: &Socket) -> io::Result<()> {
        while self.rustls.wants_write() {
            match self.rustls.write_tls(&mut socket) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Puts close_notify behind what was written; [`Self::flush`] sends it.
    pub(in crate::net) fn close(&mut self) {
        self.rustls.send_close_notify();
    }

    /// What the handshake agreed on.
    pub(in crate::net) fn facts(&self) -> Tls {
        let server_name = match &self.rustls {
            Connection::Server(server) => server.server_name(),
            Connection::Client(_) => None,
        };
        let certificate = self.rustls.peer_certificates().and_then(<[_]>::first);
        Tls {
            version: self.rustls.protocol_version().map(version).unwrap_or_default(),
            cipher: self
                .rustls
                .negotiated_cipher_suite()
                .map(|suite| cipher(suite.suite()))
                .unwrap_or_default(),
            server_name: server_name.unwrap_or_default().to_owned(),
            client_certificate: certificate.and_then(client::name),
        }
    }

    fn process(&mut self) -> io::Result<()> {
        self.rustls.process_new_packets().map(drop).map_err(|error| {
            self.broken = true;
            io::Error::new(io::ErrorKind::InvalidData, error)
        })
    }
}

/// `TLSv1.3`, as OpenSSL and so everybody's logs write it.
fn version(version: ProtocolVersion) -> String {
    match version {
        ProtocolVersion::TLSv1_2 => "TLSv1.2".to_owned(),
        ProtocolVersion::TLSv1_3 => "TLSv1.3".to_owned(),
        other => format!("{other:?}"),
    }
}

/// The name that IANA registered: rustls marks those of TLS 1.3.
fn cipher(suite: CipherSuite) -> String {
    format!("{suite:?}").replacen("TLS13_", "TLS_", 1)
}

fn blocks(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock
}

fn broken() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the peer broke the TLS protocol")
}
