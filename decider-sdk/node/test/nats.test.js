import assert from "node:assert/strict";
import { once } from "node:events";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { connect, headers } from "@nats-io/transport-node";
import { decider, lineLog, pass, reject, route, VERSION } from "../dist/index.js";
import { silentLog } from "../dist/log.js";
import { sampleQuery } from "../dist/testing.js";
import { NatsServer } from "./nats_server.js";

/** @type {NatsServer} */
let server;
/** @type {import("@nats-io/transport-node").NatsConnection} */
let proxy;

before(async () => {
  server = await NatsServer.start();
  proxy = await connect({ servers: server.url });
});
after(async () => {
  await proxy?.close();
  await server?.stop();
});

let run = 0;

/**
 * A decider at work under a prefix of its own.
 *
 * @param {import("node:test").TestContext} t
 * @param {import("../dist/index.js").Handler} handler
 * @param {import("../dist/index.js").Settings} [settings]
 */
async function started(t, handler, settings = {}) {
  const prefix = `test${(run += 1)}`;
  const running = await decider("test-decider", "1.2.3", "for a test")
    .on("invite", handler)
    .on("message", () => reject(405))
    .start({ servers: server.url, prefix, log: silentLog, ...settings });
  t.after(() => running.stop());
  return { prefix, running, ask: asker(prefix) };
}

/** Asks as a proxy does. @param {string} prefix */
function asker(prefix) {
  /** @param {import("../dist/testing.js").Request} [request] */
  return async (request = {}) => {
    const query = sampleQuery("invite", request);
    const fields = headers();
    fields.set("Sigbox-Id", query.id);
    fields.set("Sigbox-Deadline", String(request.deadline ?? Date.now() + 5_000));
    return await proxy.request(`${prefix}.v1.query.default.invite`, JSON.stringify(query), { timeout: 5_000, headers: fields });
  };
}

test("a query is answered on its reply subject, with the name of who answered", async (t) => {
  const { ask } = await started(t, (call) => route("sip:192.0.2.20").because(`to ${call.requestUri.user}`));
  const reply = await ask({ request_uri: "sip:+49@example.com" });
  assert.deepEqual(reply.json(), {
    version: "1.0",
    action: "route",
    routes: [{ dst_uri: "sip:192.0.2.20" }],
    reasons: ["to +49"],
  });
  assert.equal(reply.headers?.get("Sigbox-Decider"), "test-decider/1.2.3");
  assert.equal(reply.headers?.has("Nats-Service-Error-Code"), false);
});

test("errors are service errors", async (t) => {
  const { ask } = await started(t, () => {
    throw new Error("no database");
  });
  const reply = await ask();
  assert.equal(reply.headers?.get("Nats-Service-Error-Code"), "500");
  assert.equal(reply.headers?.get("Nats-Service-Error"), "no database");
  assert.equal(reply.headers?.get("Sigbox-Decider"), "test-decider/1.2.3");
  assert.equal(reply.data.length, 0);
});

test("an expired query is dropped and counted", async (t) => {
  const { prefix, running, ask } = await started(t, () => pass());
  const fields = headers();
  fields.set("Sigbox-Deadline", String(Date.now() - 1_000));
  const inbox = `_INBOX.expired${prefix}`;
  const replies = proxy.subscribe(inbox);
  proxy.publish(`${prefix}.v1.query.default.invite`, JSON.stringify(sampleQuery("invite")), { reply: inbox, headers: fields });
  await ask();
  await proxy.flush();
  assert.equal(replies.getReceived(), 0);
  replies.unsubscribe();
  assert.deepEqual(
    { expired: running.counters()["invite"]?.expired, answered: running.counters()["invite"]?.answered },
    { expired: 1, answered: 1 },
  );
});

test("over the limit the answer is 503 at once", async (t) => {
  /** @type {() => void} */
  let release = () => undefined;
  const held = new Promise((resolve) => (release = () => resolve(pass())));
  const { running, ask } = await started(t, () => held, { concurrency: 1 });
  // One connection, one subscription: the queries arrive in the order they are sent.
  const first = ask();
  const second = await ask();
  assert.equal(second.headers?.get("Nats-Service-Error-Code"), "503");
  assert.equal(running.inHand, 1);
  release();
  assert.equal((await first).json().action, "pass");
});

