//! What stands before the first field of a message and is none: a mark of byte order, the line that
//! begins a message in an mbox file, blanks with which some servers keep a download alive, a few lines
//! of a log, or white space before every line.
//!
//! Programs that show mail pass over it. But what is no header at all is body, so among strange lines
//! only a field that mail is known to have begins one.

use super::field::{is_field, split};

/// True if a line that is no field may stand before the first one; `lines` came before it.
pub(super) fn may_lead(line: &[u8], lines: usize) -> bool {
    lines < MAX_LINES && line.len() <= LONGEST_LINE
}

/// True if a line begins a header although a mark of byte order or white space stands before it, or
/// `lines` of something else.
pub(super) fn begins_header(line: &[u8], lines: usize) -> bool {
    let unmarked = line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line);
    (lines == 0 && is_field(unmarked)) || is_known_field(unmarked.trim_ascii_start())
}

fn is_known_field(line: &[u8]) -> bool {
    split(line).is_some_and(|(name, _)| is_known(name))
}

/// The line before each message of an mbox file, which some programs send along.
pub(super) fn is_mbox_line(line: &[u8]) -> bool {
    line.starts_with(b"From ") || line.starts_with(b">From ")
}

/// A header from its first field on, and the white space before each of its lines.
pub(super) fn passed_over(header: &[u8]) -> (&[u8], &[u8]) {
    let mut rest = header;
    for _ in 0..=MAX_LINES {
        rest = rest.strip_prefix(BYTE_ORDER_MARK).unwrap_or(rest);
        let indent = &rest[..rest.len() - rest.trim_ascii_start().len()];
        match indent {
            [] if is_field(rest) => return (rest, b""),
            [_, ..] if !indent.contains(&b'\n') && is_known_field(&rest[indent.len()..]) => {
                return (rest, indent);
            }
            _ => {}
        }
        let Some(end) = memchr::memchr(b'\n', rest) else { break };
        rest = &rest[end + 1..];
    }
    (header, b"")
}

/// Octets up to the line that does not continue the field, which begins with white space if the field
/// does not (RFC 5322 §2.2.3).
pub(super) fn field_length(rest: &[u8], indent: &[u8]) -> usize {
    let continues = |line: &[u8]| match line.strip_prefix(indent) {
        Some(inside) if !indent.is_empty() => !is_known_field(inside),
        _ => matches!(line, [b' ' | b'\t', ..]),
    };
    memchr::memchr_iter(b'\n', rest)
        .map(|at| at + 1)
        .find(|&end| !continues(&rest[end..]))
        .unwrap_or(rest.len())
}

/// Fields that begin mail (IANA's registry of message headers, and those of transport).
fn is_known(name: &str) -> bool {
    let starts = |prefix: &&str| {
        name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
    };
    KNOWN.iter().any(|known| name.eq_ignore_ascii_case(known)) || PREFIXES.iter().any(starts)
}

const KNOWN: [&str; 25] = [
    "From",
    "To",
    "Cc",
    "Bcc",
    "Subject",
    "Date",
    "Sender",
    "Reply-To",
    "Message-ID",
    "In-Reply-To",
    "References",
    "MIME-Version",
    "Received",
    "Return-Path",
    "Delivered-To",
    "Envelope-To",
    "Authentication-Results",
    "Received-SPF",
    "Importance",
    "Priority",
    "Organization",
    "User-Agent",
    "Errors-To",
    "Comments",
    "Keywords",
];

const PREFIXES: [&str; 7] = ["Content-", "X-", "ARC-", "List-", "Resent-", "DKIM-", "DomainKey-"];

const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// Most lines passed over: a bounce or a log quotes more, and is text.
const MAX_LINES: usize = 10;

/// Longest line passed over, in octets.
const LONGEST_LINE: usize = 998;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn before_the_first_field() {
        for (header, first) in [
            ("\u{feff}From: a", "From: a"),
            ("From a@b Tue\nX: y", "X: y"),
            ("   \r\n \r\nFrom: a", "From: a"),
            ("+OK 120 octets\nReceived: x", "Received: x"),
            ("A: b", "A: b"),
        ] {
            assert_eq!(passed_over(header.as_bytes()), (first.as_bytes(), &b""[..]), "{header}");
        }
        assert_eq!(passed_over(b"  To: a\n  Cc: b"), (&b"  To: a\n  Cc: b"[..], &b"  "[..]));
        assert_eq!(passed_over(b"nothing"), (&b"nothing"[..], &b""[..]));
    }

    #[test]
    fn indented_fields_go_on() {
        let header = b"  To: a,\n   b\n  Cc: c\n";
        assert_eq!(field_length(header, b"  "), b"  To: a,\n   b\n".len());
        assert_eq!(field_length(b"A: b\n c: d\nE: f", b""), b"A: b\n c: d\n".len());
    }
}
