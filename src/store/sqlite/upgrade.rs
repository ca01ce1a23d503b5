//! From the layouts of the builds before 0.1.0 to the present one. Layout 3 brought checksums of what the
//! database says, and room for what is to come; layout 4 an index of starred messages. The journal stays as it is.

use std::{io, os::unix::fs::FileExt};

use rusqlite::Connection;

use super::{
    counters::Counters,
    fixed::Fixed,
    intact,
    journal::{RecordHeader, Segments},
    schema,
};

/// Does it, all or nothing. A row that is not that of its record stays, as one that is damaged: otherwise what
/// is wrong would be proven right from now on.
pub(super) fn from_layout_2(db: &mut Connection, segments: &Segments) -> rusqlite::Result<()> {
    let all = db.transaction()?;
    all.execute_batch(include_str!("upgrade.sql"))?;
    let rows = "SELECT seq, id, received, size, attachment, segment, at, held, meta, file, 0
                FROM messages WHERE seq > ? ORDER BY seq LIMIT 1000";
    let mut behind = i64::MIN;
    loop {
        let mut statement = all.prepare_cached(rows)?;
        let rows =
            statement.query_map([behind], |row| Ok((row.get(0)?, Fixed::unproven(row).ok())))?;
        let rows = rows.collect::<rusqlite::Result<Vec<(i64, Option<Fixed>)>>>()?;
        let Some((last, _)) = rows.last() else { break };
        if !intact::grow(behind, rows.iter().map(|(seq, _)| *seq)) {
            // As an error of SQLite's own, which it should have been.
            return Err(rusqlite::Error::QueryReturnedNoRows);
        }
        behind = *last;
        let mut update = all.prepare_cached("UPDATE messages SET sum = ? WHERE seq = ?")?;
        for (seq, fixed) in &rows {
            let proven = fixed.as_ref().filter(|fixed| is_of_its_record(fixed, segments));
            update.execute([proven.map_or(NO_SUM, Fixed::sum), *seq])?;
        }
    }
    Counters::read(&all)?.0.save(&all)?;
    add_index_of_starred(&all)?;
    all.commit()
}

/// Does it, all or nothing.
pub(super) fn from_layout_3(db: &mut Connection) -> rusqlite::Result<()> {
    let all = db.transaction()?;
    add_index_of_starred(&all)?;
    all.commit()
}

fn add_index_of_starred(db: &Connection) -> rusqlite::Result<()> {
    db.execute_batch("CREATE INDEX messages_starred ON messages (starred) WHERE starred = 1")?;
    db.execute("UPDATE notes SET value = ? WHERE name = 'layout'", [schema::VERSION])?;
    db.pragma_update(None, "user_version", schema::VERSION)
}

fn is_of_its_record(fixed: &Fixed, segments: &Segments) -> bool {
    let read = || -> io::Result<[u8; RecordHeader::LENGTH]> {
        let mut octets = [0; RecordHeader::LENGTH];
        segments.file(fixed.segment)?.read_exact_at(&mut octets, fixed.at)?;
        Ok(octets)
    };
    // A record that is damaged itself says nothing against its row.
    let head = read().ok().and_then(|octets| RecordHeader::read(&octets));
    head.is_none_or(|head| {
        (head.seq, head.id, head.held, u64::from(head.meta), head.size)
            == (fixed.seq, fixed.id, fixed.held, fixed.meta, fixed.size)
    })
}

/// The checksum of nothing: CRC-32 has 32 bits.
const NO_SUM: i64 = -1;
