import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { decider, pass, reject, route, SettingError, to, Withdrawn } from "../dist/index.js";
import { harness } from "../dist/testing.js";

/** @param {import("../dist/index.js").Handler} handler @param {import("../dist/testing.js").HarnessOptions} [options] */
const inviting = (handler, options) => harness(decider("test", "1.2.3").on("invite", handler), options);

test("a decider decides", async () => {
  const h = inviting((call) =>
    call.requestUri.user?.startsWith("+49")
      ? route(to("sip:192.0.2.20").timeout(5_000), to("sip:192.0.2.21")).because("prefix +49")
      : reject(404),
  );
  const routed = await h.invite("sip:+4930@example.com");
  assert.deepEqual(routed.destinations, ["sip:192.0.2.20", "sip:192.0.2.21"]);
  assert.deepEqual(routed.reasons, ["prefix +49"]);
  assert.equal(routed.headers["Sigbox-Decider"], "test/1.2.3");
  assert.equal((await h.invite("sip:+33@example.com")).decision?.status, 404);
});

test("a handler sees the request in JavaScript's names", async () => {
  /** @type {import("../dist/index.js").Call | undefined} */
  let call;
  const h = inviting((seen) => ((call = seen), pass()));
  await h.invite("sip:%2B49;phone-context=x@Example.com:5070;user=phone", {
    from: { display: "Alice", uri: { text: "sip:a@b", scheme: "sip", user: "a", host: "b" } },
    contact: ["sip:a@192.0.2.9:5080"],
    headers: { "x-account": ["7", "8"] },
    tried: [{ uri: "sip:x@y", status: 503, took_ms: 12 }],
    user_agent: "phone/1",
    tenant: "acme",
    node: "edge-1",
    attempt: 2,
  });
  assert.ok(call);
  assert.equal(call.requestUri.host, "example.com");
  assert.equal(call.requestUri.port, 5070);
  assert.deepEqual(call.requestUri.params, { user: "phone" });
  assert.equal(call.from.display, "Alice");
  assert.equal(call.to.uri.text, call.requestUri.text);
  assert.equal(call.contact[0]?.uri.port, 5080);
  assert.equal(call.header("X-Account"), "7");
  assert.deepEqual(call.headers("X-ACCOUNT"), ["7", "8"]);
  assert.deepEqual(call.headers("x-none"), []);
  assert.equal(call.tried[0]?.status, 503);
  assert.deepEqual(call.bindings, []);
  assert.equal(call.body, undefined);
  assert.equal(call.identity, undefined);
  assert.deepEqual([call.class, call.method, call.tenant, call.node, call.userAgent], ["invite", "INVITE", "acme", "edge-1", "phone/1"]);
  assert.deepEqual([call.cseq, call.maxForwards, call.source.ip, call.local.transport], [1, 69, "192.0.2.10", "udp"]);
  assert.match(call.callId, /@test$/);
});

test("what is thrown is a service error without a stack", async () => {
  const result = await inviting(() => {
    throw new Error("no database\r\nX-Evil: 1");
  }).invite("sip:a@b");
  assert.deepEqual(result.error, { code: 500, message: "no database X-Evil: 1" });
  assert.equal(result.decision, undefined);
  assert.equal(result.headers["Sigbox-Decider"], "test/1.2.3");
  assert.deepEqual((await inviting(async () => Promise.reject("gone")).invite("sip:a@b")).error, { code: 500, message: "gone" });
});

test("D5: an invalid decision never leaves", async () => {
  for (const [decision, why] of [
    [() => route(to("sip:h").header("X-A", "1\r\nVia: x")), /^invalid decision: header_injection at \/routes\/0\/headers\/set\/X-A: /],
    [() => route(), /^invalid decision: no_routes at \/routes: /],
    [() => ({ action: "answer" }), /^invalid decision: unknown_action at \/action: /],
    [() => "route", /^invalid decision: wrong_type at the document: /],
    [() => undefined, /^invalid decision: the handler returned nothing; return pass\(\)/],
    [() => ({ routes: [{ group: 1n }] }), /^invalid decision: .*BigInt/],
    [() => route(`sip:${"h".repeat(70_000)}`), /^invalid decision: too_large at the document: /],
  ]) {
    // @ts-expect-error what TypeScript would not let pass
    const result = await inviting(decision).invite("sip:a@b");
    assert.equal(result.error?.code, 500);
    assert.match(result.error?.message ?? "", /** @type {RegExp} */ (why));
    assert.equal(result.decision, undefined);
  }
});

test("a query that came too late is dropped unread", async () => {
  let asked = false;
  const h = inviting(() => ((asked = true), pass()));
  assert.equal((await h.invite("sip:a@b", { deadline: Date.now() - 1 })).dropped, "expired");
  assert.equal(asked, false);
});

test("a query that cannot be read is answered 400", async () => {
  const h = inviting(() => pass());
  for (const payload of ["", "{", "[]", "null", '"x"', "{}", '{"request_uri": {}}', Uint8Array.of(0xff)]) {
    const result = await h.raw("invite", payload);
    assert.equal(result.error?.code, 400, String(payload));
    assert.match(result.error?.message ?? "", /^query: /);
  }
});

