//! The body of a message is one: every view, the paper, the links, the API and the search show the same
//! leaves.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use serde_json::{Value, json};
use smtpd::store::{Raw, ReadAt};

use super::{Server, envelope};
use crate::harness::file;

/// One of the messages of `tests/mime`, with what is told of it.
struct Seen {
    server: Server,
    id: String,
    api: Value,
}

fn seen(name: &str) -> Seen {
    let octets = std::fs::read(file(&format!("tests/mime/{name}.eml"))).unwrap();
    let server = Server::start();
    let id = server.deliver("bob@b.example", &octets).id.to_string();
    let api = server.get(&format!("/api/messages/{id}")).expect(200);
    Seen { api: serde_json::from_str(api.text()).unwrap(), server, id }
}

impl Seen {
    fn page(&self, tail: &str) -> String {
        self.server.get(&format!("/messages/{}{tail}", self.id)).expect(200).text().to_owned()
    }

    /// These words stand, in this order, in what is shown there.
    #[track_caller]
    fn shows(&self, tail: &str, words: &[&str]) {
        let page = self.page(tail);
        let mut rest = page.as_str();
        for word in words {
            let (_, after) =
                rest.split_once(word).unwrap_or_else(|| panic!("{tail}: {word}: {page}"));
            rest = after;
        }
    }

    fn finds(&self, search: &str) -> bool {
        let found = self.server.get(&format!("/api/messages?q={search}")).expect(200);
        found.text().contains(&self.id)
    }
}

#[test]
fn text_and_picture_and_text() {
    let seen = seen("60-text-image-text");
    let picture = format!("src=\"/messages/{}/parts/2?inline\"", seen.id);
    seen.shows("/text", &["ALPHA", &picture, "GAMMA"]);
    seen.shows("/print", &["ALPHA", "GAMMA"]);
    seen.shows("/links", &["https://g.example/confirm"]);
    assert_eq!(seen.api["text"], "ALPHA\nGAMMA https://g.example/confirm");
    assert_eq!((&seen.api["html"], &seen.api["attachments"]), (&Value::Null, &json!(["p.png"])));
    assert_eq!(seen.api["snippet"], "ALPHA GAMMA https://g.example/confirm");
    assert_eq!(seen.api["links"][0]["url"], "https://g.example/confirm");
    assert!(seen.finds("gamma") && seen.finds("has:attachment"));
    let parts = &seen.api["parts"];
    assert_eq!((&parts[2]["is_shown"], &parts[2]["is_attachment"]), (&json!(true), &json!(true)));
    assert_eq!((&parts[3]["is_shown"], &parts[3]["is_attachment"]), (&json!(true), &json!(false)));
}

#[test]
fn html_and_a_footer_of_text() {
    let seen = seen("61-html-and-text-footer");
    for tail in ["/frame", "/print", "/text", "/markup"] {
        seen.shows(tail, &["ALPHA", "GAMMA footer of the list"]);
    }
    seen.shows("/html", &["<iframe"]);
    assert_eq!(seen.api["text"], "ALPHA\nGAMMA footer of the list");
    let html = seen.api["html"].as_str().unwrap();
    assert!(html.starts_with("<p>ALPHA</p>\n<pre") && html.contains("GAMMA"), "{html}");
    assert!(seen.finds("alpha") && seen.finds("footer"));
}

/// Octets that count how often they are read.
#[derive(Debug)]
struct Counted(Vec<u8>, AtomicUsize);

impl ReadAt for Counted {
    fn length(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.1.fetch_add(1, Ordering::SeqCst);
        Raw::Inline(self.0.as_slice().into()).read_at(buffer, offset)
    }
}

/// The frame finds what its page made of the HTML; another look at it does not.
#[test]
fn a_frame_reads_nothing_again() {
    let octets = b"Subject: x\r\nContent-Type: text/html\r\n\r\n<p>ALPHA</p>\r\n";
    let server = Server::start();
    let counted = Arc::new(Counted(octets.to_vec(), AtomicUsize::new(0)));
    let raw = Raw::Pieces(counted.clone());
    let id = server.shelf.put_raw(envelope("bob@b.example"), octets, raw).id;
    let reads = || counted.1.load(Ordering::SeqCst);
    server.get(&format!("/messages/{id}/html")).expect(200);
    let of_the_page = reads();
    assert!(of_the_page > 0);
    let frame = server.get(&format!("/messages/{id}/frame")).expect(200);
    assert!(frame.text().contains("ALPHA"));
    assert_eq!(reads(), of_the_page);
    server.get(&format!("/messages/{id}/frame?scheme=forced")).expect(200);
    assert!(reads() > of_the_page);
}

/// A picture that the HTML shows by its Content-ID is not shown again below it.
#[test]
fn a_picture_is_shown_once() {
    let octets = b"Subject: x\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n\
        --b\r\nContent-Type: text/html\r\n\r\n<p>ALPHA <img src=\"cid:a\"></p>\r\n\
        --b\r\nContent-Type: image/png\r\nContent-ID: <a>\r\n\r\nx\r\n\
        --b\r\nContent-Type: image/png\r\nContent-ID: <b>\r\n\r\nx\r\n--b--\r\n";
    let server = Server::start();
    let id = server.deliver("bob@b.example", octets).id;
    let frame = server.get(&format!("/messages/{id}/frame")).expect(200).text().to_owned();
    assert_eq!(frame.matches("/parts/2?inline").count(), 1, "{frame}");
    assert_eq!(frame.matches("/parts/3?inline").count(), 1, "{frame}");
}

