//! Who may see what. What a call asks for is narrowed to the scope before the store hears of it, and what the
//! store answers by id is looked at before it is handed on: a message outside of the scope does not exist.

use super::Mail;
use crate::{
    id::MessageId,
    store::{Error, Filter, Query, Record, Selection, mailbox_key},
};

/// What a caller may see and change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Every message.
    All,
    /// The messages with this forward-path that have not left it, in the form of [`mailbox_key`]. In any other form,
    /// and empty, it is a mailbox without messages.
    Mailbox(String),
}

impl Scope {
    /// True for a message of it.
    pub fn contains(&self, record: &Record) -> bool {
        match self {
            Self::All => true,
            Self::Mailbox(mailbox) => {
                let mut paths = record.envelope.forward_paths.iter();
                is_key(mailbox)
                    && paths.any(|path| mailbox_key(&path.address) == *mailbox)
                    && !record.left.contains(mailbox)
            }
        }
    }

    /// What of a query is left; none if it is for another mailbox.
    pub(super) fn narrow_query(&self, mut query: Query) -> Option<Query> {
        query.mailbox = self.narrow(query.mailbox)?;
        Some(query)
    }

    /// What of a filter is left; none if it is for another mailbox.
    pub(super) fn narrow_filter(&self, filter: Filter) -> Option<Filter> {
        let (search, mailbox) = filter.into_parts();
        Filter::new(search, self.narrow(mailbox)?)
    }

    /// The mailbox to look in, if it may be any at all.
    fn narrow(&self, asked: Option<String>) -> Option<Option<String>> {
        match self {
            Self::All => Some(asked),
            Self::Mailbox(own) if !is_key(own) => None,
            Self::Mailbox(own) => {
                let is_own = asked.is_none_or(|asked| mailbox_key(&asked) == *own);
                is_own.then(|| Some(own.clone()))
            }
        }
    }
}

impl Mail {
    /// Those of these messages that were in the scope and have left it.
    pub(super) async fn left(
        &self,
        scope: &Scope,
        ids: &[MessageId],
    ) -> Result<Vec<MessageId>, Error> {
        let Scope::Mailbox(mailbox) = scope else { return Ok(Vec::new()) };
        let mut left = Vec::new();
        for &id in ids {
            let record = self.get(&Scope::All, id).await?;
            left.extend(record.filter(|it| it.left.contains(mailbox)).map(|it| it.id));
        }
        Ok(left)
    }

    /// Those of these messages that there are in the scope.
    pub(super) async fn known(
        &self,
        scope: &Scope,
        ids: &[MessageId],
    ) -> Result<Vec<MessageId>, Error> {
        let records = self.get_all(scope, ids.to_vec()).await?;
        Ok(records.into_iter().map(|record| record.id).collect())
    }

    /// What of a selection is left.
    pub(super) async fn narrow_selection(
        &self,
        scope: &Scope,
        which: Selection,
    ) -> Result<Selection, Error> {
        let Scope::Mailbox(mailbox) = scope else { return Ok(which) };
        let filter = match which {
            Selection::Ids(ids) => return Ok(Selection::Ids(self.known(scope, &ids).await?)),
            Selection::Matching(filter) => scope.narrow_filter(filter),
            Selection::All if is_key(mailbox) => {
                Filter::new(Default::default(), Some(mailbox.clone()))
            }
            Selection::All => None,
        };
        Ok(filter.map_or(Selection::Ids(Vec::new()), Selection::Matching))
    }
}

/// True for what [`mailbox_key`] makes of an address. Empty it would be no condition at all to the store.
fn is_key(mailbox: &str) -> bool {
    !mailbox.is_empty() && mailbox_key(mailbox) == mailbox
}
