//! Every call of the service, for all mail and for one mailbox: what is outside of a scope is neither seen nor
//! changed.

use std::{sync::Arc, time::Duration};

use smol::{
    Timer,
    future::{block_on, or, poll_once},
};

use super::{Mail, Scope};
use crate::{
    bus::{Bus, Event, Heard, What},
    id::MessageId,
    message::search,
    store::{self, Change, Counts, Filter, Kind, Query, Record, Selection},
    wire::{Envelope, ForwardPath},
};

const ANN: &str = "ann@x.example";
const BOB: &str = "bob@x.example";

/// Longest wait for what is there already.
const PATIENCE: Duration = Duration::from_secs(20);

/// Three messages: to Ann, to Bob, and to both.
struct House {
    mail: Mail,
    bus: Arc<Bus>,
    ann: MessageId,
    bob: MessageId,
    both: MessageId,
}

impl House {
    async fn new(options: store::Options) -> Self {
        let bus = Bus::new(8);
        let mail = Mail::new(store::open(&options).unwrap(), bus.clone());
        let ann = deliver(&mail, &["Ann@X.example"]).await;
        let bob = deliver(&mail, &[BOB]).await;
        let both = deliver(&mail, &[BOB, ANN]).await;
        Self { mail, bus, ann, bob, both }
    }

    async fn in_memory() -> Self {
        Self::new(store::Options { kind: Kind::Memory, ..store::Options::default() }).await
    }

    fn ids(&self) -> [MessageId; 3] {
        [self.ann, self.bob, self.both]
    }

    async fn record(&self, id: MessageId) -> Record {
        self.mail.get(&Scope::All, id).await.unwrap().unwrap()
    }

    async fn listed(&self, scope: &Scope, q: &str, mailbox: Option<&str>) -> Vec<MessageId> {
        let search = searched(q);
        let query =
            Query { search, mailbox: mailbox.map(Into::into), limit: 9, ..Query::default() };
        let page = self.mail.list(scope, query).await.unwrap();
        page.records.iter().map(|record| record.id).collect()
    }

    /// What can be selected, and which of the three messages that are for all and for Ann.
    fn selections(&self) -> Vec<(Selection, Vec<MessageId>, Vec<MessageId>)> {
        let [ann, bob, both] = self.ids();
        let filter = |q: &str, mailbox: Option<&str>| {
            let search = searched(q);
            Selection::Matching(Filter::new(search, mailbox.map(Into::into)).unwrap())
        };
        vec![
            (Selection::All, vec![ann, bob, both], vec![ann, both]),
            (Selection::Ids(vec![ann, bob, both]), vec![ann, bob, both], vec![ann, both]),
            (Selection::Ids(vec![bob]), vec![bob], vec![]),
            (filter("subject:hello", None), vec![ann, bob, both], vec![ann, both]),
            (filter("", Some("ANN@x.example")), vec![ann, both], vec![ann, both]),
            (filter("subject:hello", Some(BOB)), vec![bob, both], vec![]),
        ]
    }
}

async fn deliver(mail: &Mail, to: &[&str]) -> MessageId {
    let mut incoming = mail.begin().await.unwrap();
    incoming.write(b"Subject: hello\r\n\r\nbody\r\n").await.unwrap();
    let path = |to: &&str| ForwardPath { address: (*to).into(), parameters: Vec::new() };
    let forward_paths = to.iter().map(path).collect();
    incoming.keep(Envelope { forward_paths, ..Envelope::default() }).await.unwrap().id
}

fn searched(q: &str) -> search::Query {
    if q.is_empty() { search::Query::default() } else { search::Query::parse(q).unwrap() }
}

fn ann() -> Scope {
    Scope::Mailbox(ANN.into())
}

/// Mailboxes without messages: one that nobody wrote to, and what is no mailbox.
fn nowhere() -> [Scope; 3] {
    ["carl@x.example", "", "Ann@X.example"].map(|name| Scope::Mailbox(name.into()))
}

#[test]
fn a_message_outside_of_the_scope_cannot_be_read() {
    block_on(async {
        let house = House::in_memory().await;
        let mail = &house.mail;
        for (scope, seen) in [(Scope::All, [true; 3]), (ann(), [true, false, true])]
            .into_iter()
            .chain(nowhere().map(|scope| (scope, [false; 3])))
        {
            for (id, is_seen) in house.ids().into_iter().zip(seen) {
                assert_eq!(mail.get(&scope, id).await.unwrap().is_some(), is_seen, "{scope:?}");
                assert_eq!(mail.raw(&scope, id).await.unwrap().is_some(), is_seen, "{scope:?}");
                assert_eq!(mail.load(&scope, id).await.unwrap().is_some(), is_seen, "{scope:?}");
                let prefix = mail.load_prefix(&scope, id).await.unwrap();
                assert_eq!(prefix.is_some(), is_seen, "{scope:?}");
            }
        }
    });
}

