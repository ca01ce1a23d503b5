//! User names and passwords of every kind through real nginx: what is recorded is who logged in, or the
//! login was refused. nginx writes the name into a command of its own, and before 1.29.2 it escapes nothing.

use std::{
    collections::BTreeMap,
    io,
    net::{SocketAddr, TcpStream},
    sync::Mutex,
    thread,
};

use data_encoding::{BASE64, HEXLOWER};
use smtpd::wire::sasl::cram_md5;

use super::nginx::{CLIENT, MODULE, Nginx, believing, swaks};
use crate::harness::{Client, Server, connect, have};

const KINDS: [&str; 3] = ["PLAIN", "LOGIN", "CRAM-MD5"];

/// The three servers of nginx/mail.conf.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Port {
    Relay,
    Implicit,
    /// The PROXY protocol, and nginx logs in itself.
    Proxied,
}

/// What comes of a login.
#[derive(Debug, PartialEq)]
enum Outcome {
    /// It is good, and the message has this name.
    Recorded,
    /// It is refused with this reply.
    Refused(&'static str),
    /// nginx itself does not take it.
    RefusedByNginx,
}

/// As long as a name may be, 255 octets, and one more.
const LONGEST: &str = "llllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllll\
    llllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllll\
    llllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllll\
    lllllllllllllll";
const TOO_LONG: &str = "llllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllll\
    llllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllll\
    llllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllll\
    llllllllllllllll";

const NAMES: [(&str, &str); 34] = [
    ("ann", "geheim"),
    ("ann@example.org", "ge heim"),
    ("ann lee", "x"),
    ("x ADDR=10.9.9.9", "x"),
    ("x PORT=25 HELO=liar PROTO=SMTP", "x"),
    ("x LOGIN=root", "x"),
    ("ann ", " x "),
    ("ann+test@example.org", "a+b"),
    ("ann+41@example.org", "a+41"),
    ("jürgen+ümlaut@example.org", "+"),
    ("a=b", "c=d"),
    ("ADDR=10.9.9.9", "NAME=x"),
    ("100%", "50%25"),
    ("%41nn%20", "%41%0D%0A"),
    ("a:b", "c:d:e"),
    ("\"ann\"", "\"'"),
    ("o'hara", "`$(x)`"),
    ("a\\b", "c\\\\d\\"),
    ("jürgen", "schlüssel"),
    ("用户@例え.テスト", "пароль €"),
    ("🎉", "🎉🎉"),
    ("<>", "<a@b>"),
    ("a,b;c(d)[e]{f}", "&amp;#?"),
    ("[UNAVAILABLE]", "x"),
    ("[tempunavail]", "x"),
    ("AUTH", "QUIT"),
    (LONGEST, "long"),
    (TOO_LONG, "long"),
    ("", "x"),
    ("a\tb", "x"),
    ("a\u{1}b", "x"),
    ("a\nb", "x"),
    ("x\r\nXCLIENT ADDR=10.9.9.9", "x"),
    ("a\u{85}b", "x"),
];

fn expected(kind: &str, port: Port, user: &str) -> Outcome {
    let is_bad = user.is_empty() || user.contains(char::is_control);
    match (kind, port) {
        // nginx ends the name at the first space, and what is left is no digest then.
        ("CRAM-MD5", _) if user.contains(' ') => Outcome::RefusedByNginx,
        ("CRAM-MD5", Port::Proxied) => Outcome::Refused("504 5.5.4 Use AUTH PLAIN or LOGIN"),
        // nginx takes an empty line for no command.
        ("LOGIN", _) if user.is_empty() => Outcome::RefusedByNginx,
        _ if is_bad => Outcome::Refused("501 5.5.2 User name is empty or has control characters"),
        (_, Port::Proxied) => Outcome::Recorded,
        _ if user.len() > LONGEST.len() => Outcome::Refused("501 5.5.2 User name is too long"),
        _ if user.starts_with('[') => {
            Outcome::Refused("501 5.5.2 User name is one that means nobody")
        }
        _ if user.contains([' ', '+']) => Outcome::Refused(
            "501 5.5.2 User name has a space or a +, which this nginx cannot hand on",
        ),
        _ => Outcome::Recorded,
    }
}

/// The reply to a login.
fn log_in<S: io::Read + io::Write>(
    client: &mut Client<S>,
    kind: &str,
    user: &str,
    password: &str,
) -> String {
    let mut say = |line: &str| client.say(line).unwrap_or_else(|error| error.to_string());
    let encoded = |text: &str| BASE64.encode(text.as_bytes());
    match kind {
        "PLAIN" => say(&format!("AUTH PLAIN {}", encoded(&format!("\0{user}\0{password}")))),
        "LOGIN" => {
            say("AUTH LOGIN");
            let asked = say(&encoded(user));
            if asked.starts_with("334 ") { say(&encoded(password)) } else { asked }
        }
        _ => {
            let asked = say("AUTH CRAM-MD5");
            let challenge = BASE64.decode(asked[4..].trim_end().as_bytes()).unwrap();
            let digest = cram_md5(password, std::str::from_utf8(&challenge).unwrap());
            say(&encoded(&format!("{user} {}", HEXLOWER.encode(&digest))))
        }
    }
}

/// Logs in and, if it may, sends a message of this subject; returns the reply to the login.
fn try_one<S: io::Read + io::Write>(
    stream: S,
    kind: &str,
    (user, password): (&str, &str),
    subject: &str,
) -> String {
    let mut client = Client::over(stream);
    client.reply().unwrap();
    client.say("EHLO client.example").unwrap();
    let reply = log_in(&mut client, kind, user, password);
    if reply.starts_with("235 ") {
        let kept = client.mail(&format!("Subject: {subject}\r\n\r\nx")).unwrap();
        assert!(kept.starts_with("250 "), "{subject}: {kept}");
    }
    reply
}

fn connected(nginx: &Nginx, port: Port) -> TcpStream {
    let number = if port == Port::Proxied { nginx.proxied } else { nginx.smtp };
    connect(SocketAddr::from(([127, 0, 0, 1], number)))
}

/// Every name by every kind of login at every port, and what the messages say afterwards.
fn every_login_is_recorded_or_refused(server: &Server) {
    let nginx = Nginx::start(server);
    let sent = Mutex::new(BTreeMap::new());
    thread::scope(|scope| {
        for port in [Port::Relay, Port::Implicit, Port::Proxied] {
            for kind in KINDS {
                let (nginx, sent) = (&nginx, &sent);
                scope.spawn(move || {
                    for (number, (user, password)) in NAMES.into_iter().enumerate() {
                        let subject = format!("{port:?} {kind} {number}");
                        let login = (user, password);
                        let reply = match port {
                            Port::Implicit => try_one(nginx.over_tls(), kind, login, &subject),
                            _ => try_one(connected(nginx, port), kind, login, &subject),
                        };
                        let is_as_expected = match expected(kind, port, user) {
                            Outcome::Recorded => reply.starts_with("235 "),
                            Outcome::Refused(text) => reply.trim_end() == text,
                            Outcome::RefusedByNginx => reply.starts_with('5'),
                        };
                        assert!(is_as_expected, "{subject} {user:?}: {reply}");
                        if reply.starts_with("235 ") {
                            sent.lock().unwrap().insert(subject, user);
                        }
                    }
                });
            }
        }
    });
    let sent = sent.into_inner().unwrap();
    let messages = server.messages("limit=500");
    assert_eq!(messages.len(), sent.len());
    for message in messages {
        let path = format!("/api/messages/{}", message["id"].as_str().unwrap());
        let json: serde_json::Value = serde_json::from_slice(&server.get(&path)).unwrap();
        let subject = message["subject"].as_str().unwrap();
        let envelope = &json["envelope"];
        assert_eq!(envelope["auth_user"], sent[subject], "{subject}");
        assert_eq!(envelope["helo"], "client.example", "{subject}");
        let client: SocketAddr = envelope["client"].as_str().unwrap().parse().unwrap();
        assert!(client.ip().is_loopback(), "{subject}: {client}");
        // XCLIENT of nginx leaves the port out.
        assert_eq!(client.port() == 0, !subject.starts_with("Proxied"), "{subject}: {client}");
    }
}

#[test]
fn whoever_may_log_in_is_recorded_as_who_it_is() {
    if !have(&["nginx", MODULE]) {
        return;
    }
    every_login_is_recorded_or_refused(&believing(""));
}

#[test]
fn users_are_recorded_as_who_they_are() {
    if !have(&["nginx", MODULE]) {
        return;
    }
    let secrets = NAMES.into_iter().filter(|(user, _)| !user.is_empty());
    let secrets: toml::Table =
        secrets.map(|(user, secret)| (user.to_owned(), secret.into())).collect();
    let server = believing(&format!("[auth]\nmode = \"required\"\n[auth.secrets]\n{secrets}\n"));
    every_login_is_recorded_or_refused(&server);
    // And the password counts.
    let nginx = Nginx::start(&server);
    for kind in KINDS {
        let stream = connected(&nginx, Port::Relay);
        let reply = try_one(stream, kind, ("jürgen", "schlussel"), "wrong");
        assert!(reply.starts_with("535 5.7.8 "), "{kind}: {reply}");
    }
    assert_eq!(server.log().matches("login refused client=127.0.0.1 user=jürgen").count(), 3);
}

/// nginx before 1.29.1 keeps the name of a login that was refused, and tells it for whoever goes on
/// without one.
#[test]
fn a_login_that_was_refused_is_nobodys() {
    if !have(&["nginx", MODULE]) {
        return;
    }
    let server = believing("[auth]\nmode = \"optional\"\n[auth.secrets]\nann = \"geheim\"\n");
    let nginx = Nginx::start(&server);
    for (port, subject) in [(Port::Relay, "relay"), (Port::Proxied, "proxied")] {
        let mut client = Client::over(connected(&nginx, port));
        client.reply().unwrap();
        client.say("EHLO client.example").unwrap();
        let reply = log_in(&mut client, "PLAIN", "ann", "wrong");
        assert!(reply.starts_with("535 "), "{reply}");
        let kept = client.mail(&format!("Subject: {subject}\r\n\r\nx")).unwrap();
        assert!(kept.starts_with("250 "), "{kept}");
        assert_eq!(server.envelope(subject)["auth_user"], serde_json::Value::Null, "{subject}");
    }
}

#[test]
fn networks_are_seen_through_nginx() {
    if !have(&["nginx", MODULE, "swaks"]) {
        return;
    }
    let server = believing(&format!(
        "[policy]\nblock_networks = [\"{BLOCKED}\"]\ntrusted_networks = [\"{TRUSTED}\"]\n\
         [auth]\nmode = \"required\"\n[auth.secrets]\nann = \"geheim\"\n"
    ));
    let nginx = Nginx::start(&server);
    let ports: [(u16, &[&str]); 3] =
        [(nginx.smtp, &[]), (nginx.smtps, &["--tls-on-connect"]), (nginx.proxied, &[])];
    for (port, tls) in ports {
        let send = |client: &str, user: &str| {
            let login: &[&str] = if user.is_empty() {
                &[]
            } else {
                &["--auth", "LOGIN", "--auth-user", user, "--auth-password", "geheim"]
            };
            let output = swaks(port, &["--local-interface", client, "--helo", "c.example"])
                .args(tls)
                .args(login)
                .output()
                .unwrap();
            (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
        };
        for (client, user, refusal) in [
            (TRUSTED, "", ""),
            (TRUSTED, "ann", ""),
            (CLIENT, "ann", ""),
            (CLIENT, "", "530 5.7.0 Authentication required"),
            (BLOCKED, "", "554 5.7.1 Client host rejected"),
            (BLOCKED, "ann", "554 5.7.1 Client host rejected"),
            // Not by a name either.
            (BLOCKED, &format!("ann ADDR={TRUSTED}"), "554 5.7.1 Client host rejected"),
        ] {
            let (is_sent, said) = send(client, user);
            assert_eq!(is_sent, refusal.is_empty(), "{port} {client} {user}: {said}");
            assert!(said.contains(refusal), "{port} {client} {user}: {said}");
        }
    }
    for message in server.messages("limit=500") {
        let path = format!("/api/messages/{}", message["id"].as_str().unwrap());
        let json: serde_json::Value = serde_json::from_slice(&server.get(&path)).unwrap();
        let client = json["envelope"]["client"].as_str().unwrap();
        assert!(!client.starts_with(&format!("{BLOCKED}:")), "{client}");
        let is_trusted = client.starts_with(&format!("{TRUSTED}:"));
        assert!(is_trusted || json["envelope"]["auth_user"] == "ann", "{client}");
    }
}

const TRUSTED: &str = "127.0.0.7";
const BLOCKED: &str = "127.0.0.8";
