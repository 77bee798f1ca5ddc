"""Where and with what the figures were taken."""

import datetime
import os
import pathlib
import platform
import subprocess

from .generator import ROOT

VERSIONS = {
    "sigbox": ["git", "describe", "--always", "--dirty", "--abbrev=12"],
    "rustc": ["rustc", "--version"],
    "kamailio": ["kamailio", "-v"],
    "nats-server": [os.environ.get("NATS_SERVER_BIN", "nats-server"), "--version"],
    "node": ["node", "--version"],
}


def description():
    """Machine, kernel and versions."""
    return {
        "at": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "processor": _field("/proc/cpuinfo", "model name"),
        "cores": os.cpu_count(),
        "memory": _field("/proc/meminfo", "MemTotal"),
        "kernel": platform.release(),
        "load_before": os.getloadavg()[0],
        "socket_buffer_limit": int(pathlib.Path("/proc/sys/net/core/rmem_max").read_text()),
        "versions": {name: _first_line(command) for name, command in VERSIONS.items()},
    }


def _field(path, name):
    for line in pathlib.Path(path).read_text().splitlines():
        if line.startswith(name):
            return line.partition(":")[2].strip()
    return "unknown"


def _first_line(command):
    try:
        run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    except OSError as error:
        return str(error)
    return ((run.stdout + run.stderr).strip().splitlines() or ["unknown"])[0]
