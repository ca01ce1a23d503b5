//! The page of one message, with its tabs: HTML, text, source, headers, structure.

use askama::Template;
use axum::{
    extract::{Path, Query, State},
    http::{HeaderMap, Method},
    response::Response,
};
use serde::Deserialize;

use super::{
    Site,
    error::Error,
    frame,
    list::{Asked, Shell},
    page,
    row::{Row, When, octets},
    view::{Excerpt, MOST_SHOWN, Opened},
    words::{WORDS, Words},
};
use crate::{
    message::{Address, Defect, Encoding, Parameter, Tls, search},
    store::{self, Change, Record, Selection},
};

/// What a tab shows of the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tab {
    Html,
    Text,
    Source,
    Headers,
    Parts,
}

/// How to show it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct How {
    /// `remote=1`: the HTML may load images from elsewhere, which tells its sender that it was read.
    pub(super) remote: String,
}

/// `GET /messages/{id}` and its tabs.
pub(super) async fn show(
    State(site): State<Site>,
    Path(id): Path<String>,
    Query(how): Query<How>,
    method: Method,
    headers: HeaderMap,
    tab: Option<Tab>,
) -> Result<Response, Error> {
    let mut opened = site.opened(&id).await?;
    // A browser that fetches ahead, or a probe with HEAD, is nobody reading.
    if !opened.record.read && method == Method::GET && !is_prefetch(&headers) {
        site.desk.change(Selection::Ids(vec![opened.record.id]), Change::Read(true)).await?;
        opened.record.read = true;
    }
    let has_html = opened.scanned.outline.html().is_some();
    let tab = tab.unwrap_or(if has_html { Tab::Html } else { Tab::Text });
    let panel = Panel::new(&opened, tab, &how).await?;
    let shell = Shell::new(&site, Asked::default()).await?;
    let record = &opened.record;
    let message = MessagePage {
        w: WORDS,
        shell: &shell,
        row: Row::new(record),
        people: people(record),
        facts: facts(record),
        sent: record.summary.date_ms.map(When::new),
        defects: &record.summary.defects,
        attachments: attachments(&opened),
        older: older(&site, record).await?,
        has_html,
        tab,
        panel,
    };
    page::page(&headers, &message).await
}

#[derive(Template)]
#[template(path = "message.html")]
struct MessagePage<'a> {
    w: &'static Words,
    shell: &'a Shell,
    row: Row,
    people: Vec<(&'static str, &'a [Address])>,
    facts: Vec<(&'static str, String)>,
    sent: Option<When>,
    defects: &'a [Defect],
    attachments: Vec<Piece>,
    /// The id of the next older message.
    older: Option<String>,
    has_html: bool,
    tab: Tab,
    panel: Panel,
}

/// What stands below the tabs.
enum Panel {
    Html {
        remote: bool,
        blocked: usize,
    },
    Text {
        lines: Vec<Span>,
        is_cut: bool,
        from_html: bool,
    },
    Source {
        text: String,
        is_cut: bool,
    },
    Headers(Vec<(String, String)>),
    Parts(Vec<Piece>),
    /// There is no such body.
    Nothing(&'static str),
}

/// A stretch of text: plain, or an address to go to.
#[derive(Debug, PartialEq, Eq)]
struct Span {
    text: String,
    is_link: bool,
}

/// A part as lists of parts show it.
struct Piece {
    number: usize,
    depth: usize,
    name: String,
    content_type: String,
    charset: String,
    encoding: &'static str,
    size: String,
    is_attachment: bool,
    is_leaf: bool,
    content_id: String,
}

impl Panel {
    async fn new(opened: &Opened, tab: Tab, how: &How) -> Result<Self, Error> {
        Ok(match tab {
            Tab::Html => match frame::rendered(opened, how).await? {
                Some(html) => {
                    Self::Html { remote: how.remote == "1", blocked: html.blocked_remote }
                }
                None => Self::Nothing("This message has no HTML."),
            },
            Tab::Text => Self::text(opened).await?,
            Tab::Source => {
                let Excerpt { text, is_cut } = opened.source().await?;
                Self::Source { text, is_cut }
            }
            Tab::Headers => {
                let own = opened.scanned.outline.parts.first();
                Self::Headers(own.map(|part| part.headers.clone()).unwrap_or_default())
            }
            Tab::Parts => Self::Parts(pieces(opened)),
        })
    }

