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

use crc32fast::Hasher;
use mongodb::bson::{Binary, DateTime, Document, doc, oid::ObjectId, spec::BinarySubtype};
use smol::stream::StreamExt as _;

use super::{Shared, schema::Collections};
use crate::store::{Error, Raw, ReadAt};

/// A body that is being written, or is written and waits for its message. Dropping it removes it.
pub(super) struct Upload {
    shared: Arc<Shared>,
    id: ObjectId,
    length: u64,
    /// Of all octets so far.
    sum: Hasher,
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
            sum: Hasher::new(),
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
        self.sum.update(&octets);
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

    /// CRC-32 of the octets so far.
    pub(super) fn crc(&self) -> u32 {
        self.sum.clone().finalize()
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
    /// What the octets must sum up to; none in a message of an smtpd that did not write it down.
    crc: Option<u32>,
    piece: Mutex<Piece>,
}

/// What was fetched last.
#[derive(Default)]
struct Piece {
    start: u64,
    octets: Vec<u8>,
    /// Of the octets from the first on, and how many these are, while they are read in their order.
    sum: Hasher,
    summed: u64,
}

/// The octets of a body.
pub(super) fn read(shared: &Arc<Shared>, file: ObjectId, length: u64, crc: Option<u32>) -> Raw {
    let piece = Mutex::default();
    Raw::Pieces(Arc::new(Remote { shared: shared.clone(), file, length, crc, piece }))
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
        if offset < piece.start || offset - piece.start >= piece.octets.len() as u64 {
            let first = offset / CHUNK as u64;
            piece.start = first * CHUNK as u64;
            piece.octets = smol::block_on(self.fetch(first)).map_err(io::Error::other)?;
            if let Err(error) = piece.sum_up(self) {
                // Not to be given to who asks for them again.
                piece.octets.clear();
                return Err(error);
            }
        }
        let skip = usize::try_from(offset - piece.start).unwrap_or(usize::MAX);
        let Some(rest) = piece.octets.get(skip..).filter(|rest| !rest.is_empty()) else {
            return Err(self.damaged(&format!("octet {offset} is missing")));
        };
        let taken = rest.len().min(buffer.len());
        buffer[..taken].copy_from_slice(&rest[..taken]);
        Ok(taken)
    }
}

impl Piece {
    /// Sums up who reads from the first octet to the last, which costs nothing that can be felt beside
    /// fetching them; an error if the last are here and the sum is not what it must be.
    fn sum_up(&mut self, body: &Remote) -> io::Result<()> {
        if self.start != self.summed {
            return Ok(());
        }
        self.sum.update(&self.octets);
        self.summed += self.octets.len() as u64;
        match body.crc {
            Some(crc) if self.summed >= body.length && self.sum.clone().finalize() != crc => {
                Err(body.damaged("its octets are not those that were received"))
            }
            _ => Ok(()),
        }
    }
}

impl Remote {
    fn damaged(&self, how: &str) -> io::Error {
        let said = format!("body {} is damaged: {how}", self.file);
        log::error!("{said}");
        io::Error::new(io::ErrorKind::InvalidData, said)
    }

    /// A few chunks from the one of this number on, up to one that is missing.
    async fn fetch(&self, first: u64) -> Result<Vec<u8>, Error> {
        let (file, length, first) = (self.file, self.length, signed(first));
        let range = doc! { "$gte": first, "$lt": first + CHUNKS as i64 };
        let filter = doc! { "files_id": file, "n": range };
        self.shared
            .read(async move |there| {
                let mut found = there.chunks.find(filter).sort(doc! { "n": 1 }).await?;
                let (mut octets, mut next) = (Vec::new(), first);
                while let Some(chunk) = found.try_next().await? {
                    let Some(data) = part(&chunk, file, length, next) else { break };
                    octets.extend_from_slice(data);
                    next += 1;
                }
                Ok(octets)
            })
            .await
    }
}

/// The octets of a chunk, if it is that of this file and number, and as long as that must be.
fn part(chunk: &Document, file: ObjectId, length: u64, number: i64) -> Option<&Vec<u8>> {
    let is_of_file = chunk.get_object_id("files_id").is_ok_and(|id| id == file);
    let is_next = chunk.get_i32("n").is_ok_and(|n| i64::from(n) == number);
    let rest = length.saturating_sub(u64::try_from(number).ok()?.saturating_mul(CHUNK as u64));
    let data = chunk.get_binary_generic("data").ok()?;
    (is_of_file && is_next && data.len() as u64 == rest.min(CHUNK as u64)).then_some(data)
}

/// Length and CRC-32 of a body that shall have so many octets, as far as its chunks are there.
pub(super) async fn sum(
    there: &Collections,
    file: ObjectId,
    length: u64,
) -> mongodb::error::Result<(u64, u32)> {
    let of_file = doc! { "files_id": file };
    let find = there.chunks.find(of_file).sort(doc! { "n": 1 });
    let mut found = find.batch_size(CHUNKS as u32).await?;
    let (mut summed, mut sum, mut next) = (0, Hasher::new(), 0);
    while let Some(chunk) = found.try_next().await? {
        let Some(data) = part(&chunk, file, length, next) else { break };
        summed += data.len() as u64;
        sum.update(data);
        next += 1;
    }
    Ok((summed, sum.finalize()))
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
