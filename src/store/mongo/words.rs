//! The words of a message as its document keeps them for searches: each once, folded as
//! `message::search::words` folds them, in an array with an index.
//!
//! Not MongoDB's own text index, because that one splits words otherwise, knows no beginnings of words,
//! and must sort all that it found before the first page can be shown.

use std::collections::HashSet;

use crate::message::search::{Document, Field};

/// The different words of a message, those of its header first. When there are too many, the first
/// stands for the rest: it is empty, which no word is, and so says that the message must be read.
pub(super) fn distinct(document: &Document) -> Vec<&str> {
    let mut seen = HashSet::new();
    let mut words = Vec::new();
    for field in Field::ALL {
        for word in document.field(field).split(' ').filter(|word| !word.is_empty()) {
            if !seen.insert(word) {
                continue;
            }
            if words.len() == MOST_WORDS {
                words.insert(0, CUT);
                return words;
            }
            words.push(word);
        }
    }
    words
}

/// True if the index holds exactly such words, so that it can answer for this one.
pub(super) fn is_one_word(word: &str) -> bool {
    !word.is_empty() && !word.bytes().any(|octet| octet.is_ascii() && !is_letter(octet))
}

fn is_letter(octet: u8) -> bool {
    octet.is_ascii_lowercase() || octet.is_ascii_digit()
}

/// What says that not all words are there.
pub(super) const CUT: &str = "";
/// Different words of a message that are indexed. A letter has a hundred, a newsletter five hundred;
/// each costs an entry of the index.
const MOST_WORDS: usize = 2_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn document(text: &str) -> Document {
        let mut document = Document::default();
        document.fields[Field::Subject as usize] = "weekly report".into();
        document.fields[Field::Text as usize] = text.into();
        document
    }

    #[test]
    fn each_word_stands_once() {
        let document = document("report of the week the week");
        assert_eq!(distinct(&document), ["weekly", "report", "of", "the", "week"]);
        assert!(distinct(&Document::default()).is_empty());
    }

    #[test]
    fn too_many_words_are_told() {
        let text: Vec<_> = (0..MOST_WORDS - 2).map(|number| format!("w{number}")).collect();
        let document = self::document(&text.join(" "));
        assert_eq!(distinct(&document).len(), MOST_WORDS);
        let document = self::document(&(text.join(" ") + " more"));
        let words = distinct(&document);
        assert_eq!((words.len(), words[0], words[1]), (MOST_WORDS + 1, CUT, "weekly"));
    }

    #[test]
    fn what_is_no_word_is_none() {
        for word in ["x1", "größe", "日"] {
            assert!(is_one_word(word), "{word}");
        }
        for word in ["", "a b", "x*", "AND", "\0", "\"", "a-b"] {
            assert!(!is_one_word(word), "{word}");
        }
    }
}
