//! Each bound of docs/limits.md that has no test elsewhere, reached.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{ErrorKind, Read as _, Write as _},
    process::Command,
    time::{Duration, Instant},
};

use smtpd::message::{Scanned, Scanner};

use crate::{
    harness::{Client, SMTPD, Server, connect, eventually, run, signal},
    listeners::Authority,
};

fn status(server: &Server, key: &str) -> u64 {
    let json: serde_json::Value = serde_json::from_slice(&server.get("/status/detail")).unwrap();
    json[key].as_u64().unwrap_or_else(|| panic!("no {key} in {json}"))
}

#[test]
fn a_log_that_nobody_reads_stops_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let fifo = folder.path().join("fifo");
    run(Command::new("mkfifo").arg(&fifo));
    // Open for both, so that neither side waits for the other.
    let mut reader = File::options().read(true).write(true).open(&fifo).unwrap();
    let mut command = Command::new("sh");
    command.args(["-c", "exec \"$0\" 2>fifo", SMTPD]);
    let server = Server::start_by(command, folder.path(), &[]);
    let mut client = Client::connect(server.smtp);
    client.say("EHLO client.example").unwrap();
    // Each message is a line, and the pipe and the queue hold a few thousand.
    let mut sent = 0;
    while status(&server, "log_lines_dropped") < 100 {
        for _ in 0..100 {
            assert!(client.mail("Subject: x\r\n\r\nx").unwrap().starts_with("250 "));
            sent += 1;
        }
        assert!(sent < 20_000, "the log takes everything");
    }
    // Somebody reads again, and is told.
    let reading = std::thread::spawn(move || {
        let (mut text, mut piece) = (Vec::new(), [0; 4096]);
        while !String::from_utf8_lossy(&text).contains("lines were dropped") {
            let read = reader.read(&mut piece).unwrap();
            text.extend_from_slice(&piece[..read]);
        }
    });
    reading.join().unwrap();
    assert!(client.mail("Subject: y\r\n\r\ny").unwrap().starts_with("250 "));
}

#[test]
fn each_bound_of_a_session_has_its_answer() {
    let server = Server::configured(
        "[limits]\nmessage_size = 1000\nrecipients = 2\ncommand_line = 600\nerrors = 3\n",
    );
    let begin = "MAIL FROM:<a@b.example>";
    let rcpt = "RCPT TO:<c@d.example>";
    let long = |length: usize| "x".repeat(length);
    for (lines, expected) in [
        (vec![format!("NOOP {}", long(593))], "250 "),
        (vec![format!("NOOP {}", long(594))], "500 5.5.2"),
        (vec![format!("EHLO {}", long(255))], "250"),
        (vec![format!("EHLO {}", long(256))], "501 5.5.4"),
        (vec![format!("{begin} AUTH={}", long(500))], "250 "),
        (vec![format!("{begin} AUTH={}", long(501))], "501 5.5.4"),
        (vec![format!("{begin} SIZE=1000")], "250 "),
        (vec![format!("{begin} SIZE=1001")], "552 5.3.4"),
        (vec![begin.into(), rcpt.into(), rcpt.into()], "250 "),
        (vec![begin.into(), rcpt.into(), rcpt.into(), rcpt.into()], "452 4.5.3"),
        (vec![begin.into(), rcpt.into(), "DATA".into(), long(998) + "\r\n."], "250 "),
        (vec![begin.into(), rcpt.into(), "DATA".into(), long(999) + "\r\n."], "552 5.3.4"),
        (vec!["A".into(), "B".into(), "C".into()], "500 "),
    ] {
        let mut client = Client::connect(server.smtp);
        client.say("EHLO client.example").unwrap();
        let replies: Vec<_> = lines.iter().map(|line| client.say(line).unwrap()).collect();
        assert!(replies.last().unwrap().starts_with(expected), "{lines:?}: {replies:?}");
        if lines[0] == "A" {
            assert!(client.reply().unwrap_or_default().starts_with("421 4.7.0"), "{lines:?}");
        }
    }
}

