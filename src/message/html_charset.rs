//! The charset that a text names itself, for one whose field names none.
//!
//! The order is that of the HTML standard (§13.2.3.2): a mark of byte order, then the field
//! (`charset=`), then what the document declares in its first 1,024 octets. A field that says US-ASCII, as
//! many say who do not know, is not heard where the octets are none.

use super::tags::tags;

/// The charset in which to read the content of a text part.
pub(super) fn of<'a>(given: &'a str, is_html: bool, octets: &[u8]) -> std::borrow::Cow<'a, str> {
    if let Some(mark) = byte_order(octets) {
        return mark.into();
    }
    let is_silent = matches!(given, "" | "us-ascii" | "ascii");
    let looks = is_silent && is_html && !(octets.is_ascii() && octets.first() != Some(&0));
    let named = || declared(octets.get(..SCANNED).unwrap_or(octets));
    match looks.then(named).flatten() {
        Some(declared) => declared.into(),
        None => given.into(),
    }
}

/// Unicode's marks of byte order (WHATWG Encoding §6, "BOM sniff").
fn byte_order(octets: &[u8]) -> Option<&'static str> {
    match octets {
        [0xef, 0xbb, 0xbf, ..] => Some("utf-8"),
        [0xfe, 0xff, ..] => Some("utf-16be"),
        // That of UTF-32 begins like that of UTF-16.
        [0xff, 0xfe, 0, 0, ..] => None,
        [0xff, 0xfe, ..] => Some("utf-16le"),
        _ => None,
    }
}

/// What `<?xml encoding?>` or a meta element says (HTML §13.2.3.3).
fn declared(head: &[u8]) -> Option<String> {
    // Each octet a character: what is looked for is ASCII.
    let head: String = head.iter().map(|&octet| char::from(octet)).collect();
    let xml = head.strip_prefix("<?xml").and_then(|rest| rest.split_once("?>"));
    let xml = xml.and_then(|(declaration, _)| declaration.split_once("encoding"));
    let xml = xml.and_then(|(_, rest)| quoted(rest.trim_start().strip_prefix('=')?));
    let meta = || {
        tags(&head).filter(|tag| tag.is("meta")).find_map(|tag| {
            let is_type =
                |value: std::borrow::Cow<'_, str>| value.eq_ignore_ascii_case("content-type");
            let content = || {
                tag.attribute("http-equiv").filter(|value| is_type(value.clone()))?;
                charset_in(&tag.attribute("content")?)
            };
            tag.attribute("charset").map(|value| value.trim().to_owned()).or_else(content)
        })
    };
    let label = xml.or_else(meta)?.to_ascii_lowercase();
    // What could be read up to here is no UTF-16.
    let is_utf_16 = label.starts_with("utf-16") || label == "unicode";
    Some(if is_utf_16 { "utf-8".to_owned() } else { label }).filter(|label| !label.is_empty())
}

/// The charset in the value of Content-Type as meta elements have it (HTML §2.4.5).
fn charset_in(content: &str) -> Option<String> {
    let lower = content.to_ascii_lowercase();
    let mut rest = lower.as_str();
    loop {
        rest = rest.split_once("charset")?.1;
        if let Some(value) = rest.trim_start().strip_prefix('=') {
            return quoted(value);
        }
    }
}

/// A value in quotes or up to a semicolon or white space.
fn quoted(value: &str) -> Option<String> {
    let value = value.trim_start();
    let text = match value.chars().next()? {
        quote @ ('"' | '\'') => value[1..].split_once(quote)?.0,
        _ => value.split(|c: char| c == ';' || c.is_ascii_whitespace()).next()?,
    };
    Some(text.trim().to_owned())
}

/// Octets in which a declaration must stand.
const SCANNED: usize = 1_024;

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(content_type: &str, charset: &str, octets: &[u8], expected: &str) {
        let found = of(charset, content_type == "text/html", octets);
        assert_eq!(found, expected, "{}", octets.escape_ascii());
    }

    #[test]
    fn html_declares_its_charset() {
        for (octets, charset) in [
            (&b"<meta charset=gb2312>\xc4\xe3"[..], "gb2312"),
            (b"<html><head><META CHARSET = 'KOI8-R' >\xc4", "koi8-r"),
            (b"<meta http-equiv=Content-Type content=\"text/html; charset=gb2312\">\xc4", "gb2312"),
            (b"<meta content='text/html;charset=\"big5\"' http-equiv=content-type>\xc4", "big5"),
            (b"<?xml version='1.0' encoding=\"euc-jp\"?><html>\xc4", "euc-jp"),
            (b"<meta charset=utf-16le>caf\xc3\xa9", "utf-8"),
            (b"<!-- <meta charset=koi8-r> --><meta charset=big5>\xc4", "big5"),
            (b"<meta name=x content='charset=koi8-r'>\xc4", ""),
            (b"<meta charset=''>\xc4", ""),
            (b"<p>\xc4", ""),
        ] {
            check("text/html", "", octets, charset);
        }
        let late = [&b"<p>".repeat(400)[..], b"<meta charset=koi8-r>\xc4"].concat();
        check("text/html", "", &late, "");
    }

    #[test]
    fn the_field_goes_before_the_document_and_a_mark_before_both() {
        check("text/html", "koi8-r", b"<meta charset=gb2312>\xc4", "koi8-r");
        check("text/html", "us-ascii", b"<meta charset=gb2312>\xc4", "gb2312");
        check("text/html", "us-ascii", b"<meta charset=gb2312>", "us-ascii");
        check("text/html", "koi8-r", b"\xef\xbb\xbf<p>", "utf-8");
        check("text/plain", "", b"\xff\xfeh\0", "utf-16le");
        check("text/plain", "", b"\xfe\xff\0h", "utf-16be");
        check("text/plain", "", b"<meta charset=gb2312>\xc4", "");
    }
}
