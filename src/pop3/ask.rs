//! What a POP3 session asks of the world: the other half of its contract, beside `answers`.

use crate::{
    id::MessageId,
    wire::{sasl::Claim, session},
};

/// A step of a POP3 session.
pub type Step = session::Step<Ask>;

/// What only POP3 asks. Each may be answered with [`Session::refuse`](super::Session::refuse) as well.
#[derive(Debug, PartialEq, Eq)]
pub enum Ask {
    /// An AUTH exchange needs octets that nobody can guess: answer with
    /// [`Session::nonce`](super::Session::nonce).
    Nonce,
    /// SCRAM needs what is kept of this user's password: answer with
    /// [`Session::scram_keys`](super::Session::scram_keys).
    ScramKeys(String),
    /// Somebody wants to log in: answer with [`Session::login`](super::Session::login).
    Login(Claim),
    /// This user has logged in: answer with [`Session::open`](super::Session::open), oldest message first.
    Open(String),
    /// A message is to be sent: answer with [`Session::begin_message`](super::Session::begin_message), then
    /// [`Session::content`](super::Session::content) as often as there is some, and
    /// [`Session::end_message`](super::Session::end_message); write the output in between.
    Retrieve(MessageId),
    /// The client has ended the session: these are to go. Answer with
    /// [`Session::deleted`](super::Session::deleted) once they durably have.
    Delete(Vec<MessageId>),
}
