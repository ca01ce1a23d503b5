-- The database of messages. `user_version` is this file's version; see schema.rs.
--
-- It knows where in the journal each message stands, and everything about it that can change. seq numbers
-- messages in the order of commits and is never used twice, so that whatever else knows a message by its
-- seq (the full-text index) can be behind without being wrong.

-- Narrow rows: a million of them are scanned in a tenth of a second.
CREATE TABLE messages (
    seq        INTEGER PRIMARY KEY,     -- from counters.next_seq
    id         BLOB    NOT NULL UNIQUE, -- 12 bytes; grows with seq, so paging by one is paging by the other
    received   INTEGER NOT NULL,        -- milliseconds since 1970
    size       INTEGER NOT NULL,        -- octets as received
    read       INTEGER NOT NULL DEFAULT 0,
    starred    INTEGER NOT NULL DEFAULT 0,
    tagged     INTEGER NOT NULL DEFAULT 0,
    attachment INTEGER NOT NULL,        -- 1: has attachments, 2: shows images of its own, 3: both
    state      TEXT    NOT NULL,
    labels     TEXT    NOT NULL,        -- JSON array of labels.label: where to count when the message changes
    segment    INTEGER NOT NULL,        -- of the journal
    at         INTEGER NOT NULL,        -- where its record begins
    held       INTEGER NOT NULL,        -- octets of the body in the record
    meta       INTEGER NOT NULL,        -- octets of envelope and summary behind it
    file       TEXT                     -- name of the body's file in bodies/, if it is not in the record
);

-- Start-up compares these names with the folder; most messages have none.
CREATE INDEX messages_file ON messages (file) WHERE file IS NOT NULL;

-- How many messages stand in each segment of the journal: one without any can go.
CREATE TABLE segments (
    segment  INTEGER PRIMARY KEY,
    messages INTEGER NOT NULL
);

-- Mailboxes (kind 0) and tags (kind 1) with their totals: kept, not counted. A label without messages
-- is deleted.
CREATE TABLE labels (
    label    INTEGER PRIMARY KEY AUTOINCREMENT, -- never reused: a reader may still hold it
    kind     INTEGER NOT NULL,
    name     TEXT    NOT NULL,
    messages INTEGER NOT NULL,
    unread   INTEGER NOT NULL,
    UNIQUE (kind, name)
);

CREATE TABLE labelled (
    label INTEGER NOT NULL,
    seq   INTEGER NOT NULL,
    PRIMARY KEY (label, seq)
) WITHOUT ROWID;

-- Deleted messages that the full-text index may still hold.
CREATE TABLE tombstones (seq INTEGER PRIMARY KEY);

-- One row, written once per transaction.
CREATE TABLE counters (
    one        INTEGER PRIMARY KEY CHECK (one = 1),
    identity   INTEGER NOT NULL,        -- random: an index or a journal of another database is noticed
    epoch      INTEGER NOT NULL,        -- grows when all is deleted: the index starts again
    next_seq   INTEGER NOT NULL,
    last_id    BLOB,                    -- the newest id ever given
    segment    INTEGER NOT NULL,        -- up to here the journal is taken in
    at         INTEGER NOT NULL,
    messages   INTEGER NOT NULL,
    unread     INTEGER NOT NULL,
    bytes      INTEGER NOT NULL,
    file_bytes INTEGER NOT NULL         -- of these, in files of their own
);
