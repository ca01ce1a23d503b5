#!/usr/bin/env python3
"""Cuts the power at random points of a log of every write, and tears what was not synced.

    cargo build --release && tests/faults/torn.py --cuts 100
    SENDERS=1 tests/faults/torn.py --cuts 100           # one alone, whose mail is a batch each
    tests/faults/torn.py --cuts 20 --ignore journal     # the controls: each of these must lose
    tests/faults/torn.py --cuts 20 --ignore bodies
    tests/faults/torn.py --cuts 20 --ignore names
    tests/faults/torn.py --cuts 20 --ignore database
    tests/faults/torn.py --cuts 20 --ignore log
    tests/faults/torn.py --cuts 20 --without lasting
    tests/faults/torn.py --cuts 100 --fail              # some syncs fail, too: it must not lose

smtpd runs under strace, which notes every write to its folder with its octets, every sync, every change
of a length or a name, and every answer. For a cut between two lines of that log the folder is made anew,
as a disk could hold it: what was written before the last sync of its file began is there; of what was
written later each sector of 512 octets is there or not, by itself; a file has one of the lengths that it
had since; names made or removed since the last sync of their folder are there or not. A sync that had not
ended at the cut does not count, and one that failed never makes durable what was written before it.

On that folder smtpd starts, and everything that was answered with 250 before the cut must be there, whole
and once, everything deleted before it gone, everything tagged tagged, and the index must find what is
there. In every other log all mail is deleted at once in the middle. smtpd then runs on from one of these
folders under strace, so that what it does to repair is cut, too.

The whole log must make the very folder that smtpd left: so no call is overlooked, whatever the C library
uses, and a call that is not understood ends the script.

`--ignore` takes one kind of sync for not done: the journal's, those of large bodies, those of the folder
of large bodies, those of the database with its log, those of the log alone. `--without lasting` builds a
copy of smtpd in which deletions and tags are answered before they are synced, and nothing is given back.
"""

import argparse
import bisect
import collections
import http.client
import json
import math
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time

from service import BINARY, SENDERS, Sender, Smtpd, Web, mail, without

SECTOR = 512
# Logs that are written; the cuts are shared among them.
LOGS = 5
MEMORY = "/dev/shm" if os.path.isdir("/dev/shm") else None
# The calls that are understood. C libraries differ in which they use for the same thing.
OPEN = {"open", "openat"}
NAMES = OPEN | {"mkdir", "mkdirat", "unlink", "unlinkat"}
WRITE = {"write", "writev", "pwrite64", "pwritev", "pwritev2"}
SYNC = {"fsync", "fdatasync"}
ANSWER = {"write", "writev", "sendto", "sendmsg"}
# What could change the folder, too: if smtpd does that, nothing is counted, and the script ends.
OTHERS = {
    *("openat2", "creat", "mknod", "mknodat", "truncate", "rename", "renameat", "renameat2", "rmdir", "link", "linkat"),
    *("symlink", "symlinkat", "syncfs", "sync_file_range", "copy_file_range", "sendfile", "splice"),
}
CALLS = NAMES | WRITE | SYNC | ANSWER | OTHERS | {"ftruncate", "fallocate", "lseek"}
IGNORED = {
    "journal": lambda path: path.endswith(".journal"),
    "bodies": lambda path: path.startswith("bodies/"),
    "names": lambda path: path == "bodies",
    "database": lambda path: path.startswith("smtpd.db"),
    "log": lambda path: path == "smtpd.db-wal",
}
LASTING = (
    ("src/store/sqlite/schema.rs", 'if lasting { "PRAGMA synchronous = FULL" }', 'if lasting { "PRAGMA synchronous = NORMAL" }'),
    # Otherwise what comes back has no octets any more, and what stands behind it in the journal is lost.
    ("src/store/sqlite/writer.rs", "                self.give_back(doomed);\n", "                drop(doomed);\n"),
)
# A string or a path of strace -xx.
HEX = r"(?:\\x[0-9a-f]{2})*"
FILE = rf"(\d+)<({HEX})>(\(deleted\))?"
# The beginning of the answer to the end of a message, as strace writes it.
OK = "".join(f"\\x{octet:02x}" for octet in b"250 2.0.0 Ok")


