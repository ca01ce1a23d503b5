//! A message turned into the words, and where they are asked for the signs, that are searched.

use super::{Document, Field, signs, words::fold_into};
use crate::message::{Address, Summary};
use crate::wire::Envelope;

impl Document {
    /// The words of a message; `texts` are all its readable texts.
    pub fn new<'a>(
        envelope: &Envelope,
        summary: &Summary,
        texts: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let mut document = Self::default();
        each(envelope, summary, |field, text| document.add(field, text));
        texts.into_iter().for_each(|text| document.add_text(text));
        document
    }

    /// The same with the texts as they stand, for a search that asks for signs.
    pub fn with_signs<'a>(
        envelope: &Envelope,
        summary: &Summary,
        texts: impl IntoIterator<Item = &'a str> + Clone,
    ) -> Self {
        let mut document = Self::new(envelope, summary, texts.clone());
        let mut keep = |field: Field, text: &str| {
            let kept = &mut document.signs[field as usize];
            kept.extend(text.chars().filter(|&c| !signs::is_variation(c)));
            // So that no sign is found half in one text and half in the next.
            kept.push('\n');
        };
        each(envelope, summary, &mut keep);
        texts.into_iter().for_each(|text| keep(Field::Text, text));
        document
    }

    /// Says that these fields go on and nobody looked at the rest, because it is long or damaged. It is a
    /// word at their end, so that an index keeps it as any other.
    pub fn mark_cut(&mut self, fields: &[Field]) {
        for &field in fields {
            let text = &mut self.fields[field as usize];
            if !text.is_empty() {
                text.push(' ');
            }
            text.push_str(Self::CUT);
        }
    }

    /// True if there is more of this field than was looked at.
    pub(super) fn is_cut(&self, field: Field) -> bool {
        self.field(field).ends_with(Self::CUT)
    }

    /// The word of [`Self::mark_cut`]: a sign, so that it is in no text.
    pub const CUT: &str = "\u{fffd}";

    /// The words of a field, joined by single spaces.
    pub fn field(&self, field: Field) -> &str {
        &self.fields[field as usize]
    }

    /// True if the words of `phrase`, joined by single spaces, stand one after the other in the
    /// field; with `prefix` the last of them may be the beginning of one.
    pub(super) fn contains(&self, field: Field, phrase: &str, prefix: bool) -> bool {
        let text = self.field(field).as_bytes();
        let finder = memchr::memmem::Finder::new(phrase);
        let mut from = 0;
        while let Some(found) = finder.find(&text[from..]) {
            let start = from + found;
            let end = start + phrase.len();
            let begins = start == 0 || text[start - 1] == b' ';
            if begins && (prefix || matches!(text.get(end), None | Some(b' '))) {
                return true;
            }
            from = start + 1;
        }
        false
    }

    /// True if these signs stand in the field.
    pub(super) fn shows(&self, field: Field, signs: &str) -> bool {
        memchr::memmem::find(self.signs[field as usize].as_bytes(), signs.as_bytes()).is_some()
    }

    fn add(&mut self, field: Field, text: &str) {
        fold_into(text, &mut self.fields[field as usize]);
    }

    /// Adds a text unless the one before says the same, as HTML does to the plain text it is made from.
    fn add_text(&mut self, text: &str) {
        let words = &mut self.fields[Field::Text as usize];
        let before = words.len();
        fold_into(text, words);
        let (old, new) = words.split_at(before);
        // The first words of a field come without the space that stands before all others.
        let again = old.ends_with(new) || new.strip_prefix(' ') == Some(old);
        if again {
            words.truncate(before);
        }
    }
}