    async fn text(opened: &Opened) -> Result<Self, Error> {
        if let Some(part) = opened.scanned.outline.plain_text() {
            let Excerpt { text, is_cut } = opened.text_of(part).await?;
            return Ok(Self::Text { lines: spans(&text), is_cut, from_html: false });
        }
        Ok(match opened.scanned.text.as_str() {
            "" => Self::Nothing("This message has no text."),
            text => Self::Text { lines: spans(text), is_cut: false, from_html: true },
        })
    }
}

/// The fields of the header that name people, those that are there.
fn people(record: &Record) -> Vec<(&'static str, &[Address])> {
    let summary = &record.summary;
    let all: [(_, &[Address]); 5] = [
        ("From", &summary.from),
        ("To", &summary.to),
        ("Cc", &summary.cc),
        ("Bcc", &summary.bcc),
        ("Reply-To", &summary.reply_to),
    ];
    all.into_iter().filter(|(_, addresses)| !addresses.is_empty()).collect()
}

/// What SMTP said.
fn facts(record: &Record) -> Vec<(&'static str, String)> {
    let envelope = &record.envelope;
    let mut facts = vec![("MAIL FROM", format!("<{}>", envelope.reverse_path))];
    if !envelope.parameters.is_empty() {
        facts.push(("Parameters", parameters(&envelope.parameters)));
    }
    for path in &envelope.forward_paths {
        facts.push(("RCPT TO", format!("<{}> {}", path.address, parameters(&path.parameters))));
    }
    let greeting = if envelope.esmtp { "EHLO" } else { "HELO" };
    facts.push((greeting, envelope.helo.clone()));
    if let Some(client) = envelope.client {
        facts.push(("Client", client.to_string()));
    }
    facts.push(("TLS", envelope.tls.as_ref().map_or_else(|| "no".to_owned(), tls)));
    if let Some(user) = &envelope.auth_user {
        facts.push(("AUTH user", user.clone()));
    }
    facts.push((
        "Size",
        format!("{} ({} octets)", octets(record.summary.size), record.summary.size),
    ));
    if !record.summary.message_id.is_empty() {
        facts.push(("Message-ID", record.summary.message_id.clone()));
    }
    facts.push(("Our id", record.id.to_string()));
    facts
}

/// `TLSv1.3, TLS13_AES_128_GCM_SHA256, for mx.example, from CN=ann`, or `yes` if no more is known.
fn tls(tls: &Tls) -> String {
    let mut facts: Vec<String> =
        [&tls.version, &tls.cipher].into_iter().filter(|it| !it.is_empty()).cloned().collect();
    if !tls.server_name.is_empty() {
        facts.push(format!("for {}", tls.server_name));
    }
    if let Some(subject) = &tls.client_certificate {
        facts.push(format!("from {subject}"));
    }
    if facts.is_empty() { "yes".to_owned() } else { facts.join(", ") }
}

fn parameters(parameters: &[Parameter]) -> String {
    parameters.iter().map(parameter).collect::<Vec<_>>().join(" ")
}

/// A parameter as it stood in the command.
pub(super) fn parameter(parameter: &Parameter) -> String {
    match &parameter.value {
        Some(value) => format!("{}={value}", parameter.keyword),
        None => parameter.keyword.clone(),
    }
}

fn pieces(opened: &Opened) -> Vec<Piece> {
    let outline = &opened.scanned.outline;
    let parts = outline.parts.iter().enumerate();
    let piece = parts.map(|(number, part)| Piece {
        number,
        depth: part.depth.min(DEEPEST_SHOWN),
        name: part.file_name.clone(),
        content_type: part.content_type.clone(),
        charset: part.charset.clone(),
        encoding: match part.encoding {
            Encoding::Identity => "",
            Encoding::Base64 => "base64",
            Encoding::QuotedPrintable => "quoted-printable",
        },
        size: octets(decoded_size(part.body.end.saturating_sub(part.body.start), part.encoding)),
        is_attachment: outline.is_attachment(number),
        is_leaf: !part.content_type.starts_with("multipart/"),
        content_id: part.content_id.clone(),
    });
    piece.collect()
}

/// The parts that a reader may want to save.
fn attachments(opened: &Opened) -> Vec<Piece> {
    pieces(opened).into_iter().filter(|piece| piece.is_attachment).collect()
}

/// About how large a part is once decoded; exact sizes would need decoding.
fn decoded_size(encoded: u64, encoding: Encoding) -> u64 {
    match encoding {
        // 76 of 78 octets of a line carry content, three for each four.
        Encoding::Base64 => encoded / 78 * 57 + encoded % 78 * 3 / 4,
        Encoding::Identity | Encoding::QuotedPrintable => encoded,
    }
}

async fn older(site: &Site, record: &Record) -> Result<Option<String>, Error> {
    let search = search::Query::default();
    let query = store::Query { search, mailbox: None, before: Some(record.id), limit: 1 };
    Ok(site.store.list(query).await?.records.first().map(|record| record.id.to_string()))
}

/// Splits a text so that web addresses in it can be followed.
fn spans(text: &str) -> Vec<Span> {
    let mut spans = Vec::new();
    let (mut rest, mut links) = (text, 0);
    while let (Some(start), true) = (next_link(rest), links < MOST_LINKS) {
        let (before, from) = rest.split_at(start);
        let end = from.find(|c: char| c.is_whitespace() || "<>\"'`".contains(c));
        let (link, _) = from.split_at(end.unwrap_or(from.len()));
        let link = link.trim_end_matches(['.', ',', ';', ':', '!', '?', ')', ']']);
        spans.push(Span { text: before.to_owned(), is_link: false });
        spans.push(Span { text: link.to_owned(), is_link: true });
        rest = from.get(link.len()..).unwrap_or_default();
        links += 1;
    }
    spans.push(Span { text: rest.to_owned(), is_link: false });
    spans
}

fn next_link(text: &str) -> Option<usize> {
    ["https://", "http://"].into_iter().filter_map(|scheme| text.find(scheme)).min()
}

/// True for a request that a browser makes before anybody asked (Sec-Purpose, older: Purpose).
fn is_prefetch(headers: &HeaderMap) -> bool {
    let of = |name| headers.get(name).and_then(|value| value.to_str().ok());
    [of("sec-purpose"), of("purpose")].into_iter().flatten().any(|it| it.contains("prefetch"))
}

/// How much of a text is shown, for the sentence that says so.
fn shown_at_most() -> String {
    octets(MOST_SHOWN as u64)
}

/// What a defect means to somebody who wonders why a mail looks wrong.
fn explanation(defect: Defect) -> &'static str {
    match defect {
        Defect::BareLf => "A line ends with LF alone. Mail lines end with CRLF (RFC 5322 §2.3).",
        Defect::BareCr => "A CR stands without its LF (RFC 5322 §2.3).",
        Defect::Nul => "There is a NUL octet in it; many servers refuse that.",
        Defect::LongLine => {
            "A line is longer than 998 octets (RFC 5322 §2.1.1). Servers on the way may cut or refuse it."
        }
        Defect::NoHeader => "No empty line separates header and body, or there is no header.",
        Defect::MalformedHeader => "A line of the header is neither a field nor a continuation.",
        Defect::TooManyHeaders => "There are more header fields than we read; see the source.",
        Defect::LongHeader => "The header is longer than we read; see the source.",
        Defect::RawEightBitHeader => {
            "The header has octets above 127 that are not UTF-8. They should be encoded (RFC 2047)."
        }
        Defect::NoFrom => "The From field is missing (RFC 5322 §3.6).",
        Defect::NoDate => "The Date field is missing or cannot be read (RFC 5322 §3.6.1).",
        Defect::DuplicateHeader => "A field that may stand once stands twice (RFC 5322 §3.6).",
        Defect::NoBoundary => "A multipart names no boundary (RFC 2046 §5.1.1).",
        Defect::MissingBoundary => {
            "A boundary never appears, or the closing one is missing (RFC 2046 §5.1.1)."
        }
        Defect::TooDeep => "Parts are nested deeper than we follow.",
        Defect::TooManyParts => "There are more parts than we list.",
        Defect::BadEncoding => {
            "Base64 or quoted-printable breaks its own rules; what could be read is shown."
        }
        Defect::UnknownEncoding => "A content-transfer-encoding is unknown (RFC 2045 §6).",
        Defect::BadCharset => "A charset is unknown, or the text has octets that it does not have.",
        Defect::BadEncodedWord => "An encoded-word in the header could not be decoded (RFC 2047).",
    }
}

/// Deepest indentation in the structure.
const DEEPEST_SHOWN: usize = 8;

/// Most links made in a text; a list of ten thousand addresses is no letter.
const MOST_LINKS: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    fn links(text: &str) -> Vec<String> {
        spans(text).into_iter().filter(|span| span.is_link).map(|span| span.text).collect()
    }

    #[test]
    fn web_addresses_in_text() {
        let text = "See https://a.example/x?y=1. Or (http://b.example) <https://c.example/>!";
        assert_eq!(
            links(text),
            ["https://a.example/x?y=1", "http://b.example", "https://c.example/"]
        );
        assert_eq!(links("javascript:alert(1) ftp://x"), Vec::<String>::new());
        let whole: String = spans(text).into_iter().map(|span| span.text).collect();
        assert_eq!(whole, text);
    }

    #[test]
    fn every_defect_is_explained() {
        assert!(Defect::ALL.into_iter().all(|defect| explanation(defect).ends_with('.')));
    }
}
