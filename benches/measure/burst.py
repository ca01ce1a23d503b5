"""Bursts: 1 KB from many sessions, beside smtp-sink and other catchers; larger ones, beside the disk."""

from . import peers
from .tools import Row, disk, sink, smtpd, source

KEPT = "1 KB, 50 sessions, kept connections"
EACH = "1 KB, 50 sessions, a connection per message"
CPU = "server CPU per 1 KB message, until the last 250"
CPU_ALL = "server CPU per 1 KB message, until the index has it"
LAG = "index behind at the end of that burst"
CATCH_UP = "until the index has caught up after it"
SINK = "smtp-sink, which stores nothing"
SIZES = [("10 KB", 10_240, 8_000), ("100 KB", 102_400, 3_000), ("1 MB", 1_000_000, 600)]


def measure(scale):
    """The rows of one round; `scale` divides the number of messages."""
    yield from kept(60_000 // scale)
    yield from each(20_000 // scale)
    for text, size, count in SIZES:
        count = max(count // scale, 32)
        limit = disk(size, 16, count) * size / 1e6
        with smtpd() as server:
            rate = source(server.port, count, size, 16, True) * size / 1e6
        yield Row(f"{text}, 16 sessions", rate, "MB/s", limit, "append + fdatasync, 16 writers")


def kept(count):
    with sink() as peer:
        limit = source(peer.port, count, 1024, 50, True)
        floor = peer.cpu() / count * 1e6
    with smtpd() as server:
        before = server.cpu()
        rate = source(server.port, count, 1024, 50, True)
        until_last = server.cpu() - before
        lag = server.index_lag()
        caught_up = server.catch_up()
        whole = server.cpu() - before
    yield Row(KEPT, rate, "messages/s", limit, SINK)
    yield from peers.rows(KEPT, rate, count, kept=True)
    # The same dialog with the same kernel, so that a slow hour of the machine can be told from a slow smtpd.
    yield Row(CPU, until_last / count * 1e6, "µs", floor, SINK)
    yield Row(CPU_ALL, whole / count * 1e6, "µs", floor, SINK)
    yield Row(LAG, lag, f"of {count:,} messages")
    yield Row(CATCH_UP, caught_up, "s")


def each(count):
    with sink() as peer:
        limit = source(peer.port, count, 1024, 50, False)
    with smtpd() as server:
        rate = source(server.port, count, 1024, 50, False)
    yield Row(EACH, rate, "messages/s", limit, SINK)
    yield from peers.rows(EACH, rate, count, kept=False)
