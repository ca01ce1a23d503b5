//! The search language, as people type it.
//!
//! Forgiving where a term can only be meant as text (`12:30`, an open quote, a lone dash), strict where
//! an operator was clearly meant but cannot be obeyed, or where nothing is asked for: a search must not
//! quietly do less, for what it finds may be deleted.

use std::{borrow::Cow, fmt};

use time::{Date, Month, OffsetDateTime, format_description::well_known::Rfc3339};

use super::{
    Field, Query, Term, Test,
    signs::signs,
    words::{MAX_WORD, is_hashed, words},
};

/// Why a search could not be understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SearchError {
    /// What is the matter.
    pub problem: Problem,
    /// Where the term begins, in characters from the start of the search.
    pub position: usize,
}

/// What can be the matter with a search. An operator is named as it was typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// Nothing stands behind the operator.
    NoValue(String),
    /// What is to be looked for cannot be seen.
    NoSign,
    /// There is nothing in it.
    Nothing,
    /// The operator knows only these.
    Unknown(String, &'static [&'static str]),
    /// No day or time stands behind the operator.
    NoTime(String),
    /// No size stands behind the operator.
    NoSize(String),
    /// A term is negated that has an operator's colon and not its name: a slip there would find everything.
    NoOperator(String),
    /// The beginning of a word is longer than so many characters.
    LongBeginning(usize),
    /// More than so many terms.
    TooManyTerms(usize),
    /// More than so many words.
    TooManyWords(usize),
}

impl Query {
    /// Reads a search such as `from:ann "weekly report" -is:read larger:10k invo*`.
    pub fn parse(text: &str) -> Result<Self, SearchError> {
        let (mut terms, mut words) = (Vec::new(), 0);
        let mut rest = text.trim_start();
        while !rest.is_empty() {
            let start = text.len() - rest.len();
            // Counted only for an error: counting for each term would take the square of the length.
            let wrong = |problem| SearchError { problem, position: text[..start].chars().count() };
            let term = term(&mut rest).map_err(wrong)?;
            if let Test::Words { words: more, .. } = &term.test {
                words += more.len();
            }
            terms.push(term);
            if terms.len() > MAX_TERMS {
                return Err(wrong(Problem::TooManyTerms(MAX_TERMS)));
            }
            if words > MAX_WORDS {
                return Err(wrong(Problem::TooManyWords(MAX_WORDS)));
            }
            rest = rest.trim_start();
        }
        if terms.is_empty() {
            return Err(SearchError { problem: Problem::Nothing, position: 0 });
        }
        Ok(Self { terms })
    }
}

/// Takes one term off `rest`.
fn term(rest: &mut &str) -> Result<Term, Problem> {
    let unsigned = rest.strip_prefix(['-', '!']).filter(|_| !is_rule(rest));
    let negated = unsigned.is_some();
    *rest = unsigned.unwrap_or(rest);
    let operator = operator(rest);
    if let Some((name, _)) = operator {
        *rest = &rest[name.len() + 1..];
    } else if negated && let Some(name) = like_an_operator(rest) {
        return Err(Problem::NoOperator(name.to_owned()));
    }
    let value = Value::take(rest);
    let test = match operator {
        Some((name, operator)) => operator.test(name, &value)?,
        None => value.test(&Field::ALL)?,
    };
    Ok(Term { negated, test })
}

/// True for a lone dash and for `---` before the next white space: nothing is there to be negated.
fn is_rule(text: &str) -> bool {
    let behind = text.trim_start_matches(['-', '!']);
    behind.is_empty() || behind.starts_with(char::is_whitespace)
}

