//! The Date header (RFC 5322 §3.3), with the forms of RFC 822, RFC 850, asctime and ISO 8601 that
//! programs write instead.

use time::{Date, Month, Time};

/// Milliseconds since 1970, or none if it is no date.
pub(super) fn parse(value: &str) -> Option<i64> {
    let mut found = Found::default();
    // No date is longer, so a header of a megabyte costs no more than this.
    let value = value.char_indices().nth(MAX_CHARS).map_or(value, |(end, _)| &value[..end]);
    let mut rest = value;
    while let Some(token) = next_token(&mut rest) {
        found.take(token);
    }
    found.time_ms()
}

/// What the tokens of a date have told so far, in whatever order they came.
#[derive(Default)]
struct Found {
    day: Option<u8>,
    month: Option<Month>,
    year: Option<i32>,
    time: Option<Time>,
    /// Minutes east of Greenwich.
    zone: Option<i64>,
}

impl Found {
    fn take(&mut self, token: &str) {
        if token.contains(':') {
            // A zone as in "+02:00" stands behind the time.
            match self.time {
                None => self.time = clock(token),
                Some(_) => self.zone = self.zone.or_else(|| offset(token)),
            }
        } else if self.time.is_some() && token.starts_with(['+', '-']) {
            self.zone = offset(token).or(self.zone);
        } else if let Ok(number) = token.parse::<u16>() {
            self.number(number, token.len());
        } else if let Some(month) = month(token) {
            self.month = self.month.or(Some(month));
        } else if self.time.is_some() {
            self.zone = self.zone.or_else(|| zone_name(token));
        }
    }

    fn number(&mut self, number: u16, digits: usize) {
        if digits >= 3 {
            self.year = self.year.or(Some(match number {
                // RFC 5322 §4.3: three digits count from 1900.
                ..1000 => 1900 + i32::from(number),
                _ => i32::from(number),
            }));
        } else if self.year.is_some() && self.month.is_none() {
            self.month = u8::try_from(number).ok().and_then(|month| Month::try_from(month).ok());
        } else if self.day.is_none() {
            self.day = u8::try_from(number).ok();
        } else if self.year.is_none() {
            // RFC 5322 §4.3: two digits mean 1950 to 2049.
            self.year = Some(i32::from(number) + if number < 50 { 2000 } else { 1900 });
        }
    }

    fn time_ms(self) -> Option<i64> {
        let date = Date::from_calendar_date(self.year?, self.month?, self.day?).ok()?;
        let time = self.time.unwrap_or(Time::MIDNIGHT);
        let seconds = date.with_time(time).assume_utc().unix_timestamp();
        Some((seconds - self.zone.unwrap_or(0) * 60) * 1000)
    }
}

/// The next run of letters, or of digits with colons and a sign; anything else parts tokens.
fn next_token<'a>(rest: &mut &'a str) -> Option<&'a str> {
    loop {
        let start =
            rest.find(|c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '('))?;
        let from = &rest[start..];
        let first = from.chars().next()?;
        if first == '(' {
            // A comment: most often the zone's name, which the number said already.
            *rest = from.split_once(')').map_or("", |(_, after)| after);
            continue;
        }
        let signed = matches!(first, '+' | '-');
        let body = &from[usize::from(signed)..];
        let length = if body.starts_with(|c: char| c.is_ascii_alphabetic()) && !signed {
            body.find(|c: char| !c.is_ascii_alphabetic())
        } else {
            body.find(|c: char| !c.is_ascii_digit() && c != ':')
        };
        let (body, after) = body.split_at(length.unwrap_or(body.len()));
        // The hyphens of "06-Nov-94" and "2026-01-31" part tokens; the one of "-0700" is a sign.
        let keep_sign = signed && (body.len() >= 4 || body.contains(':'));
        let token = &from[usize::from(signed && !keep_sign)..from.len() - after.len()];
        // A fraction of a second is not kept.
        *rest = match after.strip_prefix('.') {
            Some(fraction) if body.contains(':') => {
                fraction.trim_start_matches(|c: char| c.is_ascii_digit())
            }
            _ => after,
        };
        if !body.is_empty() {
            return Some(token);
        }
    }
}

