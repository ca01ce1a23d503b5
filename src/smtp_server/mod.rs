//! The SMTP front end: answers what its sessions ask.
//!
//! It knows its own options, `[smtp]`, and those of others that it is given, but not the configuration they
//! stand in: that is the assembly's (`server`).

mod access;
pub mod listeners;
mod options;
mod reject;

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

pub use self::options::Options;
use self::{listeners::Listener, options::logins};
use crate::{
    auth,
    frontend::{self, Arrived, Client, Context, Ended, FrontEnd, Offered, Server, TurnedAway},
    limits,
    mail::{Incoming, Mail},
    metrics,
    net::{
        Conn, Socket,
        drive::{self, Answer, Handler},
    },
    policy::{BodyWatch, ClientPermit},
    smtp::{self, Ask, MayName, Peer, Reply, Session},
    store,
    wire::Tls,
};

/// Serves the connections of one listener.
#[derive(Clone)]
pub struct SmtpServer(Arc<Inner>);

struct Inner {
    server: Server,
    /// Where messages go.
    mail: Mail,
    /// Who may or must log in.
    auth: auth::Mode,
    options: Offered<smtp::Options>,
}

impl SmtpServer {
    /// The server of one of the [`Options::listeners`].
    pub fn new(
        options: &Options,
        limits: &limits::Options,
        listener: &Listener,
        counts: Arc<metrics::Listener>,
        context: Context,
        mail: Mail,
    ) -> Self {
        let offered = || self::options::options(options, limits, listener, &context);
        let offered = Offered::new(&context.auth, offered);
        let connections = context.metrics.smtp.clone();
        connections.bound(limits.connections as u64);
        let Listener { tls, proxy, auth, .. } = *listener;
        let proxies = options.proxies.clone();
        Self(Arc::new(Inner {
            server: Server { context, tls, proxy, proxies, counts, connections },
            mail,
            auth,
            options: offered,
        }))
    }

    /// One connection, from its first octet to its end.
    pub async fn connection(self, socket: Socket, peer: Option<SocketAddr>) {
        frontend::serve(&self.0, socket, peer).await;
    }
}

impl FrontEnd for Inner {
    type Session = Session;
    type Handler = Connection;

    fn server(&self) -> &Server {
        &self.server
    }

    fn begin(self: &Arc<Self>, arrived: Arrived) -> (Session, Connection) {
        let Arrived { client, is_proxy, permit, tls } = arrived;
        let may_name = match (is_proxy, self.server.proxy) {
            (false, _) => MayName::Nobody,
            // It may be the client itself who speaks, and not the proxy.
            (true, true) => MayName::Itself,
            (true, false) => MayName::Anybody,
        };
        let peer = Peer { tls, may_name, is_trusted: permit.is_trusted() };
        let users = &self.server.context.auth;
        let options = self.options.now(users, |before| {
            let (auth, auth_mechanisms) = logins(users, self.auth);
            smtp::Options { auth, auth_mechanisms, ..before.clone() }
        });
        let connection = Connection {
            inner: self.clone(),
            client,
            permit,
            body: Body::None,
            kept_octets: 0,
            sender: String::new(),
        };
        (Session::new(options, peer, Instant::now()), connection)
    }

    fn ended(&self, connection: Connection, session: &Session, end: Ended, begun: Instant) {
        connection.log(session, end, begun);
    }

    fn refused(&self, client: Option<SocketAddr>, why: TurnedAway) {
        let reply = last_word(why);
        log::warn!(client:% = Client(client), reply:% = reply; "connection refused");
        access::note_connection(&self.server.context, client, &reply);
    }

    fn last_word(&self, why: TurnedAway) -> String {
        format!("{}\r\n", last_word(why))
    }
}

fn last_word(why: TurnedAway) -> Reply {
    match why {
        TurnedAway::TooMany => TOO_MANY,
        TurnedAway::Panicked => STUMBLED,
        TurnedAway::Rejected(rejection) => reject::reply(rejection),
    }
}

