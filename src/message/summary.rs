//! What lists show of a message, from the fields of its header.

use super::{Address, Defect, Summary, address, date, defects::Defects, header::Field};

/// Fills in what the message's own header says and notes what RFC 5322 §3.6 misses in it.
pub(super) fn read(fields: &[Field<'_>], summary: &mut Summary, defects: &mut Defects) {
    let mut seen = 0_u32;
    for field in fields {
        let single = SINGLE.iter().zip(0_u32..).find(|(name, _)| field.is(name));
        let Some((name, index)) = single else { continue };
        let twice = seen & 1 << index != 0;
        seen |= 1 << index;
        defects.insert_if(twice, Defect::DuplicateHeader);
        read_field(name, field, summary, defects);
    }
    defects.insert_if(summary.from.is_empty(), Defect::NoFrom);
    defects.insert_if(summary.date_ms.is_none(), Defect::NoDate);
}

/// The first of each counts, but address lists add up. `name` is one of [`SINGLE`].
fn read_field(name: &str, field: &Field<'_>, summary: &mut Summary, defects: &mut Defects) {
    let list = match name {
        "To" => &mut summary.to,
        "Cc" => &mut summary.cc,
        "Bcc" => &mut summary.bcc,
        "From" => &mut summary.from,
        "Reply-To" => &mut summary.reply_to,
        "Date" => {
            // Some encode whatever they write.
            let read = || date::parse(&field.text(defects));
            summary.date_ms = summary.date_ms.or_else(read);
            return;
        }
        "Subject" if summary.subject.is_empty() => {
            summary.subject = field.text(defects).into_owned();
            return;
        }
        "Message-ID" if summary.message_id.is_empty() => {
            summary.message_id = message_id(&field.value);
            return;
        }
        _ => return,
    };
    address::parse(&field.value, list, defects);
}

/// Cuts what is longer than a list needs. Lists hold hundreds of summaries, and so does the history of
/// events; all of a header is in the message itself.
pub(super) fn bound(summary: &mut Summary) {
    cut(&mut summary.subject, MAX_TEXT);
    cut(&mut summary.message_id, MAX_TEXT);
    let Summary { from, to, cc, bcc, reply_to, attachments, .. } = summary;
    for list in [from, to, cc, bcc, reply_to] {
        for Address { name, address } in list.iter_mut() {
            cut(name, MAX_NAME);
            cut(address, MAX_NAME);
        }
        cut_list(list, |it| it.name.len() + it.address.len());
    }
    cut_list(attachments, String::len);
}

fn cut(text: &mut String, octets: usize) {
    if text.len() > octets {
        // A boundary is at most three octets away, and 0 is one.
        let end = (0..=octets).rev().find(|end| text.is_char_boundary(*end));
        text.truncate(end.unwrap_or(0));
    }
}

/// Keeps the first entries that fit together.
fn cut_list<T>(list: &mut Vec<T>, size: impl Fn(&T) -> usize) {
    let mut total = 0;
    let fitting = list.iter().take_while(|entry| {
        total += size(entry) + ENTRY;
        total <= MAX_LIST
    });
    list.truncate(fitting.count());
}

/// What stands between the angle brackets, or all of it if there are none.
fn message_id(value: &str) -> String {
    let inside = value.split_once('<').map_or(value, |(_, after)| after);
    let inside = inside.split_once('>').map_or(inside, |(before, _)| before);
    super::text::one_line(inside).into_owned()
}

/// Octets of a subject: four lines of the longest kind (RFC 5322 §2.1.1).
const MAX_TEXT: usize = 4 * 998;

/// Octets of a name or an address: more than three of the longest paths (RFC 5321 §4.5.3.1.3).
const MAX_NAME: usize = 1_000;

/// Octets of a list of addresses or file names: a thousand of the usual kind.
const MAX_LIST: usize = 64 * 1024;

/// What an entry costs besides its text.
const ENTRY: usize = 16;

/// The fields that may stand once (RFC 5322 §3.6).
const SINGLE: [&str; 11] = [
    "Date",
    "From",
    "Sender",
    "Reply-To",
    "To",
    "Cc",
    "Bcc",
    "Message-ID",
    "In-Reply-To",
    "References",
    "Subject",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_stays_small() {
        let long = "é".repeat(100_000);
        let address = Address { name: long.clone(), address: long.clone() };
        let mut summary = Summary {
            subject: long.clone(),
            message_id: long.clone(),
            to: vec![address; 1_000],
            attachments: vec![long; 3],
            ..Summary::default()
        };
        bound(&mut summary);
        assert_eq!((summary.subject.len(), summary.message_id.len()), (MAX_TEXT, MAX_TEXT));
        assert_eq!(summary.to.len(), MAX_LIST / (2 * MAX_NAME + ENTRY));
        assert_eq!(summary.attachments.len(), 0);
    }

    #[test]
    fn an_ordinary_summary_stays_whole() {
        let address = Address { name: "Ann".into(), address: "ann@example.org".into() };
        let names = vec!["a.pdf".to_owned(); 100];
        let mut summary =
            Summary { to: vec![address; 1_000], attachments: names, ..Summary::default() };
        let before = summary.clone();
        bound(&mut summary);
        assert_eq!(summary, before);
    }
}
