//! The document of a message, and back. docs/mongodb.md describes it for other programs.
//!
//! The mirrors stand apart from the types of `message`, so that these can change without changing what
//! is stored. Names and values of headers stand in an array of pairs: a field may be called `a.$b`.
//! What is empty is left out.

use mongodb::bson::{self, Binary, DateTime, RawDocumentBuf, oid::ObjectId, spec::BinarySubtype};
use serde::{Deserialize, Serialize};

use crate::{
    id::MessageId,
    message::{Address, Defect, Encoding, Outline, Part, Summary},
    store::{Error, Raw, Record, State, mailbox_key},
    wire::{Envelope, ForwardPath, Parameter, Tls},
};

/// A message as it is written.
pub(super) struct New<'a> {
    pub(super) envelope: &'a Envelope,
    pub(super) summary: &'a Summary,
    pub(super) outline: &'a Outline,
    /// Words for the full-text index; none if there is none.
    pub(super) words: Option<Vec<&'a str>>,
    pub(super) body: Body,
    /// CRC-32 of the octets.
    pub(super) crc: u32,
    /// Who stores it.
    pub(super) by: ObjectId,
}

/// Where the octets are.
#[derive(Debug)]
pub(super) enum Body {
    /// In the document.
    Inline(Vec<u8>),
    /// In the bucket.
    File(ObjectId),
}

/// A message as it is read.
#[derive(Debug, Deserialize)]
pub(super) struct Found {
    #[serde(rename = "_id")]
    id: ObjectId,
    received: DateTime,
    #[serde(default)]
    size: i64,
    #[serde(default)]
    state: String,
    #[serde(default)]
    read: bool,
    #[serde(default)]
    starred: bool,
    #[serde(default)]
    tags: Vec<String>,
    /// Those that it stands in now.
    mailboxes: Option<Vec<String>>,
    #[serde(default)]
    envelope: EnvelopeRow,
    #[serde(default)]
    summary: SummaryRow,
    /// The first one tells whether all are there, see [`super::words`].
    words: Option<Vec<String>>,
    /// CRC-32 of the octets; none in a message of an smtpd that did not write it down.
    crc: Option<i64>,
    pub(super) file: Option<ObjectId>,
    raw: Option<Binary>,
}

impl New<'_> {
    /// The octets of the document. Its id is zero and stands at [`ID_AT`].
    pub(super) fn to_document(&self) -> Result<Vec<u8>, Error> {
        let Self { envelope, summary, outline, .. } = self;
        let (file, raw) = match &self.body {
            Body::Inline(octets) => (None, Some(octets)),
            Body::File(file) => (Some(*file), None),
        };
        let row = Row {
            id: ObjectId::from_bytes([0; 12]),
            received: DateTime::from_millis(envelope.received_ms),
            size: i64::try_from(summary.size).unwrap_or(i64::MAX),
            state: State::default().name(),
            read: false,
            starred: false,
            attachment: !summary.attachments.is_empty(),
            mailboxes: mailboxes(envelope),
            by: self.by,
            crc: i64::from(self.crc),
            file,
            envelope: (*envelope).into(),
            summary: (*summary).into(),
            headers: outline.parts.first().map_or_else(Vec::new, headers),
            parts: outline.parts.iter().map(PartRow::from).collect(),
            words: self.words.as_deref(),
        };
        let unwritable = |error: bson::error::Error| Error::Io(error.to_string());
        let mut document = bson::serialize_to_raw_document_buf(&row).map_err(unwritable)?;
        if let Some(octets) = raw {
            let binary =
                bson::RawBinaryRef { subtype: BinarySubtype::Generic, bytes: octets.as_slice() };
            document.append(bson::cstr!("raw"), binary);
        }
        Ok(document.into_bytes())
    }
}

/// Puts the id into the octets of [`New::to_document`].
pub(super) fn with_id(mut octets: Vec<u8>, id: MessageId) -> Result<RawDocumentBuf, Error> {
    if let Some(place) = octets.get_mut(ID_AT..ID_AT + 12) {
        place.copy_from_slice(id.as_bytes());
    }
    RawDocumentBuf::from_bytes(octets).map_err(|error| Error::Io(error.to_string()))
}

/// The mailboxes that a message stands in, each once.
pub(super) fn mailboxes(envelope: &Envelope) -> Vec<String> {
    let mut keys: Vec<_> =
        envelope.forward_paths.iter().map(|path| mailbox_key(&path.address)).collect();
    keys.sort_unstable();
    keys.dedup();
    keys
}

impl Found {
    /// Its name.
    pub(super) fn id(&self) -> MessageId {
        MessageId::from_bytes(self.id.bytes())
    }

    /// The words of the document are not all of the message's.
    pub(super) fn is_cut(&self) -> bool {
        self.words.as_ref().is_none_or(|words| words.first().is_some_and(String::is_empty))
    }

