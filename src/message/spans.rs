//! Addresses that stand in a text, so that they can be followed.
//!
//! The crate linkify was tried (0.11): it takes ideographic punctuation, closing quotes and what follows
//! them into the address, cuts an asterisk off a token, and knows neither an address over two lines nor
//! one of mail with a query.

use std::borrow::Cow;

use super::{
    target::{in_text, is_followed, is_scheme},
    text::beginning,
};

/// A stretch of text: plain, or an address to go to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span<'a> {
    /// What stands there.
    pub text: &'a str,
    /// Where it leads, if it is an address.
    pub link: Option<Cow<'a, str>>,
}

/// Splits a text so that the addresses in it can be followed, [`MOST_LINKS`] at most.
pub fn spans(text: &str) -> Vec<Span<'_>> {
    let mut spans = Vec::new();
    let (mut done, mut links) = (0, 0);
    for sign in memchr::memchr2_iter(b':', b'.', text.as_bytes()) {
        if links == MOST_LINKS {
            break;
        }
        let found = match text.as_bytes()[sign] {
            b'.' => web_host(text, done, sign),
            _ => address_start(text, done, sign).map(|start| {
                let (length, link) = address(text, done, start);
                (start, length, link)
            }),
        };
        let Some((start, length, link)) = found else { continue };
        let end = start + length;
        if end <= sign + 3 {
            continue;
        }
        if start > done {
            spans.push(Span { text: &text[done..start], link: None });
        }
        spans.push(Span { text: &text[start..end], link: Some(link) });
        (done, links) = (end, links + 1);
    }
    if done < text.len() {
        spans.push(Span { text: &text[done..], link: None });
    }
    spans
}

/// Where the address begins whose scheme ends at this colon, if one does, not before `done`.
///
/// It may stand behind any script, but not behind a letter or digit that could be its own.
fn address_start(text: &str, done: usize, colon: usize) -> Option<usize> {
    let before = text.get(done..colon)?.as_bytes();
    let run = before
        .iter()
        .rev()
        .take(MAX_SCHEME)
        .take_while(|c| c.is_ascii_alphanumeric() || b"+-.".contains(c));
    let from = before.len() - run.count();
    // "1.https:" and "see-https:" are words before the scheme that everybody means.
    let run = &text[done + from..colon];
    let well_known = ["https", "http", "mailto"].into_iter().find(|known| {
        let at = run.len().checked_sub(known.len());
        at.is_some_and(|at| {
            run[at..].eq_ignore_ascii_case(known)
                && !run[..at].ends_with(|c: char| c.is_ascii_alphanumeric())
        })
    });
    let scheme = match well_known {
        Some(known) => &run[run.len() - known.len()..],
        None => run.trim_start_matches(|c: char| !c.is_ascii_alphabetic()),
    };
    let rest = &text[colon + 1..];
    let leads = rest.starts_with("//") || scheme.eq_ignore_ascii_case("mailto");
    (leads && is_scheme(scheme) && is_followed(scheme)).then(|| colon - scheme.len())
}

/// Where a host that begins with `www.` stands whose first dot is this one, the octets of the address, and
/// where it leads. Everybody means an address, and browsers try http first where none is said.
fn web_host(text: &str, done: usize, dot: usize) -> Option<(usize, usize, Cow<'_, str>)> {
    let start = dot.checked_sub(3).filter(|start| *start >= done)?;
    if !text.get(start..dot)?.eq_ignore_ascii_case("www") {
        return None;
    }
    let is_free = |c: char| !(c.is_ascii_alphanumeric() || "./\\@_-:=&%+~#".contains(c));
    if !text[..start].chars().next_back().is_none_or(is_free) {
        return None;
    }
    let near = beginning(&text[start..], LONGEST_HOST);
    let is_inside = |c: char| c.is_alphanumeric() || "-.@_".contains(c);
    let host = near.find(|c| !is_inside(c)).map_or(near, |end| &near[..end]).trim_end_matches('.');
    let is_label =
        |label: &str| !label.is_empty() && label.chars().all(|c| c.is_alphanumeric() || c == '-');
    let is_host = host.matches('.').count() > 1
        && host.split('.').all(is_label)
        && !host.rsplit('.').next()?.contains(|c: char| c.is_ascii_digit());
    is_host.then(|| {
        let length = address_length(&text[start..], text[..start].chars().next_back());
        (start, length, Cow::Owned(format!("http://{}", &text[start..start + length])))
    })
}

