//! Who may do what, over the real binary: networks, rates, domains, block lists, and back ends of users.

// A helper of a test may fail it.
#![allow(clippy::unwrap_used, clippy::panic)]

mod endpoint;
mod logins;

use std::io::ErrorKind;

use serde_json::Value;

use crate::harness::{Client, Server, connect, eventually};

/// A listener that hears from a proxy who its client is, so that a test can be any client.
fn server(policy: &str) -> Server {
    Server::configured(&format!(
        "[smtp]\nproxy = true\nproxies = ['127.0.0.0/8']\n[auth]\nfailure_seconds = 0\n[policy]\n{policy}"
    ))
}

/// A client of this address behind the proxy, and what it hears first.
fn proxied(server: &Server, address: &str) -> (Client, String) {
    let mut client = Client::over(connect(server.smtp));
    let addresses = match address.contains(':') {
        true => format!("TCP6 {address} ::1"),
        false => format!("TCP4 {address} 127.0.0.1"),
    };
    client.send(format!("PROXY {addresses} 40000 25\r\n").as_bytes()).unwrap();
    let greeting = client.reply().unwrap();
    (client, greeting)
}

/// A greeted client after its EHLO.
fn client(server: &Server, address: &str) -> Client {
    let (mut client, greeting) = proxied(server, address);
    assert!(greeting.starts_with("220 "), "{greeting}");
    assert!(client.say("EHLO client.example").unwrap().starts_with("250"));
    client
}

fn refusals(server: &Server) -> Vec<Value> {
    let mut json: Value = serde_json::from_slice(&server.get("/api/refusals")).unwrap();
    match json["refusals"].take() {
        Value::Array(refusals) => refusals,
        other => panic!("no refusals: {other}"),
    }
}

fn status(server: &Server, key: &str) -> u64 {
    let json: Value = serde_json::from_slice(&server.get("/status/detail")).unwrap();
    json[key].as_u64().unwrap_or_else(|| panic!("no {key} in {json}"))
}

/// What each line is answered, its code and enhanced code.
fn say(client: &mut Client, lines: &[(&str, &str)]) {
    for (line, expected) in lines {
        let reply = client.say(line).unwrap();
        assert!(reply.starts_with(expected), "{line}: {reply}");
    }
}

#[test]
fn a_network_that_may_not_connect_hears_so_instead_of_a_greeting() {
    let server = server(
        "allow_networks = ['192.0.2.0/24', '2001:db8::/32']\nblock_networks = ['192.0.2.66']",
    );
    client(&server, "192.0.2.1");
    client(&server, "2001:db8::1");
    for stranger in ["198.51.100.1", "192.0.2.66", "2001:db9::1"] {
        let (mut refused, greeting) = proxied(&server, stranger);
        assert_eq!(greeting, "554 5.7.1 Client host rejected: access denied\r\n");
        assert_eq!(refused.reply().unwrap_err().kind(), ErrorKind::UnexpectedEof);
    }
    // The proxy may always ask how we are.
    let mut check = Client::over(connect(server.smtp));
    check.send(b"PROXY UNKNOWN\r\n").unwrap();
    assert!(check.reply().unwrap().starts_with("220 "));
    let newest = &refusals(&server)[0];
    assert_eq!(newest["client"], "[2001:db9::1]:40000");
    assert_eq!((&newest["command"], &newest["code"]), (&"connect".into(), &554.into()));
    assert_eq!(status(&server, "smtp_connections_refused"), 3);
}

#[test]
fn a_client_has_so_many_connections_and_no_more() {
    let server = server("connections_per_client = 2");
    let first = client(&server, "192.0.2.1");
    let _second = client(&server, "192.0.2.1");
    let refused = |address| proxied(&server, address).1;
    assert!(refused("192.0.2.1").starts_with("421 4.7.0 "));
    let _other = client(&server, "192.0.2.2");
    drop(first);
    eventually(10, "a place is free again", || refused("192.0.2.1").starts_with("220 "));
}

#[test]
fn connections_in_a_minute() {
    let server = server("connections_per_minute = 3\ntrusted_networks = ['10.0.0.0/8']");
    for _ in 0..3 {
        client(&server, "192.0.2.1");
    }
    assert!(proxied(&server, "192.0.2.1").1.starts_with("421 4.7.0 "));
    for _ in 0..9 {
        client(&server, "10.0.0.1");
    }
}

