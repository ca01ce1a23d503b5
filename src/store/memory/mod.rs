//! The store in memory: for tests, demonstrations, and as the reference that the conformance suite
//! holds other stores against. Plain on purpose: one map, one lock, every search is a scan.

mod draft;

use std::{
    collections::BTreeMap,
    convert::Infallible,
    ops::Bound,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use self::draft::MemoryDraft;
use super::{
    Batch, BoxFuture, Change, Counts, Cursor, Draft, Error, Left, Mailbox, Note, Page, Query, Raw,
    Record, RetentionLimits, Selection, Store,
    annexes::{check_annotation, check_note},
    mailbox_key, matching, tag_key,
};
use crate::{
    id::{IdSource, MessageId},
    wire::Envelope,
};

/// A bounded store that forgets everything at the end of the process.
pub(super) struct Memory {
    shared: Arc<Shared>,
}

struct Shared {
    room: Mutex<Room>,
    max_bytes: u64,
    /// The name of its order of commits.
    order: String,
}

struct Room {
    messages: BTreeMap<MessageId, Arc<Item>>,
    notes: BTreeMap<String, Vec<u8>>,
    ids: IdSource,
    last_uid: u64,
    /// What stored messages and drafts take of the bound.
    taken: u64,
    closed: bool,
}

#[derive(Clone)]
struct Item {
    record: Record,
    raw: Arc<[u8]>,
    /// Mailboxes that it stands in.
    mailboxes: Vec<String>,
    annotations: BTreeMap<String, String>,
}

impl Memory {
    /// An empty store for at most so many octets.
    pub(super) fn new(max_bytes: u64) -> Self {
        let mut process = [0; 5];
        // Ids stay unique within this process even without randomness.
        let _ = getrandom::fill(&mut process);
        let ids = IdSource::new(process, None);
        let room = Room {
            messages: BTreeMap::new(),
            notes: BTreeMap::new(),
            ids,
            last_uid: 0,
            taken: 0,
            closed: false,
        };
        let order = data_encoding::HEXLOWER.encode(&process);
        Self { shared: Arc::new(Shared { room: Mutex::new(room), max_bytes, order }) }
    }

    /// Runs `work` off the executor: whatever looks at many messages takes its time.
    fn unblock<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Shared) -> Result<T, Error> + Send + 'static,
    ) -> BoxFuture<'_, T> {
        let shared = self.shared.clone();
        Box::pin(smol::unblock(move || work(&shared)))
    }
}

