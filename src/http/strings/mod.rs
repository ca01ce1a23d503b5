//! All strings of the pages, in one place, so that a second language is one more table.
//!
//! A template has the table as `w` and says `{{ w.layout.mark_all_read }}`; a sentence with a hole is
//! `{{ w.layout.searched.with(query) }}`, a number `{{ w.layout.messages.of(3) }}`. Scripts find theirs
//! in the page, as JSON (`Strings::scripts`). Texts of the API, of the log and of SMTP are for programs
//! and their makers, and are not here.

mod errors;
mod layout;
mod login;
pub(super) mod message;
mod status;

use std::borrow::Borrow;

use serde::Serialize;

/// A language.
pub(super) struct Strings {
    /// Its tag for `<html lang>` and for dates and numbers (BCP 47).
    pub(super) lang: &'static str,
    /// The frame of every page, the list, the search.
    pub(super) layout: layout::Strings,
    /// What the scripts of the list and its frame say.
    pub(super) scripts: layout::Scripts,
    /// What goes wrong.
    pub(super) errors: errors::Strings,
    /// Logging in and out.
    pub(super) login: login::Strings,
    /// The status page.
    pub(super) status: status::Strings,
    /// A message.
    pub(super) message: message::Strings,
}

/// The words that the pages are made of.
pub(super) const STRINGS: &Strings = &ENGLISH;

const ENGLISH: Strings = Strings {
    lang: "en",
    layout: layout::ENGLISH,
    scripts: layout::ENGLISH_SCRIPTS,
    errors: errors::ENGLISH,
    login: login::ENGLISH,
    status: status::ENGLISH,
    message: message::ENGLISH,
};

/// A text for one and a text for any other number; `{}` is the number. Languages with more forms
/// (Polish, Arabic) get more fields here, and `of` learns to choose, as `Intl.PluralRules` does for
/// the scripts.
#[derive(Clone, Copy, Serialize)]
pub(super) struct Plural {
    pub(super) one: &'static str,
    pub(super) other: &'static str,
}

impl Plural {
    /// The text for so many. Templates hand over references.
    pub(super) fn of(&self, number: impl Borrow<u64>) -> String {
        let number = *number.borrow();
        Sentence(if number == 1 { self.one } else { self.other }).with(&grouped(number))
    }
}

/// A text with a hole, `{}`.
#[derive(Clone, Copy, Serialize)]
#[serde(transparent)]
pub(super) struct Sentence(pub(super) &'static str);

impl Sentence {
    /// The text with its hole filled.
    pub(super) fn with(&self, value: &str) -> String {
        self.0.replacen("{}", value, 1)
    }

    /// The same with a second value.
    pub(super) fn with_two(&self, first: &str, second: &str) -> String {
        self.with(first).replacen("{}", second, 1)
    }
}

/// `1234567` as `1,234,567`.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut shown = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

impl Strings {
    /// A number as people write it.
    pub(super) fn number(&self, number: impl Borrow<u64>) -> String {
        grouped(*number.borrow())
    }

    /// The words of the scripts, as JSON that may stand inside a `<script>`.
    pub(super) fn scripts(&self) -> String {
        let json = serde_json::to_string(&self.scripts).unwrap_or_default();
        json.replace('<', "\\u003c")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_what_is_counted_agree() {
        let messages = Plural { one: "{} message", other: "{} messages" };
        let said = [0_u64, 1, 2, 1000, 1_234_567].map(|number| messages.of(number));
        assert_eq!(
            said,
            ["0 messages", "1 message", "2 messages", "1,000 messages", "1,234,567 messages"]
        );
    }

    #[test]
    fn a_value_with_a_hole_is_put_as_it_is() {
        assert_eq!(Sentence("Search: {}").with("{} <b>"), "Search: {} <b>");
    }

    #[test]
    fn the_words_of_scripts_cannot_end_the_script() {
        assert!(!STRINGS.scripts().contains('<'));
        assert!(serde_json::from_str::<serde_json::Value>(&STRINGS.scripts()).is_ok());
    }
}
