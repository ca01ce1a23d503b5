//! The SMTP door: carries octets between a socket and a session, and answers what the session asks.

use std::{
    io,
    net::{SocketAddr, TcpStream},
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};
use smol::{Async, future};

use super::host_name;
use crate::{
    auth::{self, Auth},
    config::Config,
    intake::{Incoming, Intake},
    metrics::Metrics,
    net::{Conn, Received},
    shutdown::Shutdown,
    smtp::{self, AuthMode, Reply, Session, Step, Verdict},
    store,
    wire::sasl::Credentials,
};

/// `[smtp]`: the SMTP listener.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// Where to listen.
    pub listen: SocketAddr,
    /// The name in the greeting (RFC 5321 §4.2); empty for the machine's host name.
    pub name: String,
    /// Refuse messages with a bare CR or LF in their body (550 5.6.11). Off: they are kept as they
    /// are and marked. Either way only CRLF.CRLF ends a body.
    pub refuse_bare_line_ends: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 25_000)),
            name: String::new(),
            refuse_bare_line_ends: false,
        }
    }
}

/// Serves SMTP connections.
#[derive(Clone)]
pub struct Door(Arc<Inner>);

struct Inner {
    session: Arc<smtp::Options>,
    connections: u64,
    intake: Intake,
    auth: Arc<Auth>,
    metrics: Arc<Metrics>,
    shutdown: Shutdown,
}

impl Door {
    /// A door as the configuration wants it.
    pub fn new(
        config: &Config,
        intake: Intake,
        auth: Arc<Auth>,
        metrics: Arc<Metrics>,
        shutdown: &Shutdown,
    ) -> Self {
        Self(Arc::new(Inner {
            session: Arc::new(session_options(config)),
            connections: config.limits.connections as u64,
            intake,
            auth,
            metrics,
            shutdown: shutdown.clone(),
        }))
    }

    /// One connection, from greeting to end.
    pub async fn connection(self, stream: Async<TcpStream>, peer: SocketAddr) {
        let door = &*self.0;
        let open = door.metrics.smtp_connections_now.hold();
        door.metrics.smtp_connections.add(1);
        if door.metrics.smtp_connections_now.value() > door.connections {
            return Box::pin(door.turn_away(stream, peer)).await;
        }
        let mut talk = Talk::new(door, Conn::new(stream), peer, Instant::now());
        let end = talk.run().await;
        talk.log(end);
        Box::pin(talk.conn.finish()).await;
        drop(open);
    }
}

impl Inner {
    async fn turn_away(&self, stream: Async<TcpStream>, peer: SocketAddr) {
        self.metrics.smtp_connections_refused.add(1);
        log::warn!(client:% = peer; "connection refused: too many");
        let deadline = Instant::now() + Duration::from_secs(1);
        let _ = Conn::new(stream).send(TOO_MANY, deadline).await;
    }
}

/// One conversation.
struct Talk<'a> {
    door: &'a Inner,
    conn: Conn,
    peer: SocketAddr,
    started: Instant,
    session: Session,
    body: Body,
}

/// The message under way.
enum Body {
    None,
    // Boxed, because a connection is idle most of its life.
    Taking(Box<Incoming>),
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
}

impl<'a> Talk<'a> {
    fn new(door: &'a Inner, conn: Conn, peer: SocketAddr, started: Instant) -> Self {
        let session = Session::new(door.session.clone(), started);
        Self { door, conn, peer, started, session, body: Body::None }
    }

    async fn run(&mut self) -> End {
        match self.talk().await {
            Ok(end) => end,
            Err(_) => End::Broken,
        }
    }

