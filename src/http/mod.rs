//! The web server: pages that work without scripts, a live feed, status, and nginx's auth_http.
//!
//! HTTP/1.1 by hyper on smol, routed by axum. What a stranger's mail contains leaves us only as
//! escaped text, as a download (`files`), or inside a sandboxed frame with an origin of its own
//! (`frame`). What another site's page asks for is refused before any handler sees it (`guard`).

mod access;
mod actions;
mod api;
mod archive;
mod assets;
mod auth_http;
mod authn;
mod body;
mod chart;
mod client_info;
mod confirm;
mod connection;
mod disposition;
mod error;
mod files;
mod frame;
mod guard;
mod help;
mod host;
mod kept;
mod layout;
mod leaves;
mod list;
mod list_params;
mod live;
mod login;
mod media;
mod message;
mod page;
mod parameters;
mod range;
mod refusals;
mod render;
mod render_params;
mod router;
mod row;
mod session;
mod sidebar;
mod signed_urls;
mod status;
mod status_page;
mod strings;
mod timeout_stream;
mod tokens;
mod upgrade;
mod visible;
mod which;
mod zip;

use std::{collections::BTreeMap, net::SocketAddr, ops::Deref, sync::Arc, time::Instant};

use axum::Router;
use serde::{Deserialize, Serialize};

pub use self::{
    auth_http::{Upstream, Upstreams},
    connection::serve_connection,
    host::can_be_host,
    tokens::ApiToken,
};
use self::{kept::Kept, session::Sessions, signed_urls::SignedUrls};
use crate::{
    auth::Auth, limits, mail::Mail, metrics::Metrics, net::Address, policy::Policy,
    refusals::Refusals, seconds::Seconds, shutdown::Shutdown, store, wire::network::Network,
};

/// What the server is made with.
pub struct Dependencies {
    /// What is shown and changed.
    pub mail: Mail,
    /// Who may log in, for nginx's auth_http.
    pub auth: Arc<Auth>,
    /// Counters for `/status`.
    pub metrics: Arc<Metrics>,
    /// What was refused lately.
    pub refusals: Arc<Refusals>,
    /// `[limits]`, to be shown beside what there is.
    pub limits: limits::Options,
    /// What the store is.
    pub store_kind: store::Kind,
    /// `[http]`.
    pub options: Options,
    /// Who may connect by SMTP, and without a login, for nginx's auth_http.
    pub policy: Arc<Policy>,
    /// Where SMTP listens: the empty list names it. Port 0 if nowhere.
    pub smtp: SocketAddr,
    /// Where nginx is sent for SMTP.
    pub upstreams: Upstreams,
    /// Where nginx is sent for POP3.
    pub pop3_upstreams: Upstreams,
    /// When the process started.
    pub started: Instant,
    /// The version of the program.
    pub version: &'static str,
    /// Random per process: event numbers of another epoch mean nothing.
    pub epoch: String,
    /// When to stop.
    pub shutdown: Shutdown,
}

/// Serves connections. Cheap to clone.
#[derive(Clone)]
pub struct HttpServer {
    context: HttpContext,
    router: Router,
}

/// What every handler can reach: the [`Dependencies`], and who is logged in.
#[derive(Clone)]
struct HttpContext(Arc<Inner>);

struct Inner {
    dependencies: Dependencies,
    sessions: Sessions,
    signed_urls: SignedUrls,
    kept: Arc<Kept>,
}

/// `[http]`: the web interface.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// Address and port to listen on. Only this machine by default, where the pages ask for no password.
    pub listen: Address,
    /// Whether the pages are served over TLS, with the certificate of `[tls]`.
    pub tls: TlsMode,
    /// Names besides IP addresses and localhost under which browsers may reach the pages, without
    /// port. Every other name is refused, so that a stranger's page cannot rebind its DNS name to us
    /// and read the mail.
    pub public_hosts: Vec<String>,
    /// Seconds that the header of a request may take to arrive, the silence before it included: this
    /// bounds slow senders and idle keep-alive connections both.
    pub header_seconds: u64,
    /// Seconds that the body of a request may take. Forms are small; only a stalled client is slow.
    pub body_seconds: u64,
    /// Seconds that a client may take no octet of an answer before it is given up.
    pub write_seconds: u64,
    /// Longest time for an answer, or for what is told of a burst of events, in seconds: a client that
    /// takes an octet now and then does not stay for ever. A download that was cut off goes on with
    /// Range.
    pub answer_seconds: u64,
    /// Longest request body in octets. Nothing we take is longer than a list of ids.
    pub max_body: usize,
    /// Seconds between the pings of the live feed; a client that does not answer one before the next
    /// is closed. Below the 60 seconds after which proxies give up a silent connection.
    pub ping_seconds: u64,
    /// Whether pages and API ask who somebody is.
    pub login: LoginMode,
    /// A session ends so many seconds after its last request.
    pub session_idle_seconds: Seconds,
    /// A session ends so many seconds after its login, however busy it is.
    pub session_seconds: Seconds,
    /// Most sessions at a time; with one more the one ends that was not used for longest.
    pub sessions: usize,
    /// Networks of proxies that may say by X-Forwarded-For who their client is, by X-Forwarded-Proto
    /// that it came by https, and ask as nginx does who may log in.
    pub proxies: Vec<Network>,
    /// Names and tokens (or `sha256:` and their hashes) of programs that may do everything.
    pub tokens: BTreeMap<String, ApiToken>,
    /// The same for programs that may look.
    pub read_tokens: BTreeMap<String, ApiToken>,
}

/// Whether pages and API ask who somebody is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LoginMode {
    /// Whoever reaches them may do everything.
    #[default]
    Off,
    /// Only users and tokens come in.
    Required,
}

/// Whether the pages are served over TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TlsMode {
    /// In clear.
    #[default]
    Off,
    /// From the first octet on.
    On,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 10025)).into(),
            tls: TlsMode::Off,
            public_hosts: Vec::new(),
            header_seconds: 60,
            body_seconds: 20,
            write_seconds: 30,
            answer_seconds: 3_600,
            max_body: 64 * 1024,
            ping_seconds: 30,
            login: LoginMode::Off,
            session_idle_seconds: Seconds::new(12 * 3600),
            session_seconds: Seconds::new(7 * 24 * 3600),
            sessions: 1_000,
            proxies: Vec::new(),
            tokens: BTreeMap::new(),
            read_tokens: BTreeMap::new(),
        }
    }
}

impl HttpServer {
    /// A server made with these.
    pub fn new(dependencies: Dependencies) -> Self {
        let sessions = Sessions::new(&dependencies.options);
        let context = HttpContext(Arc::new(Inner {
            dependencies,
            sessions,
            signed_urls: SignedUrls::new(),
            kept: Arc::default(),
        }));
        let router = router::router(context.clone());
        Self { context, router }
    }
}

impl HttpContext {
    fn sessions(&self) -> &Sessions {
        &self.0.sessions
    }

    fn signed_urls(&self) -> &SignedUrls {
        &self.0.signed_urls
    }

    fn kept(&self) -> &Arc<Kept> {
        &self.0.kept
    }
}

impl Deref for HttpContext {
    type Target = Dependencies;

    fn deref(&self) -> &Dependencies {
        &self.0.dependencies
    }
}
