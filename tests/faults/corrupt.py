#!/usr/bin/env python3
"""Damages stores, thousands of times, and counts what smtpd then destroys, hides, or shows under a wrong name.

    cargo build --release && tests/faults/corrupt.py --rounds 2000
    tests/faults/corrupt.py --smoke                     # a minute of it, as the gate does
    tests/faults/corrupt.py --stores FOLDER             # keeps the stores, or uses those that are there
    tests/faults/corrupt.py --stores FOLDER --only 'cut flip journal/000000000001.journal 812 3'    # one again

Stores are made with small and large bodies, marks, tags, deletions and several segments of the journal, and
left in four states (specimen.py): ended, killed, with the database as it was earlier, and with a torn record
at the end. A copy is damaged (damage.py): single bits, runs of 30 octets, truncations and removals in every
file, and rows and counters that SQLite takes for sound. Each round (rounds.py) checks it, starts smtpd on it,
copies it with `smtpd backup` and repairs it. Then smtpd is killed at each call that changes a file (steps.py),
and some other things are done to a folder (oddities.py). What must not be:

lost         octets that were on the disk are gone after a start, a check, a backup or a repair
wrong        octets are shown that were not received under that id
silent       `smtpd check` finds nothing, and messages are not served as they were received
hidden       a start goes on, and does not serve messages that are whole; a wrong row excuses it, if check says so
unnamed      a start is refused, and `smtpd repair` is not named
unsaved      repair does not save a message whose record and octets are whole, or whose row and body's file are
unmarked     marks or tags are gone, although the database is whole
undeleted    what was deleted is there again, although the database is whole
dirty        after repair check finds something
unstartable  after repair smtpd does not start, or takes no mail
backup       a copy that is told to be whole is not
changed      check or backup has changed the store
stumbled     a panic, a signal, no end

Ends with an error if any of it was found.
"""

import argparse
import collections
import pathlib
import pickle
import queue
import random
import tempfile
import threading
import time

import damage
import oddities
import specimen
import steps
from rounds import NONE, Round
from service import BINARY

COLUMNS = (
    *("lost", "wrong", "silent", "hidden", "unnamed", "unsaved", "unmarked", "undeleted"),
    *("dirty", "unstartable", "backup", "changed", "stumbled"),
)
MEMORY = "/dev/shm" if pathlib.Path("/dev/shm").is_dir() else None
EXAMPLES = 3


class Table:
    """Violations by kind of damage."""

    def __init__(self):
        self.rounds, self.counts = collections.Counter(), collections.defaultdict(collections.Counter)
        self.notes, self.examples = collections.defaultdict(collections.Counter), collections.defaultdict(list)
        self.lock = threading.Lock()

    def add(self, state, kind, spec, found, notes):
        with self.lock:
            self.rounds[kind] += 1
            if (done := sum(self.rounds.values())) % 200 == 0:
                print(f"{done} rounds, {self.violations()} violations", flush=True)
            for what in {what for what, _ in found}:
                # However many messages: one round in which it was so.
                self.counts[kind][what] += 1
            for what, words in found:
                if len(self.examples[kind, what]) < EXAMPLES:
                    self.examples[kind, what].append(f"{state} {spec}: {words}")
            self.notes[kind].update(notes)

    def print(self):
        width = max(map(len, self.rounds)) + 1
        shown = [column for column in COLUMNS if any(counts[column] for counts in self.counts.values())]
        print(" " * width, "rounds", *(f"{column:>11}" for column in shown))
        for kind, rounds in sorted(self.rounds.items()):
            print(f"{kind:{width}} {rounds:6}", *(f"{self.counts[kind][column] or '.':>11}" for column in shown))
        for kind, notes in sorted(self.notes.items()):
            if said := ", ".join(f"{count} {what}" for what, count in sorted(notes.items()) if count):
                print(f"{kind}: {said}")
        for (kind, what), examples in sorted(self.examples.items()):
            for example in examples:
                print(f"* {what}, {kind}: {example[:600]}")

    def violations(self):
        return sum(sum(counts.values()) for counts in self.counts.values())


def prepared(folder, binary, seed):
    """The stores of this folder; made if there are none."""
    kept = folder / "specimens"
    if kept.exists():
        specimens = pickle.loads(kept.read_bytes())
        for one in specimens:
            one.folder = folder / one.state
        return specimens
    specimens = specimen.make(folder, binary, seed)
    kept.write_bytes(pickle.dumps(specimens))
    return specimens