/// Every text of a message besides its readable ones, with the field that it stands in.
fn each(envelope: &Envelope, summary: &Summary, mut put: impl FnMut(Field, &str)) {
    put(Field::Subject, &summary.subject);
    let mut addresses = |field, addresses: &[Address]| {
        for address in addresses {
            put(field, &address.name);
            put(field, &address.address);
        }
    };
    addresses(Field::From, &summary.from);
    addresses(Field::To, &summary.to);
    addresses(Field::Cc, &summary.cc);
    addresses(Field::Bcc, &summary.bcc);
    addresses(Field::ReplyTo, &summary.reply_to);
    put(Field::MessageId, &summary.message_id);
    for name in &summary.attachments {
        put(Field::Attachment, name);
    }
    if !has(&summary.from, &envelope.reverse_path) {
        put(Field::From, &envelope.reverse_path);
    }
    // Who received it and stands in no header was a blind copy, whatever the sender calls it.
    for path in &envelope.forward_paths {
        let named = [&summary.to, &summary.cc, &summary.bcc];
        if !named.into_iter().any(|list| has(list, &path.address)) {
            put(Field::Bcc, &path.address);
        }
    }
}

/// True if the header names this address. What has no `@` is a name there (`To: root`).
fn has(list: &[Address], address: &str) -> bool {
    list.iter().any(|known| {
        let named = if known.address.is_empty() { &known.name } else { &known.address };
        named.eq_ignore_ascii_case(address)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::ForwardPath;

    fn address(name: &str, address: &str) -> Address {
        Address { name: name.to_owned(), address: address.to_owned() }
    }

    #[test]
    fn fields() {
        let path =
            |address: &str| ForwardPath { address: address.to_owned(), ..Default::default() };
        let envelope = Envelope {
            reverse_path: "bounce@a.example".to_owned(),
            forward_paths: vec![path("BOB@b.example"), path("eve@e.example")],
            ..Envelope::default()
        };
        let summary = Summary {
            subject: "Réunion".to_owned(),
            from: vec![address("Ann Lee", "ann@a.example")],
            to: vec![address("", "bob@b.example")],
            attachments: vec!["Plan.PDF".to_owned(), String::new()],
            ..Summary::default()
        };
        let document = Document::new(&envelope, &summary, ["See\r\nyou"]);
        for (field, words) in [
            (Field::Subject, "reunion"),
            (Field::From, "ann lee ann a example bounce a example"),
            (Field::To, "bob b example"),
            (Field::Bcc, "eve e example"),
            (Field::Attachment, "plan pdf"),
            (Field::Text, "see you"),
            (Field::Cc, ""),
        ] {
            assert_eq!(document.field(field), words, "{field:?}");
        }
    }

    #[test]
    fn what_is_said_twice_is_kept_once() {
        for (texts, words) in [
            (["One two", "one,\r\nTwo", ""], "one two"),
            (["a", "One two", "one two"], "a one two"),
            (["one two", "two", "wo"], "one two wo"),
            (["one", "one two", "one"], "one one two one"),
            (["", "", "one"], "one"),
        ] {
            let document = Document::new(&Envelope::default(), &Summary::default(), texts);
            assert_eq!(document.field(Field::Text), words, "{texts:?}");
        }
    }

    #[test]
    fn a_text_that_was_not_read_whole_says_so() {
        let mut document =
            Document::new(&Envelope::default(), &Summary::default(), ["One \u{fffd}"]);
        assert!(!document.is_cut(Field::Text));
        document.mark_cut(&[Field::Text, Field::Subject]);
        assert!(document.is_cut(Field::Text) && document.is_cut(Field::Subject));
        assert!(!document.is_cut(Field::From));
        assert_eq!(document.field(Field::Text), "one \u{fffd}");
    }

    #[test]
    fn phrases_begin_and_end_with_words() {
        let mut document = Document::default();
        document.add(Field::Text, "aa a a bc d");
        for (phrase, whole, prefix) in [
            ("a a", true, true),
            ("a bc", true, true),
            ("a b", false, true),
            ("c d", false, false),
            ("aa", true, true),
            ("d e", false, false),
        ] {
            assert_eq!(document.contains(Field::Text, phrase, false), whole, "{phrase}");
            assert_eq!(document.contains(Field::Text, phrase, true), prefix, "{phrase}*");
        }
    }
}
