//! Saving what can be saved.
//!
//! Where anything is not as it should be, the database is made anew from the journal. The old one is asked
//! which messages were deleted, and for marks and tags, as far as it can be believed. A message whose record
//! is damaged is made again of what is whole of it. What is given up is left where it is in the journal, and
//! bodies that no message has any more go to `lost+found`.

use std::{io, path::Path};

use rusqlite::Connection;

use super::{
    super::{
        counters::Counters,
        journal::{JournalEntry, Of, Rescue, SegmentHeader, Segments, begin_anew, key, salvage},
        lock::Lock,
        open,
        schema::failed,
        start::bring_back,
        tx::Tx,
        workshop::is_interrupted,
    },
    Folder,
    check::check,
    old::{Old, OldRow},
    replace::Workshop,
    rescue::rescue,
};
use crate::{
    id::MessageId,
    store::{CheckReport, Error},
};

/// Repairs the folder. What is told was lost or made again; `messages` and `bytes` are what is there now.
pub(in crate::store) fn repair(folder: &Path) -> Result<CheckReport, Error> {
    let told = |error: io::Error| Error::from_io(&error);
    let _lock = Lock::take(folder)?;
    open::refuse_newer(&folder.join(super::DATABASE))?;
    if is_interrupted(folder) {
        Workshop::interrupted(folder).finish().map_err(told)?;
    }
    if let Ok(checked) = check(folder)
        && checked.fault_count == 0
    {
        return Ok(checked);
    }
    let workshop = Workshop::begin(folder).map_err(told)?;
    let mut repair = Repair::begin(folder, &workshop)?;
    repair.notes()?;
    repair.segments()?;
    repair.rows()?;
    repair.end()?;
    let Repair { new, counters, mut told, .. } = repair;
    let lost = unknown_bodies(&new)?;
    if !lost.is_empty() {
        told.tell(format!("{} bodies that no message has are in lost+found", lost.len()));
    }
    new.db.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").map_err(|error| failed(&error))?;
    drop(new);
    workshop.mark(&lost).map_err(|error| Error::from_io(&error))?;
    match workshop.finish().map_err(|error| Error::from_io(&error))? {
        Some(aside) => {
            told.tell(format!("smtpd.db: made again; the old one is {}", aside.display()))
        }
        None => told.tell("smtpd.db: made again".into()),
    }
    (told.messages, told.bytes) = (counters.messages, counters.bytes);
    Ok(told)
}

/// A database that is being made.
struct Repair {
    old: Old,
    /// The new database, in the old folder.
    new: Folder,
    counters: Counters,
    identity: i64,
    key: u32,
    /// Every number and id that was ever given is below these.
    next_seq: i64,
    last_id: Option<MessageId>,
    last_segment: i64,
    told: CheckReport,
}

impl Repair {
    fn begin(folder: &Path, workshop: &Workshop) -> Result<Self, Error> {
        let new = Folder::around(open::open_writer(&workshop.new_database())?, folder)?;
        let mut old = Old::open(&workshop.old(), &new.segments);
        bring_back(folder, &new.bodies).map_err(|error| Error::from_io(&error))?;
        let identity = identity(&new.segments, &old).map_err(|error| Error::from_io(&error))?;
        // What belongs to another journal says nothing of this one.
        if old.identity != Some(identity) && old.counters.is_some() {
            old = Old::default();
        }
        let mut counters = Counters::load(&new.db).map_err(|error| failed(&error))?;
        counters.identity = identity;
        // The index of the old database is not that of the new one.
        counters.epoch = old.counters.map_or(0, |old| old.epoch) + 1;
        counters.save(&new.db).map_err(|error| failed(&error))?;
        let mut told = CheckReport::default();
        if !old.is_complete {
            told.tell(
                "smtpd.db: not all of it can be read: messages that were deleted may be back, and marks \
                 may be lost"
                    .into(),
            );
        }
        let next_seq = old.counters.map_or(1, |old| old.next_seq);
        let last_id = old.counters.and_then(|old| old.last_id).map(MessageId::from_bytes);
        let key = key(identity);
        Ok(Self { old, new, counters, identity, key, next_seq, last_id, last_segment: 0, told })
    }

    /// Takes over the notes, which the journal does not have.
    fn notes(&mut self) -> Result<(), Error> {
        let Some(notes) = self.old.notes() else {
            self.told.tell("smtpd.db: the notes beside the messages are lost".into());
            return Ok(());
        };
        let before = self.counters;
        let told = &mut self.told;
        let put = |db: &Connection| {
            let tx = Tx::begin(db, before, false)?;
            for note in notes {
                match note {
                    Ok(note) => tx.set_note(&note.key, Some(&note.value))?,
                    Err(key) => told.tell(format!("note {key}: lost: it is damaged")),
                }
            }
            tx.commit(&before).map(drop)
        };
        put(&self.new.db).map_err(|error| failed(&error))
    }

