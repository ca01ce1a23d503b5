//! Saving what can be saved.
//!
//! If the database is sound, messages whose octets are damaged are taken out of it. If it is not, it is
//! moved aside and made again from the journal, with those marks that can still be read in the old one.
//! Either way whatever is whole in the journal behind the place where the database stopped is taken in.

use std::{
    collections::HashMap,
    fs, io,
    path::{Path, PathBuf},
};

use rusqlite::Connection;

use super::{
    super::{
        DATABASE, INDEX, JOURNAL,
        journal::{Header, Segments, salvage},
        lock, make_private,
        schema::{self, failed},
        tx::{Counters, Tx},
    },
    Folder, check,
};
use crate::{
    id::MessageId,
    store::{Change, Checked, Error},
};

/// Messages that are taken in in one transaction.
const PIECE: usize = 500;

/// What people had done to a message.
#[derive(Default)]
struct Marks {
    read: bool,
    starred: bool,
    tags: Vec<String>,
}

/// Repairs the folder. What is told was lost; `messages` and `bytes` are what is there now.
pub(in crate::store) fn repair(folder: &Path) -> Result<Checked, Error> {
    let _lock = lock(folder)?;
    let database = folder.join(DATABASE);
    let mut lost = Checked::default();
    let marks = match sound(&database) {
        Ok(()) => None,
        Err(why) => {
            let marks = old_marks(&database);
            let aside = move_aside(folder).map_err(|error| Error::from_io(&error))?;
            lost.tell(format!("smtpd.db: {why}: moved to {}, made again", aside.display()));
            Some(marks)
        }
    };
    for name in ["", "-wal", "-shm"].map(|end| format!("{INDEX}{end}")) {
        let _ = fs::remove_file(folder.join(name));
    }
    make_private(&database).map_err(|error| Error::from_io(&error))?;
    let db = schema::open_writer(&database)?;
    let segments = Segments::open(folder.join(JOURNAL)).map_err(|error| Error::from_io(&error))?;
    if marks.is_some() {
        take_identity(&db, &segments)?;
    }
    take_in(&db, &segments, &mut lost)?;
    let folder = Folder::around(db, folder)?;
    if let Some(marks) = marks {
        apply(&folder.db, marks).map_err(|error| failed(&error))?;
    }
    take_out(&folder, &mut lost)?;
    recount(&folder.db).map_err(|error| failed(&error))?;
    let counters = Counters::load(&folder.db).map_err(|error| failed(&error))?;
    (lost.messages, lost.bytes) = (counters.messages, counters.bytes);
    Ok(lost)
}

/// Whether the database can be used; else why not.
fn sound(database: &Path) -> Result<(), String> {
    if !database.is_file() {
        return Err("missing".into());
    }
    let db = schema::open_writer(database).map_err(|error| error.to_string())?;
    let mut checked = Checked::default();
    check::integrity(&db, &mut checked).map_err(|error| error.to_string())?;
    if let Some(fault) = checked.faults.into_iter().next() {
        return Err(fault);
    }
    // An empty database that was made because the right one was lost.
    let counters = Counters::load(&db).map_err(|error| error.to_string())?;
    let folder = database.parent().unwrap_or(Path::new("."));
    let segments = Segments::open(folder.join(JOURNAL)).map_err(|error| error.to_string())?;
    let numbers = segments.numbers().map_err(|error| error.to_string())?;
    let is_other = |number: i64| {
        let header = segments.header(number).ok().flatten();
        header.is_some_and(|header| header.identity != counters.identity)
    };
    match counters.next_seq == 1 && numbers.into_iter().any(is_other) {
        true => Err("it does not belong to the journal".into()),
        false => Ok(()),
    }
}

/// As much of people's marks as can be read.
fn old_marks(database: &Path) -> HashMap<[u8; 12], Marks> {
    let mut marks = HashMap::new();
    let mut read = || -> rusqlite::Result<()> {
        let db = schema::open_reader(database)?;
        let sql = "SELECT id, read, starred,
                       (SELECT json_group_array(name) FROM json_each(messages.labels)
                        JOIN labels ON label = value WHERE kind = 1)
                   FROM messages WHERE read OR starred OR tagged";
        let mut statement = db.prepare(sql)?;
        let mut rows = statement.query(())?;
        while let Some(row) = rows.next()? {
            let tags = serde_json::from_str(&row.get::<_, String>(3)?).unwrap_or_default();
            marks.insert(row.get(0)?, Marks { read: row.get(1)?, starred: row.get(2)?, tags });
        }
        Ok(())
    };
    // Up to the first page that cannot be read.
    let _ = read();
    marks
}

