//! The parameters of MAIL and RCPT: which we know, and what their values may be.
//!
//! Every parameter that is accepted is recorded as given, for people to look at.

use super::Reply;
use crate::message::Parameter;

/// The parameters of MAIL (RFC 1870 §3, RFC 6152 §2, RFC 6531 §3.4, RFC 4954 §5).
pub(super) fn mail(text: &str, max_message_size: u64) -> Result<Vec<Parameter>, Reply> {
    let mut parameters = Vec::<Parameter>::new();
    for word in words(text) {
        let (keyword, value) = split(word)?;
        let keyword = MAIL_KEYWORDS
            .into_iter()
            .find(|known| keyword.eq_ignore_ascii_case(known))
            .ok_or(Reply::UNKNOWN_PARAMETER)?;
        if parameters.iter().any(|earlier| earlier.keyword == keyword) {
            return Err(Reply::DUPLICATE_PARAMETER);
        }
        check(keyword, value, max_message_size)?;
        parameters.push(Parameter { keyword: keyword.into(), value: value.map(str::to_owned) });
    }
    Ok(parameters)
}

/// The parameters of RCPT: we offer no extension that has any.
pub(super) fn rcpt(text: &str) -> Result<Vec<Parameter>, Reply> {
    match words(text).next() {
        Some(word) => split(word).and(Err(Reply::UNKNOWN_PARAMETER)),
        None => Ok(Vec::new()),
    }
}

fn check(keyword: &str, value: Option<&str>, max_message_size: u64) -> Result<(), Reply> {
    match (keyword, value) {
        ("SIZE", Some(size)) if size.len() <= 20 && is_digits(size) => {
            // Twenty digits may be more than 64 bits hold, and that is too large in any case.
            match size.parse::<u64>() {
                Ok(size) if size <= max_message_size => Ok(()),
                _ => Err(Reply::TOO_LARGE),
            }
        }
        ("BODY", Some(body))
            if body.eq_ignore_ascii_case("7BIT") || body.eq_ignore_ascii_case("8BITMIME") =>
        {
            Ok(())
        }
        ("SMTPUTF8", None) => Ok(()),
        // Who vouches for the sender makes no difference to us (RFC 4954 §5): we only write it down.
        ("AUTH", Some(mailbox)) if mailbox == "<>" || is_xtext(mailbox) => Ok(()),
        _ => Err(Reply::BAD_PARAMETER),
    }
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(' ').filter(|word| !word.is_empty())
}

/// `esmtp-param = esmtp-keyword ["=" esmtp-value]` (RFC 5321 §4.1.2)
fn split(word: &str) -> Result<(&str, Option<&str>), Reply> {
    let (keyword, value) = match word.split_once('=') {
        Some((keyword, value)) => (keyword, Some(value)),
        None => (word, None),
    };
    let is_keyword = keyword.starts_with(|c: char| c.is_ascii_alphanumeric())
        && keyword.chars().all(|c| c == '-' || c.is_ascii_alphanumeric());
    let is_value = value.is_none_or(|value| !value.is_empty() && !value.contains('='));
    if is_keyword && is_value { Ok((keyword, value)) } else { Err(Reply::BAD_PARAMETER) }
}

fn is_digits(text: &str) -> bool {
    text.bytes().all(|octet| octet.is_ascii_digit())
}

/// `xtext = *( xchar / hexchar )` (RFC 3461 §4), with UTF-8 (RFC 6531 §3.4 allows it in addresses)
fn is_xtext(text: &str) -> bool {
    let is_upper_hex = |octet: &u8| matches!(octet, b'0'..=b'9' | b'A'..=b'F');
    text.split('+').skip(1).all(|after| {
        after.as_bytes().get(..2).is_some_and(|digits| digits.iter().all(is_upper_hex))
    })
}

const MAIL_KEYWORDS: [&str; 4] = ["SIZE", "BODY", "SMTPUTF8", "AUTH"];

#[cfg(test)]
mod tests {
    use super::*;

    const MAX: u64 = 1000;

    #[test]
    fn what_mail_takes() {
        for (text, expected) in [
            ("", ""),
            ("   ", ""),
            (" SIZE=0", "SIZE=0"),
            (" size=00000000000000001000", "SIZE=00000000000000001000"),
            (" BODY=7bit  SIZE=5", "BODY=7bit SIZE=5"),
            (" BODY=8BITMIME SMTPUTF8 AUTH=<>", "BODY=8BITMIME SMTPUTF8 AUTH=<>"),
            (" AUTH=ann+2Bx@a.example", "AUTH=ann+2Bx@a.example"),
        ] {
            let parameters = mail(text, MAX).unwrap_or_else(|reply| panic!("{text}: {reply}"));
            let shown: Vec<String> = parameters
                .into_iter()
                .map(|Parameter { keyword, value }| match value {
                    Some(value) => format!("{keyword}={value}"),
                    None => keyword,
                })
                .collect();
            assert_eq!(shown.join(" "), expected, "{text}");
        }
    }

    #[test]
    fn what_mail_refuses() {
        for (text, expected) in [
            (" SIZE=1001", Reply::TOO_LARGE),
            (" SIZE=99999999999999999999", Reply::TOO_LARGE),
            (" SIZE=999999999999999999999", Reply::BAD_PARAMETER),
            (" SIZE", Reply::BAD_PARAMETER),
            (" SIZE=", Reply::BAD_PARAMETER),
            (" SIZE=-1", Reply::BAD_PARAMETER),
            (" SIZE=+1", Reply::BAD_PARAMETER),
            (" SIZE=1=1", Reply::BAD_PARAMETER),
            (" BODY=BINARYMIME", Reply::BAD_PARAMETER),
            (" BODY", Reply::BAD_PARAMETER),
            (" SMTPUTF8=1", Reply::BAD_PARAMETER),
            (" AUTH", Reply::BAD_PARAMETER),
            (" AUTH=a+2b", Reply::BAD_PARAMETER),
            (" AUTH=a+", Reply::BAD_PARAMETER),
            (" =1", Reply::BAD_PARAMETER),
            (" -x", Reply::BAD_PARAMETER),
            (" RET=HDRS", Reply::UNKNOWN_PARAMETER),
            (" X", Reply::UNKNOWN_PARAMETER),
            (" SIZE=1 size=1", Reply::DUPLICATE_PARAMETER),
            (" SMTPUTF8 SMTPUTF8", Reply::DUPLICATE_PARAMETER),
        ] {
            assert_eq!(mail(text, MAX), Err(expected), "{text}");
        }
    }

    #[test]
    fn rcpt_takes_none() {
        assert_eq!(rcpt("  "), Ok(Vec::new()));
        assert_eq!(rcpt(" NOTIFY=NEVER"), Err(Reply::UNKNOWN_PARAMETER));
        assert_eq!(rcpt(" ="), Err(Reply::BAD_PARAMETER));
    }
}
