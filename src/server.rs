//! The assembly: every room is built here, in order, and every door opened.

use std::{
    net::SocketAddr,
    sync::Arc,
    thread::JoinHandle,
    time::{Duration, Instant},
};

use smol::{Executor, Timer, future};

use crate::{
    auth::Auth,
    bus::Bus,
    config::Config,
    http,
    mail::Mail,
    metrics::Metrics,
    net::{self, Activation, Listener, Socket, Tasks, tls::Certificates},
    notify, panics,
    policy::Policy,
    process::{self, Identity},
    refusals::Refusals,
    relief::Relief,
    reload::Reload,
    retention,
    shutdown::Shutdown,
    smtp_server::{
        self,
        listeners::{self, TlsMode},
    },
    store::{self, Store},
};

/// Where the doors are, once they are open: addresses for people, such as `smtp://127.0.0.1:25000`.
#[derive(Clone, Debug)]
pub struct Doors {
    /// SMTP, in the order of the configuration.
    pub smtp: Vec<String>,
    /// The web UI and the API.
    pub http: String,
}

/// Serves until `shutdown` begins, then lets sessions finish and closes the store that `open_store`
/// opened, once the doors are bound. `opened` is told where they are. The error is one line for people.
pub fn run(
    config: Config,
    open_store: impl FnOnce(&store::Options) -> Result<Arc<dyn Store>, store::Error>,
    shutdown: Shutdown,
    reload: Reload,
    opened: impl FnOnce(Doors),
) -> Result<(), String> {
    let handed = Activation::from_environment();
    let executor = Arc::new(Executor::new());
    let (stop, relief) = (Shutdown::new(), Relief::default());
    let mut threads = vec![start_thread("relief", {
        let (executor, relief) = (executor.clone(), relief.clone());
        move || relief.stand_by(&executor)
    })?];
    for number in 1..thread_count(&config.server) {
        let (executor, stop, relief) = (executor.clone(), stop.clone(), relief.clone());
        let work = move || relief.cover(|| smol::block_on(executor.run(stop.begun())));
        threads.push(start_thread(&number.to_string(), work)?);
    }
    let service = serve(config, handed, executor.clone(), open_store, shutdown, reload, opened);
    let result = relief.cover(|| smol::block_on(executor.run(service)));
    stop.begin();
    relief.dismiss();
    for thread in threads {
        let _ = thread.join();
    }
    result
}

/// Tries what a start needs besides its ports and its store, which a running smtpd may hold. The error
/// is one line for people, and begins with the key.
pub fn rehearse(config: &Config) -> Result<(), String> {
    open_certificates(config)?;
    Identity::find(&config.server.user, &config.server.group)?;
    Auth::new(config.auth.clone())?;
    Policy::new(config.policy.clone())?;
    let file = &config.log.file;
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    match folder.is_none_or(std::path::Path::is_dir) && !file.is_dir() {
        true => Ok(()),
        false => Err(format!("log.file: cannot open {}: no file can be there", file.display())),
    }
}

fn start_thread(
    name: &str,
    work: impl FnOnce() + Send + 'static,
) -> Result<JoinHandle<()>, String> {
    std::thread::Builder::new()
        .name(format!("smtpd-{name}"))
        .spawn(work)
        .map_err(|error| format!("server.threads: cannot start a thread: {error}"))
}

