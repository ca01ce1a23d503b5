//! PURE: what the mail protocols share.

pub mod address;
pub mod line;
pub mod network;
pub mod proxy;
pub mod sasl;
