#!/usr/bin/env python3
"""Kills smtpd at random moments under load, again and again, and counts what was lost.

    cargo build --release && tests/faults/kill.py --rounds 200
    SENDERS=1 tests/faults/kill.py --rounds 100     # one alone, whose mail is a batch each
    tests/faults/kill.py --mongodb --rounds 200     # needs a mongod: tests/mongod.sh
    tests/faults/kill.py --answer-early --rounds 10 # the control, answered before it is written: it must lose
    tests/faults/kill.py --mongodb --answer-early --rounds 10       # the same for the other store

Each round: eight senders of small and large messages, one client that deletes, one that tags, one that
reads what it finds; kill -9; now and then another while it starts again; then the store must hold all
that was acknowledged, nothing twice, nothing in part, nothing that was deleted, and all marks that were
acknowledged. What was under way at the kill may be there or not, but whole and once.
Ends with an error if any of it does not hold, or a start takes a second, not counted the time that it waits
for a processor which others have.
"""

import argparse
import http.client
import json
import os
import pathlib
import random
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time

from service import BINARY, ROOT, SENDERS, Sender, Smtpd, Web, mail, without

# After so many rounds everything is read, and deleted.
EPOCH = 10
BROKEN = (OSError, http.client.HTTPException, ValueError)
ANSWER_EARLY = (
    "src/store/sqlite/journal/segment.rs",
    "        match write_all_at(&self.file, &mut slices, self.end, end) {",
    """        let (late, at) = (self.file.try_clone()?, self.end);
        let octets: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).collect();
        std::thread::spawn(move || {
            std::thread::sleep(std::time::Duration::from_millis(20));
            let _ = late.write_all_at(&octets, at);
        });
        slices.clear();
        match write_all_at(&self.file, &mut slices[..], self.end, end) {""",
)

ANSWER_EARLY_MONGODB = (
    "src/store/mongo/commit.rs",
    "    let documents: Vec<_> = sent.iter().map(|sent| &sent.document).collect();",
    """    if true {
        let late: Vec<_> = sent.iter().map(|sent| sent.document.clone()).collect();
        let messages = shared.there.messages.clone_with_type::<RawDocumentBuf>();
        tokio::spawn(async move {
            sleep(Duration::from_millis(20)).await;
            let _ = messages.insert_many(late).ordered(false).await;
        });
        return Lane { fates: sent.iter().map(|_| Fate::Stored).collect(), sent, why: None };
    }
    let documents: Vec<_> = sent.iter().map(|sent| &sent.document).collect();""",
)


class Ledger:
    """What the clients know."""

    def __init__(self):
        self.sent, self.acknowledged = {}, set()
        self.deleting, self.deleted = set(), set()
        self.tagging, self.tagged = set(), set()
        self.half = 0


def send(address, name, ledger):
    """Sends until the connection breaks."""
    try:
        sender = Sender(address)
        for number in range(1 << 30):
            subject = f"{name}x{number}"
            # Some are larger than what the journal takes inline.
            size = {7: 200_000, 11: 20_000, 13: 131_000}.get(number % 23, random.randrange(100, 2_000))
            ledger.sent[subject] = size
            if not sender.send(mail(subject, size)).startswith(b"250"):
                return
            ledger.acknowledged.add(subject)
    except BROKEN:
        pass


def look(address, what, ledger):
    """Takes the newest messages, again and again, and reads, tags or deletes some of them."""
    try:
        web = Web(address)
        while True:
            page = json.loads(web.get("/api/messages?limit=50"))["messages"]
            for message in random.sample(page, min(len(page), 10)):
                what(web, message, ledger)
            time.sleep(0.005)
    except (*BROKEN, SystemExit):
        pass


def read(web, message, ledger):
    status, octets = web.ask("GET", f"/messages/{message['id']}/raw")
    subject = message["subject"]
    if status == 200 and subject in ledger.sent:
        ledger.half += octets != mail(subject, ledger.sent[subject])


def tag(web, message, ledger):
    ledger.tagging.add(message["subject"])
    status, _ = web.ask("PATCH", f"/api/messages/{message['id']}", {"tags": ["seen"], "starred": True})
    if status == 200:
        ledger.tagged.add(message["subject"])


def delete(web, message, ledger):
    ledger.deleting.add(message["subject"])
    status, _ = web.ask("DELETE", f"/api/messages/{message['id']}")
    if status == 204:
        ledger.deleted.add(message["subject"])


def one_round(number, server, ledger):
    jobs = [threading.Thread(target=send, args=(server.smtp, f"r{number}s{sender}", ledger)) for sender in range(SENDERS)]
    jobs += [threading.Thread(target=look, args=(server.http, what, ledger)) for what in (read, tag, delete)]
    for job in jobs:
        job.start()
    time.sleep(random.uniform(0.02, 1.0))
    server.end(signal.SIGKILL)
    for job in jobs:
        job.join()


def found_wrong(web, ledger, all_of, number):
    """What of the ledger does not hold, by kind. Octets are compared of this round's messages, or of all."""
    wrong = dict(lost=0, twice=0, half=0, undeleted=0, unmarked=0, unknown=0)
    stored, read = set(), 0
    for message in web.messages():
        subject = message["subject"]
        wrong["twice"] += subject in stored
        stored.add(subject)
        if subject not in ledger.sent:
            wrong["unknown"] += 1
            continue
        wrong["undeleted"] += subject in ledger.deleted
        if subject in ledger.tagged:
            wrong["unmarked"] += not (message["starred"] and message["tags"] == ["seen"])
        if all_of or subject.startswith(f"r{number}s") or random.random() < 0.02:
            read += 1
            wrong["half"] += web.raw(message) != mail(subject, ledger.sent[subject])
    # Who asks for a deletion and hears nothing does not know.
    wrong["lost"] = len(ledger.acknowledged - ledger.deleting - stored)
    return wrong, read


