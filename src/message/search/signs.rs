//! Signs: what people look for that has no letter and no digit, such as an emoji, `£`, `&` or `***`.
//!
//! They are no words, so no index has them, and they are looked for in the texts as they stand. To drop
//! such a term, as was done once, makes a search find everything, and what it finds may be deleted.

/// What to look for, if anybody could see any of it: a search for what is invisible would find most
/// newsletters.
pub(super) fn signs(text: &str) -> Option<String> {
    let signs: String = text.chars().filter(|&c| !is_variation(c)).collect();
    signs.chars().any(is_seen).then_some(signs)
}

/// Selectors of an emoji's looks: some keyboards write one behind a heart, others do not.
pub(super) const fn is_variation(c: char) -> bool {
    matches!(c, '\u{fe00}'..='\u{fe0f}')
}

/// False for white space, controls, and characters that only say how others are to be shown.
fn is_seen(c: char) -> bool {
    !c.is_whitespace()
        && !c.is_control()
        && !matches!(
            c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
                | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}'
                | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_seen_is_a_sign() {
        for (text, expected) in [
            ("🎉", Some("🎉")),
            ("***", Some("***")),
            ("\u{2764}\u{fe0f}", Some("\u{2764}")),
            ("👨\u{200d}👧", Some("👨\u{200d}👧")),
            ("\u{301}", Some("\u{301}")),
            ("\u{fe0f}", None),
            ("\u{200b}\u{feff}", None),
            ("\u{202e}", None),
            (" \t\u{a0}", None),
            ("\u{3164}\u{2800}\u{1bca0}", None),
            ("", None),
        ] {
            assert_eq!(signs(text).as_deref(), expected, "{text:?}");
        }
    }
}
