//! The conformance suite of stores: every case runs on every backend.
//!
//! The memory store is the reference: it is too simple to be wrong in the same way. What only a store
//! in a folder can do wrong stands in `folder`.

// A test says by a panic that it failed.
#![allow(clippy::unwrap_used, clippy::panic)]

mod admin;
mod annexes;
mod contract;
mod folder;
mod scope;
mod search_agrees;

use std::sync::Arc;

use smol::future::{block_on, poll_once};
use smtpd::{
    id::MessageId,
    message::{
        Address, Summary,
        search::{self, Field, Term, Test},
    },
    store::{
        self, Change, Counts, Error, Filter, Kind, Left, Options, Query, Raw, Record,
        RetentionLimits, Selection, Store,
    },
    wire::{Envelope, ForwardPath, Tls},
};

/// A store and the folder that it lives in, if it does.
struct Place {
    options: Options,
    store: Arc<dyn Store>,
    folder: tempfile::TempDir,
    #[cfg(feature = "mongodb")]
    database: Option<crate::mongo::Database>,
}

/// Runs a case on every backend; a failure names the backend.
fn everywhere(case: impl AsyncFn(&Place)) {
    #[cfg(feature = "mongodb")]
    on_mongodb(&[("mongodb", 128 * 1024, true), ("mongodb, bodies in GridFS", 100, true)], &case);
    here(case);
}

/// The same for a case of many searches: reading hundreds of bodies from GridFS for each takes too long.
fn everywhere_searched(case: impl AsyncFn(&Place)) {
    #[cfg(feature = "mongodb")]
    on_mongodb(&[("mongodb", 10_000, true), ("mongodb, no index", 10_000, false)], &case);
    here(case);
}

#[cfg(feature = "mongodb")]
fn on_mongodb(variants: &[(&str, usize, bool)], case: &impl AsyncFn(&Place)) {
    for &(name, inline_limit, index) in variants {
        let Some(database) = crate::mongo::Database::new() else { break };
        let folder = tempfile::tempdir().unwrap();
        let options = Options { inline_limit, index, ..database.options() };
        let store = store::open(&options).unwrap();
        run(name, case, Place { options, store, folder, database: Some(database) });
    }
}

fn here(case: impl AsyncFn(&Place)) {
    for (name, kind, inline_limit, index) in [
        ("memory", Kind::Memory, 0, false),
        ("sqlite", Kind::Sqlite, 128 * 1024, true),
        ("sqlite, bodies in files", Kind::Sqlite, 100, true),
        ("sqlite, no index", Kind::Sqlite, 128 * 1024, false),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data");
        let options = Options { kind, inline_limit, index, path, ..Options::default() };
        let store = store::open(&options).unwrap();
        let place = Place {
            options,
            store,
            folder,
            #[cfg(feature = "mongodb")]
            database: None,
        };
        run(name, &case, place);
    }
}

fn run(name: &str, case: &impl AsyncFn(&Place), place: Place) {
    eprintln!("backend: {name}");
    block_on(case(&place));
    let _ = block_on(place.store.close());
    drop(place.folder);
}

impl Place {
    fn bodies(&self) -> usize {
        #[cfg(feature = "mongodb")]
        if let Some(database) = &self.database {
            return database.bodies();
        }
        std::fs::read_dir(self.options.path.join("bodies")).map_or(0, Iterator::count)
    }

    /// Files are removed aside, so this may take a moment.
    async fn no_bodies(&self) {
        within(|| async { self.bodies() == 0 }).await;
    }

    async fn caught_up(&self) {
        within(|| async { self.counts().await.index_lag == 0 }).await;
    }

    async fn counts(&self) -> Counts {
        self.store.counts().await.unwrap()
    }

    async fn all(&self) -> Vec<Record> {
        self.page(search::Query::default(), None, None, usize::MAX).await.0
    }

    async fn page(
        &self,
        search: search::Query,
        mailbox: Option<&str>,
        before: Option<MessageId>,
        limit: usize,
    ) -> (Vec<Record>, bool) {
        let mailbox = mailbox.map(str::to_owned);
        let page =
            self.store.list(Query { search, mailbox, before, skip: 0, limit }).await.unwrap();
        (page.records, page.more)
    }
}

