"""Fetches and deletes mail with Python's poplib: in clear, after STLS, over TLS."""

import poplib
import ssl
import sys

plain, secure, authority = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
context = ssl.create_default_context(cafile=authority)

box = poplib.POP3("localhost", plain)
capabilities = box.capa()
assert "UIDL" in capabilities and "STLS" in capabilities, capabilities
box.stls(context)
box.user("ann@example.org")
box.pass_("x")
count, octets = box.stat()
assert count == 1, count
reply, lines, size = box.retr(1)
assert lines == [b"Subject: one", b"", b"Hello", b"..dots", b"there"], lines
assert sum(len(line) + 2 for line in lines) == octets, (lines, octets)
assert box.top(1, 1)[1] == [b"Subject: one", b"", b"Hello"]
assert len(box.uidl()[1]) == 1
box.quit()

box = poplib.POP3_SSL("localhost", secure, context=context)
box.user("ann@example.org")
box.pass_("x")
box.dele(1)
box.rset()
box.dele(1)
box.quit()
