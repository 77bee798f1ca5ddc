"""CPU, latency and disturbances per call, and the highest rate."""

from . import generator
from .search import search
from .stage import Kept, listeners, prepared

CLEAN = 0.001


def per_call(case, rates, seconds):
    """CPU of every process, latencies and disturbances, at each of these rates, on the same servers."""
    with prepared(case) as stage:
        return [_at(case, stage, rate, seconds) for rate in rates]


def _at(case, stage, rate, seconds):
    roles = stage.counted()
    before = {role: child.cpu_s() for role, child in roles.items()}
    report = generator.pair(stage.port, listeners(stage, case.fork), rate, seconds)
    after = {role: child.cpu_s() for role, child in roles.items()}
    calls = report["caller"]["calls"]
    count = max(calls["started"], 1)
    cpu = {role: (after[role] - before[role]) * 1e6 / count for role in roles}
    cpu["generator"] = report["cost"]["per_call_us"]
    caller, called = report["caller"]["latency"], report["answerer"]["latency"]
    return {
        "case": case.name,
        "rate": rate,
        "calls": calls,
        "failures": report["caller"]["failures"],
        "losers_cancelled": report["answerer"]["cancelled"],
        "lost_by_the_generator": report["lost_here"],
        "cpu_us_per_call": cpu,
        "latency_us": {
            "arrival": called.get("invite_arrival"),
            "to_180": caller.get("invite_to_180"),
            "to_200": caller.get("invite_to_200"),
            "setup": called.get("setup"),
            "bye": caller.get("bye"),
            "generator_lag": caller.get("generator_lag"),
        },
    }


def is_clean(calls, key):
    """Fewer than 0.1 % of the planned calls are `key`."""
    return calls[key] < CLEAN * calls["planned"]


def highest_rate(case, seconds, start, stride, cores=None):
    """The highest rate with < 0.1 % of calls lost, refused or repeated, looked for from `start` on. `cores` are those of the
    servers and those of the generator.

    180 after 200 does not count here, as the peer does that at every rate; whether it happened is in the steps.
    """
    servers, callers = cores or (None, None)
    steps = []

    def holds(rate):
        # A step that fails is tried again: the machine may have stumbled, not the proxy.
        for _ in range(2):
            report = kept.load(rate, seconds, wait_s=2, cores=callers)
            calls = report["caller"]["calls"]
            clean = is_clean(calls, "lost_or_repeated")
            steps.append({
                "rate": rate,
                "clean": clean,
                "calls": calls,
                "generator_lag_p99_us": report["caller"]["latency"]["generator_lag"]["p99_us"],
                "generator_us_per_call": report["cost"]["per_call_us"],
                "lost_by_the_generator": report["lost_here"],
            })
            if clean:
                return True
            kept.spoil()
        return False

    with Kept(case, servers) as kept:
        return {"case": case.name, "highest_rate": search(holds, start, stride), "steps": steps}
