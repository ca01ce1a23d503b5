//! What there is to read of a message, and where each of its leaves goes.
//!
//! The body of a mail is the sequence of its leaves that can be displayed (RFC 2046 §5.1.3), of each
//! alternative the best (§5.1.4), of what is related the root (RFC 2387). This one walk answers for the
//! views, the paper, the snippet, links, codes, the search and the API, so that none of them can know
//! another body than the rest. It is near to that of JMAP (RFC 8621 §4.1.4); docs/view.md says where it
//! differs. Names mean nothing: an attachment is what the sender calls one, or what is not shown.

use super::{Outline, Part};

impl Outline {
    /// What to show of the message itself, or of the one that the part at `enclosing` encloses.
    pub fn letter(&self, enclosing: Option<usize>) -> Letter {
        let tree = Tree::new(self);
        match enclosing {
            None => tree.letter(0),
            Some(message) => tree.enclosed(message),
        }
    }

    /// That of the message itself, and those of the messages inside it, however deep.
    pub(super) fn letters(&self) -> (Letter, Vec<Letter>) {
        let tree = Tree::new(self);
        let messages = (0..self.parts.len()).filter(|&index| self.parts[index].is_message());
        (tree.letter(0), messages.map(|index| tree.enclosed(index)).collect())
    }
}

/// Where the leaves of a message go, as places in its outline, each list in the order of the message.
/// Every leaf stands in one of them; one that is shown may be attached as well.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Letter {
    /// The leaves to show one below the other where HTML can be shown.
    pub rich: Vec<usize>,
    /// The same where only text can be shown.
    pub plain: Vec<usize>,
    /// What can be saved: what is not shown, and what is shown but is a file all the same.
    pub attachments: Vec<usize>,
    /// The pictures that the HTML shows in its place by their Content-ID (RFC 2387, RFC 2392) or their
    /// Content-Location (RFC 2557).
    pub inline_images: Vec<usize>,
    /// What says again, in a lesser form, what is shown.
    pub alternatives: Vec<usize>,
}

impl Letter {
    /// The first HTML among the leaves; none if the message is to be shown as text.
    pub fn html(&self, outline: &Outline) -> Option<usize> {
        self.rich.iter().copied().find(|&leaf| outline.parts.get(leaf).is_some_and(Part::is_html))
    }
}

/// What holds what.
struct Tree<'a> {
    parts: &'a [Part],
    first_child: Vec<Option<usize>>,
    next_sibling: Vec<Option<usize>>,
    /// The best that is to be seen in each part or in what it holds.
    best: Vec<Shows>,
}

/// How a leaf can be seen, as bits, so that those of a container are those of its children.
type Shows = u8;
const NOTHING: Shows = 0;
const PICTURE: Shows = 1;
const TEXT: Shows = 2;
const HTML: Shows = 4;

/// Which of the two sequences a part may join.
#[derive(Clone, Copy)]
struct Wanted {
    rich: bool,
    plain: bool,
}

/// Where a part stands in what holds it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stands {
    /// The first of a sequence, an alternative, or the root of what is related: it is the body.
    First,
    /// Further down in a sequence.
    Later,
    /// Beside the root of what is related.
    Beside,
    /// In a container that is attached as a whole.
    Attached,
}

impl<'a> Tree<'a> {
    fn new(outline: &'a Outline) -> Self {
        let parts = outline.parts.as_slice();
        let mut tree = Self {
            parts,
            first_child: vec![None; parts.len()],
            next_sibling: vec![None; parts.len()],
            best: vec![NOTHING; parts.len()],
        };
        // From the last on, because a parent stands before its children.
        for (index, part) in parts.iter().enumerate().rev() {
            if part.is_attachment {
                tree.best[index] = NOTHING;
            } else if !(part.is_multipart() && tree.first_child[index].is_some()) {
                tree.best[index] |= shows(part);
            }
            let Some(parent) = part.parent.filter(|&parent| parent < index) else { continue };
            tree.next_sibling[index] = tree.first_child[parent].replace(index);
            if !parts[parent].is_message() {
                tree.best[parent] |= tree.best[index];
            }
        }
        tree
    }

