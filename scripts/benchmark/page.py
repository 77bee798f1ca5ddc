"""The page docs/benchmarks.md from the figures."""

from . import goals
from .cases import CEILINGS
from .pick import PEERS, added_ms, all_cpu, bytes_each, change_percent, cpu_of, each, highest, latency, middle, ratio


def page(figures):
    """Markdown."""
    parts = [
        "# Benchmarks\n",
        "sigbox beside Kamailio with evapi, rtjson and a decider in Node ([tests/load/peer](../tests/load/peer)), alternately, in",
        f"one run of `{figures['command']}`. Absolute figures belong to this machine; the ratios are what to look at. Both sides",
        "share their cores with the callers, the called, nats-server and the deciders. The raw figures are in",
        "[benchmarks.json](benchmarks.json).\n",
        _goals(figures),
        _machine(figures),
    ]
    if runs := figures.get("per_call"):
        parts += [_cpu(runs), _latency(runs), _suspension(runs), _order(runs)]
    if figures.get("ceilings"):
        parts.append(_ceilings(figures["ceilings"]))
    if figures.get("memory"):
        parts.append(_memory(figures["memory"]))
    if figures.get("overload"):
        parts.append(_overload(figures["overload"]))
    if figures.get("per_call"):
        parts.append(_behind(figures["per_call"]))
    parts.append(METHOD)
    return "\n".join(parts) + "\n"


METHOD = """## How it is measured

- A call is INVITE, 100, 180, 200, ACK, BYE, 200, without pauses, from 2 addresses to one gateway. `sigbox-load` places them in
  an open loop: the times are settled before the run, and latencies count from the time at which a request was due.
- CPU is user and system time of all processes and threads of a server from `/proc/PID/stat`, over the calls; what the kernel
  spends on sending counts for the sender, on loopback with the way into the receiver's socket.
- Servers are started anew for each case and round and warmed up with 200 calls. Figures are medians over the rounds.
- *Direct*: a local rule, `$du` and `t_relay()` at the peer. *Decided*: every INVITE is suspended and asked about.
  *No decider*: NATS runs and nobody listens; at the peer the script counts connections and relays when there are none.
  *Fork*: the decider answers with two gateways, one answers, the other rings and gets CANCEL.
- *Disturbed*: failed, left open, any message sent twice, or 180 after 200. The highest rate leaves the order out, or the peer
  would have none.
- Memory is the resident set for sigbox, and the shared memory in use for Kamailio, whose pool is allocated at the start."""

OVERLOAD = """The proxy, nats-server and the decider share one core and the generator has the rest, so that it can offer ten times
what they take without taking it away from them (50,000 calls/s are its limit); the capacity is the highest clean rate of the servers on that core, and so lower
than above. Each flood lasts 8 s, or longer where the generator began calls late, as it reads what came before it sends; the
rate is what it reached. Goodput are the calls that were completed, BYE included, while further ones arrived, of the capacity; beside floods of other things half the capacity is offered as calls, and goodput is the share of these. Refused is 503
with Retry-After. The row is the run with the median goodput, BYE and CANCEL are those of the worst run. Beside every flood there are calls from before it that end in it, and callers who hang up while it rings: BYE is
the share of all BYEs that got their 200, CANCEL that of all CANCELs that got 200 and 487 for the INVITE. Where the generator lost
datagrams, as its sockets were full, it could not keep up with what came back, and the figures are lower bounds.
"""


def _goals(figures):
    rows = [[row.goal, row.measured, "yes" if row.is_met else "**no**"] for row in goals.rows(figures)]
    return _table("What sigbox is to reach", ["goal", "measured", "met?"], rows) if rows else ""


