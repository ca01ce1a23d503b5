//! What stands below the tabs.

use std::collections::BTreeMap;

use super::{
    How, Tab,
    pieces::{self, Attached, Piece},
};
use crate::{
    http::{
        error::Error,
        frame::{self, Look},
        media::Viewer,
        row::octets,
        view::{self, Excerpt, MOST_SHOWN, MOST_TEXT_KEPT, Opened},
        words::WORDS,
    },
    message::{
        Defect, Link, MOST_LINKS, Part, PassageKind, Tracker, host,
        html::{Sanitised, Scheme, Taken},
        links_in_html, links_in_text, passages, spans,
    },
};

/// One of the views.
pub(super) enum Panel {
    Html(Preview),
    Markup(Excerpt),
    Text(Text),
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
    pub(super) async fn new(opened: &Opened, tab: Tab, how: &How) -> Result<Self, Error> {
        let (words, outline) = (&WORDS.message, &opened.scanned.outline);
        let letter = outline.letter(None);
        let id = opened.record.id;
        Ok(match tab {
            Tab::Html => match letter.html {
                Some(number) => {
                    let (page, frame) =
                        (format!("/messages/{id}/html"), format!("/messages/{id}/frame"));
                    Self::Html(Preview::new(opened, number, &how.look, page, frame).await?)
                }
                None => Self::Nothing(words.html.none),
            },
            Tab::Markup => match letter.html.and_then(|number| outline.parts.get(number)) {
                Some(part) => Self::Markup(opened.text_of(part).await?),
                None => Self::Nothing(words.html.none),
            },
            Tab::Text => match Text::new(opened, letter.text).await? {
                Some(text) => Self::Text(text),
                None => Self::Nothing(words.text.none),
            },
            Tab::Source => Self::Source(Source::new(opened, how).await?),
            Tab::Headers => Self::Headers(Headers::new(opened, 0, how).await?),
            Tab::Parts => {
                let is_cut = opened.record.summary.defects.contains(&Defect::TooManyParts);
                Self::Parts { tree: pieces::tree(opened), is_cut }
            }
            Tab::Links => Self::Links(leading(opened).await?),
        })
    }

    /// One part of the structure.
    pub(super) async fn part(opened: &Opened, number: usize, how: &How) -> Result<Self, Error> {
        Ok(Self::Part(Box::new(PartView::new(opened, number, how).await?)))
    }
}

/// HTML in its frame, and what there is to say about it.
pub(super) struct Preview {
    /// The address of the page, to which looks are added.
    page: String,
    /// The address of what the frame shows.
    pub(super) frame: String,
    pub(super) look: Look,
    pub(super) blocked: u64,
    pub(super) hosts: String,
    pub(super) trackers: Vec<Tracker>,
    pub(super) is_text: bool,
    taken: BTreeMap<Taken, usize>,
    /// It says how it looks on a dark screen.
    pub(super) has_dark: bool,
    pub(super) is_cut: bool,
    /// The part itself, to be saved.
    pub(super) number: usize,
}

impl Preview {
    async fn new(
        opened: &Opened,
        number: usize,
        look: &Look,
        page: String,
        frame: String,
    ) -> Result<Self, Error> {
        let rendered = frame::rendered(opened, number, look).await?;
        let Sanitised { blocked_remote, blocked_hosts, is_text, taken, has_dark, .. } =
            rendered.sanitised;
        Ok(Self {
            page,
            frame: format!("{frame}{}", look.frame_query()),
            look: look.clone(),
            blocked: blocked_remote as u64,
            hosts: blocked_hosts.into_iter().collect::<Vec<_>>().join(", "),
            trackers: rendered.trackers,
            is_text,
            taken,
            has_dark,
            is_cut: rendered.is_cut,
            number,
        })
    }

    /// The widths to choose from, and what they are called.
    pub(super) fn widths(&self) -> impl Iterator<Item = (String, String)> {
        let widths = frame::WIDTHS.iter().map(|width| (width.to_string(), width.to_string()));
        widths.chain([("full".to_owned(), WORDS.message.html.full.to_owned())])
    }

    /// The schemes of colours to choose from.
    pub(super) fn schemes(&self) -> [(&'static str, &'static str); 3] {
        let words = &WORDS.message.html;
        [("light", words.light), ("dark", words.dark), ("forced", words.forced)]
    }

