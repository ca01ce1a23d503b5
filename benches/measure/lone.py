"""One session that sends one message at a time: what a program waits for that sends a mail."""

from .tools import Row, bare, disk, send, sink, smtpd, source

SOURCE = "1 session, one message at a time: smtp-source, 4 round trips"
PIPELINED = "1 session: MAIL, RCPT and DATA at once, 2 round trips"
BDAT = "1 session: MAIL, RCPT and BDAT at once, 1 round trip"
FLOOR = "smtp-sink, the same with smtp-source"
WRITER = "append + fdatasync, 1 writer"
BARE_SERVER = "a server that appends, syncs and answers"
# Name, round trips, and how it is sent.
WAYS = [
    (SOURCE, 4, lambda server, count: source(server.port, count, 1024, 1, True)),
    (PIPELINED, 2, lambda server, count: send(server, sessions=1, count=count, how="pipelined")["rate"]),
    (BDAT, 1, lambda server, count: send(server, sessions=1, count=count, how="bdat")["rate"]),
]


def measure(scale):
    count = 6_000 // scale
    limit = disk(1024, 1, count)
    with sink() as peer:
        floor = source(peer.port, count, 1024, 1, True)
    with smtpd() as server:
        rates = [rate(server, count) for _, _, rate in WAYS]
    with bare() as server:
        bares = [rate(server, count) for _, _, rate in WAYS]
    for (name, _, _), rate in zip(WAYS, rates):
        yield Row(name, rate, "messages/s", limit, WRITER)
    yield Row(FLOOR, floor, "messages/s", limit, WRITER)
    for (_, trips, _), rate, least in zip(WAYS, rates, bares):
        name = f"the same beside a bare server: {trips} round trip{'s' if trips > 1 else ''}"
        yield Row(name, rate, "messages/s", least, BARE_SERVER)
