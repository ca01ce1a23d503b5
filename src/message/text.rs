//! Text as people read it: from octets and charset, from HTML, from flowed lines.

use super::{Flowed, Part, html_charset};

pub use super::{charset::decode_text, html_text::html_to_text};

/// The text of a part from the octets of its content, as HTML if it is that; false if the charset is
/// unknown or lacks some of them.
pub(super) fn of_part(part: &Part, octets: &[u8]) -> (String, bool) {
    let (text, clean) = decode_text(octets, &html_charset::of(part, octets));
    (part.flowed.map(|flowed| unflow(&text, flowed)).unwrap_or(text), clean)
}

/// Undoes `format=flowed` (RFC 3676 §4): joins soft-broken lines, keeps quote marks, takes the stuffed
/// space away. Signature separators stay as they are.
pub fn unflow(text: &str, flowed: Flowed) -> String {
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
        out.push_str(match soft && flowed.delete_space {
            true => &unstuffed[..unstuffed.len() - 1],
            false => unstuffed,
        });
        if !soft && line.ends_with('\n') {
            out.push('\n');
        }
    }
    out
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
        assert_eq!(unflow(text, Flowed { delete_space }), expected, "{text:?}");
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
