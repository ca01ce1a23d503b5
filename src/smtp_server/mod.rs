//! The SMTP front end: carries octets between a socket and a session, and answers what the session asks.
//!
//! It knows its own options, `[smtp]`, and those of others that it is given, but not the configuration they
//! stand in: that is the assembly's (`server`).

mod access;
mod arrival;
pub mod listeners;
mod options;
mod reject;

use std::{
    fmt, io,
    net::SocketAddr,
    sync::Arc,
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use smol::{Timer, future};

pub use self::options::{Options, greeting_name};
use self::{
    arrival::Refusal,
    listeners::{Listener, TlsMode},
    options::Sessions,
};
use crate::{
    auth::Auth,
    limits,
    mail::{Incoming, Mail},
    metrics::{self, Metrics},
    net::{Conn, Received, Socket, tls::Certificates},
    panics,
    policy::{BodyWatch, ClientPermit, Policy},
    refusals::Refusals,
    shutdown::Shutdown,
    smtp::{self, MayName, Peer, Reply, Session, Step},
    store,
    wire::{Tls, network::Network},
};

/// What all doors share.
#[derive(Clone)]
pub struct Context {
    /// Where messages go.
    pub mail: Mail,
    /// Who may log in.
    pub auth: Arc<Auth>,
    /// Who may do what.
    pub policy: Arc<Policy>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// What was refused lately.
    pub refusals: Arc<Refusals>,
    /// What TLS begins with; none if no listener speaks it.
    pub certificates: Option<Arc<Certificates>>,
    /// When to stop.
    pub shutdown: Shutdown,
}

/// Serves the connections of one listener.
#[derive(Clone)]
pub struct SmtpServer(Arc<Inner>);

struct Inner {
    context: Context,
    listener: Listener,
    counts: Arc<metrics::Door>,
    sessions: Sessions,
    proxies: Vec<Network>,
    /// Most connections of all doors together.
    connections: u64,
    /// There is more than one processor, so that waiting awake takes none from whoever is waited for.
    has_processors: bool,
}

impl SmtpServer {
    /// The server of one of the [`listeners::all`] of these options.
    pub fn new(
        options: &Options,
        limits: &limits::Options,
        listener: Listener,
        counts: Arc<metrics::Door>,
        context: Context,
    ) -> Self {
        let sessions = Sessions::new(options, limits, &listener, &context);
        Self(Arc::new(Inner {
            context,
            sessions,
            listener,
            counts,
            proxies: options.proxies.clone(),
            connections: limits.connections as u64,
            has_processors: thread::available_parallelism().is_ok_and(|all| all.get() > 1),
        }))
    }

    /// One connection, from its first octet to its end.
    pub async fn connection(self, socket: Socket, peer: Option<SocketAddr>) {
        let server = &*self.0;
        let metrics = &server.context.metrics;
        let open = (metrics.smtp_connections_now.hold(), server.counts.connections_now.hold());
        metrics.smtp_connections.add(1);
        server.counts.connections.add(1);
        let mut conn = Conn::new(socket);
        if metrics.smtp_connections_now.value() > server.connections {
            metrics.smtp_connections_refused.add(1);
            log::warn!(client:% = Shown(peer); "connection refused: too many");
            Box::pin(server.turn_away(&mut conn, peer, &TOO_MANY)).await;
            return;
        }
        let started = Instant::now();
        // Boxed, because few are arriving at a time and idle connections are to stay small.
        let arrival = Box::pin(server.arrive(&mut conn, peer));
        let ended = Box::pin(async {
            server.context.shutdown.begun().await;
            Err(Refusal::Ending)
        });
        let arrived = panics::catch(future::or(arrival, ended)).await;
        match arrived.unwrap_or(Err(Refusal::Panicked)) {
            Err(Refusal::Policy(client, reply)) => {
                metrics.smtp_connections_refused.add(1);
                log::warn!(client:% = Shown(client), reply:% = reply; "connection refused");
                Box::pin(server.turn_away(&mut conn, client, &reply)).await;
            }
            Err(why) => {
                log::info!(client:% = Shown(peer), why:% = why; "connection refused");
                if let Refusal::Panicked = why {
                    Box::pin(server.turn_away(&mut conn, peer, &STUMBLED)).await;
                }
            }
            Ok((client, permit, session)) => {
                let mut connection =
                    Connection::new(server, &mut conn, client, permit, session, started);
                // The socket stays out here: the client of a conversation that panicked hears of it.
                let end = {
                    // Pinned here, because handing it over would make room for it twice.
                    let running = std::pin::pin!(connection.run());
                    panics::catch(running).await.unwrap_or(End::Panicked)
                };
                connection.log(end);
                drop(connection);
                if let End::Panicked = end {
                    Box::pin(say(&mut conn, &STUMBLED)).await;
                }
            }
        }
        Box::pin(conn.finish()).await;
        drop(open);
    }
}

impl Inner {
    /// True while a client gains more by a quick answer than others lose.
    fn has_few(&self) -> bool {
        self.has_processors && self.context.metrics.smtp_connections_now.value() <= FEW
    }

    /// What comes before the first word: who the client is, and TLS where it comes first.
    async fn arrive(
        &self,
        conn: &mut Conn,
        peer: Option<SocketAddr>,
    ) -> Result<(Option<SocketAddr>, ClientPermit, Peer), Refusal> {
        let is_proxy = arrival::is_proxy(&self.proxies, peer.map(|peer| peer.ip()));
        let mut client = peer;
        if self.listener.proxy {
            if !is_proxy {
                return Err(Refusal::NotAProxy);
            }
            client = arrival::proxied_client(conn, peer).await?;
        }
        let may_name = match (is_proxy, self.listener.proxy) {
            (false, _) => MayName::Nobody,
            // It may be the client itself who speaks, and not the proxy.
            (true, true) => MayName::Itself,
            (true, false) => MayName::Anybody,
        };
        let ip = client.map(|client| client.ip());
        // A proxy speaks for itself before XCLIENT, and when it asks how we are.
        let permit = match is_proxy && client == peer {
            true => self.context.policy.proxy(ip),
            false => {
                let permit = self.context.policy.connect(ip, Instant::now());
                permit.map_err(|rejection| Refusal::Policy(client, reject::reply(rejection)))?
            }
        };
        let mut session = Peer { tls: None, may_name, is_trusted: permit.is_trusted() };
        if self.listener.tls == TlsMode::Implicit {
            let tls = arrival::encrypt(conn, self.context.certificates.as_ref()).await;
            session.tls = Some(tls.map_err(Refusal::Io)?);
        }
        Ok((client, permit, session))
    }

    /// Says why there is no greeting.
    async fn turn_away(&self, conn: &mut Conn, client: Option<SocketAddr>, reply: &Reply) {
        access::note_connection(&self.context, client, reply);
        // Where TLS comes first, words in clear would only confuse.
        if self.listener.tls != TlsMode::Implicit {
            say(conn, reply).await;
        }
    }
}

/// A last word outside of a session, to whoever still listens.
async fn say(conn: &mut Conn, reply: &Reply) {
    let line = format!("{reply}\r\n");
    let _ = conn.send(line.as_bytes(), Instant::now() + Duration::from_secs(1)).await;
}

/// A client in the log.
struct Shown(Option<SocketAddr>);

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(address) => address.fmt(f),
            None => f.write_str("unix"),
        }
    }
}

