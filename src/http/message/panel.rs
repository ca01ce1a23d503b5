//! What stands below the tabs.

use std::collections::BTreeMap;

use super::{
    Tab, ViewParams,
    links::{Leading, leading},
    pieces::{self, Attached, Piece},
};
use crate::{
    http::{
        access::ShownMessage,
        error::Error,
        kept::Rendered,
        leaves::{self, MOST_LEAVES},
        media::Viewer,
        render,
        render_params::{self, RenderParams},
        row::octets,
        strings::STRINGS,
    },
    mail::{self, Excerpt, MOST_SHOWN},
    message::{
        Card, Defect, Letter, MOST_LINKS, Part, PassageKind, Tracker, cards,
        html::{Sanitised, Taken},
        passages, spans,
    },
};

/// One of the views.
pub(super) enum Panel {
    Html(Preview),
    Markup(Excerpt),
    Text(Vec<TextLeaf>),
    Source(Source),
    Headers(Headers),
    Parts {
        tree: Vec<Piece>,
        /// More than are listed.
        is_cut: bool,
    },
    Links(Vec<Leading>),
    Part(Box<PartView>),
    /// There is no such body.
    Nothing(&'static str),
}

impl Panel {
    /// What a tab shows.
    pub(super) async fn new(
        loaded: &ShownMessage,
        tab: Tab,
        how: &ViewParams,
    ) -> Result<Self, Error> {
        let (strings, outline) = (&STRINGS.message, &loaded.scanned.outline);
        let letter = loaded.letter();
        let id = loaded.record.id;
        Ok(match tab {
            Tab::Html => match letter.html(outline) {
                Some(number) => {
                    let rendered = leaves::rendered(loaded, &letter, &how.look).await?;
                    let (page, frame) =
                        (format!("/messages/{id}/html"), format!("/messages/{id}/frame"));
                    Self::Html(Preview::new(rendered, number, &how.look, page, frame))
                }
                None => Self::Nothing(strings.html.none),
            },
            Tab::Markup => match leaves::html(loaded, &letter).await? {
                Some(excerpt) => Self::Markup(excerpt),
                None => Self::Nothing(strings.html.none),
            },
            Tab::Text => match text_leaves(loaded, &letter).await? {
                leaves if leaves.is_empty() => Self::Nothing(strings.text.none),
                leaves => Self::Text(leaves),
            },
            Tab::Source => Self::Source(Source::new(loaded, how).await?),
            Tab::Headers => Self::Headers(Headers::new(loaded, 0, how).await?),
            Tab::Parts => {
                let is_cut = loaded.record.summary.defects.contains(&Defect::TooManyParts);
                Self::Parts { tree: pieces::tree(loaded), is_cut }
            }
            Tab::Links => Self::Links(leading(loaded).await?),
        })
    }

    /// One part of the structure.
    pub(super) async fn part(
        loaded: &ShownMessage,
        number: usize,
        how: &ViewParams,
    ) -> Result<Self, Error> {
        Ok(Self::Part(Box::new(PartView::new(loaded, number, how).await?)))
    }
}

/// HTML in its frame, and what there is to say about it.
pub(super) struct Preview {
    /// The address of the page, to which looks are added.
    page: String,
    /// The address of what the frame shows.
    pub(super) frame: String,
    pub(super) look: RenderParams,
    pub(super) blocked: u64,
    pub(super) hosts: String,
    pub(super) trackers: Vec<Tracker>,
    pub(super) is_text: bool,
    /// It is AMP, whose components only a mail program with AMP can show.
    pub(super) is_amp: bool,
    taken: BTreeMap<Taken, usize>,
    /// It says how it looks on a dark screen.
    pub(super) has_dark: bool,
    pub(super) is_cut: bool,
    /// The part itself, to be saved.
    pub(super) number: usize,
}

impl Preview {
    fn new(
        rendered: Rendered,
        number: usize,
        look: &RenderParams,
        page: String,
        frame: String,
    ) -> Self {
        let Sanitised { blocked_remote, blocked_hosts, is_text, taken, has_dark, .. } =
            rendered.sanitised;
        Self {
            page,
            frame: format!("{frame}{}", look.frame_query()),
            look: look.clone(),
            blocked: blocked_remote as u64,
            hosts: blocked_hosts.into_iter().collect::<Vec<_>>().join(", "),
            trackers: rendered.trackers,
            is_text,
            is_amp: false,
            taken,
            has_dark,
            is_cut: rendered.is_cut,
            number,
        }
    }