#[test]
fn http_connections_over_the_limit_are_closed() {
    let server = Server::start(&[("SMTPD_LIMITS_HTTP_CONNECTIONS", "3")]);
    let hold = |_| {
        // An answer says that it is counted.
        let mut stream = connect(server.http);
        stream.write_all(b"GET /ping HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        stream.read_exact(&mut [0; 12]).unwrap();
        stream
    };
    let held: Vec<_> = (0..3).map(hold).collect();
    let is_closed = || {
        let mut stream = connect(server.http);
        let _ = stream.write_all(b"GET /ping HTTP/1.0\r\n\r\n");
        !matches!(stream.read(&mut [0; 9]), Ok(1..))
    };
    assert!(is_closed());
    drop(held);
    eventually(5, "places are free again", || !is_closed());
}

#[test]
fn many_header_fields_are_refused() {
    let server = Server::start(&[]);
    for (count, expected) in [(62, "HTTP/1.1 200"), (70, "HTTP/1.1 431")] {
        let mut stream = connect(server.http);
        let fields = "X: y\r\n".repeat(count);
        let head = format!("GET /ping HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(String::from_utf8_lossy(&answer), expected, "{count} fields");
    }
}

#[test]
fn a_handshake_takes_so_long_and_no_longer() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name| folder.path().join(name);
    Authority::new().sign("mx.test").write(&path("cert.pem"), &path("key.pem"));
    let text = "[smtp]\ntls = 'implicit'\n[http]\ntls = 'on'\n\
        [tls]\ncertificate = 'cert.pem'\nkey = 'key.pem'\nhandshake_seconds = 1\n";
    fs::write(path("smtpd.toml"), text).unwrap();
    let server = Server::start_in(folder.path(), &[("SMTPD_CONFIG", "smtpd.toml")]);
    for listener in [server.listener(0), server.http] {
        let (mut stream, begun) = (connect(listener), Instant::now());
        // The beginning of a ClientHello that never goes on.
        stream.write_all(&[22, 3, 1, 1, 0]).unwrap();
        let _ = stream.read_to_end(&mut Vec::new());
        let taken = begun.elapsed();
        assert!(
            (Duration::from_millis(900)..Duration::from_secs(10)).contains(&taken),
            "{taken:?}"
        );
    }
}

#[test]
fn who_talks_on_after_the_end_is_cut_off() {
    let server = Server::start(&[]);
    // Much at once, and a little for ever.
    for (piece, pause) in [(vec![b'x'; 1 << 16], 0), (vec![b'x'], 50)] {
        let mut client = Client::connect(server.smtp);
        // More than one buffer, there before the first is read: so something is left when it has ended.
        signal(server.pid(), "STOP");
        std::thread::scope(|scope| {
            scope.spawn(|| client.send(&[b"QUIT\r\n", &[b'x'; 1 << 18][..]].concat()).unwrap());
            std::thread::sleep(Duration::from_millis(300));
            signal(server.pid(), "CONT");
        });
        let begun = Instant::now();
        let mut stream = client.into_stream();
        let error = loop {
            if let Err(error) = stream.write_all(&piece) {
                break error.kind();
            }
            std::thread::sleep(Duration::from_millis(pause));
            assert!(begun.elapsed() < Duration::from_secs(20), "it listens for ever");
        };
        if pause > 0 {
            assert!(begun.elapsed() > Duration::from_secs(1), "it did not listen at all");
        }
        assert!([ErrorKind::ConnectionReset, ErrorKind::BrokenPipe].contains(&error), "{error}");
    }
}

#[test]
fn tags_are_bounded() {
    let server = Server::start(&[]);
    let mut client = Client::connect(server.smtp);
    client.say("EHLO client.example").unwrap();
    client.mail("Subject: tagged\r\n\r\n").unwrap();
    let id = server.messages("")[0]["id"].as_str().unwrap().to_owned();
    let patch = |tags: Vec<String>| {
        let body = serde_json::json!({ "tags": tags }).to_string();
        let mut stream = connect(server.http);
        let head = format!(
            "PATCH /api/messages/{id} HTTP/1.0\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.split(' ').nth(1).unwrap().to_owned()
    };
    let many = |count: usize| (0..count).map(|number| number.to_string()).collect::<Vec<_>>();
    assert_eq!(patch(vec!["ä".repeat(100)]), "200");
    assert_eq!(patch(vec!["ä".repeat(101)]), "400");
    assert_eq!(patch(many(199)), "200");
    assert_eq!(patch(many(201)), "400");
    assert_eq!(server.messages("")[0]["tags"].as_array().unwrap().len(), 199);
    // One more fits, and then only those that are there.
    assert_eq!(patch(many(200)), "200");
    assert_eq!(patch(vec!["another".into()]), "400");
    assert_eq!(patch(many(3)), "200");
    let named: Vec<_> = (0..200).map(|number| format!("{number:03}")).collect();
    assert_eq!(patch(Vec::new()), "200");
    assert_eq!(patch(named), "200");
    let page = String::from_utf8(server.get("/")).unwrap();
    assert_eq!(page.matches("data-tag=\"").count(), 100);
}

#[test]
fn so_many_mailboxes_stand_beside_a_list() {
    let server =
        Server::start(&[("SMTPD_STORE_KIND", "memory"), ("SMTPD_LIMITS_RECIPIENTS", "400")]);
    let mut client = Client::connect(server.smtp);
    client.say("EHLO client.example").unwrap();
    client.say("MAIL FROM:<a@b.example>").unwrap();
    for number in 0..400 {
        client.say(&format!("RCPT TO:<box{number}@d.example>")).unwrap();
    }
    client.say("DATA").unwrap();
    client.say("Subject: to many\r\n\r\n.").unwrap();
    for _ in 0..110 {
        client.mail("Subject: one\r\n\r\n").unwrap();
    }
    let page = String::from_utf8(server.get("/")).unwrap();
    let shown = page.matches("data-mailbox=\"b").count();
    assert_eq!(shown, 300);
    let ids: Vec<_> = server
        .messages("limit=500")
        .iter()
        .map(|it| it["id"].as_str().unwrap().to_owned())
        .collect();
    let rows = String::from_utf8(server.get(&format!("/rows?ids={}", ids.join(",")))).unwrap();
    let shown = ids.iter().filter(|id| rows.contains(&format!("/messages/{id}"))).count();
    assert_eq!((ids.len(), shown), (111, 100));
}

#[test]
fn an_answer_has_so_many_messages() {
    let server = Server::start(&[("SMTPD_STORE_KIND", "memory")]);
    let mut client = Client::connect(server.smtp);
    client.say("EHLO client.example").unwrap();
    for _ in 0..501 {
        client.mail("Subject: one of many\r\n\r\n").unwrap();
    }
    assert_eq!(server.messages("").len(), 50);
    assert_eq!(server.messages("limit=100000").len(), 500);
}

#[test]
fn pages_show_so_much_and_say_so() {
    let server = Server::start(&[]);
    let mut client = Client::connect(server.smtp);
    client.say("EHLO client.example").unwrap();
    let lines = ("x".repeat(900) + "\r\n").repeat(3_000);
    client.mail(&format!("Subject: long\r\n\r\n{lines}")).unwrap();
    let id = server.messages("")[0]["id"].as_str().unwrap().to_owned();
    let text = String::from_utf8(server.get(&format!("/messages/{id}/text"))).unwrap();
    assert!((2_000_000..2_400_000).contains(&text.len()), "{}", text.len());
    assert!(text.contains("are shown"), "the page does not say so");
}

#[test]
fn readers_wait_for_each_other() {
    let server = Server::start(&[("SMTPD_STORE_READERS", "1")]);
    std::thread::scope(|scope| {
        for _ in 0..20 {
            scope.spawn(|| assert_eq!(server.request("GET", "/api/messages?q=x").0, 200));
        }
    });
}

#[test]
fn what_is_set_too_high_is_no_start() {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(SMTPD)
        .current_dir(folder.path())
        .env("SMTPD_SMTP_LISTEN", "127.0.0.1:0")
        .env("SMTPD_HTTP_LISTEN", "127.0.0.1:0")
        .env("SMTPD_STORE_INLINE_LIMIT", "16777217")
        .output()
        .unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && text.contains("inline_limit: at most 16777216"), "{text}");
}

#[test]
fn the_process_has_so_many_threads() {
    let few = [("SMTPD_SERVER_THREADS", "3"), ("BLOCKING_MAX_THREADS", "5")];
    let server = Server::start(&few);
    let named = |name: &str| {
        let tasks = fs::read_dir(format!("/proc/{}/task", server.pid())).unwrap();
        let names = tasks.filter_map(|it| fs::read_to_string(it.unwrap().path().join("comm")).ok());
        names.filter(|it| it.starts_with(name)).collect::<Vec<_>>()
    };
    let before = named("").len();
    std::thread::scope(|scope| {
        for _ in 0..40 {
            scope.spawn(|| {
                for _ in 0..20 {
                    assert_eq!(server.request("GET", "/status").0, 200);
                }
            });
        }
        for _ in 0..100 {
            // Two beside the one that all began with. A thread has the name of its maker at first.
            assert_eq!(named("smtpd-").into_iter().collect::<BTreeSet<_>>().len(), 2);
            assert!(named("blocking-").len() <= 5, "{:?}", named("blocking-"));
            std::thread::sleep(Duration::from_millis(2));
        }
    });
    assert!(named("").len() <= before + 5);
    // Those that have nothing to do end.
    eventually(10, "no thread waits for nothing", || named("blocking-").is_empty());
}

fn scan(text: &str) -> Scanned {
    let mut scanner = Scanner::new(1_000);
    scanner.push(text.as_bytes());
    scanner.finish()
}

#[test]
fn a_message_can_only_grow_so_far() {
    let x = |length: usize| "x".repeat(length);
    let first = |text: String| scan(&text).outline.parts[0].clone();
    assert_eq!(first(format!("A: {}", x(1 << 20))).headers[0].1.len(), 256 * 1024 - 3);
    assert_eq!(first(format!("Content-Type: text/{}\n\n", x(251))).content_type, "text/plain");
    assert_eq!(first(format!("Content-Type: text/{}\n\n", x(250))).content_type.len(), 255);
    let named = |name: &str| format!("Content-Disposition: attachment; filename=\"{name}\"\n\n");
    assert_eq!(first(named(&x(5_000))).file_name.len(), 1_000);
    assert_eq!(first(format!("Content-ID: <{}>\n\n", x(2_000))).content_id.len(), 998);

    // What stands behind two hundred parameters, or 8000 octets of them, is not there.
    let charset =
        |before: &str| first(format!("Content-Type: text/plain; {before} charset=b\n\n")).charset;
    assert_eq!(charset(&"a=b; ".repeat(100)), "b");
    assert_eq!(charset(&"a=b; ".repeat(300)), "");
    assert_eq!(charset(&format!("a={}; ", x(9_000))), "");

    let mixed = |boundary: &str, rest: &str| {
        scan(&format!("Content-Type: multipart/mixed; boundary={boundary}\n\n{rest}"))
    };
    assert_eq!(mixed(&x(256), &format!("--{}\n\na", x(256))).outline.parts.len(), 2);
    assert_eq!(mixed(&x(257), &format!("--{}\n\na", x(257))).outline.parts.len(), 1);
    assert_eq!(mixed("b", &"--b\n\na\n".repeat(3_000)).outline.parts.len(), 1_000);
    let kept = mixed("b", &format!("--b\nA: {}\n\na\n", x(100_000)).repeat(30));
    let octets: usize =
        kept.outline.parts.iter().flat_map(|it| &it.headers).map(|it| it.1.len()).sum();
    assert!((900_000..=1 << 20).contains(&octets), "{octets}");
    let nested: String = (0..200)
        .map(|n| format!("Content-Type: multipart/mixed; boundary=b{n}\n\n--b{n}\n"))
        .collect();
    let deepest = scan(&nested).outline.parts.iter().map(|it| it.depth).max();
    assert_eq!(deepest, Some(50));

    let summary = |field: String| scan(&format!("{field}\n\n{}", "word ".repeat(1_000))).summary;
    let to = summary(format!("To: {}", "a@b, ".repeat(5_000))).to;
    assert_eq!(to.len(), 1_000);
    // Its end is looked for behind question marks, too.
    let encoded = |marks: usize| format!("Subject: =?utf-8?q?{}x?=", "??x".repeat(marks));
    assert_eq!(summary(encoded(300)).subject, "??x".repeat(300) + "x");
    assert!(summary(encoded(600)).subject.starts_with("=?utf-8?q???x"));
    let strange = summary(format!("Subject: =?{}?q?x?=", x(76))).subject;
    assert!(strange.starts_with("=?xx"), "{strange}");
    assert!(summary("A: b".into()).snippet.chars().count() <= 250);
    let late = |spaces: usize| format!("Date: {}20 Nov 2026 13:00 +0000", "(x) ".repeat(spaces));
    assert!(summary(late(10)).date_ms.is_some());
    assert!(summary(late(100)).date_ms.is_none());

    // Text is kept up to the limit that was asked for, and a defect is noted once.
    let long = scan(&format!("A: b\n\n{}", (x(2_000) + "\n").repeat(50)));
    assert!(long.text.len() <= 1_000, "{}", long.text.len());
    let times = |defect| long.summary.defects.iter().filter(|it| **it == defect).count();
    assert_eq!(times(smtpd::message::Defect::LongLine), 1);
}
