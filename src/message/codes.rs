//! The one-time codes of a message, such as `493 207`: what most people open such a mail for, and what
//! a test of a sign-in waits for.
//!
//! A guess, and rather none than a wrong one: something in the shape of a code counts only near a word
//! that says what it is, in its line or in the lines around it if it stands alone in its own.

mod words;

use self::words::{DIRECT, DIRECT_ENDS, ENDING, KEYWORDS, NOT_CODES, OTHERS, UNITS};

/// Something that people are to type where they sign in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Code {
    /// Without the spaces that group its digits.
    pub value: String,
    /// The text says of it that it is the code, or shows it alone below the word.
    pub is_sure: bool,
}

/// The codes in texts of a message, best first, each once, [`MOST_CODES`] at most.
pub fn codes<'a>(texts: impl IntoIterator<Item = &'a str>) -> Vec<Code> {
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
    good.map(|(score, value)| Code { value, is_sure: score >= SURE }).take(MOST_CODES).collect()
}

/// A line and where it speaks of codes.
struct Line<'a> {
    text: &'a str,
    /// Places of words such as "code", in octets.
    words: Vec<(usize, usize)>,
    /// It has no small letter: its words in capitals are words.
    is_shouted: bool,
}

impl<'a> Line<'a> {
    fn new(text: &'a str) -> Self {
        let text = super::text::beginning(text, LONGEST_LINE);
        let words = keywords(&lower(text));
        let is_shouted = !text.contains(char::is_lowercase);
        Self { text, words, is_shouted }
    }

