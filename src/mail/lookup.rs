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

    /// Totals. Of a mailbox there are those of its messages; what it takes in octets nobody counts, and what is
    /// said of the store as a whole is not for it: these are 0.
    pub async fn counts(&self, scope: &Scope) -> Result<Counts, Error> {
        let Scope::Mailbox(mailbox) = scope else { return self.0.store.counts().await };
        let mailbox = self.mailbox(mailbox).await?;
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
        let own = self.mailbox(mailbox).await?;
        let is_after = |own: &Mailbox| after.as_ref().is_none_or(|after| own.name > *after);
        Ok(own.filter(is_after).into_iter().take(limit).collect())
    }

    /// Tags in use, sorted by name.
    pub async fn tags(&self, scope: &Scope) -> Result<Vec<Mailbox>, Error> {
        let mut tags = self.0.store.tags().await?;
        if *scope != Scope::All {
            for tag in &mut tags {
                (tag.messages, tag.unread) = self.count_tagged(scope, &tag.name).await?;
            }
            tags.retain(|tag| tag.messages > 0);
        }
        Ok(tags)
    }

    /// The totals of one mailbox, if it has messages.
    ///
    /// The store names mailboxes in their order. Between a name and the same without its last letter stand few
    /// others, so that one look is enough but for a name that was chosen to be found late.
    async fn mailbox(&self, name: &str) -> Result<Option<Mailbox>, Error> {
        let (mut before, mut limit) = (name.to_owned(), FEW_MAILBOXES);
        before.pop();
        loop {
            let mut page = self.0.store.mailboxes(Some(before.clone()), limit).await?;
            match page.binary_search_by(|mailbox| mailbox.name.as_str().cmp(name)) {
                Ok(at) => return Ok(Some(page.swap_remove(at))),
                Err(at) if at < page.len() || page.len() < limit => return Ok(None),
                Err(_) => limit = limit.saturating_mul(8),
            }
        }
    }

    /// How many messages of the scope have a tag, and how many of these are not read. The store keeps such
    /// totals of all messages only.
    async fn count_tagged(&self, scope: &Scope, tag: &str) -> Result<(u64, u64), Error> {
        let terms = vec![Term { negated: false, test: Test::Tag(tag.to_owned()) }];
        let search = search::Query { terms };
        let mut query = Query { search, mailbox: None, before: None, limit: AT_ONCE };
        let (mut messages, mut unread) = (0, 0);
        loop {
            let page = self.list(scope, query.clone()).await?;
            messages += page.records.len() as u64;
            unread += page.records.iter().filter(|record| !record.read).count() as u64;
            query.before = page.records.last().map(|record| record.id);
            if !page.more {
                return Ok((messages, unread));
            }
        }
    }
}

/// Mailboxes that are asked for when one is looked for.
const FEW_MAILBOXES: usize = 16;

/// Messages that are counted with one question.
const AT_ONCE: usize = 500;
