#!/usr/bin/env python3
"""Measures smtpd on MongoDB beside the bare driver, and writes BENCHMARKS-mongodb.md.

    cargo build --profile dist --bin smtpd --example mongodb-load && benches/mongodb.py   # everything, some 40 minutes
    benches/mongodb.py --only 1000                     # one size of messages again, or --only million
    benches/mongodb.py --only million --messages 100000   # fills up to so many: a million can come in pieces

Taking in: each round is one run on a fresh single-node replica set. First SMTP clients send to smtpd, then
the bare driver inserts the same documents, one each, with the same write concern and indexes, from as many
tasks. The ratio is what counts: the machine is shared and noisy. Of the rounds the one with the median ratio
is given.

Looking: a store is filled by SMTP with messages like those that the million of benches/compare.py has, but
shorter, and asked for the same pages by whole HTTP requests. It is kept in target/bench/mongodb-million, so that an interrupted
filling goes on.

What was measured is kept in target/bench/mongodb.json; a part that is not measured again stays as it was.
"""

import argparse
import contextlib
import datetime
import json
import os
import pathlib
import platform
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request

from measure import million, tools

LOAD = tools.ROOT / "target/dist/examples/mongodb-load"
RESULTS = tools.SCRATCH / "mongodb.json"
FULL = tools.SCRATCH / "mongodb-million"
SIZES = (1_000, 10_000, 100_000)
SESSIONS = (1, 16, 128)
AIM = 0.7
# Octets of a message of the million: mongod makes a key for each of its words, and that takes most of the time.
SMALL = 400
# Messages that are sent before the filling is written down.
PIECE = 50_000
TIMES = 20
PAGES = {
    **million.PAGES,
    "phrase of a rare and a common word": "/?q=" + urllib.parse.quote('"commonplace rarissime"'),
    "phrase of two common words": "/?q=" + urllib.parse.quote('"commonplace bane"'),
    "beginning of a rare word": "/?q=rarissi*",
    "word in the subject": "/?q=subject%3A123456",
    "search without a hit: a word": "/?q=nowhere",
    "search without a hit: is:tagged": "/?q=is%3Atagged",
}


class Mongod:
    """A replica set of one, in a temporary folder if none is given."""

    def __init__(self, cache="1", folder=None):
        program = subprocess.check_output([tools.ROOT / "tests/mongod.sh"], text=True).strip()
        tools.SCRATCH.mkdir(parents=True, exist_ok=True)
        self.kept = folder is not None
        self.folder = folder or pathlib.Path(tempfile.mkdtemp(prefix="mongod-", dir=tools.SCRATCH))
        # The set knows its member by address and port.
        known = self.folder / "port-of-the-set"
        self.port = int(known.read_text()) if known.exists() else tools.free_port()
        command = [program, "--dbpath", self.folder, "--port", str(self.port), "--bind_ip", "127.0.0.1"]
        command += ["--replSet", "bench", "--wiredTigerCacheSizeGB", cache, "--quiet"]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        self.uri = f"mongodb://127.0.0.1:{self.port}/?replicaSet=bench"
        if not known.exists():
            subprocess.run([LOAD, "initiate", str(self.port)], check=True)
            known.write_text(str(self.port))

    def cpu(self):
        return tools.cpu(self.process.pid)

    def octets(self):
        return sum(file.stat().st_size for file in self.folder.rglob("*") if file.is_file())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        if not self.kept:
            shutil.rmtree(self.folder)


@contextlib.contextmanager
def smtpd(mongod):
    """smtpd on it, when it can take mail: a set that was just started has to elect its member first."""
    with tools.smtpd(watched=False, store_kind="mongodb", store_mongodb_uri=mongod.uri) as server:
        end = time.monotonic() + 60
        while not is_ready(server):
            if time.monotonic() > end:
                raise RuntimeError("smtpd is not ready")
            time.sleep(0.1)
        yield server


