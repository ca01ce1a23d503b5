//! The one-time codes of a message, such as `493 207`: what most people open such a mail for, and what
//! a test of a sign-in waits for.
//!
//! A guess, and rather none than a wrong one: something in the shape of a code counts only near a word
//! that says what it is, in its line or in the lines around it if it stands alone in its own.

mod digits;
mod words;

use std::borrow::Cow;

use self::{
    digits::plain,
    words::{
        DIRECT, DIRECT_ENDS, DOCUMENTS, ENDING, ENTER, KEYWORDS, NOT_CODES, OTHERS, PURPOSES,
        UNITS, USE,
    },
};

/// Something that people are to type where they sign in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Code {
    /// Without the spaces that group its digits.
    pub value: String,
    /// The text says of it that it is the code, or shows it alone below the word.
    pub is_sure: bool,
}

/// The codes in texts of a message, best first, each once, five at most.
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
            for candidate in candidates(&line.text) {
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
    text: Cow<'a, str>,
    /// Places of words such as "code", in octets.
    words: Vec<(usize, usize)>,
    /// It has no small letter: its words in capitals are words.
    is_shouted: bool,
}

impl<'a> Line<'a> {
    fn new(text: &'a str) -> Self {
        let text = plain(super::text::beginning(text, LONGEST_LINE));
        let words = keywords(&lower(&text));
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
        let score = near.max().unwrap_or(0).max(self.told(candidate));
        let is_word = candidate.is_word() && self.is_shouted;
        // A year, a word in capitals or small letters need more than a word somewhere in the line.
        if is_word || (candidate.is_weak && score < DIRECTLY) { 0 } else { score }
    }

    /// What it says to do with it: "enter 1234", "use 1234 to sign in".
    fn told(&self, candidate: &Candidate) -> u32 {
        let (Some(before), Some(behind)) =
            (self.text.get(..candidate.start), self.text.get(candidate.end..))
        else {
            return 0;
        };
        let is_mark = |c: char| !c.is_alphanumeric();
        let last = before.trim_end_matches(is_mark).rsplit(is_mark).next().unwrap_or_default();
        let behind = lower(behind.trim_start_matches(is_mark));
        let is_any = |all: &[&str]| all.iter().any(|word| lower(last) == *word);
        let is_for = PURPOSES.iter().any(|purpose| behind.starts_with(purpose));
        match (is_any(ENTER), is_any(USE)) {
            (true, _) | (_, true) if is_for => SURE,
            (true, _) => ENOUGH,
            _ => 0,
        }
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
        let is_shaped = is_shaped && !is_masked(&value) && !is_document(&value);
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

/// The number of something on paper: `INV-20261`.
fn is_document(token: &str) -> bool {
    let (kind, number) = series(token);
    let is_long = kind.len() > 2 || number.starts_with('-');
    is_long && !number.is_empty() && DOCUMENTS.iter().any(|it| kind.eq_ignore_ascii_case(it))
}

/// The letters that a number begins with, and the number; nothing, if it is mixed otherwise.
fn series(token: &str) -> (&str, &str) {
    let end = token.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(token.len());
    let (kind, number) = token.split_at(end);
    match number.bytes().all(|c| c.is_ascii_digit() || c == b'-') {
        true => (kind, number),
        false => ("", ""),
    }
}

/// Years, words in capitals, what has small letters, and numbers of a series.
fn is_weak(value: &str) -> bool {
    let (kind, number) = series(value);
    let is_year = value.len() == 4 && (value.starts_with("19") || value.starts_with("20"));
    is_year
        || (kind.len() > 2 && number.starts_with('-'))
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
mod tests;
