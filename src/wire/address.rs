//! Addresses as SMTP envelopes carry them (RFC 5321 §4.1.2, RFC 6531 §3.3).
//!
//! Borrowed from the command line and parsed once; a [`Mailbox`] can only be made by parsing. This
//! is not the syntax of a From header: no display names, no comments.
//!
//! We accept what is unambiguous and bounded, because a program under test should see its mail and
//! not our opinion: a path without angle brackets, a local part without a domain, dots anywhere in
//! it, underscores and hyphens anywhere in a domain, UTF-8 without SMTPUTF8. We refuse what could be
//! read in two ways (`a@b@c`, unquoted spaces and specials) and what has lost a half (`a@`, `@b`).
//! Lengths: a domain of 255 octets as the RFC has it (§4.5.3.1.2); a mailbox of 320, which is what
//! its halves may add up to, although a path may only have 256 (§4.5.3.1.3); and no bound for the
//! local part of its own, since VERP and BATV make more than 64.

use std::net::{Ipv4Addr, Ipv6Addr};

/// Who a message comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReversePath<'a> {
    /// `<>`: nobody wants to hear of a failure (RFC 5321 §4.5.5).
    Null,
    /// Somebody.
    Mailbox(Mailbox<'a>),
}

/// `local-part@domain`, or a local part alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mailbox<'a> {
    text: &'a str,
    local: usize,
}

/// The text is not an address that we can make sense of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

impl<'a> ReversePath<'a> {
    /// Reads a reverse-path from the front of the text; returns it with what follows, which is empty
    /// or begins with a space.
    pub fn read(text: &'a str) -> Result<(Self, &'a str), Malformed> {
        if let Some(rest) = text.strip_prefix("<>") {
            return at_boundary(rest).map(|rest| (Self::Null, rest));
        }
        Mailbox::read_path(text).map(|(mailbox, rest)| (Self::Mailbox(mailbox), rest))
    }

    /// The address without angle brackets, empty for the null reverse-path.
    pub const fn as_str(&self) -> &'a str {
        match self {
            Self::Null => "",
            Self::Mailbox(mailbox) => mailbox.text,
        }
    }
}

impl<'a> Mailbox<'a> {
    /// A mailbox that takes all of the text.
    pub fn parse(text: &'a str) -> Result<Self, Malformed> {
        match read_mailbox(text)? {
            (mailbox, "") => Ok(mailbox),
            _ => Err(Malformed),
        }
    }

    /// Reads a path from the front of the text: a mailbox, in angle brackets or not, with a source
    /// route that is ignored (RFC 5321 §4.1.1.3). Returns it with what follows, which is empty or
    /// begins with a space.
    pub fn read_path(text: &'a str) -> Result<(Self, &'a str), Malformed> {
        let Some(inner) = text.strip_prefix('<') else {
            let (mailbox, rest) = read_mailbox(text)?;
            if rest.trim_start_matches(' ').starts_with('<') {
                // `Ann <ann@a.example>`: a display name is no mailbox.
                return Err(Malformed);
            }
            return at_boundary(rest).map(|rest| (mailbox, rest));
        };
        let (mailbox, rest) = read_mailbox(skip_source_route(inner)?)?;
        let rest = rest.strip_prefix('>').ok_or(Malformed)?;
        at_boundary(rest).map(|rest| (mailbox, rest))
    }

    /// All of it, as given.
    pub const fn as_str(&self) -> &'a str {
        self.text
    }

    /// What stands before the `@`, with its quotes if it has any.
    pub fn local_part(&self) -> &'a str {
        self.text.get(..self.local).unwrap_or_default()
    }

    /// What stands behind the `@`, with its brackets if it is a literal.
    pub fn domain(&self) -> Option<&'a str> {
        self.text.get(self.local + 1..)
    }
}

