//! Address lists (RFC 5322 §3.4): one pass over the characters, no errors, no recursion.
//!
//! People write worse than the grammar allows (open quotes, missing commas, names without brackets),
//! so this reads for what was meant: every piece of the list becomes an [`Address`] of some kind.

use super::{
    Address,
    defects::Defects,
    encoded_word,
    mailbox::{compact, normal, without_comments},
};

/// Adds the mailboxes of an unfolded value to `list`, groups opened up, [`MAX_ADDRESSES`] at most.
pub(super) fn parse(value: &str, list: &mut Vec<Address>, defects: &mut Defects) {
    let mut parser = Parser {
        value,
        last_quote: value.rfind('"'),
        last_parenthesis: value.rfind(')'),
        item: Item::default(),
        held: Vec::new(),
        group: None,
    };
    let mut at = 0;
    while let Some(c) = value[at..].chars().next() {
        if list.len() + parser.held.len() >= MAX_ADDRESSES {
            return;
        }
        at = parser.step(at, c, list, defects);
    }
    parser.flush(list, defects);
    parser.release(list, defects);
    parser.end_group(list, defects);
}

struct Parser<'a> {
    value: &'a str,
    /// Where the last quote stands: one that opens there never closes, so it is an ordinary character.
    last_quote: Option<usize>,
    last_parenthesis: Option<usize>,
    item: Item,
    /// Pieces without an address: the beginning of a name whose comma nobody put into quotes, if an
    /// address in brackets follows, and else local names.
    held: Vec<Item>,
    /// The name of an open group, and whether it has no member yet.
    group: Option<(String, bool)>,
}

/// One address as it is put together.
#[derive(Default)]
struct Item {
    /// Without quotes and comments: the display name, if there is an address in angle brackets.
    phrase: String,
    /// The same with its comments, as people are shown it, if there are any.
    told: Option<String>,
    /// With the quotes: the address, if there is none in brackets.
    raw: String,
    angle: Option<String>,
    /// The last one.
    comment: String,
    /// There is an `@` outside of quotes: a colon does not name a group any more.
    at_sign: bool,
}