    fn letter(&self, root: usize) -> Letter {
        let mut letter = Letter::default();
        if root < self.parts.len() {
            let wanted = Wanted { rich: true, plain: true };
            self.walk(root, wanted, Stands::First, &mut letter);
        }
        if letter.rich.is_empty() && letter.plain.is_empty() {
            self.make_do(&mut letter);
        }
        letter
    }

    /// A message that is nothing but a calendar or a table is shown as the text that it is, and one that is
    /// nothing but a message as that one.
    fn make_do(&self, letter: &mut Letter) {
        let is_text = |leaf: &&usize| {
            let part = &self.parts[**leaf];
            part.is_text() && !part.is_attachment
        };
        let all = letter.alternatives.iter().chain(&letter.attachments);
        if let Some(&only) = all.filter(is_text).min() {
            letter.rich.push(only);
            letter.plain.push(only);
        } else if let Some(&message) =
            letter.attachments.iter().find(|&&it| self.parts[it].is_message())
        {
            let Letter { rich, plain, .. } = self.enclosed(message);
            (letter.rich, letter.plain) = (rich, plain);
        }
    }

    fn enclosed(&self, message: usize) -> Letter {
        let root = self.first_child.get(message).copied().flatten();
        root.map(|root| self.letter(root)).unwrap_or_default()
    }

    fn children(&self, index: usize) -> impl Iterator<Item = usize> {
        std::iter::successors(self.first_child[index], |&child| self.next_sibling[child])
    }

    /// Recurses as deep as containers are nested, which the scanner bounds.
    fn walk(&self, index: usize, wanted: Wanted, stands: Stands, letter: &mut Letter) {
        let part = &self.parts[index];
        if self.first_child[index].is_none() || part.is_message() {
            self.leaf(index, wanted, stands, letter);
            return;
        }
        let stands = if part.is_attachment { Stands::Attached } else { stands };
        match part.content_type.as_str() {
            "multipart/alternative" => self.alternative(index, wanted, stands, letter),
            "multipart/related" => self.related(index, wanted, stands, letter),
            _ if !part.is_multipart() && !part.is_text() => {
                // A leaf that was opened, a winmail.dat, is what it holds. Its body says the same as the
                // text beside it.
                let is_read = |&leaf: &usize| shows(&self.parts[leaf]) & (TEXT | HTML) != 0;
                let is_said = letter.rich.iter().any(is_read);
                let wanted =
                    Wanted { rich: wanted.rich && !is_said, plain: wanted.plain && !is_said };
                self.alternative(index, wanted, Stands::First, letter);
            }
            _ => {
                // A text that holds files is read itself.
                if part.is_text() {
                    self.leaf(index, wanted, stands, letter);
                }
                let mut stands = stands;
                for child in self.children(index) {
                    self.walk(child, wanted, stands, letter);
                    if stands == Stands::First {
                        stands = Stands::Later;
                    }
                }
            }
        }
    }

    /// The last of the best, as a sender puts the best last (RFC 2046 §5.1.4); some put the text behind
    /// the HTML.
    fn alternative(&self, index: usize, wanted: Wanted, stands: Stands, letter: &mut Letter) {
        let best = |first, second| {
            let rank = move |&child: &usize| {
                [PICTURE, second, first].iter().rposition(|kind| self.best[child] & kind != 0)
            };
            self.children(index).filter(|child| rank(child).is_some()).max_by_key(rank)
        };
        let (rich, plain) = (best(HTML, TEXT), best(TEXT, HTML));
        let stands = if stands == Stands::Attached { stands } else { Stands::First };
        for child in self.children(index) {
            let wanted = Wanted {
                rich: wanted.rich && rich == Some(child),
                plain: wanted.plain && plain == Some(child),
            };
            self.walk(child, wanted, stands, letter);
        }
    }

    /// The root is the body (RFC 2387 §3.2); what stands beside it belongs to it if it can refer to it, as
    /// only HTML can.
    fn related(&self, index: usize, wanted: Wanted, stands: Stands, letter: &mut Letter) {
        let start = self.parts[index].start.as_str();
        let is_root = |&child: &usize| !start.is_empty() && self.parts[child].content_id == start;
        let root = self.children(index).find(is_root).or(self.first_child[index]);
        let refers = root.is_some_and(|root| self.best[root] & HTML != 0);
        for child in self.children(index) {
            let stands = match stands {
                Stands::Attached => stands,
                _ if root == Some(child) => stands,
                _ if refers => Stands::Beside,
                _ => Stands::Later,
            };
            self.walk(child, wanted, stands, letter);
        }
    }

