//! The one-time codes of a message, such as `493 207`: what most people open such a mail for, and what
//! a test of a sign-in waits for.
//!
//! A guess, and rather none than a wrong one: something in the shape of a code counts only near a word
//! that says what it is, in its line or in the lines around it if it stands alone in its own.

/// The codes in texts of a message, best first, each once, [`MOST_CODES`] at most. Spaces that group
/// digits are taken out.
pub fn codes<'a>(texts: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let mut found: Vec<(u32, String)> = Vec::new();
    for text in texts {
        let lines: Vec<Line<'_>> = text
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty() && !line.starts_with('>'))
            .take(MOST_LINES)
            .map(Line::new)
            .collect();
        for (at, line) in lines.iter().enumerate() {
            for candidate in candidates(line.text) {
                let score = line.score(&candidate) + around(&lines, at, &candidate);
                if score < ENOUGH {
                    continue;
                }
                match found.iter_mut().find(|(_, value)| *value == candidate.value) {
                    Some((known, _)) => *known = (*known).max(score),
                    None => found.push((score, candidate.value)),
                }
            }
        }
    }
    // The sort is stable: of equals, the first in the text is the first.
    found.sort_by_key(|(score, _)| std::cmp::Reverse(*score));
    let best = found.first().map_or(0, |(score, _)| *score);
    let good = found.into_iter().filter(|(score, _)| score + LEEWAY >= best);
    good.map(|(_, value)| value).take(MOST_CODES).collect()
}

/// A line and where it speaks of codes.
struct Line<'a> {
    text: &'a str,
    /// Places of words such as "code", in octets.
    words: Vec<(usize, usize)>,
}

impl<'a> Line<'a> {
    fn new(text: &'a str) -> Self {
        let text = super::text::beginning(text, LONGEST_LINE);
        let lower = text.to_lowercase();
        // Lower case may have another length; then places would lie, so the line says nothing.
        let words = if lower.len() == text.len() { keywords(&lower) } else { Vec::new() };
        Self { text, words }
    }

    /// What the line itself says of a candidate in it.
    fn score(&self, candidate: &Candidate) -> u32 {
        let near = self.words.iter().filter_map(|&(start, end)| {
            // "Your code is 1234", "code: 1234"
            if let Some(between) = self.text.get(end..candidate.start) {
                let between = between.trim().trim_end_matches(['"', '\'', '*', '[', '(']).trim();
                let is_direct = between.is_empty()
                    || between.ends_with([':', '：', '=', '-', '–'])
                    || DIRECT.iter().any(|word| between.eq_ignore_ascii_case(word));
                return (between.len() <= FAR_BEFORE).then_some(3 + 2 * u32::from(is_direct));
            }
            // "1234 is your code"
            let between = self.text.get(candidate.end..start)?;
            (between.len() <= FAR_BEHIND && !between.contains(". ")).then_some(3)
        });
        let told = self.text.get(..candidate.start).unwrap_or_default().trim_end();
        let is_told = told
            .get(told.len().saturating_sub(5)..)
            .is_some_and(|it| it.eq_ignore_ascii_case("enter"));
        let score = near.max().unwrap_or(0).max(3 * u32::from(is_told));
        // A year, a word in capitals or four digits need more than a word somewhere in the line.
        if candidate.is_weak && score < 5 { 0 } else { score }
    }

    fn is_alone(&self, candidate: &Candidate) -> bool {
        let outside = |c: char| !c.is_alphanumeric();
        let before = self.text.get(..candidate.start).is_some_and(|text| text.chars().all(outside));
        before && self.text.get(candidate.end..).is_some_and(|text| text.chars().all(outside))
    }
}

