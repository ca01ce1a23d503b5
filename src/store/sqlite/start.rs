//! Opening a folder as a crash, or worse, left it.
//!
//! A start takes in what the database has not, and clears away what certainly is no mail. It never makes
//! damage worse: nothing is cut off or removed where anything is not as it should be, and where going on
//! would hide mail it ends with an error that names `smtpd repair`.

use std::{
    collections::HashSet,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    time::Instant,
};

use rusqlite::Connection;

use super::{
    BODIES, DATABASE, JOURNAL, LOST_AND_FOUND,
    bodies::{Bodies, Leftovers},
    counters::Counters,
    fixed::Fixed,
    integers::signed,
    journal::{Replayed, SegmentHeader, Segments, Torn, begin_anew, replay},
    make_folder, make_private, open,
    schema::{self, failed},
    tx::Tx,
    workshop,
};
use crate::store::Error;

/// A folder that is open.
pub(super) struct Begun {
    pub(super) database: PathBuf,
    pub(super) db: Connection,
    pub(super) segments: Segments,
    pub(super) bodies: Bodies,
    pub(super) counters: Counters,
    pub(super) end: Replayed,
}

/// Opens the folder, which must be locked.
pub(super) fn begin(folder: &Path, index: bool) -> Result<Begun, Error> {
    let cannot = |path: &Path, error: &dyn std::fmt::Display| {
        Error::Open(format!("{}: {error}", path.display()))
    };
    let database = folder.join(DATABASE);
    let journal = folder.join(JOURNAL);
    let segments = Segments::open(journal.clone()).map_err(|error| cannot(&journal, &error))?;
    if workshop::is_interrupted(folder) {
        return Err(Error::needs_repair(folder, "`smtpd repair` was interrupted here"));
    }
    let is_new = segments.numbers().map_err(|error| cannot(&journal, &error))?.is_empty();
    if !database.exists() && !is_new {
        return Err(Error::needs_repair(&database, "missing, but there is a journal"));
    }
    make_private(&database).map_err(|error| cannot(&database, &error))?;
    // What a kill left in it may rest on a sync that had failed.
    schema::write_log_again(&database).map_err(|error| cannot(&database, &error))?;
    open::upgrade(&database, &segments)?;
    let db = open::open_writer(&database)?;
    let mut counters =
        Counters::load(&db).map_err(|error| Error::Open(schema::describe(&database, &error)))?;
    let bodies = folder.join(BODIES);
    let bodies = Bodies::open(bodies.clone()).map_err(|error| cannot(&bodies, &error))?;
    if !has_all_rows(&db, &counters).map_err(|error| failed(&error))? {
        return Err(Error::needs_repair(
            &database,
            "it does not have as many messages as it should",
        ));
    }
    let end = catch_up(&segments, &db, &mut counters, index)?;
    clear_leftovers(folder, &db, &bodies, &counters, &end)?;
    clear_segments(&db, &segments, &counters)?;
    Ok(Begun { database, db, segments, bodies, counters, end })
}

/// Takes in what the database has not, or not durably, because the lights went out.
pub(super) fn catch_up(
    segments: &Segments,
    db: &Connection,
    counters: &mut Counters,
    index: bool,
) -> Result<Replayed, Error> {
    let begun = Instant::now();
    let from = (counters.segment, counters.at);
    let (identity, next_seq) = (counters.identity, counters.next_seq);
    let mut end = replay(segments, identity, from, next_seq, |placed| {
        let before = *counters;
        let apply = || {
            let mut tx = Tx::begin(db, before, index)?;
            tx.apply(&placed)?;
            tx.commit(&before)
        };
        *counters = apply().map_err(|error| failed(&error))?.0;
        Ok(())
    })?;
    if end.messages > 0 {
        let took = begun.elapsed().as_millis() as u64;
        log::info!(messages:% = end.messages, ms:% = took; "took in from the journal what the last run left");
    }
    if let Some(torn) = end.torn {
        pass_over(segments, db, counters, &end, torn).map_err(|error| failed(&error))?;
        let header = SegmentHeader {
            identity,
            number: end.next_segment,
            first_seq: end.next_seq,
            kept_below: end.next_seq,
            ..SegmentHeader::default()
        };
        begin_anew(segments, header).map_err(|error| Error::from_io(&error))?;
        end.tail = Some((end.next_segment, SegmentHeader::LENGTH as u64));
        end.next_segment += 1;
    }
    Ok(end)
}

/// Has the database go on behind a batch that was being written. After that, a new segment is no gap to
/// whoever reads the journal next.
fn pass_over(
    segments: &Segments,
    db: &Connection,
    counters: &mut Counters,
    end: &Replayed,
    torn: Torn,
) -> rusqlite::Result<()> {
    let path = segments.path(torn.segment);
    log::warn!(
        "{}: what was being written when the last run ended, from octet {} on, is no mail that was \
         acknowledged, unless it was damaged since; it is left there",
        path.display(),
        torn.at
    );
    let before = *counters;
    counters.next_seq = end.next_seq;
    counters.last_id = counters.last_id.max(torn.last_id.map(|id| *id.as_bytes()));
    schema::set_lasting(db, true)?;
    *counters = Tx::begin(db, *counters, false)?.commit(&before)?.0;
    schema::set_lasting(db, false)
}

