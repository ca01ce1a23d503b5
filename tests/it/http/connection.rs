//! What may go wrong on a connection: slow, split, pipelined, too much.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    thread::sleep,
    time::{Duration, Instant},
};

use smtpd::http::Options;

use super::{Server, auth, letter};

fn impatient() -> Server {
    let options =
        Options { header_seconds: 1, body_seconds: 1, write_seconds: 1, ..Options::default() };
    Server::with(options, auth::Options::default())
}

#[test]
fn a_slow_header_ends_the_connection() {
    let server = impatient();
    let (mut client, begun) = (server.client(), Instant::now());
    client.write(b"GET / HTTP/1.1\r\nHost: localhost\r\nX: ");
    let _ = client.rest();
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}

#[test]
fn an_idle_connection_ends() {
    let server = impatient();
    let mut client = server.client();
    client.get("/ping").expect(200);
    let begun = Instant::now();
    assert_eq!(client.rest(), "");
    assert!(begun.elapsed() < Duration::from_secs(10));
}

#[test]
fn a_stalled_body_is_a_408() {
    let server = impatient();
    let mut client = server.client();
    client
        .write(b"POST /messages HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50\r\n\r\naction=");
    assert_eq!(client.answer(false).status, 408);
    assert_eq!(client.rest(), "");
}

#[test]
fn a_client_that_takes_nothing_is_given_up() {
    let server = impatient();
    let big: Vec<u8> = letter("big").into_iter().chain(vec![b'x'; 32 << 20]).collect();
    let id = server.shelf.put_file(super::envelope("bob@example.com"), &big).id;
    let mut client = server.client();
    client.write(format!("GET /messages/{id}/raw HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes());
    for _ in 0..600 {
        sleep(Duration::from_millis(100));
        if server.metrics.http_requests.value() > 0
            && server.metrics.http_connections_now.value() == 0
        {
            return;
        }
    }
    panic!("the connection is still open");
}

#[test]
fn too_long_a_body_is_a_413() {
    let server = Server::start();
    let form = format!("action=read&q={}", "x".repeat(70_000));
    server.client().post("/messages", &form).expect(413);
    let mut client = server.client();
    client.write(
        b"POST /messages HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n",
    );
    assert_eq!(client.answer(false).status, 413);
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let server = Server::start();
    let mut client = server.client();
    let one = |path| format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    client.write(format!("{}{}{}", one("/ping"), one("/nothing"), one("/livez")).as_bytes());
    assert_eq!(client.answer(false).text(), "pong\n");
    assert_eq!(client.answer(false).status, 404);
    assert_eq!(client.answer(false).text(), "alive\n");
}

#[test]
fn a_chunked_body_may_be_split_anywhere() {
    let server = Server::start();
    server.deliver("bob@example.com", &letter("Hi"));
    let mut client = server.client();
    let head = "POST /messages HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n";
    client.write(format!("{head}11\r\naction=read&all=1\r\n0\r\n").as_bytes());
    sleep(Duration::from_millis(50));
    client.write(b"\r\n");
    assert_eq!(client.answer(false).status, 303);
    assert!(server.shelf.records()[0].read);
}

#[test]
fn two_lengths_are_refused() {
    let server = Server::start();
    let mut client = server.client();
    let lengths = "Content-Length: 11\r\nContent-Length: 12\r\n";
    client.write(
        format!("POST /messages HTTP/1.1\r\nHost: localhost\r\n{lengths}\r\naction=read")
            .as_bytes(),
    );
    assert_eq!(client.answer(false).status, 400);
}

#[test]
fn a_huge_header_is_refused() {
    let server = Server::start();
    let mut client = server.client();
    client.write(b"GET / HTTP/1.1\r\nHost: localhost\r\nX: ");
    client.write(&[b'x'; 40_000]);
    assert_eq!(client.answer(false).status, 431);
}

#[test]
fn shutdown_closes_idle_connections_and_finishes_answers() {
    let server = Server::start();
    let mut client = server.client();
    client.get("/ping").expect(200);
    server.shutdown.begin();
    assert_eq!(client.rest(), "");
    // Who comes now is sent away, by a closed connection or by an answer that says so.
    let mut answers = 0;
    for _ in 0..50 {
        let mut stream = TcpStream::connect(server.address).unwrap();
        let mut answer = String::new();
        let asked = stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n");
        if asked.is_ok() && stream.read_to_string(&mut answer).is_ok() && !answer.is_empty() {
            assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
            answers += 1;
        }
    }
    assert!(answers > 0, "nobody was told");
}