/// What the lines around say of a candidate that stands alone in its line.
fn around(lines: &[Line<'_>], at: usize, candidate: &Candidate) -> u32 {
    let speaks = |index: usize| lines.get(index).is_some_and(|line| !line.words.is_empty());
    if !lines.get(at).is_some_and(|line| line.is_alone(candidate)) {
        return 0;
    }
    let before = (1..=3).filter_map(|step| at.checked_sub(step)).find(|&index| speaks(index));
    match before {
        Some(index) if index + 1 == at => 4,
        Some(_) if !candidate.is_weak => 3,
        _ => 3 * u32::from(speaks(at + 1) && !candidate.is_weak),
    }
}

/// Something in the shape of a code.
#[derive(Debug)]
struct Candidate {
    value: String,
    /// Its place in the line, in octets.
    start: usize,
    end: usize,
    /// It may well be something else.
    is_weak: bool,
}

/// Everything in a line that has the shape of a code and does not stand where a code never does.
fn candidates(line: &str) -> Vec<Candidate> {
    let tokens = tokens(line);
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(&(start, end)) = tokens.get(at) {
        let numbers = numbers(line, &tokens[at..]);
        let end = numbers.last().map_or(end, |(_, end)| *end);
        at += numbers.len().max(1);
        let lengths: Vec<usize> = numbers.iter().map(|(start, end)| end - start).collect();
        let value = line[start..end].replace([' ', '\u{a0}'], "");
        let is_shaped = if numbers.len() > 1 { is_grouped(&lengths) } else { is_code(&value) };
        if is_shaped && is_free(line, start, end) && !is_named_otherwise(&line[..start]) {
            let is_weak = is_weak(&value);
            found.push(Candidate { value, start, end, is_weak });
        }
    }
    found
}

/// The runs of letters, digits and hyphens.
fn tokens(line: &str) -> Vec<(usize, usize)> {
    let is_inside = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let mut tokens = Vec::new();
    let mut start = None;
    for (at, c) in line.char_indices().chain([(line.len(), ' ')]) {
        match (start, is_inside(c)) {
            (None, true) => start = Some(at),
            (Some(from), false) => {
                tokens.push((from, at));
                start = None;
            }
            _ => {}
        }
    }
    tokens
}

/// The tokens that are numbers in a row, with one space between them.
fn numbers<'t>(line: &str, tokens: &'t [(usize, usize)]) -> &'t [(usize, usize)] {
    let is_number =
        |&(start, end): &(usize, usize)| line[start..end].bytes().all(|c| c.is_ascii_digit());
    let mut length = usize::from(tokens.first().is_some_and(is_number));
    while length > 0
        && let [.., (_, last), next] = tokens.get(..=length).unwrap_or_default()
        && matches!(&line[*last..next.0], " " | "\u{a0}")
        && is_number(next)
    {
        length += 1;
    }
    &tokens[..length]
}

/// True for numbers of these lengths if codes are grouped so; a longer row is a telephone number or
/// a table.
fn is_grouped(lengths: &[usize]) -> bool {
    let is_single = (4..=MOST_DIGITS).contains(&lengths.len()) && lengths.iter().all(|&it| it == 1);
    is_single || matches!(lengths, [3, 3] | [4, 4] | [2, 2] | [2, 2, 2] | [3, 3, 3])
}

/// True for 4 to 8 digits, and for capitals with digits, perhaps in groups: `K4TX9Q`, `XK4-P9Q`.
fn is_code(token: &str) -> bool {
    let count = |of: fn(&u8) -> bool| token.bytes().filter(of).count();
    let (digits, capitals) = (count(u8::is_ascii_digit), count(u8::is_ascii_uppercase));
    let hyphens = count(|c| *c == b'-');
    if digits + capitals + hyphens != token.len() || token.starts_with('-') || token.ends_with('-')
    {
        return false;
    }
    match (digits, capitals, hyphens) {
        (digits, 0, 0) => (4..=MOST_DIGITS).contains(&digits),
        (digits, 0, 1) => digits == 6 && token.find('-') == Some(3),
        (0, capitals, 0) => (5..=10).contains(&capitals),
        (0, ..) => false,
        (digits, capitals, _) => {
            (5..=14).contains(&(digits + capitals)) && hyphens <= 3 && !token.contains("--")
        }
    }
}

/// Years, four digits, and words in capitals.
fn is_weak(value: &str) -> bool {
    let is_year = value.len() == 4 && (value.starts_with("19") || value.starts_with("20"));
    is_year || value.bytes().all(|c| c.is_ascii_uppercase())
}

