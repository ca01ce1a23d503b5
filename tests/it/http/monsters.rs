//! Messages too large or too strange for any reader: each page shows something sensible, and soon.

use std::{
    os::unix::fs::FileExt,
    time::{Duration, Instant},
};

use smtpd::store::Raw;

use super::{Server, envelope};

/// What a page may take here: a debug build on a busy machine. The figures of a release build are in
/// docs/view.md.
const SOON: Duration = Duration::from_secs(20);

/// Asks for each view of a message, and returns what they say together.
#[track_caller]
fn seen(octets: &[u8], tails: &[&str]) -> String {
    let server = Server::start();
    let id = server.shelf.put_file(envelope("bob@example.com"), octets).id;
    let mut said = String::new();
    for tail in tails {
        let began = Instant::now();
        let page = server.get(&format!("/messages/{id}{tail}")).expect(200);
        assert!(began.elapsed() < SOON, "{tail} took {:?}", began.elapsed());
        assert!(page.body.len() < 12_000_000, "{tail} has {} octets", page.body.len());
        said.push_str(page.text());
    }
    said
}

const VIEWS: [&str; 6] = ["", "/text", "/headers", "/parts", "/links", "/source"];

#[test]
fn ten_thousand_parts() {
    let part = "--b\r\nContent-Type: text/html\r\nContent-Disposition: attachment; filename=\"../../etc/passwd\"\r\n\r\nx\r\n";
    let head =
        "Subject: many\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n";
    let said = seen(format!("{head}{}--b--", part.repeat(10_000)).as_bytes(), &VIEWS);
    assert!(said.contains("There are more parts than are listed here"));
    assert!(said.contains("999 attachments") && said.contains("and 939 more"));
    assert!(said.contains("too-many-parts"));
}

#[test]
fn a_header_of_a_megabyte() {
    let mut octets = b"From: a@example.org\r\n".to_vec();
    for number in 0..12_000 {
        octets.extend(format!("X-Field-{number}: {}\r\n", "value ".repeat(12)).as_bytes());
    }
    octets.extend(b"\r\nThe body.\r\n");
    assert!(octets.len() > 1_000_000);
    let said = seen(&octets, &["", "/headers", "/headers?filter=field-77", "/headers?raw=1"]);
    assert!(said.contains("The header is longer than this"));
    assert!(said.contains("X-Field-11999: value"), "the raw one has all of it");
    assert!(said.contains("The body."));
    let one_line = format!("Subject: {}\r\n\r\nx", "long ".repeat(250_000));
    assert!(seen(one_line.as_bytes(), &VIEWS).contains("long-header"));
}

#[test]
fn html_of_many_megabytes() {
    let head = "Subject: large\r\nMIME-Version: 1.0\r\nContent-Type: text/html\r\n\r\n";
    let row = "<tr><td><a href=\"https://a.example/x\">word</a> <img src=\"http://b.example/open.gif\" width=1></td></tr>\r\n";
    let mut texts = 0;
    for body in [
        format!("<table>{}", row.repeat(100_000)),
        "<div>".repeat(2_000_000),
        "<b><p>".repeat(2_000_000),
        format!("<style>{}</style>x", "a{b:url(http://c.example/)}".repeat(400_000)),
        format!("<p style=\"{}\">x", "a:url(x;".repeat(1_000_000)),
        format!("<!--{}", "<a href=x>".repeat(1_000_000)),
        "&amp;".repeat(2_000_000),
        "<a href=\"".repeat(1_000_000),
        // What a look at the text would not see: attributes behind '<', depth behind ends of nothing.
        format!("<p {}>x", (0..400_000).map(|n| format!("/<{n:x}")).collect::<String>()),
        "<div></x>".repeat(300_000),
        "<a><b><i><u><s><tt><em><p></a></b></i>x</p>".repeat(60_000),
        "\u{a9}".repeat(1_500_000),
    ] {
        let octets = format!("{head}{body}");
        let said = seen(octets.as_bytes(), &["", "/frame", "/markup", "/text", "/links", "/print"]);
        assert!(said.contains("only its first 2.1 MB are shown"), "{}", &octets[..100]);
        let has_text = said.contains("class=\"text\"");
        assert_eq!(has_text, said.contains("This is the text of the HTML"));
        texts += usize::from(has_text);
    }
    assert!(texts > 0);
}

#[test]
fn a_gigabyte_is_not_read_for_a_page() {
    let head =
        b"Subject: huge\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n\
        --b\r\nContent-Type: text/html\r\n\r\n<p>See the film.\r\n\
        --b\r\nContent-Type: video/mp4; name=film.mp4\r\n\r\n";
    let tail = b"\r\n--b\r\nContent-Type: text/plain; name=late.txt\r\n\r\nVery late.\r\n--b--\r\n";
    // A film of zeros, of which the disk keeps nothing.
    let film = 1_000_000_000;
    let file = tempfile::tempfile().unwrap();
    file.write_all_at(head, 0).unwrap();
    file.write_all_at(tail, head.len() as u64 + film).unwrap();
    let length = file.metadata().unwrap().len();
    let server = Server::start();
    let raw = Raw::File(file, length);
    let id = server.shelf.put_raw(envelope("bob@example.com"), head, raw).id;
    let see = |tail: &str| {
        let began = Instant::now();
        let page = server.get(&format!("/messages/{id}{tail}")).expect(200);
        assert!(began.elapsed() < SOON, "{tail} took {:?}", began.elapsed());
        page.text().to_owned()
    };

    let cut = "only its first 128 MB were read for this page";
    for tail in ["", "/text", "/headers", "/parts", "/links", "/source", "/print", "/parts/2/view"]
    {
        assert!(see(tail).contains(cut), "{tail}");
    }
    assert!(see("").contains("Read all 1.0 GB") && see("").contains("over 128 MB"));
    assert!(!see("/parts").contains("late.txt"));
    assert!(see("/frame").contains("See the film."));
    let source = see(&format!("/source?page={}", length.div_ceil(256 * 1024)));
    assert!(source.contains("Very late."), "the source is there to its end");

    // What stands behind is there all the same, for whoever asks for it.
    assert!(see("/parts/3/view").contains("Very late."));
    let whole = see("/parts?whole=1");
    assert!(
        whole.contains("late.txt") && whole.contains("1.0 GB") && !whole.contains("over 128 MB")
    );
    assert!(!whole.contains(cut) && !see("").contains(cut), "what was read once is known");
}

#[test]
fn a_text_that_is_all_quotes_and_links() {
    let head = "Subject: odd\r\n\r\n";
    for line in
        ["> a\r\nb\r\n", "http://a.example/ ", "> > > >\r\n", ":", "Your code is 123456\r\n", ">"]
    {
        let octets = format!("{head}{}", line.repeat(3_000_000 / line.len()));
        seen(octets.as_bytes(), &["", "/links", "/source"]);
    }
}

#[test]
fn messages_in_messages() {
    let inner = "Content-Type: message/rfc822\r\n\r\n".repeat(500);
    let octets = format!("{inner}Subject: deep\r\nContent-Type: text/html\r\n\r\n<p>x");
    let said = seen(octets.as_bytes(), &["", "/parts", "/parts/0/view", "/parts/40/view"]);
    assert!(said.contains("too-deep"));
}
