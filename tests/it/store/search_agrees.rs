//! Searches, generated: whatever a store answers must be what `Query::matches` says of every message.
//!
//! A fixed seed makes the messages and queries, so that a failure can be repeated.

use std::sync::Arc;

use smtpd::{
    id::MessageId,
    message::{
        Address, Scanner, Summary,
        search::{self, Document, Facts, Field, Query, Term, Test},
    },
    store::{Change, Record, Selection},
};

use super::{Place, envelope, everywhere_searched, find, ids, is, mail, not, words};

#[test]
fn every_search_agrees_with_reading_every_message() {
    everywhere_searched(async |place| {
        let mut dice = Dice(7);
        let mut kept = fill(place, &mut dice, 200).await;
        let queries: Vec<_> = (0..200).map(|_| query(&mut dice)).collect();
        // At once, while the index is somewhere on its way, after it arrived, and when it is behind.
        agree(place, &kept, &queries[..50]).await;
        place.caught_up().await;
        agree(place, &kept, &queries).await;
        forget_some(place, &mut kept).await;
        agree(place, &kept, &queries[..50]).await;
        kept.extend(fill(place, &mut dice, 100).await);
        agree(place, &kept, &queries).await;
        place.caught_up().await;
        agree(place, &kept, &queries).await;
    });
}

#[test]
fn negated_words_find_the_rest() {
    everywhere_searched(async |place| {
        let mut dice = Dice(3);
        let kept = fill(place, &mut dice, 60).await;
        place.caught_up().await;
        let with = all_pages(place, find([words("alpha")])).await;
        let without = all_pages(place, find([not(words("alpha"))])).await;
        assert!(!with.is_empty() && !without.is_empty());
        assert_eq!(with.len() + without.len(), kept.len());
        let none = find([words("alpha"), not(words("alpha"))]);
        assert_eq!(all_pages(place, none).await, []);
        let unread = find([not(words("alpha")), is(Test::Read(false))]);
        assert!(all_pages(place, unread).await.iter().all(|id| without.contains(id)));
    });
}

/// A message as brute force sees it.
struct Known {
    id: MessageId,
    document: Document,
}

async fn fill(place: &Place, dice: &mut Dice, count: usize) -> Vec<Known> {
    let mut all = Vec::new();
    for number in 0..count {
        let length = 5 + dice.below(40);
        let mut text: Vec<_> = (0..length).map(|_| dice.word()).collect();
        if dice.below(4) == 0 {
            text.push(SIGNS[dice.below(SIGNS.len())]);
        }
        let sign = if dice.below(4) == 0 { SIGNS[dice.below(SIGNS.len())] } else { "" };
        if number == 7 && count == 100 {
            // Longer than what is searched of a text.
            text.extend(std::iter::repeat_n("long", 250_000));
        }
        let raw = mail(&text.join(" "));
        let address = |dice: &mut Dice| {
            let address = format!("{}@{}.example", dice.word(), dice.word());
            vec![Address { name: dice.word().into(), address }]
        };
        let attachments = if dice.below(4) == 0 { vec!["alpha.pdf".into()] } else { vec![] };
        let summary = Summary {
            subject: format!("{} {}{sign}", dice.word(), dice.word()),
            from: address(dice),
            to: address(dice),
            attachments,
            inline_images: dice.below(3),
            size: raw.len() as u64,
            ..Summary::default()
        };
        let mut draft = place.store.begin().await.unwrap();
        draft.write(&raw).await.unwrap();
        let to = format!("{}@{}", dice.word(), DOMAINS[dice.below(DOMAINS.len())]);
        let envelope = envelope(&[&to], dice.below(1000) as i64);
        let record = draft.commit(envelope, summary).await.unwrap();
        for change in [
            Change::Read(true),
            Change::Starred(true),
            Change::Tag("red".into()),
            Change::Tag("blue".into()),
        ] {
            if dice.below(4) == 0 {
                let which = Selection::Ids(vec![record.id]);
                place.store.change(which, change).await.unwrap();
            }
        }
        all.push(known(&record, &raw));
    }
    all
}

fn known(record: &Arc<Record>, raw: &[u8]) -> Known {
    let mut scanner = Scanner::new(1 << 20);
    scanner.push(raw);
    let scanned = scanner.finish();
    let mut document = Document::with_signs(&record.envelope, &record.summary, scanned.texts());
    if scanned.is_cut {
        document.mark_cut(&[Field::Text]);
    }
    Known { id: record.id, document }
}

