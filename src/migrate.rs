//! From one store into another: every message under its own id, so that links to it stay good, with its
//! octets, its envelope, its marks and its tags, what was learnt of it, and out of the mailboxes that it left; and
//! the notes beside the messages.
//!
//! The oldest go first, so that a migration that was interrupted goes on where it was when it is begun
//! again: what is there already is passed over. Nothing is taken away from where it came from.

use std::{
    collections::{HashMap, HashSet},
    path::PathBuf,
    sync::Arc,
};

use smol::LocalExecutor;

use crate::{
    id::MessageId,
    store::{Change, Error, Kind, Options, Query, Raw, Record, Selection, Store},
};

/// What was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Migrated {
    /// Messages copied.
    pub copied: u64,
    /// Messages that were there already.
    pub present: u64,
    /// Messages that were deleted from the first store before their turn came.
    pub gone: u64,
}

/// The store that a name on the command line means: `sqlite` and `mongodb` as the configuration has them,
/// `sqlite:FOLDER`, or a connection string.
pub fn store_options(name: &str, configured: &Options) -> Result<Options, String> {
    let mut options = configured.clone();
    match name.split_once(':') {
        None if name == "sqlite" => options.kind = Kind::Sqlite,
        None if name == "mongodb" => options.kind = Kind::Mongodb,
        Some(("sqlite", path)) if !path.is_empty() => {
            options.kind = Kind::Sqlite;
            options.path = PathBuf::from(path);
        }
        Some(("mongodb" | "mongodb+srv", _)) => {
            options.kind = Kind::Mongodb;
            options.mongodb.uri = name.to_owned().into();
        }
        _ => {
            return Err(format!(
                "migrate: {name}: expected sqlite, sqlite:FOLDER, mongodb, or mongodb://..."
            ));
        }
    }
    Ok(options)
}

/// Copies everything; `progress` is told how many of how many are done. So many messages are under way at
/// once: only one where ids are the order of commits.
pub async fn run(
    from: &dyn Store,
    to: &dyn Store,
    at_once: usize,
    mut progress: impl FnMut(u64, u64),
) -> Result<Migrated, Error> {
    let mut wanted = ids(from).await?;
    wanted.reverse();
    let there: HashSet<_> = ids(to).await?.into_iter().collect();
    let (mut done, all) = (Migrated::default(), wanted.len() as u64);
    for piece in wanted.chunks(PIECE) {
        let lanes = LocalExecutor::new();
        let copies: Vec<_> = (0..at_once.max(1))
            .map(|lane| {
                let (mine, there) = (piece.iter().skip(lane).step_by(at_once.max(1)), &there);
                lanes.spawn(async move {
                    let mut copies = Vec::new();
                    for id in mine {
                        copies.push(copy(from, to, *id, there.contains(id)).await?);
                    }
                    Ok::<_, Error>(copies)
                })
            })
            .collect();
        let collect = async {
            let mut records = Vec::new();
            for copies in copies {
                for copy in copies.await? {
                    done.count(&copy);
                    records.extend(copy.record());
                }
            }
            Ok(records)
        };
        mark(to, &lanes.run(collect).await?).await?;
        progress(done.copied + done.present + done.gone, all);
    }
    copy_notes(from, to).await?;
    Ok(done)
}

/// How it went with one message.
enum Copied {
    Now(Record),
    Before(Record),
    Gone,
}

impl Copied {
    fn record(self) -> Option<Record> {
        match self {
            Self::Now(record) | Self::Before(record) => Some(record),
            Self::Gone => None,
        }
    }
}

impl Migrated {
    fn count(&mut self, copied: &Copied) {
        match copied {
            Copied::Now(_) => self.copied += 1,
            Copied::Before(_) => self.present += 1,
            Copied::Gone => self.gone += 1,
        }
    }
}

/// Every id, newest first.
async fn ids(store: &dyn Store) -> Result<Vec<MessageId>, Error> {
    let (mut all, mut before) = (Vec::new(), None);
    loop {
        let page = store.list(Query { before, limit: PIECE, ..Query::default() }).await?;
        all.extend(page.records.iter().map(|record| record.id));
        before = all.last().copied();
        if !page.more {
            return Ok(all);
        }
    }
}

