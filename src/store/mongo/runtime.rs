//! The thread on which the driver lives.
//!
//! MongoDB's driver needs tokio. It gets one thread with one tokio on it, begun when this store is
//! opened and ended when it is closed; everything else goes on in smol, and a question is a task over
//! there that is waited for here. A compatibility layer would have put tokio's reactor under our own
//! tasks, and a thread of its own beside it all the same.

use std::{
    pin::Pin,
    sync::{Mutex, PoisonError},
    task::{Context, Poll},
    thread,
};

use tokio::{runtime::Handle, sync::oneshot, task::JoinHandle};

use crate::store::Error;

/// The thread.
pub(super) struct Runtime {
    handle: Handle,
    running: Mutex<Option<(oneshot::Sender<()>, thread::JoinHandle<()>)>>,
}

impl Runtime {
    /// Starts it.
    pub(super) fn start() -> Result<Self, Error> {
        let cannot = |error: std::io::Error| Error::Open(format!("cannot start a thread: {error}"));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .thread_name(THREAD)
            .build()
            .map_err(cannot)?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel();
        let work = move || {
            let _ = runtime.block_on(stopped);
            // Names may still be looked up on threads that block; nobody waits for them.
            runtime.shutdown_background();
        };
        let thread = thread::Builder::new().name(THREAD.into()).spawn(work).map_err(cannot)?;
        Ok(Self { handle, running: Mutex::new(Some((stop, thread))) })
    }

    /// Does something over there. Who stops waiting stops it, too.
    pub(super) async fn ask<T: Send + 'static>(
        &self,
        question: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> Result<T, Error> {
        Answer { task: self.handle.spawn(question), abort: true }.await
    }

    /// Does something over there to its end, whether somebody waits for it or not.
    pub(super) async fn see_through<T: Send + 'static>(
        &self,
        question: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> Result<T, Error> {
        Answer { task: self.handle.spawn(question), abort: false }.await
    }

    /// Does something over there for which nobody waits.
    pub(super) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.handle.spawn(work);
    }

    /// Ends the thread and everything on it.
    pub(super) fn stop(&self) {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((stop, thread)) = running {
            let _ = stop.send(());
            // The last one to hold the store may be a task over there.
            if thread.thread().id() != thread::current().id() {
                let _ = thread.join();
            }
        }
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        self.stop();
    }
}

/// What a task will say.
struct Answer<T> {
    task: JoinHandle<Result<T, Error>>,
    abort: bool,
}

impl<T> Future for Answer<T> {
    type Output = Result<T, Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.task).poll(context).map(|ended| match ended {
            Ok(result) => result,
            Err(error) if error.is_panic() => Err(Error::Io("the driver stumbled".into())),
            Err(_) => Err(Error::Closed),
        })
    }
}

impl<T> Drop for Answer<T> {
    fn drop(&mut self) {
        if self.abort {
            self.task.abort();
        }
    }
}

/// The name of the thread.
const THREAD: &str = "store-mongodb";
