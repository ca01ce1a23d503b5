//! The words in which every front end says where it listens and how.

use serde::{Deserialize, Serialize};

use crate::{net::Address, process, wire::session::StartTls};

/// Whether and when a connection is encrypted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TlsMode {
    /// Never.
    #[default]
    Off,
    /// After STARTTLS (RFC 3207), which the client may leave out.
    Offered,
    /// After STARTTLS, without which nobody can log in or send mail.
    Required,
    /// From the first octet on (RFC 8314).
    Implicit,
}

impl TlsMode {
    /// What a session is told of it.
    pub fn starttls(self) -> StartTls {
        match self {
            Self::Off | Self::Implicit => StartTls::Off,
            Self::Offered => StartTls::Offered,
            Self::Required => StartTls::Required,
        }
    }
}

/// The configured name of a server, or that of the machine.
pub fn server_name(configured: &str) -> String {
    match configured {
        "" => process::host_name(),
        name => name.to_owned(),
    }
}

/// An address, or none where the text is empty.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MaybeAddress(pub Option<Address>);

impl TryFrom<String> for MaybeAddress {
    type Error = <Address as TryFrom<String>>::Error;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if text.is_empty() { Ok(Self(None)) } else { Address::try_from(text).map(Some).map(Self) }
    }
}

impl From<MaybeAddress> for String {
    fn from(MaybeAddress(address): MaybeAddress) -> Self {
        address.map(Self::from).unwrap_or_default()
    }
}