fn move_aside(folder: &Path) -> io::Result<PathBuf> {
    let free = |number: &u32| !folder.join(format!("{DATABASE}.damaged-{number}")).exists();
    let number = (1..).find(free).unwrap_or(1);
    let aside = folder.join(format!("{DATABASE}.damaged-{number}"));
    for end in ["", "-wal", "-shm"] {
        let mut to = aside.clone().into_os_string();
        to.push(end);
        match fs::rename(folder.join(format!("{DATABASE}{end}")), to) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(aside)
}

/// The new database is that of the segments.
fn take_identity(db: &Connection, segments: &Segments) -> Result<(), Error> {
    let numbers = segments.numbers().map_err(|error| Error::from_io(&error))?;
    for number in numbers {
        if let Ok(Some(header)) = segments.header(number) {
            let set = db.execute("UPDATE counters SET identity = ?", [header.identity]);
            return set.map(drop).map_err(|error| failed(&error));
        }
    }
    Ok(())
}

/// Takes in what is whole behind the place up to which the database knows the journal.
fn take_in(db: &Connection, segments: &Segments, lost: &mut Checked) -> Result<(), Error> {
    let told = |error: io::Error| Error::from_io(&error);
    let mut counters = Counters::load(db).map_err(|error| failed(&error))?;
    let mut numbers = segments.numbers().map_err(told)?;
    numbers.retain(|number| *number >= counters.segment);
    let mut expected = counters.next_seq;
    let begun_anew = counters.segment == 0;
    for (place, &number) in numbers.iter().enumerate() {
        let header = segments.header(number).map_err(told)?;
        if header.is_some_and(|header| header.identity != counters.identity) {
            lost.tell(format!("{}: of another store", segments.path(number).display()));
            continue;
        }
        let next = numbers[place + 1..].iter().find_map(|next| segments.header(*next).ok()?);
        let from = if number == counters.segment { counters.at } else { 0 };
        let below = next.map_or(i64::MAX, |next| next.first_seq);
        let last_id = counters.last_id.map(MessageId::from_bytes);
        let found =
            salvage(segments, number, from, counters.next_seq, below, last_id).map_err(told)?;
        let first = found.placed.first().map_or(expected, |one| one.head.seq);
        // Holes leave the edges of what was deleted, which only the lost database could tell from mail.
        for (from, to) in found.unread.iter().filter(|_| !begun_anew) {
            let path = segments.path(number);
            let path = path.display();
            lost.tell(format!("{path}: nothing could be read from octet {from} to {to}"));
        }
        if header.is_none() {
            let header = Header { identity: counters.identity, number, first_seq: first };
            segments.write_header(header).map_err(told)?;
            lost.tell(format!("{}: its header was damaged", segments.path(number).display()));
        }
        for piece in found.placed.chunks(PIECE) {
            let before = counters;
            let put = || {
                let mut tx = Tx::begin(db, before, false)?;
                tx.take_in(piece)?;
                tx.commit(&before)
            };
            counters = put().map_err(|error| failed(&error))?.0;
        }
        // An empty or unreadable rest is passed over, so that the next start does not stop at it.
        if number > counters.segment || found.end > counters.at {
            let before = counters;
            (counters.segment, counters.at) = (number, found.end);
            if let Some(header) = header.filter(|header| header.first_seq > counters.next_seq) {
                counters.next_seq = header.first_seq;
            }
            let skip = || Tx::begin(db, counters, false)?.commit(&before);
            counters = skip().map_err(|error| failed(&error))?.0;
        }
        expected = counters.next_seq;
    }
    Ok(())
}

/// Deletes messages whose octets are lost.
fn take_out(folder: &Folder, lost: &mut Checked) -> Result<(), Error> {
    let mut behind = i64::MIN;
    loop {
        let rows = folder.rows(behind)?;
        let Some(last) = rows.last() else { return Ok(()) };
        behind = last.seq;
        let mut gone = Vec::new();
        for row in &rows {
            if let Some(fault) = folder.fault(row) {
                lost.tell(format!("message {}: {fault}", row.id));
                gone.push(row.seq);
            }
        }
        let delete = || {
            let counters = Counters::load(&folder.db)?;
            let mut tx = Tx::begin(&folder.db, counters, false)?;
            tx.delete(&gone)?;
            tx.commit(&counters).map(drop)
        };
        delete().map_err(|error| failed(&error))?;
    }
}

fn apply(db: &Connection, marks: HashMap<[u8; 12], Marks>) -> rusqlite::Result<()> {
    let before = Counters::load(db)?;
    let mut tx = Tx::begin(db, before, false)?;
    for (id, marks) in marks {
        let seqs = tx.seqs(&[MessageId::from_bytes(id)])?;
        if marks.read {
            tx.change(&seqs, &Change::Read(true))?;
        }
        if marks.starred {
            tx.change(&seqs, &Change::Starred(true))?;
        }
        for tag in marks.tags {
            tx.change(&seqs, &Change::Tag(tag))?;
        }
    }
    tx.commit(&before).map(drop)
}

/// Counts the totals that are kept.
fn recount(db: &Connection) -> rusqlite::Result<()> {
    db.execute_batch(
        "BEGIN IMMEDIATE;
         UPDATE counters SET
             messages = (SELECT count(*) FROM messages),
             unread = (SELECT count(*) FROM messages WHERE read = 0),
             bytes = (SELECT coalesce(sum(size), 0) FROM messages),
             file_bytes = (SELECT coalesce(sum(size), 0) FROM messages WHERE file IS NOT NULL),
             epoch = epoch + 1;
         UPDATE labels SET
             messages = (SELECT count(*) FROM labelled WHERE labelled.label = labels.label),
             unread = (SELECT count(*) FROM labelled JOIN messages USING (seq)
                       WHERE labelled.label = labels.label AND read = 0);
         DELETE FROM labels WHERE messages = 0;
         DELETE FROM segments;
         INSERT INTO segments SELECT segment, count(*) FROM messages GROUP BY segment;
         COMMIT",
    )?;
    db.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")
}
