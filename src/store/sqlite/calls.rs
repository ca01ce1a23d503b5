//! The calls of [`Store`]: what each asks of the readers and of the writer's thread.

use std::collections::BTreeMap;

use super::{
    PIECE, Sqlite, after, database_bytes,
    draft::SqliteDraft,
    tx::{Kind, Tx},
};
use crate::{
    id::MessageId,
    message::search::{self, Term, Test},
    store::{
        Batch, BoxFuture, Change, Counts, Cursor, Draft, Error, Left, Mailbox, Note, Page, Query,
        Raw, Record, RetentionLimits, Selection, Store,
        annexes::{check_annotation, check_note},
        mailbox_key, tag_key,
    },
};

impl Sqlite {
    async fn prune_all(&self, keep: RetentionLimits, deleted: &mut u64) -> Result<(), Error> {
        self.check_open()?;
        loop {
            let work = move |tx: &mut Tx<'_>| tx.prune(&keep, PIECE);
            match self.writer.ask(work).await? {
                0 => return Ok(()),
                more => *deleted += more,
            }
        }
    }

    async fn change_all(&self, which: Selection, change: Change) -> Result<Vec<MessageId>, Error> {
        self.check_open()?;
        let mut changed = Vec::new();
        let (mut search, mailbox) = match which {
            Selection::Ids(ids) => {
                for piece in ids.chunks(PIECE) {
                    let (piece, change) = (piece.to_vec(), change.clone());
                    let work = move |tx: &mut Tx<'_>| {
                        let seqs = tx.seqs(&piece)?;
                        tx.change(&seqs, &change)
                    };
                    changed.extend(self.writer.ask(work).await?);
                }
                return Ok(changed);
            }
            Selection::Matching(filter) => filter.into_parts(),
            Selection::All => (search::Query::default(), None),
        };
        // Who is as wanted already need not be visited.
        search.terms.push(differs(&change));
        let work = |seqs: Vec<i64>| {
            let change = change.clone();
            move |tx: &mut Tx<'_>| tx.change(&seqs, &change)
        };
        self.sweep(search, mailbox, |ids: Vec<_>| changed.extend(ids), work).await?;
        Ok(changed)
    }

    async fn delete_all(&self, which: Selection, deleted: &mut u64) -> Result<(), Error> {
        self.check_open()?;
        match which {
            Selection::All => {
                *deleted += self.writer.ask(|tx| tx.delete_all()).await?;
            }
            Selection::Ids(ids) => {
                for piece in ids.chunks(PIECE) {
                    let piece = piece.to_vec();
                    let work = move |tx: &mut Tx<'_>| {
                        let seqs = tx.seqs(&piece)?;
                        tx.delete(&seqs)
                    };
                    *deleted += self.writer.ask(work).await?;
                }
            }
            Selection::Matching(filter) => {
                let (search, mailbox) = filter.into_parts();
                let work = |seqs: Vec<i64>| move |tx: &mut Tx<'_>| tx.delete(&seqs);
                self.sweep(search, mailbox, |more: u64| *deleted += more, work).await?;
            }
        }
        Ok(())
    }
}

