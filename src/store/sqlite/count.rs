//! How many messages match, and where a page begins that passes some over.

use rusqlite::params;

use super::{Shared, integers::unsigned, read::Reader, tx::Kind};
use crate::store::{
    Error, Query,
    kept::{Kept, Of},
};

impl Reader {
    /// How many messages a page would have.
    pub(super) fn count(&mut self, shared: &Shared, query: &Query) -> Result<u64, Error> {
        if let Some(kept) = Kept::new(query) {
            let (messages, unread) = match &kept.of {
                Of::All => {
                    let counters = shared.counters();
                    (counters.messages, counters.unread)
                }
                Of::Mailbox(name) => self.label_totals(Kind::Mailbox, name)?,
                Of::Tag(name) => self.label_totals(Kind::Tag, name)?,
            };
            return Ok(query.of(kept.count(messages, unread)));
        }
        let below = self.first_bound(query)?;
        let Some(below) = self.pass_over(shared, query, query.skip, below)?.1 else {
            return Ok(0);
        };
        let (passed, _) = self.pass_over(shared, query, query.limit, below)?;
        Ok(passed as u64)
    }

    /// The bound below which a page begins; none if there is nothing left to be on it.
    pub(super) fn page_bound(
        &mut self,
        shared: &Shared,
        query: &Query,
    ) -> Result<Option<i64>, Error> {
        let below = self.first_bound(query)?;
        Ok(self.pass_over(shared, query, query.skip, below)?.1)
    }

    fn first_bound(&self, query: &Query) -> Result<i64, Error> {
        query.before.map_or(Ok(i64::MAX), |id| self.seq_bound(id))
    }

    /// Goes past so many matches below a bound, in pieces, so that no more than a piece is held. Returns how many
    /// there were, and the bound behind them unless they were fewer.
    fn pass_over(
        &mut self,
        shared: &Shared,
        query: &Query,
        most: usize,
        mut below: i64,
    ) -> Result<(usize, Option<i64>), Error> {
        let mut passed = 0;
        while passed < most {
            let piece = PIECE.min(most - passed);
            let seqs = self.find(shared, &query.search, query.mailbox.as_deref(), below, piece)?;
            let Some(&last) = seqs.last() else { return Ok((passed, None)) };
            passed += seqs.len();
            below = last;
        }
        Ok((passed, Some(below)))
    }

    /// Messages of a label, and how many of them are not read.
    fn label_totals(&self, kind: Kind, name: &str) -> Result<(u64, u64), Error> {
        let sql = "SELECT messages, unread FROM labels WHERE kind = ? AND name = ?";
        let read = |row: &rusqlite::Row<'_>| Ok((unsigned(row, 0)?, unsigned(row, 1)?));
        Ok(self.one(sql, params![kind as i64, name], read)?.unwrap_or_default())
    }
}

/// Matches that are held at a time.
const PIECE: usize = 4096;
