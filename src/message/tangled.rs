//! Markup that would take a parser too long.
//!
//! The HTML parser's algorithm has steps whose cost grows with what is open or pending, so that a
//! message of 1 MB can be written to take minutes. One quick look before it tells.

/// True if a parser would need a time that grows with the square of the length: elements deep inside
/// one another, formatting that is opened and never closed and so repeated in every paragraph, and
/// heaps of attributes or character references.
pub(super) fn is_tangled(html: &str) -> bool {
    let octets = html.as_bytes();
    if memchr::memchr_iter(b'&', octets).count() > MAX_REFERENCES {
        return true;
    }
    let (mut depth, mut formatting) = (0_usize, 0_usize);
    for (index, tag) in octets.split(|&octet| octet == b'<').skip(1).enumerate() {
        // Whatever a quote hides, attributes are parted by white space, slashes or equals signs.
        let separators = tag.iter().filter(|c| c.is_ascii_whitespace() || b"/=".contains(c));
        if index > MAX_TAGS || separators.count() > MAX_ATTRIBUTES {
            return true;
        }
        let (closing, tag) = match tag {
            [b'/', tag @ ..] => (true, tag),
            tag => (false, tag),
        };
        let length = tag.iter().take(16).take_while(|c| c.is_ascii_alphanumeric()).count();
        let name = tag[..length].to_ascii_lowercase();
        let is_formatting = FORMATTING.iter().any(|known| known.as_bytes() == name);
        if closing {
            depth = depth.saturating_sub(1);
            formatting = formatting.saturating_sub(usize::from(is_formatting));
        } else if length > 0 && !VOID.iter().any(|known| known.as_bytes() == name) {
            depth += 1;
            formatting += usize::from(is_formatting);
        }
        if depth > MAX_DEPTH || formatting > MAX_FORMATTING {
            return true;
        }
    }
    false
}

/// Most elements open at once. Newsletters nest tables 30 deep; paragraphs that are never closed
/// count as well, so there is room for those.
const MAX_DEPTH: usize = 2_000;

/// Most formatting elements open at once.
const MAX_FORMATTING: usize = 100;

/// Most attributes of a tag. What is counted also stands in text and in pictures as data URLs, and
/// 30,000 of it is a picture of 2 MB.
const MAX_ATTRIBUTES: usize = 30_000;

/// Most character references. A newsletter pads its first line with 1,000.
const MAX_REFERENCES: usize = 50_000;

/// Most tags: a long report in HTML has 50,000.
const MAX_TAGS: usize = 200_000;

const VOID: [&str; 8] = ["br", "img", "hr", "meta", "link", "input", "col", "area"];

/// Elements that HTML opens again in each following paragraph (HTML §13.2.4.3).
const FORMATTING: [&str; 14] = [
    "a", "b", "big", "code", "em", "font", "i", "nobr", "s", "small", "strike", "strong", "tt", "u",
];
