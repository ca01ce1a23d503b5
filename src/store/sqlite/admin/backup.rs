//! A copy of the folder while mail comes in.
//!
//! The copy holds everything that was answered before it began. A running smtpd takes that into its database
//! within a moment; then the database is copied first, as it is in one moment, and after it the segments and
//! bodies that it names. What is deleted meanwhile may be missing in them and is taken out of the copy at the
//! end. Where nobody takes it in, because no smtpd runs or it cannot, the rest of the journal is copied as
//! well and taken in in the copy. `VACUUM INTO` sees one moment, however long it takes, where SQLite's
//! page-wise backup would begin again with every write. The full-text index is not copied: it is built anew.
//!
//! What is damaged is copied as it is, and told. The copy has its name only when it is complete.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::{FileExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use rusqlite::Connection;

use super::{
    super::{
        BODIES, DATABASE, JOURNAL, counters::Counters, journal::replay, make_folder, open, private,
        schema::failed, start::catch_up, tx::Tx,
    },
    Folder,
    check::totals,
};
use crate::store::{CheckReport, Error};

/// Copies `folder` to `target`, which must not exist. Everything is on the disk when this returns.
pub(in crate::store) fn backup(folder: &Path, target: &Path) -> Result<CheckReport, Error> {
    let is_named = target.file_name().is_some();
    let part = part_of(target);
    let refuse = |why: &str| Err(Error::Open(format!("{}: {why}", target.display())));
    if !is_named {
        return refuse("expected the name of a folder to make");
    }
    if is_within(target, folder) {
        return refuse("is in the store itself; a backup needs a folder outside of it");
    }
    let cannot = |error: io::Error| Error::Open(format!("{}: {error}", part.display()));
    for path in [target, &part] {
        if path.exists() {
            return Err(Error::Open(format!("{}: exists already", path.display())));
        }
    }
    let copied = copy(folder, &part).and_then(|checked| {
        sync(&part).map_err(cannot)?;
        fs::rename(&part, target).map_err(cannot)?;
        let above = target.parent().filter(|above| !above.as_os_str().is_empty());
        let above = File::open(above.unwrap_or(Path::new(".")));
        above.and_then(|above| above.sync_all()).map_err(cannot)?;
        Ok(checked)
    });
    if copied.is_err() {
        // Half a copy is none, and would be in the way of the next.
        let _ = fs::remove_dir_all(&part);
    }
    copied
}

/// True if the folder to make would be one of the store's own.
fn is_within(target: &Path, store: &Path) -> bool {
    let above = target.parent().filter(|above| !above.as_os_str().is_empty());
    let above = fs::canonicalize(above.unwrap_or(Path::new(".")));
    matches!((above, fs::canonicalize(store)), (Ok(above), Ok(store)) if above.starts_with(&store))
}

/// Copies everything into a folder that is made for it.
fn copy(folder: &Path, part: &Path) -> Result<CheckReport, Error> {
    let cannot = |error: io::Error| Error::Open(format!("{}: {error}", part.display()));
    for new in [part.to_owned(), part.join(JOURNAL), part.join(BODIES)] {
        make_folder(&new).map_err(cannot)?;
    }
    match Folder::look(folder).and_then(|from| Copy::begin(from, part)) {
        Ok(copy) => match copy.whole() {
            Err(why @ Error::Damaged(_)) => as_it_is(folder, part, &why).map_err(cannot),
            whole => whole,
        },
        Err(Error::Full) => Err(Error::Full),
        // No database, or one that cannot be asked: everything is copied as it is.
        Err(why) => as_it_is(folder, part, &why).map_err(cannot),
    }
}

/// Where a copy is made.
fn part_of(target: &Path) -> PathBuf {
    let mut name = target.as_os_str().to_owned();
    name.push(".part");
    name.into()
}

/// A copy with a database that can be asked.
struct Copy {
    from: Folder,
    to: Folder,
    counters: Counters,
    /// The rest of the journal has to be copied, too.
    is_behind: bool,
    checked: CheckReport,
}

impl Copy {
    /// Copies the database.
    fn begin(from: Folder, part: &Path) -> Result<Self, Error> {
        let is_behind = !is_taken_in(&from)?;
        let copy = part.join(DATABASE);
        copy_database(&from.db, &copy)?;
        let to = Folder::around(open::open_writer(&copy)?, part)?;
        let counters = Counters::load(&to.db).map_err(|error| failed(&error))?;
        let mut checked = CheckReport::default();
        totals(&to.db, &mut checked).map_err(|error| failed(&error))?;
        Ok(Self { from, to, counters, is_behind, checked })
    }

