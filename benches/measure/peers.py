"""Other catchers, whose binaries the environment names: MAILPIT=…, MAILCRAB=…"""

import os
import pathlib
import subprocess

from .tools import Row, Server, folder, free_port, source

# A slow peer gets only as many messages as it takes in so many seconds.
SECONDS = 5
PROBE = 200


def rows(name, ours, count, kept):
    """Ours beside each of them in the run called `name`, and how many messages they have afterwards."""
    for peer, start in {"mailcrab": mailcrab, "Mailpit": mailpit}.items():
        binary = os.environ.get(peer.upper())
        if not binary:
            continue
        try:
            rate, note = run(start, str(pathlib.Path(binary).resolve()), count, kept)
        except (OSError, RuntimeError, ValueError, KeyError, subprocess.SubprocessError) as error:
            rate, note = None, f"{peer} did not come through: {error}"
        yield Row(f"{name}, against {peer}", ours, "messages/s", rate, peer, note)


def run(start, binary, count, kept):
    server, held = start(binary)
    with server:
        probe = source(server.port, PROBE, 1024, 50, kept)
        sent = max(PROBE, min(count, int(probe * SECONDS)))
        rate = source(server.port, sent, 1024, 50, kept)
        sent += PROBE
        try:
            has = f"{held(server):,}"
        except (OSError, ValueError, KeyError) as error:
            has = f"nobody knows how many ({error})"
    return rate, f"it has {has} of the {sent:,} messages that it said 250 to"


def mailpit(binary):
    place, smtp, http = folder(), free_port(), free_port()
    command = [binary, "--smtp", f"127.0.0.1:{smtp}", "--listen", f"127.0.0.1:{http}"]
    # With its defaults it would keep 500 messages, and in a file that it deletes.
    command += ["--max", "0", "--database", f"{place}/mailpit.db", "--quiet", "--smtp-disable-rdns"]
    server = Server(command, smtp, None, place, http)
    return server, lambda server: server.ask("/api/v1/messages?limit=1")["total"]


def mailcrab(binary):
    place, smtp, http = folder(), free_port(), free_port()
    environment = dict(
        os.environ,
        SMTP_HOST="127.0.0.1",
        HTTP_HOST="127.0.0.1",
        SMTP_PORT=str(smtp),
        HTTP_PORT=str(http),
        RUST_LOG="error",
    )
    server = Server([binary], smtp, environment, place, http)
    return server, lambda server: len(server.ask("/api/messages"))


def versions():
    """What runs beside us, in a line each."""
    for peer, flag in {"MAILPIT": "version", "MAILCRAB": None}.items():
        if binary := os.environ.get(peer):
            told = subprocess.run([binary, flag], capture_output=True, text=True).stdout if flag else ""
            yield f"{peer.capitalize()}: {(told.splitlines() or [pathlib.Path(binary).name])[0]}"
