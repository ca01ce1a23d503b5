//! `[tls]`: TLS by rustls: certificates, and the state of one encrypted connection.
//!
//! rustls is used directly, not through a wrapper of streams: [`super::Conn`] waits for readiness and
//! holds no buffer while it waits, and a wrapper would keep its own. The provider is ring, which a
//! static build needs nothing else for.

mod certificates;
mod client;
mod connector;
mod session;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::seconds::Seconds;
pub use certificates::{Certificates, Error};
pub use connector::Connector;
pub(super) use session::{Progress, Session};

/// `[tls]`: the certificate of all listeners, and what is asked of clients.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// PEM file with the certificate and those between it and the root, ours first.
    pub certificate: PathBuf,
    /// PEM file with the key of the certificate: PKCS #8, PKCS #1 or SEC 1, not encrypted.
    pub key: PathBuf,
    /// Make a certificate in memory at every start, for development.
    pub self_signed: bool,
    /// The oldest version of TLS that is spoken.
    pub min_version: Version,
    /// PEM file with the authorities of client certificates; empty to ask clients for none. A client
    /// may then show a certificate, and one that these authorities did not sign is refused.
    pub client_ca: PathBuf,
    /// Longest TLS handshake, in seconds; then the connection is cut.
    pub handshake_seconds: Seconds,
}

/// A version of TLS. Older ones are broken (RFC 8996), and rustls does not speak them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Version {
    /// TLS 1.2 (RFC 5246).
    #[serde(rename = "1.2")]
    Tls12,
    /// TLS 1.3 (RFC 8446).
    #[serde(rename = "1.3")]
    Tls13,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            certificate: PathBuf::new(),
            key: PathBuf::new(),
            self_signed: false,
            min_version: Version::Tls12,
            client_ca: PathBuf::new(),
            handshake_seconds: Seconds::new(10),
        }
    }
}
