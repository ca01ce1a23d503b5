//! Large bodies in GridFS: `files` and `chunks`, as every driver reads them.
//!
//! The document of the file is written first and gets its length last, so that there is never a chunk
//! without a file. A body counts only if a message names it; what a crash leaves is swept up by age.
//! A deleted message's body stays for a while, because somebody may be reading it.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use mongodb::bson::{Binary, DateTime, Document, doc, oid::ObjectId, spec::BinarySubtype};
use smol::stream::StreamExt as _;

use super::{Shared, schema::Collections};
use crate::store::{Error, Raw, ReadAt};

/// A body that is being written, or is written and waits for its message. Dropping it removes it.
pub(super) struct Upload {
    shared: Arc<Shared>,
    id: ObjectId,
    length: u64,
    next: i32,
    kept: bool,
    /// Held while chunks are being written: what is removed meanwhile would come back.
    writing: Arc<tokio::sync::Mutex<()>>,
}

impl Upload {
    /// Begins a body.
    pub(super) async fn begin(shared: &Arc<Shared>) -> Result<Self, Error> {
        let id = ObjectId::new();
        let file = doc! {
            "_id": id, "length": 0_i64, "chunkSize": CHUNK as i32, "uploadDate": DateTime::now(),
            "filename": id.to_hex(), "metadata": { "by": shared.me },
        };
        // From here on there may be something to remove.
        let upload = Self {
            shared: shared.clone(),
            id,
            length: 0,
            next: 0,
            kept: false,
            writing: Arc::default(),
        };
        let writing = upload.writing.clone();
        let insert = async move |there: Collections| {
            let _writing = writing.lock().await;
            there.files.insert_one(file).await.map(drop)
        };
        shared.write(insert).await?;
        Ok(upload)
    }

    /// Takes whole chunks from the front of the buffer, or all of it.
    pub(super) async fn write(&mut self, buffer: &mut Vec<u8>, all: bool) -> Result<(), Error> {
        let end = if all { buffer.len() } else { buffer.len() / CHUNK * CHUNK };
        if end == 0 {
            return Ok(());
        }
        let rest = buffer.split_off(end);
        let octets = std::mem::replace(buffer, rest);
        let mut documents = Vec::new();
        for data in octets.chunks(CHUNK) {
            let data = Binary { subtype: BinarySubtype::Generic, bytes: data.to_vec() };
            documents.push(doc! {
                "_id": ObjectId::new(), "files_id": self.id, "n": self.next, "data": data,
            });
            self.next += 1;
        }
        self.length += octets.len() as u64;
        let writing = self.writing.clone();
        let insert = async move |there: Collections| {
            let _writing = writing.lock().await;
            there.chunks.insert_many(documents).await.map(drop)
        };
        self.shared.write(insert).await
    }

    /// Writes down how long it is. Then, and not before, a message may name it.
    pub(super) async fn finish(&self) -> Result<(), Error> {
        let length = doc! { "$set": { "length": signed(self.length) } };
        let this = doc! { "_id": self.id };
        self.shared
            .write(async move |there| there.files.update_one(this, length).await.map(drop))
            .await
    }

    /// What the message calls it.
    pub(super) fn id(&self) -> ObjectId {
        self.id
    }

    /// Octets so far.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// The message is stored: it stays.
    pub(super) fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if !self.kept {
            let (shared, id, writing) = (self.shared.clone(), self.id, self.writing.clone());
            self.shared.runtime.spawn(async move {
                let _alone = writing.lock().await;
                // If this fails it is swept up later.
                let _ = remove(&shared.there, &[id]).await;
            });
        }
    }
}

/// A body that is fetched as it is read.
struct Remote {
    shared: Arc<Shared>,
    file: ObjectId,
    length: u64,
    /// The piece that was fetched last, and where it begins.
    piece: Mutex<(u64, Vec<u8>)>,
}

/// The octets of a body.
pub(super) fn read(shared: &Arc<Shared>, file: ObjectId, length: u64) -> Raw {
    let piece = Mutex::new((0, Vec::new()));
    Raw::Pieces(Arc::new(Remote { shared: shared.clone(), file, length, piece }))
}

