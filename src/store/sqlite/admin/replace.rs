//! Putting a new database in the place of a damaged one, so that a kill at any step can be gone on from.
//!
//! A repair works in a folder of its own, on a copy of the old database. Only when the new one is complete
//! and on the disk is a mark made; from then on nothing but the end of this repair may touch the folder. A
//! start that finds the mark refuses, and the next `smtpd repair` does the rest. Each step may be done twice.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use super::super::{
    BODIES, DATABASE, INDEX,
    bodies::Bodies,
    make_folder,
    start::set_aside,
    workshop::{MARK, WORKSHOP},
};

/// The folder in which a repair works.
pub(super) struct Workshop {
    store: PathBuf,
    folder: PathBuf,
}

impl Workshop {
    /// An empty one, with a copy of the database to work on.
    pub(super) fn begin(store: &Path) -> io::Result<Self> {
        let it = Self { store: store.to_owned(), folder: store.join(WORKSHOP) };
        it.clear()?;
        make_folder(&it.folder)?;
        for (from, to) in [("", OLD), ("-wal", OLD_LOG)] {
            let from = store.join(format!("{DATABASE}{from}"));
            match fs::copy(from, it.folder.join(to)) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                copied => drop(copied?),
            }
        }
        Ok(it)
    }

    /// The workshop of a repair that was killed.
    pub(super) fn interrupted(store: &Path) -> Self {
        Self { store: store.to_owned(), folder: store.join(WORKSHOP) }
    }

    /// The copy of the old database.
    pub(super) fn old(&self) -> PathBuf {
        self.folder.join(OLD)
    }

    /// The new database, to be made here.
    pub(super) fn new_database(&self) -> PathBuf {
        self.folder.join(NEW)
    }

    /// Makes the mark. The new database is closed and complete; these bodies have no message in it.
    pub(super) fn mark(&self, bodies: &[String]) -> io::Result<()> {
        File::open(self.new_database())?.sync_all()?;
        let unfinished = self.folder.join(format!("{MARK}.part"));
        fs::write(&unfinished, bodies.join("\n"))?;
        File::open(&unfinished)?.sync_all()?;
        fs::rename(unfinished, self.folder.join(MARK))?;
        self.sync()
    }

    /// Puts the new database in place; returns where the old one is, if there was one.
    pub(super) fn finish(self) -> io::Result<Option<PathBuf>> {
        let bodies = Bodies::open(self.store.join(BODIES))?;
        let lost = fs::read_to_string(self.folder.join(MARK))?;
        let is_there = |name: &String| bodies.path(name).exists();
        let lost: Vec<_> = lost.lines().map(str::to_owned).filter(is_there).collect();
        if !lost.is_empty() {
            set_aside(&self.store, &bodies, &lost)?;
        }
        let mut aside = None;
        if self.new_database().exists() {
            aside = self.move_aside()?;
            // The log of the old one would be taken for that of the new one.
            for end in ["-wal", "-shm"] {
                remove(&self.store.join(format!("{DATABASE}{end}")))?;
            }
            for end in ["", "-wal", "-shm"] {
                remove(&self.store.join(format!("{INDEX}{end}")))?;
            }
            fs::rename(self.new_database(), self.store.join(DATABASE))?;
            self.sync()?;
        }
        self.clear()?;
        Ok(aside)
    }

    /// Keeps the old database, with its log, under a name of its own.
    fn move_aside(&self) -> io::Result<Option<PathBuf>> {
        let database = self.store.join(DATABASE);
        if !database.exists() {
            return Ok(None);
        }
        let name = |number: u32| self.store.join(format!("{DATABASE}.damaged-{number}"));
        let aside = (1..).map(name).find(|path| !path.exists()).unwrap_or_else(|| name(0));
        // The log first: a log beside no database is nothing, a database without its log is another.
        let log = self.store.join(format!("{DATABASE}-wal"));
        if log.exists() {
            let mut to = aside.clone().into_os_string();
            to.push("-wal");
            fs::rename(log, to)?;
        }
        fs::rename(database, &aside)?;
        self.sync()?;
        Ok(Some(aside))
    }

    /// Removes the workshop, the mark first.
    fn clear(&self) -> io::Result<()> {
        if self.folder.is_dir() {
            remove(&self.folder.join(MARK))?;
            self.sync()?;
            fs::remove_dir_all(&self.folder)?;
        }
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        for folder in [&self.folder, &self.store] {
            File::open(folder)?.sync_all()?;
        }
        Ok(())
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

const OLD: &str = "old.db";
const OLD_LOG: &str = "old.db-wal";
const NEW: &str = "new.db";
