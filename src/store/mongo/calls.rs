//! The calls of [`Store`]: what each asks of MongoDB, in pieces where it may be much.

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering},
};

use super::{
    Mongo, Shared, after, annotations,
    change::{self, PIECE, Sweep},
    count,
    draft::MongoDraft,
    find, maintenance, notes, page,
    totals::{self, Kind},
};
use crate::{
    id::MessageId,
    store::{
        Batch, BoxFuture, Change, Counts, Cursor, Draft, Error, Left, Mailbox, Note, Page, Query,
        Raw, Record, RemoteChange, RetentionLimits, Selection, Store,
        annexes::{check_annotation, check_note},
        mailbox_key,
    },
};

impl Mongo {
    async fn change_all(&self, which: Selection, change: Change) -> Result<Vec<MessageId>, Error> {
        self.shared.check_open()?;
        let mut changed = Vec::new();
        let piece = async |ids: Vec<MessageId>| {
            let change = change.clone();
            self.work(move |shared| change::change(shared, ids, change)).await
        };
        match Sweep::new(which) {
            Err(ids) => {
                for ids in ids.chunks(PIECE) {
                    changed.extend(piece(ids.to_vec()).await?);
                }
            }
            Ok(mut sweep) => {
                sweep.that_differ(&change);
                loop {
                    let ids;
                    (sweep, ids) = self.piece(sweep).await?;
                    if ids.is_empty() {
                        break;
                    }
                    changed.extend(piece(ids).await?);
                }
            }
        }
        Ok(changed)
    }

    async fn delete_all(&self, which: Selection) -> Result<u64, Error> {
        self.shared.check_open()?;
        let mut deleted = 0;
        let piece =
            async |ids: Vec<MessageId>| self.work(move |shared| change::delete(shared, ids)).await;
        match Sweep::new(which) {
            Err(ids) => {
                for ids in ids.chunks(PIECE) {
                    deleted += piece(ids.to_vec()).await?;
                }
            }
            Ok(mut sweep) => loop {
                let ids;
                (sweep, ids) = self.piece(sweep).await?;
                if ids.is_empty() {
                    break;
                }
                deleted += piece(ids).await?;
            },
        }
        Ok(deleted)
    }

    async fn prune_all(&self, keep: RetentionLimits) -> Result<u64, Error> {
        let acquire_lease = self
            .work(async move |shared| {
                let acquire_lease = maintenance::acquire_lease(&shared.there, shared.me).await;
                let acquire_lease = acquire_lease.map_err(|error| shared.health.failed(&error))?;
                if acquire_lease {
                    maintenance::expire(&shared, &keep).await?;
                }
                Ok(acquire_lease)
            })
            .await?;
        if !acquire_lease {
            return Ok(0);
        }
        let mut deleted = 0;
        loop {
            match self.work(move |shared| change::prune(shared, keep)).await? {
                0 => return Ok(deleted),
                more => deleted += more,
            }
        }
    }

    async fn labels(
        &self,
        kind: Kind,
        after: Option<String>,
        limit: usize,
    ) -> Result<Vec<Mailbox>, Error> {
        self.look(async move |shared| {
            shared.add_up().await?;
            totals::labels(&shared.there, kind, after, limit).await
        })
        .await
    }
}