/// `hour:minute[:second]`; second 60 is a leap second (RFC 5322 §3.3), which computers do not count.
fn clock(token: &str) -> Option<Time> {
    let mut numbers = token.trim_start_matches(['+', '-']).split(':').map(str::parse::<u8>);
    let hour = numbers.next()?.ok()?;
    let minute = numbers.next()?.ok()?;
    let second = numbers.next().map_or(Some(0), Result::ok)?;
    Time::from_hms(hour, minute, second.min(59)).ok()
}

/// `+hhmm` or `+hh:mm` in minutes.
fn offset(token: &str) -> Option<i64> {
    let (sign, digits) = match token.split_at_checked(1)? {
        ("-", digits) => (-1, digits),
        ("+", digits) => (1, digits),
        _ => return None,
    };
    let digits: String = digits.chars().filter(|&c| c != ':').collect();
    let number: i64 = digits.parse().ok().filter(|_| digits.len() == 4)?;
    Some(sign * (number / 100 * 60 + number % 100))
}

fn month(token: &str) -> Option<Month> {
    const NAMES: [&str; 12] =
        ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    let start = token.get(..3)?;
    let index = NAMES.iter().position(|name| name.eq_ignore_ascii_case(start))?;
    Month::try_from(index as u8 + 1).ok()
}

/// The zones of RFC 5322 §4.3 and the common ones of Europe, in minutes. All others count as UTC, as
/// the RFC wants it for the military ones.
fn zone_name(token: &str) -> Option<i64> {
    let hours = match token.to_ascii_uppercase().as_str() {
        "EDT" => -4,
        "EST" | "CDT" => -5,
        "CST" | "MDT" => -6,
        "MST" | "PDT" => -7,
        "PST" => -8,
        "CET" | "MEZ" | "BST" => 1,
        "CEST" | "MESZ" | "EET" => 2,
        "EEST" | "MSK" => 3,
        "JST" | "KST" => 9,
        _ => return None,
    };
    Some(hours * 60)
}

/// Longest date we look at, in characters; the longest sensible one has about 60.
const MAX_CHARS: usize = 200;

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn every_common_form() {
        for value in [
            "Sun, 06 Nov 1994 08:49:37 +0000",
            "Sun, 6 Nov 1994 08:49:37 GMT",
            "6 Nov 1994 08:49:37 +0000 (UTC)",
            "6 Nov 94 08:49:37 UT",
            "6 Nov 94 03:49:37 EST",
            "Sun,6 Nov 1994 09:49:37 +0100",
            "Sun, 06 Nov 1994 00:49:37 -0800 (Pacific (Standard) Time)",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
            "Sun Nov  6 10:49:37 EET 1994",
            "1994-11-06T08:49:37Z",
            "1994-11-06 08:49:37.123456",
            "1994-11-06T10:49:37+02:00",
            "Sun, 06 November 1994 08:49:37",
            "(a comment) Sun, 06 Nov 1994 08:49:37 -0000",
        ] {
            assert_eq!(parse(value), Some(784_111_777_000), "{value}");
        }
        assert_eq!(parse("6 Nov 1994 08:49 +0000"), Some(784_111_740_000));
        assert_eq!(parse("1 Jan 1970 00:00:00 +0000"), Some(0));
        assert_eq!(parse("31 Dec 2016 23:59:60 +0000"), Some(1_483_228_799_000));
    }

    #[test]
    fn what_is_no_date() {
        for value in [
            "",
            "yesterday",
            "31 Feb 2026 10:00:00 +0000",
            "Nov 2026",
            "99999999999999999999 Nov 2026",
            "(((((((",
            "::::",
            "+-+-+-",
            "é Nov é",
        ] {
            assert_eq!(parse(value), None, "{value}");
        }
    }
}
