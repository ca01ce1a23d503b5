//! Debian's nginx with the files of nginx/, in front of smtpd.

use std::{
    fs,
    path::Path,
    process::{Child, Command, Stdio},
};

use crate::{
    harness::{Server, connect, eventually, file, free_ports, have, run},
    listeners::{Authority, Encrypted, encrypted},
};

pub(super) const MODULE: &str = "/usr/lib/nginx/modules/ngx_mail_module.so";

/// An nginx of our own, with the shipped files adapted to free ports.
pub(super) struct Nginx {
    child: Child,
    folder: tempfile::TempDir,
    authority: Authority,
    pub(super) smtp: u16,
    pub(super) smtps: u16,
    pub(super) proxied: u16,
    https: u16,
}

impl Nginx {
    pub(super) fn start(server: &Server) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        let authority = Authority::new();
        authority.write(&path.join("ca.pem"));
        let signed = authority.sign("mail.example.org");
        signed.write(&path.join("cert.pem"), &path.join("key.pem"));
        let [smtp, smtps, proxied, https] = free_ports();
        let adapt = |name: &str| {
            fs::read_to_string(file(name))
                .unwrap()
                .replace("127.0.0.1:10025", &server.http.to_string())
                .replace("/etc/nginx/smtpd", path.to_str().unwrap())
                // The shipped file leaves out what needs [auth.secrets].
                .replace("smtp_auth login plain none", "smtp_auth login plain cram-md5 none")
                .replace("listen 25;", &format!("listen 127.0.0.1:{smtp};"))
                .replace("listen 587;", &format!("listen 127.0.0.1:{proxied};"))
                .replace("listen 465 ssl;", &format!("listen 127.0.0.1:{smtps} ssl;"))
                .replace("listen 443 ssl;", &format!("listen 127.0.0.1:{https} ssl;"))
        };
        fs::write(path.join("mail.conf"), adapt("nginx/mail.conf")).unwrap();
        fs::write(path.join("http.conf"), adapt("nginx/http.conf")).unwrap();
        fs::write(path.join("nginx.conf"), main_conf(path)).unwrap();
        let child = Command::new("nginx")
            .arg("-p")
            .arg(path)
            .arg("-c")
            .arg(path.join("nginx.conf"))
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        eventually(20, "nginx listens", || {
            std::net::TcpStream::connect(("127.0.0.1", https)).is_ok()
        });
        Self { child, folder, authority, smtp, smtps, proxied, https }
    }
}

impl Nginx {
    /// A connection to the server with implicit TLS.
    pub(super) fn over_tls(&self) -> Encrypted {
        let stream = connect(([127, 0, 0, 1], self.smtps).into());
        encrypted(stream, &self.authority.client(None), "mail.example.org")
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // SIGTERM, so that the master ends its workers.
        crate::harness::signal(self.child.id(), "TERM");
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = fs::read_to_string(self.folder.path().join("error.log"));
            eprintln!("--- nginx ---\n{}", log.unwrap_or_default());
        }
    }
}

fn main_conf(path: &Path) -> String {
    let path = path.display();
    format!(
        "load_module {MODULE};\ndaemon off;\nuser root;\nworker_processes 1;\npid {path}/nginx.pid;\n\
         error_log {path}/error.log info;\nevents {{ worker_connections 256; }}\n\
         include {path}/mail.conf;\n\
         http {{\n access_log off;\n client_body_temp_path {path}/body;\n proxy_temp_path {path}/proxy;\n\
         fastcgi_temp_path {path}/f;\n uwsgi_temp_path {path}/u;\n scgi_temp_path {path}/s;\n\
         include {path}/http.conf;\n}}\n"
    )
}

pub(super) fn swaks(port: u16, arguments: &[&str]) -> Command {
    let mut command = Command::new("swaks");
    command
        .args(["--server", "127.0.0.1", "--port", &port.to_string()])
        .args(["--from", "ann@example.org", "--to", "bob@example.org"])
        .args(arguments);
    command
}

/// smtpd as the head of nginx/mail.conf asks for it.
pub(super) fn believing(more: &str) -> Server {
    Server::configured(&format!(
        "[smtp]\nproxies = [\"127.0.0.1/32\"]\n\
         [[smtp.listeners]]\naddress = \"127.0.0.1:0\"\nproxy = true\n{more}"
    ))
}

/// The client is not where nginx is, so the two cannot be mixed up.
pub(super) const CLIENT: &str = "127.0.0.9";