def planned(specimens, chance, rounds, kind):
    """What is done, in turn: all that can be listed, and the rest by chance."""
    listed = []
    for one in specimens:
        listed.append((one, NONE))
        listed += [(one, damage.remove(one, name)) for name in damage.files(one)]
        listed += [(one, wrong) for wrong in (*damage.wrong_counters(), *damage.wrong_rows(one, chance))]
    listed = [item for item in listed if kind in item[1].kind or item[1] is NONE]
    chance.shuffle(listed)
    # What nothing was done to comes first: without it nothing else means anything.
    listed.sort(key=lambda item: item[1] is not NONE)
    listed = listed[:rounds]
    names = {one.state: damage.files(one) for one in specimens}
    while len(listed) < rounds:
        one = chance.choice(specimens)
        wrong = damage.by_chance(one, chance, names[one.state])
        # What is listed only may have been done already.
        if kind in wrong.kind or kind in ("wrong row", "wrong counter"):
            listed.append((one, wrong))
    return listed


def run(jobs, threads):
    """Does the jobs, a few at a time; each is given a folder of its own."""
    waiting = queue.SimpleQueue()
    for job in jobs:
        waiting.put(job)
    failures = []

    def work():
        with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
            while not failures:
                try:
                    waiting.get_nowait()(pathlib.Path(folder))
                except queue.Empty:
                    return
                except BaseException as error:
                    failures.append(error)
                    raise

    workers = [threading.Thread(target=work) for _ in range(threads)]
    for worker in workers:
        worker.start()
    try:
        # Signals are heard in between.
        while any(worker.is_alive() for worker in workers):
            time.sleep(0.1)
    except BaseException as error:
        failures.append(error)
        for worker in workers:
            worker.join()
        raise
    if failures:
        raise SystemExit(f"the script itself failed: {failures[0]!r}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--binary", default=BINARY, type=pathlib.Path)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--rounds", type=int, default=2000)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--smoke", action="store_true", help="a minute of it")
    parser.add_argument("--stores", type=pathlib.Path, help="where the stores are kept")
    parser.add_argument("--only", help="a state and what is done to it, as an example says it")
    parser.add_argument("--kind", default="", help="only damages of this kind: flip, run, truncation, removal, wrong, journal")
    parser.add_argument("--part", choices=("rounds", "steps", "oddities"), help="nothing but this")
    arguments = parser.parse_args()
    seed = random.randrange(1 << 30) if arguments.seed is None else arguments.seed
    chance, table, begun = random.Random(seed), Table(), time.monotonic()
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        stores = arguments.stores or pathlib.Path(folder)
        stores.mkdir(parents=True, exist_ok=True)
        specimens = prepared(stores, arguments.binary, seed)
        print(f"seed {seed}, {len(specimens)} stores in {time.monotonic() - begun:.1f} s", flush=True)

        def one_round(one, wrong):
            def job(work):
                attack = Round(one, wrong, work, arguments.binary, seed)
                attack.run()
                table.add(one.state, wrong.kind, wrong.spec, attack.found, attack.notes)

            return job

        parts = {"rounds": [], "steps": [], "oddities": []}
        if arguments.only:
            state, spec = arguments.only.split(" ", 1)
            (one,) = [one for one in specimens if one.state == state]
            wrong = NONE if spec == "nothing" else damage.again(one, spec)
            parts["rounds"] = [one_round(one, wrong)]
        else:
            rounds = 60 if arguments.smoke else arguments.rounds
            parts["rounds"] = [one_round(*item) for item in planned(specimens, chance, rounds, arguments.kind)]
            parts["steps"] = steps.jobs(specimens, arguments.binary, table, chance, arguments.smoke)
            parts["oddities"] = oddities.jobs(specimens, arguments.binary, table, chance, arguments.smoke)
        try:
            for name, jobs in parts.items():
                if arguments.part in (None, name):
                    run(jobs, arguments.jobs)
                    print(f"{name}: {len(jobs)}, {time.monotonic() - begun:.0f} s", flush=True)
        finally:
            # Whoever ends it early wants to see what was found so far.
            table.print()
    print(f"{sum(table.rounds.values())} rounds, seed {seed}: {table.violations()} violations")
    raise SystemExit(bool(table.violations()))


if __name__ == "__main__":
    main()
