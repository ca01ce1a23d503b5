//! The web doors over real sockets.

mod shelf;
