//! Promises about all messages, tried on generated ones: octets come out as they went in, and reading
//! takes a time that grows with the length, not with its square.

mod linear;

use crate::harness::{Client, Server};

/// By DATA and by BDAT, small ones and ones that become files, however the stream was cut.
#[test]
fn what_goes_in_by_smtp_comes_out_of_raw() {
    // Small, so that many of the messages are files of their own.
    let server = Server::start(&[("SMTPD_STORE_INLINE_LIMIT", "600")]);
    let mut client = Client::connect(server.smtp);
    client.say("EHLO property.example").unwrap();
    let mut random = Random(20_261_120);
    let mut kinds = [0; 3];
    for round in 0..400 {
        let body = body(&mut random);
        let (kept, id) = match random.below(3) {
            0 => (lines(&body), by_data(&mut client, &lines(&body), &mut random)),
            1 => (body.clone(), by_chunks(&mut client, &body, "", &mut random)),
            _ => (body.clone(), by_chunks(&mut client, &body, " BODY=BINARYMIME", &mut random)),
        };
        let raw = server.get(&format!("/messages/{id}/raw"));
        assert!(
            raw == kept,
            "round {round}: {} became {}",
            kept.escape_ascii(),
            raw.escape_ascii()
        );
        kinds[0] += usize::from(kept.contains(&0));
        kinds[1] += usize::from(kept.len() > 600);
        kinds[2] += usize::from(kept.windows(3).any(|three| three == b"\r\n."));
    }
    // The dice were thrown so that each kind is there.
    assert!(kinds.iter().all(|count| *count > 40), "{kinds:?}");
}

/// Any octets, of which those that mean something to SMTP are many.
fn body(random: &mut Random) -> Vec<u8> {
    const PIECES: [&[u8]; 16] = [
        b"\r\n",
        b"\r\n",
        b"\r",
        b"\n",
        b".",
        b"..",
        b"\r\n.",
        b"\r\n..",
        b"\n.\n",
        b"\r.\r",
        b"\0",
        b"\xff\xfe",
        b"\r\n.\r",
        b"\n.\r\n",
        b"QUIT\r\n",
        b"BDAT 5 LAST\r\n",
    ];
    let mut body = Vec::new();
    for _ in 0..random.below(120) {
        match random.below(3) {
            0 => body.extend_from_slice(PIECES[random.below(PIECES.len())]),
            1 => body.extend((0..random.below(12)).map(|_| random.below(256) as u8)),
            _ => body.extend_from_slice(b"a run of plain text"),
        }
    }
    body
}

/// What DATA can carry: it ends with CRLF.
fn lines(body: &[u8]) -> Vec<u8> {
    let mut lines = body.to_vec();
    if !lines.is_empty() && !lines.ends_with(b"\r\n") {
        lines.extend_from_slice(b"\r\n");
    }
    lines
}

fn by_data(client: &mut Client, lines: &[u8], random: &mut Random) -> String {
    transaction(client, "");
    assert!(client.say("DATA").unwrap().starts_with("354"));
    let mut stuffed = Vec::new();
    for (at, octet) in lines.iter().enumerate() {
        if *octet == b'.' && (at == 0 || lines[..at].ends_with(b"\r\n")) {
            stuffed.push(b'.');
        }
        stuffed.push(*octet);
    }
    stuffed.extend_from_slice(b".\r\n");
    send_in_pieces(client, &stuffed, random);
    queued(&client.reply().unwrap())
}

fn by_chunks(client: &mut Client, body: &[u8], parameter: &str, random: &mut Random) -> String {
    transaction(client, parameter);
    let mut rest = body;
    let (mut stream, mut chunks) = (Vec::new(), 0);
    while !rest.is_empty() {
        let most = if random.below(2) == 0 { 2 } else { 300 };
        let (chunk, after) = rest.split_at((1 + random.below(most)).min(rest.len()));
        stream.extend_from_slice(format!("BDAT {}\r\n", chunk.len()).as_bytes());
        stream.extend_from_slice(chunk);
        rest = after;
        chunks += 1;
    }
    stream.extend_from_slice(b"BDAT 0 LAST\r\n");
    send_in_pieces(client, &stream, random);
    for _ in 0..chunks {
        assert!(client.reply().unwrap().starts_with("250"));
    }
    queued(&client.reply().unwrap())
}

fn transaction(client: &mut Client, parameter: &str) {
    for line in [format!("MAIL FROM:<a@example.org>{parameter}"), "RCPT TO:<b@example.org>".into()]
    {
        let reply = client.say(&line).unwrap();
        assert!(reply.starts_with("250"), "{reply}");
    }
}

fn send_in_pieces(client: &mut Client, mut octets: &[u8], random: &mut Random) {
    while !octets.is_empty() {
        let most = if random.below(4) == 0 { 3 } else { 900 };
        let (piece, after) = octets.split_at((1 + random.below(most)).min(octets.len()));
        client.send(piece).unwrap();
        octets = after;
    }
}

fn queued(reply: &str) -> String {
    let id = reply.trim_end().strip_prefix("250 2.0.0 Ok: queued as ");
    id.unwrap_or_else(|| panic!("not kept: {reply}")).to_owned()
}

/// xorshift64: the same on every machine.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % bound
    }
}
