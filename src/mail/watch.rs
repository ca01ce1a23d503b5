//! What happens to the mail, told to whoever watches: what is done here, and what other instances do to the
//! same messages.

use smol::future;

use super::Mail;
use crate::{
    bus::{Event, Subscription},
    shutdown::Shutdown,
    store::News,
};

impl Mail {
    /// What happens from event `from` on, or from now on; see [`crate::bus::Bus::subscribe`].
    pub fn watch(&self, from: Option<u64>) -> Subscription {
        self.0.bus.subscribe(from)
    }

    /// The number that the next event will have.
    pub fn next_event(&self) -> u64 {
        self.0.bus.next_number()
    }

    /// Publishes what other instances do, until shutdown begins.
    pub async fn publish_remote(&self, shutdown: Shutdown) {
        let Some(remote) = &self.0.remote else { return shutdown.begun().await };
        let told = async {
            while let Ok(change) = remote.recv().await {
                self.0.bus.publish(match change {
                    News::New(record) => Event::New(record),
                    News::Deleted(ids) => Event::Deleted(ids.into()),
                    News::Changed(ids) => Event::Changed(ids.into()),
                    News::Missed => Event::Reload,
                });
            }
        };
        future::or(shutdown.begun(), told).await;
    }
}
