//! Our own code is wrong on purpose: a store panics where it is told to, under the whole service.

// A helper of a test may fail it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{
    collections::BTreeMap,
    fs,
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    thread::JoinHandle,
};

use async_tungstenite::{
    client_async,
    tungstenite::{Message, client::IntoClientRequest},
};
use smol::{Async, stream::StreamExt as _};
use smtpd::{
    config::Config,
    id::MessageId,
    log, message, panics,
    reload::Reload,
    server,
    shutdown::Shutdown,
    store::{
        self, Batch, BoxFuture, Change, Counts, Cursor, Draft, Error, Kind, Left, Mailbox, Note,
        Page, Query, Raw, Record, RetentionLimits, Selection, Store,
    },
    wire::Envelope,
};

use crate::harness::{Client, connect, eventually};

/// What stands in a message, and must never stand in a log.
const PRIVATE: &str = "the quick brown fox";

/// The log of this process, once all panics of it are told there.
static LOG: LazyLock<PathBuf> = LazyLock::new(|| {
    let path = tempfile::tempdir().unwrap().keep().join("smtpd.log");
    log::init(&log::Options { file: path.clone(), ..log::Options::default() }).unwrap();
    let default = std::panic::take_hook();
    panics::watch();
    let ours = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        ours(info);
        // Tests that fail have something to say.
        if panics::LogScope::current().is_none() {
            default(info);
        }
    }));
    path
});

/// The whole service on a store that panics.
struct Service {
    smtp: SocketAddr,
    http: SocketAddr,
    faulty: Faulty,
    shutdown: Shutdown,
    running: Option<JoinHandle<Result<(), String>>>,
}

impl Service {
    fn start(more: &str) -> Self {
        LazyLock::force(&LOG);
        let text = format!(
            "[smtp]\nlisten = '127.0.0.1:0'\n[http]\nlisten = '127.0.0.1:0'\n\
             [store]\nkind = 'memory'\n[server]\nthreads = 2\n{more}"
        );
        let config = Config::from_text("", &text, []).unwrap().config;
        let options = store::Options { kind: Kind::Memory, ..store::Options::default() };
        let faulty = Faulty::on(store::open(&options).unwrap());
        let shutdown = Shutdown::new();
        let (tell, told) = std::sync::mpsc::channel();
        let running = std::thread::spawn({
            let (faulty, shutdown) = (faulty.clone(), shutdown.clone());
            let open = move |_: &store::Options| Ok(Arc::new(faulty) as Arc<dyn Store>);
            let opened = move |addresses| tell.send(addresses).unwrap();
            move || server::run(config, open, shutdown, Reload::new(), opened)
        });
        let addresses = told.recv().unwrap();
        let address = |url: &str| url.split('/').nth(2).unwrap().parse().unwrap();
        let (smtp, http) = (address(&addresses.smtp[0]), address(&addresses.http));
        Self { smtp, http, faulty, shutdown, running: Some(running) }
    }

    fn client(&self) -> Client {
        let mut client = Client::connect(self.smtp);
        assert!(client.say("EHLO client.example").unwrap().starts_with("250"));
        client
    }

    /// Status line and body of an answer.
    fn get(&self, path: &str) -> (String, String) {
        use std::io::{Read as _, Write as _};
        let mut stream = connect(self.http);
        let head = format!("GET {path} HTTP/1.0\r\nHost: {}\r\n\r\n", self.http);
        stream.write_all(head.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.lines().next().unwrap().to_owned(), body.to_owned())
    }

    /// Mail and pages work.
    fn works(&self) {
        let reply = self.client().mail("Subject: fine\r\n\r\nfine").unwrap();
        assert!(reply.starts_with("250 "), "{reply}");
        assert_eq!(self.get("/readyz").0, "HTTP/1.0 200 OK");
        assert!(self.get("/").0.ends_with("200 OK"));
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.shutdown.begin();
        let ended = self.running.take().unwrap().join();
        if !std::thread::panicking() {
            assert_eq!(ended.unwrap(), Ok(()), "it ends as if nothing had happened");
        }
    }
}

/// The lines of the log that hold all of these.
fn lines(words: &[&str]) -> Vec<String> {
    let text = fs::read_to_string(&*LOG).unwrap();
    assert!(!text.contains(PRIVATE), "the log holds what stood in a message");
    let holds = |line: &&str| words.iter().all(|word| line.contains(word));
    text.lines().filter(holds).map(str::to_owned).collect()
}

/// The session that a line of the log names.
fn session(line: &str) -> &str {
    line.split("session=").nth(1).unwrap_or_else(|| panic!("no session in {line}"))
}

