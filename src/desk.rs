//! What people do with stored messages: mark, tag, delete. The store first, then everybody is told.

use std::sync::Arc;

use crate::{
    bus::{Bus, Event},
    store::{Change, Error, Keep, Selection, Store},
};

/// Changes stored messages and publishes what changed.
#[derive(Clone)]
pub struct Desk {
    store: Arc<dyn Store>,
    bus: Arc<Bus>,
}

impl Desk {
    /// A desk before this store.
    pub fn new(store: Arc<dyn Store>, bus: Arc<Bus>) -> Self {
        Self { store, bus }
    }

    /// Marks or tags; returns how many messages changed.
    pub async fn change(&self, which: Selection, change: Change) -> Result<usize, Error> {
        let changed = self.store.change(which, change).await?;
        match changed.len() {
            0 => {}
            1..=EVENT_IDS => self.bus.publish(Event::Changed(changed.as_slice().into())),
            _ => self.bus.publish(Event::Reload),
        }
        Ok(changed.len())
    }

    /// Deletes; returns how many messages are gone.
    pub async fn delete(&self, which: Selection) -> Result<u64, Error> {
        let event = match &which {
            Selection::Ids(ids) if ids.len() <= EVENT_IDS => Event::Deleted(ids.as_slice().into()),
            _ => Event::Reload,
        };
        let deleted = self.store.delete(which).await?;
        if deleted > 0 {
            self.bus.publish(event);
        }
        Ok(deleted)
    }

    /// Deletes what retention does not keep; returns how many messages are gone.
    pub async fn prune(&self, keep: Keep) -> Result<u64, Error> {
        let deleted = self.store.prune(keep).await?;
        if deleted > 0 {
            self.bus.publish(Event::Reload);
        }
        Ok(deleted)
    }
}

/// Up to so many ids are told one by one; above that, everybody looks again.
const EVENT_IDS: usize = 200;