/// What stands before a colon, with its name as typed.
#[derive(Clone, Copy)]
enum Operator {
    Words(&'static [Field]),
    Is,
    Has,
    Tag,
    Domain,
    Before,
    After,
    Larger,
    Smaller,
}

/// The operator that the text begins with. Other words with a colon, as in a URL, are just words.
fn operator(text: &str) -> Option<(&str, Operator)> {
    // No further than the longest name reaches: a search of a million quotes has as many terms, and
    // each would look for a colon through all that follow.
    let colon = text.bytes().take(LONGEST_NAME + 1).position(|octet| octet == b':')?;
    let name = text.get(..colon)?;
    let operator = match name.to_ascii_lowercase().as_str() {
        "from" => Operator::Words(&[Field::From]),
        "to" => Operator::Words(&[Field::To]),
        "cc" => Operator::Words(&[Field::Cc]),
        "bcc" => Operator::Words(&[Field::Bcc]),
        "reply-to" => Operator::Words(&[Field::ReplyTo]),
        "recipient" => Operator::Words(&RECIPIENT),
        "addressed" => Operator::Words(&ADDRESSED),
        "subject" => Operator::Words(&[Field::Subject]),
        "message-id" => Operator::Words(&[Field::MessageId]),
        "filename" | "attachment" => Operator::Words(&[Field::Attachment]),
        "is" => Operator::Is,
        "has" => Operator::Has,
        "tag" => Operator::Tag,
        "domain" => Operator::Domain,
        "before" => Operator::Before,
        "after" => Operator::After,
        "larger" => Operator::Larger,
        "smaller" => Operator::Smaller,
        _ => return None,
    };
    Some((name, operator))
}

/// What stands before the colon where an operator was probably meant: letters, and not the scheme of a URL.
fn like_an_operator(text: &str) -> Option<&str> {
    let end = text.find(|c: char| !c.is_ascii_alphabetic() && c != '-').filter(|&end| end > 0)?;
    let behind = text[end..].strip_prefix(':')?;
    (!behind.starts_with("//")).then_some(&text[..end])
}

/// A search for a text as one term, whatever stands in it.
pub fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}

impl Operator {
    fn test(self, name: &str, value: &Value<'_>) -> Result<Test, Problem> {
        let typed = || name.to_owned();
        let text = value.text.trim();
        if value.typed.trim().is_empty() {
            return Err(Problem::NoValue(typed()));
        }
        match (self, text.to_lowercase().as_str()) {
            (Self::Words(fields), _) => value.test(fields),
            (Self::Is, "read") => Ok(Test::Read(true)),
            (Self::Is, "unread") => Ok(Test::Read(false)),
            (Self::Is, "starred") => Ok(Test::Starred),
            (Self::Is, "tagged") => Ok(Test::Tagged),
            (Self::Is, _) => {
                Err(Problem::Unknown(typed(), &["read", "unread", "starred", "tagged"]))
            }
            (Self::Has, "attachment" | "attachments") => Ok(Test::Attachment),
            (Self::Has, "inline" | "inlines") => Ok(Test::Inline),
            (Self::Has, _) => Err(Problem::Unknown(typed(), &["attachment", "inline"])),
            (Self::Tag, tag) if signs(tag).is_none() => Err(Problem::NoSign),
            (Self::Tag, tag) => Ok(Test::Tag(tag.to_owned())),
            (Self::Domain, name) => {
                let name = name.strip_prefix('@').unwrap_or(name).trim_end_matches('.');
                signs(name).ok_or(Problem::NoSign).map(|_| Test::Domain(name.to_owned()))
            }
            (Self::Before, _) => {
                time_ms(text).map(Test::Before).ok_or_else(|| Problem::NoTime(typed()))
            }
            (Self::After, _) => {
                time_ms(text).map(Test::After).ok_or_else(|| Problem::NoTime(typed()))
            }
            (Self::Larger, size) => {
                octets(size).map(Test::Larger).ok_or_else(|| Problem::NoSize(typed()))
            }
            (Self::Smaller, size) => {
                octets(size).map(Test::Smaller).ok_or_else(|| Problem::NoSize(typed()))
            }
        }
    }
}

/// What a term looks for.
struct Value<'a> {
    /// Without quotes and asterisk.
    text: Cow<'a, str>,
    /// Without quotes.
    typed: Cow<'a, str>,
    prefix: bool,
}

