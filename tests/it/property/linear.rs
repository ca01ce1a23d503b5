//! Ten times the octets must not take much more than ten times the time: 10 MB of what parsers stumble
//! over, and the time is compared with that of 1 MB. What is linear takes 10 times as long, what is
//! quadratic 100 times; the bound lies between. What counts is the processor's time of the thread, and the
//! best of three tries, so that a busy machine makes no failure.

use std::{
    hint::black_box,
    sync::Arc,
    time::{Duration, Instant},
};

use smtpd::{
    limits,
    message::{
        Scanner, codes,
        html::{Options, sanitise},
        is_pdf_without_script, links_in_html, links_in_text, passages,
        search::{Query, words},
        spans,
        text::html_to_text,
        trackers,
    },
    smtp::{self, Ask, Peer, Session, Step},
    wire::session::Session as _,
};

use crate::harness::worked;

const SMALL: usize = 1_000_000;

#[test]
fn reading_ten_megabytes_takes_ten_times_as_long_as_one() {
    let nested = "Content-Type: multipart/mixed; boundary=b\n\n--b\n";
    let parts = "Content-Type: multipart/mixed; boundary=b\n\n";
    let digest = "Content-Type: message/rfc822\n\n";
    for (head, repeated) in [
        ("To: ", "("),
        ("To: ", ","),
        ("To: ", "<"),
        ("To: ", "\"a\" "),
        ("To: ", "\"\\"),
        ("To: ", "a@b,"),
        ("Subject: ", "=?"),
        ("Subject: ", "=?utf-8?q?x?= "),
        ("Subject: ", "=?utf-8?b?"),
        ("Subject: x\n", " folded\n"),
        ("Subject: x", "\r"),
        ("Content-Type: text/plain", "; a=b"),
        ("Content-Type: text/plain", ";a*0*=x"),
        ("", "A: b\n"),
        ("", "no field\n"),
        ("", nested),
        ("", digest),
        (parts, "--b\n"),
        (parts, "--b\nA: b\n\nx\n"),
        (parts, "--"),
        ("\n", "\r"),
        ("\n", "\n"),
        ("\n", "=\n"),
        ("Content-Transfer-Encoding: base64\n\n", "===="),
        ("Content-Transfer-Encoding: quoted-printable\n\n", "=4"),
        ("Content-Type: text/html\n\n", "<div>"),
        ("Content-Type: text/html\n\n", "&amp"),
        ("Content-Type: text/html\n\n", "<!--"),
        ("Content-Type: text/plain; format=flowed\n\n", ">>> \n"),
        ("Content-Type: text/plain; charset=iso-2022-jp\n\n", "\x1b$B"),
    ] {
        grows_with_length(&format!("{head:.40}{repeated}"), |size| {
            let mut octets = head.as_bytes().to_vec();
            octets.extend(repeated.bytes().cycle().take(size));
            move || {
                let mut scanner = Scanner::new(256 * 1024);
                // As it comes in: one buffer after the other.
                octets.chunks(65_536).for_each(|piece| scanner.push(piece));
                black_box(scanner.finish());
            }
        });
    }
}

/// A page is made of the first 2 MB at most, so here 200 KB stand beside 2 MB.
#[test]
fn html_takes_a_time_that_grows_with_its_length() {
    for repeated in [
        "<",
        "<a ",
        "<a href='",
        "<p>",
        "</p>",
        "<b>",
        "<table>",
        "<b><p>",
        "&",
        "&amp;",
        "<!--",
        "<style>",
        "<style>a{}",
        "<svg><style>",
        "a{b:url(",
        "<p style=\"a:b;",
        "\0",
        "]]>",
        "<![CDATA[",
    ] {
        grows_with_length(&format!("html {repeated}"), |size| {
            let html: String = repeated.chars().cycle().take(size / 5).collect();
            let options = Options::default();
            move || {
                black_box(sanitise(&html, &options));
                black_box(html_to_text(&html));
                black_box((links_in_html(&html), trackers(&html, &["a@b.example"])));
            }
        });
    }
}

#[test]
fn text_takes_a_time_that_grows_with_its_length() {
    for repeated in [
        "> ",
        ">\n",
        "a\n> b\n",
        "http://a/ ",
        "http://(",
        "http://)",
        "http://a,http://",
        "www.a ",
        "www.a.b@",
        ":",
        "code 123456 ",
        "1 ",
        "-",
        "a\nb",
        "/ObjStm stream\n",
    ] {
        grows_with_length(&format!("text {repeated}"), |size| {
            let text: String = repeated.chars().cycle().take(size / 5).collect();
            move || {
                black_box((passages(&text), spans(&text), links_in_text(&text)));
                black_box((codes([text.as_str()]), is_pdf_without_script(text.as_bytes())));
            }
        });
    }
}

#[test]
fn searches_and_sessions_take_a_time_that_grows_with_their_length() {
    for repeated in ["\"", "a:", "-", "from:", "a ", "ä", "((", "larger:1", "\u{301}"] {
        grows_with_length(&format!("search {repeated}"), |size| {
            let text: String = repeated.chars().cycle().take(size / 4).collect();
            move || {
                let _ = black_box(Query::parse(&text));
                black_box(words(&text).count());
            }
        });
    }
    for repeated in
        ["A", "NOOP\r\n", "\r", "\n", "RCPT TO:<a@b>\r\n", "BDAT 0\r\n", "MAIL FROM:<", "."]
    {
        grows_with_length(&format!("session {repeated}"), |size| {
            let stream: Vec<u8> = repeated.bytes().cycle().take(size).collect();
            move || talk(&stream)
        });
    }
}

/// Commands and a body in small pieces, which is where what is searched again would cost.
fn talk(stream: &[u8]) {
    let now = Instant::now();
    let options = smtp::Options {
        limits: limits::Options {
            errors: u32::MAX,
            message_size: u64::MAX,
            ..limits::Options::default()
        },
        ..smtp::Options::default()
    };
    let mut session = Session::new(Arc::new(options), Peer::default(), now);
    let body = b"EHLO a\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n";
    let (commands, rest) = stream.split_at(stream.len() / 2);
    let pieces = commands.chunks(100).chain([b"\r\n".as_slice(), body]).chain(rest.chunks(100));
    for mut piece in pieces {
        loop {
            match session.step(&mut piece, now) {
                Step::Read | Step::Close => break,
                Step::Ask(Ask::Begin) => session.proceed(),
                Step::Ask(Ask::End) => session.kept(&"1"),
                Step::Flush => session.output().clear(),
                _ => {}
            }
        }
        session.output().clear();
    }
}

fn grows_with_length<F: FnMut()>(name: &str, work: impl Fn(usize) -> F) {
    let time = |work: &mut F| {
        let start = worked();
        work();
        // Below this the clock measures itself.
        (worked() - start).max(Duration::from_micros(200))
    };
    let (mut small, mut large) = (work(SMALL), work(10 * SMALL));
    let mut tries = Vec::new();
    for _ in 0..3 {
        let once = time(&mut small).min(time(&mut small));
        let times = time(&mut large).as_secs_f64() / once.as_secs_f64();
        if times < 35.0 {
            return;
        }
        tries.push(times as u64);
    }
    panic!("{name}: ten times the octets took {tries:?} times as long");
}
