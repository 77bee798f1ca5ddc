import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { harness } from "@sigbox/decider/testing";
import { lcr } from "../lcr.js";
import { Rates } from "../rates.js";

const csv = readFileSync(new URL("../rates.csv", import.meta.url), "utf8");
const h = harness(lcr({ rates: new Rates(csv) }));

/** @param {string} user */
const call = (user) => h.invite(`sip:${user}@example.com`);

test("the longest prefix decides, the cheapest carrier comes first", async () => {
  const berlin = await call("+4930123");
  assert.equal(berlin.decision?.routing, "serial");
  assert.deepEqual(berlin.destinations, ["sip:127.0.0.1:5072", "sip:127.0.0.1:5071"]);
  assert.deepEqual(berlin.reasons, ["prefix 4930 -> carrier-b, carrier-a"]);
  assert.deepEqual((await call("+49891")).destinations, ["sip:127.0.0.1:5071", "sip:127.0.0.1:5072"]);
});

test("a number may be written with +, 00 or neither", async () => {
  for (const user of ["+4930123", "004930123", "4930123"]) {
    assert.deepEqual((await call(user)).reasons, ["prefix 4930 -> carrier-b, carrier-a"], user);
  }
});

test("each carrier has its time and its header", async () => {
  const [first] = (await call("+4930123")).decision?.routes ?? [];
  assert.equal(first?.fr_timer, 2_000);
  assert.deepEqual(first?.headers, { set: { "X-Carrier": "carrier-b" } });
});

test("what has no prefix is not found", async () => {
  for (const user of ["+33123", "nobody"]) assert.equal((await call(user)).decision?.status, 404);
  assert.equal((await h.invite("sip:example.com")).decision?.status, 404);
});

test("a blocked prefix is refused", async () => {
  const { decision, reasons } = await call("+49900123");
  assert.deepEqual([decision?.action, decision?.status], ["reject", 403]);
  assert.deepEqual(reasons, ["prefix 49900 -> blocked"]);
});

test("an emergency number is matched as a whole and tries every carrier", async () => {
  assert.deepEqual((await call("112")).destinations, ["sip:127.0.0.1:5071", "sip:127.0.0.1:5072"]);
  assert.deepEqual((await call("112")).reasons, ["emergency call 112"]);
  const passed = await call("110");
  assert.equal(passed.decision?.action, "pass", "without a carrier of its own it is the proxy's");
});

test("a desk rings everybody", async () => {
  const desk = await call("desk");
  assert.equal(desk.decision?.routing, "parallel");
  assert.deepEqual(desk.destinations, ["sip:127.0.0.1:5073", "sip:127.0.0.1:5074"]);
});

test("who has moved is redirected to", async () => {
  const { decision } = await call("moved");
  assert.deepEqual(decision?.contacts, [{ uri: "sip:newcomer@127.0.0.1:5075" }]);
});

test("a silent row never answers", async () => {
  assert.equal((await h.invite("sip:silent@example.com", { budget_ms: 10 })).dropped, "late");
  const hungUp = call("silent");
  hungUp.cancel();
  assert.equal((await hungUp).dropped, "cancelled");
});

test("messages take the same way", async () => {
  assert.deepEqual((await h.message("sip:+4930123@example.com")).destinations, ["sip:127.0.0.1:5072", "sip:127.0.0.1:5071"]);
});
