"""Memory per transaction and per call, and after a burst."""

import time

from . import generator
from .processes import Failed
from .stage import listeners, prepared


def suspended_bytes(case, count, rate):
    """Memory per transaction that waits for a decider which never answers."""
    with case.start() as stage:
        called = listeners(stage, False)
        # The pools and tables of the first transactions are not theirs.
        warm = generator.Background(stage.port, called, 200, 0.5, wait_s=0.1).finish()
        before = stage.memory_bytes()
        load = generator.Background(stage.port, called, rate, count / rate, wait_s=3)
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
