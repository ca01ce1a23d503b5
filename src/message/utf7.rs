//! UTF-7 (RFC 2152), which no web browser reads any more and some old mailers still write.

/// Decodes; false if something was not UTF-7 (it becomes U+FFFD).
pub(super) fn decode(octets: &[u8]) -> (String, bool) {
    let mut out = String::with_capacity(octets.len());
    let mut clean = true;
    let mut rest = octets;
    while let Some((&first, tail)) = rest.split_first() {
        if first != b'+' {
            clean &= first.is_ascii();
            out.push(if first.is_ascii() {
                char::from(first)
            } else {
                char::REPLACEMENT_CHARACTER
            });
            rest = tail;
            continue;
        }
        let length = tail.iter().take_while(|octet| value(**octet).is_some()).count();
        let (encoded, after) = tail.split_at(length);
        rest = match after.split_first() {
            Some((b'-', after)) => after,
            _ => after,
        };
        if encoded.is_empty() {
            // "+-" is a plus sign.
            out.push('+');
            clean &= after.first() == Some(&b'-');
        } else {
            clean &= shifted(encoded, &mut out);
        }
    }
    (out, clean)
}

/// One run of modified base64: UTF-16 in big-endian order.
fn shifted(encoded: &[u8], out: &mut String) -> bool {
    let mut bits = 0_u32;
    let mut count = 0;
    let units = encoded.iter().filter_map(|octet| {
        bits = bits << 6 | value(*octet).unwrap_or(0);
        count += 6;
        (count >= 16).then(|| {
            count -= 16;
            // The lowest 16 of the bits above those still to be used.
            (bits >> count & 0xffff) as u16
        })
    });
    let mut clean = true;
    out.extend(char::decode_utf16(units).map(|unit| {
        unit.unwrap_or_else(|_| {
            clean = false;
            char::REPLACEMENT_CHARACTER
        })
    }));
    clean
}

fn value(octet: u8) -> Option<u32> {
    Some(u32::from(match octet {
        b'A'..=b'Z' => octet - b'A',
        b'a'..=b'z' => octet - b'a' + 26,
        b'0'..=b'9' => octet - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    }))
}

#[cfg(test)]
mod tests {
    use super::decode;

    #[test]
    fn examples_of_the_rfc() {
        for (encoded, text) in [
            ("A+ImIDkQ.", "A≢Α."),
            ("Hi Mom -+Jjo--!", "Hi Mom -☺-!"),
            ("+ZeVnLIqe-", "日本語"),
            ("1 +- 1", "1 + 1"),
            ("+2D3eAA-", "😀"),
        ] {
            assert_eq!(decode(encoded.as_bytes()), (text.to_owned(), true), "{encoded}");
        }
    }

    #[test]
    fn what_is_not_utf7_is_marked() {
        assert!(!decode(b"+2D0-").1);
        assert!(!decode(b"caf\xe9").1);
        assert_eq!(decode(b"+").0, "+");
    }
}
