//! The POP3 front end: answers what its sessions ask.

mod maildrop;
mod options;

use std::{
    io,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

pub use self::options::{Access, Delete, Entry, Listener, Options};
use crate::{
    auth::Auth,
    frontend::{
        self, Arrived, Client, Context, Ended, FrontEnd, Offered, PutOff, Server, TurnedAway,
    },
    id::MessageId,
    limits,
    mail::{Mail, Scope},
    metrics,
    net::{
        Conn, Socket,
        drive::{self, Answer, Handler},
    },
    policy::ClientPermit,
    pop3::{self, Ask, Failure, Session},
    store,
    wire::sasl::Mechanism,
};

/// Serves the connections of one listener.
#[derive(Clone)]
pub struct Pop3Server(Arc<Inner>);

struct Inner {
    server: Server,
    mail: Mail,
    listener: Listener,
    terms: Terms,
    offered: Offered<pop3::Options>,
}

/// What is configured for all listeners.
#[derive(Clone, Debug)]
pub struct Terms {
    /// `[pop3]`
    pub options: Options,
    /// `[limits]`
    pub limits: limits::Options,
    /// Nothing but a client deletes messages.
    pub is_kept: bool,
}

impl Pop3Server {
    /// The server of one of the [`Options::listeners`].
    pub fn new(
        terms: Terms,
        listener: Listener,
        counts: Arc<metrics::Listener>,
        context: Context,
        mail: Mail,
    ) -> Self {
        let connections = context.metrics.pop3.clone();
        connections.bound(terms.options.connections);
        let server = Server {
            context,
            tls: listener.tls,
            proxy: listener.proxy,
            proxies: terms.options.proxies.clone(),
            counts,
            connections,
        };
        let auth = &server.context.auth;
        let offered = Offered::new(auth, || session_options(&terms, &listener, auth));
        Self(Arc::new(Inner { server, mail, listener, terms, offered }))
    }

    /// One connection, from its first octet to its end.
    pub async fn connection(self, socket: Socket, peer: Option<SocketAddr>) {
        frontend::serve(&self.0, socket, peer).await;
    }
}

/// What the sessions of a listener are told to be.
fn session_options(terms: &Terms, listener: &Listener, users: &Auth) -> pop3::Options {
    let Terms { options, limits, is_kept } = terms;
    let mechanisms = users.mechanisms(listener.mode());
    pop3::Options {
        name: frontend::server_name(&options.name),
        // Whoever can check CRAM-MD5 knows the password itself.
        apop: mechanisms.contains(&Mechanism::CramMd5),
        mechanisms,
        stls: listener.tls.starttls(),
        login_needs_tls: listener.auth_needs_tls,
        is_kept: *is_kept,
        limits: limits.clone(),
        idle_seconds: options.idle_seconds,
    }
}

impl FrontEnd for Inner {
    type Session = Session;
    type Handler = Connection;

    fn server(&self) -> &Server {
        &self.server
    }

    fn begin(self: &Arc<Self>, arrived: Arrived) -> (Session, Connection) {
        let Arrived { client, permit, tls, .. } = arrived;
        let context = &self.server.context;
        let make = |_: &_| session_options(&self.terms, &self.listener, &context.auth);
        let options = self.offered.now(&context.auth, make);
        let nonce = if options.apop { context.nonce().ok() } else { None };
        let session = Session::new(options, tls, nonce, Instant::now());
        let (inner, scope) = (self.clone(), Scope::Mailbox(String::new()));
        (session, Connection { inner, client, _permit: permit, scope })
    }

    fn ended(&self, connection: Connection, session: &Session, end: Ended, begun: Instant) {
        let stats = session.stats();
        log::info!(
            client:% = Client(connection.client),
            user:% = session.user().unwrap_or_default(),
            tls:% = session.tls().map_or("", |tls| &tls.version),
            retrieved = stats.retrieved,
            octets = stats.octets,
            deleted = stats.deleted,
            refused = stats.refused,
            ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
            end:% = end;
            "POP3 connection"
        );
    }

    fn refused(&self, client: Option<SocketAddr>, why: TurnedAway) {
        let reply = self.last_word(why);
        log::warn!(client:% = Client(client), reply = reply.trim_end(); "POP3 connection refused");
    }

    fn last_word(&self, why: TurnedAway) -> String {
        let why = match why {
            TurnedAway::TooMany => "[SYS/TEMP] Too many connections, try again later",
            TurnedAway::Panicked => "[SYS/TEMP] Internal error, try again later",
            TurnedAway::Rejected(_) => "[SYS/PERM] Access denied",
        };
        format!("-ERR {why}\r\n")
    }
}

/// What answers the questions of one session.
struct Connection {
    inner: Arc<Inner>,
    /// None on a Unix socket.
    client: Option<SocketAddr>,
    _permit: ClientPermit,
    /// What it sees: until somebody has logged in, a mailbox without messages.
    scope: Scope,
}

impl Handler<Session> for Connection {
    fn answer<'a, 'input: 'a>(
        &'a mut self,
        session: &'a mut Session,
        conn: &'a mut Conn,
        ask: Ask,
    ) -> Answer<'a> {
        Box::pin(async move {
            let inner = self.inner.clone();
            let context = &inner.server.context;
            match ask {
                Ask::Nonce => match context.nonce() {
                    Ok(octets) => session.nonce(octets),
                    Err(PutOff) => session.refuse(&Failure::TRY_AGAIN),
                },
                Ask::ScramKeys(user) => match context.scram_keys(self.client, &user).await {
                    Ok(keys) => session.scram_keys(keys),
                    Err(PutOff) => session.refuse(&Failure::TRY_AGAIN),
                },
                Ask::Login(claim) => {
                    // What was refused before counts first, and its answer is not to wait for the check.
                    let wait = self.before_write(session);
                    drive::pause(wait, &context.shutdown).await;
                    drive::write(session, conn).await?;
                    let tls = session.tls();
                    let verdict =
                        context.check_login(self.client, self.inner.listener.mode(), claim, tls);
                    let verdict = verdict.await;
                    session.login(verdict);
                }
                Ask::Open(user) => {
                    let scope = self.inner.scope(&user);
                    match self.inner.open(&scope).await {
                        Ok(maildrop) => {
                            self.scope = scope;
                            session.open(maildrop);
                        }
                        Err(error) => session.refuse(&self.failed(&error)),
                    }
                }
                Ask::Retrieve(id) => self.retrieve(session, conn, id).await?,
                Ask::Delete(ids) => match inner.delete(&self.scope, ids).await {
                    Ok(count) => session.deleted(count),
                    Err(error) => session.refuse(&self.failed(&error)),
                },
            }
            Ok(())
        })
    }

    fn before_write(&mut self, session: &mut Session) -> Duration {
        let context = &self.inner.server.context;
        let waits = (0..session.failed_logins()).map(|_| context.login_failed(self.client));
        waits.max().unwrap_or_default()
    }
}

