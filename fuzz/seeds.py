#!/usr/bin/env python3
"""Makes the first inputs of each target out of the dialogs, messages and configurations of the tests.

Run it from anywhere; it writes fuzz/corpus/TARGET/seed-*. Afterwards `fuzz/run.sh minimise` throws
out what covers nothing new.
"""
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parent.parent
CORPUS = ROOT / "fuzz" / "corpus"


def put(target, name, octets):
    folder = CORPUS / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"seed-{name}").write_bytes(octets)


def unescape(text):
    plain = {"r": "\r", "n": "\n", "0": "\0", "\\": "\\"}
    found = lambda m: chr(int(m[1], 16)) if m[1] else plain[m[2]]
    return re.sub(r"\\(?:x([0-9a-fA-F]{2})|(.))", found, text).encode("latin-1", "replace")


def said_in(path):
    """What the client says in a dialog, and how the server is set."""
    said, settings = b"", []
    for line in path.read_text().splitlines():
        mark, _, rest = line.partition(" ")
        if mark == "C:":
            said += rest.encode() + b"\r\n"
        elif mark == "C<":
            said += unescape(rest)
        elif mark == "!":
            settings.append(rest)
    return said, settings


def dialogs():
    words = ["lmtp = t", "bare_line_ends = t", "ask_policy = t", "starttls = ", "may_xclient = t"]
    for path in sorted((ROOT / "tests/dialogs/smtp").glob("*.txt")):
        said, rules = said_in(path)
        settings = sum(1 << bit for bit, word in enumerate(words) if any(word in rule for rule in rules))
        put("session", path.stem, bytes([settings, 3]) + said)
        for number, line in enumerate(said.split(b"\r\n")):
            if re.match(rb"(?i)(mail|rcpt|auth|bdat|xclient|ehlo|helo|lhlo|starttls|get|noop|rset|help|vrfy|expn|data|quit)\b", line):
                before = 3 if line[:4].upper() == b"RCPT" else 1 if line[:4].upper() != b"BDAT" else 4
                put("command", f"{path.stem}-{number}", bytes([settings & ~8, before]) + line)
            if line[:8].upper() == b"XCLIENT ":
                put("xclient", f"{path.stem}-{number}", line[8:])
            if line[:5].upper() == b"AUTH ":
                put("sasl", f"{path.stem}-{number}", bytes([0x81]) + b"\n".join(line.split(b" ")[2:]))


def pop3():
    for path in sorted((ROOT / "tests/dialogs/pop3").glob("*.txt")):
        said, rules = said_in(path)
        settings = 3
        settings |= 0x80 if any("stls = " in rule for rule in rules) else 0
        settings |= 0x40 if "login = refuse" in rules else 0
        put("pop3", path.stem, bytes([settings, 3]) + said)


def messages():
    for path in sorted((ROOT / "tests/mime").glob("*.eml")):
        octets = path.read_bytes()
        put("mime", path.stem, b"\5" + octets)
        put("body", path.stem, octets)
        put("content", path.stem, b"\5" + octets)
        if b"<" in octets:
            put("html", path.stem, octets)
    source = (ROOT / "src/message/html.rs").read_text()
    nasty = source[source.index("const NASTY"):]
    for number, text in enumerate(re.findall(r'^        "((?:[^"\\]|\\.)*)",$', nasty, re.M)):
        put("html", f"nasty-{number}", unescape(text.replace('\\"', '"')))


