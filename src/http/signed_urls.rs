//! Signed URLs: links that open one picture of one message without a session, for some hours.
//!
//! The HTML of a message stands in a sandboxed frame, whose origin is nobody's. A browser sends no
//! cookie with what such a frame loads, so the pictures inside the message would be refused to the
//! very user who looks at it. Only we can sign one, and the signature is good for its own path.

use std::time::{SystemTime, UNIX_EPOCH};

use axum::http::{Method, Uri};
use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// Signs URLs and knows them again.
#[derive(Clone)]
pub(super) struct SignedUrls(Option<Hmac<Sha256>>);

impl SignedUrls {
    /// With a key of this process.
    pub(super) fn new() -> Self {
        let mut key = [0; 32];
        // Without randomness nothing is signed.
        Self(getrandom::fill(&mut key).ok().and_then(|()| Hmac::new_from_slice(&key).ok()))
    }

    /// What to add to the query of a link to this path, such as `&pass=1770000000-0f…`.
    pub(super) fn stamp(&self, path: &str) -> String {
        let until = now() + HOURS * 3600;
        let Some(mac) = self.mac(path, until) else { return String::new() };
        format!("&pass={until}-{}", HEXLOWER.encode(&mac.finalize().into_bytes()))
    }

    /// True if this request brings a signature for its path.
    pub(super) fn is_good(&self, method: &Method, uri: &Uri) -> bool {
        let query = uri.query().unwrap_or_default();
        let pass = query.split('&').find_map(|pair| pair.strip_prefix("pass="));
        let Some((until, code)) = pass.and_then(|pass| pass.split_once('-')) else { return false };
        let (Ok(until), Ok(code)) = (until.parse(), HEXLOWER.decode(code.as_bytes())) else {
            return false;
        };
        let mac = self.mac(uri.path(), until);
        method == Method::GET
            && now() < until
            && mac.is_some_and(|it| it.verify_slice(&code).is_ok())
    }

    fn mac(&self, path: &str, until: u64) -> Option<Hmac<Sha256>> {
        let mut mac = self.0.clone()?;
        mac.update(&until.to_be_bytes());
        mac.update(path.as_bytes());
        Some(mac)
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// A page that was open for longer is loaded again before its pictures are.
const HOURS: u64 = 12;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pass_opens_its_own_path_only() {
        let signed_urls = SignedUrls::new();
        let path = "/messages/0123/parts/2";
        let stamp = signed_urls.stamp(path);
        let opens =
            |method: Method, link: String| signed_urls.is_good(&method, &link.parse().unwrap());
        assert!(opens(Method::GET, format!("{path}?inline{stamp}")));
        assert!(!opens(Method::DELETE, format!("{path}?inline{stamp}")));
        assert!(!opens(Method::GET, format!("/messages/0123/parts/3?inline{stamp}")));
        assert!(!opens(Method::GET, format!("{path}?inline")));
        assert!(!opens(Method::GET, format!("{path}?pass=99999999999-00")));
        assert!(!opens(Method::GET, format!("{path}?inline{}", stamp.replace("pass=", "pass=9"))));
        assert!(
            !SignedUrls::new()
                .is_good(&Method::GET, &format!("{path}?inline{stamp}").parse().unwrap())
        );
        let old = signed_urls.mac(path, 1).unwrap().finalize().into_bytes();
        assert!(!opens(Method::GET, format!("{path}?pass=1-{}", HEXLOWER.encode(&old))));
    }
}