/// One conversation.
struct Connection<'a> {
    server: &'a Inner,
    conn: &'a mut Conn,
    /// None on a Unix socket.
    client: Option<SocketAddr>,
    permit: ClientPermit,
    started: Instant,
    session: Session,
    body: Body,
    /// Octets of the messages that were kept.
    kept_octets: u64,
    /// The reverse-path of the last transaction: a message that is refused at its end has none any more.
    sender: String,
}

/// The message under way.
enum Body {
    None,
    Taking(Box<Incoming>, Option<BodyWatch>),
    /// The policy does not want it; the rest is read away.
    Blocked(Option<BodyWatch>),
    /// The store failed in the middle; the rest is read away, because only CRLF.CRLF ends a body.
    Failed(store::Error),
}

/// How a conversation ended.
#[derive(Clone, Copy)]
enum End {
    /// The session said its last word.
    Closed,
    /// The client went away without QUIT.
    Gone,
    /// The socket failed, or the client did not read its replies.
    Broken,
    /// We did.
    Panicked,
}

impl<'a> Connection<'a> {
    fn new(
        server: &'a Inner,
        conn: &'a mut Conn,
        client: Option<SocketAddr>,
        permit: ClientPermit,
        peer: Peer,
        started: Instant,
    ) -> Self {
        let session = Session::new(server.sessions.now(&server.context.auth), peer, Instant::now());
        let (body, kept_octets, sender) = (Body::None, 0, String::new());
        Self { server, conn, client, permit, started, session, body, kept_octets, sender }
    }

    async fn run(&mut self) -> End {
        match self.connection().await {
            Ok(end) => end,
            Err(_) => End::Broken,
        }
    }

