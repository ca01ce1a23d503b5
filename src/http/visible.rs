//! What a stranger wrote, as pages show it: characters that nobody sees, or that turn around what stands
//! beside them, are spelled out, so that `gpj.exe` cannot look like `exe.jpg`.
//!
//! All templates escape by [`Visible`] (`askama.toml`), so that a page written later does so, too. What has
//! to stay as it is (the text and the source of a message, fields of forms, addresses of links) says
//! `e("htm")`. Joiners and marks stay where scripts and emoji need them; text that runs from right to left
//! needs no controls to be shown right, and the style sheet isolates it from its neighbours.

use std::{borrow::Cow, fmt};

use askama::filters::{Escaper, Html};

/// Escapes for HTML what [`visible`] shows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Visible;

impl Escaper for Visible {
    fn write_escaped_str<W: fmt::Write>(&self, dest: W, string: &str) -> fmt::Result {
        Html.write_escaped_str(dest, &visible(string))
    }
}

/// The text with what is hidden in it as `[U+202E]`.
pub(super) fn visible(text: &str) -> Cow<'_, str> {
    // Nearly every text.
    if text.bytes().all(|octet| matches!(octet, b' '..=b'~' | b'\t' | b'\n' | b'\r')) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len());
    let mut before = None;
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        if is_hidden(c, before, rest.clone().next()) {
            shown.push_str(&format!("[U+{:04X}]", u32::from(c)));
        } else {
            shown.push(c);
        }
        before = Some(c);
    }
    Cow::Owned(shown)
}

/// True for a character that is to be spelled out between these two.
fn is_hidden(c: char, before: Option<char>, after: Option<char>) -> bool {
    match c {
        '\t' | '\n' | '\r' => false,
        // Joiners, in Persian, in Indian scripts and in families of emoji.
        '\u{200c}' | '\u{200d}' => before.is_none_or(|c| c.is_ascii()),
        // Marks of direction.
        '\u{200e}' | '\u{200f}' | '\u{61c}' => ![before, after].into_iter().flatten().any(is_rtl),
        // The flags of England, Scotland and Wales are a black one and letters that are not seen.
        '\u{e0020}'..='\u{e007f}' => {
            !before.is_some_and(|c| matches!(c, '\u{1f3f4}' | '\u{e0020}'..='\u{e007f}'))
        }
        '\u{ad}'
        | '\u{180e}'
        | '\u{200b}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}'
        | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0001}' => true,
        c => c.is_control(),
    }
}

/// Hebrew, Arabic and their neighbours.
fn is_rtl(c: char) -> bool {
    matches!(
        c,
        '\u{590}'..='\u{8ff}' | '\u{fb1d}'..='\u{fdff}' | '\u{fe70}'..='\u{fefe}'
            | '\u{10800}'..='\u{10fff}' | '\u{1e800}'..='\u{1efff}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_hidden_is_spelled_out() {
        for (text, shown) in [
            ("invoice\u{202e}fdp.exe", "invoice[U+202E]fdp.exe"),
            ("a\u{2067}b\u{2069}", "a[U+2067]b[U+2069]"),
            ("pay\u{200b}pal\u{ad}", "pay[U+200B]pal[U+00AD]"),
            ("a\u{200d}b \u{200f}c", "a[U+200D]b [U+200F]c"),
            (
                "bell\u{7} esc\u{1b} nul\0 del\u{7f} nel\u{85}",
                "bell[U+0007] esc[U+001B] nul[U+0000] del[U+007F] nel[U+0085]",
            ),
            ("line\u{2028}end", "line[U+2028]end"),
            ("x\u{e0041}", "x[U+E0041]"),
        ] {
            assert_eq!(visible(text), shown);
        }
    }

    #[test]
    fn what_people_write_stays() {
        for text in [
            "plain <b> & \"text\"\r\n\tmore",
            "Grüße, 日本語",
            "👨\u{200d}👩\u{200d}👧 ❤\u{fe0f} 👍🏽",
            "🏴\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}",
            "می\u{200c}خواهم",
            "क्\u{200d}ष",
            "שלום\u{200f} (1)",
            "\u{61c}مرحبا",
        ] {
            assert_eq!(visible(text), text);
        }
    }

    #[test]
    fn templates_escape_what_they_show() {
        let mut out = String::new();
        Visible.write_escaped_str(&mut out, "<\u{202e}>").unwrap();
        assert_eq!(out, "&#60;[U+202E]&#62;");
    }
}
