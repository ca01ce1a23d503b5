//! All integration tests in one binary: it links once.

// A helper of a test may fail it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod corrupt;
mod dialog;
mod differential;
mod durable;
mod extensions;
mod found;
mod harness;
mod hostile;
mod http;
mod interop;
mod limits;
mod listeners;
mod mime;
#[cfg(feature = "mongodb")]
mod mongo;
mod network;
mod panics;
mod policy;
mod pop3;
mod privileges;
mod property;
mod secrets;
mod settings;
mod store;
mod supply;
mod systemd;
mod tidy;
