//! Expressions over the octets of a message, as they stream by.
//!
//! A message is looked at in windows of [`WINDOW`] octets that overlap by [`LONGEST`]: what matches at
//! most that many octets is found wherever it stands, and the answer does not depend on how the stream
//! was cut. Only one window is held, so a message of 1 GB costs no more than one of 1 MB. The engine
//! takes time linear in what it reads, whatever the expression is, and its size is bounded when the
//! configuration is read.
//!
//! The octets are those that were sent: header and body with their CRLF, base64 and quoted-printable
//! not decoded. An expression that is to see through these would have to wait for the whole message.

use std::{str::FromStr, sync::Arc};

use regex_automata::{
    Input,
    meta::{Config, Regex},
    util::syntax,
};
use serde::{Deserialize, Serialize};

/// A regular expression that was seen to compile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BodyPattern(String);

/// All expressions as one engine; none if there are none.
#[derive(Debug)]
pub(super) struct BodyPatterns(Option<Arc<Regex>>);

/// Looks at one message.
#[derive(Debug)]
pub struct BodyWatch {
    regex: Arc<Regex>,
    window: Vec<u8>,
    /// Where in the window matches may begin: behind what was looked at already.
    start: usize,
    found: Option<usize>,
}

impl BodyPatterns {
    pub(super) fn new(patterns: &[BodyPattern]) -> Result<Self, String> {
        if patterns.is_empty() {
            return Ok(Self(None));
        }
        let texts: Vec<&str> = patterns.iter().map(|pattern| pattern.0.as_str()).collect();
        let regex = compile(&texts).map_err(|text| format!("policy.block_body: {text}"))?;
        Ok(Self(Some(Arc::new(regex))))
    }

    pub(super) fn watch(&self) -> Option<BodyWatch> {
        let regex = self.0.clone()?;
        Some(BodyWatch { regex, window: Vec::new(), start: 0, found: None })
    }
}

impl BodyWatch {
    /// The next octets; true once something was found.
    pub fn push(&mut self, mut octets: &[u8]) -> bool {
        while self.found.is_none() && !octets.is_empty() {
            let room = WINDOW - self.window.len().min(WINDOW);
            let (now, later) = octets.split_at(room.min(octets.len()));
            self.window.extend_from_slice(now);
            octets = later;
            if self.window.len() >= WINDOW {
                self.look(self.window.len() - AHEAD);
                self.slide();
            }
        }
        self.found.is_some()
    }

    /// The message is complete: which expression matched, counted from 0.
    pub fn finish(mut self) -> Option<usize> {
        if self.found.is_none() {
            self.look(self.window.len());
        }
        self.found
    }

    /// Looks for a match up to `end`. What stands around that range is seen by `^`, `$` and `\b` only,
    /// so that the edge of a window is not taken for one of the message.
    fn look(&mut self, end: usize) {
        let input = Input::new(&self.window).range(self.start..end).earliest(true);
        self.found = self.regex.search_half(&input).map(|found| found.pattern().as_usize());
    }

    /// Keeps what a match may still begin in, and the octets before it.
    fn slide(&mut self) {
        self.window.drain(..self.window.len() - LONGEST - AHEAD - BEHIND);
        self.start = BEHIND;
    }
}

fn compile(patterns: &[&str]) -> Result<Regex, String> {
    let size = MAX_SIZE * patterns.len();
    let built = Regex::builder()
        .configure(Config::new().utf8_empty(false).nfa_size_limit(Some(size)))
        // Lines of mail end in CRLF, and `^` and `$` mean lines.
        .syntax(syntax::Config::new().utf8(false).multi_line(true).crlf(true))
        .build_many(patterns);
    built.map_err(|error| match (error.syntax_error(), error.size_limit()) {
        (Some(_), _) => format!("expected a regular expression: {}", last_line(&error)),
        (_, Some(_)) => "expected a smaller regular expression".to_owned(),
        _ => format!("expected a regular expression: {error}"),
    })
}

/// The parser draws the expression with an arrow below; what is wrong stands in its last line.
fn last_line(error: &regex_automata::meta::BuildError) -> String {
    let text = error.syntax_error().map(ToString::to_string).unwrap_or_default();
    let line = text.lines().last().unwrap_or_default();
    line.trim_start_matches("error: ").to_owned()
}

impl FromStr for BodyPattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let regex = compile(&[text])?;
        if regex.is_match(b"") {
            return Err("expected a regular expression that does not match every message".into());
        }
        Ok(Self(text.to_owned()))
    }
}