def is_ready(server):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{server.http}/readyz"):
            return True
    except OSError:
        return False


def load(*arguments):
    return subprocess.check_output([LOAD, *map(str, arguments)], text=True)


def taking_in(size, sessions, seconds):
    with Mongod() as mongod:
        with smtpd(mongod) as server:
            before = server.cpu(), mongod.cpu()
            told = load("smtp", f"127.0.0.1:{server.port}", sessions, seconds, size)
            rate, p50, p99 = map(float, told.split())
            spent = [now - then for now, then in zip((server.cpu(), mongod.cpu()), before, strict=True)]
        told = load("bare", mongod.uri, "smtpd", sessions, seconds, size)
        bare, bare50, bare99 = map(float, told.split())
    each = [share / (rate * seconds) * 1e6 for share in spent]
    tools.say(f"{size} octets, {sessions} sessions: {rate:,.0f} beside {bare:,.0f} messages/s, {rate / bare:.2f}")
    return dict(rate=rate, p50=p50, p99=p99, bare=bare, bare50=bare50, bare99=bare99, cpu=each)


def looking(messages, kept):
    """Fills what is missing, and asks."""
    FULL.mkdir(parents=True, exist_ok=True)
    with Mongod("8", FULL) as mongod, smtpd(mongod) as server:
        has = server.ask("/status")["messages"]
        while has < messages:
            count, before = min(PIECE, messages - has), (server.cpu(), mongod.cpu())
            told = tools.send(server, first=has, count=count, size=SMALL, sessions=128, how="bdat", timeout=1800)
            spent = [now - then for now, then in zip((server.cpu(), mongod.cpu()), before, strict=True)]
            has += count
            each = [share / count * 1e6 for share in spent]
            tools.say(f"{has:,} messages, the last {count:,} at {told['rate']:,.0f}/s, CPU {each[0]:.0f} + {each[1]:.0f} µs each")
            kept.setdefault("filling", []).append(dict(has=has, rate=told["rate"], p99=told["p99_ms"], cpu=each))
            remember(million=kept)
        kept["pages"] = ask(server, has)
        status = server.ask("/status")
        kept.update(messages=status["messages"], bytes=status["bytes"], octets=mongod.octets(), rss=server.memory())
    return kept


def ask(server, messages):
    middle = server.ask(f"/api/messages?q=subject%3A{messages // 2}")["messages"]
    pages = dict(PAGES)
    if middle:
        pages["list page from the middle"] = f"/?before={middle[0]['id']}"
    answers = []
    for name, path in pages.items():
        shown = path.replace("/?", "/api/messages?limit=50&") if path.startswith("/?") else "/api/messages?limit=50"
        found = len(server.ask(shown)["messages"])
        times = [million.request(server.http, path) for _ in range(TIMES)]
        tools.say(f"{name}: {statistics.median(times):.1f} ms, slowest {max(times):.1f} ms, {found} shown")
        answers.append(dict(name=name, found=found, median=statistics.median(times), slowest=max(times)))
    return answers


def remembered():
    return json.loads(RESULTS.read_text()) if RESULTS.exists() else {}


def remember(**parts):
    tools.SCRATCH.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(json.dumps({**remembered(), **parts}, indent=1))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seconds", type=int, default=10, help="of each half of a round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--only", action="append", choices=[*map(str, SIZES), "million"])
    options = parser.parse_args()
    # So that servers are stopped then, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))
    wanted = options.only or [*map(str, SIZES), "million"]
    for size in [size for size in SIZES if str(size) in wanted]:
        for sessions in SESSIONS:
            rounds = [taking_in(size, sessions, options.seconds) for _ in range(options.rounds)]
            remember(**{f"{size} octets, {sessions} sessions": dict(rounds=rounds, seconds=options.seconds, of=subject())})
    if "million" in wanted:
        kept = remembered().get("million", {}) if FULL.exists() else {}
        remember(million={**looking(options.messages, kept), "of": subject()})
    write(remembered())


