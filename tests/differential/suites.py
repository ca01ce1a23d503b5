#!/usr/bin/env python3
"""Reads the test mails of other programs with smtpd, and counts where it reads something else.

    cargo build && tests/differential/suites.py FOLDER

FOLDER gets the sources, by git, unless they are there; nothing of them is kept in this repository. Every
difference has a reason in suites.toml, or the command fails. SMTPD=… takes another binary.

- jsmime, which is Thunderbird's: its tables of header fields, and what it makes of each.
- Apache James mime4j: the decoded leaves of its test messages, and those of MIME-tools among them.
- Stalwart's mail-parser: the attachments of its test messages.
"""

import json
import os
import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import time
import tomllib
import urllib.request

HERE = pathlib.Path(__file__).parent
SOURCES = {
    "jsmime": "https://github.com/mozilla-comm/jsmime",
    "james-mime4j": "https://github.com/apache/james-mime4j",
    "mail-parser": "https://github.com/stalwartlabs/mail-parser",
}
LISTS = {"To": "to", "From": "from", "Cc": "cc", "Reply-To": "reply_to"}


class Smtpd:
    """A server with a folder of its own, asked for one message at a time."""

    def __enter__(self):
        self.smtp, self.http = free_port(), free_port()
        self.folder = tempfile.TemporaryDirectory()
        settings = {
            "SMTPD_SMTP_LISTEN": f"127.0.0.1:{self.smtp}",
            "SMTPD_HTTP_LISTEN": f"127.0.0.1:{self.http}",
            "SMTPD_STORE_PATH": self.folder.name,
        }
        binary = os.environ.get("SMTPD", HERE.parent.parent / "target/debug/smtpd")
        self.process = subprocess.Popen([binary], env={**os.environ, **settings}, stderr=subprocess.DEVNULL)
        for _ in range(100):
            try:
                self.connection = socket.create_connection(("127.0.0.1", self.smtp))
                break
            except OSError:
                time.sleep(0.1)
        self.replies = self.connection.makefile("rb")
        self.replies.readline()
        self.command(b"HELO suites.example")
        return self

    def __exit__(self, *_):
        self.connection.close()
        self.process.terminate()
        self.process.wait()
        self.folder.cleanup()

    def command(self, line):
        self.connection.sendall(line + b"\r\n")
        reply = self.replies.readline()
        assert reply[:1] in b"23", reply

    def read(self, octets):
        """What the API says of a message."""
        self.command(b"MAIL FROM:<a@x.example>")
        self.command(b"RCPT TO:<b@x.example>")
        self.command(b"DATA")
        body = re.sub(rb"^\.", b"..", octets, flags=re.MULTILINE)
        self.command(body.removesuffix(b"\r\n") + b"\r\n.")
        newest = json.loads(self.get("/api/messages?limit=1"))["messages"][0]
        return json.loads(self.get(f"/api/messages/{newest['id']}"))

    def get(self, path):
        return urllib.request.urlopen(f"http://127.0.0.1:{self.http}{path}").read()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def jsmime(smtpd, folder):
    """What smtpd and jsmime make of each field that smtpd reads."""
    output = subprocess.run(["node", HERE / "jsmime_tables.mjs", folder], capture_output=True, check=True)
    for row in json.loads(output.stdout):
        compared = field(smtpd, row["name"], row["args"], row["expected"])
        if compared is not None:
            said = row["args"][-1] if row["name"] == "parseStructuredHeader" else row["args"][0]
            yield (said if isinstance(said, str) else json.dumps(said)), *compared


def field(smtpd, function, arguments, expected):
    def read(*lines):
        return smtpd.read(b"\r\n".join([*lines, b"X: y", b"", b"x", b""]))

    value = octets(arguments[0])
    match function:
        case "parseParameterHeader":
            key = "filename" if arguments[1] else "b"
            value = value if arguments[1] else re.sub(rb";\s*b(?=\s*=|$)", b"; filename", value)
            mail = read(b"Content-Type: application/pdf", b"Content-Disposition: " + value)
            return mail["parts"][0]["file_name"], expected["parameters"].get(key, "")
        case "parseAddressingHeader":
            return people(read(b"To: " + value)["to"]), their_people(expected)
        case "parseDateHeader":
            return seconds(read(b"Date: " + value)["date"]), expected
        case "decodeRFC2047Words":
            charset = isinstance(arguments[0], dict) and arguments[0].get("charset")
            lines = [f"Content-Type: text/plain; charset={charset}".encode()] if charset else []
            return read(b"Subject: " + value, *lines)["subject"], expected
    name, values = arguments[0], arguments[1] if isinstance(arguments[1], list) else [arguments[1]]
    mail = read(*(name.encode() + b": " + octets(it) for it in values))
    if name in LISTS:
        return people(mail[LISTS[name]]), their_people(expected)
    if name in ("Subject", "Date"):
        return (mail["subject"] if name == "Subject" else seconds(mail["date"])), expected
    if name == "Content-Type":
        part, parameters = mail["parts"][0], expected["parameters"]
        wanted = [expected["value"], parameters.get("charset", "").lower(), parameters.get("name", "")]
        return [part["content_type"], part["charset"].lower(), part["file_name"]], wanted
    return None


