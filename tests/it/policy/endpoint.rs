//! `auth.http_url`: somebody else says who may log in, in clear and over TLS, well or badly.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener},
    path::Path,
    process::{Command, Output},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use data_encoding::BASE64;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::logins::login;
use crate::{
    harness::{SMTPD, Server},
    listeners::Authority,
};

/// A server that is asked about logins.
struct Endpoint {
    address: SocketAddr,
    asked: Arc<AtomicU32>,
}

impl Endpoint {
    fn in_clear() -> Self {
        Self::start(Ipv4Addr::LOCALHOST, None)
    }

    fn start(address: Ipv4Addr, certificate: Option<Arc<ServerConfig>>) -> Self {
        let listener = TcpListener::bind((address, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(AtomicU32::new(0));
        let count = asked.clone();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (certificate, count) = (certificate.clone(), count.clone());
                thread::spawn(move || {
                    stream.set_nodelay(true).unwrap();
                    match certificate {
                        None => answer(BufReader::new(stream), &count),
                        Some(config) => {
                            let tls = ServerConnection::new(config).unwrap();
                            answer(BufReader::new(StreamOwned::new(tls, stream)), &count);
                        }
                    }
                });
            }
        });
        Self { address, asked }
    }

    fn url(&self, host: &str) -> String {
        format!("{host}:{}/auth?realm=mail", self.address.port())
    }
}

/// Answers by user: `ann` with `open:sesame` is known, the others are each something that can happen.
fn answer<S: Read + Write>(mut stream: BufReader<S>, asked: &AtomicU32) {
    let lines = stream.by_ref().lines().map_while(Result::ok);
    let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
    // A client that did not like the certificate.
    let Some(first) = head.first() else { return };
    assert_eq!(first, "GET /auth?realm=mail HTTP/1.1");
    asked.fetch_add(1, Ordering::SeqCst);
    let field = |name: &str| head.iter().find_map(|line| line.strip_prefix(name)).unwrap();
    assert!(field("host: ").contains(':'), "the port is missing: {head:?}");
    let basic = BASE64.decode(field("authorization: Basic ").as_bytes()).unwrap();
    let (user, _) = str::from_utf8(&basic).unwrap().split_once(':').unwrap();
    let stream = stream.get_mut();
    // Whoever has read the status may be gone.
    let _ = match user {
        "ann" if basic == b"ann:open:sesame" => whole(stream, "204 No Content"),
        "forbidden" => whole(stream, "403 Forbidden"),
        "moved" => whole(stream, "302 Found\r\nLocation: /auth?realm=mail\r\nContent-Length: 0"),
        "broken" => whole(stream, "500 Internal Server Error"),
        "hangs" => pause(stream),
        "garbage" => stream.write_all(b"220 hello\r\n"),
        "half" => stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: text"),
        "closes" => Ok(()),
        "pieces" => in_pieces(stream, "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", 2),
        "drips" => in_pieces(stream, &format!("HTTP/1.1 200 OK\r\nX: {:9999}", ""), 5),
        "continues" => whole(stream, "100 Continue\r\n\r\nHTTP/1.1 200 OK"),
        // It would go on, and reads whatever comes.
        "stays" => {
            whole(stream, "200 OK\r\nContent-Length: 2\r\n\r\nok").and_then(|()| pause(stream))
        }
        "long" => whole(stream, &format!("200 OK\r\nX: {:60000}", "")),
        "endless" => {
            let mut wrote = stream.write_all(b"HTTP/1.1 200 OK\r\n");
            while wrote.is_ok() {
                wrote = stream.write_all(b"X-More: and more\r\n");
            }
            wrote
        }
        _ => whole(stream, "401 Unauthorized\r\nContent-Length: 1000000"),
    };
}

fn whole(stream: &mut impl Write, status: &str) -> std::io::Result<()> {
    stream.write_all(format!("HTTP/1.1 {status}\r\n\r\n").as_bytes())?;
    stream.flush()
}

