//! SCRAM-SHA-256 (RFC 5802, RFC 7677), the server's half, without channel binding.
//!
//! The server keeps no password but keys made from it, and shows the client that it has them. SMTP
//! cannot send data along with success, so the server's signature is one more challenge, which the
//! client answers with an empty line (RFC 4954 §4).

use std::fmt;

use data_encoding::BASE64;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq as _;
use unicode_normalization::UnicodeNormalization;

use super::{Fault, Nonce, gs2};

/// What a server keeps of a password for SCRAM-SHA-256 (RFC 5802 §3, RFC 7677).
#[derive(Clone, PartialEq, Eq)]
pub struct ScramKeys {
    /// The salt, decoded.
    pub salt: Vec<u8>,
    /// How often the password was hashed; RFC 7677 §4 asks for at least 4096.
    pub iterations: u32,
    /// `H(ClientKey)`
    pub stored_key: [u8; 32],
    /// `HMAC(SaltedPassword, "Server Key")`
    pub server_key: [u8; 32],
}

impl ScramKeys {
    /// The keys of a password. This takes as long as the iterations are many.
    pub fn derive(password: &str, salt: &[u8], iterations: u32) -> Self {
        let mut salted = [0; 32];
        pbkdf2::pbkdf2_hmac::<Sha256>(
            prepared(password).as_bytes(),
            salt,
            iterations.max(1),
            &mut salted,
        );
        Self {
            salt: salt.to_vec(),
            iterations: iterations.max(1),
            stored_key: Sha256::digest(hmac(&salted, b"Client Key")).into(),
            server_key: hmac(&salted, b"Server Key"),
        }
    }
}

/// Shows no key: with them somebody could pretend to be the server.
impl fmt::Debug for ScramKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ScramKeys({} iterations)", self.iterations)
    }
}

/// What the client said first.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct First {
    pub(super) user: String,
    /// The head, which the client sends again in base64.
    header: String,
    /// `client-first-message-bare`, which is signed.
    bare: String,
}

/// What the client's proof is checked against.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) user: String,
    header: String,
    /// The nonces of both sides.
    nonce: String,
    /// Both first messages, which are signed.
    messages: String,
    keys: ScramKeys,
}

impl First {
    /// `client-first-message = gs2-header [reserved-mext ","] username "," nonce ["," extensions]`
    pub(super) fn read(message: &str) -> Result<Self, Fault> {
        let header = gs2::Header::read(message)?;
        let mut attributes = header.rest.split(',');
        // A message that begins with `m=` demands an extension that we do not have.
        let user =
            attributes.next().and_then(|it| it.strip_prefix("n=")).ok_or(Fault::Malformed)?;
        let user = gs2::saslname(user)?;
        attributes
            .next()
            .and_then(|it| it.strip_prefix("r="))
            .filter(|nonce| is_nonce(nonce))
            .ok_or(Fault::Malformed)?;
        if !header.authzid.is_empty() && header.authzid != user {
            return Err(Fault::Authzid);
        }
        Ok(Self { user, header: header.text.to_owned(), bare: header.rest.to_owned() })
    }

    /// `server-first-message`, and what its answer is checked against.
    pub(super) fn ask(self, keys: ScramKeys, nonce: &Nonce) -> (String, Asked) {
        self.ask_with(keys, &BASE64.encode(nonce))
    }

    fn ask_with(self, keys: ScramKeys, ours: &str) -> (String, Asked) {
        let Self { user, header, bare } = self;
        let theirs =
            bare.split(',').nth(1).and_then(|it| it.strip_prefix("r=")).unwrap_or_default();
        let nonce = format!("{theirs}{ours}");
        let question = format!("r={nonce},s={},i={}", BASE64.encode(&keys.salt), keys.iterations);
        let messages = format!("{bare},{question}");
        (question, Asked { user, header, nonce, messages, keys })
    }
}

impl Asked {
    /// Checks `client-final-message = channel-binding "," nonce ["," extensions] "," proof`; returns
    /// the `server-final-message`, which proves that we know the keys.
    pub(super) fn check(&self, message: &str) -> Result<String, Fault> {
        let (without_proof, proof) = message.rsplit_once(",p=").ok_or(Fault::Malformed)?;
        let mut attributes = without_proof.split(',');
        let binding = attributes.next().and_then(|it| it.strip_prefix("c="));
        if binding != Some(&*BASE64.encode(self.header.as_bytes())) {
            return Err(Fault::Malformed);
        }
        if attributes.next().and_then(|it| it.strip_prefix("r=")) != Some(&*self.nonce) {
            return Err(Fault::Malformed);
        }
        let proof: [u8; 32] = BASE64
            .decode(proof.as_bytes())
            .ok()
            .and_then(|octets| octets.try_into().ok())
            .ok_or(Fault::Malformed)?;
        let signed = format!("{},{without_proof}", self.messages);
        let signature = hmac(&self.keys.stored_key, signed.as_bytes());
        let mut client_key = proof;
        for (octet, mask) in client_key.iter_mut().zip(signature) {
            *octet ^= mask;
        }
        // Takes as long wherever the difference is.
        if !bool::from(Sha256::digest(client_key).ct_eq(&self.keys.stored_key)) {
            return Err(Fault::Refused);
        }
        Ok(format!("v={}", BASE64.encode(&hmac(&self.keys.server_key, signed.as_bytes()))))
    }
}