impl Store for Mongo {
    fn begin(&self) -> BoxFuture<'_, Box<dyn Draft>> {
        Box::pin(async {
            self.shared.check_open()?;
            let draft = MongoDraft::new(self.shared.clone(), self.queue.clone());
            Ok(Box::new(draft) as Box<dyn Draft>)
        })
    }

    fn get(&self, id: MessageId) -> BoxFuture<'_, Option<Record>> {
        Box::pin(self.look(move |shared| find::get(shared, id)))
    }

    fn get_all(&self, ids: Vec<MessageId>) -> BoxFuture<'_, Vec<Record>> {
        Box::pin(self.look(move |shared| find::get_all(shared, ids)))
    }

    fn raw(&self, id: MessageId) -> BoxFuture<'_, Option<Raw>> {
        Box::pin(self.look(async move |shared| find::raw(&shared, id).await))
    }

    fn list(&self, query: Query) -> BoxFuture<'_, Page> {
        Box::pin(self.look(move |shared| page::page(shared, query)))
    }

    fn count(&self, query: Query) -> BoxFuture<'_, u64> {
        Box::pin(self.look(move |shared| count::count(shared, query)))
    }

    fn after(&self, cursor: Option<Cursor>, limit: usize) -> BoxFuture<'_, Batch> {
        Box::pin(self.look(move |shared| after::after(shared, cursor, limit)))
    }

    fn end(&self) -> BoxFuture<'_, Cursor> {
        Box::pin(self.look(async |shared: Arc<Shared>| Ok(after::end(&shared))))
    }

    fn change(&self, which: Selection, change: Change) -> BoxFuture<'_, Vec<MessageId>> {
        Box::pin(self.change_all(which, change))
    }

    fn annotate(&self, id: MessageId, name: String, value: Option<String>) -> BoxFuture<'_, bool> {
        Box::pin(async move {
            check_annotation(&name, value.as_deref())?;
            self.work(move |shared| annotations::set(shared, id, name, value)).await
        })
    }

    fn annotations(&self, id: MessageId) -> BoxFuture<'_, BTreeMap<String, String>> {
        Box::pin(self.look(move |shared| annotations::of(shared, id)))
    }

    fn delete(&self, which: Selection) -> BoxFuture<'_, u64> {
        Box::pin(self.delete_all(which))
    }

    fn leave(&self, ids: Vec<MessageId>, mailbox: String) -> BoxFuture<'_, Left> {
        Box::pin(async move {
            self.shared.check_open()?;
            let mut left = Left::default();
            for ids in ids.chunks(PIECE) {
                let (ids, mailbox) = (ids.to_vec(), mailbox_key(&mailbox));
                let more = self.work(move |shared| change::leave(shared, ids, mailbox)).await?;
                left.ids.extend(more.ids);
                left.deleted.extend(more.deleted);
            }
            Ok(left)
        })
    }

    fn prune(&self, keep: RetentionLimits) -> BoxFuture<'_, u64> {
        Box::pin(self.prune_all(keep))
    }

    fn counts(&self) -> BoxFuture<'_, Counts> {
        Box::pin(self.look(async |shared: Arc<Shared>| {
            shared.add_up().await?;
            let totals = totals::totals(&shared.there).await;
            let (counts, ..) = totals.map_err(|error| shared.health.failed(&error))?;
            Ok(Counts { disk_bytes: shared.disk_bytes.load(Ordering::Relaxed), ..counts })
        }))
    }

    fn mailboxes(&self, after: Option<String>, limit: usize) -> BoxFuture<'_, Vec<Mailbox>> {
        let after = after.map(|name| mailbox_key(&name));
        Box::pin(self.labels(Kind::Mailbox, after, limit))
    }

    fn tags(&self) -> BoxFuture<'_, Vec<Mailbox>> {
        Box::pin(self.labels(Kind::Tag, None, usize::MAX))
    }

    fn remote_changes(&self) -> Option<smol::channel::Receiver<RemoteChange>> {
        self.shared.feed.take()
    }

    fn set_note(&self, key: String, value: Option<Vec<u8>>) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            self.shared.check_open()?;
            check_note(&key, value.as_deref())?;
            self.shared.write(async move |there| notes::set(&there, &key, value).await).await
        })
    }

    fn note(&self, key: String) -> BoxFuture<'_, Option<Vec<u8>>> {
        Box::pin(self.look(async move |shared| notes::get(&shared.there, &key).await))
    }

    fn notes(
        &self,
        prefix: String,
        after: Option<String>,
        limit: usize,
    ) -> BoxFuture<'_, Vec<Note>> {
        Box::pin(self.look(async move |shared| {
            notes::list(&shared.there, &prefix, after.as_deref(), limit).await
        }))
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.finish())
    }
}