async fn serve(
    config: Config,
    mut handed: Activation,
    executor: Arc<Executor<'static>>,
    open_store: impl FnOnce(&store::Options) -> Result<Arc<dyn Store>, store::Error>,
    shutdown: Shutdown,
    reload: Reload,
    opened: impl FnOnce(Doors),
) -> Result<(), String> {
    let certificates = open_certificates(&config)?;
    let smtp_listeners = listeners::all(&config.smtp, config.auth.mode)
        .into_iter()
        .map(|door| Ok((net::bind(&door.key, &door.address, &mut handed)?, door)))
        .collect::<Result<Vec<_>, String>>()?;
    let http_listener = net::bind("http.listen", &config.http.listen, &mut handed)?;
    let doors = Doors {
        smtp: smtp_listeners.iter().map(|(listener, door)| smtp_url(listener, door)).collect(),
        http: http_url(&http_listener, &config.http),
    };

    drop_privileges(&config, &smtp_listeners)?;

    let store = open_store(&config.store).map_err(|error| error.to_string())?;
    let metrics = Arc::new(Metrics::default());
    let refusals = Arc::new(Refusals::default());
    let auth = Arc::new(Auth::new(config.auth.clone())?);
    let counted = |(listener, door): &(_, _)| metrics.open_door(smtp_url(listener, door));
    let counts: Vec<_> = smtp_listeners.iter().map(counted).collect();
    let policy = Arc::new(Policy::new(config.policy.clone())?);
    let mail = Mail::new(store.clone(), Bus::new(EVENT_HISTORY));
    let tasks = Tasks::new(executor.clone());

    let web = http::Web::new(http::App {
        mail: mail.clone(),
        auth: auth.clone(),
        metrics: metrics.clone(),
        refusals: refusals.clone(),
        options: config.http.clone(),
        limits: config.limits.clone(),
        store_kind: config.store.kind,
        policy: policy.clone(),
        smtp: shown_door(&smtp_listeners),
        upstream: upstream(&smtp_listeners, false),
        upstream_proxied: upstream(&smtp_listeners, true),
        started: Instant::now(),
        version: crate::VERSION,
        epoch: epoch(),
        shutdown: shutdown.clone(),
    });
    let https = certificates.clone().filter(|_| config.http.tls == http::TlsMode::On);
    let context = smtp_server::Context {
        mail: mail.clone(),
        auth,
        policy,
        metrics,
        refusals,
        certificates,
        shutdown: shutdown.clone(),
    };
    if let Some(often) = notify::watchdog() {
        executor.spawn(panics::keep_going("watchdog", move || stay_alive(often))).detach();
    }
    let mut services = vec![
        executor.spawn(serve_http(
            http_listener,
            tasks.clone(),
            context.clone(),
            https,
            web,
            &config,
        )),
        executor.spawn({
            let (options, mail, shutdown) =
                (config.retention.clone(), mail.clone(), shutdown.clone());
            panics::keep_going("retention", move || {
                retention::run(options.clone(), mail.clone(), shutdown.clone())
            })
        }),
        executor.spawn({
            let context = context.clone();
            panics::keep_going("reload", move || reload_files(context.clone(), reload.clone()))
        }),
        executor.spawn({
            let shutdown = shutdown.clone();
            panics::keep_going("feed", move || {
                let (mail, shutdown) = (mail.clone(), shutdown.clone());
                async move { mail.publish_remote(shutdown).await }
            })
        }),
    ];
    for ((listener, door), counts) in smtp_listeners.into_iter().zip(counts) {
        let door = smtp_server::SmtpServer::new(
            &config.smtp,
            &config.limits,
            door,
            counts,
            context.clone(),
        );
        let handle = move |socket, peer| door.clone().connection(socket, peer);
        services.push(executor.spawn(accept("smtp", listener, &tasks, &shutdown, handle)));
    }
    opened(doors);

    shutdown.begun().await;
    for service in services {
        service.await;
    }
    notify::stopping();
    drain(&tasks, Duration::from_secs(config.server.drain_seconds)).await;
    close(&*store).await
}

fn serve_http(
    listener: Listener,
    tasks: Tasks,
    context: smtp_server::Context,
    certificates: Option<Arc<Certificates>>,
    web: http::Web,
    config: &Config,
) -> impl Future<Output = ()> + Send + use<> {
    let most = config.limits.http_connections as u64;
    let shutdown = context.shutdown.clone();
    let counts = context.metrics.open_door(http_url(&listener, &config.http));
    accept("http", listener, &tasks, &shutdown, move |socket, peer| {
        let (web, metrics, counts) = (web.clone(), context.metrics.clone(), counts.clone());
        let certificates = certificates.clone();
        async move {
            let _open = counts.connections_now.hold();
            counts.connections.add(1);
            // Over the bound the socket is closed at once: there is no answer before a request.
            if metrics.http_connections_now.value() < most {
                http::serve_connection(socket, peer, certificates.as_deref(), &web).await;
            } else {
                metrics.http_connections_refused.add(1);
            }
        }
    })
}

/// Says so as long as tasks have their turn.
async fn stay_alive(often: Duration) {
    loop {
        notify::alive();
        Timer::after(often).await;
    }
}

/// What is made or opened from here on is the user's: the store, the users, and certificates on SIGHUP.
fn drop_privileges(
    config: &Config,
    listeners: &[(Listener, listeners::Listener)],
) -> Result<(), String> {
    let Some(identity) = Identity::find(&config.server.user, &config.server.group)? else {
        return Ok(());
    };
    let sockets = listeners.iter().filter_map(|(listener, _)| listener.file());
    let log = Some(config.log.file.as_path()).filter(|path| !path.as_os_str().is_empty());
    // Whoever is that user already owns what it made.
    if process::is_root() {
        sockets.chain(log).try_for_each(|path| identity.own(path))?;
    }
    identity.assume()
}

