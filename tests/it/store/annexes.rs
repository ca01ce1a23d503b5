//! What a store keeps beside the octets: annotations of a message, and notes that belong to none.

use std::collections::BTreeMap;

use smol::future::block_on;
use smtpd::{
    id::MessageId,
    store::{
        self, Error, Kind, LARGEST_ANNOTATION, LARGEST_NOTE, Note, Options, RetentionLimits,
        Selection, Store,
    },
};

use super::{Place, everywhere, mail, put, put_raw};

async fn annotate(store: &dyn Store, id: MessageId, name: &str, value: Option<&str>) -> bool {
    store.annotate(id, name.to_owned(), value.map(str::to_owned)).await.unwrap()
}

fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn what_was_learnt_of_a_message_stays_with_it() {
    everywhere(async |place| {
        let store = &*place.store;
        let (one, two) = (put(store, "1").await, put(store, "2").await);
        let unknown = MessageId::from_bytes([7; 12]);
        let of = async |id| store.annotations(id).await.unwrap();
        assert_eq!(of(one).await, map(&[]));
        assert!(annotate(store, one, "spf", Some("pass")).await);
        assert!(!annotate(store, one, "spf", Some("pass")).await, "the same again");
        assert!(annotate(store, one, "dkim", Some("{\"d\": \"$x\"}")).await);
        assert!(annotate(store, one, "spf", Some("fail")).await);
        assert!(annotate(store, two, "$spf.a", Some("")).await);
        assert!(annotate(store, two, "left", Some("a word of our own")).await);
        assert!(!annotate(store, unknown, "spf", Some("pass")).await);
        assert_eq!(of(one).await, map(&[("dkim", "{\"d\": \"$x\"}"), ("spf", "fail")]));
        assert_eq!(of(two).await, map(&[("$spf.a", ""), ("left", "a word of our own")]));
        assert_eq!(of(unknown).await, map(&[]));
        assert!(annotate(store, one, "spf", None).await);
        assert!(!annotate(store, one, "spf", None).await);
        assert_eq!(of(one).await, map(&[("dkim", "{\"d\": \"$x\"}")]));
        // A message is the same with them and without.
        assert_eq!(store.get(two).await.unwrap().unwrap(), place.all().await[0]);
        store.delete(Selection::Ids(vec![one])).await.unwrap();
        assert_eq!(of(one).await, map(&[]));
        assert!(!annotate(store, one, "spf", Some("late")).await);
        store.delete(Selection::All).await.unwrap();
        assert_eq!(of(two).await, map(&[]));
    });
}

#[test]
fn what_left_a_mailbox_keeps_what_was_learnt() {
    everywhere(async |place| {
        let store = &*place.store;
        let id = put_raw(store, &mail("x"), 99, &["ann@b.example", "bob@b.example"]).await.id;
        annotate(store, id, "left", Some("x")).await;
        store.leave(vec![id], "ann@b.example".into()).await.unwrap();
        assert_eq!(store.annotations(id).await.unwrap(), map(&[("left", "x")]));
        annotate(store, id, "left", None).await;
        assert_eq!(store.leave(vec![id], "ann@b.example".into()).await.unwrap().ids, []);
        assert!(store.get(id).await.unwrap().is_some());
    });
}

#[test]
fn names_and_values_have_bounds() {
    everywhere(async |place| {
        let store = &*place.store;
        let id = put(store, "x").await;
        let long = |length| "x".repeat(length);
        assert!(annotate(store, id, &long(200), Some(&long(LARGEST_ANNOTATION))).await);
        store.set_note(long(200), Some(vec![0xff; LARGEST_NOTE])).await.unwrap();
        let note = store.note(long(200)).await.unwrap();
        assert!(note == Some(vec![0xff; LARGEST_NOTE]));
        for (name, value) in
            [(long(0), long(1)), (long(201), long(1)), (long(1), long(LARGEST_ANNOTATION + 1))]
        {
            let refused = store.annotate(id, name, Some(value)).await.err();
            assert!(matches!(refused, Some(Error::Invalid(_))), "{refused:?}");
        }
        for (key, length) in [(long(0), 1), (long(201), 1), (long(1), LARGEST_NOTE + 1)] {
            let refused = store.set_note(key, Some(vec![0; length])).await.err();
            assert!(matches!(refused, Some(Error::Invalid(_))), "{refused:?}");
        }
        assert_eq!(store.notes(String::new(), None, 9).await.unwrap().len(), 1);
    });
}

