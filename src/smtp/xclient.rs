//! XCLIENT: a proxy of ours says who its client is (Postfix's XCLIENT_README).

use std::net::IpAddr;

/// What the proxy said. An attribute that it left out or that it does not know either
/// (`[UNAVAILABLE]`, `[TEMPUNAVAIL]`) is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct XClient {
    /// ADDR: the client's address.
    pub address: Option<IpAddr>,
    /// PORT: the client's port.
    pub port: Option<u16>,
    /// NAME: the client's host name.
    pub name: Option<String>,
    /// HELO: what the client said to the proxy. The session knows it already.
    pub helo: Option<String>,
    /// LOGIN: who the client is to the proxy. The session takes it for a successful AUTH.
    pub login: Option<String>,
    /// PROTO: true for ESMTP, false for SMTP.
    pub esmtp: Option<bool>,
    /// DESTADDR: the address that the client connected to.
    pub destination_address: Option<IpAddr>,
    /// DESTPORT: the port that the client connected to.
    pub destination_port: Option<u16>,
}
