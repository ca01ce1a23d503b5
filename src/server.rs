//! The assembly: every room is built here, in order, and every listener opened.

mod bound;

use std::{
    net::SocketAddr,
    sync::Arc,
    thread::JoinHandle,
    time::{Duration, Instant},
};

use smol::{Executor, Task, Timer, future};

use self::bound::{Bound, http_url, pop3_url, smtp_url};
use crate::{
    auth::Auth,
    bus::Bus,
    config::Config,
    frontend::{self, Context},
    http,
    mail::Mail,
    net::{self, Activation, Listener, Socket, Tasks, tls::Certificates},
    notify, panics,
    policy::Policy,
    pop3_server::{self, Pop3Server},
    process::{self, Identity},
    reload::Reload,
    retention,
    shutdown::Shutdown,
    smtp_server::SmtpServer,
    store::{self, Store},
};

/// Where listeners are, once they are open: addresses for people, such as `smtp://127.0.0.1:25000`.
#[derive(Clone, Debug)]
pub struct Addresses {
    /// SMTP, in the order of the configuration.
    pub smtp: Vec<String>,
    /// POP3, likewise.
    pub pop3: Vec<String>,
    /// The web UI and the API.
    pub http: String,
}

/// Serves until `shutdown` begins, then lets sessions finish and closes the store that `open_store`
/// opened, once the listeners are bound. `opened` is told where they are. The error is one line for people.
pub fn run(
    config: Config,
    open_store: impl FnOnce(&store::Options) -> Result<Arc<dyn Store>, store::Error>,
    shutdown: Shutdown,
    reload: Reload,
    opened: impl FnOnce(Addresses),
) -> Result<(), String> {
    let handed = Activation::from_environment();
    let executor = Arc::new(Executor::new());
    let (stop, mut threads) = (Shutdown::new(), Vec::new());
    for number in 1..thread_count(&config.server) {
        let (executor, stop) = (executor.clone(), stop.clone());
        let work = move || smol::block_on(executor.run(stop.begun()));
        threads.push(start_thread(&number.to_string(), work)?);
    }
    let service = serve(config, handed, executor.clone(), open_store, shutdown, reload, opened);
    let result = smol::block_on(executor.run(service));
    stop.begin();
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
    opened: impl FnOnce(Addresses),
) -> Result<(), String> {
    let certificates = open_certificates(&config)?;
    let bound = Bound::new(&config, &mut handed)?;
    let addresses = bound.addresses(&config);
    drop_privileges(&config, &bound)?;
    let store = open_store(&config.store).map_err(|error| error.to_string())?;
    let drain_time = Duration::from_secs(config.server.drain_seconds);
    let house = House::build(config, store.clone(), certificates, shutdown.clone(), executor)?;
    let tasks = house.tasks.clone();
    let services = house.start(bound, reload);
    opened(addresses);
    shutdown.begun().await;
    for service in services {
        service.await;
    }
    notify::stopping();
    drain(&tasks, drain_time).await;
    close(&*store).await
}

/// What all front ends and services are made of.
struct House {
    config: Config,
    mail: Mail,
    context: Context,
    executor: Arc<Executor<'static>>,
    /// The connections.
    tasks: Tasks,
}

impl House {
    /// Builds every room, in order.
    fn build(
        config: Config,
        store: Arc<dyn Store>,
        certificates: Option<Arc<Certificates>>,
        shutdown: Shutdown,
        executor: Arc<Executor<'static>>,
    ) -> Result<Self, String> {
        let context = Context {
            auth: Arc::new(Auth::new(config.auth.clone())?),
            policy: Arc::new(Policy::new(config.policy.clone())?),
            metrics: Arc::default(),
            refusals: Arc::default(),
            certificates,
            shutdown,
        };
        let mail = Mail::new(store, Bus::new(EVENT_HISTORY));
        let tasks = Tasks::new(executor.clone());
        Ok(Self { config, mail, context, executor, tasks })
    }

    /// Starts the services, and serves every listener.
    fn start(&self, bound: Bound, reload: Reload) -> Vec<Task<()>> {
        let web = self.web(&bound);
        let mut services = self.services(reload);
        for (listener, options) in bound.smtp {
            let counts = self.context.metrics.count_listener(smtp_url(&listener, &options));
            let Config { smtp, limits, .. } = &self.config;
            let (context, mail) = (self.context.clone(), self.mail.clone());
            let server = SmtpServer::new(smtp, limits, &options, counts, context, mail);
            let handle = move |socket, peer| server.clone().connection(socket, peer);
            services.push(self.accept("smtp", listener, handle));
        }
        services.push(self.serve_http(bound.http, web));
        for (listener, options) in bound.pop3 {
            let counts = self.context.metrics.count_listener(pop3_url(&listener, &options));
            let (context, mail) = (self.context.clone(), self.mail.clone());
            let server = Pop3Server::new(self.pop3_options(), options, counts, context, mail);
            let handle = move |socket, peer| server.clone().connection(socket, peer);
            services.push(self.accept("pop3", listener, handle));
        }
        services
    }