fn in_pieces(stream: &mut impl Write, text: &str, milliseconds: u64) -> std::io::Result<()> {
    for octet in text.as_bytes() {
        stream.write_all(&[*octet])?;
        stream.flush()?;
        thread::sleep(Duration::from_millis(milliseconds));
    }
    Ok(())
}

fn pause(_: &mut impl Write) -> std::io::Result<()> {
    thread::sleep(Duration::from_secs(20));
    Ok(())
}

/// What each of them is answered.
const LOGINS: [(&str, &str, &str); 16] = [
    ("ann", "open:sesame", "235 "),
    ("ann", "open", "535 5.7.8 "),
    ("ann:open", "sesame", "535 5.7.8 "),
    ("forbidden", "sesame", "535 5.7.8 "),
    ("moved", "sesame", "454 4.7.0 "),
    ("broken", "sesame", "454 4.7.0 "),
    ("hangs", "sesame", "454 4.7.0 "),
    ("garbage", "sesame", "454 4.7.0 "),
    ("half", "sesame", "454 4.7.0 "),
    ("closes", "sesame", "454 4.7.0 "),
    ("pieces", "sesame", "235 "),
    ("drips", "sesame", "454 4.7.0 "),
    ("continues", "sesame", "235 "),
    ("stays", "sesame", "235 "),
    // A user of our own is not asked about.
    ("here", "word", "235 "),
    ("here", "open sesame", "535 5.7.8 "),
];

/// Users of which the endpoint hears nothing.
const UNASKED: u32 = 3;

fn assert_logins(server: &Server, endpoint: &Endpoint) {
    for (user, password, expected) in LOGINS {
        let before = Instant::now();
        let reply = login(server, user, password);
        assert!(reply.starts_with(expected), "{user}: {reply}");
        assert!(before.elapsed() < Duration::from_secs(8), "{user}: {:?}", before.elapsed());
    }
    // Each was asked about once: nobody was sent elsewhere, and nothing was tried again.
    let asked = endpoint.asked.load(Ordering::SeqCst);
    assert_eq!(asked, u32::try_from(LOGINS.len()).unwrap() - UNASKED);
    let log = server.log();
    assert!(!log.contains("sesame"), "a password is in the log");
    let unavailable = LOGINS.iter().filter(|(_, _, expected)| expected.starts_with("454")).count();
    assert_eq!(log.matches("auth.http_url").count(), unavailable, "{log}");
}

/// What the machine trusts by a folder is left out: SSL_CERT_FILE is what a test says.
fn settings(url: &str) -> [(&str, &str); 6] {
    [
        ("SSL_CERT_DIR", ""),
        ("SMTPD_AUTH_MODE", "required"),
        ("SMTPD_AUTH_HTTP_URL", url),
        ("SMTPD_AUTH_HTTP_SECONDS", "2"),
        ("SMTPD_AUTH_FAILURE_SECONDS", "0"),
        ("SMTPD_AUTH_SECRETS", "here=word"),
    ]
}

#[test]
fn an_endpoint_says_yes_no_or_nothing() {
    let endpoint = Endpoint::in_clear();
    let url = format!("http://{}", endpoint.url("127.0.0.1"));
    let server = Server::start(&settings(&url));
    assert_logins(&server, &endpoint);
}

#[test]
fn an_endless_header_is_not_read_to_its_end() {
    let endpoint = Endpoint::in_clear();
    let url = format!("http://{}", endpoint.url("127.0.0.1"));
    let server = Server::start(&settings(&url));
    for user in ["long", "endless"] {
        assert!(login(&server, user, "x").starts_with("454 4.7.0 "), "{user}");
    }
    assert_eq!(server.log().matches("message head is too large").count(), 2, "{}", server.log());
}

#[test]
fn an_endpoint_that_is_not_there_says_nothing() {
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{gone}/");
    let server = Server::start(&[("SMTPD_AUTH_MODE", "optional"), ("SMTPD_AUTH_HTTP_URL", &url)]);
    assert!(login(&server, "ann", "x").starts_with("454 4.7.0 "));
    assert!(server.log().contains("auth.http_url did not answer"));
}

