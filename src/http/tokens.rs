//! API tokens: programs log in with a key of their own, which a person can take away again.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Options;
use crate::{auth::TokenHash, secret::Secret};

/// What a token is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// Looking.
    Read,
    /// Everything.
    Write,
}

/// The hash of a token, or a token that is long enough to be a key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ApiToken(TokenHash);

/// The name and scope of a token, if it is one of ours.
pub(super) fn find<'a>(options: &'a Options, token: &Secret<String>) -> Option<(&'a str, Scope)> {
    let hash = TokenHash::new(token);
    let named = |tokens: &'a BTreeMap<String, ApiToken>| {
        tokens.iter().find(|(_, ApiToken(known))| *known == hash).map(|(name, _)| name.as_str())
    };
    let write = named(&options.tokens).map(|name| (name, Scope::Write));
    write.or_else(|| named(&options.read_tokens).map(|name| (name, Scope::Read)))
}

impl TryFrom<String> for ApiToken {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if !text.starts_with("sha256:") && text.len() < SHORTEST {
            return Err(
                "expected a token of at least 20 characters, which a machine made, or its \
                        hash as `smtpd hash-password --token` prints it",
            );
        }
        TokenHash::try_from(text).map(Self)
    }
}

impl From<ApiToken> for String {
    fn from(ApiToken(hash): ApiToken) -> Self {
        hash.into()
    }
}

/// Attempts with tokens are not counted, so they must not be worth a guess.
const SHORTEST: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_have_names_and_scopes() {
        let options: Options = toml::from_str(
            "tokens = { ci = 'correct-horse-battery' }\n\
             read_tokens = { wall = 'sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad' }",
        )
        .unwrap();
        let find = |text: &str| find(&options, &Secret::new(text.into()));
        assert_eq!(find("correct-horse-battery"), Some(("ci", Scope::Write)));
        assert_eq!(find("abc"), Some(("wall", Scope::Read)));
        for none in [
            "",
            "abd",
            "correct-horse",
            "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        ] {
            assert_eq!(find(none), None, "{none}");
        }
        assert!(ApiToken::try_from("short".to_owned()).is_err());
        assert!(ApiToken::try_from("sha256:ab".to_owned()).is_err());
    }
}
