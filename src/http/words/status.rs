//! The words of the status page.

/// See the templates `status.html` and `refusals.html`, and `base.html` for the way there.
pub(in crate::http) struct Words {
    pub(in crate::http) places: &'static str,
    pub(in crate::http) title: &'static str,
}

pub(super) const ENGLISH: Words = Words { places: "This server", title: "Status" };
