#!/usr/bin/env python3
"""Measures smtpd beside smtp-sink and the disk in the same run, and writes BENCHMARKS.md.

    cargo build --release && benches/compare.py            # three rounds, some minutes
    benches/compare.py --rounds 1 --quick                  # a smoke run

Needs Postfix's smtp-source and smtp-sink (Debian: postfix). Machines differ and are noisy: what counts
is the ratio in the same round; of the rounds the median is given.
"""

import argparse
import datetime
import os
import pathlib
import platform
import shutil
import socket
import statistics
import subprocess
import tempfile
import threading
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
BINARY = pathlib.Path(os.environ.get("SMTPD", ROOT / "target/release/smtpd"))


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_for(port):
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except OSError:
            time.sleep(0.02)
    raise SystemExit(f"nothing listens on port {port}")


class Server:
    """A process that takes mail on a port of its own."""

    def __init__(self, command, port, environment=None, folder=None):
        self.port, self.folder = port, folder
        out = subprocess.DEVNULL
        self.process = subprocess.Popen(command, cwd=folder, env=environment, stdout=out, stderr=out)
        wait_for(port)

    def cpu(self):
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def rss(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) * 1024

    def stop(self):
        self.process.terminate()
        self.process.wait()
        if self.folder:
            shutil.rmtree(self.folder)


def smtpd(**settings):
    folder = tempfile.mkdtemp(prefix="smtpd-bench-", dir=ROOT / "target")
    smtp, http = free_port(), free_port()
    environment = dict(
        os.environ,
        SMTPD_SMTP_LISTEN=f"127.0.0.1:{smtp}",
        SMTPD_HTTP_LISTEN=f"127.0.0.1:{http}",
        **settings,
    )
    server = Server([str(BINARY)], smtp, environment, folder)
    server.http = http
    return server


def sink():
    port = free_port()
    program = shutil.which("smtp-sink", path=os.environ["PATH"] + ":/usr/sbin")
    user = ["-u", "nobody"] if os.getuid() == 0 else []
    return Server([program, *user, f"127.0.0.1:{port}", "1000"], port)


def source(port, count, size, sessions, kept):
    """Messages a second."""
    program = shutil.which("smtp-source", path=os.environ["PATH"] + ":/usr/sbin")
    command = [program, *(["-d"] if kept else []), "-s", str(sessions), "-l", str(size), "-m", str(count)]
    begun = time.monotonic()
    subprocess.run([*command, "-f", "a@example.org", "-t", "b@example.org", f"127.0.0.1:{port}"], check=True)
    return count / (time.monotonic() - begun)


def disk(size, writers, count):
    """Appends of this size a second, each followed by fdatasync, so many threads with a file each."""
    folder = tempfile.mkdtemp(prefix="smtpd-bench-", dir=ROOT / "target")

    def write(number):
        file = os.open(f"{folder}/{number}", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
        for _ in range(count // writers):
            os.write(file, bytes(size))
            os.fdatasync(file)
        os.close(file)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(writers)]
    begun = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    taken = time.monotonic() - begun
    shutil.rmtree(folder)
    return (count // writers) * writers / taken


def one_round(quick):
    """The rows of one round: name -> (smtpd, limit, unit)."""
    scale = 10 if quick else 1
    rows = {}
    for name, count, sessions, kept in [
        ("1 KB, 50 sessions, kept connections", 40_000 // scale, 50, True),
        ("1 KB, 50 sessions, a connection per message", 15_000 // scale, 50, False),
    ]:
        peer = sink()
        limit = source(peer.port, count, 1024, sessions, kept)
        peer.stop()
        server = smtpd()
        before = server.cpu()
        rate = source(server.port, count, 1024, sessions, kept)
        cost = (server.cpu() - before) / count * 1e6
        server.stop()
        rows[name] = (rate, limit, "messages/s", "smtp-sink, which stores nothing")
        if kept:
            rows["CPU per 1 KB message, index included"] = (cost, None, "µs", "")
    count = 3_000 // scale
    limit = disk(1024, 1, count)
    server = smtpd()
    rate = source(server.port, count, 1024, 1, True)
    server.stop()
    rows["1 KB, 1 session, one message at a time"] = (rate, limit, "messages/s", "append + fdatasync, 1 writer")
    for text, size, count in [("10 KB", 10_240, 8_000), ("100 KB", 102_400, 2_000), ("1 MB", 1_000_000, 400)]:
        count //= scale
        limit = disk(size, 16, count) * size / 1e6
        server = smtpd()
        rate = source(server.port, count, size, 16, True) * size / 1e6
        server.stop()
        rows[f"{text}, 16 sessions"] = (rate, limit, "MB/s", "append + fdatasync, 16 writers")
    server = smtpd()
    urllib.request.urlopen(f"http://127.0.0.1:{server.http}/ping").read()
    rows["RSS, idle"] = (server.rss() / 1e6, None, "MB", "")
    server.stop()
    return rows


def main():
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--quick", action="store_true", help="a tenth of the messages")
    arguments = arguments.parse_args()
    rounds = [one_round(arguments.quick) for _ in range(arguments.rounds)]
    version = subprocess.run([BINARY, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    lines = [
        "# Benchmarks",
        "",
        "Written by `benches/compare.py`: smtpd with its defaults (SQLite, an fsync before every 250, the",
        "full-text index on), beside the limit in the same round. Generator and server share the cores.",
        f"Median of {arguments.rounds} rounds; in brackets the lowest and the highest.",
        "",
        f"- {version}, {datetime.date.today()}, {platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        f"- command: `cargo build --release && benches/compare.py --rounds {arguments.rounds}`"
        + (" `--quick`" if arguments.quick else ""),
        "",
        "| what | smtpd | the limit beside it | ratio |",
        "|---|---|---|---|",
    ]
    for name in rounds[0]:
        rates = [one[name][0] for one in rounds]
        limits = [one[name][1] for one in rounds]
        unit, beside = rounds[0][name][2:]
        digits = 1 if statistics.median(rates) < 100 else 0

        def figures(values):
            middle = f"{statistics.median(values):,.{digits}f}"
            return f"{middle} [{min(values):,.{digits}f}, {max(values):,.{digits}f}]"

        cells = [name, f"{figures(rates)} {unit}"]
        if limits[0] is None:
            cells += ["", ""]
        else:
            ratios = [rate / limit for rate, limit in zip(rates, limits)]
            ratio = f"{statistics.median(ratios):.2f} [{min(ratios):.2f}, {max(ratios):.2f}]"
            cells += [f"{figures(limits)} ({beside})", ratio]
        lines.append("| " + " | ".join(cells) + " |")
    (ROOT / "BENCHMARKS.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


main()
