//! Where to listen, as the configuration writes it: an IP address and a port, a Unix socket, or a
//! socket that systemd opened for us.

use std::{fmt, net::SocketAddr, path::PathBuf, str::FromStr};

use serde::{Deserialize, Serialize};

/// Where to listen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Address {
    /// `127.0.0.1:25000`, `[::1]:25000`
    Ip(SocketAddr),
    /// `unix:/run/smtpd/smtp.sock`
    Unix(PathBuf),
    /// `systemd:name`: the socket with that `FileDescriptorName=`, or `systemd:0`, the first one.
    Systemd(String),
}

/// The text is not an [`Address`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

impl FromStr for Address {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        match text.split_once(':') {
            Some(("unix", path)) if !path.is_empty() => Ok(Self::Unix(path.into())),
            Some(("systemd", name)) if !name.is_empty() => Ok(Self::Systemd(name.to_owned())),
            _ => text.parse().map(Self::Ip).map_err(|_| Malformed),
        }
    }
}

impl TryFrom<String> for Address {
    type Error = Malformed;

    fn try_from(text: String) -> Result<Self, Malformed> {
        text.parse()
    }
}

impl From<Address> for String {
    fn from(address: Address) -> Self {
        address.to_string()
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Self::Ip(address)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Systemd(name) => write!(f, "systemd:{name}"),
        }
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "expected an IP address and a port, such as 127.0.0.1:25000 or [::1]:25000, \
             \"unix:/path\" or \"systemd:name\"",
        )
    }
}

impl std::error::Error for Malformed {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        for text in ["127.0.0.1:25", "[::1]:25", "unix:/run/a b:c", "unix:@x", "systemd:smtp"] {
            assert_eq!(text.parse::<Address>().map(|address| address.to_string()), Ok(text.into()));
        }
        for text in
            ["", "unix:", "systemd:", "localhost:25", "127.0.0.1", ":25", "::1:25 ", "tcp:1"]
        {
            assert_eq!(text.parse::<Address>(), Err(Malformed), "{text}");
        }
    }
}
