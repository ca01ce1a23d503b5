//! One address as it stands between brackets or alone: `local-part@domain` without what the grammar lets
//! stand in and around it (RFC 5322 §3.4.1, §4.4).

use std::borrow::Cow;

/// An address without the white space that may stand around its dots and its sign (RFC 5322 §4.4);
/// a text that is none, as it is.
pub(super) fn compact(text: &str) -> Cow<'_, str> {
    if !text.contains('@') || !text.contains(char::is_whitespace) || text.contains('"') {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if !(out.is_empty() || out.ends_with(['.', '@']) || word.starts_with(['.', '@'])) {
            out.push(' ');
        }
        out.push_str(word);
    }
    Cow::Owned(out)
}

/// What stands between brackets, without comments that end there.
pub(super) fn without_comments(text: &str) -> Cow<'_, str> {
    if !text.contains('(') || !text.contains(')') || text.contains('"') {
        return Cow::Borrowed(text);
    }
    let (mut out, mut depth) = (String::with_capacity(text.len()), 0_usize);
    for c in text.chars() {
        match c {
            '(' => depth += 1,
            ')' if depth > 0 => depth -= 1,
            c if depth == 0 => out.push(c),
            _ => {}
        }
    }
    Cow::Owned(out)
}

/// The address with quotes around its local part only if that needs them: `"ann"@a.example` and
/// `ann@a.example` are one mailbox (RFC 5321 §4.1.2).
pub(super) fn normal(address: &str) -> Cow<'_, str> {
    let Some((local, domain)) = address.rsplit_once('@') else { return Cow::Borrowed(address) };
    let inside = local.strip_prefix('"').and_then(|it| it.strip_suffix('"'));
    match inside {
        Some(inside) if is_dot_atom(inside) => Cow::Owned(format!("{inside}@{domain}")),
        // What is there already is left as it was written.
        None if local.contains(char::is_whitespace) && !local.contains('"') => {
            Cow::Owned(format!("\"{}\"@{domain}", local.replace('\\', "\\\\")))
        }
        _ => Cow::Borrowed(address),
    }
}

/// True for words with dots between them (RFC 5322 §3.2.3, with RFC 6532's letters), without the signs
/// that name a way through other hosts (RFC 5321 appendix F.2).
fn is_dot_atom(text: &str) -> bool {
    let is_atom = |c: char| c.is_alphanumeric() || "#$&'*+-/=?^_`{|}~".contains(c);
    text.split('.').all(|atom| !atom.is_empty() && atom.chars().all(is_atom))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_where_they_are_needed() {
        for (address, expected) in [
            ("ann@a.example", "ann@a.example"),
            ("\"ann.lee\"@a.example", "ann.lee@a.example"),
            ("\"grüße\"@a.example", "grüße@a.example"),
            ("\"ann lee\"@a.example", "\"ann lee\"@a.example"),
            ("\"a!ann\"@a.example", "\"a!ann\"@a.example"),
            ("\"ann.\"@a.example", "\"ann.\"@a.example"),
            ("\"\"@a.example", "\"\"@a.example"),
            ("ann lee@a.example", "\"ann lee\"@a.example"),
            ("\"a@b\"@a.example", "\"a@b\"@a.example"),
            ("\"ann", "\"ann"),
            ("\"@a.example", "\"@a.example"),
        ] {
            assert_eq!(normal(address), expected, "{address}");
        }
    }
}