    async fn connection(&mut self) -> io::Result<End> {
        let shutdown = self.server.context.shutdown.clone();
        let mut ending = std::pin::pin!(shutdown.begun());
        let mut is_ending = false;
        let mut has_waited = self.server.sessions.greeting_delay().is_zero();
        loop {
            if self.consume(&[]).await? {
                return Ok(End::Closed);
            }
            if !has_waited {
                has_waited = true;
                // Who could not wait for the greeting is heard before it is written.
                if self.conn.has_heard()? {
                    self.session.talked_early();
                    continue;
                }
            }
            self.flush().await?;
            self.conn.allow_busy_poll(self.server.has_few());
            let deadline = self.session.deadline();
            let received = async { Some(self.conn.receive(deadline).await) };
            let ended = async {
                if is_ending {
                    return future::pending().await;
                }
                ending.as_mut().await;
                None
            };
            match future::or(received, ended).await {
                None => {
                    is_ending = true;
                    self.session.shut_down();
                }
                Some(Ok(Received::Octets(buffer, count))) => {
                    if self.consume(&buffer[..count]).await? {
                        return Ok(End::Closed);
                    }
                }
                Some(Ok(Received::TimedOut)) => self.session.expire(Instant::now()),
                Some(Ok(Received::Eof)) => return Ok(End::Gone),
                Some(Err(error)) => return Err(error),
            }
        }
    }

    /// Lets the session take in all of `input`; true if it said its last word, which is then written.
    ///
    /// What happens once a message or less is boxed: every connection has room for the largest of its
    /// waits, and most of its life it waits for octets.
    async fn consume(&mut self, mut input: &[u8]) -> io::Result<bool> {
        loop {
            match self.session.step(&mut input, Instant::now()) {
                Step::Read => return Ok(false),
                Step::Flush => self.flush().await?,
                Step::Body(run) => self.take(run).await,
                Step::Begin => Box::pin(self.begin()).await,
                // Boxed, like the rest of what few do at a time: idle connections stay small. What is to
                // be said of commands that came together with the end of the message goes out with its
                // own reply (RFC 2920 §3.2): each time that the client is woken costs both of us.
                Step::End => Box::pin(self.end()).await,
                Step::Login(claim) => {
                    self.flush().await?;
                    Box::pin(self.login(claim)).await;
                }
                Step::Mail => self.mail(),
                Step::Rcpt => self.rcpt(),
                Step::StartTls => Box::pin(self.start_tls()).await?,
                Step::Xclient(client) => self.adopt(client),
                Step::Nonce => self.nonce(),
                Step::ScramKeys(user) => Box::pin(self.secrets(&user)).await,
                Step::Pause(duration) => self.pause(duration).await,
                Step::Abandon => self.abandon(),
                Step::Close => {
                    self.flush().await?;
                    return Ok(true);
                }
            }
        }
    }

    /// From here on all is encrypted. A handshake that fails ends the connection: whoever heard 220
    /// expects nothing in clear any more.
    async fn start_tls(&mut self) -> io::Result<()> {
        self.flush().await?;
        match arrival::encrypt(self.conn, self.server.context.certificates.as_ref()).await {
            Ok(tls) => {
                self.session.tls_started(tls);
                Ok(())
            }
            Err(error) => {
                log::info!(client:% = Shown(self.client), error:% = error; "TLS handshake failed");
                Err(error)
            }
        }
    }

    /// Waits without reading, so that the peer's octets pile up on its own side; but not beyond the
    /// end of the service.
    async fn pause(&mut self, duration: Duration) {
        let over = async {
            Timer::after(duration).await;
        };
        future::or(over, self.server.context.shutdown.begun()).await;
    }

    async fn begin(&mut self) {
        match self.server.context.mail.begin().await {
            Ok(incoming) => {
                self.body =
                    Body::Taking(Box::new(incoming), self.server.context.policy.watch_body());
                self.session.proceed();
            }
            Err(error) => self.session.refuse(self.failed(&error)),
        }
    }

    async fn take(&mut self, run: &[u8]) {
        let Body::Taking(incoming, watch) = &mut self.body else { return };
        if watch.as_mut().is_some_and(|watch| watch.push(run)) {
            // What nobody will keep need not be written.
            self.body = Body::Blocked(watch.take());
        } else if let Err(error) = incoming.write(run).await {
            self.body = Body::Failed(error);
        }
    }

