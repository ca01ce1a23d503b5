//! Clients that send without pause, each message until it is answered 250, and a ledger of what was said.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use mongodb::bson::{Document, doc};
use smol::stream::StreamExt as _;

use super::server::Database;
use crate::harness::Client;

/// Clients at work.
pub(super) struct Load {
    stop: Arc<AtomicBool>,
    pub(super) acknowledged: Arc<AtomicU64>,
    threads: Vec<JoinHandle<Said>>,
}

/// What was said to a client.
#[derive(Default)]
pub(super) struct Said {
    /// Subjects that were answered 250.
    pub(super) kept: BTreeSet<String>,
    /// The connection broke before the answer: nobody knows.
    unknown: BTreeSet<String>,
    /// How often it was 4xx.
    pub(super) later: u64,
    /// The longest time from the end of data to the answer.
    pub(super) slowest: Duration,
}

impl Load {
    /// As many clients as there are numbers of them, going round the addresses.
    pub(super) fn start(addresses: &[SocketAddr], clients: usize, size: usize) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let acknowledged = Arc::new(AtomicU64::new(0));
        let threads =
            (0..clients).zip(addresses.iter().copied().cycle()).map(|(number, address)| {
                let (stop, count) = (stop.clone(), acknowledged.clone());
                thread::spawn(move || client(address, number, size, &stop, &count))
            });
        let threads = threads.collect();
        Self { stop, acknowledged, threads }
    }

    /// Waits until so many more were answered 250.
    pub(super) fn more(&self, messages: u64) {
        let enough = self.acknowledged.load(Ordering::SeqCst) + messages;
        crate::harness::eventually(60, "messages are taken", || {
            self.acknowledged.load(Ordering::SeqCst) >= enough
        });
    }

    /// Ends the clients when each has its answer; what was said to them.
    pub(super) fn end(self) -> Said {
        self.stop.store(true, Ordering::SeqCst);
        let mut all = Said::default();
        for thread in self.threads {
            let said = thread.join().unwrap();
            all.kept.extend(said.kept);
            all.unknown.extend(said.unknown);
            all.later += said.later;
            all.slowest = all.slowest.max(said.slowest);
        }
        all
    }
}

impl Said {
    /// Fails unless everything that was answered 250 is stored once, and nothing else.
    pub(super) fn check(&self, database: &Database) {
        let stored = subjects(database);
        let lost: Vec<_> = self.kept.iter().filter(|it| !stored.contains_key(*it)).collect();
        let twice: Vec<_> = stored.iter().filter(|(_, count)| **count > 1).collect();
        let known = |it: &&String| self.kept.contains(*it) || self.unknown.contains(*it);
        let strange: Vec<_> = stored.keys().filter(|it| !known(it)).collect();
        assert!(lost.is_empty(), "{} of {} are lost: {lost:?}", lost.len(), self.kept.len());
        assert!(twice.is_empty(), "stored twice: {twice:?}");
        assert!(strange.is_empty(), "never answered 250, but stored: {strange:?}");
    }
}

/// Every subject that is stored, and how often.
fn subjects(database: &Database) -> BTreeMap<String, u64> {
    database.with(async |database| {
        let messages = database.collection::<Document>("messages");
        let all = doc! { "state": { "$exists": true } };
        let subject = doc! { "summary.subject": 1 };
        let mut found = messages.find(all).projection(subject).await.unwrap();
        let mut subjects = BTreeMap::new();
        while let Some(message) = found.try_next().await.unwrap() {
            let summary = message.get_document("summary").unwrap();
            *subjects.entry(summary.get_str("subject").unwrap().to_owned()).or_default() += 1;
        }
        subjects
    })
}

fn client(
    address: SocketAddr,
    number: usize,
    size: usize,
    stop: &AtomicBool,
    acknowledged: &AtomicU64,
) -> Said {
    let mut said = Said::default();
    let mut connection = None;
    for count in 0.. {
        if stop.load(Ordering::SeqCst) {
            break;
        }
        let subject = format!("load {number} {count}");
        let body =
            format!("Subject: {subject}\r\n\r\n{}\r\n.", "0123456789abcdef ".repeat(size / 17));
        loop {
            let Some(client) = connection.as_mut() else {
                match connect(address) {
                    Some(client) => connection = Some(client),
                    // It was killed.
                    None => return said,
                }
                continue;
            };
            let (reply, waited) = send(client, &body);
            said.slowest = said.slowest.max(waited);
            match reply {
                Some(reply) if reply.starts_with("250") => {
                    said.kept.insert(subject);
                    acknowledged.fetch_add(1, Ordering::SeqCst);
                    break;
                }
                Some(reply) => {
                    assert!(reply.starts_with("451 4.3.0") || reply.starts_with("421"), "{reply}");
                    if reply.starts_with("421") {
                        connection = None;
                    }
                    said.later += 1;
                    thread::sleep(Duration::from_millis(100));
                }
                None => {
                    said.unknown.insert(subject);
                    return said;
                }
            }
        }
    }
    said
}

fn connect(address: SocketAddr) -> Option<Client> {
    let stream = std::net::TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(60))).ok()?;
    let mut client = Client::over(stream);
    client.reply().ok()?;
    client.say("EHLO load.example").ok()?;
    Some(client)
}

/// The first reply that is none of those that let a message go on, and how long the last one took.
fn send(client: &mut Client, body: &str) -> (Option<String>, Duration) {
    let lines =
        [("MAIL FROM:<a@example.org>", "250"), ("RCPT TO:<b@example.org>", "250"), ("DATA", "354")];
    let mut start = Instant::now();
    for (line, expected) in lines {
        start = Instant::now();
        match client.say(line) {
            Ok(reply) if reply.starts_with(expected) => {}
            Ok(reply) => {
                let waited = start.elapsed();
                // The next message begins anew.
                let _ = client.say("RSET");
                return (Some(reply), waited);
            }
            Err(_) => return (None, start.elapsed()),
        }
    }
    start = Instant::now().max(start);
    (client.say(body).ok(), start.elapsed())
}
