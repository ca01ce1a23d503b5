#!/usr/bin/env python3
"""Runs smtpd at 80 % of what it can take, for long, and says whether anything of it grows.

    cargo build --release && tests/faults/load.py --minutes 20

The first 20 seconds measure the top rate of eight senders; then they send at 80 % of it, while 100 pages
listen to the live feed, of which 10 never read. `retention.messages` bounds the store, as a service that
runs for long has it. Every 10 seconds memory, file descriptors, threads and the lag of the index are
looked at. After the first quarter memory must stay within 5 % of what it was then, and descriptors and
threads within 5 % and two; at the end the index must catch up. Ends with an error if not.
"""

import argparse
import base64
import json
import os
import pathlib
import random
import socket
import tempfile
import threading
import time

from service import Sender, Smtpd, Web, mail

SENDERS = 8
PAGES, DEAF = 100, 10
TOP_SECONDS = 20
KEPT = 20_000


class Load:
    """Eight senders at a rate, or as fast as they can."""

    def __init__(self, address):
        self.sent, self.refused, self.over = [0] * SENDERS, 0, False
        #: Seconds from one message of a sender to its next.
        self.pause = 0
        self.threads = [threading.Thread(target=self.send, args=(address, number)) for number in range(SENDERS)]
        for thread in self.threads:
            thread.start()

    def send(self, address, number):
        sender, due = Sender(address), time.monotonic()
        bodies = [mail(f"load {size}", size) for size in (500, 1_000, 2_000, 5_000, 20_000)] + [mail("load large", 200_000)]
        while not self.over:
            # One of a hundred is large.
            octets = bodies[5] if random.random() < 0.01 else random.choice(bodies[:5])
            if sender.send(octets).startswith(b"250"):
                self.sent[number] += 1
            else:
                self.refused += 1
            due = max(due + self.pause, time.monotonic() - 1)
            time.sleep(max(0, due - time.monotonic()))
        sender.close()

    def end(self):
        self.over = True
        for thread in self.threads:
            thread.join()


class Page:
    """A browser's live feed."""

    def __init__(self, address, is_deaf):
        self.connection = socket.create_connection(address)
        key = base64.b64encode(os.urandom(16)).decode()
        self.connection.sendall(
            f"GET /ws HTTP/1.1\r\nHost: {address[0]}:{address[1]}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode()
        )
        self.heard, self.is_open = 0, True
        if not is_deaf:
            threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        """Reads frames (RFC 6455 section 5.2) and answers pings, without which nobody is thought to listen."""
        frames = self.connection.makefile("rb")
        while frames.readline() not in (b"\r\n", b""):
            pass
        while len(head := frames.read(2)) == 2:
            length = head[1]
            if length >= 126:
                length = int.from_bytes(frames.read(2 if length == 126 else 8))
            octets = frames.read(length)
            self.heard += length
            if head[0] & 15 == 9:
                # A mask of zeros.
                self.connection.sendall(bytes([0x8A, 0x80 | length]) + bytes(4) + octets)
        self.is_open = False


def sample(server, web):
    proc = pathlib.Path(f"/proc/{server.pid}")
    status = dict(line.split(":", 1) for line in (proc / "status").read_text().splitlines())
    return {
        "kB": int(status["VmRSS"].split()[0]),
        "files": len(os.listdir(proc / "fd")),
        "threads": int(status["Threads"]),
        "lag": json.loads(web.get("/status"))["index_lag"],
    }


def grown(samples):
    """What did not stay flat after the first quarter."""
    later = samples[len(samples) // 4 :]
    told = []
    for what, slack in (("kB", 0), ("files", 2), ("threads", 2)):
        values = [one[what] for one in later]
        half = len(values) // 2
        first, last = (sorted(part)[len(part) // 2] for part in (values[:half], values[half:]))
        is_flat = last <= first * 1.05 + slack
        told.append(f"{what} {'flat' if is_flat else 'GREW'}: {first} -> {last}, {min(values)} to {max(values)}")
    return told


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--minutes", type=float, default=20)
    arguments = parser.parse_args()
    samples = []
    with tempfile.TemporaryDirectory() as folder:
        environment = {"SMTPD_RETENTION_MESSAGES": str(KEPT)}
        server = Smtpd(pathlib.Path(folder) / "data", environment)
        pages = [Page(server.http, number < DEAF) for number in range(PAGES)]
        web, load = Web(server.http), Load(server.smtp)
        time.sleep(TOP_SECONDS)
        top = sum(load.sent) / TOP_SECONDS
        load.pause = SENDERS / (0.8 * top)
        begun, before = time.monotonic(), sum(load.sent)
        until = begun + arguments.minutes * 60
        while time.monotonic() < until:
            time.sleep(min(10, until - time.monotonic()))
            samples.append(sample(server, web))
            print(f"{time.monotonic() - begun:6.0f} s, {sum(load.sent)} sent: {samples[-1]}", flush=True)
        rate = (sum(load.sent) - before) / (time.monotonic() - begun)
        load.end()
        begun = time.monotonic()
        while (lag := sample(server, web)["lag"]) and time.monotonic() < begun + 60:
            time.sleep(0.05)
        caught_up = time.monotonic() - begun
        listening = sum(page.is_open and page.heard > 0 for page in pages[DEAF:])
        server.end()
    told = grown(samples)
    print(f"top {top:.0f} messages a second, then {rate:.0f} for {arguments.minutes:g} minutes, {load.refused} refused; {'; '.join(told)};")
    print(f"index {f'caught up in {caught_up:.1f} s' if not lag else f'{lag} BEHIND'}; {listening} of {PAGES - DEAF} pages still listen")
    is_well = not lag and not load.refused and listening == PAGES - DEAF and not any("GREW" in one for one in told)
    raise SystemExit(not is_well)


if __name__ == "__main__":
    main()