impl ReadAt for Remote {
    fn length(&self) -> u64 {
        self.length
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        if offset >= self.length {
            return Ok(0);
        }
        let mut piece = self.piece.lock().unwrap_or_else(PoisonError::into_inner);
        let (start, octets) = &mut *piece;
        if offset < *start || offset - *start >= octets.len() as u64 {
            let first = offset / CHUNK as u64;
            *octets = smol::block_on(self.fetch(first)).map_err(io::Error::other)?;
            *start = first * CHUNK as u64;
        }
        let skip = usize::try_from(offset - *start).unwrap_or(usize::MAX);
        let Some(rest) = octets.get(skip..).filter(|rest| !rest.is_empty()) else {
            return Err(io::Error::other(format!("body {}: octet {offset} is missing", self.file)));
        };
        let taken = rest.len().min(buffer.len());
        buffer[..taken].copy_from_slice(&rest[..taken]);
        Ok(taken)
    }
}

impl Remote {
    /// A few chunks from the one of this number on.
    async fn fetch(&self, first: u64) -> Result<Vec<u8>, Error> {
        let first = signed(first);
        let range = doc! { "$gte": first, "$lt": first + CHUNKS as i64 };
        let filter = doc! { "files_id": self.file, "n": range };
        self.shared
            .read(async move |there| {
                let mut found = there.chunks.find(filter).sort(doc! { "n": 1 }).await?;
                let mut octets = Vec::new();
                while let Some(chunk) = found.try_next().await? {
                    if let Ok(data) = chunk.get_binary_generic("data") {
                        octets.extend_from_slice(data);
                    }
                }
                Ok(octets)
            })
            .await
    }
}

impl std::fmt::Debug for Remote {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Remote").field("file", &self.file).field("length", &self.length).finish()
    }
}

/// Bodies whose messages were deleted: they go when nobody can be reading them any more.
pub(super) async fn doom(there: &Collections, files: &[ObjectId]) -> mongodb::error::Result<()> {
    let update = doc! { "$set": { "metadata.doomed": DateTime::now() } };
    there.files.update_many(doc! { "_id": { "$in": files } }, update).await.map(drop)
}

/// Removes bodies that were doomed long enough ago, and those of long ago that no message names.
pub(super) async fn sweep(there: &Collections, now: DateTime) -> mongodb::error::Result<u64> {
    let before = |age: Duration| {
        let age = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
        DateTime::from_millis(now.timestamp_millis().saturating_sub(age))
    };
    let doomed = doc! { "metadata.doomed": { "$lt": before(READING) } };
    let old = doc! { "uploadDate": { "$lt": before(WRITING) } };
    let mut swept = 0;
    for (filter, named) in [(doomed, false), (old, true)] {
        let mut found = there.files.find(filter).projection(doc! { "_id": 1 }).await?;
        loop {
            let mut ids = Vec::new();
            while ids.len() < AT_ONCE
                && let Some(file) = found.try_next().await?
            {
                ids.extend(file.get_object_id("_id"));
            }
            if ids.is_empty() {
                break;
            }
            if named {
                without_named(there, &mut ids).await?;
            }
            swept += ids.len() as u64;
            remove(there, &ids).await?;
        }
    }
    Ok(swept)
}

async fn without_named(there: &Collections, ids: &mut Vec<ObjectId>) -> mongodb::error::Result<()> {
    let filter = doc! { "file": { "$in": ids.as_slice() } };
    let mut named = there.messages.find(filter).projection(doc! { "file": 1 }).await?;
    while let Some(message) = named.try_next().await? {
        let file = message.get_object_id("file").ok();
        ids.retain(|id| Some(*id) != file);
    }
    Ok(())
}

async fn remove(there: &Collections, ids: &[ObjectId]) -> mongodb::error::Result<()> {
    if ids.is_empty() {
        return Ok(());
    }
    there.chunks.delete_many(doc! { "files_id": { "$in": ids } }).await?;
    let these: Document = doc! { "_id": { "$in": ids } };
    there.files.delete_many(these).await.map(drop)
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Octets of a chunk, as all drivers have it.
const CHUNK: usize = 255 * 1024;
/// Chunks that are read at once.
const CHUNKS: usize = 4;
/// Octets that are collected before they are written at once.
pub(super) const PIECE: usize = CHUNKS * CHUNK;
/// Bodies that are looked at together.
const AT_ONCE: usize = 100;
/// Longest time that somebody reads a body whose message was deleted.
const READING: Duration = Duration::from_secs(10 * 60);
/// Longest time that a body takes to arrive, and more.
const WRITING: Duration = Duration::from_secs(24 * 3_600);
