//! A copy of the folder while mail comes in.
//!
//! The database comes first, as it is in one moment; then the segments and bodies that it names. What is
//! deleted meanwhile may be missing in them and is taken out of the copy at the end. `VACUUM INTO` sees one
//! moment, however long it takes, where SQLite's page-wise backup would begin again with every write.
//! The full-text index is not copied: it is built anew.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::{FileExt as _, OpenOptionsExt as _},
    path::Path,
};

use rusqlite::Connection;

use super::{
    super::{
        BODIES, DATABASE, JOURNAL, make_folder, private,
        schema::{self, failed},
        tx::{Counters, Tx},
    },
    Folder,
};
use crate::store::{Checked, Error};

/// Copies `folder` to `target`, which must not exist. Everything is on the disk when this returns.
pub(in crate::store) fn backup(folder: &Path, target: &Path) -> Result<Checked, Error> {
    let cannot = |error: io::Error| Error::Open(format!("{}: {error}", target.display()));
    if target.exists() {
        return Err(Error::Open(format!("{}: exists already", target.display())));
    }
    let from = Folder::look(folder)?;
    make_folder(target).map_err(cannot)?;
    make_folder(&target.join(JOURNAL)).map_err(cannot)?;
    make_folder(&target.join(BODIES)).map_err(cannot)?;
    let copy = target.join(DATABASE);
    copy_database(&from.db, &copy)?;
    let db = schema::open_writer(&copy)?;
    let to = Folder::around(db, target)?;
    let counters = Counters::load(&to.db).map_err(|error| failed(&error))?;
    for number in from.segments.numbers().map_err(cannot)? {
        let upto = match number.cmp(&counters.segment) {
            std::cmp::Ordering::Less => u64::MAX,
            // What stands behind is of messages that the copy does not know.
            std::cmp::Ordering::Equal => counters.at,
            std::cmp::Ordering::Greater => continue,
        };
        copy_sparse(&from.segments.path(number), &to.segments.path(number), upto)
            .map_err(cannot)?;
    }
    let checked = settle(&from, &to, &counters)?;
    to.db.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").map_err(|error| failed(&error))?;
    drop(to);
    sync(target).map_err(cannot)?;
    Ok(checked)
}

fn copy_database(db: &Connection, copy: &Path) -> Result<(), Error> {
    let path = copy.to_str().ok_or_else(|| Error::Open("the path is not UTF-8".into()))?;
    // SQLite would make it for everybody to read; an empty file is taken as it is.
    private().write(true).open(copy).map_err(|error| Error::from_io(&error))?;
    db.execute("VACUUM INTO ?", [path]).map(drop).map_err(|error| failed(&error))
}

/// Copies bodies, and takes out what was deleted while we copied.
fn settle(from: &Folder, to: &Folder, counters: &Counters) -> Result<Checked, Error> {
    let mut checked = Checked::default();
    let mut gone = Vec::new();
    let mut behind = i64::MIN;
    loop {
        let rows = to.rows(behind)?;
        let Some(last) = rows.last() else { break };
        behind = last.seq;
        for row in rows {
            if let Some(name) = &row.file {
                copy_body(from, to, name).map_err(|error| Error::from_io(&error))?;
            }
            match to.fault(&row) {
                None => {
                    (checked.messages, checked.bytes) =
                        (checked.messages + 1, checked.bytes + row.size)
                }
                Some(_) if !from.has(row.seq)? => gone.push(row.seq),
                Some(fault) => checked.tell(format!("message {}: {fault}", row.id)),
            }
        }
    }
    let take_out = || {
        let mut tx = Tx::begin(&to.db, *counters, false)?;
        tx.delete(&gone)?;
        tx.commit(counters)
    };
    take_out().map(|_| checked).map_err(|error| failed(&error))
}

/// A body that is gone is seen as a fault of its message later.
fn copy_body(from: &Folder, to: &Folder, name: &str) -> io::Result<()> {
    let mut source = match from.bodies.read(name) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        opened => opened?,
    };
    let mut target = create(&to.bodies.path(name))?;
    io::copy(&mut source, &mut target)?;
    target.sync_all()
}

/// Copies a file up to some length, holes as holes.
fn copy_sparse(source: &Path, target: &Path, upto: u64) -> io::Result<()> {
    let source = match File::open(source) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        opened => opened?,
    };
    let target = create(target)?;
    let length = source.metadata()?.len().min(upto);
    target.set_len(length)?;
    let mut piece = vec![0; 1024 * 1024];
    let mut at = 0;
    while at < length {
        let some = piece.len().min(usize::try_from(length - at).unwrap_or(usize::MAX));
        let read = source.read_at(&mut piece[..some], at)?;
        if read == 0 {
            break;
        }
        if piece[..read].iter().any(|octet| *octet != 0) {
            target.write_all_at(&piece[..read], at)?;
        }
        at += read as u64;
    }
    target.sync_all()
}

fn create(path: &Path) -> io::Result<File> {
    fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// Makes the names durable.
fn sync(target: &Path) -> io::Result<()> {
    for folder in [target.join(JOURNAL), target.join(BODIES), target.to_owned()] {
        File::open(folder)?.sync_all()?;
    }
    File::open(target.join(DATABASE))?.sync_all()
}
