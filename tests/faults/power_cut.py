#!/usr/bin/env python3
"""Cuts the power of a small filesystem under load, again and again, and counts what was lost.

    cargo build --release && tests/faults/power_cut.py --filesystem ext4 --rounds 40
    tests/faults/power_cut.py --without journal --rounds 10    # the controls: each of these must lose
    tests/faults/power_cut.py --without body --rounds 10

Each round: senders, a cut (`xfs_io -x -c shutdown`: what was not synced is gone), kill -9, remount.
smtpd is stopped (SIGSTOP) just before the cut. Without that, even a bare loop of pwrite and fsync loses
its last acknowledged write in about one round of twenty: a sync that is under way while the filesystem
goes down may report success. Whatever was acknowledged before the stop was synced before the cut.

`--without` builds a copy of smtpd in which one sync is left out: of what is appended to the journal, or of
the file of a large body. Needs root and xfsprogs. Ends with an error if anything acknowledged is lost.
"""

import argparse
import http.client
import os
import pathlib
import random
import signal
import subprocess
import tempfile
import threading
import time

from service import BINARY, SENDERS, Sender, Smtpd, Web, mail, without

WITHOUT = {
    "journal": ("src/store/sqlite/journal/segment.rs", "        self.file.sync_data()?;\n", ""),
    "body": ("src/store/sqlite/bodies.rs", "        self.file.sync_data()?;\n", ""),
}


def run(*command):
    subprocess.run(command, check=True, capture_output=True)


class Disk:
    """A filesystem in a file."""

    def __init__(self, folder, filesystem):
        self.image, self.point = folder / "image", folder / "disk"
        self.point.mkdir()
        with open(self.image, "wb") as image:
            image.truncate(1 << 32)
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


def send(address, name, acknowledged):
    """Sends until the connection breaks; notes what was answered 250."""
    try:
        sender = Sender(address, patience=5)
        for number in range(1 << 30):
            # Some are larger than what the journal takes inline.
            size = 200_000 if number % 23 == 7 else 700
            subject = f"{name}x{number}"
            if not sender.send(mail(subject, size)).startswith(b"250"):
                return
            acknowledged[subject] = size
    except (OSError, ValueError):
        pass


def one_round(number, disk, binary, acknowledged):
    server = Smtpd(disk.point / "data", {"SMTPD_LOG_LEVEL": "off"}, binary)
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


def is_whole(web, message, size):
    try:
        status, octets = web.ask("GET", f"/messages/{message['id']}/raw")
    except http.client.HTTPException:
        # It hung up on us, because it could not read what it had promised.
        return False
    return status == 200 and octets == mail(message["subject"], size)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--filesystem", default="ext4", choices=["ext4", "xfs"])
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--without", choices=WITHOUT)
    arguments = parser.parse_args()
    binary = without(WITHOUT[arguments.without]) if arguments.without else BINARY
    acknowledged, stored, twice, damaged = {}, {}, 0, 0
    with tempfile.TemporaryDirectory() as folder:
        disk = Disk(pathlib.Path(folder), arguments.filesystem)
        try:
            for number in range(arguments.rounds):
                one_round(number, disk, binary, acknowledged)
            server = Smtpd(disk.point / "data")
            for message in list(Web(server.http).messages()):
                twice += message["subject"] in stored
                stored[message["subject"]] = message
                if size := acknowledged.get(message["subject"]):
                    damaged += not is_whole(Web(server.http), message, size)
            server.end()
        finally:
            disk.unmount()
    lost = len(acknowledged.keys() - stored.keys())
    without_what = f", without the sync of the {arguments.without}" if arguments.without else ""
    print(
        f"{arguments.filesystem}, {arguments.rounds} rounds{without_what}: {len(acknowledged)} acknowledged, "
        f"{lost} lost, {twice} stored twice, {damaged} damaged; all read back"
    )
    raise SystemExit(bool(lost or twice or damaged))


main()