    async fn talk(&mut self) -> io::Result<End> {
        let shutdown = self.door.shutdown.clone();
        let mut ending = std::pin::pin!(shutdown.begun());
        let mut is_ending = false;
        loop {
            if self.consume(&[]).await? {
                return Ok(End::Closed);
            }
            self.flush().await?;
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
                Some(Ok(Received::Late)) => self.session.expire(Instant::now()),
                Some(Ok(Received::End)) => return Ok(End::Gone),
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
                Step::Body(run) => self.take(run).await,
                Step::Begin => Box::pin(self.begin()).await,
                Step::End => {
                    // Earlier replies do not wait for the disk.
                    self.flush().await?;
                    Box::pin(self.end()).await;
                }
                Step::Login(credentials) => {
                    self.flush().await?;
                    Box::pin(self.login(credentials)).await;
                }
                Step::Abandon => self.abandon(),
                Step::Close => {
                    self.flush().await?;
                    return Ok(true);
                }
            }
        }
    }

    async fn begin(&mut self) {
        match self.door.intake.begin().await {
            Ok(incoming) => {
                self.body = Body::Taking(Box::new(incoming));
                self.session.proceed();
            }
            Err(error) => self.session.refuse(self.failed(&error)),
        }
    }

    async fn take(&mut self, run: &[u8]) {
        if let Body::Taking(incoming) = &mut self.body
            && let Err(error) = incoming.write(run).await
        {
            self.body = Body::Failed(error);
        }
    }

    async fn end(&mut self) {
        let mut envelope = self.session.take_envelope();
        envelope.client = Some(self.peer);
        envelope.received_ms = unix_ms(SystemTime::now());
        let kept = match std::mem::replace(&mut self.body, Body::None) {
            Body::Taking(incoming) => incoming.keep(envelope).await,
            Body::Failed(error) => Err(error),
            Body::None => Err(store::Error::Closed),
        };
        match kept {
            Ok(record) => {
                self.door.metrics.messages_received.add(1);
                self.door.metrics.bytes_received.add(record.summary.size);
                log::info!(
                    client:% = self.peer,
                    id:% = record.id,
                    from:% = record.envelope.reverse_path,
                    to:% = recipients(&record.envelope),
                    size = record.summary.size;
                    "message"
                );
                self.session.kept(&record.id);
            }
            Err(error) => {
                self.door.metrics.messages_refused.add(1);
                self.session.refuse(self.failed(&error));
            }
        }
    }

    async fn login(&mut self, credentials: Credentials) {
        let user = credentials.user.clone();
        if self.door.auth.verify(credentials).await {
            self.session.login(Verdict::Accepted);
        } else {
            self.door.metrics.logins_failed.add(1);
            log::warn!(client:% = self.peer, user:% = user; "login refused");
            self.session.login(Verdict::Refused);
        }
    }

    fn abandon(&mut self) {
        self.door.metrics.messages_refused.add(1);
        self.body = Body::None;
    }

    /// What the client hears when the store failed, and what the log keeps.
    fn failed(&self, error: &store::Error) -> Reply {
        log::error!(client:% = self.peer, error:% = error; "message not stored");
        match error {
            store::Error::Full => Reply::INSUFFICIENT_STORAGE,
            store::Error::Closed => Reply::SHUTTING_DOWN,
            store::Error::Io(_) | store::Error::Open(_) => Reply::LOCAL_ERROR,
        }
    }

    async fn flush(&mut self) -> io::Result<()> {
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
        self.door.metrics.commands_refused.add(log.refused);
        let end = match end {
            End::Closed => "closed",
            End::Gone => "gone",
            End::Broken => "broken",
        };
        let refusal = log.last_refusal.map(|refusal| {
            let verb = refusal.verb.map_or("-", smtp::Verb::name);
            format!("{verb}: {}", refusal.reply)
        });
        log::info!(
            client:% = self.peer,
            helo:% = log.helo.unwrap_or_default(),
            user:% = log.auth_user.unwrap_or_default(),
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
fn recipients(envelope: &crate::message::Envelope) -> String {
    match envelope.forward_paths.as_slice() {
        [] => String::new(),
        [only] => only.address.clone(),
        [first, rest @ ..] => format!("{} and {} more", first.address, rest.len()),
    }
}

fn session_options(config: &Config) -> smtp::Options {
    let name = Some(config.smtp.name.clone()).filter(|name| !name.is_empty());
    smtp::Options {
        name: name.unwrap_or_else(host_name),
        max_message_size: config.limits.message_size,
        max_recipients: config.limits.recipients,
        max_line: config.limits.command_line,
        max_errors: config.limits.errors,
        idle: Duration::from_secs(config.limits.idle_seconds),
        total: Duration::from_secs(config.limits.session_seconds),
        auth: match config.auth.mode {
            auth::Mode::Off => AuthMode::Off,
            auth::Mode::AcceptAny | auth::Mode::Optional => AuthMode::Offered,
            auth::Mode::Required => AuthMode::Required,
        },
        refuse_bare_line_ends: config.smtp.refuse_bare_line_ends,
    }
}

fn unix_ms(at: SystemTime) -> i64 {
    at.duration_since(UNIX_EPOCH)
        .ok()
        .and_then(|since| i64::try_from(since.as_millis()).ok())
        .unwrap_or(0)
}

const TOO_MANY: &[u8] = b"421 4.7.0 Too many connections, try again later\r\n";

/// Octets of output buffer that an idle session may keep.
const KEPT_OUTPUT: usize = 512;
