//! Everything that changes the database, as steps inside the writer's transaction.
//!
//! Totals are changed in memory here and written once at the end of the transaction; if that fails,
//! the writer reads them back from the database.

use rusqlite::{Connection, OptionalExtension, Row, params, types::Type};

use super::bodies::BodyFile;
use crate::{
    id::{IdSource, MessageId},
    store::{Change, Keep, State, tag_key},
};

/// An open transaction of the writer.
pub(super) struct Tx<'a> {
    pub(super) db: &'a Connection,
    pub(super) counters: Counters,
    pub(super) ids: &'a mut IdSource,
    /// For new ids.
    pub(super) unix_seconds: u64,
    /// Deleted messages are noted for a full-text index.
    pub(super) index: bool,
    /// Files that stay once the transaction is committed, and vanish if it is not.
    pub(super) arrived: Vec<BodyFile>,
    /// Files to remove once the transaction is committed.
    pub(super) doomed: Vec<String>,
}

/// The single row of `counters`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counters {
    pub(super) identity: i64,
    pub(super) epoch: i64,
    pub(super) next_seq: i64,
    pub(super) last_id: Option<[u8; 12]>,
    pub(super) messages: u64,
    pub(super) unread: u64,
    pub(super) bytes: u64,
    pub(super) file_bytes: u64,
}

/// A message ready to be stored.
pub(super) struct New {
    pub(super) received_ms: i64,
    pub(super) size: u64,
    /// See `row::files`.
    pub(super) attachment: i64,
    /// JSON.
    pub(super) envelope: String,
    /// JSON.
    pub(super) summary: String,
    /// Mailbox keys, each once.
    pub(super) mailboxes: Vec<String>,
    pub(super) body: Body,
}

/// Where the octets of a new message are.
pub(super) enum Body {
    Inline(Vec<u8>),
    /// Synced, with its folder.
    File(BodyFile),
}

/// What kind of label; a stable number in the database.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Mailbox = 0,
    Tag = 1,
}

/// What a change or a deletion needs to know of a message.
struct Known {
    id: MessageId,
    size: u64,
    read: bool,
    starred: bool,
    labels: Vec<i64>,
    file: Option<String>,
}

impl Counters {
    /// Reads them.
    pub(super) fn load(db: &Connection) -> rusqlite::Result<Self> {
        let sql = "SELECT identity, epoch, next_seq, last_id, messages, unread, bytes, file_bytes
                   FROM counters";
        db.prepare_cached(sql)?.query_row((), |row| {
            Ok(Self {
                identity: row.get(0)?,
                epoch: row.get(1)?,
                next_seq: row.get(2)?,
                last_id: row.get(3)?,
                messages: unsigned(row, 4)?,
                unread: unsigned(row, 5)?,
                bytes: unsigned(row, 6)?,
                file_bytes: unsigned(row, 7)?,
            })
        })
    }

    /// Writes what can change.
    pub(super) fn save(&self, db: &Connection) -> rusqlite::Result<()> {
        let sql = "UPDATE counters SET epoch = ?, next_seq = ?, last_id = ?, messages = ?,
                   unread = ?, bytes = ?, file_bytes = ?";
        db.prepare_cached(sql)?
            .execute(params![
                self.epoch,
                self.next_seq,
                self.last_id,
                signed(self.messages),
                signed(self.unread),
                signed(self.bytes),
                signed(self.file_bytes)
            ])
            .map(drop)
    }
}

