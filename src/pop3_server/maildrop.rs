//! From the store to a maildrop and back: which messages a login sees, their octets, and their end.

use super::{Delete, Inner};
use crate::{
    id::MessageId,
    mail::Scope,
    message::Defect,
    pop3::{Entry, Maildrop, sent_size},
    store::{Error, Query, Record, Selection, mailbox_key},
};

impl Inner {
    /// What a login with this name sees. Where anybody may log in, a name that is no address sees all mail.
    pub(super) fn scope(&self, user: &str) -> Scope {
        match self.listener.is_open && !user.contains('@') {
            true => Scope::All,
            false => Scope::Mailbox(mailbox_key(user)),
        }
    }

    /// The maildrop as it is now.
    pub(super) async fn open(&self, scope: &Scope) -> Result<Maildrop, Error> {
        let (mut newest_first, mut before) = (Vec::new(), None);
        loop {
            let limit = PAGE.min(self.terms.options.messages - newest_first.len());
            let page = self.mail.list(scope, Query { before, limit, ..Query::default() }).await?;
            for record in &page.records {
                newest_first.push(Entry { id: record.id, size: self.size(scope, record).await? });
            }
            before = page.records.last().map(|record| record.id);
            if !page.more || newest_first.len() >= self.terms.options.messages {
                break;
            }
        }
        newest_first.reverse();
        Ok(Maildrop::new(newest_first))
    }

    /// Octets that are sent of a message: those that are stored, unless line ends are made of lone LFs.
    async fn size(&self, scope: &Scope, record: &Record) -> Result<u64, Error> {
        if !record.summary.defects.contains(&Defect::BareLf) {
            return Ok(record.summary.size);
        }
        let Some(mut pieces) = self.mail.pieces(scope, record.id).await? else {
            return Ok(record.summary.size);
        };
        let mut counted = (0, 0);
        loop {
            match pieces.next().await {
                Ok(Some(piece)) => counted = sent_size(counted, piece),
                // What cannot be read is told when somebody retrieves it.
                Ok(None) | Err(_) => return Ok(counted.0),
            }
        }
    }

    /// Deletes what a client deleted; returns how many messages it was.
    pub(super) async fn delete(&self, scope: &Scope, ids: Vec<MessageId>) -> Result<u64, Error> {
        match self.terms.options.delete {
            Delete::Mailbox => self.mail.leave(scope, ids).await,
            Delete::Message => self.mail.delete(scope, Selection::Ids(ids)).await,
            Delete::Never => Ok(ids.len() as u64),
        }
    }
}

/// Records read at a time.
const PAGE: usize = 500;
