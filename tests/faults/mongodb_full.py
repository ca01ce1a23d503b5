#!/usr/bin/env python3
"""Fills the disk under a real mongod while mail comes in, and makes room again. As root.

    cargo build --release --bin smtpd --example mongodb-load && tests/faults/mongodb_full.py

mongod ends itself when it cannot write its journal. Meanwhile clients must hear 451 within a bound and
/readyz must say it; once mongod runs again, what was acknowledged is there once, and nothing else is.
"""

import http.client
import json
import os
import pathlib
import smtplib
import socket
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
TARGET = pathlib.Path(os.environ.get("BUILT", ROOT / "target/release"))
REFUSALS = 15
LONGEST = 12.0


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def until(seconds, what, holds):
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(0.1)


class Stage:
    """A small disk with a mongod on it, and a smtpd."""

    def __init__(self, folder):
        self.folder, self.disk = folder, folder / "disk"
        self.disk.mkdir()
        image = folder / "image"
        image.touch()
        os.truncate(image, 600 << 20)
        subprocess.run(["mkfs.ext4", "-q", image], check=True)
        subprocess.run(["mount", "-o", "loop", image, self.disk], check=True)
        (self.disk / "db").mkdir()
        self.filler = self.disk / "filler"
        with self.filler.open("wb") as filler:
            filler.write(bytes(100 << 20))
            os.fsync(filler.fileno())
        self.mongo, self.smtp, self.http = free_port(), free_port(), free_port()
        self.program = subprocess.check_output([ROOT / "tests/mongod.sh"], text=True).strip()
        self.mongod = self.start_mongod()
        until(30, "mongod listens", lambda: socket.socket().connect_ex(("127.0.0.1", self.mongo)) == 0)
        subprocess.run([TARGET / "examples/mongodb-load", "initiate", str(self.mongo)], check=True)
        environment = dict(
            os.environ,
            SMTPD_SMTP_LISTEN=f"127.0.0.1:{self.smtp}",
            SMTPD_HTTP_LISTEN=f"127.0.0.1:{self.http}",
            SMTPD_STORE_KIND="mongodb",
            SMTPD_STORE_MONGODB_URI=f"mongodb://127.0.0.1:{self.mongo}/?replicaSet=bench",
        )
        log = (folder / "smtpd.log").open("w")
        self.smtpd = subprocess.Popen(
            [TARGET / "smtpd"], cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=log
        )
        until(30, "smtpd is ready", self.is_ready)

    def start_mongod(self):
        command = [self.program, "--dbpath", self.disk / "db", "--port", str(self.mongo), "--quiet"]
        command += ["--bind_ip", "127.0.0.1", "--replSet", "bench", "--oplogSize", "50"]
        command += ["--wiredTigerCacheSizeGB", "0.25", "--setParameter", "diagnosticDataCollectionEnabled=false"]
        return subprocess.Popen(command, stdout=subprocess.DEVNULL)

    def ask(self, path):
        connection = http.client.HTTPConnection("127.0.0.1", self.http, timeout=30)
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()

    def is_ready(self):
        try:
            return self.ask("/readyz")[0] == 200
        except OSError:
            return False

    def send(self, subject, octets):
        """True for 250, false for 451."""
        line = os.urandom(35).hex() + "\r\n"
        body = f"Subject: {subject}\r\n\r\n" + line * (octets // len(line))
        with smtplib.SMTP("127.0.0.1", self.smtp, timeout=60) as client:
            try:
                client.sendmail("a@example.org", ["b@example.org"], body)
                return True
            except smtplib.SMTPDataError as refused:
                assert refused.smtp_code == 451 and refused.smtp_error.startswith(b"4.3.0"), refused
                return False

    def subjects(self):
        subjects, before = [], ""
        while True:
            messages = json.loads(self.ask(f"/api/messages?limit=500{before}")[1])["messages"]
            subjects += [message["subject"] for message in messages]
            if len(messages) < 500:
                return subjects
            before = f"&before={messages[-1]['id']}"

    def end(self):
        for process in (self.smtpd, self.mongod):
            process.terminate()
            process.wait()
        subprocess.run(["umount", self.disk], check=True)


def main():
    with tempfile.TemporaryDirectory() as folder:
        stage = Stage(pathlib.Path(folder))
        try:
            stored, refused, longest = [], 0, 0.0
            while refused < REFUSALS:
                subject = f"message {len(stored) + refused}"
                begun = time.monotonic()
                if stage.send(subject, 1_000_000):
                    stored.append(subject)
                else:
                    refused += 1
                    assert not stage.is_ready(), "/readyz says that all is well"
                longest = max(longest, time.monotonic() - begun)
            ended = stage.mongod.poll()
            stage.filler.unlink()
            if ended is not None:
                stage.mongod = stage.start_mongod()
            until(60, "smtpd is ready again", stage.is_ready)
            until(30, "mail is taken again", lambda: stage.send("again", 100))
            there = stage.subjects()
        finally:
            stage.end()
    lost = [subject for subject in stored if subject not in there]
    twice = [subject for subject in stored if there.count(subject) > 1]
    others = [subject for subject in there if subject not in stored and subject != "again"]
    print(
        f"{len(stored)} acknowledged, {refused} refused with 451, the longest answer {longest:.1f} s; mongod ended "
        f"with {ended}; then lost {len(lost)}, twice {len(twice)}, refused and there all the same {len(others)}"
    )
    assert not lost and not twice and not others and longest < LONGEST


if __name__ == "__main__":
    main()
