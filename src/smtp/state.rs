//! What a session remembers between two commands: where it stands, who is there, what was said.

use super::{
    Reply, XClient,
    data::{LineEnds, Unstuffer},
};
use crate::wire::{Envelope, sasl::Exchange};

/// What may happen next.
#[derive(Debug)]
pub(super) enum State {
    /// A command.
    Command,
    /// The client's next line of an AUTH exchange.
    Auth(Exchange),
    /// [`Step::StartTls`](super::Step::StartTls) waits for its answer.
    StartTls,
    /// [`Ask::Xclient`](super::Ask::Xclient) waits for its answer.
    Xclient(Box<XClient>),
    /// [`Ask::Nonce`](super::Ask::Nonce) is to be asked.
    NeedsNonce(Exchange),
    /// [`Ask::Nonce`](super::Ask::Nonce) waits for its answer.
    Nonce(Exchange),
    /// [`Ask::ScramKeys`](super::Ask::ScramKeys) waits for its answer.
    ScramKeys(Exchange),
    /// [`Ask::Login`](super::Ask::Login) waits for its answer.
    Login { user: String, is_token: bool },
    /// [`Ask::Mail`](super::Ask::Mail) waits for its answer.
    Mail,
    /// [`Ask::Rcpt`](super::Ask::Rcpt) waits for its answer.
    Rcpt,
    /// [`Ask::Begin`](super::Ask::Begin) waits for its answer, after DATA or after BDAT.
    Begin(Option<Chunk>),
    /// Content up to CRLF.CRLF.
    Body(Body),
    /// So many octets of content.
    Chunk(Chunk),
    /// So many octets that are dropped, and then this answer, so often.
    Discard { left: u64, answer: Box<(Reply, usize)> },
    /// [`Ask::End`](super::Ask::End) waits for its answer, which is to be said so often.
    End { answers: usize },
    /// Nothing.
    Closed,
}

/// Why the world is asked to wait.
#[derive(Clone, Copy, Debug)]
pub(super) enum Pause {
    Greeting,
    Error,
}

/// Who said HELO, EHLO or LHLO.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) helo: String,
    pub(super) esmtp: bool,
}

/// What was said since MAIL.
#[derive(Debug, Default)]
pub(super) struct Transaction {
    pub(super) envelope: Envelope,
    /// At least one RCPT was refused.
    pub(super) recipients_refused: bool,
    /// BDAT was said: the message so far.
    pub(super) chunks: Option<Content>,
}

impl Transaction {
    /// Whether MAIL had this parameter, with this value in any case.
    pub(super) fn has(&self, keyword: &str, value: Option<&str>) -> bool {
        self.envelope.parameters.iter().any(|it| {
            it.keyword == keyword
                && match (it.value.as_deref(), value) {
                    (Some(one), Some(other)) => one.eq_ignore_ascii_case(other),
                    (one, other) => one == other,
                }
        })
    }

    pub(super) fn is_binary(&self) -> bool {
        self.has("BODY", Some("BINARYMIME"))
    }
}

/// A message under way.
#[derive(Debug, Default)]
pub(super) struct Content {
    pub(super) size: u64,
    pub(super) line_ends: LineEnds,
}

/// A body after DATA.
#[derive(Debug, Default)]
pub(super) struct Body {
    pub(super) unstuffer: Unstuffer,
    pub(super) content: Content,
    /// It is only read to its end, to be refused there.
    pub(super) abandoned: bool,
}

/// A chunk after BDAT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Chunk {
    /// Octets to come.
    pub(super) left: u64,
    /// Octets in all.
    pub(super) size: u64,
    /// The last of the message.
    pub(super) last: bool,
}