impl Mailbox<'_> {
    /// True if RFC 5321 §4.1.2 has it, too (and RFC 6531 §3.3, where it is not ASCII): a domain whose
    /// labels do not begin or end with a hyphen, dots that stand alone, and the lengths of §4.5.3.1.
    pub fn is_strict(&self) -> bool {
        let local = self.local_part();
        let good_local = local.len() <= MAX_STRICT_LOCAL
            && (local.starts_with('"') || !local.split('.').any(str::is_empty));
        let good_label = |label: &str| {
            (1..=MAX_LABEL).contains(&label.len())
                && !label.starts_with('-')
                && !label.ends_with('-')
                && !label.contains('_')
        };
        good_local
            && self.text.len() <= MAX_STRICT_MAILBOX
            && self
                .domain()
                .is_some_and(|name| name.starts_with('[') || name.split('.').all(good_label))
    }
}

fn at_boundary(rest: &str) -> Result<&str, Malformed> {
    if rest.is_empty() || rest.starts_with(' ') { Ok(rest) } else { Err(Malformed) }
}

/// `A-d-l = At-domain *( "," At-domain )`, followed by a colon.
fn skip_source_route(mut text: &str) -> Result<&str, Malformed> {
    while let Some(host) = text.strip_prefix('@') {
        let rest = skip_domain(host)?;
        text = match rest.strip_prefix(',') {
            Some(next) if next.starts_with('@') => next,
            Some(_) => return Err(Malformed),
            None => return rest.strip_prefix(':').ok_or(Malformed),
        };
    }
    Ok(text)
}

fn read_mailbox(text: &str) -> Result<(Mailbox<'_>, &str), Malformed> {
    let after_local = skip_local_part(text)?;
    let local = text.len() - after_local.len();
    let rest = match after_local.strip_prefix('@') {
        Some(domain) => skip_domain(domain)?,
        None => after_local,
    };
    let (text, rest) = text.split_at(text.len() - rest.len());
    if text.len() > MAX_MAILBOX {
        return Err(Malformed);
    }
    Ok((Mailbox { text, local }, rest))
}

/// `Local-part = Dot-string / Quoted-string`
fn skip_local_part(text: &str) -> Result<&str, Malformed> {
    if let Some(quoted) = text.strip_prefix('"') {
        return skip_quoted(quoted);
    }
    skip_some(text, |c| c == '.' || is_atext(c))
}

/// The rest of a quoted string whose opening quote has been read.
fn skip_quoted(text: &str) -> Result<&str, Malformed> {
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => return Ok(chars.as_str()),
            '\\' => drop(chars.next().filter(|c| !c.is_control()).ok_or(Malformed)?),
            _ if c.is_control() => return Err(Malformed),
            _ => {}
        }
    }
    Err(Malformed)
}

fn skip_domain(text: &str) -> Result<&str, Malformed> {
    if let Some(literal) = text.strip_prefix('[') {
        let (inside, rest) = literal.split_once(']').ok_or(Malformed)?;
        return if is_address_literal(inside) { Ok(rest) } else { Err(Malformed) };
    }
    let rest = skip_some(text, |c| {
        matches!(c, '.' | '-' | '_') || c.is_ascii_alphanumeric() || is_utf8_non_ascii(c)
    })?;
    let name = &text[..text.len() - rest.len()];
    // A dot at the end names the root of the DNS; it means the same host.
    let labels = name.strip_suffix('.').unwrap_or(name);
    if name.len() > MAX_DOMAIN || labels.split('.').any(str::is_empty) {
        return Err(Malformed);
    }
    Ok(rest)
}

/// `IPv4-address-literal / IPv6-address-literal / General-address-literal` (RFC 5321 §4.1.3)
fn is_address_literal(inside: &str) -> bool {
    match inside.split_once(':') {
        _ if inside.len() > MAX_DOMAIN => false,
        None => inside.parse::<Ipv4Addr>().is_ok(),
        Some((tag, address)) if tag.eq_ignore_ascii_case("IPv6") => {
            address.parse::<Ipv6Addr>().is_ok()
        }
        Some((tag, content)) => {
            // Standardized-tag is a Ldh-str, and dcontent is printable without brackets.
            tag.ends_with(|c: char| c.is_ascii_alphanumeric())
                && tag.chars().all(|c| c == '-' || c.is_ascii_alphanumeric())
                && !content.is_empty()
                && content.chars().all(|c| c.is_ascii_graphic() && !matches!(c, '[' | '\\'))
        }
    }
}

