//! One reading of a style sheet, token by token, that notes what has to change.

use std::{borrow::Cow, ops::Range};

use cssparser::{ParseError, Parser, Token, serialize_string};

use super::{
    colours::{self, Role},
    edits::Edits,
    scheme,
};
use crate::message::{html::filter::Filter, text};

/// A style sheet, or a part of one, that is being rewritten.
pub(super) struct Rewriting<'c, 'f> {
    css: &'c str,
    filter: &'f Filter<'f>,
    edits: Edits,
}

/// What a piece of a style sheet stands in.
#[derive(Clone, Copy)]
struct Place<'p> {
    depth: usize,
    /// The property whose value this is, in lower case; empty outside of one.
    property: &'p str,
    /// Strings are URLs here.
    is_url: bool,
    /// Statements may begin here, rather than in parentheses.
    is_block: bool,
}

/// What a list of statements has seen of the one it is in.
struct Statement {
    /// Nothing of it has come yet.
    is_start: bool,
    /// The name that it begins with, if it may be a property.
    name: String,
    /// A colon has come after it.
    is_value: bool,
    /// The names of schemes, and where they stand.
    schemes: Vec<String>,
    schemes_at: Option<Range<usize>>,
}

impl Statement {
    fn new() -> Self {
        let (name, schemes) = (String::new(), Vec::new());
        Self { is_start: true, name, is_value: false, schemes, schemes_at: None }
    }

    fn property(&self) -> &str {
        if self.is_value { &self.name } else { "" }
    }
}

impl<'c, 'f> Rewriting<'c, 'f> {
    pub(super) fn new(css: &'c str, filter: &'f Filter<'f>) -> Self {
        Self { css, filter, edits: Edits::default() }
    }

