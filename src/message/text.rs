//! Text as people read it: from octets and charset, from HTML, from flowed lines.

use std::borrow::Cow;

pub use super::{charset::decode_text, html_text::html_to_text};

/// Undoes `format=flowed` (RFC 3676 §4): joins soft-broken lines, keeps quote marks, takes the stuffed
/// space away. Signature separators stay as they are.
pub fn unflow(text: &str, delete_space: bool) -> String {
    let mut out = String::with_capacity(text.len());
    let mut open: Option<usize> = None;
    for line in text.split_inclusive('\n') {
        let content = line.trim_end_matches(['\r', '\n']);
        let unquoted = content.trim_start_matches('>');
        let depth = content.len() - unquoted.len();
        let unstuffed = unquoted.strip_prefix(' ').unwrap_or(unquoted);
        let signature = unstuffed == "-- ";
        // A change of depth ends a paragraph even if its last line was soft (§4.5).
        if open.is_some_and(|at| at != depth || signature) {
            out.push('\n');
            open = None;
        }
        if open.is_none() && depth > 0 {
            out.extend(std::iter::repeat_n('>', depth));
            out.push(' ');
        }
        let soft = unstuffed.ends_with(' ') && !signature;
        open = soft.then_some(depth);
        out.push_str(match soft && delete_space {
            true => &unstuffed[..unstuffed.len() - 1],
            false => unstuffed,
        });
        if !soft && line.ends_with('\n') {
            out.push('\n');
        }
    }
    out
}

/// Text without control characters, which an encoded word can smuggle in: tabs and line ends become
/// one space, others U+FFFD.
pub(super) fn one_line(text: &str) -> Cow<'_, str> {
    let text = text.trim();
    let is_plain = text.bytes().all(|octet| (b' '..=b'~').contains(&octet));
    if is_plain || !text.contains(char::is_control) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\t' | '\r' | '\n' if out.ends_with(' ') => {}
            '\t' | '\r' | '\n' => out.push(' '),
            c if c.is_control() => out.push(char::REPLACEMENT_CHARACTER),
            c => out.push(c),
        }
    }
    Cow::Owned(out)
}

/// The beginning of a text: at most `limit` octets of it, without breaking a character.
pub fn beginning(text: &str, limit: usize) -> &str {
    let end = (0..=limit.min(text.len())).rev().find(|&end| text.is_char_boundary(end));
    &text[..end.unwrap_or_default()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, delete_space: bool, expected: &str) {
        assert_eq!(unflow(text, delete_space), expected, "{text:?}");
    }

    #[test]
    fn flowed_lines() {
        check("one \r\ntwo\r\nthree\r\n", false, "one two\nthree\n");
        check("one \r\ntwo", true, "onetwo");
        check("> a \r\n> b\r\n>> c \r\nd\r\n", false, "> a b\n>> c \nd\n");
        check(" >not a quote\r\n From here\r\n", false, ">not a quote\nFrom here\n");
        check("bye \r\n-- \r\nAnn\r\n", false, "bye \n-- \nAnn\n");
        check("", false, "");
    }
}
