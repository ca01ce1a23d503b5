//! The JSON of a message: a promise to programs. Fields are added, never renamed.

use serde::Serialize;

use time::OffsetDateTime;

use super::LoadedMessage;
use crate::{
    message::{Address, Defect, Letter, Part, Protection, protections},
    store::{self, Record},
    wire::Parameter,
};

/// A message in a list.
#[derive(Serialize)]
pub struct Message<'a> {
    id: String,
    read: bool,
    starred: bool,
    tags: &'a [String],
    state: &'static str,
    /// RFC 3339.
    received: String,
    envelope: Envelope<'a>,
    subject: &'a str,
    from: Vec<Person<'a>>,
    to: Vec<Person<'a>>,
    cc: Vec<Person<'a>>,
    bcc: Vec<Person<'a>>,
    reply_to: Vec<Person<'a>>,
    date: Option<String>,
    message_id: &'a str,
    /// Octets.
    size: u64,
    attachments: &'a [String],
    snippet: &'a str,
    defects: Vec<&'static str>,
}

/// A message with what is in it.
#[derive(Serialize)]
pub struct Whole<'a> {
    #[serde(flatten)]
    message: Message<'a>,
    /// The fields of its header in their order, decoded.
    headers: Vec<Field<'a>>,
    /// The plain text of the body, its leaves one below the other, up to 2 MB; null if it has HTML only.
    pub text: Option<String>,
    /// The HTML of the body, likewise: as sent if it is one leaf.
    pub html: Option<String>,
    /// Where its HTML and its text lead.
    links: Vec<Link>,
    /// The one-time codes in it, such as those of a sign-in; the best guess first.
    codes: Vec<Code>,
    /// Whether it is signed or encrypted, and how: `pgp-signed`, `smime-encrypted` and so on.
    protection: Vec<&'static str>,
    /// The MIME structure; the content of one is at `/messages/{id}/parts/{number}`.
    parts: Vec<Piece<'a>>,
}

#[derive(Serialize)]
struct Link {
    url: String,
    /// The words of the link; empty if there are none.
    text: String,
}

#[derive(Serialize)]
struct Code {
    /// Without the spaces that group its digits.
    value: String,
    /// `high` where the text says that this is the code, else `low`.
    confidence: &'static str,
}

#[derive(Serialize)]
struct Field<'a> {
    name: &'a str,
    value: &'a str,
}

#[derive(Serialize)]
struct Piece<'a> {
    number: usize,
    /// The number of the part that holds it.
    parent: Option<usize>,
    content_type: &'a str,
    charset: &'a str,
    file_name: &'a str,
    content_id: &'a str,
    is_attachment: bool,
    /// It is shown as part of the body, as HTML or as text.
    is_shown: bool,
    /// Octets as they stand in the message.
    encoded_size: u64,
    /// Octets of its content, decoded.
    size: u64,
}

#[derive(Serialize)]
struct Envelope<'a> {
    reverse_path: &'a str,
    parameters: Vec<String>,
    forward_paths: Vec<ForwardPath<'a>>,
    helo: &'a str,
    esmtp: bool,
    client: Option<String>,
    tls: Option<Tls<'a>>,
    auth_user: Option<&'a str>,
}

#[derive(Serialize)]
struct Tls<'a> {
    version: &'a str,
    cipher: &'a str,
    server_name: &'a str,
    client_certificate: Option<&'a str>,
}

#[derive(Serialize)]
struct ForwardPath<'a> {
    address: &'a str,
    parameters: Vec<String>,
}

#[derive(Serialize)]
struct Person<'a> {
    name: &'a str,
    address: &'a str,
}

impl<'a> Message<'a> {
    /// The shape of a stored message.
    pub fn new(record: &'a Record) -> Self {
        let store::Record { envelope, summary, .. } = record;
        Self {
            id: record.id.to_string(),
            read: record.read,
            starred: record.starred,
            tags: &record.tags,
            state: record.state.name(),
            received: timestamp(envelope.received_ms),
            envelope: Envelope::new(envelope),
            subject: &summary.subject,
            from: people(&summary.from),
            to: people(&summary.to),
            cc: people(&summary.cc),
            bcc: people(&summary.bcc),
            reply_to: people(&summary.reply_to),
            date: summary.date_ms.map(timestamp).filter(|at| !at.is_empty()),
            message_id: &summary.message_id,
            size: summary.size,
            attachments: &summary.attachments,
            snippet: &summary.snippet,
            defects: summary.defects.iter().copied().map(Defect::name).collect(),
        }
    }
}

