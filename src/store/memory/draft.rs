//! A message on its way in, which takes room as it comes.

use std::{
    collections::BTreeMap,
    num::NonZeroU64,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use super::{Item, MESSAGE_COST, Shared, mailbox_keys};
use crate::{
    id::MessageId,
    message::Summary,
    store::{BoxFuture, Draft, Error, Record},
    wire::Envelope,
};

/// A draft of the memory store. Dropping it gives back the room that it took.
pub(super) struct MemoryDraft {
    shared: Arc<Shared>,
    raw: Vec<u8>,
    /// What this draft has reserved of the bound, given back when it is dropped.
    taken: u64,
}

impl Draft for MemoryDraft {
    fn write<'a>(&'a mut self, chunk: &'a [u8]) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            self.shared.reserve(chunk.len() as u64)?;
            self.taken += chunk.len() as u64;
            self.raw.extend_from_slice(chunk);
            Ok(())
        })
    }

    fn commit(
        self: Box<Self>,
        envelope: Envelope,
        summary: Summary,
    ) -> BoxFuture<'static, Arc<Record>> {
        Box::pin(async move { self.keep(None, envelope, summary) })
    }

    fn restore(
        self: Box<Self>,
        id: MessageId,
        envelope: Envelope,
        summary: Summary,
    ) -> BoxFuture<'static, Arc<Record>> {
        Box::pin(async move { self.keep(Some(id), envelope, summary) })
    }
}

impl MemoryDraft {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, raw: Vec::new(), taken: 0 }
    }

    fn keep(
        mut self,
        id: Option<MessageId>,
        envelope: Envelope,
        mut summary: Summary,
    ) -> Result<Arc<Record>, Error> {
        self.shared.reserve(MESSAGE_COST)?;
        self.taken += MESSAGE_COST;
        let raw: Arc<[u8]> = std::mem::take(&mut self.raw).into();
        summary.size = raw.len() as u64;
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut room = self.shared.open_room()?;
        let id = match id {
            None => room.ids.next(seconds.as_secs()),
            Some(id) if room.ids.adopt(id) => id,
            Some(id) => return Err(Error::not_above(id)),
        };
        room.last_uid += 1;
        let record = Record::fresh(id, NonZeroU64::new(room.last_uid), envelope, summary);
        let mailboxes = mailbox_keys(&record.envelope);
        let item = Item { record: record.clone(), raw, mailboxes, annotations: BTreeMap::new() };
        room.messages.insert(id, Arc::new(item));
        drop(room);
        // From here on the room counts what the draft took.
        self.taken = 0;
        Ok(Arc::new(record))
    }
}

impl Drop for MemoryDraft {
    fn drop(&mut self) {
        self.shared.room().taken -= self.taken;
    }
}