test("an extend goes out before the decision", async (t) => {
  const { prefix } = await started(t, async (_call, ctx) => {
    ctx.extend(700);
    return pass();
  });
  const replies = proxy.subscribe(`_INBOX.extend${prefix}`, { max: 2 });
  proxy.publish(`${prefix}.v1.query.default.invite`, JSON.stringify(sampleQuery("invite")), { reply: `_INBOX.extend${prefix}` });
  const seen = [];
  for await (const reply of replies) seen.push(reply.json());
  assert.deepEqual(seen, [
    { version: "1.0", action: "extend", extend_ms: 700 },
    { version: "1.0", action: "pass" },
  ]);
});

test("D6: a cancelled event reaches the handler that is still thinking", async (t) => {
  /** @type {(id: string) => void} */
  let entered = () => undefined;
  const inHandler = new Promise((resolve) => (entered = resolve));
  /** @type {(why: unknown) => void} */
  let fired = () => undefined;
  const signalled = new Promise((resolve) => (fired = resolve));
  const { prefix, running } = await started(t, async (_call, { id, signal }) => {
    signal.addEventListener("abort", () => fired(signal.reason.why));
    entered(id);
    await once(signal, "abort");
    return pass();
  });
  const inbox = `_INBOX.cancel${prefix}`;
  const replies = proxy.subscribe(inbox);
  const query = sampleQuery("invite");
  proxy.publish(`${prefix}.v1.query.default.invite`, JSON.stringify(query), { reply: inbox });
  assert.equal(await inHandler, query.id);
  proxy.publish(`${prefix}.v1.event.cancelled.default`, "not json");
  proxy.publish(`${prefix}.v1.event.cancelled.default`, JSON.stringify({ version: "1.0", event: "cancelled", id: "another" }));
  proxy.publish(`${prefix}.v1.event.cancelled.default`, JSON.stringify({ version: "1.0", event: "cancelled", id: query.id }));
  assert.equal(await signalled, "cancelled");
  await running.stop();
  await proxy.flush();
  assert.equal(replies.getReceived(), 0);
  assert.equal(running.counters()["invite"]?.cancelled, 1);
  replies.unsubscribe();
});

test("the decider is a NATS service", async (t) => {
  const { prefix, running, ask } = await started(t, (call) => {
    if (call.requestUri.user === "bad") throw new Error("bad number");
    return pass();
  });
  await ask();
  await ask({ request_uri: "sip:bad@example.com" });
  const metadata = { sigbox: "decider", classes: "invite,message", sdk: `node/${VERSION}` };
  const common = { name: "test-decider", id: running.id, version: "1.2.3", metadata };
  for (const suffix of ["", ".test-decider", `.test-decider.${running.id}`]) {
    assert.deepEqual(await mine(`$SRV.PING${suffix}`, running.id), { type: "io.nats.micro.v1.ping_response", ...common });
  }
  assert.deepEqual(await mine("$SRV.INFO.test-decider", running.id), {
    ...common,
    type: "io.nats.micro.v1.info_response",
    description: "for a test",
    endpoints: ["invite", "message"].map((classOf) => ({
      name: classOf,
      subject: `${prefix}.v1.query.*.${classOf}`,
      queue_group: "deciders",
      metadata: { class: classOf },
    })),
  });
  const stats = await mine(`$SRV.STATS.test-decider.${running.id}`, running.id);
  assert.equal(stats.type, "io.nats.micro.v1.stats_response");
  assert.ok(!Number.isNaN(Date.parse(stats.started)));
  const [invite, message] = stats.endpoints;
  assert.deepEqual([invite.num_requests, invite.num_errors, invite.last_error], [2, 1, "500:bad number"]);
  assert.deepEqual([message.num_requests, message.num_errors, message.average_processing_time], [0, 0, 0]);
  assert.equal(invite.average_processing_time, Math.floor(invite.processing_time / 2));
  assert.ok(invite.processing_time > 0);
  assert.deepEqual([invite.data.answered, invite.data.failed], [1, 1]);
});

/** Asks all services, picks this one's answer: others of this file may still be there. @param {string} subject @param {string} id */
async function mine(subject, id) {
  const inbox = `_INBOX.${subject.replaceAll(/[$.]/g, "_")}`;
  const replies = proxy.subscribe(inbox);
  proxy.publish(subject, "", { reply: inbox });
  for await (const reply of replies) {
    if (reply.json().id === id) return reply.json();
  }
  throw new Error(`no answer to ${subject}`);
}

