//! Messages and what we make of them, as golden files.
//!
//! Each `tests/mime/*.eml` has a `.golden` beside it, which a person can read and judge. After a
//! change that is meant, `UPDATE_GOLDEN=1 cargo test --test it mime` writes them again; the diff is
//! the review.

#![allow(clippy::unwrap_used, reason = "a test that cannot read its files should fail")]

use std::{
    borrow::Cow,
    fmt::Write,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use smtpd::message::{
    Address, Encoding, Letter, Part, Scanned, Scanner,
    decode::Decoder,
    html::{self, sanitise},
    search::{Document, Query, quoted, words},
    text::html_to_text,
};

use crate::harness::worked;

#[test]
fn goldens() {
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let mut wrong = Vec::new();
    for path in corpus() {
        let octets = fs::read(&path).unwrap();
        let rendered = render(&octets, &scan([octets.as_slice()]));
        let golden = path.with_extension("golden");
        if update {
            fs::write(&golden, &rendered).unwrap();
        } else if fs::read_to_string(&golden).unwrap_or_default() != rendered {
            wrong.push(format!("{}:\n{rendered}", golden.display()));
        }
    }
    assert!(wrong.is_empty(), "differs from its golden file: {}", wrong.join("\n"));
}

#[test]
fn splits_do_not_matter() {
    let mut random = Random(1);
    for path in corpus() {
        let octets = fs::read(&path).unwrap();
        let whole = render(&octets, &scan([octets.as_slice()]));
        assert_eq!(render(&octets, &scan(octets.chunks(1))), whole, "{}", path.display());
        for _ in 0..20 {
            let scanned = scan(random_pieces(&octets, &mut random));
            assert_eq!(render(&octets, &scanned), whole, "{}", path.display());
        }
    }
}

#[test]
fn broken_mail_is_read_all_the_same() {
    let originals: Vec<_> = corpus().map(|path| fs::read(path).unwrap()).collect();
    let mut random = Random(2);
    for round in 0..3_000 {
        let mut octets = originals[random.below(originals.len())].clone();
        for _ in 0..=random.below(8) {
            mutate(&mut octets, &originals, &mut random);
        }
        let scanned = scan([octets.as_slice()]);
        check_ranges(&octets, &scanned);
        crate::hostile::targets::body::run(&octets);
        let whole = render(&octets, &scanned);
        let pieces = random_pieces(&octets, &mut random);
        assert_eq!(render(&octets, &scan(pieces)), whole, "{round}: {}", octets.escape_ascii());
    }
}

/// The other readers take anything as well.
#[test]
fn broken_text_is_read_all_the_same() {
    let originals: Vec<_> = corpus().map(|path| fs::read(path).unwrap()).collect();
    let options = html::Options::default();
    let mut random = Random(3);
    for _ in 0..500 {
        let mut octets = originals[random.below(originals.len())].clone();
        for _ in 0..=random.below(8) {
            mutate(&mut octets, &originals, &mut random);
        }
        for encoding in [Encoding::Base64, Encoding::QuotedPrintable] {
            let whole = decode([octets.as_slice()], encoding);
            assert_eq!(decode(random_pieces(&octets, &mut random), encoding), whole);
        }
        let text = String::from_utf8_lossy(&octets);
        let shown = sanitise(&text, &options).html;
        let elements = without_sheets(&shown);
        assert!(!elements.contains("<script") && !elements.contains("<iframe"), "{shown}");
        html_to_text(&text);
        for line in text.lines() {
            check_search(line);
        }
    }
}

/// What a browser reads as markup: a style sheet is text up to `</style`, whatever is in it.
fn without_sheets(html: &str) -> String {
    let pieces = html.split("<style").enumerate().map(|(index, piece)| match index {
        0 => piece,
        _ => piece.split_once("</style").map_or("", |(_, behind)| behind),
    });
    pieces.collect()
}

/// A line, searched for as a phrase, is found in itself; as a query it is understood or refused.
fn check_search(line: &str) {
    let document = Document::new(&Default::default(), &Default::default(), [line]);
    // As many words as a search may have.
    let folded: Vec<_> = words(line).take(200).collect();
    // Of long words a part is a hash, which stands for nothing that can be typed.
    let is_typed = folded.iter().all(|word| word.chars().count() <= 64);
    let asked = if is_typed { format!("\"{}\"", folded.join(" ")) } else { quoted(line) };
    let Ok(query) = Query::parse(&asked) else {
        // A search for nothing is none, and one for too much.
        return assert!(folded.is_empty() || !is_typed, "{line}");
    };
    let facts = smtpd::message::search::Facts {
        inline: false,
        read: false,
        starred: false,
        tags: &[],
        forward_paths: &[],
        attachment: false,
        received_ms: 0,
        size: 0,
    };
    assert!(query.matches(&document, &facts), "{line}");
    match Query::parse(line) {
        Ok(query) => assert!(query.terms.len() <= line.len()),
        Err(error) => {
            assert!(error.position <= line.chars().count() && !error.to_string().is_empty())
        }
    }
}

fn decode<'a>(pieces: impl IntoIterator<Item = &'a [u8]>, encoding: Encoding) -> (Vec<u8>, bool) {
    let mut decoder = Decoder::new(encoding);
    let mut out = Vec::new();
    pieces.into_iter().for_each(|piece| decoder.push(piece, &mut out));
    let clean = decoder.finish(&mut out);
    (out, clean)
}

