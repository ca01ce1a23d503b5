//! The leaves of a letter put together: as one HTML for the frame and the paper, and as one text and one
//! HTML for programs. Which leaves there are, `message::Letter` says.
//!
//! Thunderbird, Gmail and Apple Mail show them one below the other, and so do we; a letter of one leaf
//! stays as it was sent.

use super::{
    access::ShownMessage, error::Error, files, kept::Rendered, render, render_params::RenderParams,
};
use crate::{
    mail::{self, Excerpt, MOST_SHOWN},
    message::{Letter, html::Sanitised, text},
};

/// The leaves of a letter as one HTML document, each sanitised by itself; 404 if none of them is HTML.
pub(super) async fn rendered(
    loaded: &ShownMessage,
    letter: &Letter,
    look: &RenderParams,
) -> Result<Rendered, Error> {
    let outline = &loaded.scanned.outline;
    let first = letter.html(outline).ok_or_else(Error::no_page)?;
    let mut whole = render::rendered(loaded, first, look).await?;
    if letter.rich.len() == 1 {
        return Ok(whole);
    }
    let (mut pieces, mut left) = (Vec::new(), MOST_SHOWN);
    for &leaf in letter.rich.iter().take(MOST_LEAVES) {
        if left == 0 {
            whole.is_cut = true;
            break;
        }
        let Some(part) = outline.parts.get(leaf) else { continue };
        let html = if leaf == first {
            std::mem::take(&mut whole.sanitised.html)
        } else if part.is_html() {
            let more = render::rendered(loaded, leaf, look).await?;
            whole.trackers.extend(more.trackers);
            whole.is_cut |= more.is_cut;
            below(&mut whole.sanitised, more.sanitised)
        } else if part.picture_type().is_some() {
            picture(loaded, leaf)
        } else {
            let Excerpt { text, is_cut } = loaded.text_of(leaf).await?;
            whole.is_cut |= is_cut;
            as_html(&text)
        };
        left = left.saturating_sub(html.len());
        pieces.push((leaf, html));
    }
    whole.is_cut |= letter.rich.len() > MOST_LEAVES;
    whole.sanitised.html = joined(loaded, &pieces);
    Ok(whole)
}

/// A further HTML in the document of the first: its style sheets behind that one's, its body as an element.
fn below(first: &mut Sanitised, more: Sanitised) -> String {
    first.head.push_str(&more.head);
    first.blocked_remote += more.blocked_remote;
    first.blocked_hosts.extend(more.blocked_hosts);
    first.has_dark |= more.has_dark;
    first.is_text |= more.is_text;
    for (what, count) in more.taken {
        *first.taken.entry(what).or_default() += count;
    }
    format!("<div{}>{}</div>", more.body, more.html)
}

/// A picture is left out that the HTML shows in its own place already.
fn joined(loaded: &ShownMessage, pieces: &[(usize, String)]) -> String {
    let parts = &loaded.scanned.outline.parts;
    let is_html = |leaf: usize| parts.get(leaf).is_some_and(|part| part.is_html());
    let mut whole = String::new();
    for (leaf, piece) in pieces {
        let is_picture = parts.get(*leaf).is_some_and(|part| part.picture_type().is_some());
        let place = format!("{}?inline", files::path(loaded, *leaf));
        let shows_it = |(other, html): &(usize, String)| is_html(*other) && html.contains(&place);
        if !(is_picture && pieces.iter().any(shows_it)) {
            whole.push_str(piece);
        }
    }
    whole
}

fn picture(loaded: &ShownMessage, leaf: usize) -> String {
    format!("<p><img alt=\"\" src=\"{}\"></p>", files::picture(loaded, leaf))
}

/// The HTML of a letter for a program: as sent if it is one leaf, else one below the other, with text as
/// preformatted text. None if no leaf is HTML.
pub(super) async fn html(loaded: &ShownMessage, letter: &Letter) -> Result<Option<Excerpt>, Error> {
    let outline = &loaded.scanned.outline;
    if letter.html(outline).is_none() {
        return Ok(None);
    }
    let mut whole = Excerpt::default();
    for &leaf in &letter.rich {
        let Some(part) = outline.parts.get(leaf) else { continue };
        if part.picture_type().is_some() {
            continue;
        }
        let excerpt = loaded.text_of(leaf).await?;
        let text = if part.is_html() { excerpt.text } else { as_html(&excerpt.text) };
        if !add(&mut whole, &text, excerpt.is_cut) {
            break;
        }
    }
    Ok(Some(whole))
}

/// The text of a letter, its leaves one below the other, HTML among them as its text. None if no leaf is
/// text as sent.
pub(super) async fn plain(
    loaded: &ShownMessage,
    letter: &Letter,
) -> Result<Option<Excerpt>, Error> {
    let parts = &loaded.scanned.outline.parts;
    let is_text = |leaf: &&usize| {
        parts.get(**leaf).is_some_and(|part| !part.is_html() && part.picture_type().is_none())
    };
    if letter.plain.iter().find(is_text).is_none() {
        return Ok(None);
    }
    let mut whole = Excerpt::default();
    for &leaf in &letter.plain {
        if let Some((Excerpt { text, is_cut }, _)) = text_of(loaded, leaf).await?
            && !add(&mut whole, &text, is_cut)
        {
            break;
        }
    }
    Ok(Some(whole))
}

/// The text of a leaf and whether it was made of HTML; none for a picture.
pub(super) async fn text_of(
    loaded: &ShownMessage,
    leaf: usize,
) -> Result<Option<(Excerpt, bool)>, Error> {
    let Some(part) = loaded.scanned.outline.parts.get(leaf) else { return Ok(None) };
    if part.picture_type().is_some() {
        return Ok(None);
    }
    let mut excerpt = loaded.text_of(leaf).await?;
    if part.is_html() {
        let html = std::mem::take(&mut excerpt.text);
        excerpt.text = mail::spawn_bounded(move || text::html_to_text(&html)).await;
    }
    Ok(Some((excerpt, part.is_html())))
}

/// Adds a leaf on a line of its own; false once there is no more room.
fn add(whole: &mut Excerpt, text: &str, is_cut: bool) -> bool {
    if !whole.text.is_empty() && !whole.text.ends_with('\n') {
        whole.text.push('\n');
    }
    let room = MOST_SHOWN.saturating_sub(whole.text.len());
    let piece = text::beginning(text, room);
    whole.text.push_str(piece);
    whole.is_cut |= is_cut || piece.len() < text.len();
    !whole.is_cut
}

/// Text as HTML shows it, with its lines.
fn as_html(text: &str) -> String {
    let mut html = String::with_capacity(text.len() + 64);
    html.push_str("<pre style=\"white-space:pre-wrap;overflow-wrap:anywhere\">");
    for c in text.chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '\r' => {}
            c => html.push(c),
        }
    }
    html.push_str("</pre>");
    html
}

/// Most leaves put together in one document. Honest mail has a handful.
pub(super) const MOST_LEAVES: usize = 100;
