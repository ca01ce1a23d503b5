//! PURE: the server's half of SMTP (RFC 5321). No socket, no file, no clock.
//!
//! [`Session`] takes bytes and time, writes replies into its output and says in a [`Step`] what it
//! wants of the world. It speaks:
//!
//! - PIPELINING (RFC 2920), SIZE (RFC 1870), 8BITMIME (RFC 6152), SMTPUTF8 (RFC 6531),
//!   ENHANCEDSTATUSCODES (RFC 2034, RFC 3463), LIMITS (RFC 9422),
//! - STARTTLS (RFC 3207), REQUIRETLS (RFC 8689), AUTH (RFC 4954) with the mechanisms of `wire::sasl`,
//! - CHUNKING and BINARYMIME (RFC 3030), DSN (RFC 3461),
//! - MT-PRIORITY (RFC 6710), DELIVERBY (RFC 2852), FUTURERELEASE (RFC 4865),
//! - LMTP (RFC 2033) and Postfix's XCLIENT.
//!
//! docs/smtp.md says what each does here, and what is left out on purpose.

mod answers;
mod ask;
mod authenticate;
mod capabilities;
mod command;
mod commands;
mod content;
mod data;
mod log;
mod options;
mod parameters;
mod reply;
mod session;
mod state;
mod xclient;

pub use ask::{Ask, Step};
pub use command::Verb;
pub use log::{Log, Refusal};
pub use options::{AuthMode, Extensions, MayName, Options, Peer, Strictness};
pub use reply::Reply;
pub use session::Session;
pub use xclient::XClient;

pub use crate::wire::session::StartTls;
