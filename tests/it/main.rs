//! All integration tests in one binary: it links once.

// A test fails by panicking, in its helpers, too.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod dialog;
mod harness;
mod http;
mod interop;
mod mime;
mod settings;
mod store;
mod tidy;
