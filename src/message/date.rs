//! The Date header (RFC 5322 §3.3), with the forms of RFC 822, RFC 850, asctime, ISO 8601 and of
//! JavaScript that programs write instead.
//!
//! Better no date than a wrong one: what is not understood, or may be read in two ways, is none.

mod zones;

use std::borrow::Cow;

use time::{Date, Month, Time};

use super::text::beginning;

/// Milliseconds since 1970, or none if it is no date.
pub(super) fn parse(value: &str) -> Option<i64> {
    let mut found = Found::default();
    // No date is longer, so a header of a megabyte costs no more than this.
    let value = beginning(value, MAX_LENGTH);
    let joined = without_spaces_at_colons(value);
    let mut rest = &*joined;
    while let Some(token) = next_token(&mut rest) {
        found.take(token, rest)?;
    }
    found.time_ms()
}

/// "8 : 49 : 37" as one token (RFC 5322 §4.3).
fn without_spaces_at_colons(value: &str) -> Cow<'_, str> {
    let octets = value.as_bytes();
    let is_beside_blank = |at: usize| {
        let around = [at.checked_sub(1).and_then(|before| octets.get(before)), octets.get(at + 1)];
        around.into_iter().flatten().any(|octet| !octet.is_ascii_alphanumeric())
    };
    match memchr::memchr_iter(b':', octets).any(is_beside_blank) {
        true => Cow::Owned(value.split(':').map(str::trim).collect::<Vec<_>>().join(":")),
        false => Cow::Borrowed(value),
    }
}

/// What the tokens of a date have told so far, in whatever order they came.
#[derive(Default)]
struct Found {
    day: Option<u8>,
    month: Option<Month>,
    year: Option<i32>,
    time: Option<Time>,
    is_leap: bool,
    /// Minutes east of Greenwich, by number and by name.
    zone: Option<i64>,
    zone_name: Option<i64>,
    /// Tokens so far.
    tokens: usize,
    /// The month is the first word: perhaps it was the day of the week, `Mar` for a Tuesday.
    is_first: bool,
}

