//! What the program asks of the disk before it says 250, and what it says when the disk fails.
//!
//! strace watches the real binary, and makes system calls fail that a real disk fails once in years.

use std::{
    collections::HashMap,
    fs, io,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use crate::harness::{Client, SMTPD, Server, eventually, have, signal};

const ENVIRONMENT: [(&str, &str); 2] =
    [("SMTPD_STORE_INLINE_LIMIT", "10000"), ("SMTPD_SERVER_THREADS", "2")];

/// Lets strace make calls of a running server fail, of one file or of all, until that ends.
fn inject(server: &Server, fault: &str, called: &str, path: Option<&Path>) -> Child {
    let mut strace = Command::new("strace");
    strace.args(["-f", "-q", "-o", "trace", "-e", &format!("trace={called}"), "-e", fault]);
    strace.args(path.map(|path| format!("--trace-path={}", path.display())));
    strace.args(["-p", &server.pid().to_string()]).current_dir(&server.folder);
    let strace = strace.stderr(Stdio::null()).spawn().unwrap();
    let tasks = format!("/proc/{}/task", server.pid());
    eventually(10, "strace has all threads", || {
        let is_traced = |task: io::Result<fs::DirEntry>| {
            let status =
                fs::read_to_string(task.unwrap().path().join("status")).unwrap_or_default();
            !status.contains("TracerPid:\t0\n")
        };
        fs::read_dir(&tasks).unwrap().all(is_traced)
    });
    strace
}

/// A mail that begins with its subject; large ones become files.
fn body(subject: &str, is_large: bool) -> String {
    let lines = if is_large { 1000 } else { 2 };
    format!("Subject: {subject}\r\n\r\n{}end", "0123456789\r\n".repeat(lines))
}

/// One system call that succeeded, with the lines of the trace at which it began and ended.
#[derive(Debug)]
struct Call {
    text: String,
    began: usize,
    ended: usize,
}

/// The calls of a trace, put together where another thread came between.
fn calls(trace: &str) -> Vec<Call> {
    let mut halves: HashMap<&str, (usize, String)> = HashMap::new();
    let mut calls = Vec::new();
    for (number, line) in trace.lines().enumerate() {
        let Some((thread, rest)) = line.split_once(' ') else { continue };
        let rest = rest.trim();
        if let Some(half) = rest.strip_suffix("<unfinished ...>") {
            halves.insert(thread, (number, half.to_owned()));
        } else if let Some((_, end)) = rest.split_once(" resumed>") {
            let (began, half) = halves.remove(thread).unwrap();
            calls.push(Call { text: half + end, began, ended: number });
        } else {
            calls.push(Call { text: rest.to_owned(), began: number, ended: number });
        }
    }
    calls.retain(|call| !call.text.contains(" = -1 "));
    calls
}

/// Where the first such call ends that begins after a line; fails if there is none.
fn after(calls: &[Call], line: usize, name: &str, holds: &[&str]) -> usize {
    let is_it = |call: &&Call| {
        call.began > line
            && call.text.starts_with(name)
            && holds.iter().all(|some| call.text.contains(some))
    };
    let found = calls.iter().find(is_it);
    found.unwrap_or_else(|| panic!("no {name} of {holds:?} after line {line}")).ended
}

#[test]
fn everything_is_synced_before_it_is_acknowledged() {
    if !have(&["strace"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let watched = "trace=openat,mkdir,write,pwrite64,pwritev,fsync,fdatasync,sendto,exit_group";
    let mut command = Command::new("strace");
    // -D: the process that we start is smtpd itself.
    command.args(["-D", "-f", "-qq", "-y", "-s", "300", "-o", "trace", "-e", watched, SMTPD]);
    let mut server = Server::start_by(command, folder.path(), &ENVIRONMENT);
    let mut client = Client::connect(server.smtp);
    client.say("EHLO client.example").unwrap();
    for (subject, is_large) in [("first", false), ("second", false), ("large", true)] {
        let reply = client.mail(&body(subject, is_large)).unwrap();
        assert!(reply.starts_with("250 2.0.0"), "{reply}");
    }
    signal(server.pid(), "TERM");
    assert!(server.ended());
    let trace = || fs::read_to_string(folder.path().join("trace")).unwrap();
    eventually(10, "strace has written all", || trace().contains("exit_group(0"));
    let trace = trace();
    let calls = calls(&trace);
    let answered = |subject: &str| {
        let data = after(&calls, 0, "", &[&format!("Subject: {subject}")]);
        calls
            .iter()
            .find(|it| it.began > data && it.text.contains("250 2.0.0 Ok: queued"))
            .unwrap()
            .began
    };

    // The folders and the first segment: made, synced, and their names synced in what holds them.
    let made = after(&calls, 0, "openat", &["000000000001.journal", "O_CREAT"]);
    let named = after(&calls, made, "fsync", &["/journal>"]);
    let segment = after(&calls, made, "fsync", &["000000000001.journal>"]);
    for (inner, outer) in
        [("data/journal\"", "/data>"), ("data\"", &*folder.path().to_string_lossy())]
    {
        let made = after(&calls, 0, "mkdir", &[inner]);
        assert!(after(&calls, made, "fsync", &[outer]) < answered("first"), "{inner}");
    }
    assert!(named.max(segment) < answered("first"));

    // Small messages: written into the journal, then synced there, then answered.
    for subject in ["first", "second"] {
        let text = format!("Subject: {subject}");
        let written = after(&calls, 0, "pwritev", &[".journal>", &text]);
        let synced = after(&calls, written, "fdatasync", &[".journal>"]);
        assert!(synced < answered(subject), "{subject}: {synced}\n{trace}");
    }

    // A large one: its file and the file's name, then the record, then the answer.
    let file = fs::read_dir(folder.path().join("data/bodies")).unwrap().next().unwrap().unwrap();
    let file = file.file_name().into_string().unwrap();
    let of_file = |it: &&Call| it.text.starts_with("write(") && it.text.contains(&file);
    let written = calls.iter().filter(of_file).map(|it| it.ended).max().unwrap();
    let synced = after(&calls, written, "fdatasync", &[&file]);
    let named = after(&calls, synced, "fsync", &["/bodies>"]);
    let record = after(&calls, named, "pwritev", &[".journal>", &file]);
    let durable = after(&calls, record, "fdatasync", &[".journal>"]);
    assert!(durable < answered("large"), "{trace}");
}

/// What is known of a subject that was sent.
#[derive(Debug, PartialEq)]
enum Told {
    Stored,
    Refused,
}

/// Sends a message by commands of its own; the reply to the last one, or to the first that is refused.
fn mail(client: &mut Client, body: &str) -> String {
    let data = format!("{body}\r\n.");
    let commands = ["MAIL FROM:<a@example.org>", "RCPT TO:<b@example.org>", "DATA", &data];
    let mut reply = String::new();
    for command in commands {
        reply = client.say(command).unwrap();
        if !reply.starts_with("250") && !reply.starts_with("354") {
            break;
        }
    }
    reply
}

/// Sends small and large messages while the disk fails as strace is told; what was said to each. If it
/// fails but once, the service must return.
fn send_while(
    folder: &Path,
    fault: &str,
    called: &str,
    is_once: bool,
) -> Vec<(String, bool, Told)> {
    let mut server = Server::start_in(folder, &ENVIRONMENT);
    let mut strace = None;
    let mut told = Vec::new();
    let mut client = Client::connect(server.smtp);
    client.say("EHLO client.example").unwrap();
    let returns_by = Instant::now() + Duration::from_secs(20);
    for number in 0.. {
        if number == if is_once { 0 } else { WELL } {
            strace = Some(inject(&server, fault, called, None));
        }
        let is_well = matches!(told.last(), Some((_, _, Told::Stored)));
        if number >= 24 && (is_well || !is_once) {
            break;
        }
        assert!(Instant::now() < returns_by, "{fault}: service did not return: {}", server.log());
        let (subject, is_large) = (format!("n{number}n"), number % 4 == 3);
        let said = mail(&mut client, &body(&subject, is_large));
        match said.get(..3) {
            Some("250") => told.push((subject, is_large, Told::Stored)),
            Some(_) if is_later(&said) => {
                told.push((subject, is_large, Told::Refused));
                let _ = client.say("RSET");
            }
            _ => panic!("{fault}: {said:?}\n{}", server.log()),
        }
    }
    // Whatever happened, what is stored can be read.
    let stored = told.iter().filter(|it| it.2 == Told::Stored).count();
    assert_eq!(server.messages("limit=500").len(), stored, "{fault}\n{}", server.log());
    server.kill();
    strace.unwrap().wait().unwrap();
    told
}

/// So many messages come before a disk fails for good.
const WELL: usize = 5;

/// After a kill and on a disk that is well again, what was promised is there, once, and nothing else.
fn is_as_told(folder: &Path, fault: &str, told: &[(String, bool, Told)]) {
    let server = Server::start_in(folder, &ENVIRONMENT);
    let messages = server.messages("limit=500");
    let stored: Vec<_> = told.iter().filter(|it| it.2 == Told::Stored).collect();
    for (subject, is_large, _) in &stored {
        let raw = String::from_utf8(server.raw_of(subject)).unwrap();
        assert!(raw.ends_with(&(body(subject, *is_large) + "\r\n")), "{fault}: {subject}");
    }
    assert_eq!(messages.len(), stored.len(), "{fault}: {told:?}");
    let mut client = Client::connect(server.smtp);
    client.say("EHLO client.example").unwrap();
    assert!(client.mail(&body("after", false)).unwrap().starts_with("250 "), "{fault}");
}

#[test]
fn a_call_that_fails_once_costs_nothing_that_was_promised() {
    if !have(&["strace"]) {
        return;
    }
    // SQLite writes with pwrite64, the journal with pwritev; both sync with fdatasync, folders and new
    // files with fsync. strace counts the calls of each thread by itself.
    let calls = ["pwritev", "pwrite64", "fdatasync", "fsync", "ftruncate"];
    let mut struck = 0;
    for call in calls {
        for error in ["EIO", "ENOSPC"] {
            for nth in [1, 3] {
                let folder = tempfile::tempdir().unwrap();
                let fault = format!("inject={call}:error={error}:when={nth}");
                let told = send_while(folder.path(), &fault, call, true);
                let trace = fs::read_to_string(folder.path().join("trace")).unwrap();
                struck += usize::from(trace.contains("(INJECTED)"));
                is_as_told(folder.path(), &fault, &told);
            }
        }
    }
    assert!(struck > 12, "{struck}");
}

#[test]
fn a_disk_that_fails_for_good_is_never_acknowledged() {
    if !have(&["strace"]) {
        return;
    }
    for (call, error) in [("pwritev", "EROFS"), ("pwritev", "ENOSPC"), ("fdatasync", "EIO")] {
        let folder = tempfile::tempdir().unwrap();
        let fault = format!("inject={call}:error={error}");
        let told = send_while(folder.path(), &fault, call, false);
        let last = told.iter().rposition(|it| it.2 == Told::Stored);
        assert_eq!(last, Some(WELL - 1), "{fault}: {told:?}");
        is_as_told(folder.path(), &fault, &told);
    }
}

/// "Try later", with a code that says why. After a failed write the reserve may be given up for a while,
/// so trouble of any kind can be told as want of room.
fn is_later(reply: &str) -> bool {
    reply.starts_with("451 4.3.0") || reply.starts_with("452 4.3.1")
}

/// The answer to DATA of a message that is not sent.
fn data(client: &mut Client) -> String {
    for command in ["MAIL FROM:<a@example.org>", "RCPT TO:<b@example.org>"] {
        assert!(client.say(command).unwrap().starts_with("250 "));
    }
    let reply = client.say("DATA").unwrap();
    if reply.starts_with("354") {
        client.say("Subject: unwanted\r\n\r\n.").unwrap()
    } else {
        client.say("RSET").unwrap();
        reply
    }
}

#[test]
fn while_nothing_can_be_written_it_is_not_ready_and_then_it_is_again() {
    if !have(&["strace"]) {
        return;
    }
    // A disk that has become read-only, and one on which only the database is in trouble.
    for (called, error) in [("pwritev,pwrite64", "EROFS"), ("pwrite64", "EIO")] {
        let folder = tempfile::tempdir().unwrap();
        let mut server = Server::start_in(folder.path(), &ENVIRONMENT);
        let mut client = Client::connect(server.smtp);
        client.say("EHLO client.example").unwrap();
        let mut told = Vec::new();
        let mut send = |client: &mut Client, number: usize| {
            let (subject, is_large) = (format!("n{number}n"), number % 4 == 3);
            let reply = mail(client, &body(&subject, is_large));
            let is_stored = reply.starts_with("250 2.0.0");
            assert!(is_stored || is_later(&reply), "{called}: {reply}");
            let _ = client.say("RSET");
            told.push((subject, is_large, if is_stored { Told::Stored } else { Told::Refused }));
            is_stored
        };
        assert!((0..5).all(|number| send(&mut client, number)));
        assert_eq!(server.messages("limit=9").len(), 5);
        assert_eq!(server.request("GET", "/readyz").0, 200);

        let mut strace = inject(&server, &format!("inject={called}:error={error}"), called, None);
        let mut number = 5;
        eventually(30, "mail is refused", || {
            number += 1;
            !send(&mut client, number)
        });
        // It stays so, is said, and no body is asked for.
        for _ in 0..15 {
            assert_eq!(server.request("GET", "/readyz").0, 503, "{}", server.log());
            assert_eq!(server.request("GET", "/livez").0, 200);
            let reply = data(&mut client);
            assert!(is_later(&reply), "{called}: {reply}");
            assert!(server.raw_of("n3n").ends_with(b"end\r\n"), "readers go on reading");
            std::thread::sleep(Duration::from_millis(100));
        }

        signal(strace.id(), "TERM");
        strace.wait().unwrap();
        eventually(20, "it is ready again", || server.request("GET", "/readyz").0 == 200);
        assert!((100..105).all(|number| send(&mut client, number)));
        server.kill();
        is_as_told(folder.path(), called, &told);
    }
}

/// A sync that fails is worse than none: the system forgets what it was to write, and the next sync succeeds
/// without it. tests/faults/torn.py --fail cuts the power behind that.
#[test]
fn after_a_sync_of_the_log_has_failed_the_log_is_written_again() {
    if !have(&["strace"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::start_in(folder.path(), &ENVIRONMENT);
    let mut client = Client::connect(server.smtp);
    client.say("EHLO client.example").unwrap();
    for number in 0..20 {
        let reply = client.mail(&body(&format!("n{number}n"), false)).unwrap();
        assert!(reply.starts_with("250 "), "{reply}");
    }
    let messages = server.messages("limit=20");
    let delete = |place: usize| {
        let id = messages[place]["id"].as_str().unwrap();
        server.request("DELETE", &format!("/api/messages/{id}")).0
    };
    let log = folder.path().join("data/smtpd.db-wal");
    let length = fs::metadata(&log).unwrap().len();
    // Of this file only; the second of its syncs fails, and nothing after it.
    let fault = "inject=fdatasync:error=EIO:when=2";
    let mut strace = inject(&server, fault, "fdatasync,pwrite64", Some(&log));
    assert_eq!(delete(0), 204);
    assert_eq!(delete(1), 503, "it is not said that something is deleted that may come back");
    assert_eq!(delete(2), 204);
    signal(strace.id(), "TERM");
    strace.wait().unwrap();
    let trace = fs::read_to_string(folder.path().join("trace")).unwrap();
    let mut behind = trace.lines().skip_while(|line| !line.contains("(INJECTED)")).skip(1);
    // From its beginning to its end, in one piece or several, and then synced.
    let mut octets = 0;
    let synced = loop {
        let line = behind.next().unwrap_or_default();
        if !line.contains("pwrite64(") {
            break line;
        }
        let (call, written) = line.rsplit_once(" = ").unwrap();
        assert!(call.trim_end().ends_with(&format!(", {octets})")), "{octets}: {trace}");
        octets += written.parse::<u64>().unwrap();
    };
    assert!(octets >= length, "{octets} of {length}: {trace}");
    assert!(synced.contains("fdatasync(") && synced.ends_with(" = 0"), "{trace}");
    assert_eq!(server.messages("limit=20").len(), 18);
    server.kill();
}

/// What a power cut would leave of the index then, nobody knows. It can be made again, so it is.
#[test]
fn after_a_sync_of_its_log_has_failed_the_index_is_made_anew() {
    if !have(&["strace"]) {
        return;
    }
    let server = Server::start(&[]);
    let log = server.folder.join("data/index.db-wal");
    let mut strace = inject(&server, "inject=fdatasync:error=EIO:when=1", "fdatasync", Some(&log));
    let mut client = Client::connect(server.smtp);
    client.say("EHLO client.example").unwrap();
    // So many words, none twice, that the log of the index has to be moved.
    for number in 0..200 {
        let words: String = (0..9_000).map(|word| format!("w{number}x{word}\r\n")).collect();
        let reply = client.mail(&format!("Subject: n{number}n\r\n\r\n{words}end")).unwrap();
        assert!(reply.starts_with("250 "), "{reply}");
    }
    eventually(60, "the index is made anew", || server.log().contains("it is rebuilt: "));
    let behind = || {
        let detail: serde_json::Value =
            serde_json::from_slice(&server.get("/status/detail")).unwrap();
        detail["index_lag"].as_u64().unwrap()
    };
    eventually(60, "it has everything", || behind() == 0);
    for number in [0, 99, 199] {
        assert_eq!(server.messages(&format!("q=w{number}x8999")).len(), 1, "{}", server.log());
    }
    signal(strace.id(), "TERM");
    strace.wait().unwrap();
    let trace = fs::read_to_string(server.folder.join("trace")).unwrap();
    assert_eq!(trace.matches("(INJECTED)").count(), 1, "{trace}");
}

#[test]
fn a_slow_disk_answers_everybody_and_a_crowd_shares_its_syncs() {
    if !have(&["strace"]) {
        return;
    }
    const SENDERS: usize = 30;
    const EACH: usize = 5;
    let server = Server::start(&ENVIRONMENT);
    // Each sync takes 5 ms longer.
    let mut strace = inject(&server, "inject=fdatasync:delay_enter=5000", "fdatasync", None);
    std::thread::scope(|scope| {
        for sender in 0..SENDERS {
            let smtp = server.smtp;
            scope.spawn(move || {
                let mut client = Client::connect(smtp);
                client.say("EHLO client.example").unwrap();
                for number in 0..EACH {
                    let subject = format!("s{sender}n{number}");
                    let reply = mail(&mut client, &body(&subject, number == 2));
                    assert!(reply.starts_with("250 2.0.0"), "{reply}");
                }
            });
        }
    });
    assert_eq!(server.messages("limit=500").len(), SENDERS * EACH);
    signal(strace.id(), "TERM");
    strace.wait().unwrap();
    let trace = fs::read_to_string(server.folder.join("trace")).unwrap();
    let syncs = trace.lines().filter(|line| line.contains("fdatasync(")).count();
    // A large message has a file of its own, which is one sync more.
    assert!((5..SENDERS * EACH).contains(&syncs), "{syncs}");
}

/// One thread serves everybody, and another waits for the disk.
#[test]
fn a_disk_that_is_stuck_keeps_nobody_else_waiting() {
    if !have(&["strace"]) {
        return;
    }
    const STUCK: Duration = Duration::from_secs(3);
    let server = Server::start(&[("SMTPD_SERVER_THREADS", "1")]);
    let mut client = Client::connect(server.smtp);
    client.say("EHLO client.example").unwrap();
    let mut send = |subject| mail(&mut client, &body(subject, false));
    assert!(send("before").starts_with("250 2.0.0"));
    let delay = format!("inject=fdatasync:delay_enter={}", STUCK.as_micros());
    let mut strace = inject(&server, &delay, "fdatasync", None);
    let begun = Instant::now();
    let longest = std::thread::scope(|scope| {
        let sending = scope.spawn(move || send("stuck"));
        let mut longest = Duration::ZERO;
        while !sending.is_finished() {
            let asked = Instant::now();
            server.get("/ping");
            longest = longest.max(asked.elapsed());
            std::thread::sleep(Duration::from_millis(20));
        }
        assert!(sending.join().unwrap().starts_with("250 2.0.0"));
        longest
    });
    assert!(begun.elapsed() >= STUCK, "the disk was not stuck");
    assert!(longest < STUCK / 3, "somebody waited for {longest:?}");
    signal(strace.id(), "TERM");
    strace.wait().unwrap();
}
