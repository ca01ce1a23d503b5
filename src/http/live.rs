//! `/ws`: what happens to the messages, as it happens.
//!
//! A client names the epoch and the last event it knows and is told everything since, or that it
//! missed something and has to look again. Each client reads the bus at its own pace from its own
//! task, so that a slow one delays nobody; one that takes nothing at all is closed.

use std::time::{Duration, Instant};

use async_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Message,
        error::ProtocolError,
        protocol::{
            Role, WebSocketConfig,
            frame::{CloseFrame, coding::CloseCode},
        },
    },
};
use serde::Serialize;
use smol::{
    Timer,
    future::{self, FutureExt},
    io::{AsyncReadExt, AsyncWriteExt},
    stream::StreamExt,
};

use super::{
    HttpContext,
    authn::Principal,
    row::Row,
    timeout_stream::{Io, TimeoutStream},
    upgrade::{FeedParams, Request},
};
use crate::{
    bus::{Event, Heard},
    id::MessageId,
    mail::{Scope, Watch},
    net::DeadlineTimer,
    panics::{self, Panicked},
    store::Counts,
};

/// Serves the websocket to its end.
pub(super) async fn serve(request: Request, context: &HttpContext, peer: &str) {
    let Ok(upgraded) = request.upgrade.await else { return };
    let Ok(parts) = upgraded.downcast::<Io>() else { return };
    let _open = context.metrics.websockets_now.hold();
    let config = WebSocketConfig::default()
        .read_buffer_size(BUFFER)
        .write_buffer_size(BUFFER)
        .max_write_buffer_size(MOST_WRITTEN)
        .max_message_size(Some(LONGEST_MESSAGE))
        .max_frame_size(Some(LONGEST_MESSAGE));
    let io = parts.io.into_inner();
    let socket =
        WebSocketStream::from_partially_read(io, parts.read_buf.into(), Role::Server, Some(config));
    let (now, scope) = (Instant::now(), request.principal.scope());
    let mut client = Client {
        socket: socket.await,
        principal: &request.principal,
        events: context.mail.watch(&scope, None),
        scope,
        context,
        counts: Counts::default(),
        counts_sent: now,
        counts_due: None,
        next_ping: now + Duration::from_secs(context.options.ping_seconds),
        next_events: None,
        timer: DeadlineTimer::default(),
        is_heard: true,
    };
    let ended = match panics::catch(client.run(&request.asked)).await {
        Ok(ended) => ended,
        Err(Panicked) => client.goodbye(Some(CloseCode::Error)).await,
    };
    if let Err(error) = ended {
        log::debug!("{peer}: live feed: {error}");
    }
}

struct Client<'a> {
    socket: WebSocketStream<TimeoutStream>,
    events: Watch,
    /// What may be told.
    scope: Scope,
    context: &'a HttpContext,
    /// Who was let in, and may have logged out since.
    principal: &'a Principal,
    counts: Counts,
    counts_sent: Instant,
    /// When to look whether the totals changed, once something happened.
    counts_due: Option<Instant>,
    next_ping: Instant,
    /// When to listen to the bus again, if not now.
    next_events: Option<Instant>,
    timer: DeadlineTimer,
    /// Something came from the client since the last ping.
    is_heard: bool,
}

/// What a client's task wakes up for.
enum Wake {
    Bus(Heard),
    Peer(Option<Result<Message, WsError>>),
    Time,
    Shutdown,
}

type WsError = async_tungstenite::tungstenite::Error;

