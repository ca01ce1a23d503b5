//! The listeners of the real binary: TLS, listeners of each kind, and who the client is.

// Clippy allows them in test functions only, not in the helpers of tests.
#![allow(clippy::unwrap_used, clippy::panic)]

mod authority;
mod client_address;
mod kinds;
mod tls;

use std::{net::TcpStream, sync::Arc};

use rustls::{ClientConfig, ClientConnection, StreamOwned};

use crate::harness::Client;

pub(crate) use authority::Authority;

/// A client over TLS.
pub(crate) type Encrypted = StreamOwned<ClientConnection, TcpStream>;

/// Goes on over TLS, as a client that wants to reach `name`.
pub(crate) fn encrypted(stream: TcpStream, config: &Arc<ClientConfig>, name: &str) -> Encrypted {
    let name = name.to_owned().try_into().unwrap();
    StreamOwned::new(ClientConnection::new(config.clone(), name).unwrap(), stream)
}

/// Reads the greeting of a client that is over TLS from the first octet on.
pub(crate) fn greeted<S: std::io::Read + std::io::Write>(stream: S) -> Client<S> {
    let mut client = Client::over(stream);
    assert!(client.reply().unwrap().starts_with("220 "));
    client
}

fn pem(label: &str, der: &[u8]) -> String {
    let base64 = data_encoding::BASE64.encode(der);
    format!("-----BEGIN {label}-----\n{base64}\n-----END {label}-----\n")
}