async fn copy(
    from: &dyn Store,
    to: &dyn Store,
    id: MessageId,
    is_there: bool,
) -> Result<Copied, Error> {
    let Some(record) = from.get(id).await? else { return Ok(Copied::Gone) };
    if is_there {
        annotate(from, to, id).await?;
        return Ok(Copied::Before(record));
    }
    let Some(raw) = from.raw(id).await? else { return Ok(Copied::Gone) };
    let mut draft = to.begin().await?;
    let (raw, mut offset) = (Arc::new(raw), 0);
    loop {
        let chunk = chunk(raw.clone(), offset).await?;
        if chunk.is_empty() {
            break;
        }
        offset += chunk.len() as u64;
        draft.write(&chunk).await?;
    }
    draft.restore(id, record.envelope.clone(), record.summary.clone()).await?;
    annotate(from, to, id).await?;
    Ok(Copied::Now(record))
}

/// Copies what was learnt of a message. What the other store has already stays: somebody may be at work there.
async fn annotate(from: &dyn Store, to: &dyn Store, id: MessageId) -> Result<(), Error> {
    let learnt = from.annotations(id).await?;
    if learnt.is_empty() {
        return Ok(());
    }
    let there = to.annotations(id).await?;
    for (name, value) in learnt.into_iter().filter(|(name, _)| !there.contains_key(name)) {
        to.annotate(id, name, Some(value)).await?;
    }
    Ok(())
}

/// Copies the notes, likewise.
async fn copy_notes(from: &dyn Store, to: &dyn Store) -> Result<(), Error> {
    let mut after = None;
    loop {
        let notes = from.notes(String::new(), after.take(), NOTES).await?;
        let Some(last) = notes.last() else { return Ok(()) };
        after = Some(last.key.clone());
        for note in notes {
            if to.note(note.key.clone()).await?.is_none() {
                to.set_note(note.key, Some(note.value)).await?;
            }
        }
    }
}

async fn chunk(raw: Arc<Raw>, offset: u64) -> Result<Vec<u8>, Error> {
    let read = smol::unblock(move || {
        let mut chunk = vec![0; CHUNK];
        let taken = raw.read_at(&mut chunk, offset)?;
        chunk.truncate(taken);
        Ok(chunk)
    });
    read.await.map_err(|error: std::io::Error| Error::Io(error.to_string()))
}

/// Gives the copies the marks and tags of the originals, and has them leave the mailboxes that these left.
/// Those that were there before get them, too: an interruption may have come between a message and its marks.
async fn mark(to: &dyn Store, records: &[Record]) -> Result<(), Error> {
    let those = |wanted: fn(&Record) -> bool| {
        records.iter().filter(|record| wanted(record)).map(|record| record.id).collect::<Vec<_>>()
    };
    let mut changes = vec![
        (Change::Read(true), those(|record| record.read)),
        (Change::Starred(true), those(|record| record.starred)),
    ];
    let mut tags = HashMap::<&String, Vec<MessageId>>::new();
    for record in records {
        record.tags.iter().for_each(|tag| tags.entry(tag).or_default().push(record.id));
    }
    changes.extend(tags.into_iter().map(|(tag, ids)| (Change::Tag(tag.clone()), ids)));
    for (change, ids) in changes {
        if !ids.is_empty() {
            to.change(Selection::Ids(ids), change).await?;
        }
    }
    let mut left = HashMap::<&String, Vec<MessageId>>::new();
    for record in records {
        record.left.iter().for_each(|name| left.entry(name).or_default().push(record.id));
    }
    for (mailbox, ids) in left {
        to.leave(ids, mailbox.clone()).await?;
    }
    Ok(())
}

/// Messages between two reports.
const PIECE: usize = 1_000;
/// Notes that are in memory at a time; each may be large.
const NOTES: usize = 4;
/// Octets of a body that are in memory at a time.
const CHUNK: usize = 256 * 1024;
