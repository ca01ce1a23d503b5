"""Stores for corrupt.py to damage: a folder as smtpd left it, and what its clients know of it.

Each has small and large bodies, marks, tags, deletions and several segments of the journal, in one of four
states:

stopped   smtpd ended by itself
killed    kill -9, with everything taken in by the database
cut       the power went: the database is as it was earlier, the journal and the bodies as they were at the end
torn      the same, and a message was being written, which nobody was told to be stored
"""

import collections
import json
import random
import shutil
import signal
import threading
import time

from service import Sender, Smtpd, Web, mail

STATES = ("stopped", "killed", "cut", "torn")
#: Above it a body is a file of its own.
INLINE_LIMIT = 4096
#: What every smtpd of a round is told.
SETTINGS = {"SMTPD_STORE_INLINE_LIMIT": str(INLINE_LIMIT)}
# A segment ends where a sync of it failed, which is the only way to have several small ones.
BREAKS = ("strace", "-D", "-f", "-qq", "-o", "/dev/null", "-e", "trace=fdatasync", "-e")
SEGMENTS = 12
DATABASE = ("smtpd.db", "smtpd.db-wal")
#: Begins a record and a segment of the journal, in every format that there was.
MAGIC = b"smtpd\0"
HEADER = 40

#: A stretch of a segment that belongs to a message: its octets, or the name of its file.
Extent = collections.namedtuple("Extent", "start end id")


class Specimen:
    """A folder and the truth about it."""

    def __init__(self, state, folder, known):
        self.state, self.folder = state, folder
        #: Octets of every message that was ever answered, by its id.
        self.sent = {id: octets for id, octets in known.sent.items() if id not in known.torn}
        #: May be there or not: it was never answered.
        self.perhaps = {id: known.sent[id] for id in known.torn}
        self.live = set(self.sent) - known.deleted
        self.marks = {id: known.marks.get(id, (False, False, ())) for id in self.live}
        #: Messages that the database has not taken in, and the last of them, alone in its batch.
        self.untaken, self.last = set(known.untaken) & self.live, known.last
        #: Ids by the names of the files of their bodies.
        self.files = {}
        #: Stretches by segment, in order; and where messages' records begin, as far as one can see.
        self.extents, self.contents = {}, {}
        self.map()

    def map(self):
        by_octets = {octets: id for id, octets in {**self.sent, **self.perhaps}.items()}
        for path in (self.folder / "bodies").iterdir():
            content = path.read_bytes()
            # Checksums may stand behind them.
            for octets, id in by_octets.items():
                if len(octets) > INLINE_LIMIT and content.startswith(octets):
                    self.files[path.name] = id
        names = {id: name for name, id in self.files.items()}
        for path in sorted((self.folder / "journal").iterdir()):
            content, found = path.read_bytes(), []
            self.contents[path.name] = content
            for id in (self.live | self.perhaps.keys()):
                wanted = names[id].encode() if id in names else {**self.sent, **self.perhaps}[id]
                if (start := content.find(wanted)) >= 0:
                    found.append(Extent(start, start + len(wanted), id))
            self.extents[path.name] = sorted(found)
        placed = {extent.id for extents in self.extents.values() for extent in extents}
        if missing := self.live - placed:
            raise SystemExit(f"{self.state}: {len(missing)} messages are not in the journal")

    def hit(self, segment, begin, end):
        """Messages to which octets of this stretch of a segment may belong."""
        hit, content = set(), self.contents[segment]
        for extent, before, after in self.neighbours(segment):
            # Before it comes its head, behind it what was said and seen of it.
            head = content.rfind(MAGIC, before.end if before else HEADER, extent.start)
            head = head if head >= 0 else (before.end if before else HEADER)
            rest = content.find(MAGIC, extent.end, after.start if after else len(content))
            if rest < 0:
                last = max(extent.end, len(content[: extent.end + 65536].rstrip(b"\0")))
                rest = after.start if after else last
            if begin < rest and end > head:
                hit.add(extent.id)
        return hit

    def neighbours(self, segment):
        extents = self.extents[segment]
        return zip(extents, [None, *extents[:-1]], [*extents[1:], None])


class Known:
    """What the clients know while a store is made."""

    def __init__(self):
        self.sent, self.deleted, self.marks = {}, set(), {}
        self.torn, self.untaken, self.last = set(), set(), None
        self.lock, self.count = threading.Lock(), 0

    def send(self, sender, size):
        """Sends a message; its id, if it was stored."""
        with self.lock:
            self.count += 1
            subject = f"specimen{self.count}x"
        octets = mail(subject, size)
        reply = sender.send(octets).decode()
        if not reply.startswith("250"):
            return None
        id = reply.split()[-1]
        with self.lock:
            self.sent[id] = octets
        return id


