//! Whom a client certificate names: the one thing of it that sessions and messages keep.
//!
//! The certificate was verified before; this only reads its subject (RFC 5280 §4.1.2.6), which is
//! small enough for a reader of our own.

use rustls_pki_types::CertificateDer;
use webpki::EndEntityCert;

/// The common name of the subject, or else the first DNS name; none if it names nobody.
pub(super) fn name(certificate: &CertificateDer<'_>) -> Option<String> {
    let certificate = EndEntityCert::try_from(certificate).ok()?;
    let dns_name = || certificate.valid_dns_names().next().map(str::to_owned);
    common_name(certificate.subject()).or_else(dns_name)
}

/// `Name ::= SEQUENCE OF SET OF SEQUENCE { type OBJECT IDENTIFIER, value ANY }`, its outer tag and
/// length gone.
fn common_name(mut subject: &[u8]) -> Option<String> {
    while let Some((SET, mut set)) = next(&mut subject) {
        while let Some((SEQUENCE, mut attribute)) = next(&mut set) {
            let kind = next(&mut attribute)?;
            let (tag, value) = next(&mut attribute)?;
            if kind == (OBJECT_IDENTIFIER, &COMMON_NAME) && TEXTS.contains(&tag) {
                let text = str::from_utf8(value).ok()?;
                return Some(text.to_owned()).filter(|text| !text.is_empty());
            }
        }
    }
    None
}

/// The next value of DER (X.690 §8.1): its tag and its content.
fn next<'a>(octets: &mut &'a [u8]) -> Option<(u8, &'a [u8])> {
    let (&[tag, first], rest) = octets.split_first_chunk()?;
    let (length, rest) = match first {
        short @ ..=0x7f => (usize::from(short), rest),
        0x81 => rest.split_first().map(|(length, rest)| (usize::from(*length), rest))?,
        0x82 => {
            let (length, rest) = rest.split_first_chunk()?;
            (usize::from(u16::from_be_bytes(*length)), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    *octets = rest;
    Some((tag, content))
}

const OBJECT_IDENTIFIER: u8 = 0x06;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;

/// UTF8String, PrintableString and IA5String: the ones that are UTF-8 as they stand.
const TEXTS: [u8; 3] = [0x0c, 0x13, 0x16];

/// id-at-commonName, 2.5.4.3.
const COMMON_NAME: [u8; 3] = [0x55, 0x04, 0x03];

#[cfg(test)]
mod tests {
    use super::*;

    fn subject(common_name: &[u8]) -> Vec<u8> {
        let country = b"\x31\x0b\x30\x09\x06\x03\x55\x04\x06\x13\x02DE";
        let length = common_name.len() as u8;
        let mut der = country.to_vec();
        der.extend([SET, length + 9, SEQUENCE, length + 7, OBJECT_IDENTIFIER, 3, 0x55, 4, 3]);
        der.extend([0x0c, length]);
        der.extend(common_name);
        der
    }

    #[test]
    fn the_common_name_is_found() {
        assert_eq!(common_name(&subject("Änn".as_bytes())), Some("Änn".into()));
        assert_eq!(common_name(&subject(b"")), None);
        assert_eq!(common_name(&subject(b"\xff")), None);
        assert_eq!(common_name(b""), None);
    }

    #[test]
    fn a_broken_subject_names_nobody_and_stops_nobody() {
        let whole = subject(b"ann");
        for end in 0..whole.len() {
            assert_eq!(common_name(&whole[..end]), None, "cut at {end}");
            for value in [0, 0x7f, 0x80, 0x81, 0x82, 0x84, 0xff] {
                let mut damaged = whole.clone();
                damaged[end] = value;
                let _ = common_name(&damaged);
            }
        }
    }
}
