//! A store in a test: a list of messages behind a lock, with a switch that makes it fail.

use std::{
    collections::BTreeMap,
    num::NonZeroU64,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use smtpd::{
    id::{IdSource, MessageId},
    message::{
        Scanner, Summary,
        search::{Term, Test},
    },
    store::{
        Batch, BoxFuture, Change, Counts, Cursor, Draft, Error, Left, Mailbox, Note, Page, Query,
        Raw, Record, RetentionLimits, Selection, State, Store, mailbox_key,
    },
    wire::Envelope,
};

#[derive(Clone)]
pub(super) struct Shelf(Arc<Inner>);

struct Inner {
    items: Mutex<Vec<(Record, Raw)>>,
    ids: Mutex<IdSource>,
    broken: AtomicBool,
}

impl Shelf {
    pub(super) fn new() -> Self {
        let ids = Mutex::new(IdSource::new([7; 5], None));
        Self(Arc::new(Inner { items: Mutex::default(), ids, broken: AtomicBool::new(false) }))
    }

    /// Stores a message as SMTP would.
    pub(super) fn put(&self, envelope: Envelope, octets: &[u8]) -> Arc<Record> {
        self.put_raw(envelope, octets, Raw::Inline(octets.into()))
    }

    /// The same, with the octets in a file.
    pub(super) fn put_file(&self, envelope: Envelope, octets: &[u8]) -> Arc<Record> {
        let mut file = tempfile::tempfile().unwrap();
        std::io::Write::write_all(&mut file, octets).unwrap();
        self.put_raw(envelope, octets, Raw::File(file, octets.len() as u64))
    }

    /// The same, with octets that begin with these.
    pub(super) fn put_raw(&self, envelope: Envelope, octets: &[u8], raw: Raw) -> Arc<Record> {
        let mut scanner = Scanner::new(1000);
        scanner.push(octets);
        let summary = Summary { size: raw.len(), ..scanner.finish().summary };
        let seconds = u64::try_from(envelope.received_ms / 1000).unwrap();
        let id = self.0.ids.lock().unwrap().next(seconds);
        let (read, starred, tags, left) = (false, false, Vec::new(), Vec::new());
        let state = State::Received;
        let uid = NonZeroU64::new(1 + self.records().len() as u64);
        let record = Record { id, uid, envelope, summary, read, starred, tags, left, state };
        self.0.items.lock().unwrap().push((record.clone(), raw));
        Arc::new(record)
    }

    pub(super) fn break_down(&self) {
        self.0.broken.store(true, Ordering::SeqCst);
    }

    pub(super) fn records(&self) -> Vec<Record> {
        self.0.items.lock().unwrap().iter().map(|(record, _)| record.clone()).collect()
    }

    fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Vec<(Record, Raw)>) -> T,
    ) -> BoxFuture<'static, T> {
        let done = match self.0.broken.load(Ordering::SeqCst) {
            true => Err(Error::Io("secret path /var/x".into())),
            false => Ok(work(&mut self.0.items.lock().unwrap())),
        };
        Box::pin(async { done })
    }
}

/// Mail does not come by SMTP here.
struct Nowhere;

impl Draft for Nowhere {
    fn write<'a>(&'a mut self, _: &'a [u8]) -> BoxFuture<'a, ()> {
        Box::pin(async { Err(Error::Closed) })
    }

    fn commit(self: Box<Self>, _: Envelope, _: Summary) -> BoxFuture<'static, Arc<Record>> {
        Box::pin(async { Err(Error::Closed) })
    }

    fn restore(
        self: Box<Self>,
        _: MessageId,
        envelope: Envelope,
        summary: Summary,
    ) -> BoxFuture<'static, Arc<Record>> {
        self.commit(envelope, summary)
    }
}

fn is_in(record: &Record, mailbox: &str) -> bool {
    record.envelope.forward_paths.iter().any(|path| mailbox_key(&path.address) == mailbox)
}

fn is_selected(record: &Record, which: &Selection) -> bool {
    match which {
        Selection::Ids(ids) => ids.contains(&record.id),
        Selection::Matching(filter) => {
            let (_, mailbox) = filter.clone().into_parts();
            mailbox.as_deref().is_none_or(|mailbox| is_in(record, mailbox))
        }
        Selection::All => true,
    }
}

