//! Large bodies as files.
//!
//! A file counts only if a record of the journal names it. So a body is written and synced first, then
//! the folder is synced, once for all who wait, so that the name survives a power cut too, and only then
//! is the record written. Whatever happens in between leaves a file without a record, and start-up
//! removes those. Names are random and used once, so no rename is needed to tell a finished file from an
//! unfinished one, and an unlink that comes late never hits a newer body. All of this blocks: call it
//! where blocking is allowed.

use std::{
    collections::HashSet,
    fs::{File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

/// The folder of bodies.
#[derive(Clone, Debug)]
pub(super) struct Bodies {
    folder: PathBuf,
}

/// A body that is being written, or is written and waits for its record. Dropping it removes the file.
#[derive(Debug)]
pub(super) struct BodyFile {
    file: File,
    path: PathBuf,
    name: String,
    length: u64,
    kept: bool,
}

/// The name of a body's file, as a record says it; none if no file of ours can be called so. A damaged
/// journal is searched for records, and somebody may have sent a mail with octets that look like one: its
/// file must not be any other of this machine.
pub(super) fn name(octets: &[u8]) -> Option<String> {
    let is_ours = |octet: &u8| matches!(octet, b'0'..=b'9' | b'a'..=b'f');
    let is_name = octets.len() == 2 * RANDOM && octets.iter().all(is_ours);
    is_name.then(|| String::from_utf8_lossy(octets).into_owned())
}

impl Bodies {
    /// Bodies in this folder; makes it if it is missing.
    pub(super) fn open(folder: PathBuf) -> io::Result<Self> {
        super::make_folder(&folder)?;
        Ok(Self { folder })
    }

    /// Begins a file.
    pub(super) fn create(&self) -> io::Result<BodyFile> {
        let mut random = [0; RANDOM];
        getrandom::fill(&mut random).map_err(io::Error::other)?;
        let name = data_encoding::HEXLOWER.encode(&random);
        let path = self.folder.join(&name);
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        Ok(BodyFile { file, path, name, length: 0, kept: false })
    }

    /// Makes the names of all files durable.
    pub(super) fn sync(&self) -> io::Result<()> {
        File::open(&self.folder)?.sync_all()
    }

    /// Where the body of that name is.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Opens the body of that name for reading.
    pub(super) fn read(&self, name: &str) -> io::Result<File> {
        File::open(self.folder.join(name))
    }

    /// Removes the body of that name. A failure is logged: the next start tries again.
    pub(super) fn remove(&self, name: &str) {
        remove(&self.folder.join(name));
    }

    /// Removes every file that is not among `known`; returns how many.
    pub(super) fn remove_leftovers(&self, known: &HashSet<String>) -> io::Result<usize> {
        let mut removed = 0;
        for entry in std::fs::read_dir(&self.folder)? {
            let name = entry?.file_name();
            if name.to_str().is_none_or(|name| !known.contains(name)) {
                remove(&self.folder.join(name));
                removed += 1;
            }
        }
        Ok(removed)
    }
}

impl BodyFile {
    /// Adds octets.
    pub(super) fn write(&mut self, octets: &[u8]) -> io::Result<()> {
        self.file.write_all(octets)?;
        self.length += octets.len() as u64;
        Ok(())
    }

    /// Makes what was written durable, but not yet the name ([`Bodies::sync`]).
    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    /// What the record calls it.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Octets written so far.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// The record is written: the file stays.
    pub(super) fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for BodyFile {
    fn drop(&mut self) {
        if !self.kept {
            let path = std::mem::take(&mut self.path);
            // Giving back the blocks of a large file takes a while, and a draft is dropped anywhere.
            smol::unblock(move || remove(&path)).detach();
        }
    }
}

fn remove(path: &Path) {
    if let Err(error) = std::fs::remove_file(path)
        && error.kind() != io::ErrorKind::NotFound
    {
        log::warn!("{}: cannot be removed: {error}", path.display());
    }
}

/// Random octets in a name.
const RANDOM: usize = 12;
