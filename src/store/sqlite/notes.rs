//! Small values by key, apart from messages. The layout stands in the same table, without the sign.

use rusqlite::{Connection, params};

use super::{
    read::Reader,
    sealed::{self, seal, signed_name},
    tx::Tx,
};
use crate::store::{Error, Note};

impl Tx<'_> {
    /// Sets or removes one.
    pub(super) fn set_note(&self, key: &str, value: Option<&[u8]>) -> rusqlite::Result<()> {
        let name = signed_name(key);
        match value {
            Some(value) => {
                let sql = "INSERT INTO notes (name, value) VALUES (?1, ?2)
                           ON CONFLICT DO UPDATE SET value = ?2";
                self.db.prepare_cached(sql)?.execute(params![name, seal(NOBODY, key, value)])?;
            }
            None => {
                self.db.prepare_cached("DELETE FROM notes WHERE name = ?")?.execute([name])?;
            }
        }
        Ok(())
    }
}

impl Reader {
    /// The value of a key.
    pub(super) fn note(&self, key: &str) -> Result<Option<Vec<u8>>, Error> {
        let sql = "SELECT name, value FROM notes WHERE name = ?";
        let found = self.one(sql, [signed_name(key)], |row| sealed::read(row, NOBODY, 0))?;
        Ok(found.map(whole).transpose()?.map(|note| note.value))
    }

    /// Those whose keys begin like this.
    pub(super) fn notes(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Note>, Error> {
        let sql = "SELECT name, value FROM notes
                   WHERE name >= ?1 AND name < ',' AND (name > ?2 OR ?2 IS NULL)
                   ORDER BY name LIMIT ?3";
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let values = params![signed_name(prefix), after.map(signed_name), limit];
        let rows = self.all(sql, values, |row| sealed::read(row, NOBODY, 0))?;
        rows.into_iter().take_while(|(key, _)| key.starts_with(prefix)).map(whole).collect()
    }
}

fn whole((key, value): (String, Option<Vec<u8>>)) -> Result<Note, Error> {
    match value {
        Some(value) => Ok(Note { key, value }),
        None => Err(Error::Damaged(format!("note {key} is damaged"))),
    }
}

/// All that there are, by the rows of a database; of a damaged one its key.
pub(super) fn all(db: &Connection) -> rusqlite::Result<Vec<Result<Note, String>>> {
    let mut statement =
        db.prepare("SELECT name, value FROM notes WHERE name >= '+' AND name < ',' ORDER BY name")?;
    let rows = statement.query_map((), |row| sealed::read(row, NOBODY, 0))?;
    rows.map(|row| {
        let (key, value) = row?;
        Ok(match value {
            Some(value) => Ok(Note { key, value }),
            None => Err(key),
        })
    })
    .collect()
}

/// A note belongs to no message.
const NOBODY: i64 = 0;
