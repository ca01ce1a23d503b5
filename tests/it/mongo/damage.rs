//! Octets in MongoDB that are not those that were received: `smtpd check` names them, and nobody is shown
//! them to their end.

use mongodb::bson::{Binary, Document, doc, oid::ObjectId, spec::BinarySubtype};
use smol::{future::block_on, stream::StreamExt as _};
use smtpd::{
    id::MessageId,
    message::Scanner,
    store::{self, Options, Store},
    wire::Envelope,
};

use super::server::Database;

const CHUNK: usize = 255 * 1024;

async fn put(store: &dyn Store, raw: &[u8]) -> MessageId {
    let mut draft = store.begin().await.unwrap();
    let mut scanner = Scanner::new(1_000);
    for piece in raw.chunks(100_000) {
        scanner.push(piece);
        draft.write(piece).await.unwrap();
    }
    draft.commit(Envelope::default(), scanner.finish().summary).await.unwrap().id
}

/// A message of so many octets, each part of which is like no other.
fn message(name: &str, size: usize) -> Vec<u8> {
    let mut octets = format!("Subject: {name}\r\n\r\n").into_bytes();
    for line in 0.. {
        if octets.len() >= size {
            return octets;
        }
        octets.extend_from_slice(format!("{line:08} {name}\r\n").as_bytes());
    }
    octets
}

/// All octets that are given; the error that ends them, if one does.
fn read(store: &dyn Store, id: MessageId) -> (Vec<u8>, Option<String>) {
    let raw = match block_on(store.raw(id)) {
        Ok(raw) => raw.unwrap(),
        Err(error) => return (Vec::new(), Some(error.to_string())),
    };
    let (mut octets, mut piece) = (Vec::new(), vec![0; 100_000]);
    loop {
        match raw.read_at(&mut piece, octets.len() as u64) {
            Ok(0) => return (octets, None),
            Ok(taken) => octets.extend_from_slice(&piece[..taken]),
            Err(error) => return (octets, Some(error.to_string())),
        }
    }
}

async fn one(database: &mongodb::Database, id: MessageId) -> Document {
    let this = doc! { "_id": ObjectId::from_bytes(*id.as_bytes()) };
    database.collection::<Document>("messages").find_one(this).await.unwrap().unwrap()
}

/// Changes an octet of the body in the document.
async fn flip_inline(database: &mongodb::Database, id: MessageId) {
    let document = one(database, id).await;
    let mut bytes = document.get_binary_generic("raw").unwrap().clone();
    *bytes.last_mut().unwrap() ^= 1;
    let raw = Binary { subtype: BinarySubtype::Generic, bytes };
    let this = doc! { "_id": document.get_object_id("_id").unwrap() };
    let messages = database.collection::<Document>("messages");
    messages.update_one(this, doc! { "$set": { "raw": raw } }).await.unwrap();
}

/// Changes the chunk of this number of the body in the bucket.
async fn change_chunk(
    database: &mongodb::Database,
    id: MessageId,
    n: i32,
    change: impl FnOnce(&mut Document),
) {
    let file = one(database, id).await.get_object_id("file").unwrap();
    let chunks = database.collection::<Document>("bodies.chunks");
    let this = doc! { "files_id": file, "n": n };
    let mut chunk = chunks.find_one_and_delete(this).await.unwrap().unwrap();
    change(&mut chunk);
    if !chunk.is_empty() {
        chunks.insert_one(chunk).await.unwrap();
    }
}

fn flip_chunk(chunk: &mut Document) {
    let mut bytes = chunk.get_binary_generic("data").unwrap().clone();
    bytes[77] ^= 1;
    chunk.insert("data", Binary { subtype: BinarySubtype::Generic, bytes });
}

