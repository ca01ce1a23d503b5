//! PURE: who may do what. `[policy]` as it is written, compiled once into answers.
//!
//! No socket, no file and no clock: the front end brings the client's address and the time, and hears yes
//! or why not, which it says in its own protocol. The defaults let everything through, because a catcher that
//! refuses mail hides what a program under test does; then nothing of this is asked for any message.
//!
//! Deliberately not here: lists from the DNS (a test server must not need one), reverse names of
//! clients (whoever owns the address writes them), greylisting and SPF (who else sent it is not what a
//! catcher is asked).

mod body;
mod options;
mod pattern;
mod rate;

use std::{
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use self::{
    body::BodyPatterns,
    rate::{Connections, Rates},
};
pub use self::{
    body::{BodyPattern, BodyWatch},
    options::{BlockBy, Options},
    pattern::{AddressPattern, NamePattern},
};
use crate::wire::network;

/// Decides. Shared by all connections.
#[derive(Debug)]
pub struct Policy {
    options: Options,
    patterns: BodyPatterns,
    connections: Arc<Mutex<Connections>>,
    rates: Mutex<Rates>,
}

/// Why something may not be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// The client's network may not connect.
    Client,
    /// The client has as many connections as it may.
    Connections,
    /// It made too many of them in the last minute.
    ConnectionRate,
    /// It sent too many messages in the last minute.
    MessageRate,
    /// It named too many recipients in the last minute.
    RecipientRate,
    /// The name in HELO or EHLO is blocked.
    Helo,
    /// The reverse-path is blocked.
    Sender,
    /// The forward-path is blocked.
    Recipient,
    /// The forward-path is of another domain, and the client is nobody that mail is relayed for.
    Relay,
    /// The message matches `block_body`.
    Content,
}

/// Who asks, while it is connected. Dropped at the end of the connection, so that it counts no more.
#[derive(Debug)]
pub struct ClientPermit {
    /// Whom bounds are kept for; none on a Unix socket and for a proxy, who stands for many.
    address: Option<IpAddr>,
    is_trusted: bool,
    _counted: Option<Counted>,
}

/// A place among the connections of one client.
#[derive(Debug)]
struct Counted {
    address: IpAddr,
    connections: Arc<Mutex<Connections>>,
}

impl Policy {
    /// Compiles the options. The error is one line for people.
    pub fn new(options: Options) -> Result<Self, String> {
        Ok(Self {
            patterns: BodyPatterns::new(&options.block_body)?,
            connections: Arc::default(),
            rates: Mutex::new(Rates::new(options.clients_remembered)),
            options,
        })
    }

    /// Whether a client may connect now. Ask again when a proxy says that the client is another one.
    pub fn connect(
        &self,
        address: Option<IpAddr>,
        now: Instant,
    ) -> Result<ClientPermit, Rejection> {
        let Some(address) = address else { return Ok(self.proxy(None)) };
        if self.turns_away(address) {
            return Err(Rejection::Client);
        }
        let is_trusted = self.trusts(Some(address));
        let mut permit = ClientPermit { address: Some(address), is_trusted, _counted: None };
        if is_trusted {
            return Ok(permit);
        }
        let most = self.options.connections_per_minute;
        if most > 0 && !self.rates().connection(address, most, now) {
            return Err(Rejection::ConnectionRate);
        }
        let most = self.options.connections_per_client;
        if most > 0 {
            if !locked(&self.connections).enter(address, most) {
                return Err(Rejection::Connections);
            }
            permit._counted = Some(Counted { address, connections: self.connections.clone() });
        }
        Ok(permit)
    }

    /// True for a client that may never connect, because of its network.
    pub fn turns_away(&self, address: IpAddr) -> bool {
        let Options { allow_networks, block_networks, .. } = &self.options;
        let is_allowed =
            allow_networks.is_empty() || network::any_contains(allow_networks, address);
        let is_blocked = network::any_contains(block_networks, address);
        !is_allowed || is_blocked
    }