#[test]
fn a_message_in_base64_is_read_like_any_other() {
    let seen = seen("76-message-in-base64");
    let html = seen.api["parts"].as_array().unwrap().iter();
    let html = html.clone().position(|part| part["content_type"] == "text/html").unwrap();
    seen.shows("/parts/2/view", &["inside", "inner.pdf", "<iframe"]);
    seen.shows("/parts/2/frame", &["Inner words"]);
    seen.shows(&format!("/parts/{html}"), &["<p>Inner words</p>"]);
    seen.shows(&format!("/parts/{}", html + 1), &["%PDF-1.4"]);
    assert_eq!(seen.api["text"], "Outer\nFooter");
    assert_eq!(seen.api["attachments"], json!(["a.eml"]));
    assert!(seen.finds("inner"));
}

#[test]
fn a_winmail_dat_is_opened() {
    let seen = seen("89-winmail-with-its-body");
    assert_eq!(seen.api["attachments"], json!(["Größe.pdf", "notes.txt"]));
    assert_eq!(seen.api["text"], "Body in plain text café");
    seen.shows("/frame", &["Body in <b>HTML</b> café"]);
    seen.shows("/parts/4", &["Notes."]);
    assert!(
        seen.server.get(&format!("/messages/{}/attachments.zip", seen.id)).expect(200).body.len()
            > 200
    );
}

#[test]
fn rich_text_is_what_it_was_made_of() {
    let html = seen("94-winmail-rich-text-of-html");
    assert_eq!(html.api["text"], Value::Null);
    assert_eq!(html.api["codes"][0]["value"], "482913");
    assert_eq!(html.api["links"][0]["url"], "https://a.example/x?a=1&b=2");
    html.shows("/frame", &["Grüße, your code is 482913."]);
    html.shows("/parts/1", &["<p>Grüße"]);
    assert!(html.finds("482913"));
    let text = seen("95-winmail-rich-text-of-text");
    assert_eq!(text.api["text"], "Привет!\r\nSecond line €\r\n");
}

#[test]
fn files_in_a_text_that_is_encoded() {
    let seen = seen("98-uuencode-in-base64");
    assert_eq!(seen.api["attachments"], json!(["a.pdf", "b.txt", "a.pdf", "b.txt"]));
    for number in [3, 6] {
        let file = seen.server.get(&format!("/messages/{}/parts/{number}", seen.id));
        assert_eq!(file.expect(200).body, b"hello");
    }
    assert!(!seen.api["text"].as_str().unwrap().contains("begin 644"));
}

#[test]
fn names_without_an_address() {
    let seen = seen("address-comments-and-quotes");
    assert_eq!(seen.api["to"][1], json!({"name": "root", "address": ""}));
    for tail in ["", "/print"] {
        let page = seen.page(tail);
        assert!(page.contains("root") && !page.contains("&lt;&gt;"), "{page}");
    }
}

#[test]
fn files_in_a_text() {
    let seen = seen("88-uuencode-and-yenc");
    assert_eq!(seen.api["attachments"], json!(["cat.txt", "a b.bin", "dog.txt"]));
    for number in [2, 4] {
        assert_eq!(
            seen.server.get(&format!("/messages/{}/parts/{number}", seen.id)).expect(200).body,
            b"Cat"
        );
    }
    let text = seen.api["text"].as_str().unwrap();
    assert!(text.contains("One file:") && text.contains("begin the day") && text.contains("Bye."));
    assert!(!text.contains("0V%T"), "{text}");
}

#[test]
fn calendars_say_what_they_are() {
    let seen = seen("67-calendar-without-a-name");
    assert_eq!(seen.api["attachments"], json!([""]));
    assert!(seen.finds("has:attachment"));
    seen.shows("", &["part-2.ics"]);
    seen.shows("/parts/2/view", &["<td>REQUEST</td>", "<th scope=\"row\">What</th><td>GAMMA</td>"]);
}

#[test]
fn protections_are_said() {
    for (name, protection, words) in [
        ("28-smime-signed", "smime-signed", "Signed with S/MIME"),
        ("29-smime-encrypted", "smime-encrypted", "Encrypted with S/MIME"),
        ("30-pgp-encrypted", "pgp-encrypted", "Encrypted with OpenPGP"),
    ] {
        let seen = seen(name);
        assert_eq!(seen.api["protection"], json!([protection]), "{name}");
        seen.shows("", &[words]);
    }
}

#[test]
fn the_amp_form_is_a_part_of_its_own_and_says_so() {
    let server = Server::start();
    let octets = b"Subject: two forms\r\nMIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary=b\r\n\r\n\
        --b\r\nContent-Type: text/plain\r\n\r\nplain\r\n\
        --b\r\nContent-Type: text/x-amp-html\r\n\r\n<html amp4email><body>amp<amp-img src=a></amp-img>\r\n\
        --b\r\nContent-Type: text/html\r\n\r\n<p>html\r\n--b--\r\n";
    let id = server.deliver("bob@b.example", octets).id;
    let note = "This is the AMP form of the message.";
    let said =
        |tail: &str| server.get(&format!("/messages/{id}{tail}")).expect(200).text().contains(note);
    assert!(said("/parts/2/view") && !said("/html") && !said("/parts/3/view"));
    let shown = server.get(&format!("/messages/{id}/frame")).expect(200);
    assert!(shown.text().contains("<p>html") && !shown.text().contains("amp"));
}