#[test]
fn notes_are_found_by_key_and_by_its_beginning() {
    everywhere(async |place| {
        let store = &*place.store;
        let set = async |key: &str, value: Option<&[u8]>| {
            store.set_note(key.to_owned(), value.map(<[u8]>::to_vec)).await.unwrap();
        };
        let get = async |key: &str| store.note(key.to_owned()).await.unwrap();
        let keys = async |prefix: &str, after: Option<&str>, limit| {
            let notes = store.notes(prefix.to_owned(), after.map(str::to_owned), limit).await;
            notes.unwrap().into_iter().map(|note: Note| note.key).collect::<Vec<_>>()
        };
        assert_eq!(keys("", None, 9).await, [""; 0]);
        for key in ["sink/b", "sink/a", "sink/é", "sinks", "layout", "$x.y", "+", "sink"] {
            set(key, Some(key.as_bytes())).await;
        }
        assert_eq!(get("layout").await.as_deref(), Some(&b"layout"[..]));
        assert_eq!(get("none").await, None);
        let all = ["$x.y", "+", "layout", "sink", "sink/a", "sink/b", "sink/é", "sinks"];
        assert_eq!(keys("", None, 99).await, all);
        assert_eq!(keys("sink/", None, 99).await, ["sink/a", "sink/b", "sink/é"]);
        assert_eq!(keys("sink/", None, 2).await, ["sink/a", "sink/b"]);
        assert_eq!(keys("sink/", Some("sink/a"), 1).await, ["sink/b"]);
        assert_eq!(keys("sink/", Some("sink/é"), 9).await, [""; 0]);
        assert_eq!(keys("sink/", Some("a"), 0).await, [""; 0]);
        assert_eq!(keys("x", None, 9).await, [""; 0]);
        set("sink/a", Some(b"\0\xff")).await;
        assert_eq!(get("sink/a").await.as_deref(), Some(&b"\0\xff"[..]));
        set("sink/a", None).await;
        set("none", None).await;
        assert_eq!(get("sink/a").await, None);
        set("empty", Some(b"")).await;
        assert_eq!(get("empty").await.as_deref(), Some(&b""[..]));
        // They are not of the mail.
        put(store, "x").await;
        store.delete(Selection::All).await.unwrap();
        assert_eq!(keys("sink/", None, 99).await, ["sink/b", "sink/é"]);
    });
}

#[test]
fn after_close_nothing_is_kept_beside_the_mail() {
    everywhere(async |place| {
        let store = &*place.store;
        let id = put(store, "x").await;
        store.close().await.unwrap();
        assert_eq!(store.after(None, 9).await.err(), Some(Error::Closed));
        assert_eq!(store.end().await.err(), Some(Error::Closed));
        assert_eq!(store.count(super::everything()).await.err(), Some(Error::Closed));
        let set = store.annotate(id, "a".into(), Some("b".into())).await;
        assert_eq!(set.err(), Some(Error::Closed));
        assert_eq!(store.annotations(id).await.err(), Some(Error::Closed));
        assert_eq!(store.set_note("a".into(), None).await.err(), Some(Error::Closed));
        assert_eq!(store.note("a".into()).await.err(), Some(Error::Closed));
        assert_eq!(store.notes("a".into(), None, 9).await.err(), Some(Error::Closed));
    });
}

/// Fills a folder with a message that has an annotation, and a note; the message.
async fn fill(store: &dyn Store) -> MessageId {
    put(store, "one").await;
    let id = put(store, "two").await;
    annotate(store, id, "spf", Some("pass")).await;
    store.set_note("sink/a".into(), Some(b"a cursor".to_vec())).await.unwrap();
    id
}

async fn expect_filled(store: &dyn Store, id: MessageId) {
    assert_eq!(store.annotations(id).await.unwrap(), map(&[("spf", "pass")]));
    assert_eq!(store.note("sink/a".into()).await.unwrap().as_deref(), Some(&b"a cursor"[..]));
}

fn in_folder(path: &std::path::Path) -> Options {
    Options { path: path.to_owned(), ..Options::default() }
}

fn no_fault(checked: &store::CheckReport) {
    assert_eq!(checked.faults, [""; 0]);
}

