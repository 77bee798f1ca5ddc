"""The page docs/benchmarks.md from the figures."""

from statistics import median

from .cases import CASES, CEILINGS

PEERS = {case.name: case.peer for case in CASES if case.peer}
# What sigbox is to reach, held against the figures in the page: shares of the peer's CPU, ...
CPU_GOALS = {"sigbox direct": 0.45, "sigbox decided, Rust": 0.40}
# ... times the peer's highest rate, ...
RATE_GOALS = {"sigbox decided, Rust": 2.0}
# ... milliseconds that suspension adds to p50 and p99 at 1,000 calls/s, ...
SUSPENSION_GOALS = {("sigbox decided, Rust", 1000): (0.5, 3.0)}
# ... bytes, and the change of the resident set after a burst in percent.
BYTES_GOALS = {("suspended", "sigbox silent decider"): 6_000, ("finished", "sigbox decided, Rust"): 700}
BURST_GOAL = 5.0


def page(figures):
    """Markdown."""
    parts = [
        "# Benchmarks\n",
        "sigbox beside Kamailio with evapi, rtjson and a decider in Node ([tests/load/peer](../tests/load/peer)), alternately, in",
        f"one run of `{figures['command']}`. Absolute figures belong to this machine; the ratios are what to look at. Both sides",
        "share their cores with the callers, the called, nats-server and the deciders. The raw figures are in",
        "[benchmarks.json](benchmarks.json).\n",
        _machine(figures["machine"]),
    ]
    if figures.get("per_call"):
        parts += [_cpu(figures["per_call"]), _latency(figures["per_call"]), _suspension(figures["per_call"]),
                  _order(figures["per_call"])]
    if figures.get("ceilings"):
        parts.append(_ceilings(figures["ceilings"]))
    if figures.get("memory"):
        parts.append(_memory(figures["memory"]))
    if figures.get("per_call"):
        parts.append(_behind(figures))
    parts.append(METHOD)
    return "\n".join(parts) + "\n"


METHOD = """## How it is measured

- A call is INVITE, 100, 180, 200, ACK, BYE, 200, without pauses, from 8 addresses to one gateway. `sigbox-load` places them in
  an open loop: the times are settled before the run, and latencies count from the time at which a request was due.
- CPU is user and system time of all processes and threads of a server from `/proc/PID/stat`, over the calls; what the kernel
  spends on sending counts for the sender, on loopback with the way into the receiver's socket.
- Servers are started anew for each figure and warmed up with 200 calls. Figures are medians over the rounds.
- *Direct*: a local rule, `$du` and `t_relay()` at the peer. *Decided*: every INVITE is suspended and asked about.
  *No decider*: NATS runs and nobody listens; at the peer the script counts connections and relays when there are none.
  *Fork*: the decider answers with two gateways, one answers, the other rings and gets CANCEL.
- *Disturbed*: failed, left open, any message sent twice, or 180 after 200. The highest rate leaves the order out, or the peer
  would have none.
- Memory is the resident set for sigbox, and the shared memory in use for Kamailio, whose pool is allocated at the start."""


def _machine(machine):
    lines = [
        f"{machine['at']}, {machine['cores']} cores of {machine['processor']}, {machine['memory']}, Linux {machine['kernel']}, "
        f"load before the run {machine['load_before']:.2f}, socket buffers up to {machine['socket_buffer_limit']:,} bytes.\n",
    ]
    lines += [f"- {name}: {version}" for name, version in machine["versions"].items()]
    return "\n".join(lines) + "\n"


def _median(runs, case, rate, pick):
    values = [pick(run) for run in runs if run["case"] == case and run["rate"] == rate]
    values = [value for value in values if value is not None]
    return median(values) if values else None


def _each(runs):
    """Cases and rates that there are, in order."""
    for rate in sorted({run["rate"] for run in runs}):
        for case in CASES:
            if any(run["case"] == case.name and run["rate"] == rate for run in runs):
                yield case.name, rate


def _table(title, columns, rows):
    lines = [f"## {title}\n", "| " + " | ".join(columns) + " |", "|---" * len(columns) + "|"]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def _number(value, digits=0):
    return "" if value is None else f"{value:,.{digits}f}"


def _goal(value, goal, at_least=False):
    """What a goal says to a value, in brackets."""
    if goal is None or value is None:
        return ""
    met = value >= goal if at_least else value <= goal
    return f" (goal {goal:,g}: {'met' if met else '**missed**'})"


def _cpu_of(role):
    return lambda run: run["cpu_us_per_call"].get(role)


def _all_cpu(run):
    return sum(value for role, value in run["cpu_us_per_call"].items() if role != "generator")


def _ratio(runs, case, rate, pick):
    mine = _median(runs, case, rate, pick)
    peers = _median(runs, PEERS[case], rate, pick) if case in PEERS else None
    return mine / peers if mine is not None and peers else None


def _cpu(runs):
    rows = []
    for case, rate in _each(runs):
        cells = [_number(_median(runs, case, rate, _cpu_of(role)))
                 for role in ("proxy", "decider", "nats-server")]
        total = _number(_median(runs, case, rate, _all_cpu))
        share = _ratio(runs, case, rate, _cpu_of("proxy"))
        ratio = _number(share, 2) + _goal(share, CPU_GOALS.get(case))
        generator = _number(_median(runs, case, rate, _cpu_of("generator")))
        rows.append([case, f"{rate:,}", *cells, total, ratio, _number(_ratio(runs, case, rate, _all_cpu), 2), generator])
    columns = ["case", "calls/s", "proxy", "decider", "nats-server", "all", "proxy/peer's", "all/peer's", "generator"]
    return _table("CPU per call, microseconds", columns, rows)


