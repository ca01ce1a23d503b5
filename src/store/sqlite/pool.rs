//! Readers: a few read-only connections, each used by one question at a time, off the executor.

use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use smol::lock::Semaphore;

use super::{Shared, read::Reader, schema::failed};
use crate::store::Error;

/// Lends readers.
pub(super) struct Pool {
    shared: Arc<Shared>,
    database: PathBuf,
    permits: Arc<Semaphore>,
    idle: Mutex<Vec<Reader>>,
    closed: AtomicBool,
}

impl Pool {
    /// At most `readers` at the same time.
    pub(super) fn new(shared: Arc<Shared>, database: PathBuf, readers: usize) -> Self {
        Self {
            shared,
            database,
            permits: Arc::new(Semaphore::new(readers.max(1))),
            idle: Mutex::default(),
            closed: AtomicBool::new(false),
        }
    }

    /// Lets `question` use a reader where blocking is allowed.
    pub(super) async fn ask<T: Send + 'static>(
        self: &Arc<Self>,
        question: impl FnOnce(&mut Reader) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let permit = self.permits.acquire_arc().await;
        let pool = self.clone();
        smol::unblock(move || {
            let _permit = permit;
            let mut reader = pool.take()?;
            let answer = question(&mut reader);
            // A reader that failed may hold a broken connection: the next one opens its own.
            if !matches!(answer, Err(Error::Io(_))) {
                pool.give_back(reader);
            }
            answer
        })
        .await
    }

    /// Lends no more, and closes what is idle. What is lent is closed when it comes back.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        self.idle().clear();
    }

    fn take(&self) -> Result<Reader, Error> {
        if self.closed.load(Ordering::SeqCst) {
            return Err(Error::Closed);
        }
        match self.idle().pop() {
            Some(reader) => Ok(reader),
            None => {
                Reader::open(&self.database, self.shared.clone()).map_err(|error| failed(&error))
            }
        }
    }

    fn give_back(&self, reader: Reader) {
        let mut idle = self.idle();
        if !self.closed.load(Ordering::SeqCst) {
            idle.push(reader);
        }
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Reader>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
