//! The parameters of MAIL and RCPT: which we know, and what their values may be.
//!
//! Every parameter that is accepted is recorded as given, for people to look at. One that belongs to
//! an extension that is not offered is not known (RFC 5321 §4.1.1.11).

use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{Reply, capabilities::Capabilities};
use crate::wire::Parameter;

/// The parameters of MAIL.
pub(super) fn mail(text: &str, capabilities: Capabilities<'_>) -> Result<Vec<Parameter>, Reply> {
    let parameters = read(text, &MAIL, |extension| extension.is_offered(capabilities))?;
    for Parameter { keyword, value } in &parameters {
        let max = capabilities.options.limits.message_size;
        match (keyword.as_str(), value.as_deref()) {
            // Twenty digits may be more than 64 bits hold, and that is too large in any case.
            ("SIZE", Some(size)) if size.parse::<u64>().is_ok_and(|size| size <= max) => {}
            ("SIZE", _) => return Err(Reply::TOO_LARGE),
            ("BODY", Some(body))
                if is("BINARYMIME", body) && !capabilities.options.extensions.chunking =>
            {
                return Err(Reply::BAD_PARAMETER);
            }
            // One way to say it, not both (RFC 4865 §4.1).
            ("HOLDFOR", _) if parameters.iter().any(|other| other.keyword == "HOLDUNTIL") => {
                return Err(Reply::BAD_PARAMETER);
            }
            _ => {}
        }
    }
    Ok(parameters)
}

/// The parameters of RCPT.
pub(super) fn rcpt(text: &str, dsn: bool) -> Result<Vec<Parameter>, Reply> {
    read(text, &RCPT, |_| dsn)
}

/// Undoes xtext (RFC 3461 §4); none if it is none or not UTF-8, which RFC 6531 §3.4 allows in it.
pub(super) fn from_xtext(text: &str) -> Option<String> {
    let mut parts = text.split('+');
    let mut octets = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let (digits, rest) = part.split_at_checked(2)?;
        if !digits.bytes().all(|octet| matches!(octet, b'0'..=b'9' | b'A'..=b'F')) {
            return None;
        }
        octets.push(u8::from_str_radix(digits, 16).ok()?);
        octets.extend_from_slice(rest.as_bytes());
    }
    String::from_utf8(octets).ok()
}

/// A parameter that we know: keyword, extension, and which values it may have.
type Known = (&'static str, Extension, fn(Option<&str>) -> bool);

/// Where a parameter of MAIL comes from.
#[derive(Clone, Copy, Debug)]
enum Extension {
    Always,
    Dsn,
    RequireTls,
    MtPriority,
    DeliverBy,
    FutureRelease,
}

impl Extension {
    fn is_offered(self, capabilities: Capabilities<'_>) -> bool {
        match self {
            Self::Always => true,
            Self::Dsn => capabilities.options.extensions.dsn,
            Self::RequireTls => capabilities.requiretls(),
            Self::MtPriority => capabilities.options.extensions.mt_priority,
            Self::DeliverBy => capabilities.options.extensions.deliverby,
            Self::FutureRelease => capabilities.options.extensions.futurerelease,
        }
    }
}

fn read(
    text: &str,
    table: &[Known],
    is_offered: impl Fn(Extension) -> bool,
) -> Result<Vec<Parameter>, Reply> {
    let mut parameters = Vec::<Parameter>::new();
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let (keyword, value) = split(word)?;
        let (keyword, _, is_good) = table
            .iter()
            .find(|(known, extension, _)| is(known, keyword) && is_offered(*extension))
            .ok_or(Reply::UNKNOWN_PARAMETER)?;
        if parameters.iter().any(|earlier| earlier.keyword == *keyword) {
            return Err(Reply::DUPLICATE_PARAMETER);
        }
        if !is_good(value) {
            return Err(Reply::BAD_PARAMETER);
        }
        let value = value.map(str::to_owned);
        parameters.push(Parameter { keyword: (*keyword).to_owned(), value });
    }
    Ok(parameters)
}

