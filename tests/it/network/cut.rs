//! A connection cut at every octet: nothing half-stored, nothing left open, nothing left on the disk.

use std::{
    io::{self, Read as _, Write as _},
    net::{Shutdown, TcpStream},
    sync::Arc,
};

use rustls::{ClientConfig, ClientConnection};

use super::{check_alive, messages_stored, reset, say_and_hang_up};
use crate::{
    harness::{Server, connect, eventually},
    listeners::Authority,
};

/// One message by DATA and one by BDAT, both large enough to become files; and where each is complete.
struct Dialog {
    words: Vec<u8>,
    complete: [usize; 2],
}

impl Dialog {
    fn new() -> Self {
        let body = "0123456789abcde\r\n".repeat(8);
        let data = format!("Subject: data\r\n\r\n{body}.\r\n");
        let chunk = format!("Subject: bdat\r\n\r\n{body}");
        let (first, second) = chunk.split_at(100);
        let mut words = format!("EHLO cut\r\n{TRANSACTION}DATA\r\n{data}").into_bytes();
        let by_data = words.len();
        let chunks = [
            format!("{TRANSACTION}BDAT {}\r\n{first}", first.len()),
            format!("BDAT {} LAST\r\n{second}", second.len()),
        ];
        words.extend_from_slice(chunks.concat().as_bytes());
        let complete = [by_data, words.len()];
        words.extend_from_slice(b"QUIT\r\n");
        Self { words, complete }
    }

    /// How many messages were complete after so many octets.
    fn complete_at(&self, cut: usize) -> u64 {
        self.complete.iter().filter(|end| **end <= cut).count() as u64
    }
}

const TRANSACTION: &str = "MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.org>\r\n";

/// So small that every message is a file.
const SMALL: (&str, &str) = ("SMTPD_STORE_INLINE_LIMIT", "20");

#[test]
fn a_client_that_hangs_up_at_any_octet_leaves_whole_messages_only() {
    let (server, dialog) = (Server::start(&[SMALL]), Dialog::new());
    let before = server.open_files();
    let mut complete = 0;
    for cut in 0..=dialog.words.len() {
        let heard = say_and_hang_up(server.smtp, &dialog.words[..cut]);
        let queued = heard.matches("250 2.0.0 Ok: queued as ").count() as u64;
        // Whoever only stops talking hears all that it is owed.
        assert_eq!(queued, dialog.complete_at(cut), "cut at {cut}: {heard}");
        complete += queued;
    }
    assert!(complete > 200, "{complete}");
    check_stored(&server, complete..=complete, before);
}

#[test]
fn a_connection_that_is_reset_at_any_octet_leaves_whole_messages_only() {
    let (server, dialog) = (Server::start(&[SMALL]), Dialog::new());
    let before = server.open_files();
    let mut complete = 0;
    for cut in 0..=dialog.words.len() {
        reset(connect(server.smtp), &dialog.words[..cut]);
        complete += dialog.complete_at(cut);
    }
    // A reset throws away what was not read yet, so fewer may have arrived.
    check_stored(&server, 0..=complete, before);
}

#[test]
fn a_tls_connection_cut_at_any_octet_leaves_whole_messages_only() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let path = |name| folder.path().join(name);
    authority.sign("mx.test").write(&path("cert.pem"), &path("key.pem"));
    std::fs::write(
        path("smtpd.toml"),
        "[smtp]\ntls = \"implicit\"\n[[smtp.listeners]]\naddress = \"127.0.0.1:0\"\ntls = \"off\"\n\
         [store]\ninline_limit = 20\n\
         [tls]\ncertificate = \"cert.pem\"\nkey = \"key.pem\"\n",
    )
    .unwrap();
    let server = Server::start_in(folder.path(), &[("SMTPD_CONFIG", "smtpd.toml")]);
    let (client, dialog) = (authority.client(None), Dialog::new());
    let before = server.open_files();
    // The whole of it, to know how many octets there are.
    let all = talk_tls(&server, &client, &dialog.words, usize::MAX).unwrap();
    assert!(all > dialog.words.len() + 300, "{all} octets are not TLS");
    let mut most = 2;
    for cut in 0..=all {
        let sent = talk_tls(&server, &client, &dialog.words, cut).unwrap();
        assert!(sent <= cut, "{sent} octets sent of {cut}");
        most += 2;
    }
    check_stored(&server, 2..=most, before);
}

/// Messages of the right number, each as it was sent; after they are deleted nothing of them is left,
/// and no connection is open any more.
fn check_stored(server: &Server, expected: std::ops::RangeInclusive<u64>, open_before: usize) {
    eventually(20, "all connections are closed", || {
        let detail = String::from_utf8(server.get("/status/detail")).unwrap();
        detail.contains("\"smtp_connections_now\":0,")
    });
    let stored = messages_stored(server);
    assert!(expected.contains(&stored), "{stored} messages are stored, not {expected:?}");
    let body = "0123456789abcde\r\n".repeat(8);
    let (mut page, mut seen) = (String::new(), 0);
    loop {
        let messages = server.messages(&format!("limit=200{page}"));
        let Some(last) = messages.last() else { break };
        page = format!("&before={}", last["id"].as_str().unwrap());
        for message in &messages {
            let id = message["id"].as_str().unwrap();
            let subject = message["subject"].as_str().unwrap();
            assert!(["data", "bdat"].contains(&subject), "{message}");
            let raw = server.get(&format!("/messages/{id}/raw"));
            assert!(raw == format!("Subject: {subject}\r\n\r\n{body}").as_bytes(), "{message}");
            seen += 1;
        }
    }
    assert_eq!(seen, stored);
    let (status, _) = server.request("DELETE", "/api/messages?all=1");
    assert_eq!(status, 200);
    eventually(20, "no body is left in a file", || {
        std::fs::read_dir(server.folder.join("data/bodies")).is_ok_and(|all| files(all) == 0)
    });
    check_alive(server, "after all that");
    eventually(20, "no socket is left", || server.open_files() <= open_before + FEW);
}

/// Files below a folder that may have folders of its own.
fn files(folder: std::fs::ReadDir) -> usize {
    folder
        .map(|entry| entry.unwrap().path())
        .map(|path| std::fs::read_dir(&path).map_or(1, files))
        .sum()
}

/// What the store opens as it is used: readers of the database, the last body.
const FEW: usize = 24;

/// Speaks TLS until so many octets were sent, then closes the socket as it is; returns how many it
/// were.
fn talk_tls(
    server: &Server,
    config: &Arc<ClientConfig>,
    words: &[u8],
    cut: usize,
) -> io::Result<usize> {
    let name = "mx.test".to_owned().try_into().unwrap();
    let mut tls = ClientConnection::new(config.clone(), name).unwrap();
    tls.writer().write_all(words)?;
    let mut stream = connect(server.listener(0));
    let mut sent = 0;
    loop {
        let mut octets = Vec::new();
        while tls.wants_write() {
            tls.write_tls(&mut octets)?;
        }
        let now = octets.len().min(cut - sent);
        stream.write_all(&octets[..now])?;
        sent += now;
        if now < octets.len() || sent == cut {
            stream.shutdown(Shutdown::Write)?;
            return drain(stream).map(|()| sent);
        }
        if tls.read_tls(&mut stream)? == 0 {
            return Ok(sent);
        }
        tls.process_new_packets().map_err(io::Error::other)?;
        let mut heard = Vec::new();
        // Nothing to read yet is no failure.
        let _ = tls.reader().read_to_end(&mut heard);
    }
}

fn drain(mut stream: TcpStream) -> io::Result<()> {
    super::read_out(&mut stream).map(drop)
}