/// An authority in a file, and the endpoint that it vouches for.
fn over_tls(folder: &Path, address: Ipv4Addr) -> (String, Endpoint) {
    let authority = Authority::new();
    let file = folder.join("authority.pem");
    authority.write(&file);
    let certificate = authority.sign("auth.example").server();
    (file.to_str().unwrap().to_owned(), Endpoint::start(address, Some(certificate)))
}

#[test]
fn over_tls_an_endpoint_says_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let (authority, endpoint) = over_tls(folder.path(), Ipv4Addr::LOCALHOST);
    // The name may have an address of IPv6 as well, where nobody is.
    let url = format!("https://{}", endpoint.url("localhost"));
    let private = [&settings(&url)[..], &[("SMTPD_AUTH_HTTP_CA", &authority)]].concat();
    assert_logins(&Server::start(&private), &endpoint);

    // An authority that the system trusts is good without being named.
    let url = format!("https://{}", endpoint.url("127.0.0.1"));
    let of_system = [&settings(&url)[..], &[("SSL_CERT_FILE", &authority)]].concat();
    assert!(login(&Server::start(&of_system), "ann", "open:sesame").starts_with("235 "));
}

#[test]
fn an_endpoint_that_nobody_vouches_for_is_told_no_password() {
    let folder = tempfile::tempdir().unwrap();
    let (authority, endpoint) = over_tls(folder.path(), Ipv4Addr::LOCALHOST);
    let other = folder.path().join("other");
    fs::create_dir(&other).unwrap();
    let (stranger, elsewhere) = over_tls(&other, Ipv4Addr::new(127, 0, 0, 2));
    let in_clear = Endpoint::in_clear();
    assert_eq!(elsewhere.address.ip(), IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2)));
    for (endpoint, host, key, file, why) in [
        (&endpoint, "127.0.0.1", "SMTPD_AUTH_HTTP_CA", &stranger, "invalid peer certificate"),
        (&endpoint, "127.0.0.1", "SSL_CERT_FILE", &stranger, "invalid peer certificate"),
        // Its certificate is for 127.0.0.1.
        (&elsewhere, "127.0.0.2", "SMTPD_AUTH_HTTP_CA", &stranger, "not valid for name"),
        (&in_clear, "127.0.0.1", "SMTPD_AUTH_HTTP_CA", &authority, "auth.http_url did not answer"),
    ] {
        let url = format!("https://{}", endpoint.url(host));
        let server = Server::start(&[&settings(&url)[..], &[(key, file)]].concat());
        let reply = login(&server, "ann", "open:sesame");
        assert!(reply.starts_with("454 4.7.0 "), "{why}: {reply}");
        let log = server.log();
        assert!(log.contains(why) && !log.contains("sesame"), "{why}: {log}");
        assert_eq!(log.matches("auth.http_url").count(), 1, "{log}");
        assert_eq!(endpoint.asked.load(Ordering::SeqCst), 0, "{why}");
    }
}

#[test]
fn authorities_that_cannot_be_read_are_no_start() {
    let folder = tempfile::tempdir().unwrap();
    let check = |key: &str| -> Output {
        Command::new(SMTPD)
            .arg("--check-config")
            .current_dir(folder.path())
            .env("SMTPD_AUTH_HTTP_URL", "https://auth.example/")
            .env("SSL_CERT_DIR", "")
            .env(key, "nowhere.pem")
            .output()
            .unwrap()
    };
    for (key, expected) in [
        ("SMTPD_AUTH_HTTP_CA", "auth.http_ca: cannot use nowhere.pem: "),
        ("SSL_CERT_FILE", "auth.http_ca: cannot use the system's root certificates: "),
    ] {
        let output = check(key);
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && error.contains(expected), "{key}: {error}");
    }
}
