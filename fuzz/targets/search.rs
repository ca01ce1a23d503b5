//! Searches: any text is understood or refused with a place and a reason, and the embedded store finds
//! with its plans and its index exactly what the store in memory finds by looking.

use std::sync::{Arc, OnceLock};

use smtpd::{
    message::{Scanner, search::Query},
    store::{self, Change, Kind, Options, Selection, Store},
    wire::{Envelope, ForwardPath},
};

/// The octets are what somebody typed.
pub fn run(octets: &[u8]) {
    let text = String::from_utf8_lossy(octets);
    match Query::parse(&text) {
        Ok(query) => agree(&query, &text),
        Err(error) => {
            assert!(error.position <= text.chars().count(), "{text:?}: {error:?}");
            let said = error.to_string();
            assert!(!said.is_empty() && !said.contains(char::is_control), "{error:?}");
        }
    }
}

fn agree(search: &Query, text: &str) {
    static SHELVES: OnceLock<Shelves> = OnceLock::new();
    let shelves = SHELVES.get_or_init(Shelves::new);
    let query = store::Query { search: search.clone(), limit: 100, ..store::Query::default() };
    let subjects = |store: &Arc<dyn Store>| {
        let page = smol::block_on(store.list(query.clone())).expect("a search that works");
        page.records.into_iter().map(|record| record.summary.subject).collect::<Vec<_>>()
    };
    assert_eq!(subjects(&shelves.sqlite), subjects(&shelves.memory), "{text:?}");
}

/// Two stores with the same messages.
struct Shelves {
    sqlite: Arc<dyn Store>,
    memory: Arc<dyn Store>,
    _folder: tempfile::TempDir,
}

impl Shelves {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().to_owned();
        let open = |kind| {
            let options = Options { kind, path: path.clone(), ..Options::default() };
            let store = store::open(&options).expect("a store");
            smol::block_on(fill(&*store));
            store
        };
        Self { sqlite: open(Kind::Sqlite), memory: open(Kind::Memory), _folder: folder }
    }
}

async fn fill(store: &dyn Store) {
    for (number, (to, message)) in MESSAGES.into_iter().enumerate() {
        let mut scanner = Scanner::new(1 << 16);
        scanner.push(message.as_bytes());
        let mut draft = store.begin().await.expect("a draft");
        draft.write(message.as_bytes()).await.expect("a message");
        let envelope = Envelope {
            reverse_path: "ann@example.org".into(),
            forward_paths: vec![ForwardPath { address: to.into(), parameters: Vec::new() }],
            received_ms: 1_770_000_000_000 + 86_400_000 * number as i64,
            ..Envelope::default()
        };
        let record = draft.commit(envelope, scanner.finish().summary).await.expect("a commit");
        let changes = [Change::Read(true), Change::Starred(true), Change::Tag("red".into())];
        for (bit, change) in changes.into_iter().enumerate() {
            if number & (1 << bit) != 0 {
                store.change(Selection::Ids(vec![record.id]), change).await.expect("a change");
            }
        }
    }
}

const MESSAGES: [(&str, &str); 8] = [
    (
        "bob@example.com",
        "Subject: alpha one\r\nFrom: Ann <ann@example.org>\r\n\r\nbeta invoice\r\n",
    ),
    (
        "bob@example.com",
        "Subject: beta two\r\nTo: bob@example.com\r\n\r\nGröße straße ÉTÉ 日本語\r\n",
    ),
    ("eve@example.com", "Subject: gamma three\r\n\r\ninvoices 2026-01-31 12:30\r\n"),
    (
        "eve@example.com",
        "Subject: =?utf-8?q?gr=C3=BCn?= four\r\nCc: zoë@example.com\r\n\r\n\"a b\" c\r\n",
    ),
    ("x+y@example.com", "Subject: five\r\nContent-Type: text/html\r\n\r\n<b>bold</b> alpha\r\n"),
    (
        "bob@example.com",
        "Subject: six\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nhi\r\n--b\r\nContent-Type: image/png\r\nContent-Disposition: attachment; filename=a.png\r\n\r\nx\r\n--b--\r\n",
    ),
    ("bob@example.com", "no header at all, alpha\r\n"),
    ("bob@example.com", "Subject: weekly report\r\n\r\nweekly report of the weekly meeting\r\n"),
];
