//! nginx's mail proxy asks who may log in.

use std::collections::BTreeMap;

use smtpd::{
    auth::{Mode, Options, Stored},
    http,
    secret::Secret,
};

use super::{Answer, Server};

fn server(mode: Mode) -> Server {
    let hash = Stored::argon2(&Secret::new("p%ss wort".into())).unwrap();
    let users = BTreeMap::from([("ann".to_owned(), hash)]);
    let secret = "tanstaaftanstaaf".to_owned().try_into().unwrap();
    let secrets = BTreeMap::from([("tim".to_owned(), secret)]);
    Server::with(http::Options::default(), Options { mode, users, secrets, ..Options::default() })
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
    assert_eq!(answer.header("auth-wait"), "1");
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
    let apop = ask(&required, "/auth-smtp", &[("Auth-Method", "apop")]);
    assert_eq!(apop.header("auth-error-code"), "504 5.5.4");

    let imap = [("Auth-Method", "plain"), ("Auth-Protocol", "imap")];
    let mut client = required.client();
    let answer = client.request("GET", "/auth-smtp", &imap, "");
    assert_eq!(answer.header("auth-status"), "Only SMTP is served here");
}

/// nginx makes the challenge; the digest is that of RFC 2195 section 2.
#[test]
fn a_digest_is_checked_against_the_secret() {
    let server = server(Mode::Required);
    for (user, digest, expected) in [
        ("tim", "b913a602c7eda7a495b4e6e7334d3890", "OK"),
        ("tim", "b913a602c7eda7a495b4e6e7334d3891", "Invalid login or password"),
        ("ann", "b913a602c7eda7a495b4e6e7334d3890", "Invalid login or password"),
        ("tim", "b913", "Cannot decode authentication response"),
    ] {
        let salt = "<1896.697170952@postoffice.reston.mci.net>";
        let login = [
            ("Auth-Method", "cram-md5"),
            ("Auth-User", user),
            ("Auth-Salt", salt),
            ("Auth-Pass", digest),
        ];
        let answer = ask(&server, "/auth-smtp", &login);
        assert_eq!(answer.header("auth-status"), expected, "{user} {digest}");
    }
}

#[test]
fn a_client_that_fails_waits_longer_each_time_and_others_do_not() {
    let server = server(Mode::Required);
    let wait = |client| {
        let login = [
            ("Auth-Method", "plain"),
            ("Auth-User", "ann"),
            ("Auth-Pass", "wrong"),
            ("Client-IP", client),
        ];
        ask(&server, "/auth-smtp", &login).header("auth-wait").to_owned()
    };
    // Who does not say who its client is, is counted itself.
    let unnamed = || {
        let login = [("Auth-Method", "plain"), ("Auth-User", "ann"), ("Auth-Pass", "wrong")];
        ask(&server, "/auth-smtp", &login).header("auth-wait").to_owned()
    };
    assert_eq!([unnamed(), unnamed()], ["1", "2"]);
    assert_eq!([wait("192.0.2.1"), wait("192.0.2.1"), wait("192.0.2.1")], ["1", "2", "4"]);
    assert_eq!(wait("192.0.2.2"), "1");
}
