//! The process: start, end, crash.

use std::{
    fs,
    io::{Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    process::{Command, Stdio},
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use crate::harness::{Client, Server, eventually, signal};

fn smtpd(arguments: &[&str], environment: &[(&str, &str)]) -> (bool, String) {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_smtpd"))
        .current_dir(folder.path())
        .args(arguments)
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(text).unwrap())
}

#[test]
fn flags() {
    let (good, text) = smtpd(&["--version"], &[]);
    assert!(good && text.starts_with(concat!("smtpd ", env!("CARGO_PKG_VERSION"))), "{text}");
    let (good, text) = smtpd(&["--help"], &[]);
    assert!(good && text.contains("--check-config"), "{text}");
    let shipped = crate::harness::file("etc/smtpd.toml");
    let (good, text) = smtpd(&["--config", shipped.to_str().unwrap(), "--check-config"], &[]);
    assert!(good, "{text}");
    assert_eq!(text, "OK\n");
    let (good, text) = smtpd(&["--config", "missing.toml"], &[]);
    assert!(!good && text.starts_with("smtpd: missing.toml: cannot read it"), "{text}");
}

#[test]
fn a_start_that_fails_says_why_in_one_line() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let free = ("SMTPD_HTTP_LISTEN", "127.0.0.1:0");
    let (good, text) = smtpd(&[], &[("SMTPD_SMTP_LISTEN", &address), free]);
    assert!(!good);
    assert_eq!(
        text,
        format!("smtpd: smtp.listen: cannot listen on {address}: another program uses this port\n")
    );
    let any = ("SMTPD_SMTP_LISTEN", "127.0.0.1:0");
    let (good, text) = smtpd(&[], &[any, free, ("SMTPD_STORE_PATH", "/proc/nowhere")]);
    assert!(!good && text.contains("/proc/nowhere") && text.lines().count() == 1, "{text}");
}

#[test]
fn sigterm_finishes_the_message_in_flight() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::start_in(folder.path(), &[]);
    let mut client = Client::connect(server.smtp);
    let mut idle = Client::connect(server.smtp);
    client.say("EHLO drain.example.org").unwrap();
    client.send(b"MAIL FROM:<a@b.c>\r\nRCPT TO:<d@e.f>\r\nDATA\r\n").unwrap();
    for _ in 0..3 {
        client.reply().unwrap();
    }
    client.send(b"Subject: in flight\r\n\r\nhalf ").unwrap();
    signal(server.pid(), "TERM");
    // Who does nothing is told to come back later, and nobody new is let in.
    assert!(idle.reply().unwrap().starts_with("421 4.3.2"));
    eventually(5, "the port is closed", || TcpStream::connect(server.smtp).is_err());
    client.send(b"done\r\n.\r\n").unwrap();
    assert!(client.reply().unwrap().starts_with("250 2.0.0"));
    assert!(client.reply().unwrap().starts_with("421 4.3.2"));
    assert!(server.ended(), "{}", server.log());
    let again = Server::start_in(folder.path(), &[]);
    assert!(again.raw_of("in flight").ends_with(b"half done\r\n"));
}

#[test]
fn a_second_signal_ends_at_once() {
    let mut server = Server::start(&[("SMTPD_SERVER_DRAIN_SECONDS", "60")]);
    let mut client = Client::connect(server.smtp);
    client.say("EHLO x").unwrap();
    client.send(b"MAIL FROM:<a@b.c>\r\nRCPT TO:<d@e.f>\r\nDATA\r\n").unwrap();
    for _ in 0..3 {
        client.reply().unwrap();
    }
    signal(server.pid(), "TERM");
    eventually(5, "it says that it is ending", || {
        server.log().contains("finishing what is under way")
    });
    signal(server.pid(), "TERM");
    assert!(!server.ended());
}

