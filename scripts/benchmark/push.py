"""What pushing a table of a million prefixes does to the calls that go on meanwhile: `python3 -m benchmark.push`.

Calls are routed by that table. Quiet runs, runs with one push in the middle and runs with push after push take turns, so that
all meet the machine in the same mood; the medians of their quantiles are printed.
"""

import argparse
import itertools
import pathlib
import random
import statistics
import subprocess
import tempfile
import threading
import time

from .generator import binaries, pair
from .processes import eventually, free_ports
from .servers import Sigbox

ROWS = 1_000_000
RATE = 500


class Routed(Sigbox):
    """sigbox that asks nobody: the table `rates` says where calls go."""

    def _start(self, mode, fork):
        config = self.folder / "sigbox.toml"
        config.write_text(
            f'[sip]\nlisten = "udp:127.0.0.1:{self.port}"\n[nats]\nservers = "nats://127.0.0.1:1"\n'
            f'[data]\ndir = "{self.folder}/data"\n[admin]\nlisten = "127.0.0.1:{self.side_port}"\n'
            '[[rule]]\naction = "table"\ntable = "rates"\n'
        )
        self.proxy = self.child("sigbox", [binaries() / "sigbox", "run", "-c", config])
        eventually("sigbox up", lambda: self.metric("sigbox_nats_connected") is not None)


def deck(path, hop, seed):
    """A million prefixes, a hundred thousand different rows; the one that the calls need is among them."""
    draw = random.Random(seed)
    prefixes = set()
    while len(prefixes) < ROWS - 1:
        prefixes.add(str(draw.randrange(10**3, 10**9)))
    prefixes.discard("4930")
    with open(path, "w", encoding="ascii") as file:
        file.write("prefix,dst_uri,rate,carrier\n")
        file.write(f"4930,{hop},0.01,a\n")
        for prefix in prefixes:
            file.write(f"{prefix},{hop},{draw.randrange(1, 50_001) / 10_000},{draw.choice('ab')}\n")


def push(port, path):
    """Pushes the file; how long that took. Whoever pushes is on another machine usually: it must not take a core from
    the callers here."""
    began = time.monotonic()
    command = ["chrt", "--idle", "0", "curl", "--silent", "--show-error", "--fail-with-body", "-T", str(path)]
    command += ["-H", "Content-Type: text/csv", f"http://127.0.0.1:{port}/api/v1/tables/rates?kind=prefixes"]
    run = subprocess.run(command, capture_output=True, text=True)
    if run.returncode:
        raise SystemExit(f"a push failed: {run.stdout} {run.stderr}")
    return time.monotonic() - began


class Pushing:
    """Pushes beside a run: one after a quarter of it, or one after another."""

    def __init__(self, port, decks, seconds, endless):
        self.took = []
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(port, decks, seconds, endless), daemon=True)
        self._thread.start()

    def _run(self, port, decks, seconds, endless):
        time.sleep(0 if endless else seconds / 4)
        while not self._done.is_set():
            self.took.append(push(port, next(decks)))
            if not endless:
                return

    def finish(self):
        self._done.set()
        self._thread.join()
        return self.took


def main():
    parser = argparse.ArgumentParser(prog="benchmark.push", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=12)
    options = parser.parse_args()
    kinds = ["quiet", "one push", "push after push"]
    found = {kind: [] for kind in kinds}
    took = []
    with Routed("table") as stage, tempfile.TemporaryDirectory(prefix="sigbox-push-") as folder:
        decks = [pathlib.Path(folder) / f"{name}.csv" for name in "ab"]
        for seed, path in enumerate(decks):
            deck(path, f"sip:127.0.0.1:{stage.gateways[0]}", seed)
        # One that counts already would change nothing.
        decks = itertools.cycle(decks)
        push(stage.side_port, next(decks))
        memory = stage.proxy.rss_bytes()
        for _ in range(options.rounds):
            for kind in kinds:
                endless = kind == "push after push"
                pushing = None if kind == "quiet" else Pushing(stage.side_port, decks, options.seconds, endless)
                report = pair(stage.port, [f"127.0.0.1:{stage.gateways[0]}"], RATE, options.seconds)
                took += pushing.finish() if pushing else []
                calls = report["caller"]["calls"]
                if calls["completed"] != calls["planned"]:
                    raise SystemExit(f"{kind}: {calls}")
                found[kind].append(report["caller"])
        after = stage.proxy.rss_bytes()
    print(f"{ROWS:,} prefixes, {RATE} calls/s, {options.rounds} rounds of {options.seconds:g} s; every call completed")
    print(f"a push took {min(took):.1f} to {max(took):.1f} s; {len(took)} pushes; the proxy had {memory >> 20} MiB, then {after >> 20}")
    for what in ["invite_to_180", "invite_to_200", "generator_lag"]:
        usual = None
        for kind in kinds:
            quantiles = {
                name: statistics.median(report["latency"][what][f"{name}_us"] for report in found[kind]) / 1e3
                for name in ["p50", "p99", "p999"]
            }
            usual = usual or quantiles
            change = quantiles["p99"] / usual["p99"] - 1
            print(f"{what} {kind:16} p50 {quantiles['p50']:.2f}  p99 {quantiles['p99']:.2f} ({change:+.0%})  p99.9 {quantiles['p999']:.2f} ms")


if __name__ == "__main__":
    main()
