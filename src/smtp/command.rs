//! Commands as lines: the verb, and the syntax of each argument (RFC 5321 §4.1.1).
//!
//! Nothing here knows the state of a session. Where peers are known to be sloppy and the meaning is
//! plain, the syntax is wider than the RFC: spaces after the colon of MAIL and RCPT, spaces at the
//! end of a line, a path without angle brackets.

use super::{Reply, state::Chunk};
use crate::wire::address::{Mailbox, ReversePath};

/// Which command a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// EHLO
    Ehlo,
    /// HELO
    Helo,
    /// LHLO (RFC 2033)
    Lhlo,
    /// MAIL
    Mail,
    /// RCPT
    Rcpt,
    /// DATA
    Data,
    /// BDAT (RFC 3030)
    Bdat,
    /// RSET
    Rset,
    /// NOOP
    Noop,
    /// QUIT
    Quit,
    /// HELP
    Help,
    /// VRFY
    Vrfy,
    /// EXPN
    Expn,
    /// AUTH
    Auth,
    /// STARTTLS
    Starttls,
    /// XCLIENT (Postfix)
    Xclient,
    /// A method of HTTP: somebody makes a browser or a proxy talk to us.
    Http,
    /// None of these.
    Unknown,
}

impl Verb {
    /// Splits a line into its verb and its argument, which has no spaces around it.
    pub(super) fn split(line: &str) -> (Self, &str) {
        let line = line.trim_end_matches(' ');
        let (verb, argument) = line.split_once(' ').unwrap_or((line, ""));
        (Self::from_name(verb), argument.trim_start_matches(' '))
    }

    /// How it is written; `?` for an unknown one.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ehlo => "EHLO",
            Self::Helo => "HELO",
            Self::Lhlo => "LHLO",
            Self::Mail => "MAIL",
            Self::Rcpt => "RCPT",
            Self::Data => "DATA",
            Self::Bdat => "BDAT",
            Self::Rset => "RSET",
            Self::Noop => "NOOP",
            Self::Quit => "QUIT",
            Self::Help => "HELP",
            Self::Vrfy => "VRFY",
            Self::Expn => "EXPN",
            Self::Auth => "AUTH",
            Self::Starttls => "STARTTLS",
            Self::Xclient => "XCLIENT",
            Self::Http => "HTTP",
            Self::Unknown => "?",
        }
    }

    fn from_name(name: &str) -> Self {
        let is = |verb: &&Self| name.eq_ignore_ascii_case(verb.name());
        match VERBS.iter().find(is) {
            Some(verb) => *verb,
            // Methods are case-sensitive (RFC 9110 §9.1); a mail client would not write them so.
            None if HTTP_METHODS.contains(&name) => Self::Http,
            None => Self::Unknown,
        }
    }
}

/// `mail = "MAIL FROM:" Reverse-path [SP Mail-parameters]` (RFC 5321 §4.1.1.2)
pub(super) fn mail(argument: &str, strict: bool) -> Result<(ReversePath<'_>, &str), Reply> {
    let path = after_keyword(argument, "FROM:", strict).ok_or(Reply::MAIL_SYNTAX)?;
    let (path, rest) = ReversePath::read(path).map_err(|_| Reply::BAD_SENDER)?;
    match path {
        ReversePath::Mailbox(mailbox) if strict && !mailbox.is_strict() => Err(Reply::BAD_SENDER),
        _ => Ok((path, rest)),
    }
}

/// `rcpt = "RCPT TO:" Forward-path [SP Rcpt-parameters]` (RFC 5321 §4.1.1.3)
///
/// `<Postmaster>` needs no domain, also where addresses are strict.
pub(super) fn rcpt(argument: &str, strict: bool) -> Result<(Mailbox<'_>, &str), Reply> {
    let path = after_keyword(argument, "TO:", strict).ok_or(Reply::RCPT_SYNTAX)?;
    let (mailbox, rest) = Mailbox::read_path(path).map_err(|_| Reply::BAD_RECIPIENT)?;
    let is_postmaster = mailbox.as_str().eq_ignore_ascii_case("postmaster");
    if strict && !is_postmaster && !mailbox.is_strict() {
        return Err(Reply::BAD_RECIPIENT);
    }
    Ok((mailbox, rest))
}

/// `bdat-cmd = "BDAT" SP chunk-size [SP "LAST"]` (RFC 3030 §2)
pub(super) fn bdat(argument: &str) -> Result<Chunk, Reply> {
    let mut words = argument.split(' ').filter(|word| !word.is_empty());
    let size = words.next().filter(|size| size.bytes().all(|octet| octet.is_ascii_digit()));
    let size: u64 = size.and_then(|size| size.parse().ok()).ok_or(Reply::BDAT_SYNTAX)?;
    let last = match words.next() {
        None => false,
        Some(word) if word.eq_ignore_ascii_case("LAST") => true,
        Some(_) => return Err(Reply::BDAT_SYNTAX),
    };
    match words.next() {
        None => Ok(Chunk { left: size, size, last }),
        Some(_) => Err(Reply::BDAT_SYNTAX),
    }
}