#[test]
fn a_conversation_that_panics_hears_421_and_the_service_goes_on() {
    let service = Service::start("");
    for place in [Place::Begin, Place::Write, Place::Commit, Place::Aside] {
        let before = panics::total();
        service.faulty.panic_at(place, 1);
        let mut client = service.client();
        client.send(b"MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n").unwrap();
        let mut last = String::new();
        let mut replies = 0;
        client.send(format!("{PRIVATE}\r\n.\r\n").as_bytes()).unwrap();
        while let Ok(reply) = client.reply() {
            last = reply;
            replies += 1;
        }
        assert_eq!(last, "421 4.3.0 Internal error, try again later\r\n", "{place:?}");
        assert!(replies <= 4, "{place:?}: something came after 421");
        assert!(panics::total() > before);
        service.works();
    }
    // Where, in which session, and nothing else; the line of the connection names the same one.
    let told = lines(&["panic: this is a bug", "session=smtp-", "tests/it/panics.rs:"]);
    assert!(told.len() >= 3, "{told:?}");
    for line in told {
        let name = format!("session={}", session(&line));
        eventually(5, "the line of the connection", || {
            let ended = lines(&["connection client=", "end=panicked"]);
            ended.iter().filter(|line| line.ends_with(&name)).count() == 1
        });
    }
    let status: serde_json::Value = serde_json::from_str(&service.get("/status").1).unwrap();
    assert!(status["panics"].as_u64().unwrap() >= 4, "{status}");
    assert_eq!(status["messages"], 4, "only what was answered 250 is there");
}

#[test]
fn a_page_that_panics_is_a_500_and_the_connection_goes_on() {
    let service = Service::start("");
    service.faulty.panic_at(Place::List, 1);
    let (head, body) = service.get("/");
    assert_eq!(head, "HTTP/1.0 500 Internal Server Error");
    assert!(!body.contains(PRIVATE), "{body}");
    assert!(!lines(&["panic: this is a bug", "session=http-"]).is_empty());
    service.works();
}

#[test]
fn a_live_feed_that_panics_says_goodbye() {
    let service = Service::start("");
    smol::block_on(async {
        let request = format!("ws://{}/ws", service.http).into_client_request().unwrap();
        let stream = Async::<std::net::TcpStream>::connect(service.http).await.unwrap();
        let (mut socket, _) = client_async(request, stream).await.unwrap();
        assert!(matches!(socket.next().await, Some(Ok(Message::Text(_)))));
        service.faulty.panic_at(Place::Counts, 1);
        assert!(service.client().mail("Subject: news\r\n\r\n").unwrap().starts_with("250 "));
        loop {
            match socket.next().await {
                Some(Ok(Message::Close(Some(frame)))) => {
                    return assert_eq!(u16::from(frame.code), 1011);
                }
                Some(Ok(_)) => {}
                other => panic!("{other:?}"),
            }
        }
    });
    service.works();
}

#[test]
fn retention_that_panics_begins_again() {
    let service = Service::start("[retention]\nmessages = 1\ninterval_seconds = 1");
    service.faulty.panic_at(Place::Prune, 1);
    for _ in 0..3 {
        assert!(service.client().mail("Subject: old\r\n\r\n").unwrap().starts_with("250 "));
    }
    eventually(20, "pruned by a task that began again", || {
        service.get("/status").1.contains("\"messages\":1,")
    });
    assert!(!lines(&["panic: this is a bug", "session=retention"]).is_empty());
    assert!(!lines(&["it begins again", "task=retention"]).is_empty());
}

#[test]
fn a_store_that_stopped_taking_mail_is_not_ready() {
    let service = Service::start("");
    service.works();
    // What a store answers when its writer died.
    service.faulty.0.refuses.store(1, Ordering::SeqCst);
    let mut client = service.client();
    for (line, expected) in
        [("MAIL FROM:<a@example.org>", "250 "), ("RCPT TO:<b@example.org>", "250 ")]
    {
        assert!(client.say(line).unwrap().starts_with(expected));
    }
    let reply = client.say("DATA").unwrap();
    assert!(reply.starts_with("451 4.3.0"), "{reply}");
    assert_eq!(service.get("/readyz").0, "HTTP/1.0 503 Service Unavailable");
    assert_eq!(service.get("/livez").0, "HTTP/1.0 200 OK");
    assert!(service.get("/").0.ends_with("200 OK"), "what is stored can be read");
}

/// Where it panics.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Place {
    Begin,
    Write,
    Commit,
    /// On a thread where blocking is allowed.
    Aside,
    List,
    Counts,
    Prune,
}

/// A store that panics, with somebody's mail in its mouth.
#[derive(Clone)]
struct Faulty(Arc<Inner>);

struct Inner {
    store: Arc<dyn Store>,
    place: AtomicUsize,
    times: AtomicU64,
    refuses: AtomicU64,
}

