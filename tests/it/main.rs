//! All integration tests in one binary: it links once.

// A helper of a test may fail it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod dialog;
mod doors;
mod extensions;
mod harness;
mod http;
mod interop;
mod mime;
#[cfg(feature = "mongodb")]
mod mongo;
mod policy;
mod settings;
mod store;
mod tidy;
