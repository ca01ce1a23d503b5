//! Postfix relaying to smtpd over TLS: an instance of its own, in a folder of its own.

use std::{
    fs,
    net::TcpStream,
    path::Path,
    process::{Child, Command, Stdio},
};

use crate::{
    harness::{Server, eventually, free_ports, have, run},
    listeners::Authority,
};

/// The services that a relay needs, none in a chroot.
const MASTER: &str = "\
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
";

struct Postfix {
    child: Child,
    folder: tempfile::TempDir,
    port: u16,
}

impl Postfix {
    /// Relays everything to this server, over TLS with a certificate that it checks.
    fn start(server: &Server, ca: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        // Postfix drops its rights before it comes here.
        run(Command::new("chmod").arg("755").arg(path));
        let [port] = free_ports();
        let [etc, spool, data] = ["etc", "spool", "data"].map(|name| path.join(name));
        for folder in [&etc, &spool, &data] {
            fs::create_dir(folder).unwrap();
        }
        run(Command::new("chown").arg("postfix").arg(&data));
        fs::copy(ca, etc.join("ca.pem")).unwrap();
        fs::write(
            etc.join("master.cf"),
            format!("127.0.0.1:{port} inet n - n - - smtpd\n{MASTER}"),
        )
        .unwrap();
        fs::write(
            etc.join("main.cf"),
            format!(
                "compatibility_level = 3.6\nqueue_directory = {}\ndata_directory = {}\n\
                 maillog_file = {log}\nmaillog_file_prefixes = {path}\nmyhostname = relay.test\n\
                 mydestination =\nmynetworks = 127.0.0.0/8\nalias_maps =\nalias_database =\n\
                 inet_protocols = ipv4\nsmtpd_recipient_restrictions = permit_mynetworks, reject\n\
                 relayhost = [127.0.0.1]:{}\nsmtp_tls_security_level = secure\n\
                 smtp_tls_secure_cert_match = mx.test\nsmtp_tls_CAfile = {}/ca.pem\n\
                 smtp_tls_loglevel = 1\n",
                spool.display(),
                data.display(),
                server.smtp.port(),
                etc.display(),
                log = path.join("log").display(),
                path = path.display(),
            ),
        )
        .unwrap();
        let child = Command::new("postfix")
            .arg("-c")
            .arg(&etc)
            .arg("start-fg")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let postfix = Self { child, folder, port };
        eventually(30, "postfix listens", || TcpStream::connect(("127.0.0.1", port)).is_ok());
        postfix
    }
}

impl Drop for Postfix {
    fn drop(&mut self) {
        // What we started is a script; the master ends its children, and then the script ends.
        let master = fs::read_to_string(self.folder.path().join("spool/pid/master.pid"));
        let master = master.ok().and_then(|text| text.trim().parse().ok());
        crate::harness::signal(master.unwrap_or_else(|| self.child.id()), "TERM");
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = fs::read_to_string(self.folder.path().join("log"));
            eprintln!("--- postfix ---\n{}", log.unwrap_or_default());
        }
    }
}

fn is_root() -> bool {
    let output = run(Command::new("id").arg("-u"));
    output.stdout.starts_with(b"0\n")
}

#[test]
fn postfix_relays_over_tls() {
    if !have(&["postfix", "swaks"]) {
        return;
    }
    if !is_root() {
        // Its master and its daemons have users of their own.
        assert!(std::env::var_os("TEST_EVERYTHING").is_none(), "postfix needs root");
        eprintln!("*** NOT TESTED: postfix needs root ***");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let authority = Authority::new();
    authority.write(&path("ca.pem"));
    authority.sign("mx.test").write(&path("cert.pem"), &path("key.pem"));
    let server = Server::start_in(
        folder.path(),
        &[
            ("SMTPD_SMTP_NAME", "mx.test"),
            ("SMTPD_SMTP_TLS", "required"),
            ("SMTPD_TLS_CERTIFICATE", "cert.pem"),
            ("SMTPD_TLS_KEY", "key.pem"),
        ],
    );
    let postfix = Postfix::start(&server, &path("ca.pem"));
    for number in 0..5 {
        run(Command::new("swaks")
            .args(["--server", "127.0.0.1", "--port", &postfix.port.to_string()])
            .args(["--from", "ann@example.org", "--to", "bob@example.org,carol@example.org"])
            .args(["--header", &format!("Subject: relayed {number}")]));
    }
    eventually(60, "all are relayed", || server.messages("").len() == 5);
    let envelope = server.envelope("relayed 3");
    assert_eq!(envelope["tls"]["version"], "TLSv1.3");
    assert_eq!(envelope["helo"], "relay.test");
    assert_eq!(envelope["forward_paths"].as_array().unwrap().len(), 2);
    let log = fs::read_to_string(postfix.folder.path().join("log")).unwrap();
    assert!(log.contains("Verified TLS connection established to 127.0.0.1"), "{log}");
}
