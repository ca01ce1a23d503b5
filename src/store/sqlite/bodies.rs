//! Large bodies as files.
//!
//! ```text
//! | the octets as received | CRC-32 of each block of 64 KiB of them | CRC-32 of these |
//! ```
//!
//! A file counts only if a record of the journal names it, with the last of these checksums. So a body is
//! written and synced first, then the folder is synced, once for all who wait, so that the name survives a
//! power cut too, and only then is the record written. While it is written its name ends in `.part`: what a
//! crash leaves under such a name was never complete. Names are random and used once, so an unlink that
//! comes late never hits a newer body. Files of builds before layout 2 have no checksums. All of this blocks:
//! call it where blocking is allowed.

use std::{
    collections::HashSet,
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use super::body::{Blocks, StoredBody};

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
    blocks: Blocks,
    kept: bool,
}

/// What a record says of its body's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BodyName {
    pub(super) name: String,
    /// Of the checksums behind the body; none in a record of layout 1, whose file has no checksums.
    pub(super) crc: Option<u32>,
}

impl BodyName {
    /// As the record has it; none if no file of ours can be called so. A damaged journal is searched for
    /// records, and a file that one of them names must not be any other of this machine.
    pub(super) fn read(held: &[u8]) -> Option<Self> {
        let (name, crc) = held.split_at_checked(NAME)?;
        let crc = match crc {
            [] => None,
            crc => Some(u32::from_le_bytes(crc.try_into().ok()?)),
        };
        is_name(name).then(|| Self { name: String::from_utf8_lossy(name).into_owned(), crc })
    }

    /// Adds it to a record.
    pub(super) fn write(&self, record: &mut Vec<u8>) {
        record.extend_from_slice(self.name.as_bytes());
        record.extend(self.crc.iter().flat_map(|crc| crc.to_le_bytes()));
    }
}

/// True for a name that [`Bodies::create`] gives.
fn is_name(octets: &[u8]) -> bool {
    octets.len() == NAME && octets.iter().all(|octet| matches!(octet, b'0'..=b'9' | b'a'..=b'f'))
}

impl Bodies {
    /// Bodies in this folder; makes it if it is missing.
    pub(super) fn open(folder: PathBuf) -> io::Result<Self> {
        super::make_folder(&folder)?;
        Ok(Self { folder })
    }

    /// The folder.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Begins a file.
    pub(super) fn create(&self) -> io::Result<BodyFile> {
        let mut random = [0; NAME / 2];
        getrandom::fill(&mut random).map_err(io::Error::other)?;
        let name = data_encoding::HEXLOWER.encode(&random);
        let path = self.folder.join(format!("{name}{PART}"));
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        Ok(BodyFile { file, path, name, length: 0, blocks: Blocks::default(), kept: false })
    }

    /// Makes the names of all files durable.
    pub(super) fn sync(&self) -> io::Result<()> {
        File::open(&self.folder)?.sync_all()
    }

    /// Where the body of that name is.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Opens a body of so many octets for reading.
    pub(super) fn read(&self, body: &BodyName, size: u64) -> io::Result<StoredBody> {
        let named = |error: io::Error| {
            io::Error::new(error.kind(), format!("{}: {error}", self.path(&body.name).display()))
        };
        let file = File::open(self.path(&body.name)).map_err(named)?;
        StoredBody::open(file, size, body.crc).map_err(named)
    }

    /// Removes the body of that name. A failure is logged: the next start tries again.
    pub(super) fn remove(&self, name: &str) {
        remove(&self.folder.join(name));
    }

    /// What is in the folder and not among `known`: names of bodies, and of bodies that were never complete.
    /// Files that smtpd would not have named so are not its own.
    pub(super) fn leftovers(&self, known: &HashSet<String>) -> io::Result<Leftovers> {
        let mut found = Leftovers::default();
        for entry in fs::read_dir(&self.folder)? {
            let Ok(name) = entry?.file_name().into_string() else { continue };
            match name.strip_suffix(PART) {
                Some(body) if is_name(body.as_bytes()) => found.incomplete.push(name),
                None if is_name(name.as_bytes()) && !known.contains(&name) => {
                    found.complete.push(name);
                }
                _ => {}
            }
        }
        Ok(found)
    }
}

/// Files of bodies that no message has.
#[derive(Debug, Default)]
pub(super) struct Leftovers {
    pub(super) complete: Vec<String>,
    pub(super) incomplete: Vec<String>,
}

impl BodyFile {
    /// Adds octets.
    pub(super) fn write(&mut self, octets: &[u8]) -> io::Result<()> {
        self.file.write_all(octets)?;
        self.blocks.add(octets);
        self.length += octets.len() as u64;
        Ok(())
    }

    /// Ends the body: its octets and checksums are durable, and it has its name, which is not durable yet
    /// ([`Bodies::sync`]).
    pub(super) fn finish(mut self) -> io::Result<Self> {
        self.file.write_all(self.blocks.seal())?;
        self.file.sync_data()?;
        let path = self.path.with_extension("");
        fs::rename(&self.path, &path)?;
        self.path = path;
        Ok(self)
    }

    /// As the record says it, once it is finished.
    pub(super) fn body_name(&self) -> BodyName {
        BodyName { name: self.name.clone(), crc: Some(self.blocks.crc()) }
    }

    /// Octets of the body written so far.
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
    if let Err(error) = fs::remove_file(path)
        && error.kind() != io::ErrorKind::NotFound
    {
        log::warn!("{}: cannot be removed: {error}", path.display());
    }
}

/// Octets of a name: 12 random ones in hex.
const NAME: usize = 24;
/// Ends the name of a body that is not complete.
const PART: &str = ".part";
