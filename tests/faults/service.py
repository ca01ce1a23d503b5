"""What the scripts beside this file share: a running smtpd, a client that sends, and copies of smtpd in which
a guarantee was taken out, for the controls."""

import atexit
import hashlib
import http.client
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import time

# What is registered to be done at the end is done then, too.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BINARY = os.environ.get("SMTPD", ROOT / "target/release/smtpd")
# How many send at the same time.
SENDERS = int(os.environ.get("SENDERS", 8))


class Smtpd:
    """A running smtpd on free ports of 127.0.0.1."""

    def __init__(self, folder, environment=(), binary=BINARY, before=()):
        """Starts it on the store in `folder`; `before` are words to put before the command."""
        self.environment = dict(
            os.environ,
            SMTPD_SMTP_LISTEN="127.0.0.1:0",
            SMTPD_HTTP_LISTEN="127.0.0.1:0",
            SMTPD_STORE_PATH=str(folder),
            SMTPD_LOG_LEVEL="warn",
            SMTPD_LIMITS_HTTP_CONNECTIONS="1000",
        )
        self.environment.update(environment)
        self.binary = binary
        begun = time.monotonic()
        self.process = subprocess.Popen(
            [*before, str(binary)], env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self.pid = self.process.pid
        # However the script ends.
        atexit.register(self.process.kill)
        try:
            self.smtp, self.http = self.address("smtp://"), self.address("http://")
        except EOFError:
            self.process.wait()
            raise SystemExit(f"smtpd did not start: {self.process.stderr.read()}") from None
        #: Seconds until it listens; how many of them a processor worked for it, and how many its first thread,
        #: which does all of that, waited for a processor that others had.
        self.took, self.worked, self.waited = time.monotonic() - begun, self.processor_time(), self.waiting_time()

    def address(self, mark):
        for line in self.process.stdout:
            if mark in line:
                host, port = line.split(mark)[1].strip().rstrip("/").rsplit(":", 1)
                return host, int(port)
        raise EOFError

    def processor_time(self):
        # utime and stime, proc(5), in ticks of 10 ms.
        fields = pathlib.Path(f"/proc/{self.pid}/stat").read_text().rsplit(") ", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / 100

    def waiting_time(self):
        # Documentation/scheduler/sched-stats: nanoseconds on a processor, and ready to run without one.
        return int(pathlib.Path(f"/proc/{self.pid}/task/{self.pid}/schedstat").read_text().split()[1]) / 1e9

    def end(self, how=signal.SIGTERM):
        os.kill(self.pid, how)
        self.process.wait()
        self.process.stdout.close()
        self.process.stderr.close()

    def check(self):
        """What `smtpd check` says, and whether all is well."""
        done = subprocess.run([str(self.binary), "check"], env=self.environment, capture_output=True, text=True)
        return done.returncode == 0, (done.stdout + done.stderr).strip()


class Web:
    """A client of the API on one connection."""

    def __init__(self, address):
        self.connection = http.client.HTTPConnection(*address, timeout=60)

    def ask(self, method, path, body=None):
        """Status and octets of the answer."""
        self.connection.request(method, path, body and json.dumps(body), {"Content-Type": "application/json"})
        answer = self.connection.getresponse()
        return answer.status, answer.read()

    def get(self, path):
        status, octets = self.ask("GET", path)
        if status != 200:
            raise SystemExit(f"GET {path}: {status} {octets[:300]}")
        return octets

    def messages(self):
        """All messages, newest first."""
        before = ""
        while page := json.loads(self.get(f"/api/messages?limit=500{before}"))["messages"]:
            before = f"&before={page[-1]['id']}"
            yield from page

    def raw(self, message):
        return self.get(f"/messages/{message['id']}/raw")


class Sender:
    """An SMTP session."""

    def __init__(self, address, patience=20):
        self.connection = socket.create_connection(address, timeout=patience)
        self.replies = self.connection.makefile("rb")
        self.replies.readline()
        self.connection.sendall(b"EHLO fault.example.org\r\n")
        while self.replies.readline()[3:4] == b"-":
            pass

    def send(self, octets):
        """The reply to the end of the message, or to the first command that was refused."""
        self.connection.sendall(b"MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n")
        replies = [self.replies.readline() for _ in range(3)]
        if [reply[:3] for reply in replies] != [b"250", b"250", b"354"]:
            return replies[-1]
        self.connection.sendall(octets + b".\r\n")
        return self.replies.readline()

    def close(self):
        self.replies.close()
        self.connection.close()


def mail(subject, size):
    """A message in which every line says whose it is: no part of it can be taken for a part of another."""
    line = hashlib.sha256(subject.encode()).hexdigest()
    head = f"Subject: {subject}\r\nX-Size: {size}\r\n\r\n"
    return (head + "".join(f"{number:08} {line}\r\n" for number in range(size // 75 + 1))).encode()


def without(*changes, folder=ROOT / "target/control"):
    """A binary of this source, changed: each change is a file, what stands there once, and what then shall."""
    source = folder / "source"
    names = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in names.splitlines():
        if name.startswith(("src/", "templates/", "static/", "benches/", "tests/it/", ".cargo/", "Cargo.", "build.rs")):
            octets = (ROOT / name).read_bytes()
            for old, new in [change[1:] for change in changes if change[0] == name]:
                text = octets.decode()
                assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {name}"
                octets = text.replace(old, new).encode()
            target = source / name
            # What is as it was keeps its time, so that little is compiled.
            if not target.exists() or target.read_bytes() != octets:
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(octets)
    environment = dict(os.environ, CARGO_TARGET_DIR=str(folder))
    subprocess.run(["cargo", "build", "--quiet"], cwd=source, env=environment, check=True)
    # Not optimised: a control need not be fast.
    binary = folder / f"smtpd-{os.getpid()}"
    shutil.copy(folder / "debug/smtpd", binary)
    atexit.register(binary.unlink)
    return binary