    /// Takes in what is whole in the journal.
    fn segments(&mut self) -> Result<(), Error> {
        let cannot = |error: io::Error| Error::from_io(&error);
        let numbers = self.new.segments.numbers().map_err(cannot)?;
        for (place, &number) in numbers.iter().enumerate() {
            self.last_segment = number;
            let path = self.new.segments.path(number);
            let header = self.new.segments.header(number).map_err(cannot)?;
            if header.is_some_and(|header| header.identity != self.identity) {
                self.told.tell(format!("{}: of another store", path.display()));
                continue;
            }
            let later = &numbers[place + 1..];
            let next = later.iter().find_map(|next| self.new.segments.header(*next).ok()?);
            let below = next.map_or(i64::MAX, |next| next.kept_below);
            let of = Of { key: Some(self.key), is_old: header.map(|header| header.is_old), below };
            let found = salvage(&self.new.segments, number, of);
            let found = found.map_err(cannot)?;
            let first = found.placed.first().map(|one| one.head.seq);
            let header = match header {
                Some(header) => header,
                None => self.write_header(number, first)?,
            };
            self.next_seq = self.next_seq.max(header.first_seq);
            for (head, _) in &found.broken {
                self.saw(head.seq, head.id);
            }
            // In front of that place, what was deleted leaves edges that look the same.
            let known = self.old.counters.map(|old| (old.segment, old.at));
            for (from, to) in found.unread {
                if known.is_some_and(|known| (number, from) >= known) {
                    let path = path.display();
                    self.told
                        .tell(format!("{path}: nothing could be read from octet {from} to {to}"));
                }
            }
            for piece in found.placed.chunks(PIECE) {
                self.apply(piece, header.is_rescued)?;
            }
        }
        Ok(())
    }

    fn saw(&mut self, seq: i64, id: MessageId) {
        self.next_seq = self.next_seq.max(seq + 1);
        self.last_id = self.last_id.max(Some(id));
    }

    /// Writes a header in place of a damaged one.
    fn write_header(&mut self, number: i64, first: Option<i64>) -> Result<SegmentHeader, Error> {
        let first_seq = first.unwrap_or(self.next_seq);
        // What a repair wrote is older than what stands before it.
        let is_rescued = first_seq < self.counters.next_seq;
        let first_seq = first_seq.max(self.counters.next_seq);
        let identity = self.identity;
        let kept_below = first_seq;
        let header = SegmentHeader {
            identity,
            number,
            first_seq,
            kept_below,
            is_rescued,
            ..SegmentHeader::default()
        };
        self.new.segments.write_header(header).map_err(|error| Error::from_io(&error))?;
        let path = self.new.segments.path(number);
        self.told.tell(format!("{}: its header was damaged and is written again", path.display()));
        Ok(header)
    }

    /// Takes in those messages that were not deleted, with what people had done to them.
    fn apply(&mut self, placed: &[JournalEntry], is_rescued: bool) -> Result<(), Error> {
        let mut wanted = Vec::with_capacity(placed.len());
        for one in placed {
            self.saw(one.head.seq, one.head.id);
            if self.old.has(one) && !self.new.has(one.head.seq)? {
                wanted.push(one.clone());
            }
        }
        self.check_bodies(&mut wanted);
        self.store(&wanted, is_rescued)
    }

    /// Leaves out messages whose body is damaged.
    fn check_bodies(&mut self, wanted: &mut Vec<JournalEntry>) {
        let bodies = &self.new.bodies;
        let told = &mut self.told;
        wanted.retain(|one| {
            let Some(name) = &one.file else { return true };
            let body = bodies.read(name, one.head.size).and_then(|body| body.verify());
            if let Err(error) = &body {
                told.tell(format!("message {}: lost: body {}: {error}", one.head.id, name.name));
            }
            body.is_ok()
        });
    }

    fn store(&mut self, wanted: &[JournalEntry], is_rescued: bool) -> Result<(), Error> {
        if wanted.is_empty() {
            return Ok(());
        }
        let next_seq = self.counters.next_seq;
        let old = &self.old;
        let put = |db: &Connection, before: Counters| {
            let mut tx = Tx::begin(db, before, false)?;
            tx.apply(wanted)?;
            for (one, row) in wanted.iter().filter_map(|one| Some((one, old.row(one.head.seq)?))) {
                row.marks.iter().try_for_each(|change| tx.change(&[row.seq], change).map(drop))?;
                row.left.iter().try_for_each(|name| tx.leave(&[row.seq], name).map(drop))?;
                for (name, value) in &row.annotations {
                    tx.annotate(one.head.id, name, Some(value))?;
                }
            }
            if is_rescued {
                let sql = "UPDATE segments SET rescued = 1 WHERE segment = ?";
                wanted.iter().try_for_each(|one| db.execute(sql, [one.segment]).map(drop))?;
            }
            tx.commit(&before)
        };
        let put = put(&self.new.db, self.counters).map_err(|error| failed(&error))?;
        self.counters = put.0;
        self.counters.next_seq = self.counters.next_seq.max(next_seq);
        Ok(())
    }

