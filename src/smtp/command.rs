//! Commands as lines: the verb, and the syntax of each argument (RFC 5321 §4.1.1).
//!
//! Nothing here knows the state of a session. Where peers are known to be sloppy and the meaning is
//! plain, the syntax is wider than the RFC: spaces after the colon of MAIL and RCPT, spaces at the
//! end of a line, a path without angle brackets.

use super::Reply;
use crate::wire::address::{Mailbox, ReversePath};

/// Which command a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// EHLO
    Ehlo,
    /// HELO
    Helo,
    /// MAIL
    Mail,
    /// RCPT
    Rcpt,
    /// DATA
    Data,
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
            Self::Mail => "MAIL",
            Self::Rcpt => "RCPT",
            Self::Data => "DATA",
            Self::Rset => "RSET",
            Self::Noop => "NOOP",
            Self::Quit => "QUIT",
            Self::Help => "HELP",
            Self::Vrfy => "VRFY",
            Self::Expn => "EXPN",
            Self::Auth => "AUTH",
            Self::Starttls => "STARTTLS",
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
pub(super) fn mail(argument: &str) -> Result<(ReversePath<'_>, &str), Reply> {
    let path = after_keyword(argument, "FROM:").ok_or(Reply::MAIL_SYNTAX)?;
    ReversePath::read(path).map_err(|_| Reply::BAD_SENDER)
}

/// `rcpt = "RCPT TO:" Forward-path [SP Rcpt-parameters]` (RFC 5321 §4.1.1.3)
pub(super) fn rcpt(argument: &str) -> Result<(Mailbox<'_>, &str), Reply> {
    let path = after_keyword(argument, "TO:").ok_or(Reply::RCPT_SYNTAX)?;
    Mailbox::read_path(path).map_err(|_| Reply::BAD_RECIPIENT)
}

/// `"AUTH" SP sasl-mech [SP initial-response]` (RFC 4954 §4)
pub(super) fn auth(argument: &str) -> Result<(&str, Option<&str>), Reply> {
    let mut words = argument.split(' ').filter(|word| !word.is_empty());
    match (words.next(), words.next(), words.next()) {
        (Some(mechanism), initial, None) => Ok((mechanism, initial)),
        _ => Err(Reply::AUTH_SYNTAX),
    }
}

fn after_keyword<'a>(argument: &'a str, keyword: &str) -> Option<&'a str> {
    let (head, path) = argument.split_at_checked(keyword.len())?;
    head.eq_ignore_ascii_case(keyword).then(|| path.trim_start_matches(' '))
}

/// In the order of how often they are said.
const VERBS: [Verb; 13] = [
    Verb::Rcpt,
    Verb::Mail,
    Verb::Data,
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
            let (path, parameters) = mail(argument).unwrap_or_else(|_| panic!("{argument}"));
            assert_eq!((path.as_str(), parameters), (address, rest), "{argument}");
        }
        for argument in ["", "FROM", "FROM <a@b>", "FROM :<a@b>", "TO:<a@b>", "<a@b>", "é:<a@b>"] {
            assert_eq!(mail(argument), Err(Reply::MAIL_SYNTAX), "{argument}");
        }
        assert_eq!(mail("FROM:"), Err(Reply::BAD_SENDER));
        assert_eq!(rcpt("TO:<>"), Err(Reply::BAD_RECIPIENT));
        assert_eq!(rcpt("FROM:<a@b>"), Err(Reply::RCPT_SYNTAX));
    }

    #[test]
    fn auth_has_one_or_two_words() {
        assert_eq!(auth("PLAIN"), Ok(("PLAIN", None)));
        assert_eq!(auth("PLAIN  AA=="), Ok(("PLAIN", Some("AA=="))));
        assert_eq!(auth(""), Err(Reply::AUTH_SYNTAX));
        assert_eq!(auth("PLAIN AA== x"), Err(Reply::AUTH_SYNTAX));
    }
}
