//! PURE: the server's half of POP3 (RFC 1939). No socket, no file, no clock.
//!
//! [`Session`] takes octets and time, writes replies into its output and says in a [`Step`] what it wants of
//! the world. It speaks:
//!
//! - USER and PASS, APOP (RFC 1939 §7), AUTH (RFC 5034) with the mechanisms of `wire::sasl`,
//! - STLS (RFC 2595), CAPA and PIPELINING (RFC 2449), response codes (RFC 2449, RFC 3206),
//! - UIDL and TOP, UTF8 and LANG (RFC 6856).
//!
//! The maildrop is what it was at the login: numbers stay, whatever others do meanwhile, and nothing is
//! locked. docs/pop3.md says what each command does here.

mod answers;
mod ask;
mod authorize;
mod command;
mod content;
mod maildrop;
mod options;
mod reply;
mod session;

pub use ask::{Ask, Step};
pub use content::sent_size;
pub use maildrop::{Entry, Maildrop};
pub use options::Options;
pub use reply::Failure;
pub use session::{Session, Stats};
