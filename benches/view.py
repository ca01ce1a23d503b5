#!/usr/bin/env python3
"""Measures how soon each view of a monstrous message comes, as a table for docs/view.md.

    cargo build --profile dist && benches/view.py

Starts smtpd with its defaults on free ports of 127.0.0.1, in a folder of its own.
"""

import base64
import json
import os
import pathlib
import socket
import subprocess
import tempfile
import time
import urllib.request

HEAD = "From: a@example.org\r\nDate: Fri, 20 Nov 2026 10:00:00 +0000\r\nMIME-Version: 1.0\r\n"
VIEWS = ["", "", "/frame", "/text", "/headers", "/headers?raw=1", "/parts", "/links", "/source", "/markup", "/print"]


def monsters():
    file = base64.encodebytes(os.urandom(57_000)).decode().replace("\n", "\r\n")
    part = 'Content-Type: text/html\r\nContent-Disposition: attachment; filename="../../etc/passwd"\r\n\r\nx\r\n'
    row = '<tr><td style="color:red"><a href="https://a.example/x">word</a> <img src="http://b.example/open.gif" width=1></td></tr>\r\n'
    mixed = "Content-Type: multipart/mixed; boundary=b\r\n\r\n"
    yield "10,000 parts", mixed + ("--b\r\n" + part) * 10_000 + "--b--\r\n"
    yield "header of 1 MB", "".join(f"X-Field-{n}: {'value ' * 12}\r\n" for n in range(12_500)) + "\r\nbody\r\n"
    yield "HTML of 50 MB", "Content-Type: text/html\r\n\r\n<table>" + row * 430_000
    attached = (
        mixed + "--b\r\nContent-Type: text/html\r\n\r\n<p>see file\r\n--b\r\nContent-Type: application/zip; name=big.zip\r\n"
        "Content-Transfer-Encoding: base64\r\n\r\n"
    )
    yield "attachment of 200 MB", attached + file * 3_510 + "\r\n--b--\r\n"
    yield "attachment of 1 GB", attached + file * 13_000 + "\r\n--b--\r\n"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def main():
    binary = pathlib.Path(__file__).parent.parent / "target/dist/smtpd"
    smtp, http = free_port(), free_port()
    with tempfile.TemporaryDirectory() as folder:
        settings = {
            "SMTPD_SMTP_LISTEN": f"127.0.0.1:{smtp}",
            "SMTPD_HTTP_LISTEN": f"127.0.0.1:{http}",
            "SMTPD_STORE_PATH": folder,
            "SMTPD_LIMITS_MESSAGE_SIZE": "1500000000",
        }
        server = subprocess.Popen([binary], env={**os.environ, **settings}, stderr=subprocess.DEVNULL)
        try:
            time.sleep(1)
            measure(smtp, f"http://127.0.0.1:{http}")
            status = pathlib.Path(f"/proc/{server.pid}/status").read_text()
            peak = next(line for line in status.splitlines() if line.startswith("VmHWM"))
            print(f"\nMost memory of smtpd: {int(peak.split()[1]) / 1000:.0f} MB")
        finally:
            server.terminate()
            server.wait()


def send(port, text):
    """Without smtplib, which takes minutes for a message of a gigabyte. No line of it begins with a dot."""
    commands = ["HELO bench.example", "MAIL FROM:<a@example.org>", "RCPT TO:<bob@example.org>", "DATA"]
    with socket.create_connection(("127.0.0.1", port)) as connection, connection.makefile("r") as replies:
        replies.readline()
        for command in [*commands, text + "."]:
            connection.sendall(f"{command}\r\n".encode())
            reply = replies.readline()
            assert reply[0] in "23", reply


def measure(smtp, base):
    print("| message | view | ms | octets |\n|---|---|---|---|")
    for name, body in monsters():
        send(smtp, f"Subject: {name}\r\n{HEAD}{body}")
        listed = json.load(urllib.request.urlopen(f"{base}/api/messages?wait=20"))
        message = listed["messages"][0]["id"]
        for number, view in enumerate(VIEWS):
            label = view or ("page, the first time" if number == 0 else "page, again")
            began = time.monotonic()
            try:
                size = len(urllib.request.urlopen(f"{base}/messages/{message}{view}").read())
            except urllib.error.HTTPError:
                continue  # a frame without HTML
            print(f"| {name} | {label} | {(time.monotonic() - began) * 1000:.0f} | {size:,} |")


if __name__ == "__main__":
    main()
