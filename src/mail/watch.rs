//! What happens to the mail, told to whoever watches: what is done here, and what other instances do to the
//! same messages.

use smol::future;

use super::{Mail, Scope};
use crate::{
    bus::{Event, Heard, Subscription, What},
    id::MessageId,
    shutdown::Shutdown,
    store::{Error, RemoteChange},
};

/// A reader of events at its own pace, that hears of the messages of its scope only.
pub struct Watch {
    mail: Mail,
    scope: Scope,
    events: Subscription,
    /// What was heard and is not told yet: whoever stops waiting for it on the way loses nothing.
    heard: Option<Heard>,
}

impl Mail {
    /// What happens from event `from` on, or from now on; see [`crate::bus::Bus::subscribe`].
    pub fn watch(&self, scope: &Scope, from: Option<u64>) -> Watch {
        let events = self.0.bus.subscribe(from);
        Watch { mail: self.clone(), scope: scope.clone(), events, heard: None }
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
                    RemoteChange::New(record) => Event::New(record),
                    RemoteChange::Deleted(ids) => Event::Deleted { ids: ids.into() },
                    RemoteChange::Changed(ids) => {
                        Event::Changed { ids: ids.into(), what: What::Unknown }
                    }
                    RemoteChange::Missed => Event::Reload,
                });
            }
        };
        future::or(shutdown.begun(), told).await;
    }
}

impl Watch {
    /// Waits for what comes next, at most `most` events at a time. In a mailbox it is one, so that the numbers of
    /// what is told together follow each other without a gap.
    pub async fn next(&mut self, most: usize) -> Heard {
        if self.scope == Scope::All {
            return self.events.next(most).await;
        }
        loop {
            let heard = match &self.heard {
                Some(heard) => heard.clone(),
                None => self.heard.insert(self.events.next(1).await).clone(),
            };
            let told = match heard {
                Heard::Missed(next) => Some(Heard::Missed(next)),
                Heard::Events(number, events) => {
                    let event = self.visible(events).await;
                    event.map(|event| Heard::Events(number, vec![event]))
                }
            };
            self.heard = None;
            if let Some(told) = told {
                return told;
            }
        }
    }

    /// What the scope may be told of an event. What left it is deleted to it. What is gone can be looked up
    /// nowhere, and an id that nobody knows says nothing.
    async fn visible(&self, events: Vec<Event>) -> Option<Event> {
        match events.into_iter().next()? {
            Event::New(record) => self.scope.contains(&record).then_some(Event::New(record)),
            Event::Changed { ids, what: What::Left(left) }
                if self.scope == Scope::Mailbox(left.clone()) =>
            {
                Some(Event::Deleted { ids })
            }
            Event::Changed { ids, what } => match self.changed(&ids, what).await {
                Ok(told) => told,
                // A store that fails now may answer when everybody looks again.
                Err(_) => Some(Event::Reload),
            },
            event => Some(event),
        }
    }

    async fn changed(&self, ids: &[MessageId], what: What) -> Result<Option<Event>, Error> {
        let known = self.mail.known(&self.scope, ids).await?;
        if !known.is_empty() {
            return Ok(Some(Event::Changed { ids: known.into(), what }));
        }
        if what != What::Unknown {
            return Ok(None);
        }
        let left = self.mail.left(&self.scope, ids).await?;
        Ok((!left.is_empty()).then(|| Event::Deleted { ids: left.into() }))
    }
}
