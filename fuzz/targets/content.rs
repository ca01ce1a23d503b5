//! Bodies: what is put in by DATA or BDAT comes out octet for octet, and only CRLF.CRLF ends DATA.

use super::{
    pieces,
    world::{Settings, World},
};

/// The first octet cuts, the rest is a body.
pub fn run(octets: &[u8]) {
    let Some((&seed, body)) = octets.split_first() else { return };
    by_data(body, seed);
    by_chunks(body, seed);
    unstuffed(body, seed);
}

/// Stuffed as a client does it.
fn by_data(body: &[u8], seed: u8) {
    let mut lines = body.to_vec();
    if !body.is_empty() && !body.ends_with(b"\r\n") {
        lines.extend_from_slice(b"\r\n");
    }
    let mut stuffed = Vec::new();
    for (at, octet) in lines.iter().enumerate() {
        if *octet == b'.' && (at == 0 || lines[..at].ends_with(b"\r\n")) {
            stuffed.push(b'.');
        }
        stuffed.push(*octet);
    }
    stuffed.extend_from_slice(b".\r\n");
    assert!(sent(b"DATA\r\n", &stuffed, seed) == lines, "{}", body.escape_ascii());
}

fn by_chunks(body: &[u8], seed: u8) {
    let mut stream = Vec::new();
    for chunk in pieces(body, seed.wrapping_add(1)) {
        stream.extend_from_slice(format!("BDAT {}\r\n", chunk.len()).as_bytes());
        stream.extend_from_slice(chunk);
    }
    stream.extend_from_slice(b"BDAT 0 LAST\r\n");
    assert!(sent(b"", &stream, seed) == body, "{}", body.escape_ascii());
}

/// Not stuffed: what is stored is what the words of RFC 5321 §4.5.2 say, written down the simple way.
fn unstuffed(body: &[u8], seed: u8) {
    let stream = [body, b"\r\n.\r\n"].concat();
    assert!(sent(b"DATA\r\n", &stream, seed) == meaning(&stream), "{}", stream.escape_ascii());
}

fn meaning(stream: &[u8]) -> Vec<u8> {
    let mut content = Vec::new();
    let mut rest = stream;
    loop {
        if rest.starts_with(b".\r\n") {
            return content;
        }
        let line_end =
            rest.windows(2).position(|two| two == b"\r\n").map_or(rest.len(), |at| at + 2);
        let (line, after) = rest.split_at(line_end);
        content.extend_from_slice(line.strip_prefix(b".").unwrap_or(line));
        rest = after;
    }
}

/// The first message that comes of this.
fn sent(command: &[u8], stream: &[u8], seed: u8) -> Vec<u8> {
    let mut world = World::new(Settings(0));
    world.feed(b"EHLO a\r\nMAIL FROM:<a@b> BODY=BINARYMIME\r\n");
    if !command.is_empty() {
        world.feed(b"RSET\r\nMAIL FROM:<a@b>\r\n");
    }
    world.feed(b"RCPT TO:<c@d>\r\n");
    world.feed(command);
    pieces(stream, seed).iter().for_each(|piece| world.feed(piece));
    world.check_replies();
    let (_, body) = world.messages.into_iter().next().expect("a message");
    body
}