    fn leaf(&self, index: usize, wanted: Wanted, stands: Stands, letter: &mut Letter) {
        let part = &self.parts[index];
        let is_related = stands == Stands::Beside && part.is_referred_to();
        if is_related && part.content_type.starts_with("image/") && !part.is_attachment {
            letter.inline_images.push(index);
            return;
        }
        let shows = if is_related || stands == Stands::Attached { NOTHING } else { shows(part) };
        if shows != NOTHING && wanted.rich {
            letter.rich.push(index);
        }
        if shows != NOTHING && wanted.plain {
            letter.plain.push(index);
        }
        let is_read = shows & (TEXT | HTML) != 0 && (wanted.rich || wanted.plain);
        let is_file = !part.file_name.is_empty() && stands != Stands::First;
        let is_left = !wanted.rich && !wanted.plain && stands != Stands::Attached && !is_related;
        if part.is_multipart() {
            // An empty one; a file that has parts is what they are.
        } else if is_left && is_another_form(part) {
            letter.alternatives.push(index);
        } else if is_file || !is_read {
            letter.attachments.push(index);
        }
    }
}

/// How a leaf can be seen.
fn shows(part: &Part) -> Shows {
    match part.content_type.as_str() {
        _ if part.is_attachment => NOTHING,
        "text/plain" => TEXT,
        _ if part.is_html() => HTML,
        _ if part.picture_type().is_some() => PICTURE,
        // Without parts: what stands there is text that lacks its delimiters.
        _ if part.is_multipart() && part.content_length > 0 => TEXT,
        _ => NOTHING,
    }
}

/// True for a form of text that, as the alternative that is not shown, says only what the other says.
fn is_another_form(part: &Part) -> bool {
    let form = part.content_type.as_str();
    !part.is_attachment && (part.is_html() || FORMS.contains(&form))
}

/// Plain text, and the markups of mail programs: AMP and the watch have a form of their own beside HTML.
const FORMS: [&str; 5] =
    ["text/plain", "text/enriched", "text/richtext", "text/x-amp-html", "text/watch-html"];

#[cfg(test)]
mod tests {
    use super::*;

    /// An outline in which each line is a part: indented by its depth, its type, and what else there is to
    /// say of it.
    fn outline(lines: &str) -> Outline {
        let mut parts: Vec<Part> = Vec::new();
        for line in lines.lines().filter(|line| !line.trim().is_empty()) {
            let depth = line.chars().take_while(|&c| c == ' ').count();
            let mut words = line.split_whitespace();
            let content_type = words.next().unwrap_or_default().to_owned();
            let parent = parts.iter().rposition(|part| part.depth < depth);
            let mut part = Part { parent, depth, content_type, ..Part::default() };
            part.content_length = 1;
            for word in words {
                match word.split_once('=') {
                    None => part.is_attachment = word == "attachment",
                    Some(("name", name)) => part.file_name = name.to_owned(),
                    Some(("start", start)) => part.start = start.to_owned(),
                    Some((_, id)) => part.content_id = id.to_owned(),
                }
            }
            parts.push(part);
        }
        Outline { parts }
    }

    /// What is shown as HTML, as text, and attached.
    #[track_caller]
    fn check(lines: &str, rich: &[usize], plain: &[usize], attachments: &[usize]) {
        let outline = outline(lines);
        let letter = outline.letter(None);
        assert_eq!((letter.rich.as_slice(), letter.plain.as_slice()), (rich, plain), "{lines}");
        assert_eq!(letter.attachments, attachments, "{lines}");
        let lists = [letter.rich, letter.plain, letter.attachments, letter.inline_images];
        let all: Vec<_> = lists.into_iter().flatten().chain(letter.alternatives).collect();
        for (index, part) in outline.parts.iter().enumerate() {
            let holds = outline.parts.iter().any(|it| it.parent == Some(index));
            let is_leaf = !holds || part.is_message();
            assert!(
                !is_leaf || outline.is_enclosed(index) || all.contains(&index),
                "{index} is nowhere: {lines}"
            );
        }
    }

