"""More than a proxy can take: what it still does, and for whom."""

from .generator import MOST_CALLS_PER_SECOND, calls
from .measure import highest_rate
from .servers import CORES
from .stage import Kept

SECONDS = 8
# Calls that are there before the flood, and end in it.
BEFORE_S = 4
# Calls go on so long after the last one arrived.
WAIT_S = 4
INVITES = [("invite", 2), ("invite", 5), ("invite", 10)]
# Floods of other things than calls come beside half of the calls that the proxy can take. With the decider in Node both
# proxies have the same work done for them, and their capacity is so low that the generator reaches ten times of it.
FLOODS = {
    "kamailio decided, Node": INVITES[::2],
    "sigbox decided, Rust": [*INVITES, ("register", 5), ("options", 5), ("response", 5)],
    "sigbox decided, Node": INVITES,
}


def cores():
    """The servers' cores and the generator's: one core for everything that is measured, as the generator needs the others to
    offer ten times what they can take. On a machine with one core everything shares it."""
    return ([CORES - 1], list(range(CORES - 1))) if CORES > 1 else (None, None)


def capacity(case, start):
    """The highest clean rate of the servers on their core, which is what goodput is held against."""
    # As long as nearly the whole flood: a queue that grows slowly would pass a short look.
    return highest_rate(case, seconds=6, start=start, stride=8, cores=cores())


def flooded(case, capacity, kind, factor):
    """One flood: `invite`, or one of OTHERS, at `factor` times the capacity."""
    offered = capacity if kind == "invite" else capacity // 2
    # Those whose BYEs come while the flood goes on, and those who hang up.
    early, leaving = capacity / 10, capacity / 40
    flood = min(round(capacity * factor), round(MOST_CALLS_PER_SECOND - 2 - early - leaving - (kind != "invite") * offered))
    beside = [
        calls(early, BEFORE_S - 1, hold_ms=(BEFORE_S + 1) * 1000),
        calls(leaving, SECONDS - 1, after_s=BEFORE_S + 0.5, cancel_after_ms=300, rings=True),
    ]
    rate = flood
    if kind != "invite":
        rate = offered
        beside.append(calls(flood, SECONDS, after_s=BEFORE_S, scenario=kind))
    servers, callers = cores()
    with Kept(case, servers) as kept:
        report, used_s, took_s = kept.watched(rate, SECONDS, wait_s=WAIT_S, beside=beside, cores=callers, after_s=BEFORE_S)
    flow = report["caller"]
    arrived_s = flow["arrived_s"] or flow["took_s"]
    flooding = flow if kind == "invite" else report["beside"][-1]
    everyone = [flow, *report["beside"]]
    endings = {key: sum(each["endings"][key] for each in everyone) for key in flow["endings"]}
    return {
        "case": case.name,
        "kind": kind,
        "factor": factor,
        "capacity": capacity,
        "offered": rate,
        # What it really was, when the generator could not keep up.
        "flood": round(flooding["calls"]["started"] / (flooding["arrived_s"] or flooding["took_s"])),
        "goodput": flow["calls"]["completed_while_arriving"] / arrived_s / offered,
        "byes_answered": _share(endings["ended"], endings["byes"]),
        "cancels_effective": _share(endings["cancelled"], endings["cancels"]),
        "calls": flow["calls"],
        "failures": flow["failures"],
        "retransmissions": flow["retransmissions_sent"],
        "endings": endings,
        "beside": [each["calls"] for each in report["beside"]],
        "to_200_us": flow["latency"].get("invite_to_200"),
        "to_refusal_us": flow["latency"].get("invite_to_refusal"),
        "generator_lag_us": flow["latency"].get("generator_lag"),
        "generator_cpu_s": report["cost"]["user_s"] + report["cost"]["system_s"],
        "servers_cores": used_s / took_s,
        "lost_by_the_generator": report["lost_here"],
    }


def merged(runs):
    """The run with the median goodput, and of BYE and CANCEL the worst of all."""
    middle = sorted(runs, key=lambda run: run["goodput"])[len(runs) // 2]
    worst = lambda key: min((run[key] for run in runs if run[key] is not None), default=None)
    return {
        **middle,
        "goodputs": [round(run["goodput"], 3) for run in runs],
        "byes_answered": worst("byes_answered"),
        "cancels_effective": worst("cancels_effective"),
        "lost_by_the_generator": sum(run["lost_by_the_generator"] for run in runs),
    }


def _share(part, whole):
    return part / whole if whole else None