impl Faulty {
    fn on(store: Arc<dyn Store>) -> Self {
        Self(Arc::new(Inner {
            store,
            place: AtomicUsize::new(usize::MAX),
            times: AtomicU64::new(0),
            refuses: AtomicU64::new(0),
        }))
    }

    fn panic_at(&self, place: Place, times: u64) {
        self.0.times.store(times, Ordering::SeqCst);
        self.0.place.store(place as usize, Ordering::SeqCst);
    }

    fn at(&self, place: Place) {
        let left = |left: u64| left.checked_sub(1);
        if self.0.place.load(Ordering::SeqCst) == place as usize
            && self.0.times.fetch_update(Ordering::SeqCst, Ordering::SeqCst, left).is_ok()
        {
            panic!("on purpose, at {place:?}, with {PRIVATE}");
        }
    }
}

struct FaultyDraft(Faulty, Box<dyn Draft>);

impl Draft for FaultyDraft {
    fn restore(
        self: Box<Self>,
        _: MessageId,
        envelope: Envelope,
        summary: message::Summary,
    ) -> BoxFuture<'static, Arc<Record>> {
        self.commit(envelope, summary)
    }

    fn write<'a>(&'a mut self, chunk: &'a [u8]) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            self.0.at(Place::Write);
            let faulty = self.0.clone();
            smol::unblock(move || faulty.at(Place::Aside)).await;
            self.1.write(chunk).await
        })
    }

    fn commit(
        self: Box<Self>,
        envelope: Envelope,
        summary: message::Summary,
    ) -> BoxFuture<'static, Arc<Record>> {
        Box::pin(async move {
            self.0.at(Place::Commit);
            self.1.commit(envelope, summary).await
        })
    }
}

impl Store for Faulty {
    fn begin(&self) -> BoxFuture<'_, Box<dyn Draft>> {
        Box::pin(async move {
            self.at(Place::Begin);
            if self.0.refuses.load(Ordering::SeqCst) > 0 {
                return Err(Error::Io("the writer ended".into()));
            }
            let draft = self.0.store.begin().await?;
            Ok(Box::new(FaultyDraft(self.clone(), draft)) as Box<dyn Draft>)
        })
    }

    fn get(&self, id: MessageId) -> BoxFuture<'_, Option<Record>> {
        self.0.store.get(id)
    }

    fn raw(&self, id: MessageId) -> BoxFuture<'_, Option<Raw>> {
        self.0.store.raw(id)
    }

    fn list(&self, query: Query) -> BoxFuture<'_, Page> {
        self.at(Place::List);
        self.0.store.list(query)
    }

    fn count(&self, query: Query) -> BoxFuture<'_, u64> {
        self.0.store.count(query)
    }

    fn after(&self, cursor: Option<Cursor>, limit: usize) -> BoxFuture<'_, Batch> {
        self.0.store.after(cursor, limit)
    }

    fn end(&self) -> BoxFuture<'_, Cursor> {
        self.0.store.end()
    }

    fn change(&self, which: Selection, change: Change) -> BoxFuture<'_, Vec<MessageId>> {
        self.0.store.change(which, change)
    }

    fn annotate(&self, id: MessageId, name: String, value: Option<String>) -> BoxFuture<'_, bool> {
        self.0.store.annotate(id, name, value)
    }

    fn annotations(&self, id: MessageId) -> BoxFuture<'_, BTreeMap<String, String>> {
        self.0.store.annotations(id)
    }

    fn delete(&self, which: Selection) -> BoxFuture<'_, u64> {
        self.0.store.delete(which)
    }

    fn leave(&self, ids: Vec<MessageId>, mailbox: String) -> BoxFuture<'_, Left> {
        self.0.store.leave(ids, mailbox)
    }

    fn prune(&self, keep: RetentionLimits) -> BoxFuture<'_, u64> {
        self.at(Place::Prune);
        self.0.store.prune(keep)
    }

    fn counts(&self) -> BoxFuture<'_, Counts> {
        self.at(Place::Counts);
        self.0.store.counts()
    }

    fn mailboxes(&self, after: Option<String>, limit: usize) -> BoxFuture<'_, Vec<Mailbox>> {
        self.0.store.mailboxes(after, limit)
    }

    fn tags(&self) -> BoxFuture<'_, Vec<Mailbox>> {
        self.0.store.tags()
    }

    fn set_note(&self, key: String, value: Option<Vec<u8>>) -> BoxFuture<'_, ()> {
        self.0.store.set_note(key, value)
    }

    fn note(&self, key: String) -> BoxFuture<'_, Option<Vec<u8>>> {
        self.0.store.note(key)
    }

    fn notes(
        &self,
        prefix: String,
        after: Option<String>,
        limit: usize,
    ) -> BoxFuture<'_, Vec<Note>> {
        self.0.store.notes(prefix, after, limit)
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        self.0.store.close()
    }
}