#[test]
fn messages_and_recipients_in_a_minute_are_those_of_all_connections() {
    let server = server("messages_per_minute = 2\nrecipients_per_minute = 3");
    let mut one = client(&server, "192.0.2.1");
    assert!(one.mail("Subject: 1\r\n\r\nx").unwrap().starts_with("250 "));
    let mut two = client(&server, "192.0.2.1");
    say(
        &mut two,
        &[
            ("MAIL FROM:<a@example.org>", "250 2.1.0 "),
            ("RCPT TO:<b@example.org>", "250 2.1.5 "),
            ("RCPT TO:<c@example.org>", "250 2.1.5 "),
            ("RCPT TO:<d@example.org>", "450 4.7.1 "),
            // Those that were accepted stand.
            ("DATA", "354 "),
            ("x\r\n.", "250 2.0.0 "),
            ("MAIL FROM:<a@example.org>", "450 4.7.1 "),
            ("RCPT TO:<b@example.org>", "503 5.5.1 "),
            ("NOOP", "250 "),
        ],
    );
    assert!(client(&server, "192.0.2.2").mail("Subject: 2\r\n\r\nx").unwrap().starts_with("250 "));
    let told: Vec<_> = refusals(&server).iter().map(|it| it["command"].clone()).collect();
    assert_eq!(told, ["RCPT", "MAIL", "RCPT"]);
}

#[test]
fn mail_for_elsewhere_is_relayed_for_nobody_unknown() {
    let server = server(
        "local_domains = ['example.org', '*.example.org']\ntrusted_networks = ['10.0.0.0/8']",
    );
    let mut stranger = client(&server, "192.0.2.1");
    let batch = "MAIL FROM:<ann@elsewhere.example>\r\nRCPT TO:<bob@elsewhere.example>\r\n\
        RCPT TO:<bob@mx.example.org>\r\nRCPT TO:<cat@example.org.elsewhere.example>\r\nDATA\r\n";
    stranger.send(batch.as_bytes()).unwrap();
    for expected in ["250 ", "550 5.7.1 Relay access denied", "250 ", "550 5.7.1 ", "354 "] {
        let reply = stranger.reply().unwrap();
        assert!(reply.starts_with(expected), "{reply}");
    }
    assert!(stranger.say("Subject: local\r\n\r\nx\r\n.").unwrap().starts_with("250 "));
    let envelope = server.envelope("local");
    assert_eq!(envelope["forward_paths"].as_array().unwrap().len(), 1);
    assert_eq!(envelope["forward_paths"][0]["address"], "bob@mx.example.org");

    let told = refusals(&server);
    assert_eq!(told.len(), 2);
    assert_eq!(told[0]["recipient"], "cat@example.org.elsewhere.example");
    assert_eq!(told[1]["recipient"], "bob@elsewhere.example");
    assert_eq!(told[1]["sender"], "ann@elsewhere.example");
    assert_eq!(told[1]["client"], "192.0.2.1:40000");
    assert_eq!(told[1]["text"], "550 5.7.1 Relay access denied");
    assert!(told[1]["time"].as_str().unwrap().starts_with("20"));

    let elsewhere = [("MAIL FROM:<>", "250 "), ("RCPT TO:<bob@elsewhere.example>", "250 2.1.5 ")];
    say(&mut client(&server, "10.0.0.1"), &elsewhere);
    let mut user = client(&server, "192.0.2.1");
    say(&mut user, &[("AUTH PLAIN AGFubgB4", "235 ")]);
    say(&mut user, &elsewhere);
}

#[test]
fn block_lists() {
    let server = server(
        "block_senders = ['@spam.example', '<>']
         block_recipients = ['nobody@*']
         block_helo = ['*.dynamic.example']",
    );
    let mut client = client(&server, "192.0.2.1");
    say(
        &mut client,
        &[
            ("MAIL FROM:<>", "550 5.7.1 Sender"),
            ("MAIL FROM:<Any@SPAM.example>", "550 5.7.1 Sender"),
            ("RCPT TO:<bob@example.org>", "503 5.5.1 "),
            ("MAIL FROM:<ann@example.org>", "250 "),
            ("RCPT TO:<\"Nobody\"@example.org>", "550 5.7.1 Recipient"),
            ("DATA", "554 5.5.1 "),
            ("RCPT TO:<bob@example.org>", "250 "),
            ("RSET", "250 "),
            ("EHLO host-7.dynamic.example", "250"),
            ("MAIL FROM:<ann@example.org>", "550 5.7.1 HELO"),
        ],
    );
    let told = refusals(&server);
    assert_eq!(told[0]["text"], "550 5.7.1 HELO name rejected: access denied");
    assert_eq!(told[0]["sender"], "ann@example.org");
    assert_eq!(told.last().unwrap()["sender"], "");
    assert_eq!(status(&server, "refusals"), 6);
}

