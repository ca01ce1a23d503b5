//! The load of benches/mongodb.py: SMTP clients, and the bare driver beside them.
//!
//! ```text
//! mongodb-load smtp ADDRESS SESSIONS SECONDS OCTETS        messages/s, p50 and p99 of the 250 in ms
//! mongodb-load bare URI DATABASE SESSIONS SECONDS OCTETS   the same for the documents that are in there
//! mongodb-load initiate PORT                               makes a replica set of one of it
//! ```

// It is started by hand; whatever goes wrong ends it.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::TcpStream,
    sync::Arc,
    time::{Duration, Instant},
};

use mongodb::{
    Client,
    bson::{Document, doc, oid::ObjectId},
    options::WriteConcern,
};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let number = |text: &str| text.parse::<usize>().unwrap();
    match words[..] {
        ["smtp", address, sessions, seconds, octets] => {
            smtp(address, number(sessions), number(seconds) as u64, number(octets));
        }
        ["bare", uri, database, sessions, seconds, octets] => {
            bare(uri, database, number(sessions), number(seconds) as u64, number(octets));
        }
        ["initiate", port] => initiate(port),
        _ => panic!("see the first lines of benches/mongodb.rs"),
    }
}

fn initiate(port: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let uri = format!("mongodb://127.0.0.1:{port}/?directConnection=true");
        let client = Client::with_uri_str(uri).await.unwrap();
        let member = doc! { "_id": 0, "host": format!("127.0.0.1:{port}") };
        let config = doc! { "_id": "bench", "members": [member] };
        let admin = client.database("admin");
        admin.run_command(doc! { "replSetInitiate": config }).await.unwrap();
        loop {
            let hello = admin.run_command(doc! { "hello": 1 }).await.unwrap();
            if hello.get_bool("isWritablePrimary").unwrap() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
}

fn report(mut times: Vec<Duration>, elapsed: Duration) {
    times.sort_unstable();
    let at = |part: usize| times[(times.len() - 1) * part / 100].as_secs_f64() * 1_000.0;
    let rate = times.len() as f64 / elapsed.as_secs_f64();
    println!("{rate:.0} {:.2} {:.2}", at(50), at(99));
}

/// Words of no meaning, few of them often and most seldom, as in a language.
fn text(seed: usize, octets: usize) -> String {
    let mut state = seed as u64 + 1;
    let mut text = String::with_capacity(octets + 16);
    while text.len() < octets {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let roll = (state >> 33) as f64 / (1_u64 << 31) as f64;
        text.push_str(&format!("w{} ", (roll.powi(4) * 20_000.0) as u64));
        if text.len() % 72 > 60 {
            text.push_str("\r\n");
        }
    }
    text
}

fn smtp(address: &str, sessions: usize, seconds: u64, octets: usize) {
    // Made before, as those of the bare driver are.
    let bodies: Arc<Vec<_>> = Arc::new((0..pool(octets)).map(|seed| text(seed, octets)).collect());
    let start = Instant::now();
    let end = start + Duration::from_secs(seconds);
    let threads: Vec<_> = (0..sessions)
        .map(|session| {
            let (address, bodies) = (address.to_owned(), bodies.clone());
            std::thread::spawn(move || {
                let mut connection = BufReader::new(TcpStream::connect(address).unwrap());
                connection.get_ref().set_nodelay(true).unwrap();
                say(&mut connection, "", "220");
                say(&mut connection, "HELO load.example\r\n", "250");
                let mut times = Vec::new();
                while Instant::now() < end {
                    let body = &bodies[(session * 31 + times.len()) % bodies.len()];
                    say(&mut connection, "MAIL FROM:<a@example.org>\r\n", "250");
                    say(&mut connection, "RCPT TO:<b@example.org>\r\n", "250");
                    say(&mut connection, "DATA\r\n", "354");
                    let message = format!("Subject: {session}\r\n\r\n{body}\r\n.\r\n");
                    let sent = Instant::now();
                    say(&mut connection, &message, "250");
                    times.push(sent.elapsed());
                }
                times
            })
        })
        .collect();
    let times = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
    report(times, start.elapsed());
}

fn say(connection: &mut BufReader<TcpStream>, line: &str, expected: &str) {
    connection.get_mut().write_all(line.as_bytes()).unwrap();
    let mut reply = String::new();
    connection.read_line(&mut reply).unwrap();
    assert!(reply.starts_with(expected), "{reply}");
}

/// How many different messages there are: as many as memory has room for.
fn pool(octets: usize) -> usize {
    (100_000_000 / octets).min(2_000)
}

/// One document after the other from each session, as a program without a store would: the documents that
/// smtpd stored just now, under new ids, into a collection with the same indexes.
fn bare(uri: &str, database: &str, sessions: usize, seconds: u64, octets: usize) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let client = Client::with_uri_str(uri).await.unwrap();
        let database = client.database(database);
        let messages = database.collection::<Document>("messages");
        let mut stored =
            messages.find(doc! { "state": "RECEIVED" }).limit(pool(octets) as i64).await.unwrap();
        let mut documents = Vec::new();
        while stored.advance().await.unwrap() {
            documents.push(stored.deserialize_current().unwrap());
        }
        let documents = Arc::new(documents);
        let bare = database.collection::<Document>("bare");
        bare.drop().await.unwrap();
        let mut indexes = messages.list_indexes().await.unwrap();
        while indexes.advance().await.unwrap() {
            let index = indexes.deserialize_current().unwrap();
            if index.keys.len() > 1 || !index.keys.contains_key("_id") {
                bare.create_index(index).await.unwrap();
            }
        }
        let start = Instant::now();
        let end = start + Duration::from_secs(seconds);
        let tasks: Vec<_> = (0..sessions)
            .map(|session| {
                let (bare, documents) = (bare.clone(), documents.clone());
                tokio::spawn(async move {
                    let mut durable = WriteConcern::majority();
                    durable.journal = Some(true);
                    let mut times = Vec::new();
                    while Instant::now() < end {
                        let mut document: Document =
                            documents[(session * 31 + times.len()) % documents.len()].clone();
                        document.insert("_id", ObjectId::new());
                        let sent = Instant::now();
                        bare.insert_one(&document).write_concern(durable.clone()).await.unwrap();
                        times.push(sent.elapsed());
                    }
                    times
                })
            })
            .collect();
        let mut times = Vec::new();
        for task in tasks {
            times.extend(task.await.unwrap());
        }
        report(times, start.elapsed());
        bare.drop().await.unwrap();
    });
}
