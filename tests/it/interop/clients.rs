//! Mail clients: swaks, Python's smtplib, nodemailer, curl.

use std::{fs, process::Command};

use crate::harness::{Server, file, have, run};

#[test]
fn swaks() {
    if !have(&["swaks"]) {
        return;
    }
    let server = Server::start(&[]);
    let swaks = |arguments: &[&str]| {
        run(Command::new("swaks")
            .args(["--server", &server.smtp.ip().to_string()])
            .args(["--port", &server.smtp.port().to_string()])
            .args(["--from", "ann@example.org", "--to", "bob@example.org"])
            .args(arguments))
    };
    swaks(&["--header", "Subject: swaks plain", "--body", "hello"]);
    swaks(&["--header", "Subject: swaks pipelined", "--pipeline"]);
    swaks(&["--header", "Subject: swaks login", "--auth", "LOGIN", "-au", "ann", "-ap", "x"]);
    swaks(&["--header", "Subject: swaks plain auth", "--auth", "PLAIN", "-au", "ann", "-ap", "x"]);
    swaks(&["--header", "Subject: swaks helo", "--protocol", "SMTP"]);
    let manifest = file("Cargo.toml");
    swaks(&[
        "--header",
        "Subject: swaks attachment",
        "--attach",
        &format!("@{}", manifest.display()),
    ]);

    let messages = server.messages("limit=50");
    assert_eq!(messages.len(), 6);
    assert_eq!(messages[0]["subject"], "swaks attachment");
    assert_eq!(messages[0]["attachments"][0], "Cargo.toml");
    let id = |index: usize| messages[index]["id"].as_str().unwrap();
    let login: serde_json::Value =
        serde_json::from_slice(&server.get(&format!("/api/messages/{}", id(3)))).unwrap();
    assert_eq!(login["subject"], "swaks login");
    assert_eq!(login["envelope"]["auth_user"], "ann");
}

#[test]
fn smtplib() {
    if !have(&["python3"]) {
        return;
    }
    let server = Server::start(&[]);
    let sent = tempfile::tempdir().unwrap();
    run(Command::new("python3")
        .arg(file("tests/interop/smtplib_send.py"))
        .arg(server.smtp.ip().to_string())
        .arg(server.smtp.port().to_string())
        .arg(sent.path()));
    let names = ["plain", "unicode", "eight_bit", "many_attachments", "large"];
    for name in names {
        let expected = fs::read(sent.path().join(format!("{name}.eml"))).unwrap();
        let stored = server.raw_of(&format!("smtplib {}", name.replace('_', " ")));
        assert!(stored == expected, "{name}: {} octets became {}", expected.len(), stored.len());
    }
    let messages = server.messages("limit=50&q=subject:many");
    assert_eq!(messages.len(), 1);
    assert_eq!(messages[0]["attachments"].as_array().unwrap().len(), 12);
    assert_eq!(messages[0]["attachments"][3], "Anlage № 3.bin");
    assert_eq!(server.messages("q=приветик").len(), 0);
    assert_eq!(server.messages("q=Привет")[0]["subject"], "smtplib unicode");
    assert_eq!(server.messages("mailbox=Carol@Example.org").len(), names.len());
}

#[test]
fn nodemailer() {
    if !have(&["node", file("tests/interop/node_modules/nodemailer").to_str().unwrap()]) {
        return;
    }
    let server = Server::start(&[]);
    run(Command::new("node")
        .arg(file("tests/interop/nodemailer_send.mjs"))
        .arg(server.smtp.ip().to_string())
        .arg(server.smtp.port().to_string()));
    let messages = server.messages("q=Umlaut");
    assert_eq!(messages.len(), 1);
    let message = &messages[0];
    assert_eq!(message["subject"], "nodemailer ✉ mit Umlaut");
    assert_eq!(message["from"][0]["name"], "Änn");
    assert_eq!(message["snippet"], "Grüße aus nodemailer");
    // The picture that the HTML shows is no attachment.
    assert_eq!(message["attachments"], serde_json::json!(["Übersicht.txt", "big.bin"]));
    assert_eq!(server.messages("mailbox=hidden@example.org").len(), 1);
}

#[test]
fn curl() {
    if !have(&["curl"]) {
        return;
    }
    let server = Server::start(&[]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mail.eml");
    // curl sends a file as it is: a line that ends in LF alone stays so.
    let octets = b"Subject: curl\r\n\r\n.\r\n..\r\nbare\nlf\r\n\0nul\r\n";
    fs::write(&path, octets).unwrap();
    run(Command::new("curl")
        .args(["--silent", "--show-error", &format!("smtp://{}", server.smtp)])
        .args(["--mail-from", "a@example.org", "--mail-rcpt", "b@example.org", "--upload-file"])
        .arg(&path));
    assert_eq!(server.raw_of("curl"), octets);
    let defects = &server.messages("q=curl")[0]["defects"];
    for defect in ["bare-lf", "nul"] {
        assert!(defects.as_array().unwrap().contains(&defect.into()), "{defect} in {defects}");
    }
}
