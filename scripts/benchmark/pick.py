"""Single values out of the figures."""

from statistics import median

from .cases import CASES

PEERS = {case.name: case.peer for case in CASES if case.peer}


def middle(runs, case, rate, pick):
    """The median over the rounds; None when there is nothing."""
    values = [pick(run) for run in runs if run["case"] == case and run["rate"] == rate]
    values = [value for value in values if value is not None]
    return median(values) if values else None


def each(runs):
    """Cases and rates that there are, in order."""
    for rate in sorted({run["rate"] for run in runs}):
        for case in CASES:
            if any(run["case"] == case.name and run["rate"] == rate for run in runs):
                yield case.name, rate


def cpu_of(role):
    """CPU of a process, in microseconds per call."""
    return lambda run: run["cpu_us_per_call"].get(role)


def all_cpu(run):
    """CPU of everything but the generator."""
    return sum(value for role, value in run["cpu_us_per_call"].items() if role != "generator")


def latency(what, quantile):
    """A quantile, in microseconds."""
    return lambda run: (run["latency_us"][what] or {}).get(quantile)


def ratio(runs, case, rate, pick):
    """Times the peer's."""
    mine = middle(runs, case, rate, pick)
    peers = middle(runs, PEERS[case], rate, pick) if case in PEERS else None
    return mine / peers if mine is not None and peers else None


def added_ms(runs, case, rate, quantile):
    """What suspending adds to INVITE-200: a decided case beside the direct one of the same proxy."""
    direct = case.split(" ")[0] + " direct"
    pair = [middle(runs, name, rate, latency("to_200", quantile)) for name in (case, direct)]
    return None if None in pair else (pair[0] - pair[1]) / 1e3


def highest(ceilings, case):
    """The median of the highest rates of a case."""
    rates = [run["highest_rate"] for run in ceilings if run["case"] == case]
    return median(rates) if rates else None


def bytes_each(memory, kind, case):
    """The median of bytes per transaction or call."""
    values = [run["bytes_each"] for run in memory[kind] if run["case"] == case]
    return median(values) if values else None


def change_percent(burst_round):
    """Memory some time after a burst, beside that before it."""
    return (burst_round["after"] / burst_round["before"] - 1) * 100