impl Connection {
    async fn retrieve(
        &mut self,
        session: &mut Session,
        conn: &mut Conn,
        id: MessageId,
    ) -> io::Result<()> {
        let found =
            self.inner.mail.pieces(&self.scope, id).await.map_err(|error| self.failed(&error));
        let mut pieces = match found.and_then(|found| found.ok_or(Failure::GONE)) {
            Ok(pieces) => pieces,
            Err(failure) => {
                session.refuse(&failure);
                return Ok(());
            }
        };
        session.begin_message();
        loop {
            match pieces.next().await {
                Ok(Some(piece)) => {
                    let more = session.content(piece, Instant::now());
                    drive::write(session, conn).await?;
                    if !more {
                        break;
                    }
                }
                Ok(None) => break,
                Err(error) => {
                    log::error!(id:% = id, error:% = error; "message not sent");
                    session.refuse(&Failure::DAMAGED);
                    return Ok(());
                }
            }
        }
        session.end_message();
        Ok(())
    }

    fn failed(&self, error: &store::Error) -> Failure {
        log::error!(client:% = Client(self.client), error:% = error; "POP3 command failed");
        match error {
            store::Error::Damaged(_) => Failure::DAMAGED,
            _ => Failure::TRY_AGAIN,
        }
    }
}
