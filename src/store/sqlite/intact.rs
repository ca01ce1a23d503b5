//! Whether the database's file is what SQLite wrote, as far as that can be seen at every start.
//!
//! SQLite checks little of what it reads. A wrong octet in the text of its schema gives a table another
//! column, and a store that starts with that takes mail that it cannot list. A file that lost its end serves
//! what it still has, until a page behind it is asked for. And in a page whose cells are out of order a
//! search from one row to the next may never end.

use std::{
    collections::HashSet,
    fs::{self, File},
    io,
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
};

use rusqlite::Connection;

use super::schema;
use crate::store::Error;

/// An error if a file is shorter than its own header says, and the log does not have the rest.
pub(super) fn expect_all_pages(database: &Path) -> Result<(), Error> {
    match has_all_pages(database) {
        Ok(true) => Ok(()),
        Ok(false) => {
            Err(Error::needs_repair(database, "the database is damaged: it has lost its end"))
        }
        // There is none yet, or opening it says why not.
        Err(_) => Ok(()),
    }
}

/// An error if tables or columns are not those of this layout, or a table cannot be looked into.
pub(super) fn expect_schema(database: &Path, db: &Connection) -> Result<(), Error> {
    let cannot = |error| Error::Open(schema::describe(database, &error));
    if tables(db).map_err(cannot)? != expected().map_err(cannot)? {
        return Err(Error::needs_repair(
            database,
            "the database is damaged: its schema is not ours",
        ));
    }
    look_into(db).map_err(cannot)
}

/// Writes the schema anew, in a copy from which rows are to be saved.
pub(super) fn mend_schema(db: &Connection) -> rusqlite::Result<()> {
    let fresh = fresh()?;
    // Otherwise SQLite refuses a schema that it cannot read.
    db.pragma_update(None, "writable_schema", true)?;
    let mut statement = fresh.prepare("SELECT name, sql FROM sqlite_schema WHERE sql NOT NULL")?;
    let mut rows = statement.query(())?;
    while let Some(row) = rows.next()? {
        let (name, sql): (String, String) = (row.get(0)?, row.get(1)?);
        db.execute("UPDATE sqlite_schema SET sql = ? WHERE name = ?", [sql, name])?;
    }
    db.pragma_update(None, "writable_schema", "RESET")
}

/// True if numbers grow from one to the next, and are all above this one.
pub(super) fn grow(above: i64, mut numbers: impl Iterator<Item = i64>) -> bool {
    numbers.try_fold(above, |last, next| (next > last).then_some(next)).is_some()
}

/// True if numbers fall from one to the next, and are all below this one.
pub(super) fn fall(below: i64, mut numbers: impl Iterator<Item = i64>) -> bool {
    numbers.try_fold(below, |last, next| (next < last).then_some(next)).is_some()
}

/// What rows are whose numbers are in no order: to go on behind the last of them might never end.
pub(super) fn out_of_order() -> Error {
    Error::Damaged("smtpd.db: rows out of order; `smtpd repair` saves what can be saved".into())
}

/// The header of a database and the frames of its log are those of SQLite's file format (§1.3, §4.1).
fn has_all_pages(database: &Path) -> io::Result<bool> {
    let file = File::open(database)?;
    let mut header = [0; 100];
    file.read_exact_at(&mut header, 0)?;
    let page = match u16::from_be_bytes([header[16], header[17]]) {
        1 => 65_536,
        size => u64::from(size),
    };
    let pages = u64::from(number(&header, 28));
    // Written by something so old that it does not count pages; smtpd never did.
    let is_counted = number(&header, 24) == number(&header, 92);
    let there = file.metadata()?.len().checked_div(page).unwrap_or(u64::MAX);
    if !is_counted || there >= pages {
        return Ok(true);
    }
    let logged = logged_pages(database, page)?;
    Ok((there + 1..=pages).all(|number| logged.contains(&number)))
}

/// The pages of which the log has a version.
fn logged_pages(database: &Path, page: u64) -> io::Result<HashSet<u64>> {
    let mut log = database.as_os_str().to_owned();
    log.push("-wal");
    let log = match fs::read(PathBuf::from(log)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(HashSet::new()),
        log => log?,
    };
    let frame = usize::try_from(page + 24).map_err(io::Error::other)?;
    let salt = log.get(16..24).unwrap_or_default();
    let frames = log.get(32..).unwrap_or_default().chunks_exact(frame);
    // Behind the last frame of this time are those of an earlier one.
    let frames = frames.take_while(|frame| frame.get(8..16) == Some(salt));
    Ok(frames.map(|frame| u64::from(number(frame, 0))).collect())
}

