//! File names that come from strangers' mail, made harmless (RFC 6266, RFC 8187).

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::message::file_name;

/// The value of Content-Disposition for a file to be saved under this name.
pub(super) fn attachment(name: &str) -> String {
    let name = safe_name(name);
    let plain: String = name.chars().map(|c| if is_plain(c) { c } else { '_' }).collect();
    format!(
        "attachment; filename=\"{plain}\"; filename*=UTF-8''{}",
        utf8_percent_encode(&name, REST)
    )
}

/// A name without folders, control characters and tricks of writing direction.
pub(super) fn safe_name(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let kept: String = last.chars().filter(|&c| !c.is_control() && !is_invisible(c)).collect();
    let kept = file_name::shortened(&kept, LONGEST_NAME);
    // No hidden files, no `..`; Windows drops dots and spaces at the end.
    let kept = kept.trim_matches(['.', ' ']);
    if kept.is_empty() { "unnamed".to_owned() } else { kept.to_owned() }
}

fn is_plain(c: char) -> bool {
    matches!(c, ' '..='~') && !matches!(c, '"' | '\\' | '%' | ':' | '*' | '?' | '<' | '>' | '|')
}

/// Marks that change how the rest of a name looks, such as the one that makes `gpj.exe` of `exe.jpg`.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// All but the `attr-char` of RFC 8187 §3.2.1.
const REST: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'+');

/// Longest file name that we pass on, in octets; file systems take 255, and a number may be added.
const LONGEST_NAME: usize = 240;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_names() {
        let pairs = [
            ("../../etc/passwd", "passwd"),
            ("C:\\temp\\evil.exe", "evil.exe"),
            ("a\r\nSet-Cookie: x", "aSet-Cookie: x"),
            ("..", "unnamed"),
            ("", "unnamed"),
            (".bashrc", "bashrc"),
            ("photo\u{202e}gpj.exe", "photogpj.exe"),
        ];
        for (given, safe) in pairs {
            assert_eq!(safe_name(given), safe, "{given:?}");
        }
        assert_eq!(safe_name(&"x".repeat(500)).len(), LONGEST_NAME);
        assert!(safe_name(&format!("{}.pdf", "日本".repeat(100))).ends_with("本.pdf"));
    }

    #[test]
    fn both_forms_of_a_name() {
        assert_eq!(
            attachment("Übersicht \"1\".pdf"),
            "attachment; filename=\"_bersicht _1_.pdf\"; filename*=UTF-8''%C3%9Cbersicht%20%221%22.pdf"
        );
    }
}
