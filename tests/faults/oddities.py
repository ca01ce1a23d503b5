"""Other things that are done to a folder: a newer layout, files of strangers, a lock that is removed, and copies
that are made while mail comes in."""

import contextlib
import random
import shutil
import sqlite3
import threading

from examine import Found, Shown, command, copy, fingerprint, start
from service import Sender
from specimen import Known, some_size

#: Files that smtpd would never have named so.
STRANGERS = (
    *("bodies/notes.txt", "bodies/0123456789abcdef", "bodies/0123456789ABCDEF01234567", "bodies/0123456789abcdef01234567.bak"),
    *("bodies/.hidden", "bodies/folder/0123456789abcdef01234567", "journal/notes.txt", "journal/old.journal", "notes.txt"),
)


def newer_layout(specimen, work, binary, found, chance):
    """A store of a later smtpd is refused and left alone by everything."""
    for pragma in ("user_version = 99", f"user_version = {2**31 - 1}"):
        folder = work / "newer"
        copy(specimen.folder, folder)
        db = sqlite3.connect(folder / "smtpd.db")
        db.execute(f"PRAGMA {pragma}")
        # A later layout notes itself in both places; a wrong bit in one is damage.
        db.execute("UPDATE notes SET value = 99 WHERE name = 'layout'")
        db.commit()
        db.close()
        before = fingerprint(folder)
        for words in (("check",), ("backup", work / "copy"), ("repair",)):
            code, said = command(binary, folder, *words)
            if code == 0:
                found.say("silent", f"{pragma}: {words[0]} takes it for its own")
            if fingerprint(folder) != before:
                found.say("lost", f"{pragma}: {words[0]} has changed what it does not know")
                copy(specimen.folder, folder)
                break
        else:
            server, why = start(folder, binary)
            if server is not None:
                server.stop()
                found.say("lost", f"{pragma}: smtpd starts on it")
            elif fingerprint(folder) != before:
                found.say("lost", f"{pragma}: a start has changed what it does not know")


def strangers(specimen, work, binary, found, chance):
    """Files that are not ours stay."""
    folder = work / "strangers"
    copy(specimen.folder, folder)
    for name in STRANGERS:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(name)
    for what in ("start", "repair"):
        if what == "start":
            server, why = start(folder, binary)
            if server is None:
                found.say("unstartable", f"beside files of strangers: {why}")
            else:
                server.stop()
        else:
            code, said = command(binary, folder, "repair")
        if gone := [name for name in STRANGERS if not (folder / name).exists() or (folder / name).read_text() != name]:
            found.say("lost", f"{what} has removed files of strangers: {gone}")
            return


def without_lock(specimen, work, binary, found, chance):
    """Whoever removes or replaces `lock` lets nobody in."""
    folder = work / "locked"
    for how in ("as it is", "removed", "replaced"):
        copy(specimen.folder, folder)
        first, why = start(folder, binary)
        if first is None:
            found.say("unstartable", why)
            return
        if how != "as it is":
            (folder / "lock").unlink(missing_ok=True)
        if how == "replaced":
            (folder / "lock").write_bytes(b"")
        second, why = start(folder, binary)
        if second is not None:
            second.stop()
            found.say("lost", f"lock {how}: a second smtpd is let in")
        code, said = command(binary, folder, "repair")
        if code == 0:
            found.say("lost", f"lock {how}: repair works beside a running smtpd: {said[-200:]}")
        code, said = command(binary, folder, "migrate", "--from", f"sqlite:{folder}", "--to", f"sqlite:{work / 'to'}")
        if code == 0:
            found.say("lost", f"lock {how}: migrate works beside a running smtpd")
        first.stop()


def copies(specimen, work, binary, found, chance):
    """A copy holds all that was answered before it began."""
    folder, target = work / "busy", work / "copy"
    copy(specimen.folder, folder)
    server, why = start(folder, binary)
    if server is None:
        found.say("unstartable", why)
        return
    known, is_over = Known(), threading.Event()
    # Ids and octets of what was there.
    known.sent.update(specimen.sent)

    def work_on(number):
        sender, sizes = Sender(server.smtp), random.Random(number)
        # Until the server ends, if it is not told in time.
        with contextlib.suppress(OSError):
            while not is_over.is_set():
                known.send(sender, some_size(sizes))
            sender.close()

    senders = [threading.Thread(target=work_on, args=(number,)) for number in range(4)]
    for sender in senders:
        sender.start()
    try:
        for number in range(3):
            is_over.wait(chance.uniform(0.05, 0.3))
            with known.lock:
                before = set(known.sent) - (specimen.sent.keys() - specimen.live)
            one = target / str(number)
            target.mkdir(exist_ok=True)
            code, said = command(binary, folder, "backup", one)
            if code != 0:
                found.say("backup", f"beside a running smtpd: {said[-300:]}")
                continue
            with known.lock:
                fresh = dict(known.sent)
            held, why = start(one, binary)
            if held is None:
                found.say("backup", f"the copy does not start: {why}")
                continue
            shown = Shown(held, specimen, found, fresh)
            held.stop()
            if missing := before - shown.right:
                found.say("backup", f"a copy lacks {len(missing)} of {len(before)} that were answered before it began")
    finally:
        is_over.set()
        for sender in senders:
            sender.join()
        server.stop()


def jobs(specimens, binary, table, chance, smoke):
    """All of them, on every store; copies beside a running smtpd again and again."""
    tasks = [(one, what) for one in specimens for what in (newer_layout, strangers, without_lock)]
    tasks += [(specimens[1], copies)] * (1 if smoke else 15)
    if smoke:
        tasks = [task for task in tasks if task[0] is specimens[1]]

    def job_of(one, what, seed):
        def job(work):
            found = Found()
            what(one, work, binary, found, random.Random(seed))
            table.add(one.state, what.__name__.replace("_", " "), what.__name__, found, {})
            for name in ("newer", "strangers", "locked", "busy", "copy", "to"):
                shutil.rmtree(work / name, ignore_errors=True)

        return job

    return [job_of(one, what, chance.random()) for one, what in tasks]