def _machine(figures):
    machine, settings = figures["machine"], figures["settings"]
    lines = [
        f"{machine['at']}, {machine['cores']} cores of {machine['processor']}, {machine['memory']}, Linux {machine['kernel']}, "
        f"load before the run {machine['load_before']:.2f}, socket buffers up to {machine['socket_buffer_limit']:,} bytes.\n",
    ]
    lines += [f"- {name}: {version}" for name, version in machine["versions"].items()]
    tried = "; ".join(
        f"{children}: " + ", ".join(f"{used:.0f} µs ({case.removeprefix('kamailio ')})" for case, used in each_case.items())
        for children, each_case in settings["kamailio_children_tried"].items()
    )
    lines.append(f"- sigbox runs with `shards = {settings['sigbox_shards']}`, half of the cores.")
    lines.append(f"- Kamailio runs with `children={settings['kamailio_children']}` and as many evapi workers"
                 + (f", with which it needs less CPU at 1,000 calls/s than with others (per call with {tried})." if tried else "."))
    return "\n".join(lines) + "\n"


def _table(title, columns, rows, text=""):
    lines = [f"## {title}\n", *([text] if text else []), "| " + " | ".join(columns) + " |", "|---" * len(columns) + "|"]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def _number(value, digits=0):
    return "" if value is None else f"{value:,.{digits}f}"


def _percent(value):
    return "" if value is None else f"{value:.1%}"


def _cpu(runs):
    rows = []
    for case, rate in each(runs):
        cells = [_number(middle(runs, case, rate, cpu_of(role))) for role in ("proxy", "decider", "nats-server")]
        cells.append(_number(middle(runs, case, rate, all_cpu)))
        cells += [_number(ratio(runs, case, rate, pick), 2) for pick in (cpu_of("proxy"), all_cpu)]
        generator, proxy = (middle(runs, case, rate, cpu_of(role)) for role in ("generator", "proxy"))
        cells.append(f"{_number(generator)} ({generator / proxy:.2f})" if proxy else _number(generator))
        rows.append([case, f"{rate:,}", *cells])
    columns = ["case", "calls/s", "proxy", "decider", "nats-server", "all", "proxy/peer's", "all/peer's",
               "generator (of the proxy's)"]
    return _table("CPU per call, microseconds", columns, rows)


def _latency(runs):
    rows = []
    for case, rate in each(runs):
        cells = []
        for what in ("arrival", "to_180", "to_200", "bye"):
            values = [middle(runs, case, rate, latency(what, quantile)) for quantile in ("p50_us", "p99_us", "p999_us")]
            cells.append(" / ".join("" if value is None else f"{value / 1e3:.2f}" for value in values))
        rows.append([case, f"{rate:,}", *cells])
    columns = ["case", "calls/s", "INVITE arrives", "INVITE to 180", "INVITE to 200", "BYE to 200"]
    return _table("Latency, milliseconds: p50 / p99 / p99.9", columns, rows)


def _suspension(runs):
    """What suspending adds to the INVITE's way."""
    rows = []
    for case, rate in each(runs):
        if " decided" in case:
            added = [added_ms(runs, case, rate, quantile) for quantile in ("p50_us", "p99_us")]
            rows.append([case, f"{rate:,}", *("" if value is None else f"{value:+.2f}" for value in added)])
    return _table("What suspension adds to INVITE-200, milliseconds", ["case", "calls/s", "p50", "p99"], rows) if rows else ""


def _order(runs):
    rows = []
    for case, rate in each(runs):
        total = lambda key: sum(run["calls"][key] for run in runs if run["case"] == case and run["rate"] == rate)
        keys = ("planned", "refused", "failed", "unfinished", "lost_or_repeated", "reordered", "disturbed")
        rows.append([case, f"{rate:,}", *(f"{total(key):,}" for key in keys)])
    columns = ["case", "calls/s", "calls", "refused", "failed", "unfinished", "lost or repeated", "180 after 200", "disturbed"]
    return _table("Disturbed calls, all rounds together", columns, rows)