    /// Octets of the message as received.
    pub(super) fn size(&self) -> u64 {
        u64::try_from(self.size).unwrap_or(0)
    }

    /// What its octets must sum up to, if anybody has written that down.
    pub(super) fn crc(&self) -> Option<u32> {
        self.crc.and_then(|crc| u32::try_from(crc).ok())
    }

    /// The octets, if they stand in the document and were asked for; an error if they are not those that
    /// were received.
    pub(super) fn take_raw(&mut self) -> Result<Option<Raw>, Error> {
        match self.raw_fault() {
            Some(fault) => Err(Error::Damaged(format!("message {}: {fault}", self.id()))),
            None => Ok(self.raw.take().map(|binary| Raw::Inline(binary.bytes.into()))),
        }
    }

    /// The octets stand in the document, and were asked for.
    pub(super) fn has_raw(&self) -> bool {
        self.raw.is_some()
    }

    /// What is wrong with the octets that stand in the document, if any do.
    pub(super) fn raw_fault(&self) -> Option<String> {
        let octets = &self.raw.as_ref()?.bytes;
        self.fault(octets.len() as u64, crc32fast::hash(octets))
    }

    /// What is wrong with octets of this length and sum; nothing if they are those that were received.
    pub(super) fn fault(&self, length: u64, crc: u32) -> Option<String> {
        if length != self.size() {
            return Some(format!("{length} octets instead of {}", self.size()));
        }
        let is_other = self.crc().is_some_and(|wanted| wanted != crc);
        is_other.then(|| "its octets are not those that were received".to_owned())
    }

    /// The message without its body.
    pub(super) fn into_record(self) -> Record {
        let id = self.id();
        let envelope = self.envelope.into_envelope(self.received.timestamp_millis());
        let mut left = Vec::new();
        if let Some(stands_in) = self.mailboxes {
            left = mailboxes(&envelope);
            left.retain(|name| !stands_in.contains(name));
        }
        Record {
            id,
            uid: None,
            envelope,
            summary: self.summary.into_summary(u64::try_from(self.size).unwrap_or(0)),
            read: self.read,
            starred: self.starred,
            tags: self.tags,
            left,
            state: State::from_name(&self.state).unwrap_or_default(),
        }
    }
}

