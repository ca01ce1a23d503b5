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

/// The file and whether it is there.
#[derive(Debug)]
pub(super) struct Reserve {
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
    /// It was given up, or could not be made when last tried.
    Given { tried: Option<Instant> },
}

impl Reserve {
    /// Keeps the room at this path, if there is any.
    pub(super) fn open(path: PathBuf) -> Self {
        let kept = fs::metadata(&path).is_ok_and(|data| data.len() >= SIZE as u64);
        let state = if kept { State::Kept } else { State::Given { tried: None } };
        let reserve = Self { path, state: Mutex::new(state), kept: AtomicBool::new(kept) };
        reserve.keep();
        reserve
    }

    /// Gives the room up; false if that was done already.
    pub(super) fn give(&self) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = matches!(*state, State::Kept);
        if kept && fs::remove_file(&self.path).is_ok() {
            // Whoever needed it is at work: not at once again.
            *state = State::Given { tried: Some(Instant::now()) };
            self.kept.store(false, Ordering::SeqCst);
        }
        kept
    }

    /// True if the room is kept. Does not block, even while the room is being made.
    pub(super) fn is_kept(&self) -> bool {
        self.kept.load(Ordering::SeqCst)
    }

    /// Makes the room again if it was given up, not more often than now and then; true if it is there.
    /// Blocks.
    pub(super) fn keep(&self) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match *state {
            State::Kept => return true,
            State::Given { tried: Some(at) } if at.elapsed() < RETRY => return false,
            State::Given { .. } => {}
        }
        match self.make() {
            Ok(()) => *state = State::Kept,
            Err(error) => {
                let _ = fs::remove_file(&self.path);
                *state = State::Given { tried: Some(Instant::now()) };
                log::warn!(path:% = self.path.display(), error:% = error; "no room is left to keep for deleting");
            }
        }
        let kept = matches!(*state, State::Kept);
        self.kept.store(kept, Ordering::SeqCst);
        kept
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
        let reserve = Reserve::open(folder.path().join("reserve"));
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