    fn whole(mut self) -> Result<CheckReport, Error> {
        let told = |error: io::Error| Error::from_io(&error);
        for number in self.from.segments.numbers().map_err(told)? {
            let upto = match number.cmp(&self.counters.segment) {
                _ if self.is_behind => u64::MAX,
                std::cmp::Ordering::Less => u64::MAX,
                // What stands behind is of messages that the copy does not know.
                std::cmp::Ordering::Equal => self.counters.at,
                std::cmp::Ordering::Greater => continue,
            };
            let (from, to) = (self.from.segments.path(number), self.to.segments.path(number));
            copy_sparse(&from, &to, upto).map_err(told)?;
        }
        if self.is_behind {
            // Bodies of what is taken in now: the rows name them below.
            if let Err(error) = catch_up(&self.to.segments, &self.to.db, &mut self.counters, false)
            {
                self.checked.tell(error.to_string());
            }
        }
        self.bodies()?;
        if self.checked.fault_count > 0 {
            // A damaged row may not say which body is its own.
            copy_new(self.from.bodies.folder(), self.to.bodies.folder()).map_err(told)?;
        }
        self.to
            .db
            .execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")
            .map_err(|error| failed(&error))?;
        Ok(self.checked)
    }

    /// Copies bodies, and takes out what was deleted while we copied.
    fn bodies(&mut self) -> Result<(), Error> {
        let (mut gone, mut behind) = (Vec::new(), i64::MIN);
        loop {
            let rows = self.to.rows(behind)?;
            let Some(last) = rows.last() else { break };
            behind = last.seq;
            for row in rows {
                if let Some(name) = row.fixed.as_ref().ok().and_then(|fixed| fixed.file.as_ref()) {
                    self.body(name).map_err(|error| Error::from_io(&error))?;
                }
                match self.to.fault(&row) {
                    None => {
                        self.checked.messages += 1;
                        self.checked.bytes += row.size();
                    }
                    Some(_) if !self.is_behind && !self.from.has(row.seq)? => gone.push(row.seq),
                    Some(fault) => self.checked.tell(format!("{}: {fault}", row.name())),
                }
            }
        }
        let take_out = || {
            let mut tx = Tx::begin(&self.to.db, self.counters, false)?;
            tx.delete(&gone)?;
            tx.commit(&self.counters).map(drop)
        };
        take_out().map_err(|error| failed(&error))
    }

    /// A body that is gone is seen as a fault of its message later.
    fn body(&self, name: &str) -> io::Result<()> {
        let mut source = match File::open(self.from.bodies.path(name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            opened => opened?,
        };
        let mut target = create(&self.to.bodies.path(name))?;
        io::copy(&mut source, &mut target)?;
        target.sync_all()
    }
}

/// Waits until the database knows everything that the journal has now; false if nobody takes it in.
fn is_taken_in(from: &Folder) -> Result<bool, Error> {
    let load = || Counters::load(&from.db).map_err(|error| failed(&error));
    let mut before = load()?;
    let end = loop {
        let at = (before.segment, before.at);
        if let Ok(end) = replay(&from.segments, before.identity, at, before.next_seq, |_| Ok(())) {
            break end;
        }
        // Mail that is deleted while it is read looks damaged; what is damaged stays so.
        thread::sleep(LOOK_AGAIN);
        let now = load()?;
        if now == before {
            return Ok(false);
        }
        before = now;
    };
    let until = Instant::now() + PATIENCE;
    // What is being written now is among these, and will be taken in, too.
    while load()?.next_seq < end.next_seq {
        if Instant::now() >= until {
            return Ok(false);
        }
        thread::sleep(MOMENT);
    }
    Ok(true)
}

/// Copies everything that is mail, of a store whose database cannot be asked.
fn as_it_is(folder: &Path, part: &Path, why: &Error) -> io::Result<CheckReport> {
    let mut checked = CheckReport::default();
    checked.tell(format!(
        "{why}: copied as it is; `smtpd repair` saves what can be saved of the copy"
    ));
    for name in [DATABASE.to_owned(), format!("{DATABASE}-wal")] {
        let to = part.join(&name);
        if to.exists() {
            fs::remove_file(&to)?;
        }
        copy_sparse(&folder.join(&name), &to, u64::MAX)?;
    }
    for name in [JOURNAL, BODIES] {
        if folder.join(name).is_dir() {
            copy_new(&folder.join(name), &part.join(name))?;
        }
    }
    Ok(checked)
}

/// Copies the files of a folder that are not in the other.
fn copy_new(from: &Path, to: &Path) -> io::Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_file() && !target.exists() {
            copy_sparse(&entry.path(), &target, u64::MAX)?;
        }
    }
    Ok(())
}

fn copy_database(db: &Connection, copy: &Path) -> Result<(), Error> {
    let path = copy.to_str().ok_or_else(|| Error::Open("the path is not UTF-8".into()))?;
    // SQLite would make it for everybody to read; an empty file is taken as it is.
    private().write(true).open(copy).map_err(|error| Error::from_io(&error))?;
    db.execute("VACUUM INTO ?", [path]).map(drop).map_err(|error| failed(&error))
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
    match File::open(target.join(DATABASE)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        opened => opened?.sync_all(),
    }
}

/// A running smtpd takes in what it has answered within 25 ms; on a busy machine it may be later,
const PATIENCE: Duration = Duration::from_secs(3);
/// and this is looked at so often.
const MOMENT: Duration = Duration::from_millis(5);
/// Between two looks at what seems to be damaged.
const LOOK_AGAIN: Duration = Duration::from_millis(300);
