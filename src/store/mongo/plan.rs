//! From a search to a filter for MongoDB, and to what only reading the message can tell.

use mongodb::bson::{Bson, DateTime, Document, doc};

use super::words::{CUT, is_one_word};
use crate::{
    message::search::{self, Field, Query, Test},
    store::{mailbox_key, tag_key},
};

/// How a search is answered: nothing is found that the filter does not let through, and of that only
/// what passes the check.
#[derive(Debug, PartialEq)]
pub(super) struct Plan {
    pub(super) filter: Document,
    pub(super) check: Check,
    /// The check has to read the body, too.
    pub(super) reads_body: bool,
}

/// Which of the messages that the filter lets through must be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Check {
    /// None: the filter says it all.
    None,
    /// Those of which the document does not hold all words.
    Cut,
    /// Each.
    Each,
}

impl Plan {
    /// Takes a search apart.
    pub(super) fn new(query: &Query, mailbox: Option<&str>) -> Self {
        let mut plan = Self { filter: Document::new(), check: Check::None, reads_body: false };
        // What is left of a message that was never answered 250 has no state.
        let mut all = vec![doc! { "state": { "$exists": true } }];
        if let Some(mailbox) = mailbox {
            all.push(doc! { "mailboxes": mailbox_key(mailbox) });
        }
        for term in &query.terms {
            match &term.test {
                Test::Words { fields, words, prefix } => {
                    plan.reads_body |= fields.contains(&Field::Text);
                    let anywhere = fields.len() == Field::ALL.len();
                    let check = if term.negated && !anywhere {
                        Check::Each
                    } else {
                        words_filter(&mut all, words, *prefix, term.negated)
                    };
                    // That a word is there does not say in which field.
                    plan.check = plan.check.max(if anywhere { check } else { Check::Each });
                }
                Test::Signs { fields, .. } => {
                    plan.reads_body |= fields.contains(&Field::Text);
                    plan.check = Check::Each;
                }
                test => all.extend(fact(test, term.negated)),
            }
        }
        plan.filter.insert("$and", all);
        plan
    }
}

/// Adds what a message must fulfil that has these words one after the other, or has not.
fn words_filter(all: &mut Vec<Document>, words: &[String], prefix: bool, negated: bool) -> Check {
    if !words.iter().all(|word| is_one_word(word)) {
        return Check::Each;
    }
    if negated {
        let [word] = words else { return Check::Each };
        all.push(match prefix {
            true => doc! { "words": { "$not": beginning(word) } },
            false => doc! { "words": { "$ne": word } },
        });
        // What was not read whole may have it.
        all.push(doc! { "words": { "$ne": search::Document::CUT } });
        return Check::Cut;
    }
    for (index, word) in words.iter().enumerate() {
        all.push(match prefix && index + 1 == words.len() {
            true => {
                doc! { "$or": [{ "words": beginning(word) }, { "words": { "$in": [CUT, Bson::Null] } }] }
            }
            // Three ranges of the index, each in the order of ids, so that nothing has to be sorted.
            false => doc! { "words": { "$in": [word, CUT, Bson::Null] } },
        });
    }
    if words.len() == 1 { Check::Cut } else { Check::Each }
}

/// A word that begins like this one. No word has a character above the last.
fn beginning(word: &str) -> Document {
    doc! { "$elemMatch": { "$gte": word, "$lt": format!("{word}\u{10ffff}") } }
}

/// The text as a regular expression for itself.
fn literal(text: &str) -> String {
    let escaped =
        text.chars().flat_map(|c| c.is_ascii_punctuation().then_some('\\').into_iter().chain([c]));
    escaped.collect()
}

fn fact(test: &Test, negated: bool) -> Option<Document> {
    let number = |number: u64| Bson::Int64(i64::try_from(number).unwrap_or(i64::MAX));
    let time = |ms: i64| DateTime::from_millis(ms);
    Some(match test {
        Test::Read(read) => doc! { "read": *read != negated },
        Test::Starred => doc! { "starred": !negated },
        Test::Tagged if negated => doc! { "tags": { "$not": { "$gt": "" } } },
        Test::Tagged => doc! { "tags": { "$gt": "" } },
        Test::Tag(tag) if negated => doc! { "tags": { "$ne": tag_key(tag) } },
        Test::Tag(tag) => doc! { "tags": tag_key(tag) },
        Test::Domain(name) => {
            let of_it = doc! { "$regex": format!("@{}$", literal(name)) };
            if negated {
                doc! { "mailboxes": { "$not": of_it } }
            } else {
                doc! { "mailboxes": of_it }
            }
        }
        Test::Attachment => doc! { "attachment": !negated },
        Test::Inline if negated => doc! { "summary.inline_images": { "$not": { "$gt": 0 } } },
        Test::Inline => doc! { "summary.inline_images": { "$gt": 0 } },
        Test::Before(ms) if negated => doc! { "received": { "$gte": time(*ms) } },
        Test::Before(ms) => doc! { "received": { "$lt": time(*ms) } },
        Test::After(ms) if negated => doc! { "received": { "$lt": time(*ms) } },
        Test::After(ms) => doc! { "received": { "$gte": time(*ms) } },
        Test::Larger(size) if negated => doc! { "size": { "$lte": number(*size) } },
        Test::Larger(size) => doc! { "size": { "$gt": number(*size) } },
        Test::Smaller(size) if negated => doc! { "size": { "$gte": number(*size) } },
        Test::Smaller(size) => doc! { "size": { "$lt": number(*size) } },
        Test::Words { .. } | Test::Signs { .. } => return None,
    })
}
