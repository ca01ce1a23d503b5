//! Searching: newest first, in pieces, stopping as soon as a page is full.
//!
//! Two sources are walked one after the other. What lies beyond the index's cursor is newest and read
//! message by message; behind it the index is asked. Nothing is sorted and nothing is held but a piece
//! of seqs. No transaction of the database stays open between pieces: a message that vanishes
//! meanwhile is simply not found any more.

use rusqlite::{params, params_from_iter, types::Value};

use super::{Shared, index::Searcher, intact, plan::Plan, read::Reader, tx::Kind};
use crate::{
    message::search,
    store::{Error, Page, Query, Record, mailbox_key, matching, tag_key},
};

/// A search over one reader.
struct Finder<'a> {
    reader: &'a Reader,
    search: &'a search::Query,
    plan: Plan,
    scope: Scope,
    limit: usize,
    found: Vec<i64>,
}

/// The rows of `messages` that conditions and labels leave, as SQL.
struct Scope {
    /// Ends with bounds on seq and a limit, for three more values.
    sql: String,
    values: Vec<Value>,
}

/// Why a search ended early.
enum Failure {
    /// The index cannot be read: do without.
    Index(rusqlite::Error),
    Store(Error),
}

impl Reader {
    /// A page.
    pub(super) fn page(&mut self, shared: &Shared, query: &Query) -> Result<Page, Error> {
        let Some(mut below) = self.page_bound(shared, query)? else {
            return Ok(Page { records: Vec::new(), more: false });
        };
        let mut records: Vec<Record> = Vec::new();
        loop {
            let missing = query.limit - records.len();
            let mailbox = query.mailbox.as_deref();
            let mut seqs =
                self.find(shared, &query.search, mailbox, below, missing.saturating_add(1))?;
            let more = seqs.len() > missing;
            seqs.truncate(missing);
            let moment = self.moment()?;
            for &seq in &seqs {
                records.extend(self.record(seq)?);
            }
            drop(moment);
            below = seqs.last().copied().unwrap_or(below);
            // Something was deleted between finding and reading it: fill up.
            if !more || records.len() == query.limit {
                return Ok(Page { records, more });
            }
        }
    }

    /// Seqs of matching messages below a bound, newest first.
    pub(super) fn find(
        &mut self,
        shared: &Shared,
        search: &search::Query,
        mailbox: Option<&str>,
        below: i64,
        limit: usize,
    ) -> Result<Vec<i64>, Error> {
        let plan = Plan::new(search);
        let mut searcher = None;
        if shared.indexed && plan.asks_index() {
            match shared.index.searcher(self.index.take()) {
                Ok(opened) => searcher = Some(opened),
                Err(error) => log::debug!("search without index: {error}"),
            }
        }
        let Some(scope) = self.scope(&plan, mailbox)? else { return Ok(Vec::new()) };
        let mut finder = Finder { reader: self, search, plan, scope, limit, found: Vec::new() };
        let mut ended = finder.run(searcher.as_ref(), below);
        if let Err(Failure::Index(error)) = ended {
            log::warn!("search index: {error}");
            shared.index.report_damage();
            searcher = None;
            finder.found.clear();
            ended = finder.run(None, below);
        }
        let found = finder.found;
        self.index = searcher;
        match ended {
            Ok(()) => Ok(found),
            Err(Failure::Store(error)) => Err(error),
            Err(Failure::Index(error)) => Err(Error::Io(error.to_string())),
        }
    }

    /// None if a label that is asked for is not in use, so that nothing can be found.
    fn scope(&self, plan: &Plan, mailbox: Option<&str>) -> Result<Option<Scope>, Error> {
        let (mut wanted, mut unwanted) = (Vec::new(), Vec::new());
        if let Some(mailbox) = mailbox {
            wanted.push(self.label(Kind::Mailbox, &mailbox_key(mailbox))?);
        }
        for (tag, must) in &plan.tags {
            let label = self.label(Kind::Tag, &tag_key(tag))?;
            if *must { wanted.push(label) } else { unwanted.extend(label) }
        }
        let Some(wanted) = wanted.into_iter().collect::<Option<Vec<i64>>>() else {
            return Ok(None);
        };
        let domain = |(name, must): &(String, bool)| Ok((self.mailboxes_of(name)?, *must));
        let domains = plan.domains.iter().map(domain).collect::<Result<Vec<_>, Error>>()?;
        Ok(Some(Scope::new(plan, &wanted, &unwanted, &domains)))
    }

    /// The labels of the mailboxes of a domain.
    fn mailboxes_of(&self, domain: &str) -> Result<Vec<i64>, Error> {
        let sql = "SELECT label FROM labels WHERE kind = ? AND substr(name, -length(?2)) = ?2";
        let values = params![Kind::Mailbox as i64, format!("@{domain}")];
        self.all(sql, values, |row| row.get(0))
    }
}

