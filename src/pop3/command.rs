//! Commands: a keyword in any case, then arguments (RFC 1939 §3).

use super::Failure;

/// The keywords.
const KEYWORDS: [&str; 17] = [
    "USER", "PASS", "APOP", "AUTH", "STLS", "CAPA", "LANG", "UTF8", "STAT", "LIST", "UIDL", "RETR",
    "TOP", "DELE", "RSET", "NOOP", "QUIT",
];

/// The command of a line and what stands behind it. A password may begin and end with spaces, so only one
/// space parts the two there.
pub(super) fn split(line: &str) -> Result<(&'static str, &str), Failure> {
    let (name, argument) = line.split_once(' ').unwrap_or((line, ""));
    let keyword = KEYWORDS.into_iter().find(|known| name.eq_ignore_ascii_case(known));
    let keyword = keyword.ok_or(Failure::UNKNOWN)?;
    Ok((keyword, if keyword == "PASS" { argument } else { argument.trim_matches(' ') }))
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
        assert_eq!(split("quit"), Ok(("QUIT", "")));
        assert_eq!(split("Top  1   2 "), Ok(("TOP", "1   2")));
        assert_eq!(split("PASS  a b "), Ok(("PASS", " a b ")));
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