    async fn end(&mut self) {
        if let Body::Taking(_, watch) | Body::Blocked(watch) = &mut self.body
            && let Some(pattern) = watch.take().and_then(BodyWatch::finish)
        {
            self.body = Body::None;
            return self.block(pattern);
        }
        let mut envelope = self.session.take_envelope();
        envelope.client = self.client;
        envelope.received_ms = unix_ms(SystemTime::now());
        let kept = match std::mem::replace(&mut self.body, Body::None) {
            Body::Taking(incoming, _) => incoming.keep(envelope).await,
            Body::Failed(error) => Err(error),
            Body::None | Body::Blocked(_) => Err(store::Error::Closed),
        };
        match kept {
            Ok(record) => {
                self.server.context.metrics.messages_received.add(1);
                self.server.context.metrics.received_lately.add(record.envelope.received_ms);
                self.server.context.metrics.bytes_received.add(record.summary.size);
                self.kept_octets += record.summary.size;
                log::info!(
                    client:% = Shown(self.client),
                    id:% = record.id,
                    from:% = record.envelope.reverse_path,
                    to:% = recipients(&record.envelope),
                    size = record.summary.size;
                    "message"
                );
                self.session.kept(&record.id);
            }
            Err(error) => {
                self.server.context.metrics.messages_refused.add(1);
                self.session.refuse(self.failed(&error));
            }
        }
    }

    fn abandon(&mut self) {
        self.server.context.metrics.messages_refused.add(1);
        self.body = Body::None;
    }

    /// What the client hears when the store failed, and what the log keeps.
    fn failed(&self, error: &store::Error) -> Reply {
        log::error!(client:% = Shown(self.client), error:% = error; "message not stored");
        match error {
            store::Error::Full => Reply::INSUFFICIENT_STORAGE,
            store::Error::Closed => Reply::SHUTTING_DOWN,
            store::Error::Io(_) | store::Error::Damaged(_) | store::Error::Open(_) => {
                Reply::LOCAL_ERROR
            }
        }
    }

    async fn flush(&mut self) -> io::Result<()> {
        let wait = self.note(None, None);
        if !wait.is_zero() {
            self.pause(wait).await;
        }
        let output = self.session.output();
        if output.is_empty() {
            return Ok(());
        }
        let output = std::mem::take(output);
        let result = self.conn.send(&output, self.session.deadline()).await;
        // The buffer goes back for the next reply, unless it grew: idle sessions stay small.
        if output.capacity() <= KEPT_OUTPUT {
            let mut output = output;
            output.clear();
            *self.session.output() = output;
        }
        result
    }

    /// One line a connection, always the same keys in the same order.
    fn log(&self, end: End) {
        let log = self.session.log();
        self.server.context.metrics.commands_refused.add(log.refused);
        let not_kept = log.octets.saturating_sub(self.kept_octets);
        self.server.context.metrics.bytes_refused.add(not_kept);
        let end = match end {
            End::Closed => "closed",
            End::Gone => "gone",
            End::Broken => "broken",
            End::Panicked => "panicked",
        };
        let refusal = log.last_refusal.map(|refusal| {
            let verb = refusal.verb.map_or("-", smtp::Verb::name);
            format!("{verb}: {}", refusal.reply)
        });
        log::info!(
            client:% = Shown(self.client),
            helo:% = log.helo.unwrap_or_default(),
            user:% = log.auth_user.unwrap_or_default(),
            tls:% = self.session.tls().map_or("", |tls: &Tls| &tls.version),
            messages = log.messages_kept,
            refused = log.refused,
            refusal:% = refusal.unwrap_or_default(),
            ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX),
            end:% = end;
            "connection"
        );
    }
}

/// The first recipient and how many more: a log line must not grow with the envelope.
fn recipients(envelope: &crate::wire::Envelope) -> String {
    match envelope.forward_paths.as_slice() {
        [] => String::new(),
        [only] => only.address.clone(),
        [first, rest @ ..] => format!("{} and {} more", first.address, rest.len()),
    }
}

fn unix_ms(at: SystemTime) -> i64 {
    at.duration_since(UNIX_EPOCH)
        .ok()
        .and_then(|since| i64::try_from(since.as_millis()).ok())
        .unwrap_or(0)
}

/// What the client hears when our own code was wrong: its message is not stored, or it was not told so.
const STUMBLED: Reply = Reply::new(421, "4.3.0", "Internal error, try again later");

const TOO_MANY: Reply = Reply::new(421, "4.7.0", "Too many connections, try again later");

/// So many connections are few.
const FEW: u64 = 2;

/// Octets of output buffer that an idle session may keep.
const KEPT_OUTPUT: usize = 512;
#[cfg(test)]
mod tests {
    use super::*;

    /// What each of ten thousand idle clients costs, besides what the runtime keeps for its socket.
    #[test]
    fn an_idle_connection_is_small() {
        fn size<F: Future>(_: fn(SmtpServer, Socket, Option<SocketAddr>) -> F) -> usize {
            size_of::<F>()
        }
        let octets = size(SmtpServer::connection);
        assert!(octets <= 2048, "{octets} octets");
    }
}
