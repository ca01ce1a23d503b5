//! What a store has to do for those who follow its mail: the order of commits, counts, annotations and notes.

use std::{collections::HashSet, sync::atomic::AtomicBool, sync::atomic::Ordering::SeqCst};

use smol::future::block_on;
use smtpd::{
    id::MessageId,
    message::search::{Field, Query as Search, Test},
    store::{Change, Cursor, Error, Kind, Query, Selection, Store},
};

use super::{Place, everything, everywhere, find, ids, is, mail, noise, not, put, put_raw, words};

/// Everything behind a place, in pieces, and the place behind it.
async fn follow(
    store: &dyn Store,
    mut cursor: Option<Cursor>,
    limit: usize,
) -> (Vec<MessageId>, Option<Cursor>) {
    let mut seen = Vec::new();
    loop {
        let batch = store.after(cursor.take(), limit).await.unwrap();
        assert!(batch.records.len() <= limit);
        seen.extend(ids(&batch.records));
        assert!(seen.len() < 10_000, "it does not end");
        // As one does who keeps it over a restart.
        cursor = batch.next.map(|next| Cursor::from(next.to_string()));
        if !batch.more {
            return (seen, cursor);
        }
    }
}

#[test]
fn mail_is_followed_in_the_order_of_commits() {
    everywhere(async |place| {
        let store = &*place.store;
        assert_eq!(follow(store, None, 3).await.0, []);
        let mut all = Vec::new();
        for _ in 0..10 {
            all.push(put(store, "x").await);
        }
        let middle = store.end().await.unwrap();
        for limit in [1, 3, 10, 11, usize::MAX] {
            let (seen, end) = follow(store, None, limit).await;
            assert_eq!(seen, all, "limit {limit}");
            assert_eq!(follow(store, end, limit).await.0, [], "limit {limit}");
        }
        let none = store.after(None, 0).await.unwrap();
        assert_eq!((none.records.len(), none.more), (0, true));
        assert_eq!(follow(store, none.next, 4).await.0, all);
        // What is deleted is passed over, whether it was the last that was seen or comes next.
        let (seen, cursor) = follow(store, None, 4).await;
        assert_eq!(seen, all);
        let more = [put(store, "y").await, put(store, "z").await];
        store.delete(Selection::Ids(vec![all[9], more[0]])).await.unwrap();
        assert_eq!(follow(store, cursor, 4).await.0, [more[1]]);
        assert_eq!(follow(store, Some(middle), 4).await.0, [more[1]]);
        store.delete(Selection::All).await.unwrap();
        assert_eq!(follow(store, None, 4).await.0, []);
        let end = store.end().await.unwrap();
        let last = put(store, "after all was deleted").await;
        assert_eq!(follow(store, Some(end), 4).await.0, [last]);
    });
}

#[test]
fn several_messages_are_had_with_one_question() {
    everywhere(async |place| {
        let store = &*place.store;
        let mut all = Vec::new();
        for _ in 0..3 {
            all.push(put(store, "x").await);
        }
        store.delete(Selection::Ids(vec![all[1]])).await.unwrap();
        let found = store.get_all(vec![all[2], all[1], all[0]]).await.unwrap();
        assert_eq!(ids(&found), [all[2], all[0]]);
        assert_eq!(Some(&found[1]), store.get(all[0]).await.unwrap().as_ref());
        assert!(store.get_all(Vec::new()).await.unwrap().is_empty());
    });
}

#[test]
fn who_follows_a_crowd_misses_nothing_and_sees_nothing_twice() {
    everywhere(async |place| {
        let is_over = AtomicBool::new(false);
        let (given, seen) = std::thread::scope(|threads| {
            let producers: Vec<_> = (0..16)
                .map(|_| {
                    let store = place.store.clone();
                    threads.spawn(move || {
                        let each = |_| block_on(put(&*store, "x"));
                        (0..8).map(each).collect::<Vec<_>>()
                    })
                })
                .collect();
            let follower = threads.spawn(|| {
                let (mut seen, mut cursor) = (Vec::new(), None);
                loop {
                    let was_over = is_over.load(SeqCst);
                    let (more, next) = block_on(follow(&*place.store, cursor, 5));
                    (seen, cursor) = ([seen, more].concat(), next);
                    if was_over {
                        return seen;
                    }
                }
            });
            let given: Vec<_> = producers.into_iter().flat_map(|it| it.join().unwrap()).collect();
            is_over.store(true, SeqCst);
            (given, follower.join().unwrap())
        });
        assert_eq!(seen.len(), given.len());
        assert_eq!(seen.iter().collect::<HashSet<_>>(), given.iter().collect());
        assert!(seen.is_sorted(), "one instance gives ids in the order of commits");
    });
}

