"""Command line; see scripts/bench."""

import argparse
import json
import pathlib
import shlex
import sys

from . import measure
from .cases import CASES, CEILINGS, SILENT
from .generator import ROOT, binaries
from .machine import description
from .page import page
from .processes import Failed


def main():
    options = arguments()
    out = binaries().parent / "bench/quick" if options.quick else ROOT / "docs/benchmarks"
    out = options.out or out
    figures = {"version": 1, "command": shlex.join(["scripts/bench", *sys.argv[1:]]), "machine": description()}
    cases = [case for case in CASES if options.only in case.name]
    if not options.quick and figures["machine"]["load_before"] > 0.5:
        say(f"load is {figures['machine']['load_before']:.2f}: something else is running, and the figures will show it")
    try:
        if "per_call" in options.parts:
            figures["per_call"] = per_call(cases, options)
        if "ceilings" in options.parts:
            figures["ceilings"] = ceilings([case for case in CEILINGS if case in cases], options)
        if "memory" in options.parts:
            figures["memory"] = memory(options)
    except Failed as failed:
        sys.exit(f"bench: {failed}")
    write(out, figures)


def arguments():
    parser = argparse.ArgumentParser(prog="scripts/bench", description="sigbox beside Kamailio, in one run")
    parser.add_argument("--quick", action="store_true", help="one round of 5 s at 1,000 calls/s, CPU and latency only")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=10, help="how long calls arrive in one measurement")
    parser.add_argument("--rates", type=int, nargs="+", default=[1000, 2000])
    parser.add_argument("--parts", nargs="+", choices=["per_call", "ceilings", "memory"],
                        default=["per_call", "ceilings", "memory"])
    parser.add_argument("--only", default="", metavar="PART", help="only cases whose name contains PART")
    parser.add_argument("--out", type=pathlib.Path, help="where to write, without .md and .json")
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.seconds, options.rates, options.parts = 1, 5, [1000], ["per_call"]
    return options


def say(text):
    print(f"bench: {text}", flush=True)


def per_call(cases, options):
    runs = []
    for number in range(options.rounds):
        for rate in options.rates:
            for case in cases:
                run = measure.per_call(case, rate, options.seconds)
                runs.append(run)
                cpu = ", ".join(f"{role} {used:.0f}" for role, used in run["cpu_us_per_call"].items())
                p99 = (run["latency_us"]["to_200"] or {}).get("p99_us", 0) / 1e3
                say(f"round {number + 1}, {case.name} at {rate}/s: us per call: {cpu}; INVITE-200 p99 {p99:.1f} ms; "
                    f"disturbed {run['calls']['disturbed']}, of these 180 after 200: {run['calls']['reordered']}")
    return runs


def ceilings(cases, options):
    runs = []
    for number in range(options.rounds):
        for case in cases:
            run = measure.highest_rate(case, seconds=4, start=1000, resolution=0.05)
            runs.append(run)
            say(f"round {number + 1}, {case.name}: up to {run['highest_rate']}/s, {len(run['steps'])} steps")
    return runs


def memory(options):
    finished = [case for case in CASES if case.name in ("kamailio decided, Node", "sigbox decided, Rust")]
    figures = {"suspended": [], "finished": [], "bursts": []}
    for _ in range(options.rounds):
        for case in SILENT:
            figures["suspended"].append(measure.suspended_bytes(case, count=10_000, rate=2_000))
            say(f"{case.name}: {figures['suspended'][-1]['bytes_each']:.0f} bytes per suspended transaction")
        for case in finished:
            # The peer forgets after 5 s.
            figures["finished"].append(measure.finished_bytes(case, rate=1_000, seconds=4))
            say(f"{case.name}: {figures['finished'][-1]['bytes_each']:.0f} bytes per finished call")
    for case in finished[1:]:
        figures["bursts"].append(measure.after_burst(case, calls=100_000, rate=2_000, pause_s=40))
        say(f"{case.name}: {figures['bursts'][-1]['rounds']}")
    return figures


def write(out, figures):
    out.parent.mkdir(parents=True, exist_ok=True)
    text = page(figures)
    out.with_suffix(".json").write_text(json.dumps(figures, indent=1) + "\n")
    out.with_suffix(".md").write_text(text)
    print(text)
    say(f"written to {out.with_suffix('.md')} and {out.with_suffix('.json')}")


main()
