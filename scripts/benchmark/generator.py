"""Runs sigbox-load."""

import functools
import json
import pathlib
import subprocess
import threading

from .processes import Failed, confined

ROOT = pathlib.Path(__file__).resolve().parents[2]
# What sigbox-load takes in one run, all callers together.
MOST_CALLS_PER_SECOND = 50_000
# A run that goes on so long after its last call and the time for waiting hangs.
GRACE_S = 30


@functools.cache
def binaries():
    """Where cargo leaves release builds."""
    command = ["cargo", "metadata", "--format-version=1", "--no-deps", "--offline"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, text=True)
    return pathlib.Path(json.loads(run.stdout)["target_directory"]) / "release"


def calls(rate, seconds, **more):
    """Options of one caller: `after_s`, `hold_ms`, `cancel_after_ms`, `scenario`, and `rings` as a flag."""
    options = {"rate": max(round(rate), 1), "seconds": seconds, **more}
    words = []
    for name, value in options.items():
        word = "--" + name.replace("_", "-")
        words.append(word if value is True else f"{word}={value}")
    return words


def pair(target, listeners, rate, seconds, wait_s=5, beside=(), cores=None, **more):
    """Calls through the proxy at `target` to these listeners; the report of all sides. `beside` are further callers."""
    command = [binaries() / "sigbox-load", "pair", *calls(rate, seconds, **more), f"--wait-s={wait_s}", "--json"]
    command += [f"--listen={listener}" for listener in listeners]
    if target:
        command.append(f"--target=127.0.0.1:{target}")
    for words in beside:
        command += ["--beside", " ".join([*words, f"--wait-s={wait_s}"])]
    ends = [seconds + more.get("after_s", 0)] + [_end(words) for words in beside]
    return _run(confined(command, cores), max(ends) + wait_s + GRACE_S)


def _end(words):
    options = dict(word.removeprefix("--").split("=") for word in words if "=" in word)
    return float(options["seconds"]) + float(options.get("after-s", 0))


def works(target, listeners):
    """Whether a call goes through, end to end."""
    report = pair(target, listeners, 10, 0.1, wait_s=0.3)
    return report["caller"]["calls"]["completed"] == 1


def _run(command, timeout_s):
    try:
        run = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=timeout_s)
    except subprocess.TimeoutExpired:
        raise Failed(f"sigbox-load did not end within {timeout_s:.0f} s") from None
    try:
        return json.loads(run.stdout)
    except json.JSONDecodeError:
        raise Failed(f"sigbox-load said: {run.stderr}") from None


class Background:
    """A load that runs while something else is looked at."""

    def __init__(self, *arguments, **options):
        self.report = None
        self._thread = threading.Thread(target=self._place, args=(arguments, options), daemon=True)
        self._thread.start()

    def _place(self, arguments, options):
        self.report = pair(*arguments, **options)

    def finish(self):
        """Its report, when it is over."""
        self._thread.join()
        if self.report is None:
            raise Failed("the load did not run")
        return self.report
