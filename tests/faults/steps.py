"""smtpd killed at each call that changes a file, while it repairs, copies, migrates or starts."""

import shutil

import damage
from examine import Server, Shown, command, copy, fingerprint, keeps, start
from rounds import NONE, Round

CALLS = (
    *("write", "pwrite64", "writev", "pwritev", "?pwritev2", "?sendfile", "?copy_file_range", "rename", "?renameat", "?renameat2"),
    *("unlink", "?unlinkat", "fsync", "fdatasync", "ftruncate", "fallocate", "mkdir"),
)
#: Steps of one command that are tried at most.
MOST, MOST_IN_SMOKE = 14, 3


def strace(*words):
    return ("strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={','.join(CALLS)}", *words)


def killing(step):
    return strace("-e", f"inject={','.join(CALLS)}:signal=SIGKILL:when={step}")


class Killed(Round):
    """A command that is killed, and what then becomes of the folder."""

    def __init__(self, *words):
        super().__init__(*words)
        # A repair that was nearly done has given up what cannot be saved, and there is nothing to find.
        self.excused = self.damage.hit

    def prepare(self):
        bad = self.work / "bad"
        copy(self.specimen.folder, bad)
        self.damage.apply(bad)
        self.before = keeps(self.specimen, bad, self.specimen.live)
        shutil.rmtree(self.work / "copy", ignore_errors=True)
        return bad

    def count(self, *words):
        """How many calls there are if nothing happens."""
        bad, trace = self.prepare(), self.work / "trace"
        code, _ = command(self.binary, bad, *words, before=("strace", "-qq", "-o", trace, *strace()[5:]))
        return len(trace.read_text().splitlines())

    def kill(self, step, bad, *words):
        code, said = command(self.binary, bad, *words, before=killing(step))
        if "panicked" in said:
            self.say("stumbled", f"{words[0]}: {said}")

    def repair_killed(self, step):
        bad = self.prepare()
        self.kill(step, bad, "repair")
        self.compare(bad, "a killed repair")
        self.checked, self.faults = self.look(bad, "check")
        half = self.work / "started"
        copy(bad, half)
        self.start(half)
        # Repaired after that start, or at once.
        if self.chance.random() < 0.5:
            self.gone, self.fresh = set(), {}
            copy(bad, half)
        self.repair(half)

    def start_killed(self, step):
        bad = self.prepare()
        try:
            Server(bad, self.binary, (*killing(step)[:1], "-D", *killing(step)[1:])).stop()
        except SystemExit:
            pass
        self.compare(bad, "a killed start")
        self.checked, self.faults = self.look(bad, "check")
        # A torn record may be told of.
        if self.checked != 0 and self.specimen.state != "torn":
            self.say("dirty", f"after a killed start: {self.faults[-300:]}")
        self.start(bad)

    def backup_killed(self, step):
        bad, target = self.prepare(), self.work / "copy"
        before = fingerprint(bad)
        self.kill(step, bad, "backup", target)
        if fingerprint(bad) != before:
            self.say("changed", "a killed backup has changed the store")
        if not target.exists():
            return
        checked, _ = command(self.binary, target, "check")
        server, _ = start(target, self.binary)
        if server is not None:
            missing = self.specimen.live - Shown(server, self.specimen, self.found).right
            if missing:
                self.say("backup", f"half a copy starts as if it were whole, lacks {len(missing)}, and check says {checked}")
            self.ended(server, "start of half a copy")

    def migrate_killed(self, step):
        bad, target = self.prepare(), self.work / "copy"
        words = ("migrate", "--from", f"sqlite:{bad}", "--to", f"sqlite:{target}")
        self.kill(step, bad, *words)
        self.compare(bad, "a killed migration")
        code, said = command(self.binary, bad, *words)
        if code != 0:
            self.say("unsaved", f"a migration that was killed does not go on: {said[-300:]}")
            return
        server, why = self.started(target, "after migration")
        if server is None:
            self.say("unstartable", f"after migration: {why}")
            return
        shown = Shown(server, self.specimen, self.found)
        if missing := self.specimen.live - shown.right:
            self.say("unsaved", f"the migration lacks {len(missing)}")
        self.look_at_marks(shown, self.specimen.live, "migration")
        self.ended(server, "after migration")


def jobs(specimens, binary, table, chance, smoke):
    """A job for each step, of as many as are tried."""
    by_state = {one.state: one for one in specimens}
    most = MOST_IN_SMOKE if smoke else MOST
    segment = max(name for name, extents in by_state["cut"].extents.items() if extents)
    place = by_state["cut"].extents[segment][0].start + 5
    labels = damage.sql("wrong row", "UPDATE messages SET labels = '[' WHERE seq = (SELECT max(seq) FROM messages)")
    wanted = [
        ("cut", NONE, "repair"),
        ("stopped", damage.remove(by_state["stopped"], "smtpd.db"), "repair"),
        ("cut", damage.run(by_state["cut"], "smtpd.db", 0, 0x41), "repair"),
        ("cut", damage.flip(by_state["cut"], f"journal/{segment}", place, 3), "repair"),
        ("killed", labels, "repair"),
        ("cut", NONE, "start"),
        ("torn", NONE, "start"),
        ("killed", NONE, "start"),
        ("cut", NONE, "backup"),
        ("killed", NONE, "backup"),
        ("cut", NONE, "migrate"),
    ]
    if smoke:
        wanted = [wanted[0], wanted[2], wanted[5], wanted[8]]
    return [job for item in wanted for job in of_one(by_state, binary, table, chance, most, *item)]


def of_one(by_state, binary, table, chance, most, state, wrong, what):
    """The jobs of one command on one store. They find out together how many steps there are."""
    kind, total = f"killed {what}: {wrong.kind}", []

    def job(work):
        attack = Killed(by_state[state], wrong, work, binary, chance.random())
        if not total:
            words = {"repair": ("repair",), "backup": ("backup", work / "copy")}.get(what)
            # A start and a migration have threads, of which each counts for itself.
            total.append(attack.count(*words) if words else 60)
        # Spread over all of them.
        step = 1 + round(chance.random() * total[0]) if total[0] > most else 1 + taken.pop()
        getattr(attack, f"{what}_killed")(step)
        table.add(state, kind, f"{what} killed at step {step} of {total[0]}, {wrong.spec}", attack.found, attack.notes)

    taken = list(range(most))
    return [job] * most