    #[test]
    fn a_sequence_is_shown_one_below_the_other() {
        check("text/plain", &[0], &[0], &[]);
        check("multipart/mixed\n text/plain\n image/png\n text/html", &[1, 2, 3], &[1, 2, 3], &[2]);
        check("multipart/mixed\n text/plain\n text/csv\n text/x-patch", &[1], &[1], &[2, 3]);
        check("multipart/digest\n text/plain\n multipart/x\n  text/html", &[1, 3], &[1, 3], &[]);
    }

    #[test]
    fn what_the_sender_calls_an_attachment_is_one() {
        let both = "multipart/mixed\n text/plain name=a.txt\n text/plain name=b.txt";
        check(both, &[1, 2], &[1, 2], &[2]);
        check("multipart/mixed\n text/html attachment\n text/plain", &[2], &[2], &[1]);
        let whole =
            "multipart/mixed\n text/plain\n multipart/mixed attachment\n  text/html\n  image/png";
        check(whole, &[1], &[1], &[3, 4]);
        check("text/plain attachment", &[], &[], &[0]);
    }

    #[test]
    fn the_best_of_each_alternative() {
        check("multipart/alternative\n text/plain\n text/html", &[2], &[1], &[]);
        check("multipart/alternative\n text/html\n text/plain", &[1], &[2], &[]);
        check(
            "multipart/alternative\n text/plain\n text/x-amp-html\n text/html\n text/calendar",
            &[3],
            &[1],
            &[4],
        );
        check(
            "multipart/alternative\n text/plain\n multipart/mixed\n  text/html\n  application/pdf\n  text/html",
            &[3, 5],
            &[1],
            &[4],
        );
        check("multipart/alternative\n text/plain\n image/png", &[1], &[1], &[2]);
        check("multipart/alternative\n text/enriched\n text/calendar", &[1], &[1], &[2]);
        let mixed =
            "multipart/mixed\n multipart/alternative\n  text/plain\n  text/html\n text/plain";
        check(mixed, &[3, 4], &[2, 4], &[]);
    }

    #[test]
    fn the_root_of_what_is_related() {
        check("multipart/related\n text/html name=a.htm\n image/png id=x", &[1], &[1], &[]);
        check("multipart/related\n text/plain\n image/png id=x", &[1, 2], &[1, 2], &[2]);
        check("multipart/related start=r\n text/html id=x\n text/html id=r", &[2], &[2], &[1]);
        check("multipart/related start=gone\n text/html\n text/css id=x", &[1], &[1], &[2]);
        check(
            "multipart/related\n text/html\n image/png\n text/plain",
            &[1, 2, 3],
            &[1, 2, 3],
            &[2],
        );
        check("multipart/related\n text/html\n image/png id=x attachment", &[1], &[1], &[2]);
        let images = outline("multipart/related\n text/html\n image/tiff id=x").letter(None);
        assert_eq!(images.inline_images, [2]);
    }

    #[test]
    fn messages_in_messages() {
        let forward = "multipart/mixed\n text/plain\n message/rfc822\n  multipart/mixed\n   text/html\n   image/png";
        check(forward, &[1], &[1], &[2]);
        let inner = outline(forward).letter(Some(2));
        assert_eq!((inner.rich, inner.attachments), (vec![4, 5], vec![5]));
        // Nothing but a message, or a message in one, is shown as that.
        check("message/rfc822\n message/rfc822\n  text/plain", &[2], &[2], &[0]);
        check("multipart/mixed\n message/rfc822\n  text/html", &[2], &[2], &[1]);
    }

    #[test]
    fn what_has_no_parts() {
        check("multipart/mixed", &[0], &[0], &[]);
        check("multipart/mixed\n text/calendar\n text/csv", &[1], &[1], &[1, 2]);
        check("application/pdf", &[], &[], &[0]);
        assert_eq!(Outline::default().letter(None), Letter::default());
        assert_eq!(outline("text/plain").letter(Some(7)), Letter::default());
    }
}