impl Parser<'_> {
    /// Takes what begins at `at` with `c` and tells where the next begins.
    fn step(
        &mut self,
        at: usize,
        c: char,
        list: &mut Vec<Address>,
        defects: &mut Defects,
    ) -> usize {
        let next = at + c.len_utf8();
        match c {
            ',' => self.flush(list, defects),
            ';' => {
                self.flush(list, defects);
                self.release(list, defects);
                self.end_group(list, defects);
            }
            '"' if self.last_quote > Some(at) => return self.quoted(next),
            '(' if self.last_parenthesis > Some(at) => return self.comment(next),
            '<' => return self.angle(next),
            '>' if self.item.angle.is_some() => {}
            ':' if self.is_group() => {
                self.release(list, defects);
                let name = std::mem::take(&mut self.item).phrase;
                self.group = Some((name, true));
            }
            '@' => {
                self.item.at_sign = true;
                self.push("@");
            }
            // A comma inside an encoded word parts nothing.
            '=' => match encoded_word::word_length(&self.value[at..]) {
                Some(length) => {
                    self.push(&self.value[at..at + length]);
                    return at + length;
                }
                None => self.push("="),
            },
            _ => {
                // Nearly all there is: letters that mean nothing by themselves, many at once.
                let end = self.value.as_bytes()[next..].iter().position(|it| SPECIALS.contains(it));
                let end = end.map_or(self.value.len(), |length| next + length);
                self.push(&self.value[at..end]);
                return end;
            }
        }
        next
    }

    fn push(&mut self, text: &str) {
        self.item.phrase.push_str(text);
        self.item.raw.push_str(text);
        if let Some(told) = &mut self.item.told {
            // Behind a comment there is white space already.
            let text = if told.ends_with(") ") { text.trim_start() } else { text };
            told.push_str(text);
        }
    }

    fn is_group(&self) -> bool {
        self.group.is_none() && self.item.angle.is_none() && !self.item.at_sign
    }

    /// A quoted string from behind its quote (RFC 5322 §3.2.4).
    fn quoted(&mut self, from: usize) -> usize {
        self.item.raw.push('"');
        let mut escaped = false;
        for (at, c) in self.value[from..].char_indices() {
            match c {
                '\\' if !escaped => escaped = true,
                '"' if !escaped => {
                    self.item.raw.push('"');
                    return from + at + 1;
                }
                _ => {
                    // Nothing else needs its backslash.
                    if escaped && matches!(c, '"' | '\\') {
                        self.item.raw.push('\\');
                    }
                    escaped = false;
                    self.item.raw.push(c);
                    self.item.phrase.push(c);
                    if let Some(told) = &mut self.item.told {
                        told.push(c);
                    }
                }
            }
        }
        self.value.len()
    }

    /// A comment from behind its parenthesis; comments nest (RFC 5322 §3.2.2).
    fn comment(&mut self, from: usize) -> usize {
        let after = self.comment_end(from);
        let Item { told, phrase, comment, .. } = &mut self.item;
        let told = told.get_or_insert_with(|| phrase.clone());
        told.truncate(told.trim_end().len());
        *told += &format!(" ({comment}) ");
        after
    }

    fn comment_end(&mut self, from: usize) -> usize {
        self.item.comment.clear();
        let mut depth = 1;
        let mut escaped = false;
        for (at, c) in self.value[from..].char_indices() {
            match c {
                '\\' if !escaped => {
                    escaped = true;
                    continue;
                }
                '(' if !escaped => depth += 1,
                ')' if !escaped => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                return from + at + 1;
            }
            escaped = false;
            self.item.comment.push(c);
        }
        self.value.len()
    }

    /// An address from behind `<`, without its source route (RFC 5322 §4.4).
    fn angle(&mut self, from: usize) -> usize {
        let mut quoted = false;
        let rest = &self.value[from..];
        let route = rest.starts_with('@');
        let end = rest.bytes().enumerate().find(|&(at, octet)| {
            match octet {
                b'"' if self.last_quote > Some(from + at) || quoted => quoted = !quoted,
                // A comma where the bracket should close: the bracket was forgotten.
                b'>' | b'<' if !quoted => return true,
                b',' | b';' if !quoted && !route => return true,
                _ => {}
            }
            false
        });
        let (inside, after) = match end {
            Some((at, b'>')) => (&rest[..at], from + at + 1),
            Some((at, _)) => (&rest[..at], from + at),
            None => (rest, self.value.len()),
        };
        let address = match inside.strip_prefix('@').and_then(|route| route.split_once(':')) {
            Some((_, address)) => address,
            None => inside,
        };
        // "<<a@b>>" and "<a@b> <c@d>": the first that says something.
        if self.item.angle.as_deref().is_none_or(str::is_empty) {
            let address = without_comments(address);
            self.item.angle = Some(normal(&compact(address.trim())).into_owned());
        }
        after
    }

    /// An item has ended.
    fn flush(&mut self, list: &mut Vec<Address>, defects: &mut Defects) {
        let mut item = std::mem::take(&mut self.item);
        if item.is_name_only() {
            self.held.push(item);
            return;
        }
        if item.goes_on_with_a_name() {
            // "Foo, Joe <joe@b.example>": the grammar has two addresses here, people mean one.
            let before = self.held.drain(..).map(|it| it.shown().trim().to_owned() + ", ");
            item.told = Some(before.collect::<String>() + item.shown().trim());
        }
        self.release(list, defects);
        self.add(item, list, defects);
    }

    /// What was held back is no part of a name.
    fn release(&mut self, list: &mut Vec<Address>, defects: &mut Defects) {
        for item in std::mem::take(&mut self.held) {
            self.add(item, list, defects);
        }
    }

    fn add(&mut self, item: Item, list: &mut Vec<Address>, defects: &mut Defects) {
        if let Some(address) = item.into_address(defects) {
            list.push(address);
            if let Some((_, empty)) = &mut self.group {
                *empty = false;
            }
        }
    }

    /// A group without members, such as `undisclosed-recipients:;`, is shown by its name.
    fn end_group(&mut self, list: &mut Vec<Address>, defects: &mut Defects) {
        if let Some((name, true)) = self.group.take() {
            let name = readable(&name, defects);
            if !name.is_empty() {
                list.push(Address { name, address: String::new() });
            }
        }
    }
}

