//! POP3 as programs use it: real clients, several of them at a mailbox, listeners in clear and over TLS, and
//! what a peer may do wrong.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::Command,
    thread::sleep,
    time::Duration,
};

use crate::{
    harness::{Client, Server, connect, eventually, file, free_ports, have, run, signal},
    listeners::{Authority, encrypted},
};

/// smtpd with a POP3 listener in clear and one over TLS, where anybody may log in.
struct Setting {
    folder: tempfile::TempDir,
    server: Server,
    authority: Authority,
}

impl Setting {
    fn new(more: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let authority = Authority::new();
        authority.write(&path("ca.pem"));
        authority.sign("localhost").write(&path("cert.pem"), &path("key.pem"));
        let text = format!(
            "[pop3]\nlisten = \"127.0.0.1:0\"\ntls = \"offered\"\nname = \"mx.test\"\n\
             [[pop3.listeners]]\naddress = \"127.0.0.1:0\"\ntls = \"implicit\"\n\
             [tls]\ncertificate = \"cert.pem\"\nkey = \"key.pem\"\n{more}"
        );
        fs::write(path("smtpd.toml"), text).unwrap();
        let server = Server::start_in(folder.path(), &[("SMTPD_CONFIG", "smtpd.toml")]);
        Self { folder, server, authority }
    }

    fn port(&self, scheme: &str) -> u16 {
        self.server.address(scheme).port()
    }

    fn put(&self, to: &[&str], body: &str) {
        let mut client = Client::connect(self.server.smtp);
        client.say("EHLO a").unwrap();
        client.say("MAIL FROM:<ann@example.org>").unwrap();
        for path in to {
            client.say(&format!("RCPT TO:<{path}>")).unwrap();
        }
        client.say("DATA").unwrap();
        let stuffed = body.trim_end().replace("\r\n.", "\r\n..");
        let reply = client.say(&format!("{stuffed}\r\n.")).unwrap();
        assert!(reply.starts_with("250 "), "{reply}");
    }

    fn session(&self, user: &str) -> Session {
        Session::login(connect(([127, 0, 0, 1], self.port("pop3://")).into()), user)
    }

    fn subjects(&self) -> Vec<String> {
        let all = self.server.messages("limit=50");
        all.iter().map(|it| it["subject"].as_str().unwrap().to_owned()).collect()
    }
}

/// A conversation line by line.
struct Session<S = TcpStream> {
    reader: BufReader<S>,
}

impl<S: Read + Write> Session<S> {
    fn login(stream: S, user: &str) -> Self {
        let mut session = Self { reader: BufReader::new(stream) };
        assert!(session.line().starts_with("+OK POP3 ready"));
        assert!(session.say(&format!("USER {user}")).starts_with("+OK"));
        assert!(session.say("PASS any").starts_with("+OK"));
        session
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.reader.read_line(&mut line).unwrap();
        line.trim_end_matches(['\r', '\n']).to_owned()
    }

    fn say(&mut self, line: &str) -> String {
        self.reader.get_mut().write_all(format!("{line}\r\n").as_bytes()).unwrap();
        self.line()
    }

    /// The first line of an answer, and those up to the dot.
    fn lines(&mut self, line: &str) -> (String, Vec<String>) {
        let first = self.say(line);
        assert!(first.starts_with("+OK"), "{line}: {first}");
        let mut lines = Vec::new();
        loop {
            match self.line() {
                line if line == "." => return (first, lines),
                line => lines.push(line),
            }
        }
    }
}

const ONE: &str = "Subject: one\r\n\r\nHello\r\n..dots\r\nthere\r\n";

#[test]
fn a_mailbox_is_what_was_sent_to_it() {
    let setting = Setting::new("");
    setting.put(&["ann@example.org", "bob@example.org"], ONE);
    setting.put(&["bob@example.org"], "Subject: two\r\n\r\nx\r\n");
    let stat = |user: &str| setting.session(user).say("STAT");
    assert_eq!(stat("ann@example.org"), "+OK 1 38");
    assert_eq!(stat("BOB@Example.ORG"), "+OK 2 57");
    assert_eq!(stat("nobody@example.org"), "+OK 0 0");
    // A name that is no address sees all mail, as the page does.
    assert_eq!(stat("anybody"), "+OK 2 57");
    let (first, lines) = setting.session("ann@example.org").lines("RETR 1");
    assert_eq!(
        (&*first, lines.join("\n")),
        ("+OK 38 octets", "Subject: one\n\nHello\n...dots\nthere".into())
    );
    // UIDL says the ids that the API says.
    let ids: Vec<_> = setting.server.messages("limit=50");
    let (_, lines) = setting.session("bob@example.org").lines("UIDL");
    assert_eq!(lines[1], format!("2 {}", ids[0]["id"].as_str().unwrap()));
}