/// Twice the input must not take much more than twice the time. Ratios, not times, are compared, of the
/// processor's time and the best of several runs, so that a busy machine does not fail the test.
#[test]
fn time_is_linear() {
    let multipart = "Content-Type: multipart/mixed; boundary=b\n\n";
    let deep: String = (10..60)
        .map(|n| format!("Content-Type: multipart/mixed; boundary=b{n}\n\n--b{n}\n"))
        .collect();
    for (head, repeated) in [
        ("Subject: ", "=?"),
        ("Subject: ", "=?a?q?z"),
        ("Subject: ", "=?a?q?"),
        ("To: ", "("),
        ("To: ", "\"\\"),
        ("To: ", ","),
        ("To: ", "<"),
        ("To: ", "aaaa:"),
        ("To: ", "=?a?q?"),
        ("Date: ", "1 "),
        ("Content-Type: ", "("),
        ("Content-Type: a/b", ";a*0*=x"),
        ("A: ", "b"),
        ("", "A: b\n"),
        ("", "Content-Type: message/rfc822\n\n"),
        ("", "x: y\nno field\n"),
        (multipart, "--b\n"),
        (multipart, "--\n"),
        (deep.as_str(), "--b59\n"),
        (deep.as_str(), "--b99\n"),
        ("A: b\n\n", "begin 644 a\n#0V%T\n"),
        ("A: b\n\n", "begin 644 a\nend\n"),
        ("A: b\n\n", "=ybegin line=1 size=1 name=a\n=yend\n"),
        ("Content-Type: multipart/mixed; boundary=b\n", "--c\n"),
        ("Content-Transfer-Encoding: base64\n\nQQ==\n", "QQ==\n"),
        (ENCODED_MESSAGE, ENCODED_MESSAGE),
        ("A: b\n\n", "\r"),
        ("A: b\n\n", "\n"),
        ("Content-Type: text/html\n\n", "<a '"),
        ("Content-Type: text/html\n\n", "<style></"),
        ("Content-Type: text/html\n\n", "&"),
        ("Content-Type: text/plain; format=flowed\n\n", "> \n"),
    ] {
        let input = |size: usize| {
            let mut octets = head.as_bytes().to_vec();
            octets.extend(repeated.bytes().cycle().take(size));
            octets
        };
        // Below every bound of the scanner, so that what is measured is not cut off.
        let (small, large) = (input(100_000), input(200_000));
        let linear = (0..20).any(|_| fastest(&large) < 3 * fastest(&small));
        assert!(linear, "{head:.40} {repeated:?}: {:?} {:?}", fastest(&small), fastest(&large));
    }
}

