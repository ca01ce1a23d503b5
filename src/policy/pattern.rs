//! Patterns of addresses and host names in lists.
//!
//! The danger is an address that is written in two ways: capitals, a quoted local part that needs no
//! quotes, the dot of the root behind a domain. All are folded before the comparison. What is not
//! folded: `müller.example` and `xn--mller-kva.example`, which belong in the list both.

use std::{borrow::Cow, str::FromStr};

use serde::{Deserialize, Serialize};

/// `ann@example.org`, `@example.org`, `*@*.example.org`, `postmaster`, or `<>` for no address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AddressPattern(String);

/// `mx.example.org`, `*.example.org`, or `[192.0.2.1]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NamePattern(String);

impl AddressPattern {
    fn matches(&self, folded: &str) -> bool {
        match self.0.as_str() {
            "<>" => folded.is_empty(),
            domain if domain.starts_with('@') => self::domain(folded)
                .is_some_and(|found| glob(domain.trim_start_matches('@'), found)),
            pattern => !folded.is_empty() && glob(pattern, folded),
        }
    }
}

impl NamePattern {
    /// True if it means this name.
    pub fn matches(&self, name: &str) -> bool {
        glob(&self.0, &fold_name(name))
    }
}

/// True if one of the patterns means this address; empty for none.
pub(super) fn any_matches(patterns: &[AddressPattern], address: &str) -> bool {
    if patterns.is_empty() {
        return false;
    }
    let folded = fold_address(address);
    patterns.iter().any(|pattern| pattern.matches(&folded))
}

/// What stands behind the last `@`, which is the one outside quotes (RFC 5321 §4.1.2).
pub(super) fn domain(address: &str) -> Option<&str> {
    // A quoted local part may hold an `@`, and may be all there is.
    let (_, domain) = address.rsplit_once('@')?;
    (!domain.ends_with('"')).then_some(domain)
}

fn fold_address(address: &str) -> String {
    let Some(domain) = domain(address) else { return unquoted(address).to_lowercase() };
    let local = address.get(..address.len() - domain.len() - 1).unwrap_or_default();
    format!("{}@{}", unquoted(local).to_lowercase(), fold_name(domain))
}

fn fold_name(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_lowercase()
}

/// A Quoted-string means what stands in it (RFC 5321 §4.1.2).
fn unquoted(local: &str) -> Cow<'_, str> {
    let Some(inside) = local.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
        return Cow::Borrowed(local);
    };
    let mut plain = String::with_capacity(inside.len());
    let mut chars = inside.chars();
    while let Some(c) = chars.next() {
        plain.extend(if c == '\\' { chars.next() } else { Some(c) });
    }
    Cow::Owned(plain)
}

/// `*` stands for any characters, none included. Goes back only to the last star, so the time is
/// bounded by the product of both lengths, and an address has at most 320 octets.
fn glob(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut at, mut read) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while let Some(octet) = text.get(read) {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, read));
                at += 1;
            }
            Some(expected) if expected == octet => {
                at += 1;
                read += 1;
            }
            _ => {
                let Some((after, taken)) = star else { return false };
                star = Some((after, taken + 1));
                at = after + 1;
                read = taken + 1;
            }
        }
    }
    pattern.get(at..).is_some_and(|rest| rest.iter().all(|octet| *octet == b'*'))
}

fn checked(text: &str, what: &'static str) -> Result<(), &'static str> {
    let is_text = |c: char| !c.is_control() && !c.is_whitespace();
    if text.is_empty() || text.len() > MAX_PATTERN || !text.chars().all(is_text) {
        return Err(what);
    }
    Ok(())
}

impl FromStr for AddressPattern {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        checked(text, NO_ADDRESS)?;
        match text {
            "<>" => Ok(Self(text.to_owned())),
            "@" => Err(NO_ADDRESS),
            _ if text.contains(['<', '>', ',']) => Err(NO_ADDRESS),
            _ => Ok(Self(fold_address(text))),
        }
    }
}

