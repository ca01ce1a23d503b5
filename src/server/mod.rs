//! The assembly: every room is built here, in order, and every door opened.

pub mod smtp;

use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};
use smol::{Executor, Timer, future};

use crate::{
    auth::Auth,
    bus::Bus,
    config::Config,
    desk::Desk,
    http,
    intake::Intake,
    metrics::Metrics,
    net::{self, Tasks},
    retention,
    shutdown::Shutdown,
    store::{self, Store},
};

/// `[server]`: the process itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// Threads that serve connections; 0 for one a core.
    pub threads: usize,
    /// Longest wait for sessions under way when smtpd is told to end, in seconds.
    pub drain_seconds: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { threads: 0, drain_seconds: 10 }
    }
}

/// Where the doors are, once they are open.
#[derive(Clone, Copy, Debug)]
pub struct Doors {
    /// SMTP.
    pub smtp: SocketAddr,
    /// The web UI and the API.
    pub http: SocketAddr,
}

/// Serves until `shutdown` begins, then lets sessions finish and closes the store. `opened` is told
/// where the doors are. The error is one line for people.
pub fn run(config: Config, shutdown: Shutdown, opened: impl FnOnce(Doors)) -> Result<(), String> {
    let executor = Arc::new(Executor::new());
    let stop = Shutdown::new();
    let threads: Vec<_> = (1..thread_count(&config.server))
        .map(|number| {
            let (executor, stop) = (executor.clone(), stop.clone());
            std::thread::Builder::new()
                .name(format!("smtpd-{number}"))
                .spawn(move || smol::block_on(executor.run(stop.begun())))
                .map_err(|error| format!("server.threads: cannot start a thread: {error}"))
        })
        .collect::<Result<_, _>>()?;
    let result = smol::block_on(executor.run(serve(config, executor.clone(), shutdown, opened)));
    stop.begin();
    for thread in threads {
        let _ = thread.join();
    }
    result
}

async fn serve(
    config: Config,
    executor: Arc<Executor<'static>>,
    shutdown: Shutdown,
    opened: impl FnOnce(Doors),
) -> Result<(), String> {
    let smtp_listener = net::bind("smtp.listen", config.smtp.listen)?;
    let http_listener = net::bind("http.listen", config.http.listen)?;
    let local = |listener: &smol::Async<std::net::TcpListener>| {
        listener.get_ref().local_addr().map_err(|error| error.to_string())
    };
    let doors = Doors { smtp: local(&smtp_listener)?, http: local(&http_listener)? };

    let store = store::open(&config.store).map_err(|error| error.to_string())?;
    let bus = Bus::new(EVENT_HISTORY);
    let metrics = Arc::new(Metrics::default());
    let auth = Arc::new(Auth::new(config.auth.clone()));
    let desk = Desk::new(store.clone(), bus.clone());
    let intake = Intake::new(store.clone(), bus.clone());
    let tasks = Tasks::new(executor.clone());

    let smtp_door = smtp::Door::new(&config, intake, auth.clone(), metrics.clone(), &shutdown);
    let smtp = net::serve(smtp_listener, tasks.clone(), shutdown.clone(), move |stream, peer| {
        smtp_door.clone().connection(stream, peer)
    });
    let web = http::Web::new(http::App {
        store: store.clone(),
        bus,
        desk: desk.clone(),
        auth,
        metrics: metrics.clone(),
        options: config.http.clone(),
        smtp: doors.smtp,
        started: Instant::now(),
        version: crate::VERSION,
        epoch: epoch(),
        shutdown: shutdown.clone(),
    });
    let most = config.limits.http_connections as u64;
    let http = net::serve(http_listener, tasks.clone(), shutdown.clone(), move |stream, peer| {
        let (web, metrics) = (web.clone(), metrics.clone());
        async move {
            // Over the bound the socket is closed at once: there is no answer before a request.
            if metrics.http_connections_now.value() < most {
                http::serve_connection(stream, peer, &web).await;
            }
        }
    });
    let services = [
        executor.spawn(smtp),
        executor.spawn(http),
        executor.spawn(retention::run(config.retention.clone(), desk, shutdown.clone())),
    ];
    opened(doors);

    shutdown.begun().await;
    for service in services {
        service.await;
    }
    drain(&tasks, Duration::from_secs(config.server.drain_seconds)).await;
    close(&*store).await
}

/// Waits for the sessions under way, but not longer than the bound.
async fn drain(tasks: &Tasks, bound: Duration) {
    let finished = async {
        tasks.finished().await;
        true
    };
    let late = async {
        Timer::after(bound).await;
        false
    };
    if !future::or(finished, late).await {
        log::warn!(seconds = bound.as_secs(); "some connections did not end in time and are cut");
    }
}

async fn close(store: &dyn Store) -> Result<(), String> {
    store.close().await.map_err(|error| format!("closing the store: {error}"))
}

fn thread_count(options: &Options) -> usize {
    match options.threads {
        0 => std::thread::available_parallelism().map_or(1, |count| count.get()),
        count => count,
    }
}

/// A name for this run of the process: event numbers begin anew with each.
fn epoch() -> String {
    let mut random = [0; 8];
    // Without randomness the process id still tells two runs apart.
    if getrandom::fill(&mut random).is_err() {
        random[..4].copy_from_slice(&std::process::id().to_be_bytes());
    }
    data_encoding::HEXLOWER.encode(&random)
}

/// The host name, for a banner when none is configured.
pub(crate) fn host_name() -> String {
    std::fs::read_to_string(PathBuf::from("/proc/sys/kernel/hostname"))
        .map(|name| name.trim().to_owned())
        .ok()
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "localhost".to_owned())
}

/// Events that a browser may miss and still catch up on.
const EVENT_HISTORY: usize = 4_096;