class Mongod:
    """A replica set of one member."""

    def __init__(self, folder):
        program = os.environ.get("MONGOD") or subprocess.run(
            [ROOT / "tests/mongod.sh"], check=True, capture_output=True, text=True
        ).stdout.strip()
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        where = ["--dbpath", folder, "--port", str(self.port), "--bind_ip", "127.0.0.1"]
        small = ["--replSet", "faults", "--oplogSize", "200", "--wiredTigerCacheSizeGB", "0.5"]
        self.process = subprocess.Popen([program, *where, *small], stdout=subprocess.DEVNULL)
        self.initiate()
        self.environment = {
            "SMTPD_STORE_KIND": "mongodb",
            "SMTPD_STORE_MONGODB_URI": f"mongodb://127.0.0.1:{self.port}/?replicaSet=faults",
        }

    def initiate(self):
        text = lambda name, value: b"\x02" + name + b"\0" + struct.pack("<i", len(value) + 1) + value + b"\0"
        document = lambda *parts: struct.pack("<i", sum(map(len, parts)) + 5) + b"".join(parts) + b"\0"
        member = document(b"\x10_id\0" + bytes(4), text(b"host", b"127.0.0.1:%d" % self.port))
        config = document(text(b"_id", b"faults"), b"\x04members\0" + document(b"\x030\0" + member))
        command = document(b"\x03replSetInitiate\0" + config, text(b"$db", b"admin"))
        # OP_MSG of the wire protocol.
        message = struct.pack("<iiiiIB", 21 + len(command), 1, 0, 2013, 0, 0) + command
        for _ in range(300):
            try:
                with socket.create_connection(("127.0.0.1", self.port)) as connection:
                    connection.sendall(message)
                    connection.recv(4096)
                time.sleep(3)
                return
            except OSError:
                time.sleep(0.1)
        raise SystemExit("mongod does not answer")

    def stop(self):
        self.process.terminate()
        self.process.wait()


def killed_while_starting(folder, environment, binary):
    """Starts it and kills it at any moment of the start."""
    process = subprocess.Popen(
        [str(binary)],
        env=dict(os.environ, SMTPD_STORE_PATH=str(folder), SMTPD_SMTP_LISTEN="127.0.0.1:0", SMTPD_HTTP_LISTEN="127.0.0.1:0", **environment),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    time.sleep(random.uniform(0, 0.05))
    process.kill()
    process.wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--mongodb", action="store_true")
    parser.add_argument("--answer-early", action="store_true")
    arguments = parser.parse_args()
    early = ANSWER_EARLY_MONGODB if arguments.mongodb else ANSWER_EARLY
    binary = without(early) if arguments.answer_early else BINARY
    total, starts, acknowledged, deleted, tagged, read = {}, [], 0, 0, 0, 0
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        (folder / "mongod").mkdir()
        mongod = Mongod(folder / "mongod") if arguments.mongodb else None
        environment = mongod.environment if mongod else {}
        try:
            server, ledger = Smtpd(folder / "data", environment, binary), Ledger()
            for number in range(1, arguments.rounds + 1):
                one_round(number, server, ledger)
                if random.random() < 0.25:
                    killed_while_starting(folder / "data", environment, binary)
                server = Smtpd(folder / "data", environment, binary)
                starts.append((server.took - server.waited, server.took, server.worked))
                is_end = number % EPOCH == 0 or number == arguments.rounds
                web = Web(server.http)
                wrong, some = found_wrong(web, ledger, is_end, number)
                wrong["half"] += ledger.half
                ledger.half = 0
                read += some
                for kind, count in wrong.items():
                    total[kind] = total.get(kind, 0) + count
                if any(wrong.values()):
                    print(f"round {number}: {wrong}", flush=True)
                    # Once is enough: the next rounds count what is new.
                    stored = {message["subject"] for message in web.messages()}
                    ledger.acknowledged &= stored | ledger.deleting
                if is_end:
                    is_well, said = server.check()
                    total["faults"] = total.get("faults", 0) + (not is_well)
                    said = said.splitlines()[-1]
                    acknowledged += len(ledger.acknowledged)
                    deleted, tagged = deleted + len(ledger.deleted), tagged + len(ledger.tagged)
                    print(f"{number} rounds, {acknowledged} acknowledged, {total}, slowest start {max(starts)[0]:.3f} s", flush=True)
                    # What was deleted with all others must not return either.
                    assert web.ask("DELETE", "/api/messages?all=1")[0] == 200
                    ledger = Ledger()
            server.end()
        finally:
            if mongod:
                mongod.stop()
    own, whole, worked = (sorted(column) for column in zip(*starts))
    store = "mongodb" if arguments.mongodb else "embedded store"
    counts = ", ".join(f"{count} {kind}" for kind, count in total.items())
    print(f"{store}, {arguments.rounds} kills: {acknowledged} acknowledged, {deleted} deleted, {tagged} tagged;")
    print(f"{counts}; {read} read back;")
    ms = lambda seconds: f"{seconds * 1000:.0f} ms"
    print(
        f"start: median {ms(own[len(own) // 2])}, longest {ms(own[-1])}, at most {ms(worked[-1])} of processor time; "
        f"with the wait for a processor median {ms(whole[len(whole) // 2])}, longest {ms(whole[-1])}; smtpd check: {said}"
    )
    raise SystemExit(bool(any(total.values()) or own[-1] >= 1))


if __name__ == "__main__":
    main()
