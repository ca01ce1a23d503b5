//! The words of the frame around every page, of the list and of the search.

use serde::Serialize;

use super::{Plural, Sentence};

/// See the templates `base.html`, `list.html`, `row.html`, `confirm.html` and `error.html`.
pub(in crate::http) struct Words {
    pub(in crate::http) all_mail: &'static str,
    pub(in crate::http) mark_all_read: &'static str,
    pub(in crate::http) skip: &'static str,
    pub(in crate::http) search_mail: &'static str,
    pub(in crate::http) searched: Sentence,
    pub(in crate::http) messages: Plural,
    pub(in crate::http) unread: Plural,
}

/// See the scripts in `static/`.
#[derive(Serialize)]
pub(in crate::http) struct Scripts {
    pub(in crate::http) connecting: &'static str,
    pub(in crate::http) connected: &'static str,
    pub(in crate::http) reconnecting: &'static str,
    pub(in crate::http) offline: &'static str,
    pub(in crate::http) no_subject: &'static str,
    pub(in crate::http) unread: &'static str,
    pub(in crate::http) counts: Counts,
}

/// Totals that change while they are shown.
#[derive(Serialize)]
pub(in crate::http) struct Counts {
    pub(in crate::http) messages: Plural,
    pub(in crate::http) unread: Plural,
}

pub(super) const ENGLISH: Words = Words {
    all_mail: "All mail",
    mark_all_read: "Mark all read",
    skip: "Skip to content",
    search_mail: "Search mail",
    searched: Sentence("Search: {}"),
    messages: MESSAGES,
    unread: UNREAD,
};

pub(super) const ENGLISH_SCRIPTS: Scripts = Scripts {
    connecting: "Connecting",
    connected: "Live",
    reconnecting: "Reconnecting",
    offline: "Offline",
    no_subject: "(no subject)",
    unread: "unread",
    counts: Counts { messages: MESSAGES, unread: UNREAD },
};

const MESSAGES: Plural = Plural { one: "{} message", other: "{} messages" };

const UNREAD: Plural = Plural { one: "{} unread", other: "{} unread" };