/// Fails if something does not come true in ten seconds.
async fn within(condition: impl AsyncFn() -> bool) {
    // A machine that builds beside the tests is slow; nothing here is measured.
    for _ in 0..6000 {
        if condition().await {
            return;
        }
        smol::Timer::after(std::time::Duration::from_millis(10)).await;
    }
    panic!("it did not come true");
}

fn envelope(to: &[&str], received_ms: i64) -> Envelope {
    let path =
        |address: &&str| ForwardPath { address: (*address).into(), ..ForwardPath::default() };
    Envelope {
        reverse_path: "sender@a.example".into(),
        forward_paths: to.iter().map(path).collect(),
        received_ms,
        ..Envelope::default()
    }
}

async fn put_raw(store: &dyn Store, raw: &[u8], chunk: usize, to: &[&str]) -> Arc<Record> {
    let mut draft = store.begin().await.unwrap();
    for piece in raw.chunks(chunk) {
        draft.write(piece).await.unwrap();
    }
    let summary = Summary { size: raw.len() as u64, ..Summary::default() };
    draft.commit(envelope(to, 1_000), summary).await.unwrap()
}

async fn put(store: &dyn Store, text: &str) -> MessageId {
    put_raw(store, &mail(text), 64, &["ann@b.example"]).await.id
}

fn mail(text: &str) -> Vec<u8> {
    format!("Content-Type: text/plain\r\n\r\n{text}\r\n").into_bytes()
}

fn octets(raw: &Raw) -> Vec<u8> {
    let mut all = vec![0; raw.len() as usize + 10];
    let mut length = 0;
    loop {
        match raw.read_at(&mut all[length..], length as u64).unwrap() {
            0 => break,
            more => length += more,
        }
    }
    all.truncate(length);
    all
}

/// Octets that look like nothing, NUL among them.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let step = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (0..length).map(step).collect()
}

fn ids(records: &[Record]) -> Vec<MessageId> {
    records.iter().map(|record| record.id).collect()
}

/// A search for these words, as a person would type them.
fn words(text: &str) -> Term {
    phrase(search::words(text).collect())
}

/// A search for exactly these words, folded or not.
fn phrase(words: Vec<String>) -> Term {
    let test = Test::Words { fields: &Field::ALL, words, prefix: false };
    Term { negated: false, test }
}

fn find(terms: impl IntoIterator<Item = Term>) -> search::Query {
    search::Query { terms: terms.into_iter().collect() }
}

fn is(test: Test) -> Term {
    Term { negated: false, test }
}

fn not(term: Term) -> Term {
    Term { negated: true, ..term }
}

#[test]
fn what_is_stored_is_what_came() {
    everywhere(async |place| {
        let bodies: Vec<Vec<u8>> = vec![
            Vec::new(),
            b"\0".to_vec(),
            noise(100),
            noise(101),
            b"a\r\n.\r\n\0\xff\n\r".to_vec(),
            noise(128 * 1024),
            noise(128 * 1024 + 1),
            noise(5_000_000),
        ];
        for (number, body) in bodies.iter().enumerate() {
            let chunk = [1024, 7, 70_001, 1_048_576][number % 4];
            let record = put_raw(&*place.store, body, chunk, &["x@y.example"]).await;
            let raw = place.store.raw(record.id).await.unwrap().unwrap();
            assert_eq!(raw.len(), body.len() as u64);
            assert!(octets(&raw) == *body, "body {number}");
            assert_eq!(place.store.get(record.id).await.unwrap().as_ref(), Some(&*record));
            assert_eq!(record.summary.size, body.len() as u64);
        }
        let stored: usize = bodies.iter().map(Vec::len).sum();
        assert_eq!(place.counts().await.bytes, stored as u64);
        assert_eq!(place.counts().await.messages, bodies.len() as u64);
    });
}

#[test]
fn the_inline_limit_is_exact() {
    everywhere(async |place| {
        if place.options.inline_limit != 100 {
            return;
        }
        put_raw(&*place.store, &noise(100), 33, &[]).await;
        assert_eq!(place.bodies(), 0);
        put_raw(&*place.store, &noise(101), 33, &[]).await;
        assert_eq!(place.bodies(), 1);
    });
}

