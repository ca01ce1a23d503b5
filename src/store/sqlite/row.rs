//! How an envelope and a summary are written down: compact JSON with short names.
//!
//! The mirrors stand apart from the types of `message`, so that these can change without changing what
//! is on disk, and because nothing inside is `Serialize` for the world. What is empty is left out. They
//! borrow when they are written, because that happens for every message.

use std::{borrow::Cow, net::SocketAddr};

use serde::{Deserialize, Serialize};

use crate::message::{Address, Defect, Summary};
use crate::wire::{Envelope, ForwardPath, Parameter, Tls};

/// Writes both as JSON.
pub(super) fn write(
    into: &mut Vec<u8>,
    envelope: &Envelope,
    summary: &Summary,
) -> Result<(), serde_json::Error> {
    let row = Row { envelope: EnvelopeRow::new(envelope), summary: SummaryRow::new(summary) };
    serde_json::to_writer(into, &row)
}

/// Reads what was written.
pub(super) fn read(json: &[u8]) -> Result<(Envelope, Summary), serde_json::Error> {
    let row: Row<'_> = serde_json::from_slice(json)?;
    Ok((row.envelope.into_envelope(), row.summary.into_summary()))
}

#[derive(Serialize, Deserialize)]
struct Row<'a> {
    envelope: EnvelopeRow<'a>,
    summary: SummaryRow<'a>,
}

type Text<'a> = Cow<'a, str>;

/// Keyword and value, or name and address.
type Pairs<'a, V> = Vec<(Text<'a>, V)>;

/// An address and its parameters.
type Paths<'a> = Pairs<'a, Pairs<'a, Option<Text<'a>>>>;

#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct EnvelopeRow<'a> {
    #[serde(rename = "from", skip_serializing_if = "is_empty")]
    reverse_path: Text<'a>,
    #[serde(rename = "to", skip_serializing_if = "Vec::is_empty")]
    forward_paths: Paths<'a>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    parameters: Pairs<'a, Option<Text<'a>>>,
    #[serde(skip_serializing_if = "is_empty")]
    helo: Text<'a>,
    esmtp: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<SocketAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tls: Option<TlsRow<'a>>,
    #[serde(rename = "user", skip_serializing_if = "Option::is_none")]
    auth_user: Option<Text<'a>>,
    #[serde(rename = "received")]
    received_ms: i64,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct TlsRow<'a> {
    #[serde(skip_serializing_if = "is_empty")]
    version: Text<'a>,
    #[serde(skip_serializing_if = "is_empty")]
    cipher: Text<'a>,
    #[serde(rename = "name", skip_serializing_if = "is_empty")]
    server_name: Text<'a>,
    #[serde(rename = "certificate", skip_serializing_if = "Option::is_none")]
    client_certificate: Option<Text<'a>>,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct SummaryRow<'a> {
    #[serde(skip_serializing_if = "is_empty")]
    subject: Text<'a>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    from: Pairs<'a, Text<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    to: Pairs<'a, Text<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    cc: Pairs<'a, Text<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    bcc: Pairs<'a, Text<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    reply_to: Pairs<'a, Text<'a>>,
    #[serde(rename = "date", skip_serializing_if = "Option::is_none")]
    date_ms: Option<i64>,
    #[serde(skip_serializing_if = "is_empty")]
    message_id: Text<'a>,
    size: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    attachments: Vec<Text<'a>>,
    #[serde(rename = "inline", skip_serializing_if = "is_zero")]
    inline_images: usize,
    #[serde(skip_serializing_if = "is_empty")]
    snippet: Text<'a>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    defects: Vec<Text<'a>>,
}

impl<'a> EnvelopeRow<'a> {
    fn new(envelope: &'a Envelope) -> Self {
        Self {
            reverse_path: text(&envelope.reverse_path),
            forward_paths: envelope
                .forward_paths
                .iter()
                .map(|path| (text(&path.address), pairs(&path.parameters)))
                .collect(),
            parameters: pairs(&envelope.parameters),
            helo: text(&envelope.helo),
            esmtp: envelope.esmtp,
            client: envelope.client,
            tls: envelope.tls.as_ref().map(|tls| TlsRow {
                version: text(&tls.version),
                cipher: text(&tls.cipher),
                server_name: text(&tls.server_name),
                client_certificate: tls.client_certificate.as_deref().map(text),
            }),
            auth_user: envelope.auth_user.as_deref().map(text),
            received_ms: envelope.received_ms,
        }
    }