/// What follows the longest beginning of such characters, of which there must be one.
fn skip_some(text: &str, belongs: impl Fn(char) -> bool) -> Result<&str, Malformed> {
    let rest = text.trim_start_matches(belongs);
    if rest.len() == text.len() { Err(Malformed) } else { Ok(rest) }
}

/// `atext` (RFC 5322 §3.2.3), with UTF-8 (RFC 6531 §3.3)
fn is_atext(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c) || is_utf8_non_ascii(c)
}

fn is_utf8_non_ascii(c: char) -> bool {
    !c.is_ascii() && !c.is_control() && !c.is_whitespace()
}

/// In octets; see the head of this file.
const MAX_MAILBOX: usize = 320;

/// In octets (RFC 5321 §4.5.3.1.2).
const MAX_DOMAIN: usize = 255;

/// In octets (RFC 5321 §4.5.3.1.1).
const MAX_STRICT_LOCAL: usize = 64;

/// In octets: a path without its angle brackets (RFC 5321 §4.5.3.1.3).
const MAX_STRICT_MAILBOX: usize = 254;

/// In octets (RFC 1035 §2.3.4).
const MAX_LABEL: usize = 63;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mailboxes_that_are_accepted() {
        for (text, local, domain) in [
            ("ann@a.example", "ann", Some("a.example")),
            ("ann", "ann", None),
            ("Ann+tag=x@A.Example.", "Ann+tag=x", Some("A.Example.")),
            ("!#$%&'*+-/=?^_`{|}~@a.example", "!#$%&'*+-/=?^_`{|}~", Some("a.example")),
            (".ann..b.@a.example", ".ann..b.", Some("a.example")),
            ("\"a b\"@a.example", "\"a b\"", Some("a.example")),
            ("\"a@b\"@a.example", "\"a@b\"", Some("a.example")),
            (r#""a\"b\\c> d"@a.example"#, r#""a\"b\\c> d""#, Some("a.example")),
            ("\"\"@a.example", "\"\"", Some("a.example")),
            ("ann@localhost", "ann", Some("localhost")),
            ("ann@my_host.-x-", "ann", Some("my_host.-x-")),
            ("ann@[192.0.2.1]", "ann", Some("[192.0.2.1]")),
            ("ann@[IPv6:2001:db8::1]", "ann", Some("[IPv6:2001:db8::1]")),
            ("ann@[ipv6:::ffff:192.0.2.1]", "ann", Some("[ipv6:::ffff:192.0.2.1]")),
            ("ann@[x-tag:a!b]", "ann", Some("[x-tag:a!b]")),
            ("jürgen@müller.example", "jürgen", Some("müller.example")),
            ("用户@例え.テスト", "用户", Some("例え.テスト")),
        ] {
            let mailbox = Mailbox::parse(text).unwrap_or_else(|_| panic!("{text}"));
            assert_eq!((mailbox.local_part(), mailbox.domain()), (local, domain), "{text}");
            assert_eq!(mailbox.as_str(), text);
            let path = format!("<{text}> SIZE=1");
            assert_eq!(Mailbox::read_path(&path), Ok((mailbox, " SIZE=1")), "{path}");
            let bare = format!("{text} SIZE=1");
            assert_eq!(Mailbox::read_path(&bare), Ok((mailbox, " SIZE=1")), "{bare}");
        }
    }

    #[test]
    fn strict_mailboxes() {
        for text in [
            "ann@a.example",
            "a.b+c=d@a-b.example",
            "\"a..b\"@a",
            "ann@[192.0.2.1]",
            "用户@例え.テスト",
        ] {
            assert!(Mailbox::parse(text).unwrap().is_strict(), "{text}");
        }
        let long = |local: usize, label: usize| {
            format!("{}@{}.example", "l".repeat(local), "d".repeat(label))
        };
        assert!(Mailbox::parse(&long(64, 63)).unwrap().is_strict());
        for text in ["ann", ".a@b", "a.@b", "a..b@c", "a@b.", "a@b_c", "a@-b", "a@b-.c"]
            .map(str::to_owned)
            .into_iter()
            .chain([long(65, 1), long(1, 64)])
        {
            assert!(!Mailbox::parse(&text).unwrap().is_strict(), "{text}");
        }
    }

    #[test]
    fn garbage_is_refused() {
        for text in [
            "",
            "@",
            "ann@",
            "@a.example",
            "a@b@c",
            "a b@c",
            "ann@.a",
            "ann@a..b",
            "ann@a b",
            "ann@a,b",
            "ann@a/b",
            "a(comment)@b",
            "a:b@c",
            "a\\b@c",
            "\"ann@a.example",
            "\"ann\\",
            "\"a\"b@c",
            "a\"b\"@c",
            "ann@[",
            "ann@[]",
            "ann@[1.2.3]",
            "ann@[1.2.3.4]x",
            "ann@[256.2.3.4]",
            "ann@[IPv6:1.2.3.4]",
            "ann@[IPv6:::g]",
            "ann@[x-:y]",
            "ann@[:y]",
            "ann@[x:]",
            "ann@[x:a\\b]",
            "ann@a\u{a0}b",
            "ann\u{85}@a",
        ] {
            assert_eq!(Mailbox::parse(text), Err(Malformed), "{text}");
            assert!(Mailbox::read_path(&format!("<{text}>")).is_err(), "<{text}>");
        }
    }

    #[test]
    fn paths_have_brackets_routes_and_an_end() {
        let ann = Mailbox::parse("ann@c").unwrap();
        for path in ["<ann@c>", "<@a,@b:ann@c>", "<@a:ann@c>", "<@[IPv6:::1],@[1.2.3.4]:ann@c>"] {
            assert_eq!(Mailbox::read_path(path), Ok((ann, "")), "{path}");
            assert_eq!(ReversePath::read(path), Ok((ReversePath::Mailbox(ann), "")), "{path}");
        }
        for path in [
            "<ann@c",
            "ann@c>",
            "<ann@c>SIZE=1",
            "<<ann@c>>",
            "< ann@c>",
            "<ann@c >",
            "Ann <ann@c>",
        ] {
            assert_eq!(Mailbox::read_path(path), Err(Malformed), "{path}");
        }
        for path in ["<@a>", "<@a ann@c>", "<@a,b:ann@c>", "<@a,:ann@c>", "<@:ann@c>", "<@a:>"] {
            assert_eq!(Mailbox::read_path(path), Err(Malformed), "{path}");
        }
    }

    #[test]
    fn the_null_path_is_only_a_reverse_path() {
        assert_eq!(ReversePath::read("<>"), Ok((ReversePath::Null, "")));
        assert_eq!(ReversePath::read("<> SIZE=1"), Ok((ReversePath::Null, " SIZE=1")));
        assert_eq!(ReversePath::read("<>x"), Err(Malformed));
        assert_eq!(ReversePath::read("< >"), Err(Malformed));
        assert_eq!(Mailbox::read_path("<>"), Err(Malformed));
        assert_eq!(ReversePath::Null.as_str(), "");
    }

    #[test]
    fn lengths_are_bounded() {
        let domain = |length: usize| format!("a@{}", "d".repeat(length));
        assert!(Mailbox::parse(&domain(255)).is_ok());
        assert!(Mailbox::parse(&domain(256)).is_err());
        let local = |length: usize| format!("{}@d", "l".repeat(length));
        assert!(Mailbox::parse(&local(318)).is_ok());
        assert!(Mailbox::parse(&local(319)).is_err());
    }
}
