//! Mail looks as it was sent: pictures of the sender's HTML and of our view, compared.
//!
//! Ten mails here, one for each thing that was wrong once. All of them, with the public templates, are
//! `tests/looks/run.sh`'s, for they are fetched and take minutes.

use std::process::Command;

use super::browser::{CHROMIUM, have_browser};
use crate::harness::{Server, file, have, run};

#[test]
fn mail_looks_as_it_was_sent() {
    let modules = file("tests/looks/node_modules");
    let compares = ["pixelmatch", "pngjs"].map(|name| modules.join(name));
    if !have_browser() || !have(&compares.each_ref().map(|path| path.to_str().unwrap())) {
        return;
    }
    let server = Server::start(&[]);
    let output = run(Command::new("node")
        .arg(file("tests/looks/looks.mjs"))
        .arg(format!("http://{}", server.http))
        .arg(server.smtp.ip().to_string())
        .arg(server.smtp.port().to_string())
        .arg("smoke")
        .env("CHROMIUM", CHROMIUM));
    assert!(String::from_utf8_lossy(&output.stdout).ends_with("all seen\n"), "{output:?}");
}