#[test]
fn they_outlive_a_restart_a_backup_and_the_making_of_a_new_database() {
    let folder = tempfile::tempdir().unwrap();
    let (data, copy) = (in_folder(&folder.path().join("data")), folder.path().join("copy"));
    let (id, place) = block_on(async {
        let store = store::open(&data).unwrap();
        let id = fill(&*store).await;
        let end = store.end().await.unwrap();
        store.close().await.unwrap();
        (id, end)
    });
    no_fault(&store::check(&data).unwrap());
    no_fault(&store::backup(&data, &copy).unwrap());
    let database = data.path.join("smtpd.db");
    let db = rusqlite::Connection::open(&database).unwrap();
    db.execute("UPDATE counters SET unread = 99", ()).unwrap();
    drop(db);
    let repaired = store::repair(&data).unwrap();
    assert!(repaired.faults.iter().any(|it| it.contains("made again")), "{:?}", repaired.faults);
    for options in [data, in_folder(&copy)] {
        no_fault(&store::check(&options).unwrap());
        block_on(async {
            let store = store::open(&options).unwrap();
            expect_filled(&*store, id).await;
            // A place in the order of commits is one there, too.
            let new = put(&*store, "new").await;
            let batch = store.after(Some(place.clone()), 9).await.unwrap();
            assert_eq!(super::ids(&batch.records), [new]);
            assert_eq!(batch.records[0].uid.unwrap().get(), 3);
            store.close().await.unwrap();
        });
    }
}

#[test]
fn a_damaged_annotation_or_note_is_told_and_given_up_alone() {
    for (sql, told) in [
        (
            "UPDATE notes SET value = value || x'00' WHERE name = '+sink/b'",
            "note sink/b is damaged",
        ),
        (
            "UPDATE annotations SET value = x'' WHERE name = '+dkim'",
            "annotation dkim of message number 2 is damaged",
        ),
        ("INSERT INTO annotations VALUES (77, '+spf', x'')", "annotations of nothing"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let data = in_folder(&folder.path().join("data"));
        let id = block_on(async {
            let store = store::open(&data).unwrap();
            let id = fill(&*store).await;
            annotate(&*store, id, "dkim", Some("pass")).await;
            store.set_note("sink/b".into(), Some(b"x".to_vec())).await.unwrap();
            store.close().await.unwrap();
            id
        });
        let db = rusqlite::Connection::open(data.path.join("smtpd.db")).unwrap();
        assert_eq!(db.execute(sql, ()).unwrap(), 1);
        drop(db);
        let checked = store::check(&data).unwrap();
        assert!(checked.faults.iter().any(|it| it.contains(told)), "{sql}: {:?}", checked.faults);
        block_on(async {
            let store = store::open(&data).unwrap();
            let either = (store.annotations(id).await, store.note("sink/b".into()).await);
            let is_lost =
                matches!(either, (Err(Error::Damaged(_)), _) | (_, Err(Error::Damaged(_))));
            assert_eq!(is_lost, !sql.starts_with("INSERT"), "{sql}: {either:?}");
            store.close().await.unwrap();
        });
        store::repair(&data).unwrap();
        no_fault(&store::check(&data).unwrap());
        block_on(async {
            let store = store::open(&data).unwrap();
            assert_eq!(store.annotations(id).await.unwrap()["spf"], "pass");
            assert!(store.note("sink/a".into()).await.unwrap().is_some());
            store.close().await.unwrap();
        });
    }
}

#[test]
fn what_retention_deletes_takes_its_annotations_with_it() {
    everywhere(async |place: &Place| {
        let store = &*place.store;
        let id = put(store, "x").await;
        annotate(store, id, "spf", Some("pass")).await;
        let keep = RetentionLimits { messages: Some(0), ..RetentionLimits::default() };
        // Of several instances one prunes, and it is not known at once which.
        super::within(|| async {
            store.prune(keep).await.unwrap();
            place.counts().await.messages == 0
        })
        .await;
        assert_eq!(store.annotations(id).await.unwrap(), map(&[]));
    });
}

#[test]
fn annotations_count_in_memory() {
    let options = Options { kind: Kind::Memory, memory_max_bytes: 10_000, ..Options::default() };
    let store = store::open(&options).unwrap();
    block_on(async {
        let id = put(&*store, "x").await;
        let set = async |length| store.annotate(id, "a".into(), Some("x".repeat(length))).await;
        assert_eq!(set(10_000).await, Err(Error::Full));
        for length in [8_000, 7_999, 8_000] {
            assert_eq!(set(length).await, Ok(true));
        }
        assert!(store.begin().await.unwrap().write(&[0; 3_000]).await.is_err());
        store.delete(Selection::All).await.unwrap();
        store.begin().await.unwrap().write(&[0; 9_999]).await.unwrap();
    });
}