impl Store for Memory {
    fn begin(&self) -> BoxFuture<'_, Box<dyn Draft>> {
        Box::pin(async {
            drop(self.shared.open_room()?);
            Ok(Box::new(MemoryDraft::new(self.shared.clone())) as Box<dyn Draft>)
        })
    }

    fn get(&self, id: MessageId) -> BoxFuture<'_, Option<Record>> {
        Box::pin(async move {
            Ok(self.shared.open_room()?.messages.get(&id).map(|item| item.record.clone()))
        })
    }

    fn raw(&self, id: MessageId) -> BoxFuture<'_, Option<Raw>> {
        Box::pin(async move {
            let room = self.shared.open_room()?;
            Ok(room.messages.get(&id).map(|item| Raw::Inline(item.raw.clone())))
        })
    }

    fn list(&self, query: Query) -> BoxFuture<'_, Page> {
        self.unblock(move |shared| {
            let mut found = shared.matching(&query)?.skip(query.skip);
            let records =
                found.by_ref().take(query.limit).map(|item| item.record.clone()).collect();
            Ok(Page { records, more: found.next().is_some() })
        })
    }

    fn count(&self, query: Query) -> BoxFuture<'_, u64> {
        self.unblock(move |shared| Ok(query.of(shared.matching(&query)?.count() as u64)))
    }

    fn after(&self, cursor: Option<Cursor>, limit: usize) -> BoxFuture<'_, Batch> {
        Box::pin(async move {
            let mut place = match &cursor {
                None => LOWEST,
                Some(cursor) => match cursor.parts()? {
                    (of, place) if of == self.shared.order => {
                        place.parse().map_err(|_| cursor.foreign())?
                    }
                    _ => return Err(cursor.foreign()),
                },
            };
            let room = self.shared.open_room()?;
            let mut items = room.messages.range((Bound::Excluded(place), Bound::Unbounded));
            let records: Vec<_> =
                items.by_ref().take(limit).map(|(_, item)| item.record.clone()).collect();
            place = records.last().map_or(place, |last| last.id);
            let next = Some(Cursor::new(&self.shared.order, place));
            Ok(Batch { records, next, more: items.next().is_some() })
        })
    }

    fn end(&self) -> BoxFuture<'_, Cursor> {
        Box::pin(async {
            let room = self.shared.open_room()?;
            let last = room.messages.last_key_value().map_or(LOWEST, |(id, _)| *id);
            Ok(Cursor::new(&self.shared.order, last))
        })
    }

    fn change(&self, which: Selection, change: Change) -> BoxFuture<'_, Vec<MessageId>> {
        self.unblock(move |shared| {
            let ids = shared.select(which)?;
            let mut room = shared.open_room()?;
            let mut changed = Vec::new();
            for id in ids {
                if let Some(item) = room.messages.get_mut(&id)
                    && apply(&mut Arc::make_mut(item).record, &change)
                {
                    changed.push(id);
                }
            }
            Ok(changed)
        })
    }

    fn annotate(&self, id: MessageId, name: String, value: Option<String>) -> BoxFuture<'_, bool> {
        Box::pin(async move {
            check_annotation(&name, value.as_deref())?;
            let mut room = self.shared.open_room()?;
            let Some(item) = room.messages.get(&id) else { return Ok(false) };
            let known = item.annotations.get(&name);
            if known == value.as_ref() {
                return Ok(false);
            }
            let cost = |value: &String| (name.len() + value.len()) as u64;
            let taken = room.taken - known.map_or(0, cost) + value.as_ref().map_or(0, cost);
            if taken > self.shared.max_bytes {
                return Err(Error::Full);
            }
            room.taken = taken;
            if let Some(item) = room.messages.get_mut(&id).map(Arc::make_mut) {
                match value {
                    Some(value) => item.annotations.insert(name, value),
                    None => item.annotations.remove(&name),
                };
            }
            Ok(true)
        })
    }

    fn annotations(&self, id: MessageId) -> BoxFuture<'_, BTreeMap<String, String>> {
        Box::pin(async move {
            let room = self.shared.open_room()?;
            Ok(room.messages.get(&id).map(|item| item.annotations.clone()).unwrap_or_default())
        })
    }

    fn delete(&self, which: Selection) -> BoxFuture<'_, u64> {
        self.unblock(move |shared| {
            let ids = shared.select(which)?;
            let mut room = shared.open_room()?;
            Ok(ids.into_iter().map(|id| u64::from(room.remove(id))).sum())
        })
    }

    fn leave(&self, ids: Vec<MessageId>, mailbox: String) -> BoxFuture<'_, Left> {
        self.unblock(move |shared| {
            let mut room = shared.open_room()?;
            let (key, mut left) = (mailbox_key(&mailbox), Left::default());
            for id in ids {
                let Some(item) = room.messages.get_mut(&id) else { continue };
                if !item.mailboxes.contains(&key) {
                    continue;
                }
                let item = Arc::make_mut(item);
                item.mailboxes.retain(|name| *name != key);
                let place = item.record.left.partition_point(|name| *name < key);
                item.record.left.insert(place, key.clone());
                if item.mailboxes.is_empty() {
                    room.remove(id);
                    left.deleted.push(id);
                } else {
                    left.ids.push(id);
                }
            }
            Ok(left)
        })
    }

    fn prune(&self, keep: RetentionLimits) -> BoxFuture<'_, u64> {
        self.unblock(move |shared| {
            let mut room = shared.open_room()?;
            let mut deleted = 0;
            let is_old = |item: &Item| {
                let received_ms = item.record.envelope.received_ms;
                keep.received_from_ms.is_some_and(|from| received_ms < from)
            };
            let old = room.messages.iter().filter(|(_, item)| is_old(item));
            for id in old.map(|(id, _)| *id).collect::<Vec<_>>() {
                deleted += u64::from(room.remove(id));
            }
            while let Some((&id, _)) = room.messages.first_key_value() {
                let Counts { messages, bytes, .. } = room.counts();
                let too_many = keep.messages.is_some_and(|most| messages > most);
                let too_large = keep.bytes.is_some_and(|most| bytes > most);
                if !(too_many || too_large) {
                    break;
                }
                deleted += u64::from(room.remove(id));
            }
            Ok(deleted)
        })
    }

    fn counts(&self) -> BoxFuture<'_, Counts> {
        Box::pin(async { Ok(self.shared.open_room()?.counts()) })
    }

    fn mailboxes(&self, after: Option<String>, limit: usize) -> BoxFuture<'_, Vec<Mailbox>> {
        self.unblock(move |shared| {
            let all = shared.labels(|item| item.mailboxes.clone())?;
            let after = after.map(|name| mailbox_key(&name));
            let is_after = |mailbox: &Mailbox| after.as_ref().is_none_or(|a| mailbox.name > *a);
            Ok(all.into_iter().filter(is_after).take(limit).collect())
        })
    }

    fn tags(&self) -> BoxFuture<'_, Vec<Mailbox>> {
        self.unblock(|shared| shared.labels(|item| item.record.tags.clone()))
    }

    fn set_note(&self, key: String, value: Option<Vec<u8>>) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            check_note(&key, value.as_deref())?;
            let mut room = self.shared.open_room()?;
            match value {
                Some(value) => room.notes.insert(key, value),
                None => room.notes.remove(&key),
            };
            Ok(())
        })
    }

    fn note(&self, key: String) -> BoxFuture<'_, Option<Vec<u8>>> {
        Box::pin(async move { Ok(self.shared.open_room()?.notes.get(&key).cloned()) })
    }

    fn notes(
        &self,
        prefix: String,
        after: Option<String>,
        limit: usize,
    ) -> BoxFuture<'_, Vec<Note>> {
        Box::pin(async move {
            let room = self.shared.open_room()?;
            let notes = room.notes.range(prefix.clone()..);
            let notes = notes.take_while(|(key, _)| key.starts_with(&prefix));
            let notes = notes.filter(|(key, _)| after.as_ref().is_none_or(|after| *key > after));
            let note =
                |(key, value): (&String, &Vec<u8>)| Note { key: key.clone(), value: value.clone() };
            Ok(notes.take(limit).map(note).collect())
        })
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            let mut room = self.shared.open_room()?;
            room.closed = true;
            room.messages.clear();
            room.notes.clear();
            Ok(())
        })
    }
}