    /// True for the trusted networks.
    pub fn trusts(&self, address: Option<IpAddr>) -> bool {
        let trusted = &self.options.trusted_networks;
        address.is_some_and(|address| network::any_contains(trusted, address))
    }

    /// A proxy that is about to say who its client is, or a program on a Unix socket: whoever may
    /// connect there was decided elsewhere.
    pub fn proxy(&self, address: Option<IpAddr>) -> ClientPermit {
        ClientPermit { address: None, is_trusted: self.trusts(address), _counted: None }
    }

    /// True if MAIL and RCPT have to be asked about at all.
    pub fn asks_transactions(&self) -> bool {
        let Options {
            local_domains,
            messages_per_minute,
            recipients_per_minute,
            block_senders,
            block_recipients,
            block_helo,
            ..
        } = &self.options;
        !local_domains.is_empty()
            || *messages_per_minute > 0
            || *recipients_per_minute > 0
            || !block_senders.is_empty()
            || !block_recipients.is_empty()
            || !block_helo.is_empty()
    }

    /// Whether a permit may begin a message from this reverse-path, which is empty for `<>`.
    pub fn mail(
        &self,
        permit: &ClientPermit,
        helo: &str,
        reverse_path: &str,
        now: Instant,
    ) -> Result<(), Rejection> {
        if self.options.block_helo.iter().any(|pattern| pattern.matches(helo)) {
            return Err(Rejection::Helo);
        }
        if pattern::any_matches(&self.options.block_senders, reverse_path) {
            return Err(Rejection::Sender);
        }
        let most = self.options.messages_per_minute;
        match permit.bounded() {
            Some(address) if most > 0 && !self.rates().message(address, most, now) => {
                Err(Rejection::MessageRate)
            }
            _ => Ok(()),
        }
    }

    /// Whether a permit may write to this forward-path.
    pub fn rcpt(
        &self,
        permit: &ClientPermit,
        is_authenticated: bool,
        path: &str,
        now: Instant,
    ) -> Result<(), Rejection> {
        let most = self.options.recipients_per_minute;
        // Counted first: a client that tries out names is refused most of them, and is to be slow.
        if most > 0
            && let Some(address) = permit.bounded()
            && !self.rates().recipient(address, most, now)
        {
            return Err(Rejection::RecipientRate);
        }
        if pattern::any_matches(&self.options.block_recipients, path) {
            return Err(Rejection::Recipient);
        }
        if permit.is_trusted || is_authenticated || self.is_local(path) {
            Ok(())
        } else {
            Err(Rejection::Relay)
        }
    }

    /// Looks on while a message comes in; none if no expression is configured.
    pub fn watch_body(&self) -> Option<BodyWatch> {
        self.patterns.watch()
    }

    /// What is done with a message that was found to match.
    pub fn block_body_by(&self) -> BlockBy {
        self.options.block_body_by
    }

    /// An address without a domain is here, wherever that is (RFC 5321 §4.1.1.3, postmaster).
    fn is_local(&self, path: &str) -> bool {
        let domains = &self.options.local_domains;
        domains.is_empty()
            || pattern::domain(path)
                .is_none_or(|domain| domains.iter().any(|local| local.matches(domain)))
    }

    fn rates(&self) -> MutexGuard<'_, Rates> {
        locked(&self.rates)
    }
}

impl ClientPermit {
    /// True for the trusted networks.
    pub fn is_trusted(&self) -> bool {
        self.is_trusted
    }

    /// Whom bounds are kept for.
    fn bounded(&self) -> Option<IpAddr> {
        self.address.filter(|_| !self.is_trusted)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        locked(&self.connections).leave(self.address);
    }
}