#[test]
fn a_list_is_that_of_the_scope() {
    block_on(async {
        let house = House::in_memory().await;
        let own = ann();
        let [ann, bob, both] = house.ids();
        assert_eq!(house.listed(&Scope::All, "", None).await, [both, bob, ann]);
        assert_eq!(house.listed(&Scope::All, "", Some(BOB)).await, [both, bob]);
        assert_eq!(house.listed(&own, "", None).await, [both, ann]);
        assert_eq!(house.listed(&own, "subject:hello", None).await, [both, ann]);
        assert_eq!(house.listed(&own, "", Some("Ann@X.example.")).await, [both, ann]);
        assert_eq!(house.listed(&own, "", Some(BOB)).await, []);
        for scope in nowhere() {
            assert_eq!(house.listed(&scope, "", None).await, [], "{scope:?}");
            assert_eq!(house.listed(&scope, "subject:hello", Some(ANN)).await, [], "{scope:?}");
        }
    });
}

#[test]
fn a_change_stays_inside_of_the_scope() {
    block_on(async {
        let cases = House::in_memory().await.selections().len();
        for case in 0..cases {
            for is_all in [true, false] {
                let house = House::in_memory().await;
                let (which, all, own) = house.selections().swap_remove(case);
                let (scope, wanted) = if is_all { (Scope::All, all) } else { (ann(), own) };
                let changed = house.mail.change(&scope, which.clone(), Change::Read(true)).await;
                assert_eq!(changed, Ok(wanted.len()), "{scope:?} {which:?}");
                for id in house.ids() {
                    let is_read = house.record(id).await.read;
                    assert_eq!(is_read, wanted.contains(&id), "{scope:?} {which:?}");
                }
                let deleted = house.mail.delete(&scope, which.clone()).await;
                assert_eq!(deleted, Ok(wanted.len() as u64), "{scope:?} {which:?}");
                for id in house.ids() {
                    let is_gone = house.mail.get(&Scope::All, id).await.unwrap().is_none();
                    assert_eq!(is_gone, wanted.contains(&id), "{scope:?} {which:?}");
                }
            }
        }
    });
}

#[test]
fn who_has_no_mailbox_changes_nothing() {
    block_on(async {
        let house = House::in_memory().await;
        for scope in nowhere() {
            for (which, ..) in house.selections() {
                let change = Change::Starred(true);
                assert_eq!(house.mail.change(&scope, which.clone(), change).await, Ok(0));
                assert_eq!(house.mail.delete(&scope, which).await, Ok(0), "{scope:?}");
            }
        }
        assert_eq!(house.listed(&Scope::All, "-is:starred", None).await.len(), 3);
    });
}

#[test]
fn totals_are_those_of_the_scope() {
    block_on(async {
        let house = House::in_memory().await;
        let mail = &house.mail;
        for (id, tag) in [(house.bob, "bobs"), (house.both, "shared"), (house.bob, "shared")] {
            let which = Selection::Ids(vec![id]);
            mail.change(&Scope::All, which, Change::Tag(tag.into())).await.unwrap();
        }
        let which = Selection::Ids(vec![house.ann]);
        mail.change(&Scope::All, which, Change::Read(true)).await.unwrap();

        let counts = async |scope: &Scope| {
            let Counts { messages, unread, bytes, .. } = mail.counts(scope).await.unwrap();
            (messages, unread, bytes > 0)
        };
        let named = |found: Vec<store::Mailbox>| -> Vec<_> {
            found.into_iter().map(|it| (it.name, it.messages, it.unread)).collect()
        };
        let mailboxes = async |scope: &Scope, after: Option<&str>, limit| {
            named(mail.mailboxes(scope, after.map(Into::into), limit).await.unwrap())
        };
        let tags = async |scope: &Scope| named(mail.tags(scope).await.unwrap());
        let row = |name: &str, messages, unread| (name.to_owned(), messages, unread);

        assert_eq!(counts(&Scope::All).await, (3, 2, true));
        assert_eq!(mailboxes(&Scope::All, None, 9).await, [row(ANN, 2, 1), row(BOB, 2, 2)]);
        assert_eq!(tags(&Scope::All).await, [row("bobs", 1, 1), row("shared", 2, 2)]);

        assert_eq!(counts(&ann()).await, (2, 1, false));
        assert_eq!(mailboxes(&ann(), None, 9).await, [row(ANN, 2, 1)]);
        assert_eq!(mailboxes(&ann(), Some("ann"), 9).await, [row(ANN, 2, 1)]);
        assert_eq!(mailboxes(&ann(), Some(ANN), 9).await, []);
        assert_eq!(mailboxes(&ann(), None, 0).await, []);
        assert_eq!(tags(&ann()).await, [row("shared", 1, 1)]);

        for scope in nowhere() {
            assert_eq!(counts(&scope).await, (0, 0, false), "{scope:?}");
            assert_eq!(mailboxes(&scope, None, 9).await, [], "{scope:?}");
            assert_eq!(tags(&scope).await, [], "{scope:?}");
        }
    });
}

