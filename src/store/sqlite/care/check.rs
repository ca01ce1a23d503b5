//! Is everything that was acknowledged there, octet for octet, and do the totals add up?

use std::path::Path;

use rusqlite::Connection;

use super::{super::schema::failed, Folder};
use crate::store::{Checked, Error};

/// Looks at everything. An error means that it could not look at all.
pub(in crate::store) fn check(folder: &Path) -> Result<Checked, Error> {
    let folder = Folder::look(folder)?;
    let mut checked = Checked::default();
    let mut sums = || -> rusqlite::Result<()> {
        integrity(&folder.db, &mut checked)?;
        totals(&folder.db, &mut checked)
    };
    sums().map_err(|error| failed(&error))?;
    let mut behind = i64::MIN;
    loop {
        let rows = folder.rows(behind)?;
        let Some(last) = rows.last() else { return Ok(checked) };
        behind = last.seq;
        for row in rows {
            checked.messages += 1;
            checked.bytes += row.size;
            // Somebody may delete it while we look.
            if let Some(fault) = folder.fault(&row)
                && folder.has(row.seq)?
            {
                checked.tell(format!("message {}: {fault}", row.id));
            }
        }
    }
}

/// What SQLite says of its own file.
pub(super) fn integrity(db: &Connection, checked: &mut Checked) -> rusqlite::Result<()> {
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
fn totals(db: &Connection, checked: &mut Checked) -> rusqlite::Result<()> {
    let questions = [
        ("messages", "SELECT messages, (SELECT count(*) FROM messages) FROM counters"),
        (
            "unread messages",
            "SELECT unread, (SELECT count(*) FROM messages WHERE read = 0) FROM counters",
        ),
        ("octets", "SELECT bytes, (SELECT coalesce(sum(size), 0) FROM messages) FROM counters"),
        (
            "messages of labels",
            "SELECT (SELECT coalesce(sum(messages), 0) FROM labels), (SELECT count(*) FROM labelled)",
        ),
        (
            "labels with a wrong total",
            "SELECT 0, count(*) FROM labels AS l WHERE messages <>
                 (SELECT count(*) FROM labelled WHERE labelled.label = l.label)",
        ),
        (
            "messages of segments",
            "SELECT (SELECT coalesce(sum(messages), 0) FROM segments), (SELECT count(*) FROM messages)",
        ),
    ];
    db.execute_batch("BEGIN")?;
    for (what, sql) in questions {
        let (kept, counted): (i64, i64) =
            db.query_row(sql, (), |row| Ok((row.get(0)?, row.get(1)?)))?;
        if kept != counted {
            checked.tell(format!("smtpd.db: {what}: {kept} instead of {counted}"));
        }
    }
    db.execute_batch("ROLLBACK")
}
