"""What sigbox is to reach, held against the figures of a run."""

import dataclasses

from .pick import added_ms, bytes_each, change_percent, cpu_of, highest, middle, ratio

DIRECT, DECIDED, SILENT = "sigbox direct", "sigbox decided, Rust", "sigbox silent decider"


@dataclasses.dataclass(frozen=True)
class Row:
    """A goal, what was measured, and whether that is enough."""

    goal: str
    measured: str
    is_met: bool


def rows(figures):
    """Every goal that the run says something about."""
    found = []
    if runs := figures.get("per_call"):
        found += [*_cpu(runs), *_suspension(runs), *_order(runs), *_generator(runs)]
    if ceilings := figures.get("ceilings"):
        found += _ceiling(ceilings)
    if memory := figures.get("memory"):
        found += [*_bytes(memory), *_bursts(memory)]
    if overload := figures.get("overload"):
        found += _overload(overload["floods"])
    return found


def _cpu(runs):
    for case, goal in ((DECIDED, 0.40), (DIRECT, 0.45)):
        for rate in sorted({run["rate"] for run in runs}):
            share = ratio(runs, case, rate, cpu_of("proxy"))
            if share is not None:
                yield Row(f"{case} at {rate:,} calls/s: CPU of the proxy at most {goal:.2f} of Kamailio's", f"{share:.2f}",
                          share <= goal)


def _suspension(runs):
    for quantile, name, goal in (("p50_us", "p50", 0.5), ("p99_us", "p99", 3.0)):
        added = added_ms(runs, DECIDED, 1000, quantile)
        if added is not None:
            yield Row(f"suspension adds at most {goal:g} ms to INVITE-200 at 1,000 calls/s, {name}", f"{added:+.2f} ms",
                      added <= goal)


def _order(runs):
    mine = [run for run in runs if run["case"].startswith("sigbox")]
    if mine:
        reordered = sum(run["calls"]["reordered"] for run in mine)
        calls = sum(run["calls"]["started"] for run in mine)
        yield Row("180 after 200: none", f"{reordered:,} of {calls:,} calls", reordered == 0)


def _generator(runs):
    """Clearly less than the cheapest proxy."""
    for rate in sorted({run["rate"] for run in runs}):
        costs = [middle(runs, DIRECT, rate, cpu_of(role)) for role in ("generator", "proxy")]
        if None not in costs:
            share = costs[0] / costs[1]
            yield Row(f"the generator at {rate:,} calls/s: at most 0.80 of the CPU of the cheapest case, {DIRECT}",
                      f"{share:.2f} ({costs[0]:.0f} of {costs[1]:.0f} µs)", share <= 0.8)


def _ceiling(ceilings):
    mine, peers = highest(ceilings, DECIDED), highest(ceilings, "kamailio decided, Node")
    if mine is not None and peers:
        yield Row("highest clean decided rate at least 2 times Kamailio's", f"{mine / peers:.2f} ({mine:,.0f} to {peers:,.0f})",
                  mine >= 2 * peers)


def _bytes(memory):
    for kind, case, goal, what in (("suspended", SILENT, 6_000, "suspended transaction"),
                                   ("finished", DECIDED, 700, "finished call while its timers linger")):
        value = bytes_each(memory, kind, case)
        if value is not None:
            yield Row(f"at most {goal:,} bytes per {what}", f"{value:,.0f}", value <= goal)


def _bursts(memory):
    for run in memory["bursts"]:
        for number, each in enumerate(run["rounds"], 1):
            change = change_percent(each)
            yield Row(f"memory back to ±5 % {run['pause_s']} s after burst {number} of {run['burst']:,} calls", f"{change:+.1f} %",
                      abs(change) <= 5)


def _overload(floods):
    mine = [run for run in floods if run["case"].startswith("sigbox")]
    for run in mine:
        goal = 0.9 if run["factor"] <= 2 else 0.8
        of = "capacity" if run["kind"] == "invite" else "half the capacity, which is offered"
        # The generator has a limit of its own.
        reached = run["flood"] / run["capacity"]
        short = f" (reached: {reached:.1f} times)" if reached < run["factor"] - 0.1 else ""
        yield Row(f"{run['case']}, {run['factor']} times the capacity{short} in {run['kind'].upper()}: goodput at least {goal:.0%} of {of}",
                  f"{run['goodput']:.0%}" + (", or more: the generator lost datagrams" if run["lost_by_the_generator"] else ""),
                  run["goodput"] >= goal)
    for name, key in (("BYE", "byes_answered"), ("CANCEL", "cancels_effective")):
        shares = [run[key] for run in mine if run[key] is not None]
        if shares:
            worst = min(shares)
            yield Row(f"{name} under every flood: at least 99 % succeed", f"{worst:.1%} in the worst", worst >= 0.99)