def octets(value):
    if isinstance(value, dict):
        return value["value"].encode("latin-1")
    return str(value).encode("utf-8", "surrogatepass").replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def people(found):
    return [f"{it['name']} <{it['address']}>" for it in found]


def their_people(found):
    groups = [their_people(it["group"]) or [f"{it['name']} <>"] if "group" in it else [f"{it['name']} <{it['email']}>"] for it in found]
    return sum(groups, [])


def seconds(date):
    return "" if date is None else str(int(time.mktime(time.strptime(date, "%Y-%m-%dT%H:%M:%SZ")) - time.timezone))


def mime4j(smtpd, folder):
    """Each leaf that it decoded, and whether smtpd has the same."""
    for path in sorted((folder / "core/src/test/resources").glob("*/*.msg")):
        mail = smtpd.read(path.read_bytes())
        holders = {part["parent"] for part in mail["parts"]}
        leaves = [part["number"] for part in mail["parts"] if part["number"] not in holders]
        own = [leaf(smtpd.get(f"/messages/{mail['id']}/parts/{number}")) for number in leaves]
        for decoded in sorted(path.parent.glob(path.stem + "_decoded_*")):
            wanted = leaf(decoded.read_bytes())
            found = wanted in own
            if found:
                own.remove(wanted)
            yield decoded.name, found, True


def leaf(content):
    return content.replace(b"\r\n", b"\n").rstrip(b"\n")


def stalwart(smtpd, folder):
    """The types and names of what is attached; pictures of HTML are among it there."""
    folder /= "resources/eml"
    for path in sorted(folder.glob("*/*.json")):
        if path.name.endswith(".crlf.json"):
            continue
        mail = smtpd.read(path.with_suffix(".eml").read_bytes())
        kinds = [part["content_type"] for part in mail["parts"]]

        def attached(part):
            related = part["parent"] is not None and kinds[part["parent"]] == "multipart/related"
            is_picture = part["content_type"].startswith("image/") and not part["is_shown"]
            return part["is_attachment"] or (related and is_picture)

        own = [[part["content_type"], part["file_name"]] for part in mail["parts"] if attached(part)]
        theirs = json.loads(path.read_text())
        wanted = [their_part(theirs["parts"][number]) for number in theirs["attachments"]]
        yield str(path.relative_to(folder).with_suffix("")), own, wanted


def their_part(part):
    is_message = isinstance(part["body"], dict) and "Message" in part["body"]
    kind, names = "message/rfc822" if is_message else "text/plain", {}
    for field in part["headers"]:
        value = field["value"].get("ContentType") if isinstance(field["value"], dict) else None
        if not value:
            continue
        if field["name"] == "content_type":
            kind = f"{value['c_type']}/{value['c_subtype']}".lower()
        for attribute in value["attributes"] or []:
            names.setdefault(attribute["name"], attribute["value"])
    return [kind, names.get("filename", names.get("name", ""))]


def main():
    folder = pathlib.Path(sys.argv[1])
    reasons = tomllib.loads((HERE / "suites.toml").read_text())["reason"]
    unexplained = 0
    with Smtpd() as smtpd:
        for name, run in (("jsmime", jsmime), ("james-mime4j", mime4j), ("mail-parser", stalwart)):
            if not (folder / name).exists():
                subprocess.run(["git", "clone", "-q", "--depth", "1", SOURCES[name], folder / name], check=True)
            cases = list(run(smtpd, folder / name))
            differ = [case for case in cases if case[1] != case[2]]
            print(f"{name}: {len(cases) - len(differ)} of {len(cases)} the same")
            for said, own, wanted in differ:
                fits = (it for it in reasons if it["suite"] == name and re.match(it["case"], said))
                why = next(fits, {}).get("why")
                unexplained += why is None
                print(f"  {said!r}\n    smtpd {own!r}\n    {name} {wanted!r}\n    {why or 'NO REASON'}")
    sys.exit(unexplained > 0)


main()
