//! A message on its way out: lines end with CRLF, and one that begins with a dot gets another (RFC 1939
//! §3).
//!
//! A lone LF is made a line end: clients take it for one, and a dot behind it for the end of the message.
//! Everything else leaves as it came.

use memchr::memchr;

/// Turns stored octets into sent ones, in pieces of any size.
#[derive(Debug)]
pub(super) struct Stuffer {
    /// Octets of the present line so far, which came in earlier pieces.
    length: usize,
    /// The last of them.
    last: u8,
    is_header: bool,
    /// Lines of the body that are still wanted; none for all.
    left: Option<u64>,
}

impl Stuffer {
    /// All of the message, or its header and so many lines of its body.
    pub(super) fn new(lines: Option<u64>) -> Self {
        Self { length: 0, last: 0, is_header: true, left: lines }
    }

    /// Nothing more of the message is wanted.
    pub(super) fn is_done(&self) -> bool {
        !self.is_header && self.left == Some(0)
    }

    /// Takes the next octets, which may be more than are wanted.
    pub(super) fn push(&mut self, mut octets: &[u8], out: &mut Vec<u8>) {
        while !octets.is_empty() && !self.is_done() {
            let end = memchr(b'\n', octets);
            let (text, rest) = octets.split_at(end.unwrap_or(octets.len()));
            if self.length == 0 && text.first() == Some(&b'.') {
                out.push(b'.');
            }
            out.extend_from_slice(text);
            self.length += text.len();
            self.last = text.last().copied().unwrap_or(self.last);
            octets = rest;
            if let Some(after) = rest.strip_prefix(b"\n") {
                octets = after;
                self.end_line(out);
            }
        }
    }

    /// The message has ended: so does its last line.
    pub(super) fn finish(&mut self, out: &mut Vec<u8>) {
        if self.length > 0 && !self.is_done() {
            self.last = 0;
            self.end_line(out);
        }
    }

    fn end_line(&mut self, out: &mut Vec<u8>) {
        let has_return = self.length > 0 && self.last == b'\r';
        out.extend_from_slice(if has_return { b"\n" } else { b"\r\n" });
        let is_empty = self.length == usize::from(has_return);
        (self.length, self.last) = (0, 0);
        match &mut self.left {
            _ if self.is_header => self.is_header = !is_empty,
            Some(left) => *left -= 1,
            None => {}
        }
    }
}

/// Octets that RETR sends of a message with these octets, without the dots that are added. Counts pieces of
/// it, one after the other, beginning with `(0, 0)`: the octets so far, and the last one.
pub fn sent_size((size, mut last): (u64, u8), piece: &[u8]) -> (u64, u8) {
    let mut lone = 0;
    for at in memchr::memchr_iter(b'\n', piece) {
        let before = at.checked_sub(1).and_then(|at| piece.get(at)).map_or(last, |octet| *octet);
        lone += u64::from(before != b'\r');
    }
    last = piece.last().copied().unwrap_or(last);
    (size + piece.len() as u64 + lone, last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(message: &[u8], lines: Option<u64>, cut: usize) -> String {
        let (mut stuffer, mut out) = (Stuffer::new(lines), Vec::new());
        for piece in message.chunks(cut) {
            stuffer.push(piece, &mut out);
        }
        stuffer.finish(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[track_caller]
    fn check(message: &str, lines: Option<u64>, expected: &str) {
        for cut in 1..=message.len().max(1) {
            assert_eq!(sent(message.as_bytes(), lines, cut), expected, "{message:?} in {cut}");
        }
    }

    #[test]
    fn lines_and_dots() {
        check("A: b\r\n\r\n.\r\n..x\r\na.b\r\n", None, "A: b\r\n\r\n..\r\n...x\r\na.b\r\n");
        check("A: b\n\n.\nx\r\r\ny", None, "A: b\r\n\r\n..\r\nx\r\r\ny\r\n");
        check("a\rb\r", None, "a\rb\r\r\n");
        check("", None, "");
    }

    #[test]
    fn the_top_of_a_message() {
        let message = "A: b\r\n c\r\n\r\n1\r\n\r\n.3\r\n4";
        check(message, Some(0), "A: b\r\n c\r\n\r\n");
        check(message, Some(2), "A: b\r\n c\r\n\r\n1\r\n\r\n");
        check(message, Some(3), "A: b\r\n c\r\n\r\n1\r\n\r\n..3\r\n");
        let all = "A: b\r\n c\r\n\r\n1\r\n\r\n..3\r\n4\r\n";
        check(message, Some(4), all);
        check(message, Some(u64::MAX), all);
        check("A: b\n\nc\nd\n", Some(1), "A: b\r\n\r\nc\r\n");
        check("A: b", Some(0), "A: b\r\n");
    }

    #[test]
    fn sizes_are_those_that_are_sent() {
        for message in ["A: b\r\n\r\nc\r\n", "A: b\n\nc\n", "\n\n", "", "a\r\r\nb\n"] {
            for cut in 1..=message.len().max(1) {
                let counted = message.as_bytes().chunks(cut).fold((0, 0), sent_size);
                assert_eq!(
                    counted.0 as usize,
                    sent(message.as_bytes(), None, 9).len(),
                    "{message:?}"
                );
            }
        }
    }
}