/// Bodies that no message has. What was never complete goes. What was complete goes as well, because its
/// mail was never answered with 250 or is deleted, but only if nothing else is in doubt. It stays where the
/// rows do not add up: it may be the body of one that is damaged. And behind a batch that was being written
/// it is put aside, because at the next start that batch is in nobody's way any more.
fn clear_leftovers(
    folder: &Path,
    db: &Connection,
    bodies: &Bodies,
    counters: &Counters,
    end: &Replayed,
) -> Result<(), Error> {
    let told = |error: io::Error| Error::from_io(&error);
    let (known, is_sound) = known_files(db).map_err(|error| failed(&error))?;
    let Leftovers { complete, incomplete } = bodies.leftovers(&known).map_err(told)?;
    incomplete.iter().for_each(|name| bodies.remove(name));
    if complete.is_empty() {
        return Ok(());
    }
    let count = complete.len();
    let adds_up = is_sound
        && agrees(db, counters).map_err(|error| failed(&error))?
        && known.iter().all(|name| bodies.path(name).exists());
    if !adds_up {
        log::warn!("{count} bodies without a message may be mail, and stay; see `smtpd check`");
    } else if end.torn.is_some() {
        set_aside(folder, bodies, &complete).map_err(told)?;
        let aside = folder.join(LOST_AND_FOUND);
        log::warn!("{count} bodies without a message may be mail: they are in {}", aside.display());
    } else {
        complete.iter().for_each(|name| bodies.remove(name));
        log::info!("removed {count} body files without a message");
    }
    Ok(())
}

/// Puts files of bodies where nobody deletes them.
pub(super) fn set_aside(folder: &Path, bodies: &Bodies, names: &[String]) -> io::Result<()> {
    let aside = folder.join(LOST_AND_FOUND);
    make_folder(&aside)?;
    for name in names {
        fs::rename(bodies.path(name), aside.join(name))?;
    }
    File::open(&aside)?.sync_all()?;
    File::open(bodies.folder())?.sync_all()
}

/// Brings back what was put aside: a repair may find whose it is.
pub(super) fn bring_back(folder: &Path, bodies: &Bodies) -> io::Result<()> {
    let aside = folder.join(LOST_AND_FOUND);
    if !aside.is_dir() {
        return Ok(());
    }
    let found = Bodies::open(aside)?;
    for name in found.leftovers(&HashSet::new())?.complete {
        if !bodies.path(&name).exists() {
            fs::rename(found.path(&name), bodies.path(&name))?;
        }
    }
    bodies.sync()
}

/// The files that rows name, and whether all of these rows are what was written.
fn known_files(db: &Connection) -> rusqlite::Result<(HashSet<String>, bool)> {
    let sql = "SELECT seq, id, received, size, attachment, segment, at, held, meta, file, sum
               FROM messages WHERE file IS NOT NULL";
    let (mut known, mut is_sound) = (HashSet::new(), true);
    let mut statement = db.prepare(sql)?;
    for row in statement.query_map((), Fixed::read)? {
        match row? {
            Ok(fixed) => known.extend(fixed.file),
            Err(_damaged) => is_sound = false,
        }
    }
    Ok((known, is_sound))
}

/// True if the rows are as many as they should be: otherwise mail would be hidden, and its space given away.
fn has_all_rows(db: &Connection, counters: &Counters) -> rusqlite::Result<bool> {
    let sql = "SELECT count(*) FROM messages NOT INDEXED";
    let counted: i64 = db.query_row(sql, (), |row| row.get(0))?;
    Ok(counted == signed(counters.messages))
}

/// True if the rows have as many octets as they should.
fn agrees(db: &Connection, counters: &Counters) -> rusqlite::Result<bool> {
    let sql = "SELECT coalesce(sum(size), 0),
                      coalesce(sum(CASE WHEN file IS NULL THEN 0 ELSE size END), 0)
               FROM messages";
    let counted: [i64; 2] = db.query_row(sql, (), |row| Ok([row.get(0)?, row.get(1)?]))?;
    Ok(counted == [counters.bytes, counters.file_bytes].map(signed))
}

/// Segments without a message: those that a crash left between the commit that emptied them and their end.
fn clear_segments(db: &Connection, segments: &Segments, counters: &Counters) -> Result<(), Error> {
    let in_use = |sql: &str| -> Result<HashSet<i64>, Error> {
        let ask = || -> rusqlite::Result<_> {
            db.prepare(sql)?.query_map((), |row| row.get(0))?.collect()
        };
        ask().map_err(|error| failed(&error))
    };
    let listed = in_use("SELECT segment FROM segments")?;
    let mut empty = segments.numbers().map_err(|error| Error::from_io(&error))?;
    empty.retain(|number| *number < counters.segment && !listed.contains(number));
    if empty.is_empty() || !agrees(db, counters).map_err(|error| failed(&error))? {
        return Ok(());
    }
    let named = in_use("SELECT DISTINCT segment FROM messages")?;
    empty.iter().filter(|number| !named.contains(number)).for_each(|it| segments.remove(*it));
    Ok(())
}