/// Serves one door as long as the service lives.
fn accept<F, H>(
    kind: &'static str,
    listener: Listener,
    tasks: &Tasks,
    shutdown: &Shutdown,
    handle: H,
) -> impl Future<Output = ()> + Send + use<F, H>
where
    F: Future<Output = ()> + Send + 'static,
    H: Fn(Socket, Option<SocketAddr>) -> F + Clone + Send + Sync,
{
    let (listener, tasks, shutdown) = (Arc::new(listener), tasks.clone(), shutdown.clone());
    panics::keep_going(kind, move || {
        net::serve(kind, listener.clone(), tasks.clone(), shutdown.clone(), handle.clone())
    })
}

/// None if no door speaks TLS, and then the files need not be there.
fn open_certificates(config: &Config) -> Result<Option<Arc<Certificates>>, String> {
    if !config.speaks_tls() {
        return Ok(None);
    }
    let name = smtp_server::greeting_name(&config.smtp.name);
    let opened = Certificates::open(&config.tls, &name).map_err(|error| error.to_string())?;
    Ok(Some(Arc::new(opened)))
}

/// Reads certificates and users again whenever somebody asks. What cannot be used stays as it was.
async fn reload_files(context: smtp_server::Context, reload: Reload) {
    let smtp_server::Context { certificates, auth, shutdown, .. } = context;
    let mut seen = 0;
    let asked = async {
        loop {
            reload.asked(&mut seen).await;
            let (certificates, auth) = (certificates.clone(), auth.clone());
            smol::unblock(move || {
                match certificates.map(|certificates| certificates.reload()) {
                    None => {}
                    Some(Ok(())) => log::info!("certificates read again"),
                    Some(Err(error)) => {
                        log::error!(error:% = error; "the certificates stay as they were");
                    }
                }
                match auth.reload() {
                    Ok(()) => log::info!("users read again"),
                    Err(error) => log::error!(error:% = error; "the users stay as they were"),
                }
            })
            .await;
        }
    };
    future::or(shutdown.begun(), asked).await;
}

/// The TCP address of the first door for SMTP to which clients may go at once; port 0 if there is none.
fn shown_door(doors: &[(Listener, listeners::Listener)]) -> SocketAddr {
    let fits =
        |door: &listeners::Listener| !door.proxy && !door.lmtp && door.tls != TlsMode::Implicit;
    doors
        .iter()
        .filter(|(_, door)| fits(door))
        .find_map(|(listener, _)| listener.ip())
        .unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 0)))
}

/// The first door for nginx, with the PROXY protocol or without: nginx speaks SMTP in clear, over TCP.
fn upstream(doors: &[(Listener, listeners::Listener)], is_proxied: bool) -> Option<http::Upstream> {
    let is_clear = |tls| matches!(tls, TlsMode::Off | TlsMode::Offered);
    doors
        .iter()
        .filter(|(_, door)| door.proxy == is_proxied && !door.lmtp && is_clear(door.tls))
        .find_map(|(listener, door)| {
            let listeners::Listener { auth, auth_needs_tls, .. } = *door;
            Some(http::Upstream { address: listener.ip()?, auth, auth_needs_tls })
        })
}

fn smtp_url(listener: &Listener, door: &listeners::Listener) -> String {
    let scheme = match door.tls {
        _ if door.lmtp => "lmtp",
        TlsMode::Implicit => "smtps",
        _ => "smtp",
    };
    format!("{scheme}://{}", shown(listener, &door.address))
}

fn http_url(listener: &Listener, options: &http::Options) -> String {
    let scheme = if options.tls == http::TlsMode::On { "https" } else { "http" };
    format!("{scheme}://{}/", shown(listener, &options.listen))
}

/// The real address: a port 0 has become a number.
fn shown(listener: &Listener, configured: &net::Address) -> String {
    listener.ip().map_or_else(|| configured.to_string(), |ip| ip.to_string())
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

fn thread_count(options: &process::Options) -> usize {
    match options.threads {
        // One core is for the journal, the database and the index, and threads that fall asleep and wake
        // each other up cost more than they bring.
        0 => std::thread::available_parallelism().map_or(1, |cores| (cores.get() - 1).max(1)),
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

/// Events that a browser may miss and still catch up on.
const EVENT_HISTORY: usize = 4_096;
