#!/usr/bin/env python3
"""Runs smtpd at 80 % of what it can take, for long, and says whether anything of it grows.

    cargo build --release && tests/faults/load.py --minutes 20

Senders (benches/load) send messages of 500 octets to 200 KB, as fast as they can for six seconds and at 80 %
of that rate for the rest of the minute, and so on: what others do on the machine changes the top rate.
Meanwhile 100 pages listen to the live feed, of which 10 never read; whoever is hung up on for that comes
again, as a browser does. `retention.messages` bounds the store, as a service that runs for long has it, so
that as many messages are deleted as come.

Every 5 seconds memory, file descriptors, threads and the lag of the index are looked at. After the first
quarter, in which caches fill, the medians of the three other quarters must lie within 5 % of each other (of
descriptors and threads within 5 % and two). When all have gone, the index must catch up, and connections,
feeds, descriptors and threads must be as many as before anybody came, but for the files of connections to the
database: what else is left over is a task that nobody ended. Ends with an error if not.
"""

import argparse
import base64
import collections
import contextlib
import json
import os
import pathlib
import socket
import statistics
import subprocess
import sys
import tempfile
import time

from service import ROOT, Smtpd, Web

sys.path.insert(0, str(ROOT / "benches"))
from measure.tools import generator  # noqa: E402: that folder is not a package of ours

SESSIONS = 16
PAGES, DEAF = 100, 10
TOP_SECONDS, CYCLE_SECONDS = 6, 60
KEPT = 5_000
# Octets of the messages, in turn: one of a hundred is too large for the journal.
SIZES = ([500, 1_000, 2_000, 5_000, 20_000] * 20)[:-1] + [200_000]
PERIOD = 5


def send(server, **options):
    """Starts the generator."""
    words = dict(smtp="%s:%d" % server.smtp, sessions=SESSIONS, size=",".join(map(str, SIZES)), count=1 << 40, **options)
    return subprocess.Popen([generator(), "send", *(f"{name}={value}" for name, value in words.items())], stdout=subprocess.PIPE, text=True)


def cycles(server, seconds, look):
    """Sends for so long, and calls `look` meanwhile; top rates, and what was measured at 80 % of them."""
    until, first, tops, held = time.monotonic() + seconds, 0, [], []

    def run(**options):
        nonlocal first
        first += 1 << 32
        with send(server, first=first, **options) as sending:
            try:
                looked = time.monotonic()
                while sending.poll() is None:
                    time.sleep(0.1)
                    if time.monotonic() > looked + PERIOD:
                        looked = time.monotonic()
                        look()
            except BaseException:
                sending.kill()
                raise
            if sending.returncode:
                raise SystemExit("a message was refused, or not answered")
            return json.load(sending.stdout)

    while time.monotonic() < until:
        tops.append(run(seconds=TOP_SECONDS)["rate"])
        held.append(run(seconds=CYCLE_SECONDS - TOP_SECONDS, rate=0.8 * tops[-1]))
    return tops, held


class Deaf:
    """Browsers that ask for the live feed and never read it."""

    def __init__(self, address):
        self.address, self.connections, self.came = address, collections.deque(), 0
        self.come(DEAF)

    def come(self, more):
        """So many come again: those that came first were hung up on, which they cannot see, for they never read."""
        self.came += more
        for _ in range(more):
            connection = socket.create_connection(self.address)
            key = base64.b64encode(os.urandom(16)).decode()
            connection.sendall(
                f"GET /ws HTTP/1.1\r\nHost: {self.address[0]}:{self.address[1]}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode()
            )
            self.connections.append(connection)
        while len(self.connections) > DEAF:
            self.connections.popleft().close()

    def go(self):
        while self.connections:
            self.connections.popleft().close()