    /// The widths to choose from, and what they are called.
    pub(super) fn widths(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        let widths = render_params::WIDTHS.into_iter().map(|width| (width, width));
        widths.chain([(FULL, STRINGS.message.html.full)])
    }

    /// The schemes of colours to choose from.
    pub(super) fn schemes(&self) -> [(&'static str, &'static str); 3] {
        let strings = &STRINGS.message.html;
        [("light", strings.light), ("dark", strings.dark), ("forced", strings.forced)]
    }

    /// The width chosen, in pixels, or `full`.
    pub(super) fn width(&self) -> &'static str {
        self.look.width.unwrap_or(FULL)
    }

    /// The scheme chosen.
    pub(super) fn scheme(&self) -> &'static str {
        render_params::scheme_name(self.look.scheme)
    }

    /// What was taken out, in words.
    pub(super) fn taken(&self) -> String {
        let taken =
            self.taken.iter().map(|(&what, &count)| (STRINGS.message.html.taken)(what, count));
        taken.collect::<Vec<_>>().join(", ")
    }

    /// The same page with remote content or without.
    pub(super) fn with_remote(&self, remote: bool) -> String {
        self.link(&RenderParams { remote, ..self.look.clone() })
    }

    /// The same page, as wide as that.
    pub(super) fn with_width(&self, width: &str) -> String {
        self.link(&RenderParams { width: render_params::width(width), ..self.look.clone() })
    }

    /// The same page in other colours.
    pub(super) fn with_scheme(&self, scheme: &str) -> String {
        self.link(&RenderParams { scheme: render_params::scheme(scheme), ..self.look.clone() })
    }

    fn link(&self, look: &RenderParams) -> String {
        format!("{}{}", self.page, look.page_query())
    }

    /// Why a picture looks like a tracker, in words.
    pub(super) fn why(&self, tracker: &Tracker) -> String {
        let signs: Vec<_> =
            tracker.signs.iter().map(|&sign| (STRINGS.message.html.sign)(sign)).collect();
        STRINGS.message.html.why.with(&signs.join(", "))
    }
}

/// What the text view shows of a leaf.
pub(super) enum TextLeaf {
    Text(Text),
    Picture(Piece),
}

/// Text with its links, quotes and signature.
pub(super) struct Text {
    pub(super) passages: Vec<Shown>,
    pub(super) is_cut: bool,
    pub(super) from_html: bool,
    /// The part that it comes from, to be saved.
    pub(super) number: usize,
}

/// A passage, ready for the page.
pub(super) struct Shown {
    pub(super) kind: PassageKind,
    pub(super) lines: u64,
    /// Depth of quoting, and the text cut at its links.
    pub(super) runs: Vec<(usize, Pieces)>,
}

/// The leaves of a letter as the text view shows them; nothing if none of them says anything.
async fn text_leaves(loaded: &ShownMessage, letter: &Letter) -> Result<Vec<TextLeaf>, Error> {
    for leaves in [&letter.plain, &letter.rich] {
        let shown = text_leaves_of(loaded, leaves).await?;
        if shown.iter().any(TextLeaf::says_something) {
            return Ok(shown);
        }
    }
    Ok(Vec::new())
}

async fn text_leaves_of(loaded: &ShownMessage, leaves: &[usize]) -> Result<Vec<TextLeaf>, Error> {
    let (mut shown, mut left) = (Vec::new(), MOST_SHOWN);
    for &number in leaves.iter().take(MOST_LEAVES) {
        match leaves::text_of(loaded, number).await? {
            _ if left == 0 => break,
            Some((excerpt, from_html)) => {
                left = left.saturating_sub(excerpt.text.len());
                shown.push(TextLeaf::Text(Text::new(excerpt, from_html, number).await));
            }
            None => shown.extend(Piece::new(loaded, number, true).map(TextLeaf::Picture)),
        }
    }
    Ok(shown)
}

