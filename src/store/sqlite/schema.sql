-- The database of messages. `user_version` is this file's version; see schema.rs.
--
-- It knows where in the journal each message stands, and everything about it that can change. seq numbers
-- messages in the order of commits and is never used twice, so that whatever else knows a message by its
-- seq (the full-text index) can be behind without being wrong.

-- Narrow rows: a million of them are scanned in a tenth of a second.
CREATE TABLE messages (
    seq        INTEGER PRIMARY KEY,     -- from counters.next_seq; outside of the store it is the uid
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
    file       TEXT,                    -- name of the body's file in bodies/, if it is not in the record
    sum        INTEGER NOT NULL         -- CRC-32 of what never changes (fixed.rs)
);

-- Start-up compares these names with the folder; most messages have none.
CREATE INDEX messages_file ON messages (file) WHERE file IS NOT NULL;

-- Few of a million are, and who asks for them should not look at all.
CREATE INDEX messages_starred ON messages (starred) WHERE starred = 1;

-- How many messages stand in each segment of the journal: one without any can go.
CREATE TABLE segments (
    segment  INTEGER PRIMARY KEY,
    messages INTEGER NOT NULL,
    rescued  INTEGER NOT NULL DEFAULT 0 -- written by `smtpd repair`: messages stand in it in any order
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
    flags INTEGER NOT NULL DEFAULT 0,   -- of the message in this mailbox alone; no front end has any yet
    gone  INTEGER NOT NULL DEFAULT 0,   -- not used: what leaves a mailbox has no row here any more
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
    file_bytes INTEGER NOT NULL,        -- of these, in files of their own
    sum        INTEGER NOT NULL         -- CRC-32 of all columns above
);

-- What is learnt of a message after it was stored. `left`, the mailboxes that it left as a JSON array, is our
-- own; verdicts, deliveries and the like have `+` before their name and CRC-32 before their value (sealed.rs).
CREATE TABLE annotations (
    seq   INTEGER NOT NULL,
    name  TEXT    NOT NULL,
    value BLOB    NOT NULL,
    PRIMARY KEY (seq, name)
) WITHOUT ROWID;

-- Small things that must outlive a restart, such as the cursors of those who read along, with the same `+` and
-- CRC-32. The layout is said here once more, without them, so that a wrong bit in `user_version` is not taken for
-- another layout.
CREATE TABLE notes (
    name  TEXT PRIMARY KEY,
    value BLOB NOT NULL
) WITHOUT ROWID;
INSERT INTO notes VALUES ('layout', 4);
