//! Where lines go, without waiting for whoever reads them.
//!
//! The danger is a pipe that nobody empties: a write to it waits for ever, and every thread that serves
//! connections would wait with it. So a line is written where it was made only if that takes no waiting;
//! otherwise it is put into a queue with a bound, which a thread writes. What finds no place is counted.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::{
        fd::{AsFd as _, BorrowedFd},
        unix::fs::OpenOptionsExt as _,
    },
    path::{Path, PathBuf},
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// Takes lines.
#[derive(Debug)]
pub(super) struct Sink {
    state: Mutex<State>,
    /// Rung when nothing is queued any more.
    empty: Condvar,
}

#[derive(Debug)]
struct State {
    out: Out,
    /// It is a file on a disk, which takes everything at once.
    never_waits: bool,
    queued: Vec<u8>,
    /// A thread writes what is queued.
    draining: bool,
    /// Lines that found no place since that was told, and ever.
    untold: u64,
    dropped: u64,
}

#[derive(Debug)]
enum Out {
    Stderr,
    File(LogFile),
}

/// A file that is put aside when it is full.
#[derive(Debug)]
struct LogFile {
    path: PathBuf,
    file: File,
    length: u64,
    /// 0 is no bound.
    bound: u64,
}

impl Sink {
    /// Opens the file, or standard error if there is no path.
    pub(super) fn open(path: &Path, bound: u64) -> io::Result<Self> {
        let out = match path.as_os_str().is_empty() {
            true => Out::Stderr,
            false => Out::File(LogFile::open(path, bound)?),
        };
        let never_waits = out.is_file();
        let state =
            State { out, never_waits, queued: Vec::new(), draining: false, untold: 0, dropped: 0 };
        Ok(Self { state: Mutex::new(state), empty: Condvar::new() })
    }

    /// Opens the file anew, after somebody moved it away. Does nothing on standard error.
    pub(super) fn reopen(&self) -> io::Result<()> {
        let mut state = self.state();
        if let Out::File(file) = &mut state.out {
            *file = LogFile::open(&file.path, file.bound)?;
        }
        Ok(())
    }

    /// Takes a line; never waits for a reader.
    pub(super) fn write(&'static self, line: &[u8]) {
        let mut state = self.state();
        if state.draining || !(state.never_waits || state.out.is_ready()) {
            return self.queue(state, line);
        }
        // A log that cannot be written has nowhere to complain, and mail matters more.
        let _ = state.out.write(line);
    }

    /// Lines that found no place, ever.
    pub(super) fn dropped(&self) -> u64 {
        self.state().dropped
    }

    /// Waits until all is written, but not longer than this.
    pub(super) fn flush(&self, patience: Duration) {
        let busy = |state: &mut State| state.draining;
        let _ = self.empty.wait_timeout_while(self.state(), patience, busy);
    }

    fn queue(&'static self, mut state: MutexGuard<'_, State>, line: &[u8]) {
        if state.queued.len() + line.len() > MOST_QUEUED {
            state.untold += 1;
            state.dropped += 1;
            return;
        }
        state.queued.extend_from_slice(line);
        if !state.draining {
            let thread = std::thread::Builder::new().name("log".into());
            state.draining = thread.spawn(|| self.drain()).is_ok();
        }
    }

    /// Writes what is queued, until there is nothing. Waits without holding the lock.
    fn drain(&self) {
        loop {
            let mut state = self.state();
            let mut queued = std::mem::take(&mut state.queued);
            if let dropped @ 1.. = std::mem::take(&mut state.untold) {
                queued.extend_from_slice(super::dropped_line(dropped).as_bytes());
            }
            if queued.is_empty() {
                state.draining = false;
                self.empty.notify_all();
                return;
            }
            // A pipe may have been given as a file.
            let pipe = match &state.out {
                Out::Stderr => None,
                Out::File(file) => file.file.try_clone().ok(),
            };
            drop(state);
            let _ = match pipe {
                None => io::stderr().write_all(&queued),
                Some(mut pipe) => pipe.write_all(&queued),
            };
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Out {
    fn is_file(&self) -> bool {
        let file = match self {
            Self::Stderr => io::stderr().as_fd().try_clone_to_owned().map(File::from),
            Self::File(file) => file.file.try_clone(),
        };
        file.and_then(|file| file.metadata()).is_ok_and(|it| it.is_file())
    }

    /// True if a line can be written at once.
    fn is_ready(&self) -> bool {
        let stderr = io::stderr();
        let fd: BorrowedFd<'_> = match self {
            Self::Stderr => stderr.as_fd(),
            Self::File(file) => file.file.as_fd(),
        };
        let mut fds = [PollFd::new(fd, PollFlags::POLLOUT)];
        // What cannot be asked is written to all the same: nobody is left to tell.
        !matches!(poll(&mut fds, PollTimeout::ZERO), Ok(0))
    }

    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        match self {
            Self::Stderr => io::stderr().write_all(line),
            Self::File(file) => file.write(line),
        }
    }
}

impl LogFile {
    fn open(path: &Path, bound: u64) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
        let length = file.metadata()?.len();
        Ok(Self { path: path.to_owned(), file, length, bound })
    }

    fn write(&mut self, octets: &[u8]) -> io::Result<()> {
        if self.bound > 0 && self.length + octets.len() as u64 > self.bound && self.length > 0 {
            self.put_aside()?;
        }
        self.length += octets.len() as u64;
        self.file.write_all(octets)
    }

    /// Begins anew, and keeps what was written until now as `.1` in place of the one before.
    fn put_aside(&mut self) -> io::Result<()> {
        let mut aside = self.path.clone().into_os_string();
        aside.push(".1");
        match fs::rename(&self.path, aside).and_then(|()| Self::open(&self.path, self.bound)) {
            Ok(fresh) => *self = fresh,
            // Where nothing may be made, what is there has to do.
            Err(_) => {
                self.file.set_len(0)?;
                self.length = 0;
            }
        }
        Ok(())
    }
}

/// Octets of lines that wait for whoever reads standard error.
const MOST_QUEUED: usize = 256 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_file_is_put_aside_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut file = LogFile::open(&path, 100).unwrap();
        for number in 0..25 {
            file.write(format!("{number:09}\n").as_bytes()).unwrap();
        }
        let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
        assert_eq!(read("log"), "000000020\n000000021\n000000022\n000000023\n000000024\n");
        assert!(read("log.1").starts_with("000000010\n") && read("log.1").ends_with("019\n"));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
        // Opened again it goes on counting; a line over the bound goes alone.
        let mut file = LogFile::open(&path, 100).unwrap();
        assert_eq!(file.length, 50);
        file.write(&[b'x'; 200]).unwrap();
        assert_eq!(read("log").len(), 200);
    }

    #[test]
    fn a_file_that_cannot_be_put_aside_is_begun_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        fs::create_dir_all(folder.path().join("log.1").join("in the way")).unwrap();
        let mut file = LogFile::open(&path, 100).unwrap();
        file.write(&[b'x'; 90]).unwrap();
        file.write(&[b'y'; 90]).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "y".repeat(90));
    }
}