#[test]
fn a_message_goes_with_its_last_mailbox() {
    let setting = Setting::new("");
    setting.put(&["ann@example.org", "bob@example.org"], ONE);
    let mut ann = setting.session("ann@example.org");
    let mut bob = setting.session("bob@example.org");
    assert!(ann.say("DELE 1").starts_with("+OK"));
    assert_eq!(setting.subjects(), ["one"], "nothing is deleted before QUIT");
    assert!(ann.say("QUIT").starts_with("+OK 1 "));
    assert_eq!(setting.session("ann@example.org").say("STAT"), "+OK 0 0");
    assert_eq!(bob.say("STAT"), "+OK 1 38", "numbers stay");
    assert!(bob.lines("RETR 1").0.starts_with("+OK 38"));
    assert_eq!(setting.subjects(), ["one"]);
    bob.say("DELE 1");
    bob.say("QUIT");
    assert_eq!(setting.subjects(), [] as [&str; 0]);
}

#[test]
fn what_others_delete_is_gone_and_numbers_stay() {
    let setting = Setting::new("");
    for number in 1..=3 {
        setting.put(&["ann@example.org"], &format!("Subject: {number}\r\n\r\nx\r\n"));
    }
    let mut first = setting.session("ann@example.org");
    let mut second = setting.session("ann@example.org");
    second.say("DELE 2");
    second.say("QUIT");
    assert_eq!(first.say("RETR 2"), "-ERR The message was deleted by another client");
    assert!(first.lines("RETR 3").1.contains(&"Subject: 3".to_owned()));
    first.say("DELE 2");
    assert!(first.say("QUIT").starts_with("+OK 0 "));
    assert_eq!(setting.subjects(), ["3", "1"]);
}

#[test]
fn a_connection_that_breaks_off_deletes_nothing() {
    let setting = Setting::new("");
    setting.put(&["ann@example.org"], ONE);
    let mut session = setting.session("ann@example.org");
    session.say("DELE 1");
    drop(session);
    eventually(10, "the connection is told", || setting.server.log().contains("end=gone"));
    assert_eq!(setting.subjects(), ["one"]);
    let log = setting.server.log();
    assert!(log.contains("user=ann@example.org") && log.contains("deleted=0"), "{log}");
}

#[test]
fn deleting_can_mean_all_mailboxes_or_nothing() {
    for (delete, left) in [("message", 0), ("never", 1)] {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start_in(
            folder.path(),
            &[("SMTPD_POP3_LISTEN", "127.0.0.1:0"), ("SMTPD_POP3_DELETE", delete)],
        );
        let mut client = Client::connect(server.smtp);
        client.say("EHLO a").unwrap();
        client.say("MAIL FROM:<>").unwrap();
        client.say("RCPT TO:<ann@example.org>").unwrap();
        client.say("RCPT TO:<bob@example.org>").unwrap();
        client.say("DATA").unwrap();
        client.say("x\r\n.").unwrap();
        let stream = connect(server.address("pop3://"));
        let mut session = Session::login(stream, "ann@example.org");
        session.say("DELE 1");
        assert!(session.say("QUIT").starts_with("+OK 1 "));
        assert_eq!(server.messages("limit=9").len(), left, "{delete}");
    }
}

#[test]
fn logins_are_asked_for_where_the_page_asks_for_them() {
    let users = "[auth.secrets]\nann = \"geheim\"\n[http]\nlogin = \"required\"\n";
    let setting = Setting::new(users);
    let stream = connect(setting.server.address("pop3://"));
    let mut session = Session { reader: BufReader::new(stream) };
    let greeting = session.line();
    session.say("USER ann");
    assert_eq!(session.say("PASS wrong"), "-ERR [AUTH] Authentication failed");
    let (_, timestamp) = greeting.split_once('<').expect("secrets allow APOP");
    let digest = smtpd::wire::sasl::apop("geheim", &format!("<{timestamp}"));
    let digest: String = digest.iter().map(|octet| format!("{octet:02x}")).collect();
    assert!(session.say(&format!("APOP ann {digest}")).starts_with("+OK"));
    assert_eq!(session.say("STAT"), "+OK 0 0");
}

