#!/usr/bin/env python3
"""Cuts the power of a small filesystem under load, again and again, and counts what was lost.

    cargo build --release && tests/faults/power_cut.py --filesystem ext4 --rounds 60
    tests/faults/power_cut.py --without-fsync --rounds 10      # the control: it must lose

Each round: senders, a cut (`xfs_io -x -c shutdown`: what was not synced is gone), kill -9, remount.
smtpd is stopped (SIGSTOP) just before the cut. Without that, even a bare loop of pwrite and fsync loses
its last acknowledged write in about one round of twenty: a sync that is under way while the filesystem
goes down may report success. Whatever was acknowledged before the stop was synced before the cut.

Needs root, xfsprogs, for the control strace. Ends with an error if anything acknowledged is lost.
"""

import argparse
import json
import os
import pathlib
import random
import signal
import socket
import subprocess
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BINARY = os.environ.get("SMTPD", ROOT / "target/release/smtpd")
SENDERS = 8


def run(*command):
    subprocess.run(command, check=True, capture_output=True)


class Disk:
    """A filesystem in a file."""

    def __init__(self, folder, filesystem):
        self.image, self.point = folder / "image", folder / "disk"
        self.point.mkdir()
        with open(self.image, "wb") as image:
            image.truncate(1 << 30)
        run(f"mkfs.{filesystem}", "-q", self.image)
        self.mount()

    def mount(self):
        run("mount", "-o", "loop", self.image, self.point)

    def cut(self):
        run("xfs_io", "-x", "-c", "shutdown", self.point)

    def unmount(self):
        for _ in range(50):
            if subprocess.run(["umount", self.point], capture_output=True).returncode == 0:
                return
            time.sleep(0.1)
        raise SystemExit("cannot unmount")


class Server:
    def __init__(self, disk, without_fsync):
        environment = dict(
            os.environ,
            SMTPD_SMTP_LISTEN="127.0.0.1:0",
            SMTPD_HTTP_LISTEN="127.0.0.1:0",
            SMTPD_STORE_PATH=str(disk.point / "data"),
            SMTPD_LOG_LEVEL="off",
        )
        lie = ["strace", "-f", "-o", "/dev/null", "-e", "trace=fdatasync,fsync", "-e", "inject=fdatasync,fsync:retval=0"]
        command = [*(lie if without_fsync else []), str(BINARY)]
        self.process = subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        self.smtp = self.address("smtp://")
        self.http = self.address("http://")
        self.pid = self.process.pid
        if without_fsync:
            children = pathlib.Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text()
            self.pid = int(children.split()[0])

    def address(self, mark):
        for line in self.process.stdout:
            if mark in line:
                host, port = line.split(mark)[1].strip().rstrip("/").rsplit(":", 1)
                return host, int(port)
        raise SystemExit("smtpd did not start")

    def end(self, how):
        os.kill(self.pid, how)
        self.process.wait()

    def get(self, path):
        with socket.create_connection(self.http) as connection:
            connection.sendall(f"GET {path} HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n".encode())
            answer = b"".join(iter(lambda: connection.recv(1 << 20), b""))
        return answer.split(b"\r\n\r\n", 1)[1]


def send(address, name, acknowledged):
    """Sends until the connection breaks; notes what was answered 250."""
    try:
        with socket.create_connection(address, timeout=5) as connection, connection.makefile("rb") as replies:
            replies.readline()
            connection.sendall(b"EHLO cut.example.org\r\n")
            while replies.readline()[3:4] == b"-":
                pass
            for number in range(1 << 30):
                # Some are larger than what the database takes inline.
                size = 200_000 if number % 23 == 7 else 700
                body = f"Subject: {name}x{number}\r\n\r\n{'z' * size}\r\n"
                connection.sendall(b"MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n")
                if [replies.readline()[:3] for _ in range(3)] != [b"250", b"250", b"354"]:
                    return
                connection.sendall(f"{body}.\r\n".encode())
                if not replies.readline().startswith(b"250"):
                    return
                acknowledged[f"{name}x{number}"] = body
    except OSError:
        pass


def one_round(number, disk, without_fsync, acknowledged):
    server = Server(disk, without_fsync)
    threads = [
        threading.Thread(target=send, args=(server.smtp, f"t{number}x{sender}", acknowledged))
        for sender in range(SENDERS)
    ]
    for thread in threads:
        thread.start()
    time.sleep(random.uniform(0.1, 0.6))
    os.kill(server.pid, signal.SIGSTOP)
    time.sleep(0.01)
    disk.cut()
    server.end(signal.SIGKILL)
    for thread in threads:
        thread.join()
    disk.unmount()
    disk.mount()


def main():
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("--filesystem", default="ext4", choices=["ext4", "xfs"])
    arguments.add_argument("--rounds", type=int, default=60)
    arguments.add_argument("--without-fsync", action="store_true")
    arguments = arguments.parse_args()
    acknowledged, stored, twice, damaged = {}, {}, 0, 0
    with tempfile.TemporaryDirectory() as folder:
        disk = Disk(pathlib.Path(folder), arguments.filesystem)
        try:
            for number in range(arguments.rounds):
                one_round(number, disk, arguments.without_fsync, acknowledged)
            server = Server(disk, False)
            before = ""
            while messages := json.loads(server.get(f"/api/messages?limit=500&before={before}"))["messages"]:
                before = messages[-1]["id"]
                for message in messages:
                    twice += message["subject"] in stored
                    stored[message["subject"]] = message["id"]
            for subject in random.sample(sorted(acknowledged.keys() & stored.keys()), min(300, len(stored))):
                damaged += server.get(f"/messages/{stored[subject]}/raw") != acknowledged[subject].encode()
            server.end(signal.SIGTERM)
        finally:
            disk.unmount()
    lost = len(acknowledged.keys() - stored.keys())
    print(
        f"{arguments.filesystem}, {arguments.rounds} rounds{', without fsync' if arguments.without_fsync else ''}: "
        f"{len(acknowledged)} acknowledged, {lost} lost, {twice} stored twice, {damaged} of 300 read back damaged"
    )
    raise SystemExit(bool(lost or twice or damaged))


main()