#[test]
fn envelope_and_summary_come_back_whole() {
    everywhere(async |place| {
        let address =
            |name: &str| vec![Address { name: name.into(), address: "ä@b.example".into() }];
        let sent = Envelope {
            helo: "client".into(),
            client: "[2001:db8::1]:2525".parse().ok(),
            auth_user: Some("Änn".into()),
            tls: Some(Tls { version: "TLSv1.3".into(), ..Tls::default() }),
            esmtp: true,
            ..envelope(&["One@b.example", "two@b.example"], 7)
        };
        let shown = Summary {
            subject: "Grüße \u{0} \"'".into(),
            from: address("A"),
            to: address("B"),
            date_ms: Some(-1),
            attachments: vec!["a.pdf".into(), String::new()],
            snippet: "…".into(),
            ..Summary::default()
        };
        let draft = place.store.begin().await.unwrap();
        let record = draft.commit(sent.clone(), shown.clone()).await.unwrap();
        let found = place.store.get(record.id).await.unwrap().unwrap();
        assert_eq!((&found.envelope, &found.summary), (&sent, &shown));
        assert_eq!(place.all().await, [found]);
    });
}

#[test]
fn unknown_ids_are_not_found() {
    everywhere(async |place| {
        let id = MessageId::from_bytes([7; 12]);
        assert!(place.store.get(id).await.unwrap().is_none());
        assert!(place.store.raw(id).await.unwrap().is_none());
        assert_eq!(place.store.delete(Selection::Ids(vec![id])).await, Ok(0));
        let change = Change::Read(true);
        assert_eq!(place.store.change(Selection::Ids(vec![id]), change).await, Ok(vec![]));
    });
}

#[test]
fn a_dropped_draft_leaves_nothing() {
    everywhere(async |place| {
        for length in [50, 5_000_000] {
            let body = noise(length);
            let mut draft = place.store.begin().await.unwrap();
            for piece in body.chunks(100_000) {
                draft.write(piece).await.unwrap();
            }
            drop(draft);
            // Given up in the middle of a write, too.
            let mut draft = place.store.begin().await.unwrap();
            let _ = poll_once(draft.write(&body)).await;
            drop(draft);
        }
        place.no_bodies().await;
        assert_eq!(place.counts().await.messages, 0);
        assert!(place.all().await.is_empty());
    });
}

#[test]
fn ids_grow_in_the_order_of_commits() {
    everywhere(async |place| {
        let mut listed = Vec::new();
        let producers: Vec<_> = (0..64)
            .map(|_| {
                let store = place.store.clone();
                std::thread::spawn(move || {
                    let mut own = Vec::new();
                    for _ in 0..5 {
                        own.push(block_on(put(&*store, "x")));
                    }
                    own
                })
            })
            .collect();
        // Meanwhile somebody looks: what is there once is never preceded by something new.
        while producers.iter().any(|producer| !producer.is_finished()) {
            listed.push(ids(&place.all().await));
        }
        let mut given = Vec::new();
        for producer in producers {
            let own = producer.join().unwrap();
            assert!(own.is_sorted_by(|a, b| a < b));
            given.extend(own);
        }
        let all = ids(&place.all().await);
        assert!(all.is_sorted_by(|a, b| a > b));
        given.sort_by(|a, b| b.cmp(a));
        assert_eq!(all, given);
        for earlier in listed {
            assert!(all.ends_with(&earlier), "an id came in below one that was listed");
        }
    });
}

#[test]
fn paging_while_mail_arrives_neither_skips_nor_repeats() {
    everywhere(async |place| {
        let mut first = Vec::new();
        for _ in 0..25 {
            first.insert(0, put(&*place.store, "x").await);
        }
        let (mut before, mut seen) = (None, Vec::new());
        loop {
            let (records, more) = place.page(find([]), None, before, 4).await;
            assert!(records.len() <= 4);
            seen.extend(ids(&records));
            put(&*place.store, "meanwhile").await;
            if !more {
                break;
            }
            before = seen.last().copied();
            // The key of the next page need not exist any more.
            place.store.delete(Selection::Ids(vec![before.unwrap()])).await.unwrap();
        }
        assert_eq!(seen, first);
    });
}

