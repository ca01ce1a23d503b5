-- From layout 2 to layout 3, to which upgrade.rs adds the rest. The checksums are computed by schema.rs.
ALTER TABLE messages ADD COLUMN sum INTEGER NOT NULL DEFAULT 0;
ALTER TABLE segments ADD COLUMN rescued INTEGER NOT NULL DEFAULT 0;
ALTER TABLE labelled ADD COLUMN flags INTEGER NOT NULL DEFAULT 0;
ALTER TABLE labelled ADD COLUMN gone INTEGER NOT NULL DEFAULT 0;
ALTER TABLE counters ADD COLUMN sum INTEGER NOT NULL DEFAULT 0;
CREATE TABLE annotations (
    seq   INTEGER NOT NULL,
    name  TEXT    NOT NULL,
    value BLOB    NOT NULL,
    PRIMARY KEY (seq, name)
) WITHOUT ROWID;
CREATE TABLE notes (
    name  TEXT PRIMARY KEY,
    value BLOB NOT NULL
) WITHOUT ROWID;
INSERT INTO notes VALUES ('layout', 3);
