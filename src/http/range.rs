//! The Range field (RFC 9110 §14): one range of octets. Several at once are allowed to be ignored,
//! and are.

use std::ops::Range;

/// What a Range field asks of a body of some length.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// All of it: there is no field, or none that must be heeded.
    All,
    /// These octets.
    Some(Range<u64>),
    /// Octets that it does not have: 416.
    None,
}

/// Reads the field.
pub(super) fn wanted(field: Option<&str>, length: u64) -> Wanted {
    let Some(spec) = field.and_then(|field| field.trim().strip_prefix("bytes=")) else {
        return Wanted::All;
    };
    let Some((first, last)) = spec.trim().split_once('-') else { return Wanted::All };
    let range = match (number(first), number(last)) {
        (Some(first), Some(last)) if first > last => return Wanted::All,
        (Some(first), Some(last)) => first..last.saturating_add(1).min(length),
        (Some(first), None) if last.is_empty() => first..length,
        (None, Some(count)) if first.is_empty() => length.saturating_sub(count)..length,
        _ => return Wanted::All,
    };
    if range.is_empty() { Wanted::None } else { Wanted::Some(range) }
}

fn number(text: &str) -> Option<u64> {
    // `parse` alone would take a sign.
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_number { Some(text.parse().unwrap_or(u64::MAX)) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_range() {
        let of_ten = |field| wanted(Some(field), 10);
        assert_eq!(of_ten("bytes=0-0"), Wanted::Some(0..1));
        assert_eq!(of_ten("bytes=2-"), Wanted::Some(2..10));
        assert_eq!(of_ten("bytes=-3"), Wanted::Some(7..10));
        assert_eq!(of_ten("bytes=-99"), Wanted::Some(0..10));
        assert_eq!(of_ten("bytes=5-99999999999999999999999"), Wanted::Some(5..10));
        assert_eq!(of_ten("bytes=10-"), Wanted::None);
        assert_eq!(of_ten("bytes=-0"), Wanted::None);
        for ignored in
            ["bytes=", "bytes=-", "bytes=5-2", "bytes=0-1,3-4", "lines=1-2", "bytes=+1-2", "x"]
        {
            assert_eq!(of_ten(ignored), Wanted::All, "{ignored}");
        }
        assert_eq!(wanted(None, 10), Wanted::All);
        assert_eq!(wanted(Some("bytes=0-"), 0), Wanted::None);
    }
}
