//! How text and values are written in HTML, so that any parser reads the same.

/// Writes text, or the value of an attribute in double quotes.
pub(super) fn escaped(text: &str, out: &mut String) {
    let mut done = 0;
    for (at, octet) in text.bytes().enumerate() {
        let reference = match octet {
            b'&' => "&amp;",
            b'<' => "&lt;",
            b'>' => "&gt;",
            b'"' => "&quot;",
            _ => continue,
        };
        out.push_str(&text[done..at]);
        out.push_str(reference);
        done = at + 1;
    }
    out.push_str(&text[done..]);
}
