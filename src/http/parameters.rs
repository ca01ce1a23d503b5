//! What a request asks for: the parameters of its address, and the fields of a form.
//!
//! A request that is not understood whole does nothing. A name that is not known, one that stands there
//! twice and one with nothing behind it are 400, with a text that names it; passed over, each would make
//! the request mean more than was meant, and `DELETE /api/messages?query=x`, or `?q=$NAME` where NAME is
//! not set, would delete everything.
//!
//! This is the only way to the parameters: a handler takes a [`Query`], and names each one as it takes it.
//! A route that is not on the list of those that do so refuses them all, so that nobody who adds one
//! need think of this (`tests/it/http/parameters.rs` asks every route). The one exception is a field of a
//! form of ours that only shows: browsers send it empty, and then it is none ([`Pairs::shown`]).

use axum::{
    extract::{FromRequestParts, MatchedPath},
    http::{Method, request::Parts},
};
use percent_encoding::percent_decode;

use super::{error::Error, strings::STRINGS};
use crate::store::mailbox_key;

/// The parameters of the address. Every route whose handler takes one is in [`ASKING`].
pub(super) struct Query<T>(pub(super) T);

/// What can be taken out of parameters or fields.
pub(super) trait Parameters: Sized {
    /// Takes all that belong to it; what is left then is not known.
    fn take(pairs: &mut Pairs) -> Result<Self, Error>;
}

/// Names and values that nobody has taken yet.
pub(super) struct Pairs {
    left: Vec<(String, String)>,
    /// What was asked for, to be told to who asks for something else.
    known: Vec<&'static str>,
}

/// What is asked for, and nothing besides (`application/x-www-form-urlencoded`, WHATWG URL §5).
pub(super) fn read<T: Parameters>(octets: &[u8]) -> Result<T, Error> {
    let mut pairs = Pairs::new(octets)?;
    let taken = T::take(&mut pairs)?;
    pairs.end()?;
    Ok(taken)
}

/// Refuses parameters where nobody would read them.
pub(super) fn check(parts: &Parts) -> Result<(), Error> {
    let Some(route) = parts.extensions.get::<MatchedPath>() else { return Ok(()) };
    let method = if parts.method == Method::HEAD { &Method::GET } else { &parts.method };
    let is_read = ASKING.contains(&(method.as_str(), route.as_str()));
    if is_read { Ok(()) } else { read(query(parts)) }
}

fn query(parts: &Parts) -> &[u8] {
    parts.uri.query().unwrap_or_default().as_bytes()
}

impl<S: Sync, T: Parameters> FromRequestParts<S> for Query<T> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        read(query(parts)).map(Self)
    }
}

impl Parameters for () {
    fn take(_: &mut Pairs) -> Result<Self, Error> {
        Ok(())
    }
}

impl Pairs {
    fn new(octets: &[u8]) -> Result<Self, Error> {
        // A value in another charset would be read as something that nobody typed.
        if percent_decode(octets).decode_utf8().is_err() {
            return Err(Error::bad_request(STRINGS.errors.not_utf8));
        }
        let pairs = form_urlencoded::parse(octets);
        Ok(Self { left: pairs.into_owned().collect(), known: Vec::new() })
    }

    /// A value that says something, if there is one.
    pub(super) fn text(&mut self, name: &'static str) -> Result<Option<String>, Error> {
        match self.written(name)? {
            Some(value) if value.trim().is_empty() => Err(empty(name)),
            value => Ok(value),
        }
    }

    /// The value of a field of a form that only shows something: empty if the field is.
    pub(super) fn shown(&mut self, name: &'static str) -> Result<String, Error> {
        match self.written(name)?.unwrap_or_default() {
            value if !value.is_empty() && value.trim().is_empty() => Err(empty(name)),
            value => Ok(value),
        }
    }

