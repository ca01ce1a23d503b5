//! How quick the pure parts are, without sockets and disk: the session, the way out of dot-stuffing beside
//! a plain copy, the scanner on the messages of tests/mime, and searches.
//!
//! ```text
//! cd benches/pure && cargo bench
//! ```

use std::{fs, hint::black_box, sync::Arc, time::Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use smtpd::{
    limits,
    message::{
        Scanned, Scanner,
        search::{Document, Facts, Query},
    },
    smtp::{Ask, Options, Peer, Session, Step},
    wire::{Envelope, ForwardPath, session::Session as _},
};

/// Whole conversations of 1 KB messages, pipelined: commands, replies, envelope, body.
fn session(criterion: &mut Criterion) {
    let body = lines(1024, 0);
    let mut said = Vec::new();
    for number in 0..MESSAGES {
        said.extend_from_slice(
            format!("MAIL FROM:<a{number}@example.org> BODY=8BITMIME\r\nRCPT TO:<b@example.org>\r\nDATA\r\n")
                .as_bytes(),
        );
        said.extend_from_slice(&body);
        said.extend_from_slice(b".\r\n");
    }
    let mut group = criterion.benchmark_group("session");
    group.throughput(Throughput::Bytes(said.len() as u64));
    group.bench_function("100 messages of 1 KB", |bencher| {
        let mut server = Server::new();
        bencher.iter(|| server.hear(&said));
    });
    group.finish();
}

/// A body of 1 MB on its way through the session into memory, and the same octets copied.
fn dots(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("dot-unstuffing");
    for (name, every) in
        [("no dots", 0), ("a dot in every 20th line", 20), ("a dot in every line", 1)]
    {
        let body = lines(1 << 20, every);
        group.throughput(Throughput::Bytes(body.len() as u64));
        group.bench_function(name, |bencher| {
            let mut server = Server::new();
            bencher.iter(|| {
                server.hear(b"MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n");
                // As the receive buffer gives it.
                body.chunks(READ).for_each(|piece| server.hear(piece));
                server.hear(b".\r\n");
            });
        });
    }
    let (body, mut copy) = (lines(1 << 20, 0), Vec::new());
    group.throughput(Throughput::Bytes(body.len() as u64));
    group.bench_function("memcpy", |bencher| {
        bencher.iter(|| {
            copy.clear();
            body.chunks(READ).for_each(|piece| copy.extend_from_slice(black_box(piece)));
            black_box(&copy);
        });
    });
    group.finish();
}

/// From octets to structure, summary and readable text.
fn parse(criterion: &mut Criterion) {
    let corpus: Vec<Vec<u8>> =
        fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/mime"))
            .expect("tests/mime")
            .map(|entry| entry.expect("an entry").path())
            .filter(|path| path.extension().is_some_and(|it| it == "eml"))
            .map(|path| fs::read(path).expect("a message"))
            .collect();
    let mut group = criterion.benchmark_group("scanner");
    group.throughput(Throughput::Bytes(corpus.iter().map(|it| it.len() as u64).sum()));
    group.bench_function("the messages of tests/mime", |bencher| {
        bencher.iter(|| corpus.iter().for_each(|message| drop(black_box(scan(message)))));
    });
    let large = [b"Subject: large\r\n\r\n".as_slice(), &lines(1 << 20, 0)].concat();
    group.throughput(Throughput::Bytes(large.len() as u64));
    group.bench_function("1 MB of text", |bencher| bencher.iter(|| black_box(scan(&large))));
    let usual = [USUAL_HEADER.as_bytes(), &lines(512, 0)].concat();
    group.throughput(Throughput::Bytes(usual.len() as u64));
    group.bench_function("a message of 1 KB", |bencher| bencher.iter(|| black_box(scan(&usual))));
    group.finish();
}

/// Parsing a search, the words of a message for the index, and asking a message without index.
fn search(criterion: &mut Criterion) {
    let message = [
        b"From: Ann <ann@example.org>\r\nSubject: weekly report\r\n\r\n".as_slice(),
        &lines(4096, 0),
    ];
    let scanned = scan(&message.concat());
    let envelope = Envelope {
        forward_paths: vec![ForwardPath {
            address: "bob@example.org".into(),
            parameters: Vec::new(),
        }],
        ..Envelope::default()
    };
    let facts = Facts {
        read: false,
        starred: false,
        tags: &[],
        forward_paths: &envelope.forward_paths,
        attachment: false,
        inline: false,
        received_ms: 0,
        size: scanned.summary.size,
    };
    let document = || Document::new(&envelope, &scanned.summary, scanned.texts());
    let (words, query) = (document(), Query::parse(SEARCH).expect("a search"));
    let mut group = criterion.benchmark_group("search");
    group.bench_function("parse", |bencher| {
        bencher.iter(|| black_box(Query::parse(black_box(SEARCH))))
    });
    group.bench_function("words of 4 KB", |bencher| bencher.iter(|| black_box(document())));
    group.bench_function("match", |bencher| {
        bencher.iter(|| black_box(query.matches(&words, &facts)))
    });
    group.finish();
}

/// A session whose world keeps bodies in memory and says yes.
struct Server {
    session: Session,
    now: Instant,
    body: Vec<u8>,
}

impl Server {
    fn new() -> Self {
        let now = Instant::now();
        let limits = limits::Options { message_size: 1 << 30, ..Default::default() };
        let options = Options { limits, ..Options::default() };
        let session = Session::new(Arc::new(options), Peer::default(), now);
        let mut server = Self { session, now, body: Vec::new() };
        server.hear(b"EHLO bench.example.org\r\n");
        server
    }

    fn hear(&mut self, mut input: &[u8]) {
        loop {
            match self.session.step(&mut input, self.now) {
                Step::Read => break,
                Step::Flush => self.session.output().clear(),
                Step::Ask(Ask::Begin) => {
                    self.body.clear();
                    self.session.proceed();
                }
                Step::Ask(Ask::Body(run)) => self.body.extend_from_slice(run),
                Step::Ask(Ask::End) => {
                    black_box((self.session.take_envelope(), &self.body));
                    self.session.kept(&"id");
                }
                other => panic!("{other:?}"),
            }
        }
        self.session.output().clear();
    }
}

fn scan(message: &[u8]) -> Scanned {
    let mut scanner = Scanner::new(TEXT);
    message.chunks(READ).for_each(|piece| scanner.push(piece));
    scanner.finish()
}

/// Lines of text, of which each `dots`-th begins with a doubled dot; 0 for none.
fn lines(octets: usize, dots: usize) -> Vec<u8> {
    let mut text = Vec::with_capacity(octets + 100);
    for number in 1.. {
        if text.len() >= octets {
            break;
        }
        if dots != 0 && number % dots == 0 {
            text.extend_from_slice(b"..");
        }
        text.extend_from_slice(
            format!("The {number}. line says, as lines do. That it is a line of text.\r\n")
                .as_bytes(),
        );
    }
    text
}

criterion_group!(pure, session, dots, parse, search);
criterion_main!(pure);

const SEARCH: &str = "from:ann subject:\"weekly report\" line* -is:read larger:1k";

/// What programs write before a short text.
const USUAL_HEADER: &str = "Received: from app.example.org (app.example.org [192.0.2.7])\r\n\
    \tby mail.example.org with ESMTPS id 4F2A; Sun, 29 Nov 2026 12:00:01 +0000\r\n\
    From: Ann Example <ann@example.org>\r\nTo: Bob <bob@example.net>, carol@example.com\r\n\
    Subject: Your weekly report\r\nDate: Sun, 29 Nov 2026 12:00:00 +0000\r\n\
    Message-ID: <20261129120000.1@app.example.org>\r\nMIME-Version: 1.0\r\n\
    Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 7bit\r\n\r\n";

/// Messages of a conversation.
const MESSAGES: usize = 100;

/// Octets that come from a socket at once.
const READ: usize = 64 * 1024;

/// Octets of readable text that the index takes of a message.
const TEXT: usize = 1 << 20;