impl Tx<'_> {
    /// Stores a message.
    pub(super) fn insert(&mut self, new: New) -> rusqlite::Result<MessageId> {
        let seq = self.counters.next_seq;
        let id = self.ids.next(self.unix_seconds);
        let mut labels = Vec::with_capacity(new.mailboxes.len());
        for name in &new.mailboxes {
            labels.push(self.label(seq, Kind::Mailbox, name, true)?);
        }
        let (raw, file) = match new.body {
            Body::Inline(raw) => (Some(raw), None),
            Body::File(file) => {
                self.counters.file_bytes += file.length();
                let name = file.name().to_owned();
                self.arrived.push(file);
                (None, Some(name))
            }
        };
        let sql = "INSERT INTO messages (seq, id, received, size, attachment, state, labels, file)
                   VALUES (?, ?, ?, ?, ?, ?, ?, ?)";
        let state = State::Received.name();
        self.db.prepare_cached(sql)?.execute(params![
            seq,
            id.as_bytes(),
            new.received_ms,
            signed(new.size),
            new.attachment,
            state,
            labels_text(&labels),
            file
        ])?;
        let sql = "INSERT INTO contents (seq, envelope, summary, raw) VALUES (?, ?, ?, ?)";
        self.db.prepare_cached(sql)?.execute(params![seq, new.envelope, new.summary, raw])?;
        let counters = &mut self.counters;
        counters.next_seq += 1;
        counters.last_id = Some(*id.as_bytes());
        counters.messages += 1;
        counters.unread += 1;
        counters.bytes += new.size;
        Ok(id)
    }

    /// Changes messages; returns the ids of those that are different now.
    pub(super) fn change(
        &mut self,
        seqs: &[i64],
        change: &Change,
    ) -> rusqlite::Result<Vec<MessageId>> {
        let mut changed = Vec::new();
        for &seq in seqs {
            if let Some(known) = self.known(seq)?
                && self.change_one(seq, &known, change)?
            {
                changed.push(known.id);
            }
        }
        Ok(changed)
    }

    /// Deletes messages; returns how many there were.
    pub(super) fn delete(&mut self, seqs: &[i64]) -> rusqlite::Result<u64> {
        let mut deleted = 0;
        for &seq in seqs {
            if let Some(known) = self.known(seq)? {
                self.delete_one(seq, known)?;
                deleted += 1;
            }
        }
        Ok(deleted)
    }

    /// Deletes everything. Without a condition SQLite drops whole tables and looks at no row.
    pub(super) fn delete_all(&mut self) -> rusqlite::Result<u64> {
        let deleted = self.counters.messages;
        let sql = "SELECT file FROM messages WHERE file IS NOT NULL";
        let files = self
            .db
            .prepare_cached(sql)?
            .query_map((), |row| row.get(0))?
            .collect::<Result<Vec<String>, _>>()?;
        self.doomed.extend(files);
        for table in ["messages", "contents", "labels", "labelled", "tombstones"] {
            self.db.execute(&format!("DELETE FROM {table}"), ())?;
        }
        self.counters = Counters {
            epoch: self.counters.epoch + 1,
            messages: 0,
            unread: 0,
            bytes: 0,
            file_bytes: 0,
            ..self.counters
        };
        Ok(deleted)
    }

    /// Deletes at most `most` of what `keep` does not keep; returns how many.
    pub(super) fn prune(&mut self, keep: &Keep, most: usize) -> rusqlite::Result<u64> {
        let sql = "SELECT seq, received FROM messages ORDER BY seq LIMIT ?";
        let oldest = self
            .db
            .prepare_cached(sql)?
            .query_map([most as i64], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<Result<Vec<(i64, i64)>, _>>()?;
        let mut deleted = 0;
        for (seq, received_ms) in oldest {
            let too_old = keep.received_from_ms.is_some_and(|from| received_ms < from);
            let too_many = keep.messages.is_some_and(|most| self.counters.messages > most);
            let too_large = keep.bytes.is_some_and(|most| self.counters.bytes > most);
            if !(too_old || too_many || too_large) {
                break;
            }
            deleted += self.delete(&[seq])?;
        }
        Ok(deleted)
    }

    /// The seqs of these ids; unknown ones are passed over.
    pub(super) fn seqs(&self, ids: &[MessageId]) -> rusqlite::Result<Vec<i64>> {
        let mut statement = self.db.prepare_cached("SELECT seq FROM messages WHERE id = ?")?;
        let mut seqs = Vec::with_capacity(ids.len());
        for id in ids {
            seqs.extend(
                statement.query_row([id.as_bytes()], |row| row.get::<_, i64>(0)).optional()?,
            );
        }
        Ok(seqs)
    }

    /// The full-text index has forgotten these.
    pub(super) fn bury(&self, seqs: &[i64]) -> rusqlite::Result<()> {
        let mut statement = self.db.prepare_cached("DELETE FROM tombstones WHERE seq = ?")?;
        seqs.iter().try_for_each(|seq| statement.execute([seq]).map(drop))
    }

    fn known(&self, seq: i64) -> rusqlite::Result<Option<Known>> {
        let sql = "SELECT id, size, read, starred, labels, file FROM messages WHERE seq = ?";
        self.db
            .prepare_cached(sql)?
            .query_row([seq], |row| {
                Ok(Known {
                    id: MessageId::from_bytes(row.get(0)?),
                    size: unsigned(row, 1)?,
                    read: row.get(2)?,
                    starred: row.get(3)?,
                    labels: labels(row.get_ref(4)?.as_str()?)?,
                    file: row.get(5)?,
                })
            })
            .optional()
    }

    fn change_one(&mut self, seq: i64, known: &Known, change: &Change) -> rusqlite::Result<bool> {
        match change {
            Change::Read(read) if known.read != *read => self.set_read(seq, known, *read)?,
            Change::Starred(starred) if known.starred != *starred => {
                let sql = "UPDATE messages SET starred = ? WHERE seq = ?";
                self.db.prepare_cached(sql)?.execute(params![starred, seq])?;
            }
            Change::Tag(tag) if !tag_key(tag).is_empty() => {
                let tag = tag_key(tag);
                if self.existing_tag(&tag)?.is_some_and(|label| known.labels.contains(&label)) {
                    return Ok(false);
                }
                let mut labels = known.labels.clone();
                labels.push(self.label(seq, Kind::Tag, &tag, !known.read)?);
                self.set_labels(seq, &labels)?;
            }
            Change::Untag(tag) => {
                let mut labels = known.labels.clone();
                let label = self.existing_tag(&tag_key(tag))?;
                let Some(place) = labels.iter().position(|has| Some(*has) == label) else {
                    return Ok(false);
                };
                self.unlabel(seq, labels.remove(place), !known.read)?;
                self.set_labels(seq, &labels)?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn set_read(&mut self, seq: i64, known: &Known, read: bool) -> rusqlite::Result<()> {
        let sql = "UPDATE messages SET read = ? WHERE seq = ?";
        self.db.prepare_cached(sql)?.execute(params![read, seq])?;
        let more = if read { -1 } else { 1 };
        self.counters.unread = self.counters.unread.saturating_add_signed(more);
        let sql = "UPDATE labels SET unread = unread + ? WHERE label = ?";
        let mut statement = self.db.prepare_cached(sql)?;
        known.labels.iter().try_for_each(|label| statement.execute(params![more, label]).map(drop))
    }

    fn set_labels(&self, seq: i64, labels: &[i64]) -> rusqlite::Result<()> {
        let sql = "UPDATE messages SET labels = ?1, tagged = EXISTS (
                       SELECT 1 FROM json_each(?1) JOIN labels ON label = value WHERE kind = ?2
                   ) WHERE seq = ?3";
        let values = params![labels_text(labels), Kind::Tag as i64, seq];
        self.db.prepare_cached(sql)?.execute(values).map(drop)
    }

    fn delete_one(&mut self, seq: i64, known: Known) -> rusqlite::Result<()> {
        for &label in &known.labels {
            self.unlabel(seq, label, !known.read)?;
        }
        self.db.prepare_cached("DELETE FROM messages WHERE seq = ?")?.execute([seq])?;
        self.db.prepare_cached("DELETE FROM contents WHERE seq = ?")?.execute([seq])?;
        if self.index {
            self.db.prepare_cached("INSERT INTO tombstones VALUES (?)")?.execute([seq])?;
        }
        let counters = &mut self.counters;
        counters.messages = counters.messages.saturating_sub(1);
        counters.unread = counters.unread.saturating_sub(u64::from(!known.read));
        counters.bytes = counters.bytes.saturating_sub(known.size);
        if let Some(file) = known.file {
            counters.file_bytes = counters.file_bytes.saturating_sub(known.size);
            self.doomed.push(file);
        }
        Ok(())
    }

    /// Puts a message under a label, which is made if it is new.
    fn label(&self, seq: i64, kind: Kind, name: &str, unread: bool) -> rusqlite::Result<i64> {
        let sql = "INSERT INTO labels (kind, name, messages, unread) VALUES (?1, ?2, 1, ?3)
                   ON CONFLICT (kind, name) DO UPDATE
                   SET messages = messages + 1, unread = unread + ?3 RETURNING label";
        let label = self
            .db
            .prepare_cached(sql)?
            .query_row(params![kind as i64, name, unread], |row| row.get(0))?;
        let sql = "INSERT INTO labelled (label, seq) VALUES (?, ?)";
        self.db.prepare_cached(sql)?.execute([label, seq])?;
        Ok(label)
    }

    fn unlabel(&self, seq: i64, label: i64, unread: bool) -> rusqlite::Result<()> {
        let sql = "DELETE FROM labelled WHERE label = ? AND seq = ?";
        self.db.prepare_cached(sql)?.execute([label, seq])?;
        let sql = "UPDATE labels SET messages = messages - 1, unread = unread - ? WHERE label = ?";
        self.db.prepare_cached(sql)?.execute(params![unread, label])?;
        let sql = "DELETE FROM labels WHERE label = ? AND messages = 0";
        self.db.prepare_cached(sql)?.execute([label]).map(drop)
    }

    fn existing_tag(&self, tag: &str) -> rusqlite::Result<Option<i64>> {
        let sql = "SELECT label FROM labels WHERE kind = ? AND name = ?";
        let values = params![Kind::Tag as i64, tag];
        self.db.prepare_cached(sql)?.query_row(values, |row| row.get(0)).optional()
    }
}

/// The `labels` column: a JSON array.
fn labels(text: &str) -> rusqlite::Result<Vec<i64>> {
    serde_json::from_str(text).map_err(unreadable)
}

fn labels_text(labels: &[i64]) -> String {
    let list: Vec<_> = labels.iter().map(i64::to_string).collect();
    format!("[{}]", list.join(","))
}

/// A column that is never negative.
pub(super) fn unsigned(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    let number = row.get::<_, i64>(column)?;
    u64::try_from(number).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(column, number))
}

/// SQLite's integers are signed; nobody has so many octets.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A column that does not hold what we wrote into it.
pub(super) fn unreadable(error: impl std::error::Error + Send + Sync + 'static) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(0, Type::Text, Box::new(error))
}
