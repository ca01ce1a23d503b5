//! The websocket, octet for octet: frames that break RFC 6455, floods, and clients that never read.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    sync::Arc,
    time::{Duration, Instant},
};

use smtpd::{bus::Event, http::Options, wire::ForwardPath};

use super::super::{Server, auth, envelope, letter};

/// A websocket after its handshake and the first frame.
fn open(server: &Server) -> TcpStream {
    let mut stream = TcpStream::connect(server.address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(120))).unwrap();
    let request = format!(
        "GET /ws HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
        server.address
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut heard = Vec::new();
    let mut buffer = [0; 1024];
    while !heard.windows(7).any(|seven| seven == b"\"hello\"") {
        let count = stream.read(&mut buffer).unwrap();
        assert!(count > 0, "{}", heard.escape_ascii());
        heard.extend_from_slice(&buffer[..count]);
    }
    stream
}

/// A masked frame (RFC 6455 section 5.2) of a length that fits in seven bits.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first, 0x80 | u8::try_from(payload.len()).unwrap(), 0, 0, 0, 0];
    frame.extend_from_slice(payload);
    frame
}

/// True if the server ends the connection.
fn ends(stream: &mut TcpStream) -> bool {
    let mut rest = Vec::new();
    match stream.read_to_end(&mut rest) {
        Ok(_) => true,
        Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
    }
}