enum Token<'a> {
    /// Letters.
    Word(&'a str),
    /// Digits.
    Number(&'a str),
    /// Three numbers and what stands between them.
    Date([&'a str; 3], u8),
    /// `8:49:37`, the hour first.
    Clock(&'a str),
    /// A sign, and digits with or without a colon.
    Offset(bool, &'a str),
}

impl Found {
    /// None if the token makes it no date. `rest` follows it.
    fn take(&mut self, token: Token<'_>, rest: &str) -> Option<()> {
        match token {
            Token::Word(word) => self.word(word, rest)?,
            Token::Number(digits) => self.number(digits)?,
            Token::Date(numbers, between) => self.date(numbers, between)?,
            Token::Clock(clock) if self.time.is_none() => {
                let (time, is_leap) = time(clock)?;
                (self.time, self.is_leap) = (Some(time), is_leap);
            }
            Token::Clock(_) => return None,
            Token::Offset(is_east, digits) if self.time.is_some() => {
                let minutes = offset(digits)?;
                self.zone.get_or_insert(if is_east { minutes } else { -minutes });
            }
            // The hyphens of "06-Nov-94" part tokens.
            Token::Offset(_, digits) => self.number(digits)?,
        }
        self.tokens += 1;
        Some(())
    }

    fn word(&mut self, word: &str, rest: &str) -> Option<()> {
        let is_weekday = self.tokens == 0 && rest.trim_start().starts_with([',', '.']);
        if let Some(time) = self.time.filter(|_| is_any(word, &["AM", "PM"])) {
            self.time =
                Some(of_twelve(time, word.as_bytes().first()?.eq_ignore_ascii_case(&b'p'))?);
        } else if let Some(month) = month(word).filter(|_| !is_weekday) {
            if self.month.is_none() || self.is_first {
                (self.month, self.is_first) = (Some(month), self.tokens == 0);
            }
        } else if self.time.is_some() {
            self.zone_word(word)?;
        } else if !(self.tokens == 0 || is_any(word, &["T", "at", "of", "th", "st", "nd", "rd"])) {
            return None;
        }
        Some(())
    }

    /// A word behind the time. Names that we do not know count as UTC (RFC 5322 §4.3), but only what
    /// may be the name of a zone.
    fn zone_word(&mut self, word: &str) -> Option<()> {
        match zones::minutes(word) {
            Some(minutes) => _ = self.zone_name.get_or_insert(minutes),
            // "MET DST"
            None if word.eq_ignore_ascii_case("DST") => *self.zone_name.get_or_insert(0) += 60,
            // The number said it already, as in "+0200 W. Europe Daylight Time".
            None if self.zone.is_some() => {}
            None if self.zone_name.is_none() && word.len() <= 5 && word.is_ascii() => {
                self.zone_name = Some(0);
            }
            None => return None,
        }
        Some(())
    }

    fn number(&mut self, digits: &str) -> Option<()> {
        let number: u16 = digits.parse().ok()?;
        if digits.len() >= 3 && self.year.is_none() {
            self.year = Some(match (digits.len(), number) {
                // RFC 5322 §4.3: three digits count from 1900.
                (3, _) => 1900 + i32::from(number),
                (4, _) => i32::from(number),
                _ => return None,
            });
        } else if digits.len() <= 2 && self.day.is_none() {
            self.day = Some(u8::try_from(number).ok()?);
        } else if digits.len() == 2 && self.year.is_none() {
            // RFC 5322 §4.3: two digits mean 1950 to 2049.
            self.year = Some(i32::from(number) + if number < 50 { 2000 } else { 1900 });
        } else if self.zone.is_none() {
            return None;
        }
        Some(())
    }

    /// `2026-01-31`, `2026/1/31`, `31.1.2026`, and with slashes in the other order if only one of
    /// the two readings is a date.
    fn date(&mut self, numbers: [&str; 3], between: u8) -> Option<()> {
        let [first, second, third] = numbers;
        let (year, month, day) = match (first.len(), third.len(), between) {
            (4, 1..=2, _) => (first, second, third),
            (1..=2, 4, b'.') => (third, second, first),
            (1..=2, 4, _) => match (first.parse::<u8>().ok()?, second.parse::<u8>().ok()?) {
                (day, month) if day > 12 || day == month => (third, second, first),
                (_, day) if day > 12 => (third, first, second),
                _ => return None,
            },
            _ => return None,
        };
        if self.year.is_some() || self.month.is_some() || self.day.is_some() {
            return None;
        }
        self.year = Some(year.parse().ok()?);
        self.month = Month::try_from(month.parse::<u8>().ok()?).ok();
        self.day = day.parse().ok();
        Some(())
    }

    fn time_ms(self) -> Option<i64> {
        // RFC 5322 §3.3: a year has four digits and is not before 1900. `0026` may be 2026, or what a program
        // writes that had no date.
        let year = self.year.filter(|year| *year >= 1900)?;
        let date = Date::from_calendar_date(year, self.month?, self.day?).ok()?;
        let time = self.time.unwrap_or(Time::MIDNIGHT);
        let seconds = date.with_time(time).assume_utc().unix_timestamp();
        let zone = self.zone.or(self.zone_name).unwrap_or(0);
        Some((seconds + i64::from(self.is_leap) - zone * 60) * 1000)
    }
}

/// The next token; comments are passed over, and what parts tokens.
fn next_token<'a>(rest: &mut &'a str) -> Option<Token<'a>> {
    loop {
        let start = rest.find(|c: char| c.is_alphanumeric() || matches!(c, '+' | '-' | '('))?;
        let from = &rest[start..];
        let first = from.chars().next()?;
        match first {
            // Most often the zone's name, which the number said already.
            '(' => *rest = behind_comment(from),
            '+' | '-' => {
                let digits = run(&from[1..], |c| c.is_ascii_digit() || c == ':');
                *rest = &from[1 + digits.len()..];
                if !digits.is_empty() {
                    return Some(Token::Offset(first == '+', digits));
                }
            }
            '0'..='9' => return Some(number(from, rest)),
            _ => {
                let word = run(from, char::is_alphabetic);
                // A letter that is none to us must not stop us.
                *rest = &from[word.len().max(first.len_utf8())..];
                return Some(Token::Word(word));
            }
        }
    }
}

/// A number, a time, or three numbers that are a date.
fn number<'a>(from: &'a str, rest: &mut &'a str) -> Token<'a> {
    let digits = run(from, |c| c.is_ascii_digit() || c == ':');
    let after = &from[digits.len()..];
    *rest = after;
    if digits.contains(':') {
        // A fraction of a second is not kept.
        if let Some(fraction) = after.strip_prefix(['.', ',']) {
            *rest = fraction.trim_start_matches(|c: char| c.is_ascii_digit());
        }
        return Token::Clock(digits);
    }
    let between = after.as_bytes().first().copied().filter(|it| b"-/.".contains(it));
    if let Some(between) = between {
        let second = run(&after[1..], |c| c.is_ascii_digit());
        let behind = &after[1 + second.len()..];
        if !second.is_empty() && behind.as_bytes().first() == Some(&between) {
            let third = run(&behind[1..], |c| c.is_ascii_digit());
            *rest = &behind[1 + third.len()..];
            return Token::Date([digits, second, third], between);
        }
        // "06-Nov-94", "6. Nov"
        *rest = &after[1..];
    }
    Token::Number(digits)
}

fn run(text: &str, is_inside: impl Fn(char) -> bool) -> &str {
    &text[..text.find(|c: char| !is_inside(c)).unwrap_or(text.len())]
}

/// What follows a comment; comments nest.
fn behind_comment(from: &str) -> &str {
    let mut depth = 0_usize;
    for (at, octet) in from.bytes().enumerate() {
        match octet {
            b'(' => depth += 1,
            b')' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return &from[at + 1..];
        }
    }
    ""
}

/// `hour:minute[:second]`, and whether a second is to be added: second 60 is a leap second (RFC 5322
/// §3.3), which computers count as the next.
fn time(token: &str) -> Option<(Time, bool)> {
    let mut numbers = token.split(':').map(str::parse::<u8>);
    let hour = numbers.next()?.ok()?;
    let minute = numbers.next()?.ok()?;
    let second = numbers.next().map_or(Some(0), Result::ok).filter(|it| *it <= 60)?;
    let time = Time::from_hms(hour, minute, second.min(59)).ok()?;
    numbers.next().is_none().then_some((time, second == 60))
}

/// The time that twelve hours and AM or PM mean. Some write PM behind an hour of 24.
fn of_twelve(time: Time, is_pm: bool) -> Option<Time> {
    let hour = match (time.hour(), is_pm) {
        (12, false) => 0,
        (hour @ 1..=11, true) => hour + 12,
        (13.., false) => return None,
        (hour, _) => hour,
    };
    time.replace_hour(hour).ok()
}

/// `hhmm`, `hh:mm`, `hh` or `h` in minutes. Three digits may be read in two ways.
fn offset(digits: &str) -> Option<i64> {
    let (hours, minutes) = match (digits.split_once(':'), digits.len()) {
        (Some((hours, minutes)), _) if minutes.len() == 2 => (hours, minutes),
        (None, 1 | 2) => (digits, "0"),
        (None, 4) => digits.split_at(2),
        _ => return None,
    };
    let (hours, minutes): (i64, i64) = (hours.parse().ok()?, minutes.parse().ok()?);
    (hours < 24 && minutes < 60).then_some(hours * 60 + minutes)
}

fn is_any(word: &str, all: &[&str]) -> bool {
    all.iter().any(|it| word.eq_ignore_ascii_case(it))
}

/// A month by its English name, or the three letters of it.
fn month(word: &str) -> Option<Month> {
    const NAMES: [&str; 12] = [
        "january",
        "february",
        "march",
        "april",
        "may",
        "june",
        "july",
        "august",
        "september",
        "october",
        "november",
        "december",
    ];
    let is = |name: &str| {
        word.eq_ignore_ascii_case(name)
            || word.eq_ignore_ascii_case(&name[..3])
            || (name.starts_with("sept") && word.eq_ignore_ascii_case("sept"))
    };
    let index = NAMES.iter().position(|name| is(name))?;
    Month::try_from(index as u8 + 1).ok()
}

/// Longest date we look at, in octets; the longest sensible one has about 60.
const MAX_LENGTH: usize = 200;

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
            "1994-11-06T10:49:37+02",
            "Sun, 06 November 1994 08:49:37",
            "(a comment) Sun, 06 Nov 1994 08:49:37 -0000",
            "Sun Nov 06 1994 10:49:37 GMT+0200 (CEST)",
            "Sun, 6 Nov 1994 10:49:37 GMT+2",
            "Sun, 6 Nov 1994 10:49:37 UTC+02:00",
            "Sun, 6 Nov 1994 03:49:37 -05",
            "Sun, 6 Nov 1994 08:49:37 AM +0000",
            "Dim, 6 Nov 1994 08:49:37 Z",
            "Вс, 6 Nov 1994 08:49:37 +0000",
            "Mar 6 Nov 1994 08:49:37 +0000",
            "6.11.1994 08:49:37",
            "1994/11/06 08:49:37",
            "Sun, 6 Nov 1994 10:49:37 MET DST",
            "Sun, 6 Nov 1994 09:49:37 +0100 W. Europe Standard Time",
            "Sunday, November 6, 1994 08:49:37",
            "Sun, 6. Nov 1994 08:49:37 XYZ",
            "Sun , 6 Nov 94 08 : 49 : 37 GMT",
        ] {
            assert_eq!(parse(value), Some(784_111_777_000), "{value}");
        }
        assert_eq!(parse("6 Nov 1994 08:49 +0000"), Some(784_111_740_000));
        assert_eq!(parse("1 Jan 1970 00:00:00 +0000"), Some(0));
        assert_eq!(parse("31 Dec 2016 23:59:60 +0000"), Some(1_483_228_800_000));
    }

    #[test]
    fn twelve_hours() {
        let noon = parse("6 Nov 1994 12:00:00 +0000").unwrap_or_default();
        let hours = |value: &str| parse(value).map(|it| (it - noon) / 3_600_000);
        assert_eq!(hours("6 Nov 1994 12:00:00 PM"), Some(0));
        assert_eq!(hours("6 Nov 1994 12:00 am"), Some(-12));
        assert_eq!(hours("6 Nov 1994 05:00:00 PM +0000"), Some(5));
        assert_eq!(hours("6 Nov 1994 17:00:00 PM"), Some(5));
        assert_eq!(hours("6 Nov 1994 17:00:00 AM"), None);
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
            "Mar 2 avr. 2024 10:00:00",
            "Mar, 02 2024 10:00:00",
            "02/03/2024 10:00:00",
            "6 Nov 1994 25:00:00",
            "6 Nov 1994 08:49:77",
            "6 Nov 1994 08:49:37 +100",
            "6 Nov 1994 08:49:37 +0075",
            "6 Nov 1994 08:49:37 Pacific Standard Time",
            "6 Nov 1994 08:49:37 W. Europe Standard Time",
            "6 Nov 1994 1995 08:49:37",
            "6 Nov 1994 08:49:37 09:50:00",
            "=?utf-8?Q?Fri?=",
            "6 Nov 19945",
            "6 Nov 0026 08:49:37",
            "Mon, 01 Jan 0001 00:00:00 +0000",
            "0026-11-06T08:49:37Z",
            "6.11.0026 08:49:37",
            "1 Jan 1601 00:00:00 +0000",
        ] {
            assert_eq!(parse(value), None, "{value}");
        }
    }
}
