"""What is measured, and what it needs: proxies, deciders, nats-server."""

import contextlib
import os
import pathlib
import socket
import subprocess
import tempfile
import threading
import urllib.request

from .generator import ROOT, binaries
from .processes import Child, Failed, confined, eventually, free_ports

PEER = ROOT / "tests/load/peer"
CORES = os.cpu_count() or 1
# Threads that sigbox handles SIP on. The other half of the machine carries the callers, the called, nats-server and the
# decider; with two cores that makes one.
SIGBOX_SHARDS = max(CORES // 2, 1)
# What Kamailio is tried with: UDP workers, and as many for evapi.
KAMAILIO_CHILDREN = sorted({1, max(CORES, 2)})


class Stage(contextlib.ExitStack):
    """Servers for one measurement, on these cores or on all. `proxy`, `decider` and `bus` are what is counted; `port` is
    where calls go."""

    def __init__(self, mode, fork=False, cores=None, **settings):
        super().__init__()
        self._cores = cores
        self.proxy = self.decider = self.bus = None
        self.folder = pathlib.Path(self.enter_context(tempfile.TemporaryDirectory(prefix="sigbox-bench-")))
        self.port, *self.gateways = free_ports(3)
        # Of sigbox its admin server's, of the peer where deciders connect.
        (self.side_port,) = free_ports(1, socket.SOCK_STREAM)
        try:
            self._start(mode, fork, **settings)
        except BaseException:
            self.close()
            raise

    def _start(self, mode, fork, **settings):
        raise NotImplementedError

    def child(self, name, command, env=None):
        return self.enter_context(Child(name, confined(command, self._cores), env))

    def counted(self):
        """Processes by their role."""
        roles = {"proxy": self.proxy, "decider": self.decider, "nats-server": self.bus}
        return {role: child for role, child in roles.items() if child}

    def memory_bytes(self):
        """Memory in use by the proxy."""
        return self.proxy.rss_bytes()


class Sigbox(Stage):
    """sigbox, and what a call meets: `direct`, `fallback`, or a decider `rust`, `node`, `silent`."""

    def _start(self, mode, fork):
        gateways = self.gateways if fork else self.gateways[:1]
        nats = self._nats()
        if mode == "rust":
            self.decider = self.child("lcr-rust", [binaries() / "lcr-rust"], self._decider_env(nats, gateways))
        elif mode == "node":
            script = ROOT / "deciders/lcr-node/index.js"
            self.decider = self.child("lcr-node", ["node", script], self._decider_env(nats, gateways))
        elif mode == "silent":
            self.enter_context(silent_subscriber(nats))
        config = self.folder / "sigbox.toml"
        config.write_text(self._config(nats, mode, gateways))
        self.proxy = self.child("sigbox", [binaries() / "sigbox", "run", "-c", config])
        eventually("sigbox connected to NATS", lambda: self.metric("sigbox_nats_connected") == SIGBOX_SHARDS)

    def _nats(self):
        # The port is free_ports' as nats-server only prints one that it chose itself.
        (port,) = free_ports(1, socket.SOCK_STREAM)
        binary = os.environ.get("NATS_SERVER_BIN", "nats-server")
        self.bus = self.child("nats-server", [binary, "--addr", "127.0.0.1", "--port", port])
        self.bus.wait_for("Server is ready")
        return port

    def _decider_env(self, nats, gateways):
        mode = "parallel" if len(gateways) > 1 else "serial"
        rows = [f"49,carrier-{index},sip:127.0.0.1:{port},5000,0.01,{mode}" for index, port in enumerate(gateways)]
        rates = self.folder / "rates.csv"
        rates.write_text("\n".join(["prefix,carrier,uri,timeout_ms,cost,mode", *rows]) + "\n")
        return {"NATS_URL": f"nats://127.0.0.1:{nats}", "RATES": str(rates)}

    def _config(self, nats, mode, gateways):
        routes = ", ".join(f'{{ dst_uri = "sip:127.0.0.1:{port}" }}' for port in gateways)
        route = f'action = "route"\nrouting = "parallel"\nroutes = [{routes}]\n'
        local = {"direct": f"[[rule]]\n{route}", "fallback": f"[[fallback]]\n{route}"}
        # With a decider, a call that falls back is a failed one.
        rules = local.get(mode, '[[fallback]]\naction = "reject"\nstatus = 480\n')
        is_silent = mode == "silent"
        long = "budget_ms = 60000\nmax_wait_ms = 60000\nmax_suspended = 100000\n" if is_silent else ""
        return (
            f'[sip]\nlisten = "udp:127.0.0.1:{self.port}"\n'
            f'[nats]\nservers = "nats://127.0.0.1:{nats}"\nadaptive = {str(not is_silent).lower()}\n'
            f"[decision]\n{long}"
            f'[admin]\nlisten = "127.0.0.1:{self.side_port}"\n'
            f"[limits]\ntransactions = 1000000\n[runtime]\nshards = {SIGBOX_SHARDS}\n{rules}"
        )

    def metric(self, name):
        """The sum of a metric over its labels, or None while there is no answer."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.side_port}/metrics", timeout=5) as answer:
                lines = answer.read().decode().splitlines()
        except OSError:
            return None
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.split("{")[0].split(" ")[0] == name)


class Kamailio(Stage):
    """Kamailio, and what a call meets: `direct`, `fallback`, or a decider over evapi: `node`, `silent`."""

    def _start(self, mode, fork, children=KAMAILIO_CHILDREN[-1]):
        words = {
            "CHILDREN": children,
            "SIP_PORT": self.port,
            "EVAPI_PORT": self.side_port,
            "GATEWAY_PORT": self.gateways[0],
            "FR_TIMER_MS": 60_000 if mode == "silent" else 5_000,
            "RUN": self.folder,
        }
        text = (PEER / "kamailio.cfg").read_text()
        for word, value in words.items():
            text = text.replace(f"@{word}@", str(value))
        config = self.folder / "kamailio.cfg"
        config.write_text(text)
        command = ["kamailio", "-f", config, "-m", 512, "-M", 16, "-Y", self.folder, "-P", self.folder / "pid", "-DD", "-E"]
        if mode in ("direct", "fallback"):
            command += ["-A", mode.upper()]
        self.proxy = self.child("kamailio", command)
        eventually("kamailio listening for deciders", self._accepts)
        if mode == "node":
            gateways = ",".join(f"127.0.0.1:{port}" for port in (self.gateways if fork else self.gateways[:1]))
            env = {"EVAPI_PORT": str(self.side_port), "GATEWAYS": gateways}
            self.decider = self.child("decider.js", ["node", PEER / "decider.js"], env)
            self.decider.wait_for("connected")
        elif mode == "silent":
            self.enter_context(contextlib.closing(Drain(self.side_port)))

    def _accepts(self):
        # Not by connecting: that would be a decider to Kamailio.
        wanted = f"0100007F:{self.side_port:04X}"
        lines = pathlib.Path("/proc/net/tcp").read_text().splitlines()
        return any(line.split()[1] == wanted and line.split()[3] == "0A" for line in lines[1:])

    def memory_bytes(self):
        """Shared memory in use: transactions live there, and its pool is allocated once."""
        command = ["kamcmd", "-s", f"unix:{self.folder}/ctl", "core.shmmem"]
        answer = subprocess.run(command, capture_output=True, text=True)
        for line in answer.stdout.splitlines():
            name, _, value = line.strip().partition(":")
            if name == "real_used":
                return int(value)
        raise Failed(f"kamcmd: {answer.stdout}{answer.stderr}")


class Drain:
    """Reads what comes on a TCP connection and answers nothing but what `answer` says to it."""

    def __init__(self, port, greeting=b"", answer=None):
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.sendall(greeting)
        self._answer = answer
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        with contextlib.suppress(OSError):
            while data := self._socket.recv(1 << 20):
                if self._answer:
                    self._socket.sendall(self._answer(data))

    def close(self):
        self._socket.close()


@contextlib.contextmanager
def silent_subscriber(port):
    """A decider that takes every query and never answers: the NATS protocol by hand."""
    greeting = b'CONNECT {"verbose":false}\r\nSUB sigbox.v1.query.> deciders 1\r\nPING\r\n'
    pong = lambda data: b"PONG\r\n" if b"PING\r\n" in data else b""
    with contextlib.closing(Drain(port, greeting, pong)):
        yield
