//! The thread that feeds the full-text index from the stored messages.
//!
//! There is no queue: it asks the database what lies beyond the cursor, so it can stop anywhere and
//! nothing is lost. It works in small transactions and gives way to mail that is coming in.

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use rusqlite::ErrorCode;

use super::{
    Shared,
    counters::Counters,
    index,
    read::{Reader, Row},
    schema::failed,
    writer::Writer,
};
use crate::store::Error;

/// The thread's own things.
pub(super) struct Indexer {
    pub(super) shared: Arc<Shared>,
    pub(super) writer: Writer,
    pub(super) reader: Reader,
    pub(super) index: index::Writer,
    /// When the message came that was taken in last, in seconds of Unix time.
    pub(super) reached_at: u32,
    /// When free space was given back last.
    pub(super) tidied: Instant,
    /// Something was forgotten since.
    pub(super) is_untidy: bool,
}

/// What went wrong, and so what to do.
enum Failure {
    /// The index is unusable: build it anew.
    Index(rusqlite::Error),
    /// Anything else: try again later.
    Other(Error),
}

impl Indexer {
    /// Works until it is told to stop.
    pub(super) fn run(mut self) {
        let shared = self.shared.clone();
        let notify = &shared.index.notify;
        let mut told = false;
        let mut more = true;
        // A moment's rest lets mails that come one by one share a transaction.
        while (more || notify.wait(self.is_untidy.then_some(TIDY)))
            && notify.rest(if more { Duration::ZERO } else { GATHER })
        {
            let begun = Instant::now();
            match self.round() {
                Ok(left) => (more, told) = (left, false),
                Err(failure) => {
                    if !std::mem::replace(&mut told, true) {
                        log::warn!("search index: {}", failure.text());
                    }
                    let _ = notify.rest(RETRY);
                    more = match failure {
                        Failure::Index(_) => self.rebuild().is_ok(),
                        Failure::Other(_) => true,
                    };
                }
            }
            // A burst of mail has the processors for itself at first, for the senders wait and the index
            // need not: searches read what it lacks.
            if self.writer.is_busy() {
                let _ = notify
                    .rest((begun.elapsed() * modesty(self.lag(), self.behind())).min(LONGEST_REST));
            }
        }
    }

    /// How long ago the message came that was taken in last.
    fn lag(&self) -> Duration {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        now.saturating_sub(Duration::from_secs(self.reached_at.into()))
    }

    /// Messages that are stored and not taken in yet.
    fn behind(&self) -> i64 {
        self.shared.counters().next_seq - 1 - self.index.state.cursor
    }

    /// Does a bounded piece of work; true if there is more.
    fn round(&mut self) -> Result<bool, Failure> {
        // On a full disk the messages themselves come first.
        if !self.shared.reserve.is_kept() {
            return Err(Failure::Other(Error::Full));
        }
        let counters = Counters::load(&self.reader.db).map_err(|e| Failure::Other(failed(&e)))?;
        let of = (counters.identity, counters.epoch);
        if self.shared.index.is_damaged()
            || (self.index.state.identity, self.index.state.epoch) != of
        {
            self.rebuild()?;
        }
        // In this order: whoever is deleted after the first question is forgotten in the next round.
        let sql = "SELECT seq FROM tombstones ORDER BY seq LIMIT ?";
        let dead = self.reader.all(sql, [ROUND], |row| row.get::<_, i64>(0))?;
        let cursor = self.index.state.cursor;
        let fresh = self.reader.rows_above(cursor, ROUND)?;
        if dead.is_empty() && fresh.is_empty() {
            self.tidy(false)?;
            return Ok(false);
        }
        self.index.begin()?;
        // What was deleted before the index had it needs no forgetting.
        let known = dead.partition_point(|seq| *seq <= cursor);
        self.index.forget(&dead[..known])?;
        let reached = self.apply(fresh)?.unwrap_or(cursor);
        self.shared.index.advance(&mut self.index, reached)?;
        let has_dead = !dead.is_empty();
        if has_dead {
            smol::block_on(self.writer.ask(move |tx| tx.bury(&dead)))?;
        }
        self.tidy(has_dead)?;
        Ok(true)
    }

    /// Gives back space of what was forgotten, but not each time that something is: that writes all of the
    /// log into the file and syncs both, which takes longer than the round itself.
    fn tidy(&mut self, has_dead: bool) -> Result<(), Failure> {
        self.is_untidy |= has_dead;
        if self.is_untidy && self.tidied.elapsed() >= TIDY {
            self.index.vacuum()?;
            (self.is_untidy, self.tidied) = (false, Instant::now());
        }
        Ok(())
    }

    /// Adds these messages until the round is full; returns the last seq that is done.
    fn apply(&mut self, fresh: Vec<Row>) -> Result<Option<i64>, Failure> {
        let (mut octets, mut reached) = (0, None);
        for row in fresh {
            let seq = row.seq;
            if let Some((record, document)) = self.reader.document(row, false)? {
                self.reached_at = record.id.unix_seconds();
                self.index.add(seq, &document)?;
                octets += document.fields.iter().map(String::len).sum::<usize>();
            }
            reached = Some(seq);
            if octets > ROUND_OCTETS {
                break;
            }
        }
        Ok(reached)
    }

    fn rebuild(&mut self) -> Result<(), Failure> {
        let counters = Counters::load(&self.reader.db).map_err(|e| Failure::Other(failed(&e)))?;
        self.index = self.shared.index.rebuild(counters.identity, counters.epoch)?;
        Ok(())
    }
}

/// For how many times its work the index rests while mail comes in: a tenth of one processor is enough at
/// first, half of one once searches have much to read; and it does not rest while the mail that it takes in
/// is old.
fn modesty(lag: Duration, behind: i64) -> u32 {
    if lag >= PATIENCE {
        0
    } else if behind >= MUCH {
        1
    } else {
        9
    }
}

impl Failure {
    fn text(&self) -> String {
        match self {
            Self::Index(error) => format!("it is rebuilt: {error}"),
            Self::Other(error) => error.to_string(),
        }
    }
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            // The disk will have room again, and a search lets go of the file.
            Some(ErrorCode::DiskFull | ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                Self::Other(failed(&error))
            }
            _ => Self::Index(error),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}

/// Messages in one transaction at most,
const ROUND: i64 = 500;
/// and octets of words.
const ROUND_OCTETS: usize = 8 * 1024 * 1024;
/// How long it waits for company after the first mail of a quiet time.
const GATHER: Duration = Duration::from_millis(50);
/// Mail that came so long ago is to be found.
const PATIENCE: Duration = Duration::from_secs(3);
/// So many messages are much for a search to read.
const MUCH: i64 = 20_000;
/// A large piece of work must not make the rest long.
const LONGEST_REST: Duration = Duration::from_millis(500);
/// Between two times that space is given back.
const TIDY: Duration = Duration::from_secs(2);
/// Between two attempts after a failure.
const RETRY: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_index_rests_less_the_more_it_lacks_and_not_when_mail_grows_old() {
        let young = PATIENCE - Duration::from_millis(1);
        assert_eq!(modesty(Duration::ZERO, 1), 9);
        assert_eq!(modesty(young, MUCH), 1);
        assert_eq!(modesty(PATIENCE, 1), 0);
        assert_eq!(modesty(PATIENCE, MUCH), 0);
    }
}
