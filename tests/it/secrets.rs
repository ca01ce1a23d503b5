//! What must stay private: files, memory, passwords.

// A helper of a test may fail it.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::{
    fs,
    io::Write as _,
    os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _, chown},
    process::Command,
};

use data_encoding::{BASE64, HEXLOWER};
use smtpd::config::Config;

use crate::harness::{Client, SMTPD, Server, am_root, connect, eventually, have, signal};

/// A password that stands nowhere else.
const PASSWORD: &str = "Xyzzy-4711-plugh";

/// A command that becomes smtpd with nothing masked.
fn unmasked() -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", "umask 000; exec \"$0\"", SMTPD]);
    command
}

#[test]
fn files_are_for_their_owner_whatever_the_umask() {
    let folder = tempfile::tempdir().unwrap();
    let text = "[smtp]\nlisteners = ['unix:socket']\n[store]\npath = 'deep/data'\n\
        inline_limit = 1000\n[log]\nfile = 'own.log'";
    fs::write(folder.path().join("smtpd.toml"), text).unwrap();
    let server = Server::start_by(unmasked(), folder.path(), &[("SMTPD_CONFIG", "smtpd.toml")]);
    let mut client = Client::connect(server.smtp);
    client.say("EHLO client.example").unwrap();
    for body in ["small", &("x".repeat(70) + "\r\n").repeat(100)] {
        assert!(client.mail(&format!("Subject: s\r\n\r\n{body}")).unwrap().starts_with("250 "));
    }
    eventually(10, "the index is there", || {
        String::from_utf8(server.get("/status")).unwrap().contains("\"index_lag\":0")
    });
    // A log that was moved away is made again.
    fs::rename(folder.path().join("own.log"), folder.path().join("old.log")).unwrap();
    signal(server.pid(), "HUP");
    eventually(5, "the log is made again", || folder.path().join("own.log").exists());
    // While it runs, and after its end.
    for _ in 0..2 {
        let mut seen = Vec::new();
        let mut walk = vec![folder.path().to_owned()];
        while let Some(path) = walk.pop() {
            let data = fs::symlink_metadata(&path).unwrap();
            let (mode, name) = (data.permissions().mode() & 0o777, path.file_name().unwrap());
            if data.is_dir() {
                walk.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            }
            // What the test made itself.
            if path == folder.path() || name == "smtpd.toml" || name == "smtpd.log" {
                continue;
            }
            let allowed = match data.file_type() {
                kind if kind.is_dir() => 0o700,
                kind if kind.is_socket() => 0o660,
                _ => 0o600,
            };
            assert_eq!(mode & !allowed, 0, "{} has mode {mode:o}", path.display());
            seen.push(name.to_owned());
        }
        for name in ["own.log", "old.log", "smtpd.db", "index.db", "reserve", "deep", "data"] {
            assert!(seen.iter().any(|it| it == name), "{name} is not among {seen:?}");
        }
        if seen.iter().any(|it| it == "socket") {
            signal(server.pid(), "TERM");
            eventually(10, "its end", || !folder.path().join("socket").exists());
        }
    }
}