impl Item {
    fn is_name_only(&self) -> bool {
        self.angle.is_none() && !self.at_sign && !self.raw.trim().is_empty()
    }

    fn goes_on_with_a_name(&self) -> bool {
        let is_address = self.angle.as_ref().is_some_and(|angle| angle.contains('@'));
        is_address && !self.phrase.trim().is_empty()
    }

    /// The name beside an address in brackets. "Ann (IT) <ann@a.example>" is shown so by mail programs,
    /// whatever the grammar says; a single comment in place of the name needs no parentheses.
    fn shown(&self) -> &str {
        match &self.told {
            Some(told) if told.trim() == format!("({})", self.comment) => &self.comment,
            Some(told) => told,
            None => &self.phrase,
        }
    }

    fn into_address(mut self, defects: &mut Defects) -> Option<Address> {
        let (phrase, address) = match self.angle.take() {
            Some(address) if self.told.is_none() => (self.phrase, address),
            Some(address) => (self.shown().to_owned(), address),
            None => {
                let raw = self.raw.trim();
                let raw = compact(raw);
                match raw.rsplit_once(char::is_whitespace) {
                    // "John Doe john@a.example": brackets were forgotten.
                    Some((_, last)) if last.contains('@') && !last.contains('"') => {
                        let name = compact(self.phrase.trim());
                        let name = name.strip_suffix(last).unwrap_or(&name);
                        (name.to_owned(), last.to_owned())
                    }
                    // "No address", "root": words are a name.
                    _ if !raw.contains('@') => (self.phrase, String::new()),
                    _ => (String::new(), normal(&raw).into_owned()),
                }
            }
        };
        let mut name = readable(&phrase, defects);
        // A comment alone is nobody.
        if name.is_empty() && !address.is_empty() {
            name = readable(&self.comment, defects);
        }
        // Encoded words have no place in an address, but a reader wants to see what was meant.
        let address = readable(&address, defects);
        (!name.is_empty() || !address.is_empty()).then_some(Address { name, address })
    }
}

/// Encoded words decoded, control characters and repeated spaces gone.
fn readable(text: &str, defects: &mut Defects) -> String {
    super::text::one_line(&encoded_word::decode_words(text.trim(), defects)).into_owned()
}

/// The characters that [`Parser::step`] looks at.
const SPECIALS: &[u8] = b",;\"(<>:@=";

