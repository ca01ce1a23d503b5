//! Whether a PDF may run script when it is shown.
//!
//! The viewers of browsers run the scripts of a PDF in whatever sandbox its page stands in: such a
//! script reaches no network, but it can open dialogs. So before one is shown, its names are read
//! (ISO 32000-1 §7.3.5), also those in packed streams (§7.5.7). What cannot be read, because it is
//! encrypted or packed in a way that we do not undo, is taken for script: it can still be saved.

use flate2::{Decompress, FlushDecompress, Status};

/// True if the document has no script that we could find, and nothing that we could not read.
pub fn is_pdf_without_script(pdf: &[u8]) -> bool {
    let (mut packs_objects, mut packs_oddly) = (false, false);
    for name in names(pdf) {
        if ACTING.contains(&name.as_slice()) {
            return false;
        }
        packs_objects |= name == b"ObjStm";
        packs_oddly |= ODD_FILTERS.contains(&name.as_slice());
    }
    // Only where objects are packed do names hide in streams.
    !packs_objects || (!packs_oddly && streams_are_harmless(pdf))
}

/// The same for all streams that can be unpacked, whatever they are said to be.
fn streams_are_harmless(pdf: &[u8]) -> bool {
    let mut room = MOST_UNPACKED;
    for at in memchr::memmem::find_iter(pdf, b"stream") {
        if pdf[..at].ends_with(b"end") {
            continue;
        }
        let data = &pdf[at + b"stream".len()..];
        let data = data.strip_prefix(b"\r").unwrap_or(data);
        let data = data.strip_prefix(b"\n").unwrap_or(data);
        let unpacked = unpack(data, room);
        room -= unpacked.len();
        if room == 0 || names(&unpacked).any(|name| ACTING.contains(&name.as_slice())) {
            return false;
        }
    }
    true
}

/// What is packed in zlib's format at the beginning of some octets, up to a limit. What breaks off is
/// read as far as a viewer reads it; what is no zlib is nothing, and no stream of objects either.
fn unpack(data: &[u8], limit: usize) -> Vec<u8> {
    let (mut inflate, mut unpacked) = (Decompress::new(true), Vec::new());
    while unpacked.len() < limit {
        let (read, written) = (inflate.total_in(), unpacked.len());
        unpacked.reserve_exact((limit - written).min(STEP));
        let rest = usize::try_from(read).ok().and_then(|read| data.get(read..)).unwrap_or_default();
        let status = inflate.decompress_vec(rest, &mut unpacked, FlushDecompress::None);
        let stuck = inflate.total_in() == read && unpacked.len() == written;
        if stuck || !matches!(status, Ok(Status::Ok)) {
            break;
        }
    }
    unpacked.truncate(limit);
    unpacked
}

/// The names in some octets, `#4A` and the like undone.
fn names(octets: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    memchr::memchr_iter(b'/', octets).map(|at| {
        let mut rest = &octets[at + 1..];
        let mut name = Vec::new();
        while name.len() < LONGEST_NAME {
            match rest {
                [b'#', high, low, after @ ..]
                    if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
                {
                    let value = super::decode::hex_value;
                    name.push(value(*high) << 4 | value(*low));
                    rest = after;
                }
                [octet, after @ ..]
                    if octet.is_ascii_graphic() && !b"()<>[]{}/%".contains(octet) =>
                {
                    name.push(*octet);
                    rest = after;
                }
                _ => break,
            }
        }
        name
    })
}

/// Script (§12.6.4.16), forms that bring their own (§12.7.8), and what hides either (§7.6).
const ACTING: [&[u8]; 4] = [b"JS", b"JavaScript", b"XFA", b"Encrypt"];

/// Filters (§7.4) that no honest writer uses for streams of objects.
const ODD_FILTERS: [&[u8]; 7] = [
    b"ASCIIHexDecode",
    b"AHx",
    b"ASCII85Decode",
    b"A85",
    b"LZWDecode",
    b"RunLengthDecode",
    b"Crypt",
];

/// A name is longer than all of the above.
const LONGEST_NAME: usize = 20;

/// Octets unpacked of one document.
const MOST_UNPACKED: usize = 64 * 1024 * 1024;

/// Octets unpacked at a time.
const STEP: usize = 256 * 1024;

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, write::ZlibEncoder};

    use super::*;

    fn packed(objects: &str) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(objects.as_bytes()).unwrap();
        let stream = encoder.finish().unwrap();
        [b"1 0 obj<</Type/ObjStm/Filter/FlateDecode>>stream\r\n", stream.as_slice(), b"\nendstream"]
            .concat()
    }

    #[test]
    fn documents_that_only_show_themselves() {
        for pdf in [
            &b"%PDF-1.4 <</OpenAction[3 0 R/Fit]/URI(http://a.example)/JSX 1/Filter/ASCII85Decode>>"[..],
            &packed("<</Type/Catalog/Names 4 0 R>>"),
            b"",
        ] {
            assert!(is_pdf_without_script(pdf), "{}", pdf.escape_ascii());
        }
    }

    #[test]
    fn documents_that_act() {
        for pdf in [
            &b"<</S/JavaScript/JS(app.alert(1))>>"[..],
            b"<</S/J#61vaScript/#4aS 4 0 R>>",
            b"<</Encrypt 4 0 R>>",
            &packed("<</S/JavaScript/JS(app.alert(1))>>"),
            &packed("<</S/J#61vaScript>>"),
            b"<</Type/ObjStm/Filter[/ASCII85Decode/FlateDecode]>>",
            &packed(&("<< >> ".repeat(200_000) + "<</S/JavaScript>>")),
        ] {
            assert!(!is_pdf_without_script(pdf), "{}", pdf.escape_ascii());
        }
    }
}
