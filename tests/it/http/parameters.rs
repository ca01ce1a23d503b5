//! A request that is not understood whole does nothing: every route is asked with what it does not know,
//! with the same thing twice and with nothing behind a name, and so is every way to change or delete.

use smtpd::auth;

use super::{Server, letter};
use crate::harness::{self, Client};

/// Fields of forms that only show something, which a browser sends although they are empty. The header's
/// filter is one on every tab.
const MAY_BE_EMPTY: [(&str, &str); 3] = [("/", "q"), ("/", "mailbox"), ("/status", "find")];

/// What stands there or not, and has no value.
const FLAGS: [&str; 2] = ["inline", "download"];

#[test]
fn every_route_refuses_what_it_does_not_understand() {
    let server = Server::start();
    let id = server.deliver("bob@example.com", &letter("Hi")).id.to_string();
    let before = server.shelf.records();
    let router = std::fs::read_to_string(harness::file("src/http/router.rs")).unwrap();
    let routes: Vec<_> =
        router.split(".route(\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    assert!(routes.len() > 30, "{routes:?}");
    let mut asked = 0;
    for route in routes {
        let path = route.replace("{id}", &id).replace("{part}", "0").replace("{version}", "0");
        let path = path.replace("{name}", "style.css");
        for method in ["GET", "HEAD", "POST", "PATCH", "DELETE", "PUT"] {
            let ask = |query: &str| {
                let path = format!("{path}?{query}");
                let length = [("Content-Length", "0")];
                let fields = if method == "POST" { &[][..] } else { &length[..] };
                let answer = server.client().request(method, &path, fields, "");
                assert_eq!(answer.status, 400, "{method} {path}: {}", answer.text());
                answer.text().to_owned()
            };
            if method == "HEAD" {
                ask("zzz=1");
                continue;
            }
            let text = ask("zzz=1");
            assert!(text.contains("zzz"), "{method} {path}: {text}");
            ask("=1");
            ask("zzz=%ff");
            // What it knows it says itself.
            let known = text.split_once("known: ").map_or("", |(_, known)| known.trim_end());
            for name in known.trim_end_matches('.').split(", ").filter(|name| !name.is_empty()) {
                asked += 1;
                assert!(ask(&format!("{name}=1&{name}=1")).contains(name), "{method} {path}");
                let may_be_empty = FLAGS.contains(&name)
                    || name == "filter"
                    || method == "GET" && MAY_BE_EMPTY.contains(&(route, name));
                if !may_be_empty {
                    assert!(ask(&format!("{name}=")).contains(name), "{method} {path}");
                }
                let said = ask(&format!("{name}=%20"));
                assert!(said.contains(name), "{method} {path}: {said}");
            }
        }
    }
    assert!(asked > 40, "{asked}");
    assert_eq!(server.shelf.records(), before);
}

#[test]
fn what_names_nothing_deletes_nothing() {
    let server = Server::start();
    let id = server.deliver("bob@example.com", &letter("Hi")).id.to_string();
    let before = server.shelf.records();
    let send = |method: &str, path: &str, body: &str| {
        let length = body.len().to_string();
        let length = [("Content-Length", length.as_str())];
        let fields = if method == "POST" { &[][..] } else { &length[..] };
        let answer = server.client().request(method, path, fields, body);
        assert_eq!(answer.status, 400, "{method} {path} {body}: {}", answer.text());
        assert_eq!(server.shelf.records(), before, "{method} {path} {body}");
    };
    for query in [
        "",
        "?",
        "?&",
        "?q=",
        "?q=%20",
        "?q=%e2%80%8b",
        "?q",
        "?mailbox=",
        "?mailbox=.",
        "?q=&mailbox=",
        "?query=subject:x",
        "?search=x",
        "?Q=x",
        "?id=1",
        "?before=1",
        "?limit=1",
        "?wait=1",
        "?all",
        "?all=",
        "?all=0",
        "?all=true",
        "?all=1&all=1",
        "?all=1&q=x",
        "?all=1&mailbox=b",
        "?q=x&q=y",
        "?q=x&mailbox=",
        "?q=is:green",
        "?q=%ff",
    ] {
        send("DELETE", &format!("/api/messages{query}"), "");
        send("GET", &format!("/delete{query}"), "");
        let form = query.trim_start_matches('?');
        for action in ["delete", "read", "star"] {
            send("POST", "/messages", &format!("action={action}&{form}"));
        }
        if query.contains('=') {
            send("DELETE", &format!("/api/messages/{id}{query}"), "");
            send("PATCH", &format!("/api/messages/{id}{query}"), "{\"read\":true}");
            send("POST", &format!("/messages{query}"), "action=delete&all=1");
        }
    }
    let ids = format!("{{\"ids\":[\"{id}\"]}}");
    for (path, body) in [
        ("/api/messages", "{}"),
        ("/api/messages", "{\"id\":[]}"),
        ("/api/messages", "{\"ids\":[\"\"]}"),
        ("/api/messages", "{\"ids\":null}"),
        ("/api/messages", "[[]]"),
        ("/api/messages", " "),
        ("/api/messages", "q=x"),
        ("/api/messages?all=1", ids.as_str()),
        ("/api/messages?q=x", ids.as_str()),
    ] {
        send("DELETE", path, body);
    }
    for form in [
        format!("action=delete&all=1&id={id}"),
        format!("action=delete&all=1&before={id}"),
        format!("action=delete&q=Hi&before={id}"),
        "action=delete&q=Hi&until=soon".to_owned(),
        "action=delete&q=Hi&until=0".to_owned(),
        format!("action=delete&id={id}&id="),
        format!("action=delete&ids={id},"),
        format!("action=delete&only=&id={id}"),
        format!("action=delete&action=delete&id={id}"),
        format!("action=delete&id={id}&zzz=1"),
        format!("id={id}"),
        "action=delete&ids=".to_owned(),
    ] {
        send("POST", "/messages", &form);
    }
    for form in
        ["", "action=", "action=delete&zzz=", "action=delete&id=1", "action=star&action=delete"]
    {
        send("POST", &format!("/messages/{id}"), form);
    }
    for patch in [
        "{}",
        "{\"read\":null}",
        "[true]",
        "[true,true,[]]",
        "null",
        "{\"tags\":[\"\"]}",
        "{\"tags\":[\" \"]}",
        "{\"raed\":true}",
        "",
        "{\"read\":true,\"read\":false}",
    ] {
        send("PATCH", &format!("/api/messages/{id}"), patch);
    }
    for path in ["/api/messages?limit=0", "/api/messages?limit=-1", "/api/messages?wait=soon"] {
        send("GET", path, "");
    }
    for looks in ["width=7", "width=full", "scheme=pink", "remote=0", "raw=2", "whole=yes"] {
        send("GET", &format!("/messages/{id}?{looks}"), "");
    }
    // An id that is not there names no other message, and no list either.
    let gone = server.client().request("DELETE", "/api/messages/", &[], "");
    assert_eq!((gone.status, server.shelf.records().len()), (404, 1));
    assert_eq!(
        server.client().request("DELETE", "/api/messages?all=1", &[], "").expect(200).text(),
        "{\"deleted\":1}\n"
    );
}

#[test]
fn the_pages_own_forms_and_links_go_on_working() {
    let server = Server::start();
    server.deliver("bob@example.com", &letter("Hi"));
    // As a browser sends the form of the search with nothing in it.
    for shown in ["/?q=", "/?q=&mailbox=", "/?q=x&mailbox=", "/status?find="] {
        server.get(shown).expect(200);
    }
    assert!(server.get("/?q=%20").expect(400).text().contains("parameter “q”"));
    let page = server.get("/").expect(200).text().to_owned();
    assert!(page.contains("href=\"/delete?all=1\""), "{page}");
    assert!(page.contains("name=\"all\" value=\"1\""), "{page}");
    let question = server.get("/delete?all=1").expect(200);
    assert!(question.text().contains("<h1>Delete 1 message?</h1>"), "{}", question.text());
    assert!(question.text().contains("name=\"all\" value=\"1\""), "{}", question.text());
    let narrow = server.get("/?mailbox=bob%40example.com").text().to_owned();
    assert!(narrow.contains("href=\"/delete?mailbox=bob%40example%2Ecom\""), "{narrow}");
    assert!(
        !narrow.contains("name=\"all\"") && !narrow.contains("type=\"hidden\" name=\"q\""),
        "{narrow}"
    );
    server.client().post("/messages", "action=delete&all=1").expect(303);
    assert_eq!(server.shelf.records().len(), 0);
}

/// Mail to somebody, by SMTP.
fn send_to(server: &harness::Server, recipient: &str) {
    let mut client = Client::connect(server.smtp);
    let dialog = format!(
        "EHLO c.example\r\nMAIL FROM:<a@example.org>\r\nRCPT TO:<{recipient}>\r\nDATA\r\n\
         Subject: Hi {recipient}\r\n\r\nHello.\r\n.\r\nQUIT\r\n"
    );
    client.send(dialog.as_bytes()).unwrap();
    while !client.reply().unwrap().starts_with("221") {}
}

fn subjects(server: &harness::Server, query: &str) -> Vec<String> {
    let subject = |message: &serde_json::Value| message["subject"].as_str().unwrap().to_owned();
    server.messages(query).iter().map(subject).collect()
}

#[test]
fn what_comes_after_the_question_is_not_deleted() {
    let server = harness::Server::start(&[]);
    let post = |form: &str| {
        super::client::Client::connect(server.http).post("/messages", form).expect(303);
    };
    for which in ["all=1", "q=Hi", "mailbox=bob%40example.com"] {
        send_to(&server, "bob@example.com");
        // Times have milliseconds, and what came in that of the question is not deleted either.
        std::thread::sleep(std::time::Duration::from_millis(5));
        let asked = String::from_utf8(server.get(&format!("/delete?{which}"))).unwrap();
        let (_, until) = asked.split_once("name=\"until\" value=\"").expect("a time");
        let until = until.split_once('"').unwrap().0;
        send_to(&server, "bob@example.com");
        send_to(&server, "bob@example.com");
        post(&format!("action=delete&{which}&until={until}"));
        assert_eq!(server.messages("limit=9").len(), 2, "{which}");
        post(&format!("action=delete&{which}"));
        assert_eq!(server.messages("limit=9").len(), 0, "{which}");
    }
}

#[test]
fn the_columns_links_find_what_they_name_and_no_neighbours() {
    let server = harness::Server::start(&[]);
    let everybody = ["bob@y.example", "eve@sub.y.example", "al@y.example.com", "liz@not-y.example"];
    everybody.iter().for_each(|recipient| send_to(&server, recipient));
    for (recipient, tag) in [(0, "a\\\"b"), (1, "ab")] {
        let message = &server.messages(&format!("mailbox={}", everybody[recipient]))[0];
        let path = format!("/api/messages/{}", message["id"].as_str().unwrap());
        let body = format!("{{\"tags\":[\"{tag}\"]}}");
        let length = body.len().to_string();
        let fields = [("Content-Length", length.as_str())];
        let mut client = super::client::Client::connect(server.http);
        client.request("PATCH", &path, &fields, &body).expect(200);
    }
    let column = String::from_utf8(server.get("/boxes")).unwrap();
    for link in ["domain%3A%22y%2Eexample%22", "tag%3A%22a%22%22b%22"] {
        assert!(column.contains(&format!("href=\"/?q={link}\"")), "{link}: {column}");
        assert_eq!(subjects(&server, &format!("q={link}")), ["Hi bob@y.example"], "{link}");
    }
    assert_eq!(subjects(&server, "q=-domain:y.example").len(), 3);
    let (_, told) = server.request("DELETE", "/api/messages?q=domain:y.example");
    assert_eq!(String::from_utf8(told).unwrap(), "{\"deleted\":1}\n");
    assert_eq!(subjects(&server, "q=domain:sub.y.example"), ["Hi eve@sub.y.example"]);
}

#[test]
fn a_form_may_be_as_long_as_it_says() {
    let options = smtpd::http::Options { max_body: 200_000, ..Default::default() };
    let server = Server::with(options, auth::Options::default());
    let id = server.deliver("bob@example.com", &letter("Hi")).id.to_string();
    let ids = [id.as_str(); 6_000].join(",");
    server.client().post("/messages", &format!("action=star&ids={ids}")).expect(303);
    assert!(server.shelf.records()[0].starred);
}

#[test]
fn signs_are_looked_for_and_nothing_else_is_deleted() {
    let server = harness::Server::start(&[]);
    let mut client = Client::connect(server.smtp);
    client.say("EHLO client.example").unwrap();
    for subject in ["party \u{1f389}", "R&D", "plain", "*** sale ***"] {
        let reply = client.mail(&format!("Subject: {subject}\r\n\r\nHello.")).unwrap();
        assert!(reply.starts_with("250"), "{reply}");
    }
    let encoded = |q: &str| {
        percent_encoding::utf8_percent_encode(q, percent_encoding::NON_ALPHANUMERIC).to_string()
    };
    for (q, count) in
        [("\u{1f389}", 1), ("&", 1), ("***", 1), ("-\u{1f389}", 3), ("\u{a3}", 0), ("hello -&", 3)]
    {
        assert_eq!(server.messages(&format!("q={}", encoded(q))).len(), count, "{q}");
    }
    let delete = |q: &str| {
        let (_, told) = server.request("DELETE", &format!("/api/messages?q={}", encoded(q)));
        String::from_utf8(told).unwrap()
    };
    assert_eq!(delete("\u{1f389}"), "{\"deleted\":1}\n");
    assert_eq!(delete("\u{1f389}"), "{\"deleted\":0}\n");
    assert_eq!(delete("-&"), "{\"deleted\":2}\n");
    assert_eq!(server.messages("limit=9").len(), 1);
}