def octets(text):
    return bytes.fromhex(text.replace("\\x", ""))


def spelled(text):
    return os.fsdecode(octets(text))


def named(arguments):
    """The paths that a call names, absolute. A relative one begins at the folder before it, or where we are."""
    for folder, path in re.findall(rf'(?:<({HEX})>(?:\(deleted\))?, )?"({HEX})"', arguments):
        yield os.path.normpath(os.path.join(spelled(folder) or os.getcwd(), spelled(path)))


class Inode:
    """A file: what was done to it, and when that began and ended."""

    def __init__(self, content=b""):
        self.content = content
        self.changes = []  # (began, ended, kind, offset, octets or length)
        self.syncs = []  # (began, ended, whether it succeeded)


class Log:
    """What strace noted of one run."""

    def __init__(self, path, folder, before, ignored):
        self.folder = str(folder)
        self.is_ignored = ignored
        # Of the names at the beginning, relative to the folder, and of all that came.
        self.folders, files = before
        self.first = {name: Inode(content) for name, content in files.items()}
        self.now = dict(self.first)
        self.names = []  # (began, ended, folder, name, inode or None)
        self.folder_syncs = collections.defaultdict(list)
        self.positions = {}  # by descriptor
        self.appending = set()
        self.answers = []  # (began, id)
        self.failed = collections.Counter()  # syncs, by file
        self.times = []
        begun = {}
        with open(path) as lines:
            for number, line in enumerate(lines):
                thread, stamp, rest = line.rstrip("\n").split(maxsplit=2)
                self.times.append(float(stamp))
                if rest.endswith("<unfinished ...>"):
                    begun[thread] = number, rest.removesuffix("<unfinished ...>")
                elif rest.startswith("<... ") and " resumed>" in rest:
                    began, half = begun.pop(thread)
                    self.note(began, number, half + rest.split(" resumed>", 1)[1])
                elif "(" in rest:
                    self.note(number, number, rest)
        # What had not ended may have been done in part.
        for began, half in begun.values():
            self.note(began, math.inf, half)
        self.lines = len(self.times)

    def inside(self, path):
        """A path relative to the folder; None outside, and for what is no part of the promise."""
        if path == self.folder:
            return "."
        name = path.removeprefix(self.folder + "/")
        if name == path or name.endswith("-shm") or name == "lock":
            return None
        return name

    def note(self, began, ended, text):
        call, rest = text.split("(", 1)
        # Strings and paths are all hexadecimal, so this stands nowhere else.
        arguments, result = (re.split(r"\) += ", rest, maxsplit=1) + ["?"])[:2]
        if result.startswith("?"):
            ended = math.inf
        if call in ANSWER and OK in arguments:
            for reply in re.findall(HEX.replace("*", "+"), arguments):
                self.answers += [(began, found.decode()) for found in re.findall(rb"250 2.0.0 Ok: queued as (\w+)", octets(reply))]
        failed = result.startswith("-1 ")
        if call in NAMES or call in OTHERS:
            paths = [self.inside(path) for path in named(arguments)]
            paths += [self.inside(spelled(path)) for _, path, _ in re.findall(FILE, arguments) if call in OTHERS]
            if call.startswith("rename") and len(paths) == 2 and all(paths) and not failed:
                self.note_rename(began, ended, *paths)
            elif any(paths) and not failed:
                self.note_name(call, began, ended, paths[0], arguments, result)
        else:
            # Of a file that was deleted while it was open nothing is left.
            file = re.match(FILE, arguments)
            path = file and not file[3] and self.inside(spelled(file[2]))
            if path and call in SYNC:
                self.note_sync(began, ended, path, not failed)
            elif path and not failed:
                self.note_change(call, began, ended, int(file[1]), path, arguments[file.end() :], result)

    def note_sync(self, began, ended, path, well):
        if self.is_ignored(path):
            return
        self.failed[path] += not well
        self.folder_syncs[path].append((began, ended, well))
        if path in self.now:
            self.now[path].syncs.append((began, ended, well))

    def note_name(self, call, began, ended, path, arguments, result):
        folder = os.path.dirname(path or "") or "."
        if call in OPEN:
            if "O_CREAT" in arguments and path not in self.now:
                self.now[path] = Inode()
                self.names.append((began, ended, folder, path, self.now[path]))
            elif "O_TRUNC" in arguments:
                self.now[path].changes.append((began, ended, "length", 0, 0))
            descriptor = int(re.match(r"\d*", result)[0] or -1)
            self.positions[descriptor] = 0
            self.appending.discard(descriptor)
            if "O_APPEND" in arguments:
                self.appending.add(descriptor)
        elif call.startswith("mkdir"):
            self.names.append((began, ended, folder, path, "folder"))
        elif call.startswith("unlink") and "AT_REMOVEDIR" not in arguments:
            self.now.pop(path, None)
            self.names.append((began, ended, folder, path, None))
        else:
            raise SystemExit(f"not understood: {call} of {path}")

    def note_rename(self, began, ended, old, new):
        """The new name may be there without the end of the old one, and the other way round."""
        self.now[new] = self.now.pop(old)
        self.names.append((began, ended, os.path.dirname(new) or ".", new, self.now[new]))
        self.names.append((began, ended, os.path.dirname(old) or ".", old, None))

    def note_change(self, call, began, ended, descriptor, path, rest, result):
        inode = self.now.get(path)
        if inode is None:
            # A folder that is read, or what was deleted at this moment.
            if path in self.first or path in self.folders or any(name == path for *_, name, _ in self.names):
                return
            raise SystemExit(f"not understood: {call} of {path}, which nobody has made")
        if call == "ftruncate":
            inode.changes.append((began, ended, "length", 0, int(re.match(r", (\d+)", rest)[1])))
        elif call == "fallocate":
            assert "PUNCH_HOLE" in rest and "KEEP_SIZE" in rest, rest
            at, length = map(int, re.search(r", (\d+), (\d+)\s*$", rest).groups())
            inode.changes.append((began, ended, "hole", at, bytes(length)))
        elif call == "lseek":
            if math.isfinite(ended):
                self.positions[descriptor] = int(result)
        elif call in WRITE:
            data = b"".join(octets(found) for found in re.findall(rf'"({HEX})"', rest))
            assert '"...' not in rest, "strace cut a string short"
            if math.isfinite(ended):
                data = data[: int(result)]
            if call in ("write", "writev"):
                if descriptor in self.appending:
                    raise SystemExit(f"not understood: {call} of {path}, at its end")
                at = self.positions[descriptor]
                self.positions[descriptor] += len(data)
            else:
                # Behind the offset of pwritev2 there are flags, and it is understood without any.
                at = int(re.search(r", (\d+), 0\s*$" if call == "pwritev2" else r", (\d+)\s*$", rest)[1])
            inode.changes.append((began, ended, "write", at, data))
        else:
            raise SystemExit(f"not understood: {call} of {path}")

    def told_failed(self):
        failed = [f"{count} of {path}" for path, count in sorted(self.failed.items()) if count]
        return f"failed syncs: {', '.join(failed) or 'none'}"

    def compare(self, data):
        """That the folder is what this log says was done to it: nothing was missed, and nothing is invented.
        Number of octets."""
        folders, files = self.cut(math.inf, lambda: True)
        there = {str(path.relative_to(data)): path for path in data.rglob("*")}
        there = {name: path for name, path in there.items() if self.inside(f"{self.folder}/{name}")}
        real = {name for name, path in there.items() if path.is_dir()} | {"."}
        if real != folders:
            raise SystemExit(f"the log does not tell of folders: {sorted(real ^ folders)}")
        # What a call that had not ended did is not known.
        unsure = {id(inode) for inode in self.now.values() if any(ended == math.inf for _, ended, *_ in inode.changes)}
        open_names = {name for _, ended, _, name, _ in self.names if ended == math.inf}
        differ = {name for name, path in there.items() if path.is_file() and id(self.now.get(name)) not in unsure and files.get(name) != path.read_bytes()}
        differ |= files.keys() - there.keys()
        if differ - open_names:
            raise SystemExit(f"the log does not tell all that was done to {', '.join(sorted(differ - open_names))}")
        return sum(map(len, files.values()))

    def cut(self, at, chance):
        """The files as a disk could hold them if the power went between line `at` and the next. Of what
        was not synced each thing is there with about this chance."""
        names, folders = dict(self.first), set(self.folders)
        for began, ended, folder, name, what in self.names:
            if began > at:
                continue
            is_synced = any(ended < begun and done <= at and well for begun, done, well in self.folder_syncs[folder])
            if not is_synced and not chance():
                continue
            if what == "folder":
                folders.add(name)
            elif what is None:
                names.pop(name, None)
            else:
                names[name] = what
        kept = {name: self.held(inode, at, chance) for name, inode in names.items()}
        return folders, {name: held for name, held in kept.items() if (os.path.dirname(name) or ".") in folders}

    @staticmethod
    def held(inode, at, chance):
        """The octets of a file at the cut."""
        syncs = sorted((begun, well) for begun, done, well in inode.syncs if done <= at)
        content, later = bytearray(inode.content), []
        for began, ended, kind, offset, what in inode.changes:
            if began > at:
                continue
            # The first sync after it decides: if that one failed, no later one helps.
            after = bisect.bisect(syncs, (ended, True))
            is_certain = after < len(syncs) and syncs[after][1]
            if is_certain and not later:
                apply(content, kind, offset, what)
            else:
                later.append((kind, offset, what, is_certain))
        if not later:
            return bytes(content)
        return torn(content, later, chance)


