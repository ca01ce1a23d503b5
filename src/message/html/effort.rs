//! How much work a document is, counted while it is read.
//!
//! The algorithm of the HTML standard has steps whose cost grows with what is open or pending, so that
//! 2 MB can be written to take minutes and gigabytes. What is counted here is what these steps depend
//! on, as the parser sees it: no look at the text beforehand can tell where a tag ends or what is open.

use super::sink::Sink;

/// The work until now.
#[derive(Default)]
pub(super) struct Effort {
    spent: u64,
    /// White space, slashes and equals signs since the parser last said something: each may begin one
    /// more attribute of the tag that it is reading, and compares it with all before.
    pending: u64,
    heard: usize,
    asked: u64,
    moved: u64,
}

impl Effort {
    /// How many octets to read next. Each tag may open again what formatting is open, as deep as that
    /// is, so the deeper the document the less.
    pub(super) fn next(&self, sink: &Sink) -> usize {
        (PIECE * DEEP / (sink.deepest() as usize).max(DEEP)).max(SHORTEST)
    }

    /// Counts what was read. True if the document is more than anybody can look at.
    pub(super) fn is_too_much(&mut self, piece: &str, sink: &Sink) -> bool {
        let octets = piece.as_bytes();
        self.pending += count(octets, |c| c.is_ascii_whitespace() || matches!(c, b'/' | b'='));
        let pending = self.pending * self.pending;
        if self.heard != sink.heard() {
            self.heard = sink.heard();
            self.spent += pending;
            self.pending = 0;
        }
        self.spent += LOOK * (sink.asked() - self.asked);
        self.asked = sink.asked();
        self.spent += SIGN * count(octets, |c| matches!(c, b'<' | b'>' | b'&'));
        self.spent += MOVE * (sink.moved() - self.moved);
        self.moved = sink.moved();
        self.spent + pending > MOST || sink.len() > MOST_NODES || sink.deepest() > MOST_DEPTH
    }
}

/// How many octets are of a kind. Sums of one octet each are made of many octets at once.
fn count(octets: &[u8], is_one: impl Fn(u8) -> bool) -> u64 {
    let sum = |octets: &[u8]| octets.iter().map(|&octet| u8::from(is_one(octet))).sum::<u8>();
    octets.chunks(usize::from(u8::MAX)).map(|octets| u64::from(sum(octets))).sum()
}

/// How much is read at a time, in octets.
const PIECE: usize = 4 * 1024;
const SHORTEST: usize = 64;

/// Deeper than any template nests.
const DEEP: usize = 100;

/// Most elements inside one another. Newsletters nest tables 30 deep; what is never closed counts as
/// well, so there is room for that.
pub(super) const MOST_DEPTH: u32 = 2_000;

/// Most work, in comparisons of attributes. A picture of 2 MB as a data URL in one attribute has 32,000
/// slashes; the tags of a long report cost a hundredth of it.
const MOST: u64 = 1_100_000_000;

/// What these cost in such comparisons: a look at one open element, of which a tag may need all; a sign of
/// markup; a node that goes from one element to another.
const LOOK: u64 = 20;
const SIGN: u64 = 1_000;
const MOVE: u64 = 100;

/// Most nodes of a document: a long report in HTML has 150,000. Each takes some 300 octets, with what the
/// second wall makes of it.
const MOST_NODES: usize = 300_000;

#[cfg(test)]
mod tests {
    use super::super::parse::parse;

    fn is_read(html: &str) -> bool {
        parse(html).is_some()
    }

    fn numbered(times: usize, piece: impl Fn(usize) -> String) -> String {
        (0..times).map(piece).collect()
    }

    #[test]
    fn what_people_write_is_read() {
        let row =
            "<tr><td class=a style='color:red'><a href=https://a.example/x>word</a></td></tr>";
        assert!(is_read(&format!("<table>{}", row.repeat(20_000))));
        assert!(is_read(&format!(
            "<img src=\"data:image/png;base64,{}\">",
            "iVB/ORw0KGgo".repeat(2_500).repeat(6)
        )));
        assert!(is_read(&format!("<style>{}</style>", "a { color: red }\n".repeat(60_000))));
        assert!(is_read(&format!("<!--{}-->", "<p>an older draft</p> ".repeat(5_000))));
        assert!(is_read(&"&amp;&nbsp;".repeat(60_000)));
        assert!(is_read(&"<p><font color=red>".repeat(40)));
    }

    /// Each with what would hide it from a look at the text: tags in attributes, ends of what is not open.
    #[test]
    fn what_takes_a_parser_too_long_is_given_up() {
        for html in [
            format!("<p {}>", numbered(60_000, |n| format!("/a{n}"))),
            format!("<p {}>", numbered(60_000, |n| format!("/a{n}<"))),
            numbered(60, |_| format!("<p {}>", numbered(9_000, |n| format!("a{n} ")))),
            "<div>".repeat(2_100),
            "<div></x>".repeat(2_100),
            format!("{}{}", "<span>".repeat(1_900), "</x>".repeat(40_000)),
            format!("{}{}", "<div>".repeat(1_900), "<li></li>".repeat(20_000)),
            format!(
                "{}{}",
                numbered(900, |n| format!("<p><b class=a{n}></p>")),
                "<p>x".repeat(20_000)
            ),
            "<a><b><i><u><s><tt><em><p></a></b></i>x</p>".repeat(20_000),
            "<br>".repeat(300_000),
            "<".repeat(1_200_000),
        ] {
            assert!(!is_read(&html), "{}", &html[..60]);
        }
    }
}
