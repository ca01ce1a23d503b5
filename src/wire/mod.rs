//! PURE: what the mail protocols share.

pub mod sasl;
