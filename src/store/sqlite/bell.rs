//! Wakes a background thread, or tells it to stop.

use std::{
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// Rung by whoever has work for the thread that waits.
#[derive(Debug, Default)]
pub(super) struct Bell {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    rung: bool,
    stopped: bool,
}

impl Bell {
    /// There is something to do. Ringing twice before it is heard is ringing once.
    pub(super) fn ring(&self) {
        let mut state = self.state();
        if !state.rung {
            state.rung = true;
            self.changed.notify_all();
        }
    }

    /// Time to end.
    pub(super) fn stop(&self) {
        self.state().stopped = true;
        self.changed.notify_all();
    }

    /// Waits until the bell rings, or so long; false if it is time to end.
    pub(super) fn wait(&self, longest: Option<Duration>) -> bool {
        let until = longest.map(|longest| Instant::now() + longest);
        let mut state = self.state();
        while !state.rung && !state.stopped {
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            state = match left {
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(Duration::ZERO) => break,
                Some(left) => {
                    let waited = self.changed.wait_timeout(state, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
        state.rung = false;
        !state.stopped
    }

    /// Rests so long, rung or not; false if it is time to end.
    pub(super) fn rest(&self, time: Duration) -> bool {
        let until = Instant::now() + time;
        let mut state = self.state();
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if state.stopped || left.is_zero() {
                return !state.stopped;
            }
            let waited = self.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
