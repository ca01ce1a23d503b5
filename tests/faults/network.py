#!/usr/bin/env python3
"""Too many connections, and peers that say an octet a second: what takes too long for every test run.

    cargo build --release
    tests/faults/network.py flood --connections 19000     # against the default limit of 500
    tests/faults/network.py slow                          # an octet a second until each is ended: an hour

`flood` opens the connections as fast as it can and holds them all; each must hear 220 or 421, 500 of
them 220, and smtpd must stay small and go on serving. It needs `ulimit -n` above the number.
`slow` says when each stage was ended with the default settings, and by what.
"""

import argparse
import json
import os
import pathlib
import resource
import selectors
import socket
import subprocess
import tempfile
import threading
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BINARY = os.environ.get("SMTPD", ROOT / "target/release/smtpd")


class Server:
    """A running smtpd on free ports of 127.0.0.1."""

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory()
        environment = dict(os.environ, SMTPD_SMTP_LISTEN="127.0.0.1:0", SMTPD_HTTP_LISTEN="127.0.0.1:0")
        self.log = open(pathlib.Path(self.folder.name) / "smtpd.log", "w")
        self.process = subprocess.Popen(
            [BINARY], cwd=self.folder.name, env=environment, stdout=subprocess.PIPE, stderr=self.log, text=True
        )
        lines = [self.process.stdout.readline() for _ in range(3)]
        address = lambda line: ("127.0.0.1", int(line.strip().rstrip("/").rsplit(":", 1)[1]))
        self.smtp, self.http = address(lines[1]), address(lines[2])

    def memory(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) // 1024

    def files(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def cpu(self):
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(") ", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / 100

    def detail(self):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.http[1]}/status/detail", timeout=30) as answer:
            return json.load(answer)

    def mail(self):
        """Seconds for one message, connection included."""
        begun = time.monotonic()
        with socket.create_connection(self.smtp, timeout=30) as peer, peer.makefile("rb") as heard:
            peer.sendall(b"EHLO a\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n")
            peer.sendall(b"Subject: x\r\n\r\nx\r\n.\r\nQUIT\r\n")
            kept = any(line.startswith(b"250 2.0.0 Ok: queued") for line in heard)
        return time.monotonic() - begun if kept else None

    def stop(self):
        self.process.terminate()
        self.process.wait()


def flood(server, count):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    count = min(count, hard - 100)
    memory, files, cpu = server.memory(), server.files(), server.cpu()
    ready, heard, begun = selectors.DefaultSelector(), {}, time.monotonic()

    def listen(patience):
        for key, _ in ready.select(patience):
            try:
                octets = key.fileobj.recv(512)
            except ConnectionError:
                octets = b""
            heard.setdefault(key.data, octets[:3].decode() or "nothing")
            ready.unregister(key.fileobj)

    peers = []
    most_files = most_memory = 0
    for number in range(count):
        # Addresses of our own, so that the ports do not run out.
        peer = socket.create_connection(server.smtp, timeout=60, source_address=(f"127.0.1.{1 + number % 200}", 0))
        peers.append(peer)
        ready.register(peer, selectors.EVENT_READ, number)
        if number % 50 == 0:
            listen(0)
            most_files, most_memory = max(most_files, server.files()), max(most_memory, server.memory())
    while len(heard) < count and time.monotonic() - begun < 120:
        listen(1)
    seconds = time.monotonic() - begun
    told = {code: list(heard.values()).count(code) for code in set(heard.values())}
    served = [peers[number] for number, code in heard.items() if code == "220"]
    served[0].sendall(b"NOOP\r\n")
    assert served[0].recv(100).startswith(b"250"), "who is in is not served"
    status = server.detail()
    print(f"{count} connections in {seconds:.1f} s, heard: {told}, silent: {count - len(heard)}")
    print(f"memory {memory} -> at most {most_memory} MB, files {files} -> at most {most_files}, CPU {server.cpu() - cpu:.1f} s")
    print(f"status: {status['smtp_connections_now']} connections now, {status['smtp_connections_refused']} refused")
    for peer in peers:
        peer.close()
    time.sleep(2)
    print(f"afterwards: memory {server.memory()} MB, files {server.files()}, a message in {server.mail() * 1000:.0f} ms")
    assert told.get("220") == 500 and told.get("421") == count - 500, told
    assert server.files() <= files + 16


def slow(server):
    opening = "EHLO slow\r\nMAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.org>\r\n"
    host = f"Host: 127.0.0.1:{server.http[1]}\r\n"
    post = f"POST /messages HTTP/1.1\r\n{host}"
    upgrade = (
        f"GET /ws HTTP/1.1\r\n{host}Connection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
    stages = [
        ("SMTP greeting", server.smtp, "", "EHLO a.long.name.example" * 600),
        ("SMTP commands", server.smtp, "EHLO slow\r\n", "NOOP\r\n"),
        ("SMTP command", server.smtp, "EHLO slow\r\n", "NOOP with a very long argument" * 600),
        ("SMTP header", server.smtp, opening + "DATA\r\n", "Subject: slow"),
        ("SMTP body", server.smtp, opening + "DATA\r\nSubject: slow\r\n\r\n", "text\r\n"),
        ("SMTP chunk", server.smtp, opening + "BDAT 100000 LAST\r\n", "text\r\n"),
        ("HTTP request line", server.http, "", "GET /a/very/long/path"),
        ("HTTP header", server.http, f"GET / HTTP/1.1\r\n{host}", "X-Header: x\r\n"),
        ("HTTP body", server.http, f"{post}Content-Length: 50000\r\n\r\naction=", "x"),
        ("HTTP chunks", server.http, f"{post}Transfer-Encoding: chunked\r\n\r\n", "1\r\nx\r\n"),
        ("websocket frame", server.http, upgrade + "\x82\xfe\xea\x60\0\0\0\0", "x"),
    ]
    threads = [threading.Thread(target=dribble, args=stage) for stage in stages]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    status = server.detail()
    print(f"left: {status['smtp_connections_now']} SMTP, {status['http_connections_now'] - 1} HTTP; memory {server.memory()} MB")


def dribble(name, address, at_once, slowly):
    begun, heard = time.monotonic(), b""
    with socket.create_connection(address) as peer:
        peer.settimeout(1)
        peer.sendall(at_once.encode("latin-1"))
        for at in range(5 * 3600):
            try:
                peer.sendall(slowly[at % len(slowly)].encode())
                octets = peer.recv(65536)
                if not octets:
                    break
                heard = (heard + octets)[-200:]
            except TimeoutError:
                continue
            except OSError:
                break
    last = heard.strip().splitlines()[-1:] or [b"nothing"]
    print(f"{name:18} ended after {time.monotonic() - begun:6.0f} s: {last[0][:70].decode('latin-1')!r}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["flood", "slow"])
    parser.add_argument("--connections", type=int, default=19_000)
    arguments = parser.parse_args()
    server = Server()
    try:
        if arguments.what == "flood":
            flood(server, arguments.connections)
        else:
            slow(server)
    finally:
        server.stop()


main()
