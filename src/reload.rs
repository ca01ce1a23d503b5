//! The wish to read files again, as a value that is passed around: what SIGHUP asks for.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use event_listener::Event;

/// Tells everybody who holds a clone that files may have changed.
#[derive(Clone, Debug, Default)]
pub struct Reload(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    asked: AtomicU64,
    notify: Event,
}

impl Reload {
    /// Nobody has asked yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks everybody to read their files again.
    pub fn ask(&self) {
        self.0.asked.fetch_add(1, Ordering::SeqCst);
        self.0.notify.notify(usize::MAX);
    }

    /// Waits until somebody asked since `seen`, which begins at 0 and is kept for the next call, so
    /// that no wish is missed while the last one is being fulfilled.
    pub async fn asked(&self, seen: &mut u64) {
        loop {
            event_listener::listener!(self.0.notify => notify);
            let asked = self.0.asked.load(Ordering::SeqCst);
            if asked != std::mem::replace(seen, asked) {
                return;
            }
            notify.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use smol::future::{block_on, poll_once};

    use super::*;

    #[test]
    fn a_wish_is_heard_once_and_never_missed() {
        let (reload, mut seen) = (Reload::new(), 0);
        assert!(block_on(poll_once(reload.asked(&mut seen))).is_none());
        reload.clone().ask();
        assert!(block_on(poll_once(reload.asked(&mut seen))).is_some());
        assert!(block_on(poll_once(reload.asked(&mut seen))).is_none());
    }
}