#[test]
fn pages_say_truly_whether_more_follows() {
    everywhere(async |place| {
        let empty = place.page(find([]), None, None, 3).await;
        assert_eq!(empty, (vec![], false));
        for _ in 0..3 {
            put(&*place.store, "x").await;
        }
        for (limit, length, more) in [(0, 0, true), (2, 2, true), (3, 3, false), (4, 3, false)] {
            let (records, says) = place.page(find([]), None, None, limit).await;
            assert_eq!((records.len(), says), (length, more), "limit {limit}");
        }
        let oldest = place.all().await[2].id;
        assert_eq!(place.page(find([]), None, Some(oldest), 3).await, (vec![], false));
        let low = MessageId::from_bytes([0; 12]);
        assert_eq!(place.page(find([]), None, Some(low), 3).await, (vec![], false));
        let high = MessageId::from_bytes([255; 12]);
        assert_eq!(place.page(find([]), None, Some(high), 3).await.0.len(), 3);
    });
}

#[test]
fn mailboxes_do_not_care_for_case_and_count_a_message_once() {
    everywhere(async |place| {
        let store = &*place.store;
        let one = put_raw(store, b"x", 9, &["Ann@B.example", "bob@b.example"]).await.id;
        let two = put_raw(store, b"x", 9, &["ann@b.example", "ANN@b.example."]).await.id;
        let three = put_raw(store, b"x", 9, &[]).await.id;
        let page = async |name| ids(&place.page(find([]), Some(name), None, 9).await.0);
        assert_eq!(page("aNN@b.example").await, [two, one]);
        assert_eq!(page("bob@b.example").await, [one]);
        assert_eq!(page("nobody@b.example").await, []);
        let listed = async || {
            let list = store.mailboxes(None, 9).await.unwrap();
            list.into_iter().map(|m| (m.name, m.messages, m.unread)).collect::<Vec<_>>()
        };
        let entry = |name: &str, messages, unread| (name.to_owned(), messages, unread);
        assert_eq!(listed().await, [entry("ann@b.example", 2, 2), entry("bob@b.example", 1, 1)]);
        store.change(Selection::Ids(vec![one, three]), Change::Read(true)).await.unwrap();
        assert_eq!(listed().await, [entry("ann@b.example", 2, 1), entry("bob@b.example", 1, 0)]);
        let after = store.mailboxes(Some("ANN@b.example".into()), 9).await.unwrap();
        assert_eq!(after.len(), 1);
        assert_eq!(store.mailboxes(None, 1).await.unwrap().len(), 1);
        store.delete(Selection::Ids(vec![one])).await.unwrap();
        assert_eq!(listed().await, [entry("ann@b.example", 1, 1)]);
        let unread = put(store, "x").await;
        assert_eq!(listed().await, [entry("ann@b.example", 2, 2)]);
        store.delete(Selection::Ids(vec![unread])).await.unwrap();
        assert_eq!(listed().await, [entry("ann@b.example", 1, 1)]);
        store.delete(Selection::All).await.unwrap();
        assert_eq!(listed().await, []);
    });
}

#[test]
fn mailbox_pages_go_on_where_they_stopped() {
    everywhere(async |place| {
        let mut mine = Vec::new();
        for number in 0..20 {
            let to = if number % 3 == 0 { "me@b.example" } else { "you@b.example" };
            let id = put_raw(&*place.store, &mail("common"), 99, &[to]).await.id;
            if number % 3 == 0 {
                mine.insert(0, id);
            }
        }
        for search in [find([]), find([words("common")]), find([is(Test::Read(false))])] {
            let (mut before, mut seen) = (None, Vec::new());
            loop {
                let (records, more) =
                    place.page(search.clone(), Some("me@b.example"), before, 2).await;
                seen.extend(ids(&records));
                before = seen.last().copied();
                if !more {
                    break;
                }
            }
            assert_eq!(seen, mine, "{search:?}");
        }
    });
}