#[test]
fn sighup_reopens_the_log() {
    let server = Server::start(&[("SMTPD_LOG_FILE", "mail.log")]);
    let log = server.folder.join("mail.log");
    let old = server.folder.join("mail.log.1");
    Client::connect(server.smtp).say("QUIT").unwrap();
    let lines = |path: &std::path::Path| {
        fs::read_to_string(path).unwrap_or_default().matches(": connection ").count()
    };
    eventually(5, "a line for the connection", || lines(&log) == 1);
    fs::rename(&log, &old).unwrap();
    signal(server.pid(), "HUP");
    eventually(5, "a new file", || log.exists());
    Client::connect(server.smtp).say("QUIT").unwrap();
    eventually(5, "the line is in the new file", || lines(&log) == 1);
    assert_eq!(lines(&old), 1);
}

#[test]
fn connections_over_the_limit_hear_421() {
    let server = Server::start(&[("SMTPD_LIMITS_CONNECTIONS", "3")]);
    let held: Vec<_> = (0..3).map(|_| Client::connect(server.smtp)).collect();
    let refused = TcpStream::connect(server.smtp).unwrap();
    let mut text = String::new();
    Read::read_to_string(&mut &refused, &mut text).unwrap();
    assert_eq!(text, "421 4.7.0 Too many connections, try again later\r\n");
    drop(held);
    eventually(5, "places are free again", || {
        let stream = TcpStream::connect(server.smtp).unwrap();
        let mut greeting = [0; 3];
        Read::read_exact(&mut &stream, &mut greeting).is_ok() && &greeting == b"220"
    });
}

/// Sends the same over and over until the server hangs up or the time is over; reads all answers.
fn flood(stream: &TcpStream, octets: &[u8], time: Duration) {
    let until = Instant::now() + time;
    let (mut reading, mut writing) = (stream, stream);
    thread::scope(|scope| {
        scope.spawn(move || {
            let mut answers = vec![0; 1 << 20];
            while reading.read(&mut answers).is_ok_and(|count| count > 0) {}
        });
        while Instant::now() < until && writing.write_all(octets).is_ok() {}
        let _ = stream.shutdown(Shutdown::Both);
    });
}

#[test]
fn a_client_that_never_pauses_delays_nobody_and_is_held_to_the_limit() {
    let server =
        Server::start(&[("SMTPD_SERVER_THREADS", "1"), ("SMTPD_LIMITS_SESSION_SECONDS", "8")]);
    let stream = TcpStream::connect(server.smtp).unwrap();
    let begun = Instant::now();
    thread::scope(|scope| {
        let flooding = scope.spawn(|| {
            flood(&stream, &b"NOOP\r\n".repeat(20_000), Duration::from_secs(40));
            begun.elapsed()
        });
        thread::sleep(Duration::from_millis(500));
        let asked = Instant::now();
        Client::connect(server.smtp).say("QUIT").unwrap();
        server.get("/ping");
        assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
        assert!(flooding.join().unwrap() < Duration::from_secs(30), "the session ends in time");
    });
}

