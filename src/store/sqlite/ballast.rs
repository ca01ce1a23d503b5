//! Room that is kept for deleting when the disk is full.
//!
//! Deleting writes to the log before it frees anything, so on a disk filled to the last octet nothing
//! could be deleted any more. A file of zeros is given up for that, and is made again before the next
//! message is taken.

use std::{
    fs,
    io::{self, Write as _},
    path::PathBuf,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use super::private;
use crate::store::Error;

/// The file and whether it is there.
#[derive(Debug)]
pub(super) struct BallastFile {
    path: PathBuf,
    /// Held while the file is written, which may take long.
    state: Mutex<State>,
    /// The state as it was last known, for those who cannot wait.
    kept: AtomicBool,
}

#[derive(Debug)]
enum State {
    /// The room is kept.
    Kept,
    /// It was given up, or could not be made when last tried, and this is why.
    Given { tried: Option<Instant>, why: Error },
}

impl BallastFile {
    /// Keeps the room at this path, if there is any.
    pub(super) fn open(path: PathBuf) -> Self {
        let kept = fs::metadata(&path).is_ok_and(|data| data.len() >= SIZE as u64);
        let state = if kept { State::Kept } else { State::Given { tried: None, why: Error::Full } };
        let reserve = Self { path, state: Mutex::new(state), kept: AtomicBool::new(kept) };
        // Why not is told to whoever wants to store something.
        let _ = reserve.keep();
        reserve
    }

    /// Gives the room up; false if that was done already.
    pub(super) fn give(&self) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = matches!(*state, State::Kept);
        if kept && fs::remove_file(&self.path).is_ok() {
            // Whoever needed it is at work: not at once again.
            *state = State::Given { tried: Some(Instant::now()), why: Error::Full };
            self.kept.store(false, Ordering::SeqCst);
        }
        kept
    }

    /// True if the room is kept. Does not block, even while the room is being made.
    pub(super) fn is_kept(&self) -> bool {
        self.kept.load(Ordering::SeqCst)
    }

    /// Why the room is not kept, as last known. Does not block.
    pub(super) fn lack(&self) -> Option<Error> {
        if self.is_kept() {
            return None;
        }
        match self.state.try_lock().as_deref() {
            Ok(State::Given { why, .. }) => Some(why.clone()),
            _ => Some(Error::Full),
        }
    }

    /// Makes the room again if it was given up, not more often than now and then. Blocks.
    pub(super) fn keep(&self) -> Result<(), Error> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match &*state {
            State::Kept => return Ok(()),
            State::Given { tried: Some(at), why } if at.elapsed() < RETRY => {
                return Err(why.clone());
            }
            State::Given { .. } => {}
        }
        match self.make() {
            Ok(()) => *state = State::Kept,
            Err(error) => {
                let _ = fs::remove_file(&self.path);
                let why = Error::from_io(&error);
                *state = State::Given { tried: Some(Instant::now()), why: why.clone() };
                log::warn!(path:% = self.path.display(), error:% = error; "no room can be kept for deleting");
                self.kept.store(false, Ordering::SeqCst);
                return Err(why);
            }
        }
        self.kept.store(true, Ordering::SeqCst);
        Ok(())
    }

    fn make(&self) -> io::Result<()> {
        let mut file = private().write(true).truncate(true).open(&self.path)?;
        file.write_all(&vec![0; SIZE])?;
        // Only now are the blocks really ours.
        file.sync_all()
    }
}

/// Octets kept: the log of deleting a piece of messages, several times over.
const SIZE: usize = 4 * 1024 * 1024;

/// Between two attempts to make it again.
const RETRY: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whether_the_room_is_kept_is_told_while_it_is_being_made() {
        let folder = tempfile::tempdir().unwrap();
        let reserve = BallastFile::open(folder.path().join("reserve"));
        assert!(reserve.is_kept());
        assert!(reserve.give());
        let slow_disk = reserve.state.lock().unwrap();
        std::thread::scope(|scope| {
            let (told, answer) = std::sync::mpsc::channel();
            let reserve = &reserve;
            scope.spawn(move || told.send(reserve.is_kept()));
            let answer = answer.recv_timeout(Duration::from_secs(5));
            drop(slow_disk);
            assert_eq!(answer, Ok(false));
        });
    }
}
