//! The body of a message: every leaf goes somewhere, each list is in order and has each leaf once, and what
//! the scanner told of the body while it streamed by is what the walk says of the whole message.

use smtpd::message::{Letter, Outline, Part, Scanned, Scanner, text};

/// A message.
pub fn run(message: &[u8]) {
    let scanned = scan(message);
    let outline = &scanned.outline;
    let letter = outline.letter(None);
    check_lists(outline, None, &letter);
    for (index, part) in outline.parts.iter().enumerate() {
        if part.is_message() {
            check_lists(outline, Some(index), &outline.letter(Some(index)));
        }
        if let Some(within) = part.within {
            assert!(within < index && part.body.end <= outline.parts[within].content_length);
        }
        let content = content(message, outline, index, message.len().max(1));
        assert_eq!(content.len() as u64, part.content_length, "{index}: {part:?}");
        assert_eq!(self::content(message, outline, index, 3), content, "{index}: {part:?}");
    }
    check_summary(&scanned, &letter);
    if message.len() <= MOST_TEXT {
        check_text(message, &scanned, &letter);
    }
}

fn scan(message: &[u8]) -> Scanned {
    let mut scanner = Scanner::new(MOST_TEXT);
    scanner.push(message);
    scanner.finish()
}

/// Every leaf of the message stands in some list, and no list names a part twice or what is not there.
fn check_lists(outline: &Outline, enclosing: Option<usize>, letter: &Letter) {
    let Letter { rich, plain, attachments, inline_images, alternatives } = letter;
    let lists = [rich, plain, attachments, inline_images, alternatives];
    for list in lists {
        assert!(list.is_sorted_by(|a, b| a < b), "{list:?}");
        assert!(list.iter().all(|&index| index < outline.parts.len()));
    }
    for (index, part) in outline.parts.iter().enumerate() {
        let holds = outline.parts.iter().any(|other| other.parent == Some(index));
        let is_leaf = part.is_message() || (!holds && !part.is_multipart());
        if is_leaf && message_of(outline, index) == enclosing {
            assert!(
                lists.iter().any(|list| list.contains(&index)),
                "{index} is nowhere: {outline:?}"
            );
        }
    }
}

/// The part that encloses the message to which this one belongs.
fn message_of(outline: &Outline, index: usize) -> Option<usize> {
    let parent = |&index: &usize| outline.parts[index].parent;
    std::iter::successors(parent(&index), parent).find(|&index| outline.parts[index].is_message())
}

fn check_summary(scanned: &Scanned, letter: &Letter) {
    assert_eq!(scanned.summary.inline_images, letter.inline_images.len());
    let names: usize = scanned.outline.parts.iter().map(|part| part.file_name.len() + 16).sum();
    if names <= 64 * 1024 {
        assert_eq!(scanned.summary.attachments.len(), letter.attachments.len());
    }
}

/// The text that the scanner told is that of the leaves.
fn check_text(message: &[u8], scanned: &Scanned, letter: &Letter) {
    let outline = &scanned.outline;
    // Of multiparts without their delimiters all are shown, but only the first is told of.
    if letter.rich.iter().chain(&letter.plain).any(|&leaf| outline.parts[leaf].is_multipart()) {
        return;
    }
    let joined = |leaves: &[usize]| {
        let mut joined = String::new();
        for &leaf in leaves {
            let part = &outline.parts[leaf];
            let is_read = part.is_text() || part.is_html();
            let text = if is_read { text_of(message, outline, leaf, part) } else { String::new() };
            joined.push_str(&text);
            joined.push('\n');
        }
        joined
    };
    let plain = joined(&letter.plain);
    let shown = if plain.trim().is_empty() { joined(&letter.rich) } else { plain };
    let words = |text: &str| text.split_whitespace().collect::<String>();
    let (told, shown) = (words(&scanned.text), words(&shown));
    // Text may grow as it is decoded, and what is told of it has a bound.
    let is_cut = scanned.texts().map(str::len).sum::<usize>() + 8 >= MOST_TEXT;
    let agree = told == shown || (is_cut && shown.starts_with(&told));
    assert!(agree, "{told:?} {shown:?} {}", message.escape_ascii());
}

fn text_of(message: &[u8], outline: &Outline, leaf: usize, part: &Part) -> String {
    let (text, _) = outline.text(leaf, &content(message, outline, leaf, message.len().max(1)));
    if part.is_html() { text::html_to_text(&text) } else { text }
}

/// The content of a part, read in pieces of this length.
fn content(message: &[u8], outline: &Outline, index: usize, length: usize) -> Vec<u8> {
    let mut out = Vec::new();
    let Some(mut content) = outline.content(index) else { return out };
    let range = content.range();
    for piece in message[range.start as usize..range.end as usize].chunks(length) {
        content.push(piece, &mut out);
    }
    content.finish(&mut out);
    out
}

/// Octets of readable text that are asked for: all that an input of the fuzzer has.
const MOST_TEXT: usize = 4_096;