def some_size(chance):
    return chance.choice([200, 600, 1500, 3000, 3000, 6_000, 20_000])


def sends(server, known, chance, count, crowd=8):
    """Sends so many, and one alone at the end, in a batch of its own."""
    sizes = [some_size(chance) for _ in range(count)]

    def work():
        sender = Sender(server.smtp)
        while True:
            with known.lock:
                if not sizes:
                    break
                size = sizes.pop()
            known.send(sender, size)
        sender.close()

    jobs = [threading.Thread(target=work) for _ in range(crowd)]
    for job in jobs:
        job.start()
    for job in jobs:
        job.join()
    sender = Sender(server.smtp)
    while (id := known.send(sender, 700)) is None:
        pass
    sender.close()
    return id


def live(server, known, chance):
    """Marks, tags and deletes some."""
    web, ids = Web(server.http), sorted(set(known.sent) - known.deleted)
    picked = chance.sample(ids, len(ids) // 2)
    for number, id in enumerate(picked):
        if number % 3 == 0:
            status, _ = web.ask("DELETE", f"/api/messages/{id}")
            assert status == 204, status
            known.deleted.add(id)
            continue
        marks = (number % 2 == 0, number % 5 == 1, ("kept", "seen") if number % 7 == 1 else ("kept",))
        change = {"read": marks[0], "starred": marks[1], "tags": list(marks[2])}
        status, said = web.ask("PATCH", f"/api/messages/{id}", change)
        assert status == 200, (status, said)
        known.marks[id] = marks


def settle(server):
    """Waits until the database has taken in all that the journal has, and the index too."""
    web = Web(server.http)
    for _ in range(200):
        if not json.loads(web.get("/status"))["index_lag"]:
            break
        time.sleep(0.02)
    json.loads(web.get("/api/messages?limit=1"))
    time.sleep(0.3)


def make(folder, binary, seed):
    """Makes a store in each state below `folder`."""
    chance, known = random.Random(seed), Known()
    data = folder / "data"
    specimens = []

    def start(when=None):
        paths = [f"--trace-path={data}/journal/{number:012}.journal" for number in range(1, SEGMENTS + 1)]
        before = [*BREAKS, f"inject=fdatasync:error=EIO:when={when}", *paths] if when else ()
        return Smtpd(data, SETTINGS, binary, before)

    def keep(state, database=data):
        copy = folder / state
        shutil.copytree(data, copy)
        for name in DATABASE:
            (copy / name).unlink(missing_ok=True)
            if (database / name).exists():
                shutil.copy2(database / name, copy)
        for name in ("smtpd.db-shm", "index.db-shm"):
            (copy / name).unlink(missing_ok=True)
        if state == "torn":
            tear(copy, known, chance)
        specimens.append(Specimen(state, copy, known))

    server = start("9+8")
    sends(server, known, chance, 30, crowd=1)
    live(server, known, chance)
    server.end()
    server = start()
    sends(server, known, chance, 40)
    live(server, known, chance)
    settle(server)
    server.end()
    keep("stopped")
    server = start()
    sends(server, known, chance, 12)
    live(server, known, chance)
    settle(server)
    server.end(signal.SIGKILL)
    keep("killed")
    server, earlier = start("12+14"), folder / "earlier"
    settle(server)
    earlier.mkdir()
    for name in DATABASE:
        if (data / name).exists():
            shutil.copy2(data / name, earlier)
    before = set(known.sent)
    sends(server, known, chance, 20, crowd=1)
    known.last = sends(server, known, chance, 20)
    known.untaken = set(known.sent) - before
    server.end(signal.SIGKILL)
    keep("cut", earlier)
    # The one that was being written is answered in truth, and torn afterwards.
    server = start()
    known.torn = {sends(server, known, chance, 0, crowd=0)}
    server.end(signal.SIGKILL)
    keep("torn", earlier)
    shutil.rmtree(earlier)
    shutil.rmtree(data)
    return specimens


def tear(copy, known, chance):
    """Leaves of the last record what a disk may have had of it when the lights went out."""
    (torn,) = known.torn
    for path in (copy / "journal").iterdir():
        content = bytearray(path.read_bytes())
        if (start := content.find(known.sent[torn])) >= 0:
            begin = content.rfind(MAGIC, 0, start)
            # Sectors are there or not, and the first octets with them.
            cut = chance.choice([begin, begin + 30, start + 100])
            content[cut : cut + 512] = bytes(len(content[cut : cut + 512]))
            path.write_bytes(content)