def _latency(runs):
    rows = []
    for case, rate in _each(runs):
        cells = []
        for what in ("arrival", "to_180", "to_200", "bye"):
            for quantile in ("p50_us", "p99_us", "p999_us"):
                pick = lambda run: (run["latency_us"][what] or {}).get(quantile)
                value = _median(runs, case, rate, pick)
                cells.append("" if value is None else f"{value / 1e3:.2f}")
        rows.append([case, f"{rate:,}", *(" / ".join(cells[i:i + 3]) for i in range(0, 12, 3))])
    columns = ["case", "calls/s", "INVITE arrives", "INVITE to 180", "INVITE to 200", "BYE to 200"]
    return _table("Latency, milliseconds: p50 / p99 / p99.9", columns, rows)


def _suspension(runs):
    """What suspending adds to the INVITE's way."""
    rows = []
    for case, rate in _each(runs):
        if " decided" not in case:
            continue
        direct = case.split(" ")[0] + " direct"
        cells = []
        goals = SUSPENSION_GOALS.get((case, rate), (None, None))
        for quantile, goal in zip(("p50_us", "p99_us"), goals):
            pick = lambda run: (run["latency_us"]["to_200"] or {}).get(quantile)
            pair = _median(runs, case, rate, pick), _median(runs, direct, rate, pick)
            added = None if None in pair else (pair[0] - pair[1]) / 1e3
            cells.append("" if added is None else f"{added:+.2f}" + _goal(added, goal))
        rows.append([case, f"{rate:,}", *cells])
    return _table("What suspension adds to INVITE-200, milliseconds", ["case", "calls/s", "p50", "p99"], rows) if rows else ""


def _order(runs):
    rows = []
    for case, rate in _each(runs):
        total = lambda key: sum(run["calls"][key] for run in runs if run["case"] == case and run["rate"] == rate)
        rows.append([case, f"{rate:,}", *(f"{total(key):,}" for key in
                                          ("planned", "failed", "unfinished", "lost_or_repeated", "reordered", "disturbed"))])
    columns = ["case", "calls/s", "calls", "failed", "unfinished", "lost or repeated", "180 after 200", "disturbed"]
    return _table("Disturbed calls, all rounds together", columns, rows)


def _ceilings(ceilings):
    highest = {}
    for case in CEILINGS:
        rates = [run["highest_rate"] for run in ceilings if run["case"] == case.name]
        if rates:
            highest[case.name] = (median(rates), sorted(rates))
    rows = []
    for name, (middle, rates) in highest.items():
        peer = highest.get(PEERS.get(name, ""), (0,))[0]
        times = middle / peer if peer else None
        rows.append([name, _number(middle), ", ".join(f"{rate:,}" for rate in rates),
                     _number(times, 2) + _goal(times, RATE_GOALS.get(name), at_least=True)])
    columns = ["case", "calls/s", "rounds", "times the peer's"]
    return _table("Highest rate with < 0.1 % of calls lost or repeated", columns, rows)


def _memory(memory):
    rows = []
    for what, key in (("suspended transaction", "suspended"), ("finished call while it lingers", "finished")):
        for name in dict.fromkeys(run["case"] for run in memory[key]):
            values = [run["bytes_each"] for run in memory[key] if run["case"] == name]
            rows.append([what, name, _number(median(values)), _goal(median(values), BYTES_GOALS.get((key, name))).strip()])
    for run in memory["bursts"]:
        for number, each in enumerate(run["rounds"], 1):
            change = (each["after"] / each["before"] - 1) * 100
            rows.append([f"burst {number} of {run['burst']:,} calls", run["case"],
                         _number(each["before"]), f"peak {each['peak']:,}, {change:+.1f} % after {run['pause_s']} s"
                         + _goal(abs(change), BURST_GOAL)])
    return _table("Memory, bytes", ["what", "case", "bytes", ""], rows)


def _behind(figures):
    """Everything in which sigbox is not ahead, by name."""
    runs = figures["per_call"]
    lines = []
    for case, rate in _each(runs):
        if case not in PEERS:
            continue
        checks = [("CPU of the proxy", _cpu_of("proxy")), ("CPU of everything", _all_cpu)]
        for what, name in (("to_180", "INVITE-180"), ("to_200", "INVITE-200"), ("bye", "BYE-200")):
            for quantile, short in (("p50_us", "p50"), ("p99_us", "p99"), ("p999_us", "p99.9")):
                pick = lambda run, what=what, quantile=quantile: (run["latency_us"][what] or {}).get(quantile)
                checks.append((f"{name} {short}", pick))
        ratios = [(what, _ratio(runs, case, rate, pick)) for what, pick in checks]
        worse = [f"{what} {ratio:.2f}" for what, ratio in ratios if ratio is not None and ratio > 1]
        if worse:
            lines.append(f"- {case} at {rate:,}/s: {', '.join(worse)}")
    text = "\n".join(lines) or "Nowhere in this run."
    return f"## Where sigbox is behind\n\nTimes the peer's figure, where that is more than 1.\n\n{text}\n"