impl Scope {
    /// `any` are lists of labels of which a message must have at least one, or none.
    fn new(plan: &Plan, wanted: &[i64], unwanted: &[i64], any: &[(Vec<i64>, bool)]) -> Self {
        let mut values = Vec::new();
        // A label's own rows are in the order of seq: they lead if there are any.
        let mut sql = match wanted.first() {
            None => String::from("SELECT m.seq FROM messages AS m WHERE 1"),
            Some(&label) => {
                values.push(Value::Integer(label));
                String::from(
                    "SELECT m.seq FROM labelled AS m CROSS JOIN messages USING (seq) WHERE m.label = ?",
                )
            }
        };
        for condition in &plan.conditions {
            sql.push_str(" AND ");
            sql.push_str(condition.sql);
            values.extend(condition.value.clone());
        }
        let rest = wanted.iter().skip(1).map(|label| ("", label));
        for (not, &label) in rest.chain(unwanted.iter().map(|label| ("NOT ", label))) {
            sql.push_str(&format!(
                " AND {not}EXISTS (SELECT 1 FROM labelled AS l WHERE l.label = ? AND l.seq = m.seq)"
            ));
            values.push(Value::Integer(label));
        }
        for (labels, must) in any {
            let not = if *must { "" } else { "NOT " };
            // Each message says its labels itself, so that the newest that fit are found without all others.
            sql.push_str(&format!(
                " AND {not}EXISTS (SELECT 1 FROM json_each(labels) AS own
                   WHERE own.value IN (SELECT value FROM json_each(?)))"
            ));
            values.push(Value::Text(serde_json::json!(labels).to_string()));
        }
        sql.push_str(" AND m.seq >= ? AND m.seq < ? ORDER BY m.seq DESC LIMIT ?");
        Self { sql, values }
    }
}

impl Finder<'_> {
    fn run(&mut self, searcher: Option<&Searcher>, below: i64) -> Result<(), Failure> {
        if !self.plan.asks_index() {
            return self.walk(0, below, self.plan.read_each);
        }
        let Some(searcher) = searcher else { return self.walk(0, below, true) };
        let cursor = searcher.begin().map_err(Failure::Index)?;
        let mut ended = self.walk(cursor + 1, below, true);
        if ended.is_ok() {
            ended = self.ask(searcher, below.min(cursor.saturating_add(1)));
        }
        searcher.end();
        ended
    }

    /// Walks the rows in a range, and reads each message if only that can tell.
    fn walk(&mut self, from: i64, mut below: i64, read_each: bool) -> Result<(), Failure> {
        let mut pieces = Pieces::new(self.limit);
        while !self.is_full() {
            let size = pieces.next();
            let rows = self.rows(from, below, size)?;
            let Some(&last) = rows.last() else { break };
            for seq in rows {
                self.consider(seq, read_each)?;
            }
            below = last;
        }
        Ok(())
    }

    /// Asks the index about everything below a bound.
    fn ask(&mut self, searcher: &Searcher, mut below: i64) -> Result<(), Failure> {
        let mut pieces = Pieces::new(self.limit);
        while !self.is_full() {
            let size = pieces.next();
            let _moment = if self.plan.read_each { None } else { Some(self.reader.moment()?) };
            let mut rows = match (&self.plan.include, &self.plan.exclude) {
                (Some(words), _) => searcher.find(words, below, size).map_err(Failure::Index)?,
                _ => self.rows(0, below, size)?,
            };
            let Some(&last) = rows.last() else { break };
            if let Some(words) = &self.plan.exclude {
                searcher.strike(words, &mut rows).map_err(Failure::Index)?;
            }
            for seq in rows {
                // The index knows nothing of flags, and may still know deleted messages.
                if self.plan.include.is_none() || !self.rows(seq, seq + 1, 1)?.is_empty() {
                    self.consider(seq, self.plan.read_each)?;
                }
            }
            below = last;
        }
        Ok(())
    }

    fn consider(&mut self, seq: i64, read: bool) -> Result<(), Failure> {
        if !self.is_full() && (!read || self.matches(seq)?) {
            self.found.push(seq);
        }
        Ok(())
    }

    fn matches(&self, seq: i64) -> Result<bool, Error> {
        let Some(row) = self.reader.row(seq)? else { return Ok(false) };
        let found = self.reader.document(row, self.search.asks_for_signs())?;
        Ok(found.is_some_and(|(record, document)| matching::holds(self.search, &record, &document)))
    }

    fn rows(&self, from: i64, below: i64, limit: i64) -> Result<Vec<i64>, Error> {
        let bounds = [from, below, limit].map(Value::Integer);
        let values = params_from_iter(self.scope.values.iter().cloned().chain(bounds));
        let rows = self.reader.all(&self.scope.sql, values, |row| row.get(0))?;
        let is_ordered = intact::fall(below, rows.iter().copied());
        if is_ordered { Ok(rows) } else { Err(intact::out_of_order()) }
    }

    fn is_full(&self) -> bool {
        self.found.len() >= self.limit
    }
}

/// Sizes of pieces: a page first, then more and more, for a search that finds little.
struct Pieces(i64);

impl Pieces {
    fn new(limit: usize) -> Self {
        Self(i64::try_from(limit).unwrap_or(LARGEST_PIECE).clamp(1, LARGEST_PIECE))
    }

    fn next(&mut self) -> i64 {
        let size = self.0;
        self.0 = (size * 4).min(LARGEST_PIECE);
        size
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}

/// Seqs that are held at a time.
const LARGEST_PIECE: i64 = 4096;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::search::{Term, Test};

    #[test]
    fn starred_messages_are_found_without_looking_at_all() {
        let db = rusqlite::Connection::open_in_memory().unwrap();
        db.execute_batch(include_str!("schema.sql")).unwrap();
        let starred = Term { negated: false, test: Test::Starred };
        let plan = Plan::new(&search::Query { terms: vec![starred] });
        let scope = Scope::new(&plan, &[], &[], &[]);
        let way: String = db
            .query_row(&format!("EXPLAIN QUERY PLAN {}", scope.sql), [0, 9, 9], |row| row.get(3))
            .unwrap();
        assert!(way.contains("COVERING INDEX messages_starred (starred=? AND rowid"), "{way}");
    }
}
