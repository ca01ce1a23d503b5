#!/usr/bin/env python3
"""Measures smtpd on MongoDB beside the bare driver, and writes BENCHMARKS-mongodb.md.

    cargo build --release --bin smtpd --example mongodb-load && benches/mongodb.py
    benches/mongodb.py --seconds 5 --messages 100000       # shorter

Each row is one run on a fresh single-node replica set: first SMTP clients send to smtpd, then the bare
driver inserts the same documents, one each, with the same write concern and indexes, from as many tasks.
The ratio is what counts: the machine is shared and noisy.
"""

import argparse
import datetime
import os
import pathlib
import platform
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
TARGET = pathlib.Path(os.environ.get("BUILT", ROOT / "target/release"))
LOAD = TARGET / "examples/mongodb-load"


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def cpu(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Mongod:
    """A replica set of one in a temporary folder."""

    def __init__(self, cache="1"):
        program = subprocess.check_output([ROOT / "tests/mongod.sh"], text=True).strip()
        self.folder = tempfile.mkdtemp(prefix="mongod-bench-", dir=ROOT / "target")
        self.port = free_port()
        command = [program, "--dbpath", self.folder, "--port", str(self.port), "--bind_ip", "127.0.0.1"]
        command += ["--replSet", "bench", "--wiredTigerCacheSizeGB", cache, "--quiet"]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        self.uri = f"mongodb://127.0.0.1:{self.port}/?replicaSet=bench"
        subprocess.run([LOAD, "initiate", str(self.port)], check=True)

    def stop(self):
        self.process.terminate()
        self.process.wait()
        shutil.rmtree(self.folder)


class Smtpd:
    def __init__(self, uri):
        self.folder = tempfile.mkdtemp(prefix="smtpd-bench-", dir=ROOT / "target")
        self.smtp, self.http = free_port(), free_port()
        environment = dict(
            os.environ,
            SMTPD_SMTP_LISTEN=f"127.0.0.1:{self.smtp}",
            SMTPD_HTTP_LISTEN=f"127.0.0.1:{self.http}",
            SMTPD_LOG_LEVEL="warn",
            SMTPD_STORE_KIND="mongodb",
            SMTPD_STORE_MONGODB_URI=uri,
        )
        self.process = subprocess.Popen(
            [TARGET / "smtpd"], cwd=self.folder, env=environment, stdout=subprocess.DEVNULL
        )
        for _ in range(200):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self.http}/readyz")
                return
            except OSError:
                time.sleep(0.05)
        raise SystemExit("smtpd is not ready")

    def stop(self):
        self.process.terminate()
        self.process.wait()
        shutil.rmtree(self.folder)


def load(*arguments):
    return subprocess.check_output([LOAD, *map(str, arguments)], text=True)


def row(size, sessions, seconds):
    mongod = Mongod()
    smtpd = Smtpd(mongod.uri)
    try:
        before = cpu(smtpd.process.pid), cpu(mongod.process.pid)
        rate, p50, p99 = map(float, load("smtp", f"127.0.0.1:{smtpd.smtp}", sessions, seconds, size).split())
        spent = cpu(smtpd.process.pid) - before[0], cpu(mongod.process.pid) - before[1]
        bare, bare50, bare99 = map(float, load("bare", mongod.uri, "smtpd", sessions, seconds, size).split())
    finally:
        smtpd.stop()
        mongod.stop()
    count = rate * seconds
    line = (
        f"| {size // 1000} KB | {sessions} | {rate:,.0f} | {p50:.1f} / {p99:.1f} ms | {bare:,.0f} | "
        f"{bare50:.1f} / {bare99:.1f} ms | **{rate / bare:.2f}** | "
        f"{spent[0] / count * 1e6:.0f} + {spent[1] / count * 1e6:.0f} µs |"
    )
    print(line, flush=True)
    return line


def million(messages):
    mongod = Mongod("4")
    try:
        rate = float(load("fill", mongod.uri, "smtpd", messages))
        print(f"filled at {rate:,.0f} messages/s", flush=True)
        answers = load("ask", mongod.uri, "smtpd").splitlines()
        octets = sum(f.stat().st_size for f in pathlib.Path(mongod.folder).rglob("*") if f.is_file())
    finally:
        mongod.stop()
    lines = []
    for answer in answers:
        name, found, middle, worst = answer.split("|")
        lines.append(f"| {name} | {found} | {middle} ms | {worst + ' ms' if worst else ''} |")
    print("\n".join(lines), flush=True)
    return rate, octets, lines


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--messages", type=int, default=1_000_000)
    options = parser.parse_args()
    begun = os.getloadavg()[0]
    rows = [
        row(size, sessions, options.seconds)
        for size in (1_000, 10_000, 100_000)
        for sessions in (1, 16, 128)
    ]
    rate, octets, answers = million(options.messages)
    version = subprocess.check_output([TARGET / "smtpd", "--version"], text=True).strip()
    text = f"""# Figures on MongoDB

Written by `benches/mongodb.py --seconds {options.seconds} --messages {options.messages}` on
{datetime.date.today()}: {version}, mongod 6.0.5 as a replica set of one, {os.cpu_count()} cores shared by
clients, smtpd and mongod ({platform.machine()}, load {begun:.1f} before it began, so the machine was
{'busy with other things' if begun > 1 else 'otherwise idle'}).

## Taking in

The bare driver inserts the same documents, with the same indexes and write concern (majority, journaled),
one at a time from as many tasks. CPU is that of smtpd and of mongod for each message.

| message | sessions | smtpd, messages/s | p50 / p99 of the 250 | bare driver, documents/s | p50 / p99 | ratio | CPU for each |
|---|---|---|---|---|---|---|---|
{chr(10).join(rows)}

## Looking, at {options.messages:,} messages

Filled at {rate:,.0f} messages/s through the store; {octets / 1e9:.2f} GB in mongod's folder with its journal
and oplog. The time of `Store::list` for a page of 50: the median and the worst of five.

| | found | median | worst |
|---|---|---|---|
{chr(10).join(answers)}
"""
    (ROOT / "BENCHMARKS-mongodb.md").write_text(text)


if __name__ == "__main__":
    main()