#[test]
fn numbers_of_messages_grow_and_are_never_given_again() {
    everywhere(async |place| {
        let store = &*place.store;
        let mut last = 0;
        let mut given = async |place: &Place| {
            let stored = put_raw(&*place.store, &noise(300), 99, &["ann@b.example"]).await;
            let found = place.store.get(stored.id).await.unwrap().unwrap();
            assert_eq!(found.uid, stored.uid);
            assert_eq!(place.all().await[0].uid, stored.uid);
            match stored.uid {
                Some(uid) => {
                    assert!(uid.get() > last, "{uid} behind {last}");
                    last = uid.get();
                }
                // Only where several instances store at the same time.
                None => assert_eq!(place.options.kind, Kind::Mongodb),
            }
            stored.id
        };
        given(place).await;
        let newest = given(place).await;
        store.delete(Selection::Ids(vec![newest])).await.unwrap();
        given(place).await;
        store.delete(Selection::All).await.unwrap();
        given(place).await;
    });
}

#[test]
fn a_place_in_the_order_of_another_store_is_refused() {
    everywhere(async |place| {
        put_raw(&*place.store, &mail("x"), 99, &[]).await;
        for text in ["", "x", "0.0", "7.", ".7", "7.x", "000000000000000a.1", "é.é"] {
            let refused = place.store.after(Some(text.to_owned().into()), 9).await.err();
            assert!(matches!(refused, Some(Error::Invalid(_))), "{text}: {refused:?}");
        }
    });
}

#[cfg(feature = "mongodb")]
#[test]
fn what_an_instance_took_in_is_read_by_another_when_it_is_gone() {
    let Some(database) = crate::mongo::Database::new() else { return };
    let open = || smtpd::store::open(&database.options()).unwrap();
    let (one, other) = (open(), open());
    block_on(async {
        let mine = [put(&*one, "1").await, put(&*one, "2").await];
        put(&*other, "of the other").await;
        let mine = [mine[0], mine[1], put(&*one, "3").await];
        let (seen, end) = follow(&*one, None, 2).await;
        assert_eq!(seen, mine);
        assert!(end.is_some(), "more may follow");
        let begin = one.after(None, 0).await.unwrap().next;
        // Of an instance that lives only itself knows how far it is.
        assert_eq!(follow(&*other, begin.clone(), 2).await, (vec![], begin.clone()));
        let last = put(&*one, "4").await;
        one.close().await.unwrap();
        assert_eq!(follow(&*other, end, 2).await, (vec![last], None));
        let all = [&mine[..], &[last]].concat();
        assert_eq!(follow(&*other, begin, 2).await, (all, None));
        other.close().await.unwrap();
    });
}

/// Searches of every kind: counts that are kept, facts, words, and what only reading the message tells.
fn searches() -> Vec<Search> {
    let tag = |name: &str| is(Test::Tag(name.into()));
    let signs = Test::Signs { fields: &Field::ALL, signs: "🎉".into() };
    vec![
        find([]),
        find([is(Test::Read(true))]),
        find([not(is(Test::Read(true)))]),
        find([tag("Blue")]),
        find([tag("blue"), is(Test::Read(false))]),
        find([not(tag("blue"))]),
        find([tag("blue"), tag("none")]),
        find([is(Test::Starred)]),
        find([words("common")]),
        find([words("common"), is(Test::Read(false))]),
        find([not(words("even"))]),
        find([is(signs)]),
        find([words("nowhere")]),
    ]
}

#[test]
fn a_count_is_that_of_the_list_and_what_is_skipped_is_left_out() {
    everywhere(async |place| {
        let store = &*place.store;
        let mut all = Vec::new();
        for number in 0..23 {
            let to = if number % 3 == 0 { "me@b.example" } else { "you@b.example" };
            let text = if number % 2 == 0 { "common even" } else { "common odd 🎉" };
            all.push(put_raw(store, &mail(text), 99, &[to]).await.id);
        }
        let some = |step: usize| Selection::Ids(all.iter().step_by(step).copied().collect());
        store.change(some(4), Change::Read(true)).await.unwrap();
        store.change(some(5), Change::Tag("blue".into())).await.unwrap();
        store.change(some(7), Change::Starred(true)).await.unwrap();
        for search in searches() {
            for (mailbox, before) in [
                (None, None),
                (Some("ME@b.example"), None),
                (Some("nobody@b.example"), None),
                (None, Some(all[15])),
                (Some("you@b.example"), Some(all[15])),
            ] {
                let mailbox = mailbox.map(str::to_owned);
                let whole = Query { search: search.clone(), mailbox, before, ..everything() };
                let wanted = ids(&store.list(whole.clone()).await.unwrap().records);
                for (skip, limit) in
                    [(0, usize::MAX), (0, 3), (3, 4), (0, 0), (22, 9), (23, 9), (999, 9)]
                {
                    let query = Query { skip, limit, ..whole.clone() };
                    let page = store.list(query.clone()).await.unwrap();
                    let rest = wanted.get(skip..).unwrap_or_default();
                    let on_page = &rest[..limit.min(rest.len())];
                    assert_eq!(ids(&page.records), on_page, "{query:?}");
                    assert_eq!(page.more, rest.len() > limit, "{query:?}");
                    let count = store.count(query.clone()).await.unwrap();
                    assert_eq!(count, on_page.len() as u64, "{query:?}");
                }
            }
        }
    });
}