    /// What the line itself says of a candidate in it.
    fn score(&self, candidate: &Candidate) -> u32 {
        let near = self.words.iter().filter_map(|&(start, end)| {
            // "Your code is 1234", "code: 1234", "OTP for card 99 is 1234"
            if let Some(between) = self.text.get(end..candidate.start) {
                let is_direct = is_direct(between);
                return (between.len() <= FAR_BEFORE).then_some(if is_direct {
                    DIRECTLY
                } else {
                    3
                });
            }
            // "1234 is your code"
            let between = self.text.get(candidate.end..start)?;
            let first = lower(between.split_whitespace().next().unwrap_or_default());
            let says = first == "as" || DIRECT.contains(&first.as_str());
            let is_near = between.len() <= FAR_BEHIND && !between.contains(". ");
            is_near.then_some(if says { SURE } else { 3 })
        });
        let told = self.text.get(..candidate.start).unwrap_or_default().trim_end();
        let is_told = told
            .get(told.len().saturating_sub(5)..)
            .is_some_and(|it| it.eq_ignore_ascii_case("enter"));
        let score = near.max().unwrap_or(0).max(3 * u32::from(is_told));
        let is_word = candidate.is_word() && self.is_shouted;
        // A year, a word in capitals or small letters need more than a word somewhere in the line.
        if is_word || (candidate.is_weak && score < DIRECTLY) { 0 } else { score }
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
        Some(_)
            if candidate.is_word() && lines.get(at).is_some_and(|line| line.text.contains(' ')) =>
        {
            0
        }
        Some(index) if index + 1 == at => SURE - u32::from(candidate.is_word()),
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

impl Candidate {
    /// Without a digit in it.
    fn is_word(&self) -> bool {
        self.value.bytes().all(|c| c.is_ascii_alphabetic())
    }
}

/// True if what stands between a word and a candidate says that this is it.
fn is_direct(between: &str) -> bool {
    let between =
        between.trim().trim_end_matches(['"', '\'', '*', '[', '(', '“', '「', '【', '<']).trim();
    // A sentence that ends says no more of what follows.
    let is_one =
        !between.contains(". ") && !between.contains("! ") && !between.contains(['。', '！']);
    let last = between.rsplit(char::is_whitespace).next().unwrap_or_default();
    let says = |all: &[&str]| all.iter().any(|word| lower(last) == *word);
    between.is_empty()
        || DIRECT_ENDS.iter().any(|end| between.ends_with(end))
        || (is_one && says(&DIRECT))
}

/// Small letters, each as long as it was, so that places stay.
fn lower(text: &str) -> String {
    let small = |c: char| {
        let mut all = c.to_lowercase();
        all.next()
            .filter(|small| all.next().is_none() && small.len_utf8() == c.len_utf8())
            .unwrap_or(c)
    };
    text.chars().map(small).collect()
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
        let is_shaped = is_shaped && !is_masked(&value);
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
    if token.bytes().any(|c| c.is_ascii_lowercase()) {
        return is_mixed(token);
    }
    if digits + capitals + hyphens != token.len() || token.starts_with('-') || token.ends_with('-')
    {
        return false;
    }
    match (digits, capitals, hyphens) {
        (digits, 0, 0) => (4..=MOST_DIGITS).contains(&digits),
        (_, 0, 1..) => is_grouped(&token.split('-').map(str::len).collect::<Vec<_>>()),
        (0, capitals, 0) => (5..=10).contains(&capitals),
        (0, ..) => false,
        (digits, capitals, _) => {
            (5..=14).contains(&(digits + capitals)) && hyphens <= 3 && !token.contains("--")
        }
    }
}

/// True for small letters with digits in them: `k4tx9q`, but neither `15min` nor `covid19`.
fn is_mixed(token: &str) -> bool {
    let digits = token.bytes().filter(u8::is_ascii_digit).count();
    let is_counted = token
        .trim_start_matches(|c: char| c.is_ascii_digit())
        .bytes()
        .all(|c| c.is_ascii_alphabetic());
    let is_named = token
        .trim_end_matches(|c: char| c.is_ascii_digit())
        .bytes()
        .all(|c| c.is_ascii_alphabetic());
    let is_plain = token.bytes().all(|c| c.is_ascii_alphanumeric());
    is_plain
        && (5..=10).contains(&token.len())
        && digits > 0
        && !is_counted
        && (!is_named || digits > 2)
}

/// Years, words in capitals, and what has small letters.
fn is_weak(value: &str) -> bool {
    let is_year = value.len() == 4 && (value.starts_with("19") || value.starts_with("20"));
    is_year
        || value.bytes().all(|c| c.is_ascii_uppercase())
        || value.bytes().any(|c| c.is_ascii_lowercase())
}

/// The last digits of a card or an account: `XX1245`.
fn is_masked(token: &str) -> bool {
    let digits = token.trim_start_matches(['X', 'x']);
    token.len() - digits.len() >= 2
        && digits.len() <= 6
        && digits.bytes().all(|c| c.is_ascii_digit())
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

/// True if the words before say that it is the number of something else: "order 1234", "card ending in
/// 1234".
fn is_named_otherwise(before: &str) -> bool {
    let trimmed = before.trim_end();
    let mut words = trimmed.rsplit(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    let last = lower(words.next().unwrap_or_default());
    let one_before = lower(words.next().unwrap_or_default());
    // "**123456**" is emphasis, "****1234" a card.
    let is_marked = ["#", "№", "••", "***"].iter().any(|mark| trimmed.ends_with(mark));
    is_marked || OTHERS.contains(&last.as_str()) || ENDING.contains(&one_before.as_str())
}

/// Where a line, in lower case, speaks of a code.
fn keywords(lower: &str) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    // Scripts without spaces, and those whose prepositions are part of the word.
    let joins = |c: char| matches!(c, '\u{590}'..='\u{6ff}' | '\u{e00}'..='\u{e7f}' | '\u{3040}'..);
    for &word in KEYWORDS {
        for (start, _) in lower.match_indices(word).take(20) {
            let end = start + word.len();
            let letter = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
            // "codes" is a word of the same kind, "decode" and "spinning" are not.
            let behind = lower[end..].strip_prefix('s').unwrap_or(&lower[end..]);
            let joined =
                letter(lower[..start].chars().next_back()) || letter(behind.chars().next());
            let may_join = word.starts_with(joins);
            let before = lower[..start].trim_end_matches([' ', '-']);
            let qualified = NOT_CODES.iter().any(|other| before.ends_with(other));
            if !(qualified || joined && !may_join) {
                found.push((start, end));
            }
        }
    }
    found
}

/// Octets between a word and a code behind it, and before it.
const FAR_BEFORE: usize = 60;
const FAR_BEHIND: usize = 40;

/// What the text says of a code in so many words, and from where on we are sure.
const DIRECTLY: u32 = 6;
const SURE: u32 = 4;

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
        let found: Vec<_> = codes([text]).into_iter().map(|code| code.value).collect();
        assert_eq!(found, expected, "{text:?}");
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
    fn the_right_one_first() {
        check("OTP for card (XX1245) is 811739 (valid for 10 mins).", &["811739"]);
        check("PLEASE ENTER THE CODE BELOW TO VERIFY\n\n123456", &["123456"]);
        check("USE THIS CODE: 123456", &["123456"]);
        check("Code for your card ending in 4711: 902134", &["902134"]);
        check("Your code for account ****5518 is 73912", &["73912"]);
        check("482913 is your code for order 778812 of 2026-11-20", &["482913"]);
        check("The code for room 4021 is 8855. It was 1200 EUR.", &["8855"]);
        check("Use code 5512 to confirm the payment of INR 15000 at 1530 hrs", &["5512"]);
        check("Your verification code is k4tx9q", &["k4tx9q"]);
        check("Security code\n\naB3dE5", &["aB3dE5"]);
        check("Your code works with windows11 and lasts 15min", &[]);
        check("Your code is below.\nIt was sent on 2026-11-20", &[]);
    }

    #[test]
    fn in_many_languages() {
        for text in [
            "Tu código de verificación es 123456",
            "Tu clave es: 123456",
            "Seu código de confirmação é 123456",
            "Votre code de connexion : 123456",
            "Ihr Anmeldecode lautet 123456",
            "Il tuo codice di verifica è 123456",
            "Je verificatiecode is 123456",
            "Twój kod weryfikacyjny to 123456",
            "Doğrulama kodunuz: 123456",
            "DOĞRULAMA KODU 123456",
            "Код подтверждения: 123456",
            "Ваш код — 123456",
            "Ваш код підтвердження: 123456",
            "Ο κωδικός σας είναι 123456",
            "קוד האימות שלך: 123456",
            "הקוד שלך הוא 123456",
            "رمز التحقق: 123456",
            "رمز التحقق الخاص بك هو 123456",
            "आपका सत्यापन कोड 123456 है",
            "Mã xác minh của bạn là 123456",
            "รหัสยืนยันของคุณคือ 123456",
            "您的验证码为123456",
            "驗證碼：123456",
            "認証番号：123456",
            "確認コードは123456です。",
            "인증 코드: 123456",
            "인증번호 [123456]를 입력하세요",
            "Din kod är 123456",
            "Kode verifikasi Anda adalah 123456",
            "Ověřovací kód: 123456",
        ] {
            let code = Code { value: "123456".into(), is_sure: true };
            assert_eq!(codes([text]), [code], "{text}");
        }
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
            "La mãe tem 123456",
            "Code of card ending in 4711",
            "KEEP YOUR CODE SECRET ALWAYS",
            "spinning 123456 decode 654321",
            "> Your code is 123456",
            "",
        ] {
            check(text, &[]);
        }
    }

    #[test]
    fn of_all_texts_each_once() {
        let both = codes(["Your code is 123456", "<b>Your code</b>\n123456"]);
        assert_eq!(both, [Code { value: "123456".into(), is_sure: true }]);
        let many: String = (0..100).map(|n| format!("code: {}\n", 100_000 + n)).collect();
        assert_eq!(codes([many.as_str()]).len(), MOST_CODES);
        codes(["code ".repeat(1_000_000).as_str(), "1 ".repeat(1_000_000).as_str()]);
    }
}