impl<'a> Value<'a> {
    /// Takes a quoted phrase, in which a quote stands twice, or what stands before the next white space. A
    /// quote that is not closed yet, as while someone types, ends with the search.
    fn take(rest: &mut &'a str) -> Self {
        let (typed, text, star) = match rest.strip_prefix('"') {
            Some(quoted) => {
                let (text, after) = unquote(quoted);
                let unstarred = after.strip_prefix('*');
                *rest = unstarred.unwrap_or(after);
                (text.clone(), text, unstarred.is_some())
            }
            None => {
                let (text, after) =
                    rest.split_at(rest.find(char::is_whitespace).unwrap_or(rest.len()));
                *rest = after;
                let unstarred = text.strip_suffix('*');
                (text.into(), unstarred.unwrap_or(text).into(), unstarred.is_some())
            }
        };
        // "report.*" asks for the word; "report*" for its beginning.
        let prefix = star && text.ends_with(char::is_alphanumeric);
        Self { text, typed, prefix }
    }

    /// Looks for the words in it, or for itself if it has none.
    fn test(&self, fields: &'static [Field]) -> Result<Test, Problem> {
        // Some letters cannot be seen, either (the fillers of Hangul).
        let signs = signs(&self.typed).ok_or(Problem::NoSign)?;
        let words: Vec<_> = words(&self.text).collect();
        if !words.is_empty() {
            if self.prefix && words.last().is_some_and(|word| is_hashed(word)) {
                return Err(Problem::LongBeginning(MAX_WORD));
            }
            return Ok(Test::Words { fields, words, prefix: self.prefix });
        }
        Ok(Test::Signs { fields, signs })
    }
}

/// The text up to the closing quote, and what stands behind that.
fn unquote(quoted: &str) -> (Cow<'_, str>, &str) {
    let mut end = 0;
    while let Some(found) = quoted[end..].find('"') {
        end += found;
        if !quoted[end + 1..].starts_with('"') {
            return (quoted[..end].replace("\"\"", "\"").into(), &quoted[end + 1..]);
        }
        end += 2;
    }
    (quoted.replace("\"\"", "\"").into(), "")
}

/// A day (its first moment, UTC) or an RFC 3339 time, in milliseconds since 1970.
fn time_ms(text: &str) -> Option<i64> {
    if let Ok(time) = OffsetDateTime::parse(&text.to_ascii_uppercase(), &Rfc3339) {
        return Some(time.unix_timestamp() * 1000 + i64::from(time.millisecond()));
    }
    let mut numbers = text.split('-');
    let year = numbers.next().filter(|year| year.len() == 4)?.parse().ok()?;
    let month = Month::try_from(numbers.next()?.parse::<u8>().ok()?).ok()?;
    let day = numbers.next()?.parse().ok()?;
    let date = Date::from_calendar_date(year, month, day).ok()?;
    let midnight = date.midnight().assume_utc().unix_timestamp() * 1000;
    numbers.next().is_none().then_some(midnight)
}

/// `500`, `10k`, `1.5mb` in lower case; k is 1,024.
fn octets(text: &str) -> Option<u64> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let factor = match unit.trim() {
        "" | "b" => 1_u64,
        "k" | "kb" | "kib" => 1 << 10,
        "m" | "mb" | "mib" => 1 << 20,
        "g" | "gb" | "gib" => 1 << 30,
        _ => return None,
    };
    let number: f64 = number.parse().ok()?;
    // Beyond what a double holds exactly no message has a size.
    Some((number * factor as f64) as u64)
}

impl fmt::Display for SearchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.problem {
            Problem::NoValue(name) => write!(f, "{name}: needs a value"),
            Problem::NoSign => write!(f, "a term has nothing in it that can be seen"),
            Problem::Nothing => write!(f, "a search needs something to look for"),
            Problem::Unknown(name, known) => write!(f, "{name}: knows {}", known.join(", ")),
            Problem::NoTime(name) => write!(
                f,
                "{name}: needs a day such as 2026-01-31 or a time such as 2026-01-31T12:00:00Z"
            ),
            Problem::NoSize(name) => write!(f, "{name}: needs a size such as 500, 10k or 1.5M"),
            Problem::NoOperator(name) => {
                write!(f, "{name}: is no operator; put the term in quotes to look for its words")
            }
            Problem::LongBeginning(most) => {
                write!(f, "the beginning of a word has at most {most} characters")
            }
            Problem::TooManyTerms(most) => write!(f, "a search has at most {most} terms"),
            Problem::TooManyWords(most) => write!(f, "a search has at most {most} words"),
        }
    }
}

