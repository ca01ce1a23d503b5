//! Root binds the port, and somebody else takes the mail.

// A helper of a test may fail it.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use crate::{
    harness::{Client, SMTPD, Server, am_root, connect, eventually, have, signal},
    listeners::{Authority, encrypted, greeted},
};

/// A folder that the user may enter, with one in it that is the user's.
fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let home = folder.path().join("home");
    fs::create_dir(&home).unwrap();
    chown(&home, Some(NOBODY), Some(NOBODY)).unwrap();
    (folder, home)
}

/// A port that only root may bind.
fn low_port() -> SocketAddr {
    let ports = (600..1024).map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
    let free = |address: &SocketAddr| TcpListener::bind(address).is_ok();
    { ports }.find(free).unwrap()
}

/// What a start that must fail says.
fn refusal(command: &mut Command, home: &Path, user: &str) -> String {
    let mut child = command
        .current_dir(home)
        .env("SMTPD_SMTP_LISTEN", "127.0.0.1:0")
        .env("SMTPD_HTTP_LISTEN", "127.0.0.1:0")
        .env("SMTPD_SERVER_USER", user)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let end = Instant::now() + Duration::from_secs(20);
    while child.try_wait().unwrap().is_none() && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(10));
    }
    // One that runs on is ended, and was no success either.
    let _ = child.kill();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1), "it runs");
    assert!(!home.join("data").exists(), "it went on to open its store");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn root_binds_the_port_and_a_user_takes_the_mail() {
    if !am_root() || !have(&["setpriv"]) {
        return;
    }
    let (folder, home) = folder();
    let authority = Authority::new();
    let [certificate, key] = ["cert.pem", "key.pem"].map(|name| folder.path().join(name));
    authority.sign("mx.test").write(&certificate, &key);
    let secret = |mode| fs::set_permissions(&key, fs::Permissions::from_mode(mode)).unwrap();
    // Only root can read it at the start.
    secret(0o600);
    let port = low_port();
    let text = format!(
        "[smtp]\nname = 'mx.test'\ntls = 'offered'\n\
         listeners = [{{ address = '{port}', tls = 'implicit' }}, 'unix:{}/socket']\n\
         [tls]\ncertificate = '../cert.pem'\nkey = '../key.pem'\n\
         [log]\nfile = 'own.log'\n[store]\ninline_limit = 1000\n\
         [server]\nuser = 'nobody'\nthreads = 3\n",
        home.display()
    );
    fs::write(home.join("smtpd.toml"), text).unwrap();
    let server = Server::start_in(&home, &[("SMTPD_CONFIG", "smtpd.toml")]);
    assert_eq!(server.listener(1), port);

    // Every thread, and for good.
    for thread in fs::read_dir(format!("/proc/{}/task", server.pid())).unwrap() {
        let status = fs::read_to_string(thread.unwrap().path().join("status")).unwrap();
        let line = |key| status.lines().find(|line| line.starts_with(key)).unwrap().trim();
        assert_eq!(line("Uid:"), format!("Uid:\t{NOBODY}\t{NOBODY}\t{NOBODY}\t{NOBODY}"));
        assert_eq!(line("Gid:"), format!("Gid:\t{NOBODY}\t{NOBODY}\t{NOBODY}\t{NOBODY}"));
        assert_eq!(line("Groups:"), format!("Groups:\t{NOBODY}"));
        for set in ["CapPrm:", "CapEff:"] {
            assert_eq!(line(set), format!("{set}\t0000000000000000"));
        }
    }

    let trust = authority.client(None);
    let shown = || {
        let mut client = greeted(encrypted(connect(port), &trust, "mx.test"));
        client.say("QUIT").unwrap();
        client.into_stream().conn.peer_certificates().unwrap()[0].to_vec()
    };
    let mut client = greeted(encrypted(connect(port), &trust, "mx.test"));
    client.say("EHLO client.example").unwrap();
    let large = "x".repeat(70) + "\r\n";
    for body in ["small", &large.repeat(100)] {
        assert!(client.mail(&format!("Subject: low\r\n\r\n{body}")).unwrap().starts_with("250 "));
    }
    let mut seen = 0;
    let mut walk = vec![home.clone()];
    while let Some(path) = walk.pop() {
        let data = fs::symlink_metadata(&path).unwrap();
        if data.is_dir() {
            walk.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
        let name = path.file_name().unwrap().to_str().unwrap();
        // What the test made itself.
        if !["smtpd.toml", "smtpd.log"].contains(&name) {
            assert_eq!((data.uid(), data.gid()), (NOBODY, NOBODY), "{}", path.display());
            seen += 1;
        }
    }
    assert!(seen >= 8, "only {seen} files");

    // What the user may not read changes nothing; what it may is taken.
    let log = || fs::read_to_string(home.join("own.log")).unwrap();
    let first = shown();
    authority.sign("mx.test").write(&certificate, &key);
    secret(0o600);
    signal(server.pid(), "HUP");
    eventually(5, "it is told", || log().contains("the certificates stay as they were"));
    assert!(log().contains("Permission denied"), "{}", log());
    assert_eq!(shown(), first);
    secret(0o644);
    signal(server.pid(), "HUP");
    eventually(5, "it is read", || log().contains("certificates read again"));
    assert_ne!(shown(), first);
    assert!(client.mail("Subject: after").unwrap().starts_with("250 "));
}

#[test]
fn a_number_is_a_user_too_and_the_group_is_its_own() {
    if !am_root() || !have(&["setpriv"]) {
        return;
    }
    let (_folder, home) = folder();
    chown(&home, Some(54_321), None).unwrap();
    let user = [("SMTPD_SERVER_USER", "54321"), ("SMTPD_SERVER_GROUP", "12345")];
    let server = Server::start_in(&home, &user);
    let status = fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    assert!(status.contains("Uid:\t54321\t54321\t54321\t54321\n"), "{status}");
    assert!(status.contains("Gid:\t12345\t12345\t12345\t12345\n"), "{status}");
    assert!(status.contains("Groups:\t12345 \n"), "{status}");
    assert!(Client::connect(server.smtp).say("EHLO a.example").unwrap().starts_with("250"));
}

#[test]
fn it_does_not_run_as_somebody_it_should_not_be() {
    if !am_root() || !have(&["setpriv"]) {
        return;
    }
    let (_folder, home) = folder();
    for (user, expected) in [
        ("no-such-user", "smtpd: server.user: there is no user no-such-user\n"),
        ("root", "smtpd: server.user: expected a user who is not root\n"),
        ("0", "smtpd: server.user: expected a user who is not root\n"),
    ] {
        assert_eq!(refusal(&mut Command::new(SMTPD), &home, user), expected);
    }
    // Root without the right to become somebody else, or to leave its groups.
    for right in ["setuid", "setgid"] {
        let mut weak = Command::new("setpriv");
        weak.args([format!("--bounding-set=-{right}"), SMTPD.into()]);
        let text = refusal(&mut weak, &home, "nobody");
        assert!(text.starts_with("smtpd: server.user: privileges cannot be dropped: "), "{text}");
    }
    // Somebody else altogether.
    let mut other = Command::new("setpriv");
    other.args(["--reuid=54321", "--regid=54321", "--clear-groups", SMTPD]);
    let text = refusal(&mut other, &home, "nobody");
    assert_eq!(text, "smtpd: server.user: only root can become somebody else\n");
}

/// The user and the group of nobody.
const NOBODY: u32 = 65_534;
