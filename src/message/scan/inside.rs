//! What was found in the content of a leaf becomes parts of it: the message that an encoded message/rfc822
//! holds, the bodies and files of a winmail.dat, the files in a text.

use super::{Above, MAX_DEPTH, MAX_PARTS, Scanner};
use crate::message::{Defect, Part, tnef::Found};

impl Scanner {
    /// A scanner for the content of the last part, if there may be more inside it.
    pub(super) fn inside(&self) -> Option<Self> {
        let above = Above {
            parts: self.above.parts + self.outline.parts.len(),
            depth: self.above.depth + self.open.len() + 1,
            encoded: self.above.encoded + 1,
        };
        let fits = above.parts < MAX_PARTS && above.depth < MAX_DEPTH;
        (fits && above.encoded <= MAX_ENCODED).then(|| Self {
            headers_kept: self.headers_kept,
            above,
            ..Self::new(self.captures.room())
        })
    }

    /// Files that were found in the text of the last part become parts of it; `is_decoded` if their places
    /// are counted in its content.
    pub(super) fn add_files(&mut self, files: Vec<Part>, is_decoded: bool) {
        let holder = self.outline.parts.len() - 1;
        for file in files {
            self.add_found(holder, Part { within: is_decoded.then_some(holder), ..file });
        }
    }

    /// The bodies and files of a winmail.dat become parts of it.
    pub(super) fn open_tnef(&mut self, found: Vec<Found>) {
        let holder = self.outline.parts.len() - 1;
        for Found { part, text } in found {
            let is_body = !part.is_attachment;
            let is_added = self.add_found(holder, Part { within: Some(holder), ..part });
            if is_added && is_body {
                self.captures.add(self.outline.parts.len() - 1, text);
            }
        }
    }

    fn add_found(&mut self, holder: usize, part: Part) -> bool {
        if self.above.parts + self.outline.parts.len() >= MAX_PARTS {
            self.defects.insert(Defect::TooManyParts);
            return false;
        }
        let depth = self.outline.parts[holder].depth + 1;
        self.outline.parts.push(Part { parent: Some(holder), depth, ..part });
        true
    }

    /// Takes in what was found in the content of the last part, unless that is no message at all.
    pub(super) fn take_in(&mut self, mut inner: Self) {
        inner.close();
        inner.unread.read(&mut inner.outline, &mut inner.summary, &mut inner.defects);
        let holder = self.outline.parts.len() - 1;
        let depth = self.outline.parts[holder].depth + 1;
        let has_header = |part: &Part| part.header.end - part.header.start > EMPTY_LINE;
        if !inner.outline.parts.first().is_some_and(has_header) {
            return;
        }
        self.headers_kept = inner.headers_kept;
        self.captures.take_in(inner.captures, holder + 1);
        SAID_OF_ALL
            .into_iter()
            .for_each(|it| self.defects.insert_if(inner.defects.contains(it), it));
        let place = |index: Option<usize>| Some(index.map_or(holder, |index| index + holder + 1));
        self.outline.parts.extend(inner.outline.parts.into_iter().map(|part| Part {
            parent: place(part.parent),
            within: place(part.within),
            depth: part.depth + depth,
            ..part
        }));
    }
}

/// Most octets of a header that is empty.
const EMPTY_LINE: u64 = 2;

/// Most encoded messages inside one another: each octet is decoded once for each.
const MAX_ENCODED: usize = 4;

/// Defects of an encoded message that are told of the whole. What is wrong with its lines did not come by
/// SMTP, and what its header lacks is not shown in any list.
const SAID_OF_ALL: [Defect; 8] = [
    Defect::NoBoundary,
    Defect::MissingBoundary,
    Defect::TooDeep,
    Defect::TooManyParts,
    Defect::BadEncoding,
    Defect::UnknownEncoding,
    Defect::MalformedHeader,
    Defect::LongHeader,
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Scanned;

    fn scan(octets: &[u8]) -> Scanned {
        let mut scanner = Scanner::new(1_000);
        scanner.push(octets);
        scanner.finish()
    }

    const ENCODED: &str =
        "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n";

    #[test]
    fn encoded_messages_are_read_so_deep_and_no_deeper() {
        for (levels, read, is_too_deep) in
            [(1, 2, false), (MAX_ENCODED, MAX_ENCODED + 1, false), (100, MAX_ENCODED + 1, true)]
        {
            let scanned = scan(format!("{}A: b\r\n\r\nHi", ENCODED.repeat(levels)).as_bytes());
            assert_eq!(scanned.outline.parts.len(), read, "{levels}");
            assert_eq!(scanned.summary.defects.contains(&Defect::TooDeep), is_too_deep, "{levels}");
            assert_eq!(scanned.text == "Hi", !is_too_deep, "{levels}");
        }
    }

    #[test]
    fn the_bound_of_parts_is_that_of_the_whole() {
        let inner = format!(
            "Content-Type: multipart/mixed; boundary=i\r\n\r\n{}",
            "--i\r\n\r\nx\r\n".repeat(600)
        );
        let part = format!("--o\r\n{ENCODED}{}\r\n", inner.replace("=i", "=3Di"));
        let head = "Content-Type: multipart/mixed; boundary=o\r\n\r\n";
        let scanned = scan(format!("{head}{}--o--\r\n", part.repeat(3)).as_bytes());
        assert_eq!(scanned.outline.parts.len(), MAX_PARTS);
        assert!(scanned.summary.defects.contains(&Defect::TooManyParts));
    }

    #[test]
    fn a_delimiter_is_no_content_of_a_message() {
        let head = "Content-Type: multipart/mixed; boundary=o\r\n\r\n--o\r\n";
        let octets = format!("{head}{ENCODED}A: b\r\n\r\nHi\r\n--o--\r\n");
        let scanned = scan(octets.as_bytes());
        let leaf = &scanned.outline.parts[2];
        assert_eq!((leaf.body.end - leaf.body.start, leaf.within), (2, Some(1)));
        assert_eq!(scanned.text, "Hi");
    }
}