#[test]
fn memory_goes_into_no_core() {
    if !am_root() || !have(&["setpriv"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    chown(folder.path(), Some(54_321), None).unwrap();
    let mut user = Command::new("setpriv");
    user.args(["--reuid=54321", "--regid=54321", "--clear-groups", SMTPD]);
    let server = Server::start_by(user, folder.path(), &[]);
    let about = |file| format!("/proc/{}/{file}", server.pid());
    let limits = fs::read_to_string(about("limits")).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().nth(4), Some("0"), "{core}");
    assert_eq!(core.split_whitespace().nth(5), Some("0"), "{core}");
    // The kernel gives what tells of the memory of a process to root if it may not be dumped.
    assert_eq!(fs::metadata(about("mem")).unwrap().uid(), 0);
}

#[test]
fn no_password_is_told_to_anybody() {
    let text = format!(
        "[smtp]\nstrict_addresses = true\n[auth]\nmode = 'optional'\nfailure_seconds = 0\nfailures = 0\n\
         mechanisms = ['plain', 'login', 'cram-md5', 'scram-sha-256', 'xoauth2', 'oauthbearer']\n\
         secrets = {{ ann = '{PASSWORD}' }}\ntokens = {{ ann = '{PASSWORD}' }}\n[log]\nlevel = 'trace'\n"
    );
    let server = Server::configured(&text);
    let mut client = Client::connect(server.smtp);
    client.say("EHLO client.example").unwrap();
    let wrong = format!("{PASSWORD}x");
    let base64 = |text: &str| BASE64.encode(text.as_bytes());
    let plain = |password: &str| base64(&format!("\0ann\0{password}"));
    let bearer = |password: &str| base64(&format!("user=ann\u{1}auth=Bearer {password}\u{1}\u{1}"));
    let gs2 = base64(&format!("n,a=ann,\u{1}auth=Bearer {wrong}\u{1}\u{1}"));
    let mut codes = Vec::new();
    for line in [
        // Refused, cut short, said in the wrong place, or no command at all.
        format!("AUTH PLAIN {}", plain(&wrong)),
        format!("AUTH PLAIN {}", base64(PASSWORD)),
        format!("AUTH PLAIN ={}", plain(PASSWORD)),
        format!("AUTH NONSENSE {}", plain(PASSWORD)),
        format!("AUTH LOGIN {}", base64("ann")),
        base64(&wrong),
        "AUTH LOGIN".into(),
        base64("ann"),
        "*".into(),
        base64(PASSWORD),
        format!("AUTH XOAUTH2 {}", bearer(&wrong)),
        String::new(),
        format!("AUTH OAUTHBEARER {gs2}"),
        "AQ==".into(),
        format!("PASS {PASSWORD}"),
        format!("MAIL FROM:<a@b.example> AUTH={PASSWORD}"),
        "RSET".into(),
        format!("RCPT TO:<{PASSWORD}"),
        PASSWORD.to_owned(),
        // And at last a good one.
        format!("AUTH PLAIN {}", plain(PASSWORD)),
    ] {
        let reply = client.say(&line).unwrap();
        assert!(!reply.contains(PASSWORD), "{reply}");
        codes.push(reply[..3].to_owned());
    }
    assert_eq!(codes.last().unwrap(), "235", "{codes:?}");
    assert!(codes.iter().filter(|code| *code == "535").count() >= 4, "{codes:?}");
    client.say("QUIT").unwrap();
    // nginx asks with the password in a header field.
    for pass in [PASSWORD, &wrong] {
        let mut web = connect(server.http);
        let head = format!(
            "GET /auth-smtp HTTP/1.0\r\nHost: {}\r\nAuth-Protocol: smtp\r\nAuth-Method: plain\r\n\
             Auth-User: ann\r\nAuth-Pass: {pass}\r\nClient-IP: 127.0.0.1\r\n\r\n",
            server.http
        );
        web.write_all(head.as_bytes()).unwrap();
        let mut answer = String::new();
        std::io::Read::read_to_string(&mut web, &mut answer).unwrap();
        assert!(answer.contains("Auth-Status: ") || answer.contains("auth-status: "), "{answer}");
        assert!(!answer.contains(PASSWORD), "{answer}");
    }
    eventually(5, "the line of the connection", || server.log().contains("connection client="));
    let mut told = vec![("the log", server.log())];
    for path in ["/status", "/status/detail", "/api/refusals", "/api/messages"] {
        told.push((path, String::from_utf8(server.get(path)).unwrap()));
    }
    assert!(told[0].1.contains("login refused"), "{}", told[0].1);
    for (place, text) in &told {
        for form in [
            PASSWORD.to_owned(),
            base64(PASSWORD),
            plain(PASSWORD),
            plain(&wrong),
            base64(&wrong),
            bearer(&wrong),
            HEXLOWER.encode(PASSWORD.as_bytes()),
        ] {
            assert!(!text.contains(&form), "{place} tells {form}:\n{text}");
        }
    }
}

#[test]
fn no_password_stands_in_what_is_said_of_a_configuration() {
    let load = |text: &str| Config::from_text("smtpd.toml", text, []);
    for text in [
        format!("[auth]\nsecrets = '{PASSWORD}'"),
        format!("[auth]\ntokens = ['{PASSWORD}']"),
        format!("[auth.users]\nann = '{PASSWORD}'"),
        format!("[auth.secrets]\nann = ['{PASSWORD}']"),
        format!("[auth.secrets]\nann = {{ is = '{PASSWORD}' }}"),
        format!("[auth.secrets]\nann = '{PASSWORD}"),
    ] {
        let error = load(&text).unwrap_err().to_string();
        assert!(!error.contains(PASSWORD), "{error}");
        assert!(error.contains("smtpd.toml:"), "{error}");
    }
    for variable in ["USERS", "SECRETS", "TOKENS"] {
        for value in [PASSWORD.to_owned(), format!("ann={PASSWORD} {PASSWORD}")] {
            let variable = format!("SMTPD_AUTH_{variable}");
            if let Err(error) = Config::from_text("", "", [(variable, value)]) {
                assert!(!error.to_string().contains(PASSWORD), "{error}");
            }
        }
    }
    let whole =
        format!("[auth]\nsecrets = {{ a = '{PASSWORD}' }}\ntokens = {{ a = '{PASSWORD}' }}");
    let config = load(&whole).unwrap().config;
    assert!(!format!("{config:?}").contains(PASSWORD));
    assert!(!toml::to_string(&config).unwrap().contains(PASSWORD));
}
