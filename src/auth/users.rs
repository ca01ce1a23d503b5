//! The users file: a line `name:hash` for each user, empty lines, and comments behind `#`.
//!
//! It is read whole or not at all: a file with one broken line would lock somebody out who could log
//! in a moment ago.

use std::{collections::BTreeMap, fs, io, path::Path};

use super::Stored;

/// Users and what is kept of their passwords.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Users(BTreeMap<String, Stored>);

impl Users {
    /// Reads the file; an empty path is a file without users. The error is one line for people.
    pub(super) fn read(path: &Path) -> Result<Self, String> {
        if path.as_os_str().is_empty() {
            return Ok(Self::default());
        }
        let name = path.display();
        let text = fs::read_to_string(path).map_err(|error| match error.kind() {
            io::ErrorKind::InvalidData => format!("auth.users_file: {name} is not UTF-8"),
            _ => format!("auth.users_file: cannot read {name}: {error}"),
        })?;
        Self::parse(&text).map_err(|(line, what)| format!("auth.users_file: {name}:{line}: {what}"))
    }

    /// The error is the number of a line, and what was expected there.
    fn parse(text: &str) -> Result<Self, (usize, &'static str)> {
        let mut users = BTreeMap::new();
        for (at, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let at = at + 1;
            let (name, hash) = line.split_once(':').ok_or((at, "expected name:hash"))?;
            if name.is_empty() {
                return Err((at, "expected a name before the colon"));
            }
            let stored = Stored::try_from(hash.to_owned()).map_err(|what| (at, what))?;
            if users.insert(name.to_owned(), stored).is_some() {
                return Err((at, "expected each name once"));
            }
        }
        Ok(Self(users))
    }

    pub(super) fn get(&self, name: &str) -> Option<&Stored> {
        self.0.get(name)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Stored> {
        self.0.values()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: &str = "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$\
        WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";

    #[test]
    fn a_line_is_a_user() {
        let text = format!("# ours\r\n\r\nann:{KEYS}\r\n  ann@example.org:{KEYS}  \n");
        let users = Users::parse(&text).unwrap();
        assert_eq!(users.0.keys().collect::<Vec<_>>(), ["ann", "ann@example.org"]);
        assert!(users.get("ann").is_some_and(Stored::is_scram));
        assert!(users.get("bob").is_none());
        assert!(Users::parse("").unwrap().is_empty());
    }

    #[test]
    fn one_broken_line_is_a_broken_file() {
        for (text, line, what) in [
            ("ann", 1, "expected name:hash"),
            ("\n:x", 2, "expected a name before the colon"),
            (
                "ann:geheim",
                1,
                "expected an argon2 hash or SCRAM keys, as `smtpd hash-password` prints them",
            ),
            (&format!("ann:{KEYS}\nann:{KEYS}"), 2, "expected each name once"),
        ] {
            assert_eq!(Users::parse(text), Err((line, what)), "{text}");
        }
    }

    #[test]
    fn a_file_that_is_not_there_is_an_error_and_no_file_is_none() {
        assert_eq!(Users::read(Path::new("")), Ok(Users::default()));
        let error = Users::read(Path::new("/nowhere/users")).unwrap_err();
        assert!(error.starts_with("auth.users_file: cannot read /nowhere/users: "), "{error}");
    }
}
