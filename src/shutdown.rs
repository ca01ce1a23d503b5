//! The wish to end, as a value that is passed around.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use event_listener::Event;

/// Tells everybody who holds a clone that it is time to finish.
#[derive(Clone, Debug, Default)]
pub struct Shutdown(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    begun: AtomicBool,
    notify: Event,
}

impl Shutdown {
    /// Nothing has to end yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks everybody to finish. May be called more than once.
    pub fn begin(&self) {
        self.0.begun.store(true, Ordering::SeqCst);
        self.0.notify.notify(usize::MAX);
    }

    /// True once [`Self::begin`] was called.
    pub fn has_begun(&self) -> bool {
        self.0.begun.load(Ordering::SeqCst)
    }

    /// Waits for [`Self::begin`]; returns at once if it was called already.
    pub async fn begun(&self) {
        while !self.has_begun() {
            event_listener::listener!(self.0.notify => notify);
            if self.has_begun() {
                return;
            }
            notify.await;
        }
    }
}