#[test]
fn mail_goes_through_and_the_client_is_known() {
    if !have(&["nginx", MODULE, "swaks"]) {
        return;
    }
    let server = believing("");
    let nginx = Nginx::start(&server);
    let send = |port: u16, subject: &str, arguments: &[&str]| {
        let subject = format!("Subject: {subject}");
        let from = ["--local-interface", CLIENT, "--header", &subject, "--body", "hello"];
        run(swaks(port, &from).args(arguments));
    };
    let login = ["--auth", "PLAIN", "-au", "ann", "-ap", "x"];
    let table: [(&str, u16, &[&str]); 8] = [
        ("clear", nginx.smtp, &[]),
        ("STARTTLS", nginx.smtp, &["--tls"]),
        ("implicit TLS", nginx.smtps, &["--tls-on-connect"]),
        ("login", nginx.smtp, &login),
        ("login over TLS", nginx.smtps, &[&login[..], &["--tls-on-connect"]].concat()),
        ("proxied", nginx.proxied, &[]),
        ("proxied TLS", nginx.proxied, &["--tls"]),
        ("proxied login", nginx.proxied, &login),
    ];
    for (subject, port, arguments) in table {
        send(port, subject, arguments);
        let text = String::from_utf8(server.raw_of(subject)).unwrap();
        assert!(text.contains("\r\n\r\nhello\r\n"), "{text:?}");
        let client = server.client_of(subject);
        assert!(client.starts_with(&format!("{CLIENT}:")), "{subject}: {client}");
        let user = &server.envelope(subject)["auth_user"];
        let expected =
            if subject.contains("login") { "ann".into() } else { serde_json::Value::Null };
        assert_eq!(*user, expected, "{subject}");
    }
    eventually(5, "the log knows the client", || {
        server.log().contains(&format!("connection client={CLIENT}:"))
    });
}

#[test]
fn nginx_asks_us_who_may_log_in() {
    if !have(&["nginx", MODULE, "swaks"]) {
        return;
    }
    // The hash of "ge heim%1"
    let hash = run(Command::new("sh").args([
        "-c",
        &format!("echo 'ge heim%1' | {} hash-password", env!("CARGO_BIN_EXE_smtpd")),
    ]));
    let users = format!("ann={}", String::from_utf8(hash.stdout).unwrap().trim());
    let (name, hash) = users.split_once('=').unwrap();
    let server =
        believing(&format!("[auth]\nmode = \"optional\"\n[auth.users]\n{name} = '{hash}'\n"));
    let nginx = Nginx::start(&server);
    let login = |password: &str, subject: &str| {
        swaks(nginx.smtp, &["--tls", "--auth", "PLAIN", "-au", "ann", "-ap", password])
            .args(["--header", &format!("Subject: {subject}")])
            .output()
            .unwrap()
    };
    let good = login("ge heim%1", "logged in");
    assert!(good.status.success(), "{}", String::from_utf8_lossy(&good.stdout));
    server.raw_of("logged in");
    let bad = login("wrong", "not logged in");
    assert!(!bad.status.success());
    assert!(
        String::from_utf8_lossy(&bad.stdout).contains("535"),
        "{}",
        String::from_utf8_lossy(&bad.stdout)
    );
    assert_eq!(server.messages("").len(), 1);
}

#[test]
fn nginx_hands_on_a_digest() {
    if !have(&["nginx", MODULE, "swaks"]) {
        return;
    }
    let server =
        believing("[auth]\nmode = \"required\"\n[auth.secrets]\ntim = \"tanstaaftanstaaf\"\n");
    let nginx = Nginx::start(&server);
    let login = |password: &str| {
        swaks(nginx.smtp, &["--auth", "CRAM-MD5", "-au", "tim", "-ap", password])
            .args(["--header", "Subject: by digest"])
            .output()
            .unwrap()
    };
    let good = login("tanstaaftanstaaf");
    assert!(good.status.success(), "{}", String::from_utf8_lossy(&good.stdout));
    assert_eq!(server.envelope("by digest")["auth_user"], "tim");
    let bad = login("tanstaaf");
    assert!(String::from_utf8_lossy(&bad.stdout).contains("535 5.7.8"));
}

#[test]
fn the_web_ui_is_served_behind_https() {
    if !have(&["nginx", MODULE, "curl"]) {
        return;
    }
    let server = Server::start(&[("SMTPD_HTTP_PUBLIC_HOSTS", "mail.example.org")]);
    let nginx = Nginx::start(&server);
    let curl = |path: &str, arguments: &[&str]| {
        let output = Command::new("curl")
            .args(["--silent", "--include", "--http1.1", "--max-time", "3", "--cacert"])
            .arg(nginx.folder.path().join("ca.pem"))
            .args(["--resolve", &format!("mail.example.org:{}:127.0.0.1", nginx.https)])
            .args(arguments)
            .arg(format!("https://mail.example.org:{}{path}", nginx.https))
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    assert!(curl("/", &[]).starts_with("HTTP/1.1 200"));
    let upgrade = |origin: &str| {
        curl(
            "/ws",
            &[
                "-H",
                "Connection: Upgrade",
                "-H",
                "Upgrade: websocket",
                "-H",
                "Sec-WebSocket-Version: 13",
                "-H",
                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
                "-H",
                &format!("Origin: {origin}"),
            ],
        )
    };
    let own = upgrade(&format!("https://mail.example.org:{}", nginx.https));
    assert!(own.starts_with("HTTP/1.1 101"), "{own}");
    assert!(own.contains("hello"), "{own}");
    let foreign = upgrade("https://evil.example");
    assert!(foreign.starts_with("HTTP/1.1 403"), "{foreign}");
}
