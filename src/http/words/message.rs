//! The words of the page of a message.

/// See the template `article.html`.
pub(in crate::http) struct Words {
    pub(in crate::http) no_subject: &'static str,
}

pub(super) const ENGLISH: Words = Words { no_subject: "(no subject)" };