impl Client<'_> {
    async fn run(&mut self, asked: &FeedParams) -> Result<(), WsError> {
        self.hello(asked).await?;
        loop {
            let wake = self.wake().await;
            if !self.context.still_admits(self.principal) {
                return self.goodbye(Some(CloseCode::Library(LOGGED_OUT))).await;
            }
            match wake {
                Wake::Bus(Heard::Missed(next)) => {
                    self.send(&Frame::Missed { next }).await?;
                    self.count_soon();
                }
                Wake::Bus(Heard::Events(first, events)) => {
                    let next = first + events.len() as u64;
                    let events = events.iter().map(Happened::new).collect();
                    self.send(&Frame::Events { first, events }).await?;
                    self.rest(next);
                    self.count_soon();
                }
                Wake::Peer(None | Some(Ok(Message::Close(_)))) => return self.goodbye(None).await,
                // What a client says means nothing to us, except that it is there. The answer to its
                // ping is sent by the protocol below.
                Wake::Peer(Some(Ok(_))) => {
                    self.is_heard = true;
                    // One that never stops talking must not keep the thread from others.
                    future::yield_now().await;
                }
                Wake::Peer(Some(Err(error))) => return self.complain(error).await,
                Wake::Time if !self.tick().await? => {
                    return self.goodbye(Some(CloseCode::Policy)).await;
                }
                Wake::Time => {}
                Wake::Shutdown => return self.goodbye(Some(CloseCode::Away)).await,
            }
        }
    }

    async fn hello(&mut self, asked: &FeedParams) -> Result<(), WsError> {
        let context = self.context;
        self.counts = context.mail.counts(&self.scope).await.unwrap_or_default();
        let is_known = asked.epoch == context.epoch;
        let next = match asked.after {
            Some(after) if is_known => after.saturating_add(1),
            _ => context.mail.next_event(),
        };
        // From the very number that is named, so that nothing falls in between.
        self.events = context.mail.watch(&self.scope, Some(next));
        let counts = Totals::new(&self.counts);
        self.send(&Frame::Hello { epoch: &context.epoch, next, counts }).await?;
        if !is_known && !asked.epoch.is_empty() {
            self.send(&Frame::Missed { next }).await?;
        }
        Ok(())
    }

    async fn wake(&mut self) -> Wake {
        let due = [self.counts_due, self.next_events].into_iter().flatten();
        let due = due.fold(self.next_ping, Instant::min);
        let is_resting = self.next_events.is_some();
        let (events, socket, timer) = (&mut self.events, &mut self.socket, &mut self.timer);
        // Shutdown first, the bus last: a flood of events must not keep us from hearing the rest.
        async {
            self.context.shutdown.begun().await;
            Wake::Shutdown
        }
        .or(async { Wake::Peer(socket.next().await) })
        .or(async {
            timer.at(due).await;
            Wake::Time
        })
        .or(async {
            if is_resting {
                return future::pending().await;
            }
            Wake::Bus(events.next(MOST_EVENTS).await)
        })
        .await
    }

    /// Does what is due; false if the client is gone.
    async fn tick(&mut self) -> Result<bool, WsError> {
        let now = Instant::now();
        self.next_events = self.next_events.filter(|next| *next > now);
        if self.counts_due.is_some_and(|due| due <= now) {
            self.counts_due = None;
            self.counts_sent = now;
            // A store that fails now may answer after the next change.
            if let Ok(counts) = self.context.mail.counts(&self.scope).await
                && counts != self.counts
            {
                self.counts = counts;
                self.send(&Frame::Stats { counts: Totals::new(&counts) }).await?;
            }
        }
        if self.next_ping <= now {
            if !self.is_heard {
                return Ok(false);
            }
            self.is_heard = false;
            self.next_ping = now + Duration::from_secs(self.context.options.ping_seconds);
            self.socket.send(Message::Ping(Default::default())).await?;
        }
        Ok(true)
    }

    /// Lets more events come together, unless there is another frame of them already.
    fn rest(&mut self, next: u64) {
        if self.context.mail.next_event() < next + MOST_EVENTS as u64 {
            self.next_events = Some(Instant::now() + EVENTS_APART);
        }
    }

    fn count_soon(&mut self) {
        let due = (self.counts_sent + STATS_APART).max(Instant::now() + STATS_SETTLE);
        self.counts_due.get_or_insert(due);
    }

    async fn send(&mut self, frame: &Frame<'_>) -> Result<(), WsError> {
        let text = serde_json::to_string(frame).map_err(std::io::Error::from)?;
        self.socket.send(Message::text(text)).await
    }

    /// Tells the client what it did wrong (RFC 6455 §7.1.7), if it did and is still there.
    async fn complain(&mut self, error: WsError) -> Result<(), WsError> {
        let code = match &error {
            WsError::Protocol(ProtocolError::ResetWithoutClosingHandshake) => return Err(error),
            WsError::Protocol(_) => CloseCode::Protocol,
            WsError::Utf8(_) => CloseCode::Invalid,
            WsError::Capacity(_) => CloseCode::Size,
            _ => return Err(error),
        };
        let frame = CloseFrame { code, reason: Default::default() };
        self.socket.send(Message::Close(Some(frame))).await?;
        // What it goes on to send is dropped unread by the protocol above it: were it left in the socket,
        // closing would reset the connection, and the frame might never be seen.
        let io = self.socket.get_mut();
        let hung_up = async {
            let mut waste = vec![0; BUFFER];
            let _ = io.close().await;
            while matches!(io.read(&mut waste).await, Ok(1..)) {
                future::yield_now().await;
            }
        };
        future::or(hung_up, async {
            Timer::after(GOODBYE).await;
        })
        .await;
        Err(error)
    }

    /// Says goodbye, or answers the client's, and waits a moment for the other side to hang up
    /// (RFC 6455 §7.1.1).
    async fn goodbye(&mut self, code: Option<CloseCode>) -> Result<(), WsError> {
        if let Some(code) = code {
            let frame = CloseFrame { code, reason: Default::default() };
            self.socket.send(Message::Close(Some(frame))).await?;
        }
        let hung_up = async {
            while self.socket.next().await.is_some_and(|it| it.is_ok()) {
                future::yield_now().await;
            }
        };
        let patience = async {
            Timer::after(GOODBYE).await;
        };
        future::or(hung_up, patience).await;
        Ok(())
    }
}