#[test]
fn a_mailbox_is_found_behind_many_of_almost_its_name() {
    block_on(async {
        let house = House::in_memory().await;
        let others: Vec<_> = (0..200).map(|number| format!("ann@x.exampla{number}")).collect();
        let others: Vec<_> = others.iter().map(String::as_str).collect();
        deliver(&house.mail, &others).await;
        assert_eq!(house.mail.counts(&ann()).await.unwrap().messages, 2);
        let nobody = Scope::Mailbox("ann@x.exampld".into());
        assert_eq!(house.mail.counts(&nobody).await.unwrap().messages, 0);
    });
}

#[test]
fn an_event_tells_of_the_scope_only() {
    block_on(async {
        let house = House::in_memory().await;
        let [own, foreign, both] = house.ids();
        let mut all = house.mail.watch(&Scope::All, None);
        let mut watch = house.mail.watch(&ann(), None);
        let first = house.mail.next_event();
        deliver(&house.mail, &[BOB]).await;
        let new = deliver(&house.mail, &[ANN]).await;
        let everything = Selection::Ids(vec![foreign, both, own]);
        house.mail.change(&Scope::All, everything, Change::Starred(true)).await.unwrap();
        let which = Selection::Ids(vec![foreign]);
        house.mail.change(&Scope::All, which, Change::Read(true)).await.unwrap();
        house.bus.publish(Event::Reload);

        let Heard::Events(number, events) = all.next(9).await else { panic!("missed") };
        assert_eq!((number, events.len()), (first, 5));
        let mut told = Vec::new();
        for _ in 0..3 {
            let Heard::Events(number, events) = watch.next(9).await else { panic!("missed") };
            told.extend(
                events.into_iter().enumerate().map(|(at, event)| (number + at as u64, event)),
            );
        }
        let [(1, Event::New(record)), (2, Event::Changed { ids: changed, .. }), (4, Event::Reload)] =
            &told.into_iter().map(|(number, event)| (number - first, event)).collect::<Vec<_>>()[..]
        else {
            panic!("other events")
        };
        assert_eq!((record.id, &changed[..]), (new, &[both, own][..]));
        assert!(poll_once(watch.next(9)).await.is_none());
        let mut late = house.mail.watch(&ann(), Some(u64::MAX));
        assert!(matches!(late.next(9).await, Heard::Missed(_)));
    });
}

#[test]
fn a_watch_that_is_left_while_it_looks_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let options = store::Options { path: folder.path().into(), ..store::Options::default() };
    block_on(async {
        let house = House::new(options).await;
        let mut watch = house.mail.watch(&ann(), None);
        // The event is off the bus and the store is asked whose message that is, unless it has answered already.
        for attempt in 0..1_000 {
            let (which, change) = (Selection::Ids(vec![house.ann]), Change::Read(attempt % 2 == 0));
            house.mail.change(&Scope::All, which, change).await.unwrap();
            let at_once = poll_once(watch.next(9)).await;
            let was_left = at_once.is_none();
            let lost = async {
                Timer::after(PATIENCE).await;
                panic!("lost")
            };
            let heard = match at_once {
                Some(heard) => heard,
                None => or(watch.next(9), lost).await,
            };
            let Heard::Events(_, events) = heard else { panic!("missed") };
            assert!(matches!(&events[..], [Event::Changed { ids, .. }] if ids[..] == [house.ann]));
            if was_left {
                return;
            }
        }
        panic!("the store always answered at once");
    });
}

#[test]
fn a_message_leaves_the_mailbox_of_the_scope_alone() {
    block_on(async {
        let house = House::in_memory().await;
        let mut watch = house.bus.subscribe(None);
        let left = house.mail.leave(&ann(), house.ids().to_vec()).await.unwrap();
        assert_eq!(left, 2, "Bob's message is not in it");
        assert_eq!(house.listed(&ann(), "", None).await, []);
        assert_eq!(house.listed(&Scope::All, "", None).await, [house.both, house.bob]);
        let Some(Heard::Events(_, events)) = watch.try_next(9) else { panic!("nobody was told") };
        assert!(matches!(&events[..], [Event::Changed { ids, what }, Event::Deleted { ids: gone }]
            if **ids == [house.both] && *what == What::Left(ANN.into()) && **gone == [house.ann]));
        for scope in nowhere() {
            assert_eq!(house.mail.leave(&scope, vec![house.bob]).await.unwrap(), 0);
        }
        assert_eq!(house.mail.leave(&Scope::All, vec![house.bob]).await.unwrap(), 1);
        assert_eq!(house.listed(&Scope::All, "", None).await, [house.both]);
    });
}
