//! What there is in a scope: single messages, lists and totals.

use std::sync::Arc;

use super::{Mail, Scope};
use crate::{
    id::MessageId,
    message::search::{self, Term, Test},
    store::{Counts, Error, Mailbox, Page, Query, Raw, Record},
};

impl Mail {
    /// One message, without its body.
    pub async fn get(&self, scope: &Scope, id: MessageId) -> Result<Option<Record>, Error> {
        Ok(self.0.store.get(id).await?.filter(|record| scope.contains(record)))
    }

    /// Those of these messages that there are, in this order.
    pub async fn get_all(&self, scope: &Scope, ids: Vec<MessageId>) -> Result<Vec<Record>, Error> {
        let mut records = self.0.store.get_all(ids).await?;
        records.retain(|record| scope.contains(record));
        Ok(records)
    }

    /// The octets of one message, exactly as received.
    pub async fn raw(&self, scope: &Scope, id: MessageId) -> Result<Option<Arc<Raw>>, Error> {
        if *scope != Scope::All && self.get(scope, id).await?.is_none() {
            return Ok(None);
        }
        Ok(self.0.store.raw(id).await?.map(Arc::new))
    }

    /// A page of messages, newest first.
    pub async fn list(&self, scope: &Scope, query: Query) -> Result<Page, Error> {
        match scope.narrow_query(query) {
            Some(query) => self.0.store.list(query).await,
            None => Ok(Page { records: Vec::new(), more: false }),
        }
    }

    /// How many messages a list would have.
    pub async fn count(&self, scope: &Scope, query: Query) -> Result<u64, Error> {
        match scope.narrow_query(query) {
            Some(query) => self.0.store.count(query).await,
            None => Ok(0),
        }
    }

    /// Totals. Of a mailbox there are those of its messages; what it takes in octets nobody counts, and what is
    /// said of the store as a whole is not for it: these are 0.
    pub async fn counts(&self, scope: &Scope) -> Result<Counts, Error> {
        let Scope::Mailbox(mailbox) = scope else { return self.0.store.counts().await };
        let mailbox = self.mailbox(scope, mailbox).await?;
        Ok(mailbox.map_or_else(Counts::default, |Mailbox { messages, unread, .. }| Counts {
            messages,
            unread,
            ..Counts::default()
        }))
    }

    /// Mailboxes that have messages, sorted by name, those after `after` if given, at most `limit`.
    pub async fn mailboxes(
        &self,
        scope: &Scope,
        after: Option<String>,
        limit: usize,
    ) -> Result<Vec<Mailbox>, Error> {
        let Scope::Mailbox(mailbox) = scope else {
            return self.0.store.mailboxes(after, limit).await;
        };
        let own = self.mailbox(scope, mailbox).await?;
        let is_after = |own: &Mailbox| after.as_ref().is_none_or(|after| own.name > *after);
        Ok(own.filter(is_after).into_iter().take(limit).collect())
    }

    /// Tags in use, sorted by name.
    pub async fn tags(&self, scope: &Scope) -> Result<Vec<Mailbox>, Error> {
        let mut tags = self.0.store.tags().await?;
        if *scope != Scope::All {
            for tag in &mut tags {
                let of = Term { negated: false, test: Test::Tag(tag.name.clone()) };
                (tag.messages, tag.unread) = self.totals(scope, vec![of]).await?;
            }
            tags.retain(|tag| tag.messages > 0);
        }
        Ok(tags)
    }

    /// The totals of the mailbox that a scope is, if it has messages.
    async fn mailbox(&self, scope: &Scope, name: &str) -> Result<Option<Mailbox>, Error> {
        let (messages, unread) = self.totals(scope, Vec::new()).await?;
        Ok((messages > 0).then(|| Mailbox { name: name.to_owned(), messages, unread }))
    }

    /// How many messages of the scope match, and how many of these are not read. Those of a mailbox are kept by
    /// the store; those of a tag it keeps of all messages only.
    async fn totals(&self, scope: &Scope, terms: Vec<Term>) -> Result<(u64, u64), Error> {
        let mut search = search::Query { terms };
        let query = |search| Query { search, limit: usize::MAX, ..Query::default() };
        let messages = self.count(scope, query(search.clone())).await?;
        search.terms.push(Term { negated: false, test: Test::Read(false) });
        Ok((messages, self.count(scope, query(search)).await?))
    }
}