test("over its limit a decider says 503, and goes on when there is room", async () => {
  /** @type {(() => void)[]} */
  const release = [];
  const h = inviting(() => new Promise((resolve) => release.push(() => resolve(pass()))), { concurrency: 2 });
  const first = h.invite("sip:1@b");
  const second = h.invite("sip:2@b");
  assert.deepEqual((await h.invite("sip:3@b")).error, { code: 503, message: "busy: 2 queries in hand" });
  for (const free of release) free();
  assert.equal((await first).decision?.action, "pass");
  assert.equal((await second).decision?.action, "pass");
  const fourth = h.invite("sip:4@b");
  release[2]?.();
  assert.equal((await fourth).decision?.action, "pass");
});

test("the signal fires at the deadline, and a late answer is dropped", async () => {
  /** @type {unknown} */
  let reason;
  let remaining = -1;
  const result = await inviting(async (_call, ctx) => {
    assert.ok(ctx.remainingMs > 0 && ctx.remainingMs <= 20);
    await once(ctx.signal, "abort");
    reason = ctx.signal.reason;
    remaining = ctx.remainingMs;
    return pass();
  }).invite("sip:a@b", { budget_ms: 20 });
  assert.equal(result.dropped, "late");
  assert.ok(reason instanceof Withdrawn && reason.why === "deadline");
  assert.equal(remaining, 0);
});

test("D6: the signal fires when the caller hangs up, and the answer is dropped", async () => {
  /** @type {unknown} */
  let reason;
  const asked = inviting(async (_call, { signal }) => {
    await once(signal, "abort");
    reason = signal.reason;
    return pass();
  }).invite("sip:a@b");
  asked.cancel();
  assert.equal((await asked).dropped, "cancelled");
  assert.ok(reason instanceof Withdrawn && reason.why === "cancelled");
});

test("a handler that gives up because of the signal has not failed", async () => {
  const asked = inviting(async (_call, { signal }) => {
    await once(signal, "abort");
    throw signal.reason;
  }).invite("sip:a@b");
  asked.cancel();
  assert.deepEqual(await asked, { extended: [], headers: {}, destinations: [], reasons: [], dropped: "cancelled" });
});

test("a signal asked for after the cancellation has fired already", async () => {
  /** @type {() => void} */
  let go = () => undefined;
  const waiting = new Promise((resolve) => (go = () => resolve(undefined)));
  let aborted = false;
  const asked = inviting(async (_call, ctx) => {
    await waiting;
    aborted = ctx.signal.aborted;
    return pass();
  }).invite("sip:a@b");
  asked.cancel();
  go();
  await asked;
  assert.equal(aborted, true);
});

test("an extended query has more time", async () => {
  const result = await inviting(async (_call, ctx) => {
    const before = ctx.deadline;
    ctx.extend(60_000);
    assert.ok(ctx.deadline > before);
    assert.equal(ctx.signal.aborted, false);
    assert.throws(() => ctx.extend(0), RangeError);
    return route("sip:192.0.2.20");
  }).invite("sip:a@b", { budget_ms: 50 });
  assert.deepEqual(result.extended, [60_000]);
  assert.deepEqual(result.destinations, ["sip:192.0.2.20"]);
});

test("the context says what the query's headers say", async () => {
  await inviting((_call, ctx) => {
    assert.deepEqual([ctx.attempt, ctx.mode, ctx.traceparent], [2, "shadow", undefined]);
    return pass();
  }).invite("sip:a@b", { attempt: 2, mode: "shadow" });
  const bare = await inviting((call, ctx) => {
    assert.deepEqual([ctx.id, ctx.attempt, ctx.mode, ctx.deadline], [call.query.id, 1, "live", Infinity]);
    assert.equal(ctx.signal.aborted, false);
    return pass();
  }).raw("invite", JSON.stringify({ id: "x", attempt: 1, request_uri: {}, from: {}, to: {}, source: {} }));
  assert.equal(bare.decision?.action, "pass", bare.error?.message);
});

test("the log carries the id and cannot be forged", async () => {
  /** @type {string[]} */
  const lines = [];
  const { lineLog } = await import("../dist/index.js");
  const h = inviting(
    (call, ctx) => {
      ctx.log.info("asked", { user: call.requestUri.user });
      ctx.log.debug("not at this level");
      return pass();
    },
    { log: lineLog("info", (line) => lines.push(line)) },
  );
  await h.invite("sip:a%0D%0Aroot%1B[31m@b", { id: "the-id" });
  assert.equal(lines.length, 1);
  assert.match(lines[0] ?? "", /^\S+ INFO asked id=the-id user="a\\r\\nroot\\u001b\[31m"$/);
});

test("what cannot work is said at once", () => {
  assert.throws(() => decider("my decider", "1.0.0"), SettingError);
  assert.throws(() => decider("d", "1"), /must be like 1\.0\.0/);
  // @ts-expect-error no such class
  assert.throws(() => decider("d", "1.0.0").on("invites", pass), /class "invites": one of invite, /);
  assert.throws(() => decider("d", "1.0.0").on("invite", pass).on("invite", pass), /has a handler already/);
  assert.throws(() => inviting(() => pass()).ask("message"), /no handler for "message"/);
});