#[test]
fn changes_tell_what_really_changed() {
    everywhere(async |place| {
        let store = &*place.store;
        let (one, two) = (put(store, "1").await, put(store, "2").await);
        let change = async |which: &Selection, change: &Change| {
            let mut ids = store.change(which.clone(), change.clone()).await.unwrap();
            ids.sort();
            ids
        };
        let both = Selection::Ids(vec![one, two]);
        let first = Selection::Ids(vec![one]);
        for (there, back) in [
            (Change::Read(true), Change::Read(false)),
            (Change::Starred(true), Change::Starred(false)),
            (Change::Tag("Work".into()), Change::Untag("work ".into())),
        ] {
            assert_eq!(change(&first, &there).await, [one], "{there:?}");
            assert_eq!(change(&first, &there).await, [], "{there:?} again");
            assert_eq!(change(&both, &there).await, [two], "{there:?}");
            assert_eq!(change(&both, &back).await, [one, two], "{back:?}");
            assert_eq!(change(&both, &back).await, [], "{back:?} again");
            assert_eq!(change(&Selection::All, &there).await, [one, two], "{there:?}");
            assert_eq!(change(&Selection::All, &there).await, [], "{there:?} again");
            let nobody = matching(find([]), Some("no@b.example"));
            assert_eq!(change(&nobody, &back).await, [], "{back:?}");
            let all = matching(find([]), Some("ann@b.example"));
            assert_eq!(change(&all, &back).await, [one, two], "{back:?}");
        }
    });
}

#[test]
fn totals_follow_every_change() {
    everywhere(async |place| {
        let store = &*place.store;
        let one = put_raw(store, &noise(300), 99, &["a@b.example"]).await.id;
        let two = put_raw(store, &noise(50), 99, &["a@b.example"]).await.id;
        let counts = async || {
            let Counts { messages, unread, bytes, .. } = place.counts().await;
            (messages, unread, bytes)
        };
        assert_eq!(counts().await, (2, 2, 350));
        store.change(Selection::Ids(vec![one]), Change::Read(true)).await.unwrap();
        assert_eq!(counts().await, (2, 1, 350));
        store.change(Selection::Ids(vec![one, two]), Change::Read(true)).await.unwrap();
        assert_eq!(counts().await, (2, 0, 350));
        store.change(Selection::Ids(vec![one]), Change::Read(false)).await.unwrap();
        assert_eq!(counts().await, (2, 1, 350));
        assert_eq!(store.delete(Selection::Ids(vec![one, one])).await, Ok(1));
        assert_eq!(counts().await, (1, 0, 50));
        assert_eq!(store.delete(Selection::All).await, Ok(1));
        assert_eq!(counts().await, (0, 0, 0));
    });
}

#[test]
fn tags_are_sorted_counted_and_found() {
    everywhere(async |place| {
        let store = &*place.store;
        let (one, two) = (put(store, "1").await, put(store, "2").await);
        let tag = async |id, tag: &str| {
            store.change(Selection::Ids(vec![id]), Change::Tag(tag.into())).await.unwrap()
        };
        for name in ["zeta", "Alpha", " beta"] {
            assert_eq!(tag(one, name).await, [one]);
        }
        assert_eq!(tag(two, "ALPHA").await, [two]);
        assert_eq!(tag(two, "  ").await, []);
        let record = store.get(one).await.unwrap().unwrap();
        assert_eq!(record.tags, ["alpha", "beta", "zeta"]);
        let listed = async || {
            let list = store.tags().await.unwrap();
            list.into_iter().map(|tag| (tag.name, tag.messages, tag.unread)).collect::<Vec<_>>()
        };
        let entry = |name: &str, messages, unread| (name.to_owned(), messages, unread);
        let want = [entry("alpha", 2, 2), entry("beta", 1, 1), entry("zeta", 1, 1)];
        assert_eq!(listed().await, want);
        store.change(Selection::Ids(vec![two]), Change::Read(true)).await.unwrap();
        assert_eq!(listed().await[0], entry("alpha", 2, 1));
        let found = async |terms: Vec<Term>| ids(&place.page(find(terms), None, None, 9).await.0);
        assert_eq!(found(vec![is(Test::Tag("alpha".into()))]).await, [two, one]);
        assert_eq!(found(vec![not(is(Test::Tag("beta".into())))]).await, [two]);
        assert_eq!(found(vec![not(is(Test::Tag("none".into())))]).await, [two, one]);
        assert_eq!(found(vec![is(Test::Tag("none".into()))]).await, []);
        let both = ["alpha", "zeta"].map(|tag| is(Test::Tag(tag.into())));
        assert_eq!(found(both.to_vec()).await, [one]);
        store.change(Selection::All, Change::Untag("alpha".into())).await.unwrap();
        assert_eq!(found(vec![is(Test::Tagged)]).await, [one]);
        assert_eq!(found(vec![not(is(Test::Tagged))]).await, [two]);
        store.delete(Selection::Ids(vec![one])).await.unwrap();
        assert_eq!(listed().await, []);
    });
}