    /// The address of a mailbox, if one is named; a dot alone is that of nobody, and so nothing.
    pub(super) fn mailbox(&mut self) -> Result<Option<String>, Error> {
        match self.text("mailbox")? {
            Some(mailbox) if mailbox_key(&mailbox).is_empty() => Err(empty("mailbox")),
            mailbox => Ok(mailbox),
        }
    }

    /// The same in a form that only shows something: empty if none is named.
    pub(super) fn shown_mailbox(&mut self) -> Result<String, Error> {
        let mailbox = self.shown("mailbox")?;
        match mailbox.is_empty() || !mailbox_key(&mailbox).is_empty() {
            true => Ok(mailbox),
            false => Err(empty("mailbox")),
        }
    }

    /// A value as it was written, for what may be empty, such as a password.
    pub(super) fn written(&mut self, name: &'static str) -> Result<Option<String>, Error> {
        let mut values = self.remove(name).into_iter();
        match (values.next(), values.next()) {
            (value, None) => Ok(value),
            _ => Err(Error::bad_request(STRINGS.errors.parameter_twice.with(name))),
        }
    }

    /// A whole number that is at least this.
    pub(super) fn number(&mut self, name: &'static str, least: u64) -> Result<Option<u64>, Error> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        match text.parse() {
            Ok(number) if number >= least => Ok(Some(number)),
            _ => {
                let text = STRINGS.errors.no_number.with_two(name, &least.to_string());
                Err(Error::bad_request(text))
            }
        }
    }

    /// True if the name stands there, alone or with `=1`.
    pub(super) fn flag(&mut self, name: &'static str) -> Result<bool, Error> {
        match self.written(name)?.as_deref() {
            None => Ok(false),
            Some("" | "1") => Ok(true),
            Some(_) => Err(Error::bad_request(STRINGS.errors.not_one.with(name))),
        }
    }

    /// True for `name=1`, which is a word that nobody types by accident.
    pub(super) fn one(&mut self, name: &'static str) -> Result<bool, Error> {
        match self.text(name)?.as_deref() {
            None => Ok(false),
            Some("1") => Ok(true),
            Some(_) => Err(Error::bad_request(STRINGS.errors.not_one.with(name))),
        }
    }

    /// One of these words, if any is said.
    pub(super) fn choice(
        &mut self,
        name: &'static str,
        known: &[&'static str],
    ) -> Result<Option<&'static str>, Error> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        match known.iter().find(|known| **known == text) {
            Some(known) => Ok(Some(known)),
            None => {
                let text = STRINGS.errors.no_choice.with_two(name, &known.join(", "));
                Err(Error::bad_request(text))
            }
        }
    }

    /// `on` or `off`; off where nothing is said.
    pub(super) fn switch(&mut self, name: &'static str) -> Result<bool, Error> {
        match self.text(name)?.as_deref() {
            None | Some("off") => Ok(false),
            Some("on") => Ok(true),
            Some(_) => Err(Error::bad_request(STRINGS.errors.no_switch.with(name))),
        }
    }

    /// All values of a name that may stand there more than once.
    pub(super) fn every(&mut self, name: &'static str) -> Result<Vec<String>, Error> {
        let values = self.remove(name);
        let is_empty = values.iter().any(|value| value.trim().is_empty());
        if is_empty { Err(empty(name)) } else { Ok(values) }
    }

    fn remove(&mut self, name: &'static str) -> Vec<String> {
        self.known.push(name);
        let taken = self.left.extract_if(.., |(it, _)| it == name);
        taken.map(|(_, value)| value).collect()
    }

    fn end(self) -> Result<(), Error> {
        let Some((name, _)) = self.left.first() else { return Ok(()) };
        let name: String = name.chars().take(LONGEST_NAME).collect();
        let strings = &STRINGS.errors;
        let known = match self.known.is_empty() {
            true => strings.no_parameters.to_owned(),
            false => strings.known_parameters.with(&self.known.join(", ")),
        };
        Err(Error::bad_request(format!("{} {known}", strings.unknown_parameter.with(&name))))
    }
}