def others():
    for path in sorted((ROOT / "tests/configs").glob("*.toml")):
        put("config", path.stem, path.read_bytes())
    whole = (ROOT / "etc/smtpd.toml").read_text()
    for number, section in enumerate(re.split(r"\n(?=\[)", re.sub(r"(?m)^#.*\n", "", whole))):
        put("config", f"section-{number}", section.encode())
    put("config", "variables", b"[limits]\n---\nLIMITS_ERRORS=5\nAUTH_USERS=a=b\nSMTP_LISTENERS=127.0.0.1:1\n")
    put("config", "not-numbers", b"[limits]\n---\nLIMITS_ERRORS=x\nHTTP_MAX_BODY=-1\nSTORE_INDEX=maybe\n")
    put("proxy", "endless", b"PROXY TCP4 " + b"1" * 400)
    v2 = b"\r\n\r\n\0\r\nQUIT\n\x21"
    put("proxy", "tcp4", b"PROXY TCP4 192.0.2.1 198.51.100.1 56324 25\r\nEHLO a\r\n")
    put("proxy", "tcp6", b"PROXY TCP6 2001:db8::1 ::1 56324 25\r\n")
    put("proxy", "unknown", b"PROXY UNKNOWN x\r\n")
    put("proxy", "v2-4", v2 + b"\x11\0\x0c" + bytes([192, 0, 2, 1, 198, 51, 100, 1, 220, 4, 0, 25]))
    put("proxy", "v2-6", v2 + b"\x21\0\x24" + bytes(range(36)) + b"EHLO")
    put("proxy", "v2-unix", v2 + b"\x31\0\xd8" + bytes(216))
    put("proxy", "v2-local", b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0")
    for number, text in enumerate([
        "from:ann \"weekly report\" -is:read larger:10k invo*", "subject:alpha", "to:bob has:attachment",
        "after:2026-01-31 before:2026-02-28", "is:starred tag:red", "-beta smaller:1M", "12:30 a:b:c -", "日本 grün straße",
        "\"open quote", "received:today text:hi", "is:tagged -is:unread", "subject:\"weekly rep\"*",
    ]):
        put("search", str(number), text.encode())
    for number, (mechanism, text) in enumerate([
        (5, "\0ann\0pw"), (6, "ann\npw"), (1, "n,,n=ann,r=abc\nc=biws,r=x,p=y"), (2, "n,a=ann,\x01auth=Bearer t\x01\x01"),
        (3, "user=ann\x01auth=Bearer t\x01\x01"), (4, "ann 00112233445566778899aabbccddeeff"), (0, "ann"), (0, "="),
    ]):
        for first in (0x40, 0xC0):
            put("sasl", f"plain-{number}-{first}", bytes([first | mechanism]) + text.encode())
    http()


def http():
    host = "Host: localhost\r\n"
    asked = [
        "GET /", "GET /?q=from%3Aann", "GET /api/messages?q=subject:Kassenbuch&limit=2", "GET /status", "GET /status/detail", "HEAD /",
        "GET /readyz", "GET /static/style.css", "GET /static/..%2f..%2fetc%2fpasswd", "GET /messages/1/raw", "OPTIONS /", "DELETE /api/messages",
        "GET /api/refusals", "GET /ws", "GET /delete?q=x", "GET /favicon.ico", "TRACE /", "GET http://localhost/ping", "GET /%00", "GET //evil.example/",
    ]
    fields = [
        "", "Range: bytes=0-4\r\n", "If-None-Match: \"x\", *\r\n", "Accept-Encoding: gzip;q=0.5\r\n", "Accept: text/html\r\n",
        "Origin: http://evil.example\r\n", "Sec-Fetch-Site: cross-site\r\n", "Cookie: a=b; c=\"d\"\r\n", "Authorization: Basic YTpi\r\n",
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n",
        "Auth-Method: plain\r\nAuth-User: a\r\nAuth-Pass: b\r\nAuth-Protocol: smtp\r\n", "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
    ]
    for number, line in enumerate(asked):
        put("http", f"asked-{number}", f"\0{line} HTTP/1.1\r\n{host}{fields[number % len(fields)]}\r\n".encode())
    for number, field in enumerate(fields):
        put("http", f"field-{number}", f"\0GET / HTTP/1.1\r\n{host}{field}\r\n".encode())
        put("http", f"foreign-{number}", f"\1/api/messages\n{field}".encode())
    form = "action=read&q=x&id=%41"
    put("http", "form", f"\0POST /messages HTTP/1.1\r\n{host}Content-Length: {len(form)}\r\n\r\n{form}".encode())
    put("http", "chunks", f"\0POST /messages HTTP/1.1\r\n{host}Transfer-Encoding: chunked\r\n\r\nb\r\naction=read\r\n0\r\n\r\n".encode())
    put("http", "pipelined", f"\0GET /ping HTTP/1.1\r\n{host}\r\nGET /livez HTTP/1.1\r\n{host}\r\n".encode())
    put("http", "patch", f'\0PATCH /api/messages/x HTTP/1.1\r\n{host}Content-Length: 13\r\n\r\n{{"read":true}}'.encode())
    put("http", "frame", ("\0GET /ws HTTP/1.1\r\n" + host + fields[9] + "\r\n").encode() + b"\x81\x85\1\2\3\4abcde\x89\x80\1\2\3\4\x88\x80\0\0\0\0")


def login():
    for number, fields in enumerate([
        "", "Cookie: smtpd=AAAA", "Cookie: a=b; smtpd=x; __Host-smtpd=y", "Cookie: smtpd=\"q\"\nCookie: smtpd-1=z", "Authorization: Basic YW5uOmI=",
        "Authorization: Bearer x", "Authorization: bearer  x", "Authorization: Basic YW5uOg==\nAuthorization: Bearer y", "Authorization: Basic !",
        "X-Forwarded-For: 127.0.0.1\nX-Forwarded-Proto: https", "Cookie: smtpd=", "Accept: text/html",
        "Connection: Upgrade\nUpgrade: websocket\nSec-WebSocket-Version: 13\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
    ]):
        path = ["/", "/api/messages", "/login?to=/", "/messages/1/raw", "/ws", "/status/detail", "/static/style.css"][number % 7]
        put("login", f"fields-{number}", f"\0{path}\n{fields}".encode())
    for number, form in enumerate(["user=ann&password=b", "user=&password=&to=//evil.example", "user=ann&user=b", "password=%00&user=%ff", "to=%2f"]):
        put("login", f"form-{number}", b"\1" + form.encode())


login()
dialogs()
pop3()
messages()
others()