def subject():
    """What was measured, and when."""
    return f"{tools.identity()}; measured {datetime.date.today()}"


def write(parts):
    text = f"""# Figures on MongoDB

Written by `benches/mongodb.py`: smtpd with mongod 6.0.5 as a replica set of one, {os.cpu_count()} cores ({platform.machine()})
shared by clients, smtpd and mongod.

{taken_in(parts)}
{looked(parts.get("million"))}"""
    (tools.ROOT / "BENCHMARKS-mongodb.md").write_text(text)


def taken_in(parts):
    lines, missed, of = [], [], set()
    for size in SIZES:
        for sessions in SESSIONS:
            part = parts.get(f"{size} octets, {sessions} sessions")
            if part is None:
                continue
            ratio = lambda one: one["rate"] / one["bare"]
            rounds = sorted(part["rounds"], key=ratio)
            one, spread = rounds[len(rounds) // 2], f"{ratio(rounds[0]):.2f} to {ratio(rounds[-1]):.2f}"
            of.add(f"- {part['of']}")
            if ratio(one) < AIM:
                missed.append(f"{size // 1000} KB with {sessions} (**{ratio(one):.2f}**)")
            lines.append(
                f"| {size // 1000} KB | {sessions} | {one['rate']:,.0f} | {one['p50']:.1f} / {one['p99']:.1f} ms | "
                f"{one['bare']:,.0f} | {one['bare50']:.1f} / {one['bare99']:.1f} ms | **{ratio(one):.2f}** | {spread} | "
                f"{one['cpu'][0]:.0f} + {one['cpu'][1]:.0f} µs |"
            )
    if not lines:
        return ""
    met = f"Missed by: {'; '.join(missed)}." if missed else "Every row meets it."
    return f"""## Taking in

The bare driver inserts the same documents, with the same indexes and write concern (majority, journaled),
one at a time from as many tasks. CPU is that of smtpd and of mongod for each message. The aim is a ratio of
at least {AIM}. {met}

| message | sessions | smtpd, messages/s | p50 / p99 of the 250 | bare driver, documents/s | p50 / p99 | ratio | of all rounds | CPU for each |
|---|---|---|---|---|---|---|---|---|
{chr(10).join(lines)}

{chr(10).join(sorted(of))}
"""


def looked(part):
    if not part or "pages" not in part:
        return ""
    rows = [
        f"| {one['name']} | {one['found']} | {one['median']:.1f} ms | {one['slowest']:.1f} ms |" for one in part["pages"]
    ]
    filling = part["filling"]
    pieces = [
        f"| {one['has']:,} | {one['rate']:,.0f} messages/s | {one['p99']:.0f} ms | {one['cpu'][0]:.0f} + {one['cpu'][1]:.0f} µs |"
        for one in filling[:1] + filling[4::5]
    ]
    return f"""
## Looking, at {part['messages']:,} messages

Whole HTTP requests to a running smtpd, each on a connection of its own; the median and the slowest of {TIMES}, and how
many messages such a page has. The messages are like those of [BENCHMARKS.md](BENCHMARKS.md), with {SMALL} octets instead of
1 KB: 1,000 mailboxes, {part['bytes'] / 1e6:,.0f} MB of mail, which take {part['octets'] / 1e9:.2f} GB in mongod's folder with its journal and oplog.
smtpd then has {part['rss'] / 1e6:.0f} MB in memory.

| | found | median | slowest |
|---|---|---|---|
{chr(10).join(rows)}

- {part['of']}

Filling it by SMTP with 128 sessions, a few of the pieces of {PIECE:,}; the machine was not always idle meanwhile:

| messages then | rate of the piece | p99 of the 250 | CPU for each of smtpd and mongod |
|---|---|---|---|
{chr(10).join(pieces)}
"""


if __name__ == "__main__":
    main()