/// What these locks guard is whole between any two statements, so a panic elsewhere spoils nothing.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn policy(text: &str) -> Policy {
        Policy::new(toml::from_str(text).unwrap()).unwrap()
    }

    fn ip(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    /// Why it may not be, or `ok`.
    fn code<T>(result: Result<T, Rejection>) -> String {
        match result {
            Ok(_) => "ok".to_owned(),
            Err(rejection) => format!("{rejection:?}"),
        }
    }

    #[test]
    fn the_defaults_let_everything_through() {
        let (policy, now) = (policy(""), Instant::now());
        assert!(!policy.asks_transactions());
        assert!(policy.watch_body().is_none());
        for address in ["192.0.2.1", "2001:db8::1", "127.0.0.1"] {
            for _ in 0..1000 {
                let permit = policy.connect(ip(address), now).unwrap();
                assert!(!permit.is_trusted());
                assert_eq!(policy.mail(&permit, "x", "a@b", now), Ok(()));
                assert_eq!(policy.rcpt(&permit, false, "a@b", now), Ok(()));
                std::mem::forget(permit);
            }
        }
    }

    #[test]
    fn networks_say_who_may_connect() {
        let policy = policy(
            "allow_networks = ['10.0.0.0/8', '2001:db8::/32', '192.0.2.7']
             block_networks = ['10.6.0.0/16', '2001:db8:bad::/48']",
        );
        for (address, expected) in [
            ("10.0.0.1", "ok"),
            ("::ffff:10.0.0.1", "ok"),
            ("10.6.0.1", "Client"),
            ("::ffff:10.6.0.1", "Client"),
            ("11.0.0.1", "Client"),
            ("192.0.2.7", "ok"),
            ("192.0.2.8", "Client"),
            ("2001:db8::1", "ok"),
            ("2001:db8:bad::1", "Client"),
            ("::1", "Client"),
        ] {
            assert_eq!(code(policy.connect(ip(address), Instant::now())), expected, "{address}");
        }
        assert_eq!(code(policy.connect(None, Instant::now())), "ok");
    }

    #[test]
    fn connections_of_a_client_are_counted_while_they_live() {
        let policy = policy("connections_per_client = 2\ntrusted_networks = ['10.0.0.0/8']");
        let now = Instant::now();
        let connect = |address| policy.connect(ip(address), now);
        let first = connect("192.0.2.1").unwrap();
        let _second = connect("::ffff:192.0.2.1").unwrap();
        assert_eq!(code(connect("192.0.2.1")), "Connections");
        let _other = connect("192.0.2.2").unwrap();
        drop(first);
        let _third = connect("192.0.2.1").unwrap();
        assert_eq!(code(connect("192.0.2.1")), "Connections");
        let _six = [connect("2001:db8::1").unwrap(), connect("2001:db8::2").unwrap()];
        assert_eq!(code(connect("2001:db8::3")), "Connections", "one /64 is one client");
        let _next = connect("2001:db8:0:1::3").unwrap();
        let _trusted: Vec<ClientPermit> = (0..9).map(|_| connect("10.0.0.1").unwrap()).collect();
        let _unix: Vec<ClientPermit> = (0..9).map(|_| policy.connect(None, now).unwrap()).collect();
    }

    #[test]
    fn a_connection_that_is_refused_is_not_counted() {
        let policy = policy("connections_per_client = 1\nconnections_per_minute = 3");
        let now = Instant::now();
        let held = policy.connect(ip("192.0.2.1"), now).unwrap();
        assert_eq!(code(policy.connect(ip("192.0.2.1"), now)), "Connections");
        drop(held);
        let held = policy.connect(ip("192.0.2.1"), now).unwrap();
        drop(held);
        // Three tries of this minute are used up.
        assert_eq!(code(policy.connect(ip("192.0.2.1"), now)), "ConnectionRate");
        let later = now + Duration::from_secs(20);
        assert_eq!(code(policy.connect(ip("192.0.2.1"), later)), "ok");
    }

    #[test]
    fn rates_refuse_for_now() {
        let policy = policy(
            "messages_per_minute = 2\nrecipients_per_minute = 3\ntrusted_networks = ['10.0.0.1']",
        );
        let now = Instant::now();
        let permit = policy.connect(ip("192.0.2.1"), now).unwrap();
        let mail = |permit: &ClientPermit, now| code(policy.mail(permit, "x", "a@b", now));
        let rcpt = |permit: &ClientPermit, now| code(policy.rcpt(permit, true, "a@b", now));
        assert_eq!(
            [mail(&permit, now), mail(&permit, now), mail(&permit, now)],
            ["ok", "ok", "MessageRate"]
        );
        for expected in ["ok", "ok", "ok", "RecipientRate"] {
            assert_eq!(rcpt(&permit, now), expected);
        }
        // A new connection is the same client.
        let again = policy.connect(ip("192.0.2.1"), now).unwrap();
        assert_eq!(mail(&again, now), "MessageRate");
        let other = policy.connect(ip("192.0.2.2"), now).unwrap();
        assert_eq!(mail(&other, now), "ok");
        let later = now + Duration::from_secs(30);
        assert_eq!([mail(&permit, later), rcpt(&permit, later)], ["ok", "ok"]);
        let trusted = policy.connect(ip("10.0.0.1"), now).unwrap();
        assert!((0..100).all(|_| mail(&trusted, now) == "ok" && rcpt(&trusted, now) == "ok"));
    }

    #[test]
    fn mail_for_elsewhere_is_for_those_we_know() {
        let policy = policy(
            "local_domains = ['example.org', '*.example.org', '[192.0.2.1]']
             trusted_networks = ['10.0.0.0/8']",
        );
        assert!(policy.asks_transactions());
        let now = Instant::now();
        let stranger = policy.connect(ip("192.0.2.1"), now).unwrap();
        let trusted = policy.connect(ip("10.0.0.1"), now).unwrap();
        for (path, expected) in [
            ("ann@example.org", "ok"),
            ("ann@EXAMPLE.org.", "ok"),
            ("ann@mx.example.org", "ok"),
            ("ann@[192.0.2.1]", "ok"),
            ("postmaster", "ok"),
            ("\"ann@elsewhere.example\"", "ok"),
            ("\"ann@example.org\"@elsewhere.example", "Relay"),
            ("ann@elsewhere.example", "Relay"),
            ("ann@example.org.elsewhere.example", "Relay"),
            ("ann@notexample.org", "Relay"),
            ("ann@[192.0.2.2]", "Relay"),
        ] {
            assert_eq!(code(policy.rcpt(&stranger, false, path, now)), expected, "{path}");
            assert_eq!(code(policy.rcpt(&stranger, true, path, now)), "ok", "{path} logged in");
            assert_eq!(code(policy.rcpt(&trusted, false, path, now)), "ok", "{path} trusted");
        }
    }

    #[test]
    fn block_lists_hold_for_everybody() {
        let policy = policy(
            "trusted_networks = ['10.0.0.0/8']
             block_senders = ['<>', 'spam@a.example', '@b.example']
             block_recipients = ['nobody@*']
             block_helo = ['*.dynamic.example']",
        );
        let now = Instant::now();
        for address in ["192.0.2.1", "10.0.0.1"] {
            let permit = policy.connect(ip(address), now).unwrap();
            for (helo, sender, expected) in [
                ("x", "ann@a.example", "ok"),
                ("x", "Spam@A.example", "Sender"),
                ("x", "any@b.example", "Sender"),
                ("x", "", "Sender"),
                ("host-1.Dynamic.example", "ann@a.example", "Helo"),
            ] {
                assert_eq!(
                    code(policy.mail(&permit, helo, sender, now)),
                    expected,
                    "{helo} {sender}"
                );
            }
            assert_eq!(code(policy.rcpt(&permit, true, "Nobody@a", now)), "Recipient");
            assert_eq!(code(policy.rcpt(&permit, true, "somebody@a", now)), "ok");
        }
    }

    #[test]
    fn bodies_are_watched_where_expressions_are() {
        let policy =
            policy("block_body = ['(?i)lottery', '^X-Spam: yes']\nblock_body_by = 'refuse'");
        assert_eq!(policy.block_body_by(), BlockBy::Refuse);
        assert!(!policy.asks_transactions());
        let mut watch = policy.watch_body().unwrap();
        watch.push(b"Subject: x\r\nX-Spam: ");
        watch.push(b"yes\r\n");
        assert_eq!(watch.finish(), Some(1));
    }
}