    fn into_envelope(self) -> Envelope {
        Envelope {
            reverse_path: self.reverse_path.into_owned(),
            forward_paths: self
                .forward_paths
                .into_iter()
                .map(|(address, list)| ForwardPath {
                    address: address.into_owned(),
                    parameters: parameters(list),
                })
                .collect(),
            parameters: parameters(self.parameters),
            helo: self.helo.into_owned(),
            esmtp: self.esmtp,
            client: self.client,
            tls: self.tls.map(|tls| Tls {
                version: tls.version.into_owned(),
                cipher: tls.cipher.into_owned(),
                server_name: tls.server_name.into_owned(),
                client_certificate: tls.client_certificate.map(Cow::into_owned),
            }),
            auth_user: self.auth_user.map(Cow::into_owned),
            received_ms: self.received_ms,
        }
    }
}

impl<'a> SummaryRow<'a> {
    fn new(summary: &'a Summary) -> Self {
        Self {
            subject: text(&summary.subject),
            from: address_pairs(&summary.from),
            to: address_pairs(&summary.to),
            cc: address_pairs(&summary.cc),
            bcc: address_pairs(&summary.bcc),
            reply_to: address_pairs(&summary.reply_to),
            date_ms: summary.date_ms,
            message_id: text(&summary.message_id),
            size: summary.size,
            attachments: summary.attachments.iter().map(|name| text(name)).collect(),
            inline_images: summary.inline_images,
            snippet: text(&summary.snippet),
            defects: summary.defects.iter().map(|defect| text(defect.name())).collect(),
        }
    }

    fn into_summary(self) -> Summary {
        Summary {
            subject: self.subject.into_owned(),
            from: addresses(self.from),
            to: addresses(self.to),
            cc: addresses(self.cc),
            bcc: addresses(self.bcc),
            reply_to: addresses(self.reply_to),
            date_ms: self.date_ms,
            message_id: self.message_id.into_owned(),
            size: self.size,
            attachments: self.attachments.into_iter().map(Cow::into_owned).collect(),
            inline_images: self.inline_images,
            snippet: self.snippet.into_owned(),
            // A defect of a later version is one that this version has no word for.
            defects: self.defects.iter().filter_map(|name| Defect::from_name(name)).collect(),
        }
    }
}

fn text(text: &str) -> Text<'_> {
    Cow::Borrowed(text)
}

fn is_empty(text: &str) -> bool {
    text.is_empty()
}

fn is_zero(number: &usize) -> bool {
    *number == 0
}

fn pairs(list: &[Parameter]) -> Pairs<'_, Option<Text<'_>>> {
    list.iter().map(|one| (text(&one.keyword), one.value.as_deref().map(text))).collect()
}

fn parameters(list: Pairs<'_, Option<Text<'_>>>) -> Vec<Parameter> {
    list.into_iter()
        .map(|(keyword, value)| Parameter {
            keyword: keyword.into_owned(),
            value: value.map(Cow::into_owned),
        })
        .collect()
}

fn address_pairs(list: &[Address]) -> Pairs<'_, Text<'_>> {
    list.iter().map(|one| (text(&one.name), text(&one.address))).collect()
}

fn addresses(list: Pairs<'_, Text<'_>>) -> Vec<Address> {
    list.into_iter()
        .map(|(name, address)| Address { name: name.into_owned(), address: address.into_owned() })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_comes_back() {
        let parameter = |value: Option<&str>| Parameter {
            keyword: "BODY".into(),
            value: value.map(str::to_owned),
        };
        let address =
            || vec![Address { name: "Änn \"x\"".into(), address: "ann@b.example".into() }];
        let envelope = Envelope {
            reverse_path: "a@b.example".into(),
            forward_paths: vec![ForwardPath {
                address: "C@D.example".into(),
                parameters: vec![parameter(None)],
            }],
            parameters: vec![parameter(Some("8BITMIME")), parameter(None)],
            helo: "h\u{0}".into(),
            esmtp: true,
            client: "[::1]:25".parse().ok(),
            tls: Some(Tls {
                version: "TLSv1.3".into(),
                cipher: "TLS13_AES_128_GCM_SHA256".into(),
                server_name: "mx.example".into(),
                client_certificate: Some("CN=ann".into()),
            }),
            auth_user: Some(String::new()),
            received_ms: -5,
        };
        let summary = Summary {
            subject: "s".into(),
            from: address(),
            to: address(),
            cc: address(),
            bcc: address(),
            reply_to: address(),
            date_ms: Some(0),
            message_id: "m".into(),
            size: u64::MAX,
            attachments: vec![String::new(), "a.pdf".into()],
            inline_images: 3,
            snippet: "t".into(),
            defects: Defect::ALL.to_vec(),
        };
        let bare = Envelope { tls: Some(Tls::default()), ..Envelope::default() };
        for envelope in [Envelope::default(), bare, envelope] {
            for summary in [Summary::default(), summary.clone()] {
                let mut json = Vec::new();
                write(&mut json, &envelope, &summary).unwrap();
                let shown = String::from_utf8_lossy(&json);
                assert_eq!(read(&json).unwrap(), (envelope.clone(), summary), "{shown}");
            }
        }
    }
}
