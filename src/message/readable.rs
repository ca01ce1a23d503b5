//! The line of a message that lists show: the beginning of its text, as people would read it.

/// The beginning of a text in one line, at most [`super::SNIPPET_CHARS`] characters. Leaves out the
/// invisible padding with which newsletters push the rest of their text out of such a line.
pub(super) fn snippet(text: &str) -> String {
    let mut out = String::with_capacity(super::SNIPPET_CHARS);
    let (mut left, mut space, mut rest) = (super::SNIPPET_CHARS, false, text);
    while let Some(c) = rest.chars().next() {
        // Most texts are words in ASCII, which are taken as they are.
        let plain = rest.bytes().take_while(u8::is_ascii_graphic).count();
        let (piece, after) = rest.split_at(plain.max(c.len_utf8()));
        rest = after;
        if c.is_whitespace() || c.is_control() || is_blank(c) {
            space = true;
            continue;
        }
        let is_alone = space || out.is_empty();
        if is_invisible(c) || (c == ZERO_WIDTH_JOINER && is_alone) {
            continue;
        }
        if std::mem::take(&mut space) && !out.is_empty() {
            if left == 1 {
                break;
            }
            out.push(' ');
            left -= 1;
        }
        let count = plain.clamp(1, left);
        out.push_str(if plain > count { &piece[..count] } else { piece });
        left -= count;
        if left == 0 {
            break;
        }
    }
    out
}

/// Characters that show nothing but count as letters.
fn is_blank(c: char) -> bool {
    matches!(c, '\u{2800}' | '\u{3164}' | '\u{115f}' | '\u{1160}' | '\u{ffa0}')
}

/// Characters that take no room.
fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180e}'
            | '\u{200b}' | '\u{200c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
    )
}

/// Holds the pieces of an emoji together, so it stays inside words.
const ZERO_WIDTH_JOINER: char = '\u{200d}';

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_without_padding() {
        assert_eq!(snippet("  Hello,\r\n\r\n\tworld \n"), "Hello, world");
        assert_eq!(
            snippet("Sale!\u{200c}\u{a0}\u{200c}\u{a0}\u{200d} \u{34f}\u{ad}Now"),
            "Sale! Now"
        );
        assert_eq!(snippet("👩\u{200d}💻 at work"), "👩\u{200d}💻 at work");
        assert_eq!(snippet("\u{200c}\u{a0}"), "");
        assert_eq!(snippet(&"é ".repeat(1_000)).chars().count(), 249);
        assert_eq!(snippet(&"word ".repeat(1_000)).chars().count(), 249);
        assert_eq!(snippet(&"x".repeat(1_000)), "x".repeat(250));
    }
}
