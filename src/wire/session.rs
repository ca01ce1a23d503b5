//! A conversation as a machine without I/O: what every protocol's session is to the driver that moves its
//! octets (`net::drive`).
//!
//! Octets and the time go in, steps and replies come out. What only one protocol wants of the world is its
//! [`Session::Ask`], which the front end answers by a method of the session.

use std::time::{Duration, Instant};

use super::Tls;

/// The server's side of one connection.
pub trait Session {
    /// What only this protocol asks of the world.
    type Ask<'a>;

    /// Takes what it can of the input, advances `input` past that, and says what it wants next.
    ///
    /// Call it again with the rest of the input after every step but [`Step::Read`] and
    /// [`Step::Close`]. The peer's time to be silent begins anew with each call.
    fn step<'a>(&mut self, input: &mut &'a [u8], now: Instant) -> Step<Self::Ask<'a>>;

    /// Replies that were not written yet. Write and clear them when a step is [`Step::Read`],
    /// [`Step::Flush`] or [`Step::Close`], and before anything that takes long. Taking the vector away leaves
    /// an idle session without heap memory for it.
    fn output(&mut self) -> &mut Vec<u8>;

    /// When to call [`Self::expire`], unless a step is waiting for its answer.
    fn deadline(&self) -> Instant;

    /// The deadline has passed: the session says so, and then [`Step::Close`]. Does nothing before the
    /// deadline.
    fn expire(&mut self, now: Instant);

    /// The server ends: the session closes instead of taking the next command. What is under way and was
    /// promised is finished first. Call [`Self::step`] afterwards, even without input.
    fn shut_down(&mut self);

    /// Answers [`Step::StartTls`]: the handshake is done. Everything learnt before is forgotten
    /// (RFC 3207 §4.2, RFC 2595 §4).
    fn tls_started(&mut self, tls: Tls);
}

/// Whether TLS may or must be begun in the conversation (RFC 3207, RFC 2595 §4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StartTls {
    /// It cannot.
    #[default]
    Off,
    /// It may.
    Offered,
    /// Nothing that matters can be done before.
    Required,
}

/// So much later; a wait that no clock can show is ten years.
pub fn later(from: Instant, wait: Duration) -> Instant {
    const TEN_YEARS: Duration = Duration::from_secs(10 * 365 * 24 * 3600);
    from.checked_add(wait).unwrap_or_else(|| from + TEN_YEARS)
}

/// What a session wants of the world.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub enum Step<A> {
    /// All input is consumed: write the output, read more.
    Read,
    /// There are many replies: write the output before going on. Nothing is to be answered. Whoever
    /// says much and reads nothing has to wait here, instead of filling our memory with replies.
    Flush,
    /// Wait so long, without reading, before the output is written. Nothing is to be answered.
    Pause(Duration),
    /// The last reply in the output says that TLS may begin: write it, do the handshake, and answer with
    /// [`Session::tls_started`]. There is no input behind the command, or the session would have ended.
    StartTls,
    /// Write the output, then close.
    Close,
    /// What only this protocol wants. A question that was not answered when [`Session::step`] is called next
    /// is answered with a failure there.
    Ask(A),
}
