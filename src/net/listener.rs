//! Listening and accepting.

use std::{
    fs::Permissions,
    io,
    net::{SocketAddr, TcpListener},
    os::unix::{
        fs::{FileTypeExt as _, PermissionsExt as _},
        net::{UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use event_listener::Event;
use smol::{Async, Executor, Timer, future};

use super::{Activation, Address, Socket, activation::Handed};
use crate::{
    panics::{self, LogScope},
    shutdown::Shutdown,
};

/// A socket that listens, of any kind.
#[derive(Debug)]
pub enum Listener {
    /// TCP over IPv4 or IPv6.
    Tcp(Async<TcpListener>),
    /// A Unix stream socket.
    Unix(Async<UnixListener>, Option<SocketFile>),
}

/// The file of a Unix socket that we made; it is removed with its listener.
#[derive(Debug)]
pub struct SocketFile(PathBuf);

/// Listens; the error names the key, the address and what to do.
pub fn bind(key: &str, address: &Address, handed: &mut Activation) -> Result<Listener, String> {
    let failed = |why: String| format!("{key}: cannot listen on {address}: {why}");
    match address {
        Address::Ip(ip) => Async::<TcpListener>::bind(*ip)
            .map(Listener::Tcp)
            .map_err(|error| failed(reason(&error))),
        Address::Unix(path) => bind_unix(path).map_err(|error| match error.kind() {
            io::ErrorKind::AddrInUse => failed("another program uses this socket".to_owned()),
            _ => failed(error.to_string()),
        }),
        Address::Systemd(name) => match handed.take(name).map_err(failed)? {
            Handed::Tcp(listener) => Async::new(listener).map(Listener::Tcp),
            Handed::Unix(listener) => {
                Async::new(listener).map(|listener| Listener::Unix(listener, None))
            }
        }
        .map_err(|error| failed(error.to_string())),
    }
}

fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => "another program uses this port".to_owned(),
        io::ErrorKind::PermissionDenied => {
            "ports below 1024 need root or CAP_NET_BIND_SERVICE".to_owned()
        }
        _ => error.to_string(),
    }
}

/// A file of a socket that nobody listens on any more is what a crash left behind.
fn bind_unix(path: &Path) -> io::Result<Listener> {
    let is_socket = std::fs::metadata(path).is_ok_and(|file| file.file_type().is_socket());
    if is_socket && UnixStream::connect(path).is_err() {
        std::fs::remove_file(path)?;
    }
    let listener = Async::<UnixListener>::bind(path)?;
    // Whoever may write to it may connect, and is then trusted as a proxy is.
    std::fs::set_permissions(path, Permissions::from_mode(SOCKET_MODE))?;
    Ok(Listener::Unix(listener, Some(SocketFile(path.to_owned()))))
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

impl Listener {
    /// Where it listens now: a port 0 has become the real one. None for a Unix socket.
    pub fn ip(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(listener) => listener.get_ref().local_addr().ok(),
            Self::Unix(..) => None,
        }
    }

    /// The file of a Unix socket that we made.
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::Unix(_, Some(SocketFile(path))) => Some(path),
            _ => None,
        }
    }

    /// The next connection, and the address it came from: none on a Unix socket.
    async fn accept(&self) -> io::Result<(Socket, Option<SocketAddr>)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                // A socket for both families shows IPv4 clients as ::ffff:192.0.2.1.
                let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
                Ok((Socket::tcp(stream), Some(peer)))
            }
            Self::Unix(listener, _) => {
                let (stream, _) = listener.accept().await?;
                Ok((Socket::Unix(stream), None))
            }
        }
    }
}

/// Accepts until shutdown begins and runs `handle` for each connection in a task of its own; `kind` names
/// them in the log.
pub async fn serve<F, H>(
    kind: &'static str,
    listener: Arc<Listener>,
    tasks: Tasks,
    shutdown: Shutdown,
    handle: H,
) where
    F: Future<Output = ()> + Send + 'static,
    H: Fn(Socket, Option<SocketAddr>) -> F,
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
            Some(Ok((socket, peer))) => {
                pause = FIRST_PAUSE;
                tasks.spawn(LogScope::next(kind), handle(socket, peer));
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
    notify: Event,
}

impl Tasks {
    /// Runs tasks on this executor.
    pub fn new(executor: Arc<Executor<'static>>) -> Self {
        Self { executor, open: Arc::default() }
    }

    /// Starts a task in this scope.
    pub fn spawn(&self, scope: LogScope, task: impl Future<Output = ()> + Send + 'static) {
        let open = self.open.clone();
        open.count.fetch_add(1, Ordering::SeqCst);
        let guard = Guard(open);
        // Boxed, because moving it into the block and then into what catches panics would make room for
        // it twice, for as long as the connection lives.
        let task = Box::pin(panics::catch(task));
        let task = panics::within(scope, task);
        self.executor
            .spawn(async move {
                let _guard = guard;
                // The log knows already, and there is nothing left to close.
                let _ = task.await;
            })
            .detach();
    }

    /// Waits until no task is left.
    pub async fn finished(&self) {
        loop {
            event_listener::listener!(self.open.notify => notify);
            if self.open.count.load(Ordering::SeqCst) == 0 {
                return;
            }
            notify.await;
        }
    }
}

struct Guard(Arc<Open>);

impl Drop for Guard {
    fn drop(&mut self) {
        if self.0.count.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.0.notify.notify(usize::MAX);
        }
    }
}

/// Our user and our group may connect to a Unix socket.
const SOCKET_MODE: u32 = 0o660;

/// Pauses after a failed accept double from the first to the last.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LAST_PAUSE: Duration = Duration::from_secs(1);
