"""Mail at half the burst rate for minutes: does the index keep up, does memory stay?"""

import bisect
import time

from .tools import Row, free_disk, say, sampled, send, smtpd

SIZE = 10_240
BURST = "burst, 10 KB of words, 50 sessions"
RATE = "sustained at half of that"
LAG_SECONDS = "index behind, at most"
LAG_MESSAGES = "index behind, at most, in messages"
RSS = "RSS, last tenth against the second"
# What a message takes on disk with its index, at most, by its size.
ON_DISK = 2


def measure(seconds, scale):
    with smtpd() as server:
        burst = send(server, count=30_000 // scale, size=SIZE)["rate"]
    yield Row(BURST, burst, "messages/s", note=f"{burst * SIZE / 1e6:,.0f} MB/s")
    rate = burst / 2
    settings, kept = {}, "all kept"
    if rate * seconds * SIZE * ON_DISK > free_disk() / 2:
        # Then the oldest have to go meanwhile, which is work too.
        bound = int(free_disk() / 4 / ON_DISK)
        settings, kept = {"retention_bytes": bound}, f"with retention.bytes = {bound:,}, since the disk is small"
    say(f"{rate:,.0f} messages/s of 10 KB for {seconds} s, {kept}")
    with smtpd(**settings) as server:
        begun = time.monotonic()

        def sample():
            status = server.ask("/status/detail")
            now = time.monotonic() - begun
            if free_disk() < 1e9:
                server.process.terminate()
            return now, status["messages_received"], status["index_lag"], server.memory()

        with sampled(1.0, sample) as samples:
            told = send(server, count=int(rate * seconds), rate=rate, size=SIZE, timeout=seconds * 3)
        lag = server.index_lag()
        caught_up = server.catch_up()
        left = server.index_lag()
    yield Row(RATE, told["rate"], "messages/s", rate, "what was asked for", f"{seconds} s, {kept}")
    at_end = f"{lag:,} messages at the end, "
    at_end += f"{left:,} two minutes later" if caught_up is None else f"gone {caught_up:.1f} s later"
    yield Row(LAG_SECONDS, max(ages(samples), default=0), "s", note=at_end)
    yield Row(LAG_MESSAGES, max((lag for _, _, lag, _ in samples), default=0), "messages")
    yield Row("end of data to 250 meanwhile, p99", told["p99_ms"], "ms", note=f"longest {told['max_ms']:,.0f} ms")
    tenth = max(len(samples) // 10, 1)
    memory = [rss / 1e6 for _, _, _, rss in samples]
    early, late = memory[tenth : 2 * tenth] or memory, memory[-tenth:]
    if memory:
        note = f"most {max(memory):,.0f} MB"
        yield Row(RSS, sum(late) / len(late), "MB", sum(early) / len(early), "the second tenth", note)


def ages(samples):
    """How long ago that message came that the index takes in next, at each sample."""
    times = [0.0] + [now for now, _, _, _ in samples]
    counts = [0] + [received for _, received, _, _ in samples]
    for now, received, lag, _ in samples:
        if lag == 0:
            yield 0.0
            continue
        indexed = received - lag
        after = min(max(bisect.bisect_right(counts, indexed), 1), len(counts) - 1)
        part = (indexed - counts[after - 1]) / max(counts[after] - counts[after - 1], 1)
        yield now - (times[after - 1] + part * (times[after] - times[after - 1]))