impl TextLeaf {
    fn says_something(&self) -> bool {
        match self {
            Self::Text(text) => !text.passages.is_empty(),
            Self::Picture(_) => true,
        }
    }
}

impl Text {
    async fn new(Excerpt { text, is_cut }: Excerpt, from_html: bool, number: usize) -> Self {
        let passages = mail::spawn_bounded(move || shown(&text)).await;
        Self { passages, is_cut, from_html, number }
    }
}

impl Shown {
    pub(super) fn is_quoted(&self) -> bool {
        self.kind == PassageKind::Quoted
    }

    pub(super) fn is_signature(&self) -> bool {
        self.kind == PassageKind::Signature
    }

    /// A short quote is an answer's context and stays open.
    pub(super) fn is_short(&self) -> bool {
        self.lines <= SHORT_QUOTE
    }
}

/// Stretches of text, each with where it leads if it is an address.
type Pieces = Vec<(String, Option<String>)>;

fn shown(text: &str) -> Vec<Shown> {
    let mut links = MOST_LINKS;
    let mut pieces = |text: &str| -> Pieces {
        let all = if links > 0 { spans(text) } else { Vec::new() };
        links = links.saturating_sub(all.iter().filter(|span| span.link.is_some()).count());
        match all.as_slice() {
            [] => vec![(text.to_owned(), None)],
            all => all
                .iter()
                .map(|span| (span.text.to_owned(), span.link.as_deref().map(str::to_owned)))
                .collect(),
        }
    };
    let passages = passages(text).into_iter();
    let shown = passages.map(|passage| Shown {
        kind: passage.kind,
        lines: passage.lines as u64,
        runs: passage
            .runs
            .iter()
            .map(|run| (run.depth.min(DEEPEST_QUOTE), pieces(&run.text)))
            .collect(),
    });
    shown.collect()
}

/// A page of the octets as they came.
pub(super) struct Source {
    pub(super) text: String,
    /// From 1.
    pub(super) page: u64,
    pub(super) pages: u64,
}

impl Source {
    async fn new(loaded: &ShownMessage, how: &ViewParams) -> Result<Self, Error> {
        let page = how.page.parse().unwrap_or(1).max(1);
        let text = loaded.source(page).await?.ok_or_else(Error::no_page)?;
        Ok(Self { text, page, pages: loaded.source_pages() })
    }
}

/// The header of the message, or of one that it encloses.
pub(super) struct Headers {
    pub(super) fields: Vec<(String, String)>,
    pub(super) filter: String,
    /// As it came, if that is asked for.
    pub(super) raw: Option<String>,
    pub(super) is_cut: bool,
}

impl Headers {
    async fn new(loaded: &ShownMessage, number: usize, how: &ViewParams) -> Result<Self, Error> {
        let part = loaded.scanned.outline.parts.get(number).ok_or_else(Error::no_page)?;
        let mut headers = Self {
            fields: Vec::new(),
            filter: how.filter.clone(),
            raw: None,
            is_cut: loaded
                .record
                .summary
                .defects
                .iter()
                .any(|defect| matches!(defect, Defect::LongHeader | Defect::TooManyHeaders)),
        };
        if how.raw {
            let Excerpt { text, is_cut } = loaded.header_of(number).await?;
            (headers.raw, headers.is_cut) = (Some(text), is_cut);
            return Ok(headers);
        }
        let wanted = how.filter.trim().to_lowercase();
        let matching = part.headers.iter().filter(|(name, value)| {
            wanted.is_empty()
                || name.to_lowercase().contains(&wanted)
                || value.to_lowercase().contains(&wanted)
        });
        headers.fields = matching.cloned().collect();
        Ok(headers)
    }
}

/// One part, looked at alone.
pub(super) struct PartView {
    pub(super) piece: Piece,
    pub(super) body: PartBody,
}

/// What is to be seen of a part.
pub(super) enum PartBody {
    Picture,
    Pdf,
    /// One that may run script, so it is not shown.
    ActingPdf,
    Html(Preview),
    Text {
        /// Of a calendar or a vCard.
        cards: Vec<Card>,
        text: Text,
    },
    Letter {
        fields: Vec<(String, String)>,
        html: Option<Preview>,
        texts: Vec<TextLeaf>,
        attached: Attached,
    },
    None,
}

