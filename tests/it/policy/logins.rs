//! Back ends of users: a file, secrets, keys and tokens, with real clients.

use std::{
    fs,
    io::Write as _,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use data_encoding::BASE64;

use super::status;
use crate::harness::{Client, Server, eventually, file, have, run, signal};

fn ready(server: &Server) -> Client {
    let mut client = Client::connect(server.smtp);
    client.say("EHLO client.example").unwrap();
    client
}

pub(super) fn login(server: &Server, user: &str, password: &str) -> String {
    let message = BASE64.encode(format!("\0{user}\0{password}").as_bytes());
    ready(server).say(&format!("AUTH PLAIN {message}")).unwrap()
}

/// What `smtpd hash-password` prints.
fn hashed(password: &str, how: &[&str]) -> String {
    let mut child = Command::new(env!("CARGO_BIN_EXE_smtpd"))
        .arg("hash-password")
        .args(how)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(password.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Python's code if the login was refused.
fn python(server: &Server, mechanism: &str, user: &str, secret: &str) -> Result<(), String> {
    let output = Command::new("python3")
        .arg(file("tests/interop/sasl_login.py"))
        .args([&server.smtp.ip().to_string(), &server.smtp.port().to_string()])
        .args([mechanism, user, secret])
        .output()
        .unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    if output.status.success() { Ok(()) } else { Err(error.trim().to_owned()) }
}

#[test]
fn the_users_file_is_read_again_on_sighup() {
    let folder = tempfile::tempdir().unwrap();
    let users = folder.path().join("users");
    fs::write(&users, format!("# ours\nann:{}\n", hashed("geheim", &[]))).unwrap();
    let environment = [
        ("SMTPD_AUTH_MODE", "required"),
        ("SMTPD_AUTH_USERS_FILE", "users"),
        ("SMTPD_AUTH_FAILURE_SECONDS", "0"),
    ];
    let server = Server::start_in(folder.path(), &environment);
    assert!(login(&server, "ann", "geheim").starts_with("235 "));
    assert!(login(&server, "ann", "Geheim").starts_with("535 5.7.8 "));
    assert!(login(&server, "bob", "geheim").starts_with("535 5.7.8 "));
    let mut session = ready(&server);

    fs::write(&users, format!("bob:{}\n", hashed("geheim", &["--scram"]))).unwrap();
    signal(server.pid(), "HUP");
    eventually(10, "bob is a user", || login(&server, "bob", "geheim").starts_with("235 "));
    assert!(login(&server, "ann", "geheim").starts_with("535 "));
    assert!(session.say("NOOP").unwrap().starts_with("250 "), "sessions go on");

    fs::write(&users, "bob:geheim\n").unwrap();
    signal(server.pid(), "HUP");
    eventually(10, "the broken file is logged", || {
        server.log().contains("users:1: expected an argon2 hash or SCRAM keys")
    });
    assert!(login(&server, "bob", "geheim").starts_with("235 "), "the users stay as they were");
    assert_eq!(status(&server, "logins_failed"), u64::from(count(&server, "login refused")));
}

/// What is offered is what the users of now can use.
#[test]
fn mechanisms_follow_the_users_file() {
    let folder = tempfile::tempdir().unwrap();
    let users = folder.path().join("users");
    fs::write(&users, "# nobody yet\n").unwrap();
    let environment = [("SMTPD_AUTH_MODE", "optional"), ("SMTPD_AUTH_USERS_FILE", "users")];
    let server = Server::start_in(folder.path(), &environment);
    let offered = || {
        let told = Client::connect(server.smtp).say("EHLO client.example").unwrap();
        let line = told.lines().find_map(|line| line.strip_prefix("250-AUTH "));
        line.map(|line| line.trim_end().to_owned()).unwrap_or_default()
    };
    assert_eq!(offered(), "");
    assert!(ready(&server).say("AUTH PLAIN").unwrap().starts_with("502 "));
    let mut before = ready(&server);
    let [scram, argon2] = [hashed("geheim", &["--scram"]), hashed("geheim", &[])];
    for (lines, expected) in [
        (format!("ann:{scram}\n"), "PLAIN LOGIN SCRAM-SHA-256"),
        (format!("ann:{scram}\nbob:{argon2}\n"), "PLAIN LOGIN"),
        (String::new(), ""),
        (format!("bob:{argon2}\n"), "PLAIN LOGIN"),
    ] {
        fs::write(&users, &lines).unwrap();
        signal(server.pid(), "HUP");
        eventually(10, "the offer is another", || offered() == expected);
    }
    assert!(login(&server, "bob", "geheim").starts_with("235 "));
    // A session keeps what it was told.
    assert!(before.say("AUTH PLAIN").unwrap().starts_with("502 "));
}

fn count(server: &Server, what: &str) -> u32 {
    u32::try_from(server.log().matches(what).count()).unwrap()
}

#[test]
fn a_users_file_that_cannot_be_read_is_no_start() {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_smtpd"))
        .current_dir(folder.path())
        .env("SMTPD_SMTP_LISTEN", "127.0.0.1:0")
        .env("SMTPD_HTTP_LISTEN", "127.0.0.1:0")
        .env("SMTPD_AUTH_USERS_FILE", "nowhere")
        .output()
        .unwrap();
    assert!(!output.status.success());
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("auth.users_file: cannot read nowhere: "), "{error}");
}

#[test]
fn python_logs_in_by_every_mechanism() {
    if !have(&["python3"]) {
        return;
    }
    let server = Server::configured(&format!(
        "[auth]\nmode = 'required'\nfailure_seconds = 0\n\
         mechanisms = ['cram-md5', 'scram-sha-256', 'xoauth2', 'oauthbearer', 'plain']\n\
         [auth.users]\nann = '{}'\n[auth.secrets]\ntim = 'tanstaaftanstaaf'\n\
         [auth.tokens]\nann = '{}'\nbob = 'plain-token'\n",
        hashed("open sesame", &["--scram"]),
        hashed("a-token", &["--token"]),
    ));
    for (mechanism, user, secret) in [
        ("CRAM-MD5", "tim", "tanstaaftanstaaf"),
        ("SCRAM-SHA-256", "tim", "tanstaaftanstaaf"),
        ("SCRAM-SHA-256", "ann", "open sesame"),
        ("XOAUTH2", "ann", "a-token"),
        ("OAUTHBEARER", "bob", "plain-token"),
    ] {
        assert_eq!(python(&server, mechanism, user, secret), Ok(()), "{mechanism} {user}");
        let newest = &server.messages("limit=1")[0];
        assert_eq!(newest["envelope"]["auth_user"], user, "{mechanism}");
    }
    for (mechanism, user, secret) in [
        ("CRAM-MD5", "tim", "tanstaaf"),
        ("CRAM-MD5", "ann", "open sesame"),
        ("SCRAM-SHA-256", "ann", "open"),
        ("SCRAM-SHA-256", "nobody", "open sesame"),
        ("XOAUTH2", "ann", "plain-token"),
        ("OAUTHBEARER", "nobody", "a-token"),
    ] {
        let refused = python(&server, mechanism, user, secret);
        assert_eq!(refused, Err("535".into()), "{mechanism} {user}");
    }
    assert_eq!(status(&server, "logins_failed"), 6);
}

#[test]
fn swaks_logs_in_by_digest() {
    if !have(&["swaks"]) {
        return;
    }
    let server = Server::start(&[
        ("SMTPD_AUTH_MODE", "required"),
        ("SMTPD_AUTH_SECRETS", "tim=tanstaaftanstaaf"),
    ]);
    run(Command::new("swaks")
        .args(["--server", &server.smtp.ip().to_string()])
        .args(["--port", &server.smtp.port().to_string()])
        .args(["--from", "ann@example.org", "--to", "bob@example.org"])
        .args(["--auth", "CRAM-MD5", "-au", "tim", "-ap", "tanstaaftanstaaf"]));
    assert_eq!(server.messages("limit=1")[0]["envelope"]["auth_user"], "tim");
}

#[test]
fn failed_logins_are_slow_and_then_not_looked_at() {
    let server = Server::start(&[
        ("SMTPD_AUTH_MODE", "optional"),
        ("SMTPD_AUTH_SECRETS", "tim=tanstaaftanstaaf"),
        ("SMTPD_AUTH_FAILURES", "2"),
    ]);
    for seconds in [1, 2] {
        let asked = Instant::now();
        assert!(login(&server, "tim", "x").starts_with("535 5.7.8 "));
        assert!(asked.elapsed() >= Duration::from_secs(seconds), "{:?}", asked.elapsed());
    }
    // The right password is not looked at either.
    assert!(login(&server, "tim", "tanstaaftanstaaf").starts_with("454 4.7.0 "));
    let mut other = ready(&server);
    assert!(other.say("MAIL FROM:<a@example.org>").unwrap().starts_with("250 "), "mail goes on");
}
