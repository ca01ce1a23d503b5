//! The full-text index: a second database that can be thrown away.
//!
//! It knows up to which seq it has taken messages in (the cursor, kept in the same transaction as the
//! words), and a search reads the few messages beyond itself. So the index may be behind, missing or
//! damaged, and searches are complete all the same; it is rebuilt from the messages.
//!
//! Contentless: it holds no copy of the text. Words come folded and joined by single spaces
//! ([`crate::message::search`]), so the tokenizer must only split: `ascii` takes everything that is not
//! an ASCII letter, digit or a separator as part of a token and folds nothing that is folded already,
//! while `unicode61` would fold a second time by rules of its own.

use std::{
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
};

use rusqlite::{Connection, OpenFlags, params, params_from_iter};

use super::{intact, notify::Notify, plan::column, schema};
use crate::message::search::{Document, Field};

/// What everybody knows of the index.
pub(super) struct Index {
    path: PathBuf,
    /// Rung when there are messages to take in or to forget.
    pub(super) notify: Notify,
    /// Grows when the file is made anew, so that readers open the new one.
    generation: AtomicU64,
    cursor: AtomicI64,
    damaged: AtomicBool,
}

/// The index as its one writer sees it.
pub(super) struct Writer {
    pub(super) db: Connection,
    pub(super) state: State,
}

/// What the index says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct State {
    /// Of the database whose messages it holds.
    pub(super) identity: i64,
    /// Of that database when it was made.
    pub(super) epoch: i64,
    /// Messages up to this seq are in it, unless they are deleted.
    pub(super) cursor: i64,
}

/// The index as a search sees it.
pub(super) struct Searcher {
    db: Connection,
    generation: u64,
}

impl Index {
    /// An index at this path. Nothing is opened yet.
    pub(super) fn new(path: PathBuf) -> Self {
        Self {
            path,
            notify: Notify::default(),
            generation: AtomicU64::new(1),
            cursor: AtomicI64::new(0),
            damaged: AtomicBool::new(false),
        }
    }

    /// Opens the file if it is an index of these messages, else makes a new one.
    pub(super) fn open(&self, identity: i64, epoch: i64) -> rusqlite::Result<Writer> {
        let existed = self.path.exists();
        match open_existing(&self.path) {
            Ok(writer) if (writer.state.identity, writer.state.epoch) == (identity, epoch) => {
                self.cursor.store(writer.state.cursor, Ordering::SeqCst);
                Ok(writer)
            }
            other => {
                if existed {
                    let why =
                        other.err().map_or("it is of other messages".into(), |e| e.to_string());
                    log::info!("{}: search index is rebuilt: {why}", self.path.display());
                }
                self.rebuild(identity, epoch)
            }
        }
    }

    /// Makes a new, empty index.
    pub(super) fn rebuild(&self, identity: i64, epoch: i64) -> rusqlite::Result<Writer> {
        self.cursor.store(0, Ordering::SeqCst);
        self.remove();
        let writer = create(&self.path, State { identity, epoch, cursor: 0 })?;
        self.damaged.store(false, Ordering::SeqCst);
        self.generation.fetch_add(1, Ordering::SeqCst);
        Ok(writer)
    }

    /// Removes the files. Who has them open still sees the old index, which is whole.
    pub(super) fn remove(&self) {
        for end in ["", "-wal", "-shm", "-journal"] {
            let mut path = self.path.clone().into_os_string();
            path.push(end);
            let _ = std::fs::remove_file(path);
        }
    }

    /// A search found that it cannot be read: it is to be rebuilt.
    pub(super) fn report_damage(&self) {
        self.damaged.store(true, Ordering::SeqCst);
        self.notify.notify();
    }

    /// True if somebody reported damage since it was built.
    pub(super) fn is_damaged(&self) -> bool {
        self.damaged.load(Ordering::SeqCst)
    }

    /// Messages up to this seq are taken in.
    pub(super) fn cursor(&self) -> i64 {
        self.cursor.load(Ordering::SeqCst)
    }

    /// Commits what was added and forgotten, with the new cursor.
    pub(super) fn advance(&self, writer: &mut Writer, cursor: i64) -> rusqlite::Result<()> {
        writer.db.prepare_cached("UPDATE state SET cursor = ?")?.execute([cursor])?;
        writer.db.prepare_cached("COMMIT")?.execute(())?;
        writer.state.cursor = cursor;
        self.cursor.store(cursor, Ordering::SeqCst);
        Ok(())
    }

    /// The index for a search; `last` is what the reader used before.
    pub(super) fn searcher(&self, last: Option<Searcher>) -> rusqlite::Result<Searcher> {
        let generation = self.generation.load(Ordering::SeqCst);
        match last {
            Some(searcher) if searcher.generation == generation => Ok(searcher),
            _ => Ok(Searcher { db: open_read_only(&self.path)?, generation }),
        }
    }
}

