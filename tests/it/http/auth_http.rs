//! nginx's mail proxy asks who may log in.

use std::{
    collections::BTreeMap,
    io::{Read as _, Write as _},
};

use smtpd::{
    auth::{Mode, Options, Stored},
    http, policy,
    secret::Secret,
};

use super::{Answer, Server};
use crate::harness;

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
    assert_eq!(answer.header("auth-status"), "Only SMTP and POP3 are served here");
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

/// Names and passwords are UTF-8, of which nginx escapes only control characters, spaces and `%`.
#[test]
fn names_and_passwords_are_octets() {
    let secrets = [("jürgen", "schlüssel €"), ("用户", "p%20a:ss\\ \"")]
        .map(|(user, secret)| (user.to_owned(), secret.to_owned().try_into().unwrap()));
    let options = Options { mode: Mode::Required, secrets: secrets.into(), ..Options::default() };
    let server = Server::with(http::Options::default(), options);
    let status = |user: &str, password: &str| {
        let login = [("Auth-Method", "plain"), ("Auth-User", user), ("Auth-Pass", password)];
        ask(&server, "/auth-smtp", &login).header("auth-status").to_owned()
    };
    assert_eq!(status("jürgen", "schlüssel%20€"), "OK");
    assert_eq!(status("用户", "p%2520a:ss\\%20\""), "OK");
    assert_eq!(status("jürgen", "schlussel%20€"), "Invalid login or password");
    // What is no UTF-8 is nobody's.
    assert_eq!(status("j%FCrgen", "x"), "Cannot decode authentication response");
    assert_eq!(status("jürgen", "%FC"), "Cannot decode authentication response");
}

/// The name goes to SMTP by XCLIENT, in which nginx before 1.29.2 escapes nothing.
#[test]
fn names_that_nginx_would_make_others_of_are_refused() {
    let server = server(Mode::AcceptAny);
    let long = "x".repeat(256);
    let carried = |user: &str, path: &str| {
        let login = [("Auth-Method", "login"), ("Auth-User", user), ("Auth-Pass", "x")];
        let answer = ask(&server, path, &login);
        let is_good = answer.header("auth-status") == "OK";
        assert_eq!(answer.header("auth-port").is_empty(), !is_good, "{user}");
        assert!(is_good || answer.header("auth-error-code") == "501 5.5.2", "{user}");
        is_good
    };
    let [old, new, proxied] = ["/auth-smtp", "/auth-smtp?xtext=on", "/auth-smtp?proxy_protocol=on"];
    for user in ["ann", "ann@example.org", "a=b", "a%25b", "a\"\\:<>'b", "[UNAVAILABLE", "é"] {
        assert!([old, new, proxied].iter().all(|path| carried(user, path)), "{user}");
    }
    for user in ["x%20ADDR=10.9.9.9", "ann+test@example.org", "ann+41@example.org", "%20"] {
        assert!(!carried(user, old) && carried(user, new) && carried(user, proxied), "{user}");
    }
    for user in ["", "x%0D%0AMAIL%20FROM:<a@b>", "a%0Ab", "a%00b", "a%09b", "a%C2%85b"] {
        assert!(![old, new, proxied].iter().any(|path| carried(user, path)), "{user}");
    }
    for user in ["[UNAVAILABLE]", "[tempunavail]"] {
        assert!(!carried(user, old) && !carried(user, new) && carried(user, proxied), "{user}");
    }
    assert!(!carried(&long, old) && !carried(&long, new) && carried(&long, proxied));
    assert_eq!(server.metrics.logins_failed.value(), 0);
}

#[test]
fn a_word_that_nginx_was_not_meant_to_say_is_told() {
    let server = server(Mode::AcceptAny);
    let asked = |query: &str| {
        let path = format!("/auth-smtp?{query}");
        let fields = [("Auth-Method", "none"), ("Auth-Protocol", "smtp")];
        let answer = server.client().request("GET", &path, &fields, "");
        (answer.status, answer.header("auth-port").to_owned())
    };
    assert_eq!(asked("proxy_protocol=on&xtext=off"), (200, "2526".to_owned()));
    for query in ["proxyprotocol=on", "proxy_protocol=yes", "xtext", "xtext=on&xtext=off"] {
        assert_eq!(asked(query), (400, String::new()), "{query}");
    }
}

