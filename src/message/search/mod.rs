//! The search language: `from:ann subject:"weekly report" -is:read has:attachment`.
//!
//! A query is parsed once into tests that must all hold. A store with a full-text index compiles the
//! word tests to it; everything else, and every store without one, asks [`Query::matches`]. Both see
//! text as the same words ([`words()`]), so that an index and a scan agree. What has no word is looked
//! for as it stands, and no term is ever dropped: less said would be more found, and more deleted.

mod document;
mod parse;
mod signs;
mod words;

pub use parse::{Problem, SearchError, quoted};
pub use words::words;

use crate::wire::ForwardPath;

/// What a message must match. The empty query matches all; [`Query::parse`] never makes one.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Query {
    /// Every one of them must hold.
    pub terms: Vec<Term>,
}

impl Query {
    /// True if it has no terms, so that everything matches.
    pub fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    /// True if a term can only be answered by a document made [`Document::with_signs`].
    pub fn asks_for_signs(&self) -> bool {
        self.terms.iter().any(|term| matches!(term.test, Test::Signs { .. }))
    }

    /// True if every term holds.
    pub fn matches(&self, document: &Document, facts: &Facts<'_>) -> bool {
        self.terms.iter().all(|term| term.holds(document, facts))
    }
}

/// One test, perhaps negated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Term {
    /// `-term`: it must not hold.
    pub negated: bool,
    /// What to test.
    pub test: Test,
}

impl Term {
    /// True if a message passes.
    fn holds(&self, document: &Document, facts: &Facts<'_>) -> bool {
        let holds = self.test.holds(document, facts);
        // Nobody knows what a text says that was not read to its end; what a search finds may be deleted.
        let is_uncertain = || self.test.fields().iter().any(|&field| document.is_cut(field));
        if self.negated { !holds && !is_uncertain() } else { holds }
    }
}

/// What a term tests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Test {
    /// These folded words stand one after the other in one of these fields.
    Words {
        /// The fields to look in; never empty.
        fields: &'static [Field],
        /// Folded words; never empty.
        words: Vec<String>,
        /// `invo*`: the last word is the beginning of one.
        prefix: bool,
    },
    /// These signs, which hold no word, stand in one of these fields.
    Signs {
        /// The fields to look in; never empty.
        fields: &'static [Field],
        /// As typed; never empty.
        signs: String,
    },
    /// `is:read` (true) and `is:unread` (false).
    Read(bool),
    /// `is:starred`.
    Starred,
    /// `is:tagged`.
    Tagged,
    /// `tag:name`, compared in lower case.
    Tag(String),
    /// `domain:y.example`: a forward-path has this domain, in lower case, and no other.
    Domain(String),
    /// `has:attachment`.
    Attachment,
    /// `has:inline`: images that came with the message stand in its text.
    Inline,
    /// `before:2026-01-31`: received before this time (milliseconds since 1970).
    Before(i64),
    /// `after:2026-01-31`: received at or after this time (milliseconds since 1970).
    After(i64),
    /// `larger:10k`: more octets than this.
    Larger(u64),
    /// `smaller:1M`: fewer octets than this.
    Smaller(u64),
}

impl Test {
    /// The fields that it looks in.
    fn fields(&self) -> &'static [Field] {
        match self {
            Self::Words { fields, .. } | Self::Signs { fields, .. } => fields,
            _ => &[],
        }
    }

    /// True if a message passes, negation apart.
    pub fn holds(&self, document: &Document, facts: &Facts<'_>) -> bool {
        match self {
            Self::Words { fields, words, prefix } => {
                let phrase = words.join(" ");
                fields.iter().any(|&field| document.contains(field, &phrase, *prefix))
            }
            Self::Signs { fields, signs } => {
                fields.iter().any(|&field| document.shows(field, signs))
            }
            Self::Read(read) => facts.read == *read,
            Self::Starred => facts.starred,
            Self::Tagged => !facts.tags.is_empty(),
            Self::Tag(name) => facts.tags.iter().any(|tag| tag.to_lowercase() == *name),
            Self::Domain(name) => {
                facts.forward_paths.iter().any(|path| domain(&path.address) == *name)
            }
            Self::Attachment => facts.attachment,
            Self::Inline => facts.inline,
            Self::Before(time_ms) => facts.received_ms < *time_ms,
            Self::After(time_ms) => facts.received_ms >= *time_ms,
            Self::Larger(size) => facts.size > *size,
            Self::Smaller(size) => facts.size < *size,
        }
    }
}

/// The parts of a message that are searched; each is a column of a full-text index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// Subject.
    Subject,
    /// From, and the reverse-path.
    From,
    /// To.
    To,
    /// Cc.
    Cc,
    /// Bcc, and the forward-paths that stand in no header.
    Bcc,
    /// Reply-To.
    ReplyTo,
    /// Message-ID.
    MessageId,
    /// Names of attachments.
    Attachment,
    /// The readable text.
    Text,
}

/// A message as the search sees it: for each field its folded words, joined by single spaces.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Document {
    /// Indexed by [`Field`] in the order of its declaration.
    pub fields: [String; Field::ALL.len()],
    /// Likewise the texts as they stand. Empty but for a document made [`Document::with_signs`], because
    /// few searches ask for them.
    pub signs: [String; Field::ALL.len()],
}

/// What a search may ask of a message besides its words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts<'a> {
    /// Somebody opened it.
    pub read: bool,
    /// Somebody starred it.
    pub starred: bool,
    /// Its tags.
    pub tags: &'a [String],
    /// Where it went.
    pub forward_paths: &'a [ForwardPath],
    /// It has attachments.
    pub attachment: bool,
    /// It shows images of its own.
    pub inline: bool,
    /// When it was received, in milliseconds since 1970.
    pub received_ms: i64,
    /// Octets.
    pub size: u64,
}

/// The domain of an address as it is compared: lower case, without a trailing dot, empty if there is none.
/// It stands behind the last `@`; what is before may be quoted and contain others.
pub fn domain(address: &str) -> String {
    let domain = address.rsplit_once('@').map_or("", |(_, domain)| domain);
    domain.trim().trim_end_matches('.').to_lowercase()
}

impl Field {
    /// Every field.
    pub const ALL: [Self; 9] = [
        Self::Subject,
        Self::From,
        Self::To,
        Self::Cc,
        Self::Bcc,
        Self::ReplyTo,
        Self::MessageId,
        Self::Attachment,
        Self::Text,
    ];
}
