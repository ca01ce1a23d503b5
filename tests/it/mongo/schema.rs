//! What other programs find in the database (docs/mongodb.md), and who is turned away.

use mongodb::bson::{Bson, Document, doc};
use smol::{future::block_on, stream::StreamExt as _};
use smtpd::{
    message::Scanner,
    store::{self, Error, Options, Raw, RetentionLimits, Store},
    wire::{Envelope, ForwardPath},
};

use super::server::{Database, Mongod};
use crate::harness::eventually;

/// Stores a message as the intake does.
async fn put(store: &dyn Store, raw: &[u8], to: &str) -> smtpd::id::MessageId {
    put_at(store, raw, to, 1_700_000_000_123).await
}

async fn put_at(store: &dyn Store, raw: &[u8], to: &str, received_ms: i64) -> smtpd::id::MessageId {
    let mut draft = store.begin().await.unwrap();
    let mut scanner = Scanner::new(1_000);
    for piece in raw.chunks(100_000) {
        scanner.push(piece);
        draft.write(piece).await.unwrap();
    }
    let path = ForwardPath { address: to.into(), ..ForwardPath::default() };
    let envelope = Envelope { forward_paths: vec![path], received_ms, ..Envelope::default() };
    draft.commit(envelope, scanner.finish().summary).await.unwrap().id
}

const HOSTILE: &[u8] = b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n$set: 1\r\na.b.$c: 2\r\n.: 3\r\n\
    Nul: a\0b\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\nbody \0 here\r\n\
    --x\r\nContent-Type: application/pdf; name=plan.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n\
    aGVsbG8=\r\n--x--\r\n";

#[test]
fn a_message_is_one_document_that_others_can_read() {
    let Some(database) = Database::new() else { return };
    let store = store::open(&database.options()).unwrap();
    let id = block_on(put(&*store, HOSTILE, "Ann@B.example"));
    let found = database.with(async |database| {
        let messages = database.collection::<Document>("messages");
        messages.find_one(doc! { "mailboxes": "ann@b.example" }).await.unwrap().unwrap()
    });
    assert_eq!(found.get_object_id("_id").unwrap().to_hex(), id.to_string());
    assert_eq!(found.get_str("state").unwrap(), "RECEIVED");
    assert_eq!(found.get_binary_generic("raw").unwrap().as_slice(), HOSTILE);
    assert_eq!(found.get_i64("size").unwrap(), HOSTILE.len() as i64);
    let received = found.get_datetime("received").unwrap();
    assert_eq!(received.timestamp_millis(), 1_700_000_000_123);
    assert_eq!(found.get_document("summary").unwrap().get_str("subject").unwrap(), "Grüße");
    let headers = found.get_array("headers").unwrap();
    let headers: Vec<_> = headers.iter().filter_map(Bson::as_document).collect();
    let header = |name: &str| {
        let found = headers.iter().find(|it| it.get_str("name").unwrap() == name);
        found.unwrap().get_str("value").unwrap()
    };
    assert_eq!((header("$set"), header("a.b.$c"), header(".")), ("1", "2", "3"));
    let parts = found.get_array("parts").unwrap();
    let last = parts[2].as_document().unwrap();
    assert_eq!(last.get_str("type").unwrap(), "application/pdf");
    assert_eq!(last.get_str("file_name").unwrap(), "plan.pdf");
    let body = last.get_array("body").unwrap();
    let [from, to] = [0, 1].map(|at| body[at].as_i64().unwrap() as usize);
    assert_eq!(&HOSTILE[from..to], b"aGVsbG8=");
    let words = found.get_array("words").unwrap();
    assert!(words.contains(&Bson::from("grusse")) || words.contains(&Bson::from("gruße")));
    block_on(store.close()).unwrap();
}

