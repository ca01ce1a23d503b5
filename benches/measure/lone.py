"""One session that sends one message at a time: what a program waits for that sends a mail."""

from .tools import Row, disk, send, sink, smtpd, source

SOURCE = "1 session, one message at a time: smtp-source, 4 round trips"
PIPELINED = "1 session: MAIL, RCPT and DATA at once, 2 round trips"
BDAT = "1 session: MAIL, RCPT and BDAT at once, 1 round trip"
FLOOR = "smtp-sink, the same with smtp-source"
WRITER = "append + fdatasync, 1 writer"


def measure(scale):
    count = 6_000 // scale
    limit = disk(1024, 1, count)
    with sink() as peer:
        floor = source(peer.port, count, 1024, 1, True)
    with smtpd() as server:
        dialog = source(server.port, count, 1024, 1, True)
        pipelined = send(server, sessions=1, count=count, how="pipelined")["rate"]
        bdat = send(server, sessions=1, count=count, how="bdat")["rate"]
    yield Row(SOURCE, dialog, "messages/s", limit, WRITER)
    yield Row(PIPELINED, pipelined, "messages/s", limit, WRITER)
    yield Row(BDAT, bdat, "messages/s", limit, WRITER)
    yield Row(FLOOR, floor, "messages/s", limit, WRITER)