#[test]
fn failed_logins_are_counted_and_slow() {
    let setting = Setting::new("[auth]\nmode = \"required\"\n[auth.secrets]\nann = \"geheim\"\n");
    let stream = connect(setting.server.address("pop3://"));
    let mut session = Session { reader: BufReader::new(stream) };
    session.line();
    for _ in 0..2 {
        session.say("USER ann");
        assert_eq!(session.say("PASS wrong"), "-ERR [AUTH] Authentication failed");
    }
    let status: serde_json::Value =
        serde_json::from_slice(&setting.server.get("/status/detail")).unwrap();
    assert_eq!(status["logins_failed"], 2);
    assert_eq!(status["pop3_connections"], 1);
}

/// Guesses that come in one packet are looked at one after the other, too.
#[test]
fn pipelined_guesses_are_bounded() {
    let setting = Setting::new(
        "[auth]\nmode = \"required\"\nfailures = 3\nfailure_seconds = 0\n\
         [auth.secrets]\nann = \"geheim\"\n",
    );
    let stream = connect(setting.server.address("pop3://"));
    let mut session = Session { reader: BufReader::new(stream) };
    session.line();
    let guesses = "USER ann\r\nPASS wrong\r\n".repeat(9) + "QUIT\r\n";
    session.reader.get_mut().write_all(guesses.as_bytes()).unwrap();
    let mut said = String::new();
    session.reader.read_to_string(&mut said).unwrap();
    assert_eq!(said.matches("-ERR [AUTH]").count(), 3, "{said}");
    assert_eq!(said.matches("-ERR [SYS/TEMP]").count(), 6, "{said}");
}

#[test]
fn over_tls_and_after_stls() {
    let setting = Setting::new("");
    setting.put(&["ann@example.org"], ONE);
    let trust = setting.authority.client(None);
    let stream = encrypted(connect(setting.server.address("pop3s://")), &trust, "localhost");
    let mut session = Session::login(stream, "ann@example.org");
    assert_eq!(session.say("STAT"), "+OK 1 38");
    let stream = connect(setting.server.address("pop3://"));
    let mut session = Session { reader: BufReader::new(stream) };
    session.line();
    assert_eq!(session.say("STLS"), "+OK Begin TLS negotiation");
    let mut session = Session {
        reader: BufReader::new(encrypted(session.reader.into_inner(), &trust, "localhost")),
    };
    session.say("USER ann@example.org");
    assert!(session.say("PASS x").starts_with("+OK"));
    assert!(session.lines("TOP 1 1").1.ends_with(&["Hello".to_owned()]));
}

/// A client that never reads holds its own connection and nothing else, and not for ever.
#[test]
fn a_client_that_never_reads() {
    let setting = Setting::new("[limits]\nsession_seconds = 5\nmessage_size = 100000000\n");
    let line = "x".repeat(70);
    let large = format!("Subject: large\r\n\r\n{}", format!("{line}\r\n").repeat(1_000_000));
    setting.put(&["ann@example.org"], &large);
    let mut session = setting.session("ann@example.org");
    let before = setting.server.memory();
    session.reader.get_mut().write_all(b"RETR 1\r\n").unwrap();
    sleep(Duration::from_secs(1));
    let more = setting.server.memory().saturating_sub(before);
    assert!(more < 20 << 20, "{more} octets of memory for a message of 72 MB");
    assert_eq!(setting.session("ann@example.org").say("STAT").split(' ').nth(1), Some("1"));
    eventually(20, "it is cut off", || setting.server.log().contains("end=broken"));
}