#[test]
fn a_body_that_matches_is_dropped_or_refused() {
    let body = |text: &str| format!("Subject: {text}\r\n\r\n{}{text}", "x\r\n".repeat(100_000));
    let dropping = server("block_body = ['never', '(?i)^win the LOTTERY$']");
    let mut client_of = client(&dropping, "192.0.2.1");
    let dropped = client_of.mail(&body("win the lottery")).unwrap();
    let kept = client_of.mail(&body("win")).unwrap();
    assert!(dropped.starts_with("250 2.0.0 Ok: queued as "), "{dropped}");
    assert_eq!(dropped.len(), kept.len(), "the client cannot tell");
    let messages = dropping.messages("limit=10");
    assert_eq!(messages.len(), 1, "{messages:?}");
    assert_eq!(status(&dropping, "messages_dropped"), 1);
    let told = refusals(&dropping);
    assert_eq!(told[0]["text"], "dropped: matches expression 2 of policy.block_body");
    assert_eq!((&told[0]["code"], &told[0]["sender"]), (&250.into(), &"a@example.org".into()));

    let refusing = server("block_body = ['lottery']\nblock_body_by = 'refuse'");
    let mut client = client(&refusing, "192.0.2.1");
    assert_eq!(client.mail(&body("lottery")).unwrap(), "550 5.7.1 Message content rejected\r\n");
    say(
        &mut client,
        &[
            ("MAIL FROM:<a@example.org>", "250 "),
            ("RCPT TO:<b@example.org>", "250 "),
            ("BDAT 13\r\n\r\n\r\nlottery", "250 "),
            ("BDAT 3 LAST\r\nx", "550 5.7.1 Message content rejected"),
        ],
    );
    assert!(client.mail(&body("raffle")).unwrap().starts_with("250 "));
    assert_eq!(refusing.messages("limit=10").len(), 1);
    assert_eq!(status(&refusing, "messages_refused"), 2);
}

#[test]
fn a_client_named_by_xclient_is_the_one_that_counts() {
    let server = Server::configured(
        "[smtp]\nproxies = ['127.0.0.1']\n[policy]\nallow_networks = ['192.0.2.0/24']\n\
         connections_per_client = 1\n",
    );
    let named = |address: &str| {
        // The proxy itself is not asked: it stands for many.
        let mut proxy = Client::connect(server.smtp);
        proxy.say("EHLO proxy.example").unwrap();
        let reply = proxy.say(&format!("XCLIENT ADDR={address} PORT=1234")).unwrap();
        (proxy, reply)
    };
    let (mut first, greeting) = named("192.0.2.1");
    assert!(greeting.starts_with("220 "), "{greeting}");
    assert!(named("192.0.2.1").1.starts_with("421 4.7.0 "));
    // The proxy goes on with another client, and the first one is gone.
    assert!(first.say("XCLIENT ADDR=192.0.2.3").unwrap().starts_with("220 "));
    let (_again, greeting) = named("192.0.2.1");
    assert!(greeting.starts_with("220 "), "{greeting}");
    assert!(named("192.0.2.2").1.starts_with("220 "));
    assert!(named("198.51.100.1").1.starts_with("554 5.7.1 "));
    assert_eq!(refusals(&server)[0]["client"], "198.51.100.1:1234");
}

#[test]
fn what_the_session_refuses_by_itself_is_told_too() {
    let server = server("");
    let mut client = client(&server, "192.0.2.1");
    let batch = "MAIL FROM:<a b>\r\nRCPT TO:<b@example.org>\r\nDATA\r\nsecret word\r\n";
    client.send(batch.as_bytes()).unwrap();
    for expected in ["501 5.1.7 ", "503 ", "503 ", "500 "] {
        assert!(client.reply().unwrap().starts_with(expected));
    }
    let told = refusals(&server);
    let commands: Vec<_> = told.iter().rev().map(|it| it["command"].as_str().unwrap()).collect();
    assert_eq!(commands, ["MAIL", "RCPT", "DATA", "?"]);
    assert!(!String::from_utf8(server.get("/api/refusals")).unwrap().contains("secret"));
}