impl std::error::Error for SearchError {}

/// `addressed:` looks wherever an address can stand.
const ADDRESSED: [Field; 5] = [Field::From, Field::To, Field::Cc, Field::Bcc, Field::ReplyTo];

/// `recipient:` looks where whoever gets the message can stand: a forward-path that is in no field
/// counts as Bcc.
const RECIPIENT: [Field; 3] = [Field::To, Field::Cc, Field::Bcc];

/// Most terms of a search: each costs a look at every message when there is no index.
const MAX_TERMS: usize = 50;

/// Most words of a search, those in phrases too: looking for a phrase of thousands of words in a text
/// that repeats them costs their product.
const MAX_WORDS: usize = 200;

/// Octets of the longest name of an operator: `message-id` and `attachment`.
const LONGEST_NAME: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        message::search::{Document, Facts},
        wire::ForwardPath,
    };

    fn tests(text: &str) -> Vec<(bool, Test)> {
        let query = Query::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        query.terms.into_iter().map(|term| (term.negated, term.test)).collect()
    }

    fn look(fields: &'static [Field], words: &[&str], prefix: bool) -> Test {
        Test::Words { fields, words: words.iter().map(|&word| word.to_owned()).collect(), prefix }
    }

    #[test]
    fn words_and_phrases() {
        let all = &Field::ALL;
        for (text, expected) in [
            ("Hello", vec![(false, look(all, &["hello"], false))]),
            ("-spam", vec![(true, look(all, &["spam"], false))]),
            ("!spam", vec![(true, look(all, &["spam"], false))]),
            ("\"weekly report\"", vec![(false, look(all, &["weekly", "report"], false))]),
            ("\"weekly rep", vec![(false, look(all, &["weekly", "rep"], false))]),
            ("\"weekly rep\"*", vec![(false, look(all, &["weekly", "rep"], true))]),
            ("invo*", vec![(false, look(all, &["invo"], true))]),
            ("invo.*", vec![(false, look(all, &["invo"], false))]),
            ("user-8f3@x.com", vec![(false, look(all, &["user", "8f3", "x", "com"], false))]),
            ("12:30", vec![(false, look(all, &["12", "30"], false))]),
            ("http://x", vec![(false, look(all, &["http", "x"], false))]),
            ("foo:bar", vec![(false, look(all, &["foo", "bar"], false))]),
            ("-\"foo:bar\"", vec![(true, look(all, &["foo", "bar"], false))]),
            ("-http://x", vec![(true, look(all, &["http", "x"], false))]),
            ("-12:30", vec![(true, look(all, &["12", "30"], false))]),
            (
                "\"a\"\"b c\" d",
                vec![
                    (false, look(all, &["a", "b", "c"], false)),
                    (false, look(all, &["d"], false)),
                ],
            ),
        ] {
            assert_eq!(tests(text), expected, "{text}");
        }
    }

    #[test]
    fn what_nobody_can_see_is_no_term() {
        for text in ["\u{200b}", "-\u{3164}", "from:\u{115f}", "-tag:\u{200b}", "tag:\u{2800}"] {
            let problem = Query::parse(text).map(drop).map_err(|error| error.problem);
            assert!(matches!(problem, Err(Problem::NoSign)), "{text:?}: {problem:?}");
        }
    }

    #[test]
    fn what_has_no_word_is_looked_for_as_it_stands() {
        let signs = |negated, signs: &str| {
            vec![(negated, Test::Signs { fields: &Field::ALL, signs: signs.to_owned() })]
        };
        for (text, expected) in [
            ("🎉", signs(false, "🎉")),
            ("-🎉", signs(true, "🎉")),
            ("!\"🎉 ***\"", signs(true, "🎉 ***")),
            ("&", signs(false, "&")),
            ("£", signs(false, "£")),
            ("*", signs(false, "*")),
            ("***", signs(false, "***")),
            ("-", signs(false, "-")),
            ("---", signs(false, "---")),
            ("-*", signs(true, "*")),
            ("\"&", signs(false, "&")),
            ("❤\u{fe0f}", signs(false, "❤")),
            (":-)", signs(false, ":-)")),
        ] {
            assert_eq!(tests(text), expected, "{text}");
        }
        let in_subject = Test::Signs { fields: &[Field::Subject], signs: "🎉".into() };
        assert_eq!(tests("subject:🎉"), [(false, in_subject)]);
        assert_eq!(tests("hello & - * bye").len(), 5);
    }

    #[test]
    fn a_search_for_nothing_is_none() {
        for (text, position) in [("", 0), (" \t", 0), ("\"\"", 0), ("a \"", 2), ("a -\u{200b}", 2)]
        {
            assert_eq!(Query::parse(text).unwrap_err().position, position, "{text:?}");
        }
    }

    #[test]
    fn operators() {
        for (text, expected) in [
            ("from:ann", look(&[Field::From], &["ann"], false)),
            ("FROM:\"Ann Lee\"", look(&[Field::From], &["ann", "lee"], false)),
            ("addressed:a@b.c", look(&ADDRESSED, &["a", "b", "c"], false)),
            ("recipient:\"@b.example\"", look(&RECIPIENT, &["b", "example"], false)),
            ("has:inline", Test::Inline),
            ("filename:pdf", look(&[Field::Attachment], &["pdf"], false)),
            ("message-id:<a.b@c>", look(&[Field::MessageId], &["a", "b", "c"], false)),
            ("is:unread", Test::Read(false)),
            ("is:starred", Test::Starred),
            ("has:attachments", Test::Attachment),
            ("tag:Work", Test::Tag("work".to_owned())),
            ("tag:\"to do\"", Test::Tag("to do".to_owned())),
            ("tag:\"a\"\"b\"", Test::Tag("a\"b".to_owned())),
            ("tag:\"\"\"\"", Test::Tag("\"".to_owned())),
            ("domain:\"@Y.example\"", Test::Domain("y.example".to_owned())),
            ("domain:[127.0.0.1]", Test::Domain("[127.0.0.1]".to_owned())),
            ("before:2026-01-31", Test::Before(1_769_817_600_000)),
            ("after:2026-01-31T01:00:00+01:00", Test::After(1_769_817_600_000)),
            ("larger:10k", Test::Larger(10_240)),
            ("smaller:1.5MB", Test::Smaller(1_572_864)),
            ("smaller:99999999999999999999g", Test::Smaller(u64::MAX)),
        ] {
            assert_eq!(tests(text), [(false, expected)], "{text}");
        }
    }

    #[test]
    fn errors_say_where() {
        for (text, position, message) in [
            ("from:", 0, "from: needs a value"),
            ("é from: x", 2, "from: needs a value"),
            ("a -to:\"\"", 2, "to: needs a value"),
            ("a -frm:ann", 2, "frm: is no operator; put the term in quotes to look for its words"),
            ("domain:@", 0, "a term has nothing in it that can be seen"),
            ("cc:\u{feff}", 0, "a term has nothing in it that can be seen"),
            (" ", 0, "a search needs something to look for"),
            ("is:green", 0, "is: knows read, unread, starred, tagged"),
            ("has:wings", 0, "has: knows attachment, inline"),
            ("larger:big", 0, "larger: needs a size such as 500, 10k or 1.5M"),
            ("larger:.", 0, "larger: needs a size such as 500, 10k or 1.5M"),
        ] {
            let error = Query::parse(text).unwrap_err();
            assert_eq!((error.position, error.to_string().as_str()), (position, message), "{text}");
        }
        for text in ["before:tomorrow", "before:2026-02-30", "after:2026-1", "after:2026-01-01-01"]
        {
            assert!(
                matches!(Query::parse(text).unwrap_err().problem, Problem::NoTime(_)),
                "{text}"
            );
        }
        assert!(Query::parse(&"a ".repeat(MAX_TERMS + 1)).is_err());
        let phrase = |words| Query::parse(&format!("\"{}\"", "a ".repeat(words)));
        assert!(phrase(MAX_WORDS).is_ok() && phrase(MAX_WORDS + 1).is_err());
    }

    #[test]
    fn what_is_quoted_is_read_again() {
        for text in ["a", "a\"b", "\"", "\"\"", "a \" b", "to do*"] {
            let query = format!("tag:{} x", quoted(text));
            assert_eq!(tests(&query)[0], (false, Test::Tag(text.to_owned())), "{query}");
            assert_eq!(tests(&query).len(), 2, "{query}");
        }
    }

    #[test]
    fn a_beginning_is_not_longer_than_what_is_kept_of_a_word() {
        let long = "a".repeat(MAX_WORD);
        assert!(Query::parse(&format!("{long}*")).is_ok());
        let problem = Query::parse(&format!("{long}a*")).unwrap_err().problem;
        assert_eq!(problem, Problem::LongBeginning(MAX_WORD));
    }

    #[test]
    fn nobody_knows_what_stands_in_a_text_that_was_not_read_whole() {
        let mut document = Document::default();
        document.fields[Field::Subject as usize] = "weekly".to_owned();
        document.mark_cut(&[Field::Text]);
        let facts = Facts {
            read: false,
            starred: false,
            tags: &[],
            forward_paths: &[],
            attachment: false,
            inline: false,
            received_ms: 0,
            size: 0,
        };
        for (text, expected) in [
            ("weekly", true),
            ("-weekly", false),
            ("-needle", false),
            ("needle", false),
            ("-🎉", false),
            ("-subject:needle", true),
            ("-subject:🎉", true),
            ("-is:read", true),
        ] {
            let query = Query::parse(text).unwrap();
            assert_eq!(query.matches(&document, &facts), expected, "{text}");
        }
    }

    #[test]
    fn matching() {
        let document = Document {
            fields: std::array::from_fn(|index| match Field::ALL[index] {
                Field::Subject => "weekly report".to_owned(),
                Field::From => "ann lee".to_owned(),
                _ => String::new(),
            }),
            signs: std::array::from_fn(|index| match Field::ALL[index] {
                Field::Subject => "Weekly report 🎉🎉 & more".to_owned(),
                _ => String::new(),
            }),
        };
        let tags = ["Work".to_owned()];
        let path =
            |address: &str| ForwardPath { address: address.to_owned(), ..Default::default() };
        let paths = [path("\"a@b\"@X.example."), path("postmaster")];
        let facts = Facts {
            read: false,
            starred: true,
            tags: &tags,
            attachment: false,
            inline: true,
            received_ms: 1_769_817_600_000,
            size: 2_000,
            forward_paths: &paths,
        };
        for (text, expected) in [
            ("weekly ann", true),
            ("🎉", true),
            ("-🎉", false),
            ("subject:\"🎉🎉 &\"", true),
            ("from:🎉", false),
            ("***", false),
            ("-***", true),
            ("\"report weekly\"", false),
            ("rep*", true),
            ("rep", false),
            ("to:ann", false),
            ("-to:ann", true),
            ("addressed:lee", true),
            ("is:unread is:starred tag:work is:tagged", true),
            ("-has:attachment has:inline", true),
            ("-has:inline", false),
            ("domain:x.example", true),
            ("domain:@X.example.", true),
            ("-domain:x.example", false),
            ("domain:example", false),
            ("domain:b", false),
            ("-domain:sub.x.example", true),
            ("before:2026-01-31", false),
            ("after:2026-01-31", true),
            ("larger:1k smaller:2k", true),
            ("larger:2000", false),
        ] {
            let query = Query::parse(text).unwrap();
            assert_eq!(query.matches(&document, &facts), expected, "{text}");
        }
    }
}