impl Store for Sqlite {
    fn begin(&self) -> BoxFuture<'_, Box<dyn Draft>> {
        Box::pin(async {
            self.check_open()?;
            self.check_room().await?;
            self.journal.trouble().or_else(|| self.writer.trouble()).map_or(Ok(()), Err)?;
            let draft = SqliteDraft::new(self.shared.clone(), self.journal.clone());
            Ok(Box::new(draft) as Box<dyn Draft>)
        })
    }

    fn get(&self, id: MessageId) -> BoxFuture<'_, Option<Record>> {
        Box::pin(self.look(move |reader, _| reader.record_of(id)))
    }

    fn get_all(&self, ids: Vec<MessageId>) -> BoxFuture<'_, Vec<Record>> {
        Box::pin(self.look(move |reader, _| {
            ids.into_iter().filter_map(|id| reader.record_of(id).transpose()).collect()
        }))
    }

    fn raw(&self, id: MessageId) -> BoxFuture<'_, Option<Raw>> {
        Box::pin(self.look(move |reader, _| reader.raw(id)))
    }

    fn list(&self, query: Query) -> BoxFuture<'_, Page> {
        Box::pin(self.look(move |reader, shared| reader.page(shared, &query)))
    }

    fn count(&self, query: Query) -> BoxFuture<'_, u64> {
        Box::pin(self.look(move |reader, shared| reader.count(shared, &query)))
    }

    fn after(&self, cursor: Option<Cursor>, limit: usize) -> BoxFuture<'_, Batch> {
        Box::pin(self.look(move |reader, shared| reader.after(shared, cursor.as_ref(), limit)))
    }

    fn end(&self) -> BoxFuture<'_, Cursor> {
        Box::pin(self.look(|_, shared| Ok(after::end(shared))))
    }

    fn change(&self, which: Selection, change: Change) -> BoxFuture<'_, Vec<MessageId>> {
        Box::pin(self.change_all(which, change))
    }

    fn annotate(&self, id: MessageId, name: String, value: Option<String>) -> BoxFuture<'_, bool> {
        Box::pin(async move {
            self.check_open()?;
            check_annotation(&name, value.as_deref())?;
            self.writer.ask(move |tx| tx.annotate(id, &name, value.as_deref())).await
        })
    }

    fn annotations(&self, id: MessageId) -> BoxFuture<'_, BTreeMap<String, String>> {
        Box::pin(self.look(move |reader, _| reader.annotations(id)))
    }

    fn delete(&self, which: Selection) -> BoxFuture<'_, u64> {
        Box::pin(async move {
            let mut deleted = 0;
            let mut ended = self.delete_all(which.clone(), &mut deleted).await;
            if self.make_room(&ended).await {
                ended = self.delete_all(which, &mut deleted).await;
            }
            ended.map(|()| deleted)
        })
    }

    fn leave(&self, ids: Vec<MessageId>, mailbox: String) -> BoxFuture<'_, Left> {
        Box::pin(async move {
            self.check_open()?;
            let mut left = Left::default();
            for piece in ids.chunks(PIECE) {
                let (piece, mailbox) = (piece.to_vec(), mailbox_key(&mailbox));
                let work = move |tx: &mut Tx<'_>| {
                    let seqs = tx.seqs(&piece)?;
                    tx.leave(&seqs, &mailbox)
                };
                let more = self.writer.ask(work).await?;
                left.ids.extend(more.ids);
                left.deleted.extend(more.deleted);
            }
            Ok(left)
        })
    }

    fn prune(&self, keep: RetentionLimits) -> BoxFuture<'_, u64> {
        Box::pin(async move {
            let mut deleted = 0;
            let mut ended = self.prune_all(keep, &mut deleted).await;
            if self.make_room(&ended).await {
                ended = self.prune_all(keep, &mut deleted).await;
            }
            ended.map(|()| deleted)
        })
    }

    fn counts(&self) -> BoxFuture<'_, Counts> {
        Box::pin(async {
            self.check_open()?;
            self.writer.catch_up().await?;
            let counters = *self.shared.counters();
            let behind = counters.next_seq - 1 - self.shared.index.cursor();
            let behind = u64::try_from(behind).unwrap_or(0).min(counters.messages);
            let shared = self.shared.clone();
            let sum = move || database_bytes(&shared.folder) + shared.segments.disk_bytes();
            let files = smol::unblock(sum).await;
            Ok(Counts {
                messages: counters.messages,
                unread: counters.unread,
                bytes: counters.bytes,
                disk_bytes: files + counters.file_bytes,
                index_lag: if self.shared.indexed { behind } else { 0 },
            })
        })
    }

    fn mailboxes(&self, after: Option<String>, limit: usize) -> BoxFuture<'_, Vec<Mailbox>> {
        let after = after.map(|name| mailbox_key(&name));
        Box::pin(self.look(move |reader, _| reader.labels(Kind::Mailbox, after.as_deref(), limit)))
    }

    fn tags(&self) -> BoxFuture<'_, Vec<Mailbox>> {
        Box::pin(self.look(|reader, _| reader.labels(Kind::Tag, None, usize::MAX)))
    }

    fn set_note(&self, key: String, value: Option<Vec<u8>>) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            self.check_open()?;
            check_note(&key, value.as_deref())?;
            self.writer.ask(move |tx| tx.set_note(&key, value.as_deref())).await
        })
    }

    fn note(&self, key: String) -> BoxFuture<'_, Option<Vec<u8>>> {
        Box::pin(self.look(move |reader, _| reader.note(&key)))
    }

    fn notes(
        &self,
        prefix: String,
        after: Option<String>,
        limit: usize,
    ) -> BoxFuture<'_, Vec<Note>> {
        Box::pin(self.look(move |reader, _| reader.notes(&prefix, after.as_deref(), limit)))
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.finish())
    }
}

/// What a message must be so that the change makes a difference.
fn differs(change: &Change) -> Term {
    let (negated, test) = match change {
        Change::Read(read) => (false, Test::Read(!read)),
        Change::Starred(starred) => (*starred, Test::Starred),
        Change::Tag(tag) => (true, Test::Tag(tag_key(tag))),
        Change::Untag(tag) => (false, Test::Tag(tag_key(tag))),
    };
    Term { negated, test }
}