/// What is sent, as the script reads it.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Frame<'a> {
    Hello { epoch: &'a str, next: u64, counts: Totals },
    Events { first: u64, events: Vec<Happened> },
    Stats { counts: Totals },
    Missed { next: u64 },
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Happened {
    New { message: Box<Row> },
    Deleted { ids: Vec<String> },
    Changed { ids: Vec<String> },
    Reload,
}

#[derive(Serialize)]
struct Totals {
    messages: u64,
    unread: u64,
    bytes: u64,
}

impl Happened {
    fn new(event: &Event) -> Self {
        let names = |ids: &[MessageId]| ids.iter().map(ToString::to_string).collect();
        match event {
            // Too many to name: whoever shows a list of one of them looks again.
            Event::New(record) if record.envelope.forward_paths.len() > MOST_MAILBOXES => {
                Self::Reload
            }
            Event::New(record) => Self::New { message: Box::new(Row::new(record)) },
            Event::Deleted { ids } => Self::Deleted { ids: names(ids) },
            Event::Changed { ids, .. } => Self::Changed { ids: names(ids) },
            Event::Emptied | Event::Reload => Self::Reload,
        }
    }
}

impl Totals {
    fn new(counts: &Counts) -> Self {
        Self { messages: counts.messages, unread: counts.unread, bytes: counts.bytes }
    }
}

/// Most events in a frame.
const MOST_EVENTS: usize = 100;

/// Most recipients of a message that is told as a row; bounds the size of a frame.
const MOST_MAILBOXES: usize = 50;

/// Least time between two frames of events: what comes meanwhile goes out together. To be woken for each
/// message of a burst costs both sides more than it says, and nobody sees so short a time.
const EVENTS_APART: Duration = Duration::from_millis(3);

/// Least time between two totals.
const STATS_APART: Duration = Duration::from_millis(250);

/// Totals wait so long for the rest of a burst.
const STATS_SETTLE: Duration = Duration::from_millis(25);

/// What the script hears when its user logged out or is gone: the code of HTTP, in the range for us
/// (RFC 6455 §7.4.2).
const LOGGED_OUT: u16 = 4401;

/// How long the other side may take to hang up.
const GOODBYE: Duration = Duration::from_secs(1);

/// Read and write buffer of a client in octets; tungstenite's own choice is 128 KB each.
const BUFFER: usize = 4 * 1024;

/// The largest frame we send: a hundred rows of long subjects in JSON escapes, and room to spare.
const MOST_WRITTEN: usize = 4 * 1024 * 1024;

/// Longest message from a client in octets; none that we know says anything.
const LONGEST_MESSAGE: usize = 64 * 1024;
