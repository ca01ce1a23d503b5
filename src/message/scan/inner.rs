//! What reads the content of a leaf while it streams by, if there is more in it: the message that an encoded
//! message/rfc822 holds, what a winmail.dat holds, and files in an encoded text.
//!
//! RFC 2046 §5.2.1 allows a message no encoding but 7bit, 8bit and binary, yet PHP's mailers attach `.eml`
//! files in base64, and a relay may write a message in quoted-printable.

use super::Scanner;
use crate::message::{Encoding, Part, blocks::InContent, tnef::Tnef};

/// A reader of decoded content.
#[derive(Debug)]
pub(super) enum Inner {
    Message(Box<Scanner>),
    Tnef(Box<Tnef>),
    Text(InContent),
}

impl Inner {
    /// What is to be read in the content of this leaf.
    pub(super) fn of(part: &Part, outer: &Scanner) -> Option<Self> {
        if part.is_message() && part.encoding != Encoding::Identity {
            return outer.inside().map(|scanner| Self::Message(Box::new(scanner)));
        }
        let is_winmail = part.file_name.eq_ignore_ascii_case("winmail.dat");
        let is_tnef = match part.content_type.as_str() {
            "application/ms-tnef" | "application/vnd.ms-tnef" => true,
            "application/octet-stream" => is_winmail,
            _ => false,
        };
        match is_tnef {
            true => Some(Self::Tnef(Box::default())),
            false => InContent::of(part).map(Self::Text),
        }
    }

    /// The next octets of the content.
    pub(super) fn push(&mut self, octets: &[u8]) {
        match self {
            Self::Message(scanner) => scanner.push(octets),
            Self::Tnef(tnef) => tnef.push(octets),
            Self::Text(text) => text.push(octets),
        }
    }
}
