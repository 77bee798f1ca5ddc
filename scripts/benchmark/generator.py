"""Runs sigbox-load."""

import functools
import json
import pathlib
import subprocess
import threading

from .processes import Failed

ROOT = pathlib.Path(__file__).resolve().parents[2]


@functools.cache
def binaries():
    """Where cargo leaves release builds."""
    command = ["cargo", "metadata", "--format-version=1", "--no-deps", "--offline"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, text=True)
    return pathlib.Path(json.loads(run.stdout)["target_directory"]) / "release"


def pair(target, listeners, rate, seconds, wait_s=5):
    """Calls through the proxy at `target` to these listeners; the report of both sides."""
    listen = [f"--listen={listener}" for listener in listeners]
    command = [binaries() / "sigbox-load", "pair", f"--rate={rate}", f"--seconds={seconds}", f"--wait-s={wait_s}"]
    # 8 callers' addresses, so that sockets which share a port share the work.
    command += ["--json", "--sockets=8", *listen]
    if target:
        command.append(f"--target=127.0.0.1:{target}")
    return _run(command)


def works(target, listeners):
    """Whether a call goes through, end to end."""
    report = pair(target, listeners, 10, 0.1, wait_s=0.3)
    return report["caller"]["calls"]["completed"] == 1


def _run(command):
    run = subprocess.run([str(word) for word in command], capture_output=True, text=True)
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
