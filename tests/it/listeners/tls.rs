//! TLS: what is recorded, what is refused, what is read again.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{Shutdown, TcpStream},
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};

use rustls::{ClientConfig, ClientConnection};
use serde_json::Value;

use super::{Authority, Encrypted, encrypted, greeted};
use crate::harness::{Client, Server, connect, eventually, signal};

/// A server with two listeners, STARTTLS and implicit TLS, and those who trust it.
struct Setting {
    folder: tempfile::TempDir,
    authority: Authority,
    client: Arc<ClientConfig>,
}

impl Setting {
    fn new() -> Self {
        let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::new());
        let client = authority.client(None);
        let setting = Self { folder, authority, client };
        setting.renew();
        setting.authority.write(&setting.path("ca.pem"));
        setting
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    /// Another certificate and key, under the same names.
    fn renew(&self) {
        let signed = self.authority.sign("mx.test");
        signed.write(&self.path("cert.pem"), &self.path("key.pem"));
    }

    fn start(&self, more: &str) -> Server {
        fs::write(
            self.path("smtpd.toml"),
            format!(
                "[smtp]\nname = \"mx.test\"\ntls = \"offered\"\n\
                 [[smtp.listeners]]\naddress = \"127.0.0.1:0\"\ntls = \"implicit\"\n\
                 [[smtp.listeners]]\naddress = \"127.0.0.1:0\"\ntls = \"required\"\n\
                 [tls]\ncertificate = \"cert.pem\"\nkey = \"key.pem\"\n{more}"
            ),
        )
        .unwrap();
        Server::start_in(self.folder.path(), &[("SMTPD_CONFIG", "smtpd.toml")])
    }

    fn implicit(&self, server: &Server) -> Client<Encrypted> {
        greeted(encrypted(connect(server.listener(1)), &self.client, "mx.test"))
    }

    fn starttls(&self, server: &Server) -> Client<Encrypted> {
        let mut client = Client::connect(server.listener(0));
        assert!(client.say("EHLO clear.test").unwrap().contains("250-STARTTLS\r\n"));
        assert!(client.say("STARTTLS").unwrap().starts_with("220 2.0.0 "));
        Client::over(encrypted(client.into_stream(), &self.client, "mx.test"))
    }
}

#[test]
fn a_message_says_how_it_was_encrypted() {
    let setting = Setting::new();
    let server = setting.start("");
    let mut implicit = setting.implicit(&server);
    assert!(!implicit.say("EHLO x").unwrap().contains("STARTTLS"), "offered over TLS");
    assert!(implicit.mail("Subject: implicit").unwrap().starts_with("250 "));
    assert!(implicit.say("QUIT").unwrap().starts_with("221 "));
    let mut starttls = setting.starttls(&server);
    assert!(!starttls.say("EHLO y").unwrap().contains("STARTTLS"), "offered over TLS");
    assert!(starttls.mail("Subject: starttls").unwrap().starts_with("250 "));
    let mut clear = Client::connect(server.listener(0));
    clear.say("EHLO z").unwrap();
    assert!(clear.mail("Subject: clear").unwrap().starts_with("250 "));

    for subject in ["implicit", "starttls"] {
        let tls = &server.envelope(subject)["tls"];
        assert_eq!(tls["version"], "TLSv1.3");
        assert_eq!(tls["server_name"], "mx.test");
        assert!(tls["cipher"].as_str().unwrap().starts_with("TLS_"), "{tls}");
        assert_eq!(tls["client_certificate"], Value::Null);
    }
    assert_eq!(server.envelope("clear")["tls"], Value::Null);
    eventually(5, "the log tells too", || server.log().contains("helo=x user=\"\" tls=TLSv1.3"));
}

#[test]
fn a_large_message_and_many_small_ones_pass() {
    let setting = Setting::new();
    let server = setting.start("");
    let mut client = setting.implicit(&server);
    client.say("EHLO x").unwrap();
    let body = format!("Subject: large\r\n\r\n{}", "0123456789abcdef\r\n".repeat(300_000));
    assert!(client.mail(&body).unwrap().starts_with("250 "));
    assert!(server.raw_of("large") == format!("{body}\r\n").as_bytes());
    for number in 0..200 {
        assert!(client.mail(&format!("Subject: small {number}")).unwrap().starts_with("250 "));
    }
    assert_eq!(server.messages("limit=500").len(), 201);
}