#[test]
fn a_hundred_megabytes_lie_in_gridfs() {
    let Some(database) = Database::new() else { return };
    let store = store::open(&database.options()).unwrap();
    let line = [b"0123456789abcde".repeat(5).as_slice(), b"\r\n"].concat();
    let raw =
        [b"Subject: large\r\n\r\n".as_slice(), &line.repeat(100_000_000 / line.len())].concat();
    let before = resident();
    let id = block_on(put(&*store, &raw, "a@b.example"));
    let Some(Raw::Pieces(octets)) = block_on(store.raw(id)).unwrap() else { panic!("not remote") };
    assert_eq!(octets.length(), raw.len() as u64);
    let (mut offset, mut piece) = (0, vec![0; 100_000]);
    while let taken @ 1.. = octets.read_at(&mut piece, offset as u64).unwrap() {
        assert!(raw[offset..offset + taken] == piece[..taken], "at {offset}");
        offset += taken;
    }
    assert_eq!(offset, raw.len());
    let more = resident().saturating_sub(before);
    assert!(more < 60 << 20, "{more} octets more");
    // As another program reads it.
    let (length, chunks) = database.with(async |database| {
        let files = database.collection::<Document>("bodies.files");
        let file = files.find_one(doc! {}).await.unwrap().unwrap();
        let chunks = database.collection::<Document>("bodies.chunks");
        let of_file = doc! { "files_id": file.get_object_id("_id").unwrap() };
        (file.get_i64("length").unwrap(), chunks.count_documents(of_file).await.unwrap())
    });
    assert_eq!(length, raw.len() as i64);
    assert_eq!(chunks, raw.len().div_ceil(255 * 1024) as u64);
    block_on(store.close()).unwrap();
}

/// Octets of memory that this process has in use.
fn resident() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    text.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4_096
}

#[test]
fn every_index_that_is_documented_is_there() {
    let Some(database) = Database::new() else { return };
    let store = store::open(&database.options()).unwrap();
    let keys = database.with(async |database| {
        let mut indexes = database.collection::<Document>("messages").list_indexes().await.unwrap();
        let mut keys = Vec::new();
        while let Some(index) = indexes.try_next().await.unwrap() {
            keys.push(index.keys.keys().map(String::as_str).collect::<Vec<_>>().join(" "));
        }
        keys.sort();
        keys
    });
    let expected = [
        "_id",
        "file",
        "gone",
        "mailboxes _id",
        "read _id",
        "received",
        "starred _id",
        "state _id",
        "tags _id",
        "words _id",
    ];
    assert_eq!(keys, expected);
    block_on(store.close()).unwrap();
}

#[test]
fn a_newer_schema_is_left_alone() {
    let Some(database) = Database::new() else { return };
    database.with(async |database| {
        let newer = doc! { "_id": "schema", "version": 2 };
        database.collection::<Document>("meta").insert_one(newer).await.unwrap();
    });
    let Err(Error::Open(why)) = store::open(&database.options()) else { panic!("it opened") };
    assert!(why.contains("version 2"), "{why}");
}

#[test]
fn who_may_not_in_is_told_so_without_his_password() {
    let Some(mongod) = Mongod::start(None) else { return };
    let open = |uri: String| {
        let mut options = Options { kind: store::Kind::Mongodb, ..Options::default() };
        options.mongodb.uri = uri.into();
        match store::open(&options) {
            Ok(_) => panic!("it opened"),
            Err(error) => error.to_string(),
        }
    };
    let why = open(format!("mongodb://ann:s3cret@127.0.0.1:{}/", mongod.port));
    assert!(why.contains("uthentication") && !why.contains("s3cret"), "{why}");
    let why = open("mongodb://ann:s3cret@:x".into());
    assert!(why.contains("store.mongodb.uri") && !why.contains("s3cret"), "{why}");
    let why = open("postgres://127.0.0.1".into());
    assert!(why.contains("store.mongodb.uri"), "{why}");
}

