//! `smtpd migrate` between SQLite and MongoDB, there and back, and interrupted half way.

use std::process::{Command, Stdio};

use smol::future::block_on;
use smtpd::{
    message::Summary,
    store::{self, Change, Kind, Options, Query, Raw, Record, Selection, Store},
    wire::{Envelope, ForwardPath},
};

use super::server::Database;
use crate::harness::{run, signal};

fn sqlite(folder: &std::path::Path) -> Options {
    Options { kind: Kind::Sqlite, path: folder.to_owned(), ..Options::default() }
}

fn command(database: &Database, from: &str, to: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_smtpd"));
    command.args(["migrate", "--from", from, "--to", to]);
    command.env("SMTPD_STORE_MONGODB_DATABASE", &database.name);
    command
}

fn migrate(database: &Database, from: &str, to: &str) -> String {
    let output = run(&mut command(database, from, to));
    // Who waits sees how far it is.
    let progress = String::from_utf8(output.stderr).unwrap();
    let last = progress.lines().rfind(|line| line.ends_with(" messages")).unwrap();
    let (done, all) = last.trim_end_matches(" messages").split_once(" of ").unwrap();
    assert_eq!(done, all, "{progress}");
    String::from_utf8(output.stdout).unwrap()
}

/// Every message with its octets. Its number is not asked for: each store gives its own, and MongoDB none.
fn all(store: &dyn Store) -> Vec<(Record, Vec<u8>)> {
    block_on(async {
        let query = Query { limit: 10_000, ..Query::default() };
        let mut all = Vec::new();
        for record in store.list(query).await.unwrap().records {
            let raw = store.raw(record.id).await.unwrap().unwrap();
            all.push((Record { uid: None, ..record }, octets(&raw)));
        }
        all
    })
}

fn octets(raw: &Raw) -> Vec<u8> {
    let mut all = vec![0; raw.len() as usize];
    let mut filled = 0;
    while filled < all.len() {
        filled += raw.read_at(&mut all[filled..], filled as u64).unwrap();
    }
    all
}

fn fill(options: &Options, messages: usize) -> Vec<(Record, Vec<u8>)> {
    let store = store::open(options).unwrap();
    block_on(async {
        for number in 0..messages {
            let mut draft = store.begin().await.unwrap();
            let size = if number == 3 { 2_000_000 } else { 100 + number };
            draft.write(b"Subject: x\r\n\r\n").await.unwrap();
            draft.write(&vec![b'a' + (number % 26) as u8; size]).await.unwrap();
            let path = ForwardPath {
                address: format!("box{}@b.example", number % 7),
                ..Default::default()
            };
            let envelope = Envelope {
                forward_paths: vec![path],
                received_ms: 1_700_000_000_000 + number as i64,
                ..Envelope::default()
            };
            let summary = Summary { subject: format!("number {number}"), ..Summary::default() };
            let id = draft.commit(envelope, summary).await.unwrap().id;
            if number < 60 && number % 3 == 0 {
                let one = || Selection::Ids(vec![id]);
                store.change(one(), Change::Read(true)).await.unwrap();
                store.change(one(), Change::Tag(format!("tag{}", number % 2))).await.unwrap();
                store.change(one(), Change::Starred(true)).await.unwrap();
            }
        }
    });
    let filled = all(&*store);
    block_on(store.close()).unwrap();
    filled
}

#[test]
fn there_and_back_nothing_is_changed() {
    let Some(database) = Database::new() else { return };
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (folder.path().join("old"), folder.path().join("new"));
    let filled = fill(&sqlite(&old), 60);
    let (old, new_name) =
        (format!("sqlite:{}", old.display()), format!("sqlite:{}", new.display()));
    let said = migrate(&database, &old, &database.uri);
    assert_eq!(said, "60 copied, 0 were there already, 0 vanished meanwhile\n");
    let store = store::open(&database.options()).unwrap();
    assert!(all(&*store) == filled);
    let counts = block_on(store.counts()).unwrap();
    assert_eq!((counts.messages, counts.unread), (60, 40));
    assert_eq!(block_on(store.mailboxes(None, 9)).unwrap().len(), 7);
    block_on(store.close()).unwrap();
    let said = migrate(&database, &old, &database.uri);
    assert_eq!(said, "0 copied, 60 were there already, 0 vanished meanwhile\n");
    migrate(&database, &database.uri, &new_name);
    let store = store::open(&sqlite(&new)).unwrap();
    assert!(all(&*store) == filled);
    block_on(store.close()).unwrap();
}

#[test]
fn an_interrupted_migration_goes_on() {
    let Some(database) = Database::new() else { return };
    let folder = tempfile::tempdir().unwrap();
    let filled = fill(&sqlite(folder.path()), 1_500);
    let from = format!("sqlite:{}", folder.path().display());
    let mut child = command(&database, &from, &database.uri).stdin(Stdio::null()).spawn().unwrap();
    let stored = || {
        database.with(async |database| {
            let messages = database.collection::<mongodb::bson::Document>("messages");
            messages.estimated_document_count().await.unwrap()
        })
    };
    crate::harness::eventually(60, "it has begun", || stored() > 100);
    signal(child.id(), "KILL");
    assert!(!child.wait().unwrap().success());
    assert!(stored() < 1_500, "it was too quick");
    migrate(&database, &from, &database.uri);
    let store = store::open(&database.options()).unwrap();
    assert!(all(&*store) == filled);
    block_on(store.close()).unwrap();
}
