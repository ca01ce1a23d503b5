//! From a search to what the database can answer: words for the full-text index, conditions for SQL,
//! and what only reading the message can tell.

use rusqlite::types::Value;

use crate::message::search::{Document, Field, Query, Test};

/// How a search is answered. All parts must hold.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Plan {
    /// What the index must find, as an FTS5 expression; already without what `exclude` names.
    pub(super) include: Option<String>,
    /// What the index must not find; set only if there is nothing to include.
    pub(super) exclude: Option<String>,
    /// Conditions on a row of `messages`.
    pub(super) conditions: Vec<Condition>,
    /// Tags, and whether the message must have them.
    pub(super) tags: Vec<(String, bool)>,
    /// Domains, and whether one of its mailboxes must be of it.
    pub(super) domains: Vec<(String, bool)>,
    /// The index sees some word otherwise than the search does, or has no signs: read each message.
    pub(super) read_each: bool,
}

/// A piece of SQL with at most one value.
#[derive(Debug, PartialEq)]
pub(super) struct Condition {
    pub(super) sql: &'static str,
    pub(super) value: Option<Value>,
}

impl Plan {
    /// Takes a search apart.
    pub(super) fn new(query: &Query) -> Self {
        let mut plan = Self::default();
        let (mut include, mut exclude) = (Vec::new(), Vec::new());
        for term in &query.terms {
            match &term.test {
                Test::Words { fields, words, prefix } => {
                    if !words.iter().all(|word| is_one_token(word)) {
                        plan.read_each = true;
                        continue;
                    }
                    let list = if term.negated { &mut exclude } else { &mut include };
                    list.push(expression(fields, words, *prefix));
                    if term.negated {
                        // What was not read whole may have them.
                        exclude.push(expression(fields, &[Document::CUT], false));
                    }
                }
                Test::Signs { .. } => plan.read_each = true,
                Test::Tag(tag) => plan.tags.push((tag.clone(), !term.negated)),
                Test::Domain(name) => plan.domains.push((name.clone(), !term.negated)),
                test => plan.conditions.extend(condition(test, term.negated)),
            }
        }
        let without = (!exclude.is_empty()).then(|| exclude.join(" OR "));
        if include.is_empty() {
            plan.exclude = without;
        } else {
            // NOT binds more tightly than AND, hence the parentheses.
            let all = format!("({})", include.join(" AND "));
            plan.include = Some(without.map_or(all.clone(), |none| format!("{all} NOT ({none})")));
        }
        plan
    }

    /// True if words are asked for.
    pub(super) fn asks_index(&self) -> bool {
        self.include.is_some() || self.exclude.is_some()
    }
}

/// `{"subject" "from"} : "weekly report" *`. The words stand in quotes, in which nothing but a quote
/// means anything, and they contain none.
fn expression(fields: &[Field], words: &[impl AsRef<str>], prefix: bool) -> String {
    let star = if prefix { " *" } else { "" };
    let words: Vec<_> = words.iter().map(AsRef::as_ref).collect();
    let phrase = format!("\"{}\"{star}", words.join(" "));
    if fields.len() == Field::ALL.len() {
        return format!("({phrase})");
    }
    let columns: Vec<_> = fields.iter().map(|field| format!("\"{}\"", column(*field))).collect();
    format!("({{{}}} : {phrase})", columns.join(" "))
}

fn condition(test: &Test, negated: bool) -> Option<Condition> {
    let number = |number: u64| Some(Value::Integer(i64::try_from(number).unwrap_or(i64::MAX)));
    let (holds, fails, value) = match test {
        Test::Read(read) => ("read = ?", "read <> ?", Some(Value::Integer((*read).into()))),
        Test::Starred => ("starred = 1", "starred = 0", None),
        Test::Tagged => ("tagged = 1", "tagged = 0", None),
        Test::Attachment => ("attachment & 1 = 1", "attachment & 1 = 0", None),
        Test::Inline => ("attachment & 2 = 2", "attachment & 2 = 0", None),
        Test::Before(ms) => ("received < ?", "received >= ?", Some(Value::Integer(*ms))),
        Test::After(ms) => ("received >= ?", "received < ?", Some(Value::Integer(*ms))),
        Test::Larger(size) => ("size > ?", "size <= ?", number(*size)),
        Test::Smaller(size) => ("size < ?", "size >= ?", number(*size)),
        Test::Words { .. } | Test::Signs { .. } | Test::Tag(_) | Test::Domain(_) => return None,
    };
    Some(Condition { sql: if negated { fails } else { holds }, value })
}