#[derive(Serialize)]
struct Row<'a> {
    // First, so that it stands where [`ID_AT`] says.
    #[serde(rename = "_id")]
    id: ObjectId,
    received: DateTime,
    size: i64,
    state: &'a str,
    read: bool,
    starred: bool,
    attachment: bool,
    mailboxes: Vec<String>,
    by: ObjectId,
    crc: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<ObjectId>,
    envelope: EnvelopeRow,
    summary: SummaryRow,
    headers: Vec<HeaderRow<'a>>,
    parts: Vec<PartRow<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    words: Option<&'a [&'a str]>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct EnvelopeRow {
    from: String,
    to: Vec<PathRow>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    parameters: Vec<ParameterRow>,
    helo: String,
    esmtp: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tls: Option<TlsRow>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<String>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct PathRow {
    address: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    parameters: Vec<ParameterRow>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct ParameterRow {
    keyword: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<String>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct TlsRow {
    version: String,
    cipher: String,
    server_name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_certificate: Option<String>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct SummaryRow {
    subject: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    from: Vec<AddressRow>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    to: Vec<AddressRow>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    cc: Vec<AddressRow>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    bcc: Vec<AddressRow>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    reply_to: Vec<AddressRow>,
    #[serde(skip_serializing_if = "Option::is_none")]
    date: Option<DateTime>,
    message_id: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    attachments: Vec<String>,
    #[serde(skip_serializing_if = "is_zero")]
    inline_images: i64,
    snippet: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    defects: Vec<String>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct AddressRow {
    name: String,
    address: String,
}

#[derive(Serialize)]
struct HeaderRow<'a> {
    name: &'a str,
    value: &'a str,
}

#[derive(Serialize)]
struct PartRow<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    parent: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    within: Option<i32>,
    #[serde(rename = "type")]
    content_type: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    charset: &'a str,
    encoding: &'static str,
    attachment: bool,
    #[serde(skip_serializing_if = "str::is_empty")]
    file_name: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    content_id: &'a str,
    header: [i64; 2],
    body: [i64; 2],
}

impl From<&Envelope> for EnvelopeRow {
    fn from(envelope: &Envelope) -> Self {
        let path = |path: &ForwardPath| PathRow {
            address: path.address.clone(),
            parameters: parameter_rows(&path.parameters),
        };
        Self {
            from: envelope.reverse_path.clone(),
            to: envelope.forward_paths.iter().map(path).collect(),
            parameters: parameter_rows(&envelope.parameters),
            helo: envelope.helo.clone(),
            esmtp: envelope.esmtp,
            client: envelope.client.map(|client| client.to_string()),
            tls: envelope.tls.as_ref().map(|tls| TlsRow {
                version: tls.version.clone(),
                cipher: tls.cipher.clone(),
                server_name: tls.server_name.clone(),
                client_certificate: tls.client_certificate.clone(),
            }),
            user: envelope.auth_user.clone(),
        }
    }
}

impl EnvelopeRow {
    fn into_envelope(self, received_ms: i64) -> Envelope {
        let path = |row: PathRow| ForwardPath {
            address: row.address,
            parameters: parameters(row.parameters),
        };
        Envelope {
            reverse_path: self.from,
            forward_paths: self.to.into_iter().map(path).collect(),
            parameters: parameters(self.parameters),
            helo: self.helo,
            esmtp: self.esmtp,
            client: self.client.and_then(|client| client.parse().ok()),
            tls: self.tls.map(|tls| Tls {
                version: tls.version,
                cipher: tls.cipher,
                server_name: tls.server_name,
                client_certificate: tls.client_certificate,
            }),
            auth_user: self.user,
            received_ms,
        }
    }
}

impl From<&Summary> for SummaryRow {
    fn from(summary: &Summary) -> Self {
        Self {
            subject: summary.subject.clone(),
            from: address_rows(&summary.from),
            to: address_rows(&summary.to),
            cc: address_rows(&summary.cc),
            bcc: address_rows(&summary.bcc),
            reply_to: address_rows(&summary.reply_to),
            date: summary.date_ms.map(DateTime::from_millis),
            message_id: summary.message_id.clone(),
            attachments: summary.attachments.clone(),
            inline_images: i64::try_from(summary.inline_images).unwrap_or(i64::MAX),
            snippet: summary.snippet.clone(),
            defects: summary.defects.iter().map(|defect| defect.name().to_owned()).collect(),
        }
    }
}

impl SummaryRow {
    fn into_summary(self, size: u64) -> Summary {
        Summary {
            subject: self.subject,
            from: addresses(self.from),
            to: addresses(self.to),
            cc: addresses(self.cc),
            bcc: addresses(self.bcc),
            reply_to: addresses(self.reply_to),
            date_ms: self.date.map(DateTime::timestamp_millis),
            message_id: self.message_id,
            size,
            attachments: self.attachments,
            inline_images: usize::try_from(self.inline_images).unwrap_or(0),
            snippet: self.snippet,
            // A defect of a later version is one that this version has no word for.
            defects: self.defects.iter().filter_map(|name| Defect::from_name(name)).collect(),
        }
    }
}

impl<'a> From<&'a Part> for PartRow<'a> {
    fn from(part: &'a Part) -> Self {
        let place = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        Self {
            parent: part.parent.and_then(|parent| i32::try_from(parent).ok()),
            within: part.within.and_then(|within| i32::try_from(within).ok()),
            content_type: &part.content_type,
            charset: &part.charset,
            encoding: match part.encoding {
                Encoding::Identity => "identity",
                Encoding::Base64 => "base64",
                Encoding::QuotedPrintable => "quoted-printable",
                Encoding::Uuencode => "uuencode",
                Encoding::Yenc => "yenc",
                Encoding::CompressedRtf => "compressed-rtf",
            },
            attachment: part.is_attachment,
            file_name: &part.file_name,
            content_id: &part.content_id,
            header: [place(part.header.start), place(part.header.end)],
            body: [place(part.body.start), place(part.body.end)],
        }
    }
}

fn is_zero(number: &i64) -> bool {
    *number == 0
}

fn headers(part: &Part) -> Vec<HeaderRow<'_>> {
    part.headers.iter().map(|(name, value)| HeaderRow { name, value }).collect()
}

fn parameter_rows(list: &[Parameter]) -> Vec<ParameterRow> {
    list.iter()
        .map(|one| ParameterRow { keyword: one.keyword.clone(), value: one.value.clone() })
        .collect()
}

fn parameters(list: Vec<ParameterRow>) -> Vec<Parameter> {
    list.into_iter().map(|row| Parameter { keyword: row.keyword, value: row.value }).collect()
}

fn address_rows(list: &[Address]) -> Vec<AddressRow> {
    list.iter()
        .map(|one| AddressRow { name: one.name.clone(), address: one.address.clone() })
        .collect()
}

fn addresses(list: Vec<AddressRow>) -> Vec<Address> {
    list.into_iter().map(|row| Address { name: row.name, address: row.address }).collect()
}

/// Where the octets of the id stand: behind the length of the document (4), the type of the first
/// element (1) and its name (`_id` and NUL).
const ID_AT: usize = 9;
