//! Several listeners at once, of every kind.

use std::{
    fs,
    os::unix::net::UnixStream,
    process::{Command, Stdio},
};

use super::greeted;
use crate::harness::{Client, Server, eventually, have};

#[test]
fn each_door_says_what_is_different() {
    let server = Server::configured(
        "[smtp]\nname = \"first.test\"\n\
         [[smtp.listeners]]\naddress = \"[::1]:0\"\nname = \"second.test\"\nauth = \"off\"\n\
         [[smtp.listeners]]\naddress = \"127.0.0.1:0\"\nauth = \"required\"\n\
         [[smtp.listeners]]\naddress = \"127.0.0.1:0\"\nauth_needs_tls = true\n\
         [auth.secrets]\nann = \"x\"\n",
    );
    let ehlo = |number: usize| {
        let mut client = Client::connect(server.listener(number));
        client.say("EHLO x").unwrap()
    };
    let first = ehlo(0);
    assert!(first.starts_with("250-first.test") && first.contains("AUTH "), "{first}");
    let second = ehlo(1);
    assert!(second.starts_with("250-second.test") && !second.contains("AUTH "), "{second}");
    assert!(ehlo(2).starts_with("250-first.test"));
    let mut third = Client::connect(server.listener(2));
    third.say("EHLO x").unwrap();
    assert!(third.say("MAIL FROM:<a@b.c>").unwrap().starts_with("530 "));
    assert!(!ehlo(3).contains("AUTH "), "in clear, there");
}

#[test]
fn doors_can_be_a_list_of_addresses() {
    let server = Server::start(&[("SMTPD_SMTP_LISTENERS", "127.0.0.1:0, [::1]:0")]);
    for number in 0..3 {
        let mut client = Client::connect(server.listener(number));
        client.say("EHLO x").unwrap();
        client.mail(&format!("Subject: listener {number}")).unwrap();
    }
    assert_eq!(server.messages("").len(), 3);
    let client = server.client_of("listener 1");
    assert!(client.starts_with("127.0.0.1:"), "{client}");
    let client = server.client_of("listener 2");
    assert!(client.starts_with("[::1]:"), "{client}");
}

#[test]
fn a_unix_socket_is_a_door() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("smtp.sock");
    let address = format!("unix:{}", path.display());
    for round in 0..2 {
        // The second time the file is there already, left behind by a crash.
        let mut server = Server::start_in(folder.path(), &[("SMTPD_SMTP_LISTEN", &address)]);
        let mut client = greeted(UnixStream::connect(&path).unwrap());
        client.say("EHLO x").unwrap();
        assert!(client.mail(&format!("Subject: unix {round}")).unwrap().starts_with("250 "));
        assert_eq!(server.client_of(&format!("unix {round}")), "");
        drop(client);
        eventually(5, "the log says so", || server.log().contains("connection client=unix"));
        if round == 0 {
            server.kill();
            assert!(path.exists());
        } else {
            crate::harness::signal(server.pid(), "TERM");
            assert!(server.ended());
            assert!(!path.exists(), "it is cleared away");
        }
    }
}

#[test]
fn a_unix_socket_in_use_is_not_taken_away() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("smtp.sock");
    let _first = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_smtpd"))
        .current_dir(folder.path())
        .env("SMTPD_SMTP_LISTEN", format!("unix:{}", path.display()))
        .env("SMTPD_HTTP_LISTEN", "127.0.0.1:0")
        .output()
        .unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && error.contains("another program uses"), "{error}");
    assert!(UnixStream::connect(&path).is_ok());
}

/// Opens two sockets as systemd does, and becomes smtpd.
const HAND_OVER: &str = r#"
import os, socket, sys
tcp = socket.create_server(("127.0.0.1", 0))
unix = socket.socket(socket.AF_UNIX)
unix.bind("handed.sock")
unix.listen()
for number, name in ((3, tcp), (4, unix)):
    os.dup2(name.fileno(), number + 100, inheritable=False)
os.dup2(103, 3)
os.dup2(104, 4)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="2", LISTEN_FDNAMES="smtp:lmtp")
os.execv(sys.argv[1], sys.argv[1:])
"#;

#[test]
fn sockets_of_systemd_are_doors() {
    if !have(&["python3"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let out = fs::File::create(folder.path().join("out")).unwrap();
    let mut child = Command::new("python3")
        .args(["-c", HAND_OVER, env!("CARGO_BIN_EXE_smtpd")])
        .current_dir(folder.path())
        .env("SMTPD_SMTP_LISTEN", "systemd:smtp")
        .env("SMTPD_SMTP_LISTENERS", "systemd:1")
        .env("SMTPD_HTTP_LISTEN", "127.0.0.1:0")
        .stdin(Stdio::null())
        .stdout(out)
        .spawn()
        .unwrap();
    let out = || fs::read_to_string(folder.path().join("out")).unwrap();
    eventually(10, "it starts", || out().contains("Web UI"));
    let address = out().split("smtp://").nth(1).unwrap().lines().next().unwrap().to_owned();
    let mut tcp = Client::connect(address.parse().unwrap());
    assert!(tcp.say("NOOP").unwrap().starts_with("250 "));
    let mut unix = greeted(UnixStream::connect(folder.path().join("handed.sock")).unwrap());
    assert!(unix.say("NOOP").unwrap().starts_with("250 "));
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn lmtp_is_spoken_over_tcp_and_unix() {
    if !have(&["swaks"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lmtp.sock");
    let server = Server::configured(&format!(
        "[smtp]\n[[smtp.listeners]]\naddress = \"127.0.0.1:0\"\nlmtp = true\n\
         [[smtp.listeners]]\naddress = \"unix:{}\"\nlmtp = true\n",
        path.display()
    ));
    let send = |subject: &str, arguments: &[&str]| {
        crate::harness::run(
            Command::new("swaks")
                .args(["--protocol", "LMTP", "--from", "ann@example.org"])
                .args(["--to", "bob@example.org,carol@example.org"])
                .args(["--header", &format!("Subject: {subject}")])
                .args(arguments),
        );
        assert_eq!(server.envelope(subject)["forward_paths"].as_array().unwrap().len(), 2);
    };
    let port = server.listener(1).port().to_string();
    send("lmtp tcp", &["--server", "127.0.0.1", "--port", &port]);
    send("lmtp unix", &["--socket", path.to_str().unwrap()]);
}
