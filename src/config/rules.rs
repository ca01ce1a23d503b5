//! What no single key can tell: bounds, and keys that must fit together.

use super::Config;
use crate::{auth, http, net, wire::sasl::Mechanism};

/// What must hold, the key that is at fault otherwise, and what was expected of it.
type Rule = (bool, &'static str, &'static str);

impl Config {
    /// The first rule that does not hold: its key, and what was expected.
    pub(super) fn check(&self) -> Result<(), (&'static str, &'static str)> {
        let rules = [
            self.limit_rules(),
            self.smtp_rules(),
            self.pop3_rules(),
            self.http_rules(),
            self.auth_rules(),
        ];
        match rules.into_iter().flatten().find(|(holds, ..)| !holds) {
            Some((_, key, what)) => Err((key, what)),
            None => Ok(()),
        }
    }

    /// `[limits]` and `[store]`
    fn limit_rules(&self) -> Vec<Rule> {
        let limits = &self.limits;
        vec![
            (!self.store.path.as_os_str().is_empty(), "store.path", "expected a folder"),
            (limits.message_size > 0, "limits.message_size", "expected at least 1 octet"),
            (limits.recipients > 0, "limits.recipients", "expected at least 1"),
            (
                limits.command_line >= 512,
                "limits.command_line",
                "expected at least 512 octets (RFC 5321 section 4.5.3.1.4)",
            ),
            (limits.connections > 0, "limits.connections", "expected at least 1"),
            (limits.http_connections > 0, "limits.http_connections", "expected at least 1"),
        ]
    }

    /// `[smtp]` and `[tls]`
    fn smtp_rules(&self) -> Vec<Rule> {
        let files = [&self.tls.certificate, &self.tls.key];
        let has_files = files.iter().all(|path| !path.as_os_str().is_empty());
        vec![
            (
                self.smtp.strictness.greeting_delay_seconds < self.limits.session_seconds.get(),
                "smtp.greeting_delay_seconds",
                "expected less than limits.session_seconds",
            ),
            (
                self.smtp.name.chars().all(|c| c.is_ascii_graphic()),
                "smtp.name",
                "expected a host name in ASCII",
            ),
            (
                !self.tls.self_signed || self.tls.certificate.as_os_str().is_empty(),
                "tls.self_signed",
                "expected false where tls.certificate is given",
            ),
            (
                !self.speaks_tls() || self.tls.self_signed || has_files,
                "tls.certificate",
                "something speaks TLS: expected a certificate and its key, or self_signed = true",
            ),
            (
                !self.smtp.proxies.is_empty()
                    || !self.smtp_listeners().iter().any(|it| needs_proxies(it.proxy, &it.address)),
                "smtp.proxies",
                "a listener with proxy = true needs at least one network that may connect to it",
            ),
            (
                !self.smtp_listeners().is_empty(),
                "smtp.listen",
                "expected an address, or at least one entry in smtp.listeners",
            ),
        ]
    }

    /// `[pop3]`
    fn pop3_rules(&self) -> Vec<Rule> {
        vec![
            (
                !self.pop3.proxies.is_empty()
                    || !self.pop3_listeners().iter().any(|it| needs_proxies(it.proxy, &it.address)),
                "pop3.proxies",
                "a listener with proxy = true needs at least one network that may connect to it",
            ),
            (self.pop3.connections > 0, "pop3.connections", "expected at least 1"),
            (self.pop3.messages > 0, "pop3.messages", "expected at least 1"),
            (
                self.pop3.name.chars().all(|c| c.is_ascii_graphic()),
                "pop3.name",
                "expected a host name in ASCII",
            ),
            (
                self.auth.knows_anybody() || self.pop3_listeners().iter().all(|it| it.is_open),
                "pop3.auth",
                "logins are required, which needs users: see users, users_file, http_url, secrets, tokens, external of [auth]",
            ),
        ]
    }

    /// `[http]`
    fn http_rules(&self) -> Vec<Rule> {
        let asks_who = self.http.login == http::LoginMode::Required;
        let has_tokens = !self.http.tokens.is_empty() || !self.http.read_tokens.is_empty();
        vec![
            (
                !asks_who || self.auth.knows_passwords() || has_tokens,
                "http.login",
                "\"required\" needs somebody: see users, secrets, users_file, http_url of [auth], and http.tokens",
            ),
            (
                asks_who || !has_tokens,
                "http.login",
                "expected \"required\" where http.tokens or http.read_tokens are given: while nobody is asked they protect nothing",
            ),
            (
                self.http.public_hosts.iter().all(|name| http::can_be_host(name)),
                "http.public_hosts",
                "expected names alone, such as \"mail.example.org\": no scheme, port, path, * or brackets, and xn--... for what is not ASCII",
            ),
            (self.http.sessions > 0, "http.sessions", "expected at least 1"),
        ]
    }

    /// `[auth]`
    fn auth_rules(&self) -> Vec<Rule> {
        vec![
            (self.auth.checks_at_a_time > 0, "auth.checks_at_a_time", "expected at least 1"),
            (
                !self.auth.external || !self.tls.client_ca.as_os_str().is_empty(),
                "auth.external",
                "expected tls.client_ca beside it: without it clients are asked for no certificate",
            ),
            (
                !self.auth.external || self.auth.lists(Mechanism::External),
                "auth.mechanisms",
                "expected EXTERNAL among them where auth.external is true",
            ),
            (
                self.auth.http_ca.as_os_str().is_empty()
                    || self.auth.http_url.as_ref().is_some_and(auth::Endpoint::is_https),
                "auth.http_ca",
                "expected an https address in auth.http_url beside it: nothing else shows a certificate",
            ),
            (
                !self.requires_logins() || self.auth.knows_anybody(),
                "auth.mode",
                "\"required\" needs users: see users, users_file, http_url, secrets, tokens, external",
            ),
        ]
    }

    fn requires_logins(&self) -> bool {
        self.smtp_listeners().iter().any(|listener| listener.auth == auth::Mode::Required)
    }
}

/// Whoever may open a Unix socket is a proxy; elsewhere the address tells.
fn needs_proxies(is_proxied: bool, address: &net::Address) -> bool {
    is_proxied && !matches!(address, net::Address::Unix(_))
}
