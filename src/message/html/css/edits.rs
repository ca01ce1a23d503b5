//! What is to be changed in a text, gathered while it is read and done at once.

use std::{borrow::Cow, ops::Range};

/// Places and what is to stand there instead, in order and without overlaps.
#[derive(Default)]
pub(super) struct Edits(Vec<(Range<usize>, Cow<'static, str>)>);

impl Edits {
    /// Puts this in place of what stands there. An edit inside a later one is given up for it.
    pub(super) fn replace(&mut self, place: Range<usize>, with: impl Into<Cow<'static, str>>) {
        while self.0.last().is_some_and(|(last, _)| last.start >= place.start) {
            self.0.pop();
        }
        self.0.push((place, with.into()));
    }

    /// The text with all of it done.
    pub(super) fn done(self, text: &str) -> Cow<'_, str> {
        if self.0.is_empty() {
            return Cow::Borrowed(text);
        }
        let mut out = String::with_capacity(text.len());
        let mut from = 0;
        for (place, with) in self.0 {
            out.push_str(text.get(from..place.start).unwrap_or_default());
            out.push_str(&with);
            from = place.end;
        }
        out.push_str(text.get(from..).unwrap_or_default());
        Cow::Owned(out)
    }
}