impl Shared {
    fn room(&self) -> MutexGuard<'_, Room> {
        // Nothing that can panic runs between two changes that belong together.
        self.room.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open_room(&self) -> Result<MutexGuard<'_, Room>, Error> {
        let room = self.room();
        if room.closed { Err(Error::Closed) } else { Ok(room) }
    }

    fn reserve(&self, more: u64) -> Result<(), Error> {
        let mut room = self.open_room()?;
        if self.max_bytes.saturating_sub(room.taken) < more {
            return Err(Error::Full);
        }
        room.taken += more;
        Ok(())
    }

    /// The messages as they are now, so that a search does not hold the lock.
    fn newest_first(&self, before: Option<MessageId>) -> Result<Vec<Arc<Item>>, Error> {
        let room = self.open_room()?;
        let end = before.map_or(Bound::Unbounded, Bound::Excluded);
        Ok(room.messages.range((Bound::Unbounded, end)).rev().map(|(_, i)| i.clone()).collect())
    }

    /// What matches, newest first.
    fn matching(&self, query: &Query) -> Result<impl Iterator<Item = Arc<Item>>, Error> {
        let items = self.newest_first(query.before)?.into_iter();
        Ok(items.filter(|item| item.is_wanted(&query.search, query.mailbox.as_deref())))
    }

    fn select(&self, which: Selection) -> Result<Vec<MessageId>, Error> {
        Ok(match which {
            Selection::Ids(ids) => ids,
            Selection::All => self.open_room()?.messages.keys().copied().collect(),
            Selection::Matching(filter) => {
                let (search, mailbox) = filter.into_parts();
                let mut items = self.newest_first(None)?;
                items.retain(|item| item.is_wanted(&search, mailbox.as_deref()));
                items.into_iter().map(|item| item.record.id).collect()
            }
        })
    }

    fn labels(&self, of: impl Fn(&Item) -> Vec<String>) -> Result<Vec<Mailbox>, Error> {
        let mut labels = BTreeMap::<String, Mailbox>::new();
        for item in self.newest_first(None)? {
            for name in of(&item) {
                let empty = Mailbox { name: name.clone(), messages: 0, unread: 0 };
                let label = labels.entry(name).or_insert(empty);
                label.messages += 1;
                label.unread += u64::from(!item.record.read);
            }
        }
        Ok(labels.into_values().collect())
    }
}

