"""What corrupt.py does to a copy of a store, and which messages it may cost."""

import dataclasses
import pathlib
import shutil
import sqlite3
import tempfile
from collections.abc import Callable

from specimen import DATABASE

#: The layout's number in the first page: a flipped bit makes it that of a later smtpd, which is left alone.
OF_VERSION = range(60, 64)
#: What SQLite takes for sound and is wrong. {a} and {b} are two messages, {n} any number.
WRONG_COUNTERS = {
    "at": ("0", "at - 1", "at + 1", "at / 2", "at * 2", "at + 1000000", "-1", "-at", "9223372036854775807"),
    "segment": ("0", "segment - 1", "segment + 1", "segment + 1000", "-segment", "-9223372036854775808"),
    "next_seq": ("1", "next_seq - 1", "next_seq - 20", "next_seq + 1", "next_seq + 1000", "-5", "9223372036854775807"),
    "last_id": ("NULL", "x'000000000000000000000000'", "x'ffffffffffffffffffffffff'", "x'00'", "'text'"),
    "messages": ("0", "messages + 1", "-1"),
    "unread": ("messages + 1", "-1"),
    "bytes": ("0", "-1", "bytes + 1"),
    "epoch": ("epoch + 1", "-1"),
    "identity": ("identity + 1", "0"),
}
WRONG_ROWS = {
    "labels='['": "UPDATE messages SET labels = '[' WHERE seq = {a}",
    "labels=''": "UPDATE messages SET labels = '' WHERE seq = {a}",
    "labels of nobody": "UPDATE messages SET labels = '[987654]' WHERE seq = {a}",
    "labels of another": "UPDATE messages SET labels = (SELECT labels FROM messages WHERE seq = {b}) WHERE seq = {a}",
    "another id": "UPDATE messages SET id = substr(id, 1, 11) || x'{n:02x}' WHERE seq = {a}",
    "a short id": "UPDATE messages SET id = x'0102' WHERE seq = {a}",
    "two ids changed over": """
        UPDATE messages SET id = x'00' WHERE seq = {a};
        UPDATE messages SET id = (SELECT id FROM main.was WHERE seq = {a}) WHERE seq = {b};
        UPDATE messages SET id = (SELECT id FROM main.was WHERE seq = {b}) WHERE seq = {a}""",
    "a negative place": "UPDATE messages SET at = -at WHERE seq = {a}",
    "a place too high": "UPDATE messages SET at = at + {n} WHERE seq = {a}",
    "the place of another": "UPDATE messages SET (segment, at, held, meta, size, file) = (SELECT segment, at, held, meta, size, file FROM messages WHERE seq = {b}) WHERE seq = {a}",
    "another segment": "UPDATE messages SET segment = segment + 1 WHERE seq = {a}",
    "a segment that is nowhere": "UPDATE messages SET segment = 4711 WHERE seq = {a}",
    "a longer body": "UPDATE messages SET held = held + {n} WHERE seq = {a}",
    "a negative body": "UPDATE messages SET held = -1 WHERE seq = {a}",
    "an immense body": "UPDATE messages SET held = 9223372036854775807 WHERE seq = {a}",
    "a shorter meta": "UPDATE messages SET meta = meta / 2 WHERE seq = {a}",
    "another size": "UPDATE messages SET size = size + 1 WHERE seq = {a}",
    "a negative size": "UPDATE messages SET size = -size WHERE seq = {a}",
    "no file": "UPDATE messages SET file = NULL WHERE seq = {large}",
    "the file of another": "UPDATE messages SET file = (SELECT file FROM messages WHERE seq = {large}) WHERE seq = {a}",
    "a file outside": "UPDATE messages SET file = '../smtpd.db' WHERE seq = {large}",
    "a received time that is no time": "UPDATE messages SET received = 9223372036854775807 WHERE seq = {a}",
    "a state that is none": "UPDATE messages SET state = 'LOST' WHERE seq = {a}",
    "text for a number": "UPDATE messages SET at = 'here' WHERE seq = {a}",
    "a missing row": "DELETE FROM messages WHERE seq = {a}",
    "a missing last row": "DELETE FROM messages WHERE seq = (SELECT max(seq) FROM messages)",
    "many missing rows": "DELETE FROM messages WHERE seq % 2 = 0",
    "all rows missing": "DELETE FROM messages",
    "another seq": "UPDATE messages SET seq = 100000 WHERE seq = {a}",
    "a row that nobody sent": """CREATE TEMP TABLE copied AS SELECT * FROM messages WHERE seq = {a};
        UPDATE copied SET seq = 100000, id = x'0102030405060708090a0b0c';
        INSERT INTO messages SELECT * FROM copied""",
    "no labelled": "DELETE FROM labelled WHERE seq = {a}",
    "labels with a wrong total": "UPDATE labels SET messages = messages - 1, unread = unread + 7",
    "no labels": "DELETE FROM labels",
    "no row of a segment": "DELETE FROM segments WHERE segment = (SELECT segment FROM messages WHERE seq = {a})",
    "a segment with one message": "UPDATE segments SET messages = 1",
    "no counters": "DELETE FROM counters",
    "a tombstone for what is there": "INSERT OR IGNORE INTO tombstones VALUES ({a})",
}


@dataclasses.dataclass
class Damage:
    """Something wrong with a folder."""

    #: The row of the table that it is counted in.
    kind: str
    #: Says it again.
    spec: str
    apply: Callable
    #: Messages whose octets it may have hit.
    hit: frozenset = frozenset()
    #: Messages of which only the record was hit, and the file of the body is whole.
    only_record: frozenset = frozenset()
    #: Marks may have gone with it, and what was deleted may come back: it hit the database.
    is_of_database: bool = False
    #: A row or a counter is wrong that a start cannot see without looking at all of them.
    is_of_row: bool = False