    /// Makes those messages again that have a row and no whole record.
    fn rows(&mut self) -> Result<(), Error> {
        let last = self.old.last_seq().unwrap_or(self.next_seq).min(self.next_seq + PIECE as i64);
        let mut segment = None;
        let mut from = 0;
        while from <= last {
            let to = from + PIECE as i64;
            for row in self.old.rows(from, to) {
                if !self.new.has(row.seq)? && !self.is_known(&row)? {
                    self.rescue(&row, &mut segment)?;
                }
            }
            from = to + 1;
        }
        Ok(())
    }

    /// True if the message of a damaged row was found by its id.
    fn is_known(&self, row: &OldRow) -> Result<bool, Error> {
        let Err(damaged) = row.fixed else { return Ok(false) };
        let Some(id) = damaged.id else { return Ok(false) };
        self.new.seq(id).map(|seq| seq.is_some()).map_err(|error| failed(&error))
    }

    fn rescue(&mut self, row: &OldRow, segment: &mut Option<Rescue>) -> Result<(), Error> {
        let cannot = |error: io::Error| Error::from_io(&error);
        let name = match &row.fixed {
            Ok(fixed) => fixed.id.to_string(),
            Err(damaged) => damaged.id.map_or(format!("number {}", row.seq), |id| id.to_string()),
        };
        let (message, done) = match rescue(&self.new, row, self.key) {
            Ok(rescued) => rescued,
            Err(why) => {
                self.told.tell(format!("message {name}: lost: {why}"));
                return Ok(());
            }
        };
        self.saw(message.seq, message.id);
        let segment = match segment {
            Some(segment) => segment,
            none => none.insert(
                Rescue::begin(&self.new.segments, self.next_header(true), self.key)
                    .map_err(cannot)?,
            ),
        };
        let placed = segment.add(&message).map_err(cannot)?;
        self.last_segment = placed.segment;
        self.store(&[placed], true)?;
        self.told.tell(format!("message {name}: saved: {done}"));
        Ok(())
    }

    /// The header of the segment behind all that there are.
    fn next_header(&self, is_rescued: bool) -> SegmentHeader {
        SegmentHeader {
            identity: self.identity,
            number: self.last_segment + 1,
            first_seq: self.next_seq,
            kept_below: self.next_seq,
            is_rescued,
            ..SegmentHeader::default()
        }
    }

    /// Mail goes on in a segment behind everything.
    fn end(&mut self) -> Result<(), Error> {
        let header = self.next_header(false);
        begin_anew(&self.new.segments, header).map_err(|error| Error::from_io(&error))?;
        self.counters.next_seq = self.next_seq;
        self.counters.last_id = self.last_id.map(|id| *id.as_bytes());
        (self.counters.segment, self.counters.at) = (header.number, SegmentHeader::LENGTH as u64);
        self.counters.save(&self.new.db).map_err(|error| failed(&error))
    }
}

/// The random name of the store: what most segments say, or else the old database.
fn identity(segments: &Segments, old: &Old) -> io::Result<i64> {
    let mut named: Vec<i64> = Vec::new();
    for number in segments.numbers()? {
        named.extend(segments.header(number)?.map(|header| header.identity));
    }
    let votes = |identity: &i64| {
        let is_old = old.identity == Some(*identity);
        (named.iter().filter(|other| *other == identity).count(), is_old)
    };
    if let Some(most) = named.iter().copied().max_by_key(votes) {
        return Ok(most);
    }
    if let Some(counters) = old.counters {
        return Ok(counters.identity);
    }
    // All headers are damaged, and so is the database: the first record still says the key.
    for number in segments.numbers()? {
        let found = salvage(segments, number, Of { below: i64::MAX, ..Of::default() })?;
        let origin = found.placed.first().and_then(|one| one.head.origin);
        if let Some(origin) = origin {
            return Ok(origin.key.into());
        }
    }
    Ok(old.identity.unwrap_or_default())
}

fn unknown_bodies(new: &Folder) -> Result<Vec<String>, Error> {
    let names = || -> rusqlite::Result<_> {
        let sql = "SELECT file FROM messages WHERE file IS NOT NULL";
        new.db.prepare(sql)?.query_map((), |row| row.get(0))?.collect()
    };
    let known = names().map_err(|error| failed(&error))?;
    let leftovers = new.bodies.leftovers(&known);
    leftovers.map(|found| found.complete).map_err(|error| Error::from_io(&error))
}

/// Messages that are taken in in one transaction.
const PIECE: usize = 500;
