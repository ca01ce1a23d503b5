//! Peers that say an octet now and then: each stage of each conversation has an end, also for those
//! who are never silent for long enough. And peers that never read.
//!
//! The settings are seconds here; what is tested is that there is an end, not when, so that a busy
//! machine fails nothing.

use std::{
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use super::check_alive;
use crate::harness::{Server, connect, eventually};

/// Two seconds of silence are allowed, and four in all.
fn start() -> Server {
    Server::configured(
        "[smtp]\nproxies = [\"127.0.0.1/32\"]\n\
         [[smtp.listeners]]\naddress = \"127.0.0.1:0\"\ntls = \"implicit\"\n\
         [[smtp.listeners]]\naddress = \"127.0.0.1:0\"\nproxy = true\n\
         [tls]\nself_signed = true\nhandshake_seconds = 2\n\
         [limits]\ngreeting_seconds = 2\nidle_seconds = 2\ndata_seconds = 2\nsession_seconds = 4\n\
         [http]\nheader_seconds = 2\nbody_seconds = 2\nwrite_seconds = 2\nanswer_seconds = 4\nping_seconds = 1\n",
    )
}

#[test]
fn an_octet_now_and_then_does_not_keep_an_smtp_session() {
    let server = start();
    let opening = "EHLO slow\r\nMAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.org>\r\n";
    let mut stages = Vec::new();
    for (stage, at_once, slowly) in [
        ("the greeting", String::new(), "EHLO a.long.name.example\r\n"),
        ("commands", "EHLO slow\r\n".into(), "NOOP\r\n"),
        ("a command", "EHLO slow\r\n".into(), "NOOP with a very long argument"),
        ("a login", "EHLO slow\r\nAUTH PLAIN\r\n".into(), "AGEAYgAGEAYgAGEAYg"),
        ("a header", format!("{opening}DATA\r\n"), "Subject: slow"),
        ("a body", format!("{opening}DATA\r\nSubject: slow\r\n\r\n"), "text\r\n"),
        ("a chunk", format!("{opening}BDAT 100000 LAST\r\n"), "text\r\n"),
    ] {
        let address = server.smtp;
        stages.push(std::thread::spawn(move || {
            let heard = dribble(address, at_once.as_bytes(), slowly.as_bytes());
            assert!(heard.contains("421 4.4.2 "), "{stage}: {heard}");
        }));
    }
    // Before the first word: a ClientHello of 512 octets, and the header of a proxy.
    for (listener, at_once, slowly) in [
        (1, &b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03"[..], &b"x"[..]),
        (2, b"PROXY ", b"UNKNOWN "),
    ] {
        let address = server.listener(listener);
        stages.push(std::thread::spawn(move || {
            let heard = dribble(address, at_once, slowly);
            assert!(!heard.contains("220 "), "{heard}");
        }));
    }
    join(stages);
    assert_eq!(server.messages("").len(), 0, "nothing of it is kept");
    check_alive(&server, "after the slow ones");
}

#[test]
fn an_octet_now_and_then_does_not_keep_an_http_connection() {
    let server = start();
    let host = format!("Host: {}\r\n", server.http);
    let upgrade = format!(
        "GET /ws HTTP/1.1\r\n{host}Connection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    );
    let post = format!("POST /messages HTTP/1.1\r\n{host}");
    let mut stages = Vec::new();
    for (at_once, slowly) in [
        (String::new(), "GET /a/very/long/path"),
        (format!("GET / HTTP/1.1\r\n{host}"), "X-Header: x\r\n"),
        (format!("{post}Content-Length: 50000\r\n\r\naction="), "x"),
        (format!("{post}Transfer-Encoding: chunked\r\n\r\n"), "1\r\nx\r\n"),
        // A body that nobody asked for.
        (format!("GET /ping HTTP/1.1\r\n{host}Content-Length: 50000\r\n\r\n"), "x"),
    ] {
        let address = server.http;
        stages.push(std::thread::spawn(move || {
            dribble(address, at_once.as_bytes(), slowly.as_bytes());
        }));
    }
    // A masked frame of 60,000 octets; pings are answered by nobody.
    let (frame, address) =
        ([upgrade.as_bytes(), b"\x82\xfe\xea\x60\0\0\0\0"].concat(), server.http);
    stages.push(std::thread::spawn(move || {
        let heard = dribble(address, &frame, b"x");
        assert!(heard.contains("\"hello\""), "{heard}");
    }));
    join(stages);
    check_alive(&server, "after the slow ones");
}

/// A machine that lost its power says nothing, not even that it is gone.
#[test]
fn a_peer_that_vanished_is_forgotten() {
    let server = start();
    let opening = "EHLO gone\r\nMAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.org>\r\n";
    let data = format!("{opening}DATA\r\nSubject: half");
    let chunk = format!("{opening}BDAT 1000\r\nSubject: half");
    let get = format!("GET /ping HTTP/1.1\r\nHost: {}\r\n\r\n", server.http);
    let words = [
        (server.smtp, vec!["", "EHLO gone\r\n", "EHLO gone\r\nAUTH PLAIN\r\n", &data, &chunk]),
        (server.listener(1), vec!["", "\u{16}\u{3}\u{1}"]),
        (server.listener(2), vec!["", "PROXY TCP4 "]),
        (server.http, vec!["", "GET /", &get, "POST /messages HTTP/1.1\r\nHost: localhost\r\n"]),
    ];
    let vanished: Vec<TcpStream> = words
        .into_iter()
        .flat_map(|(address, words)| words.into_iter().map(move |words| (address, words)))
        .map(|(address, words)| {
            let mut stream = connect(address);
            stream.write_all(words.as_bytes()).unwrap();
            stream
        })
        .collect();
    eventually(30, "all are forgotten", || {
        let detail = String::from_utf8(server.get("/status/detail")).unwrap();
        detail.contains("\"smtp_connections_now\":0,")
            && detail.contains("\"http_connections_now\":1,")
    });
    drop(vanished);
    assert_eq!(server.messages("").len(), 0, "nothing of it is kept");
    check_alive(&server, "after those who vanished");
}

/// Says the first words at once and the others an octet at a time, over and over, until the server
/// ends it; what was heard.
fn dribble(address: SocketAddr, at_once: &[u8], slowly: &[u8]) -> String {
    let begun = Instant::now();
    let mut stream = connect(address);
    stream.write_all(at_once).unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    let mut heard = Vec::new();
    for octet in slowly.iter().cycle() {
        assert!(begun.elapsed() < PATIENCE, "still there: {}", heard.escape_ascii());
        let gone = stream.write_all(&[*octet]).is_err();
        let mut buffer = [0; 4096];
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => heard.extend_from_slice(&buffer[..count]),
            Err(error) if waits(&error) && !gone => {}
            Err(_) => break,
        }
    }
    String::from_utf8_lossy(&heard).into_owned()
}

fn waits(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

/// The bounds are 4 seconds; a busy machine may need a few times that.
const PATIENCE: Duration = Duration::from_secs(30);

#[test]
fn who_takes_an_answer_an_octet_at_a_time_is_given_up() {
    let server = start();
    let large = format!("Subject: large\r\n\r\n{}", "0123456789abcde\r\n".repeat(900_000));
    let mut client = crate::harness::Client::connect(server.smtp);
    client.say("EHLO large").unwrap();
    assert!(client.mail(&large).unwrap().starts_with("250 "));
    let id = server.messages("")[0]["id"].as_str().unwrap().to_owned();
    let mut stream = connect(server.http);
    let request = format!("GET /messages/{id}/raw HTTP/1.1\r\nHost: {}\r\n\r\n", server.http);
    stream.write_all(request.as_bytes()).unwrap();
    let begun = Instant::now();
    // Fast enough never to be silent for 2 seconds, too slow to be done in 4.
    let mut buffer = vec![0; 100_000];
    let mut taken = 0;
    while let Ok(count @ 1..) = stream.read(&mut buffer) {
        taken += count;
        std::thread::sleep(Duration::from_millis(150));
        assert!(begun.elapsed() < PATIENCE, "still answering after {taken} octets");
    }
    assert!(taken < large.len(), "it was done in time: {taken} octets");
    assert_eq!(server.raw_of("large").len(), large.len() + 2, "who is quick gets all of it");
}

/// Replies must not pile up for those who ask and do not read.
#[test]
fn who_floods_with_commands_and_reads_nothing_costs_little_and_is_given_up() {
    let server = start();
    check_alive(&server, "before the flood");
    let before = server.memory();
    let flood = "EHLO a\r\n".repeat(40_000);
    let clients: Vec<TcpStream> = (0..PEERS)
        .map(|_| {
            let mut stream = connect(server.smtp);
            stream.set_nonblocking(true).unwrap();
            while stream.write(flood.as_bytes()).is_ok() {}
            stream
        })
        .collect();
    let mut most = 0;
    eventually(60, "all are given up", || {
        most = most.max(server.memory());
        let detail = String::from_utf8(server.get("/status/detail")).unwrap();
        detail.contains("\"smtp_connections_now\":0,")
    });
    let each = most.saturating_sub(before) / PEERS;
    assert!(each < 300_000, "{each} octets for each of {PEERS} that do not read");
    drop(clients);
    check_alive(&server, "after the flood");
}

const PEERS: u64 = 100;

fn join(threads: Vec<std::thread::JoinHandle<()>>) {
    for thread in threads {
        if let Err(panic) = thread.join() {
            std::panic::resume_unwind(panic);
        }
    }
}
