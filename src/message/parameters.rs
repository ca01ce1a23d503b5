//! `type/subtype; name=value` (RFC 2045 §5.1) with the ways to write a value that is not ASCII:
//! RFC 2231, and the RFC 2047 words that most mailers put into quotes instead.

use super::{Defect, defects::Defects, encoded_word::decode_words};

/// A header value with parameters.
#[derive(Debug, Default)]
pub(super) struct Parameters {
    /// What stands before the first semicolon, in lower case, without comments.
    pub(super) value: String,
    values: std::collections::BTreeMap<String, String>,
}

impl Parameters {
    /// Reads an unfolded value.
    pub(super) fn parse(unfolded: &str) -> Self {
        let text = tidy(unfolded);
        // The first word only: "text/plain charset=utf-8" lacks its semicolon but means the type.
        let parsed = mailparse::parse_content_type(&text);
        let value = parsed.mimetype.split_whitespace().next().unwrap_or_default().to_owned();
        Self { value, values: parsed.params }
    }

    /// The value of a parameter, octets of its charset decoded (RFC 2231), not its encoded words.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    /// A parameter that people read, such as a file name.
    pub(super) fn text(&self, name: &str, defects: &mut Defects) -> Option<String> {
        // `name*` is left as it was when its charset is not of the web, and beside a plain `name`,
        // which is for mailers that do not know better (RFC 6266 §4.3).
        let extended = self.get(&format!("{name}*")).and_then(|raw| {
            let (charset, rest) = raw.split_once('\'')?;
            Some((charset, rest.split_once('\'')?.1))
        });
        let Some((charset, encoded)) = extended else {
            return self.get(name).map(|value| decode_words(value, defects).into_owned());
        };
        let octets: Vec<u8> = percent_encoding::percent_decode_str(encoded).collect();
        let (text, clean) = super::charset::decode_text(&octets, charset);
        defects.insert_if(!clean, Defect::BadCharset);
        Some(text)
    }
}

/// Takes comments out, closes an open quote, and cuts what is too long: what is left, the parser
/// below reads in bounded time.
fn tidy(unfolded: &str) -> String {
    let mut out = String::with_capacity(unfolded.len().min(MAX_LENGTH) + 1);
    let mut quoted = false;
    let mut comment = 0_usize;
    let mut count = 0;
    let mut chars = unfolded.chars();
    while let Some(c) = chars.next().filter(|_| out.len() < MAX_LENGTH) {
        match c {
            '\\' if quoted || comment > 0 => {
                let escaped = chars.next().unwrap_or(c);
                // A backslash before a letter is a Windows path, not an escape.
                match (comment > 0, escaped) {
                    (true, _) => {}
                    (false, '"' | '\\') => out.extend(['\\', escaped]),
                    (false, _) => out.extend(['\\', '\\', escaped]),
                }
            }
            '"' if comment == 0 => {
                quoted = !quoted;
                out.push(c);
            }
            '(' if !quoted => comment += 1,
            ')' if comment > 0 => comment -= 1,
            _ if comment > 0 => {}
            ';' if !quoted && count == MAX_PARAMETERS => break,
            ';' if !quoted => {
                count += 1;
                out.push(c);
            }
            _ => out.push(c),
        }
    }
    if quoted {
        out.push('"');
    }
    out
}

/// Longest value we read, in octets. A file name of 255 characters, percent-encoded and in
/// continuations, takes under 3,000.
const MAX_LENGTH: usize = 8_000;

/// Most parameters we read: the parser's time grows with the square of the continuations, and a
/// message may have 1,000 parts.
const MAX_PARAMETERS: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn name(value: &str) -> String {
        Parameters::parse(value).text("name", &mut Defects::default()).unwrap_or_default()
    }

    #[test]
    fn names_in_every_spelling() {
        assert_eq!(name("x/y; name=a.txt"), "a.txt");
        assert_eq!(name("x/y; NAME = \"a; b.txt\""), "a; b.txt");
        assert_eq!(name(r#"x/y; name="a \"b\".txt""#), "a \"b\".txt");
        assert_eq!(name(r#"x/y; name="C:\temp\a.txt""#), r"C:\temp\a.txt");
        assert_eq!(name("x/y; name*=utf-8'en'na%C3%AFve.txt"), "naïve.txt");
        assert_eq!(name("x/y; name*=ISO-8859-1''na%EFve.txt"), "naïve.txt");
        assert_eq!(name("x/y; name*0=one; name*1=\" two\"; name*2=.txt"), "one two.txt");
        assert_eq!(name("x/y; name*0*=utf-8''a%C3; name*1*=%A9; name*2=.txt"), "aé.txt");
        assert_eq!(name("x/y; name=\"=?utf-8?Q?na=C3=AFve.txt?=\""), "naïve.txt");
        assert_eq!(name("x/y; name*=cp-850''na%EFve.txt"), "naïve.txt");
        assert_eq!(name("x/y; name=plain.txt; name*=utf-8''na%C3%AFve.txt"), "naïve.txt");
        assert_eq!(name("x/y; name=\"never closed.txt"), "never closed.txt");
    }

    #[test]
    fn types() {
        for value in ["Text/HTML", "text/html;", " text/html (a; comment); a=b", "text/html a=b"] {
            assert_eq!(Parameters::parse(value).value, "text/html", "{value}");
        }
        assert_eq!(Parameters::parse("").value, "");
        let many = Parameters::parse(&format!("a/b{}", "; x".repeat(1_000) + ";name=y"));
        assert_eq!((many.value.as_str(), many.get("name")), ("a/b", None));
        assert_eq!(Parameters::parse(&"(".repeat(1_000_000)).value, "");
    }
}