impl TryFrom<String> for BodyPattern {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<BodyPattern> for String {
    fn from(BodyPattern(text): BodyPattern) -> Self {
        text
    }
}

/// Octets held of a message.
const WINDOW: usize = 64 * 1024;

/// Octets of the longest match that is found wherever it stands.
const LONGEST: usize = 4 * 1024;

/// Octets that `$` and `\b` look ahead, and `^` and `\b` back: a character of UTF-8.
const AHEAD: usize = 4;
const BEHIND: usize = 4;

/// Octets that the compiled form of an expression may take.
const MAX_SIZE: usize = 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn found(patterns: &[&str], body: &[u8], cut: usize) -> Option<usize> {
        let patterns: Vec<BodyPattern> =
            patterns.iter().map(|text| text.parse().unwrap()).collect();
        let mut watch = BodyPatterns::new(&patterns).unwrap().watch().unwrap();
        for piece in body.chunks(cut) {
            watch.push(piece);
        }
        watch.finish()
    }

    #[test]
    fn expressions_see_lines_octets_and_capitals() {
        let body = "Subject: Win a PRIZE\r\nX: b\r\n\r\nGrüße\r\n\0\u{7f}end\r\n".as_bytes();
        for (pattern, expected) in [
            ("prize", false),
            ("(?i)prize$", true),
            ("^Subject: Win", true),
            ("^Win", false),
            ("(?i)GRÜSSE", false),
            ("(?i)GRÜßE$", true),
            (r"(?-u)\x00\x7F", true),
            (r"\bend\b", true),
            (r"X: b\r\n\r\n", true),
            (r"\Aend", false),
            (r"end\r\n\z", true),
        ] {
            for cut in [1, 7, 1000] {
                assert_eq!(found(&[pattern], body, cut).is_some(), expected, "{pattern} {cut}");
            }
        }
        assert_eq!(found(&["nothing", "Subject"], body, 3), Some(1));
        assert_eq!(found(&["nothing"], &[0xff; 100], 3), None);
    }

    #[test]
    fn a_match_is_found_across_the_edges_of_windows() {
        for length in [1, 5, 100, LONGEST] {
            let needle: Vec<u8> =
                (0..length).map(|at| b'a' + u8::try_from(at % 7).unwrap()).collect();
            let pattern = String::from_utf8(needle.clone()).unwrap();
            let watch = BodyPatterns::new(&[pattern.parse().unwrap()]).unwrap();
            for before in (WINDOW - LONGEST - 20..WINDOW + 20).step_by(611).chain(0..10) {
                let mut body = vec![b'.'; before];
                body.extend_from_slice(&needle);
                body.resize(3 * WINDOW, b'.');
                let mut watch = watch.watch().unwrap();
                watch.push(&body);
                assert_eq!(watch.finish(), Some(0), "{length} octets behind {before}");
            }
        }
    }

    #[test]
    fn the_edge_of_a_window_is_no_edge_of_the_message() {
        let body = vec![b'a'; 5 * WINDOW];
        for pattern in [r"a\z.", r"[^a]\b", r"a$\r", r"x$", r"^x", r"b|a\ba", r"\ABa", r"\n^a"] {
            assert_eq!(found(&[pattern], &body, WINDOW), None, "{pattern}");
        }
        // Each of these holds only at the beginning or the end.
        for pattern in ["^a{3}b", r"ba$", r"ba\b", r"\Aab"] {
            assert_eq!(found(&[pattern], &body, 1000), None, "{pattern}");
        }
        let mut lines = b"aaa\r\n".repeat(WINDOW);
        lines.extend_from_slice(b"end");
        assert_eq!(found(&["^a$", "^aaaa", r"^\n"], &lines, 999), None);
    }

    #[test]
    fn memory_is_bounded() {
        let mut watch = BodyPatterns::new(&["x".parse().unwrap()]).unwrap().watch().unwrap();
        for _ in 0..100 {
            watch.push(&[b'.'; 50_000]);
            assert!(watch.window.capacity() <= 2 * WINDOW, "{}", watch.window.capacity());
        }
    }

    #[test]
    fn what_is_no_expression_is_refused() {
        for (text, why) in [
            ("(", "expected a regular expression: unclosed group"),
            ("a{2", "expected a regular expression: unclosed counted repetition"),
            (r"(a)\1", "expected a regular expression: backreferences are not supported"),
            (r"\w{200}{200}", "expected a smaller regular expression"),
            ("", "expected a regular expression that does not match every message"),
            ("a*", "expected a regular expression that does not match every message"),
        ] {
            let error = BodyPattern::from_str(text).unwrap_err();
            assert_eq!(error, why, "{text}");
        }
    }
}