/// True if the index's tokenizer (`ascii`: a token is a run of ASCII letters, digits and everything
/// that is not ASCII) sees exactly this word.
fn is_one_token(word: &str) -> bool {
    !word.is_empty()
        && word.len() <= MAX_TOKEN
        && word
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || !byte.is_ascii())
}

/// The column of a field.
pub(super) const fn column(field: Field) -> &'static str {
    match field {
        Field::Subject => "subject",
        Field::From => "from",
        Field::To => "to",
        Field::Cc => "cc",
        Field::Bcc => "bcc",
        Field::ReplyTo => "reply_to",
        Field::MessageId => "message_id",
        Field::Attachment => "attachment",
        Field::Text => "text",
    }
}

/// FTS5 cuts tokens off behind 32,768 octets; far below it, both sides still see the same.
const MAX_TOKEN: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::search::Term;

    fn words(fields: &'static [Field], words: &[&str], prefix: bool, negated: bool) -> Term {
        let words = words.iter().map(|&word| word.to_owned()).collect();
        Term { negated, test: Test::Words { fields, words, prefix } }
    }

    fn plan(terms: Vec<Term>) -> Plan {
        Plan::new(&Query { terms })
    }

    #[test]
    fn words_become_an_expression() {
        let plan = plan(vec![
            words(&Field::ALL, &["ann"], false, false),
            words(&[Field::Subject, Field::From], &["weekly", "rep"], true, false),
            words(&[Field::ReplyTo], &["or"], false, true),
        ]);
        let want = "((\"ann\") AND ({\"subject\" \"from\"} : \"weekly rep\" *)) \
                    NOT (({\"reply_to\"} : \"or\") OR ({\"reply_to\"} : \"\u{fffd}\"))";
        assert_eq!(plan.include.as_deref(), Some(want));
        assert_eq!(plan.exclude, None);
    }

    #[test]
    fn negated_words_alone_stand_apart() {
        let plan = plan(vec![
            words(&Field::ALL, &["a"], false, true),
            words(&Field::ALL, &["b"], false, true),
        ]);
        assert_eq!(
            plan.exclude.as_deref(),
            Some("(\"a\") OR (\"\u{fffd}\") OR (\"b\") OR (\"\u{fffd}\")")
        );
        assert_eq!(plan.include, None);
    }

    #[test]
    fn a_word_that_the_index_would_split_is_looked_for_by_reading() {
        for odd in ["a\"b", "a-b", "a*", "", "A", "^a", "a b", "a:b"] {
            let plan = plan(vec![words(&Field::ALL, &[odd], false, false)]);
            assert!(plan.read_each && !plan.asks_index(), "{odd}");
        }
        assert!(!plan(vec![words(&Field::ALL, &["größe", "7"], false, false)]).read_each);
    }

    #[test]
    fn signs_are_looked_for_by_reading() {
        let signs = Test::Signs { fields: &Field::ALL, signs: "🎉".to_owned() };
        let alone = plan(vec![Term { negated: true, test: signs.clone() }]);
        assert!(alone.read_each && !alone.asks_index());
        let words = words(&Field::ALL, &["ann"], false, false);
        let among = plan(vec![words, Term { negated: false, test: signs }]);
        assert!(among.read_each && among.include.is_some());
    }

    #[test]
    fn flags_become_conditions() {
        let term = |negated, test| Term { negated, test };
        let plan = plan(vec![
            term(true, Test::Read(true)),
            term(false, Test::Larger(u64::MAX)),
            term(true, Test::Tag("x".into())),
        ]);
        let sql: Vec<_> = plan.conditions.iter().map(|condition| condition.sql).collect();
        assert_eq!(sql, ["read <> ?", "size > ?"]);
        assert_eq!(plan.conditions[1].value, Some(Value::Integer(i64::MAX)));
        assert_eq!(plan.tags, [("x".to_owned(), false)]);
    }
}