#[test]
fn who_leaves_a_mailbox_stays_in_the_others() {
    everywhere(async |place| {
        let store = &*place.store;
        let both =
            put_raw(store, &mail("both"), 99, &["ann@example.org", "bob@example.org"]).await.id;
        let ann = put_raw(store, &mail("ann"), 99, &["Ann@Example.org"]).await.id;
        let bob = put_raw(store, &mail("bob"), 99, &["bob@example.org"]).await.id;
        let unknown = MessageId::from_bytes([7; 12]);
        let leave = async |ids: &[MessageId], name: &str| {
            store.leave(ids.to_vec(), name.to_owned()).await.unwrap()
        };
        // Who is not in it stays as it is, and so does everybody where there is no such mailbox.
        assert_eq!(leave(&[bob, unknown], "ann@example.org").await, Left::default());
        assert_eq!(leave(&[both, ann, bob], "nobody@example.org").await, Left::default());
        let left = leave(&[both, ann, bob, unknown], "ANN@example.org").await;
        assert_eq!((left.ids, left.deleted), (vec![both], vec![ann]));
        assert_eq!(leave(&[both], "ann@example.org").await, Left::default());
        let named = async |name| ids(&place.page(find([]), Some(name), None, 9).await.0);
        assert_eq!(named("ann@example.org").await, []);
        assert_eq!(named("bob@example.org").await, [bob, both]);
        assert_eq!(ids(&place.all().await), [bob, both]);
        let mailboxes = store.mailboxes(None, 9).await.unwrap();
        let mailboxes: Vec<_> = mailboxes.iter().map(|it| (&*it.name, it.messages)).collect();
        assert_eq!(mailboxes, [("bob@example.org", 2)]);
        assert_eq!(place.counts().await.messages, 2);
        // What the envelope says stays as it was said.
        let record = store.get(both).await.unwrap().unwrap();
        assert_eq!(record.envelope.forward_paths.len(), 2);
        assert!(store.get(ann).await.unwrap().is_none());
        assert_eq!(leave(&[both], "bob@example.org").await.deleted, [both]);
        assert_eq!(ids(&place.all().await), [bob]);
    });
}

#[test]
fn a_mailbox_and_a_tag_of_the_same_name_are_two_things() {
    everywhere(async |place| {
        let id = put_raw(&*place.store, b"x", 9, &["work"]).await.id;
        let other = put(&*place.store, "x").await;
        let tag = Change::Tag("work".into());
        place.store.change(Selection::Ids(vec![other]), tag).await.unwrap();
        assert_eq!(ids(&place.page(find([]), Some("work"), None, 9).await.0), [id]);
        let tagged = find([is(Test::Tag("work".into()))]);
        assert_eq!(ids(&place.page(tagged, None, None, 9).await.0), [other]);
    });
}

#[test]
fn a_search_is_complete_at_once() {
    everywhere_searched(async |place| {
        for number in 0..200 {
            let id = put(&*place.store, &format!("common only{number}")).await;
            let one = place.page(find([words(&format!("only{number}"))]), None, None, 9).await;
            assert_eq!(ids(&one.0), [id]);
            let (records, _) = place.page(find([words("common")]), None, None, 500).await;
            assert_eq!(records.len(), number + 1);
        }
        place.caught_up().await;
        let (records, more) = place.page(find([words("common")]), None, None, 50).await;
        assert_eq!((records.len(), more), (50, true));
    });
}

#[test]
fn every_readable_part_is_searched_at_once() {
    let message = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n\
        --b\r\nContent-Type: multipart/alternative; boundary=a\r\n\r\n\
        --a\r\n\r\nplainly shared\r\n\
        --a\r\nContent-Type: text/html\r\n\r\n<p class=markup>Shared <b>unsubscribe</b></p>\r\n\
        --a--\r\n\
        --b\r\n\r\nfooter\r\n\
        --b\r\nContent-Disposition: attachment; filename=list.txt\r\n\r\nunseen\r\n\
        --b\r\nContent-Type: message/rfc822\r\n\r\nSubject: old\r\n\r\nforwarded\r\n\
        --b--\r\n";
    everywhere(async |place| {
        let id = put_raw(&*place.store, message, 64, &["ann@b.example"]).await.id;
        put(&*place.store, "nothing of the kind").await;
        let found = async |text| ids(&place.page(find([words(text)]), None, None, 9).await.0);
        // Read from the message at first, from the index then, where there is one.
        for _ in 0..2 {
            for text in ["plainly", "unsubscribe", "shared unsubscribe", "footer", "forwarded"] {
                assert_eq!(found(text).await, [id], "{text}");
            }
            for text in ["unseen", "markup"] {
                assert_eq!(found(text).await, [], "{text}");
            }
            place.caught_up().await;
        }
    });
}

