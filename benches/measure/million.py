"""A store with a million messages: is it as quick as an empty one?"""

import pathlib
import socket
import statistics
import subprocess
import time
import urllib.parse

from .tools import Row, free_disk, generator, say, send, smtpd

FILL = "filling the store with them"
FILL_INDEX = "until the index has the rest of them"
PAGES = {
    "list page of 50": "/",
    "mailbox page": "/?mailbox=user7%40example.org",
    "rare-word search": "/?q=rarissime",
    "common-word search": "/?q=commonplace",
    "search without a hit: is:starred": "/?q=is%3Astarred",
    "search without a hit: -commonplace": "/?q=-commonplace",
    "search for two common words": "/?q=" + urllib.parse.quote("commonplace bane"),
    "API, 50 messages": "/api/messages?limit=50",
}
START = "start-up to the first greeting"
START_KILLED = "start-up after kill -9 in the midst of a burst"
INGEST = "ingest, 1 KB of words, 50 sessions"
TIMES = 20
# Octets that a message of 1 KB takes at most, with its index and what is written on the way.
ON_DISK = 6_000


def measure(count, store, scale):
    """`store` is a folder that is filled if it is empty, and kept; without it nothing is kept."""
    store = store and pathlib.Path(store).resolve()
    if store:
        store.mkdir(parents=True, exist_ok=True)
    with smtpd(store=store) as server:
        place, server.keep = server.folder, True
        yield from fill(server, count)
        say("asking for pages")
        for name, path in PAGES.items():
            times = [request(server.http, path) for _ in range(TIMES)]
            note = f"slowest of {TIMES}: {max(times):.1f} ms"
            yield Row(name, statistics.median(times), "ms", note=note)
        status = server.ask("/status")
        yield Row("RSS with them", server.memory() / 1e6, "MB")
        note = f"with its index, for {status['bytes'] / 1e6:,.0f} MB of {status['messages']:,} messages"
        yield Row("the store on disk", status["disk_bytes"] / 1e6, "MB", note=note)
    say("starting it again")
    starts = []
    for _ in range(3):
        with smtpd(place, watched=False) as server:
            starts.append(server.start_seconds)
    yield Row(START, statistics.median(starts), "s")
    yield from ingest(place, 40_000 // scale)
    kill(place)
    # From here on the folder is gone, unless it was given.
    with smtpd(place, watched=False) as server:
        server.keep = store is not None
        note = f"the first list page then took {request(server.http, '/'):.0f} ms"
        yield Row(START_KILLED, server.start_seconds, "s", note=note)


def fill(server, count):
    has = server.ask("/status")["messages"]
    if has >= count:
        say(f"{has:,} messages are there already")
        return
    if free_disk() < (count - has) * ON_DISK:
        raise RuntimeError(f"{count:,} messages do not fit: {free_disk():,} octets are free")
    say(f"filling a store with {count:,} messages")
    told = send(server, first=has, count=count - has, how="bdat", timeout=1800)
    lag = server.index_lag()
    caught_up = server.catch_up(1800)
    yield Row(FILL, told["rate"], "messages/s", note=f"{count:,} of 1 KB in {told['seconds']:,.0f} s")
    yield Row(FILL_INDEX, caught_up, "s", note=f"{lag:,} behind at the end")


def request(port, path):
    """Milliseconds of a whole request as a browser makes it, its connection included."""
    begun = time.monotonic()
    with socket.create_connection(("127.0.0.1", port), 60) as connection:
        connection.sendall(
            f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAccept: text/html, */*;q=0.1\r\n"
            "Accept-Encoding: gzip\r\nConnection: close\r\n\r\n".encode()
        )
        answer = b""
        while octets := connection.recv(1 << 16):
            answer = answer or octets
    taken = (time.monotonic() - begun) * 1e3
    if b" 200 " not in answer.split(b"\r\n")[0]:
        raise RuntimeError(f"{path}: {answer[:80]}")
    return taken


def ingest(place, count):
    """The full store beside an empty one, in turn."""
    pairs = []
    for turn in range(3):
        say(f"ingest beside an empty store, {turn + 1} of 3")
        with smtpd() as server:
            empty = send(server, count=count)["rate"]
        with smtpd(place) as server:
            server.catch_up(600)
            full = send(server, first=10_000_000 + turn * count, count=count)["rate"]
        pairs.append((full / empty, full, empty))
    _, full, empty = sorted(pairs)[1]
    yield Row(INGEST, full, "messages/s", empty, "an empty store")


def kill(place):
    """Kills it while it takes mail."""
    with smtpd(place, watched=False) as server:
        command = [generator(), "send", f"smtp=127.0.0.1:{server.port}", "first=20000000", "count=10000000"]
        sender = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        time.sleep(2)
        server.process.kill()
        sender.wait()