#[test]
fn real_clients_fetch_what_was_sent() {
    let setting = Setting::new("");
    let folder = setting.folder.path();
    let (plain, secure) = (setting.port("pop3://"), setting.port("pop3s://"));
    let put = || setting.put(&["ann@example.org"], ONE);
    let ca = folder.join("ca.pem");
    if have(&["curl"]) {
        put();
        let fetch = |url: String| {
            let output = run(Command::new("curl")
                .args(["--silent", "--show-error", "--cacert", ca.to_str().unwrap()])
                .args(["--user", "ann@example.org:x", &url]));
            String::from_utf8(output.stdout).unwrap()
        };
        assert_eq!(fetch(format!("pop3://127.0.0.1:{plain}/1")), ONE);
        assert_eq!(fetch(format!("pop3s://localhost:{secure}/1")), ONE);
        assert!(fetch(format!("pop3://127.0.0.1:{plain}/")).starts_with("1 38"));
    }
    if have(&["python3"]) {
        let script = file("tests/interop/poplib_fetch.py");
        run(Command::new("python3")
            .arg(script)
            .args([plain.to_string(), secure.to_string()])
            .arg(&ca));
        assert_eq!(setting.subjects(), [] as [&str; 0], "poplib deleted what it fetched");
    }
    if have(&["mpop"]) {
        put();
        let config = format!(
            "defaults\ntls on\ntls_starttls on\ntls_trust_file {ca}\n\
             account default\nhost localhost\nport {plain}\nuser ann@example.org\npassword x\n\
             delivery mbox {folder}/mpop.mbox\nkeep off\nuidls_file {folder}/mpop.uidls\n",
            ca = ca.display(),
            folder = folder.display()
        );
        let fetched = fetch_with(&setting, "mpop", &config, "mpop.mbox", |path| {
            Command::new("mpop").arg("-C").arg(path).spawn()
        });
        assert!(fetched.contains("Subject: one") && fetched.contains("\n..dots\n"), "{fetched}");
    }
    if have(&["fetchmail"]) {
        put();
        let config = format!(
            "poll localhost service {plain} protocol pop3 user \"ann@example.org\" password \"x\" \
             sslproto '' mda \"sh -c 'cat >> {}/fetchmail.mbox'\" nokeep\n",
            folder.display()
        );
        let home = folder.display().to_string();
        let fetched = fetch_with(&setting, "fetchmail", &config, "fetchmail.mbox", |path| {
            Command::new("fetchmail")
                .env("FETCHMAILHOME", &home)
                .args(["--nosyslog", "--fetchmailrc"])
                .arg(path)
                .spawn()
        });
        assert!(fetched.contains("Subject: one"), "{fetched}");
    }
    if have(&["getmail"]) {
        put();
        let folder = folder.display();
        let config = format!(
            "[retriever]\ntype = SimplePOP3Retriever\nserver = 127.0.0.1\nport = {plain}\n\
             username = ann@example.org\npassword = x\n\
             [destination]\ntype = MDA_external\npath = /usr/bin/tee\n\
             arguments = (\"-a\", \"{folder}/getmail.mbox\")\nallow_root_commands = true\n\
             [options]\ndelete = true\n"
        );
        fs::write(setting.folder.path().join("getmail.mbox"), "").unwrap();
        let home = folder.to_string();
        let fetched = fetch_with(&setting, "getmail", &config, "getmail.mbox", |path| {
            Command::new("getmail").arg("--getmaildir").arg(&home).arg("--rcfile").arg(path).spawn()
        });
        assert!(fetched.contains("Subject: one"), "{fetched}");
    }
    if have(&["mutt"]) {
        put();
        let url = format!("pop://ann%40example.org:x@127.0.0.1:{plain}/");
        let save = folder.join("mutt.mbox");
        let config = format!(
            "set pop_authenticators=\"user\"\nset ssl_starttls=no\nset ssl_force_tls=no\n\
             set confirmappend=no\nset mail_check=0\n\
             push \"<tag-pattern>~A<enter><tag-prefix><copy-message>{}<enter>y<quit>\"\n",
            save.display()
        );
        fs::write(folder.join("muttrc"), config).unwrap();
        // It wants a terminal.
        let mutt = format!("mutt -n -F {}/muttrc -f '{url}'", folder.display());
        run(Command::new("script")
            .env("TERM", "xterm")
            .env("HOME", folder)
            .stdin(std::process::Stdio::null())
            .args(["-qec", &mutt, "/dev/null"]));
        let fetched = fs::read_to_string(&save).unwrap_or_default();
        assert!(fetched.contains("Subject: one"), "mutt: {fetched:?}; {}", setting.server.log());
    }
}

/// Lets a client fetch all mail into a file, and returns what is in it; then nothing is left to fetch.
fn fetch_with(
    setting: &Setting,
    name: &str,
    config: &str,
    target: &str,
    start: impl FnOnce(&std::path::Path) -> std::io::Result<std::process::Child>,
) -> String {
    use std::os::unix::fs::PermissionsExt as _;
    let path = setting.folder.path().join(format!("{name}.conf"));
    fs::write(&path, config).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    let ended = start(&path).unwrap().wait().unwrap();
    assert!(ended.success(), "{name}: {ended}; {}", setting.server.log());
    assert_eq!(setting.subjects(), [] as [&str; 0], "{name} deleted what it fetched");
    let fetched = fs::read_to_string(setting.folder.path().join(target)).unwrap();
    fetched.replace("\r\n", "\n")
}

#[test]
fn too_many_connections_are_turned_away() {
    let server =
        Server::start(&[("SMTPD_POP3_LISTEN", "127.0.0.1:0"), ("SMTPD_POP3_CONNECTIONS", "2")]);
    let address = server.address("pop3://");
    let greeting = || {
        let mut session = Session { reader: BufReader::new(connect(address)) };
        (session.line(), session)
    };
    let (first, second) = (greeting(), greeting());
    assert!(first.0.starts_with("+OK") && second.0.starts_with("+OK"));
    assert_eq!(greeting().0, "-ERR [SYS/TEMP] Too many connections, try again later");
    drop(first);
    eventually(10, "a place is free again", || greeting().0.starts_with("+OK"));
}

