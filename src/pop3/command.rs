//! Commands: a keyword in any case, then arguments (RFC 1939 §3).

use super::Failure;

/// The keywords.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    User,
    Pass,
    Apop,
    Auth,
    Stls,
    Capa,
    Lang,
    Utf8,
    Stat,
    List,
    Uidl,
    Retr,
    Top,
    Dele,
    Rset,
    Noop,
    Quit,
}

const NAMES: [(&str, Verb); 17] = [
    ("USER", Verb::User),
    ("PASS", Verb::Pass),
    ("APOP", Verb::Apop),
    ("AUTH", Verb::Auth),
    ("STLS", Verb::Stls),
    ("CAPA", Verb::Capa),
    ("LANG", Verb::Lang),
    ("UTF8", Verb::Utf8),
    ("STAT", Verb::Stat),
    ("LIST", Verb::List),
    ("UIDL", Verb::Uidl),
    ("RETR", Verb::Retr),
    ("TOP", Verb::Top),
    ("DELE", Verb::Dele),
    ("RSET", Verb::Rset),
    ("NOOP", Verb::Noop),
    ("QUIT", Verb::Quit),
];

/// The command of a line and what stands behind it. A password may begin and end with spaces, so only one
/// space parts the two there.
pub(super) fn split(line: &str) -> Result<(Verb, &str), Failure> {
    let (name, argument) = line.split_once(' ').unwrap_or((line, ""));
    let found = NAMES.iter().find(|(known, _)| name.eq_ignore_ascii_case(known));
    let (_, verb) = found.ok_or(Failure::UNKNOWN)?;
    Ok((*verb, if *verb == Verb::Pass { argument } else { argument.trim_matches(' ') }))
}

/// The command takes no argument.
pub(super) fn nothing(argument: &str) -> Result<(), Failure> {
    if argument.is_empty() { Ok(()) } else { Err(Failure::NO_ARGUMENT) }
}

/// A number without a sign; one that no computer counts to is too large for any maildrop.
pub(super) fn number(text: &str) -> Result<u64, Failure> {
    if text.is_empty() || !text.bytes().all(|octet| octet.is_ascii_digit()) {
        return Err(Failure::NOT_A_NUMBER);
    }
    Ok(text.parse().unwrap_or(u64::MAX))
}

/// `msg n`: the arguments of TOP.
pub(super) fn two_numbers(text: &str) -> Result<(&str, u64), Failure> {
    let (message, lines) = text.split_once(' ').ok_or(Failure::NEEDS_LINES)?;
    Ok((message, number(lines.trim_start_matches(' '))?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands() {
        assert_eq!(split("quit"), Ok((Verb::Quit, "")));
        assert_eq!(split("Top  1   2 "), Ok((Verb::Top, "1   2")));
        assert_eq!(split("PASS  a b "), Ok((Verb::Pass, " a b ")));
        for unknown in ["", " QUIT", "QUITX", "XTND XMIT"] {
            assert_eq!(split(unknown), Err(Failure::UNKNOWN), "{unknown}");
        }
    }

    #[test]
    fn numbers() {
        assert_eq!(number("007"), Ok(7));
        assert_eq!(number("99999999999999999999"), Ok(u64::MAX));
        for wrong in ["", "-1", "+1", "1x", " 1", "٣"] {
            assert_eq!(number(wrong), Err(Failure::NOT_A_NUMBER), "{wrong}");
        }
        assert_eq!(two_numbers("1   2"), Ok(("1", 2)));
        assert_eq!(two_numbers("1"), Err(Failure::NEEDS_LINES));
    }
}
