//! HTML that was made safe a moment ago. A page tells what was taken out of a message, and then its frame
//! shows the rest: what the one made, the other finds here.
//!
//! A message never changes, but links to its pictures do (`signed_urls`), so nothing is kept for long. Whose it is
//! says the scan that it was made from: it is of one message in one store, and once nobody keeps it, nothing
//! that was made of it is found any more.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::{Duration, Instant},
};

use super::render_params::RenderParams;
use crate::message::{
    Scanned, Tracker,
    html::{Sanitised, Scheme},
};

/// HTML ready to be shown, and what is to be said about it.
#[derive(Clone)]
pub(super) struct Rendered {
    pub(super) sanitised: Sanitised,
    pub(super) trackers: Vec<Tracker>,
    /// There was more of it than we show.
    pub(super) is_cut: bool,
}

/// What was made lately, the latest first.
#[derive(Default)]
pub(super) struct Kept(Mutex<VecDeque<Entry>>);

/// What HTML was made from.
#[derive(Clone)]
pub(super) struct Source {
    scanned: Weak<Scanned>,
    number: usize,
    remote: bool,
    scheme: Scheme,
}

struct Entry {
    source: Source,
    rendered: Rendered,
    until: Instant,
}

impl Source {
    /// A part of this message, and how it is to be shown.
    pub(super) fn new(scanned: &Arc<Scanned>, number: usize, look: &RenderParams) -> Self {
        let RenderParams { remote, scheme, .. } = *look;
        Self { scanned: Arc::downgrade(scanned), number, remote, scheme }
    }

    fn is(&self, other: &Self) -> bool {
        self.scanned.ptr_eq(&other.scanned)
            && (self.number, self.remote, self.scheme) == (other.number, other.remote, other.scheme)
    }
}

impl Kept {
    /// What was made of this, if that is not long ago.
    pub(super) fn find(&self, source: &Source, now: Instant) -> Option<Rendered> {
        let entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = entries.iter().find(|entry| entry.source.is(source) && now < entry.until)?;
        Some(found.rendered.clone())
    }

    /// Keeps what was made. The oldest go, and those that nobody will find.
    pub(super) fn keep(&self, source: Source, rendered: &Rendered, now: Instant) {
        if rendered.octets() > MOST_KEPT {
            return;
        }
        let entry = Entry { source, rendered: rendered.clone(), until: now + KEPT_FOR };
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        entries.retain(|known| {
            now < known.until
                && known.source.scanned.strong_count() > 0
                && !known.source.is(&entry.source)
        });
        entries.push_front(entry);
        let mut octets = 0;
        let few = entries.iter().take_while(|entry| {
            octets += entry.rendered.octets();
            octets <= MOST_KEPT
        });
        let few = few.count();
        entries.truncate(few);
    }
}

impl Rendered {
    /// How much of memory it takes, nearly.
    fn octets(&self) -> usize {
        let trackers = self.trackers.iter().map(|it| it.url.len() + it.host.len() + 64);
        let hosts = self.sanitised.blocked_hosts.iter().map(|host| host.len() + 64);
        let texts = [&self.sanitised.root, &self.sanitised.head, &self.sanitised.body];
        let texts = texts.into_iter().map(String::len).sum::<usize>() + self.sanitised.html.len();
        texts + trackers.chain(hosts).sum::<usize>()
    }
}

/// A browser asks for the frame as soon as it has the page.
const KEPT_FOR: Duration = Duration::from_secs(20);

/// Octets kept at most: some dozens of mails, or one or two of the largest that are shown.
const MOST_KEPT: usize = 8 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Scanner, html::Sanitised};

    fn scan() -> Arc<Scanned> {
        Arc::new(Scanner::new(0).finish())
    }

    fn rendered(html: &str) -> Rendered {
        let sanitised = Sanitised { html: html.to_owned(), ..Sanitised::default() };
        Rendered { sanitised, trackers: Vec::new(), is_cut: false }
    }

    fn look(remote: bool, scheme: Scheme) -> RenderParams {
        RenderParams { remote, scheme, width: None }
    }

    #[test]
    fn what_is_shown_otherwise_is_something_else() {
        let (kept, now, scanned) = (Kept::default(), Instant::now(), scan());
        let light = look(false, Scheme::Light);
        kept.keep(Source::new(&scanned, 1, &light), &rendered("a"), now);
        let find = |scanned: &Arc<Scanned>, number, look: &RenderParams| {
            let found = kept.find(&Source::new(scanned, number, look), now);
            found.map(|found| found.sanitised.html)
        };
        let wide = RenderParams { width: Some("768"), ..light.clone() };
        assert_eq!(find(&scanned, 1, &wide).as_deref(), Some("a"));
        assert_eq!(find(&scanned, 2, &light), None);
        assert_eq!(find(&scan(), 1, &light), None);
        assert_eq!(find(&scanned, 1, &look(true, Scheme::Light)), None);
        assert_eq!(find(&scanned, 1, &look(false, Scheme::Dark)), None);
        kept.keep(Source::new(&scanned, 1, &light), &rendered("b"), now);
        assert_eq!(find(&scanned, 1, &light).as_deref(), Some("b"));
        assert_eq!(kept.0.lock().unwrap().len(), 1);
    }

    #[test]
    fn nothing_is_kept_for_long() {
        let (kept, now, scanned) = (Kept::default(), Instant::now(), scan());
        let source = Source::new(&scanned, 0, &RenderParams::default());
        kept.keep(source.clone(), &rendered("a"), now);
        assert!(kept.find(&source, now + KEPT_FOR / 2).is_some());
        assert!(kept.find(&source, now + KEPT_FOR).is_none());
        kept.keep(
            Source::new(&scanned, 1, &RenderParams::default()),
            &rendered("b"),
            now + KEPT_FOR,
        );
        assert_eq!(kept.0.lock().unwrap().len(), 1);
        drop(scanned);
        kept.keep(
            Source::new(&scan(), 0, &RenderParams::default()),
            &rendered("c"),
            now + KEPT_FOR,
        );
        assert_eq!(kept.0.lock().unwrap().len(), 1);
    }

    #[test]
    fn little_is_kept() {
        let (kept, now, scanned) = (Kept::default(), Instant::now(), scan());
        let large = rendered(&"x".repeat(MOST_KEPT / 3));
        for number in 0..9 {
            kept.keep(Source::new(&scanned, number, &RenderParams::default()), &large, now);
        }
        let find =
            |number| kept.find(&Source::new(&scanned, number, &RenderParams::default()), now);
        assert!(find(8).is_some() && find(6).is_some() && find(5).is_none());
        let larger = rendered(&"x".repeat(MOST_KEPT + 1));
        kept.keep(Source::new(&scanned, 9, &RenderParams::default()), &larger, now);
        assert!(find(9).is_none() && find(8).is_some());
    }
}
