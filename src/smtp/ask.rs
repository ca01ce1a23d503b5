//! What an SMTP session asks of the world: the other half of its contract, beside `answers`.

use std::time::Duration;

use super::XClient;
use crate::wire::{sasl::Claim, session};

/// A step of an SMTP session.
pub type Step<'a> = session::Step<Ask<'a>>;

/// What only SMTP asks.
#[derive(Debug, PartialEq, Eq)]
pub enum Ask<'a> {
    /// The client is somebody else (XCLIENT): answer with [`Session::adopt`](super::Session::adopt) or [`Session::refuse`](super::Session::refuse).
    Xclient(XClient),
    /// An AUTH exchange needs octets that nobody can guess: answer with [`Session::nonce`](super::Session::nonce) or
    /// [`Session::refuse`](super::Session::refuse).
    Nonce,
    /// SCRAM needs what is kept of this user's password: answer with [`Session::secrets`](super::Session::secrets) or
    /// [`Session::refuse`](super::Session::refuse).
    ScramKeys(String),
    /// Somebody wants to log in: answer with [`Session::login`](super::Session::login) or [`Session::refuse`](super::Session::refuse).
    Login(Claim),
    /// MAIL gave a reverse-path, which [`Session::envelope`](super::Session::envelope) shows: answer with [`Session::accept`](super::Session::accept) or
    /// [`Session::refuse`](super::Session::refuse). Asked only with `ask_policy`.
    Mail,
    /// RCPT gave a forward-path, the last one of [`Session::envelope`](super::Session::envelope): answer with
    /// [`Session::accept`](super::Session::accept) or [`Session::refuse`](super::Session::refuse), which drops it. Asked only with `ask_policy`.
    Rcpt,
    /// The greeting waits so long, without reading. Nothing is to be answered, but if octets of the peer wait
    /// after it, call [`Session::talked_early`](super::Session::talked_early).
    Greeting(Duration),
    /// A message is about to come: answer with [`Session::proceed`](super::Session::proceed) or [`Session::refuse`](super::Session::refuse).
    Begin,
    /// Content of the message, never empty, as it is to be kept.
    Body(&'a [u8]),
    /// The message is complete: take the envelope, keep the message durably, and answer with
    /// [`Session::kept`](super::Session::kept) or [`Session::refuse`](super::Session::refuse).
    End,
    /// The message under way will not be kept: drop what there is of it. Nothing is to be answered.
    Abandon,
}
