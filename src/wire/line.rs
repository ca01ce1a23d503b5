//! Command lines out of a stream that is cut anywhere.
//!
//! A line that lies whole in the input is borrowed from it; only a partial one is kept. The danger
//! here is memory: what is kept is bounded, and given back as soon as the line is complete, so an
//! idle connection holds nothing.

use std::{borrow::Cow, fmt, mem};

use memchr::memchr;

/// Holds the beginning of a line until its end arrives.
#[derive(Default)]
pub struct LineBuffer {
    partial: Vec<u8>,
    /// The line under way is over its bound and is dropped up to its end.
    discarding: bool,
}

/// The line had more octets than its bound. All of it has been consumed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong;

impl LineBuffer {
    /// The next line without its end, or `None` when the input is used up. Advances `input`.
    ///
    /// A line ends with LF, and one CR before it belongs to the end. `max` counts octets with the
    /// line end, and the verdict does not depend on how the stream was cut.
    pub fn next<'a>(
        &mut self,
        input: &mut &'a [u8],
        max: usize,
    ) -> Option<Result<Cow<'a, [u8]>, TooLong>> {
        let Some(at) = memchr(b'\n', input) else {
            self.hold(mem::take(input), max);
            return None;
        };
        let (line, rest) = input.split_at(at + 1);
        *input = rest;
        let mut held = mem::take(&mut self.partial);
        if mem::take(&mut self.discarding) || held.len() + line.len() > max {
            return Some(Err(TooLong));
        }
        if held.is_empty() {
            return Some(Ok(Cow::Borrowed(without_end(line))));
        }
        held.extend_from_slice(line);
        held.truncate(without_end(&held).len());
        Some(Ok(Cow::Owned(held)))
    }

    fn hold(&mut self, piece: &[u8], max: usize) {
        // The LF is still to come, so a line of `max` octets so far is one too long already.
        if self.discarding || self.partial.len() + piece.len() >= max {
            self.discarding |= !piece.is_empty();
            self.partial = Vec::new();
        } else {
            self.partial.extend_from_slice(piece);
        }
    }
}

/// Shows no octet: a line may be a password.
impl fmt::Debug for LineBuffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LineBuffer({} octets)", self.partial.len())
    }
}

fn without_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX: usize = 8;

    fn lines(pieces: &[&[u8]]) -> Vec<String> {
        let mut buffer = LineBuffer::default();
        let mut seen = Vec::new();
        for mut piece in pieces.iter().copied() {
            while let Some(line) = buffer.next(&mut piece, MAX) {
                seen.push(match line {
                    Ok(line) => String::from_utf8_lossy(&line).into_owned(),
                    Err(TooLong) => "too long".into(),
                });
            }
            assert!(piece.is_empty());
            assert!(buffer.partial.capacity() <= 2 * MAX, "bounded");
        }
        seen
    }

    #[test]
    fn lines_do_not_depend_on_how_the_stream_was_cut() {
        let table: [(&[u8], &[&str]); 9] = [
            (b"", &[]),
            (b"ab", &[]),
            (b"ab\r\ncd\n", &["ab", "cd"]),
            (b"\r\n\n", &["", ""]),
            (b"a\rb\r\r\n", &["a\rb\r"]),
            (b"123456\r\nx\n", &["123456", "x"]),
            (b"1234567\nx\n", &["1234567", "x"]),
            (b"1234567\r\nx\n", &["too long", "x"]),
            (b"12345678901234567890\nx\n", &["too long", "x"]),
        ];
        for (stream, expected) in table {
            assert_eq!(lines(&[stream]), expected, "whole");
            let octets: Vec<&[u8]> = stream.chunks(1).collect();
            assert_eq!(lines(&octets), expected, "octet by octet");
            for cut in 0..stream.len() {
                let (left, right) = stream.split_at(cut);
                assert_eq!(lines(&[left, right]), expected, "cut at {cut}");
            }
        }
    }

    #[test]
    fn a_complete_line_leaves_no_memory_behind() {
        let mut buffer = LineBuffer::default();
        assert_eq!(buffer.next(&mut &b"secr"[..], MAX), None);
        assert_eq!(format!("{buffer:?}"), "LineBuffer(4 octets)");
        assert_eq!(buffer.next(&mut &b"et\n"[..], MAX), Some(Ok(b"secret"[..].into())));
        assert_eq!(buffer.partial.capacity(), 0);
    }
}
