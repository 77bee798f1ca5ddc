"""Command line; see scripts/bench."""

import argparse
import json
import pathlib
import shlex
import sys
import time

from . import measure, memory, overload
from .cases import BY_NAME, CASES, CEILINGS, FINISHED, OVERLOADED, SILENT
from .generator import ROOT, binaries
from .machine import description
from .page import page
from .processes import Failed
from .servers import KAMAILIO_CHILDREN, SIGBOX_SHARDS

def main():
    options = arguments()
    began = time.monotonic()
    out = binaries().parent / "bench/quick" if options.quick else ROOT / "docs/benchmarks"
    out = options.out or out
    figures = {"version": 2, "command": shlex.join(["scripts/bench", *sys.argv[1:]]), "machine": description()}
    if not options.quick and figures["machine"]["load_before"] > 0.5:
        say(f"load is {figures['machine']['load_before']:.2f}: something else is running, and the figures will show it")
    try:
        figures["settings"] = settings(options)
        cases = [case.with_children(figures["settings"]["kamailio_children"])
                 for case in CASES if options.only in case.name]
        for part in options.parts:
            figures[part] = RUN[part](cases, options)
            # What was measured is not lost with what fails after it.
            figures["took_s"] = round(time.monotonic() - began)
            write(out, figures)
    except Failed as failed:
        sys.exit(f"bench: {failed}")


def arguments():
    parser = argparse.ArgumentParser(prog="scripts/bench", description="sigbox beside Kamailio, in one run")
    parser.add_argument("--quick", action="store_true", help="one round of 3 s at 1,000 calls/s, CPU and latency only")
    parser.add_argument("--rounds", type=int, default=3, help="the CPU per call is taken twice in each")
    parser.add_argument("--seconds", type=float, default=4, help="how long calls arrive in one measurement")
    parser.add_argument("--rates", type=int, nargs="+", help="calls/s at which the CPU per call is taken")
    parser.add_argument("--parts", nargs="+", choices=RUN, default=list(RUN))
    parser.add_argument("--only", default="", metavar="PART", help="only cases whose name contains PART")
    parser.add_argument("--children", type=int, help="of Kamailio, instead of what a first look finds best")
    parser.add_argument("--out", type=pathlib.Path, help="where to write, without .md and .json")
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.seconds, options.rates, options.parts = 1, 3, [1000], ["per_call"]
        options.children = options.children or KAMAILIO_CHILDREN[0]
    return options


def say(text):
    print(f"bench: {text}", flush=True)


def settings(options):
    """How many workers each side gets. Kamailio is tried with each number, and gets the one with which it needs less."""
    tried = {}
    if not options.children:
        for children in KAMAILIO_CHILDREN:
            each = [BY_NAME[name].with_children(children) for name in ("kamailio direct", "kamailio decided, Node")]
            runs = [run for case in each for run in measure.per_call(case, [1000], 4)]
            tried[children] = {run["case"]: run["cpu_us_per_call"]["proxy"] for run in runs}
            say(f"Kamailio with {children} children, us per call: {tried[children]}")
    best = options.children or min(tried, key=lambda children: sum(tried[children].values()))
    return {"kamailio_children": best, "kamailio_children_tried": tried, "sigbox_shards": SIGBOX_SHARDS}


def per_call(cases, options):
    runs = []
    # Short and many rather than long and few: where the machine is a guest, its speed changes by the minute.
    for number in range(1 if options.quick else 2 * options.rounds):
        for case in cases:
            for run in measure.per_call(case, options.rates or case.rates, options.seconds):
                runs.append(run)
                cpu = ", ".join(f"{role} {used:.0f}" for role, used in run["cpu_us_per_call"].items())
                p99 = (run["latency_us"]["to_200"] or {}).get("p99_us", 0) / 1e3
                say(f"round {number + 1}, {case.name} at {run['rate']}/s: us per call: {cpu}; INVITE-200 p99 {p99:.1f} ms; "
                    f"disturbed {run['calls']['disturbed']}, of these 180 after 200: {run['calls']['reordered']}")
    return runs


def ceilings(cases, options):
    names = [case.name for case in cases]
    # The highest rate is another question than the lowest cost: Kamailio gets another choice.
    contenders = {case.name: {case.with_children(count): 2000 for count in KAMAILIO_CHILDREN}
                  for case in CEILINGS if case.name in names}
    runs = []
    for number in range(min(options.rounds, 2)):
        for name, starts in contenders.items():
            found = {}
            for case, start in starts.items():
                # A first search strides; the others begin where it ended.
                run = measure.highest_rate(case, seconds=3, start=start, stride=1 if number else 8)
                found[case] = run
                workers = f" with {case.children} children" if case.children else ""
                say(f"round {number + 1}, {name}{workers}: up to {run['highest_rate']}/s, {len(run['steps'])} steps")
            best = max(found, key=lambda case: found[case]["highest_rate"])
            contenders[name] = {best: found[best]["highest_rate"] or starts[best]}
            runs.append({**found[best], "children": best.children})
    return runs


def memories(_, options):
    figures = {"suspended": [], "finished": [], "bursts": []}
    for _ in range(min(options.rounds, 2)):
        for case in SILENT:
            figures["suspended"].append(memory.suspended_bytes(case, count=10_000, rate=2_000))
            say(f"{case.name}: {figures['suspended'][-1]['bytes_each']:.0f} bytes per suspended transaction")
        for case in FINISHED:
            # The peer forgets after 5 s.
            figures["finished"].append(memory.finished_bytes(case, rate=1_000, seconds=4))
            say(f"{case.name}: {figures['finished'][-1]['bytes_each']:.0f} bytes per finished call")
    burst = memory.after_burst(BY_NAME["sigbox decided, Rust"], calls=100_000, rate=2_500, pause_s=40)
    figures["bursts"].append(burst)
    say(f"{burst['case']}: {[(each['before'], each['peak'], each['after']) for each in burst['rounds']]}")
    return figures


def overloads(cases, options):
    chosen = {case.name: case for case in cases}
    figures = {"cores": overload.cores(), "capacity": [], "floods": []}
    for case in [chosen[case.name] for case in OVERLOADED if case.name in chosen]:
        found = overload.capacity(case, 1500)
        figures["capacity"].append(found)
        capacity = found["highest_rate"]
        say(f"{case.name}, all servers on one core: capacity {capacity}/s, {len(found['steps'])} steps")
        if capacity == 0:
            continue
        for kind, factor in overload.FLOODS[case.name]:
            run = overload.merged([overload.flooded(case, capacity, kind, factor) for _ in range(options.rounds)])
            figures["floods"].append(run)
            say(f"{case.name}, {run['flood']} {kind}/s: goodput {run['goodputs']}, BYE {run['byes_answered']}, "
                f"CANCEL {run['cancels_effective']}, refused {run['calls']['refused']} of {run['calls']['started']}, "
                f"lost by the generator {run['lost_by_the_generator']}")
    return figures


RUN = {"per_call": per_call, "ceilings": ceilings, "memory": memories, "overload": overloads}


def write(out, figures):
    out.parent.mkdir(parents=True, exist_ok=True)
    out.with_suffix(".json").write_text(json.dumps(figures, indent=1) + "\n")
    out.with_suffix(".md").write_text(page(figures))
    say(f"written to {out.with_suffix('.md')} and {out.with_suffix('.json')}, {figures['took_s'] / 60:.0f} minutes")


main()