/// False in an address, a sum, a date or a telephone number.
fn is_free(line: &str, start: usize, end: usize) -> bool {
    let mut before = line[..start].chars().rev();
    let mut behind = line[end..].chars();
    let is_digit = |c: Option<char>| c.is_some_and(|c| c.is_ascii_digit());
    let free_before = match before.next() {
        Some(
            '/' | '@' | '=' | '&' | '?' | '#' | '_' | '~' | '+' | '$' | '€' | '£' | '¥' | '\\',
        ) => false,
        Some('.' | ',' | ':') => !is_digit(before.next()),
        _ => true,
    };
    let free_behind = match behind.next() {
        Some('/' | '@' | '=' | '&' | '_' | '~' | '%' | '$' | '€' | '£' | '¥' | '\\') => false,
        Some('.' | ',' | ':') => !is_digit(behind.next()),
        Some(' ' | '\u{a0}') => !is_digit(behind.next()) && !is_unit(&line[end..]),
        _ => true,
    };
    free_before && free_behind
}

/// A word behind a number that tells what is counted.
fn is_unit(behind: &str) -> bool {
    let word = behind.split_whitespace().next().unwrap_or_default();
    UNITS.iter().any(|unit| word.trim_end_matches(['.', ',', ')']).eq_ignore_ascii_case(unit))
}

/// True if the word before says that it is the number of something else.
fn is_named_otherwise(before: &str) -> bool {
    let words = before.rsplit(|c: char| !c.is_alphanumeric());
    let last = words.into_iter().find(|word| !word.is_empty()).unwrap_or_default();
    before.trim_end().ends_with('#') || OTHERS.iter().any(|other| last.eq_ignore_ascii_case(other))
}

/// Where a line, in lower case, speaks of a code.
fn keywords(lower: &str) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    for word in KEYWORDS {
        for (start, _) in lower.match_indices(word).take(20) {
            let end = start + word.len();
            let letter = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
            let is_ascii = word.is_ascii();
            // "codes" is a word of the same kind, "decode" and "spinning" are not.
            let behind = lower[end..].strip_prefix('s').unwrap_or(&lower[end..]);
            let joined =
                letter(lower[..start].chars().next_back()) || letter(behind.chars().next());
            let before = lower[..start].trim_end_matches([' ', '-']);
            let qualified = NOT_CODES.iter().any(|other| before.ends_with(other));
            if !(qualified || is_ascii && joined) {
                found.push((start, end));
            }
        }
    }
    found
}

/// Words that say that a code is near. Those of scripts without spaces may stand inside others.
const KEYWORDS: [&str; 34] = [
    "code",
    "passcode",
    "pin",
    "otp",
    "tan",
    "one-time password",
    "one time password",
    "token",
    "verification",
    "2fa",
    "mfa",
    "einmalpasswort",
    "einmalkennwort",
    "bestätigungscode",
    "sicherheitscode",
    "anmeldecode",
    "zugangscode",
    "prüfcode",
    "code de vérification",
    "código",
    "codigo",
    "codice",
    "kode",
    "kod",
    "kód",
    "koodi",
    "koden",
    "wachtwoord",
    "verificatiecode",
    "код",
    "验证码",
    "驗證碼",
    "認証コード",
    "인증번호",
];

/// What makes another kind of code of the word behind it.
const NOT_CODES: [&str; 24] = [
    "zip",
    "postal",
    "post",
    "promo",
    "promotion",
    "discount",
    "coupon",
    "voucher",
    "gift",
    "error",
    "status",
    "area",
    "country",
    "source",
    "qr",
    "bar",
    "dress",
    "exit",
    "response",
    "http",
    "rabatt",
    "promotional",
    "referral",
    "invite",
];

/// Between a word and its code.
const DIRECT: [&str; 12] =
    ["is", "is:", "ist", "ist:", "lautet", "est", "es", "è", "to", "below", "of", "är"];

