//! What there is: single messages, lists and totals, as the store has them.

use std::sync::Arc;

use super::Mail;
use crate::{
    id::MessageId,
    store::{Counts, Error, Mailbox, Page, Query, Raw, Record},
};

impl Mail {
    /// One message, without its body.
    pub async fn get(&self, id: MessageId) -> Result<Option<Record>, Error> {
        self.0.store.get(id).await
    }

    /// The octets of one message, exactly as received.
    pub async fn raw(&self, id: MessageId) -> Result<Option<Arc<Raw>>, Error> {
        Ok(self.0.store.raw(id).await?.map(Arc::new))
    }

    /// A page of messages, newest first.
    pub async fn list(&self, query: Query) -> Result<Page, Error> {
        self.0.store.list(query).await
    }

    /// Totals.
    pub async fn counts(&self) -> Result<Counts, Error> {
        self.0.store.counts().await
    }

    /// Mailboxes that have messages, sorted by name, those after `after` if given, at most `limit`.
    pub async fn mailboxes(
        &self,
        after: Option<String>,
        limit: usize,
    ) -> Result<Vec<Mailbox>, Error> {
        self.0.store.mailboxes(after, limit).await
    }

    /// Tags in use, sorted by name.
    pub async fn tags(&self) -> Result<Vec<Mailbox>, Error> {
        self.0.store.tags().await
    }
}