/// `"AUTH" SP sasl-mech [SP initial-response]` (RFC 4954 §4)
pub(super) fn auth(argument: &str) -> Result<(&str, Option<&str>), Reply> {
    let mut words = argument.split(' ').filter(|word| !word.is_empty());
    match (words.next(), words.next(), words.next()) {
        (Some(mechanism), initial, None) => Ok((mechanism, initial)),
        _ => Err(Reply::AUTH_SYNTAX),
    }
}

/// What stands behind the keyword. Strict paths stand there at once, in angle brackets.
fn after_keyword<'a>(argument: &'a str, keyword: &str, strict: bool) -> Option<&'a str> {
    let (head, path) = argument.split_at_checked(keyword.len())?;
    if !head.eq_ignore_ascii_case(keyword) || (strict && !path.starts_with('<')) {
        return None;
    }
    Some(path.trim_start_matches(' '))
}

/// In the order of how often they are said.
const VERBS: [Verb; 16] = [
    Verb::Rcpt,
    Verb::Mail,
    Verb::Data,
    Verb::Bdat,
    Verb::Ehlo,
    Verb::Quit,
    Verb::Rset,
    Verb::Helo,
    Verb::Noop,
    Verb::Auth,
    Verb::Vrfy,
    Verb::Help,
    Verb::Expn,
    Verb::Starttls,
    Verb::Lhlo,
    Verb::Xclient,
];

const HTTP_METHODS: [&str; 9] =
    ["GET", "POST", "HEAD", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_verb_and_an_argument() {
        for (line, verb, argument) in [
            ("EHLO a.example", Verb::Ehlo, "a.example"),
            ("ehlo   a.example  ", Verb::Ehlo, "a.example"),
            ("Quit", Verb::Quit, ""),
            ("QUIT ", Verb::Quit, ""),
            ("STARTTLS", Verb::Starttls, ""),
            ("GET / HTTP/1.1", Verb::Http, "/ HTTP/1.1"),
            ("get / HTTP/1.1", Verb::Unknown, "/ HTTP/1.1"),
            ("QUITE", Verb::Unknown, ""),
            (" QUIT", Verb::Unknown, "QUIT"),
            ("?", Verb::Unknown, ""),
            ("HTTP", Verb::Unknown, ""),
            ("", Verb::Unknown, ""),
        ] {
            assert_eq!(Verb::split(line), (verb, argument), "{line:?}");
        }
    }

    #[test]
    fn paths_stand_behind_their_keyword() {
        for (argument, address, rest) in [
            ("FROM:<a@b>", "a@b", ""),
            ("from: <a@b> SIZE=1", "a@b", " SIZE=1"),
            ("From:   a@b  BODY=7BIT", "a@b", "  BODY=7BIT"),
            ("FROM:<>", "", ""),
        ] {
            let (path, parameters) = mail(argument, false).unwrap_or_else(|_| panic!("{argument}"));
            assert_eq!((path.as_str(), parameters), (address, rest), "{argument}");
        }
        for argument in ["", "FROM", "FROM <a@b>", "FROM :<a@b>", "TO:<a@b>", "<a@b>", "é:<a@b>"] {
            assert_eq!(mail(argument, false), Err(Reply::MAIL_SYNTAX), "{argument}");
        }
        assert_eq!(mail("FROM:", false), Err(Reply::BAD_SENDER));
        assert_eq!(rcpt("TO:<>", false), Err(Reply::BAD_RECIPIENT));
        assert_eq!(rcpt("FROM:<a@b>", false), Err(Reply::RCPT_SYNTAX));
    }

    #[test]
    fn strict_paths_are_those_of_the_rfc() {
        assert!(mail("FROM:<>", true).is_ok() && mail("FROM:<a@b> SIZE=1", true).is_ok());
        assert!(rcpt("TO:<PostMaster>", true).is_ok());
        assert_eq!(mail("FROM: <a@b>", true), Err(Reply::MAIL_SYNTAX));
        assert_eq!(mail("FROM:a@b", true), Err(Reply::MAIL_SYNTAX));
        assert_eq!(mail("FROM:<postmaster>", true), Err(Reply::BAD_SENDER));
        assert_eq!(rcpt("TO:<ann>", true), Err(Reply::BAD_RECIPIENT));
        assert_eq!(rcpt("TO:<a..b@c>", true), Err(Reply::BAD_RECIPIENT));
    }

    #[test]
    fn chunks_have_a_size() {
        let chunk = |size, last| Ok(Chunk { left: size, size, last });
        assert_eq!(bdat("0"), chunk(0, false));
        assert_eq!(bdat("10 last"), chunk(10, true));
        assert_eq!(bdat("0018446744073709551615  LAST"), chunk(u64::MAX, true));
        for argument in
            ["", "x", "-1", "+1", "1x", "LAST", "1 FIRST", "1 LAST 1", "18446744073709551616"]
        {
            assert_eq!(bdat(argument), Err(Reply::BDAT_SYNTAX), "{argument}");
        }
    }

    #[test]
    fn auth_has_one_or_two_words() {
        assert_eq!(auth("PLAIN"), Ok(("PLAIN", None)));
        assert_eq!(auth("PLAIN  AA=="), Ok(("PLAIN", Some("AA=="))));
        assert_eq!(auth(""), Err(Reply::AUTH_SYNTAX));
        assert_eq!(auth("PLAIN AA== x"), Err(Reply::AUTH_SYNTAX));
    }
}
