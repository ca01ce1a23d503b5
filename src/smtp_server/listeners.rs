//! Where SMTP listens and how: `smtp.listen` is enough for the simple case, and every entry of
//! `smtp.listeners` is one more listener, which takes from `[smtp]` and `[auth]` what it does not say.

use std::fmt;

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{self, MapAccess, value::MapAccessDeserializer},
};

use crate::{auth, frontend::TlsMode, net::Address};

/// `[[smtp.listeners]]`: a listener beside `smtp.listen`. An address alone is one like `[smtp]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// Where to listen.
    pub address: Address,
    /// As `smtp.name`.
    pub name: Option<String>,
    /// As `smtp.tls`.
    pub tls: Option<TlsMode>,
    /// As `auth.mode`.
    pub auth: Option<auth::Mode>,
    /// As `smtp.auth_needs_tls`.
    pub auth_needs_tls: Option<bool>,
    /// As `smtp.proxy`.
    pub proxy: Option<bool>,
    /// As `smtp.lmtp`.
    pub lmtp: Option<bool>,
}

/// A listener, with everything said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// The key that the address stands under.
    pub key: String,
    /// Where to listen.
    pub address: Address,
    /// The name in the greeting; empty for the machine's host name.
    pub name: String,
    /// Whether and when connections are encrypted.
    pub tls: TlsMode,
    /// Who may or must log in.
    pub auth: auth::Mode,
    /// Offer AUTH over TLS only.
    pub auth_needs_tls: bool,
    /// Connections begin with a header of the PROXY protocol.
    pub proxy: bool,
    /// Speak LMTP.
    pub lmtp: bool,
}

impl<'de> Deserialize<'de> for Entry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Visitor)
    }
}

/// Takes `"127.0.0.1:465"` as well as `{ address = "127.0.0.1:465", tls = "implicit" }`, and says of
/// either what is wrong with it; serde's untagged enums say only that neither fits.
struct Visitor;

impl<'de> de::Visitor<'de> for Visitor {
    type Value = Entry;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an address or a table with an address")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Entry, E> {
        let address = text.parse().map_err(E::custom)?;
        let (name, tls, auth) = (None, None, None);
        Ok(Entry { address, name, tls, auth, auth_needs_tls: None, proxy: None, lmtp: None })
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Entry, A::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Table {
            address: Address,
            name: Option<String>,
            tls: Option<TlsMode>,
            auth: Option<auth::Mode>,
            auth_needs_tls: Option<bool>,
            proxy: Option<bool>,
            lmtp: Option<bool>,
        }
        let Table { address, name, tls, auth, auth_needs_tls, proxy, lmtp } =
            Table::deserialize(MapAccessDeserializer::new(map))?;
        Ok(Entry { address, name, tls, auth, auth_needs_tls, proxy, lmtp })
    }
}
