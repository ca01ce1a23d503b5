//! Digits of every script and width as those of ASCII, as people type them.

use std::borrow::Cow;

/// A line in which digits, letters of full width and white space of every width are ASCII's, and what
/// cannot be seen is gone.
pub(super) fn plain(line: &str) -> Cow<'_, str> {
    if line.is_ascii() || !line.chars().any(|c| replaced(c) != Some(c)) {
        return Cow::Borrowed(line);
    }
    Cow::Owned(line.chars().filter_map(replaced).collect())
}

fn replaced(c: char) -> Option<char> {
    let code = u32::from(c);
    Some(match code {
        ..0x80 => c,
        // Full-width forms, for whose letters, digits and hyphen there is a reason.
        0xff0d | 0xff10..=0xff19 | 0xff21..=0xff3a | 0xff41..=0xff5a => {
            char::from_u32(code - 0xfee0).unwrap_or(c)
        }
        // Hyphens, and white space of a width of its own.
        0x2010 | 0x2011 => '-',
        0xa0 | 0x2000..=0x200a | 0x202f | 0x3000 => ' ',
        // Soft hyphens, joiners and marks of direction.
        0xad | 0x200b..=0x200f | 0x202a..=0x202e | 0x2060..=0x2064 | 0x2066..=0x2069 | 0xfeff => {
            return None;
        }
        _ => match ZEROS.iter().find(|zero| (**zero..**zero + 10).contains(&code)) {
            Some(zero) => char::from_digit(code - zero, 10).unwrap_or(c),
            None => c,
        },
    })
}

/// The zeros of Arabic, Persian, Devanagari, Bengali, Gurmukhi, Gujarati, Tamil, Telugu, Kannada, Malayalam,
/// Thai, Lao, Burmese and Khmer, which nine digits follow, and those of bold and other styles.
const ZEROS: [u32; 19] = [
    0x660, 0x6f0, 0x966, 0x9e6, 0xa66, 0xae6, 0xbe6, 0xc66, 0xce6, 0xd66, 0xe50, 0xed0, 0x1040,
    0x17e0, 0x1d7ce, 0x1d7d8, 0x1d7e2, 0x1d7ec, 0x1d7f6,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_people_type_them() {
        for (line, expected) in [
            ("认证：９９８８７７", "认证：998877"),
            ("ＡＢ－１２", "AB-12"),
            ("١٢٣٤٥٦ ۱۲۳ १२३ ๑๒๓", "123456 123 123 123"),
            ("482\u{2009}913 48\u{200b}29", "482 913 4829"),
            ("𝟒𝟖𝟐", "482"),
            ("Grüße", "Grüße"),
        ] {
            assert_eq!(plain(line), expected);
        }
    }
}
