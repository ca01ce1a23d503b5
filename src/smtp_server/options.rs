//! `[smtp]`: what is configured of the SMTP listeners, and what a session is told of it.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::listeners::{Entry, Listener};
use crate::{
    auth::{self, Auth},
    frontend::{self, Context, MaybeAddress, TlsMode},
    limits,
    smtp::{self, AuthMode, Extensions, Strictness},
    wire::{network::Network, sasl::Mechanism},
};

/// `[smtp]`: the SMTP listeners.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// Where to listen; empty for nowhere but `listeners`.
    pub listen: MaybeAddress,
    /// Listeners beside that one. What an entry does not say is as `[smtp]` and `[auth]` say.
    pub listeners: Vec<Entry>,
    /// The name in the greeting (RFC 5321 §4.2); empty for the machine's host name.
    pub name: String,
    /// Whether and when connections are encrypted. Everything but `off` needs a certificate in `[tls]`.
    pub tls: TlsMode,
    /// Offer AUTH over TLS only.
    pub auth_needs_tls: bool,
    /// Connections begin with a header of the PROXY protocol, version 1 or 2, that says who the client
    /// is. Only `proxies` may connect then.
    pub proxy: bool,
    /// Networks of proxies that may say who their client is, by the PROXY protocol or by XCLIENT.
    /// Whoever connects from there can pretend to be anybody.
    pub proxies: Vec<Network>,
    /// Speak LMTP (RFC 2033) instead of SMTP.
    pub lmtp: bool,
    /// What is offered.
    #[serde(flatten)]
    pub extensions: Extensions,
    /// What clients are refused or slowed down for.
    #[serde(flatten)]
    pub strictness: Strictness,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: MaybeAddress(Some(SocketAddr::from(([127, 0, 0, 1], 25_000)).into())),
            listeners: Vec::new(),
            name: String::new(),
            tls: TlsMode::Off,
            auth_needs_tls: false,
            proxy: false,
            proxies: Vec::new(),
            lmtp: false,
            extensions: Extensions::default(),
            strictness: Strictness::default(),
        }
    }
}

impl Options {
    /// All listeners, the one of `smtp.listen` first; `mode` is what `[auth]` says.
    pub fn listeners(&self, mode: auth::Mode) -> Vec<Listener> {
        let Options { listen, name, tls, auth_needs_tls, proxy, lmtp, .. } = self;
        let simple = listen.0.as_ref().map(|address| Listener {
            key: "smtp.listen".into(),
            address: address.clone(),
            name: name.clone(),
            tls: *tls,
            auth: mode,
            auth_needs_tls: *auth_needs_tls,
            proxy: *proxy,
            lmtp: *lmtp,
        });
        let more = self.listeners.iter().enumerate().map(|(at, entry)| Listener {
            key: format!("smtp.listeners[{at}]"),
            address: entry.address.clone(),
            name: entry.name.clone().unwrap_or_else(|| name.clone()),
            tls: entry.tls.unwrap_or(*tls),
            auth: entry.auth.unwrap_or(mode),
            auth_needs_tls: entry.auth_needs_tls.unwrap_or(*auth_needs_tls),
            proxy: entry.proxy.unwrap_or(*proxy),
            lmtp: entry.lmtp.unwrap_or(*lmtp),
        });
        simple.into_iter().chain(more).collect()
    }
}

/// Whether AUTH is offered with the users that there are, and how they can prove who they are.
pub(super) fn logins(users: &Auth, mode: auth::Mode) -> (AuthMode, Vec<Mechanism>) {
    let mechanisms = users.mechanisms(mode);
    let auth = match mode {
        auth::Mode::Off => AuthMode::Off,
        // Nobody could use it.
        auth::Mode::Optional if mechanisms.is_empty() => AuthMode::Off,
        auth::Mode::AcceptAny | auth::Mode::Optional => AuthMode::Offered,
        auth::Mode::Required => AuthMode::Required,
    };
    (auth, mechanisms)
}

/// What the sessions of a listener are told to be.
pub(super) fn options(
    configured: &Options,
    limits: &limits::Options,
    listener: &Listener,
    context: &Context,
) -> smtp::Options {
    let (auth, auth_mechanisms) = logins(&context.auth, listener.auth);
    smtp::Options {
        auth,
        auth_mechanisms,
        name: frontend::server_name(&listener.name),
        lmtp: listener.lmtp,
        starttls: listener.tls.starttls(),
        auth_needs_tls: listener.auth_needs_tls,
        limits: limits.clone(),
        extensions: configured.extensions,
        strictness: configured.strictness,
        ask_policy: context.policy.asks_transactions(),
    }
}
