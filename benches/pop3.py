#!/usr/bin/env python3
"""POP3 beside its bounds: logins, listings, idle connections, a large message.

    cargo build --profile dist && benches/pop3.py [--messages 1000000]

Prints a line a figure. The store is filled by the generator of benches/load: 1,000 mailboxes.
"""

import argparse
import pathlib
import socket
import statistics
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from measure import memory, million, tools

TIMES = 20


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--large", type=int, default=1_000_000_000)
    arguments = parser.parse_args()
    show(filled(arguments.messages))
    show([idle(2_000), large(arguments.large)])


def show(rows):
    for row in rows:
        print(f"{row.name}: {row.value:,.1f} {row.unit}{f' ({row.note})' if row.note else ''}", flush=True)


def listening(**settings):
    port = tools.free_port()
    server = tools.smtpd(watched=False, pop3_listen=f"127.0.0.1:{port}", **settings)
    server.pop3 = port
    return server


def filled(count):
    with listening() as server:
        yield from million.fill(server, count)
        status = server.ask("/status")
        each = f"{status['messages']:,} messages in 1,000 mailboxes"
        times = [timed(lambda: login(server, f"user{number}@example.org").close()) for number in range(TIMES)]
        yield tools.Row("a login to a mailbox", statistics.median(times), "ms", note=f"{each}, slowest {max(times):.1f}")
        times = [timed(lambda: login(server, "all").close()) for _ in range(5)]
        yield tools.Row("a login to the newest 10,000", statistics.median(times), "ms", note=f"slowest {max(times):.1f}")
        session = login(server, "all")
        for command in [b"LIST", b"UIDL"]:
            times = [timed(lambda: session.lines(command)) for _ in range(TIMES)]
            yield tools.Row(f"{command.decode()} of 10,000", statistics.median(times), "ms", note=f"slowest {max(times):.1f}")


def idle(count):
    count = memory.affordable(count)

    def greet(connection):
        memory.reply(connection)
        connection.sendall(b"USER nobody@example.org\r\n")
        memory.reply(connection)
        connection.sendall(b"PASS x\r\n")
        memory.reply(connection)

    with listening(pop3_connections=count + 10) as server:
        each = memory.growth(server, server.pop3, count, greet)
    return tools.Row("an idle connection, logged in", each / 1024, "KB", note=f"{count:,} open")


def large(size):
    with listening(limits_message_size=size * 2) as server:
        smtp = socket.create_connection(("127.0.0.1", server.port), 120)
        memory.reply(smtp)
        for line in [b"EHLO x\r\n", b"MAIL FROM:<a@example.org>\r\n", b"RCPT TO:<b@example.org>\r\n", b"DATA\r\n"]:
            smtp.sendall(line)
            memory.reply(smtp)
        piece = (b"x" * 76 + b"\r\n") * 840
        smtp.sendall(b"Subject: large\r\n\r\n")
        for _ in range(size // len(piece)):
            smtp.sendall(piece)
        smtp.sendall(b".\r\n")
        memory.reply(smtp)
        session = login(server, "b@example.org")
        session.lines(b"TOP 1 10")
        # What receiving it took is given back a moment later.
        time.sleep(2)
        before = server.memory()
        server.forget_peak()
        begun = time.monotonic()
        octets = session.drain(b"RETR 1")
        taken = time.monotonic() - begun
        grown = server.memory("VmHWM") - before
    note = f"{octets / 1e6:,.0f} MB at {octets / 1e6 / taken:,.0f} MB/s"
    return tools.Row("memory for RETR of a large message", grown / 1e6, "MB", note=note)


def timed(act):
    begun = time.monotonic()
    act()
    return (time.monotonic() - begun) * 1000


def login(server, user):
    return Session(server.pop3, user)


class Session:
    def __init__(self, port, user):
        self.connection = socket.create_connection(("127.0.0.1", port), 120)
        self.file = self.connection.makefile("rb")
        self.line()
        self.say(b"USER " + user.encode())
        self.say(b"PASS x")

    def line(self):
        line = self.file.readline()
        if not line.startswith(b"+OK"):
            raise RuntimeError(line)

    def say(self, command):
        self.connection.sendall(command + b"\r\n")
        self.line()

    def lines(self, command):
        self.say(command)
        while self.file.readline() != b".\r\n":
            pass

    def drain(self, command):
        """Octets up to the end of the answer, looked at no more than that takes."""
        self.connection.sendall(command + b"\r\n")
        count, tail = 0, b""
        while not tail.endswith(b"\r\n.\r\n"):
            octets = self.file.read1(1 << 20)
            if not octets:
                raise RuntimeError("smtpd hung up")
            count, tail = count + len(octets), (tail + octets)[-5:]
        return count

    def close(self):
        self.connection.close()


if __name__ == "__main__":
    main()
