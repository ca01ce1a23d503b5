//! Where a message leads: the links of its leaves, each once.

use std::collections::HashSet;

use crate::{
    http::{access::ShownMessage, error::Error, leaves::MOST_LEAVES},
    mail,
    message::{Letter, Link, MOST_LINKS, host, links_in_html, links_in_text},
};

/// A link, ready for the page.
pub(super) struct Leading {
    pub(super) link: Link,
    /// The host that it leads to, if its words say another.
    pub(super) deceptive: Option<String>,
}

pub(super) async fn leading(loaded: &ShownMessage) -> Result<Vec<Leading>, Error> {
    let links = links(loaded).await?.into_iter();
    let leading = links.map(|link| Leading {
        deceptive: link.is_deceptive().then(|| host(&link.url).unwrap_or_default()),
        link,
    });
    Ok(leading.collect())
}

/// The links of the HTML, and those of the text that the HTML does not have.
pub(in crate::http) async fn links(loaded: &ShownMessage) -> Result<Vec<Link>, Error> {
    let parts = &loaded.scanned.outline.parts;
    let Letter { rich, plain, .. } = loaded.letter();
    let mut seen = HashSet::new();
    let all: Vec<usize> = rich.into_iter().chain(plain).filter(|&leaf| seen.insert(leaf)).collect();
    let (mut html, mut text) = (Vec::new(), Vec::new());
    for leaf in all.into_iter().take(2 * MOST_LEAVES) {
        match parts.get(leaf) {
            Some(part) if part.is_html() => html.push(loaded.text_of(leaf).await?.text),
            Some(part) if part.picture_type().is_none() => {
                text.push(loaded.text_of(leaf).await?.text);
            }
            _ => {}
        }
    }
    Ok(mail::spawn_bounded(move || links_of(&html, &text)).await)
}

fn links_of(html: &[String], text: &[String]) -> Vec<Link> {
    let mut known = HashSet::new();
    let in_html = html.iter().flat_map(|leaf| links_in_html(leaf));
    let all = in_html.chain(text.iter().flat_map(|leaf| links_in_text(leaf)));
    all.filter(|link| known.insert(link.url.clone())).take(MOST_LINKS).collect()
}
