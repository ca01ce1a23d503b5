"""What corrupt.py asks of a store that was damaged: what is on the disk, what is shown, what the commands say."""

import http.client
import os
import random
import shutil
import signal
import subprocess
import threading

from service import Sender, Smtpd, Web, mail
from specimen import SETTINGS

#: Longest time of a command or a start.
PATIENCE = 60
#: So many messages more than there are make a list that does not end.
MOST = 1000
BROKEN = (OSError, http.client.HTTPException)


class Found(list):
    """What does not hold: pairs of the kind of it and its words."""

    def say(self, kind, words):
        self.append((kind, words))


def command(binary, folder, *words, before=()):
    """Runs smtpd on a folder; whether it succeeded, and what it said."""
    environment = dict(os.environ, **SETTINGS, SMTPD_STORE_PATH=str(folder), SMTPD_LOG_LEVEL="warn")
    try:
        done = subprocess.run(
            [*before, str(binary), *map(str, words)], env=environment, capture_output=True, timeout=PATIENCE
        )
    except subprocess.TimeoutExpired:
        return None, "it does not end"
    said = (done.stdout + done.stderr).decode(errors="replace").strip()
    return done.returncode, said


def is_stumbling(said):
    """Our own code was wrong, which no octets on a disk may bring about."""
    return "panicked" in said or "stumbled" in said or "it does not end" in said


def keeps(specimen, folder, wanted):
    """Those of the wanted messages whose octets are on the disk, where they were, or put aside."""
    names = {id: name for name, id in specimen.files.items()}
    kept, contents = set(), {}
    for segment, extents in specimen.extents.items():
        for start, end, id in extents:
            if id not in wanted:
                continue
            if segment not in contents:
                path = folder / "journal" / segment
                contents[segment] = path.read_bytes() if path.exists() else b""
            is_there = contents[segment][start:end] == specimen.contents[segment][start:end]
            if id in names:
                # Put aside is not lost.
                paths = [folder / place / names[id] for place in ("bodies", "lost+found")]
                is_there &= any(path.exists() and path.read_bytes().startswith(specimen.sent[id]) for path in paths)
            if is_there:
                kept.add(id)
    return kept


class Server(Smtpd):
    """An smtpd that may refuse to start, or never come to it."""

    def __init__(self, folder, binary, before=()):
        self.said = ""
        self.alarm = threading.Timer(PATIENCE, self.hang)
        self.alarm.start()
        try:
            super().__init__(folder, SETTINGS, binary, before)
        finally:
            self.alarm.cancel()

    def hang(self):
        self.said = "it does not end: "
        self.process.kill()

    def stop(self, how=signal.SIGKILL):
        """Ends it; what it had said."""
        self.process.send_signal(how)
        self.process.wait()
        said = self.process.stderr.read()
        self.process.stdout.close()
        self.process.stderr.close()
        return said


def start(folder, binary):
    """A running smtpd and nothing, or none and why."""
    try:
        return Server(folder, binary), ""
    except SystemExit as refused:
        return None, str(refused)


class Shown:
    """What a running smtpd shows."""

    def __init__(self, server, specimen, found, fresh=()):
        """`fresh` are messages that came later, by their ids."""
        self.right, self.listed, self.marks, self.is_503 = set(), set(), {}, 0
        self.web, self.address = Web(server.http), server.http
        known = {**specimen.sent, **specimen.perhaps, **dict(fresh)}
        for message in self.list(found, len(known) + MOST):
            id = message["id"]
            self.listed.add(id)
            self.marks[id] = message["read"], message["starred"], tuple(message["tags"])
            octets, subject = known.get(id), message["subject"]
            # In brackets stands what smtpd itself says of a message that it cannot read.
            if octets is not None and not subject.startswith("(") and f"Subject: {subject}\r\n".encode() not in octets:
                found.say("wrong", f"the list shows {message['subject']!r} under {id}")
        # What is not in the list is asked for, too.
        for id in sorted(self.listed | known.keys()):
            status, octets = self.raw(id)
            self.is_503 += status == 503
            if status == 200 and octets == known.get(id):
                self.right.add(id)
            elif octets and (id not in known or not known[id].startswith(octets)):
                found.say("wrong", f"{id} shows {len(octets)} octets that were not received under it")

    def list(self, found, most):
        count = 0
        try:
            for message in self.web.messages():
                yield message
                count += 1
                if count > most:
                    found.say("stumbled", "the list does not end")
                    return
        except SystemExit:
            # The API says that it cannot, and shows nothing that is not so.
            return
        except BROKEN as error:
            found.say("stumbled", f"the list ends with {error!r}")
            self.web = Web(self.address)

    def raw(self, id):
        """The status, and the octets that were given for those of a message."""
        try:
            status, octets = self.web.ask("GET", f"/messages/{id}/raw")
        except http.client.IncompleteRead as broken:
            self.web = Web(self.address)
            return 0, broken.partial
        except BROKEN:
            self.web = Web(self.address)
            return 0, b""
        return status, octets if status == 200 else b""


def send(server, subject):
    """Sends a message; its id and octets if it was taken."""
    octets = mail(subject, 900)
    try:
        sender = Sender(server.smtp)
        reply = sender.send(octets).decode()
        sender.close()
    except OSError as error:
        return None, str(error)
    return (reply.split()[-1], octets) if reply.startswith("250") else (None, reply)


def copy(source, target):
    """A copy of a folder in place of what is there."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target)


def fingerprint(folder, omit=("smtpd.db-shm", "lock")):
    """Names, octets and lengths of all that is in a folder, but for what only a running smtpd needs."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.name not in omit]
    found = {str(path.relative_to(folder)): path.read_bytes() for path in files}
    # SQLite makes an empty one where it only looks.
    return {name: octets for name, octets in found.items() if octets or not name.endswith("-wal")}


def pick(chance: random.Random, ids):
    return chance.choice(sorted(ids)) if ids else None
