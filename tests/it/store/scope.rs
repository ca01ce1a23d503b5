//! Who may see what, on every store: what left a mailbox is gone for the one whose mailbox it was. And a migration
//! does not bring it back.

use std::sync::Arc;

use smtpd::{
    bus::{Bus, Event, Heard},
    id::MessageId,
    mail::{Mail, Scope, Watch},
    migrate,
    store::{self, Change, Kind, Options, Selection, Store},
};

use super::{everywhere, ids, mail, put_raw};

const BOTH: [&str; 2] = ["Ann@b.example", "bob@b.example"];

fn ann() -> Scope {
    Scope::Mailbox("ann@b.example".into())
}

fn bob() -> Scope {
    Scope::Mailbox("bob@b.example".into())
}

/// What is told of a message until all is gone.
async fn told(mut watch: Watch, id: MessageId) -> Vec<&'static str> {
    let mut told = Vec::new();
    loop {
        let Heard::Events(_, events) = watch.next(9).await else { panic!("missed") };
        for event in events {
            match event {
                Event::Changed { ids, .. } if ids[..] == [id] => told.push("changed"),
                Event::Deleted { ids } if ids[..] == [id] => told.push("gone"),
                Event::Emptied => return told,
                other => panic!("{other:?}"),
            }
        }
    }
}

#[test]
fn what_left_a_mailbox_cannot_be_had_there_by_its_id() {
    everywhere(async |place| {
        let bus = Bus::new(64);
        let service = Mail::new(place.store.clone(), bus.clone());
        let id = put_raw(&*place.store, &mail("x"), 99, &BOTH).await.id;
        let one = || Selection::Ids(vec![id]);
        let watches = [ann(), bob()].map(|scope| service.watch(&scope, None));
        assert_eq!(service.leave(&ann(), vec![id]).await, Ok(1));
        for (scope, sees) in [(ann(), false), (bob(), true), (Scope::All, true)] {
            assert_eq!(service.get(&scope, id).await.unwrap().is_some(), sees, "{scope:?}");
            assert_eq!(service.raw(&scope, id).await.unwrap().is_some(), sees, "{scope:?}");
            assert_eq!(service.load(&scope, id).await.unwrap().is_some(), sees, "{scope:?}");
            let prefix = service.load_prefix(&scope, id).await.unwrap();
            assert_eq!(prefix.is_some(), sees, "{scope:?}");
            let change = Change::Tag(format!("of {scope:?}"));
            assert_eq!(service.change(&scope, one(), change).await, Ok(sees.into()), "{scope:?}");
        }
        let record = place.store.get(id).await.unwrap().unwrap();
        assert_eq!((record.left, record.tags.len()), (vec!["ann@b.example".to_owned()], 2));
        assert_eq!(record.envelope.forward_paths.len(), 2);
        assert_eq!(place.all().await[0].left, ["ann@b.example"]);
        // It left Ann's mailbox, and what is done to it after that is not hers to know.
        bus.publish(Event::Emptied);
        let [of_ann, of_bob] = watches;
        assert_eq!(told(of_ann, id).await, ["gone"]);
        assert_eq!(told(of_bob, id).await, ["changed"; 3]);
        assert_eq!(service.delete(&ann(), one()).await, Ok(0));
        assert_eq!(service.delete(&bob(), one()).await, Ok(1));
    });
}

/// A message in Bob's mailbox that left Ann's, with a mark, a tag, an annotation and a note beside it.
async fn fill(store: &dyn Store) -> MessageId {
    let id = put_raw(store, &mail("x"), 99, &BOTH).await.id;
    let one = || Selection::Ids(vec![id]);
    store.change(one(), Change::Read(true)).await.unwrap();
    store.change(one(), Change::Tag("blue".into())).await.unwrap();
    store.leave(vec![id], "ann@b.example".into()).await.unwrap();
    store.annotate(id, "spf".into(), Some("pass".into())).await.unwrap();
    for number in 0..9 {
        store.set_note(format!("sink/{number}"), Some(vec![number])).await.unwrap();
    }
    id
}

async fn migrated(from: &dyn Store, to: &dyn Store, id: MessageId) {
    to.set_note("sink/8".into(), Some(b"its own".to_vec())).await.unwrap();
    // Twice: an interruption may come anywhere, and in between somebody may have been at work there.
    for again in [false, true] {
        migrate::run(from, to, 1, |_, _| {}).await.unwrap();
        assert_eq!(to.annotations(id).await.unwrap()["spf"], if again { "fail" } else { "pass" });
        to.annotate(id, "spf".into(), Some("fail".into())).await.unwrap();
    }
    let query = |mailbox: &str| store::Query {
        mailbox: Some(mailbox.to_owned()),
        limit: 9,
        ..store::Query::default()
    };
    let listed = async |name: &str| ids(&to.list(query(name)).await.unwrap().records);
    assert_eq!(listed("ann@b.example").await, []);
    assert_eq!(listed("bob@b.example").await, [id]);
    let there = to.get(id).await.unwrap().unwrap();
    let here = from.get(id).await.unwrap().unwrap();
    assert_eq!(there, store::Record { uid: there.uid, ..here });
    assert_eq!(to.note("sink/3".into()).await.unwrap(), Some(vec![3]));
    assert_eq!(to.note("sink/8".into()).await.unwrap(), Some(b"its own".to_vec()));
}

fn sqlite(folder: &tempfile::TempDir) -> Arc<dyn Store> {
    let options = Options { kind: Kind::Sqlite, path: folder.path().into(), ..Options::default() };
    store::open(&options).unwrap()
}

#[test]
fn a_migration_brings_nothing_back_into_a_mailbox_that_it_left() {
    everywhere(async |place| {
        let folder = tempfile::tempdir().unwrap();
        let other = sqlite(&folder);
        let id = fill(&*other).await;
        migrated(&*other, &*place.store, id).await;
        other.close().await.unwrap();
    });
    everywhere(async |place| {
        let folder = tempfile::tempdir().unwrap();
        let other = sqlite(&folder);
        let id = fill(&*place.store).await;
        migrated(&*place.store, &*other, id).await;
        other.close().await.unwrap();
    });
}