impl FromStr for NamePattern {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        checked(text, NO_NAME)?;
        if text == "." || text.contains(['@', '<', '>', ',', '/']) {
            return Err(NO_NAME);
        }
        Ok(Self(fold_name(text)))
    }
}

impl TryFrom<String> for AddressPattern {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl TryFrom<String> for NamePattern {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<AddressPattern> for String {
    fn from(AddressPattern(text): AddressPattern) -> Self {
        text
    }
}

impl From<NamePattern> for String {
    fn from(NamePattern(text): NamePattern) -> Self {
        text
    }
}

const NO_ADDRESS: &str =
    "expected an address, such as ann@example.org, @example.org, *@*.example.org or <>";
const NO_NAME: &str = "expected a host or domain name, such as example.org or *.example.org";

/// Longest pattern, in octets: what an address may have.
const MAX_PATTERN: usize = 320;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_matched_as_people_mean_them() {
        for (pattern, address, expected) in [
            ("ann@example.org", "ann@example.org", true),
            ("ann@example.org", "ANN@Example.ORG.", true),
            ("Ann@Example.org.", "ann@example.org", true),
            ("ann@example.org", "\"ann\"@example.org", true),
            ("ann@example.org", "\"\\ann\"@example.org", true),
            ("ann@example.org", "joann@example.org", false),
            ("ann@example.org", "ann@example.org.net", false),
            ("@example.org", "ann@example.org", true),
            ("@example.org", "ann@mx.example.org", false),
            ("@example.org", "\"x@y\"@example.org", true),
            ("@y\"", "\"x@y\"", false),
            ("@*.example.org", "ann@mx.example.org", true),
            ("*@example.org", "ann@example.org", true),
            ("*@*.example.org", "ann@a.b.example.org", true),
            ("*", "ann@example.org", true),
            ("*", "postmaster", true),
            ("*", "", false),
            ("<>", "", true),
            ("<>", "ann@example.org", false),
            ("root", "ROOT", true),
            ("root", "root@example.org", false),
            ("*bulk*@*", "a-BULK-b@c", true),
            ("*bulk*@*", "bulk", false),
            ("a*b*c", "aXbXbc", true),
            ("a*b*c", "aXbXb", false),
            ("jürgen@müller.example", "JÜRGEN@MÜLLER.example", true),
        ] {
            let patterns = [pattern.parse().unwrap()];
            assert_eq!(any_matches(&patterns, address), expected, "{pattern} {address}");
        }
    }

    #[test]
    fn names_are_matched_without_case_and_root() {
        for (pattern, name, expected) in [
            ("example.org", "EXAMPLE.org.", true),
            ("example.org", "mx.example.org", false),
            ("*.example.org", "mx.example.org", true),
            ("*.example.org", "example.org", false),
            ("*", "", true),
            ("[192.0.2.1]", "[192.0.2.1]", true),
            ("mx*.example", "mx12.example", true),
        ] {
            assert_eq!(
                NamePattern::from_str(pattern).unwrap().matches(name),
                expected,
                "{pattern}"
            );
        }
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for text in ["", "@", "a b", "<ann@example.org>", "a,b", "a\r\n"] {
            assert_eq!(AddressPattern::from_str(text), Err(NO_ADDRESS), "{text:?}");
        }
        for text in ["", ".", "ann@example.org", "10.0.0.0/8", "a b", "<>"] {
            assert_eq!(NamePattern::from_str(text), Err(NO_NAME), "{text:?}");
        }
        assert!(AddressPattern::from_str(&"a".repeat(321)).is_err());
    }

    #[test]
    fn many_stars_take_no_exponential_time() {
        let pattern = format!("{}b", "a*".repeat(150));
        assert!(!glob(&pattern, &"a".repeat(320)));
    }
}
