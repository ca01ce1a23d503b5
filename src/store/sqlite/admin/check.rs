//! Is everything that was acknowledged there, octet for octet, and do the totals add up?

use std::{path::Path, thread, time::Duration};

use rusqlite::Connection;

use super::{
    super::{
        annotations,
        counters::Counters,
        journal::{JournalEntry, Replayed, replay},
        notes,
        workshop::is_interrupted,
    },
    Folder,
};
use crate::store::{CheckReport, Error};

/// Looks at everything. An error means that it could not look at all.
pub(in crate::store) fn check(path: &Path) -> Result<CheckReport, Error> {
    let folder = Folder::look(path)?;
    let mut checked = CheckReport::default();
    if is_interrupted(path) {
        checked.tell("`smtpd repair` was interrupted here: run it again".into());
    }
    if let Err(error) = integrity(&folder.db, &mut checked) {
        checked.tell(format!("smtpd.db: {error}"));
    }
    match annotations::damaged(&folder.db) {
        Ok(damaged) => damaged.into_iter().for_each(|it| checked.tell(format!("smtpd.db: {it}"))),
        Err(error) => checked.tell(format!("smtpd.db: {error}")),
    }
    match notes::all(&folder.db) {
        Ok(all) => all.into_iter().filter_map(Result::err).for_each(|key| {
            checked.tell(format!("smtpd.db: note {key} is damaged"));
        }),
        Err(error) => checked.tell(format!("smtpd.db: {error}")),
    }
    if let Err(error) = totals(&folder.db, &mut checked) {
        checked.tell(format!("smtpd.db: {error}"));
    }
    let mut behind = i64::MIN;
    rows(&folder, &mut behind, &mut checked)?;
    journal(&folder, &mut behind, &mut checked)?;
    Ok(checked)
}

/// Looks at all rows behind a seq.
fn rows(folder: &Folder, behind: &mut i64, checked: &mut CheckReport) -> Result<(), Error> {
    loop {
        let rows = match folder.rows(*behind) {
            Err(Error::Damaged(what)) => {
                checked.tell(format!("no message behind number {behind} can be read: {what}"));
                return Ok(());
            }
            rows => rows?,
        };
        let Some(last) = rows.last() else { return Ok(()) };
        *behind = last.seq;
        for row in rows {
            checked.messages += 1;
            checked.bytes += row.size();
            // Somebody may delete it while we look.
            if let Some(fault) = folder.fault(&row)
                && folder.has(row.seq)?
            {
                checked.tell(format!("{}: {fault}", row.name()));
            }
        }
    }
}

/// Looks at what the journal has and the database has not taken in. Beside a running smtpd what looks torn
/// is whole a moment later, so a fault counts that stays.
fn journal(folder: &Folder, behind: &mut i64, checked: &mut CheckReport) -> Result<(), Error> {
    let mut before = None;
    loop {
        let counters = match Counters::load(&folder.db) {
            Ok(counters) => counters,
            Err(error) => {
                checked.tell(format!("smtpd.db: {error}"));
                return Ok(());
            }
        };
        rows(folder, behind, checked)?;
        let mut found = Vec::new();
        let replayed = replay_behind(folder, &counters, |placed| {
            found.extend(placed.into_iter().filter(|one| one.head.seq > *behind));
        });
        let fault = match &replayed {
            Err(error) => Some(error.to_string()),
            Ok(Replayed { torn: Some(torn), .. }) => Some(format!(
                "{}: from octet {} on there is something that is no whole message: it was being written \
                 when smtpd ended, or was damaged since",
                folder.segments.path(torn.segment).display(),
                torn.at
            )),
            Ok(_) => None,
        };
        if fault.is_none() || before.as_ref() == Some(&(counters, fault.clone())) {
            fault.into_iter().for_each(|fault| checked.tell(fault));
            found.iter().for_each(|one| look(folder, one, checked));
            return Ok(());
        }
        before = Some((counters, fault));
        thread::sleep(MOMENT);
    }
}

fn replay_behind(
    folder: &Folder,
    counters: &Counters,
    mut found: impl FnMut(Vec<JournalEntry>),
) -> Result<Replayed, Error> {
    let from = (counters.segment, counters.at);
    replay(&folder.segments, counters.identity, from, counters.next_seq, |placed| {
        found(placed);
        Ok(())
    })
}