impl PartView {
    async fn new(loaded: &ShownMessage, number: usize, how: &ViewParams) -> Result<Self, Error> {
        let outline = &loaded.scanned.outline;
        let part = outline.parts.get(number).ok_or_else(Error::no_page)?;
        let page = format!("/messages/{}/parts/{number}/view", loaded.record.id);
        let frame = format!("/messages/{}/parts/{number}/frame", loaded.record.id);
        let preview =
            |rendered| Preview::new(rendered, number, &how.look, page.clone(), frame.clone());
        let own = outline.parts.get(number + 1).filter(|inner| inner.parent == Some(number));
        let body = match Viewer::of(part) {
            Viewer::Picture => PartBody::Picture,
            Viewer::Pdf if loaded.is_quiet_pdf(number).await? => PartBody::Pdf,
            Viewer::Pdf => PartBody::ActingPdf,
            Viewer::Html => {
                let mut view = preview(render::rendered(loaded, number, &how.look).await?);
                view.is_amp = part.content_type == "text/x-amp-html";
                PartBody::Html(view)
            }
            Viewer::Letter if own.is_some() => {
                letter_body(loaded, number, how, preview, own).await?
            }
            // What calls itself a message and holds none is shown as the text that it is.
            Viewer::Text | Viewer::Letter => {
                let excerpt = loaded.text_of(number).await?;
                let has_cards = CARDS.contains(&part.content_type.as_str());
                let cards = if has_cards { cards(&excerpt.text) } else { Vec::new() };
                PartBody::Text { cards, text: Text::new(excerpt, false, number).await }
            }
            Viewer::None => PartBody::None,
        };
        let is_attachment = loaded.letter().attachments.binary_search(&number).is_ok();
        let piece = Piece::new(loaded, number, is_attachment).ok_or_else(Error::no_page)?;
        Ok(Self { piece, body })
    }
}

/// A message in the message.
async fn letter_body(
    loaded: &ShownMessage,
    number: usize,
    how: &ViewParams,
    preview: impl Fn(Rendered) -> Preview,
    own: Option<&Part>,
) -> Result<PartBody, Error> {
    let outline = &loaded.scanned.outline;
    let letter = outline.letter(Some(number));
    let (mut html, mut texts) = (None, Vec::new());
    if letter.html(outline).is_some() {
        html = Some(preview(leaves::rendered(loaded, &letter, &how.look).await?));
    } else {
        texts = text_leaves(loaded, &letter).await?;
    }
    let attached = Attached::new(loaded, Some(number));
    Ok(PartBody::Letter { fields: own.map(told).unwrap_or_default(), html, texts, attached })
}

/// The fields of an enclosed message that people read.
fn told(part: &Part) -> Vec<(String, String)> {
    let told = TOLD
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), part.header_value(name)?.to_owned())));
    told.collect()
}

/// How much of a text is shown, for the sentence that says so.
pub(super) fn shown_at_most() -> String {
    octets(MOST_SHOWN as u64)
}

/// Types of which there are cards to show.
const CARDS: [&str; 5] =
    ["text/calendar", "application/ics", "text/vcard", "text/x-vcard", "text/directory"];

const TOLD: [&str; 7] = ["Subject", "From", "To", "Cc", "Reply-To", "Date", "Message-ID"];

/// Lines of a quote that is not folded.
const SHORT_QUOTE: u64 = 4;

/// Deepest quoting that looks different.
const DEEPEST_QUOTE: usize = 5;

/// What the width is called that is none of [`render_params::WIDTHS`].
const FULL: &str = "full";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_has_only_so_many_links() {
        let text = "http://a.example/\n> http://b.example/\n".repeat(10_000);
        let links: usize = shown(&text)
            .iter()
            .flat_map(|shown| &shown.runs)
            .map(|(_, pieces)| pieces.iter().filter(|(_, link)| link.is_some()).count())
            .sum();
        assert!((MOST_LINKS..2 * MOST_LINKS).contains(&links), "{links}");
    }
}
