//! The listeners of all front ends, bound, and their addresses in words.

use std::net::SocketAddr;

use super::Addresses;
use crate::{
    config::Config,
    frontend::TlsMode,
    http,
    net::{self, Activation, Listener},
    pop3_server,
    smtp_server::listeners,
};

/// Every listener and how it is spoken to.
pub(super) struct Bound {
    pub(super) smtp: Vec<(Listener, listeners::Listener)>,
    pub(super) pop3: Vec<(Listener, pop3_server::Listener)>,
    pub(super) http: Listener,
}

impl Bound {
    /// Binds them all, or takes over what systemd bound.
    pub(super) fn new(config: &Config, handed: &mut Activation) -> Result<Self, String> {
        let smtp = config.smtp_listeners().into_iter();
        let smtp = smtp.map(|it| Ok((net::bind(&it.key, &it.address, handed)?, it)));
        let smtp = smtp.collect::<Result<_, String>>()?;
        let pop3 = config.pop3_listeners().into_iter();
        let pop3 = pop3.map(|it| Ok((net::bind(&it.key, &it.address, handed)?, it)));
        let pop3 = pop3.collect::<Result<_, String>>()?;
        Ok(Self { smtp, pop3, http: net::bind("http.listen", &config.http.listen, handed)? })
    }

    /// The mail listeners.
    pub(super) fn mail(&self) -> impl Iterator<Item = &Listener> {
        let smtp = self.smtp.iter().map(|(listener, _)| listener);
        smtp.chain(self.pop3.iter().map(|(listener, _)| listener))
    }

    /// Where they all are.
    pub(super) fn addresses(&self, config: &Config) -> Addresses {
        Addresses {
            smtp: self.smtp.iter().map(|(listener, options)| smtp_url(listener, options)).collect(),
            pop3: self.pop3.iter().map(|(listener, options)| pop3_url(listener, options)).collect(),
            http: http_url(&self.http, &config.http),
        }
    }

    /// The TCP address of the first listener for SMTP to which clients may go at once; port 0 if there is
    /// none.
    pub(super) fn shown_smtp(&self) -> SocketAddr {
        let fits = |it: &listeners::Listener| !it.proxy && !it.lmtp && it.tls != TlsMode::Implicit;
        let fitting = self.smtp.iter().filter(|(_, options)| fits(options));
        let first = fitting.filter_map(|(listener, _)| listener.ip()).next();
        first.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 0)))
    }

    /// The first listeners for nginx, which speaks SMTP in clear, over TCP.
    pub(super) fn smtp_upstreams(&self) -> http::Upstreams {
        let find = |is_proxied| {
            let fits =
                |it: &listeners::Listener| it.proxy == is_proxied && !it.lmtp && is_clear(it.tls);
            self.smtp.iter().filter(|(_, it)| fits(it)).find_map(|(listener, it)| {
                let listeners::Listener { auth, auth_needs_tls, .. } = *it;
                Some(http::Upstream { address: listener.ip()?, auth, auth_needs_tls })
            })
        };
        http::Upstreams { direct: find(false), proxied: find(true) }
    }

    /// Likewise for POP3.
    pub(super) fn pop3_upstreams(&self) -> http::Upstreams {
        let find = |is_proxied| {
            let fits = |it: &pop3_server::Listener| it.proxy == is_proxied && is_clear(it.tls);
            self.pop3.iter().filter(|(_, it)| fits(it)).find_map(|(listener, it)| {
                let (auth, auth_needs_tls) = (it.mode(), it.auth_needs_tls);
                Some(http::Upstream { address: listener.ip()?, auth, auth_needs_tls })
            })
        };
        http::Upstreams { direct: find(false), proxied: find(true) }
    }
}

fn is_clear(tls: TlsMode) -> bool {
    matches!(tls, TlsMode::Off | TlsMode::Offered)
}

pub(super) fn smtp_url(listener: &Listener, options: &listeners::Listener) -> String {
    let scheme = match options.tls {
        _ if options.lmtp => "lmtp",
        TlsMode::Implicit => "smtps",
        _ => "smtp",
    };
    format!("{scheme}://{}", shown(listener, &options.address))
}

pub(super) fn pop3_url(listener: &Listener, options: &pop3_server::Listener) -> String {
    let scheme = if options.tls == TlsMode::Implicit { "pop3s" } else { "pop3" };
    format!("{scheme}://{}", shown(listener, &options.address))
}

pub(super) fn http_url(listener: &Listener, options: &http::Options) -> String {
    let scheme = if options.tls == http::TlsMode::On { "https" } else { "http" };
    format!("{scheme}://{}/", shown(listener, &options.listen))
}

/// The real address: a port 0 has become a number.
fn shown(listener: &Listener, configured: &net::Address) -> String {
    listener.ip().map_or_else(|| configured.to_string(), |ip| ip.to_string())
}
