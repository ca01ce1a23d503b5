#!/usr/bin/env python3
"""Measures smtpd beside smtp-sink, the disk and other catchers in the same run, and writes BENCHMARKS.md.

    cargo build --profile dist && benches/compare.py --million --sustained 600    # everything, some 20 minutes
    benches/compare.py                                                       # without the two long parts
    benches/compare.py --only lone --only latency                            # the rest stays as it was
    benches/compare.py --rounds 1 --quick                                    # a smoke run

Needs Postfix's smtp-source and smtp-sink (Debian: postfix) and rustc, which builds the generator in
benches/load. SMTPD=… measures another binary; MAILPIT=… and MAILCRAB=… join the table. Machines differ and
are noisy: what counts is the ratio in the same round; of the rounds the median is given.

What was measured is kept in target/bench/results.json as it comes: `--resume` goes on after an
interruption, and a part that fails is said and leaves the others alone.
"""

import argparse
import dataclasses
import json
import shlex
import signal
import sys
import traceback

from measure import burst, latency, lone, memory, million, report, sustained, tools

RESULTS = tools.SCRATCH / "results.json"


def main():
    wanted = arguments()
    if not tools.BINARY.exists():
        raise SystemExit(f"{tools.BINARY} is missing: cargo build --profile dist")
    tools.generator()
    # So that servers are stopped and stores removed then, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))
    scale = 10 if wanted.quick else 1
    plan = [
        (part, number, lambda measure=measure: measure(scale))
        for number in range(wanted.rounds)
        for part, measure in {"burst": burst.measure, "lone": lone.measure, "latency": latency.measure}.items()
    ]
    plan.append(("memory", 0, lambda: memory.measure(scale)))
    if wanted.million:
        plan.append(("million", 0, lambda: million.measure(wanted.million, wanted.million_store, scale)))
    if wanted.sustained:
        plan.append(("sustained", 0, lambda: sustained.measure(wanted.sustained, scale)))
    plan = [step for step in plan if not wanted.only or step[0] in wanted.only]
    results = remembered(wanted.quick) if wanted.resume or wanted.only else {}
    if not wanted.resume:
        for part, _, _ in plan:
            results.pop(part, None)
    failed = run(plan, results, wanted.quick)
    report.write(results, "benches/compare.py " + shlex.join(sys.argv[1:]), wanted.output)
    raise SystemExit(f"failed: {', '.join(failed)}" if failed else 0)


def subject(quick):
    """Whose figures may stand beside each other: those of one binary, of runs of one length."""
    return tools.identity() + (", --quick" if quick else "")


def remembered(quick):
    """What was measured already."""
    if not RESULTS.exists():
        return {}
    kept = json.loads(RESULTS.read_text())
    if kept.get("of") != subject(quick):
        tools.say(f"{RESULTS} is about another build, or --quick: not used")
        return {}
    return kept["parts"]


def run(plan, results, quick):
    """Does what is not in `results` yet; the names of the parts that failed. What one of these had measured
    until then is shown, but not remembered."""
    failed, whole = [], {part: len(rounds) for part, rounds in results.items()}
    for part, number, measure in plan:
        rounds = results.setdefault(part, [])
        if number < whole.setdefault(part, 0):
            continue
        rows = []
        try:
            for row in measure():
                tools.say(f"{row.name}: {row.value and round(row.value, 3)} {row.unit} {row.note}")
                rows.append(dataclasses.asdict(row))
        except Exception:  # noqa: BLE001 - whatever it was, the other parts are wanted
            traceback.print_exc()
            failed.append(f"{part}, round {number + 1}")
        else:
            if len(rounds) == whole[part]:
                whole[part] += 1
        rounds.append(rows)
        parts = {part: rounds[: whole[part]] for part, rounds in results.items()}
        RESULTS.write_text(json.dumps({"of": subject(quick), "parts": parts}, indent=1))
    return failed


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=3, help="of bursts, lone messages and waiting times")
    parser.add_argument("--quick", action="store_true", help="a tenth of the messages")
    parser.add_argument("--only", action="append", choices=list(report.TITLES), help="this part alone")
    parser.add_argument("--resume", action="store_true", help="what is in target/bench/results.json is done")
    parser.add_argument(
        "--million", type=int, nargs="?", const=1_000_000, metavar="MESSAGES", help="with so many messages stored"
    )
    parser.add_argument("--million-store", metavar="FOLDER", help="filled if it is empty, and kept for the next time")
    parser.add_argument("--sustained", type=int, metavar="SECONDS", help="half the burst rate for so long")
    parser.add_argument("--output", default=tools.ROOT / "BENCHMARKS.md", help="instead of BENCHMARKS.md")
    return parser.parse_args()


if __name__ == "__main__":
    main()