def _ceilings(ceilings):
    rows = []
    for case in CEILINGS:
        runs = [run for run in ceilings if run["case"] == case.name]
        if not runs:
            continue
        mine, peers = highest(ceilings, case.name), highest(ceilings, PEERS.get(case.name))
        workers = sorted({run["children"] for run in runs if run.get("children")})
        last = [step for run in runs for step in run["steps"] if step["clean"] and step["rate"] == run["highest_rate"]]
        generator = max((step["generator_us_per_call"] * step["rate"] / 1e6 for step in last), default=None)
        rows.append([case.name + (f", children={'/'.join(map(str, workers))}" if workers else ""), _number(mine),
                     ", ".join(f"{rate:,}" for rate in sorted(run["highest_rate"] for run in runs)),
                     _number(mine / peers if peers else None, 2), _number(generator, 2)])
    columns = ["case", "calls/s", "rounds", "times the peer's", "cores that the generator used"]
    return _table("Highest rate with < 0.1 % of calls lost, refused or repeated", columns, rows)


def _memory(memory):
    rows = []
    for what, key in (("suspended transaction", "suspended"), ("finished call while it lingers", "finished")):
        for name in dict.fromkeys(run["case"] for run in memory[key]):
            rows.append([what, name, _number(bytes_each(memory, key, name)), ""])
    for run in memory["bursts"]:
        for number, burst in enumerate(run["rounds"], 1):
            rows.append([f"burst {number} of {run['burst']:,} calls", run["case"], _number(burst["before"]),
                         f"peak {burst['peak']:,}, {change_percent(burst):+.1f} % after {run['pause_s']} s"])
    return _table("Memory, bytes", ["what", "case", "bytes", ""], rows)


def _overload(overload):
    rows = []
    for run in overload["floods"]:
        started = max(run["calls"]["started"], 1)
        p50 = (run["to_200_us"] or {}).get("p50_us")
        rows.append([
            run["case"], _number(run["capacity"]),
            f"{run['flood']:,} {run['kind'].upper()}/s" + ("" if run["kind"] == "invite" else f" and {run['offered']:,} calls/s"),
            _percent(run["goodput"]), _percent(run["calls"]["refused"] / started),
            _percent((run["calls"]["failed"] + run["calls"]["unfinished"]) / started),
            _percent(run["byes_answered"]), _percent(run["cancels_effective"]),
            _number(None if p50 is None else p50 / 1e3, 1), _number(run["servers_cores"], 2), f"{run['lost_by_the_generator']:,}",
        ])
    columns = ["case", "capacity", "offered", "goodput", "refused", "failed or open", "BYE", "CANCEL", "INVITE to 200 p50, ms",
               "cores that the servers used", "lost by the generator"]
    # A case that was measured again after a change that only touches floods.
    again = [f"*{run['case']}* was measured again at sigbox {run['sigbox']}, with `{run['command']}`.\n" for run in overload.get("again", [])]
    return _table("Overload", columns, rows, "\n".join([OVERLOAD, *again]))


def _behind(runs):
    """Everything in which sigbox is not ahead, by name."""
    lines = []
    for case, rate in each(runs):
        if case not in PEERS:
            continue
        checks = [("CPU of the proxy", cpu_of("proxy")), ("CPU of everything", all_cpu)]
        for what, name in (("to_180", "INVITE-180"), ("to_200", "INVITE-200"), ("bye", "BYE-200")):
            for quantile, short in (("p50_us", "p50"), ("p99_us", "p99"), ("p999_us", "p99.9")):
                checks.append((f"{name} {short}", latency(what, quantile)))
        ratios = [(what, ratio(runs, case, rate, pick)) for what, pick in checks]
        worse = [f"{what} {times:.2f}" for what, times in ratios if times is not None and times > 1]
        if worse:
            lines.append(f"- {case} at {rate:,}/s: {', '.join(worse)}")
    text = "\n".join(lines) or "Nowhere in this run."
    return f"## Where sigbox is behind\n\nTimes the peer's figure, where that is more than 1.\n\n{text}\n"