    /// What goes on beside the connections.
    fn services(&self, reload: Reload) -> Vec<Task<()>> {
        if let Some(often) = notify::watchdog() {
            let alive = panics::supervise("watchdog", move || stay_alive(often));
            self.executor.spawn(alive).detach();
        }
        let (mail, shutdown) = (self.mail.clone(), self.context.shutdown.clone());
        let options = self.config.retention.clone();
        let retention = panics::supervise("retention", move || {
            retention::run(options.clone(), mail.clone(), shutdown.clone())
        });
        let context = self.context.clone();
        let reload =
            panics::supervise("reload", move || reload_files(context.clone(), reload.clone()));
        let (mail, shutdown) = (self.mail.clone(), self.context.shutdown.clone());
        let feed = panics::supervise("feed", move || {
            let (mail, shutdown) = (mail.clone(), shutdown.clone());
            async move { mail.publish_remote(shutdown).await }
        });
        vec![self.executor.spawn(retention), self.executor.spawn(reload), self.executor.spawn(feed)]
    }

    fn web(&self, bound: &Bound) -> http::HttpServer {
        let (config, context) = (&self.config, &self.context);
        http::HttpServer::new(http::Dependencies {
            mail: self.mail.clone(),
            auth: context.auth.clone(),
            metrics: context.metrics.clone(),
            refusals: context.refusals.clone(),
            options: config.http.clone(),
            limits: config.limits.clone(),
            store_kind: config.store.kind,
            policy: context.policy.clone(),
            smtp: bound.shown_smtp(),
            upstreams: bound.smtp_upstreams(),
            pop3_upstreams: bound.pop3_upstreams(),
            started: Instant::now(),
            version: crate::VERSION,
            epoch: epoch(),
            shutdown: context.shutdown.clone(),
        })
    }

    fn pop3_options(&self) -> pop3_server::Terms {
        pop3_server::Terms {
            options: self.config.pop3.clone(),
            limits: self.config.limits.clone(),
            is_kept: self.config.retention.keeps_all(),
        }
    }

    fn serve_http(&self, listener: Listener, web: http::HttpServer) -> Task<()> {
        let most = self.config.limits.http_connections as u64;
        let metrics = self.context.metrics.clone();
        let counts = metrics.count_listener(http_url(&listener, &self.config.http));
        let speaks_tls = self.config.http.tls == http::TlsMode::On;
        let certificates = self.context.certificates.clone().filter(|_| speaks_tls);
        self.accept("http", listener, move |socket, peer| {
            let (web, metrics, counts) = (web.clone(), metrics.clone(), counts.clone());
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

    /// Serves a listener as long as the service lives.
    fn accept<F, H>(&self, kind: &'static str, listener: Listener, handle: H) -> Task<()>
    where
        F: Future<Output = ()> + Send + 'static,
        H: Fn(Socket, Option<SocketAddr>) -> F + Clone + Send + Sync + 'static,
    {
        let (listener, tasks) = (Arc::new(listener), self.tasks.clone());
        let shutdown = self.context.shutdown.clone();
        self.executor.spawn(panics::supervise(kind, move || {
            net::serve(kind, listener.clone(), tasks.clone(), shutdown.clone(), handle.clone())
        }))
    }
}

/// Says so as long as tasks have their turn.
async fn stay_alive(often: Duration) {
    loop {
        notify::alive();
        Timer::after(often).await;
    }
}

/// What is made or opened from here on is the user's: the store, the users, and certificates on SIGHUP.
fn drop_privileges(config: &Config, bound: &Bound) -> Result<(), String> {
    let Some(identity) = Identity::find(&config.server.user, &config.server.group)? else {
        return Ok(());
    };
    let sockets = bound.mail().filter_map(Listener::file);
    let log = Some(config.log.file.as_path()).filter(|path| !path.as_os_str().is_empty());
    // Whoever is that user already owns what it made.
    if process::is_root() {
        sockets.chain(log).try_for_each(|path| identity.own(path))?;
    }
    identity.assume()
}

/// None if no listener speaks TLS, and then the files need not be there.
fn open_certificates(config: &Config) -> Result<Option<Arc<Certificates>>, String> {
    if !config.speaks_tls() {
        return Ok(None);
    }
    let name = frontend::server_name(&config.smtp.name);
    let opened = Certificates::open(&config.tls, &name).map_err(|error| error.to_string())?;
    Ok(Some(Arc::new(opened)))
}

/// Reads certificates and users again whenever somebody asks. What cannot be used stays as it was.
async fn reload_files(context: Context, reload: Reload) {
    let Context { certificates, auth, shutdown, .. } = context;
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