fn empty(name: &str) -> Error {
    Error::bad_request(STRINGS.errors.empty_parameter.with(name))
}

/// The requests whose handlers take a [`Query`].
const ASKING: [(&str, &str); 25] = [
    ("GET", "/"),
    ("GET", "/delete"),
    ("GET", "/rows"),
    ("GET", "/boxes"),
    ("GET", "/messages/{id}"),
    ("GET", "/messages/{id}/html"),
    ("GET", "/messages/{id}/text"),
    ("GET", "/messages/{id}/markup"),
    ("GET", "/messages/{id}/headers"),
    ("GET", "/messages/{id}/source"),
    ("GET", "/messages/{id}/links"),
    ("GET", "/messages/{id}/parts"),
    ("GET", "/messages/{id}/parts/{part}/view"),
    ("GET", "/messages/{id}/print"),
    ("GET", "/messages/{id}/frame"),
    ("GET", "/messages/{id}/parts/{part}/frame"),
    ("GET", "/messages/{id}/raw"),
    ("GET", "/messages/{id}/parts/{part}"),
    ("GET", "/login"),
    ("GET", "/api/messages"),
    ("DELETE", "/api/messages"),
    ("GET", "/api/refusals"),
    ("GET", "/status"),
    ("GET", "/ws"),
    ("GET", "/auth-smtp"),
];

/// Characters of an unknown name that are told.
const LONGEST_NAME: usize = 40;

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq)]
    struct Sample {
        text: Option<String>,
        shown: String,
        number: Option<u64>,
        flag: bool,
        one: bool,
        choice: Option<&'static str>,
        every: Vec<String>,
    }

    impl Parameters for Sample {
        fn take(pairs: &mut Pairs) -> Result<Self, Error> {
            Ok(Self {
                text: pairs.text("text")?,
                shown: pairs.shown("shown")?,
                number: pairs.number("number", 1)?,
                flag: pairs.flag("flag")?,
                one: pairs.one("one")?,
                choice: pairs.choice("choice", &["dark", "light"])?,
                every: pairs.every("every")?,
            })
        }
    }

    #[test]
    fn what_is_asked_for_is_taken() {
        let query = b"text=a+b%21&shown=&number=7&flag&one=1&choice=dark&every=x&every=y";
        let every = vec!["x".to_owned(), "y".to_owned()];
        let asked = Sample {
            text: Some("a b!".to_owned()),
            shown: String::new(),
            number: Some(7),
            flag: true,
            one: true,
            choice: Some("dark"),
            every,
        };
        assert_eq!(read::<Sample>(query).unwrap(), asked);
        assert_eq!(read::<Sample>(b"").unwrap().text, None);
    }

    #[test]
    fn what_is_not_understood_is_named() {
        for (query, named) in [
            ("test=a", "test"),
            ("text=a&=b", "“”"),
            ("Text=a", "Text"),
            ("text=a&text=a", "text"),
            ("text", "text"),
            ("text=+", "text"),
            ("text=%c2%a0", "text"),
            ("shown=%20", "shown"),
            ("shown=&shown=", "shown"),
            ("number=", "number"),
            ("number=-1", "number"),
            ("number=x", "number"),
            ("number=0", "1 or more"),
            ("flag=0", "flag"),
            ("flag&flag", "flag"),
            ("one", "one"),
            ("one=0", "one"),
            ("one=true", "one"),
            ("choice=pink", "dark, light"),
            ("choice=Dark", "choice"),
            ("every=x&every=", "every"),
            ("text=%ff", "UTF-8"),
        ] {
            let error = read::<Sample>(query.as_bytes()).unwrap_err();
            assert_eq!(error.status, 400, "{query}");
            assert!(error.external.contains(named), "{query}: {}", error.external);
        }
        let long = read::<()>("y".repeat(999).as_bytes()).unwrap_err().external;
        assert_eq!(long.matches('y').count(), LONGEST_NAME);
        assert!(read::<()>(b"x").unwrap_err().external.contains("“x”"));
    }
}