impl Room {
    fn remove(&mut self, id: MessageId) -> bool {
        let removed = self.messages.remove(&id);
        if let Some(item) = &removed {
            let annotations = item.annotations.iter().map(|(name, value)| name.len() + value.len());
            let octets = item.raw.len() + annotations.sum::<usize>();
            self.taken -= octets as u64 + MESSAGE_COST;
        }
        removed.is_some()
    }

    fn counts(&self) -> Counts {
        let messages = self.messages.len() as u64;
        let unread = self.messages.values().filter(|item| !item.record.read).count() as u64;
        let bytes = self.messages.values().map(|item| item.raw.len() as u64).sum();
        Counts { messages, unread, bytes, ..Counts::default() }
    }
}

impl Item {
    fn is_wanted(&self, search: &crate::message::search::Query, mailbox: Option<&str>) -> bool {
        let delivered =
            mailbox.is_none_or(|mailbox| self.mailboxes.contains(&mailbox_key(mailbox)));
        let Ok(matches) = matching::matches::<Infallible>(search, &self.record, |scanner| {
            scanner.push(&self.raw);
            Ok(())
        });
        delivered && matches
    }
}

/// The mailboxes that a message stands in, each once.
fn mailbox_keys(envelope: &Envelope) -> Vec<String> {
    let mut keys: Vec<_> =
        envelope.forward_paths.iter().map(|path| mailbox_key(&path.address)).collect();
    keys.sort_unstable();
    keys.dedup();
    keys
}

/// Changes the record; true if that made a difference.
fn apply(record: &mut Record, change: &Change) -> bool {
    match change {
        Change::Read(read) => std::mem::replace(&mut record.read, *read) != *read,
        Change::Starred(starred) => std::mem::replace(&mut record.starred, *starred) != *starred,
        Change::Tag(tag) => {
            let tag = tag_key(tag);
            let place = record.tags.binary_search(&tag);
            if let Err(place) = place
                && !tag.is_empty()
            {
                record.tags.insert(place, tag);
                return true;
            }
            false
        }
        Change::Untag(tag) => {
            let place = record.tags.binary_search(&tag_key(tag));
            place.map(|place| record.tags.remove(place)).is_ok()
        }
    }
}

/// No message has it.
const LOWEST: MessageId = MessageId::from_bytes([0; 12]);
/// What a message takes besides its octets: its envelope, summary and place in the map, roughly.
const MESSAGE_COST: u64 = 1024;