impl Writer {
    /// Begins a transaction; [`Index::advance`] ends it.
    pub(super) fn begin(&self) -> rusqlite::Result<()> {
        if !self.db.is_autocommit() {
            self.db.execute_batch("ROLLBACK")?;
        }
        self.db.prepare_cached("BEGIN IMMEDIATE")?.execute(()).map(drop)
    }

    /// Takes a message in.
    pub(super) fn add(&self, seq: i64, document: &Document) -> rusqlite::Result<()> {
        let sql = format!(
            "INSERT INTO words (rowid, {}) VALUES (?{})",
            columns(),
            ", ?".repeat(Field::ALL.len())
        );
        let mut statement = self.db.prepare_cached(&sql)?;
        let seq = seq.to_string();
        let fields = document.fields.iter().map(String::as_str);
        statement.execute(params_from_iter([seq.as_str()].into_iter().chain(fields))).map(drop)
    }

    /// Forgets messages; those that it never had do not matter.
    pub(super) fn forget(&self, seqs: &[i64]) -> rusqlite::Result<()> {
        let mut statement = self.db.prepare_cached("DELETE FROM words WHERE rowid = ?")?;
        seqs.iter().try_for_each(|seq| statement.execute([seq]).map(drop))
    }

    /// Gives free pages back, and the log's space if it has become long.
    pub(super) fn vacuum(&self) -> rusqlite::Result<()> {
        let mut statement = self.db.prepare("PRAGMA incremental_vacuum")?;
        let mut rows = statement.query(())?;
        while rows.next()?.is_some() {}
        let log = self.db.path().map(|path| format!("{path}-wal"));
        if log.and_then(|log| std::fs::metadata(log).ok()).is_some_and(|it| it.len() > LONG_LOG) {
            // A reader may be in the way: then another time.
            self.db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", (), |_| Ok(()))?;
        }
        Ok(())
    }
}

impl Searcher {
    /// Begins to look at the index as it is now, and says up to where it goes. Rows and cursor are
    /// then of the same moment.
    pub(super) fn begin(&self) -> rusqlite::Result<i64> {
        if self.db.is_autocommit() {
            self.db.execute_batch("BEGIN")?;
        }
        self.db.prepare_cached("SELECT cursor FROM state")?.query_row((), |row| row.get(0))
    }

    /// Lets go of that moment, so that the log can be written back.
    pub(super) fn end(&self) {
        let _ = self.db.execute_batch("ROLLBACK");
    }

    /// Seqs below a bound that match an expression, newest first, at most `limit`. Rows are in the
    /// order of seq already: nothing is sorted, and what is behind the limit is never looked at.
    pub(super) fn find(
        &self,
        expression: &str,
        below: i64,
        limit: i64,
    ) -> rusqlite::Result<Vec<i64>> {
        let sql = "SELECT rowid FROM words WHERE words MATCH ? AND rowid < ?
                   ORDER BY rowid DESC LIMIT ?";
        let values = params![expression, below, limit];
        let mut statement = self.db.prepare_cached(sql)?;
        let rows = statement.query_map(values, |row| row.get(0))?;
        let rows = rows.collect::<rusqlite::Result<Vec<i64>>>()?;
        let is_ordered = intact::fall(below, rows.iter().copied());
        if is_ordered { Ok(rows) } else { Err(rusqlite::Error::InvalidQuery) }
    }

    /// Removes those seqs, newest first, that match an expression. Both sides are in the same order, so
    /// they are walked side by side and nothing of the index is held.
    pub(super) fn strike(&self, expression: &str, seqs: &mut Vec<i64>) -> rusqlite::Result<()> {
        let (Some(&newest), Some(&oldest)) = (seqs.first(), seqs.last()) else { return Ok(()) };
        let sql = "SELECT rowid FROM words WHERE words MATCH ? AND rowid BETWEEN ? AND ?
                   ORDER BY rowid DESC";
        let mut statement = self.db.prepare_cached(sql)?;
        let mut hits = statement.query(params![expression, oldest, newest])?;
        let mut next_hit = || match hits.next()? {
            Some(row) => row.get(0).map(Some),
            None => Ok::<Option<i64>, rusqlite::Error>(None),
        };
        let mut hit = next_hit()?;
        let mut left = Vec::with_capacity(seqs.len());
        for &seq in seqs.iter() {
            while hit.is_some_and(|hit| hit > seq) {
                hit = next_hit()?;
            }
            if hit != Some(seq) {
                left.push(seq);
            }
        }
        *seqs = left;
        Ok(())
    }
}

fn open_existing(path: &Path) -> rusqlite::Result<Writer> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut db = Connection::open_with_flags(path, flags)?;
    let sql = "SELECT identity, epoch, cursor FROM state, pragma_user_version
               WHERE user_version = ?";
    let state = db.query_row(sql, [VERSION], |row| {
        Ok(State { identity: row.get(0)?, epoch: row.get(1)?, cursor: row.get(2)? })
    })?;
    configure(&mut db)?;
    let sql = "SELECT v FROM words_config WHERE k = 'deletemerge'";
    if db.query_row(sql, (), |row| row.get(0)).ok() != Some(MOST_DEAD_PERCENT) {
        // Made by an earlier build. On a full disk it stays as it is: that is no reason to make it anew.
        let _ = tune(&db);
    }
    Ok(Writer { db, state })
}

