"""Memory: idle, per connection, while a large message comes in; and the size of the binary."""

import os
import resource
import shutil
import socket
import subprocess
import time

from .tools import BINARY, SCRATCH, Row, smtpd

IDLE = "RSS, idle"
PER_SMTP = "RSS per idle SMTP connection"
PER_WEBSOCKET = "RSS per idle websocket"
LARGE = "RSS growth while a 1 GB message comes in"
SIZE = "binary, stripped"
# Connections from one address; then the next one of 127/8 is used, because ports run out.
PER_ADDRESS = 5_000
HANDSHAKE = (
    "GET /ws HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n"
)


def measure(scale):
    with smtpd() as server:
        server.ask("/status")
        time.sleep(1)
        yield Row(IDLE, server.memory() / 1e6, "MB", note="one browser looks")
    yield smtp_connections(10_000 // scale)
    yield websockets(1_000 // scale)
    yield large(1_000_000_000 // scale)
    yield Row(SIZE, stripped() / 1e6, "MB")


def smtp_connections(count):
    count = affordable(count)

    def greet(connection):
        reply(connection)
        connection.sendall(b"EHLO bench.example.org\r\n")
        while b"250 " not in reply(connection):
            pass

    with smtpd(limits_connections=count + 10) as server:
        each = growth(server, server.port, count, greet)
    return Row(PER_SMTP, each / 1024, "KB", note=f"{count:,} open, EHLO said")


def websockets(count):
    count = affordable(count)

    def greet(connection):
        connection.sendall(HANDSHAKE.format(server.http).encode())
        seen = b""
        while b'"hello"' not in seen:
            seen += reply(connection)

    with smtpd(limits_http_connections=count + 10) as server:
        each = growth(server, server.http, count, greet)
    return Row(PER_WEBSOCKET, each / 1024, "KB", note=f"{count:,} open")


def growth(server, port, count, greet):
    """Octets of each connection."""
    server.ask("/status")
    time.sleep(0.5)
    before = server.memory()
    connections = []
    try:
        for number in range(count):
            from_address = (f"127.0.0.{2 + number // PER_ADDRESS}", 0)
            connections.append(socket.create_connection(("127.0.0.1", port), 20, from_address))
            greet(connections[-1])
        time.sleep(2)
        return (server.memory() - before) / count
    finally:
        for connection in connections:
            connection.close()


def reply(connection):
    octets = connection.recv(4096)
    if not octets:
        raise RuntimeError("smtpd hung up")
    return octets


def affordable(count):
    """As many as open files are allowed here and in the server, which inherits the bound."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count + 200
    if most != resource.RLIM_INFINITY and most < wanted:
        count, wanted = most - 200, most
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))
    return count


def large(size):
    """The most that was in memory while it came, less what was there before."""
    if shutil.disk_usage(SCRATCH).free < 2 * size:
        return Row(LARGE, None, "MB", note="not measured: the disk is too full")
    piece = (b"x" * 76 + b"\r\n") * 840
    with smtpd(limits_message_size=size * 2) as server:
        connection = socket.create_connection(("127.0.0.1", server.port), 120)
        reply(connection)
        for line in [b"EHLO x\r\n", b"MAIL FROM:<a@example.org>\r\n", b"RCPT TO:<b@example.org>\r\n", b"DATA\r\n"]:
            connection.sendall(line)
            reply(connection)
        server.ask("/status")
        before = server.memory()
        server.forget_peak()
        begun = time.monotonic()
        connection.sendall(b"Subject: large\r\n\r\n")
        for _ in range(size // len(piece)):
            connection.sendall(piece)
        connection.sendall(b".\r\n")
        if not reply(connection).startswith(b"250"):
            raise RuntimeError("the large message was refused")
        taken = time.monotonic() - begun
        grown = server.memory("VmHWM") - before
        connection.close()
    return Row(LARGE, grown / 1e6, "MB", note=f"{size / 1e6:,.0f} MB at {size / 1e6 / taken:,.0f} MB/s")


def stripped():
    copy = SCRATCH / "stripped"
    shutil.copy(BINARY, copy)
    if shutil.which("strip"):
        subprocess.run(["strip", copy], check=True)
    return os.path.getsize(copy)
