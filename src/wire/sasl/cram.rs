//! CRAM-MD5 (RFC 2195): the client shows that it knows the password without sending it.
//!
//! MD5 is broken for signatures, and still no way is known to turn that into a password here; but
//! whoever checks the digest must keep the password itself. SCRAM needs less.

use data_encoding::{BASE64URL_NOPAD, HEXLOWER_PERMISSIVE};
use hmac::{Hmac, KeyInit, Mac};
use md5::{Digest as _, Md5};

use super::{Claim, Fault, Nonce};

/// `<random@name>`: RFC 2195 §2 wants the form of a Message-ID, never the same again.
pub fn challenge(nonce: &Nonce, name: &str) -> String {
    format!("<{}@{name}>", BASE64URL_NOPAD.encode(nonce))
}

/// `user SP digest`: 16 octets in hexadecimal. A user name may have spaces.
pub(super) fn claim(challenge: String, message: &str) -> Result<Claim, Fault> {
    let (user, digits) = message.rsplit_once(' ').ok_or(Fault::Malformed)?;
    let octets = HEXLOWER_PERMISSIVE.decode(digits.as_bytes()).map_err(|_| Fault::Malformed)?;
    let digest = octets.try_into().map_err(|_| Fault::Malformed)?;
    if user.is_empty() {
        return Err(Fault::Malformed);
    }
    Ok(Claim::CramMd5 { user: user.to_owned(), challenge, digest })
}

/// What a client that knows the password answers to the challenge.
pub fn cram_md5(password: &str, challenge: &str) -> [u8; 16] {
    let Ok(mut mac) = Hmac::<Md5>::new_from_slice(password.as_bytes()) else {
        return [0; 16]; // HMAC takes keys of any length.
    };
    mac.update(challenge.as_bytes());
    mac.finalize().into_bytes().into()
}

/// What a client that knows the password makes of the timestamp (RFC 1939 §7).
pub fn apop(password: &str, timestamp: &str) -> [u8; 16] {
    Md5::new().chain_update(timestamp).chain_update(password).finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHALLENGE: &str = "<1896.697170952@postoffice.reston.mci.net>";

    #[test]
    fn the_example_of_rfc_1939() {
        let digest = apop("tanstaaf", "<1896.697170952@dbc.mtview.ca.us>");
        assert_eq!(data_encoding::HEXLOWER.encode(&digest), "c4c9334bac560ecc979e58001b3e22fb");
    }

    #[test]
    fn the_example_of_the_rfc() {
        let message = "tim b913a602c7eda7a495b4e6e7334d3890";
        let Ok(Claim::CramMd5 { user, challenge, digest }) = claim(CHALLENGE.into(), message)
        else {
            panic!("no claim");
        };
        assert_eq!((&*user, &*challenge), ("tim", CHALLENGE));
        assert_eq!(digest, cram_md5("tanstaaftanstaaf", CHALLENGE));
        assert_ne!(digest, cram_md5("tanstaaftanstaa", CHALLENGE));
    }

    #[test]
    fn what_is_no_answer() {
        for message in [
            "",
            "tim",
            " b913a602c7eda7a495b4e6e7334d3890",
            "tim b913a602c7eda7a495b4e6e7334d389",
            "tim b913a602c7eda7a495b4e6e7334d389000",
            "tim b913a602c7eda7a495b4e6e7334d389g",
            "tim  ",
        ] {
            assert_eq!(claim(CHALLENGE.into(), message), Err(Fault::Malformed), "{message:?}");
        }
        let upper = claim(CHALLENGE.into(), "Tim Tester B913A602C7EDA7A495B4E6E7334D3890");
        assert_eq!(upper.unwrap().user(), "Tim Tester");
    }

    #[test]
    fn challenges_are_message_ids() {
        assert_eq!(challenge(&[0xfb; 18], "mx.test"), "<-_v7-_v7-_v7-_v7-_v7-_v7@mx.test>");
    }
}