    /// The width chosen, in pixels, or `full`.
    pub(super) fn width(&self) -> String {
        self.look.width().map_or("full".to_owned(), |width| width.to_string())
    }

    /// The scheme chosen.
    pub(super) fn scheme(&self) -> &'static str {
        match self.look.scheme() {
            Scheme::Light => "light",
            Scheme::Dark => "dark",
            Scheme::Forced => "forced",
        }
    }

    /// What was taken out, in words.
    pub(super) fn taken(&self) -> String {
        let taken =
            self.taken.iter().map(|(&what, &count)| (WORDS.message.html.taken)(what, count));
        taken.collect::<Vec<_>>().join(", ")
    }

    /// The same page with remote content or without.
    pub(super) fn with_remote(&self, remote: bool) -> String {
        let remote = if remote { "1" } else { "" };
        self.link(&Look { remote: remote.to_owned(), ..self.look.clone() })
    }

    /// The same page, as wide as that.
    pub(super) fn with_width(&self, width: &str) -> String {
        self.link(&Look { width: width.to_owned(), ..self.look.clone() })
    }

    /// The same page in other colours.
    pub(super) fn with_scheme(&self, scheme: &str) -> String {
        self.link(&Look { scheme: scheme.to_owned(), ..self.look.clone() })
    }

    fn link(&self, look: &Look) -> String {
        format!("{}{}", self.page, look.page_query())
    }

    /// Why a picture looks like a tracker, in words.
    pub(super) fn why(&self, tracker: &Tracker) -> String {
        let signs: Vec<_> =
            tracker.signs.iter().map(|&sign| (WORDS.message.html.sign)(sign)).collect();
        WORDS.message.html.why.with(&signs.join(", "))
    }
}

/// Text with its links, quotes and signature.
pub(super) struct Text {
    pub(super) passages: Vec<Shown>,
    pub(super) is_cut: bool,
    pub(super) from_html: bool,
    /// The part that it comes from, to be saved; none if it was made of HTML.
    pub(super) number: Option<usize>,
}

/// A passage, ready for the page.
pub(super) struct Shown {
    pub(super) kind: PassageKind,
    pub(super) lines: u64,
    /// Depth of quoting, and the text cut at its links.
    pub(super) runs: Vec<(usize, Vec<(String, bool)>)>,
}

impl Text {
    /// The text part of the message, or the text of its HTML.
    async fn new(opened: &Opened, number: Option<usize>) -> Result<Option<Self>, Error> {
        if let Some(number) = number {
            return Self::of_part(opened, number).await.map(Some);
        }
        let text = opened.scanned.text.as_str();
        let is_cut = opened.has_more_text();
        let from_html = || Self { passages: shown(text), is_cut, from_html: true, number: None };
        Ok((!text.is_empty()).then(from_html))
    }

