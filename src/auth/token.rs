//! Static bearer tokens, kept as SHA-256.
//!
//! A token is made by a machine and as good as a key, so a fast hash is enough: there is nothing to
//! guess. It is hashed when the configuration is read; whoever wants the file to show none either
//! writes the hash, as `smtpd hash-password --token` prints it.

use std::fmt;

use data_encoding::HEXLOWER_PERMISSIVE;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq as _;

use crate::secret::Secret;

/// The hash of a token.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TokenHash([u8; 32]);

impl TokenHash {
    /// The hash of this token.
    pub fn new(token: &Secret<String>) -> Self {
        Self(sha256(&[token.declassify().as_bytes()]))
    }

    /// True if it is the hash of this token; takes as long wherever the difference is.
    pub(super) fn is_of(&self, token: &Secret<String>) -> bool {
        self.0.ct_eq(&Self::new(token).0).into()
    }
}

/// The hash of all pieces, one behind the other.
pub(super) fn sha256(pieces: &[&[u8]]) -> [u8; 32] {
    pieces.iter().fold(Sha256::new(), |hash, piece| hash.chain_update(piece)).finalize().into()
}

/// Whoever has the hash cannot log in with it, but the log is no place for it.
impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenHash(***)")
    }
}

impl TryFrom<String> for TokenHash {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let Some(digits) = text.strip_prefix(SCHEME) else {
            return match text.as_str() {
                "" => Err("expected a token, or sha256: and 64 hexadecimal digits"),
                _ => Ok(Self::new(&Secret::new(text))),
            };
        };
        let octets = HEXLOWER_PERMISSIVE.decode(digits.as_bytes()).ok();
        octets
            .and_then(|octets| octets.try_into().ok())
            .map(Self)
            .ok_or("expected 64 hexadecimal digits behind sha256:")
    }
}

impl From<TokenHash> for String {
    fn from(TokenHash(hash): TokenHash) -> Self {
        format!("{SCHEME}{}", HEXLOWER_PERMISSIVE.encode(&hash))
    }
}

const SCHEME: &str = "sha256:";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_or_its_hash() {
        let plain = TokenHash::try_from("abc".to_owned()).unwrap();
        let text = String::from(plain.clone());
        // FIPS 180-2 appendix B.1
        assert_eq!(text, "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(TokenHash::try_from(text.clone()), Ok(plain.clone()));
        assert_eq!(
            TokenHash::try_from(text.to_uppercase().replace("SHA", "sha")),
            Ok(plain.clone())
        );
        assert!(plain.is_of(&Secret::new("abc".into())));
        assert!(!plain.is_of(&Secret::new("abd".into())));
        assert!(!plain.is_of(&Secret::new(text)), "the hash is no token");
        for bad in ["", "sha256:", "sha256:ba78", "sha256:xy"] {
            assert!(TokenHash::try_from(bad.to_owned()).is_err(), "{bad}");
        }
    }
}