/// Words that name another number.
const OTHERS: [&str; 24] = [
    "order",
    "invoice",
    "ticket",
    "case",
    "ref",
    "reference",
    "no",
    "nr",
    "number",
    "bestellung",
    "bestellnummer",
    "rechnung",
    "tel",
    "phone",
    "fax",
    "build",
    "version",
    "account",
    "customer",
    "tracking",
    "zip",
    "plz",
    "room",
    "suite",
];

/// Words behind a number that is no code.
const UNITS: [&str; 28] = [
    "minutes", "minute", "min", "hours", "hour", "days", "day", "seconds", "eur", "usd", "gbp",
    "euro", "euros", "dollars", "percent", "points", "items", "tests", "people", "users", "times",
    "km", "kg", "kb", "mb", "gb", "minuten", "stunden",
];

/// Octets between a word and a code behind it, and before it.
const FAR_BEFORE: usize = 60;
const FAR_BEHIND: usize = 40;

/// What makes a candidate a code, and how much worse than the best another may be.
const ENOUGH: u32 = 3;
const LEEWAY: u32 = 1;

/// Most digits of a code.
const MOST_DIGITS: usize = 8;

/// Most codes told of one message.
const MOST_CODES: usize = 5;

/// How far we look: in lines of a text, and in octets of a line. Codes stand early.
const MOST_LINES: usize = 400;
const LONGEST_LINE: usize = 2_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        assert_eq!(codes([text]), expected, "{text:?}");
    }

    #[test]
    fn codes_are_found() {
        check("Your sign-in code is 493 207", &["493207"]);
        check("Enter 493 207 to sign in. It is good for ten minutes.", &["493207"]);
        check("Enter this code to sign in:\n\n  493207\n\nIt is good for 10 minutes.", &["493207"]);
        check("Your verification code\n\n8 2 4 1 9 3\n\nExpires in 15 minutes", &["824193"]);
        check("G-482910 is your Google verification code.", &["G-482910"]);
        check("Code: K4TX9Q", &["K4TX9Q"]);
        check("Use XK4-P9Q as your one-time password", &["XK4-P9Q"]);
        check("Your PIN is 2024.", &["2024"]);
        check("Ihr Bestätigungscode lautet: 771 204", &["771204"]);
        check("Votre code de vérification est 55-1204 ou 551204", &["551204"]);
        check("您的验证码是493207，请勿泄露。", &["493207"]);
        check("Ваш код: 5512", &["5512"]);
        check("Confirmation code:\nABCDEF", &["ABCDEF"]);
        check("OTP 123-456", &["123-456"]);
        check("123456\nis your login code", &["123456"]);
        check("*Security code:* **004512**", &["004512"]);
        check(
            "Hello Bob,\nyour code:\n1111\nor the backup codes:\n22223333\n44445555",
            &["1111", "22223333", "44445555"],
        );
    }

    #[test]
    fn other_numbers_are_left_alone() {
        for text in [
            "Order number 482910 has shipped",
            "Your order #482910 is on its way. Use promo code SAVE20 for the next one.",
            "ZIP code 90210",
            "Error code: 55012",
            "It is good for 15 minutes. The code of conduct of 2024 applies.",
            "Call us: +49 30 123 456 with your code at hand",
            "Total: 1234.56 EUR. Enter the code at the door.",
            "https://a.example/verify?code=493207",
            "https://a.example/code/493207",
            "The meeting is on 2026-11-20",
            "All 1204 tests passed. Coverage of code: 98.5%",
            "Copyright 2024 CODE Inc",
            "spinning 123456 decode 654321",
            "> Your code is 123456",
            "",
        ] {
            check(text, &[]);
        }
    }

    #[test]
    fn of_all_texts_each_once() {
        assert_eq!(codes(["Your code is 123456", "<b>Your code</b>\n123456"]), ["123456"]);
        let many: String = (0..100).map(|n| format!("code: {}\n", 100_000 + n)).collect();
        assert_eq!(codes([many.as_str()]).len(), MOST_CODES);
        codes(["code ".repeat(1_000_000).as_str(), "1 ".repeat(1_000_000).as_str()]);
    }
}
