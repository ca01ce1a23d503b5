#!/usr/bin/env python3
"""Runs deploy/docker-compose.yml, stops one container after the other, and counts what was lost.

    tests/faults/compose.py                                  # builds the image of smtpd, fetches the others
    tests/faults/compose.py --no-build                       # with the images that are there
    COMPOSE=docker-compose tests/faults/compose.py --file …  # another client, another file

Mail goes in at nginx, each message from a client of its own, and must be seen in both smtpd. Then each smtpd
is stopped, and the primary of the set killed; mail that is answered 4xx is sent again, as a client does.
Ends with an error if something is missing, there twice, or not taken within a minute.
"""

import argparse
import json
import os
import socket
import subprocess
import time
import urllib.request

from service import ROOT

COMPOSE = os.environ.get("COMPOSE", "docker compose").split()
SMTPD = ("smtpd1", "smtpd2")
MONGO = ("mongo1", "mongo2", "mongo3")
LONGEST = 60


class Composition:
    """All containers, gone at the end with what they stored."""

    def __init__(self, file, is_built):
        self.smtp, self.http = free_port(), free_port()
        self.command = [*COMPOSE, "-p", "smtpd-faults", "-f", str(file)]
        # Not for the network to see.
        ports = {"SMTP_PORT": f"127.0.0.1:{self.smtp}", "HTTP_PORT": f"127.0.0.1:{self.http}"}
        self.environment = {**os.environ, **ports}
        self.do("up", "--detach", "--build" if is_built else "--no-build")

    def do(self, *words):
        done = subprocess.run([*self.command, *words], env=self.environment, check=True, stdout=subprocess.PIPE, text=True)
        return done.stdout.strip()

    def address(self, service):
        where = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
        command = ["docker", "inspect", "--format", where, self.do("ps", "--quiet", service)]
        return subprocess.check_output(command, text=True).strip()

    def is_primary(self, service):
        told = self.do("exec", "-T", service, "mongosh", "--quiet", "--eval", "db.hello().isWritablePrimary")
        return told.split()[-1:] == ["true"]


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def send(port, subject):
    """The reply to the end of data, or what came instead."""
    with socket.create_connection(("127.0.0.1", port), 30) as connection:
        stream = connection.makefile("rwb")
        for line in ("", "HELO x", "MAIL FROM:<a@example.org>", "RCPT TO:<b@example.org>", "DATA", f"Subject: {subject}\r\n\r\nx\r\n."):
            if line:
                stream.write(f"{line}\r\n".encode())
                stream.flush()
            reply = stream.readline()
            if not reply.startswith((b"2", b"3")):
                break
        return reply


def put(composition, subject):
    """Sends it until it is taken, and says how long that took."""
    begun, tries, said = time.monotonic(), 0, None
    while time.monotonic() - begun < LONGEST:
        tries += 1
        try:
            said = send(composition.smtp, subject)
            if said.startswith(b"250"):
                taken = time.monotonic() - begun
                print(f"{subject}: taken after {taken:.1f} s, try {tries}", flush=True)
                return
        except OSError as error:
            said = error
        time.sleep(0.5)
    raise SystemExit(f"{subject}: not taken in {LONGEST} s: {said}")


def subjects(address):
    request = urllib.request.Request(f"http://{address}/api/messages?limit=200", headers={"Host": "localhost"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return sorted(message["subject"] for message in json.load(answer)["messages"])


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--file", default=ROOT / "deploy/docker-compose.yml")
    parser.add_argument("--no-build", action="store_true")
    arguments = parser.parse_args()
    composition = Composition(arguments.file, not arguments.no_build)
    try:
        sent = []

        def more(what):
            for number in range(10):
                sent.append(f"{what}, {number}")
                put(composition, sent[-1])

        more("all are there")
        for service in SMTPD:
            composition.do("stop", service)
            more(f"without {service}")
            composition.do("start", service)
        primary = next(service for service in MONGO if composition.is_primary(service))
        composition.do("kill", primary)
        more(f"{primary} was killed, the primary")
        composition.do("start", primary)
        for service in SMTPD:
            found = subjects(f"{composition.address(service)}:10025")
            assert found == sorted(sent), f"{service}: {set(sent) ^ set(found)}, {len(found)} of {len(sent)}"
        assert subjects(f"127.0.0.1:{composition.http}") == sorted(sent)
        print(f"{len(sent)} taken, all seen in both smtpd and through nginx, each once")
    finally:
        composition.do("down", "--volumes")


if __name__ == "__main__":
    main()
