//! What lists show of a message, from the fields of its header.

use super::{Defect, Summary, address, date, defects::Defects, header::Field};

/// Fills in what the message's own header says and notes what RFC 5322 §3.6 misses in it.
pub(super) fn read(fields: &[Field<'_>], summary: &mut Summary, defects: &mut Defects) {
    let mut seen = 0_u32;
    for field in fields {
        if let Some(index) = SINGLE.iter().position(|name| field.is(name)) {
            let twice = seen & 1 << index != 0;
            seen |= 1 << index;
            defects.insert_if(twice, Defect::DuplicateHeader);
        }
        read_field(field, summary, defects);
    }
    defects.insert_if(summary.from.is_empty(), Defect::NoFrom);
    defects.insert_if(summary.date_ms.is_none(), Defect::NoDate);
}

/// The first of each counts, but address lists add up.
fn read_field(field: &Field<'_>, summary: &mut Summary, defects: &mut Defects) {
    let list = match field.name.len() {
        2 if field.is("To") => &mut summary.to,
        2 if field.is("Cc") => &mut summary.cc,
        3 if field.is("Bcc") => &mut summary.bcc,
        4 if field.is("From") => &mut summary.from,
        8 if field.is("Reply-To") => &mut summary.reply_to,
        4 if field.is("Date") && summary.date_ms.is_none() => {
            summary.date_ms = date::parse(&field.value);
            return;
        }
        7 if field.is("Subject") && summary.subject.is_empty() => {
            summary.subject = field.text(defects).into_owned();
            return;
        }
        10 if field.is("Message-ID") && summary.message_id.is_empty() => {
            summary.message_id = message_id(&field.value);
            return;
        }
        _ => return,
    };
    address::parse(&field.value, list, defects);
}

/// What stands between the angle brackets, or all of it if there are none.
fn message_id(value: &str) -> String {
    let inside = value.split_once('<').map_or(value, |(_, after)| after);
    let inside = inside.split_once('>').map_or(inside, |(before, _)| before);
    super::header::one_line(inside).into_owned()
}

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