/// `esmtp-param = esmtp-keyword ["=" esmtp-value]` (RFC 5321 §4.1.2)
///
/// A value has no equals sign, except in ENVID and ORCPT, whose xtext RFC 3461 §4 lets have none
/// either.
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

fn is(known: &str, text: &str) -> bool {
    known.eq_ignore_ascii_case(text)
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_digit())
}

fn is_xtext(text: &str) -> bool {
    from_xtext(text).is_some()
}

/// RFC 1870 §5: at most 20 digits.
fn is_size(value: Option<&str>) -> bool {
    value.is_some_and(|size| size.len() <= 20 && is_digits(size))
}

/// RFC 6152 §2, RFC 3030 §3
fn is_body(value: Option<&str>) -> bool {
    value.is_some_and(|body| ["7BIT", "8BITMIME", "BINARYMIME"].iter().any(|it| is(it, body)))
}

const fn is_absent(value: Option<&str>) -> bool {
    value.is_none()
}

/// RFC 4954 §5: at most 500 characters. Who vouches for the sender makes no difference to us: we only write it down.
fn is_auth(value: Option<&str>) -> bool {
    value.is_some_and(|it| it == "<>" || (it.len() <= MAX_AUTH && is_xtext(it)))
}

/// RFC 3461 §4.3
fn is_ret(value: Option<&str>) -> bool {
    value.is_some_and(|ret| is("FULL", ret) || is("HDRS", ret))
}

/// RFC 3461 §4.4: at most 100 characters of xtext, printable when decoded.
fn is_envid(value: Option<&str>) -> bool {
    value.is_some_and(|envid| {
        envid.len() <= 100
            && from_xtext(envid)
                .is_some_and(|text| text.bytes().all(|octet| matches!(octet, b' '..=b'~')))
    })
}

/// RFC 3461 §4.1: NEVER stands alone; there are three other words.
fn is_notify(value: Option<&str>) -> bool {
    value.is_some_and(|notify| {
        is("NEVER", notify)
            || notify
                .split(',')
                .all(|when| ["SUCCESS", "FAILURE", "DELAY"].iter().any(|it| is(it, when)))
                && notify.len() <= "SUCCESS,FAILURE,DELAY".len()
    })
}

/// RFC 3461 §4.2: `addr-type ";" xtext`, at most 500 characters.
fn is_orcpt(value: Option<&str>) -> bool {
    value.is_some_and(|orcpt| {
        orcpt.len() <= 500
            && orcpt.split_once(';').is_some_and(|(kind, address)| {
                !kind.is_empty()
                    && kind.chars().all(|c| c == '-' || c.is_ascii_alphanumeric())
                    && from_xtext(address)
                        .is_some_and(|it| !it.is_empty() && !it.contains(char::is_control))
            })
    })
}

/// RFC 6710 §4.1: from -9 to 9.
fn is_priority(value: Option<&str>) -> bool {
    value.is_some_and(|it| matches!(it.as_bytes(), [b'0'..=b'9'] | [b'-', b'1'..=b'9']))
}

/// RFC 2852 §4: `by-time ";" by-mode [by-trace]`. To be returned (R) it must have some time.
fn is_by(value: Option<&str>) -> bool {
    let Some((time, mode)) = value.and_then(|value| value.split_once(';')) else { return false };
    let digits = time.strip_prefix(['-', '+']).unwrap_or(time);
    if digits.len() > 9 || !is_digits(digits) {
        return false;
    }
    let has_time = !time.starts_with('-') && digits.bytes().any(|digit| digit != b'0');
    match mode.to_ascii_uppercase().as_str() {
        "R" | "RT" => has_time,
        "N" | "NT" => true,
        _ => false,
    }
}

/// RFC 4865 §4.1: seconds, at most nine digits, not zero.
fn is_holdfor(value: Option<&str>) -> bool {
    value.is_some_and(|it| it.len() <= 9 && is_digits(it) && !it.starts_with('0'))
}

