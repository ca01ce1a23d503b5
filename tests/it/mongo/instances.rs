//! Two smtpd on one MongoDB: what one receives the other shows, live.

use std::{net::TcpStream, time::Duration};

use async_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Message, client::IntoClientRequest},
};
use serde_json::Value;
use smol::{Async, Timer, future, stream::StreamExt as _};

use super::server::{Database, Mongod};
use crate::harness::{Client, Server};

type Socket = WebSocketStream<Async<TcpStream>>;

fn start(database: &Database) -> Server {
    let uri: &str = &database.uri;
    Server::start(&[
        ("SMTPD_LOG_LEVEL", "debug"),
        ("SMTPD_STORE_KIND", "mongodb"),
        ("SMTPD_STORE_MONGODB_URI", uri),
        ("SMTPD_STORE_MONGODB_DATABASE", &database.name),
    ])
}

async fn listen(server: &Server) -> Socket {
    listen_from(server, "").await
}

/// Listens as a page does that says what it knows.
async fn listen_from(server: &Server, known: &str) -> Socket {
    let request = format!("ws://{}/ws{known}", server.http).into_client_request().unwrap();
    let stream = Async::<TcpStream>::connect(server.http).await.unwrap();
    client_async(request, stream).await.unwrap().0
}

/// The next events, those of a `New` by their subject, within ten seconds; None if there are none for two.
async fn heard(socket: &mut Socket) -> Option<Vec<String>> {
    let next = async {
        loop {
            let Message::Text(text) = socket.next().await.unwrap().unwrap() else { continue };
            let frame: Value = serde_json::from_str(&text).unwrap();
            if frame["type"] == "events" {
                let events = frame["events"].as_array().unwrap().iter();
                let told = |event: &Value| match event["type"].as_str().unwrap() {
                    "new" => event["message"]["subject"].as_str().unwrap().to_owned(),
                    other => other.to_owned(),
                };
                return Some(events.map(told).collect());
            }
        }
    };
    let late = async {
        Timer::after(Duration::from_secs(2)).await;
        None
    };
    future::or(next, late).await
}

async fn all_heard(socket: &mut Socket) -> Vec<String> {
    let mut all = Vec::new();
    while let Some(events) = heard(socket).await {
        all.extend(events);
        assert!(all.len() < 20, "it does not end: {all:?}");
    }
    all
}

fn send(server: &Server, subject: &str) {
    let mut client = Client::connect(server.smtp);
    client.say("EHLO x").unwrap();
    let reply = client.mail(&format!("Subject: {subject}\r\n\r\nx")).unwrap();
    assert!(reply.starts_with("250"), "{reply}");
}

/// Marks and deletes through the web, as a browser does.
fn post(server: &Server, path: &str, form: &str) {
    use std::io::{Read as _, Write as _};
    let mut stream = TcpStream::connect(server.http).unwrap();
    let head = format!(
        "POST {path} HTTP/1.0\r\nHost: {}\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {}\r\n\r\n{form}",
        server.http,
        form.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer[9..].starts_with('2') || answer[9..].starts_with('3'), "{answer}");
}

fn what_one_does_the_other_shows(database: &Database) -> [Server; 2] {
    let (one, two) = (start(database), start(database));
    smol::block_on(async {
        let (mut at_one, mut at_two) = (listen(&one).await, listen(&two).await);
        // Whoever listens has heard nothing so far, but that something may have been missed.
        for socket in [&mut at_one, &mut at_two] {
            let heard = all_heard(socket).await;
            assert!(heard.iter().all(|event| event == "reload"), "{heard:?}");
        }
        send(&one, "from one");
        send(&two, "from two");
        // Each is told once, wherever it came in.
        for socket in [&mut at_one, &mut at_two] {
            let mut heard = all_heard(socket).await;
            heard.sort();
            assert_eq!(heard, ["from one", "from two"]);
        }
        assert_eq!(two.raw_of("from one"), b"Subject: from one\r\n\r\nx\r\n");
        let id = two.messages("limit=9")[1]["id"].as_str().unwrap().to_owned();
        post(&one, &format!("/messages/{id}"), "action=star");
        assert_eq!(all_heard(&mut at_one).await, ["changed"]);
        let heard = all_heard(&mut at_two).await;
        assert!(heard == ["changed"] || heard == ["reload"], "{heard:?}");
        post(&two, &format!("/messages/{id}"), "action=delete");
        assert_eq!(all_heard(&mut at_two).await, ["deleted"]);
        let heard = all_heard(&mut at_one).await;
        assert!(heard == ["deleted"] || heard == ["reload"], "{heard:?}");
    });
    // Totals are one for both.
    for server in [&one, &two] {
        let status: Value = serde_json::from_slice(&server.get("/status")).unwrap();
        assert_eq!(status["messages"], 1);
    }
    [one, two]
}

#[test]
fn on_a_replica_set() {
    let Some(database) = Database::new() else { return };
    for server in what_one_does_the_other_shows(&database) {
        assert!(!server.log().contains(ASKED), "{}", server.log());
    }
}

#[test]
fn on_a_standalone_that_is_asked() {
    let Some(mongod) = Mongod::start(None) else { return };
    let database = Database::on(format!("mongodb://127.0.0.1:{}", mongod.port), "alone");
    for server in what_one_does_the_other_shows(&database) {
        // Said, but only once, however often it was asked meanwhile.
        assert_eq!(server.log().matches(ASKED).count(), 1, "{}", server.log());
    }
}

/// A page may have been drawn before an instance hears what the others do: what they did until then is in
/// no stream, so it is told once to look again.
fn who_looked_too_early_looks_again(database: &Database) {
    let server = start(database);
    let page = String::from_utf8(server.get("/")).unwrap();
    let epoch = page.split("data-epoch=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
    smol::block_on(async {
        // As if it had been drawn before anything was told.
        let mut page = listen_from(&server, &format!("?epoch={epoch}&after=0")).await;
        assert_eq!(all_heard(&mut page).await, ["reload"]);
    });
}

#[test]
fn who_looked_before_the_stream_opened_looks_again() {
    let Some(database) = Database::new() else { return };
    who_looked_too_early_looks_again(&database);
}

#[test]
fn who_looked_before_a_standalone_was_asked_looks_again() {
    let Some(mongod) = Mongod::start(None) else { return };
    let database = Database::on(format!("mongodb://127.0.0.1:{}", mongod.port), "early");
    who_looked_too_early_looks_again(&database);
}

/// The driver's runtime is a thread of its own, and there is none where there is no MongoDB.
#[test]
fn tokio_runs_only_where_it_is_needed() {
    let threads = |server: &Server| {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", server.pid())).unwrap();
        let name = |task: std::fs::DirEntry| std::fs::read_to_string(task.path().join("comm"));
        let names = tasks.map(|task| name(task.unwrap()).unwrap().trim().to_owned());
        names.filter(|name| name.contains("tokio") || name.contains("mongo")).collect::<Vec<_>>()
    };
    let sqlite = Server::start(&[]);
    send(&sqlite, "without");
    assert_eq!(threads(&sqlite), Vec::<String>::new());
    let Some(database) = Database::new() else { return };
    let server = start(&database);
    send(&server, "with");
    let mut found = threads(&server);
    // Host names are looked up on a second one, which ends when it was idle for a while.
    found.dedup();
    assert_eq!(found, ["store-mongodb"]);
}

/// What the log says of a mongod that has no change streams.
const ASKED: &str = "is asked every second";
