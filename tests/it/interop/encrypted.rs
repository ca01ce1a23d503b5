//! Mail clients over TLS, STARTTLS and implicit: swaks, OpenSSL, smtplib, nodemailer, curl, msmtp.
//! And what swaks can say as a proxy.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::{
    harness::{Server, file, have, run},
    listeners::Authority,
};

/// smtpd with a certificate that the clients can check.
struct Setting {
    folder: tempfile::TempDir,
    server: Server,
}

impl Setting {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let authority = Authority::new();
        authority.write(&path("ca.pem"));
        authority.sign("mx.test").write(&path("cert.pem"), &path("key.pem"));
        fs::write(
            path("smtpd.toml"),
            "[smtp]\nname = \"mx.test\"\ntls = \"offered\"\nproxies = [\"127.0.0.1\"]\n\
             [[smtp.listeners]]\naddress = \"127.0.0.1:0\"\ntls = \"implicit\"\n\
             [[smtp.listeners]]\naddress = \"127.0.0.1:0\"\nproxy = true\n\
             [tls]\ncertificate = \"cert.pem\"\nkey = \"key.pem\"\n",
        )
        .unwrap();
        let server = Server::start_in(folder.path(), &[("SMTPD_CONFIG", "smtpd.toml")]);
        Self { folder, server }
    }

    fn ca(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    fn port(&self, listener: usize) -> String {
        self.server.listener(listener).port().to_string()
    }

    fn swaks(&self, listener: usize, subject: &str, arguments: &[&str]) {
        run(Command::new("swaks")
            .args(["--server", "127.0.0.1", "--port", &self.port(listener)])
            .args(["--from", "ann@example.org", "--to", "bob@example.org"])
            .args(["--header", &format!("Subject: {subject}")])
            .args(arguments));
    }

    fn assert_encrypted(&self, subjects: &[&str]) {
        for subject in subjects {
            let version = self.server.envelope(subject)["tls"]["version"].clone();
            let version = version.as_str().unwrap_or_default();
            assert!(matches!(version, "TLSv1.2" | "TLSv1.3"), "{subject}: {version:?}");
        }
    }
}

const STARTTLS: usize = 0;
const IMPLICIT: usize = 1;
const PROXIED: usize = 2;

#[test]
fn swaks() {
    if !have(&["swaks"]) {
        return;
    }
    let setting = Setting::new();
    let ca = setting.ca();
    let verified = ["--tls-verify", "--tls-ca-path", ca.to_str().unwrap()];
    setting.swaks(STARTTLS, "swaks starttls", &[&["--tls"][..], &verified].concat());
    setting.swaks(IMPLICIT, "swaks implicit", &[&["--tls-on-connect"][..], &verified].concat());
    setting.swaks(STARTTLS, "swaks 1.2", &["--tls", "--tls-protocol", "tlsv1_2"]);
    let login = ["--tls", "--auth", "PLAIN", "-au", "ann", "-ap", "x"];
    setting.swaks(STARTTLS, "swaks login", &login);
    setting.assert_encrypted(&["swaks starttls", "swaks implicit", "swaks 1.2", "swaks login"]);
    assert_eq!(setting.server.envelope("swaks 1.2")["tls"]["version"], "TLSv1.2");
    assert_eq!(setting.server.envelope("swaks login")["auth_user"], "ann");
}

#[test]
fn swaks_as_a_proxy() {
    if !have(&["swaks"]) {
        return;
    }
    let setting = Setting::new();
    for (subject, version) in [("proxy v1", "1"), ("proxy v2", "2")] {
        let proxy = ["--proxy-version", version, "--proxy-family", "TCP4"];
        let family = if version == "2" { "AF_INET" } else { "TCP4" };
        let proxy = [&proxy[..3], &[family]].concat();
        let source = ["--proxy-source", "203.0.113.7", "--proxy-source-port", "4711"];
        let destination = ["--proxy-dest", "192.0.2.1", "--proxy-dest-port", "25"];
        setting.swaks(PROXIED, subject, &[&proxy[..], &source, &destination].concat());
        assert_eq!(setting.server.client_of(subject), "203.0.113.7:4711", "{subject}");
    }
    let xclient = ["--xclient-addr", "203.0.113.5", "--xclient-port", "1234"];
    let xclient = [&xclient[..], &["--xclient-helo", "real.test"]].concat();
    setting.swaks(STARTTLS, "xclient", &xclient);
    assert_eq!(setting.server.client_of("xclient"), "203.0.113.5:1234");
    setting.swaks(STARTTLS, "xclient tls", &[&xclient[..], &["--tls"]].concat());
    assert_eq!(setting.server.client_of("xclient tls"), "203.0.113.5:1234");
    setting.assert_encrypted(&["xclient tls"]);
}