/// RFC 4865 §4.1: a date and time of RFC 3339.
fn is_holduntil(value: Option<&str>) -> bool {
    value.is_some_and(|it| OffsetDateTime::parse(it, &Rfc3339).is_ok())
}

const MAIL: [Known; 11] = [
    ("SIZE", Extension::Always, is_size),
    ("BODY", Extension::Always, is_body),
    ("SMTPUTF8", Extension::Always, is_absent),
    ("AUTH", Extension::Always, is_auth),
    ("RET", Extension::Dsn, is_ret),
    ("ENVID", Extension::Dsn, is_envid),
    ("REQUIRETLS", Extension::RequireTls, is_absent),
    ("MT-PRIORITY", Extension::MtPriority, is_priority),
    ("BY", Extension::DeliverBy, is_by),
    ("HOLDFOR", Extension::FutureRelease, is_holdfor),
    ("HOLDUNTIL", Extension::FutureRelease, is_holduntil),
];

const RCPT: [Known; 2] =
    [("NOTIFY", Extension::Dsn, is_notify), ("ORCPT", Extension::Dsn, is_orcpt)];

/// Longest AUTH of MAIL, in octets (RFC 4954 §5).
const MAX_AUTH: usize = 500;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        limits,
        smtp::{Extensions, Options},
        wire::Tls,
    };

    fn shown(parameters: Vec<Parameter>) -> String {
        let one = |Parameter { keyword, value }| match value {
            Some(value) => format!("{keyword}={value}"),
            None => keyword,
        };
        parameters.into_iter().map(one).collect::<Vec<String>>().join(" ")
    }

    /// All is offered.
    fn offering(text: &str) -> Result<String, Reply> {
        let options = Options {
            limits: limits::Options { message_size: 1000, ..Default::default() },
            extensions: Extensions {
                mt_priority: true,
                deliverby: true,
                futurerelease: true,
                ..Extensions::default()
            },
            ..Options::default()
        };
        let tls = Tls::default();
        mail(text, Capabilities { options: &options, tls: Some(&tls), may_xclient: false })
            .map(shown)
    }

    #[test]
    fn what_mail_takes() {
        for (text, expected) in [
            ("", ""),
            ("   ", ""),
            (" SIZE=0", "SIZE=0"),
            (" size=00000000000000001000", "SIZE=00000000000000001000"),
            (" BODY=7bit  SIZE=5", "BODY=7bit SIZE=5"),
            (" BODY=8BITMIME SMTPUTF8 AUTH=<>", "BODY=8BITMIME SMTPUTF8 AUTH=<>"),
            (" BODY=BinaryMime", "BODY=BinaryMime"),
            (" AUTH=ann+2Bx@a.example", "AUTH=ann+2Bx@a.example"),
            (" ret=hdrs ENVID=a+20b", "RET=hdrs ENVID=a+20b"),
            (" REQUIRETLS RET=FULL", "REQUIRETLS RET=FULL"),
            (" MT-PRIORITY=-9", "MT-PRIORITY=-9"),
            (" mt-priority=0", "MT-PRIORITY=0"),
            (" BY=120;R", "BY=120;R"),
            (" BY=-999999999;nt", "BY=-999999999;nt"),
            (" BY=+0;N", "BY=+0;N"),
            (" HOLDFOR=999999999", "HOLDFOR=999999999"),
            (" HOLDUNTIL=2030-01-31T10:00:00-05:00", "HOLDUNTIL=2030-01-31T10:00:00-05:00"),
        ] {
            assert_eq!(offering(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_mail_refuses() {
        for (text, expected) in [
            (" SIZE=1001", Reply::TOO_LARGE),
            (" SIZE=99999999999999999999", Reply::TOO_LARGE),
            (" X", Reply::UNKNOWN_PARAMETER),
            (" NOTIFY=NEVER", Reply::UNKNOWN_PARAMETER),
            (" SIZE=1 size=1", Reply::DUPLICATE_PARAMETER),
            (" SMTPUTF8 SMTPUTF8", Reply::DUPLICATE_PARAMETER),
        ] {
            assert_eq!(offering(text), Err(expected), "{text}");
        }
        let envid = format!("ENVID={}", "a".repeat(101));
        for text in [
            "SIZE=999999999999999999999",
            "SIZE",
            "SIZE=",
            "SIZE=-1",
            "SIZE=+1",
            "SIZE=1=1",
            "BODY=9BIT",
            "BODY",
            "SMTPUTF8=1",
            "AUTH",
            "AUTH=a+2b",
            "AUTH=a+",
            "=1",
            "-x",
            "RET",
            "RET=ALL",
            "ENVID",
            "ENVID=a+0A",
            "ENVID=a+",
            "ENVID=ä",
            &envid,
            "REQUIRETLS=1",
            "MT-PRIORITY=10",
            "MT-PRIORITY=-0",
            "MT-PRIORITY=+1",
            "MT-PRIORITY",
            "BY=0;R",
            "BY=-1;R",
            "BY=1",
            "BY=1;X",
            "BY=;R",
            "BY=1000000000;R",
            "HOLDFOR=0",
            "HOLDFOR=1000000000",
            "HOLDUNTIL=tomorrow",
            "HOLDUNTIL=2030-01-31",
            "HOLDFOR=1 HOLDUNTIL=2030-01-31T10:00:00Z",
        ] {
            assert_eq!(offering(text), Err(Reply::BAD_PARAMETER), "{text}");
        }
    }

    #[test]
    fn what_is_not_offered_is_not_known() {
        let extensions = Extensions { dsn: false, chunking: false, ..Extensions::default() };
        let options = Options { extensions, ..Options::default() };
        let bare = Capabilities { options: &options, tls: None, may_xclient: false };
        for text in ["RET=FULL", "ENVID=a", "REQUIRETLS", "MT-PRIORITY=1", "BY=1;R", "HOLDFOR=1"] {
            assert_eq!(mail(text, bare), Err(Reply::UNKNOWN_PARAMETER), "{text}");
        }
        assert_eq!(mail("BODY=BINARYMIME", bare), Err(Reply::BAD_PARAMETER));
        assert_eq!(rcpt("NOTIFY=NEVER", false), Err(Reply::UNKNOWN_PARAMETER));
    }

    #[test]
    fn what_rcpt_takes_and_refuses() {
        for (text, expected) in [
            ("  ", ""),
            (" notify=never", "NOTIFY=never"),
            (" NOTIFY=SUCCESS,Failure,DELAY", "NOTIFY=SUCCESS,Failure,DELAY"),
            (" ORCPT=rfc822;bob+2Bx@b.example", "ORCPT=rfc822;bob+2Bx@b.example"),
            (
                " ORCPT=utf-8;用户@例え.テスト NOTIFY=DELAY",
                "ORCPT=utf-8;用户@例え.テスト NOTIFY=DELAY",
            ),
        ] {
            assert_eq!(rcpt(text, true).map(shown).as_deref(), Ok(expected), "{text}");
        }
        let long = format!("ORCPT=rfc822;{}", "a".repeat(494));
        for text in [
            "=",
            "NOTIFY",
            "NOTIFY=NEVER,SUCCESS",
            "NOTIFY=SUCCESS,",
            "NOTIFY=DELAY,DELAY,DELAY,DELAY",
            "NOTIFY=SOMETIMES",
            "ORCPT=bob@b.example",
            "ORCPT=;bob",
            "ORCPT=rfc822;",
            "ORCPT=rfc822;+0D",
            "ORCPT=rfc 822;bob",
            "ORCPT=rfc822;a+2",
            &long,
        ] {
            assert_eq!(rcpt(text, true), Err(Reply::BAD_PARAMETER), "{text}");
        }
        assert_eq!(rcpt(" RET=FULL", true), Err(Reply::UNKNOWN_PARAMETER));
    }
}
