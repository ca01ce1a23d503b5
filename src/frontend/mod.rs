//! What the front ends for mail protocols have in common: a connection from its first octet to its end,
//! whatever is spoken on it, and the logins.
//!
//! A front end brings the session of its protocol, what answers that session's questions, and its words for
//! turning somebody away.

mod arrival;
mod listener;
mod logins;
mod offered;

use std::{
    fmt,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use smol::future;

use self::arrival::Refusal;
pub use self::{
    arrival::Arrived,
    listener::{MaybeAddress, TlsMode, server_name},
    logins::PutOff,
    offered::Offered,
};
use crate::{
    auth::Auth,
    metrics::{self, Metrics},
    net::{
        Conn, Socket,
        drive::{Driver, End, Handler},
        tls::Certificates,
    },
    panics,
    policy::{Policy, Rejection},
    refusals::Refusals,
    shutdown::Shutdown,
    wire::{network::Network, session::Session},
};

/// What all front ends work with.
#[derive(Clone)]
pub struct Context {
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

/// What a listener means for its connections, whatever is spoken on them.
pub struct Server {
    /// What all front ends work with.
    pub context: Context,
    /// Whether and when connections are encrypted.
    pub tls: TlsMode,
    /// Connections begin with a header of the PROXY protocol.
    pub proxy: bool,
    /// Who may say who a client is.
    pub proxies: Vec<Network>,
    /// Connections of this listener.
    pub counts: Arc<metrics::Listener>,
    /// Connections of this protocol.
    pub connections: Arc<metrics::Connections>,
}

/// A protocol with its server.
pub trait FrontEnd {
    /// The conversation.
    type Session: Session + Send;
    /// What answers its questions.
    type Handler: Handler<Self::Session> + Send;

    /// What does not depend on the protocol.
    fn server(&self) -> &Server;

    /// A conversation with a client begins.
    fn begin(self: &Arc<Self>, arrived: Arrived) -> (Self::Session, Self::Handler);

    /// It has ended: writes the line of the log.
    fn ended(&self, handler: Self::Handler, session: &Self::Session, end: Ended, begun: Instant);

    /// There is no conversation with a client: writes the line of the log.
    fn refused(&self, client: Option<SocketAddr>, why: TurnedAway);

    /// The line that a client hears instead of a greeting, or in place of what a panic kept back.
    fn last_word(&self, why: TurnedAway) -> String;
}

/// Why there is no conversation.
#[derive(Clone, Copy, Debug)]
pub enum TurnedAway {
    /// All permits are taken.
    TooMany,
    /// The policy does not want the client.
    Rejected(Rejection),
    /// Our own code was wrong.
    Panicked,
}

/// How a conversation ended, in a word for the log.
#[derive(Clone, Copy, Debug)]
pub struct Ended(&'static str);

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// A client in the log.
#[derive(Clone, Copy, Debug)]
pub struct Client(pub Option<SocketAddr>);

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(address) => address.fmt(f),
            None => f.write_str("unix"),
        }
    }
}

/// One connection, from its first octet to its end.
///
/// What lives as long as it stands here and nowhere else: a future that is handed to another has room in both.
pub async fn serve<F: FrontEnd>(front: &Arc<F>, socket: Socket, peer: Option<SocketAddr>) {
    let server = front.server();
    let _open = server.counts.connections_now.hold();
    server.counts.connections.add(1);
    let mut conn = Conn::new(socket);
    let Some(_permit) = server.connections.permit() else {
        return Box::pin(turn_away(&**front, &mut conn, peer, TurnedAway::TooMany)).await;
    };
    // Boxed, because few are arriving at a time and idle connections are to stay small.
    match Box::pin(arrive(server, &mut conn, peer)).await {
        Ok(arrived) => {
            let (begun, client) = (Instant::now(), arrived.client);
            let (mut session, mut handler) = front.begin(*arrived);
            let end = {
                let driver = Driver {
                    certificates: server.context.certificates.as_ref(),
                    shutdown: &server.context.shutdown,
                };
                // Pinned here, because handing it over would make room for it twice.
                let running = std::pin::pin!(driver.run(&mut session, &mut conn, &mut handler));
                panics::catch(running).await
            };
            front.ended(handler, &session, ended(client, &end), begun);
            // The socket stays out here: the client of a conversation that panicked hears of it.
            if end.is_err() {
                let line = front.last_word(TurnedAway::Panicked);
                Box::pin(say(&mut conn, &line)).await;
            }
        }
        Err(Refusal::Policy(client, rejection)) => {
            server.connections.refused.add(1);
            let why = TurnedAway::Rejected(rejection);
            Box::pin(turn_away(&**front, &mut conn, client, why)).await;
        }
        Err(why) => {
            log::info!(client:% = Client(peer), why:% = why; "connection refused");
            if let Refusal::Panicked = why {
                Box::pin(turn_away(&**front, &mut conn, peer, TurnedAway::Panicked)).await;
            }
        }
    }
    Box::pin(conn.finish()).await;
}

async fn arrive(
    server: &Server,
    conn: &mut Conn,
    peer: Option<SocketAddr>,
) -> Result<Box<Arrived>, Refusal> {
    let ended = async {
        server.context.shutdown.begun().await;
        Err(Refusal::Ending)
    };
    let arrived = panics::catch(future::or(server.arrive(conn, peer), ended)).await;
    arrived.unwrap_or(Err(Refusal::Panicked)).map(Box::new)
}

fn ended(client: Option<SocketAddr>, end: &Result<End, panics::Panicked>) -> Ended {
    if let Ok(End::NoTls(error)) = end {
        log::info!(client:% = Client(client), error:% = error; "TLS handshake failed");
    }
    Ended(match end {
        Ok(End::Closed) => "closed",
        Ok(End::Gone) => "gone",
        Ok(End::NoTls(_) | End::Broken(_)) => "broken",
        Err(panics::Panicked) => "panicked",
    })
}

/// Says why there is no conversation; where TLS comes first, words in clear would only confuse.
async fn turn_away<F: FrontEnd>(
    front: &F,
    conn: &mut Conn,
    client: Option<SocketAddr>,
    why: TurnedAway,
) {
    front.refused(client, why);
    let line = front.last_word(why);
    if front.server().tls != TlsMode::Implicit {
        say(conn, &line).await;
    }
}

/// A last word outside of a session, to whoever still listens.
async fn say(conn: &mut Conn, line: &str) {
    let _ = conn.send(line.as_bytes(), Instant::now() + LAST_WORD).await;
}

/// How long a last word may take.
const LAST_WORD: Duration = Duration::from_secs(1);
