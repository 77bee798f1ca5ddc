"""Child processes, and what they use according to /proc."""

import contextlib
import os
import pathlib
import signal
import socket
import subprocess
import threading
import time

TICKS = os.sysconf("SC_CLK_TCK")
PATIENCE_S = 20


class Failed(Exception):
    """A server did not do what a measurement needs."""


def confined(command, cores):
    """The command on these cores only; on any when there are none."""
    return ["taskset", "--cpu-list", ",".join(map(str, cores)), *command] if cores else command


class Child:
    """A process and its children; ended by `close`."""

    def __init__(self, name, command, env=None):
        self.name = name
        self.lines = []
        self._news = threading.Condition()
        self._process = subprocess.Popen(
            [str(word) for word in command],
            env=dict(os.environ, **(env or {})),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            # A group of its own: Ctrl-C reaches the benchmark, which then ends them in order.
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self._process.stdout:
            with self._news:
                # What a measurement waits for comes first; a chatty server must not fill the memory.
                if len(self.lines) < 1000:
                    self.lines.append(line.rstrip("\n"))
                self._news.notify_all()
        with self._news:
            self._news.notify_all()

    def wait_for(self, text):
        """Waits for a line that contains `text`."""
        found = lambda: any(text in line for line in self.lines)
        with self._news:
            self._news.wait_for(lambda: found() or not self._reader.is_alive(), PATIENCE_S)
            if not found():
                raise Failed(f"{self.name} never printed {text!r}; it printed:\n" + "\n".join(self.lines[-20:]))

    def pids(self):
        """The process and its descendants."""
        parents = {}
        for folder in pathlib.Path("/proc").iterdir():
            if folder.name.isdigit() and (fields := _stat(folder.name)):
                parents[int(folder.name)] = int(fields[1])
        pids = [self._process.pid]
        for pid in pids:
            pids += [child for child, parent in parents.items() if parent == pid]
        return pids

    def cpu_s(self):
        """User and system time so far, of all threads of all its processes."""
        return sum(_cpu_s(pid) for pid in self.pids())

    def rss_bytes(self):
        """Resident memory of the process itself."""
        status = pathlib.Path(f"/proc/{self._process.pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
        return int(line.split()[1]) * 1024

    def close(self):
        """SIGTERM, and SIGKILL when that is not enough."""
        pids = self.pids()
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self._process.wait()
        self._reader.join(2)
        self._process.stdout.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def _stat(pid):
    """proc(5): the fields of /proc/PID/stat from the third on, after a name that may hold anything."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()
    except OSError:
        return None


def _cpu_s(pid):
    """utime and stime, fields 14 and 15."""
    fields = _stat(pid)
    return (int(fields[11]) + int(fields[12])) / TICKS if fields else 0.0


def free_ports(count, kind=socket.SOCK_DGRAM):
    """Ports of 127.0.0.1 that are free now, all different."""
    sockets = [socket.socket(socket.AF_INET, kind) for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


def eventually(what, look):
    """Waits until `look` returns something true, and returns it."""
    end = time.monotonic() + PATIENCE_S
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > end:
            raise Failed(f"{what}: not within {PATIENCE_S} s")
        time.sleep(0.05)