#[test]
fn chunks_pass_over_tls() {
    let setting = Setting::new();
    let server = setting.start("");
    let mut client = setting.starttls(&server);
    assert!(client.say("EHLO x").unwrap().contains("250-CHUNKING\r\n"));
    // Octets that DATA would not let through as they are.
    let body =
        [&b"Subject: chunks\r\n\r\n.\r\n"[..], &[b'.', 0, b'\n', 255].repeat(200_000)].concat();
    client.send(b"MAIL FROM:<a@b.c> BODY=BINARYMIME\r\nRCPT TO:<d@e.f>\r\n").unwrap();
    for chunk in body.chunks(100_000) {
        client.send(format!("BDAT {}\r\n", chunk.len()).as_bytes()).unwrap();
        client.send(chunk).unwrap();
    }
    client.send(b"BDAT 0 LAST\r\n").unwrap();
    for _ in 0..2 + body.len().div_ceil(100_000) + 1 {
        assert!(client.reply().unwrap().starts_with("250 "));
    }
    assert!(server.raw_of("chunks") == body);
}

#[test]
fn who_is_in_the_middle_of_a_handshake_does_not_delay_the_end() {
    let setting = Setting::new();
    let mut server = setting.start("");
    let _silent = connect(server.listener(1));
    setting.implicit(&server).say("QUIT").unwrap();
    let begun = Instant::now();
    signal(server.pid(), "TERM");
    assert!(server.ended());
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}

#[test]
fn required_means_before_mail() {
    let setting = Setting::new();
    let server = setting.start("");
    let mut client = Client::connect(server.listener(2));
    client.say("EHLO x").unwrap();
    assert!(client.say("MAIL FROM:<a@b.c>").unwrap().starts_with("530 5.7.0 "));
    assert!(client.say("STARTTLS").unwrap().starts_with("220 "));
    let mut client = Client::over(encrypted(client.into_stream(), &setting.client, "mx.test"));
    // Everything said before is forgotten.
    assert!(client.say("MAIL FROM:<a@b.c>").unwrap().starts_with("503 "));
    client.say("EHLO x").unwrap();
    assert!(client.mail("Subject: at last").unwrap().starts_with("250 "));
}

/// RFC 3207 §4.2, CVE-2011-0411: what stands behind STARTTLS in clear must not be obeyed over TLS.
#[test]
fn what_is_sent_behind_starttls_never_survives() {
    let setting = Setting::new();
    let server = setting.start("");
    let evil = "RSET\r\nMAIL FROM:<evil@evil.test>\r\nRCPT TO:<b@b.test>\r\nDATA\r\nSubject: evil\r\n\
                \r\n.\r\n";
    for behind in [evil, "E", "\r\n", "\0", "\x16\x03\x01"] {
        let mut client = Client::connect(server.listener(0));
        client.say("EHLO x").unwrap();
        client.send(format!("STARTTLS\r\n{behind}").as_bytes()).unwrap();
        assert!(client.reply().unwrap().starts_with("554 5.5.1 "), "{behind:?}");
        assert!(client.reply().is_err(), "{behind:?}: it is closed");
    }
    // What comes after the answer, in clear, breaks the handshake.
    let mut client = Client::connect(server.listener(0));
    client.say("EHLO x").unwrap();
    assert!(client.say("STARTTLS").unwrap().starts_with("220 "));
    client.send(evil.as_bytes()).unwrap();
    let mut rest = Vec::new();
    let _ = client.into_stream().read_to_end(&mut rest);
    assert!(!rest.starts_with(b"2"), "{}", rest.escape_ascii());
    assert_eq!(server.messages("").len(), 0);
    eventually(5, "the log tells", || server.log().contains("TLS handshake failed"));
}

/// All that a client sends in a handshake, cut after every octet, and left hanging or hung up.
#[test]
fn a_handshake_cut_anywhere_harms_nobody() {
    let setting = Setting::new();
    let server = setting.start("handshake_seconds = 1\n");
    let flights = flights(&setting, &server);
    let total: usize = flights.iter().map(Vec::len).sum();
    assert!(total > 200, "{total} octets of handshake");
    let mut held = Vec::new();
    for cut in 0..total {
        let mut stream = connect(server.listener(1));
        let end = handshake_until(&mut stream, &setting, cut);
        assert!(end <= total, "{end} of {total}");
        match cut % 3 {
            0 => drop(stream),
            1 => stream.shutdown(Shutdown::Write).unwrap(),
            _ if held.len() < 64 => held.push((Instant::now(), stream)),
            _ => {}
        }
    }
    // Who says nothing more is cut by the time-out, and everybody else is served meanwhile.
    setting.implicit(&server).say("QUIT").unwrap();
    for (begun, mut stream) in held {
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
        assert!(begun.elapsed() < Duration::from_secs(30));
    }
    let now = || {
        let json: Value = serde_json::from_slice(&server.get("/status/detail")).unwrap();
        json["smtp_connections_now"].as_u64()
    };
    eventually(10, "no connection is left", || now() == Some(0));
    assert!(!server.log().contains("panic"), "{}", server.log());
}