/// The octets of the address that begins at `start`, and where it leads.
fn address(text: &str, done: usize, start: usize) -> (usize, Cow<'_, str>) {
    let before = text[done..start].trim_end_matches("URL:").trim_end_matches("url:");
    if before.ends_with('<')
        && let Some(inside) = bracketed(&text[start..])
    {
        let words: String = inside.split_whitespace().collect();
        return (inside.len(), Cow::Owned(words));
    }
    let length = address_length(&text[start..], text[..start].chars().next_back());
    (length, in_text(&text[start..start + length]))
}

/// An address up to its bracket that goes over several lines: white space in it is not part of it
/// (RFC 3986 appendix C). Words behind an address are no part of it either.
fn bracketed(text: &str) -> Option<&str> {
    let near = beginning(text, LONGEST_BRACKETED);
    let inside = &near[..near.find(['<', '>'])?];
    let lines: Vec<&str> = inside.lines().map(str::trim).collect();
    let is_one = (2..=MOST_LINES).contains(&lines.len())
        && near[inside.len()..].starts_with('>')
        && lines.iter().all(|line| !line.is_empty() && !line.contains(char::is_whitespace));
    is_one.then_some(inside)
}

/// The octets of the address at the beginning of a text; the dot of a sentence is not part of it, and
/// neither is what was opened before it.
fn address_length(text: &str, before: Option<char>) -> usize {
    let ends = |&(at, c): &(usize, char)| {
        c.is_whitespace() || c.is_control() || is_end(c) || begins_next(&text[at..])
    };
    let end = text.char_indices().find(ends);
    let mut address = &text[..end.map_or(text.len(), |(at, _)| at)];
    let count = |c: char| address.chars().filter(|&it| it == c).count();
    // Brackets that were opened before the address, and so end behind it.
    let mut round = count(')').saturating_sub(count('('));
    let mut square = count(']').saturating_sub(count('['));
    while let Some(last) = address.chars().next_back() {
        match last {
            '.' | ',' | ';' | ':' | '!' | '?' | '\'' => {}
            // Emphasis around it; else a token may well end so.
            '*' | '_' if before == Some(last) => {}
            ')' if round > 0 => round -= 1,
            ']' if square > 0 => square -= 1,
            _ => break,
        }
        address = &address[..address.len() - 1];
    }
    address.len()
}

/// True for a comma and an address, as in "http://a.example/,http://b.example/": a list.
fn begins_next(rest: &str) -> bool {
    let Some(rest) = rest.strip_prefix([',', ';']) else { return false };
    let begins =
        |scheme: &str| rest.get(..scheme.len()).is_some_and(|it| it.eq_ignore_ascii_case(scheme));
    begins("http://") || begins("https://")
}

/// Characters that no address holds, and punctuation of other scripts than Latin's: who means it in an
/// address encodes it.
fn is_end(c: char) -> bool {
    matches!(c, '<' | '>' | '"' | '`' | '{' | '}' | '|' | '«' | '»')
        || matches!(c, '\u{2018}'..='\u{201f}' | '…' | '‹' | '›')
        // Arabic and Devanagari.
        || matches!(c, '،' | '؛' | '؟' | '۔' | '।' | '॥')
        // Ideographic, and the full-width forms of Latin's.
        || matches!(c, '\u{3000}'..='\u{3003}' | '\u{3008}'..='\u{3011}' | '\u{3014}'..='\u{301f}')
        || matches!(c, '\u{ff01}'..='\u{ff0f}' | '\u{ff1a}'..='\u{ff20}' | '\u{ff3b}'..='\u{ff40}' | '\u{ff5b}'..='\u{ff65}')
}

/// Most links told of one text; a list of ten thousand addresses is no letter.
pub const MOST_LINKS: usize = 1_000;

/// How far back the beginning of a scheme may be, in octets.
const MAX_SCHEME: usize = 80;

/// Longest name of a host, in octets (RFC 1035 §2.3.4).
const LONGEST_HOST: usize = 255;

