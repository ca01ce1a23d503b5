"""One round of corrupt.py: a copy of a store is damaged, looked at, started, repaired and copied."""

import collections
import random
import re
import shutil
import sqlite3

from damage import Damage
from examine import Found, Shown, command, copy, fingerprint, is_stumbling, keeps, pick, send, start
from service import Web

#: Changes of rows after which the marks of many messages are gone.
OF_MANY = ("% 2", "DELETE FROM messages;", "DELETE FROM labels;", "DELETE FROM labelled;")

NONE = Damage("nothing", "nothing", lambda folder: None)


class Round:
    """What is done with one damage of one store."""

    def __init__(self, specimen, damage, work, binary, seed):
        self.specimen, self.damage, self.work, self.binary = specimen, damage, work, binary
        self.chance = random.Random(f"{seed} {specimen.state} {damage.spec}")
        #: What does not hold, and what is only worth knowing.
        self.found, self.notes = Found(), collections.Counter()
        self.whole = specimen.live - damage.hit
        # An acknowledged record at the very end looks like one that was being written,
        at_the_end = {specimen.last} if specimen.state in ("cut", "torn") else set()
        newest = max(name for name, extents in specimen.extents.items() if extents)
        if damage.kind in ("truncation journal", "removal journal") and newest in damage.spec:
            # and nobody knows that there was something where the newest segment ends now.
            at_the_end |= specimen.untaken
        self.excused = at_the_end & damage.hit
        #: Deleted and stored by this round.
        self.gone, self.fresh = set(), {}

    def run(self):
        bad = self.work / "bad"
        copy(self.specimen.folder, bad)
        try:
            self.damage.apply(bad)
        except sqlite3.Error as error:
            self.notes[f"not possible: {error}"] += 1
            return
        self.before = keeps(self.specimen, bad, self.specimen.live)
        self.checked, self.faults = self.look(bad, "check")
        counted = re.search(r"(\d+) messages", self.faults)
        if self.damage is NONE and self.checked == 0 and int(counted[1]) - len(self.specimen.live) not in (0, 1):
            self.say("silent", f"check counts {counted[1]} messages of {len(self.specimen.live)}")
        started = self.work / "started"
        copy(bad, started)
        self.start(started)
        if self.chance.random() < 0.3 or self.damage is NONE:
            self.backup(bad)
        if self.chance.random() < 0.5:
            self.gone, self.fresh = set(), {}
            copy(bad, started)
        self.repair(started)

    def say(self, kind, words):
        self.found.say(kind, words)

    def look(self, folder, *words):
        """Runs a command that must not change the folder."""
        before = fingerprint(folder)
        code, said = command(self.binary, folder, *words)
        if is_stumbling(said):
            self.say("stumbled", f"{words[0]}: {said}")
        after = fingerprint(folder)
        if changed := sorted(name for name in before | after if before.get(name) != after.get(name)):
            self.say("changed", f"{words[0]} changes {changed}")
        return code, said

    def started(self, folder, when):
        """A running smtpd, or none; what it did to the folder is looked at."""
        server, why = start(folder, self.binary)
        if server is None and is_stumbling(why):
            self.say("stumbled", f"{when}: {why}")
        return server, why

    def ended(self, server, when):
        said = server.stop()
        if is_stumbling(server.said + said):
            self.say("stumbled", f"{when}: {server.said + said}")

    def start(self, folder):
        server, why = self.started(folder, "start")
        if server is None:
            self.notes["refused"] += 1
            if "smtpd repair" not in why:
                self.say("unnamed", f"refused: {why.strip()}")
            if self.checked == 0:
                self.say("silent", f"check finds nothing, and a start is refused: {why.strip()}")
        else:
            self.serve(server)
        self.compare(folder, "start")
        if server is not None and self.chance.random() < 0.4:
            self.start_again(folder)
            self.compare(folder, "a second start")

    def start_again(self, folder):
        """What was served, taken and deleted stays so."""
        server, why = self.started(folder, "second start")
        if server is None:
            self.say("hidden", f"a second start refuses what the first served: {why.strip()}")
            return
        shown = Shown(server, self.specimen, self.found, self.fresh)
        if missing := self.served - self.gone - shown.right:
            self.say("hidden", f"{len(missing)} that were served are not after a second start")
        if missing := self.fresh.keys() - shown.right:
            self.say("lost", f"{len(missing)} that were stored after the damage are gone after a second start")
        if self.gone & shown.listed:
            self.say("undeleted", "what was deleted after the damage is there again after a second start")
        self.ended(server, "second start")

    def serve(self, server):
        """Looks at what is shown, and lets it work a little."""
        shown = Shown(server, self.specimen, self.found)
        self.served = shown.right & self.specimen.live
        if hidden := self.whole - shown.right:
            # Nobody sees a wrong row without looking at all; but then it must be named by a check.
            is_known = self.damage.is_of_row and self.checked != 0
            words = f"{len(hidden)} whole messages of {len(self.whole)} are not served, {len(hidden - shown.listed)} not listed"
            if is_known:
                self.notes["not served before repair"] += len(hidden)
            else:
                self.say("hidden", words)
        if self.checked == 0 and (missing := self.specimen.live - shown.right - self.excused):
            self.say("silent", f"check finds nothing, and {len(missing)} are not served")
        self.notes["503 for damaged"] += shown.is_503
        self.look_at_marks(shown, self.whole, "start")
        id, octets = send(server, f"after{self.chance.random()}x")
        if id:
            self.fresh[id] = octets
        else:
            self.notes["takes no mail"] += 1
        victim = pick(self.chance, shown.right & self.whole) if self.chance.random() < 0.5 else None
        if victim and Web(server.http).ask("DELETE", f"/api/messages/{victim}")[0] == 204:
            self.gone.add(victim)
        self.ended(server, "start")

    def compare(self, folder, what):
        """That nothing that was there is gone."""
        lost = self.before - self.gone - self.excused - keeps(self.specimen, folder, self.before)
        if lost:
            self.say("lost", f"{what} has destroyed the octets of {len(lost)} messages")

    def look_at_marks(self, shown, ids, when):
        """That marks are as they were, and nothing comes back that was deleted."""
        back = (self.specimen.sent.keys() - self.specimen.live) & shown.listed
        wrong = {id for id in ids & shown.right if shown.marks.get(id) != self.specimen.marks[id]}
        # Only the database knows both.
        if self.damage.is_of_database:
            self.notes[f"marks wrong after {when}"] += len(wrong)
            self.notes[f"undeleted after {when}"] += len(back)
            if self.damage.kind == "wrong counter" and wrong:
                self.say("unmarked", f"{when}: the marks of {len(wrong)} messages are wrong")
            is_of_many = any(mark in f"{self.damage.spec};" for mark in OF_MANY)
            if self.damage.kind == "wrong row" and when == "repair" and len(wrong) > 2 and not is_of_many:
                self.say("unmarked", f"{when}: the marks of {len(wrong)} messages are wrong")
            return
        if wrong:
            self.say("unmarked", f"{when}: the marks of {len(wrong)} messages are wrong")
        if back:
            self.say("undeleted", f"{when}: {len(back)} deleted messages are there again")

    def repair(self, folder):
        code, said = command(self.binary, folder, "repair")
        if code is None or code < 0 or is_stumbling(said):
            self.say("stumbled", f"repair: {code} {said}")
        self.compare(folder, "repair")
        checked, faults = self.look(folder, "check")
        if checked != 0:
            self.say("dirty", f"after repair check says: {faults[-300:]}")
        server, why = self.started(folder, "after repair")
        if server is None:
            self.say("unstartable", f"after repair: {why.strip()}")
            return
        shown = Shown(server, self.specimen, self.found, self.fresh)
        wanted = self.whole - self.gone
        if not self.damage.is_of_database:
            # The row says what the record said, and the octets are in their file.
            wanted |= self.damage.only_record - self.specimen.untaken
        if unsaved := wanted - shown.right:
            self.say("unsaved", f"repair has not saved {len(unsaved)} of {len(wanted)}")
        self.look_at_marks(shown, wanted, "repair")
        for id, octets in self.fresh.items():
            if shown.raw(id) != (200, octets):
                self.say("unsaved", f"what was stored after the damage is gone after repair: {id}")
        if not send(server, "last")[0]:
            self.say("unstartable", "after repair no mail is taken")
        self.ended(server, "after repair")

    def backup(self, folder):
        target = self.work / "copy"
        shutil.rmtree(target, ignore_errors=True)
        code, said = self.look(folder, "backup", target)
        if not target.exists():
            if code == 0:
                self.say("backup", "no copy, and no error")
            return
        checked, _ = command(self.binary, target, "check")
        server, why = self.started(target, "start of a copy")
        if server is None:
            if code == 0 or checked == 0:
                self.say("backup", f"a copy that was told to be whole does not start: {why.strip()}")
            return
        shown = Shown(server, self.specimen, self.found)
        missing = self.specimen.live - shown.right - self.excused
        if missing and (code == 0 or checked == 0):
            self.say("backup", f"a copy lacks {len(missing)} of {len(self.specimen.live)}, and backup says {code}, check {checked}")
        self.notes["whole messages that a backup told as damaged lacks"] += len(missing & self.whole)
        self.ended(server, "start of a copy")