test("two deciders share the queries, each gets its own", async (t) => {
  /** @type {Set<string>} */
  const seen = new Set();
  const prefix = "shared";
  let answers = 0;
  for (const name of ["a", "b"]) {
    await started(t, () => (seen.add(name), (answers += 1), pass()), { prefix });
  }
  const ask = asker(prefix);
  while (seen.size < 2) await ask();
  const asked = answers;
  await ask();
  assert.equal(answers, asked + 1, "one query, one decider");
});

test("the permissions of the contract are enough for a decider", async (t) => {
  const strict = await NatsServer.start({
    args: ["-c", fileURLToPath(new URL("../../../contracts/nats/permissions.conf", import.meta.url))],
    env: { SIGBOX_PROXY_PASSWORD: "proxy", SIGBOX_DECIDER_PASSWORD: "decider", SIGBOX_OBSERVER_PASSWORD: "observer" },
  });
  t.after(() => strict.stop());
  const edge = await connect({ servers: strict.url, user: "proxy-edge-1", pass: "proxy", inboxPrefix: "_INBOX_edge-1" });
  t.after(() => edge.close());
  /** @type {string[]} */
  const troubles = [];
  const log = lineLog("warn", (line) => troubles.push(line));
  for (const tenant of ["*", "default"]) {
    const running = await decider("strict", "1.0.0")
      .on("invite", async (_call, ctx) => {
        ctx.extend(100);
        // The event goes out while the handler runs: were it not heard, an answer would follow.
        edge.publish("sigbox.v1.event.cancelled.default", JSON.stringify({ id: ctx.id }));
        await once(ctx.signal, "abort");
        return pass();
      })
      .on("message", () => pass())
      .start({ servers: strict.url.replace("//", "//decider:decider@"), tenant, log });
    edge.publish("sigbox.v1.query.default.invite", JSON.stringify(sampleQuery("invite")), { reply: "_INBOX_edge-1.invite" });
    const message = JSON.stringify(sampleQuery("message"));
    const reply = await edge.request("sigbox.v1.query.default.message", message, { timeout: 5_000 });
    assert.equal(reply.json().action, "pass");
    assert.equal((await edge.request(`$SRV.PING.strict.${running.id}`, "", { timeout: 5_000 })).json().id, running.id);
    await running.stop();
    assert.equal(running.counters()["invite"]?.cancelled, 1);
  }
  assert.deepEqual(troubles, []);
});

test("one tenant's decider does not see another's queries", async (t) => {
  const { prefix } = await started(t, () => pass(), { tenant: "acme" });
  const query = JSON.stringify(sampleQuery("invite"));
  await assert.rejects(proxy.request(`${prefix}.v1.query.default.invite`, query, { timeout: 5_000 }), /no responders/);
  assert.equal((await proxy.request(`${prefix}.v1.query.acme.invite`, query, { timeout: 5_000 })).json().action, "pass");
});

test("a drain finishes what is in hand and takes nothing new", async (t) => {
  /** @type {() => void} */
  let release = () => undefined;
  const held = new Promise((resolve) => (release = () => resolve(route("sip:192.0.2.20"))));
  /** @type {() => void} */
  let entered = () => undefined;
  const inHandler = new Promise((resolve) => (entered = () => resolve(undefined)));
  const { running, ask } = await started(t, (call) => (call.requestUri.user === "held" ? (entered(), held) : pass()));
  const inHand = ask({ request_uri: "sip:held@example.com" });
  await inHandler;
  const stopped = running.stop();
  await assert.rejects(async () => {
    // Until the unsubscription has reached the server, a query may still come through.
    for (;;) await ask();
  }, /no responders/);
  // A drain that did not wait for the handler would be over after a few round trips to the server.
  let over = false;
  stopped.then(() => (over = true));
  for (let roundTrip = 0; roundTrip < 50; roundTrip += 1) await proxy.flush();
  assert.equal(over, false);
  release();
  assert.equal((await inHand).json().action, "route");
  await stopped;
  await running.stopped;
});

test("what is still in hand when the patience ends is answered 503", async (t) => {
  /** @type {() => void} */
  let entered = () => undefined;
  const inHandler = new Promise((resolve) => (entered = () => resolve(undefined)));
  const { running, ask } = await started(t, () => (entered(), new Promise(() => undefined)), { drainMs: 1 });
  const inHand = ask();
  await inHandler;
  await running.stop();
  const reply = await inHand;
  assert.equal(reply.headers?.get("Nats-Service-Error-Code"), "503");
  assert.equal(reply.headers?.get("Nats-Service-Error"), "the decider is stopping");
});
