//! The status page: numbers, the chart, and why a mail did not arrive.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;
use smtpd::refusals::Refusal;

use super::{Answer, Server};
use crate::harness;

fn page(server: &Server, path: &str) -> Answer {
    server.client().request("GET", path, &[("Accept", "text/html,*/*;q=0.8")], "").expect(200)
}

fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis().try_into().unwrap()
}

fn refusal(text: &str, recipient: &str) -> Refusal {
    Refusal {
        at_ms: now_ms(),
        client: Some("192.0.2.7:25".parse().unwrap()),
        command: "RCPT",
        code: 550,
        text: text.into(),
        sender: Some("ann@shop.example".into()),
        recipient: Some(recipient.into()),
    }
}

#[test]
fn people_get_a_page_and_programs_numbers() {
    let server = Server::start();
    server.deliver("bob@example.com", b"Subject: x\r\n\r\nx");
    let json = server.get("/status").expect(200);
    assert_eq!(json.header("content-type"), "application/json");
    assert_eq!(serde_json::from_slice::<Value>(&json.body).unwrap()["messages"], 1);
    let page = page(&server, "/status");
    assert!(page.header("content-type").starts_with("text/html"));
    assert_eq!(page.header("vary"), "Accept, Accept-Encoding");
    for word in [
        "1 unread",
        "Memory",
        "Up to date",
        "0.0.0-test",
        "limits.connections",
        "Nothing was refused",
    ] {
        assert!(page.text().contains(word), "{word}");
    }
    assert!(page.text().contains("Nothing in the last two hours"));
}

#[test]
fn the_chart_has_a_bar_for_each_minute_in_which_something_came() {
    let server = Server::start();
    let minute = 60_000;
    for (ago, times) in [(120, 7), (119, 1), (30, 5), (0, 15)] {
        (0..times).for_each(|_| server.metrics.received_lately.add(now_ms() - ago * minute));
    }
    server.metrics.refused_lately.add(now_ms());
    let page = page(&server, "/status");
    // Should the minute end between, everything is one bar to the left.
    let bars = page.text().matches("<rect class=\"received\"").count();
    assert!(matches!(bars, 2 | 3), "{bars}");
    assert_eq!(page.text().matches("<rect class=\"refused\"").count(), 1);
    assert!(page.text().contains("UTC: 15 received, 1 refused</title>"), "{}", page.text());
    let json: Value = serde_json::from_slice(&server.get("/status/detail").body).unwrap();
    assert_eq!(json["received_by_minute"].as_array().unwrap().len(), 120);
}

#[test]
fn a_refusal_is_found_by_what_one_knows_of_it() {
    let server = Server::start();
    server.metrics.count_listener("smtp://127.0.0.1:25".into()).connections.add(41);
    server.refusals.push(refusal("550 5.7.1 Relay access denied", "bob@other.example"));
    server.refusals.push(refusal("550 5.1.1 <script>alert(1)</script>", "\"<img>\"@example.com"));
    let all = page(&server, "/status");
    assert!(all.text().contains("not in policy.local_domains"), "what it means");
    assert!(all.text().contains("smtp://127.0.0.1:25") && all.text().contains(">41<"));
    assert!(!all.text().contains("<script>alert") && !all.text().contains("<img>"));
    for (find, relay, script) in [
        ("bob%40other", true, false),
        ("BOB", true, false),
        ("relay", true, false),
        ("192.0.2.7", true, true),
        ("ann%40shop.example", true, true),
        ("rcpt", true, true),
        ("%3Cscript%3E", false, true),
        ("nothing%20of%20it", false, false),
    ] {
        let page = page(&server, &format!("/status?find={find}"));
        let last = page.text().split("id=\"refusals\"").nth(1).unwrap();
        assert_eq!(last.contains("Relay access denied"), relay, "{find}");
        assert_eq!(last.contains("&#60;script&#62;"), script, "{find}");
        let json: Value =
            serde_json::from_slice(&server.get(&format!("/api/refusals?find={find}")).body)
                .unwrap();
        let count = json["refusals"].as_array().unwrap().len();
        assert_eq!(count, usize::from(relay) + usize::from(script), "{find}");
    }
    let page = page(&server, "/status?find=%22%3E%3Cb%3E");
    assert!(!page.text().contains("\"><b>"));
}

/// The whole way, from what a client did to what the page says about it.
#[test]
fn why_did_my_mail_not_arrive() {
    let server = harness::Server::configured(
        "[policy]\nlocal_domains = ['example.org']\nblock_senders = ['*@spam.example']\n\
         [limits]\nmessage_size = 1000\nrecipients = 1\n",
    );
    let mut client = harness::Client::connect(server.smtp);
    let big = format!("Subject: big\r\n\r\n{}", "x".repeat(2_000));
    client.say("EHLO shop.example").unwrap();
    assert!(client.mail("Subject: fine\r\n\r\nx").unwrap().starts_with("250"));
    assert!(client.mail(&big).unwrap().starts_with("552"));
    for (line, code) in [
        ("MAIL FROM:<x@spam.example>", "550"),
        ("MAIL FROM:<a@example.org>", "250"),
        ("RCPT TO:<carol@elsewhere.example>", "550"),
        ("RCPT TO:<b@example.org>", "250"),
        ("RCPT TO:<c@example.org>", "452"),
    ] {
        assert!(client.say(line).unwrap().starts_with(code), "{line}");
    }
    let mut web = super::Client::connect(server.http);
    let page = web.request("GET", "/status", &[("Accept", "text/html")], "").expect(200);
    for said in [
        "SQLite",
        "carol@elsewhere.example",
        "not in policy.local_domains",
        "policy.block_senders has this sender",
        "Larger than limits.message_size",
        "limits.recipients is reached",
        &format!("smtp://{}", server.smtp),
        &format!("http://{}", server.http),
        "1 received",
        "4 refused",
    ] {
        assert!(page.text().contains(said), "{said}");
    }
    let json = web.get("/api/refusals?find=552").expect(200);
    let json: Value = serde_json::from_slice(&json.body).unwrap();
    // The message was over when it was refused, and yet one sees whose it was.
    assert_eq!(json["refusals"][0]["sender"], "a@example.org");
    let json: Value = serde_json::from_slice(&web.get("/status/detail").body).unwrap();
    assert_eq!(json["listeners"][0]["connections_now"], 1);
    assert_eq!(json["listeners"][0]["connections"], 1);
}