/// Looks at a message that only the journal has.
fn look(folder: &Folder, one: &JournalEntry, checked: &mut CheckReport) {
    checked.messages += 1;
    checked.bytes += one.head.size;
    let body = one.file.as_ref().map(|name| {
        let body = folder.bodies.read(name, one.head.size);
        body.and_then(|body| body.verify())
    });
    if let Some(Err(error)) = body {
        checked.tell(format!("message {}: {error}", one.head.id));
    }
}

/// What SQLite says of its own file.
fn integrity(db: &Connection, checked: &mut CheckReport) -> rusqlite::Result<()> {
    let mut statement = db.prepare("PRAGMA integrity_check")?;
    let mut rows = statement.query(())?;
    while let Some(row) = rows.next()? {
        let said: String = row.get(0)?;
        if said != "ok" {
            checked.tell(format!("smtpd.db: {said}"));
        }
    }
    Ok(())
}

/// Totals are kept, not counted: here they are counted, all in one moment.
pub(super) fn totals(db: &Connection, checked: &mut CheckReport) -> rusqlite::Result<()> {
    db.execute_batch("BEGIN")?;
    for (what, sql) in TOTALS {
        let (kept, counted): (i64, i64) =
            db.query_row(sql, (), |row| Ok((row.get(0)?, row.get(1)?)))?;
        if kept != counted {
            checked.tell(format!("smtpd.db: {what}: {kept} instead of {counted}"));
        }
    }
    db.execute_batch("ROLLBACK")
}

/// Between two looks at what looks torn.
const MOMENT: Duration = Duration::from_millis(300);

/// What is kept, and the two numbers that must be the same.
const TOTALS: [(&str, &str); 13] = [
        ("messages", "SELECT messages, (SELECT count(*) FROM messages) FROM counters"),
        (
            "unread messages",
            "SELECT unread, (SELECT count(*) FROM messages WHERE read = 0) FROM counters",
        ),
        ("octets", "SELECT bytes, (SELECT coalesce(sum(size), 0) FROM messages) FROM counters"),
        (
            "octets in files",
            "SELECT file_bytes,
                 (SELECT coalesce(sum(size), 0) FROM messages WHERE file IS NOT NULL) FROM counters",
        ),
        (
            "messages of labels",
            "SELECT (SELECT coalesce(sum(messages), 0) FROM labels), (SELECT count(*) FROM labelled)",
        ),
        (
            "labels of messages",
            "SELECT (SELECT count(*) FROM labelled),
                 (SELECT coalesce(sum(json_array_length(labels)), 0) FROM messages
                  WHERE json_valid(labels))",
        ),
        (
            "labels with a wrong total",
            "SELECT 0, count(*) FROM labels AS l WHERE messages <>
                 (SELECT count(*) FROM labelled WHERE labelled.label = l.label)",
        ),
        (
            "labels of nothing",
            "SELECT 0, count(*) FROM labelled WHERE seq NOT IN (SELECT seq FROM messages)",
        ),
        (
            "annotations of nothing",
            "SELECT 0, count(*) FROM annotations WHERE seq NOT IN (SELECT seq FROM messages)",
        ),
        (
            "messages of segments",
            "SELECT (SELECT coalesce(sum(messages), 0) FROM segments), (SELECT count(*) FROM messages)",
        ),
        (
            "segments with a wrong total",
            "SELECT 0, count(*) FROM segments LEFT JOIN
                 (SELECT segment, count(*) AS counted FROM messages GROUP BY segment) USING (segment)
             WHERE messages <> coalesce(counted, 0)",
        ),
        (
            "messages that searches leave out",
            "SELECT 0, count(*) FROM tombstones WHERE seq IN (SELECT seq FROM messages)",
        ),
        (
            "messages with wrong tags",
            "SELECT 0, count(*) FROM messages WHERE json_valid(labels) AND tagged <> EXISTS (
                 SELECT 1 FROM json_each(messages.labels) JOIN labels ON label = value WHERE kind = 1)",
        ),
];
