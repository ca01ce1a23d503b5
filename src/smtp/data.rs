//! The body of a message as it crosses the wire.
//!
//! After DATA the client sends lines until a lone dot (RFC 5321 §4.1.1.4), leading dots doubled
//! (§4.5.2). This file undoes that. It stands apart from `session` because smuggling lives here:
//! only CRLF.CRLF ends a body. A server that also takes LF.LF or LF.CRLF for the end can be made to
//! see two messages where the server before it saw one. A bare CR or LF is an octet like any other.

use memchr::memchr_iter;

/// Takes the dots out of a body and finds its end, however the stream is cut.
#[derive(Debug, Default)]
pub(super) struct Unstuffer {
    at: At,
}

/// What the last octets were.
#[derive(Clone, Copy, Debug, Default)]
enum At {
    /// CRLF, or the very beginning.
    #[default]
    LineStart,
    /// A dot at the start of a line, held back.
    Dot,
    /// The same and a CR, both held back.
    DotCr,
    /// A CR.
    Cr,
    /// Anything else.
    Text,
}

/// Part of a body.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// The input is used up.
    More,
    /// Content, never empty. The CRLF before the final dot belongs to it.
    Run(&'a [u8]),
    /// CRLF.CRLF was read; what is left in the input are commands.
    End,
}

impl Unstuffer {
    /// The next piece; advances `input` past it. Runs are borrowed and as long as they can be.
    pub(super) fn next<'a>(&mut self, input: &mut &'a [u8]) -> Piece<'a> {
        while let Some((&first, rest)) = input.split_first() {
            match (self.at, first) {
                (At::LineStart, b'.') => self.at = At::Dot,
                (At::Dot, b'\r') => self.at = At::DotCr,
                (At::DotCr, b'\n') => {
                    self.at = At::LineStart;
                    *input = rest;
                    return Piece::End;
                }
                (At::DotCr, _) => {
                    // Not the end after all: the dot is dropped, the CR is content.
                    self.at = At::Cr;
                    return Piece::Run(b"\r");
                }
                // The dot is dropped; what follows it is content, a second dot too.
                (At::Dot, _) => {
                    self.at = At::Text;
                    return Piece::Run(self.run(input));
                }
                (At::LineStart | At::Cr | At::Text, _) => return Piece::Run(self.run(input)),
            }
            *input = rest;
        }
        Piece::More
    }

    /// Content up to the next dot at the start of a line, or all of it.
    fn run<'a>(&mut self, input: &mut &'a [u8]) -> &'a [u8] {
        let after_cr = matches!(self.at, At::Cr);
        let ends_line =
            |run: &[u8]| run.ends_with(b"\r\n") || (after_cr && run == b"\n".as_slice());
        // Dots are rarer than line ends, so the search is for them.
        let end = memchr_iter(b'.', input)
            .find(|&dot| input.get(..dot).is_some_and(ends_line))
            .unwrap_or(input.len());
        let (run, rest) = input.split_at(end);
        *input = rest;
        self.at = match run {
            _ if ends_line(run) => At::LineStart,
            [.., b'\r'] => At::Cr,
            _ => At::Text,
        };
        run
    }
}

/// Finds a CR without LF or a LF without CR in the runs of a body.
#[derive(Debug, Default)]
pub(super) struct LineEnds {
    after_cr: bool,
}

impl LineEnds {
    /// True if the last octet was a CR: bare, if nothing follows.
    pub(super) const fn is_after_cr(&self) -> bool {
        self.after_cr
    }

