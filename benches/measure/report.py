"""The targets, and BENCHMARKS.md."""

import datetime
import os
import pathlib
import platform
import statistics

from . import burst, latency, lone, memory, million, peers, sustained
from .tools import ROOT, identity

# name -> (at least, aim), as they were set before anything was measured. One below 0 is a figure that must
# not be larger, without the sign; the others are ratios that must not be smaller.
TARGETS = {
    burst.KEPT: (0.5, 0.8),
    burst.EACH: (0.7, 1.0),
    f"{burst.KEPT}, against mailcrab": (0.7, 1.3),
    f"{burst.EACH}, against mailcrab": (0.7, 1.3),
    "10 KB, 16 sessions": (0.4, 0.6),
    "100 KB, 16 sessions": (0.4, 0.7),
    "1 MB, 16 sessions": (0.5, 0.8),
    burst.CPU_ALL: (-90, -50),
    lone.SOURCE: (0.8, 1.0),
    lone.PIPELINED: (0.8, 1.0),
    lone.BDAT: (0.8, 1.0),
    latency.P99: (-12, -5),
    latency.FRAME_P99: (-20, -5),
    memory.IDLE: (-15, -10),
    memory.PER_SMTP: (-6, -3),
    memory.PER_WEBSOCKET: (-24, -12),
    memory.LARGE: (-48, -16),
    memory.SIZE: (-20, -12),
    million.INGEST: (0.8, 0.95),
    "list page of 50": (-5, -2),
    "mailbox page": (-5, -2),
    "rare-word search": (-10, -3),
    "common-word search": (-20, -5),
    million.START: (-0.3, -0.1),
    sustained.LAG_SECONDS: (None, -5),
}
TITLES = {
    "burst": "Bursts",
    "lone": "One message at a time",
    "latency": "Waiting times",
    "memory": "Memory and size",
    "million": "With a million messages stored",
    "sustained": "For a long time",
}
HEAD = """# Benchmarks

Written by `benches/compare.py`: smtpd with its defaults (SQLite behind a journal, an fsync before every
250, the full-text index on) and a browser's websocket that reads along, beside the limit in the same
round. Generator and server share the cores. Median of the rounds; in brackets the lowest and the highest,
where there were several. A ratio is smtpd's figure by the limit's, of the same round.
"""


def write(results, command, path=ROOT / "BENCHMARKS.md"):
    """`results`: part -> rounds -> rows, as dictionaries."""
    lines = [HEAD, *facts(command)]
    judged = {"NO": [], "stated": [], "yes": [], "aim": []}
    for part, title in TITLES.items():
        rounds = [rows for rows in results.get(part, []) if rows]
        if not rounds:
            continue
        lines += ["", f"## {title}", ""]
        lines += ["| what | smtpd | the limit beside it | ratio | at least / aim | met |", "|---|---|---|---|---|---|"]
        names = dict.fromkeys(row["name"] for rows in rounds for row in rows)
        notes = []
        for name in names:
            same = [row for rows in rounds for row in rows if row["name"] == name]
            cells, met = line(name, same)
            lines.append("| " + " | ".join(cells) + " |")
            if met:
                judged[met].append(name)
            if note := same[-1]["note"]:
                notes.append(f"- {name}: {note}")
        if notes:
            lines += ["", *notes]
    lines += ["", f"Targets: {sum(map(len, judged.values()))}. The aim is met by {len(judged['aim'])} of them."]
    for met, words in {"yes": "Only the least is met by", "stated": "The aim is missed by", "NO": "Missed"}.items():
        if judged[met]:
            lines.append(f"- {words}: {'; '.join(judged[met])}")
    pathlib.Path(path).write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


def facts(command):
    model = ""
    if (info := pathlib.Path("/proc/cpuinfo")).exists():
        names = [text.split(":")[1].strip() for text in info.read_text().splitlines() if text.startswith("model name")]
        model = f" ({names[0]})" if names else ""
    yield f"- {identity()}; measured {datetime.date.today()}"
    yield f"- {platform.system()} {platform.release()} {platform.machine()}, {os.cpu_count()} cores{model}"
    yield f"- command: `cargo build --profile dist && {command}`"
    yield from (f"- {peer}" for peer in peers.versions())


def line(name, rows):
    """The cells of a row, and whether its target is met."""
    good = [row for row in rows if row["value"] is not None]
    if not good:
        return [name, "not measured", "", "", "", ""], ""
    values = [row["value"] for row in good]
    pairs = [(row["value"], row["limit"]) for row in good if row["limit"]]
    ratios = [value / limit for value, limit in pairs]
    unit, beside = good[0]["unit"], good[0]["beside"]
    limits = f"{figures([limit for _, limit in pairs])} {unit} ({beside})" if pairs else ""
    wanted, met = judge(name, statistics.median(values), statistics.median(ratios) if ratios else None)
    ratio = figures(ratios) if ratios else ""
    return [name, f"{figures(values)} {unit}", limits, ratio, wanted, met], met


def judge(name, value, ratio):
    if name not in TARGETS:
        return "", ""
    least, aim = TARGETS[name]
    sign = -1 if aim < 0 else 1
    figure = value * sign if sign < 0 else ratio
    if figure is None:
        return "", ""
    words = "≤ {}" if sign < 0 else "{} ×"
    wanted = " / ".join("stated" if bound is None else words.format(f"{abs(bound):g}") for bound in (least, aim))
    if figure >= aim:
        return wanted, "aim"
    if least is None:
        return wanted, "stated"
    return wanted, "yes" if figure >= least else "NO"


def figures(values):
    """The middle, and the ends if there are several."""
    middle = statistics.median(values)
    digits = 0 if middle >= 100 else 1 if middle >= 10 else 2 if middle >= 0.1 else 3
    text = f"{middle:,.{digits}f}"
    if len(values) > 1:
        text += f" [{min(values):,.{digits}f}, {max(values):,.{digits}f}]"
    return text