impl Store for Shelf {
    fn begin(&self) -> BoxFuture<'_, Box<dyn Draft>> {
        self.with(|_| Box::new(Nowhere) as Box<dyn Draft>)
    }

    fn get(&self, id: MessageId) -> BoxFuture<'_, Option<Record>> {
        self.with(|items| items.iter().find(|(it, _)| it.id == id).map(|(it, _)| it.clone()))
    }

    fn raw(&self, id: MessageId) -> BoxFuture<'_, Option<Raw>> {
        self.with(|items| {
            let found = items.iter().find(|(record, _)| record.id == id);
            found.map(|(_, raw)| match raw {
                Raw::Inline(octets) => Raw::Inline(octets.clone()),
                Raw::File(file, length) => Raw::File(file.try_clone().unwrap(), *length),
                Raw::Pieces(octets) => Raw::Pieces(octets.clone()),
            })
        })
    }

    fn list(&self, query: Query) -> BoxFuture<'_, Page> {
        self.with(|items| {
            let mut records: Vec<_> = items.iter().map(|(record, _)| record.clone()).collect();
            records.reverse();
            records.retain(|it| query.before.is_none_or(|before| it.id < before));
            records.retain(|it| query.mailbox.as_deref().is_none_or(|name| is_in(it, name)));
            let is_wanted = |it: &Record, term: &Term| match term.test {
                Test::Read(read) => (it.read == read) != term.negated,
                _ => true,
            };
            records.retain(|it| query.search.terms.iter().all(|term| is_wanted(it, term)));
            records.drain(..query.skip.min(records.len()));
            let more = records.len() > query.limit;
            records.truncate(query.limit);
            Page { records, more }
        })
    }

    fn count(&self, query: Query) -> BoxFuture<'_, u64> {
        let page = self.list(query);
        Box::pin(async { Ok(page.await?.records.len() as u64) })
    }

    fn after(&self, _: Option<Cursor>, _: usize) -> BoxFuture<'_, Batch> {
        self.with(|_| Batch { records: Vec::new(), next: None, more: false })
    }

    fn end(&self) -> BoxFuture<'_, Cursor> {
        self.with(|_| String::new().into())
    }

    fn change(&self, which: Selection, change: Change) -> BoxFuture<'_, Vec<MessageId>> {
        self.with(|items| {
            let mut changed = Vec::new();
            for (record, _) in items.iter_mut().filter(|(it, _)| is_selected(it, &which)) {
                let before = record.clone();
                match &change {
                    Change::Read(read) => record.read = *read,
                    Change::Starred(starred) => record.starred = *starred,
                    Change::Tag(tag) => record.tags.push(tag.clone()),
                    Change::Untag(tag) => record.tags.retain(|known| known != tag),
                }
                if *record != before {
                    changed.push(record.id);
                }
            }
            changed
        })
    }

    fn annotate(&self, _: MessageId, _: String, _: Option<String>) -> BoxFuture<'_, bool> {
        self.with(|_| false)
    }

    fn annotations(&self, _: MessageId) -> BoxFuture<'_, BTreeMap<String, String>> {
        self.with(|_| BTreeMap::new())
    }

    fn delete(&self, which: Selection) -> BoxFuture<'_, u64> {
        self.with(|items| {
            let before = items.len();
            items.retain(|(record, _)| !is_selected(record, &which));
            (before - items.len()) as u64
        })
    }

    fn leave(&self, _: Vec<MessageId>, _: String) -> BoxFuture<'_, Left> {
        self.with(|_| Left::default())
    }

    fn prune(&self, _: RetentionLimits) -> BoxFuture<'_, u64> {
        self.with(|_| 0)
    }

    fn counts(&self) -> BoxFuture<'_, Counts> {
        self.with(|items| Counts {
            messages: items.len() as u64,
            unread: items.iter().filter(|(record, _)| !record.read).count() as u64,
            bytes: items.iter().map(|(_, raw)| raw.len()).sum(),
            ..Counts::default()
        })
    }

    fn mailboxes(&self, _: Option<String>, limit: usize) -> BoxFuture<'_, Vec<Mailbox>> {
        self.with(|items| {
            let mut names: Vec<_> = items
                .iter()
                .flat_map(|(it, _)| &it.envelope.forward_paths)
                .map(|path| mailbox_key(&path.address))
                .collect();
            names.sort();
            names.dedup();
            names.truncate(limit);
            let mailbox = |name: String| {
                let inside = || items.iter().filter(|(it, _)| is_in(it, &name));
                let unread = inside().filter(|(it, _)| !it.read).count() as u64;
                Mailbox { messages: inside().count() as u64, unread, name: name.clone() }
            };
            names.into_iter().map(mailbox).collect()
        })
    }

    fn tags(&self) -> BoxFuture<'_, Vec<Mailbox>> {
        self.with(|_| Vec::new())
    }

    fn set_note(&self, _: String, _: Option<Vec<u8>>) -> BoxFuture<'_, ()> {
        self.with(|_| ())
    }

    fn note(&self, _: String) -> BoxFuture<'_, Option<Vec<u8>>> {
        self.with(|_| None)
    }

    fn notes(&self, _: String, _: Option<String>, _: usize) -> BoxFuture<'_, Vec<Note>> {
        self.with(|_| Vec::new())
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        self.with(|_| ())
    }
}