#[test]
fn hostile_words_are_only_words() {
    everywhere(async |place| {
        let id = put(&*place.store, "near and or not größe 日本語 x1").await;
        place.caught_up().await;
        let found = async |text| ids(&place.page(find([words(text)]), None, None, 9).await.0);
        for text in ["near", "and", "or", "not", "near and or", "größe", "日本語", "x1"] {
            assert_eq!(found(text).await, [id], "{text}");
        }
        let found = async |text: &str| {
            let raw = phrase(text.split(' ').map(str::to_owned).collect());
            place.page(find([not(raw.clone())]), None, None, 9).await;
            ids(&place.page(find([raw]), None, None, 9).await.0)
        };
        for text in [
            "\"",
            "'",
            "*",
            "x*",
            "^x1",
            "-x1",
            "subject:x1",
            "{subject}",
            "near(x1",
            "x1)",
            "and not",
            "AND",
            "x1\"",
            "gro",
            "\0",
            "x1 OR x1",
            "(",
            "+",
        ] {
            assert_eq!(found(text).await, [], "{text}");
        }
    });
}

#[test]
fn a_filter_of_nothing_is_none() {
    assert_eq!(Filter::new(find([]), None), None);
    assert_eq!(Filter::new(find([]), Some(" .".into())), None);
    assert!(Filter::new(find([words("spam")]), None).is_some());
}

/// Messages that match, in this mailbox if one is given.
fn matching(search: search::Query, mailbox: Option<&str>) -> Selection {
    Selection::Matching(Filter::new(search, mailbox.map(str::to_owned)).unwrap())
}

#[test]
fn deleting_what_matches_deletes_nothing_else() {
    everywhere(async |place| {
        let store = &*place.store;
        let mut kept = Vec::new();
        for number in 0..40 {
            let id = put(store, if number % 2 == 0 { "spam eggs" } else { "ham eggs" }).await;
            if number % 2 == 1 {
                kept.insert(0, id);
            }
        }
        let which = matching(find([words("spam")]), Some("ANN@b.example"));
        assert_eq!(store.delete(which.clone()).await, Ok(20));
        assert_eq!(store.delete(which).await, Ok(0));
        assert_eq!(ids(&place.all().await), kept);
        place.caught_up().await;
        assert_eq!(ids(&place.page(find([words("eggs")]), None, None, 99).await.0), kept);
    });
}

#[test]
fn a_message_from_the_future_does_not_keep_what_came_after_it() {
    everywhere(async |place| {
        let mut all = Vec::new();
        for received_ms in [1000, 9000, 2000, 8000] {
            let mut draft = place.store.begin().await.unwrap();
            draft.write(&noise(20)).await.unwrap();
            let envelope = envelope(&["a@b.example"], received_ms);
            all.push(draft.commit(envelope, Summary::default()).await.unwrap().id);
        }
        let keep = RetentionLimits { received_from_ms: Some(5000), ..RetentionLimits::default() };
        // Of several instances one prunes, and it is not known at once which.
        let deleted = std::sync::atomic::AtomicU64::new(0);
        within(|| async {
            let more = place.store.prune(keep).await.unwrap();
            deleted.fetch_add(more, std::sync::atomic::Ordering::SeqCst) + more == 2
        })
        .await;
        assert_eq!(ids(&place.all().await), [all[3], all[1]]);
    });
}

