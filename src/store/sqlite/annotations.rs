//! What was learnt of a message after it was stored: small texts by name, gone with the message.
//!
//! The mailboxes that a message left stand in the same table and are not seen here: what tells a sound row from
//! a damaged one is nobody else's to write.

use std::collections::BTreeMap;

use rusqlite::{Connection, params};

use super::{
    read::Reader,
    sealed::{self, seal, signed_name},
    tx::Tx,
};
use crate::{id::MessageId, store::Error};

impl Tx<'_> {
    /// Sets or removes one; true if that made a difference.
    pub(super) fn annotate(
        &self,
        id: MessageId,
        name: &str,
        value: Option<&str>,
    ) -> rusqlite::Result<bool> {
        let Some(&seq) = self.seqs(&[id])?.first() else { return Ok(false) };
        let changed = match value {
            Some(value) => {
                let sql = "INSERT INTO annotations (seq, name, value) VALUES (?1, ?2, ?3)
                           ON CONFLICT DO UPDATE SET value = ?3 WHERE value <> ?3";
                let sealed = seal(seq, name, value.as_bytes());
                self.db.prepare_cached(sql)?.execute(params![seq, signed_name(name), sealed])?
            }
            None => {
                let sql = "DELETE FROM annotations WHERE seq = ? AND name = ?";
                self.db.prepare_cached(sql)?.execute(params![seq, signed_name(name)])?
            }
        };
        Ok(changed > 0)
    }
}

impl Reader {
    /// All that a message has; none if there is no such message.
    pub(super) fn annotations(&self, id: MessageId) -> Result<BTreeMap<String, String>, Error> {
        let Some(seq) = self.seq(id)? else { return Ok(BTreeMap::new()) };
        let sql = format!("{ROWS} AND seq = ?");
        let rows = self.all(&sql, [seq], |row| sealed::read(row, seq, 1))?;
        let open = |(name, value): (String, Option<Vec<u8>>)| match value.map(String::from_utf8) {
            Some(Ok(value)) => Ok((name, value)),
            _ => Err(Error::Damaged(format!("message {id}: annotation {name} is damaged"))),
        };
        rows.into_iter().map(open).collect()
    }
}

/// Those of a message that are whole, by the rows of a database.
pub(super) fn whole(db: &Connection, seq: i64) -> rusqlite::Result<Vec<(String, String)>> {
    let mut statement = db.prepare_cached(&format!("{ROWS} AND seq = ?"))?;
    let rows = statement.query_map([seq], |row| sealed::read(row, seq, 1))?;
    let rows = rows.collect::<rusqlite::Result<Vec<_>>>()?;
    let text = |value: Option<Vec<u8>>| String::from_utf8(value?).ok();
    Ok(rows.into_iter().filter_map(|(name, value)| Some((name, text(value)?))).collect())
}

/// Those that are damaged, a line each.
pub(super) fn damaged(db: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut statement = db.prepare(ROWS)?;
    let (mut rows, mut damaged) = (statement.query(())?, Vec::new());
    while let Some(row) = rows.next()? {
        let seq = row.get(0)?;
        if let (name, None) = sealed::read(row, seq, 1)? {
            damaged.push(format!("annotation {name} of message number {seq} is damaged"));
        }
    }
    Ok(damaged)
}

/// Between the sign and what comes behind it.
const ROWS: &str = "SELECT seq, name, value FROM annotations WHERE name >= '+' AND name < ','";