#[test]
fn networks_are_those_of_the_policy() {
    let networks = "block_networks = ['10.6.0.0/16']\ntrusted_networks = ['10.7.0.0/16']";
    let policy: policy::Options = toml::from_str(networks).unwrap();
    let secrets = BTreeMap::from([("ann".to_owned(), "geheim".to_owned().try_into().unwrap())]);
    let options = Options { mode: Mode::Required, secrets, ..Options::default() };
    let server = Server::guarded(http::Options::default(), options, policy);
    let asked = |method, client| {
        let fields = [
            ("Auth-Method", method),
            ("Auth-User", "ann"),
            ("Auth-Pass", "geheim"),
            ("Client-IP", client),
        ];
        let answer = ask(&server, "/auth-smtp", &fields);
        [answer.header("auth-status"), answer.header("auth-error-code")].join(" ")
    };
    for (method, client, expected) in [
        ("none", "10.7.0.1", "OK "),
        ("none", "::ffff:10.7.0.1", "OK "),
        ("none", "10.8.0.1", "Authentication required 530 5.7.0"),
        ("plain", "10.8.0.1", "OK "),
        // Whoever may not connect cannot find out passwords.
        ("plain", "10.6.0.1", "Client host rejected: access denied 554 5.7.1"),
        ("none", "10.6.0.1", "Client host rejected: access denied 554 5.7.1"),
    ] {
        assert_eq!(asked(method, client), expected, "{method} {client}");
    }
}

/// nginx before 1.29.1 keeps the name of a login that was refused, and would tell it for whoever goes on
/// without one.
#[test]
fn who_does_not_log_in_has_no_name() {
    let server = server(Mode::Optional);
    let none = [("Auth-Method", "none"), ("Auth-User", "ann"), ("Auth-Pass", "wrong")];
    let answer = ask(&server, "/auth-smtp", &none);
    assert_eq!((answer.header("auth-status"), answer.has("auth-user")), ("OK", true));
    assert_eq!(answer.header("auth-user"), "");
    let login = [("Auth-Method", "plain"), ("Auth-User", "ann"), ("Auth-Pass", "p%25ss%20wort")];
    assert!(!ask(&server, "/auth-smtp", &login).has("auth-user"));
}

/// The real program: nginx is sent to a listener that it can speak to, and that listener says who may log in.
#[test]
fn nginx_is_sent_to_a_listener_that_it_can_speak_to() {
    let smtp = "[tls]\nself_signed = true\n[smtp]\ntls = \"required\"\n";
    let ask = |server: &harness::Server, method: &str, password: &str| {
        let mut stream = harness::connect(server.http);
        let head = "GET /auth-smtp HTTP/1.0\r\nHost: 127.0.0.1\r\nAuth-Protocol: smtp";
        let login = format!("Auth-User: ann\r\nAuth-Pass: {password}\r\nClient-IP: 127.0.0.1");
        write!(stream, "{head}\r\nAuth-Method: {method}\r\n{login}\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let field = |name: &str| {
            let line = answer.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
            line.unwrap_or_default().trim_end().to_owned()
        };
        [field("auth-status"), field("auth-error-code"), field("auth-port")]
    };
    let none = harness::Server::configured(smtp);
    for method in ["none", "plain"] {
        let [status, code, port] = ask(&none, method, "x");
        assert_eq!(status, "There is no listener in clear for nginx");
        assert_eq!((&*code, &*port), ("451 4.3.5", ""));
    }
    let listener = "[[smtp.listeners]]\naddress = \"127.0.0.1:0\"";
    let server = harness::Server::configured(&format!(
        "{smtp}{listener}\ntls = \"implicit\"\n{listener}\nlmtp = true\ntls = \"off\"\n\
         {listener}\ntls = \"offered\"\nauth = \"required\"\nauth_needs_tls = true\n\
         [auth.secrets]\nann = \"geheim\"\n"
    ));
    // auth.mode takes anybody, but that listener does not.
    assert_eq!(ask(&server, "none", "")[1], "530 5.7.0");
    assert_eq!(ask(&server, "plain", "geheim")[1], "538 5.7.11");
    assert_eq!(ask(&server, "plain\r\nAuth-SSL: on", "x")[1], "535 5.7.8");
    let [status, _, port] = ask(&server, "plain\r\nAuth-SSL: on", "geheim");
    assert_eq!((status, port), ("OK".to_owned(), server.listener(3).port().to_string()));
}

#[test]
fn a_digest_is_of_no_use_where_nginx_logs_in_itself() {
    let login = [
        ("Auth-Method", "cram-md5"),
        ("Auth-User", "tim"),
        ("Auth-Salt", "<1896.697170952@postoffice.reston.mci.net>"),
        ("Auth-Pass", "b913a602c7eda7a495b4e6e7334d3890"),
    ];
    let answer = ask(&server(Mode::Required), "/auth-smtp?proxy_protocol=on", &login);
    assert_eq!(answer.header("auth-status"), "Use AUTH PLAIN or LOGIN");
    assert_eq!(answer.header("auth-error-code"), "504 5.5.4");
}
