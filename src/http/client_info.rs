//! Who asks, seen through the proxies in front of us.
//!
//! `X-Forwarded-For` and `X-Forwarded-Proto` are only words, which anybody can send. They count from
//! the networks of `http.proxies`, and on a Unix socket, where the file system says who may connect.

use std::net::IpAddr;

use axum::http::{HeaderMap, Method, header, request::Parts};

use crate::wire::network::{self, Network};

/// The other end of the connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer {
    /// None on a Unix socket.
    pub(super) address: Option<IpAddr>,
    /// The connection is over TLS.
    pub(super) is_tls: bool,
}

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ClientInfo {
    /// Whose attempts to log in are counted; none if nobody can say.
    pub(super) address: Option<IpAddr>,
    /// The browser sees https.
    pub(super) is_secure: bool,
    /// It may be nginx that asks who may log in, and its word on the client counts.
    pub(super) may_be_nginx: bool,
}

impl ClientInfo {
    /// Who is behind this peer.
    pub(super) fn new(peer: Peer, headers: &HeaderMap, proxies: &[Network]) -> Self {
        let is_proxy = |address| network::any_contains(proxies, address);
        let is_believed = peer.address.is_none_or(is_proxy);
        let mut address = peer.address;
        if is_believed {
            // Each proxy adds whom it saw, so that from the end on entries are true as long as a
            // proxy of ours wrote them.
            for entry in entries(headers, "x-forwarded-for").into_iter().rev() {
                let Ok(next) = entry.parse::<IpAddr>() else { break };
                address = Some(next.to_canonical());
                if !is_proxy(next) {
                    break;
                }
            }
        }
        let is_https = || entries(headers, "x-forwarded-proto").last() == Some(&"https");
        // A request with this field came through a proxy of web pages, from a stranger.
        let is_direct = !headers.contains_key("x-forwarded-for");
        let is_near = peer.address.is_none_or(|address| address.to_canonical().is_loopback());
        Self {
            address,
            is_secure: peer.is_tls || (is_believed && is_https()),
            may_be_nginx: is_direct && (is_near || is_believed),
        }
    }

    /// True if it is nginx that asks who may log in, wherever it asks.
    pub(super) fn is_nginx_asking(&self, headers: &HeaderMap) -> bool {
        let asks = ["auth-method", "auth-protocol"].iter().all(|name| headers.contains_key(*name));
        asks && self.may_be_nginx
    }
}

/// True if the request does more than look: another site's page must not make it.
pub(super) fn acts(parts: &Parts) -> bool {
    changes(&parts.method) || parts.headers.contains_key(header::UPGRADE)
}

/// True if the method changes something.
pub(super) fn changes(method: &Method) -> bool {
    !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// True if the request says which page made it, as all browsers do.
pub(super) fn names_its_page(headers: &HeaderMap) -> bool {
    headers.contains_key("sec-fetch-site") || headers.contains_key(header::ORIGIN)
}

/// The members of a list, in all fields of this name.
fn entries<'a>(headers: &'a HeaderMap, name: &str) -> Vec<&'a str> {
    let fields = headers.get_all(name).iter();
    // What is not ASCII is no address, and must not be passed over.
    fields.flat_map(|field| field.to_str().unwrap_or("?").split(',')).map(str::trim).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(peer: &str, headers: &[(&'static str, &str)]) -> ClientInfo {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        let proxies = ["10.0.0.0/8", "2001:db8::1"].map(|text| Network::parse(text).unwrap());
        let address = peer.parse().ok();
        ClientInfo::new(Peer { address, is_tls: false }, &map, &proxies)
    }

    #[test]
    fn only_proxies_of_ours_say_who_the_client_is() {
        let forwarded = "x-forwarded-for";
        for (peer, fields, client) in [
            ("192.0.2.1", vec![], "192.0.2.1"),
            ("192.0.2.1", vec!["198.51.100.1"], "192.0.2.1"),
            ("127.0.0.1", vec!["198.51.100.1"], "127.0.0.1"),
            ("10.0.0.1", vec![], "10.0.0.1"),
            ("10.0.0.1", vec!["198.51.100.1"], "198.51.100.1"),
            ("::ffff:10.0.0.1", vec!["::ffff:198.51.100.1"], "198.51.100.1"),
            ("unix", vec!["198.51.100.1"], "198.51.100.1"),
            // What stands before the last stranger is what that stranger said.
            ("10.0.0.1", vec!["127.0.0.1, 198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", vec!["127.0.0.1", "198.51.100.1, 10.0.0.2"], "198.51.100.1"),
            ("10.0.0.1", vec!["198.51.100.1, nonsense"], "10.0.0.1"),
            ("2001:db8::1", vec!["nonsense, 10.0.0.7"], "10.0.0.7"),
        ] {
            let headers: Vec<_> = fields.iter().map(|value| (forwarded, *value)).collect();
            let found = info(peer, &headers).address;
            assert_eq!(found, client.parse().ok(), "{peer} {fields:?}");
        }
        assert_eq!(info("unix", &[]).address, None);
    }

    #[test]
    fn only_proxies_of_ours_say_that_there_is_tls() {
        let proto = |peer, value| info(peer, &[("x-forwarded-proto", value)]).is_secure;
        assert!(proto("10.0.0.1", "https"));
        assert!(proto("unix", "https"));
        assert!(!proto("10.0.0.1", "http"));
        assert!(!proto("10.0.0.1", "https, http"));
        assert!(!proto("127.0.0.1", "https"));
    }

    #[test]
    fn nginx_is_near_or_a_proxy_of_ours_and_passes_nobody_on() {
        let may = |peer, headers: &[_]| info(peer, headers).may_be_nginx;
        assert!(
            may("127.0.0.1", &[]) && may("::1", &[]) && may("unix", &[]) && may("10.1.1.1", &[])
        );
        assert!(!may("192.0.2.1", &[]));
        assert!(!may("127.0.0.1", &[("x-forwarded-for", "192.0.2.1")]));
    }
}
