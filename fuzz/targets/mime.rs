//! A message: reading it never fails, how it was cut makes no difference, and every part lies inside
//! the one that holds it.

use smtpd::message::{
    Encoding, Scanned, Scanner,
    decode::Decoder,
    text::{decode_text, html_to_text, unflow},
};

use super::pieces;

/// The first octet cuts, the rest is a message.
pub fn run(octets: &[u8]) {
    let Some((&seed, message)) = octets.split_first() else { return };
    let scanned = scan(&[message]);
    let shown = format!("{scanned:?}");
    for cut in [message.chunks(1).collect(), pieces(message, seed)] {
        assert!(format!("{:?}", scan(&cut)) == shown, "cut: {}", message.escape_ascii());
    }
    check_ranges(message, &scanned);
    for part in scanned.outline.parts.iter().filter(|part| part.within.is_none()) {
        let body = &message[part.body.start as usize..part.body.end as usize];
        let whole = decode(&[body], part.encoding);
        assert!(decode(&pieces(body, seed), part.encoding) == whole, "{}", body.escape_ascii());
        if part.is_text() {
            let (text, _) = decode_text(&whole, &part.charset);
            html_to_text(&text);
            if let Some(flowed) = part.flowed {
                unflow(&text, flowed.delete_space);
            }
        }
    }
}

fn scan(pieces: &[&[u8]]) -> Scanned {
    let mut scanner = Scanner::new(MOST_TEXT);
    pieces.iter().for_each(|piece| scanner.push(piece));
    scanner.finish()
}

fn decode(pieces: &[&[u8]], encoding: Encoding) -> Vec<u8> {
    let mut decoder = Decoder::new(encoding);
    let mut out = Vec::new();
    pieces.iter().for_each(|piece| decoder.push(piece, &mut out));
    decoder.finish(&mut out);
    out
}

fn check_ranges(message: &[u8], scanned: &Scanned) {
    let parts = &scanned.outline.parts;
    assert_eq!(scanned.summary.size, message.len() as u64);
    assert!(scanned.texts().map(str::len).sum::<usize>() <= MOST_TEXT, "too much text");
    for (index, part) in parts.iter().enumerate() {
        assert!(part.header.start <= part.header.end && part.header.end <= part.body.start);
        assert!(part.body.start <= part.body.end);
        assert!(part.within.is_some() || part.body.end <= message.len() as u64);
        match part.parent {
            None => assert_eq!((index, part.depth), (0, 0)),
            Some(parent) => {
                let holder = &parts[parent];
                assert!(parent < index && part.depth == holder.depth + 1);
                if part.within == holder.within {
                    assert!(part.header.start >= holder.body.start);
                    assert!(part.body.end <= holder.body.end.max(part.header.end));
                }
            }
        }
    }
}

/// Octets of readable text that are asked for: few, so that the bound is met.
const MOST_TEXT: usize = 4_096;
