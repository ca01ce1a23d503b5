//! PURE: what the mail protocols share.

pub mod address;
mod envelope;
pub mod line;
pub mod network;
pub mod proxy;
pub mod sasl;
pub mod session;

pub use envelope::{Envelope, ForwardPath, Parameter, Tls};