#[test]
fn the_newest_are_the_maildrop() {
    let server =
        Server::start(&[("SMTPD_POP3_LISTEN", "127.0.0.1:0"), ("SMTPD_POP3_MESSAGES", "2")]);
    let mut client = Client::connect(server.smtp);
    client.say("EHLO a").unwrap();
    for number in 1..=3 {
        client.mail(&format!("Subject: {number}\r\n\r\nx")).unwrap();
    }
    let mut session = Session::login(connect(server.address("pop3://")), "anybody");
    assert!(session.say("STAT").starts_with("+OK 2 "));
    assert_eq!(session.lines("TOP 1 0").1[0], "Subject: 2");
    assert_eq!(session.lines("TOP 2 0").1[0], "Subject: 3");
}

/// What a program did not send as mail should be leaves as a client can read it, and is counted so.
#[test]
fn lone_line_feeds_and_a_last_line_without_end() {
    let setting = Setting::new("");
    let mut client = Client::connect(setting.server.smtp);
    client.say("EHLO a").unwrap();
    client.say("MAIL FROM:<>").unwrap();
    client.say("RCPT TO:<ann@example.org>").unwrap();
    let body = "Subject: x\r\n\r\none\n.\nend";
    client.say(&format!("BDAT {} LAST\r\n{body}\r\nNOOP", body.len())).unwrap();
    let mut session = setting.session("ann@example.org");
    let (first, lines) = session.lines("RETR 1");
    assert_eq!(lines, ["Subject: x", "", "one", "..", "end"]);
    let counted: u64 = first.split(' ').nth(1).unwrap().parse().unwrap();
    // The dot that was added is not counted, nor are the two octets of the last line's end.
    let sent: usize = lines.iter().map(|line| line.len() + 2).sum();
    assert_eq!(counted as usize, sent - 1 - 2);
}

/// A real nginx, which asks who may log in and then logs in itself.
#[test]
fn behind_nginx() {
    const MODULE: &str = "/usr/lib/nginx/modules/ngx_mail_module.so";
    if !have(&["nginx", MODULE]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let text = "[pop3]\nlisten = \"127.0.0.1:0\"\nproxies = [\"127.0.0.1\"]\n\
                [[pop3.listeners]]\naddress = \"127.0.0.1:0\"\nproxy = true\n\
                [auth]\nmode = \"required\"\n[auth.secrets]\n\"ann@example.org\" = \"ge heim\"\n";
    fs::write(folder.path().join("smtpd.toml"), text).unwrap();
    let server = Server::start_in(folder.path(), &[("SMTPD_CONFIG", "smtpd.toml")]);
    let [direct, proxied] = free_ports();
    let path = folder.path().display();
    let conf = format!(
        "load_module {MODULE};\ndaemon off;\nuser root;\nworker_processes 1;\npid {path}/nginx.pid;\n\
         error_log {path}/error.log info;\nevents {{ worker_connections 64; }}\n\
         mail {{\n auth_http {http}/auth-smtp;\n pop3_auth plain;\n\
         server {{ listen 127.0.0.1:{direct}; protocol pop3; }}\n\
         server {{ listen 127.0.0.1:{proxied}; protocol pop3; proxy_protocol on;\n\
         auth_http {http}/auth-smtp?proxy_protocol=on; }}\n}}\n",
        http = server.http,
    );
    fs::write(folder.path().join("nginx.conf"), conf).unwrap();
    let mut nginx = Command::new("nginx")
        .arg("-p")
        .arg(folder.path())
        .arg("-c")
        .arg(folder.path().join("nginx.conf"))
        .spawn()
        .unwrap();
    eventually(20, "nginx listens", || TcpStream::connect(("127.0.0.1", proxied)).is_ok());
    for port in [direct, proxied] {
        let mut session =
            Session { reader: BufReader::new(connect(([127, 0, 0, 1], port).into())) };
        assert!(session.line().starts_with("+OK"));
        session.say("USER ann@example.org");
        assert_eq!(session.say("PASS wrong"), "-ERR Invalid login or password", "{port}");
        session.say("USER ann@example.org");
        assert!(session.say("PASS ge heim").starts_with("+OK"), "{port}: {}", server.log());
        assert_eq!(session.say("STAT"), "+OK 0 0");
        assert!(session.say("QUIT").starts_with("+OK"));
    }
    signal(nginx.id(), "TERM");
    nginx.wait().unwrap();
}