const ENCODED_MESSAGE: &str =
    "Content-Type: message/rfc822\nContent-Transfer-Encoding: quoted-printable\n\n";

fn fastest(octets: &[u8]) -> Duration {
    let run = || {
        let start = worked();
        std::hint::black_box(scan([octets]));
        worked() - start
    };
    (0..3).map(|_| run()).min().unwrap()
}

fn scan<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Scanned {
    let mut scanner = Scanner::new(256 * 1024);
    pieces.into_iter().for_each(|piece| scanner.push(piece));
    scanner.finish()
}

/// What holds for every outline, whatever was scanned.
fn check_ranges(octets: &[u8], scanned: &Scanned) {
    let parts = &scanned.outline.parts;
    assert_eq!(scanned.summary.size, octets.len() as u64);
    for (index, part) in parts.iter().enumerate() {
        assert!(part.header.start <= part.header.end && part.header.end <= part.body.start);
        let (octets, length) = around(octets, scanned, part);
        assert!(part.body.start <= part.body.end && part.body.end <= length);
        if !part.is_multipart() && !part.is_message() {
            let body = &octets[part.body.start as usize..part.body.end as usize];
            let content = decode([body], part.encoding).0;
            let text = octets.escape_ascii();
            assert_eq!(part.content_length, content.len() as u64, "{index}: {part:?} {text}");
        }
        match part.parent {
            None => assert_eq!((index, part.depth), (0, 0)),
            Some(parent) => {
                let holder = &parts[parent];
                assert!(parent < index && part.depth == holder.depth + 1);
                let inside = part.within != holder.within
                    || part.header.start >= holder.body.start
                        && part.body.end <= holder.body.end.max(part.header.end);
                assert!(inside, "{index}: {part:?} in {holder:?} {}", octets.escape_ascii());
            }
        }
    }
}

/// The octets in which the places of a part are counted, and how many there are.
fn around<'a>(octets: &'a [u8], scanned: &Scanned, part: &Part) -> (Cow<'a, [u8]>, u64) {
    let Some(within) = part.within else { return (octets.into(), octets.len() as u64) };
    let mut content = scanned.outline.content(within).unwrap();
    let range = content.range();
    let mut out = Vec::new();
    content.push(&octets[range.start as usize..range.end as usize], &mut out);
    content.finish(&mut out);
    let length = out.len() as u64;
    (out.into(), length)
}

/// For people to read: the summary, then the parts, then the text.
fn render(octets: &[u8], scanned: &Scanned) -> String {
    let Scanned { summary, outline, text, other_texts, is_cut } = scanned;
    let mut out = String::new();
    let defects: Vec<_> = summary.defects.iter().map(|defect| defect.name()).collect();
    writeln!(out, "subject: {}", summary.subject).unwrap();
    for (name, list) in [
        ("from", &summary.from),
        ("to", &summary.to),
        ("cc", &summary.cc),
        ("bcc", &summary.bcc),
        ("reply-to", &summary.reply_to),
    ] {
        for Address { name: person, address } in list {
            writeln!(out, "{name}: {person:?} {address:?}").unwrap();
        }
    }
    writeln!(out, "date: {:?}", summary.date_ms).unwrap();
    writeln!(out, "message-id: {}", summary.message_id).unwrap();
    writeln!(out, "size: {}", summary.size).unwrap();
    writeln!(out, "attachments: {:?}", summary.attachments).unwrap();
    writeln!(out, "defects: {}", defects.join(" ")).unwrap();
    writeln!(out, "snippet: {}", summary.snippet).unwrap();
    render_letter("", &outline.letter(None), &mut out);
    for (index, part) in outline.parts.iter().enumerate() {
        if part.is_message()
            && outline.parts.get(index + 1).is_some_and(|it| it.parent == Some(index))
        {
            render_letter(&format!("in {index} "), &outline.letter(Some(index)), &mut out);
        }
    }
    for (index, part) in outline.parts.iter().enumerate() {
        render_part(&around(octets, scanned, part).0, index, part, &mut out);
    }
    for (heading, text) in
        [("text", text)].into_iter().chain(other_texts.iter().map(|text| ("other text", text)))
    {
        writeln!(out, "\n{heading}:\n{}", text.replace('\r', "").replace('\0', "␀")).unwrap();
    }
    if *is_cut {
        writeln!(out, "(there is more)").unwrap();
    }
    out
}