def apply(content, kind, offset, what):
    if kind == "length":
        del content[what:]
        content.extend(bytes(what - len(content)))
    elif kind == "hole":
        content[offset : offset + len(what)] = what[: max(0, len(content) - offset)]
    else:
        content.extend(bytes(max(0, offset - len(content))))
        content[offset : offset + len(what)] = what


def torn(content, later, chance):
    """Each sector as it was at some time since the sync, and the length likewise."""
    # Behind a failed sync what a later one made durable is certain, too.
    lengths, whole = [len(content)], bytearray(content)
    versions = collections.defaultdict(list)
    for kind, offset, what, is_certain in later:
        before = len(whole)
        apply(whole, kind, offset, what)
        lengths.append(len(whole))
        first, last = (offset, offset + len(what)) if kind != "length" else sorted((before, what))
        for sector in range(first // SECTOR, -(-last // SECTOR)):
            versions[sector].append((bytes(whole[sector * SECTOR : (sector + 1) * SECTOR]), is_certain))
    certain = max((place + 1 for place, change in enumerate(later) if change[3]), default=0)
    length = lengths[certain]
    for other in lengths[certain + 1 :]:
        if not chance():
            break
        length = other
    content.extend(bytes(max(0, length - len(content))))
    for sector, held in versions.items():
        chosen = None
        for version, is_certain in held:
            if is_certain or chance():
                chosen = version
        if chosen is not None:
            part = chosen.ljust(SECTOR, b"\0")
            begin = sector * SECTOR
            end = min(begin + SECTOR, length)
            if begin < end:
                content[begin:end] = part[: end - begin]
    del content[length:]
    return bytes(content)


class Ledger:
    """What was sent and told in all runs up to now."""

    def __init__(self):
        self.sizes = {}  # of every subject that was ever sent
        self.subjects = {}  # by id, of what was answered
        # Must be there, may be gone, must be gone, must be tagged.
        self.must, self.perhaps, self.gone, self.tagged = set(), set(), set(), set()


class Heard:
    """What the clients of one run know."""

    def __init__(self):
        self.ids = {}  # with their subjects
        self.deletions = []  # (asked, told or None, subject)
        self.tags = []  # (told, subject)


def load(server, ledger, run, seconds):
    """Sends, tags and deletes for a while."""
    begun, heard = time.time(), Heard()
    until = begun + seconds

    def send(name):
        try:
            sender = Sender(server.smtp)
            for number in range(1 << 30):
                if time.time() > until:
                    return
                subject = f"run{run}{name}x{number}"
                size = {7: 150_000, 3: 30_000}.get(number % 16, random.randrange(100, 3_000))
                ledger.sizes[subject] = size
                reply = sender.send(mail(subject, size)).decode()
                if reply.startswith("250"):
                    heard.ids[reply.split()[-1]] = subject
        except OSError:
            pass

    def again(what, pause):
        try:
            web = Web(server.http)
            while time.time() < until:
                for id in random.sample(sorted(heard.ids), min(len(heard.ids), 1)):
                    what(web, id, heard.ids[id])
                time.sleep(pause)
        except OSError:
            pass

    def delete(web, id, subject):
        asked = time.time()
        status, _ = web.ask("DELETE", f"/api/messages/{id}")
        heard.deletions.append((asked, time.time() if status == 204 else None, subject))

    def tag(web, id, subject):
        status, _ = web.ask("PATCH", f"/api/messages/{id}", {"tags": ["kept"], "starred": True})
        if status == 200:
            heard.tags.append((time.time(), subject))

    def delete_all():
        time.sleep(random.uniform(0.2, 0.8) * seconds)
        asked, stored = time.time(), set(heard.ids.values())
        status, _ = Web(server.http).ask("DELETE", "/api/messages?all=1")
        told = time.time() if status == 200 else None
        # What was under way meanwhile may be deleted or not.
        heard.deletions.extend((asked, told if subject in stored else None, subject) for subject in list(ledger.sizes))

    jobs = [threading.Thread(target=send, args=(f"s{number}",)) for number in range(SENDERS)]
    jobs += [threading.Thread(target=again, args=work) for work in ((delete, 0.05), (tag, 0.05))]
    if run % 2:
        jobs.append(threading.Thread(target=delete_all))
    for job in jobs:
        job.start()
    for job in jobs:
        job.join()
    return heard


def write_log(folder, base, ledger, run, arguments, binary):
    """Runs smtpd under strace from these files on; its log, and what the clients know."""
    data, trace = folder.resolve() / "data", folder / "trace"
    unpack(data, *base)
    before = ["strace", "-D", "-f", "-qq", "-y", "-xx", "-v", "-ttt", "-s", "100000000", "-o", str(trace), "-e", f"trace={','.join(CALLS)}"]
    if arguments.fail and run % 2 == 0:
        # Now and then a sync fails, and what it was to make durable may be gone for good.
        before += ["-e", "inject=fdatasync:error=EIO:when=25+30"]
    server = Smtpd(data, binary=binary, before=before)
    heard = load(server, ledger, run, arguments.seconds)
    server.end(signal.SIGKILL)
    size = -1
    while size != (size := trace.stat().st_size):
        time.sleep(0.5)
    log = Log(trace, data, base, IGNORED.get(arguments.ignore, lambda _: False))
    log.compare(data)
    trace.unlink()
    return log, heard


def unpack(data, folders, files):
    shutil.rmtree(data, ignore_errors=True)
    data.mkdir(parents=True)
    for name in sorted(folders):
        (data / name).mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (data / name).write_bytes(content)


def examine(data, ledger, must, gone, tagged, total):
    """Starts smtpd on the folder and counts what does not hold."""
    wrong = collections.Counter()
    try:
        server = Smtpd(data)
    except SystemExit as error:
        print(str(error)[:300])
        total["not started"] += 1
        return True
    web, stored = Web(server.http), {}
    for message in list(web.messages()):
        subject = message["subject"]
        wrong["twice"] += subject in stored
        # By its id, for the octets of what was deleted are given back, and the subject with them.
        wrong["undeleted"] += ledger.subjects.get(message["id"], subject) in gone
        wrong["untagged"] += subject in tagged and not (message["starred"] and message["tags"] == ["kept"])
        wrong["unknown"] += subject not in ledger.sizes
        stored[subject] = message
        if subject in ledger.sizes:
            try:
                status, held = web.ask("GET", f"/messages/{message['id']}/raw")
            except http.client.HTTPException:
                # It hung up on us, because it could not read what it had promised.
                status, web = 0, Web(server.http)
            wrong["half"] += status != 200 or held != mail(subject, ledger.sizes[subject])
            total["read back"] += 1
    wrong["lost"] = len(must - stored.keys())
    total["acknowledged"] += len(must)
    until = time.monotonic() + 20
    while json.loads(web.get("/status"))["index_lag"] and time.monotonic() < until:
        time.sleep(0.02)
    known = sorted(stored.keys() & ledger.sizes.keys())
    for subject in random.sample(known, min(len(known), 10)):
        found = json.loads(web.get(f"/api/messages?q={subject}"))["messages"]
        wrong["not found"] += [message["subject"] for message in found] != [subject]
    reply = Sender(server.smtp).send(mail("afterwards", 100))
    wrong["refused"] = not reply.startswith(b"250")
    server.end(signal.SIGKILL)
    is_well, said = server.check()
    if not is_well:
        print(said.splitlines()[0], said.splitlines()[-1], sep='\n')
    wrong["damaged"] = not is_well
    total.update(wrong)
    return any(wrong.values())


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--cuts", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=4, help="of load in each log")
    parser.add_argument("--ignore", choices=IGNORED)
    parser.add_argument("--without", choices=["lasting"])
    parser.add_argument("--fail", action="store_true", help="some syncs fail")
    parser.add_argument("--keep", type=pathlib.Path, help="where to put the folders that were bad")
    parser.add_argument("--seed", type=int, default=None)
    arguments = parser.parse_args()
    random.seed(arguments.seed)
    total, bad, cuts, ledger = collections.Counter(), 0, 0, Ledger()
    binary = without(*LASTING) if arguments.without else BINARY
    # The next log begins with the last folder that was good.
    last = {"."}, {}, set(), set(), set(), set()
    base = last[:2]
    logs = min(LOGS, arguments.cuts)
    # What is made anew need not outlive anything, and there is a lot of it.
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory(dir=MEMORY) as memory:
        folder, memory = pathlib.Path(folder), pathlib.Path(memory)
        for run in range(logs):
            log, heard = write_log(folder, base, ledger, run, arguments, binary)
            ledger.subjects.update(heard.ids)
            first = log.answers[0][0] if log.answers else log.lines
            print(f"log {run}: {log.lines} lines, {len(log.answers)} answers, {len(heard.deletions)} deletions, {len(heard.tags)} tags, {log.told_failed()}", flush=True)
            for number in range(arguments.cuts * run // logs, arguments.cuts * (run + 1) // logs):
                # One of five while it starts.
                at = random.randrange(first) if number % 5 == 4 else random.randrange(first, log.lines)
                likely = random.choice([0, 0.1, 0.5, 0.9, 1])
                folders, files = log.cut(at, lambda: random.random() < likely)
                now = log.times[at]
                asked = {subject for asked, _, subject in heard.deletions if asked <= now} | ledger.perhaps
                must = ledger.must | {heard.ids[id] for began, id in log.answers if began <= at and id in heard.ids}
                must -= asked
                gone = ledger.gone | {subject for _, told, subject in heard.deletions if told and told < now}
                tagged = ledger.tagged | {subject for told, subject in heard.tags if told < now}
                total["deleted"] += len(gone)
                total["tagged"] += len(tagged)
                unpack(memory / "cut", folders, files)
                is_bad = examine(memory / "cut", ledger, must, gone, tagged, total)
                if is_bad:
                    bad += 1
                    if arguments.keep:
                        unpack(arguments.keep / f"{run}-{at}", folders, files)
                    print(f"log {run}, cut at {at} of {log.lines}, chance {likely}: {dict(total)}", flush=True)
                cuts += 1
                if not is_bad:
                    last = folders, files, must, asked, gone, tagged
            base = last[:2]
            ledger.must, ledger.perhaps, ledger.gone, ledger.tagged = last[2:]
    if arguments.without:
        print("deletions and tags are answered before they are synced:")
    what = f", syncs of {arguments.ignore} ignored" if arguments.ignore else ", some syncs failed" if arguments.fail else ""
    print(f"{cuts} cuts of {logs} logs{what}: {bad} bad; " + ", ".join(f"{count} {kind}" for kind, count in total.items()))
    raise SystemExit(bool(bad))


if __name__ == "__main__":
    main()