#[test]
fn what_is_damaged_is_named_and_not_shown_to_its_end() {
    let Some(database) = Database::new() else { return };
    let options = Options { inline_limit: 10_000, ..database.options() };
    let store = store::open(&options).unwrap();
    let names = ["small", "flipped", "missing", "renumbered", "shorter", "of another"];
    let sizes = [900, 3 * CHUNK, 6 * CHUNK, 6 * CHUNK, 2 * CHUNK, 2 * CHUNK];
    let whole = message("whole", 5 * CHUNK);
    let good = [block_on(put(&*store, b"Subject: x\r\n\r\nx")), block_on(put(&*store, &whole))];
    let sent: Vec<_> = names.iter().zip(sizes).map(|(name, size)| message(name, size)).collect();
    let ids: Vec<_> = sent.iter().map(|octets| block_on(put(&*store, octets))).collect();
    let before = store::check(&options).unwrap();
    assert_eq!((before.messages, before.faults), (8, Vec::new()));
    assert_eq!(before.bytes, 15 + (whole.len() + sent.iter().map(Vec::len).sum::<usize>()) as u64);
    database.with(async |database| {
        flip_inline(&database, ids[0]).await;
        change_chunk(&database, ids[1], 2, flip_chunk).await;
        change_chunk(&database, ids[2], 1, Document::clear).await;
        change_chunk(&database, ids[3], 5, |chunk| drop(chunk.insert("n", 9))).await;
        change_chunk(&database, ids[4], 1, |chunk| {
            let mut bytes = chunk.get_binary_generic("data").unwrap().clone();
            bytes.pop();
            chunk.insert("data", Binary { subtype: BinarySubtype::Generic, bytes });
        })
        .await;
        let other = one(&database, ids[4]).await.get_object_id("file").unwrap();
        let this = doc! { "_id": ObjectId::from_bytes(*ids[5].as_bytes()) };
        let update = doc! { "$set": { "file": other } };
        database.collection::<Document>("messages").update_one(this, update).await.unwrap();
    });
    let checked = store::check(&options).unwrap();
    assert_eq!((checked.messages, checked.fault_count), (8, 6), "{:?}", checked.faults);
    for (id, fault) in ids.iter().zip(&checked.faults) {
        assert!(fault.starts_with(&format!("message {id}: ")), "{fault}");
    }
    for ((id, sent), name) in ids.iter().zip(&sent).zip(names) {
        let (octets, error) = read(&*store, *id);
        assert!(error.is_some_and(|error| error.contains("damaged")), "{name}");
        assert!(octets.len() < sent.len(), "{name}: all of it is shown");
    }
    assert!(read(&*store, good[1]) == (whole, None));
    assert_eq!(read(&*store, good[0]).1, None);
    block_on(store.close()).unwrap();
}

#[test]
fn messages_without_a_sum_are_still_good_and_those_that_are_deleted_meanwhile_no_fault() {
    let Some(database) = Database::new() else { return };
    let options = Options { inline_limit: 10_000, ..database.options() };
    let store = store::open(&options).unwrap();
    let large = message("large", 2 * CHUNK);
    let ids = [block_on(put(&*store, b"Subject: x\r\n\r\nx")), block_on(put(&*store, &large))];
    database.with(async |database| {
        let messages = database.collection::<Document>("messages");
        messages.update_many(doc! {}, doc! { "$unset": { "crc": 1 } }).await.unwrap();
        // The place of one that was answered 451.
        messages.insert_one(doc! { "gone": mongodb::bson::DateTime::now() }).await.unwrap();
        let mut found = messages.find(doc! { "crc": { "$exists": true } }).await.unwrap();
        assert!(found.next().await.is_none());
    });
    let checked = store::check(&options).unwrap();
    assert_eq!((checked.messages, checked.faults), (2, Vec::new()));
    assert!(read(&*store, ids[1]) == (large, None));
    block_on(store.close()).unwrap();
}

#[test]
fn a_check_makes_nothing() {
    let Some(database) = Database::new() else { return };
    let checked = store::check(&database.options()).unwrap();
    assert_eq!((checked.messages, checked.faults), (0, Vec::new()));
    let names = database.with(async |database| database.list_collection_names().await.unwrap());
    assert_eq!(names, Vec::<String>::new());
}
