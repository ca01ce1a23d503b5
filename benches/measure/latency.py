"""How long single messages take: until the 250, and from there to the browser."""

from .tools import Row, load, send, sink, smtpd

P50 = "end of data to 250 at 50 sessions, median"
P99 = "end of data to 250 at 50 sessions, p99"
FRAME_P50 = "250 to websocket frame at 1,000 messages/s, median"
FRAME_P99 = "250 to websocket frame at 1,000 messages/s, p99"
SINK = "smtp-sink, which stores nothing"


def measure(scale):
    with sink() as peer:
        floor = send(peer, count=60_000 // scale)
    with smtpd() as server:
        times = send(server, count=60_000 // scale)
    yield Row(P50, times["p50_ms"], "ms", floor["p50_ms"], SINK)
    yield Row(P99, times["p99_ms"], "ms", floor["p99_ms"], SINK)
    with smtpd(watched=False) as server:
        smtp, http = f"127.0.0.1:{server.port}", f"127.0.0.1:{server.http}"
        times = load("frames", smtp=smtp, http=http, rate=1000, count=10_000 // scale, sessions=10)
    note = f"{times['rate']:,.0f} messages/s were sent"
    yield Row(FRAME_P50, times["p50_ms"], "ms", note=note)
    yield Row(FRAME_P99, times["p99_ms"], "ms", note=note)
