//! A message as a list shows it: the same words in the page and in the live feed, so that a row that
//! a script adds looks like one that the server drew.

use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;
use time::OffsetDateTime;

use super::{strings::STRINGS, visible::visible};
use crate::{
    mail::json::timestamp,
    message::{Address, SNIPPET_CHARS},
    store::{Record, mailbox_key},
};

/// One row. The empty row is the form that the script fills in.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Row {
    pub(super) id: String,
    pub(super) unread: bool,
    pub(super) starred: bool,
    /// Who wrote it: the name or address of From, else the reverse-path.
    pub(super) from: String,
    /// Who gets it: what SMTP said, for that is where the mail really goes.
    pub(super) to: String,
    pub(super) subject: String,
    pub(super) snippet: String,
    pub(super) attachments: usize,
    pub(super) tags: Vec<String>,
    pub(super) size: String,
    pub(super) received: When,
    /// The mailboxes it lies in, as lists are filtered by them.
    pub(super) mailboxes: Vec<String>,
}

/// A moment, for people and for machines.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct When {
    /// RFC 3339 in UTC.
    pub(super) machine: String,
    /// The same for readers without scripts.
    pub(super) human: String,
}

impl Row {
    /// The row of a message.
    pub(super) fn new(record: &Record) -> Self {
        let Record { envelope, summary, .. } = record;
        let mut mailboxes: Vec<_> =
            envelope.forward_paths.iter().map(|path| mailbox_key(&path.address)).collect();
        mailboxes.sort_unstable();
        mailboxes.dedup();
        let recipients = envelope.forward_paths.iter().map(|path| path.address.as_str());
        Self {
            id: record.id.to_string(),
            unread: !record.read,
            starred: record.starred,
            from: sender(record),
            to: clipped(&shortened(recipients.collect())),
            subject: clipped(&summary.subject),
            snippet: clipped(&summary.snippet),
            attachments: summary.attachments.len(),
            tags: record.tags.iter().map(|tag| visible(tag).into_owned()).collect(),
            size: octets(summary.size),
            received: When::new(envelope.received_ms),
            mailboxes,
        }
    }
}

impl Row {
    /// A letter to stand for the sender.
    pub(super) fn initial(&self) -> String {
        let letter = self.from.chars().find(|c| c.is_alphanumeric()).unwrap_or('?');
        letter.to_uppercase().collect()
    }

    /// One of eight colours, always the same for one sender.
    pub(super) fn hue(&self) -> u32 {
        self.from
            .bytes()
            .fold(7_u32, |hash, octet| hash.wrapping_mul(31).wrapping_add(octet.into()))
            % 8
    }
}

impl When {
    /// A moment in milliseconds since 1970.
    pub(super) fn new(unix_ms: i64) -> Self {
        let Ok(at) = OffsetDateTime::from_unix_timestamp(unix_ms.div_euclid(1000)) else {
            return Self::default(); // a Date header may claim the year 99999
        };
        let (year, month, day) = at.to_calendar_date();
        let (hour, minute, _) = at.to_hms();
        let month = u8::from(month);
        let human = format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02} UTC");
        Self { machine: timestamp(unix_ms), human }
    }
}

/// Milliseconds since 1970.
pub(super) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// Who wrote a message, in one short text.
pub(super) fn sender(record: &Record) -> String {
    let name = |from: &Address| match from.name.trim() {
        "" => from.address.clone(),
        name => name.to_owned(),
    };
    let from: Vec<_> = record.summary.from.iter().map(name).filter(|n| !n.is_empty()).collect();
    match (from.as_slice(), record.envelope.reverse_path.as_str()) {
        ([], "") => STRINGS.layout.no_sender.to_owned(),
        ([], reverse_path) => clipped(reverse_path),
        (from, _) => clipped(&shortened(from.iter().map(String::as_str).collect())),
    }
}

/// A size for people.
pub(super) fn octets(count: u64) -> String {
    let mut whole = count as f64;
    for unit in ["B", "KB", "MB", "GB"] {
        if whole < 999.5 {
            let places = usize::from(unit != "B" && whole < 9.95);
            return format!("{whole:.places$} {unit}");
        }
        whole /= 1000.0;
    }
    format!("{whole:.1} TB")
}

/// The first ones, and how many more there are.
fn shortened(names: Vec<&str>) -> String {
    let more = names.len().saturating_sub(NAMES_SHOWN);
    let shown = names.iter().take(NAMES_SHOWN).copied().collect::<Vec<_>>().join(", ");
    if more > 0 { format!("{shown} +{more}") } else { shown }
}

/// A text of a row cut to what a row can show, so that a subject of 1 MB does not fill fifty pages, and
/// with nothing hidden in it, for the live feed has no template.
fn clipped(text: &str) -> String {
    match text.char_indices().nth(SNIPPET_CHARS) {
        Some((end, _)) => format!("{}…", visible(text.get(..end).unwrap_or_default())),
        None => visible(text).into_owned(),
    }
}

/// So many recipients are named in a row.
const NAMES_SHOWN: usize = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_short() {
        let shown =
            [0, 999, 1000, 1234, 9949, 9950, 999_499, 999_500, 25_000_000, 5_000_000_000_000];
        assert_eq!(
            shown.map(octets),
            [
                "0 B", "999 B", "1.0 KB", "1.2 KB", "9.9 KB", "10 KB", "999 KB", "1.0 MB", "25 MB",
                "5.0 TB"
            ]
        );
    }

    #[test]
    fn moments_in_any_year() {
        assert_eq!(When::new(0).machine, "1970-01-01T00:00:00Z");
        assert_eq!(When::new(1_770_000_000_123).human, "2026-02-02 02:40 UTC");
        assert_eq!(When::new(i64::MAX).human, "");
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        assert_eq!(clipped(&"ä".repeat(300)).chars().count(), SNIPPET_CHARS + 1);
        assert_eq!(shortened(vec!["a", "b", "c"]), "a, b +1");
    }
}