def sample(server, web):
    proc = pathlib.Path(f"/proc/{server.pid}")
    status = dict(line.split(":", 1) for line in (proc / "status").read_text().splitlines())
    try:
        detail = json.loads(web.get("/status/detail"))
    except TimeoutError:
        # What it does instead: of each thread its name, its state, and the call in which it is.
        for task in sorted(proc.glob("task/*")):
            state = (task / "stat").read_text().rsplit(") ", 1)[1][0]
            print((task / "comm").read_text().strip(), state, (task / "wchan").read_text(), (task / "syscall").read_text().strip(), flush=True)
        raise
    return {
        "kB": int(status["VmRSS"].split()[0]),
        "files": len(os.listdir(proc / "fd")),
        "threads": int(status["Threads"]),
        "lag": detail["index_lag"],
        "pages": detail["websockets_now"],
        "received": detail["messages_received"],
        "clients": detail["smtp_connections_now"],
    }


def differences(samples):
    """What of the last three quarters is not flat, and what all of it was."""
    quarters = [samples[len(samples) * place // 4 : len(samples) * (place + 1) // 4] for place in (1, 2, 3)]
    for what, slack in (("kB", 0), ("files", 2), ("threads", 2)):
        medians = [statistics.median(one[what] for one in quarter) for quarter in quarters]
        values = [one[what] for quarter in quarters for one in quarter]
        is_flat = max(medians) <= min(medians) * 1.05 + slack
        told = " ".join(f"{median:.0f}" for median in medians)
        yield is_flat, f"{what} {'flat' if is_flat else 'NOT FLAT'}: medians {told}, {min(values)} to {max(values)}"


def left_over(server, web, before):
    """What there is more of than before anybody came, once all have gone."""
    until = time.monotonic() + 20
    while True:
        now = sample(server, web)
        more = {what: now[what] - before[what] for what in ("files", "threads", "pages", "clients") if now[what] > before[what]}
        # Readers keep a few connections to the database, with some files each, and our questions keep a thread.
        many = {what: count for what, count in more.items() if count > {"files": 16, "threads": 2}.get(what, 0)}
        if not many or time.monotonic() > until:
            return many, more
        time.sleep(0.5)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--minutes", type=float, default=20)
    arguments = parser.parse_args()
    samples = []
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as ends:
        environment = {"SMTPD_RETENTION_MESSAGES": str(KEPT)}
        server = Smtpd(pathlib.Path(folder) / "data", environment)
        web = Web(server.http)
        before = sample(server, web)
        pages = [subprocess.Popen([generator(), "watch", "http=%s:%d" % server.http]) for _ in range(PAGES - DEAF)]
        for page in pages:
            ends.callback(page.kill)
        deaf = Deaf(server.http)
        begun = time.monotonic()

        def look():
            samples.append(sample(server, web))
            deaf.come(min(DEAF, max(0, PAGES - samples[-1]["pages"])))
            print(f"{time.monotonic() - begun:6.0f} s: {samples[-1]}", flush=True)

        tops, held = cycles(server, arguments.minutes * 60, look)
        begun = time.monotonic()
        while (lag := sample(server, web)["lag"]) and time.monotonic() < begun + 60:
            time.sleep(0.05)
        caught_up = time.monotonic() - begun
        listening = sum(page.poll() is None for page in pages)
        for page in pages:
            page.kill()
            page.wait()
        deaf.go()
        many, more = left_over(server, web, before)
        after = sample(server, web)
        server.end()
    flat = list(differences(samples))
    is_well = not lag and listening == len(pages) and not many and all(well for well, _ in flat)
    most = max(one["lag"] for one in samples)
    rates = [one["rate"] for one in held]
    print(f"{samples[-1]['received']} messages in {arguments.minutes:g} minutes, none refused: top rate {min(tops):.0f} to {max(tops):.0f} a second,")
    print(f"at 80 % of it {min(rates):.0f} to {max(rates):.0f}, median of the p99 to 250 {statistics.median(one['p99_ms'] for one in held):.1f} ms;")
    print("; ".join(told for _, told in flat) + ";")
    print(f"index {f'caught up in {caught_up:.1f} s' if not lag else f'{lag} BEHIND'}, at most {most} behind; {listening} of {len(pages)} pages still listen,")
    print(f"{DEAF} that never read came {deaf.came} times; {'LEFT OVER' if many else 'left over'}: {more or 'nothing'}, {after['kB']} kB")
    raise SystemExit(not is_well)


if __name__ == "__main__":
    main()
