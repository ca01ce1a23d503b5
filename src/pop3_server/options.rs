//! `[pop3]`: where POP3 is spoken, and how.

use serde::{Deserialize, Serialize};

use crate::{
    auth,
    frontend::{MaybeAddress, TlsMode},
    net::Address,
    seconds::Seconds,
    wire::network::Network,
};

/// `[pop3]`: programs fetch mail here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// Where to listen; empty for nowhere but `listeners`.
    pub listen: MaybeAddress,
    /// Listeners beside that one. What an entry does not say is as `[pop3]` says.
    pub listeners: Vec<Entry>,
    /// The name in timestamps and challenges; empty for the machine's host name.
    pub name: String,
    /// Whether and when connections are encrypted. Everything but `off` needs a certificate in `[tls]`.
    pub tls: TlsMode,
    /// Who may log in.
    pub auth: Access,
    /// Logins are refused without TLS.
    pub auth_needs_tls: bool,
    /// Connections begin with a header of the PROXY protocol, version 1 or 2, that says who the client
    /// is. Only `proxies` may connect then.
    pub proxy: bool,
    /// Networks of proxies that may say who their client is.
    pub proxies: Vec<Network>,
    /// Most connections at a time; one more is answered -ERR [SYS/TEMP].
    pub connections: u64,
    /// Most messages of a maildrop: the newest.
    pub messages: usize,
    /// What happens to messages that a client deletes.
    pub delete: Delete,
    /// Longest silence of a client that has logged in, in seconds. RFC 1939 §3 asks for 10 minutes.
    pub idle_seconds: Seconds,
}

/// A listener beside `pop3.listen`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Where to listen.
    pub address: Address,
    /// As `pop3.tls`.
    pub tls: Option<TlsMode>,
    /// As `pop3.auth`.
    pub auth: Option<Access>,
    /// As `pop3.auth_needs_tls`.
    pub auth_needs_tls: Option<bool>,
    /// As `pop3.proxy`.
    pub proxy: Option<bool>,
}

/// Who may log in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    /// As strict as `auth.mode` and the page, whichever is stricter.
    #[default]
    Auto,
    /// Anybody, with any password: an address opens its mailbox, any other name opens all mail.
    AcceptAny,
    /// The users of `[auth]`: each opens the mailbox of its name.
    Required,
}

/// What DELE and QUIT do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Delete {
    /// The message leaves the mailbox, and is deleted when it is in none any more.
    #[default]
    Mailbox,
    /// It is deleted, from all mailboxes.
    Message,
    /// It stays: the client is told that it is deleted.
    Never,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: MaybeAddress(None),
            listeners: Vec::new(),
            name: String::new(),
            tls: TlsMode::Off,
            auth: Access::Auto,
            auth_needs_tls: false,
            proxy: false,
            proxies: Vec::new(),
            connections: 500,
            messages: 10_000,
            delete: Delete::Mailbox,
            idle_seconds: Seconds::new(600),
        }
    }
}

/// A listener, with everything said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// The key that the address stands under.
    pub key: String,
    /// Where to listen.
    pub address: Address,
    /// Whether and when connections are encrypted.
    pub tls: TlsMode,
    /// Anybody may log in.
    pub is_open: bool,
    /// Logins are refused without TLS.
    pub auth_needs_tls: bool,
    /// Connections begin with a header of the PROXY protocol.
    pub proxy: bool,
}

impl Listener {
    /// What a login is checked by.
    pub fn mode(&self) -> auth::Mode {
        if self.is_open { auth::Mode::AcceptAny } else { auth::Mode::Required }
    }
}

impl Options {
    /// All listeners, the one of `pop3.listen` first. `mode` is that of `[auth]`; `is_shown`: the page shows
    /// mail to anybody, so that it needs no secret here either.
    pub fn listeners(&self, mode: auth::Mode, is_shown: bool) -> Vec<Listener> {
        let is_open = |access| match (access, mode) {
            (Access::AcceptAny, _) => true,
            // Who may send without a secret may not read without one, if the page wants one.
            (Access::Auto, auth::Mode::Off | auth::Mode::AcceptAny) => is_shown,
            (Access::Required | Access::Auto, _) => false,
        };
        let listener = |key: String, entry: &Entry| Listener {
            key,
            address: entry.address.clone(),
            tls: entry.tls.unwrap_or(self.tls),
            is_open: is_open(entry.auth.unwrap_or(self.auth)),
            auth_needs_tls: entry.auth_needs_tls.unwrap_or(self.auth_needs_tls),
            proxy: entry.proxy.unwrap_or(self.proxy),
        };
        let simple = self.listen.0.clone().map(|address| {
            let entry = Entry { address, tls: None, auth: None, auth_needs_tls: None, proxy: None };
            listener("pop3.listen".into(), &entry)
        });
        let more = self.listeners.iter().enumerate();
        let more = more.map(|(at, entry)| listener(format!("pop3.listeners[{at}]"), entry));
        simple.into_iter().chain(more).collect()
    }
}