/// What answers the questions of one session.
struct Connection {
    inner: Arc<Inner>,
    /// None on a Unix socket.
    client: Option<SocketAddr>,
    permit: ClientPermit,
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

impl Handler<Session> for Connection {
    fn answer<'a, 'input: 'a>(
        &'a mut self,
        session: &'a mut Session,
        conn: &'a mut Conn,
        ask: Ask<'input>,
    ) -> Answer<'a> {
        Box::pin(async move {
            match ask {
                Ask::Body(run) => self.take(run).await,
                // What is to be said of commands that came together with the end of the message goes out
                // with its own reply (RFC 2920 §3.2): each time that the client is woken costs both of us.
                Ask::Begin => self.begin(session).await,
                Ask::End => self.end(session).await,
                Ask::Mail => self.mail(session),
                Ask::Rcpt => self.rcpt(session),
                Ask::Abandon => self.abandon(),
                Ask::Login(claim) => {
                    // A check takes its time: what was said before is not to wait for it.
                    let wait = self.before_write(session);
                    self.pause(wait).await;
                    drive::write(session, conn).await?;
                    self.login(session, claim).await;
                }
                Ask::Nonce => self.nonce(session),
                Ask::ScramKeys(user) => self.scram_keys(session, &user).await,
                Ask::Xclient(client) => self.adopt(session, client),
                Ask::Greeting(delay) => {
                    self.pause(delay).await;
                    if conn.has_heard()? {
                        session.talked_early();
                    }
                }
            }
            Ok(())
        })
    }

    fn before_write(&mut self, session: &mut Session) -> Duration {
        self.note(session, None, None)
    }
}

impl Connection {
    async fn pause(&mut self, wait: Duration) {
        drive::pause(wait, &self.inner.server.context.shutdown).await;
    }

    async fn begin(&mut self, session: &mut Session) {
        match self.inner.mail.begin().await {
            Ok(incoming) => {
                let watch = self.inner.server.context.policy.watch_body();
                self.body = Body::Taking(Box::new(incoming), watch);
                session.proceed();
            }
            Err(error) => session.refuse(self.failed(&error)),
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

    async fn end(&mut self, session: &mut Session) {
        if let Body::Taking(_, watch) | Body::Blocked(watch) = &mut self.body
            && let Some(pattern) = watch.take().and_then(BodyWatch::finish)
        {
            self.body = Body::None;
            return self.block(session, pattern);
        }
        let mut envelope = session.take_envelope();
        envelope.client = self.client;
        envelope.received_ms = unix_ms(SystemTime::now());
        let kept = match std::mem::replace(&mut self.body, Body::None) {
            Body::Taking(incoming, _) => incoming.keep(envelope).await,
            Body::Failed(error) => Err(error),
            Body::None | Body::Blocked(_) => Err(store::Error::Closed),
        };
        match kept {
            Ok(record) => {
                self.inner.server.context.metrics.messages_received.add(1);
                self.inner.server.context.metrics.received_lately.add(record.envelope.received_ms);
                self.inner.server.context.metrics.bytes_received.add(record.summary.size);
                self.kept_octets += record.summary.size;
                log::info!(
                    client:% = Client(self.client),
                    id:% = record.id,
                    from:% = record.envelope.reverse_path,
                    to:% = recipients(&record.envelope),
                    size = record.summary.size;
                    "message"
                );
                session.kept(&record.id);
            }
            Err(error) => {
                self.inner.server.context.metrics.messages_refused.add(1);
                session.refuse(self.failed(&error));
            }
        }
    }

    fn abandon(&mut self) {
        self.inner.server.context.metrics.messages_refused.add(1);
        self.body = Body::None;
    }

    /// What the client hears when the store failed, and what the log keeps.
    fn failed(&self, error: &store::Error) -> Reply {
        log::error!(client:% = Client(self.client), error:% = error; "message not stored");
        match error {
            store::Error::Full => Reply::INSUFFICIENT_STORAGE,
            store::Error::Closed => Reply::SHUTTING_DOWN,
            store::Error::Io(_)
            | store::Error::Damaged(_)
            | store::Error::Open(_)
            | store::Error::Invalid(_) => Reply::LOCAL_ERROR,
        }
    }

    /// One line a connection, always the same keys in the same order.
    fn log(&self, session: &Session, end: Ended, begun: Instant) {
        let log = session.log();
        self.inner.server.context.metrics.commands_refused.add(log.refused);
        let not_kept = log.octets.saturating_sub(self.kept_octets);
        self.inner.server.context.metrics.bytes_refused.add(not_kept);
        let refusal = log.last_refusal.map(|refusal| {
            let verb = refusal.verb.map_or("-", smtp::Verb::name);
            format!("{verb}: {}", refusal.reply)
        });
        log::info!(
            client:% = Client(self.client),
            helo:% = log.helo.unwrap_or_default(),
            user:% = log.auth_user.unwrap_or_default(),
            tls:% = session.tls().map_or("", |tls: &Tls| &tls.version),
            messages = log.messages_kept,
            refused = log.refused,
            refusal:% = refusal.unwrap_or_default(),
            ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
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
