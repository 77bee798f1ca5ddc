import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { Ajv2020 } from "ajv/dist/2020.js";
import { extend, parallel, pass, redirect, reject, route, serial, to, validate } from "../dist/index.js";

const ajv = new Ajv2020({ strict: false, validateFormats: false });
const schema = ajv.compile(JSON.parse(readFileSync(new URL("../../../contracts/schema/decision.json", import.meta.url), "utf8")));

/**
 * The document an answer makes; it must satisfy the schema and this SDK's own check.
 *
 * @param {object} answer
 * @returns {any}
 */
function document(answer) {
  const made = JSON.parse(JSON.stringify(answer));
  validate(made);
  assert.ok(schema(made), JSON.stringify(schema.errors));
  return made;
}

test("a route with everything", () => {
  const carrier = to("sip:192.0.2.20:5060;transport=udp")
    .uri("sip:+4930123@gw1.example.net")
    .timeout(5_000)
    .ringTimeout(30_000)
    .header("P-Asserted-Identity", "<sip:a@b>")
    .header("X-A", "1")
    .addHeader("X-B", "2")
    .addHeader("X-B", "3")
    .removeHeader("X-Internal")
    .from({ display: "Alice", uri: "sip:alice@example.com" })
    .to({ display: "" })
    .path("<sip:edge.example.net;lr>")
    .socket("udp:192.0.2.1:5060")
    .flags(8)
    .group(0);
  const answer = route(carrier, to().gateways("carriers-de").group(1))
    .failover(408, "5xx")
    .requery()
    .cache("de|+4930", 60_000)
    .because("prefix 4930", "carrier-a");
  assert.deepEqual(document(answer), {
    version: "1.0",
    action: "route",
    routes: [
      {
        dst_uri: "sip:192.0.2.20:5060;transport=udp",
        uri: "sip:+4930123@gw1.example.net",
        fr_timer: 5_000,
        fr_inv_timer: 30_000,
        headers: {
          set: { "P-Asserted-Identity": "<sip:a@b>", "X-A": "1" },
          extra: "X-B: 2\r\nX-B: 3\r\n",
          remove: ["X-Internal"],
          from: { display: "Alice", uri: "sip:alice@example.com" },
          to: { display: "" },
        },
        path: "<sip:edge.example.net;lr>",
        socket: "udp:192.0.2.1:5060",
        branch_flags: 8,
        group: 0,
      },
      { gateways: "carriers-de", group: 1 },
    ],
    failover: [408, "5xx"],
    requery: true,
    cache: { key: "de|+4930", ttl_ms: 60_000 },
    reasons: ["prefix 4930", "carrier-a"],
  });
});

test("targets may be text, and one target may serve many calls", () => {
  const shared = to("sip:192.0.2.20").timeout(100);
  const first = document(serial(shared, "sip:192.0.2.21", { uri: "sip:a@192.0.2.22" }));
  const second = document(parallel(shared));
  assert.equal(first.routing, "serial");
  assert.deepEqual(first.routes, [
    { dst_uri: "sip:192.0.2.20", fr_timer: 100 },
    { dst_uri: "sip:192.0.2.21" },
    { uri: "sip:a@192.0.2.22" },
  ]);
  assert.equal(second.routing, "parallel");
  shared.timeout(200);
  assert.equal(first.routes[0].fr_timer, 100);
});

test("an answer does not change once it was read", () => {
  const answer = route("sip:192.0.2.20");
  const before = answer.toJSON();
  answer.because("later");
  assert.equal(before.reasons, undefined);
  assert.deepEqual(document(answer).reasons, ["later"]);
});

test("rejections, redirects, pass, extend", () => {
  assert.deepEqual(document(reject(404)), { version: "1.0", action: "reject", status: 404 });
  assert.deepEqual(document(reject(503, "Busy").retryAfter(30_000).header("X-Why", "full").because("load")), {
    version: "1.0",
    action: "reject",
    status: 503,
    reason: "Busy",
    retry_after_ms: 30_000,
    headers: { set: { "X-Why": "full" } },
    reasons: ["load"],
  });
  assert.deepEqual(document(reject(503).retryAfter(1_000, 9_000)).retry_after_ms, { min: 1_000, max: 9_000 });
  assert.deepEqual(document(redirect("sip:b@192.0.2.9")).contacts, [{ uri: "sip:b@192.0.2.9" }]);
  assert.deepEqual(document(redirect(["sip:a@192.0.2.9", { uri: "sip:c@192.0.2.9", q: 0.5, expires: 60 }], 301)), {
    version: "1.0",
    action: "redirect",
    status: 301,
    contacts: [{ uri: "sip:a@192.0.2.9" }, { uri: "sip:c@192.0.2.9", q: 0.5, expires: 60 }],
  });
  assert.deepEqual(document(pass().because("not mine")), { version: "1.0", action: "pass", reasons: ["not mine"] });
  assert.deepEqual(document(extend(500)), { version: "1.0", action: "extend", extend_ms: 500 });
});
