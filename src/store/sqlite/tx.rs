//! Everything that changes the database, as steps inside the writer's transaction.
//!
//! [`Counters`] are changed in memory here and written once at the end of the transaction; if that fails, the
//! writer reads them back from the database.

use std::collections::{BTreeMap, HashMap, hash_map::Entry};

use rusqlite::{Connection, OptionalExtension, params};

use super::{
    counters::Counters,
    fixed::Fixed,
    integers::unsigned,
    journal::{JournalEntry, RecordHeader, SegmentHeader},
};
use crate::{
    id::MessageId,
    store::{Change, RetentionLimits, State, tag_key},
};

/// An open transaction of the writer.
pub(super) struct Tx<'a> {
    pub(super) db: &'a Connection,
    pub(super) counters: Counters,
    /// Deleted messages are noted for a full-text index.
    pub(super) index: bool,
    /// Messages deleted, by segment.
    released: BTreeMap<i64, i64>,
    /// What to give back once the transaction is committed.
    pub(super) doomed: PendingDeletes,
}

/// What is on the disk and not wanted any more.
#[derive(Debug, Default)]
pub(super) struct PendingDeletes {
    /// Files of large bodies.
    pub(super) files: Vec<String>,
    /// Stretches of segments.
    pub(super) holes: Vec<Hole>,
    /// Whole segments.
    pub(super) segments: Vec<i64>,
}

/// Segment, begin and end of a stretch in which nothing is wanted.
pub(super) type Hole = (i64, u64, u64);

/// What kind of label; a stable number in the database.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Mailbox = 0,
    Tag = 1,
}

/// What a change or a deletion needs to know of a message.
pub(super) struct Known {
    pub(super) id: MessageId,
    pub(super) read: bool,
    starred: bool,
    pub(super) labels: Vec<i64>,
    /// None if the row is damaged: nothing can be given back then.
    fixed: Option<Fixed>,
    /// Of a damaged row, as well as it can be read.
    size: u64,
}

impl PendingDeletes {
    /// True if there is nothing to give back.
    pub(super) fn is_empty(&self) -> bool {
        self.files.is_empty() && self.holes.is_empty() && self.segments.is_empty()
    }

    /// The holes, those that touch made one, without those of segments that vanish whole.
    pub(super) fn stretches(&self) -> Vec<Hole> {
        let mut holes = self.holes.clone();
        holes.retain(|(segment, ..)| !self.segments.contains(segment));
        holes.sort_unstable();
        let mut merged: Vec<Hole> = Vec::new();
        for (segment, from, to) in holes {
            match merged.last_mut() {
                Some(last) if last.0 == segment && last.2 >= from => last.2 = last.2.max(to),
                _ => merged.push((segment, from, to)),
            }
        }
        merged
    }
}

impl<'a> Tx<'a> {
    /// Begins.
    pub(super) fn begin(
        db: &'a Connection,
        counters: Counters,
        index: bool,
    ) -> rusqlite::Result<Self> {
        db.prepare_cached("BEGIN IMMEDIATE")?.execute(())?;
        let (released, doomed) = (BTreeMap::new(), PendingDeletes::default());
        Ok(Self { db, counters, index, released, doomed })
    }

    /// Ends. `before` are the counters at the beginning.
    pub(super) fn commit(
        mut self,
        before: &Counters,
    ) -> rusqlite::Result<(Counters, PendingDeletes)> {
        let released = std::mem::take(&mut self.released);
        if !released.is_empty() || self.counters.segment != before.segment {
            self.release(&released)?;
        }
        if self.counters != *before {
            self.counters.save(self.db)?;
        }
        self.db.prepare_cached("COMMIT")?.execute(())?;
        Ok((self.counters, self.doomed))
    }

