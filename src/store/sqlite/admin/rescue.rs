//! Making a message again whose record is damaged, of what is whole of it.
//!
//! Its octets must be whole: nothing is shown that was not received. What was said and seen of it may be
//! lost: then the summary is read from the octets, and recipients and time come from the database's row.

use std::{fs::File, io};

use super::{
    super::{
        bodies::BodyName,
        body::StoredBody,
        fixed::Fixed,
        journal::{RecordHeader, Rescued, open_meta},
        row,
    },
    Folder,
    old::OldRow,
};
use crate::{
    message::{SNIPPET_CHARS, Scanner, Summary},
    store::{Raw, ReadAt, matching},
    wire::{Envelope, ForwardPath},
};

/// What could be saved of a message, and what of it had to be made again; or why nothing can.
pub(super) fn rescue(
    folder: &Folder,
    row: &OldRow,
    key: u32,
) -> Result<(Rescued, &'static str), String> {
    let fixed = row.fixed.as_ref().map_err(|_| "its row and its record are damaged")?;
    // A record that cannot be read at all leaves what the row knows.
    let record = folder.record(fixed).unwrap_or_default();
    let head = record.first_chunk().and_then(|octets| {
        RecordHeader::read(octets)
            .filter(|head| is_of(head, fixed))
            .or_else(|| mended(octets, fixed, key))
    });
    let body_end =
        usize::try_from(fixed.held).unwrap_or(usize::MAX).saturating_add(RecordHeader::LENGTH);
    let held = record.get(RecordHeader::LENGTH..body_end).unwrap_or_default();
    let is_whole = head.is_some_and(|head| crc32fast::hash(held) == head.held_crc);
    let (body, file) = match &fixed.file {
        Some(name) => (Vec::new(), Some(file(folder, fixed, name, held)?)),
        None if is_whole => (held.to_vec(), None),
        None => return Err("its octets are damaged".into()),
    };
    let meta = record.get(body_end..).and_then(open_meta).and_then(|json| row::read(json).ok());
    let done = match (&meta, is_whole) {
        (None, _) => "its envelope was lost: recipients and time are those that the database knew",
        (_, false) => "its record was damaged and is written again",
        _ => "its record is written again",
    };
    let (envelope, summary) = match meta {
        Some(both) => both,
        None => (envelope(row, fixed), summary(folder, &body, file.as_ref(), fixed)?),
    };
    let (seq, id) = (fixed.seq, fixed.id);
    Ok((Rescued { seq, id, envelope, summary, body, file }, done))
}

fn is_of(head: &RecordHeader, fixed: &Fixed) -> bool {
    (head.seq, head.id, head.held, u64::from(head.meta), head.size)
        == (fixed.seq, fixed.id, fixed.held, fixed.meta, fixed.size)
}

/// A head in which one bit is wrong. Everything in it but the checksum of the body is known from the row,
/// and the head's own checksum tells which bit it is.
fn mended(octets: &[u8; RecordHeader::LENGTH], fixed: &Fixed, key: u32) -> Option<RecordHeader> {
    (0..RecordHeader::LENGTH * 8).find_map(|bit| {
        let mut changed = *octets;
        changed[bit / 8] ^= 1 << (bit % 8);
        RecordHeader::read(&changed).filter(|head| is_of(head, fixed) && head.belongs_to(key))
    })
}

/// The body's file, if all of it is as it was received.
fn file(folder: &Folder, fixed: &Fixed, name: &str, held: &[u8]) -> Result<BodyName, String> {
    let said = |error: io::Error| format!("body {name}: {error}");
    let known = BodyName::read(held).filter(|known| known.name == name);
    // The record is lost, but a body has its own checksums; and before layout 2 it had none at all.
    let is_sealed = known.as_ref().is_none_or(|known| known.crc.is_some());
    let opened = match &known {
        Some(known) => folder.bodies.read(known, fixed.size),
        None => File::open(folder.bodies.path(name))
            .and_then(|file| StoredBody::open_sealed(file, fixed.size)),
    };
    let body = opened.map_err(said)?;
    body.verify().map_err(said)?;
    let crc = if is_sealed { body.crc() } else { None };
    Ok(BodyName { name: name.to_owned(), crc })
}

fn envelope(row: &OldRow, fixed: &Fixed) -> Envelope {
    let path = |name: &String| ForwardPath { address: name.clone(), parameters: Vec::new() };
    Envelope {
        forward_paths: row.mailboxes.iter().map(path).collect(),
        received_ms: fixed.received_ms,
        ..Envelope::default()
    }
}

fn summary(
    folder: &Folder,
    body: &[u8],
    file: Option<&BodyName>,
    fixed: &Fixed,
) -> Result<Summary, String> {
    let raw = match file {
        None => Raw::Inline(body.into()),
        Some(name) => {
            let stored = folder.bodies.read(name, fixed.size).map_err(|error| error.to_string())?;
            let stored: std::sync::Arc<dyn ReadAt> = std::sync::Arc::new(stored);
            Raw::Pieces(stored)
        }
    };
    let mut scanner = Scanner::new(TEXT_LIMIT);
    matching::scan(&raw, &mut scanner).map_err(|error| error.to_string())?;
    Ok(Summary { size: fixed.size, ..scanner.finish().summary })
}

/// As on the way in: octets of text that the snippet is made of.
const TEXT_LIMIT: usize = 32 * SNIPPET_CHARS;