/// How far an address in brackets goes, in octets and lines.
const LONGEST_BRACKETED: usize = 2_000;
const MOST_LINES: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        let all = spans(text);
        let links: Vec<_> = all.iter().filter_map(|span| span.link.as_deref()).collect();
        assert_eq!(links, expected, "{text}");
        let whole: String = all.iter().map(|span| span.text).collect();
        assert_eq!(whole, text);
    }

    #[test]
    fn addresses_in_text() {
        check(
            "See https://a.example/x?y=1. Or (http://b.example) <HTTPS://c.example/>! mailto:a@b.example",
            &[
                "https://a.example/x?y=1",
                "http://b.example",
                "HTTPS://c.example/",
                "mailto:a@b.example",
            ],
        );
        check(
            "https://e.example/A_(b) [https://f.example/]",
            &["https://e.example/A_(b)", "https://f.example/"],
        );
        check("http://a.example/,http://b.example/", &["http://a.example/", "http://b.example/"]);
        check(
            "http://a.example/x,y;https://b.example",
            &["http://a.example/x,y", "https://b.example"],
        );
        check("https://x.example\\y z", &["https://x.example/y"]);
        check("https://x.example/?a\\y", &["https://x.example/?a\\y"]);
        check(
            "See www.example.com/x, (WWW.example.org) http://www.a.example. www.b.example:80/y",
            &[
                "http://www.example.com/x",
                "http://WWW.example.org",
                "http://www.a.example",
                "http://www.b.example:80/y",
            ],
        );
        check("请看www.example.com。", &["http://www.example.com"]);
        check("见 www.example.com。", &["http://www.example.com"]);
        check("Open myapp://verify?token=abc to verify.", &["myapp://verify?token=abc"]);
        check(
            "1.https://a.example/ com.example.app://x",
            &["https://a.example/", "com.example.app://x"],
        );
        for none in [
            "javascript:alert(1)",
            "javascript://x%0aalert(1)",
            "http:// x",
            "http:",
            "a: b",
            "file:///etc",
            "12://x",
            "www.",
            "www.example",
            "www..com",
            "www.1.2",
            "ann@www.example.com",
            "wwwx.example.com awww.example.com",
        ] {
            check(none, &[]);
        }
    }

    #[test]
    fn ends_of_every_script() {
        for (text, url) in [
            ("请访问 https://x.example/a，谢谢。", "https://x.example/a"),
            ("（https://x.example/b）", "https://x.example/b"),
            ("“https://x.example/c”", "https://x.example/c"),
            ("https://x.example/d。", "https://x.example/d"),
            ("「https://x.example/e」", "https://x.example/e"),
            ("请访问https://x.example/f！", "https://x.example/f"),
            ("«https://x.example/g»", "https://x.example/g"),
            ("https://x.example/h؟", "https://x.example/h"),
            ("https://x.example/ü/東京", "https://x.example/ü/東京"),
            ("https://x.example/login?t=Zm9vYmFy_", "https://x.example/login?t=Zm9vYmFy_"),
            ("https://x.example/a*", "https://x.example/a*"),
            ("*https://x.example/i*", "https://x.example/i"),
            ("_https://x.example/j_", "https://x.example/j"),
        ] {
            check(text, &[url]);
        }
    }

    #[test]
    fn addresses_over_several_lines() {
        check(
            "<https://x.example/path/to/\r\n resource?a=b>",
            &["https://x.example/path/to/resource?a=b"],
        );
        check("<URL:https://x.example/a\nb\nc> d", &["https://x.example/abc"]);
        check("<https://x.example/a\nsome words>", &["https://x.example/a"]);
        check(
            "<https://x.example/a\n<https://x.example/b>",
            &["https://x.example/a", "https://x.example/b"],
        );
        check("<https://x.example/a\n\nb>", &["https://x.example/a"]);
    }

    #[test]
    fn a_long_text_takes_no_square_of_its_length() {
        let text = "http://a.example/ ".repeat(100_000) + &":".repeat(1_000_000);
        assert_eq!(spans(&text).len(), 2 * MOST_LINKS);
        spans(&format!("http://{}", ")".repeat(1_000_000)));
        spans(&"<http://".repeat(200_000));
        spans(&"a:".repeat(500_000));
        spans(&"www.".repeat(250_000));
        spans(&"www.a ".repeat(100_000));
        spans(&"www.a.b@".repeat(100_000));
        spans(&"http://a,http://".repeat(50_000));
    }
}
