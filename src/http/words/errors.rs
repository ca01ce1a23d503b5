//! The words of refusals and failures, as a page and as a line of text. What only programs read (of
//! tokens, websockets, nginx and JSON) stands where it is said.

use axum::http::StatusCode;

use super::Sentence;

/// See `error::Error` and the template `error.html`.
pub(in crate::http) struct Words {
    /// The heading over all of them.
    pub(in crate::http) title: fn(StatusCode) -> &'static str,
    pub(in crate::http) no_message: &'static str,
    pub(in crate::http) no_page: &'static str,
    pub(in crate::http) wrong_method: &'static str,
    pub(in crate::http) failed: &'static str,
    pub(in crate::http) store_full: &'static str,
    pub(in crate::http) store_silent: &'static str,
    pub(in crate::http) store_damaged: &'static str,
    pub(in crate::http) closing: &'static str,
    pub(in crate::http) bad_form: &'static str,
    pub(in crate::http) no_id: &'static str,
    pub(in crate::http) too_long: Sentence,
    pub(in crate::http) ended_early: &'static str,
    pub(in crate::http) too_slow: &'static str,
    pub(in crate::http) tag_too_long: &'static str,
    pub(in crate::http) tag_nameless: &'static str,
    pub(in crate::http) too_many_tags: Sentence,
    pub(in crate::http) zip_too_large: &'static str,
    pub(in crate::http) foreign_page: &'static str,
    pub(in crate::http) foreign_host: Sentence,
    pub(in crate::http) only_https: &'static str,
}

pub(super) const ENGLISH: Words = Words {
    title: |status| match status.as_u16() {
        401 | 403 => "Not allowed",
        404 => "Not found",
        405 => "Not possible here",
        421 => "Wrong address",
        400..=499 => "This does not work",
        503 => "Not available",
        _ => "Something failed",
    },
    no_message: "There is no such message. It may have been deleted.",
    no_page: "There is nothing at this address.",
    wrong_method: "This address does not take that method.",
    failed: "Something failed on our side. The log says what.",
    store_full: "The store has no space left.",
    store_silent: "The store does not answer. Please try again; the log says more.",
    store_damaged: "This message is damaged on the disk. `smtpd check` says what is wrong, and `smtpd repair` saves what can be saved.",
    closing: "The server is shutting down.",
    bad_form: "The form cannot be read.",
    no_id: "The address or the form names no message.",
    too_long: Sentence("The request is longer than {}."),
    ended_early: "The request ended early.",
    too_slow: "The request took too long.",
    tag_too_long: "The name of the tag is too long.",
    tag_nameless: "The tag has no name.",
    too_many_tags: Sentence("There are {} tags already."),
    zip_too_large: "The attachments are too large for one archive; each can be had alone.",
    foreign_page: "This request came from another site's page, so it is refused.",
    foreign_host: Sentence(
        "{} is not a name of this server. If it should be, add it to public_hosts under [http] in the configuration.",
    ),
    only_https: "This address speaks https. Use https:// in place of http://.",
};
