//! Wakes a background thread, or tells it to stop.

use std::{
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// Notified by whoever has work for the thread that waits.
#[derive(Debug, Default)]
pub(super) struct Notify {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    is_notified: bool,
    is_stopped: bool,
}

impl Notify {
    /// There is something to do. Twice before it is heard is once.
    pub(super) fn notify(&self) {
        let mut state = self.state();
        if !state.is_notified {
            state.is_notified = true;
            self.changed.notify_all();
        }
    }

    /// Time to end.
    pub(super) fn stop(&self) {
        self.state().is_stopped = true;
        self.changed.notify_all();
    }

    /// Waits until it is notified, or so long; false if it is time to end.
    pub(super) fn wait(&self, longest: Option<Duration>) -> bool {
        let until = longest.map(|longest| Instant::now() + longest);
        let mut state = self.state();
        while !state.is_notified && !state.is_stopped {
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
        state.is_notified = false;
        !state.is_stopped
    }

    /// Rests so long, notified or not; false if it is time to end.
    pub(super) fn rest(&self, time: Duration) -> bool {
        let until = Instant::now() + time;
        let mut state = self.state();
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if state.is_stopped || left.is_zero() {
                return !state.is_stopped;
            }
            let waited = self.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
