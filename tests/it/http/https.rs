//! https on the web port, who speaks in clear to it, and that no secret is ever said: the real binary
//! over real sockets.

use std::{
    io::{Read as _, Write as _},
    process::Command,
};

use smtpd::{auth::Stored, secret::Secret};

use crate::harness::{Server, connect, eventually, have, run, signal};

const PASSWORD: &str = "Sesam-oeffne-dich";
const WRONG: &str = "Falsches-Sesam-17";
const TOKEN: &str = "token-that-a-machine-made-1234";

fn server(more: &str) -> Server {
    let hash = String::from(Stored::argon2(&Secret::new(PASSWORD.to_owned())).unwrap());
    Server::configured(&format!(
        "[http]\nlogin = 'required'\n{more}\n[http.tokens]\nci = '{TOKEN}'\n\
         [auth]\nfailure_seconds = 0\nmode = 'optional'\n[auth.users]\nann = '{hash}'\n\
         [log]\nlevel = 'trace'\n"
    ))
}

fn https() -> Server {
    server("tls = 'on'\n[tls]\nself_signed = true\n")
}

/// What the server says to these octets, until it hangs up.
fn say(server: &Server, octets: &str) -> String {
    let mut stream = connect(server.http);
    stream.write_all(octets.as_bytes()).unwrap();
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    answer
}

#[test]
fn who_speaks_in_clear_is_told_to_speak_https() {
    let server = https();
    let host = server.http.to_string();
    let ask =
        |line: &str, host: &str| say(&server, &format!("{line} HTTP/1.1\r\nHost: {host}\r\n\r\n"));
    let answer = ask("GET /messages/1?a=b", &host);
    assert!(answer.starts_with("HTTP/1.1 307 "), "{answer}");
    assert!(
        answer.contains(&format!("\r\nlocation: https://{host}/messages/1?a=b\r\n")),
        "{answer}"
    );
    // Nothing is done with what came in clear, and nobody is sent elsewhere.
    for (line, host, status) in [
        ("POST /login", host.as_str(), "400"),
        ("DELETE /api/messages", &host, "400"),
        ("GET /", "evil.example", "421"),
        ("GET /", "a b", "400"),
    ] {
        let answer = ask(line, host);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{line} {host}: {answer}");
        assert!(!answer.contains("location:"), "{answer}");
    }
    assert_eq!(say(&server, "\r\nGET / HTTP/1.1\r\n\r\n"), "", "neither TLS nor HTTP");
    eventually(10, "it is in the log", || server.log().contains("TLS handshake"));
}

#[test]
fn over_https_the_session_is_for_https_only() {
    if !have(&["curl"]) {
        return;
    }
    let server = https();
    let jar = server.folder.join("cookies");
    let curl = |arguments: &[&str]| {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--insecure", "--include", "--max-time", "20"]);
        curl.arg("--cookie").arg(&jar).arg("--cookie-jar").arg(&jar);
        String::from_utf8(run(curl.args(arguments)).stdout).unwrap()
    };
    let url = |path: &str| format!("https://{}{path}", server.http);
    let form = format!("user=ann&password={PASSWORD}");
    let answer = curl(&["--data", &form, &url("/login")]);
    assert!(answer.starts_with("HTTP/1.1 303 "), "{answer}");
    let cookie = answer.lines().find(|line| line.starts_with("set-cookie: ")).unwrap();
    assert!(cookie.starts_with("set-cookie: __Host-smtpd-"), "{cookie}");
    assert!(cookie.contains("; HttpOnly; SameSite=Lax; Secure"), "{cookie}");
    assert!(
        !answer.contains("strict-transport-security"),
        "it would hold for every port of this name"
    );
    assert!(curl(&["--header", "Accept: text/html", &url("/status")]).contains("Log out"));
    // curl follows from http to https; its jar does not give the cookie to http.
    let clear = format!("http://{}/status/detail", server.http);
    assert!(curl(&["--location", &clear]).contains("\"uptime_seconds\""));
    // As scripts do it.
    let basic = format!("ann:{PASSWORD}");
    for login in [["--user", basic.as_str()], ["--oauth2-bearer", TOKEN]] {
        let alone = Command::new("curl")
            .args(["--silent", "--insecure", "--fail", "--max-time", "20"])
            .args(login)
            .arg(url("/api/messages"))
            .output()
            .unwrap();
        assert!(alone.status.success(), "{login:?}: {alone:?}");
    }
}

#[test]
fn no_secret_is_ever_said() {
    let server = server("");
    let mut web = super::Client::connect(server.http);
    let log_in = |web: &mut super::Client, password: &str| {
        web.post("/login", &format!("user=ann&password={password}"))
    };
    let cookie = log_in(&mut web, PASSWORD).expect(303).header("set-cookie").to_owned();
    let pair = cookie.split(';').next().unwrap().to_owned();
    let session = pair.split_once('=').unwrap().1.to_owned();
    log_in(&mut web, WRONG).expect(401);
    // The password in the field of the name.
    web.post("/login", &format!("user={WRONG}&password=x")).expect(401);
    for (token, status) in [(TOKEN, 200), (WRONG, 401)] {
        let field = format!("Bearer {token}");
        web.request("GET", "/api/messages", &[("Authorization", &field)], "").expect(status);
    }
    let mut smtp = crate::harness::Client::connect(server.smtp);
    smtp.say("EHLO here").unwrap();
    let plain = |password: &str| {
        let text = format!("\0ann\0{password}");
        format!("AUTH PLAIN {}", data_encoding::BASE64.encode(text.as_bytes()))
    };
    assert!(smtp.say(&plain(WRONG)).unwrap().starts_with("535"));
    assert!(smtp.say(WRONG).unwrap().starts_with("500"));
    assert!(smtp.say(&plain(PASSWORD)).unwrap().starts_with("235"));
    signal(server.pid(), "HUP");
    eventually(10, "users are read again", || server.log().contains("users read again"));

    let mut said = server.log();
    assert!(said.contains("web login refused") && said.contains("logged in"));
    for path in ["/status", "/status/detail", "/api/refusals"] {
        for accept in ["text/html", "*/*"] {
            let fields = [("Cookie", pair.as_str()), ("Accept", accept)];
            said += web.request("GET", path, &fields, "").expect(200).text();
        }
    }
    said += &server.log();
    for secret in [PASSWORD, WRONG, TOKEN, &session, "$argon2", &plain(PASSWORD)[11..]] {
        assert!(!said.contains(secret), "{secret} in {said}");
    }
}
