//! From the octets of a stored message to what a page can show of them, always bounded.
//!
//! Reading a file, scanning it and decoding parts happen where blocking is allowed.

use std::sync::Arc;

use super::{
    Error, Mail, Scope,
    octets::{blocking, extracted, line_start, read_range},
    scans::Scan,
};
use crate::{
    id::MessageId,
    message::{Letter, Part, Scanned, is_pdf_without_script},
    store::{Raw, Record},
};

/// A message with its octets and what they say.
pub struct LoadedMessage {
    /// What the store knows of it.
    pub record: Record,
    /// Its octets as they came.
    pub raw: Arc<Raw>,
    /// What was found in them.
    pub scanned: Arc<Scanned>,
    /// How many octets were read for that, if the message has more.
    pub read: Option<u64>,
}

/// A text that is cut if there is too much of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Excerpt {
    /// As much of it as there is room for.
    pub text: String,
    /// There was more.
    pub is_cut: bool,
}

impl Mail {
    /// A message with everything in it.
    pub async fn load(&self, scope: &Scope, id: MessageId) -> Result<Option<LoadedMessage>, Error> {
        self.load_up_to(scope, id, u64::MAX).await
    }

    /// A message with what there is in its first `MOST_READ` octets, which is all of almost any: a
    /// page has to come soon.
    pub async fn load_prefix(
        &self,
        scope: &Scope,
        id: MessageId,
    ) -> Result<Option<LoadedMessage>, Error> {
        self.load_up_to(scope, id, MOST_READ).await
    }

    async fn load_up_to(
        &self,
        scope: &Scope,
        id: MessageId,
        most: u64,
    ) -> Result<Option<LoadedMessage>, Error> {
        let Some(record) = self.get(scope, id).await? else { return Ok(None) };
        let Some(raw) = self.0.store.raw(id).await? else { return Ok(None) };
        let raw = Arc::new(raw);
        let Scan { scanned, read, .. } = self.0.scans.scan(id, &raw, most).await?;
        let read = (read < raw.len()).then_some(read);
        Ok(Some(LoadedMessage { record, raw, scanned, read }))
    }
}

impl LoadedMessage {
    /// What to show of the message itself.
    pub fn letter(&self) -> Letter {
        self.scanned.outline.letter(None)
    }

    /// The text of a part in its charset.
    pub async fn text_of(&self, number: usize) -> Result<Excerpt, Error> {
        let outline = &self.scanned.outline;
        let content = outline.content(number).ok_or(Error::NoPart)?;
        let scanned = self.scanned.clone();
        blocking(&self.raw, move |raw| {
            let (octets, is_cut) = extracted(raw, content, MOST_SHOWN)?;
            let (text, _) = scanned.outline.text(number, &octets);
            Ok(Excerpt { text, is_cut })
        })
        .await
    }

    /// True if a PDF is small enough to be looked through, and has no script.
    pub async fn is_quiet_pdf(&self, number: usize) -> Result<bool, Error> {
        let outline = &self.scanned.outline;
        let part = outline.parts.get(number).ok_or(Error::NoPart)?;
        if part.content_length > LARGEST_PDF {
            return Ok(false);
        }
        let content = outline.content(number).ok_or(Error::NoPart)?;
        blocking(&self.raw, move |raw| {
            let (octets, is_cut) = extracted(raw, content, LARGEST_PDF as usize)?;
            Ok(!is_cut && is_pdf_without_script(&octets))
        })
        .await
    }

    /// True if nobody read as far as to the end of this part.
    pub fn is_open(&self, part: &Part) -> bool {
        self.read.is_some() && part.within.is_none() && part.body.end >= self.raw.len()
    }

    /// The header of a part as it came, as text.
    pub async fn header_of(&self, number: usize) -> Result<Excerpt, Error> {
        let header = self.scanned.outline.header(number).ok_or(Error::NoPart)?;
        blocking(&self.raw, move |raw| {
            let (octets, is_cut) = extracted(raw, header, MOST_SHOWN)?;
            let text = String::from_utf8_lossy(&octets).into_owned();
            Ok(Excerpt { text, is_cut })
        })
        .await
    }

    /// A page of the message as it came, as text: the lines that begin in it. Pages are numbered from 1;
    /// past the last one there is none.
    pub async fn source(&self, page: u64) -> Result<Option<String>, Error> {
        let start = page.saturating_sub(1).saturating_mul(SOURCE_PAGE);
        if page > self.source_pages() {
            return Ok(None);
        }
        blocking(&self.raw, move |raw| {
            let range = line_start(raw, start)?..line_start(raw, start + SOURCE_PAGE)?;
            let octets = read_range(raw, range)?;
            Ok(Some(String::from_utf8_lossy(&octets).into_owned()))
        })
        .await
    }

    /// How many pages of source there are, at least one.
    pub fn source_pages(&self) -> u64 {
        self.raw.len().div_ceil(SOURCE_PAGE).max(1)
    }
}

/// Most octets of a message that are read before its page is shown: some 0.25 s of reading. Who wants to
/// know what comes behind them says so.
const MOST_READ: u64 = 128_000_000;

/// Most octets of one part, decoded, that a page shows. A browser still scrolls it.
pub const MOST_SHOWN: usize = 2 * 1024 * 1024;

/// Largest PDF that is looked through before it is shown, in octets.
const LARGEST_PDF: u64 = 32 * 1024 * 1024;

/// Octets on one page of the source: a browser draws it at once, and a phone as well.
const SOURCE_PAGE: u64 = 256 * 1024;