/// Sums that a dead instance took with it, messages that the server deleted by itself, bodies that a crash
/// left behind.
#[test]
fn the_elected_instance_puts_right_what_others_left() {
    let Some(database) = Database::new() else { return };
    let options = Options { inline_limit: 100, ..database.options() };
    let store = store::open(&options).unwrap();
    let large = [b"Subject: x\r\n\r\n".as_slice(), &[b'x'; 200]].concat();
    let kept = block_on(put(&*store, &large, "ann@b.example"));
    block_on(put(&*store, b"Subject: x\r\n\r\n", "bob@b.example"));
    assert_eq!(block_on(store.counts()).unwrap().messages, 2);
    let now = mongodb::bson::DateTime::now().timestamp_millis();
    let days = |number: i64| mongodb::bson::DateTime::from_millis(now - number * 86_400_000);
    database.with(async |database| {
        let messages = database.collection::<Document>("messages");
        messages.delete_one(doc! { "mailboxes": "bob@b.example" }).await.unwrap();
        let labels = database.collection::<Document>("labels");
        labels.insert_one(doc! { "_id": "m:nobody", "messages": 3_i64 }).await.unwrap();
        let files = database.collection::<Document>("bodies.files");
        let chunks = database.collection::<Document>("bodies.chunks");
        let old = doc! { "$set": { "uploadDate": days(2) } };
        files.update_many(doc! {}, old).await.unwrap();
        for (uploaded, metadata) in [(2, doc! {}), (0, doc! { "doomed": days(1) })] {
            let id = mongodb::bson::oid::ObjectId::new();
            let body = doc! { "_id": id, "uploadDate": days(uploaded), "metadata": metadata };
            files.insert_one(body).await.unwrap();
            chunks.insert_one(doc! { "files_id": id, "n": 0 }).await.unwrap();
        }
    });
    eventually(40, "it is put right", || {
        let counts = block_on(store.counts()).unwrap();
        let mailboxes = block_on(store.mailboxes(None, 9)).unwrap();
        let files = database.with(async |database| {
            let chunks = database.collection::<Document>("bodies.chunks");
            chunks.count_documents(doc! {}).await.unwrap()
        });
        (counts.messages, mailboxes.len(), files) == (1, 1, 1)
    });
    assert!(block_on(store.raw(kept)).unwrap().is_some());
    block_on(store.close()).unwrap();
}

/// Retention is the business of one: it deletes, and tells the server to delete what is an hour older.
#[test]
fn only_the_elected_instance_prunes_and_sets_the_age_of_the_index() {
    let Some(database) = Database::new() else { return };
    let (one, two) = (store::open(&database.options()), store::open(&database.options()));
    let (one, two) = (one.unwrap(), two.unwrap());
    block_on(put(&*one, b"Subject: x\r\n\r\n", "ann@b.example"));
    let now = mongodb::bson::DateTime::now().timestamp_millis();
    let too_old = now - 3 * 86_400_000;
    let keep = RetentionLimits { received_from_ms: Some(too_old), ..RetentionLimits::default() };
    let prune = |store: &dyn Store| block_on(store.prune(keep)).unwrap();
    let age = || {
        database.with(async |database| {
            let mut indexes =
                database.collection::<Document>("messages").list_indexes().await.unwrap();
            while let Some(index) = indexes.try_next().await.unwrap() {
                if index.keys.contains_key("received") {
                    return index.options.unwrap().expire_after.unwrap().as_secs();
                }
            }
            panic!("there is no index by date");
        })
    };
    let pruned = [prune(&*one), prune(&*two)];
    let (elected, other) = match pruned {
        [1, 0] => (&one, &two),
        [0, 1] => (&two, &one),
        _ => panic!("{pruned:?}"),
    };
    // Within the hour that the server leaves to the elected instance.
    block_on(put_at(&**other, b"Subject: y\r\n\r\n", "ann@b.example", too_old - 1_800_000));
    assert_eq!(prune(&**other), 0);
    assert_eq!(prune(&**elected), 1);
    let expected = 3 * 86_400 + 3_600;
    assert!(age().abs_diff(expected) < 60, "{}", age());
    block_on(one.close()).unwrap();
    block_on(two.close()).unwrap();
}