    /// The style sheet.
    pub(super) fn of_sheet(self) -> Cow<'c, str> {
        self.run("", true)
    }

    /// A list of declarations if the property is empty, else its value.
    pub(super) fn of_value(self, property: &str) -> Cow<'c, str> {
        self.run(property, property.is_empty())
    }

    fn run(mut self, property: &str, is_block: bool) -> Cow<'c, str> {
        let mut parser = Parser::new(self.css);
        self.walk(&mut parser, Place { depth: 0, property, is_url: false, is_block });
        self.edits.done(self.css)
    }

    /// Reads to the end of what `input` is limited to.
    fn walk(&mut self, input: &mut Parser<'_>, place: Place<'_>) {
        let mut statement = Statement::new();
        loop {
            let start = input.position().byte_index();
            let Ok(token) = input.next_including_whitespace_and_comments() else { break };
            let token = token.clone();
            let end = input.position().byte_index();
            if place.is_block
                && statement.is_start
                && let Token::AtKeyword(name) = &token
            {
                let name = name.to_ascii_lowercase();
                if self.at_rule(&name, start, input) {
                    continue;
                }
            }
            let property =
                if place.property.is_empty() { statement.property() } else { place.property };
            match &token {
                Token::Function(name) => {
                    let name = name.to_ascii_lowercase();
                    self.function(&name, start, input, Place { property, ..place });
                }
                Token::UnquotedUrl(url) => {
                    let with = self.url(url, property);
                    self.put(start..end, with);
                }
                Token::BadUrl(_) => self.edits.replace(start..end, NOTHING),
                Token::QuotedString(url) if place.is_url => {
                    let with = self.string(url, property);
                    self.put(start..end, with);
                }
                Token::ParenthesisBlock if self.query(start, input) => {}
                Token::ParenthesisBlock | Token::SquareBracketBlock => {
                    let inner = Place { property, is_block: false, ..place };
                    self.inside(start, input, inner);
                }
                Token::CurlyBracketBlock => {
                    let inner = Place { property: place.property, is_url: false, ..place };
                    self.inside(start, input, inner);
                }
                _ => self.colour(&token, start..end, property),
            }
            if place.is_block {
                self.follow(&mut statement, &token, start..end);
            }
        }
        self.end(&mut statement);
    }

    /// Keeps track of where in a statement we are.
    fn follow(&mut self, statement: &mut Statement, token: &Token<'_>, place: Range<usize>) {
        match token {
            Token::WhiteSpace(_) | Token::Comment(_) | Token::CDO | Token::CDC => return,
            Token::Semicolon => self.end(statement),
            // What stood before it was the beginning of a rule and no declaration.
            Token::CurlyBracketBlock => *statement = Statement::new(),
            Token::Ident(name) if statement.is_start => {
                statement.name = name.to_ascii_lowercase();
                statement.is_start = false;
            }
            Token::Colon if !statement.name.is_empty() => statement.is_value = true,
            Token::Ident(name) if statement.property() == "color-scheme" => {
                statement.schemes.push(name.to_string());
                let from = statement.schemes_at.as_ref().map_or(place.start, |at| at.start);
                statement.schemes_at = Some(from..place.end);
            }
            // A name before anything but its colon is that of an element.
            _ if !statement.is_value => statement.name.clear(),
            _ => {}
        }
        statement.is_start &= matches!(token, Token::Semicolon | Token::CurlyBracketBlock);
    }

    /// The scheme of colours is answered as the view asks for it, whatever the browser's own is.
    fn end(&mut self, statement: &mut Statement) {
        let statement = std::mem::replace(statement, Statement::new());
        let names = statement.schemes.iter().map(String::as_str);
        if let Some(at) = statement.schemes_at
            && let Some(scheme) = scheme(names, self.filter)
        {
            self.edits.replace(at, scheme);
        }
    }

    /// True if this at-rule was dealt with: one that has to go takes its semicolon with it, for a lone
    /// semicolon would take the next rule away.
    fn at_rule(&mut self, name: &str, start: usize, input: &mut Parser<'_>) -> bool {
        if !matches!(name, "import" | "charset" | "namespace") {
            return false;
        }
        let (mut is_read, mut is_allowed) = (false, false);
        loop {
            let before = input.position().byte_index();
            let Ok(token) = input.next_including_whitespace_and_comments() else { break };
            let url = match token {
                Token::QuotedString(text) | Token::UnquotedUrl(text) => Some(text.to_string()),
                Token::Function(name) if name.eq_ignore_ascii_case("url") => quoted(input),
                Token::Semicolon => break,
                // No import has a block; the rule is broken and ends with it.
                Token::CurlyBracketBlock => {
                    skip(input);
                    break;
                }
                Token::ParenthesisBlock => {
                    self.query(before, input);
                    None
                }
                _ => None,
            };
            if let Some(url) = url.filter(|_| name == "import" && !is_read) {
                is_read = true;
                if let Some(allowed) = self.filter.sheet(&url) {
                    is_allowed = true;
                    let end = input.position().byte_index();
                    self.edits.replace(before..end, in_quotes(&allowed));
                }
            }
        }
        if !is_allowed {
            self.edits.replace(start..input.position().byte_index(), "");
        }
        true
    }

    /// A function, which may be one that loads.
    fn function(&mut self, name: &str, start: usize, input: &mut Parser<'_>, place: Place<'_>) {
        match name {
            // `url()` with quotes. `src()` is the same, but may take its URL from elsewhere.
            "url" | "src" => {
                let url = quoted(input);
                let end = input.position().byte_index();
                let with = match url {
                    Some(url) if name == "url" => self.url(&url, place.property),
                    Some(url) => {
                        self.url(&url, place.property).or_else(|| Some(NOTHING.to_owned()))
                    }
                    // A string that is broken off, or something beside it: no browser loads that today.
                    None => Some(NOTHING.to_owned()),
                };
                self.put(start..end, with);
            }
            "expression" | "-moz-element" | "element" | "paint" => {
                skip(input);
                self.edits.replace(start..input.position().byte_index(), "none");
            }
            _ => {
                let is_url = place.is_url || STRINGS_LOAD.contains(&name);
                // A picture whose URL comes from a property, which nobody can look at here.
                if place.is_url && matches!(name, "var" | "attr" | "env") {
                    skip(input);
                    self.edits.replace(start..input.position().byte_index(), EMPTY);
                    return;
                }
                if self.darken(name, start, input, place.property) {
                    return;
                }
                self.inside(start, input, Place { is_url, is_block: false, ..place });
            }
        }
    }

    /// What stands in a block or a function.
    fn inside(&mut self, start: usize, input: &mut Parser<'_>, place: Place<'_>) {
        if place.depth == MAX_DEPTH {
            skip(input);
            self.edits.replace(start..input.position().byte_index(), "");
            return;
        }
        let inner = Place { depth: place.depth + 1, ..place };
        let _: Result<(), ParseError<()>> = input.parse_nested_block(|input| {
            self.walk(input, inner);
            Ok(())
        });
    }

    /// True if it was a question for dark or light, which is answered as the view asks for it.
    fn query(&mut self, start: usize, input: &mut Parser<'_>) -> bool {
        // To look into a block is to read it to its end, so its beginning is asked first.
        let inside = self.css.get(input.position().byte_index()..).unwrap_or_default();
        let mut beginning = Parser::new(text::beginning(inside, LONGEST_FEATURE));
        if beginning.expect_ident_matching("prefers-color-scheme").is_err() {
            return false;
        }
        let state = input.state();
        let answer = input.parse_nested_block(|input| {
            input.expect_ident_matching("prefers-color-scheme").map_err(ParseError::<()>::from)?;
            if input.expect_colon().is_err() {
                return Ok(true);
            }
            let is_dark = input.expect_ident_matching("dark").is_ok();
            Ok(is_dark == self.filter.is_dark())
        });
        match answer {
            Ok(holds) => {
                self.filter.has_dark();
                let with = if holds { "(min-width:0)" } else { "(max-width:0)" };
                self.edits.replace(start..input.position().byte_index(), with);
                true
            }
            Err(_) => {
                input.reset(&state);
                false
            }
        }
    }

    /// What a URL becomes: nothing new if it may stay.
    fn url(&self, url: &str, property: &str) -> Option<String> {
        if url.trim_start().starts_with('#') {
            return None;
        }
        match self.filter.load(url) {
            Some(allowed) if allowed == url => None,
            Some(allowed) => Some(format!("url({})", in_quotes(&allowed))),
            // A mask that cannot be loaded hides all.
            None if property.contains("mask") => Some("none".to_owned()),
            None => Some(NOTHING.to_owned()),
        }
    }

    /// The same of a string that is a URL.
    fn string(&self, url: &str, property: &str) -> Option<String> {
        match self.url(url, property)?.as_str() {
            NOTHING | "none" => Some(EMPTY.to_owned()),
            with => Some(with.trim_start_matches("url(").trim_end_matches(')').to_owned()),
        }
    }

    fn put(&mut self, place: Range<usize>, with: Option<String>) {
        if let Some(with) = with {
            self.edits.replace(place, with);
        }
    }

    fn colour(&mut self, token: &Token<'_>, place: Range<usize>, property: &str) {
        if !self.filter.is_forced() {
            return;
        }
        if let (Some(role), Some(colour)) = (Role::of(property), colours::of_token(token)) {
            self.edits.replace(place, colours::darkened(colour, role));
        }
    }

    /// True if it was a colour, in a style sheet that is being made dark.
    fn darken(&mut self, name: &str, start: usize, input: &mut Parser<'_>, property: &str) -> bool {
        let Some(role) = Role::of(property).filter(|_| self.filter.is_forced()) else {
            return false;
        };
        let state = input.state();
        match colours::of_function(name, input) {
            Some(colour) => {
                let end = input.position().byte_index();
                self.edits.replace(start..end, colours::darkened(colour, role));
                true
            }
            None => {
                input.reset(&state);
                let is_unread = colours::is_colour(name, property);
                if is_unread {
                    skip(input);
                    let end = input.position().byte_index();
                    self.edits.replace(start..end, colours::plain(role));
                }
                is_unread
            }
        }
    }
}