def classes(name):
    """The kind of a file of a store."""
    if name.startswith("journal/"):
        return "journal"
    return "bodies" if name.startswith("bodies/") else name


def files(specimen):
    """Names of all files of the store, in order."""
    folder = specimen.folder
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def of_file(specimen, name, begin, end, kind, spec, apply):
    """Damage of octets of a file."""
    hit, only_record = set(), set()
    if name.startswith("journal/"):
        hit = specimen.hit(pathlib.Path(name).name, begin, end)
        bodies = set(specimen.files.values())
        only_record = hit & bodies
    elif name.startswith("bodies/"):
        hit = {specimen.files.get(pathlib.Path(name).name)} - {None}
    is_of_database = name in DATABASE
    return Damage(
        f"{kind} {classes(name)}", spec, apply, frozenset(hit), frozenset(only_record), is_of_database, name == "smtpd.db"
    )


def edit(name, change):
    """Changes the octets of a file."""

    def apply(folder):
        path = folder / name
        content = bytearray(path.read_bytes())
        change(content)
        path.write_bytes(content)

    return apply


def flip(specimen, name, at, bit):
    def change(content):
        content[at] ^= 1 << bit

    return of_file(specimen, name, at, at + 1, "flip", f"flip {name} {at} {bit}", edit(name, change))


def run(specimen, name, at, octet):
    def change(content):
        content[at : at + 30] = bytes([octet]) * len(content[at : at + 30])

    return of_file(specimen, name, at, at + 30, "run of 30", f"run {name} {at} {octet}", edit(name, change))


def cut(specimen, name, at):
    def change(content):
        del content[at:]

    return of_file(specimen, name, at, 1 << 62, "truncation", f"cut {name} {at}", edit(name, change))


def remove(specimen, name):
    def apply(folder):
        (folder / name).unlink()

    return of_file(specimen, name, 0, 1 << 62, "removal", f"remove {name}", apply)


def sql(kind, text):
    """Makes a change of the database that SQLite takes for sound."""

    def apply(folder):
        db = sqlite3.connect(folder / "smtpd.db", isolation_level=None)
        try:
            # Some changes are only possible against what the schema says.
            db.execute("PRAGMA ignore_check_constraints = 1")
            if "main.was" in text:
                db.execute("CREATE TABLE main.was AS SELECT seq, id FROM messages")
            for statement in text.split(";"):
                db.execute(statement)
            if "main.was" in text:
                db.execute("DROP TABLE main.was")
        finally:
            db.close()

    return Damage(kind, f"sql {text}", apply, is_of_database=True, is_of_row=kind == "wrong row")


def wrong_counters():
    """Every wrong counter."""
    for column, values in WRONG_COUNTERS.items():
        for value in values:
            yield sql("wrong counter", f"UPDATE counters SET {column} = {value}")


def wrong_rows(specimen, chance):
    """Every wrong row, of messages by chance."""
    # SQLite would change what it looks at.
    with tempfile.TemporaryDirectory() as copy:
        for name in DATABASE:
            if (specimen.folder / name).exists():
                shutil.copy(specimen.folder / name, copy)
        db = sqlite3.connect(f"{copy}/smtpd.db")
        seqs = [seq for (seq,) in db.execute("SELECT seq FROM messages ORDER BY seq")]
        large = [seq for (seq,) in db.execute("SELECT seq FROM messages WHERE file IS NOT NULL")]
        db.close()
    for text in WRONG_ROWS.values():
        a, b = chance.sample(seqs, 2)
        yield sql("wrong row", text.format(a=a, b=b, n=chance.randrange(1, 250), large=chance.choice(large)))


def by_chance(specimen, chance, names):
    """Some damage of octets in one of the files."""
    weights = {"journal": 8, "smtpd.db": 9, "smtpd.db-wal": 6, "bodies": 0.3, "index.db": 1, "index.db-wal": 1}
    name = chance.choices(names, [weights.get(classes(name), 0.5) for name in names])[0]
    content = (specimen.folder / name).read_bytes()
    if not content:
        return remove(specimen, name)
    at = interesting(specimen, name, content, chance)
    how = chance.choices(("flip", "run", "cut", "remove"), (12, 3, 3, 0.3))[0]
    if how == "flip":
        return flip(specimen, name, at, chance.randrange(8))
    if how == "run":
        return run(specimen, name, at, chance.choice([0, 0xFF, 0x41]))
    if how == "cut":
        return cut(specimen, name, at // 4096 * 4096 if chance.random() < 0.3 else at)
    return remove(specimen, name)


def interesting(specimen, name, content, chance):
    """A place in a file: seldom in a long stretch of zeros, and often in what is not the text of a mail."""
    if name.startswith("journal/") and chance.random() < 0.5 and specimen.extents[pathlib.Path(name).name]:
        extent, before, _ = chance.choice(list(specimen.neighbours(pathlib.Path(name).name)))
        return chance.randrange(before.end if before else 0, extent.start)
    for _ in range(20):
        at = chance.randrange(len(content))
        if (content[at] or chance.random() < 0.1) and not (name == "smtpd.db" and at in OF_VERSION):
            break
    return at


def again(specimen, spec):
    """The damage that this says."""
    how, rest = spec.split(" ", 1)
    if how == "sql":
        return sql("wrong counter" if "counters SET" in rest else "wrong row", rest)
    name, *numbers = rest.split()
    make = {"flip": flip, "run": run, "cut": cut, "remove": remove}[how]
    return make(specimen, name, *map(int, numbers))