    /// Takes in messages of the journal, which are the next ones.
    pub(super) fn apply(&mut self, placed: &[JournalEntry]) -> rusqlite::Result<()> {
        let mut labels = HashMap::<&str, (i64, i64)>::new();
        let mut segments = BTreeMap::<i64, i64>::new();
        for one in placed {
            let mut of = Vec::with_capacity(one.facts.mailboxes.len());
            for name in &one.facts.mailboxes {
                let (label, more) = match labels.entry(name.as_str()) {
                    Entry::Occupied(known) => known.into_mut(),
                    Entry::Vacant(new) => new.insert((self.new_label(Kind::Mailbox, name)?, 0)),
                };
                *more += 1;
                of.push(*label);
            }
            self.insert(one, &of)?;
            *segments.entry(one.segment).or_insert(0) += 1;
        }
        for (label, more) in labels.into_values() {
            self.count(label, more, more)?;
        }
        let sql = "INSERT INTO segments (segment, messages) VALUES (?1, ?2)
                   ON CONFLICT DO UPDATE SET messages = messages + ?2";
        let mut statement = self.db.prepare_cached(sql)?;
        segments
            .into_iter()
            .try_for_each(|(segment, more)| statement.execute([segment, more]).map(drop))
    }

    fn insert(&mut self, one: &JournalEntry, labels: &[i64]) -> rusqlite::Result<()> {
        let head = &one.head;
        let sql =
            "INSERT INTO messages (seq, id, received, size, attachment, segment, at, held, meta,
                                         file, sum, state, labels)
                   VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
        let fixed = Fixed::new(one);
        let state = State::Received.name();
        fixed.insert(&mut *self.db.prepare_cached(sql)?, state, &labels_text(labels))?;
        let mut statement =
            self.db.prepare_cached("INSERT INTO labelled (label, seq) VALUES (?, ?)")?;
        labels.iter().try_for_each(|label| statement.execute([*label, head.seq]).map(drop))?;
        let counters = &mut self.counters;
        counters.next_seq = head.seq + 1;
        counters.last_id = Some(*head.id.as_bytes());
        (counters.segment, counters.at) = (one.segment, one.end());
        counters.messages += 1;
        counters.unread += 1;
        counters.bytes += head.size;
        if head.is_file {
            counters.file_bytes += head.size;
        }
        Ok(())
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
        self.doomed.files.extend(files);
        for table in ["messages", "labels", "labelled", "annotations", "tombstones"] {
            self.db.execute(&format!("DELETE FROM {table}"), ())?;
        }
        self.db.execute("UPDATE segments SET messages = 0", ())?;
        self.released.clear();
        self.released.insert(self.counters.segment, 0);
        let begin = SegmentHeader::LENGTH as u64;
        self.doomed.holes.push((self.counters.segment, begin, self.counters.at.max(begin)));
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
    pub(super) fn prune(&mut self, keep: &RetentionLimits, most: usize) -> rusqlite::Result<u64> {
        // Each by its own age: one that came while the clock was wrong must not keep what came after it.
        if let Some(from) = keep.received_from_ms {
            let sql = "SELECT seq FROM messages WHERE received < ? ORDER BY seq LIMIT ?";
            let mut statement = self.db.prepare_cached(sql)?;
            let old = statement.query_map(params![from, most as i64], |row| row.get(0))?;
            let old = old.collect::<Result<Vec<i64>, _>>()?;
            if !old.is_empty() {
                return self.delete(&old);
            }
        }
        if keep.messages.is_none() && keep.bytes.is_none() {
            return Ok(0);
        }
        let sql = "SELECT seq FROM messages ORDER BY seq LIMIT ?";
        let oldest = self
            .db
            .prepare_cached(sql)?
            .query_map([most as i64], |row| row.get(0))?
            .collect::<Result<Vec<i64>, _>>()?;
        let mut deleted = 0;
        for seq in oldest {
            let too_many = keep.messages.is_some_and(|most| self.counters.messages > most);
            let too_large = keep.bytes.is_some_and(|most| self.counters.bytes > most);
            if !(too_many || too_large) {
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

    pub(super) fn known(&self, seq: i64) -> rusqlite::Result<Option<Known>> {
        let sql = "SELECT seq, id, received, size, attachment, segment, at, held, meta, file, sum,
                          read, starred, labels
                   FROM messages WHERE seq = ?";
        self.db
            .prepare_cached(sql)?
            .query_row([seq], |row| {
                let fixed = Fixed::read(row)?.ok();
                // What cannot be read is counted wrong, which `smtpd check` finds; deleting goes on.
                Ok(Known {
                    id: MessageId::from_bytes(row.get(1).unwrap_or_default()),
                    read: row.get(11).unwrap_or_default(),
                    starred: row.get(12).unwrap_or_default(),
                    labels: row.get_ref(13)?.as_str().ok().and_then(labels).unwrap_or_default(),
                    size: fixed
                        .as_ref()
                        .map_or_else(|| unsigned(row, 3).unwrap_or(0), |it| it.size),
                    fixed,
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
                if self
                    .existing(Kind::Tag, &tag)?
                    .is_some_and(|label| known.labels.contains(&label))
                {
                    return Ok(false);
                }
                let mut labels = known.labels.clone();
                labels.push(self.label(seq, Kind::Tag, &tag, !known.read)?);
                self.set_labels(seq, &labels)?;
            }
            Change::Untag(tag) => {
                let mut labels = known.labels.clone();
                let label = self.existing(Kind::Tag, &tag_key(tag))?;
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

    pub(super) fn set_labels(&self, seq: i64, labels: &[i64]) -> rusqlite::Result<()> {
        let sql = "UPDATE messages SET labels = ?1, tagged = EXISTS (
                       SELECT 1 FROM json_each(?1) JOIN labels ON label = value WHERE kind = ?2
                   ) WHERE seq = ?3";
        let values = params![labels_text(labels), Kind::Tag as i64, seq];
        self.db.prepare_cached(sql)?.execute(values).map(drop)
    }

    pub(super) fn delete_one(&mut self, seq: i64, known: Known) -> rusqlite::Result<()> {
        for &label in &known.labels {
            self.unlabel(seq, label, !known.read)?;
        }
        self.db.prepare_cached("DELETE FROM messages WHERE seq = ?")?.execute([seq])?;
        self.db.prepare_cached("DELETE FROM annotations WHERE seq = ?")?.execute([seq])?;
        if self.index {
            self.db.prepare_cached("INSERT INTO tombstones VALUES (?)")?.execute([seq])?;
        }
        let counters = &mut self.counters;
        counters.messages = counters.messages.saturating_sub(1);
        counters.unread = counters.unread.saturating_sub(u64::from(!known.read));
        counters.bytes = counters.bytes.saturating_sub(known.size);
        // Where a damaged row stands is not known: `smtpd repair` gives its space back.
        let Some(fixed) = known.fixed else { return Ok(()) };
        *self.released.entry(fixed.segment).or_insert(0) += 1;
        let hole = self.hole(&fixed)?;
        self.doomed.holes.push(hole);
        if let Some(file) = fixed.file {
            self.counters.file_bytes = self.counters.file_bytes.saturating_sub(fixed.size);
            self.doomed.files.push(file);
        }
        Ok(())
    }

    /// The stretch around a deleted message in which nothing is wanted: blocks are only given back whole,
    /// and a small message alone fills none. Its neighbours bound it, if they are what they say.
    fn hole(&self, fixed: &Fixed) -> rusqlite::Result<Hole> {
        let alone = (fixed.segment, fixed.at, fixed.end());
        if self.is_rescued(fixed.segment)? {
            return Ok(alone);
        }
        let neighbour =
            |sql: &str| self.db.prepare_cached(sql)?.query_row([fixed.seq], Fixed::read).optional();
        let before =
            "SELECT seq, id, received, size, attachment, segment, at, held, meta, file, sum
                      FROM messages WHERE seq < ? ORDER BY seq DESC LIMIT 1";
        let after = "SELECT seq, id, received, size, attachment, segment, at, held, meta, file, sum
                     FROM messages WHERE seq > ? ORDER BY seq LIMIT 1";
        let begin = match neighbour(before)? {
            Some(Err(_damaged)) => fixed.at,
            Some(Ok(it)) if it.segment == fixed.segment => it.end() + RecordHeader::LENGTH as u64,
            Some(Ok(it)) if self.is_rescued(it.segment)? => fixed.at,
            _ => SegmentHeader::LENGTH as u64,
        };
        let end = match neighbour(after)? {
            Some(Ok(it)) if it.segment == fixed.segment => it.at,
            _ => fixed.end(),
        };
        Ok((fixed.segment, begin, end))
    }

    /// True for a segment whose messages stand in any order.
    fn is_rescued(&self, segment: i64) -> rusqlite::Result<bool> {
        let sql = "SELECT EXISTS (SELECT 1 FROM segments WHERE segment = ? AND rescued)";
        self.db.prepare_cached(sql)?.query_row([segment], |row| row.get(0))
    }

    /// Counts deleted messages off their segments, and forgets segments that are empty and finished.
    fn release(&mut self, released: &BTreeMap<i64, i64>) -> rusqlite::Result<()> {
        let sql = "UPDATE segments SET messages = messages - ? WHERE segment = ?";
        let mut statement = self.db.prepare_cached(sql)?;
        for (segment, fewer) in released {
            statement.execute([fewer, segment])?;
        }
        // All messages of a segment before this one are taken in, and so counted. Before a file goes for
        // good, its rows are looked for all the same: a count is a number that may be wrong.
        let sql = "DELETE FROM segments WHERE messages <= 0 AND segment < ?
                       AND NOT EXISTS (SELECT 1 FROM messages WHERE messages.segment = segments.segment)
                   RETURNING segment";
        let mut statement = self.db.prepare_cached(sql)?;
        let gone = statement.query_map([self.counters.segment], |row| row.get(0))?;
        self.doomed.segments.extend(gone.collect::<Result<Vec<i64>, _>>()?);
        Ok(())
    }

    /// Puts a message under a label, which is made if it is new.
    fn label(&self, seq: i64, kind: Kind, name: &str, unread: bool) -> rusqlite::Result<i64> {
        let label = self.new_label(kind, name)?;
        self.count(label, 1, unread.into())?;
        let sql = "INSERT INTO labelled (label, seq) VALUES (?, ?)";
        self.db.prepare_cached(sql)?.execute([label, seq])?;
        Ok(label)
    }

    /// The number of a label, which is made if it is new.
    fn new_label(&self, kind: Kind, name: &str) -> rusqlite::Result<i64> {
        let sql = "SELECT label FROM labels WHERE kind = ? AND name = ?";
        let values = params![kind as i64, name];
        let known = self.db.prepare_cached(sql)?.query_row(values, |row| row.get(0)).optional()?;
        if let Some(label) = known {
            return Ok(label);
        }
        let sql = "INSERT INTO labels (kind, name, messages, unread) VALUES (?, ?, 0, 0)";
        self.db.prepare_cached(sql)?.insert(params![kind as i64, name])
    }

    /// Counts more messages under a label.
    fn count(&self, label: i64, messages: i64, unread: i64) -> rusqlite::Result<()> {
        let sql = "UPDATE labels SET messages = messages + ?, unread = unread + ? WHERE label = ?";
        self.db.prepare_cached(sql)?.execute([messages, unread, label]).map(drop)
    }

    pub(super) fn unlabel(&self, seq: i64, label: i64, unread: bool) -> rusqlite::Result<()> {
        let sql = "DELETE FROM labelled WHERE label = ? AND seq = ?";
        self.db.prepare_cached(sql)?.execute([label, seq])?;
        let sql = "UPDATE labels SET messages = messages - 1, unread = unread - ? WHERE label = ?";
        self.db.prepare_cached(sql)?.execute(params![unread, label])?;
        let sql = "DELETE FROM labels WHERE label = ? AND messages = 0";
        self.db.prepare_cached(sql)?.execute([label]).map(drop)
    }

    pub(super) fn existing(&self, kind: Kind, name: &str) -> rusqlite::Result<Option<i64>> {
        let sql = "SELECT label FROM labels WHERE kind = ? AND name = ?";
        let values = params![kind as i64, name];
        self.db.prepare_cached(sql)?.query_row(values, |row| row.get(0)).optional()
    }
}

/// The `labels` column: a JSON array; none if it is not.
pub(super) fn labels(text: &str) -> Option<Vec<i64>> {
    serde_json::from_str(text).ok()
}

pub(super) fn labels_text(labels: &[i64]) -> String {
    let list: Vec<_> = labels.iter().map(i64::to_string).collect();
    format!("[{}]", list.join(","))
}