#[test]
fn openssl_s_client() {
    if !have(&["openssl"]) {
        return;
    }
    let setting = Setting::new();
    for (listener, subject, how) in
        [(STARTTLS, "s_client starttls", &["-starttls", "smtp"][..]), (IMPLICIT, "s_client", &[])]
    {
        let script = setting.folder.path().join("script");
        let mail = format!(
            "EHLO x\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\nDATA\r\nSubject: {subject}\r\n\r\n\
             x\r\n.\r\nQUIT\r\n"
        );
        fs::write(&script, mail).unwrap();
        let output = Command::new("openssl")
            .args(["s_client", "-quiet", "-verify_return_error", "-CAfile"])
            .arg(setting.ca())
            .args([
                "-servername",
                "mx.test",
                "-connect",
                &setting.server.listener(listener).to_string(),
            ])
            .args(how)
            .stdin(Stdio::from(fs::File::open(&script).unwrap()))
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(text.contains("250 2.0.0 Ok"), "{text}{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(setting.server.envelope(subject)["tls"]["server_name"], "mx.test");
    }
}

const SMTPLIB: &str = r#"
import smtplib, ssl, sys
port, tls_port, ca = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
context = ssl.create_default_context(cafile=ca)
with smtplib.SMTP("localhost", port) as client:
    client.starttls(context=context)
    client.login("ann", "geheim")
    client.sendmail("a@example.org", ["b@example.org"], "Subject: smtplib starttls\r\n\r\nx")
with smtplib.SMTP_SSL("localhost", tls_port, context=context) as client:
    client.sendmail("a@example.org", ["b@example.org"], "Subject: smtplib implicit\r\n\r\nx")
"#;

#[test]
fn smtplib() {
    if !have(&["python3"]) {
        return;
    }
    let setting = Setting::new();
    run(Command::new("python3")
        .args(["-c", SMTPLIB, &setting.port(STARTTLS), &setting.port(IMPLICIT)])
        .arg(setting.ca()));
    setting.assert_encrypted(&["smtplib starttls", "smtplib implicit"]);
    assert_eq!(setting.server.envelope("smtplib starttls")["auth_user"], "ann");
}

const NODEMAILER: &str = r#"
import fs from "node:fs";
import nodemailer from "nodemailer";
const [ca, ...ports] = process.argv.slice(-3);
for (const [index, port] of ports.entries()) {
  const secure = index === 1;
  const transport = nodemailer.createTransport({
    host: "127.0.0.1", port: Number(port), secure, requireTLS: !secure,
    tls: { ca: fs.readFileSync(ca), servername: "mx.test" },
  });
  const subject = secure ? "nodemailer implicit" : "nodemailer starttls";
  await transport.sendMail({ from: "a@example.org", to: "b@example.org", subject, text: "x" });
  transport.close();
}
"#;

#[test]
fn nodemailer() {
    if !have(&["node", file("tests/interop/node_modules/nodemailer").to_str().unwrap()]) {
        return;
    }
    let setting = Setting::new();
    run(Command::new("node")
        .current_dir(file("tests/interop"))
        .args(["--input-type=module", "-e", NODEMAILER, "--"])
        .arg(setting.ca())
        .args([setting.port(STARTTLS), setting.port(IMPLICIT)]));
    setting.assert_encrypted(&["nodemailer starttls", "nodemailer implicit"]);
}

#[test]
fn curl() {
    if !have(&["curl"]) {
        return;
    }
    let setting = Setting::new();
    for (listener, scheme, subject) in
        [(STARTTLS, "smtp", "curl starttls"), (IMPLICIT, "smtps", "curl implicit")]
    {
        let path = setting.folder.path().join("mail.eml");
        fs::write(&path, format!("Subject: {subject}\r\n\r\nx\r\n")).unwrap();
        let port = setting.port(listener);
        run(Command::new("curl")
            .args(["--silent", "--show-error", "--ssl-reqd", "--cacert"])
            .arg(setting.ca())
            .args(["--resolve", &format!("mx.test:{port}:127.0.0.1")])
            .args(["--mail-from", "a@example.org", "--mail-rcpt", "b@example.org"])
            .args([&format!("{scheme}://mx.test:{port}"), "--upload-file"])
            .arg(&path));
    }
    setting.assert_encrypted(&["curl starttls", "curl implicit"]);
}

#[test]
fn msmtp() {
    if !have(&["msmtp"]) {
        return;
    }
    let setting = Setting::new();
    let send = |listener: usize, subject: &str, starttls: &str| {
        let path = setting.folder.path().join("mail.eml");
        fs::write(&path, format!("From: a@example.org\nSubject: {subject}\n\nx\n")).unwrap();
        let status = Command::new("msmtp")
            .env("HOME", Path::new("/nonexistent"))
            .args(["--host=127.0.0.1", &format!("--port={}", setting.port(listener))])
            .args(["--tls=on", &format!("--tls-starttls={starttls}"), "--from=a@example.org"])
            .arg(format!("--tls-trust-file={}", setting.ca().display()))
            .args(["--auth=plain", "--user=ann", "--passwordeval=echo geheim", "b@example.org"])
            .stdin(Stdio::from(fs::File::open(&path).unwrap()))
            .output()
            .unwrap();
        assert!(status.status.success(), "{}", String::from_utf8_lossy(&status.stderr));
    };
    send(STARTTLS, "msmtp starttls", "on");
    send(IMPLICIT, "msmtp implicit", "off");
    setting.assert_encrypted(&["msmtp starttls", "msmtp implicit"]);
    assert_eq!(setting.server.envelope("msmtp implicit")["auth_user"], "ann");
}
