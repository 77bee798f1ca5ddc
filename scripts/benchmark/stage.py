"""Servers that are up, warm and proven to work."""

import time

from . import generator
from .processes import eventually

WARM_UP = {"rate": 200, "seconds": 1}


def listeners(stage, fork):
    """The called side: one gateway that answers, and in a fork one that rings until it loses."""
    answering, ringing = stage.gateways
    return [f"127.0.0.1:{answering}"] + ([f"127.0.0.1:{ringing}=ring"] if fork else [])


def prepared(case, cores=None):
    """The case's servers, warm."""
    stage = case.start(cores)
    try:
        called = listeners(stage, case.fork)
        eventually(f"a call through {case.name}", lambda: generator.works(stage.port, called))
        generator.pair(stage.port, called, **WARM_UP)
    except BaseException:
        stage.close()
        raise
    return stage


class Kept:
    """Servers of a case that are used again as long as nobody says that they are spoiled."""

    def __init__(self, case, cores=None):
        self._case, self._cores = case, cores
        self._stage = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.spoil()

    def load(self, rate, seconds, **options):
        """Calls through these servers."""
        self._stage = self._stage or prepared(self._case, self._cores)
        called = listeners(self._stage, self._case.fork)
        return generator.pair(self._stage.port, called, rate, seconds, **options)

    def watched(self, rate, seconds, **options):
        """The same, with the CPU time that all servers took and how long the load ran, in seconds."""
        self._stage = self._stage or prepared(self._case, self._cores)
        used = lambda: sum(child.cpu_s() for child in self._stage.counted().values())
        before, began = used(), time.monotonic()
        report = self.load(rate, seconds, **options)
        return report, used() - before, time.monotonic() - began

    def spoil(self):
        """The next load meets new servers."""
        if self._stage:
            self._stage.close()
        self._stage = None
