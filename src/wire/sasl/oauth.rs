//! Bearer tokens: OAUTHBEARER (RFC 7628) and XOAUTH2, which was there before it.
//!
//! A refused token is answered with a challenge in JSON first; the client's answer to that says
//! nothing, and then comes the refusal (RFC 7628 §3.2.3).

use super::{Claim, Fault};
use crate::secret::Secret;

/// `"user=" user SOH "auth=Bearer " token SOH SOH`
pub(super) fn xoauth2(message: &str) -> Result<Claim, Fault> {
    let mut user = None;
    let mut token = None;
    for pair in pairs(message)? {
        match pair {
            ("user", value) => user = Some(value.to_owned()),
            ("auth", value) => token = Some(bearer(value)?),
            _ => {}
        }
    }
    match (user, token) {
        (Some(user), Some(token)) if !user.is_empty() => Ok(Claim::Token { user, token }),
        _ => Err(Fault::Malformed),
    }
}

/// `client-resp = gs2-header kvsep *kvpair kvsep` (RFC 7628 §3.1)
pub(super) fn oauthbearer(message: &str) -> Result<Claim, Fault> {
    let (header, rest) = message.split_once('\x01').ok_or(Fault::Malformed)?;
    let header = super::gs2::Header::read(header)?;
    if !header.rest.is_empty() {
        return Err(Fault::Malformed);
    }
    let mut token = None;
    for pair in pairs(rest)? {
        if let ("auth", value) = pair {
            token = Some(bearer(value)?);
        }
    }
    let token = token.ok_or(Fault::Malformed)?;
    Ok(Claim::Token { user: header.authzid, token })
}

/// `*(key "=" value SOH) SOH`
fn pairs(text: &str) -> Result<impl Iterator<Item = (&str, &str)>, Fault> {
    let text = text.strip_suffix('\x01').ok_or(Fault::Malformed)?;
    let text = text.strip_suffix('\x01').unwrap_or(text);
    if !text.split('\x01').all(|pair| pair.contains('=')) {
        return Err(Fault::Malformed);
    }
    Ok(text.split('\x01').filter_map(|pair| pair.split_once('=')))
}

/// `"Bearer" SP token` (RFC 6750 §2.1); the scheme in any case.
fn bearer(value: &str) -> Result<Secret<String>, Fault> {
    let (scheme, token) = value.split_once(' ').ok_or(Fault::Malformed)?;
    let token = token.trim_matches(' ');
    let is_token = !token.is_empty() && token.bytes().all(|octet| octet.is_ascii_graphic());
    if scheme.eq_ignore_ascii_case("Bearer") && is_token {
        Ok(Secret::new(token.to_owned()))
    } else {
        Err(Fault::Malformed)
    }
}

/// Why a token is refused, in base64. `status` is of RFC 7628 §3.2.2; the others are what XOAUTH2
/// sends with it: `{"status":"invalid_token","schemes":"bearer","scope":""}`
pub(super) const REFUSAL: &str =
    "eyJzdGF0dXMiOiJpbnZhbGlkX3Rva2VuIiwic2NoZW1lcyI6ImJlYXJlciIsInNjb3BlIjoiIn0=";

#[cfg(test)]
mod tests {
    use data_encoding::BASE64;

    use super::*;

    fn token(user: &str, token: &str) -> Result<Claim, Fault> {
        Ok(Claim::Token { user: user.into(), token: Secret::new(token.into()) })
    }

    #[test]
    fn xoauth2_has_user_and_token() {
        for (message, expected) in [
            ("user=a@b\x01auth=Bearer vF9d.==\x01\x01", token("a@b", "vF9d.==")),
            ("auth=bearer t\x01user=a\x01x=y\x01\x01", token("a", "t")),
            ("user=a@b\x01auth=Bearer t\x01", token("a@b", "t")),
            ("user=a@b\x01auth=Basic t\x01\x01", Err(Fault::Malformed)),
            ("user=a@b\x01auth=Bearer \x01\x01", Err(Fault::Malformed)),
            ("user=a@b\x01auth=Bearer a b\x01\x01", Err(Fault::Malformed)),
            ("user=\x01auth=Bearer t\x01\x01", Err(Fault::Malformed)),
            ("auth=Bearer t\x01\x01", Err(Fault::Malformed)),
            ("user=a@b\x01\x01", Err(Fault::Malformed)),
            ("user=a@b\x01auth=Bearer t", Err(Fault::Malformed)),
            ("\x01\x01", Err(Fault::Malformed)),
            ("", Err(Fault::Malformed)),
        ] {
            assert_eq!(xoauth2(message), expected, "{message:?}");
        }
    }

    #[test]
    fn oauthbearer_is_the_example_of_the_rfc_and_nothing_less() {
        for (message, expected) in [
            (
                "n,a=user@example.com,\x01host=server.example.com\x01port=143\x01\
                 auth=Bearer vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==\x01\x01",
                token("user@example.com", "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg=="),
            ),
            ("n,,\x01auth=Bearer t\x01\x01", token("", "t")),
            ("y,a=a=2Cb=3Dc,\x01auth=Bearer t\x01\x01", token("a,b=c", "t")),
            ("p=tls-unique,,\x01auth=Bearer t\x01\x01", Err(Fault::Malformed)),
            ("n,,x\x01auth=Bearer t\x01\x01", Err(Fault::Malformed)),
            ("n,,\x01\x01", Err(Fault::Malformed)),
            ("n,,", Err(Fault::Malformed)),
            ("auth=Bearer t\x01\x01", Err(Fault::Malformed)),
            ("", Err(Fault::Malformed)),
        ] {
            assert_eq!(oauthbearer(message), expected, "{message:?}");
        }
    }

    #[test]
    fn the_refusal_is_json() {
        let json = BASE64.decode(REFUSAL.as_bytes()).unwrap();
        let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
        assert_eq!(json["status"], "invalid_token");
    }
}
