//! HAProxy with the file of haproxy/, in front of smtpd.

use std::{
    fs,
    io::{Read as _, Write as _},
    os::unix::net::UnixStream,
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use crate::harness::{Server, eventually, file, free_ports, have, run};

/// A HAProxy of our own, with the shipped file adapted to free ports.
struct HaProxy {
    child: Child,
    folder: tempfile::TempDir,
    smtp: u16,
    submission: u16,
    submissions: u16,
}

impl HaProxy {
    fn start(server: &Server) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let [smtp, submission, submissions] = free_ports();
        let control = folder.path().join("control");
        let text = fs::read_to_string(file("haproxy/haproxy.cfg"))
            .unwrap()
            .replace("bind :25\n", &format!("bind 127.0.0.1:{smtp}\n"))
            .replace("bind :587\n", &format!("bind 127.0.0.1:{submission}\n"))
            .replace("bind :465\n", &format!("bind 127.0.0.1:{submissions}\n"))
            .replace("127.0.0.1:25001", &server.listener(1).to_string())
            .replace("127.0.0.1:25465", &server.listener(2).to_string())
            .replace("inter 5s", "inter 200ms")
            .replace("\nglobal\n", &format!("\nglobal\n    stats socket {}\n", control.display()));
        let path = folder.path().join("haproxy.cfg");
        fs::write(&path, text).unwrap();
        let child = Command::new("haproxy")
            .args(["-db", "-f"])
            .arg(&path)
            .stdin(Stdio::null())
            .stdout(fs::File::create(folder.path().join("log")).unwrap())
            .spawn()
            .unwrap();
        let haproxy = Self { child, folder, smtp, submission, submissions };
        eventually(20, "haproxy listens", || UnixStream::connect(haproxy.control()).is_ok());
        haproxy
    }

    fn control(&self) -> PathBuf {
        self.folder.path().join("control")
    }

    /// What the last check of a server came to, such as `L7OK`.
    fn check(&self, backend: &str) -> String {
        let mut control = UnixStream::connect(self.control()).unwrap();
        control.write_all(b"show stat\n").unwrap();
        let mut table = String::new();
        control.read_to_string(&mut table).unwrap();
        let mut lines = table.lines();
        let names: Vec<&str> = lines.next().unwrap().split(',').collect();
        let column = names.iter().position(|name| *name == "check_status").unwrap();
        let row = lines.find(|line| line.starts_with(&format!("{backend},smtpd,"))).unwrap();
        row.split(',').nth(column).unwrap().to_owned()
    }
}

impl Drop for HaProxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = fs::read_to_string(self.folder.path().join("log"));
            eprintln!("--- haproxy ---\n{}", log.unwrap_or_default());
        }
    }
}

fn server() -> Server {
    Server::configured(
        "[smtp]\nproxies = [\"127.0.0.1/32\"]\n\
         [[smtp.listeners]]\naddress = \"127.0.0.1:0\"\nproxy = true\ntls = \"offered\"\n\
         [[smtp.listeners]]\naddress = \"127.0.0.1:0\"\nproxy = true\ntls = \"implicit\"\n\
         [tls]\nself_signed = true\n",
    )
}

#[test]
fn mail_goes_through_and_the_client_is_known() {
    if !have(&["haproxy", "swaks"]) {
        return;
    }
    let server = server();
    let haproxy = HaProxy::start(&server);
    let table: [(&str, u16, &[&str]); 4] = [
        ("v2", haproxy.smtp, &[]),
        ("v2 STARTTLS", haproxy.smtp, &["--tls"]),
        ("v1", haproxy.submission, &[]),
        ("v2 implicit TLS", haproxy.submissions, &["--tls-on-connect"]),
    ];
    for (number, (subject, port, arguments)) in table.into_iter().enumerate() {
        // The client is not where HAProxy is, so the two cannot be mixed up.
        let client = format!("127.0.0.{}", 9 + number);
        run(Command::new("swaks")
            .args(["--server", "127.0.0.1", "--port", &port.to_string()])
            .args(["--from", "ann@example.org", "--to", "bob@example.org"])
            .args(["--local-interface", &client, "--header", &format!("Subject: {subject}")])
            .args(arguments));
        let recorded = server.client_of(subject);
        assert!(recorded.starts_with(&format!("{client}:")), "{subject}: {recorded}");
        let tls = &server.envelope(subject)["tls"];
        assert_eq!(tls.is_null(), !subject.contains("TLS"), "{subject}: {tls}");
    }
}

#[test]
fn health_checks_pass_and_fail() {
    if !have(&["haproxy"]) {
        return;
    }
    let mut server = server();
    let haproxy = HaProxy::start(&server);
    for (backend, expected) in [("smtpd", "L7OK"), ("smtpd_v1", "L7OK"), ("smtpd_tls", "L6OK")] {
        eventually(10, &format!("{backend} is up"), || haproxy.check(backend) == expected);
    }
    eventually(5, "the log shows the check", || {
        server.log().contains("helo=haproxy.check") && server.log().contains("end=closed")
    });
    assert_eq!(server.messages("").len(), 0);
    server.kill();
    eventually(10, "it is down", || haproxy.check("smtpd") == "L4CON");
}
