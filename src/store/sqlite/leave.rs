//! Leaving a mailbox: the message stays in the others, and what is in no other is deleted.
//!
//! Which mailboxes a message left is noted beside its row, so that one that lacks a mailbox of its record can
//! be told from a damaged one.

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::tx::{Kind, Tx, labels_text};
use crate::store::Left;

impl Tx<'_> {
    /// Takes messages out of a mailbox; those that are in no other any more are deleted.
    pub(super) fn leave(&mut self, seqs: &[i64], mailbox: &str) -> rusqlite::Result<Left> {
        let mut left = Left::default();
        let Some(label) = self.existing(Kind::Mailbox, mailbox)? else { return Ok(left) };
        for &seq in seqs {
            let Some(known) = self.known(seq)? else { continue };
            let Some(place) = known.labels.iter().position(|has| *has == label) else { continue };
            let mut rest = known.labels.clone();
            rest.remove(place);
            if self.has_mailbox(&rest)? {
                self.unlabel(seq, label, !known.read)?;
                self.set_labels(seq, &rest)?;
                self.note_left(seq, mailbox)?;
                left.ids.push(known.id);
            } else {
                left.deleted.push(known.id);
                self.delete_one(seq, known)?;
            }
        }
        Ok(left)
    }

    fn has_mailbox(&self, labels: &[i64]) -> rusqlite::Result<bool> {
        let sql = "SELECT EXISTS (SELECT 1 FROM json_each(?) JOIN labels ON label = value
                                  WHERE kind = ?)";
        let values = params![labels_text(labels), Kind::Mailbox as i64];
        self.db.prepare_cached(sql)?.query_row(values, |row| row.get(0))
    }

    fn note_left(&self, seq: i64, mailbox: &str) -> rusqlite::Result<()> {
        let sql = "INSERT INTO annotations (seq, name, value) VALUES (?1, ?2, json_array(?3))
                   ON CONFLICT DO UPDATE SET value = json_insert(value, '$[#]', ?3)";
        self.db.prepare_cached(sql)?.execute(params![seq, LEFT, mailbox]).map(drop)
    }
}

/// The mailboxes that a message has left, sorted, by the rows of a database.
pub(super) fn left(db: &Connection, seq: i64) -> rusqlite::Result<Vec<String>> {
    let sql = "SELECT value FROM annotations WHERE seq = ? AND name = ?";
    let read = |row: &Row<'_>| row.get::<_, String>(0);
    let text = db.prepare_cached(sql)?.query_row(params![seq, LEFT], read).optional()?;
    let mut left: Vec<_> =
        text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
    left.sort_unstable();
    Ok(left)
}

/// The name of the annotation.
const LEFT: &str = "left";
