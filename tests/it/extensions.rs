//! What the dialogs cannot show: the extensions of SMTP through the real binary, its store and clock.

use std::{
    io::Read as _,
    time::{Duration, Instant},
};

use crate::harness::{Client, Server, connect};

#[test]
fn chunks_are_stored_octet_for_octet() {
    let server = Server::start(&[]);
    let mut client = Client::connect(server.smtp);
    client.say("EHLO a").unwrap();
    client.say("MAIL FROM:<ann@a.example> BODY=BINARYMIME RET=HDRS ENVID=x+2By").unwrap();
    client.say("RCPT TO:<bob@b.example> NOTIFY=NEVER ORCPT=rfc822;Bob@b.example").unwrap();
    // A large binary body in chunks of odd sizes, with what would end it after DATA.
    let mut message = b"Subject: chunks\r\n\r\n".to_vec();
    for number in 0..60_000_u32 {
        message.extend_from_slice(&number.to_le_bytes());
        message.extend_from_slice(b"\r\n.\r\n");
    }
    for chunk in message.chunks(77_777) {
        client.send(format!("BDAT {}\r\n", chunk.len()).as_bytes()).unwrap();
        client.send(chunk).unwrap();
        let reply = client.reply().unwrap();
        assert_eq!(reply, format!("250 2.0.0 {} octets received\r\n", chunk.len()));
    }
    assert!(client.say("BDAT 0 LAST").unwrap().starts_with("250 2.0.0 Ok: queued as "));
    assert!(server.raw_of("chunks") == message, "what was stored is not what was sent");
    let envelope = server.envelope("chunks");
    let expected = ["BODY=BINARYMIME", "RET=HDRS", "ENVID=x+2By"];
    assert_eq!(envelope["parameters"], serde_json::json!(expected));
    let expected = ["NOTIFY=NEVER", "ORCPT=rfc822;Bob@b.example"];
    assert_eq!(envelope["forward_paths"][0]["parameters"], serde_json::json!(expected));
    assert_eq!(envelope["tls"], serde_json::Value::Null);
}

#[test]
fn replies_to_a_message_that_came_at_once_come_at_once() {
    let server = Server::start(&[]);
    let mut client = Client::connect(server.smtp);
    client.say("EHLO a").unwrap();
    client.send(b"MAIL FROM:<a@b.example>\r\nRCPT TO:<b@c.example>\r\nBDAT 3 LAST\r\nabc").unwrap();
    let mut replies = [0; 500];
    let count = client.into_stream().read(&mut replies).unwrap();
    let replies = String::from_utf8_lossy(&replies[..count]);
    let expected = "250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n250 2.0.0 Ok: queued as ";
    assert!(replies.starts_with(expected), "{replies}");
}

#[test]
fn a_message_in_chunks_that_is_broken_off_is_not_stored() {
    let server = Server::start(&[]);
    for end in ["RSET", "EHLO b", "QUIT"] {
        let mut client = Client::connect(server.smtp);
        client.say("EHLO a").unwrap();
        client.say("MAIL FROM:<ann@a.example>").unwrap();
        client.say("RCPT TO:<bob@b.example>").unwrap();
        client.send(b"BDAT 3\r\nabc").unwrap();
        assert!(client.reply().unwrap().starts_with("250 2.0.0 3 octets"));
        client.say(end).unwrap();
    }
    assert!(server.messages("limit=10").is_empty());
}

#[test]
fn lmtp_stores_one_message_and_answers_for_each_recipient() {
    let server = Server::start(&[("SMTPD_SMTP_LMTP", "true")]);
    let mut client = Client::connect(server.listener(0));
    assert!(client.say("EHLO a").unwrap().starts_with("500 5.5.1 "));
    for line in
        ["LHLO a", "MAIL FROM:<a@b.example>", "RCPT TO:<b@c.example>", "RCPT TO:<d@e.example>"]
    {
        assert!(client.say(line).unwrap().starts_with("250"), "{line}");
    }
    client.say("DATA").unwrap();
    let first = client.say("Subject: lmtp\r\n\r\nx\r\n.").unwrap();
    assert!(first.starts_with("250 2.0.0 Ok: queued as "), "{first}");
    assert_eq!(client.reply().unwrap(), first);
    assert_eq!(client.say("NOOP").unwrap(), "250 2.0.0 Ok\r\n");
    assert_eq!(server.messages("limit=10").len(), 1);
}

#[test]
fn early_talkers_are_sent_away_and_others_wait() {
    let server = Server::start(&[("SMTPD_SMTP_GREETING_DELAY_SECONDS", "1")]);
    let start = Instant::now();
    let mut early = Client::over(connect(server.smtp));
    early.send(b"EHLO spam\r\n").unwrap();
    assert_eq!(early.reply().unwrap(), "554 5.5.1 You talked before the greeting\r\n");
    let mut rest = Vec::new();
    early.into_stream().read_to_end(&mut rest).unwrap();
    assert_eq!(rest, b"");
    let mut patient = Client::connect(server.smtp);
    assert!(start.elapsed() >= Duration::from_secs(2));
    assert!(patient.say("EHLO a").unwrap().starts_with("250-"));
}

#[test]
fn errors_are_answered_later_and_later_ones_only() {
    let server =
        Server::start(&[("SMTPD_SMTP_TARPIT_AFTER", "2"), ("SMTPD_SMTP_TARPIT_SECONDS", "1")]);
    let mut client = Client::connect(server.smtp);
    let mut took = |line: &str| {
        let start = Instant::now();
        client.say(line).unwrap();
        start.elapsed()
    };
    let second = Duration::from_secs(1);
    assert!(took("FOO") < second && took("FOO") < second);
    assert!(took("FOO") >= second);
    assert!(took("NOOP") < second);
}

#[test]
fn limits_are_told_and_held() {
    let server = Server::start(&[
        ("SMTPD_LIMITS_MESSAGES", "1"),
        ("SMTPD_LIMITS_RECIPIENTS", "7"),
        ("SMTPD_LIMITS_GREETING_SECONDS", "1"),
        ("SMTPD_SMTP_CHUNKING", "false"),
        ("SMTPD_SMTP_MT_PRIORITY", "true"),
    ]);
    let mut client = Client::connect(server.smtp);
    let told = client.say("EHLO a").unwrap();
    assert!(told.contains("250-LIMITS MAILMAX=1 RCPTMAX=7\r\n"), "{told}");
    assert!(told.contains("250-MT-PRIORITY\r\n") && !told.contains("CHUNKING"), "{told}");
    assert!(client.mail("Subject: one\r\n\r\nx").unwrap().starts_with("250 "));
    let refused = client.say("MAIL FROM:<a@b.example>").unwrap();
    assert_eq!(refused, "421 4.5.3 Too many messages in this session\r\n");
    let mut silent = Client::connect(server.smtp);
    let start = Instant::now();
    assert_eq!(silent.reply().unwrap(), "421 4.4.2 Timeout, closing connection\r\n");
    assert!(start.elapsed() < Duration::from_secs(30));
}