    /// True if this run, after all before it, shows a bare CR or LF.
    pub(super) fn is_bare(&mut self, run: &[u8]) -> bool {
        let (Some(first), Some(last)) = (run.first(), run.last()) else { return false };
        let is_cut_badly = self.after_cr != (*first == b'\n');
        self.after_cr = *last == b'\r';
        // Each octet with the next. Looked at to the end, without a branch, because that is what a
        // compiler makes vectors of; runs are as long as a buffer at most.
        let next = run.get(1..).unwrap_or_default();
        let is_bare = |(one, next): (&u8, &u8)| (*one == b'\r') != (*next == b'\n');
        is_cut_badly | run.iter().zip(next).fold(false, |found, pair| found | is_bare(pair))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The content and what is left after the end, or no rest if the end was not seen.
    fn undo(pieces: &[&[u8]]) -> (Vec<u8>, Option<Vec<u8>>) {
        let mut unstuffer = Unstuffer::default();
        let (mut content, mut rest) = (Vec::new(), None::<Vec<u8>>);
        for mut piece in pieces.iter().copied() {
            if let Some(rest) = &mut rest {
                rest.extend_from_slice(piece);
                continue;
            }
            loop {
                match unstuffer.next(&mut piece) {
                    Piece::More => break,
                    Piece::Run(run) => {
                        assert!(!run.is_empty());
                        content.extend_from_slice(run);
                    }
                    Piece::End => {
                        rest = Some(piece.to_vec());
                        break;
                    }
                }
            }
        }
        (content, rest)
    }

    /// What is sent, what it means, and what is left for commands.
    type Case = (&'static [u8], &'static [u8], Option<&'static [u8]>);

    /// The specification.
    const TABLE: [Case; 34] = [
        (b".\r\n", b"", Some(b"")),
        (b".\r\nQUIT", b"", Some(b"QUIT")),
        (b"\r\n.\r\n", b"\r\n", Some(b"")),
        (b"a\r\n.\r\nb", b"a\r\n", Some(b"b")),
        (b"a\r\n.\r\n.\r\n", b"a\r\n", Some(b".\r\n")),
        (b"a.b\r\nc.\r\n.\r\n", b"a.b\r\nc.\r\n", Some(b"")),
        // Leading dots lose one.
        (b"..\r\n.\r\n", b".\r\n", Some(b"")),
        (b"...\r\n..a\r\n.b\r\n.\r\n", b"..\r\n.a\r\nb\r\n", Some(b"")),
        (b"a\r\n..\r\n.\r\n", b"a\r\n.\r\n", Some(b"")),
        // None of these ends the body.
        (b"a\n.\nb\r\n.\r\n", b"a\n.\nb\r\n", Some(b"")),
        (b"a\n.\r\nb\r\n.\r\n", b"a\n.\r\nb\r\n", Some(b"")),
        (b"a\r.\rb\r\n.\r\n", b"a\r.\rb\r\n", Some(b"")),
        (b"a\r.\r\nb\r\n.\r\n", b"a\r.\r\nb\r\n", Some(b"")),
        (b"a\n.\rb\r\n.\r\n", b"a\n.\rb\r\n", Some(b"")),
        (b"a\r.\nb\r\n.\r\n", b"a\r.\nb\r\n", Some(b"")),
        (b"a\r\n.\nb\r\n.\r\n", b"a\r\n\nb\r\n", Some(b"")),
        (b"a\r\n.\rb\r\n.\r\n", b"a\r\n\rb\r\n", Some(b"")),
        (b"a\r\n.\r\r\nb\r\n.\r\n", b"a\r\n\r\r\nb\r\n", Some(b"")),
        (b"a\r\n.\r\0\nb\r\n.\r\n", b"a\r\n\r\0\nb\r\n", Some(b"")),
        (b"a\n\r.\r\nb\r\n.\r\n", b"a\n\r.\r\nb\r\n", Some(b"")),
        (b"\n.\r\n\r\n.\r\n", b"\n.\r\n\r\n", Some(b"")),
        (b"\r.\r\n\r\n.\r\n", b"\r.\r\n\r\n", Some(b"")),
        (b".\n\r\n.\r\n", b"\n\r\n", Some(b"")),
        (b".\r\r\n.\r\n", b"\r\r\n", Some(b"")),
        (b". \r\n.\r\n", b" \r\n", Some(b"")),
        (b".\r.\r\n.\r\n", b"\r.\r\n", Some(b"")),
        // CR CRLF.CRLF ends it: the last two of the three are a CRLF.
        (b"a\r\r\n.\r\nb", b"a\r\r\n", Some(b"b")),
        // A dot that lost its dot does not begin a line again.
        (b".\n.\r\n\r\n.\r\n", b"\n.\r\n\r\n", Some(b"")),
        // Not ended.
        (b"", b"", None),
        (b"a", b"a", None),
        (b"a\r\n", b"a\r\n", None),
        (b"a\r\n.", b"a\r\n", None),
        (b"a\r\n.\r", b"a\r\n", None),
        (b"a\r\n.\n.\r", b"a\r\n\n.\r", None),
    ];

    #[test]
    fn only_crlf_dot_crlf_ends_a_body_and_leading_dots_lose_one() {
        for (sent, content, rest) in TABLE {
            let expected = (content.to_vec(), rest.map(<[u8]>::to_vec));
            let shown = sent.escape_ascii();
            assert_eq!(undo(&[sent]), expected, "{shown}");
            let octets: Vec<&[u8]> = sent.chunks(1).collect();
            assert_eq!(undo(&octets), expected, "{shown} octet by octet");
            for first in 0..=sent.len() {
                for second in first..=sent.len() {
                    let pieces = [&sent[..first], &sent[first..second], &sent[second..]];
                    assert_eq!(undo(&pieces), expected, "{shown} cut at {first} and {second}");
                }
            }
        }
    }

    #[test]
    fn a_body_without_leading_dots_is_one_run() {
        let mut input = &b"Subject: x\r\n\r\nHello. World...\r\n.\r\n"[..];
        let mut unstuffer = Unstuffer::default();
        let run = unstuffer.next(&mut input);
        assert_eq!(run, Piece::Run(b"Subject: x\r\n\r\nHello. World...\r\n"));
        assert_eq!(unstuffer.next(&mut input), Piece::End);
    }

    #[test]
    fn bare_line_ends_are_found() {
        for (run, bare) in [
            (&b"a\r\nb\r\n"[..], false),
            (b"", false),
            (b"\r\n\r\n", false),
            (b"a\nb\r\n", true),
            (b"\n", true),
            (b"a\rb\r\n", true),
            (b"\r\r\n", true),
            (b"a\r\n\nb", true),
        ] {
            for cut in 0..=run.len() {
                let mut line_ends = LineEnds::default();
                let (left, right) = run.split_at(cut);
                let found = line_ends.is_bare(left) || line_ends.is_bare(right);
                assert_eq!(found, bare, "{} cut at {cut}", run.escape_ascii());
            }
        }
    }
}