impl<'a> Whole<'a> {
    /// Everything but the texts, which have to be read.
    pub fn new(loaded: &'a LoadedMessage, letter: &Letter) -> Self {
        let outline = &loaded.scanned.outline;
        let protections = protections(outline, &loaded.scanned.text);
        let fields = outline.parts.first().map(|part| part.headers.as_slice()).unwrap_or_default();
        let piece = |(number, part): (usize, &'a Part)| Piece {
            number,
            parent: part.parent,
            content_type: &part.content_type,
            charset: &part.charset,
            file_name: &part.file_name,
            content_id: &part.content_id,
            is_attachment: letter.attachments.binary_search(&number).is_ok(),
            is_shown: letter.rich.binary_search(&number).is_ok()
                || letter.plain.binary_search(&number).is_ok(),
            encoded_size: part.body.end.saturating_sub(part.body.start),
            size: part.content_length,
        };
        Self {
            message: Message::new(&loaded.record),
            headers: fields.iter().map(|(name, value)| Field { name, value }).collect(),
            text: None,
            html: None,
            links: Vec::new(),
            codes: Vec::new(),
            protection: protections.into_iter().map(Protection::name).collect(),
            parts: outline.parts.iter().enumerate().map(piece).collect(),
        }
    }

    /// Where it leads.
    pub fn add_links(&mut self, links: Vec<crate::message::Link>) {
        let link = |crate::message::Link { url, text }| Link { url, text };
        self.links.extend(links.into_iter().map(link));
    }

    /// The one-time codes in it.
    pub fn add_codes(&mut self, codes: Vec<crate::message::Code>) {
        let code = |crate::message::Code { value, is_sure }| Code {
            value,
            confidence: if is_sure { "high" } else { "low" },
        };
        self.codes.extend(codes.into_iter().map(code));
    }
}

impl<'a> Envelope<'a> {
    fn new(envelope: &'a crate::wire::Envelope) -> Self {
        let parameters = |all: &[Parameter]| -> Vec<String> { all.iter().map(parameter).collect() };
        let forward_path = |path: &'a crate::wire::ForwardPath| ForwardPath {
            address: &path.address,
            parameters: parameters(&path.parameters),
        };
        Self {
            reverse_path: &envelope.reverse_path,
            parameters: parameters(&envelope.parameters),
            forward_paths: envelope.forward_paths.iter().map(forward_path).collect(),
            helo: &envelope.helo,
            esmtp: envelope.esmtp,
            client: envelope.client.map(|client| client.to_string()),
            tls: envelope.tls.as_ref().map(Tls::new),
            auth_user: envelope.auth_user.as_deref(),
        }
    }
}

impl<'a> Tls<'a> {
    fn new(tls: &'a crate::wire::Tls) -> Self {
        let crate::wire::Tls { version, cipher, server_name, client_certificate } = tls;
        Self { version, cipher, server_name, client_certificate: client_certificate.as_deref() }
    }
}

fn people(addresses: &[Address]) -> Vec<Person<'_>> {
    addresses.iter().map(|it| Person { name: &it.name, address: &it.address }).collect()
}

/// A moment in milliseconds since 1970 as RFC 3339 has it, in UTC; empty for a year that it cannot write,
/// such as the year 99999 that a Date header may claim.
pub fn timestamp(unix_ms: i64) -> String {
    let Ok(at) = OffsetDateTime::from_unix_timestamp(unix_ms.div_euclid(1000)) else {
        return String::new();
    };
    let (year, month, day) = at.to_calendar_date();
    let (hour, minute, second) = at.to_hms();
    let month = u8::from(month);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// A parameter as it stood in the command.
pub fn parameter(parameter: &Parameter) -> String {
    match &parameter.value {
        Some(value) => format!("{}={value}", parameter.keyword),
        None => parameter.keyword.clone(),
    }
}
