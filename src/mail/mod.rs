//! The one service that every front end calls: it takes mail in, reads it, changes it, and tells what
//! happened to it.
//!
//! A front end turns a conversation into these calls and has no store beside them. So the order of the
//! store and the event, who may see what ([`Scope`]), and the bounds of reading stand once.

mod edit;
mod error;
mod intake;
pub mod json;
mod lookup;
mod octets;
mod pieces;
mod reader;
mod scans;
mod scope;
#[cfg(test)]
mod tests;
mod watch;

use std::sync::Arc;

use smol::channel::Receiver;

use self::scans::ScanCache;
pub use self::{
    error::Error,
    intake::Incoming,
    octets::{CHUNK, spawn_bounded},
    pieces::Pieces,
    reader::{Excerpt, LoadedMessage, MOST_SHOWN},
    scope::Scope,
    watch::Watch,
};
use crate::{
    bus::Bus,
    store::{RemoteChange, Store},
};

/// The mail of this house. Cheap to clone.
#[derive(Clone)]
pub struct Mail(Arc<Inner>);

struct Inner {
    store: Arc<dyn Store>,
    bus: Arc<Bus>,
    scans: ScanCache,
    /// What other instances do to the same messages; most stores have no others.
    remote: Option<Receiver<RemoteChange>>,
}

impl Mail {
    /// The service before this store; what happens is told on this bus. One for each store.
    pub fn new(store: Arc<dyn Store>, bus: Arc<Bus>) -> Self {
        let remote = store.remote_changes();
        Self(Arc::new(Inner { store, bus, scans: ScanCache::default(), remote }))
    }
}
