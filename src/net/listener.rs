//! Listening and accepting.

use std::{
    io,
    net::{SocketAddr, TcpListener, TcpStream},
    panic::AssertUnwindSafe,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use event_listener::Event;
use smol::{
    Async, Executor, Timer,
    future::{self, FutureExt as _},
};

use crate::shutdown::Shutdown;

/// Listens; the error names the address and what to do.
pub fn bind(key: &str, address: SocketAddr) -> Result<Async<TcpListener>, String> {
    Async::<TcpListener>::bind(address).map_err(|error| {
        let why = match error.kind() {
            io::ErrorKind::AddrInUse => "another program uses this port".to_owned(),
            io::ErrorKind::PermissionDenied => {
                "ports below 1024 need root or CAP_NET_BIND_SERVICE".to_owned()
            }
            _ => error.to_string(),
        };
        format!("{key}: cannot listen on {address}: {why}")
    })
}

/// Accepts until shutdown begins and runs `handle` for each connection in a task of its own.
pub async fn serve<F, H>(listener: Async<TcpListener>, tasks: Tasks, shutdown: Shutdown, handle: H)
where
    F: Future<Output = ()> + Send + 'static,
    H: Fn(Async<TcpStream>, SocketAddr) -> F,
{
    let mut pause = FIRST_PAUSE;
    loop {
        let accepted = async { Some(listener.accept().await) };
        let ended = async {
            shutdown.begun().await;
            None
        };
        match future::or(ended, accepted).await {
            None => return,
            Some(Ok((stream, peer))) => {
                pause = FIRST_PAUSE;
                tasks.spawn(handle(stream, peer));
            }
            Some(Err(error)) => {
                // Out of file descriptors, mostly: without a pause this would spin, and giving up
                // would end the service over something that passes.
                log::warn!(error:% = error; "cannot accept a connection");
                Timer::after(pause).await;
                pause = (pause * 2).min(LAST_PAUSE);
            }
        }
    }
}

/// Tasks that are waited for at the end. A panic in one ends that one only.
#[derive(Clone, Debug)]
pub struct Tasks {
    executor: Arc<Executor<'static>>,
    open: Arc<Open>,
}

#[derive(Debug, Default)]
struct Open {
    count: AtomicUsize,
    bell: Event,
}

impl Tasks {
    /// Runs tasks on this executor.
    pub fn new(executor: Arc<Executor<'static>>) -> Self {
        Self { executor, open: Arc::default() }
    }

    /// Starts a task.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let open = self.open.clone();
        open.count.fetch_add(1, Ordering::SeqCst);
        let guard = Guard(open);
        // Boxed, because moving it into the block and then into what catches panics would make room for
        // it twice, for as long as the connection lives.
        let task = Box::pin(AssertUnwindSafe(task).catch_unwind());
        self.executor
            .spawn(async move {
                let _guard = guard;
                if task.await.is_err() {
                    log::error!("a connection ended in a panic: please report this as a bug");
                }
            })
            .detach();
    }

    /// Waits until no task is left.
    pub async fn finished(&self) {
        loop {
            event_listener::listener!(self.open.bell => bell);
            if self.open.count.load(Ordering::SeqCst) == 0 {
                return;
            }
            bell.await;
        }
    }
}

struct Guard(Arc<Open>);

impl Drop for Guard {
    fn drop(&mut self) {
        if self.0.count.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.0.bell.notify(usize::MAX);
        }
    }
}

/// Pauses after a failed accept double from the first to the last.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LAST_PAUSE: Duration = Duration::from_secs(1);
