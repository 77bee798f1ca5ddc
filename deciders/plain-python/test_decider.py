"""Runs decider.py as a process against a real nats-server and asks it what a proxy would.

Needs nats-py (requirements.txt) and nats-server: $NATS_SERVER_BIN, on PATH, or in .local/bin of the checkout.
"""

import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

import nats

HERE = Path(__file__).resolve().parent
SUBJECT = "sigbox.v1.query.default.invite"


def nats_server():
    """The nats-server to test with."""
    local = HERE.parents[1] / ".local/bin/nats-server"
    found = os.environ.get("NATS_SERVER_BIN") or shutil.which("nats-server") or (local.exists() and str(local))
    if not found:
        raise FileNotFoundError("no nats-server: set NATS_SERVER_BIN or run scripts/bootstrap test")
    return found


def read_address(folder, server):
    """The address from the ports file, which nats-server writes once it listens."""
    until = time.monotonic() + 10
    while time.monotonic() < until:
        for path in Path(folder).glob("nats-server_*.ports"):
            try:
                return json.loads(path.read_text())["nats"][0]
            except (ValueError, KeyError):
                pass  # written, but not to its end yet
        if server.poll() is not None:
            break
        time.sleep(0.01)
    raise RuntimeError("nats-server did not start")


class Decider(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        cls.server = subprocess.Popen(
            [nats_server(), "-a", "127.0.0.1", "-p", "-1", "--ports_file_dir", cls.folder.name],
            stderr=subprocess.DEVNULL,
        )
        cls.addClassCleanup(stop, cls.server)
        cls.url = read_address(cls.folder.name, cls.server)
        cls.decider = subprocess.Popen(
            [sys.executable, str(HERE / "decider.py")],
            env=os.environ | {"NATS_URL": cls.url},
            stdout=subprocess.PIPE,
            text=True,
        )
        cls.addClassCleanup(stop, cls.decider)
        cls.addClassCleanup(cls.decider.stdout.close)
        if not cls.decider.stdout.readline().startswith("answering "):
            raise RuntimeError("the decider did not start")

    def test_a_number_with_a_route_is_routed(self):
        reply = self.ask(query("+4930123"))
        decision = json.loads(reply.data)
        self.assertEqual(decision["action"], "route")
        self.assertEqual([route["dst_uri"] for route in decision["routes"]],
                         ["sip:127.0.0.1:5071", "sip:127.0.0.1:5072"])
        self.assertEqual(reply.headers["Sigbox-Decider"], "plain-python/1.0.0")
        self.assertNotIn("Sigbox-Id", reply.headers)

    def test_any_other_number_is_refused(self):
        decision = json.loads(self.ask(query("+33123")).data)
        self.assertEqual((decision["action"], decision["status"]), ("reject", 404))

    def test_what_cannot_be_read_is_a_service_error(self):
        reply = self.ask(b"not json")
        self.assertEqual(reply.headers["Nats-Service-Error-Code"], "500")
        self.assertIn("JSONDecodeError", reply.headers["Nats-Service-Error"])
        self.assertEqual(reply.data, b"")

    def test_an_expired_query_is_not_answered(self):
        # Answers come in order, so the one to the second query shows that there is none to the first.
        async def both():
            client = await nats.connect(self.url)
            inbox = client.new_inbox()
            replies = await client.subscribe(inbox)
            await client.publish(SUBJECT, query("+49301"), reply=inbox, headers={"Sigbox-Deadline": "1"})
            await client.publish(SUBJECT, query("+33123"), reply=inbox)
            first = await replies.next_msg(timeout=5)
            await client.close()
            return first

        self.assertEqual(json.loads(asyncio.run(both()).data)["action"], "reject")

    def test_sigterm_ends_it_well(self):
        decider = subprocess.Popen(
            [sys.executable, str(HERE / "decider.py")],
            env=os.environ | {"NATS_URL": self.url, "SIGBOX_PREFIX": "another"},
            stdout=subprocess.PIPE,
            text=True,
        )
        self.addCleanup(decider.stdout.close)
        self.assertEqual(decider.stdout.readline(), "answering another.v1.query.*.invite\n")
        decider.terminate()
        self.assertEqual(decider.wait(timeout=10), 0)

    def ask(self, data):
        async def once():
            client = await nats.connect(self.url)
            headers = {"Sigbox-Id": "test", "Sigbox-Deadline": str(int(time.time() * 1000) + 5_000)}
            reply = await client.request(SUBJECT, data, timeout=5, headers=headers)
            await client.close()
            return reply

        return asyncio.run(once())


def query(number):
    """As much of a query as this decider looks at."""
    uri = {"text": f"sip:{number}@example.com", "scheme": "sip", "user": number, "host": "example.com"}
    return json.dumps({"version": "1.0", "event": "sip-routing", "id": "test", "request_uri": uri}).encode()


def stop(process):
    process.terminate()
    process.wait(timeout=10)


if __name__ == "__main__":
    unittest.main()
