//! smtpd catches mail: it takes messages by SMTP at the speed of the disk, never loses one it said
//! 250 to, and shows them live.
//!
//! ```text
//!  peer ──bytes──► net::conn ──► smtp::Session ──ask──► smtp_server ──►  mail  ──► store (commit, then 250)
//!    ▲                │  ▲            │ (pure)                              │  │  ▲
//!    └────bytes───────┘  └──reply─────┘                  message::Scanner ◄─┘  │  └── read, change ── http ◄─► browser
//!                                                        (pure, never fails)   └──► bus ──► watch ──► http::live ──► browser
//! ```
//!
//! A message only moves to the right; nothing on the left knows what is to its right.
//! ARCHITECTURE.md says which module may use which, and the `tidy` test holds it.

// Words that anyone may use.
pub mod clients;
pub mod id;
pub mod metrics;
pub mod panics;
pub mod refusals;
pub mod reload;
pub mod seconds;
pub mod secret;
pub mod shutdown;
pub mod wire;

// Sockets with TLS: know no protocol.
pub mod net;

// Pure protocol: no I/O, no clock.
pub mod message;
pub mod pop3;
pub mod smtp;

// Rooms: each alone.
pub mod auth;
pub mod bus;
pub mod limits;
pub mod log;
pub mod notify;
pub mod policy;
pub mod process;
pub mod store;

// Flow: call rooms in order.
pub mod frontend;
pub mod mail;
pub mod migrate;
pub mod retention;

// Front ends: turn conversations into calls.
pub mod http;
pub mod pop3_server;
pub mod smtp_server;

// The assembly.
pub mod config;
pub mod server;

/// The version, with the git description of the commit it was built from.
pub const VERSION: &str = env!("GIT_VERSION");