    async fn of_part(opened: &Opened, number: usize) -> Result<Self, Error> {
        let part = opened.scanned.outline.parts.get(number).ok_or_else(Error::no_page)?;
        let Excerpt { text, is_cut } = opened.text_of(part).await?;
        let passages = view::aside(move || shown(&text)).await;
        Ok(Self { passages, is_cut, from_html: false, number: Some(number) })
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

fn shown(text: &str) -> Vec<Shown> {
    let mut links = MOST_LINKS;
    let mut pieces = |text: &str| -> Vec<(String, bool)> {
        let all = if links > 0 { spans(text) } else { Vec::new() };
        links = links.saturating_sub(all.iter().filter(|span| span.is_link).count());
        match all.as_slice() {
            [] => vec![(text.to_owned(), false)],
            all => all.iter().map(|span| (span.text.to_owned(), span.is_link)).collect(),
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
    async fn new(opened: &Opened, how: &How) -> Result<Self, Error> {
        let page = how.page.parse().unwrap_or(1).max(1);
        let text = opened.source(page).await?.ok_or_else(Error::no_page)?;
        Ok(Self { text, page, pages: opened.source_pages() })
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
    async fn new(opened: &Opened, number: usize, how: &How) -> Result<Self, Error> {
        let part = opened.scanned.outline.parts.get(number).ok_or_else(Error::no_page)?;
        let mut headers = Self {
            fields: Vec::new(),
            filter: how.filter.clone(),
            raw: None,
            is_cut: opened
                .record
                .summary
                .defects
                .iter()
                .any(|defect| matches!(defect, Defect::LongHeader | Defect::TooManyHeaders)),
        };
        if how.raw == "1" {
            let Excerpt { text, is_cut } = opened.header_of(part).await?;
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

/// A link, ready for the page.
pub(super) struct Leading {
    pub(super) link: Link,
    /// The host that it leads to, if its words say another.
    pub(super) deceptive: Option<String>,
}

async fn leading(opened: &Opened) -> Result<Vec<Leading>, Error> {
    let links = links(opened).await?.into_iter();
    let leading = links.map(|link| Leading {
        deceptive: link.is_deceptive().then(|| host(&link.url).unwrap_or_default()),
        link,
    });
    Ok(leading.collect())
}

/// The links of the HTML, and those of the text that the HTML does not have.
pub(in crate::http) async fn links(opened: &Opened) -> Result<Vec<Link>, Error> {
    let outline = &opened.scanned.outline;
    let letter = outline.letter(None);
    let mut links = Vec::new();
    let text = async |number: Option<usize>| match number.and_then(|at| outline.parts.get(at)) {
        Some(part) => opened.text_of(part).await.map(|excerpt| excerpt.text),
        None => Ok(String::new()),
    };
    let (html, plain) = (text(letter.html).await?, text(letter.text).await?);
    view::aside(move || {
        links.extend(links_in_html(&html));
        let known: std::collections::HashSet<String> =
            links.iter().map(|link: &Link| link.url.clone()).collect();
        links.extend(links_in_text(&plain).into_iter().filter(|link| !known.contains(&link.url)));
        Ok(links)
    })
    .await
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
    Text(Text),
    Letter {
        fields: Vec<(String, String)>,
        html: Option<Preview>,
        text: Option<Text>,
        attached: Attached,
    },
    None,
}

impl PartView {
    async fn new(opened: &Opened, number: usize, how: &How) -> Result<Self, Error> {
        let outline = &opened.scanned.outline;
        let part = outline.parts.get(number).ok_or_else(Error::no_page)?;
        let page = format!("/messages/{}/parts/{number}/view", opened.record.id);
        let frame = |number| format!("/messages/{}/parts/{number}/frame", opened.record.id);
        let preview = async |number| {
            Preview::new(opened, number, &how.look, page.clone(), frame(number)).await
        };
        let body = match Viewer::of(part) {
            Viewer::Picture => PartBody::Picture,
            Viewer::Pdf if opened.is_quiet_pdf(part).await? => PartBody::Pdf,
            Viewer::Pdf => PartBody::ActingPdf,
            Viewer::Html => PartBody::Html(preview(number).await?),
            Viewer::Text => PartBody::Text(Text::of_part(opened, number).await?),
            Viewer::None => PartBody::None,
            Viewer::Letter => {
                let letter = outline.letter(Some(number));
                let (mut html, mut text) = (None, None);
                match (letter.html, letter.text) {
                    (Some(number), _) => html = Some(preview(number).await?),
                    (None, Some(number)) => text = Some(Text::of_part(opened, number).await?),
                    (None, None) => {}
                }
                let own =
                    outline.parts.get(number + 1).filter(|inner| inner.parent == Some(number));
                let attached = Attached::new(opened, Some(number));
                PartBody::Letter { fields: own.map(told).unwrap_or_default(), html, text, attached }
            }
        };
        let piece = Piece::new(opened, number).ok_or_else(Error::no_page)?;
        Ok(Self { piece, body })
    }
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

/// How much of a HTML is made into text.
pub(super) fn made_at_most() -> String {
    octets(MOST_TEXT_KEPT as u64)
}

const TOLD: [&str; 7] = ["Subject", "From", "To", "Cc", "Reply-To", "Date", "Message-ID"];

/// Lines of a quote that is not folded.
const SHORT_QUOTE: u64 = 4;

/// Deepest quoting that looks different.
const DEEPEST_QUOTE: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_has_only_so_many_links() {
        let text = "http://a.example/\n> http://b.example/\n".repeat(10_000);
        let links: usize = shown(&text)
            .iter()
            .flat_map(|shown| &shown.runs)
            .map(|(_, pieces)| pieces.iter().filter(|(_, is_link)| *is_link).count())
            .sum();
        assert!((MOST_LINKS..2 * MOST_LINKS).contains(&links), "{links}");
    }
}
