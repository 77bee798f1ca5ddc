"""A sigbox decider in plain Python and nats-py, without an SDK.

Numbers in Germany go to one gateway with a second one behind it, everything else is refused.
docs/decider-any-language.md explains each step.
"""

import asyncio
import functools
import json
import os
import signal
import sys
import time

import nats

PREFIX = os.environ.get("SIGBOX_PREFIX", "sigbox")
TENANT = os.environ.get("SIGBOX_TENANT", "*")
SUBJECT = f"{PREFIX}.v1.query.{TENANT}.invite"
NAME = {"Sigbox-Decider": "plain-python/1.0.0"}


def decide(query):
    """The routing itself: a query in, a decision out."""
    number = query["request_uri"].get("user", "")
    if number.startswith("+49"):
        routes = [
            {"dst_uri": "sip:127.0.0.1:5071", "fr_timer": 2000},
            {"dst_uri": "sip:127.0.0.1:5072"},
        ]
        return {"version": "1.0", "action": "route", "routes": routes, "reasons": ["prefix +49"]}
    return {"version": "1.0", "action": "reject", "status": 404, "reasons": ["no prefix"]}


async def answer(client, message):
    """What every decider does around it: the deadline, and errors said as errors."""
    deadline = (message.headers or {}).get("Sigbox-Deadline")
    if deadline and time.time() * 1000 >= float(deadline):
        return  # the proxy has fallen back already
    try:
        reply, headers = json.dumps(decide(json.loads(message.data))), NAME
    except Exception as error:
        text = " ".join(f"{type(error).__name__}: {error}".split())
        reply, headers = "", NAME | {"Nats-Service-Error": text, "Nats-Service-Error-Code": "500"}
    # Not message.respond(): it would send the query's own headers back.
    await client.publish(message.reply, reply.encode(), headers=headers)


async def report(error):
    print(f"NATS: {error}", file=sys.stderr)


async def main():
    client = await nats.connect(
        os.environ.get("NATS_URL", "nats://127.0.0.1:4222"),
        name="plain-python",
        max_reconnect_attempts=-1,  # wait for NATS, at the start and ever after
        reconnect_time_wait=1,
        error_cb=report,
    )
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await client.subscribe(SUBJECT, queue="deciders", cb=functools.partial(answer, client))
    await client.flush()
    print(f"answering {SUBJECT}", flush=True)
    await stop.wait()
    try:
        await asyncio.wait_for(client.drain(), timeout=5)
    except Exception as error:  # NATS is away: nobody waits for what is left
        print(f"stopped without draining: {type(error).__name__}", file=sys.stderr)


if __name__ == "__main__":
    asyncio.run(main())
