//! Messages as JSON.

use std::{
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::{Answer, Server, letter};

fn read(answer: Answer) -> Value {
    assert_eq!(answer.header("content-type"), "application/json");
    serde_json::from_slice(&answer.expect(200).body).unwrap()
}

fn send(server: &Server, method: &str, path: &str, body: &str) -> Answer {
    let length = body.len().to_string();
    server.client().request(method, path, &[("Content-Length", &length)], body)
}

#[test]
fn lists_are_paged() {
    let server = Server::start();
    for number in 0..5 {
        server.deliver("bob@example.com", &letter(&format!("number {number}")));
    }
    let page = read(server.get("/api/messages?limit=2&mailbox=bob%40example.com"));
    assert_eq!(page["messages"][0]["subject"], "number 4");
    let next = page["next"].as_str().unwrap();
    let page = read(server.get(&format!("/api/messages?limit=9&before={next}")));
    assert_eq!(page["messages"].as_array().unwrap().len(), 3);
    assert_eq!(page["next"], Value::Null);
    server.get("/api/messages?q=larger%3Aelephant").expect(400);
    server.get("/api/messages?limit=many").expect(400);
}

#[test]
fn one_message_is_read_marked_and_deleted() {
    let server = Server::start();
    let path = format!("/api/messages/{}", server.deliver("bob@example.com", &letter("Hi")).id);
    let message = read(server.get(&path));
    assert_eq!(message["from"], json!([{ "name": "Ann", "address": "ann@example.org" }]));
    assert_eq!(message["envelope"]["forward_paths"][0]["address"], "bob@example.com");
    assert_eq!(message["received"], "2026-02-02T02:40:00Z");
    assert_eq!(message["read"], false);

    let patched = read(send(&server, "PATCH", &path, r#"{"read":true,"tags":["b","a"]}"#));
    assert_eq!((&patched["read"], &patched["starred"]), (&json!(true), &json!(false)));
    assert_eq!(patched["tags"], json!(["b", "a"]));
    assert_eq!(read(send(&server, "PATCH", &path, r#"{"tags":["a"]}"#))["tags"], json!(["a"]));
    send(&server, "PATCH", &path, r#"{"raed":true}"#).expect(400);
    assert_eq!(
        send(&server, "PUT", &path, "{}").expect(405).header("allow"),
        "GET,HEAD,PATCH,DELETE"
    );

    assert!(send(&server, "DELETE", &path, "").expect(204).body.is_empty());
    send(&server, "DELETE", &path, "").expect(404);
    server.get(&path).expect(404);
}

#[test]
fn many_are_deleted() {
    let server = Server::start();
    let id = server.deliver("ann@example.com", &letter("1")).id;
    for recipient in ["ann@example.com", "bob@example.com", "carl@example.com"] {
        server.deliver(recipient, &letter("2"));
    }
    let body = format!(r#"{{"ids":["{id}"]}}"#);
    assert_eq!(read(send(&server, "DELETE", "/api/messages", &body))["deleted"], 1);
    let path = "/api/messages?mailbox=bob%40example.com";
    assert_eq!(read(send(&server, "DELETE", path, ""))["deleted"], 1);
    send(&server, "DELETE", "/api/messages", r#"{"ids":["x"]}"#).expect(400);
    assert_eq!(read(send(&server, "DELETE", "/api/messages?all=1", ""))["deleted"], 2);
}

#[test]
fn a_question_waits_for_its_answer() {
    let server = Server::start();
    let asked = Instant::now();
    let path = "/api/messages?mailbox=late%40example.com&wait=30";
    let found = thread::scope(|scope| {
        let question = scope.spawn(|| read(server.get(path)));
        thread::sleep(Duration::from_millis(200));
        server.deliver("other@example.com", &letter("not this one"));
        thread::sleep(Duration::from_millis(200));
        server.deliver("late@example.com", &letter("this one"));
        question.join().unwrap()
    });
    assert_eq!(found["messages"][0]["subject"], "this one");
    assert!((400..20_000).contains(&asked.elapsed().as_millis()), "{:?}", asked.elapsed());
    // What is there already needs no waiting, and who waits in vain is told so.
    read(server.get(path));
    let asked = Instant::now();
    let nothing = read(server.get("/api/messages?mailbox=nobody%40example.com&wait=1"));
    assert_eq!(nothing["messages"], json!([]));
    assert!(asked.elapsed() >= Duration::from_secs(1));
}

#[test]
fn one_message_shows_what_is_in_it() {
    let server = Server::start();
    let octets = b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nMIME-Version: 1.0\r\n\
        Content-Type: multipart/alternative; boundary=b\r\n\r\n\
        --b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nplain\r\n\
        --b\r\nContent-Type: text/html\r\n\r\n<b>rich</b>\r\n--b--\r\n";
    let id = server.deliver("bob@example.com", octets).id;
    let message = read(server.get(&format!("/api/messages/{id}")));
    assert_eq!(message["headers"][0], json!({ "name": "Subject", "value": "Grüße" }));
    assert_eq!((&message["text"], &message["html"]), (&json!("plain"), &json!("<b>rich</b>")));
    assert_eq!(message["parts"][2]["content_type"], "text/html");
    assert_eq!(message["parts"][2]["parent"], 0);
}
