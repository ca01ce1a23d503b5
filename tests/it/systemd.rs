//! smtpd as a service of systemd: what the unit forbids, and what systemd is told.

// A helper of a test may fail it.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::{
    collections::BTreeSet,
    fs,
    os::unix::{
        fs::{PermissionsExt as _, chown},
        net::UnixDatagram,
    },
    process::Command,
    time::Duration,
};

use crate::harness::{Client, SMTPD, Server, am_root, eventually, file, have, run, signal};

#[test]
fn the_unit_is_hardened() {
    if !have(&["systemd-analyze"]) {
        return;
    }
    let unit = file("deploy/systemd/smtpd.service");
    let mut analyze = Command::new("systemd-analyze");
    let output = run(analyze.args(["security", "--offline=true", "--no-pager"]).arg(&unit));
    let text = String::from_utf8(output.stdout).unwrap();
    let verdict = text.lines().find(|line| line.contains("Overall exposure level")).unwrap();
    let exposure = verdict.split_whitespace().find_map(|word| word.parse::<f64>().ok());
    assert!(exposure.is_some_and(|exposure| exposure <= 2.0), "{verdict}");

    // It is understood, too, once the program is where it says.
    let folder = tempfile::tempdir().unwrap();
    for name in ["smtpd.service", "smtpd.socket"] {
        let text = fs::read_to_string(file("deploy/systemd").join(name)).unwrap();
        let text = text.replace("/usr/local/bin/smtpd", SMTPD);
        fs::write(folder.path().join(name), text).unwrap();
    }
    let mut verify = Command::new("systemd-analyze");
    verify.args(["verify", "--man=no", "smtpd.service", "smtpd.socket"]);
    let output = run(verify.current_dir(folder.path()));
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(!said.contains("smtpd."), "{said}");
}

/// The names in a set of systemd's, and in the sets that it holds.
fn system_calls(set: &str) -> BTreeSet<String> {
    let output = run(Command::new("systemd-analyze").args(["syscall-filter", "--no-pager", set]));
    let text = String::from_utf8(output.stdout).unwrap();
    let words =
        text.lines().skip(1).map(str::trim).filter(|it| !it.is_empty() && !it.starts_with('#'));
    words
        .flat_map(|word| match word.starts_with('@') {
            true => system_calls(word),
            false => BTreeSet::from([word.to_owned()]),
        })
        .collect()
}

#[test]
fn the_unit_lets_it_do_its_work() {
    if !am_root() || !have(&["systemd-analyze", "strace", "setpriv"]) {
        return;
    }
    let unit = fs::read_to_string(file("deploy/systemd/smtpd.service")).unwrap();
    let (mut allowed, mut forbidden) = (BTreeSet::new(), BTreeSet::new());
    for line in unit.lines().filter_map(|line| line.strip_prefix("SystemCallFilter=")) {
        let is_forbidden = line.starts_with('~');
        for set in line.trim_start_matches('~').split_whitespace() {
            (if is_forbidden { &mut forbidden } else { &mut allowed }).extend(system_calls(set));
        }
    }
    let allowed: BTreeSet<_> = allowed.difference(&forbidden).cloned().collect();
    // These are permitted whatever the filter.
    let allowed: BTreeSet<_> = allowed.union(&system_calls("@default")).cloned().collect();
    assert!(allowed.len() > 100, "{allowed:?}");

    let folder = tempfile::tempdir().unwrap();
    chown(folder.path(), Some(54_321), Some(54_321)).unwrap();
    let text = "[store]\ninline_limit = 1000\n[retention]\nmessages = 2\ninterval_seconds = 1\n\
        [smtp]\ntls = 'offered'\n[tls]\nself_signed = true\n[server]\nthreads = 2\n";
    fs::write(folder.path().join("smtpd.toml"), text).unwrap();
    let mut command = Command::new("setpriv");
    command.args(["--reuid=54321", "--regid=54321", "--clear-groups"]);
    // -D: the process that we start is smtpd, and strace is beside it.
    command.args(["strace", "-D", "-f", "-qq", "-o", "trace", SMTPD]);
    let mut server = Server::start_by(command, folder.path(), &[("SMTPD_CONFIG", "smtpd.toml")]);
    let mut client = Client::connect(server.smtp);
    client.say("EHLO client.example").unwrap();
    let large = ("x".repeat(70) + "\r\n").repeat(100);
    for body in ["a", &large, "b", &large, "c"] {
        assert!(client.mail(&format!("Subject: s\r\n\r\n{body}")).unwrap().starts_with("250 "));
    }
    for page in ["/", "/status", "/api/messages?q=xxx", "/readyz"] {
        server.get(page);
    }
    signal(server.pid(), "HUP");
    eventually(20, "retention", || {
        String::from_utf8(server.get("/status")).unwrap().contains("\"messages\":2,")
    });
    signal(server.pid(), "TERM");
    assert!(server.ended());
    let trace = || fs::read_to_string(folder.path().join("trace")).unwrap();
    eventually(10, "strace has written all", || trace().contains("exit_group"));
    let used: BTreeSet<_> = trace()
        .lines()
        .filter_map(|line| {
            let (_, call) = line.split_once(char::is_whitespace)?;
            let call = call.trim().trim_start_matches("<... ");
            let end = call.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))?;
            (call[end..].starts_with('(')).then(|| call[..end].to_owned())
        })
        .collect();
    assert!(used.contains("fdatasync") && used.len() > 30, "{used:?}");
    let denied: Vec<_> = used.difference(&allowed).collect();
    assert!(denied.is_empty(), "the unit forbids {denied:?}");
}

#[test]
fn systemd_is_told_how_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let socket = UnixDatagram::bind(folder.path().join("notify")).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let hear = || {
        let mut text = [0; 100];
        let length = socket.recv(&mut text).unwrap();
        String::from_utf8(text[..length].to_owned()).unwrap()
    };
    let path = folder.path().join("notify");
    let environment = [("NOTIFY_SOCKET", path.to_str().unwrap()), ("WATCHDOG_USEC", "200000")];
    let mut server = Server::start(&environment);
    let mut heard: Vec<_> = (0..6).map(|_| hear()).collect();
    assert_eq!(heard.iter().filter(|it| *it == "READY=1").count(), 1, "{heard:?}");
    assert_eq!(heard.iter().filter(|it| *it == "WATCHDOG=1").count(), 5, "{heard:?}");
    // Whoever says that it is ready takes mail.
    assert!(Client::connect(server.smtp).say("NOOP").unwrap().starts_with("250 "));
    signal(server.pid(), "TERM");
    assert!(server.ended());
    heard.clear();
    while !heard.iter().any(|it| it == "STOPPING=1") {
        heard.push(hear());
    }
    // Nobody listens: that is no reason not to run.
    drop(socket);
    fs::remove_file(&path).unwrap();
    let server = Server::start(&environment);
    assert!(Client::connect(server.smtp).say("NOOP").unwrap().starts_with("250 "));
    let mode = fs::metadata(file("deploy/systemd/smtpd.service")).unwrap().permissions().mode();
    assert_eq!(mode & 0o111, 0, "a unit is no program");
}
