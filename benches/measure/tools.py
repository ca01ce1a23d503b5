"""Servers, generators of load and questions to a server, for all parts."""

import atexit
import contextlib
import dataclasses
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BINARY = pathlib.Path(os.environ.get("SMTPD", ROOT / "target/dist/smtpd")).resolve()
# Stores and files of the disk test lie beside each other, so that both use the same disk.
SCRATCH = ROOT / "target/bench"
POSTFIX_PATH = os.environ["PATH"] + ":/usr/sbin"
LONGEST_RUN = 300


@dataclasses.dataclass
class Row:
    """One figure of one round."""

    name: str
    value: float | None
    unit: str
    # The limit or peer in the same round, and what it is.
    limit: float | None = None
    beside: str = ""
    note: str = ""


def identity():
    """What is measured: its version, and which build of it."""
    told = subprocess.run([BINARY, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    found = BINARY.stat()
    return f"{told}, {found.st_size} octets of {time.strftime('%F %T', time.localtime(found.st_mtime))}"


def say(text):
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


def folder():
    SCRATCH.mkdir(parents=True, exist_ok=True)
    return tempfile.mkdtemp(prefix="store-", dir=SCRATCH)


def discard(place):
    """Removes a folder when all is measured, so that each store is measured on blocks and inodes that were
    never used, as one that grows has them. Blocks that were just given back are faster, and an ext4 without a
    journal passes by each inode that was given back in the last minutes, one by one."""
    atexit.register(shutil.rmtree, place, ignore_errors=True)


def free_disk():
    return shutil.disk_usage(SCRATCH).free


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def cpu(pid):
    """Seconds of user and system."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Server:
    """A process that takes mail on a port of its own, with one browser looking if it is smtpd."""

    def __init__(self, command, port, environment=None, folder=None, http=None, keep=False):
        self.port, self.folder, self.http, self.keep = port, folder, http, keep
        out = subprocess.DEVNULL
        self.browser = None
        begun = time.monotonic()
        self.process = subprocess.Popen(command, cwd=folder, env=environment, stdout=out, stderr=out)
        try:
            self.wait()
        except BaseException:
            self.stop()
            raise
        self.start_seconds = time.monotonic() - begun

    def wait(self):
        """Until it greets: a port alone may be open before the store is."""
        end = time.monotonic() + 60
        while time.monotonic() < end and self.process.poll() is None:
            try:
                with socket.create_connection(("127.0.0.1", self.port), 60) as connection:
                    if connection.recv(64).startswith(b"220"):
                        return
            except OSError:
                time.sleep(0.001)
        raise RuntimeError(f"{self.process.args[0]} does not listen on port {self.port}")

    def watch(self):
        self.browser = subprocess.Popen([generator(), "watch", f"http=127.0.0.1:{self.http}"])
        return self

    def cpu(self):
        return cpu(self.process.pid)

    def memory(self, which="VmRSS"):
        """Octets; VmHWM is the most since forget_peak()."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split(f"{which}:")[1].split()[0]) * 1024

    def forget_peak(self):
        pathlib.Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")

    def ask(self, path):
        """An answer in JSON."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.http}{path}", headers={"Accept": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def index_lag(self):
        """Messages that the index has still to take in."""
        return self.ask("/status")["index_lag"]

    def catch_up(self, longest=120):
        """Waits until the index has everything; seconds, none if that is longer."""
        begun = time.monotonic()
        while self.index_lag():
            if time.monotonic() - begun > longest:
                return None
            time.sleep(0.05)
        return time.monotonic() - begun

    def stop(self, how=signal.SIGTERM):
        for process in filter(None, [self.browser, self.process]):
            process.send_signal(how)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if self.folder and not self.keep:
            discard(self.folder)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def smtpd(store=None, watched=True, **settings):
    """smtpd with its defaults and these settings (`smtp_listen` is SMTPD_SMTP_LISTEN); its log goes nowhere."""
    place = store or folder()
    smtp, http = free_port(), free_port()
    settings = {"smtp_listen": f"127.0.0.1:{smtp}", "http_listen": f"127.0.0.1:{http}", **settings}
    environment = dict(os.environ)
    environment.update({f"SMTPD_{name.upper()}": str(value) for name, value in settings.items()})
    server = Server([str(BINARY)], smtp, environment, place, http, keep=store is not None)
    return server.watch() if watched else server


def sink():
    port = free_port()
    user = ["-u", "nobody"] if os.getuid() == 0 else []
    return Server([postfix("smtp-sink"), *user, f"127.0.0.1:{port}", "1000"], port)


def bare():
    """A server that appends and syncs each message, and does nothing else."""
    place, port = folder(), free_port()
    command = [generator(), "bare", f"smtp=127.0.0.1:{port}", f"folder={place}"]
    return Server(command, port, folder=place)


def source(port, count, size, sessions, kept):
    """Postfix's generator; messages a second."""
    command = [postfix("smtp-source"), *(["-d"] if kept else []), "-s", str(sessions), "-l", str(size)]
    begun = time.monotonic()
    subprocess.run(
        [*command, "-m", str(count), "-f", "a@example.org", "-t", "b@example.org", f"127.0.0.1:{port}"],
        check=True,
        timeout=LONGEST_RUN,
    )
    return count / (time.monotonic() - begun)


def postfix(name):
    program = shutil.which(name, path=POSTFIX_PATH)
    if program is None:
        raise SystemExit(f"{name} is missing: apt-get install postfix")
    return program


def load(command, timeout=LONGEST_RUN, **options):
    """Our own generator (benches/load); what it tells."""
    words = [f"{name}={value}" for name, value in options.items()]
    done = subprocess.run(
        [generator(), command, *words], check=True, timeout=timeout, stdout=subprocess.PIPE, text=True
    )
    return json.loads(done.stdout)


def send(server, **options):
    return load("send", smtp=f"127.0.0.1:{server.port}", **options)


def disk(size, writers, count):
    """Appends of this size a second, each followed by fdatasync, by so many writers with a file each."""
    place = folder()
    try:
        return load("disk", folder=place, size=size, writers=writers, count=count)["rate"]
    finally:
        discard(place)


def generator():
    """The generator's binary, built if it is older than its source."""
    sources = sorted((ROOT / "benches/load").glob("*.rs"))
    binary = SCRATCH / "load"
    newest = max(path.stat().st_mtime for path in sources)
    if not binary.exists() or binary.stat().st_mtime < newest:
        SCRATCH.mkdir(parents=True, exist_ok=True)
        main = ROOT / "benches/load/main.rs"
        subprocess.run(["rustc", "--edition", "2024", "-O", "-o", binary, main], check=True)
    return str(binary)


@contextlib.contextmanager
def sampled(period, take):
    """Calls `take` again and again beside what is done meanwhile; gives what it returned."""
    samples, over = [], threading.Event()

    def run():
        while not over.wait(period):
            with contextlib.suppress(OSError):
                samples.append(take())

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield samples
    finally:
        over.set()
        thread.join()