#[test]
fn prune_deletes_the_oldest_until_each_bound_holds() {
    everywhere(async |place| {
        let fill = async || {
            place.store.delete(Selection::All).await.unwrap();
            let mut all = Vec::new();
            for number in 0..10 {
                let mut draft = place.store.begin().await.unwrap();
                draft.write(&noise(200)).await.unwrap();
                let envelope = envelope(&["a@b.example"], number * 1000);
                all.push(draft.commit(envelope, Summary::default()).await.unwrap().id);
            }
            all
        };
        for (keep, deleted) in [
            (RetentionLimits::default(), 0),
            (RetentionLimits { messages: Some(10), ..RetentionLimits::default() }, 0),
            (RetentionLimits { messages: Some(4), ..RetentionLimits::default() }, 6),
            (RetentionLimits { messages: Some(0), ..RetentionLimits::default() }, 10),
            (RetentionLimits { bytes: Some(2000), ..RetentionLimits::default() }, 0),
            (RetentionLimits { bytes: Some(1999), ..RetentionLimits::default() }, 1),
            (RetentionLimits { bytes: Some(0), ..RetentionLimits::default() }, 10),
            (RetentionLimits { received_from_ms: Some(3000), ..RetentionLimits::default() }, 3),
            (RetentionLimits { received_from_ms: Some(3001), ..RetentionLimits::default() }, 4),
            (
                RetentionLimits {
                    received_from_ms: Some(3000),
                    messages: Some(5),
                    bytes: Some(900),
                },
                6,
            ),
        ] {
            let mut all = fill().await;
            assert_eq!(place.store.prune(keep).await, Ok(deleted as u64), "{keep:?}");
            all.drain(..deleted);
            all.reverse();
            assert_eq!(ids(&place.all().await), all, "{keep:?}");
        }
    });
}

#[test]
fn a_body_stays_readable_while_its_message_is_deleted() {
    everywhere(async |place| {
        let body = noise(300_000);
        let id = put_raw(&*place.store, &body, 9999, &[]).await.id;
        let raw = place.store.raw(id).await.unwrap().unwrap();
        place.store.delete(Selection::All).await.unwrap();
        place.no_bodies().await;
        assert!(octets(&raw) == body);
        assert!(place.store.raw(id).await.unwrap().is_none());
    });
}

#[test]
fn after_close_everything_is_closed() {
    everywhere(async |place| {
        let store = &*place.store;
        let id = put(store, "x").await;
        let mut late = store.begin().await.unwrap();
        late.write(b"x").await.unwrap();
        assert_eq!(store.close().await, Ok(()));
        let late = late.commit(envelope(&[], 0), Summary::default()).await;
        assert_eq!(late.err(), Some(Error::Closed));
        assert_eq!(store.begin().await.err(), Some(Error::Closed));
        assert_eq!(store.get(id).await.err(), Some(Error::Closed));
        assert_eq!(store.raw(id).await.err(), Some(Error::Closed));
        let query = Query { limit: 1, ..Query::default() };
        assert_eq!(store.list(query).await.err(), Some(Error::Closed));
        let changed = store.change(Selection::All, Change::Read(true)).await;
        assert_eq!(changed.err(), Some(Error::Closed));
        assert_eq!(store.delete(Selection::All).await.err(), Some(Error::Closed));
        assert_eq!(store.delete(Selection::Ids(vec![])).await.err(), Some(Error::Closed));
        assert_eq!(store.prune(RetentionLimits::default()).await.err(), Some(Error::Closed));
        assert_eq!(store.counts().await.err(), Some(Error::Closed));
        assert_eq!(store.mailboxes(None, 1).await.err(), Some(Error::Closed));
        assert_eq!(store.tags().await.err(), Some(Error::Closed));
        assert_eq!(store.close().await, Err(Error::Closed));
    });
}

#[test]
fn a_full_memory_store_says_so_and_has_room_again() {
    let options = Options { kind: Kind::Memory, memory_max_bytes: 10_000, ..Options::default() };
    let store = store::open(&options).unwrap();
    block_on(async {
        let id = put_raw(&*store, &noise(8000), 999, &[]).await.id;
        let mut draft = store.begin().await.unwrap();
        assert_eq!(draft.write(&noise(1500)).await, Err(Error::Full));
        draft.write(&noise(900)).await.unwrap();
        let refused = draft.commit(envelope(&[], 0), Summary::default()).await;
        assert_eq!(refused.err(), Some(Error::Full));
        assert_eq!(ids(&store.list(everything()).await.unwrap().records), [id]);
        store.delete(Selection::All).await.unwrap();
        put_raw(&*store, &noise(8900), 999, &[]).await;
    });
}

fn everything() -> Query {
    Query { limit: usize::MAX, ..Query::default() }
}