/// Most addresses kept of each list: a page shows no more, and a header of 256 KB could hold 50,000.
const MAX_ADDRESSES: usize = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(value: &str, expected: &[(&str, &str)]) {
        let mut list = Vec::new();
        parse(value, &mut list, &mut Defects::default());
        let list: Vec<_> = list.iter().map(|a| (a.name.as_str(), a.address.as_str())).collect();
        assert_eq!(list, expected, "{value}");
    }

    #[test]
    fn the_grammar() {
        check("", &[]);
        check("ann@a.example", &[("", "ann@a.example")]);
        check("<ann@a.example>, , bob@b.example", &[("", "ann@a.example"), ("", "bob@b.example")]);
        check("Ann Lee <ann@a.example>", &[("Ann Lee", "ann@a.example")]);
        check(r#""Lee, \"Ann\"" <ann@a.example>"#, &[("Lee, \"Ann\"", "ann@a.example")]);
        check("ann@a.example (Ann (the) Lee)", &[("Ann (the) Lee", "ann@a.example")]);
        check("=?utf-8?Q?J=C3=B6rg?= <j@a.example>", &[("Jörg", "j@a.example")]);
        check(r#""ann lee"@a.example"#, &[("", r#""ann lee"@a.example"#)]);
        check(r#"A <"a,>b"@a.example>"#, &[("A", r#""a,>b"@a.example"#)]);
        check("<@x.example,@y.example:ann@a.example>", &[("", "ann@a.example")]);
        check("MAILER-DAEMON", &[("MAILER-DAEMON", "")]);
        check("<root>", &[("", "root")]);
        check(
            r#""me"@a.example, Ann <"ann"@a.example>"#,
            &[("", "me@a.example"), ("Ann", "ann@a.example")],
        );
        check("No address", &[("No address", "")]);
    }

    #[test]
    fn groups() {
        check("undisclosed-recipients:;", &[("undisclosed-recipients", "")]);
        check(
            "Team: ann@a.example, Bob <bob@b.example>; carl@c.example",
            &[("", "ann@a.example"), ("Bob", "bob@b.example"), ("", "carl@c.example")],
        );
    }

    #[test]
    fn what_people_write() {
        check("Ann ann@a.example", &[("Ann", "ann@a.example")]);
        check("Ann <ann@a.example, b@b.example", &[("Ann", "ann@a.example"), ("", "b@b.example")]);
        check("a@a.example; b@b.example", &[("", "a@a.example"), ("", "b@b.example")]);
        check("\"Ann <a@a.example>, b@b.example", &[("\"Ann", "a@a.example"), ("", "b@b.example")]);
        check("a@a.example (never closed", &[("", "a@a.example (never closed")]);
        check("\"=?utf-8?Q?J=C3=B6rg?=\" <j@a.example>", &[("Jörg", "j@a.example")]);
        check("=?utf-8?Q?Lee, Ann?= <a@a.example>", &[("Lee, Ann", "a@a.example")]);
        check("<<a@a.example>>", &[("", "a@a.example")]);
        check("<>", &[]);
    }

    #[test]
    fn commas_in_names() {
        check("Joe Foo, PhD <j@b.example>", &[("Joe Foo, PhD", "j@b.example")]);
        check(
            "Foo, Joe <j@b.example>, Ann <a@a.example>",
            &[("Foo, Joe", "j@b.example"), ("Ann", "a@a.example")],
        );
        check("Foo, Joe, PhD <j@b.example>", &[("Foo, Joe, PhD", "j@b.example")]);
        check("Team: Foo, Joe <j@b.example>;", &[("Foo, Joe", "j@b.example")]);
        // Nothing goes on with a name here.
        check("root, <a@a.example>", &[("root", ""), ("", "a@a.example")]);
        check("root, a@a.example, bob", &[("root", ""), ("", "a@a.example"), ("bob", "")]);
    }

    #[test]
    fn comments_and_white_space() {
        check("(nobody), Hidden recipients :(nobody);", &[("Hidden recipients", "")]);
        check("(c)a(c)@(c)b.example", &[("c", "a@b.example")]);
        check("so . many @ here . example", &[("", "so.many@here.example")]);
        check("Ann < ann (x) @ a.example >", &[("Ann", "ann@a.example")]);
        check("Ann <ann@a . example> (work)", &[("Ann (work)", "ann@a.example")]);
        check("Ann(IT)Lee <ann@a.example>", &[("Ann (IT) Lee", "ann@a.example")]);
        check("Lee, Ann (IT) <ann@a.example>", &[("Lee, Ann (IT)", "ann@a.example")]);
        check("<ann@a.example> (Ann Lee)", &[("Ann Lee", "ann@a.example")]);
        check("(=?utf-8?Q?J=C3=B6rg?=) <j@a.example> (IT)", &[("(Jörg) (IT)", "j@a.example")]);
        check("(a) Ann <ann@a.example>", &[("(a) Ann", "ann@a.example")]);
        check("Ann ann @ a.example", &[("Ann", "ann@a.example")]);
    }

    #[test]
    fn long_lists_are_cut() {
        let mut list = Vec::new();
        parse(&"a@a.example,".repeat(10_000), &mut list, &mut Defects::default());
        assert_eq!(list.len(), MAX_ADDRESSES);
    }
}