/// What a client sends in a whole handshake, up to its first application data.
fn flights(setting: &Setting, server: &Server) -> Vec<Vec<u8>> {
    let mut stream = connect(server.listener(1));
    let mut client =
        ClientConnection::new(setting.client.clone(), "mx.test".try_into().unwrap()).unwrap();
    let mut flights = Vec::new();
    while client.is_handshaking() || client.wants_write() {
        let mut flight = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut flight).unwrap();
        }
        stream.write_all(&flight).unwrap();
        flights.push(flight);
        if client.is_handshaking() {
            client.read_tls(&mut stream).unwrap();
            client.process_new_packets().unwrap();
        }
    }
    flights
}

/// Sends a handshake, but no more than so many octets of it.
fn handshake_until(stream: &mut TcpStream, setting: &Setting, cut: usize) -> usize {
    let mut client =
        ClientConnection::new(setting.client.clone(), "mx.test".try_into().unwrap()).unwrap();
    let mut sent = 0;
    loop {
        let mut flight = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut flight).unwrap();
        }
        let piece = &flight[..flight.len().min(cut - sent)];
        stream.write_all(piece).unwrap();
        sent += piece.len();
        if piece.len() < flight.len() || !client.is_handshaking() {
            return sent;
        }
        client.read_tls(stream).unwrap();
        client.process_new_packets().unwrap();
    }
}

#[test]
fn sighup_takes_the_new_certificate_and_drops_nobody() {
    let setting = Setting::new();
    let server = setting.start("");
    let shown = || {
        let mut client = setting.implicit(&server);
        client.say("QUIT").unwrap();
        client.into_stream().conn.peer_certificates().unwrap()[0].to_vec()
    };
    let mut old = setting.implicit(&server);
    old.say("EHLO old").unwrap();
    let first = shown();
    setting.renew();
    assert_eq!(shown(), first, "nothing changes by itself");
    signal(server.pid(), "HUP");
    eventually(5, "the new one is shown", || shown() != first);
    let second = shown();
    assert!(old.mail("Subject: kept on").unwrap().starts_with("250 "));

    // A broken file is told, and changes nothing.
    fs::write(setting.path("key.pem"), "-----BEGIN PRIVATE KEY-----\nAAAA\n").unwrap();
    signal(server.pid(), "HUP");
    eventually(5, "it is told", || server.log().contains("the certificates stay as they were"));
    assert!(server.log().contains("tls.key: cannot use key.pem"), "{}", server.log());
    assert_eq!(shown(), second);
}

