//! nginx's mail proxy asks who may log in.

use std::collections::BTreeMap;

use smtpd::{
    auth::{Mode, Options, hash_password},
    http,
    secret::Secret,
};

use super::{Answer, Server};

fn server(mode: Mode) -> Server {
    let hash = hash_password(&Secret::new("p%ss wort".into())).unwrap();
    let users = BTreeMap::from([("ann".to_owned(), hash.try_into().unwrap())]);
    Server::with(http::Options::default(), Options { mode, users })
}

/// What nginx sends, which is HTTP/1.0 with a Host.
fn ask(server: &Server, path: &str, fields: &[(&str, &str)]) -> Answer {
    let mut head = format!("GET {path} HTTP/1.0\r\nHost: 127.0.0.1\r\nAuth-Protocol: smtp\r\n");
    for (name, value) in fields {
        head += &format!("{name}: {value}\r\n");
    }
    let mut client = server.client();
    client.write(format!("{head}\r\n").as_bytes());
    client.answer(false).expect(200)
}

#[test]
fn a_good_login_is_sent_to_smtp() {
    let server = server(Mode::Required);
    let login = [("Auth-Method", "plain"), ("Auth-User", "ann"), ("Auth-Pass", "p%25ss%20wort")];
    for path in ["/auth-smtp", "/"] {
        let answer = ask(&server, path, &login);
        assert_eq!(answer.header("auth-status"), "OK");
        // SMTP listens on 0.0.0.0, which is no address to connect to.
        assert_eq!(answer.header("auth-server"), "127.0.0.1");
        assert_eq!(answer.header("auth-port"), "2525");
    }
}

#[test]
fn a_bad_login_may_try_again_but_not_for_ever() {
    let server = server(Mode::Required);
    let login = [("Auth-Method", "login"), ("Auth-User", "ann"), ("Auth-Pass", "wrong")];
    let answer = ask(&server, "/auth-smtp", &login);
    assert_eq!(answer.header("auth-status"), "Invalid login or password");
    assert_eq!(answer.header("auth-error-code"), "535 5.7.8");
    assert_eq!(answer.header("auth-wait"), "3");
    assert_eq!(answer.header("auth-server"), "");
    assert_eq!(server.metrics.logins_failed.value(), 1);
    let last = [login[0], login[1], login[2], ("Auth-Login-Attempt", "3")];
    assert_eq!(ask(&server, "/auth-smtp", &last).header("auth-wait"), "");
}

#[test]
fn methods_and_protocols() {
    let required = server(Mode::Required);
    let none = [("Auth-Method", "none")];
    assert_eq!(ask(&required, "/auth-smtp", &none).header("auth-error-code"), "530 5.7.0");
    assert_eq!(ask(&server(Mode::Optional), "/", &none).header("auth-status"), "OK");
    let cram = ask(&required, "/auth-smtp", &[("Auth-Method", "cram-md5")]);
    assert_eq!(cram.header("auth-status"), "Use AUTH PLAIN or LOGIN");

    let imap = [("Auth-Method", "plain"), ("Auth-Protocol", "imap")];
    let mut client = required.client();
    let answer = client.request("GET", "/auth-smtp", &imap, "");
    assert_eq!(answer.header("auth-status"), "Only SMTP is served here");
}