fn create(path: &Path, state: State) -> rusqlite::Result<Writer> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut db = Connection::open_with_flags(path, flags)?;
    db.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    configure(&mut db)?;
    db.execute_batch(&format!(
        "BEGIN;
         CREATE TABLE state (identity INTEGER, epoch INTEGER, cursor INTEGER);
         CREATE VIRTUAL TABLE words USING fts5 (
             {}, content = '', contentless_delete = 1, tokenize = 'ascii'
         );
         PRAGMA user_version = {VERSION};",
        columns()
    ))?;
    let values = params![state.identity, state.epoch, state.cursor];
    db.execute("INSERT INTO state VALUES (?, ?, ?)", values)?;
    db.execute_batch("COMMIT")?;
    tune(&db)?;
    Ok(Writer { db, state })
}

fn configure(db: &mut Connection) -> rusqlite::Result<()> {
    db.pragma_update(None, "journal_mode", "WAL")?;
    // What a power cut takes is indexed again; the cursor is in the same transaction.
    db.pragma_update(None, "synchronous", "NORMAL")?;
    // When a sync fails as the log is moved into the file, nobody knows what a power cut would leave. The
    // hook lets the commit fail then, and the indexer makes the index anew.
    db.wal_hook(Some(schema::move_when_long))?;
    schema::configure(db)
}

/// What FTS5 keeps in the file.
fn tune(db: &Connection) -> rusqlite::Result<()> {
    let mut set = db.prepare("INSERT INTO words (words, rank) VALUES (?, ?)")?;
    set.execute(params!["hashsize", HASH_BYTES])?;
    set.execute(params!["deletemerge", MOST_DEAD_PERCENT]).map(drop)
}

fn open_read_only(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, flags)?;
    schema::configure(&db)?;
    Ok(db)
}

fn columns() -> String {
    Field::ALL.map(|field| format!("\"{}\"", column(field))).join(", ")
}

/// Grows when the tables change, or when the search makes other words of the same text.
const VERSION: i32 = 3;
/// Octets of a log that is cut back when messages were forgotten.
const LONG_LOG: u64 = 512 * 1024;
/// Words collected in memory before they are written as one segment, in octets: more means fewer merges.
const HASH_BYTES: u32 = 8 * 1024 * 1024;
/// How much of a segment may be of deleted messages before it is written again without them. FTS5's own bound
/// of 10 writes an index whose oldest messages go one by one ten times in its life.
const MOST_DEAD_PERCENT: u32 = 60;

#[cfg(test)]
mod tests {
    use super::*;

    const OCTETS_OF_A_WORD: usize = 8;

    fn filled(messages: i64) -> (tempfile::TempDir, Index, Writer) {
        let folder = tempfile::tempdir().unwrap();
        let index = Index::new(folder.path().join("search.db"));
        let mut writer = index.open(1, 1).unwrap();
        writer.begin().unwrap();
        for seq in 1..=messages {
            let mut document = Document::default();
            let words = (0..50).map(|word| format!("{:0OCTETS_OF_A_WORD$}", seq * 50 + word));
            document.fields[Field::Text as usize] = words.collect::<Vec<_>>().join(" ");
            writer.add(seq, &document).unwrap();
        }
        index.advance(&mut writer, messages).unwrap();
        (folder, index, writer)
    }

    fn percent(writer: &Writer) -> u32 {
        let sql = "SELECT v FROM words_config WHERE k = 'deletemerge'";
        writer.db.query_row(sql, (), |row| row.get(0)).unwrap()
    }

    fn log_length(index: &Index) -> u64 {
        std::fs::metadata(format!("{}-wal", index.path.display())).unwrap().len()
    }

    #[test]
    fn an_index_of_an_earlier_build_is_kept_and_bounded_likewise() {
        let (_folder, index, writer) = filled(10);
        writer.db.execute("UPDATE words_config SET v = 10 WHERE k = 'deletemerge'", ()).unwrap();
        drop(writer);
        let writer = index.open(1, 1).unwrap();
        assert_eq!((percent(&writer), writer.state.cursor), (MOST_DEAD_PERCENT, 10));
    }

    #[test]
    fn to_forget_some_messages_does_not_write_the_others_again() {
        let (_folder, index, mut writer) = filled(2_000);
        writer.db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", (), |_| Ok(())).unwrap();
        for piece in [1..200, 200..400, 400..600] {
            writer.begin().unwrap();
            writer.forget(&piece.collect::<Vec<_>>()).unwrap();
            index.advance(&mut writer, 2_000).unwrap();
        }
        let all = 2_000 * 50 * OCTETS_OF_A_WORD as u64;
        let written = log_length(&index);
        assert!(written < all / 4, "{written} octets for a third of {all}");
    }
}
