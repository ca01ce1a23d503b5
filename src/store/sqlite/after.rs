//! Messages behind a place in the order of commits, which is that of their seqs.

use super::{Shared, read::Reader};
use crate::store::{Batch, Cursor, Error};

impl Reader {
    /// Messages behind a place, oldest first.
    pub(super) fn after(
        &self,
        shared: &Shared,
        cursor: Option<&Cursor>,
        limit: usize,
    ) -> Result<Batch, Error> {
        let order = order(shared);
        let mut behind = match cursor {
            None => 0,
            Some(cursor) => match cursor.parts()? {
                (of, place) if of == order => place.parse().map_err(|_| cursor.foreign())?,
                _ => return Err(cursor.foreign()),
            },
        };
        let ask = i64::try_from(limit.saturating_add(1)).unwrap_or(i64::MAX);
        let mut rows = self.rows_above(behind, ask)?;
        let more = rows.len() > limit;
        rows.truncate(limit);
        let mut records = Vec::with_capacity(rows.len());
        for row in rows {
            behind = row.seq;
            records.extend(self.fill(row)?.map(|(record, _)| record));
        }
        Ok(Batch { records, next: Some(Cursor::new(&order, behind)), more })
    }
}

/// The place behind all that the database has taken in.
pub(super) fn end(shared: &Shared) -> Cursor {
    Cursor::new(&order(shared), shared.counters().next_seq - 1)
}

/// The store's own random name: the seqs of another mean other messages.
fn order(shared: &Shared) -> String {
    format!("{:016x}", shared.counters().identity)
}
