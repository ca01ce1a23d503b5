//! Whether a message matches a search, found out by reading it. This is the meaning of a search;
//! an index is only a quicker way to the same answer.

use std::io;

use super::{Raw, Record};
use crate::{
    message::{
        Scanned, Scanner, Summary,
        search::{Document, Facts, Field, Query, Test},
    },
    wire::Envelope,
};

/// Asks the query about one message. `read` pushes the octets of the message into the scanner; it is
/// called only if words are asked for.
pub(super) fn matches<E>(
    query: &Query,
    record: &Record,
    read: impl FnOnce(&mut Scanner) -> Result<(), E>,
) -> Result<bool, E> {
    let mut document = Document::default();
    if asks_for_words(query) {
        document = self::document(record, query.asks_for_signs(), read)?;
    }
    Ok(holds(query, record, &document))
}

/// Asks the query about a message whose words are known.
pub(super) fn holds(query: &Query, record: &Record, document: &Document) -> bool {
    query.matches(document, &facts(record))
}

/// The words of one message, and its signs if they are asked for.
pub(super) fn document<E>(
    record: &Record,
    signs: bool,
    read: impl FnOnce(&mut Scanner) -> Result<(), E>,
) -> Result<Document, E> {
    let mut scanner = Scanner::of_texts(TEXT_LIMIT);
    read(&mut scanner)?;
    Ok(scanned(&record.envelope, &record.summary, &scanner.finish(), signs))
}

/// The words of a message that a scanner with [`TEXT_LIMIT`] has read.
pub(super) fn scanned(
    envelope: &Envelope,
    summary: &Summary,
    scanned: &Scanned,
    signs: bool,
) -> Document {
    let mut document = match signs {
        true => Document::with_signs(envelope, summary, scanned.texts()),
        false => Document::new(envelope, summary, scanned.texts()),
    };
    if scanned.is_cut {
        document.mark_cut(&[Field::Text]);
    }
    document
}

/// The words of a message whose octets are damaged, so that only its record can be searched.
pub(super) fn bodiless(record: &Record, signs: bool) -> Document {
    let nothing = Scanned { is_cut: true, ..Scanned::default() };
    scanned(&record.envelope, &record.summary, &nothing, signs)
}

/// Shows a body to a scanner, a large one in pieces. Blocks as [`Raw::read_at`] does.
pub(super) fn scan(raw: &Raw, scanner: &mut Scanner) -> io::Result<()> {
    if let Raw::Inline(octets) = raw {
        scanner.push(octets);
        return Ok(());
    }
    let (mut piece, mut offset) = (vec![0; PIECE], 0);
    loop {
        match raw.read_at(&mut piece, offset)? {
            0 => return Ok(()),
            taken => {
                scanner.push(&piece[..taken]);
                offset += taken as u64;
            }
        }
    }
}

/// True if the query cannot be answered from facts alone.
pub(super) fn asks_for_words(query: &Query) -> bool {
    query.terms.iter().any(|term| matches!(term.test, Test::Words { .. } | Test::Signs { .. }))
}

fn facts(record: &Record) -> Facts<'_> {
    Facts {
        read: record.read,
        starred: record.starred,
        tags: &record.tags,
        forward_paths: &record.envelope.forward_paths,
        attachment: !record.summary.attachments.is_empty(),
        inline: record.summary.inline_images > 0,
        received_ms: record.envelope.received_ms,
        size: record.summary.size,
    }
}

/// How much readable text of a message is searched, in octets. What lies behind it is a log or a
/// dump; an index of it would be larger than everything else together.
pub(super) const TEXT_LIMIT: usize = 1024 * 1024;

/// Octets of a large body that are in memory at a time.
const PIECE: usize = 64 * 1024;