/// The one string of a function, none if something else stands in it.
fn quoted(input: &mut Parser<'_>) -> Option<String> {
    let read: Result<String, ParseError<()>> = input.parse_nested_block(|input| {
        let url = input.expect_string()?.to_string();
        Ok(url)
    });
    read.ok()
}

fn skip(input: &mut Parser<'_>) {
    let _: Result<(), ParseError<()>> = input.parse_nested_block(|_| Ok(()));
}

fn in_quotes(url: &str) -> String {
    let mut out = String::with_capacity(url.len() + 2);
    // Writing into a string cannot fail.
    let _ = serialize_string(url, &mut out);
    out
}

/// A picture or font that is there and cannot be loaded, so that what stands beside it counts.
const NOTHING: &str = "url(data:,)";
const EMPTY: &str = "\"data:,\"";

/// Functions that take a URL as a plain string.
const STRINGS_LOAD: [&str; 5] =
    ["image-set", "-webkit-image-set", "image", "cross-fade", "-webkit-cross-fade"];

/// Blocks inside one another that are looked into; style sheets of utility frameworks nest 10 deep.
const MAX_DEPTH: usize = 40;

/// Most octets before the name of what a media query asks for has ended, spelt with backslashes.
const LONGEST_FEATURE: usize = 256;