/// Where each leaf goes, by the numbers of the parts below.
fn render_letter(prefix: &str, letter: &Letter, out: &mut String) {
    let Letter { rich, plain, attachments, inline_images, alternatives } = letter;
    write!(out, "{prefix}shown: {rich:?} as text {plain:?} attached {attachments:?}").unwrap();
    for (heading, list) in [("in the HTML", inline_images), ("said again", alternatives)] {
        if !list.is_empty() {
            write!(out, " {heading} {list:?}").unwrap();
        }
    }
    writeln!(out).unwrap();
}

fn render_part(octets: &[u8], index: usize, part: &Part, out: &mut String) {
    let Part { header, body, content_type, charset, encoding, .. } = part;
    write!(out, "\n{}{index}: {content_type} {charset:?} {encoding:?}", "  ".repeat(part.depth))
        .unwrap();
    if part.is_attachment {
        write!(out, " attachment").unwrap();
    }
    if !part.file_name.is_empty() {
        write!(out, " file {:?}", part.file_name).unwrap();
    }
    if !part.content_id.is_empty() {
        write!(out, " id {:?}", part.content_id).unwrap();
    }
    if let Some(within) = part.within {
        write!(out, " within {within}").unwrap();
    }
    if let Some(flowed) = part.flowed {
        write!(out, " {flowed:?}").unwrap();
    }
    let indent = "  ".repeat(part.depth + 1);
    writeln!(out, "\n{indent}header {header:?}, {} fields", part.headers.len()).unwrap();
    let octets = &octets[body.start as usize..body.end as usize];
    let (shown, more) = if octets.len() > 60 { (&octets[..60], "...") } else { (octets, "") };
    writeln!(out, "{indent}body {body:?} {}{more}", shown.escape_ascii()).unwrap();
}

pub(crate) fn corpus() -> impl Iterator<Item = PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mime");
    let mut paths: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "eml"))
        .collect();
    paths.sort();
    assert!(paths.len() >= 30);
    paths.into_iter()
}

/// Damage such as mail meets: octets lost, doubled, changed, and pieces of other messages.
fn mutate(octets: &mut Vec<u8>, originals: &[Vec<u8>], random: &mut Random) {
    const INSERTS: [&[u8]; 16] = [
        b"\r\n",
        b"\n",
        b"\r",
        b"\0",
        b"--",
        b"=?",
        b"?=",
        b"\"",
        b"(",
        b"<",
        b":",
        b"\r\n\r\n",
        b"\xff",
        b"\r\n--b\r\n",
        b"=",
        b";",
    ];
    let at = random.below(octets.len() + 1);
    let end = (at + random.below(40)).min(octets.len());
    match random.below(5) {
        0 => drop(octets.drain(at..end)),
        1 => {
            let copy = octets[at..end].to_vec();
            octets.splice(at..at, copy);
        }
        2 => {
            octets.splice(at..at, INSERTS[random.below(INSERTS.len())].iter().copied());
        }
        3 => {
            let other = &originals[random.below(originals.len())];
            let from = random.below(other.len() + 1);
            octets.splice(at..end, other[from..].iter().copied());
        }
        _ => {
            if let Some(octet) = octets.get_mut(at) {
                *octet ^= 1 << random.below(8);
            }
        }
    }
}

fn random_pieces<'a>(octets: &'a [u8], random: &mut Random) -> Vec<&'a [u8]> {
    let longest = 1 + random.below(200);
    let mut pieces = Vec::new();
    let mut rest = octets;
    while !rest.is_empty() {
        let (piece, after) = rest.split_at((1 + random.below(longest)).min(rest.len()));
        pieces.push(piece);
        rest = after;
    }
    pieces
}

/// xorshift64: the same numbers on every run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }
}