async fn forget_some(place: &Place, kept: &mut Vec<Known>) {
    let gone: Vec<_> = kept.iter().step_by(3).map(|known| known.id).collect();
    let deleted = place.store.delete(Selection::Ids(gone.clone())).await.unwrap();
    assert_eq!(deleted as usize, gone.len());
    kept.retain(|known| !gone.contains(&known.id));
}

async fn agree(place: &Place, kept: &[Known], queries: &[Query]) {
    let mut records = Vec::new();
    for known in kept {
        records.push((known, place.store.get(known.id).await.unwrap().unwrap()));
    }
    let mut hits = 0;
    for query in queries {
        let mut want: Vec<_> = records
            .iter()
            .filter(|(known, record)| query.matches(&known.document, &facts(record)))
            .map(|(known, _)| known.id)
            .collect();
        want.reverse();
        hits += want.len();
        assert_eq!(all_pages(place, query.clone()).await, want, "{query:?}");
    }
    assert!(hits > queries.len(), "the queries find too little to prove anything: {hits}");
}

/// All that is found, page by page.
async fn all_pages(place: &Place, query: Query) -> Vec<MessageId> {
    let (mut before, mut seen) = (None, Vec::new());
    loop {
        let (records, more) = place.page(query.clone(), None, before, 17).await;
        seen.extend(ids(&records));
        before = seen.last().copied();
        if !more {
            return seen;
        }
    }
}

fn facts(record: &Record) -> Facts<'_> {
    Facts {
        read: record.read,
        starred: record.starred,
        tags: &record.tags,
        forward_paths: &record.envelope.forward_paths,
        attachment: !record.summary.attachments.is_empty(),
        inline: record.summary.inline_images > 0,
        received_ms: record.envelope.received_ms,
        size: record.summary.size,
    }
}

fn query(dice: &mut Dice) -> Query {
    let terms =
        (0..1 + dice.below(3)).map(|_| Term { negated: dice.below(3) == 0, test: test(dice) });
    Query { terms: terms.collect() }
}

fn test(dice: &mut Dice) -> Test {
    match dice.below(20) {
        0 => Test::Read(dice.below(2) == 0),
        1 => Test::Starred,
        2 => Test::Tagged,
        3 => Test::Tag(["red", "blue", "none"][dice.below(3)].into()),
        4 => Test::Attachment,
        16 => Test::Inline,
        17 | 18 => Test::Signs {
            fields: if dice.below(2) == 0 { &Field::ALL } else { &[Field::Subject] },
            signs: SIGNS[dice.below(SIGNS.len())].into(),
        },
        5 => Test::Before(dice.below(1000) as i64),
        6 => Test::After(dice.below(1000) as i64),
        7 => Test::Larger(dice.below(300) as u64),
        8 => Test::Smaller(dice.below(300) as u64),
        19 => Test::Domain(DOMAINS[dice.below(DOMAINS.len())].into()),
        _ => {
            let fields: &[Field] = match dice.below(4) {
                0 => &[Field::Subject],
                1 => &[Field::From, Field::To],
                2 => &[Field::Text],
                _ => &Field::ALL,
            };
            let length = if dice.below(4) == 0 { 2 } else { 1 };
            let mut words: Vec<String> =
                (0..length).flat_map(|_| search::words(dice.word())).collect();
            let prefix = dice.below(3) == 0;
            if prefix && let Some(last) = words.last_mut() {
                *last = last.chars().take(2).collect();
            }
            Test::Words { fields, words, prefix }
        }
    }
}

/// Numbers that are the same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end
    }

    /// Some words are common, most are rare; some begin alike.
    fn word(&mut self) -> &'static str {
        let end = if self.below(3) == 0 { 4 } else { WORDS.len() };
        WORDS[self.below(end)]
    }
}

/// What has no letter and no digit.
const SIGNS: [&str; 5] = ["🎉", "&", "***", "£", "👨\u{200d}👧"];

/// Each is an end of the next.
const DOMAINS: [&str; 3] = ["b.example", "sub.b.example", "not-sub.b.example"];

const WORDS: [&str; 40] = [
    "alpha",
    "beta",
    "gamma",
    "near",
    "alps",
    "album",
    "bet",
    "better",
    "not",
    "or",
    "and",
    "größe",
    "grün",
    "日本語",
    "日本",
    "x1",
    "x12",
    "1",
    "12",
    "123",
    "invoice",
    "invoices",
    "order",
    "ordered",
    "report",
    "weekly",
    "monthly",
    "today",
    "tomorrow",
    "été",
    "ete",
    "straße",
    "strasse",
    "zebra",
    "zoo",
    "quick",
    "brown",
    "fox",
    "lazy",
    "dog",
];
