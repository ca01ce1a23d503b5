//! All integration tests in one binary: it links once.

mod dialog;
mod doors;
mod harness;
mod http;
mod interop;
mod mime;
mod policy;
mod settings;
mod store;
mod tidy;