fn number(octets: &[u8], at: usize) -> u32 {
    let four = octets.get(at..at + 4).and_then(|four| four.try_into().ok());
    four.map_or(0, u32::from_be_bytes)
}

/// Tables and indexes with their columns. Not the text that made them: an upgraded database has another.
fn tables(db: &Connection) -> rusqlite::Result<Vec<String>> {
    let sql = "SELECT format('%s %s %s %s %s %s %s', it.type, it.name, it.tbl_name,
                             has.name, has.type, has.\"notnull\", has.pk)
               FROM sqlite_schema AS it LEFT JOIN pragma_table_xinfo(it.name) AS has
               ORDER BY it.name, has.cid";
    db.prepare(sql)?.query_map((), |row| row.get(0))?.collect()
}

fn expected() -> rusqlite::Result<Vec<String>> {
    tables(&fresh()?)
}

fn fresh() -> rusqlite::Result<Connection> {
    let db = Connection::open_in_memory()?;
    db.execute_batch(include_str!("schema.sql"))?;
    Ok(db)
}

/// Reads the first page of each table and index.
fn look_into(db: &Connection) -> rusqlite::Result<()> {
    let look =
        |sql: &&str| db.query_row(&format!("SELECT count(*) FROM ({sql} LIMIT 1)"), (), |_| Ok(()));
    FIRST_PAGES.iter().try_for_each(look)
}

const FIRST_PAGES: [&str; 12] = [
    "SELECT seq FROM messages NOT INDEXED",
    "SELECT id FROM messages ORDER BY id",
    "SELECT file FROM messages WHERE file NOT NULL ORDER BY file",
    "SELECT seq FROM messages WHERE starred = 1",
    "SELECT segment FROM segments",
    "SELECT label FROM labels NOT INDEXED",
    "SELECT kind, name FROM labels ORDER BY kind, name",
    "SELECT seq FROM labelled",
    "SELECT seq FROM tombstones",
    "SELECT one FROM counters",
    "SELECT name FROM annotations",
    "SELECT name FROM notes ORDER BY name",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sqlite::open;

    #[test]
    fn rows_are_in_order_or_are_not() {
        assert!(grow(3, [4, 5, 9].into_iter()) && grow(3, std::iter::empty()));
        assert!(!grow(3, [3].into_iter()) && !grow(3, [5, 4].into_iter()));
        assert!(fall(9, [8, 5].into_iter()) && !fall(9, [9].into_iter()));
    }

    #[test]
    fn a_file_that_lost_its_end_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("smtpd.db");
        let db = open::open_writer(&path).unwrap();
        db.execute("INSERT INTO notes VALUES ('x', zeroblob(100000))", ()).unwrap();
        // What is only in the log is there.
        assert!(has_all_pages(&path).unwrap());
        drop(db);
        assert!(has_all_pages(&path).unwrap());
        let file = File::options().write(true).open(&path).unwrap();
        let length = file.metadata().unwrap().len();
        file.set_len(length - 1).unwrap();
        assert!(!has_all_pages(&path).unwrap());
        assert!(expect_all_pages(&path).unwrap_err().to_string().contains("lost its end"));
        assert!(expect_all_pages(&folder.path().join("none")).is_ok());
    }

    #[test]
    fn a_schema_with_another_column_is_told_and_mended() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("smtpd.db");
        drop(open::open_writer(&path).unwrap());
        let mut octets = fs::read(&path).unwrap();
        let at = memchr::memmem::find(&octets, b"tagged     INTEGER").unwrap();
        octets[at] = 0xff;
        fs::write(&path, &octets).unwrap();
        let db = Connection::open(&path).unwrap();
        assert!(expect_schema(&path, &db).unwrap_err().to_string().contains("smtpd repair"));
        mend_schema(&db).unwrap();
        drop(db);
        let db = Connection::open(&path).unwrap();
        assert!(expect_schema(&path, &db).is_ok());
    }
}
