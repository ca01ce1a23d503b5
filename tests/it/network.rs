//! What a network, or somebody on it, may do to a connection: the real binary over TCP.

// Clippy allows them in test functions only, not in the helpers of tests.
#![allow(clippy::unwrap_used, clippy::panic)]

mod cut;
mod flood;
mod slow;

use std::{
    io::{self, Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpStream},
};

use crate::harness::{Client, Server, connect};

/// Says this at once, stops talking, and hears the rest.
fn say_and_hang_up(address: SocketAddr, words: &[u8]) -> String {
    let mut stream = connect(address);
    stream.write_all(words).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut heard = String::new();
    stream.read_to_string(&mut heard).unwrap();
    heard
}

/// A connection that is reset: closing a socket with unread octets in it does that, and the greeting
/// is one.
fn reset(mut stream: TcpStream, words: &[u8]) {
    let _ = stream.write_all(words);
    let _ = stream.peek(&mut [0]);
    drop(stream);
}

/// It takes mail and shows it.
fn check_alive(server: &Server, subject: &str) {
    let mut client = Client::connect(server.smtp);
    client.say("EHLO alive").unwrap();
    assert!(client.mail(&format!("Subject: {subject}")).unwrap().starts_with("250 "));
    assert_eq!(server.raw_of(subject), format!("Subject: {subject}\r\n").as_bytes());
}

fn messages_stored(server: &Server) -> u64 {
    let status: serde_json::Value = serde_json::from_slice(&server.get("/status/detail")).unwrap();
    status["messages"].as_u64().unwrap_or_else(|| panic!("{status}"))
}

/// What came until the peer ended or reset the connection.
fn read_out(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut heard = Vec::new();
    match stream.read_to_end(&mut heard) {
        Err(error) if error.kind() != io::ErrorKind::ConnectionReset => Err(error),
        _ => Ok(heard),
    }
}
