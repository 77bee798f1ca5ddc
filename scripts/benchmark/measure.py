"""One measurement of each kind."""

import time

from . import generator
from .processes import Failed, eventually
from .search import search

WARM_UP = {"rate": 200, "seconds": 1}
CLEAN = 0.001


def listeners(stage, fork):
    """The called side: one gateway that answers, and in a fork one that rings until it loses."""
    answering, ringing = stage.gateways
    return [f"127.0.0.1:{answering}"] + ([f"127.0.0.1:{ringing}=ring"] if fork else [])


def prepared(case):
    """The case's servers, warm."""
    stage = case.start()
    try:
        called = listeners(stage, case.fork)
        eventually(f"a call through {case.name}", lambda: generator.works(stage.port, called))
        generator.pair(stage.port, called, **WARM_UP)
    except BaseException:
        stage.close()
        raise
    return stage


def per_call(case, rate, seconds):
    """CPU of every process, latencies and disturbances, at a rate."""
    with prepared(case) as stage:
        roles = stage.counted()
        before = {role: child.cpu_s() for role, child in roles.items()}
        report = generator.pair(stage.port, listeners(stage, case.fork), rate, seconds)
        after = {role: child.cpu_s() for role, child in roles.items()}
    calls = report["caller"]["calls"]
    count = max(calls["started"], 1)
    cpu = {role: (after[role] - before[role]) * 1e6 / count for role in roles}
    cpu["generator"] = report["caller"]["cost"]["per_call_us"] + report["answerer"]["cost"]["per_call_us"]
    caller, called = report["caller"]["latency"], report["answerer"]["latency"]
    return {
        "case": case.name,
        "rate": rate,
        "calls": calls,
        "failures": report["caller"]["failures"],
        "losers_cancelled": report["answerer"]["cancelled"],
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


def highest_rate(case, seconds, start, resolution):
    """The highest rate with < 0.1 % of calls lost or repeated: doubled until one is not, then halved in between.

    180 after 200 does not count here, as the peer does that at every rate; whether it happened is in the steps.
    """
    steps = []

    def holds(rate):
        # A step that fails is tried again: the machine may have stumbled, not the proxy.
        for _ in range(2):
            with prepared(case) as stage:
                report = generator.pair(stage.port, listeners(stage, case.fork), rate, seconds)
            calls = report["caller"]["calls"]
            lag = report["caller"]["latency"]["generator_lag"]["p99_us"]
            clean = is_clean(calls, "lost_or_repeated")
            steps.append({"rate": rate, "clean": clean, "calls": calls, "generator_lag_p99_us": lag})
            if clean:
                return True
        return False

    return {"case": case.name, "highest_rate": search(holds, start, resolution), "steps": steps}


def suspended_bytes(case, count, rate):
    """Memory per transaction that waits for a decider which never answers."""
    with case.start() as stage:
        called = listeners(stage, False)
        # The pools and tables of the first transactions are not theirs.
        warm = generator.Background(stage.port, called, 200, 0.5, wait_s=0.1).finish()
        before = stage.memory_bytes()
        load = generator.Background(stage.port, called, rate, count / rate, wait_s=4)
        time.sleep(count / rate + 1.5)
        after = stage.memory_bytes()
        suspended = stage.metric("sigbox_transactions_suspended") if hasattr(stage, "metric") else None
        report = load.finish()
    calls = report["caller"]["calls"]
    if calls["unfinished"] != calls["planned"] or warm["caller"]["calls"]["completed"]:
        raise Failed(f"{case.name}: {calls} instead of suspended calls; {report['caller']['failures']}")
    return {
        "case": case.name,
        "suspended": calls["planned"],
        "suspended_by_the_proxy_itself": suspended,
        "bytes_each": (after - before) / calls["planned"],
    }


def finished_bytes(case, rate, seconds):
    """Memory per finished call, right after calls so short ago that all of them linger."""
    with prepared(case) as stage:
        before = stage.memory_bytes()
        report = generator.pair(stage.port, listeners(stage, case.fork), rate, seconds)
        after = stage.memory_bytes()
        lingering = stage.metric("sigbox_transactions_lingering") if hasattr(stage, "metric") else None
    calls = report["caller"]["calls"]
    return {
        "case": case.name,
        "finished": calls["completed"],
        "lingering_transactions": lingering,
        "bytes_each": (after - before) / max(calls["completed"], 1),
    }


def after_burst(case, calls, rate, pause_s):
    """Memory before, right after and some time after a burst."""
    with prepared(case) as stage:
        # Twice the same, as the first burst also pays for what the process keeps for good.
        rounds = []
        for _ in range(2):
            before = stage.memory_bytes()
            report = generator.pair(stage.port, listeners(stage, case.fork), rate, calls / rate)
            peak = stage.memory_bytes()
            time.sleep(pause_s)
            rounds.append({"before": before, "peak": peak, "after": stage.memory_bytes(),
                           "calls": report["caller"]["calls"]})
    return {"case": case.name, "burst": calls, "rate": rate, "pause_s": pause_s, "rounds": rounds}
