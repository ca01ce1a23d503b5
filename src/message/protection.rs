//! How a message is protected: signed or encrypted, with OpenPGP or S/MIME. Said, not verified: a catcher has
//! nobody's keys.

use super::{Outline, Part};

/// A protection and its standard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Protection {
    /// RFC 3156 §5, or in the text (RFC 9580 §7).
    PgpSigned,
    /// RFC 3156 §4, or in the text (RFC 9580 §6).
    PgpEncrypted,
    /// RFC 8551 §3.5.
    SmimeSigned,
    /// RFC 8551 §3.3.
    SmimeEncrypted,
}

impl Protection {
    /// The name that the API shows.
    pub const fn name(self) -> &'static str {
        match self {
            Self::PgpSigned => "pgp-signed",
            Self::PgpEncrypted => "pgp-encrypted",
            Self::SmimeSigned => "smime-signed",
            Self::SmimeEncrypted => "smime-encrypted",
        }
    }
}

/// How a message with this outline and this readable text is protected, each kind once.
pub fn protections(outline: &Outline, text: &str) -> Vec<Protection> {
    let own = outline.parts.iter().enumerate().filter(|&(index, _)| !outline.is_enclosed(index));
    let mut found: Vec<_> = own.filter_map(|(_, part)| of_part(part)).collect();
    let begins = |armor: &str| text.starts_with(armor) || text.contains(&format!("\n{armor}"));
    if begins("-----BEGIN PGP SIGNED MESSAGE-----") {
        found.push(Protection::PgpSigned);
    }
    if begins("-----BEGIN PGP MESSAGE-----") {
        found.push(Protection::PgpEncrypted);
    }
    found.sort_unstable();
    found.dedup();
    found
}

fn of_part(part: &Part) -> Option<Protection> {
    let says = |word: &str| {
        let field = part.header_value("Content-Type").unwrap_or_default();
        field.to_ascii_lowercase().contains(word)
    };
    match part.content_type.as_str() {
        "multipart/signed" if says("pgp-signature") => Some(Protection::PgpSigned),
        "multipart/signed" if says("pkcs7-signature") => Some(Protection::SmimeSigned),
        "multipart/encrypted" if says("pgp-encrypted") => Some(Protection::PgpEncrypted),
        "application/pkcs7-mime" | "application/x-pkcs7-mime" => {
            if says("compressed-data") || says("certs-only") {
                None
            } else if says("signed-data") || part.file_name.ends_with(".p7s") {
                Some(Protection::SmimeSigned)
            } else {
                Some(Protection::SmimeEncrypted)
            }
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(content_type: &str, text: &str, expected: &[Protection]) {
        let value = content_type.to_owned();
        let kind = content_type.split(';').next().unwrap_or_default().to_owned();
        let headers = vec![("Content-Type".to_owned(), value)];
        let part = Part { content_type: kind, headers, ..Part::default() };
        assert_eq!(protections(&Outline { parts: vec![part] }, text), expected, "{content_type}");
    }

    #[test]
    fn containers() {
        use Protection::*;
        for (content_type, protection) in [
            ("multipart/signed; protocol=\"application/pgp-signature\"", PgpSigned),
            ("multipart/signed; protocol=\"application/PKCS7-signature\"", SmimeSigned),
            ("multipart/signed; protocol=application/x-pkcs7-signature", SmimeSigned),
            ("multipart/encrypted; protocol=application/pgp-encrypted", PgpEncrypted),
            ("application/pkcs7-mime; smime-type=enveloped-data", SmimeEncrypted),
            ("application/x-pkcs7-mime; name=smime.p7m", SmimeEncrypted),
            ("application/pkcs7-mime; smime-type=signed-data", SmimeSigned),
        ] {
            check(content_type, "", &[protection]);
        }
        check("application/pkcs7-mime; smime-type=certs-only", "", &[]);
        check("multipart/signed; protocol=x", "", &[]);
        check("text/plain", "Hi\n", &[]);
    }

    #[test]
    fn armour_in_the_text() {
        use Protection::*;
        check("text/plain", "-----BEGIN PGP MESSAGE-----\n\nx", &[PgpEncrypted]);
        check("text/plain", "Hi\r\n-----BEGIN PGP SIGNED MESSAGE-----\r\n", &[PgpSigned]);
        check("text/plain", "> -----BEGIN PGP MESSAGE-----\n", &[]);
    }
}