#[test]
fn a_live_feed_that_never_pauses_delays_nobody() {
    let server = Server::start(&[("SMTPD_SERVER_THREADS", "1")]);
    let mut stream = TcpStream::connect(server.http).unwrap();
    let head = format!(
        "GET /ws HTTP/1.1\r\nHost: {}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        server.http
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 101");
    // Empty pongs, masked with zeros.
    let pongs = b"\x8a\x80\0\0\0\0".repeat(20_000);
    thread::scope(|scope| {
        scope.spawn(|| flood(&stream, &pongs, Duration::from_secs(10)));
        thread::sleep(Duration::from_millis(500));
        let asked = Instant::now();
        server.get("/ping");
        assert!(asked.elapsed() < Duration::from_secs(6), "{:?}", asked.elapsed());
    });
}

/// The promise itself: whatever was answered 250 is there after kill -9, once, octet for octet.
#[test]
fn nothing_acknowledged_is_lost_by_kill_9() {
    let folder = tempfile::tempdir().unwrap();
    let acknowledged = Mutex::new(Vec::new());
    for round in 0..5 {
        let mut server = Server::start_in(folder.path(), &[]);
        let (smtp, stop) = (server.smtp, AtomicBool::new(false));
        thread::scope(|scope| {
            for sender in 0..8 {
                let (acknowledged, stop) = (&acknowledged, &stop);
                scope.spawn(move || {
                    let mut client = Client::connect(smtp);
                    if client.say("EHLO load").is_err() {
                        return;
                    }
                    for number in 0.. {
                        // Some bodies are larger than what the database takes inline.
                        let size = if number % 17 == 5 { 200_000 } else { 600 };
                        let token = format!("t{round}x{sender}x{number}");
                        let body = format!("Subject: {token}\r\n\r\n{}", "y".repeat(size));
                        match client.mail(&body) {
                            Ok(reply) if reply.starts_with("250") => {
                                acknowledged.lock().unwrap().push((token, body.len() + 2));
                            }
                            _ => return,
                        }
                        if stop.load(Ordering::Relaxed) {
                            return;
                        }
                    }
                });
            }
            thread::sleep(Duration::from_millis(150 + 90 * round));
            server.kill();
            stop.store(true, Ordering::Relaxed);
        });
    }
    let server = Server::start_in(folder.path(), &[]);
    let mut stored = std::collections::HashMap::new();
    let mut before = String::new();
    loop {
        let page = server.messages(&format!("limit=500{before}"));
        let Some(last) = page.last() else { break };
        before = format!("&before={}", last["id"].as_str().unwrap());
        for message in page {
            let subject = message["subject"].as_str().unwrap().to_owned();
            let size = message["size"].as_u64().unwrap();
            assert_eq!(stored.insert(subject.clone(), size), None, "{subject} is stored twice");
        }
    }
    let acknowledged = acknowledged.into_inner().unwrap();
    assert!(acknowledged.len() > 100, "only {} messages were sent", acknowledged.len());
    for (token, size) in &acknowledged {
        assert_eq!(stored.get(token), Some(&(*size as u64)), "{token} was acknowledged");
    }
}

#[test]
fn retention_keeps_the_newest() {
    let server = Server::start(&[
        ("SMTPD_RETENTION_MESSAGES", "3"),
        ("SMTPD_RETENTION_INTERVAL_SECONDS", "1"),
    ]);
    let mut client = Client::connect(server.smtp);
    client.say("EHLO retention").unwrap();
    for number in 0..8 {
        let reply = client.mail(&format!("Subject: number {number}\r\n\r\nx")).unwrap();
        assert!(reply.starts_with("250"), "{reply}");
    }
    eventually(10, "three are left", || server.messages("").len() == 3);
    let subjects: Vec<_> =
        server.messages("").iter().map(|message| message["subject"].to_string()).collect();
    assert_eq!(subjects, ["\"number 7\"", "\"number 6\"", "\"number 5\""]);
}

#[test]
fn the_status_counts_what_came_and_what_was_refused() {
    let server = Server::start(&[("SMTPD_LIMITS_MESSAGE_SIZE", "1000")]);
    let mut client = Client::connect(server.smtp);
    client.say("EHLO status").unwrap();
    assert!(client.mail("Subject: small\r\n\r\nx").unwrap().starts_with("250"));
    assert!(client.mail(&"y".repeat(5_000)).unwrap().starts_with("552 5.3.4"));
    assert!(client.say("FOO").unwrap().starts_with("500"));
    assert!(client.say("QUIT").unwrap().starts_with("221"));
    let detail =
        || -> serde_json::Value { serde_json::from_slice(&server.get("/status/detail")).unwrap() };
    eventually(5, "the connection is counted as ended", || detail()["smtp_connections_now"] == 0);
    let detail = detail();
    for (name, expected) in [
        ("smtp_connections", 1),
        ("messages", 1),
        ("messages_received", 1),
        ("bytes_received", 21),
        ("messages_refused", 1),
        ("bytes_refused", 5_002),
        ("commands_refused", 2),
    ] {
        assert_eq!(detail[name], expected, "{name} in {detail}");
    }
    assert!(detail["disk_bytes"].as_u64() > Some(0), "{detail}");
    assert!(detail.get("index_lag").is_some(), "{detail}");
}