fn eventually(what: &str, holds: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(30);
    while !holds() {
        assert!(Instant::now() < end, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_frame_that_breaks_the_rules_ends_the_connection() {
    let server = Server::start();
    let long =
        |first: u8, length: u64| [&[first, 0xff], &length.to_be_bytes()[..], &[0; 4]].concat();
    for (code, what, octets) in [
        (1002, "unmasked text", vec![0x81, 2, b'h', b'i']),
        (1002, "unmasked ping", vec![0x89, 0]),
        (1002, "a fragmented ping", frame(0x09, b"")),
        (1002, "a fragmented close", frame(0x08, b"")),
        (
            1002,
            "a ping of 126 octets",
            [&[0x89, 0xfe, 0, 126, 0, 0, 0, 0][..], &[b'x'; 126]].concat(),
        ),
        (1002, "a reserved bit", frame(0xc1, b"hi")),
        (1002, "a reserved opcode", frame(0x83, b"hi")),
        (1002, "a reserved control opcode", frame(0x8b, b"")),
        (1002, "a continuation of nothing", frame(0x80, b"hi")),
        (1002, "text inside of text", [frame(0x01, b"a"), frame(0x81, b"b")].concat()),
        (1007, "text that is no UTF-8", frame(0x81, b"\xff\xfe")),
        (1002, "a close of one octet", frame(0x88, b"x")),
        (1002, "a close for no reason", frame(0x88, &[0x03, 0xe7])),
        (1009, "more than is taken", long(0x82, 64 * 1024 + 1)),
        (1009, "more than there is", long(0x82, u64::MAX >> 1)),
        (1009, "a length of 64 bits", long(0x82, u64::MAX)),
    ] {
        let mut stream = open(&server);
        stream.write_all(&octets).unwrap();
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).unwrap();
        // The last that is heard is a close frame with the reason (RFC 6455 section 7.4.1).
        let last = rest.iter().rposition(|&octet| octet == 0x88).map(|at| &rest[at..]);
        let Some(&[_, length, high, low, ref text @ ..]) = last else {
            panic!("{what}: {}", rest.escape_ascii())
        };
        assert_eq!(usize::from(length), 2 + text.len(), "{what}: {}", rest.escape_ascii());
        assert_eq!(u16::from_be_bytes([high, low]), code, "{what}");
    }
    let mut stream = open(&server);
    // In fragments the bound is the same.
    let fragment = [&[0x02, 0xfe, 0x80, 0, 0, 0, 0, 0][..], &vec![b'x'; 0x8000]].concat();
    let more = [&[0x00, 0xfe, 0x80, 0, 0, 0, 0, 0][..], &vec![b'x'; 0x8000]].concat();
    stream.write_all(&fragment).unwrap();
    for _ in 0..4 {
        if stream.write_all(&more).is_err() {
            break;
        }
    }
    assert!(ends(&mut stream), "a message of 160 KB in fragments: it goes on");
    eventually("all are gone", || server.metrics.websockets_now.value() == 0);
}

/// Frames by the hundred thousand: pings whose answers nobody reads, and pongs and text that want none.
/// Whoever asks for a page is served meanwhile.
#[test]
fn a_flood_of_frames_delays_nobody() {
    let options = Options { write_seconds: 1, ..Options::default() };
    let server = Server::with(options, auth::Options::default());
    let floods: Vec<_> = [0x89, 0x8a, 0x8a, 0x81]
        .into_iter()
        .map(|first| {
            let mut stream = open(&server);
            stream.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
            std::thread::spawn(move || {
                let flood = frame(first, b"0123456789").repeat(1_000);
                let begun = Instant::now();
                while begun.elapsed() < Duration::from_secs(5) && stream.write_all(&flood).is_ok() {
                }
            })
        })
        .collect();
    let mut slowest = Duration::ZERO;
    while !floods.iter().all(|flood| flood.is_finished()) {
        let begun = Instant::now();
        server.get("/ping").expect(200);
        slowest = slowest.max(begun.elapsed());
    }
    assert!(slowest < Duration::from_secs(2), "{slowest:?} for a page during the flood");
    eventually("all are gone", || server.metrics.websockets_now.value() == 0);
}

#[test]
fn who_never_hangs_up_is_hung_up_on() {
    let server = Server::start();
    let (mut deaf, mut polite) = (open(&server), open(&server));
    // This one hears goodbye and says nothing; that one says goodbye and hears nothing.
    polite.write_all(&frame(0x88, &[0x03, 0xe8])).unwrap();
    assert!(ends(&mut polite));
    server.shutdown.begin();
    assert!(ends(&mut deaf));
    eventually("all are gone", || server.metrics.websockets_now.value() == 0);
}

/// A hundred pages are open, and ten of them never read.
#[test]
fn ten_who_never_read_delay_none_of_ninety() {
    // Nobody here answers pings, so there are none: what ends the ten is that they take nothing.
    let options = Options { write_seconds: 6, ping_seconds: 600, ..Options::default() };
    let server = Server::with(options, auth::Options::default());
    let mut crowd = envelope("bob@example.com");
    for number in 0..49 {
        let address = format!("{}{number}@example.com", "x".repeat(200));
        crowd.forward_paths.push(ForwardPath { address, parameters: Vec::new() });
    }
    let record = server.shelf.put(crowd, &letter("row"));
    let deaf: Vec<TcpStream> = (0..10).map(|_| open(&server)).collect();
    let hearing: Vec<TcpStream> = (0..90).map(|_| open(&server)).collect();
    assert_eq!(server.metrics.websockets_now.value(), 100);
    let bus = Arc::clone(&server.bus);
    let metrics = Arc::clone(&server.metrics);
    let publisher = std::thread::spawn(move || {
        // The buffers of the kernel fill first; how much they hold is the machine's affair.
        let begun = Instant::now();
        while metrics.websockets_now.value() > 90 && begun.elapsed() < Duration::from_secs(120) {
            bus.publish(Event::New(record.clone()));
            std::thread::sleep(Duration::from_millis(25));
        }
    });
    let readers: Vec<_> = hearing
        .into_iter()
        .map(|mut stream| {
            std::thread::spawn(move || {
                let (mut heard, mut buffer) = (Vec::new(), vec![0; 65_536]);
                while !heard.windows(8).any(|it| it == b"\"reload\"") {
                    let count = stream.read(&mut buffer).unwrap();
                    assert!(count > 0, "it was closed");
                    let kept = heard.len().saturating_sub(16);
                    heard.drain(..kept);
                    heard.extend_from_slice(&buffer[..count]);
                }
                stream
            })
        })
        .collect();
    publisher.join().unwrap();
    let ended = Instant::now();
    // Again and again: who fell behind on a slow machine is told that it missed some, and that may be
    // this one.
    while !readers.iter().all(|reader| reader.is_finished()) {
        assert!(ended.elapsed() < Duration::from_secs(30), "somebody still waits");
        server.bus.publish(Event::Reload);
        std::thread::sleep(Duration::from_millis(100));
    }
    let hearing: Vec<_> = readers.into_iter().map(|reader| reader.join().unwrap()).collect();
    assert_eq!(server.metrics.websockets_now.value(), 90, "those who never read are there still");
    drop((deaf, hearing));
    eventually("all are gone", || server.metrics.websockets_now.value() == 0);
}
