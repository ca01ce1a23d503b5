//! The parts of a message as lists show them: attachments, and the tree of the structure.

use crate::{
    http::{
        access::ShownMessage,
        files,
        media::{self, Kind, Viewer},
        row::octets,
        strings::STRINGS,
    },
    message::Encoding,
};

/// A part in a list.
pub(super) struct Piece {
    pub(super) number: usize,
    /// As given; empty if there is none.
    pub(super) name: String,
    /// As it is called when it is saved.
    pub(super) file_name: String,
    pub(super) content_type: String,
    pub(super) charset: String,
    pub(super) encoding: &'static str,
    pub(super) size: String,
    pub(super) is_attachment: bool,
    pub(super) is_leaf: bool,
    pub(super) can_view: bool,
    /// Small enough to be shown in a list.
    pub(super) has_thumbnail: bool,
    pub(super) content_id: String,
    pub(super) kind: Kind,
    /// Other parts follow inside it.
    pub(super) opens: bool,
    /// How many of those that hold it end with it.
    pub(super) closes: usize,
}

/// The attachments of a letter.
pub(super) struct Attached {
    pub(super) pieces: Vec<Piece>,
    /// How many more there are than are listed.
    pub(super) more: u64,
    pub(super) count: u64,
    /// They are those of the message itself, which are to be had as one archive.
    pub(super) is_whole: bool,
    /// All together.
    pub(super) size: String,
}

impl Attached {
    /// Those of the message itself, or of the one that a part encloses.
    pub(super) fn new(loaded: &ShownMessage, enclosing: Option<usize>) -> Self {
        let outline = &loaded.scanned.outline;
        let numbers = outline.letter(enclosing).attachments;
        let lengths = numbers.iter().filter_map(|&number| outline.parts.get(number));
        let size = said(lengths.map(|part| part.content_length).sum(), loaded.read.is_some());
        let listed = numbers.iter().take(MOST_LISTED);
        let mut thumbnails = 0;
        let pieces = listed.filter_map(|&number| {
            let mut piece = Piece::new(loaded, number, true)?;
            piece.has_thumbnail &= thumbnails < MOST_THUMBNAILS;
            thumbnails += usize::from(piece.has_thumbnail);
            Some(piece)
        });
        Self {
            pieces: pieces.collect(),
            more: numbers.len().saturating_sub(MOST_LISTED) as u64,
            count: numbers.len() as u64,
            is_whole: enclosing.is_none(),
            size,
        }
    }
}

/// All parts, each knowing where lists of lists begin and end.
pub(super) fn tree(loaded: &ShownMessage) -> Vec<Piece> {
    let letter = loaded.letter();
    let is_attachment = |number| letter.attachments.binary_search(&number).is_ok();
    let numbers = 0..loaded.scanned.outline.parts.len();
    numbers.filter_map(|number| Piece::new(loaded, number, is_attachment(number))).collect()
}

impl Piece {
    /// The part of this number.
    pub(super) fn new(loaded: &ShownMessage, number: usize, is_attachment: bool) -> Option<Self> {
        let outline = &loaded.scanned.outline;
        let part = outline.parts.get(number)?;
        let next = outline.parts.get(number + 1).map_or(0, |next| next.depth);
        let viewer = Viewer::of(part);
        Some(Self {
            number,
            name: part.file_name.clone(),
            file_name: files::name(part, number),
            content_type: part.content_type.clone(),
            charset: part.charset.clone(),
            encoding: match part.encoding {
                Encoding::Identity => "",
                Encoding::Base64 => "base64",
                Encoding::QuotedPrintable => "quoted-printable",
                Encoding::Uuencode => "uuencode",
                Encoding::Yenc => "yenc",
                Encoding::CompressedRtf => "compressed RTF",
            },
            size: said(part.content_length, loaded.is_open(part)),
            is_attachment,
            is_leaf: !part.is_multipart(),
            can_view: viewer != Viewer::None,
            has_thumbnail: media::is_picture(media::media_type(part))
                && part.content_length <= LARGEST_THUMBNAIL,
            content_id: part.content_id.clone(),
            kind: Kind::of(part),
            opens: next > part.depth,
            closes: part.depth.saturating_sub(next),
        })
    }
}

/// A size in words; that of what was not read to its end is at least that.
fn said(length: u64, is_open: bool) -> String {
    let size = octets(length);
    if is_open { STRINGS.message.files.over.with(&size) } else { size }
}

/// Most attachments listed above a message; the structure lists them all.
const MOST_LISTED: usize = 60;

/// Most pictures drawn small at once, and the largest of them in octets: the browser reads them whole.
const MOST_THUMBNAILS: usize = 24;
const LARGEST_THUMBNAIL: u64 = 8_000_000;
