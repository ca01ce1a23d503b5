//! What is fed with hostile octets, and what must hold whatever they are.
//!
//! A target is a function that takes octets and panics if a promise is broken. libFuzzer runs them
//! (`fuzz/run.sh`); where there is no nightly compiler, `tests/it/hostile.rs` includes this very file
//! and replays the corpus.

pub mod body;
pub mod command;
pub mod config;
pub mod content;
pub mod html;
pub mod http;
pub mod login;
pub mod mime;
pub mod pop3;
pub mod proxy;
pub mod sasl;
pub mod search;
pub mod session;
pub mod world;
pub mod xclient;

/// What octets are fed to.
pub type Target = fn(&[u8]);

/// Cuts octets into pieces, always the same for the same seed: small ones and large ones.
pub fn pieces(octets: &[u8], seed: u8) -> Vec<&[u8]> {
    let mut state = u64::from(seed) + 1;
    let mut below = |bound: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 33) as usize % bound
    };
    let mut pieces = Vec::new();
    let mut rest = octets;
    while !rest.is_empty() {
        let most = if below(2) == 0 { 4 } else { 200 };
        let (piece, after) = rest.split_at((1 + below(most)).min(rest.len()));
        pieces.push(piece);
        rest = after;
    }
    pieces
}
