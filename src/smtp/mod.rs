//! PURE: the server's half of SMTP (RFC 5321). No socket, no file, no clock.
//!
//! [`Session`] takes bytes and time, writes replies into its output and says in a [`Step`] what it
//! wants of the world. It speaks:
//!
//! - PIPELINING (RFC 2920), SIZE (RFC 1870), 8BITMIME (RFC 6152), SMTPUTF8 (RFC 6531),
//! - ENHANCEDSTATUSCODES (RFC 2034, RFC 3463), AUTH (RFC 4954) with PLAIN and LOGIN.
//!
//! It does not speak STARTTLS, CHUNKING or DSN, and does not offer them.

mod command;
mod data;
mod log;
mod obey;
mod options;
mod parameters;
mod reply;
mod session;
mod xclient;

pub use command::Verb;
pub use log::{Log, Refusal};
pub use options::{AuthMode, Options, Peer, StartTls};
pub use reply::Reply;
pub use session::{Session, Step, Verdict};
pub use xclient::XClient;