fn hmac(key: &[u8], message: &[u8]) -> [u8; 32] {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else {
        return [0; 32]; // HMAC takes keys of any length.
    };
    mac.update(message);
    mac.finalize().into_bytes().into()
}

/// `printable = %x21-2B / %x2D-7E`
fn is_nonce(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_graphic() && octet != b',')
}

/// SASLprep (RFC 4013 §2.1, §2.2): odd spaces become spaces, what cannot be seen goes, NFKC.
/// What it prohibits is left in: such a password is then only harder to type.
fn prepared(password: &str) -> String {
    password
        .chars()
        .filter(|c| {
            !matches!(c, '\u{ad}' | '\u{34f}' | '\u{1806}' | '\u{180b}'..='\u{180d}'
                | '\u{200b}'..='\u{200d}' | '\u{2060}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}')
        })
        .map(|c| match c {
            '\u{a0}'
            | '\u{1680}'
            | '\u{2000}'..='\u{200a}'
            | '\u{202f}'
            | '\u{205f}'
            | '\u{3000}' => ' ',
            c => c,
        })
        .nfkc()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: &str = "n,,n=user,r=rOprNGfwEbeRWgbNEkqO";
    const FINAL: &str = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
        p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";

    fn asked(password: &str) -> (String, Asked) {
        let salt = BASE64.decode(b"W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
        let keys = ScramKeys::derive(password, &salt, 4096);
        First::read(FIRST).unwrap().ask_with(keys, "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0")
    }

    /// RFC 7677 §3
    #[test]
    fn the_example_of_the_rfc() {
        let (question, asked) = asked("pencil");
        assert_eq!(
            question,
            "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
             s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
        );
        let answer = asked.check(FINAL);
        assert_eq!(answer, Ok("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=".into()));
        assert_eq!(asked.user, "user");
    }

    #[test]
    fn a_wrong_password_or_another_conversation_proves_nothing() {
        let (_, wrong) = asked("pencils");
        assert_eq!(wrong.check(FINAL), Err(Fault::Refused));
        let (_, asked) = asked("pencil");
        for (from, to, fault) in [
            ("c=biws", "c=eSws", Fault::Malformed),
            ("c=biws,", "", Fault::Malformed),
            ("$k0,", "$k1,", Fault::Malformed),
            ("$k0,", "$k0,x=1,", Fault::Refused),
            (",p=dHz", ",p=dHa", Fault::Refused),
            (",p=dHz", ",p=", Fault::Malformed),
            (",p=", ",q=", Fault::Malformed),
        ] {
            assert_eq!(asked.check(&FINAL.replace(from, to)), Err(fault), "{from} -> {to}");
        }
        assert_eq!(asked.check(""), Err(Fault::Malformed));
    }

    #[test]
    fn first_messages() {
        for (message, expected) in [
            ("n,,n=a=2Cb,r=x,ext=1", Ok("a,b")),
            ("y,a=ann,n=ann,r=x", Ok("ann")),
            ("n,a=bob,n=ann,r=x", Err(Fault::Authzid)),
            ("p=tls-exporter,,n=ann,r=x", Err(Fault::Malformed)),
            ("n,,m=1,n=ann,r=x", Err(Fault::Malformed)),
            ("n,,n=,r=x", Err(Fault::Malformed)),
            ("n,,n=ann,r=", Err(Fault::Malformed)),
            ("n,,n=ann,r=a b", Err(Fault::Malformed)),
            ("n,,n=ann", Err(Fault::Malformed)),
            ("n,,r=x,n=ann", Err(Fault::Malformed)),
            ("", Err(Fault::Malformed)),
        ] {
            let read = First::read(message);
            let user = read.as_ref().map(|first| &*first.user).map_err(|fault| *fault);
            assert_eq!(user, expected, "{message}");
        }
    }

    /// RFC 4013 §3
    #[test]
    fn passwords_are_prepared() {
        for (typed, meant) in [
            ("I\u{ad}X", "IX"),
            ("user", "user"),
            ("\u{aa}", "a"),
            ("\u{2168}", "IX"),
            ("\u{a0}", " "),
        ] {
            assert_eq!(prepared(typed), meant);
        }
    }

    #[test]
    fn debug_shows_no_key() {
        let shown = format!("{:?}", ScramKeys::derive("x", b"salt", 1));
        assert_eq!(shown, "ScramKeys(1 iterations)");
    }
}
