//! The links and the codes of the messages in `tests/mime`, as golden files beside them (`.found`).

use std::fmt::Write;
use std::fs;

use smtpd::message::{Part, Scanner, codes, decode, links_in_html, links_in_text, text};

use crate::{harness::file, mime};

#[test]
fn links_and_codes() {
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let mut wrong = Vec::new();
    let wanted = |path: &std::path::Path| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        name.starts_with("link-") || name.starts_with("code-")
    };
    let mut seen = 0;
    for path in mime::corpus().filter(|path| wanted(path)) {
        seen += 1;
        let octets = fs::read(&path).unwrap();
        let found = found(&octets);
        let golden = path.with_extension("found");
        if update {
            fs::write(&golden, &found).unwrap();
        } else if fs::read_to_string(&golden).unwrap_or_default() != found {
            wrong.push(format!("{}:\n{found}", golden.display()));
        }
    }
    assert!(seen >= 17 && file("tests/mime").is_dir(), "only {seen}");
    assert!(wrong.is_empty(), "differs from its golden file: {}", wrong.join("\n"));
}

/// Links first, then codes, as the API tells them.
fn found(octets: &[u8]) -> String {
    let mut scanner = Scanner::new(256 * 1024);
    scanner.push(octets);
    let scanned = scanner.finish();
    let shown = |part: Option<&Part>| {
        part.map_or(String::new(), |part| {
            let body = &octets[part.body.start as usize..part.body.end as usize];
            text::decode_text(&decode::decode(body, part.encoding).0, &part.charset).0
        })
    };
    let mut out = String::new();
    let outline = &scanned.outline;
    let letter = outline.letter(None);
    let html = letter.html(outline).and_then(|leaf| outline.parts.get(leaf));
    let is_text = |part: &&Part| !part.is_html() && part.picture_type().is_none();
    let plain = letter.plain.iter().filter_map(|leaf| outline.parts.get(*leaf)).find(is_text);
    let html = links_in_html(&shown(html));
    let plain = links_in_text(&shown(plain));
    for link in html.into_iter().chain(plain) {
        writeln!(out, "link: {} {:?}", link.url, link.text).unwrap();
    }
    for code in codes(scanned.texts()) {
        writeln!(out, "code: {} {}", code.value, if code.is_sure { "high" } else { "low" })
            .unwrap();
    }
    out
}
