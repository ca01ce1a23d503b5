//! How an envelope and a summary are written into a row: compact JSON with short names.
//!
//! The mirrors stand apart from the types of `message`, so that these can change without changing what
//! is on disk, and because nothing inside is `Serialize` for the world. What is empty is left out.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::message::{Address, Defect, Envelope, ForwardPath, Parameter, Summary, Tls};

/// The envelope as it is stored.
pub(super) fn envelope_text(envelope: &Envelope) -> Result<String, serde_json::Error> {
    serde_json::to_string(&EnvelopeRow {
        reverse_path: envelope.reverse_path.clone(),
        forward_paths: envelope
            .forward_paths
            .iter()
            .map(|path| (path.address.clone(), pairs(&path.parameters)))
            .collect(),
        parameters: pairs(&envelope.parameters),
        helo: envelope.helo.clone(),
        esmtp: envelope.esmtp,
        client: envelope.client,
        tls: envelope.tls.as_ref().map_or(TlsRow::Unknown(false), |tls| {
            TlsRow::Known(KnownTls {
                version: tls.version.clone(),
                cipher: tls.cipher.clone(),
                server_name: tls.server_name.clone(),
                client_certificate: tls.client_certificate.clone(),
            })
        }),
        auth_user: envelope.auth_user.clone(),
        received_ms: envelope.received_ms,
    })
}

/// The envelope that was stored.
pub(super) fn envelope(text: &str) -> Result<Envelope, serde_json::Error> {
    let row: EnvelopeRow = serde_json::from_str(text)?;
    Ok(Envelope {
        reverse_path: row.reverse_path,
        forward_paths: row
            .forward_paths
            .into_iter()
            .map(|(address, list)| ForwardPath { address, parameters: parameters(list) })
            .collect(),
        parameters: parameters(row.parameters),
        helo: row.helo,
        esmtp: row.esmtp,
        client: row.client,
        tls: match row.tls {
            TlsRow::Unknown(encrypted) => encrypted.then(Tls::default),
            TlsRow::Known(tls) => Some(Tls {
                version: tls.version,
                cipher: tls.cipher,
                server_name: tls.server_name,
                client_certificate: tls.client_certificate,
            }),
        },
        auth_user: row.auth_user,
        received_ms: row.received_ms,
    })
}

/// The summary as it is stored.
pub(super) fn summary_text(summary: &Summary) -> Result<String, serde_json::Error> {
    serde_json::to_string(&SummaryRow {
        subject: summary.subject.clone(),
        from: address_pairs(&summary.from),
        to: address_pairs(&summary.to),
        cc: address_pairs(&summary.cc),
        bcc: address_pairs(&summary.bcc),
        reply_to: address_pairs(&summary.reply_to),
        date_ms: summary.date_ms,
        message_id: summary.message_id.clone(),
        size: summary.size,
        attachments: summary.attachments.clone(),
        inline_images: summary.inline_images,
        snippet: summary.snippet.clone(),
        defects: summary.defects.iter().map(|defect| defect.name().to_owned()).collect(),
    })
}

/// What the column `attachment` says: 1 for attachments, 2 for images shown in the text, 3 for both.
pub(super) fn files(summary: &Summary) -> i64 {
    i64::from(!summary.attachments.is_empty()) + 2 * i64::from(summary.inline_images > 0)
}

/// The summary that was stored.
pub(super) fn summary(text: &str) -> Result<Summary, serde_json::Error> {
    let row: SummaryRow = serde_json::from_str(text)?;
    Ok(Summary {
        subject: row.subject,
        from: addresses(row.from),
        to: addresses(row.to),
        cc: addresses(row.cc),
        bcc: addresses(row.bcc),
        reply_to: addresses(row.reply_to),
        date_ms: row.date_ms,
        message_id: row.message_id,
        size: row.size,
        attachments: row.attachments,
        inline_images: row.inline_images,
        snippet: row.snippet,
        // A defect of a later version is one that this version has no word for.
        defects: row.defects.iter().filter_map(|name| Defect::from_name(name)).collect(),
    })
}

/// Keyword and value, or name and address.
type Pairs<V> = Vec<(String, V)>;

#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct EnvelopeRow {
    #[serde(rename = "from", skip_serializing_if = "String::is_empty")]
    reverse_path: String,
    #[serde(rename = "to", skip_serializing_if = "Vec::is_empty")]
    forward_paths: Pairs<Pairs<Option<String>>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    parameters: Pairs<Option<String>>,
    helo: String,
    esmtp: bool,
    client: Option<SocketAddr>,
    tls: TlsRow,
    #[serde(rename = "user")]
    auth_user: Option<String>,
    #[serde(rename = "received")]
    received_ms: i64,
}

/// Rows of the first version say only whether there was TLS.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum TlsRow {
    Unknown(bool),
    Known(KnownTls),
}

impl Default for TlsRow {
    fn default() -> Self {
        Self::Unknown(false)
    }
}

#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct KnownTls {
    #[serde(skip_serializing_if = "String::is_empty")]
    version: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    cipher: String,
    #[serde(rename = "name", skip_serializing_if = "String::is_empty")]
    server_name: String,
    #[serde(rename = "certificate", skip_serializing_if = "Option::is_none")]
    client_certificate: Option<String>,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct SummaryRow {
    #[serde(skip_serializing_if = "String::is_empty")]
    subject: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    from: Pairs<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    to: Pairs<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    cc: Pairs<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    bcc: Pairs<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    reply_to: Pairs<String>,
    #[serde(rename = "date", skip_serializing_if = "Option::is_none")]
    date_ms: Option<i64>,
    #[serde(skip_serializing_if = "String::is_empty")]
    message_id: String,
    size: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    attachments: Vec<String>,
    #[serde(rename = "inline", skip_serializing_if = "is_zero")]
    inline_images: usize,
    #[serde(skip_serializing_if = "String::is_empty")]
    snippet: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    defects: Vec<String>,
}

fn is_zero(number: &usize) -> bool {
    *number == 0
}

fn pairs(list: &[Parameter]) -> Pairs<Option<String>> {
    list.iter().map(|one| (one.keyword.clone(), one.value.clone())).collect()
}

fn parameters(list: Pairs<Option<String>>) -> Vec<Parameter> {
    list.into_iter().map(|(keyword, value)| Parameter { keyword, value }).collect()
}

fn address_pairs(list: &[Address]) -> Pairs<String> {
    list.iter().map(|one| (one.name.clone(), one.address.clone())).collect()
}

fn addresses(list: Pairs<String>) -> Vec<Address> {
    list.into_iter().map(|(name, address)| Address { name, address }).collect()
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
        let whole = Envelope {
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
        let bare = Envelope { tls: Some(Tls::default()), ..Envelope::default() };
        for one in [Envelope::default(), bare, whole] {
            let text = envelope_text(&one).unwrap();
            assert_eq!(envelope(&text).unwrap(), one, "{text}");
        }
        for (tls, expected) in [("true", Some(Tls::default())), ("false", None)] {
            let text = format!(r#"{{"helo":"h","esmtp":true,"client":null,"tls":{tls}}}"#);
            assert_eq!(envelope(&text).unwrap().tls, expected, "a row of the first version");
        }
        let whole = Summary {
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
            inline_images: 2,
            snippet: "t".into(),
            defects: Defect::ALL.to_vec(),
        };
        for one in [Summary::default(), whole] {
            let text = summary_text(&one).unwrap();
            assert_eq!(summary(&text).unwrap(), one, "{text}");
        }
    }
}