#[test]
fn files_that_cannot_be_used_are_named_at_the_start() {
    let setting = Setting::new();
    let start = || {
        let output = Command::new(env!("CARGO_BIN_EXE_smtpd"))
            .current_dir(setting.folder.path())
            .envs([("SMTPD_SMTP_LISTEN", "127.0.0.1:0"), ("SMTPD_HTTP_LISTEN", "127.0.0.1:0")])
            .envs([("SMTPD_SMTP_TLS", "offered"), ("SMTPD_TLS_CERTIFICATE", "cert.pem")])
            .envs([("SMTPD_TLS_KEY", "key.pem"), ("SMTPD_TLS_CLIENT_CA", "ca.pem")])
            .output()
            .unwrap();
        assert!(!output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    let write = |name: &str, text: &str| fs::write(setting.path(name), text).unwrap();
    let read = |name: &str| fs::read_to_string(setting.path(name)).unwrap();
    let (certificate, key) = (read("cert.pem"), read("key.pem"));
    write("ca.pem", "nothing");
    assert_eq!(
        start(),
        "smtpd: tls.client_ca: cannot use ca.pem: it holds no certificate in PEM\n"
    );
    setting.renew();
    write("key.pem", &key);
    setting.authority.write(&setting.path("ca.pem"));
    assert_eq!(start(), "smtpd: tls.key: cannot use key.pem: it is not the key of cert.pem\n");
    write("key.pem", &certificate);
    let error = start();
    assert!(
        error.starts_with("smtpd: tls.key: cannot use key.pem: it holds no private"),
        "{error}"
    );
    write("cert.pem", "");
    let error = start();
    assert!(
        error.starts_with("smtpd: tls.certificate: cannot use cert.pem: it holds no"),
        "{error}"
    );
    fs::remove_file(setting.path("cert.pem")).unwrap();
    let error = start();
    assert!(error.starts_with("smtpd: tls.certificate: cannot use cert.pem: No such"), "{error}");
}

#[test]
fn a_client_certificate_is_recorded_and_a_strange_one_refused() {
    let setting = Setting::new();
    let server = setting.start("client_ca = \"ca.pem\"\n");
    let ann = setting.authority.client(Some(&setting.authority.sign("ann.test")));
    let mut client = greeted(encrypted(connect(server.listener(1)), &ann, "mx.test"));
    client.say("EHLO x").unwrap();
    assert!(client.mail("Subject: with certificate").unwrap().starts_with("250 "));
    assert_eq!(server.envelope("with certificate")["tls"]["client_certificate"], "ann.test");
    // Who has none is welcome; who has one of somebody else's is not.
    setting.implicit(&server).say("QUIT").unwrap();
    let strange = setting.authority.client(Some(&Authority::new().sign("ann.test")));
    let mut client = Client::over(encrypted(connect(server.listener(1)), &strange, "mx.test"));
    assert!(client.reply().is_err());
}

#[test]
fn versions_below_the_least_are_refused() {
    let setting = Setting::new();
    let server = setting.start("min_version = \"1.3\"\n");
    let old = Arc::new(rustls_client(&setting, &[&rustls::version::TLS12]));
    let mut client = Client::over(encrypted(connect(server.listener(1)), &old, "mx.test"));
    assert!(client.reply().is_err());
    drop(server);
    let server = setting.start("");
    let mut client = greeted(encrypted(connect(server.listener(1)), &old, "mx.test"));
    client.say("EHLO x").unwrap();
    assert!(client.mail("Subject: twelve").unwrap().starts_with("250 "));
    assert_eq!(server.envelope("twelve")["tls"]["version"], "TLSv1.2");
}

fn rustls_client(
    setting: &Setting,
    versions: &[&'static rustls::SupportedProtocolVersion],
) -> ClientConfig {
    let mut roots = rustls::RootCertStore::empty();
    let pem = fs::read(setting.path("ca.pem")).unwrap();
    let certificate =
        <rustls_pki_types::CertificateDer<'_> as rustls_pki_types::pem::PemObject>::from_pem_slice(
            &pem,
        );
    roots.add(certificate.unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth()
}

/// AUTH EXTERNAL (RFC 4422 appendix A): the certificate is the password.
#[test]
fn a_client_certificate_logs_in() {
    let setting = Setting::new();
    let server =
        setting.start("client_ca = \"ca.pem\"\n[auth]\nmode = \"required\"\nexternal = true\n");
    let ann = setting.authority.client(Some(&setting.authority.sign("ann.test")));
    let mut client = greeted(encrypted(connect(server.listener(1)), &ann, "mx.test"));
    assert!(client.say("EHLO x").unwrap().contains("EXTERNAL"));
    assert!(client.say("AUTH EXTERNAL =").unwrap().starts_with("235 "));
    assert!(client.mail("Subject: external").unwrap().starts_with("250 "));
    assert_eq!(server.envelope("external")["auth_user"], "ann.test");
    let mut other = greeted(encrypted(connect(server.listener(1)), &ann, "mx.test"));
    other.say("EHLO x").unwrap();
    let bob = data_encoding::BASE64.encode(b"bob.test");
    assert!(other.say(&format!("AUTH EXTERNAL {bob}")).unwrap().starts_with("535 "));
    // Who shows none has nothing to log in with.
    let mut nobody = setting.implicit(&server);
    nobody.say("EHLO x").unwrap();
    assert!(nobody.say("AUTH EXTERNAL =").unwrap().starts_with('5'));
}

#[test]
fn the_web_can_be_encrypted_too() {
    if !crate::harness::have(&["curl"]) {
        return;
    }
    let on = [("SMTPD_HTTP_TLS", "on"), ("SMTPD_TLS_SELF_SIGNED", "true")];
    let server = Server::start(&on);
    let get = |path: &str| {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--fail", "--insecure"]);
        crate::harness::run(curl.arg(format!("https://{}{path}", server.http))).stdout
    };
    let mut client = Client::connect(server.smtp);
    client.say("EHLO x").unwrap();
    let body = format!("Subject: large\r\n\r\n{}", "0123456789abcdef\r\n".repeat(300_000));
    assert!(client.mail(&body).unwrap().starts_with("250 "));
    let list: Value = serde_json::from_slice(&get("/api/messages")).unwrap();
    let id = list["messages"][0]["id"].as_str().unwrap();
    assert!(get(&format!("/messages/{id}/raw")) == format!("{body}\r\n").as_bytes());
    assert!(String::from_utf8(get("/")).unwrap().contains("large"));
}
